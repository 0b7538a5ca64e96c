//! `[namespaces]`: which namespaces the command gets, and what it may do with further ones.

use std::path::Path;

use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::Facts;
use crate::filter::NestedUsers;
use crate::plan::{Action, Builder, Namespace};
use crate::schema::{Leaf, Reader, Value, choice_leaf, section};
use crate::value::{Slot, Sourced, Table};

/// Whether a namespace is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is made; where that is impossible, nothing starts.
    On,
    /// The caller's is used.
    Off,
    /// It is made where the kernel has it.
    Try,
}

impl Leaf for Switch {
    const EXPECTS: &'static str = "`true`, `false` or \"try\"";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        match (value.get_ref().as_bool(), value.get_ref().as_str()) {
            (Some(true), _) => Some(Self::On),
            (Some(false), _) => Some(Self::Off),
            (None, Some("try")) => Some(Self::Try),
            (None, Some(text)) => {
                let is_place = text.contains('/') || text.bytes().all(|byte| byte.is_ascii_digit());
                let diagnostic = if is_place {
                    Diagnostic::error(
                        Code::Reserved,
                        "joining a namespace that exists is not in this version of sbx",
                    )
                } else {
                    Diagnostic::error(Code::BadValue, format!("unknown value `{text}`"))
                };
                let origin = reader.origin(value);
                reader.sink.push(diagnostic.at(origin).help("write `true`, `false` or \"try\""));
                None
            }
            (None, None) => {
                reader.wrong_type(value, Self::EXPECTS);
                None
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::On => "true".to_owned(),
            Self::Off => "false".to_owned(),
            Self::Try => "\"try\"".to_owned(),
        }
    }
}

choice_leaf!(NestedUsers, "\"deny\", \"sandbox\" or \"allow\"",
    ["deny" => Deny, "sandbox" => Sandbox, "allow" => Allow], reserved []);

/// Whether a second user namespace makes the mounts one locked unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMounts {
    /// Always.
    On,
    /// Never, even where something inside could undo a mount.
    Off,
    /// Where a capability is kept or nested user namespaces are allowed.
    Auto,
}

impl Leaf for LockMounts {
    const EXPECTS: &'static str = "`true`, `false` or \"auto\"";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        match (value.get_ref().as_bool(), value.get_ref().as_str()) {
            (Some(true), _) => Some(Self::On),
            (Some(false), _) => Some(Self::Off),
            (None, Some("auto")) => Some(Self::Auto),
            (None, _) => {
                reader.wrong_type(value, Self::EXPECTS);
                None
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::On => "true".to_owned(),
            Self::Off => "false".to_owned(),
            Self::Auto => "\"auto\"".to_owned(),
        }
    }
}

/// An offset of a clock in whole seconds (time_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Leaf for Offset {
    const EXPECTS: &'static str = "a number of seconds";
    const EXPECTS_TABLE: &'static str = "a table such as { monotonic = 86400, boottime = 86400 }";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let found = value.get_ref().as_integer();
        let seconds = found.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        if seconds.is_none() {
            reader.wrong_type(value, Self::EXPECTS);
        }
        seconds.map(Self)
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

