//! Finds the words for a step that did not succeed: what was tried, why the kernel refused, which
//! line of which profile asked for it, and what to do.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::FAILED;
use super::report::{Failure, Part};
use crate::diag::{Code, Diagnostic, Refusal, printable_os};
use crate::facts::{Facts, FileKind};
use crate::plan::{Action, MountOption, Namespace, Phase, Plan, StdSource, Text};
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
        return exec(failure, plan, candidates, arguments, facts);
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
    (with_help(refusal, failure, &step.action), FAILED)
}

/// Names the limit that a step ran into, and where it was set.
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
        (_, _, EMFILE) if is_limited("nofile") => {
            Some("raise `nofile` in [limits]: sbx itself needs a few descriptors after it is set")
        }
        // poll(2) takes no more descriptors than the limit.
        (Action::DieWithInit, _, EINVAL) if is_limited("nofile") => {
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
        Part::Whole | Part::Killed => "",
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
            .help("remove \"proc\" from `auto-mount` in [root] to do without"),
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

/// A command that was not executed.
fn exec(
    failure: &Failure,
    plan: &Plan,
    candidates: &[Text],
    arguments: &[Text],
    facts: &dyn Facts,
) -> (Diagnostic, u8) {
    let origin = plan.steps.last().map_or(crate::diag::Origin::DEFAULT, |step| step.origin);
    let name = arguments.first().map(ToString::to_string).unwrap_or_default();
    let detail = usize::try_from(failure.detail).unwrap_or(usize::MAX);
    let tried = candidates.get(detail).map_or(Path::new(""), |text| text.as_path());
    let shown = printable_os(tried);
    let told = |code, text: String| Diagnostic::error(code, text).at(origin);
    match (failure.part, failure.errno) {
        (Part::Interpreter, _) => {
            let refusal = told(
                Code::CommandNotFound,
                format!("cannot execute {shown}: what it is run by is not there"),
            );
            (interpreter(refusal, tried, plan, facts), 127)
        }
        (_, ENOENT) => (
            not_found(
                told(Code::CommandNotFound, format!("command `{name}` not found")),
                &name,
                candidates,
                facts,
            ),
            127,
        ),
        (_, EACCES) => {
            let text = format!("cannot execute {shown}: {}", describe(EACCES));
            (not_executable(told(Code::CommandNotExecutable, text), tried, plan, facts), 126)
        }
        (_, ENOEXEC) => {
            let text = format!("cannot execute {shown}: {}", describe(ENOEXEC));
            let diagnostic = told(Code::CommandNotExecutable, text)
                .help("make it a program of this machine, or a script that begins with `#!`");
            (diagnostic, 126)
        }
        (_, E2BIG) => {
            let size: usize = arguments.iter().map(|text| text.0.len() + 1).sum();
            let text = format!("cannot execute {shown}: {}", describe(E2BIG));
            let diagnostic = told(Code::CommandNotExecutable, text)
                .with_note(format!("the arguments alone have {size} bytes; the limit is a quarter of `stack` in [limits], and 128 KiB for each"))
                .help("pass fewer arguments, or raise `stack` in [limits]");
            (diagnostic, 126)
        }
        (_, errno) => {
            let text = format!("cannot execute {shown}: {}", describe(errno));
            let refusal = told(Code::CommandNotExecutable, text);
            if let Some(help) = limit_help(failure, plan) {
                return (refusal.help(help), 126);
            }
            (refusal.help("run `sbx doctor` to see what works here"), 126)
        }
    }
}

fn not_found(
    mut refusal: Refusal,
    name: &str,
    candidates: &[Text],
    facts: &dyn Facts,
) -> Diagnostic {
    let inside: Vec<String> = candidates
        .iter()
        .map(|text| printable_os(text.as_path().parent().unwrap_or(Path::new("/"))))
        .collect();
    if !name.contains('/') {
        refusal = refusal.with_note(format!("searched inside in {}", inside.join(":")));
    }
    let is_path = name.contains('/');
    let path = facts.env(OsStr::new("PATH")).unwrap_or_default();
    let elsewhere = path
        .as_bytes()
        .split(|byte| *byte == b':')
        .filter(|part| !is_path && !part.is_empty())
        .map(|part| Path::new(OsStr::from_bytes(part)).join(name));
    let here = candidates.iter().map(|text| facts.caller().cwd.join(text.as_path()));
    let on_host = here
        .chain(elsewhere)
        .map(|path| crate::path::normal(&path))
        .find(|path| path.is_absolute() && facts.file(path).is_some());
    let Some(path) = on_host else {
        let in_cwd = facts.caller().cwd.join(name);
        return if is_path {
            refusal.help("look for a slip in the path: it is not on the host either")
        } else if facts.file(&in_cwd).is_some() {
            refusal
                .with_note("a file of that name is in the working directory, which is not in PATH")
                .help(format!("write `./{name}`"))
        } else if name.contains(char::is_whitespace) {
            refusal.help(format!("write each word as an argument of its own: `{name}`, unquoted"))
        } else {
            refusal.help("install it on the host, or name it by its path")
        };
    };
    let shown = printable_os(&path);
    let diagnostic = refusal
        .with_note(format!("it is at {shown} on the host, which cannot be seen inside"))
        .help(format!("add \"{shown}\" to `read` in [files], or write `--read {shown}`"));
    let directory = path.parent().map(printable_os).unwrap_or_default();
    if is_path || inside.contains(&directory) {
        return diagnostic;
    }
    diagnostic.help(format!(
        "name the command by its path, `{shown}`: its directory is not in the PATH inside"
    ))
}

fn not_executable(refusal: Refusal, tried: &Path, plan: &Plan, facts: &dyn Facts) -> Diagnostic {
    let workdir = plan.steps.iter().find_map(|step| {
        if let Action::Chdir { path } = &step.action { Some(path.as_path()) } else { None }
    });
    let tried = &workdir.unwrap_or(Path::new("/")).join(tried);
    let tried = &crate::path::normal(tried);
    let shown = printable_os(tried);
    let holds = |action: &Action| -> Option<(PathBuf, bool)> {
        let (Action::Bind { target, attributes, .. } | Action::Tmpfs { target, attributes, .. }) =
            action
        else {
            return None;
        };
        let above = tried.starts_with(target.as_path());
        above.then(|| (target.as_path().to_owned(), attributes.has(MountOption::Noexec)))
    };
    let nearest = plan
        .steps
        .iter()
        .filter_map(|step| holds(&step.action))
        .max_by_key(|(path, _)| path.components().count());
    if facts.file(tried).is_some_and(|fact| fact.kind == FileKind::Directory) {
        return refusal.help("name a program: this is a directory");
    }
    match nearest {
        Some((path, true)) => {
            let above = printable_os(path);
            refusal.with_note(format!("{above} is not executable inside")).help(format!(
                "add \"{above}\" or \"{shown}\" to `exec` in [files], or write `--exec {shown}`"
            ))
        }
        _ => refusal.help(format!("make it executable: chmod +x {shown}")),
    }
}

/// Returns where a path inside lies on the host: below the source of the nearest mount above it.
fn on_host(inside: &Path, plan: &Plan) -> PathBuf {
    let shown = |action: &Action| -> Option<(PathBuf, PathBuf)> {
        if let Action::Bind { source, target, .. } = action {
            Some((target.as_path().to_owned(), source.path.as_path().to_owned()))
        } else if let Action::RootBind { source, .. } = action {
            Some((PathBuf::from("/"), source.path.as_path().to_owned()))
        } else {
            None
        }
    };
    let above = plan.steps.iter().filter_map(|step| shown(&step.action));
    let above = above.filter(|(target, _)| inside.starts_with(target));
    let nearest = above.max_by_key(|(target, _)| target.components().count());
    nearest.map_or(inside.to_owned(), |(target, source)| {
        let below = inside.strip_prefix(&target).unwrap_or(Path::new(""));
        // A file that is bound itself has nothing below it; joining "" would add a slash.
        if below == Path::new("") { source } else { source.join(below) }
    })
}

/// Names the interpreter of a script or the loader of a program, and what would bring it inside.
fn interpreter(refusal: Refusal, program: &Path, plan: &Plan, facts: &dyn Facts) -> Diagnostic {
    let Some(path) = needed_by(&on_host(program, plan)) else {
        return refusal
            .help("look at its first line, or with `readelf -l` at the interpreter it asks for");
    };
    let shown = printable_os(&path);
    let refusal = refusal.with_note(format!("it needs {shown}"));
    if path.as_os_str().as_bytes().ends_with(b"\r") {
        let program = printable_os(program);
        return refusal.help(format!(
            "end its lines as Unix does, without a carriage return: `sed -i 's/\\r$//' {program}`"
        ));
    }
    if facts.file(&on_host(&path, plan)).is_some() {
        refusal.help(format!("add \"{shown}\" to `read` in [files], or write `--read {shown}`"))
    } else {
        refusal.help(format!("install {shown}: it is not there outside either"))
    }
}

/// Reads the first line of a script, or PT_INTERP of an ELF program (elf(5)).
fn needed_by(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    std::fs::File::open(program).ok()?.take(64 * 1024).read_to_end(&mut head).ok()?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        // A carriage return is part of the name: the kernel splits at spaces and tabs alone.
        let word = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty())?;
        return Some(PathBuf::from(OsStr::from_bytes(word)));
    }
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        bytes
            .iter()
            .rev()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    // 64-bit little-endian: e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (offset, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let header = offset.checked_add(index.checked_mul(size)?)?;
        if number(header, 4)? == 3 {
            let (start, length) = (number(header + 8, 8)?, number(header + 32, 8)?);
            let text = head.get(start..start.checked_add(length)?)?;
            return Some(PathBuf::from(OsStr::from_bytes(text.split(|byte| *byte == 0).next()?)));
        }
    }
    None
}
