//! `sbx run` and `sbx plan`: the same way up to the plan.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::mem;
use std::path::Path;

use super::args::{Overrides, PlanArgs, RunArgs};
use super::load::Library;
use super::{Told, layer, print};
use crate::diag::{Code, Diagnostic, Origin, Severity, Sink, printable_os};
use crate::exec::{FAILED, Hooks, Manner, Outcome, explain, run as execute};
use crate::facts::Facts as _;
use crate::feature::trust;
use crate::host::Live;
use crate::plan::{self, Action, Plan};
use crate::policy;
use crate::profile::{Layer, Stack, is_path};

/// A plan that obeys its laws, and what goes with it.
struct Planned {
    plan: Plan,
    facts: Live,
    kill_grace_ms: Option<u64>,
}

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    let mut told = Told { quiet: args.quiet, json: args.json, ..Told::default() };
    let planned = make(&args.overrides, &args.command.argv, &mut told)?;
    told.tell(Severity::Warning);
    let Some(planned) = planned else {
        return Ok(FAILED);
    };
    if args.json {
        print(&plan::json(&planned.plan, &told.sources)?)?;
    } else {
        print(&plan::text(&planned.plan, &told.sources))?;
    }
    Ok(0)
}

pub(super) fn run(args: &RunArgs, hooks: &Hooks) -> anyhow::Result<u8> {
    let mut told = Told { quiet: args.quiet, ..Told::default() };
    let planned = make(&args.overrides, &args.command.argv, &mut told)?;
    told.tell(if args.verbose { Severity::Note } else { Severity::Warning });
    let Some(Planned { plan, facts, kill_grace_ms }) = planned else {
        return Ok(FAILED);
    };
    let mut executed = |done: &[bool]| {
        if args.verbose {
            show_steps(&plan, done, &told);
        }
    };
    let mut manner = Manner { kill_grace_ms, executed: &mut executed };
    let run = execute(&plan, &mut manner, hooks);
    let status = match run.outcome {
        Outcome::Exited(code) => {
            if code != 0
                && let Some(warning) = hidden_directory(&plan, &facts)
            {
                told.sink = Sink::default();
                told.sink.push(warning);
                told.tell(Severity::Warning);
            }
            u8::try_from(code & 0xff).unwrap_or(FAILED)
        }
        Outcome::Signaled(number) => u8::try_from(128 + number).unwrap_or(FAILED),
        Outcome::Failed(failure) => {
            if args.verbose {
                show_steps(&plan, &run.done, &told);
            }
            let (diagnostic, status) = explain(&failure, &plan, &facts);
            told.sink = Sink::default();
            told.sink.push(diagnostic);
            told.tell(Severity::Warning);
            status
        }
    };
    // The process ends: to give every block of these back would only touch their pages once more.
    mem::forget((plan, facts, told));
    Ok(status)
}

/// Returns the likely reason why a command did not find its files: nobody asked for a working
/// directory, and the caller's cannot be seen inside.
fn hidden_directory(plan: &Plan, facts: &Live) -> Option<Diagnostic> {
    let cwd = &facts.caller().cwd;
    let inside = plan.steps.iter().find_map(|step| match &step.action {
        Action::Chdir { path } if step.origin.is_default() => Some(path.as_path()),
        _ => None,
    })?;
    let is_made = plan.steps.iter().any(|step| {
        matches!(&step.action, Action::Tmpfs { target: at, .. } | Action::Directory { path: at, .. } if at.as_path() == inside)
    });
    let shown = printable_os(cwd);
    let text = if inside != cwd {
        let there = printable_os(inside);
        format!("the working directory {shown} cannot be seen inside: the command ran in {there}")
    } else if is_made {
        format!("the working directory {shown} is made by sbx inside, without the host's files")
    } else {
        return None;
    };
    let help = "if it missed files: show them with `--read .`, or `--write .` to have them changed";
    Some(Diagnostic::warning(Code::HiddenDirectory, text).help(help))
}

/// Shows the steps that were carried out, as `plan` shows them.
fn show_steps(plan: &Plan, done: &[bool], told: &Told) {
    let mut stderr = anstream::stderr().lock();
    for (number, step) in plan.steps.iter().enumerate() {
        if done.get(number) == Some(&true) {
            let line = plan::line(number, &step.action, step.origin, &told.sources);
            // Where standard error is closed there is nobody to be told.
            let _ignored = writeln!(stderr, "{line}");
        }
    }
    for note in &plan.notes {
        let _ignored = writeln!(stderr, "{}", plan::note_line(note, &told.sources));
    }
}

/// Says whether the flags choose where a command is searched for: what is found there may be anything
/// of that name.
fn chooses_path(flags: &Layer) -> bool {
    let env = &flags.profile.env;
    let path = OsStr::new("PATH");
    env.set.iter().any(|(name, _)| name == "PATH")
        || env.pass.items().iter().any(|item| crate::feature::env::matches(item.value, path))
}

/// Everything up to the plan; nothing where an error was told.
fn make(flags: &Overrides, argv: &[OsString], told: &mut Told) -> anyhow::Result<Option<Planned>> {
    let facts = Live::new()?;
    let library = Library::of(&facts);
    let mut names = flags.profiles.clone();
    let flag_layer = layer::layer(flags, argv, &mut told.sources, &mut told.sink);
    let mut serving = None;
    if let (true, false, Some(command)) = (names.is_empty(), flags.no_profile, argv.first()) {
        // A program that lies where others can put one must not choose its rights by its name.
        let path = Path::new(command);
        let is_trusted = (!is_path(command) && !chooses_path(&flag_layer))
            || (path.is_absolute() && trust::decided_by_others(path, &facts).is_none());
        serving = is_trusted.then(|| library.serving(command, told)).flatten();
        names.extend(serving.clone().map(OsString::from));
    }
    let mut stack = Stack::default();
    for name in &names {
        for layer in library.layers(name, told) {
            stack.push(layer);
        }
    }
    stack.push(flag_layer);
    let files = told.sources.files(&facts.caller().cwd);
    let (profile, rank) = stack.merge();
    if told.sink.has_errors() {
        // What could not be read is as if it were not written; what was written is still judged.
        let mut more = Sink::default();
        policy::resolve(&profile, &rank, &files, &facts, &mut more);
        told.sink.absorb_if(more, |one| one.code.is_of_the_text());
        return Ok(None);
    }
    let Some(policy) = policy::resolve(&profile, &rank, &files, &facts, &mut told.sink) else {
        return Ok(None);
    };
    if told.sink.has_errors() {
        return Ok(None);
    }
    let mut plan = policy::compile(&policy, &facts, &mut told.sink);
    if let Some(name) = serving {
        let text = format!("profile `{name}` is used because it serves this command");
        plan.notes.push(plan::Note { text, origin: Origin::DEFAULT });
    }
    if !told.sink.has_errors() {
        plan::check(&plan, &mut told.sink);
    }
    let planned = Planned { plan, facts, kill_grace_ms: policy.process.kill_grace_ms };
    Ok((!told.sink.has_errors()).then_some(planned))
}
