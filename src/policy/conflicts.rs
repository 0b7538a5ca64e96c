//! What only the rules of several features together show: two that undo each other, and one that
//! needs what another took away.

use std::path::{Path, PathBuf};

use super::Policy;
use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::Facts;
use crate::feature::{files, mounts, namespaces, process, root};
use crate::plan::{MountOption, Namespace};
use crate::tree::Tree;
use crate::value::Sourced;

/// Paths of the host that the command can write, and who granted them.
pub(super) struct Writable {
    by_files: Vec<(PathBuf, Origin)>,
    pub(super) by_mounts: Vec<(PathBuf, Origin)>,
}

impl Writable {
    /// Returns who granted one of them.
    pub(super) fn first(&self) -> Option<Origin> {
        self.by_files.iter().chain(&self.by_mounts).map(|(_, origin)| *origin).next()
    }

    pub(super) fn all(self) -> Vec<(PathBuf, Origin)> {
        [self.by_files, self.by_mounts].concat()
    }
}

pub(super) fn writable(
    files: &files::Rule,
    mounts: &[(PathBuf, Sourced<mounts::Rule>)],
    root: &root::Rule,
) -> Writable {
    let grants = files.intents.iter().filter(|(_, intent)| intent.verb == files::Verb::Write);
    let binds = mounts.iter().filter_map(|(_, rule)| match &rule.value {
        mounts::Rule::Bind { source, options, .. } if !options.contains(&MountOption::Ro) => {
            Some((source.clone(), rule.origin))
        }
        _ => None,
    });
    let own = root.directory.iter().filter(|_| root.is_writable);
    Writable {
        by_files: grants.map(|(path, intent)| (path.clone(), intent.origin)).collect(),
        by_mounts: binds.chain(own.map(|(path, _)| (path.clone(), root.origin))).collect(),
    }
}

/// Refuses rules about paths that nobody may look at and that the command may write above: with
/// `chmod` it would decide over the next start which of them hold.
pub(super) fn unseen(files: &files::Rule, writable: &[(PathBuf, Origin)], sink: &mut Sink) {
    for (path, origin) in &files.unseen {
        let above = |(writable, _): &&(PathBuf, Origin)| path.starts_with(writable);
        let Some((_, writer)) = writable.iter().find(above) else { continue };
        let shown = printable_os(path);
        sink.push(
            Diagnostic::error(
                Code::NotEnforceable,
                format!("what lies at `{shown}` is not known: you may not look there"),
            )
            .at(*origin)
            .label(*writer, "the command can write here")
            .with_note("the command could have closed it, to be rid of this rule")
            .help(format!(
                "look why, and let yourself in: `chmod u+rx` on {shown} and what is above it"
            )),
        );
    }
}

/// Refuses a part of the host that shows a hidden path under another name, and warns of one that
/// makes writable what a rule has read-only.
pub(super) fn second_views(policy: &Policy, tree: &Tree<'_>, facts: &dyn Facts, sink: &mut Sink) {
    for (path, intent) in &policy.files.intents {
        let shown = printable_os(path);
        // A rule speaks of what has this path outside, and of what has it inside.
        let inside = tree.beneath(path).filter(|host| host != path);
        let is_there = |host: &PathBuf| facts.file(host).is_some() || facts.is_closed(host);
        let hosts = std::iter::once(path.clone()).chain(inside).filter(is_there);
        let views = hosts.flat_map(|host| tree.views(&host));
        for view in views.filter(|view| view.place != *path) {
            let place = printable_os(&view.place);
            if intent.verb == files::Verb::Hide {
                sink.push(
                    Diagnostic::error(
                        Code::Conflict,
                        format!("`{shown}` is hidden, and can be seen as `{place}`"),
                    )
                    .at(view.origin)
                    .label(intent.origin, "it is hidden here")
                    .help(format!("hide `{place}` as well, or show a smaller part of the tree")),
                );
            } else if intent.verb == files::Verb::Read && view.is_part && view.is_writable {
                sink.push(
                    Diagnostic::warning(
                        Code::Weakened,
                        format!("`{shown}` is read-only, and can be written as `{place}`"),
                    )
                    .at(view.origin)
                    .label(intent.origin, "it is read-only here"),
                );
            }
        }
    }
}

/// Refuses to hide by a glob where other files are shown than those it was matched against.
pub(super) fn globs(policy: &Policy, tree: &Tree<'_>, sink: &mut Sink) {
    for glob in &policy.files.hiding {
        let Some(shower) = tree.shows_others_at(&glob.directory) else { continue };
        let directory = printable_os(&glob.directory);
        sink.push(
            Diagnostic::error(
                Code::NotEnforceable,
                format!("`{}` is matched against the host, and inside other files lie below {directory}", glob.text),
            )
            .at(glob.origin)
            .label(shower, "they are shown here")
            .help("name the paths to hide one by one, as they are called inside"),
        );
    }
}

