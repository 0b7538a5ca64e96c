//! `[process]`: working directory, streams, descriptors, and how the run ends.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileKind};
use crate::feature::trust::{self, Link};
use crate::path::{NoPath, Pattern};
use crate::plan::{Action, Builder, StdSource};
use crate::schema::{Leaf, Reader, Value, section, toml_string};
use crate::unit::{Millis, Mode};
use crate::value::{List, Slot};

/// Where a standard stream comes from, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// The caller's, as it is.
    Inherit,
    /// `/dev/null`.
    Null,
    /// What standard output is, for standard error.
    Stdout,
    /// A descriptor that the caller passed: `"fd:5"`.
    Descriptor(u32),
    /// A file of the host.
    File(Pattern),
}

impl Stream {
    /// Parses what a profile writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "inherit" => Some(Self::Inherit),
            "null" => Some(Self::Null),
            "stdout" => Some(Self::Stdout),
            _ => match text.strip_prefix("fd:") {
                Some(number) => number.parse().ok().map(Self::Descriptor),
                None => text.starts_with(['/', '~', '$']).then(|| Self::File(Pattern::new(text))),
            },
        }
    }
}

impl Leaf for Stream {
    const EXPECTS: &'static str =
        "\"inherit\", \"null\", \"fd:N\", an absolute path or, for stderr alone, \"stdout\"";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let text = String::read(value, reader)?;
        let stream = Self::parse(&text);
        if stream.is_none() {
            reader.bad_value(value, format!("unknown value `{text}`"), Self::EXPECTS);
        }
        stream
    }

    fn text(&self) -> String {
        toml_string(&match self {
            Self::Inherit => "inherit".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Stdout => "stdout".to_owned(),
            Self::Descriptor(number) => format!("fd:{number}"),
            Self::File(path) => path.to_string(),
        })
    }
}

section! {
    /// The section as it was written.
    pub struct Spec = "process", reserved ["nice", "ionice", "scheduler", "affinity", "oom-score-adj", "personality", "argv0"] {
        /// Working directory inside. Default: the caller's where it can be seen inside, else the home directory, else `/`.
        cwd: Slot<Pattern> = "cwd",
        /// File mode creation mask. Default: the caller's.
        umask: Slot<Mode> = "umask",
        /// Descriptors above 2 that stay open, under their numbers. Default: none.
        keep_fds: List<u32> = "keep-fds",
        /// Standard input: "inherit", "null", "fd:N" or a file. Default: "inherit".
        stdin: Slot<Stream> = "stdin",
        /// Standard output: "inherit", "null", "fd:N" or a file, which is appended to. Default: "inherit".
        stdout: Slot<Stream> = "stdout",
        /// Standard error: like standard output, or "stdout". Default: "inherit".
        stderr: Slot<Stream> = "stderr",
        /// Runs the command itself as process 1, without an init of sbx. Default: false.
        as_pid_1: Slot<bool> = "as-pid-1",
        /// Whether programs inside are kept from gaining privileges at exec. Default: true; false needs CAP_SYS_ADMIN inside until the filter is installed.
        no_new_privs: Slot<bool> = "no-new-privs",
        /// Whether processes that outlive the command are waited for instead of killed. Default: false.
        wait_for_all: Slot<bool> = "wait-for-all",
        /// Time between a signal that ends sbx and the kill that follows if the command stays. Default: none follows.
        kill_grace: Slot<Millis> = "kill-grace",
    }
}

/// What was decided for the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Working directory as it was asked for.
    pub cwd: Option<(PathBuf, Origin)>,
    /// File mode creation mask.
    pub umask: Option<(u32, Origin)>,
    /// Descriptors above 2 that stay open.
    pub keep_fds: Vec<(u32, Origin)>,
    /// Redirected streams.
    pub streams: Vec<(u32, StdSource, Origin)>,
    /// Links on the way to files of streams.
    pub links: Vec<Link>,
    /// Where `as-pid-1` was asked for.
    pub as_pid_1: Option<Origin>,
    /// Where no_new_privs was turned off.
    pub gains_privileges: Option<Origin>,
    /// Whether processes that outlive the command are waited for.
    pub wait_for_all: bool,
    /// Milliseconds from the first ending signal to the kill.
    pub kill_grace_ms: Option<u64>,
}

