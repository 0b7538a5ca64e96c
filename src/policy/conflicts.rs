//! What only the rules of several features together show: two that undo each other, and one that
//! needs what another took away.

use std::path::PathBuf;

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::Facts;
use crate::feature::{files, mounts, namespaces, process, root};
use crate::plan::{MountOption, Namespace};
use crate::value::Sourced;

/// Paths of the host that the command can write, and who granted them.
pub(super) struct Writable {
    by_files: Vec<(PathBuf, Origin)>,
    pub(super) by_mounts: Vec<(PathBuf, Origin)>,
}

impl Writable {
    pub(super) fn is_empty(&self) -> bool {
        self.by_files.is_empty() && self.by_mounts.is_empty()
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

/// Refuses a bind that shows a hidden path under another name, and warns of one that makes
/// writable what a rule has read-only.
pub(super) fn second_views(
    files: &files::Rule,
    mounts: &[(PathBuf, Sourced<mounts::Rule>)],
    sink: &mut Sink,
) {
    for (to, rule) in mounts {
        let mounts::Rule::Bind { source, options, .. } = &rule.value else { continue };
        for (path, intent) in files.intents.iter().filter(|(path, _)| path.starts_with(source)) {
            let shown = path.display();
            if intent.verb == files::Verb::Hide && to != source {
                sink.push(
                    Diagnostic::error(
                        Code::Conflict,
                        format!("`{shown}` is hidden, and this mount shows it under another name"),
                    )
                    .at(rule.origin)
                    .label(intent.origin, "it is hidden here")
                    .help("show a smaller part of the tree, or do not hide it"),
                );
            } else if intent.verb == files::Verb::Read
                && path != source
                && !options.contains(&MountOption::Ro)
            {
                sink.push(
                    Diagnostic::warning(
                        Code::Weakened,
                        format!("`{shown}` is read-only by one rule and writable below this mount"),
                    )
                    .at(rule.origin)
                    .label(intent.origin, "it is read-only here"),
                );
            }
        }
    }
}

/// Refuses what cannot be had together, or only with a privilege that is not there.
pub(super) fn without_privilege_or_init(
    process: &process::Rule,
    namespaces: &namespaces::Rule,
    root: &root::Rule,
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
