//! Finds the words for a step that did not succeed: what was tried, why the kernel refused, which
//! line of which profile asked for it, and what to do.

mod command;

use rustix::io::Errno;

use super::FAILED;
use super::report::{Failure, Part};
use crate::diag::{Code, Diagnostic, Refusal};
use crate::facts::Facts;
use crate::plan::{Action, Namespace, Phase, Plan, StdSource};
use crate::sys::describe;

const ENOENT: i32 = Errno::NOENT.raw_os_error();
const E2BIG: i32 = Errno::TOOBIG.raw_os_error();
const ENOEXEC: i32 = Errno::NOEXEC.raw_os_error();
const EACCES: i32 = Errno::ACCESS.raw_os_error();
const EPERM: i32 = Errno::PERM.raw_os_error();
const EROFS: i32 = Errno::ROFS.raw_os_error();
const ELOOP: i32 = Errno::LOOP.raw_os_error();
const EMFILE: i32 = Errno::MFILE.raw_os_error();
const ENFILE: i32 = Errno::NFILE.raw_os_error();
const EFBIG: i32 = Errno::FBIG.raw_os_error();
const EINVAL: i32 = Errno::INVAL.raw_os_error();
const EXDEV: i32 = Errno::XDEV.raw_os_error();
const ENOSPC: i32 = Errno::NOSPC.raw_os_error();
const EBADF: i32 = Errno::BADF.raw_os_error();
const EISDIR: i32 = Errno::ISDIR.raw_os_error();

/// Returns what is said about a failure, and sbx's exit status for it: 126 and 127 as a shell has
/// them, 125 for everything else.
pub fn explain(failure: &Failure, plan: &Plan, facts: &dyn Facts) -> (Diagnostic, u8) {
    if failure.part == Part::Prepare {
        let text = format!("cannot prepare the start: {}", describe(failure.errno));
        let refusal = Diagnostic::error(Code::SetupFailed, text);
        let help = limit_help(failure, plan).unwrap_or(
            "look whether there is memory, and whether `/dev/null` is there and can be opened",
        );
        return (refusal.help(help), FAILED);
    }
    let Some(step) = plan.steps.get(failure.step) else {
        let refusal = Diagnostic::error(Code::PlanLaw, "a step that the plan does not have failed");
        return (
            refusal.help("report this as a bug in sbx, with the output of `sbx plan`"),
            FAILED,
        );
    };
    if let (Action::Exec { candidates, arguments, .. }, false) =
        (&step.action, failure.part == Part::Killed)
    {
        return command::explain(failure, plan, candidates, arguments, facts);
    }
    let reason = if failure.part == Part::Killed {
        format!("killed by signal {}", failure.errno)
    } else if failure.part == Part::Parent {
        "the supervisor is gone".to_owned()
    } else {
        describe(failure.errno)
    };
    let phase = step.action.phase();
    let refusal = Diagnostic::error(Code::SetupFailed, format!("cannot {}: {reason}", step.action))
        .at(step.origin)
        .with_note(format!(
            "phase `{}`, step {} of {}, {}{}",
            phase.name(),
            failure.step + 1,
            plan.steps.len(),
            failure.actor.name(),
            part_words(failure.part)
        ));
    if let Some(help) = limit_help(failure, plan) {
        return (refusal.help(help), FAILED);
    }
    if failure.errno == EPERM && crate::host::is_inside_sbx() {
        let (cause, remedy) = crate::host::INSIDE_SBX;
        return (refusal.with_note(cause).help(remedy), FAILED);
    }
    (with_help(refusal, failure, &step.action), FAILED)
}

/// Says what to do about the limit that a step ran into.
fn limit_help(failure: &Failure, plan: &Plan) -> Option<&'static str> {
    let step = plan.steps.get(failure.step)?;
    let is_limited = |name: &str| {
        let before = plan.steps.iter().take(failure.step);
        before
            .rev()
            .any(|step| matches!(step.action, Action::Limit { resource, .. } if resource == name))
    };
    match (&step.action, failure.part, failure.errno) {
        (_, Part::Killed, _) => None,
        // poll(2) answers EINVAL where it is given more descriptors than the limit.
        (_, _, EMFILE) | (Action::DieWithInit, _, EINVAL) if is_limited("nofile") => {
            Some("raise `nofile` in [limits]: sbx itself needs a few descriptors after it is set")
        }
        (_, _, EMFILE) => {
            Some("raise the limit on open files before starting sbx: `ulimit -n 64` or more")
        }
        (_, _, ENFILE) => {
            Some("close files elsewhere: the system has as many open as `fs.file-max` allows")
        }
        (_, _, EFBIG) => {
            Some("raise the limit on the size of files before starting sbx: `ulimit -f unlimited`")
        }
        _ => None,
    }
}