section! {
    /// The section as it was written.
    pub struct Spec = "namespaces", reserved [] {
        /// A user namespace: ids and capabilities of its own (user_namespaces(7)). Default: true.
        user: Slot<Switch> = "user",
        /// A mount namespace (mount_namespaces(7)). Default: true.
        mount: Slot<Switch> = "mount",
        /// A pid namespace with an init of sbx (pid_namespaces(7)). Default: true.
        pid: Slot<Switch> = "pid",
        /// System V IPC and POSIX message queues (ipc_namespaces(7)). Default: true.
        ipc: Slot<Switch> = "ipc",
        /// Host and domain name (uts_namespaces(7)). Default: true.
        uts: Slot<Switch> = "uts",
        /// Network interfaces, addresses, ports, abstract sockets (network_namespaces(7)). Default: true, and false with `[network] mode = "host"`.
        net: Slot<Switch> = "net",
        /// The view of the cgroup tree (cgroup_namespaces(7)). Default: true.
        cgroup: Slot<Switch> = "cgroup",
        /// The monotonic and boot clocks (time_namespaces(7)). Default: false.
        time: Slot<Switch> = "time",
        /// Offsets of the clocks `monotonic` and `boottime` in seconds.
        time_offset: Table<Offset> = "time-offset",
        /// Host name inside. Default: "sbx".
        hostname: Slot<String> = "hostname",
        /// NIS domain name inside. Default: the kernel's "(none)".
        domainname: Slot<String> = "domainname",
        /// User namespaces made by the command: refused, as far as browsers need them for their own sandboxes, or free. Default: "deny".
        nested_users: Slot<NestedUsers> = "nested-users",
        /// A second user and mount namespace that makes the mounts one locked unit. Default: "auto".
        lock_mounts: Slot<LockMounts> = "lock-mounts",
    }
}

/// What the sandbox gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Namespaces to make, without `time`; their order has no meaning.
    pub made: Vec<Namespace>,
    /// Namespaces that are not made, and who left each out.
    left_out: Vec<(Namespace, Origin)>,
    /// Where the list came from.
    pub origin: Origin,
    /// Offsets of the clocks where there is a time namespace.
    pub time: Option<(i64, i64)>,
    /// Host name; nothing without a UTS namespace.
    pub hostname: Option<Sourced<String>>,
    /// Domain name; nothing where it stays as it is.
    pub domainname: Option<Sourced<String>>,
    /// User namespaces made by the command.
    pub nested: Sourced<NestedUsers>,
    /// What asked for the mounts to be locked, if they are.
    pub locks: Option<Origin>,
}

impl Rule {
    /// Says whether a namespace is made.
    pub fn has(&self, namespace: Namespace) -> bool {
        self.made.contains(&namespace)
    }

    /// Returns who left a namespace out, where it is not made.
    pub fn lacks(&self, namespace: Namespace) -> Option<Origin> {
        let left_out = self.left_out.iter().find(|(other, _)| *other == namespace);
        left_out.map(|(_, origin)| *origin)
    }

    /// Namespaces that are made with the lock, so that kept capabilities apply to them.
    pub fn made_with_lock(&self) -> Vec<Namespace> {
        let with = [Namespace::Ipc, Namespace::Uts, Namespace::Net];
        with.into_iter().filter(|namespace| self.has(*namespace)).collect()
    }
}

/// What other sections say that decides here.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The caller's network is shared.
    pub shares_network: Option<Origin>,
    /// A capability is kept.
    pub keeps_capability: Option<Origin>,
    /// CAP_SYS_ADMIN is kept.
    pub keeps_sys_admin: Option<Origin>,
}

