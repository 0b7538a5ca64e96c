//! The phases of a launch, in the order in which they run.

/// Who carries a step out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The process that the caller started.
    Supervisor,
    /// The first process of the sandbox, before it starts the command.
    Child,
    /// The first process of the sandbox, after it started the command.
    Init,
    /// The process that becomes the command.
    Payload,
}

impl Actor {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Child => "child",
            Self::Init => "init",
            Self::Payload => "payload",
        }
    }
}

macro_rules! phases {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal: $purpose:literal,)+) => {
        /// A phase of a launch; the declaration's order is the order of execution.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Phase { $($(#[doc = $doc])+ $variant,)+ }

        impl Phase {
            /// All phases in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name: one word, the same in plans, messages and the manual.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what happens in it.
            pub fn purpose(self) -> &'static str {
                match self { $(Self::$variant => $purpose,)+ }
            }
        }
    };
}

phases! {
    /// Needs the caller's view and rights.
    Open = "open": "what needs the caller's view and rights",
    /// One clone3(2) with all namespaces.
    Spawn = "spawn": "the first process, in its namespaces",
    /// While the child is still dumpable: as an ordinary user it could not write the map later.
    Idmap = "idmap": "id maps, and the limit on further user namespaces",
    /// Before anything can hang.
    Session = "session": "signals, death with the parent, session, keyring, standard streams",
    /// Before the first mount.
    Isolate = "isolate": "mount propagation and clocks",
    /// One pass, parents first.
    Root = "root": "the new root and what is mounted in it",
    /// Needs the tree of `root`.
    Dev = "dev": "device nodes",
    /// Before `pivot`, because covers are made from the host's `/dev/null`.
    Seal = "seal": "what sbx filled becomes read-only; covers",
    /// The last use of a path of the host.
    Pivot = "pivot": "the old root goes away",
    /// The first process stays behind as init.
    Split = "split": "the command's process; the other one stays as init",
    /// Before ids change: setuid(2) clears the dumpable flag that writing a map needs.
    Lock = "lock": "second user namespace, which makes the mounts one locked unit",
    /// After `lock`: these namespaces must belong to the user namespace the command runs in.
    Network = "network": "host name and loopback",
    /// May need rights that go next.
    Limits = "limits": "resource limits",
    /// Groups before group before user, each verified.
    Identity = "identity": "groups, group, user",
    /// As the final user, in the final tree.
    Workdir = "workdir": "working directory and umask",
    /// All sets, the bounding set included.
    Caps = "caps": "capabilities",
    /// Before filters.
    Sweep = "sweep": "descriptors and signal mask",
    /// After every mount: a rule holds for the inode that is there when it is made.
    Landlock = "landlock": "no_new_privs and Landlock",
    /// As late as possible.
    Seccomp = "seccomp": "system-call filter",
    /// Only without no_new_privs: the filter needed CAP_SYS_ADMIN.
    Settle = "settle": "last capability drop",
    /// Nothing comes after it.
    Exec = "exec": "the command",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single_lower_case_words() {
        let word = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase());
        assert!(Phase::ALL.iter().all(|phase| word(phase.name())));
    }

    #[test]
    fn the_end_has_one_order() {
        use Phase::{Caps, Exec, Identity, Landlock, Limits, Seccomp, Sweep, Workdir};
        let end = [Limits, Identity, Workdir, Caps, Sweep, Landlock, Seccomp, Exec];
        assert!(end.is_sorted());
    }
}
