//! Names and numbers of capabilities (capabilities(7)).

/// Names without `CAP_`, as profiles write them, by number; Linux 6.18 has 41.
pub const NAMES: [&str; 41] = [
    "chown",
    "dac-override",
    "dac-read-search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux-immutable",
    "net-bind-service",
    "net-broadcast",
    "net-admin",
    "net-raw",
    "ipc-lock",
    "ipc-owner",
    "sys-module",
    "sys-rawio",
    "sys-chroot",
    "sys-ptrace",
    "sys-pacct",
    "sys-admin",
    "sys-boot",
    "sys-nice",
    "sys-resource",
    "sys-time",
    "sys-tty-config",
    "mknod",
    "lease",
    "audit-write",
    "audit-control",
    "setfcap",
    "mac-override",
    "mac-admin",
    "syslog",
    "wake-alarm",
    "block-suspend",
    "audit-read",
    "perfmon",
    "bpf",
    "checkpoint-restore",
];

/// CAP_KILL.
pub const KILL: u64 = 1 << 5;
/// CAP_SETGID.
pub const SETGID: u64 = 1 << 6;
/// CAP_SETUID.
pub const SETUID: u64 = 1 << 7;
/// CAP_SYS_ADMIN.
pub const SYS_ADMIN: u64 = 1 << 21;
/// CAP_SYS_RESOURCE.
pub const SYS_RESOURCE: u64 = 1 << 24;

/// Kept, these undo most of a sandbox: a warning names them.
pub const DANGEROUS: u64 = 0b1_1111 // chown, dac-override, dac-read-search, fowner, fsetid
    | SETGID
    | SETUID
    | (1 << 16) // sys-module
    | (1 << 17) // sys-rawio
    | (1 << 19) // sys-ptrace
    | SYS_ADMIN
    | (1 << 27) // mknod
    | (1 << 31) // setfcap
    | (1 << 39);

/// Returns the number of a capability: with or without `CAP_`, in any case, with `_` or `-`.
pub fn number(name: &str) -> Option<u8> {
    let plain = plain(name);
    let at = NAMES.iter().position(|known| *known == plain)?;
    u8::try_from(at).ok()
}

/// Returns a name as [`NAMES`] has it, whether there is such a capability or not.
pub fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name.strip_prefix("cap-").map(str::to_owned).unwrap_or(name)
}

/// Returns the names of a set of capabilities.
pub fn names(set: u64) -> String {
    let has = |at: usize| u32::try_from(at).is_ok_and(|at| set >> at & 1 == 1);
    let held: Vec<_> =
        NAMES.iter().enumerate().filter(|(at, _)| has(*at)).map(|(_, name)| *name).collect();
    match held.len() {
        0 => "none".to_owned(),
        n if n == NAMES.len() => "all".to_owned(),
        _ => held.join(","),
    }
}

/// Returns the set of all capabilities up to `last`.
pub fn all(last: u8) -> u64 {
    u64::MAX >> (63 - u32::from(last.min(63)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        for name in ["net-bind-service", "CAP_NET_BIND_SERVICE", "cap_net_bind_service"] {
            assert_eq!(number(name), Some(10), "{name}");
        }
        assert_eq!(number("net-bind"), None);
    }

    #[test]
    fn constants_have_the_numbers_of_their_names() {
        let bit = |name| number(name).map(|n| 1_u64 << n);
        assert_eq!(bit("kill"), Some(KILL));
        assert_eq!(bit("setgid"), Some(SETGID));
        assert_eq!(bit("setuid"), Some(SETUID));
        assert_eq!(bit("sys-admin"), Some(SYS_ADMIN));
        assert_eq!(bit("sys-resource"), Some(SYS_RESOURCE));
        assert_eq!(
            names(DANGEROUS),
            "chown,dac-override,dac-read-search,fowner,fsetid,setgid,setuid,sys-module,sys-rawio,\
             sys-ptrace,sys-admin,mknod,setfcap,bpf"
        );
        assert_eq!(all(40), (1 << 41) - 1);
    }
}