fn part_words(part: Part) -> &'static str {
    match part {
        Part::Whole | Part::Killed | Part::Prepare => "",
        Part::OpenSource => ", opening the source",
        Part::Identity => ", looking whether it is what planning saw",
        Part::Make => ", making the mount",
        Part::Attributes => ", setting the mount's attributes",
        Part::Verify => ", verifying",
        Part::OpenParent => ", opening the directory it is to be in",
        Part::MakeTarget => ", making the target",
        Part::OpenTarget => ", opening the target",
        Part::Attach => ", attaching",
        Part::Write => ", writing",
        Part::Owner => ", setting the owner",
        Part::Parent => ", looking for the parent",
        Part::Interpreter => ", looking for the interpreter",
    }
}

/// Says what this errno means here, and what to do about it.
fn with_help(refusal: Refusal, failure: &Failure, action: &Action) -> Diagnostic {
    let errno = failure.errno;
    match (action, failure.part, errno) {
        (Action::Spawn { namespaces }, _, _) => {
            let first = namespaces.first().copied().unwrap_or(Namespace::User);
            let (cause, remedy) = crate::host::why_no_namespace(first, errno);
            refusal.with_note(cause).help(remedy).help("run `sbx doctor` to see what works here")
        }
        (_, Part::Identity, _) => {
            refusal.help("start again: the path was changed while sbx was starting")
        }
        (_, Part::OpenSource | Part::OpenTarget | Part::OpenParent, ELOOP) => {
            refusal.help("look for a link that was put on this path while sbx was starting, and remove it")
        }
        (Action::Proc { .. }, Part::Make, EPERM) => refusal
            .help("give the container, if this is one, a /proc without covers: the kernel lets nobody make one that shows more")
            .help("write `auto-mount = [\"tmp\"]` in [root] to do without"),
        (_, Part::Verify, _) if action.phase() == Phase::Root => {
            refusal.help("remove the option that the mount below does not have: options that the host locked are never cleared")
        }
        (_, Part::Attributes, EPERM) => {
            refusal.help("remove the option that changes what the host locked: a mount copied into a user namespace keeps its access-time setting, and nothing is ever cleared")
        }
        (_, Part::OpenSource, EACCES) => {
            refusal.help("give the caller the right to reach it, or remove it from the profile")
        }
        (Action::MapIds { .. }, _, EPERM) => refusal.help("look whether a filter or a container keeps this process from mapping ids; `sbx doctor` tries it"),
        (Action::LimitUserNamespaces { .. }, _, EROFS | EACCES | EXDEV) => refusal.help("make /proc/sys/user writable in this container or sandbox, or write `nested-users = \"allow\"` in [namespaces]"),
        (Action::CloseDescriptors { .. } | Action::Stdio { .. }, Part::OpenSource, EISDIR) => refusal.help(format!(
            "give descriptor {} something else than a directory: it would be a way into the host's tree",
            failure.detail
        )),
        (Action::CloseDescriptors { .. }, Part::OpenSource, _) => refusal.help(format!("open descriptor {} before starting sbx, or remove it from `keep-fds`", failure.detail)),
        (Action::Stdio { source: StdSource::Descriptor(number), .. }, Part::OpenSource, EBADF) => refusal.help(format!("open descriptor {number} before starting sbx, or name another stream")),
        (Action::OpenStdio { .. }, _, _) => {
            refusal.help("name a file that the caller may open, in a directory that is there")
        }
        (Action::Tmpfs { .. } | Action::File { .. } | Action::Directory { .. }, _, ENOSPC) => {
            refusal.help("raise `size` of the tmpfs it is in")
        }
        (_, Part::Killed, _) => {
            refusal.help("look into the kernel's log for who sent the signal: the OOM killer, or a filter around sbx")
        }
        _ => refusal.help("run `sbx doctor` to see what works here"),
    }
}
