//! `sbx run` and `sbx plan`: the same way up to the plan.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use super::args::{Overrides, PlanArgs, RunArgs};
use super::load::Library;
use super::{Told, layer, print};
use crate::diag::{Origin, Severity};
use crate::exec::{FAILED, Hooks, Manner, Outcome, explain, run as execute};
use crate::facts::Facts as _;
use crate::feature::trust;
use crate::host::Live;
use crate::plan::{self, Plan};
use crate::policy;
use crate::profile::{Stack, is_path};

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
    Ok(match run.outcome {
        Outcome::Exited(code) => u8::try_from(code & 0xff).unwrap_or(FAILED),
        Outcome::Signaled(number) => u8::try_from(128 + number).unwrap_or(FAILED),
        Outcome::Failed(failure) => {
            if args.verbose {
                show_steps(&plan, &run.done, &told);
            }
            let (diagnostic, status) = explain(&failure, &plan, &facts);
            let mut told = Told { sources: told.sources, quiet: args.quiet, ..Told::default() };
            told.sink.push(diagnostic);
            told.tell(Severity::Warning);
            status
        }
    })
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
        let _ignored = writeln!(stderr, "note: {}", note.text);
    }
}

/// Everything up to the plan; nothing where an error was told.
fn make(flags: &Overrides, argv: &[OsString], told: &mut Told) -> anyhow::Result<Option<Planned>> {
    let facts = Live::new()?;
    let library = Library::new(facts.profile_directories(), facts.caller().uid);
    let mut names = flags.profiles.clone();
    let mut serving = None;
    if let (true, false, Some(command)) = (names.is_empty(), flags.no_profile, argv.first()) {
        // A program that lies where others can put one must not choose its rights by its name.
        let path = Path::new(command);
        let is_trusted = !is_path(command)
            || (path.is_absolute() && trust::decided_by_others(path, &facts).is_none());
        serving = is_trusted.then(|| library.serving(command)).flatten();
        names.extend(serving.clone().map(OsString::from));
    }
    let mut stack = Stack::default();
    for name in &names {
        for layer in library.layers(name, told) {
            stack.push(layer);
        }
    }
    stack.push(layer::layer(flags, argv, &mut told.sources, &mut told.sink));
    if told.sink.has_errors() {
        return Ok(None);
    }
    let files = told.sources.files(&facts.caller().cwd);
    let (profile, rank) = stack.merge();
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
