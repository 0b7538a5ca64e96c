//! `[landlock]`: the second enforcer, derived from the same rules as the mounts.

use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::Facts;
use crate::filter::NestedUsers;
use crate::plan::{Action, Builder};
use crate::rights;
use crate::schema::{choice_leaf, refuse_removals, section};
use crate::tree::{Access, AccessKind};
use crate::value::{List, Slot, Sourced};

/// How much of Landlock is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All that the kernel has; what is missing is said in the plan.
    Auto,
    /// All that sbx knows, or nothing starts.
    Require,
    /// None.
    Off,
}

choice_leaf!(Mode, "\"auto\", \"require\" or \"off\"",
    ["auto" => Auto, "require" => Require, "off" => Off], reserved []);

/// What the command is kept from beyond its own Landlock domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Signals to processes outside.
    Signal,
    /// Abstract sockets of processes outside.
    AbstractSocket,
}

choice_leaf!(Scope, "\"signal\" or \"abstract-socket\"",
    ["signal" => Signal, "abstract-socket" => AbstractSocket], reserved []);

section! {
    /// The section as it was written.
    pub struct Spec = "landlock", reserved [] {
        /// How much of Landlock is demanded (landlock(7)). Default: "auto".
        mode: Slot<Mode> = "mode",
        /// The only TCP ports that may be bound, where the list is given. Since Linux 6.7.
        tcp_bind: List<u32> = "tcp-bind",
        /// The only TCP ports that may be connected to, where the list is given. Since Linux 6.7.
        tcp_connect: List<u32> = "tcp-connect",
        /// What the command is kept from beyond its own domain. Default: both, as far as the kernel has them (since Linux 6.12).
        scope: List<Scope> = "scope",
    }
}

/// What is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    abi: u32,
    net: u64,
    scope: u64,
    ports: Vec<(u16, u64, Origin)>,
    origin: Origin,
}

/// ABI that has rights on TCP ports.
const TCP_ABI: u32 = 4;
/// ABI that has scopes.
const SCOPE_ABI: u32 = 6;

