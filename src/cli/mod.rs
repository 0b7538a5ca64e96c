//! The command line: one verb, its flags, and what is printed where.
//!
//! Data goes to standard output, everything else to standard error.
#![expect(clippy::disallowed_methods, reason = "this level reaches the system")]

mod args;
mod doctor;
mod layer;
mod load;
mod profiles;
mod run;
mod show;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::diag::{
    Code, Diagnostic, Severity, Sink, SourceMap, json_line, printable, printable_os, text,
};
use crate::exec::{FAILED, Hooks};
use crate::host::CallerError;
use crate::sys::describe;
use args::{Args, Deferred, Verb};

/// Runs the command that the arguments ask for.
pub fn main(hooks: &Hooks) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are data; everything else is sbx's own failure.
            if error.use_stderr() {
                // Where standard error is closed there is nobody to be told.
                let _ignored = harmless(error).print();
                return ExitCode::from(FAILED);
            }
            return finished(written(error.print()).map(|()| 0));
        }
    };
    // The process ends with the verb: to give back what it was told would be work for nobody.
    let verb = ManuallyDrop::new(args.verb);
    let result = match &*verb {
        Verb::Run(Deferred(args)) => run::run(args, hooks),
        Verb::Plan(Deferred(args)) => run::plan(args),
        Verb::Show(Deferred(args)) => show::show(args),
        Verb::Profiles(Deferred(args)) => profiles::profiles(args),
        Verb::Check(Deferred(args)) => profiles::check(args),
        Verb::Doctor(Deferred(args)) => doctor::doctor(args),
    };
    finished(result)
}

/// Tells a failure that no diagnostic told, and returns the exit status.
fn finished(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let text = format!("{error:#}");
            let mut told = Told::default();
            told.sink.push(match error.downcast_ref::<CallerError>() {
                Some(caller) => Diagnostic::error(Code::Caller, text).help(caller.remedy()),
                None => Diagnostic::error(Code::Output, text)
                    .help("look at where standard output leads: a full disk, or a closed stream"),
            });
            told.tell(Severity::Warning);
            ExitCode::from(FAILED)
        }
    }
}

/// Returns the same complaint about the arguments, with nothing in them that could forge a line of it:
/// clap prints them as they are.
fn harmless(error: clap::Error) -> clap::Error {
    match Args::try_parse_from(std::env::args_os().map(printable_os)) {
        Err(again) if again.use_stderr() => again,
        // It is about the very characters that are escaped now; no other word of it is an argument's.
        Ok(_) | Err(_) => Args::command().error(error.kind(), printable(&error.kind().to_string())),
    }
}

/// Returns the layer that a command line of `run` gives, for tests that have no process.
///
/// # Errors
/// What clap says about the arguments.
pub fn layer_of(
    arguments: &[&str],
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Result<crate::profile::Layer, String> {
    let words = [crate::NAME, "run"].into_iter().chain(arguments.iter().copied());
    match Args::try_parse_from(words) {
        Ok(Args { verb: Verb::Run(Deferred(run)) }) => {
            Ok(layer::layer(&run.overrides, &run.command.argv, sources, sink))
        }
        Ok(_) => Err("not arguments of `run`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What is to be told, with the texts it speaks about.
#[derive(Debug, Default)]
struct Told {
    sources: SourceMap,
    sink: Sink,
    quiet: bool,
    json: bool,
}

impl Told {
    /// Prints every diagnostic that is at least as bad as `least`.
    fn tell(&self, least: Severity) {
        let least = if self.quiet { Severity::Error } else { least };
        let colour =
            anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let mut stderr = anstream::stderr().lock();
        let mut told = BTreeSet::new();
        for diagnostic in self.sink.all().iter().filter(|one| one.severity <= least) {
            let line = if self.json {
                json_line(diagnostic, &self.sources).unwrap_or_default()
            } else {
                text(diagnostic, &self.sources, colour)
            };
            // The same file, read for several profiles, has the same faults.
            if !told.contains(&line) {
                // Where standard error is closed there is nobody to be told.
                let _ignored = writeln!(stderr, "{line}");
                told.insert(line);
            }
        }
    }
}

/// Prints data.
fn print(data: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    written(stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()))
}

/// Returns what came of writing data. A reader that closed its end early has seen what it wanted.
fn written(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| {
            let errno = error.raw_os_error().map_or_else(|| error.to_string(), describe);
            anyhow::anyhow!("cannot write to standard output: {errno}")
        }),
    }
}
