//! What namespaces, the init and privileges need of each other.

use std::path::Path;

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::Facts;
use crate::feature::{files, mounts, namespaces, process, root};
use crate::plan::Namespace;

/// Refuses to do without a user namespace where that needs a privilege that is not there.
pub(super) fn refuse_missing_privilege(
    namespaces: &namespaces::Rule,
    facts: &dyn Facts,
    sink: &mut Sink,
) {
    let Some(origin) = namespaces.lacks(Namespace::User) else { return };
    if facts.caller().capabilities & capability::SYS_ADMIN == 0 {
        sink.push(
            Diagnostic::error(
                Code::MissingPrivilege,
                "without a user namespace, a sandbox needs CAP_SYS_ADMIN",
            )
            .at(origin)
            .help("remove `user = false` from [namespaces], or start sbx as root"),
        );
    }
}

/// Refuses to lock mounts where sbx has no /proc to write the maps of the second namespace in.
pub(super) fn refuse_lock_without_proc(
    namespaces: &namespaces::Rule,
    root: &root::Rule,
    files: &files::Rule,
    sink: &mut Sink,
) {
    let Some(locked) = namespaces.locks else { return };
    let refused = |there: Origin, why: &str, help: &str| {
        Diagnostic::error(Code::Conflict, "mounts can be locked only where sbx mounts /proc")
            .at(locked)
            .label(there, why)
            .help(help)
    };
    if root.mounts_proc.is_none() {
        sink.push(refused(
            root.auto_mount,
            "\"proc\" is missing from `auto-mount` here",
            "add \"proc\" to `auto-mount` in [root]",
        ));
    } else if let Some(hidden) = files.hidden(Path::new("/proc")) {
        sink.push(refused(hidden, "it is hidden here", "remove `/proc` from `hide` in [files]"));
    }
}

/// Refuses what needs a pid namespace where there is none, and warns of the rest.
pub(super) fn check_pid_namespace(
    namespaces: &namespaces::Rule,
    mounts: &[mounts::Mount],
    sink: &mut Sink,
) {
    let Some(origin) = namespaces.lacks(Namespace::Pid) else { return };
    for mount in mounts.iter().filter(|mount| mount.rule == mounts::Rule::Proc) {
        sink.push(
            Diagnostic::error(
                Code::Conflict,
                "a proc without a pid namespace would show the host's processes",
            )
            .at(mount.origin)
            .label(origin, "there is no pid namespace")
            .help("remove the mount, or `pid = false` from [namespaces]"),
        );
    }
    sink.push(
        Diagnostic::warning(
            Code::Weakened,
            "without a pid namespace the command sees the caller's processes, and what it starts may outlive it",
        )
        .at(origin),
    );
}

/// Refuses to make the command process 1 where there must be an init.
pub(super) fn refuse_pid_1(
    process: &process::Rule,
    namespaces: &namespaces::Rule,
    sink: &mut Sink,
) {
    let Some(pid_1) = process.as_pid_1 else { return };
    let mut refuse = |why: &str, there: Option<Origin>, help: &str| {
        let text = format!("the command cannot be process 1: {why}");
        let refusal = Diagnostic::error(Code::Conflict, text).at(pid_1);
        let refusal = match there {
            Some(there) => refusal.label(there, ""),
            None => refusal,
        };
        sink.push(refusal.help(help));
    };
    if let Some(origin) = namespaces.lacks(Namespace::Pid) {
        refuse("there is no pid namespace", Some(origin), "remove `as-pid-1`");
    } else if namespaces.time.is_some() {
        refuse("shifted clocks need an init", None, "remove `as-pid-1`");
    }
    if let Some(locked) = namespaces.locks {
        refuse(
            "locked mounts need an init",
            Some(locked),
            "remove `as-pid-1`, or what asks for the lock: a kept capability or `nested-users`",
        );
    }
}