/// Decides what the section says.
pub fn resolve(
    spec: &Spec,
    expand: &dyn Fn(&Pattern) -> Result<PathBuf, NoPath>,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Rule {
    let mut path = |pattern: &Pattern, origin: Origin| match expand(pattern) {
        Ok(path) => Some(path),
        Err(why) => {
            sink.push(why.told(pattern, origin));
            None
        }
    };
    let cwd = spec.cwd.get().and_then(|cwd| Some((path(&cwd.value, cwd.origin)?, cwd.origin)));
    let mut streams = Vec::new();
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for (number, slot) in [(0, &spec.stdin), (1, &spec.stdout), (2, &spec.stderr)] {
        let Some(stream) = slot.get() else { continue };
        let source = match &stream.value {
            Stream::Inherit => continue,
            Stream::Null => StdSource::Null,
            Stream::Stdout if number == 2 => StdSource::Descriptor(1),
            Stream::Stdout => {
                wrong.push(stream.origin);
                continue;
            }
            Stream::Descriptor(from) => StdSource::Descriptor(*from),
            Stream::File(pattern) => {
                files
                    .extend(path(pattern, stream.origin).map(|path| (number, path, stream.origin)));
                continue;
            }
        };
        streams.push((number, source, stream.origin));
    }
    let mut links = Vec::new();
    for (number, path, origin) in files {
        match stream_file(&path, origin, facts) {
            Ok((path, found)) => {
                links.extend(found);
                streams.push((number, StdSource::File((&path).into()), origin));
            }
            Err(why) => sink.push(
                Diagnostic::error(
                    Code::WrongKind,
                    format!("`{}` cannot be a stream: {why}", printable_os(&path)),
                )
                .at(origin)
                .help("name a file in a directory that only you can write"),
            ),
        }
    }
    streams.sort_by_key(|(number, ..)| *number);
    for origin in wrong {
        sink.push(
            Diagnostic::error(Code::BadValue, "\"stdout\" is for standard error alone")
                .at(origin)
                .help("write \"inherit\", \"null\", \"fd:N\" or an absolute path"),
        );
    }
    kept_numbers(spec, sink);
    without_init(spec, sink);
    Rule {
        cwd,
        umask: spec.umask.get().map(|mask| (mask.value.0 & 0o777, mask.origin)),
        keep_fds: spec.keep_fds.items().iter().map(|fd| (*fd.value, fd.origin)).collect(),
        streams,
        links,
        as_pid_1: asked(&spec.as_pid_1),
        gains_privileges: spec
            .no_new_privs
            .get()
            .filter(|value| !value.value)
            .map(|value| value.origin),
        wait_for_all: asked(&spec.wait_for_all).is_some(),
        kill_grace_ms: spec.kill_grace.get().map(|grace| grace.value.0),
    }
}

/// Refuses to keep what is always passed on.
fn kept_numbers(spec: &Spec, sink: &mut Sink) {
    for number in spec.keep_fds.items().iter().filter(|number| *number.value < 3) {
        sink.push(
            Diagnostic::error(
                Code::BadValue,
                format!("descriptor {} is always passed on", number.value),
            )
            .at(number.origin)
            .help("name descriptors above 2"),
        );
    }
}

/// Finds the file of a stream: the supervisor opens it with the caller's rights, so nobody else may
/// choose which file it is (crun CVE-2026-88265).
fn stream_file(
    path: &Path,
    origin: Origin,
    facts: &dyn Facts,
) -> Result<(PathBuf, Vec<Link>), String> {
    let found = trust::follow(path, origin, facts).map_err(|error| error.why)?;
    match found.fact.as_ref().map(|fact| fact.kind) {
        Some(FileKind::File | FileKind::CharDevice) | None => {}
        Some(kind) => return Err(format!("it is a {}", kind.name())),
    }
    if facts.caller().uid == 0
        && found.path != Path::new("/dev/null")
        && let Some(open) = trust::decided_by_others(&found.path, facts)
    {
        let open = printable_os(open);
        return Err(format!("others than root can change {open}, and root would open the file"));
    }
    Ok((found.path, found.links))
}

/// Contributes the steps; `workdir` is the directory that was found to be visible.
pub fn compile(rule: &Rule, workdir: &(PathBuf, Origin), facts: &dyn Facts, plan: &mut Builder) {
    let default = Origin::DEFAULT;
    plan.push(Action::OverwriteStrings, default);
    plan.push(Action::ResetSignals, default);
    plan.push(Action::DieWithParent, default);
    plan.push(Action::NewSession, default);
    plan.push(Action::SessionKeyring, default);
    for (descriptor, source, origin) in rule.streams.iter().cloned() {
        if let StdSource::File(path) = &source {
            plan.push(Action::OpenStdio { descriptor, path: path.clone() }, origin);
        }
        plan.push(Action::Stdio { descriptor, source }, origin);
    }
    // The mask that files of the sandbox's own are made under is set first and the command's last:
    // modes in the plan are the modes on disk.
    let (mask, origin) = rule.umask.unwrap_or((facts.caller().umask, default));
    plan.push(Action::Chdir { path: (&workdir.0).into() }, workdir.1);
    plan.push(Action::Umask { mask }, origin);
    plan.push(Action::DieWithInit, default);
    let keep = rule.keep_fds.iter().map(|(fd, _)| *fd).collect();
    let at = rule.keep_fds.first().map_or(default, |(_, origin)| *origin);
    plan.push(Action::CloseDescriptors { keep }, at);
    plan.push(Action::UnblockSignals, default);
}

/// Returns where a switch was turned on, if it was.
fn asked(slot: &Slot<bool>) -> Option<Origin> {
    slot.get().filter(|value| value.value).map(|value| value.origin)
}

/// Tells what a command that is process 1 itself cannot have.
fn without_init(spec: &Spec, sink: &mut Sink) {
    if let (Some(origin), Some(waits)) = (asked(&spec.as_pid_1), asked(&spec.wait_for_all)) {
        sink.push(
            Diagnostic::error(
                Code::Conflict,
                "`wait-for-all` needs an init, and `as-pid-1` has none",
            )
            .at(waits)
            .label(origin, "there is no init here")
            .help("remove one of the two"),
        );
    }
    if let Some(origin) = asked(&spec.as_pid_1) {
        // PR_SET_PDEATHSIG clears it, and so does a thread that executes a program: the new one has
        // no death signal (prctl(2)), so a filter on prctl would hold nothing.
        sink.push(
            Diagnostic::warning(
                Code::Weakened,
                "without an init the command can clear the signal that ends it when sbx is killed, and outlive sbx",
            )
            .at(origin),
        );
    }
}
