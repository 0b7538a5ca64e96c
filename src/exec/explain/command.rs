//! Why the command itself was not executed: not found, not executable, or what runs it is missing.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{E2BIG, EACCES, ENOENT, ENOEXEC, limit_help};
use crate::diag::{Code, Diagnostic, Origin, Refusal, printable_os};
use crate::exec::report::{Failure, Part};
use crate::facts::{Facts, FileKind};
use crate::path::AtEnd;
use crate::plan::{Action, MountOption, Plan, Text};
use crate::profile;
use crate::sys::describe;

/// A command that was not executed.
pub(super) fn explain(
    failure: &Failure,
    plan: &Plan,
    candidates: &[Text],
    arguments: &[Text],
    facts: &dyn Facts,
) -> (Diagnostic, u8) {
    let origin = plan.steps.last().map_or(Origin::DEFAULT, |step| step.origin);
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
                plan,
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
    plan: &Plan,
    facts: &dyn Facts,
) -> Diagnostic {
    let inside: Vec<String> = candidates
        .iter()
        .map(|text| printable_os(text.as_path().parent().unwrap_or(Path::new("/"))))
        .collect();
    let is_path = name.contains('/');
    if !is_path {
        refusal = refusal.with_note(format!("searched inside in {}", inside.join(":")));
    }
    let root = plan.steps.iter().find_map(|step| {
        if let Action::RootBind { source, .. } = &step.action { Some(&source.path) } else { None }
    });
    if let Some(root) = root.map(|root| printable_os(root.as_path())) {
        return refusal.help(format!("install it in {root}, or name it by its path there"));
    }
    let Some(path) = outside(name, candidates, facts) else {
        return nowhere(refusal, name, facts);
    };
    let shown = printable_os(&path);
    if let Some(hidden) = hidden(&path, plan, facts) {
        return hidden_by(refusal, hidden, &shown);
    }
    let directory = path.parent().map(printable_os).unwrap_or_default();
    let by_path = format!("name the command by its path, `{shown}`");
    if on_host(&path, plan).as_ref() == Some(&path) && !is_path {
        return refusal
            .with_note(format!("it is at {shown}, and {directory} is not in the PATH inside"))
            .help(by_path)
            .help("set `PATH` in `set` of [env], or with `--env PATH=…`");
    }
    let diagnostic = refusal
        .with_note(format!("it is at {shown} on the host, which cannot be seen inside"))
        .help(format!("add \"{shown}\" to `read` in [files], or write `--read {shown}`"));
    if is_path || inside.contains(&directory) {
        return diagnostic;
    }
    diagnostic.help(format!("{by_path}: its directory is not in the PATH inside"))
}

/// Returns where a command that was not found inside lies outside.
fn outside(name: &str, candidates: &[Text], facts: &dyn Facts) -> Option<PathBuf> {
    let path = facts.env(OsStr::new("PATH")).unwrap_or_default();
    let elsewhere = path
        .as_bytes()
        .split(|byte| *byte == b':')
        .filter(|part| !name.contains('/') && !part.is_empty())
        .map(|part| Path::new(OsStr::from_bytes(part)).join(name));
    let here = candidates.iter().map(|text| facts.caller().cwd.join(text.as_path()));
    here.chain(elsewhere)
        .map(|path| crate::path::normal(&path))
        .find(|path| path.is_absolute() && facts.file(path).is_some())
}

/// Says what may have been meant by a command that is on the host neither.
fn nowhere(refusal: Refusal, name: &str, facts: &dyn Facts) -> Diagnostic {
    let is_profile = || {
        profile::candidates(name, &facts.profile_directories()).iter().any(|place| match place {
            profile::Place::File(path) => facts.file(path).is_some(),
            profile::Place::Builtin(_) => true,
        })
    };
    if name.contains('/') {
        refusal.help("look for a slip in the path: it is not on the host either")
    } else if facts.file(&facts.caller().cwd.join(name)).is_some() {
        refusal
            .with_note("a file of that name is in the working directory, which is not in PATH")
            .help(format!("write `./{name}`"))
    } else if name.contains(char::is_whitespace) {
        refusal.help(format!("write each word as an argument of its own: `{name}`, unquoted"))
    } else if is_profile() {
        refusal
            .with_note("a profile has that name")
            .help(format!("write `--profile {name}` in front of the command"))
    } else {
        refusal.help("install it on the host, or name it by its path")
    }
}

/// Returns the rule that hides a path, or what it is a link to, if one does.
fn hidden(path: &Path, plan: &Plan, facts: &dyn Facts) -> Option<Origin> {
    let target = |at: &Path| facts.file(at)?.link;
    let led = crate::path::follow(path, Path::new("/"), AtEnd::Follow, &target);
    let (path, _) = led.unwrap_or((path.to_owned(), Vec::new()));
    let covers = |action: &Action| {
        let (Action::CoverFile { target, .. } | Action::CoverDirectory { target, .. }) = action
        else {
            return false;
        };
        path.starts_with(target.as_path())
    };
    plan.steps.iter().find(|step| covers(&step.action)).map(|step| step.origin)
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
    if let Some(hidden) = hidden(tried, plan, facts) {
        return hidden_by(refusal, hidden, &shown);
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
fn on_host(inside: &Path, plan: &Plan) -> Option<PathBuf> {
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
    nearest.map(|(target, source)| {
        let below = inside.strip_prefix(&target).unwrap_or(Path::new(""));
        // A file that is bound itself has nothing below it; joining "" would add a slash.
        if below == Path::new("") { source } else { source.join(below) }
    })
}

/// Says which rule hides a program.
fn hidden_by(refusal: Refusal, rule: Origin, shown: &str) -> Diagnostic {
    refusal.label(rule, format!("{shown} is hidden here")).help("remove it from `hide` in [files]")
}

/// Names the interpreter of a script or the loader of a program, and what would bring it inside.
fn interpreter(refusal: Refusal, program: &Path, plan: &Plan, facts: &dyn Facts) -> Diagnostic {
    let Some(path) = needed_by(&on_host(program, plan).unwrap_or(program.to_owned())) else {
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
    if facts.file(&on_host(&path, plan).unwrap_or(path)).is_some() {
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