/// Decides which namespaces are made.
pub fn resolve(spec: &Spec, needs: Needs, facts: &dyn Facts, sink: &mut Sink) -> Rule {
    let switches = [
        (Namespace::User, &spec.user),
        (Namespace::Mount, &spec.mount),
        (Namespace::Pid, &spec.pid),
        (Namespace::Ipc, &spec.ipc),
        (Namespace::Uts, &spec.uts),
        (Namespace::Cgroup, &spec.cgroup),
    ];
    let on =
        |namespace: Namespace, slot: &Slot<Switch>, default: Switch| match slot.or(default).value {
            Switch::On => true,
            Switch::Off => false,
            Switch::Try => is_possible(namespace, facts),
        };
    let mut made: Vec<_> = switches
        .iter()
        .filter(|(namespace, slot)| on(*namespace, slot, Switch::On))
        .map(|(namespace, _)| *namespace)
        .collect();
    if net(spec, needs, sink) && on(Namespace::Net, &spec.net, Switch::On) {
        made.push(Namespace::Net);
    }
    let written = switches.iter().find_map(|(_, slot)| slot.get());
    let left_out = switches
        .iter()
        .filter(|(namespace, _)| !made.contains(namespace))
        .map(|(namespace, slot)| (*namespace, slot.get().map_or(Origin::DEFAULT, |one| one.origin)))
        .collect();
    let has = |namespace| made.contains(&namespace);
    for (key, slot, namespace) in [
        ("hostname", &spec.hostname, Namespace::Uts),
        ("domainname", &spec.domainname, Namespace::Uts),
    ] {
        if let Some(name) = slot.get() {
            check_name(key, name, has(namespace), sink);
        }
    }
    if !has(Namespace::Mount) {
        cannot_be_off(
            spec.mount.get(),
            "mount",
            "the files of the sandbox are made of mounts",
            sink,
        );
    }
    let nested = spec.nested_users.or(NestedUsers::Deny);
    let locks = locks(spec, needs, &nested, has(Namespace::User), sink);
    if locks.is_some() && !has(Namespace::Pid) {
        cannot_be_off(
            spec.pid.get(),
            "pid",
            "locking the mounts needs a /proc of the sandbox's own",
            sink,
        );
    }
    Rule {
        origin: written.map_or(Origin::DEFAULT, |slot| slot.origin),
        time: time(spec, on(Namespace::Time, &spec.time, Switch::Off), has(Namespace::Pid), sink),
        hostname: has(Namespace::Uts).then(|| spec.hostname.or("sbx".to_owned())),
        domainname: spec.domainname.get().cloned(),
        nested,
        locks,
        made,
        left_out,
    }
}

/// Says whether the kernel has a namespace and its number is not limited to 0.
fn is_possible(namespace: Namespace, facts: &dyn Facts) -> bool {
    let name = namespace.proc_name();
    let exists = facts.file(&Path::new("/proc/self/ns").join(name)).is_some();
    let limit = facts.setting(Path::new(&format!("/proc/sys/user/max_{name}_namespaces")));
    exists && limit.as_deref() != Some("0")
}

fn cannot_be_off(written: Option<&Sourced<Switch>>, key: &str, why: &str, sink: &mut Sink) {
    let origin = written.map_or(Origin::DEFAULT, |slot| slot.origin);
    sink.push(
        Diagnostic::error(Code::Conflict, format!("`{key} = false` cannot be used here: {why}"))
            .at(origin)
            .help(format!("remove `{key} = false` from [namespaces]")),
    );
}

fn net(spec: &Spec, needs: Needs, sink: &mut Sink) -> bool {
    match (spec.net.get(), needs.shares_network) {
        (Some(Sourced { value: Switch::On, origin }), Some(host)) => {
            sink.push(
                Diagnostic::error(
                    Code::Conflict,
                    "`net = true` and the host's network cannot both hold",
                )
                .at(*origin)
                .label(host, "the host's network is asked for here")
                .help("remove one of the two"),
            );
            true
        }
        (Some(Sourced { value: Switch::Off, origin }), None) => {
            sink.push(
                Diagnostic::error(
                    Code::Conflict,
                    "`net = false` shares the host's network without saying so",
                )
                .at(*origin)
                .help("write `[network] mode = \"host\"` instead"),
            );
            false
        }
        (_, shared) => shared.is_none(),
    }
}