/// Warns of rules for places at which sbx mounts something by itself, and of `exec` where nothing is
/// shown.
pub(super) fn no_effect(policy: &Policy, tree: &Tree<'_>, sink: &mut Sink) {
    for (path, remedy) in OWN {
        let rule = policy.files.intents.get(Path::new(path)).filter(|intent| {
            intent.origin.via.is_none()
                && [files::Verb::Read, files::Verb::Write].contains(&intent.verb)
        });
        let Some(rule) = rule.filter(|_| tree.mounts_new(Path::new(path))) else { continue };
        let text = format!("`{path}` is the sandbox's own: `{}` has no effect", rule.verb.name());
        sink.push(Diagnostic::warning(Code::NoEffect, text).at(rule.origin).help(remedy));
    }
    for rule in policy.files.exec.iter().filter(|rule| !rule.is_optional) {
        if tree.has_files(&rule.path) {
            continue;
        }
        let path = printable_os(&rule.path);
        let text = format!(
            "`exec` grants nothing itself, and no rule shows `{path}`: nothing becomes executable"
        );
        sink.push(
            Diagnostic::warning(Code::NoEffect, text)
                .at(rule.origin)
                .help(format!("add it to `read` or `write` in [files], or write `--read {path}`")),
        );
    }
}

/// Places at which sbx mounts something by itself, and how to have something else there.
const OWN: [(&str, &str); 4] = [
    ("/dev", "write `mode = \"host\"` in [dev] for the host's devices, or remove it"),
    ("/dev/pts", "remove it: terminals of the host are for their owners"),
    ("/dev/shm", "write a [[mount]] with `to = \"/dev/shm\"` to share the host's"),
    ("/proc", "remove it: processes of the host are not for the command"),
];

/// Refuses what cannot be had together, or only with a privilege that is not there.
pub(super) fn without_privilege_or_init(
    process: &process::Rule,
    namespaces: &namespaces::Rule,
    root: &root::Rule,
    files: &files::Rule,
    facts: &dyn Facts,
    sink: &mut Sink,
) {
    let caller = facts.caller();
    if !namespaces.has(Namespace::User) && caller.capabilities & capability::SYS_ADMIN == 0 {
        sink.push(
            Diagnostic::error(
                Code::MissingPrivilege,
                "without a user namespace, a sandbox needs CAP_SYS_ADMIN",
            )
            .at(namespaces.origin)
            .help("remove `user = false` from [namespaces], or start sbx as root"),
        );
    }
    if let (Some(locked), None) = (namespaces.locks, root.mounts_proc) {
        sink.push(
            Diagnostic::error(Code::Conflict, "mounts can be locked only where sbx mounts /proc")
                .at(locked)
                .label(root.origin, "\"proc\" is missing from `auto-mount` here")
                .help("add \"proc\" to `auto-mount` in [root]"),
        );
    } else if let (Some(locked), Some(hidden)) =
        (namespaces.locks, files.hidden(Path::new("/proc")))
    {
        sink.push(
            Diagnostic::error(Code::Conflict, "mounts can be locked only where sbx mounts /proc")
                .at(locked)
                .label(hidden, "it is hidden here")
                .help("remove `/proc` from `hide` in [files]"),
        );
    }
    if !namespaces.has(Namespace::Pid) {
        sink.push(
            Diagnostic::warning(
                Code::Weakened,
                "without a pid namespace the command sees the caller's processes, and what it starts may outlive it",
            )
            .at(namespaces.origin),
        );
    }
    let Some(pid_1) = process.as_pid_1 else {
        return;
    };
    if !namespaces.has(Namespace::Pid) || namespaces.time.is_some() {
        let why = if namespaces.time.is_some() {
            "shifted clocks need an init"
        } else {
            "there is no pid namespace"
        };
        sink.push(
            Diagnostic::error(Code::Conflict, format!("the command cannot be process 1: {why}"))
                .at(pid_1)
                .help("remove `as-pid-1`"),
        );
    }
    if namespaces.locks.is_some() {
        sink.push(
            Diagnostic::error(
                Code::Conflict,
                "the command cannot be process 1 where mounts are locked",
            )
            .at(pid_1)
            .help(
                "remove `as-pid-1`, or what asks for the lock: a kept capability or `nested-users`",
            ),
        );
    }
}