/// Decides what is enforced; nothing where Landlock is off or not there.
pub fn resolve(
    spec: &Spec,
    nested: &Sourced<NestedUsers>,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Rule> {
    let abi = facts.kernel().landlock_abi.min(rights::HIGHEST_ABI);
    let mode = spec.mode.or(Mode::Auto);
    if mode.value == Mode::Off {
        return None;
    }
    // A process in a Landlock domain cannot change the tree of mounts (landlock(7)), which is what
    // free user namespaces are for: unless Landlock is asked for as well, it gives way.
    if nested.value == NestedUsers::Allow && mode.origin.is_default() {
        sink.push(
            Diagnostic::warning(
                Code::Weakened,
                "Landlock forbids mounts, which `nested-users = \"allow\"` is to allow: it is off, and mounts alone hold the rules for files",
            )
            .at(nested.origin),
        );
        return None;
    }
    if mode.value == Mode::Require && abi < rights::HIGHEST_ABI {
        sink.push(
            Diagnostic::error(
                Code::NotEnforceable,
                format!("this kernel has Landlock ABI {abi}, not ABI {}", rights::HIGHEST_ABI),
            )
            .at(mode.origin)
            .help("write `mode = \"auto\"` to use what the kernel has, or use a newer kernel"),
        );
        return None;
    }
    refuse_removals("tcp-bind", &spec.tcp_bind, sink);
    refuse_removals("tcp-connect", &spec.tcp_connect, sink);
    refuse_removals("scope", &spec.scope, sink);
    let mut needs = |key: &str, origin: Option<Origin>, least: u32| {
        if let (Some(origin), true) = (origin, abi < least) {
            sink.push(
                Diagnostic::error(
                    Code::NotEnforceable,
                    format!("`{key}` needs Landlock ABI {least}; this kernel has ABI {abi}"),
                )
                .at(origin)
                .help(format!("remove `{key}`, or use a newer kernel")),
            );
        }
    };
    needs("tcp-bind", spec.tcp_bind.given(), TCP_ABI);
    needs("tcp-connect", spec.tcp_connect.given(), TCP_ABI);
    needs("scope", spec.scope.items().first().map(|item| item.origin), SCOPE_ABI);
    if abi == 0 {
        return None;
    }
    let (mut net, mut ports) = (0, Vec::new());
    for (list, right) in
        [(&spec.tcp_bind, rights::BIND_TCP), (&spec.tcp_connect, rights::CONNECT_TCP)]
    {
        if list.given().is_none() {
            continue;
        }
        net |= right;
        for Sourced { value, origin } in list.items() {
            match u16::try_from(*value) {
                Ok(port) => ports.push((port, right, origin)),
                Err(_above) => sink.push(
                    Diagnostic::error(Code::BadValue, format!("{value} is not a TCP port"))
                        .at(origin)
                        .help("write a number from 0 to 65535"),
                ),
            }
        }
    }
    Some(Rule { abi, net, scope: scopes(spec, abi), ports, origin: mode.origin })
}

fn scopes(spec: &Spec, abi: u32) -> u64 {
    if spec.scope.given().is_none() {
        return rights::all_scopes(abi);
    }
    let bit = |scope: &Scope| match scope {
        Scope::Signal => rights::SCOPE_SIGNAL,
        Scope::AbstractSocket => rights::SCOPE_ABSTRACT_SOCKET,
    };
    spec.scope.items().iter().fold(0, |set, item| set | bit(item.value))
}

/// Says in the plan what Landlock does not do here.
pub fn note(rule: Option<&Rule>, spec: &Spec, plan: &mut Builder) {
    let origin = spec.mode.or(Mode::Auto).origin;
    match rule {
        None => plan.note(
            "Landlock does not enforce anything: mounts alone hold the rules for files",
            origin,
        ),
        Some(rule) if rule.abi < rights::HIGHEST_ABI => {
            let missing = rights::all_fs(rights::HIGHEST_ABI) & !rights::all_fs(rule.abi);
            let scopes = rights::all_scopes(rights::HIGHEST_ABI) & !rights::all_scopes(rule.abi);
            let mut names = vec![rights::fs_names(missing), rights::scope_names(scopes)];
            names.retain(|name| name != "none");
            if !names.is_empty() {
                plan.note(
                    format!("this kernel's Landlock (ABI {}) lacks {}", rule.abi, names.join(",")),
                    origin,
                );
            }
        }
        Some(_) => {}
    }
}

/// Contributes the steps, one for each place that may be used.
pub fn compile(
    rule: &Rule,
    accesses: &[Access],
    root: (bool, Origin),
    is_writable: bool,
    plan: &mut Builder,
) {
    let Rule { abi, net, scope, origin, .. } = *rule;
    plan.push(Action::LandlockRuleset { abi, fs: rights::all_fs(abi), net, scope }, origin);
    let (whole_root, root_origin) = root;
    // Names of directories that sbx made for mount points can be listed, as mounts alone allow.
    let base = match (whole_root, is_writable) {
        (false, false) => rights::list(),
        (whole, writes) => rights::grant(abi, writes, whole),
    };
    plan.push(Action::LandlockPath { path: "/".into(), access: base }, root_origin);
    for access in accesses {
        let all = match access.what {
            AccessKind::Files { writes, executes } => rights::grant(abi, writes, executes),
            AccessKind::Proc => rights::proc(abi),
            AccessKind::Devices => rights::device(abi),
        };
        let held = if access.is_directory { all } else { rights::of_file(all, abi) };
        plan.push(
            Action::LandlockPath { path: (&access.path).into(), access: held },
            access.origin,
        );
    }
    plan.push(Action::LandlockStdio, origin);
    for (port, access, origin) in rule.ports.iter().copied() {
        plan.push(Action::LandlockPort { port, access }, origin);
    }
    plan.push(Action::LandlockRestrict, origin);
}