fn check_name(key: &str, name: &Sourced<String>, has_uts: bool, sink: &mut Sink) {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if !has_uts {
        sink.push(
            Diagnostic::error(Code::Conflict, format!("`{key}` needs a UTS namespace"))
                .at(name.origin)
                .help(format!("remove `uts = false`, or `{key}`")),
        );
    }
    if name.value.is_empty() || name.value.len() > 64 || !name.value.bytes().all(legal) {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` cannot be a {key}", name.value))
                .at(name.origin)
                .help("write 1 to 64 letters, digits, `-`, `.` or `_`"),
        );
    }
}

fn time(spec: &Spec, is_on: bool, has_pid: bool, sink: &mut Sink) -> Option<(i64, i64)> {
    let mut offsets = (0, 0);
    let mut asked = None;
    for (clock, offset) in spec.time_offset.iter() {
        asked = Some(offset.origin);
        match clock {
            "monotonic" => offsets.0 = offset.value.0,
            "boottime" => offsets.1 = offset.value.0,
            _ => sink.push(
                Diagnostic::error(Code::UnknownKey, format!("unknown clock `{clock}`"))
                    .at(offset.origin)
                    .suggest(clock, ["monotonic", "boottime"], "write `monotonic` or `boottime`"),
            ),
        }
    }
    if !is_on {
        if let Some(origin) = asked.filter(|_| spec.time.or(Switch::Off).value == Switch::Off) {
            sink.push(
                Diagnostic::error(Code::Conflict, "`time-offset` needs a time namespace")
                    .at(origin)
                    .help("write `time = true` in [namespaces]"),
            );
        }
        return None;
    }
    if !has_pid {
        cannot_be_off(
            spec.pid.get(),
            "pid",
            "clocks are shifted for processes that are started later",
            sink,
        );
    }
    Some(offsets)
}

fn locks(
    spec: &Spec,
    needs: Needs,
    nested: &Sourced<NestedUsers>,
    has_user: bool,
    sink: &mut Sink,
) -> Option<Origin> {
    let lock = spec.lock_mounts.or(LockMounts::Auto);
    let reason =
        needs.keeps_capability.or((nested.value != NestedUsers::Deny).then_some(nested.origin));
    if !has_user {
        if let (Some(admin), _) = (needs.keeps_sys_admin, lock.value) {
            sink.push(
                Diagnostic::error(
                    Code::Conflict,
                    "without a user namespace, CAP_SYS_ADMIN undoes every mount of the sandbox",
                )
                .at(admin)
                .help("remove `user = false` from [namespaces], or do not keep sys-admin"),
            );
        }
        if lock.value == LockMounts::On {
            sink.push(
                Diagnostic::error(Code::Conflict, "`lock-mounts` needs a user namespace")
                    .at(lock.origin)
                    .help("remove `user = false` from [namespaces], or `lock-mounts`"),
            );
        }
        return None;
    }
    match (lock.value, reason) {
        (LockMounts::On, _) => Some(lock.origin),
        (LockMounts::Auto, reason) => reason,
        (LockMounts::Off, None) => None,
        (LockMounts::Off, Some(reason)) => {
            sink.push(
                Diagnostic::warning(
                    Code::Weakened,
                    "mounts stay unlocked although something inside may gain CAP_SYS_ADMIN; read-only and hidden files rest on Landlock alone",
                )
                .at(lock.origin)
                .label(reason, "this could undo a mount"),
            );
            None
        }
    }
}

/// Contributes what `Rule` alone decides; ids are mapped by `user`.
pub fn compile(rule: &Rule, plan: &mut Builder) {
    let with_lock = if rule.locks.is_some() { rule.made_with_lock() } else { Vec::new() };
    let first = rule.made.iter().filter(|namespace| !with_lock.contains(namespace)).copied();
    plan.push(Action::Spawn { namespaces: first.collect() }, rule.origin);
    if let Some((monotonic, boottime)) = rule.time {
        plan.push(Action::TimeNamespace { monotonic, boottime }, rule.origin);
    }
    if let Some(name) = &rule.hostname {
        plan.push(Action::HostName { name: name.value.clone() }, name.origin);
    }
    if let Some(name) = &rule.domainname {
        plan.push(Action::DomainName { name: name.value.clone() }, name.origin);
    }
    if rule.has(Namespace::User) && rule.nested.value == NestedUsers::Deny {
        let limit = u32::from(rule.locks.is_some());
        plan.push(Action::LimitUserNamespaces { limit }, rule.nested.origin);
    }
}
