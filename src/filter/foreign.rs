//! i386 calls on x86_64, for `Foreign::Allow`: their numbers, with the rules of the 64-bit calls
//! that do the same.
//!
//! Where an i386 call takes its arguments in another order, in halves or from memory, a rule with
//! cases cannot be applied to it, and it gets ENOSYS.

use super::rules::{ArgTest, CallRule, Case, Compare, FilterRules, Verdict, Width};
use super::table;
use std::borrow::Cow;
use syscall_numbers::x86;

/// `AUDIT_ARCH_I386`.
pub(super) const AUDIT_I386: u32 = 0x4000_0003;

/// The last number looked at; the crate's table ends earlier.
const LAST: u32 = 1023;

/// Calls of `socketcall(2)`, from number 1 (`linux/net.h`); send and recv under their 64-bit names.
const SOCKET_CALLS: &[&str] = names! {
    socket bind connect listen accept getsockname getpeername socketpair sendto recvfrom sendto
    recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
};

/// Calls of `ipc(2)` by number (`linux/ipc.h`).
const IPC_CALLS: &[(u16, &str)] = &[
    (1, "semop"),
    (2, "semget"),
    (3, "semctl"),
    (4, "semtimedop"),
    (11, "msgsnd"),
    (12, "msgrcv"),
    (13, "msgget"),
    (14, "msgctl"),
    (21, "shmat"),
    (22, "shmdt"),
    (23, "shmget"),
    (24, "shmctl"),
];

/// i386 names and the 64-bit call that does the same, where a suffix less does not tell.
const RENAMED: &[(&str, &str)] = &[
    ("_llseek", "lseek"),
    ("_newselect", "select"),
    ("fstat64", "fstat"),
    ("fstatat64", "newfstatat"),
    ("mmap2", "mmap"),
    ("nice", "setpriority"),
    ("oldfstat", "fstat"),
    ("oldlstat", "lstat"),
    ("oldolduname", "uname"),
    ("oldstat", "stat"),
    ("olduname", "uname"),
    ("readdir", "getdents"),
    ("sgetmask", "rt_sigprocmask"),
    ("sigaction", "rt_sigaction"),
    ("signal", "rt_sigaction"),
    ("sigpending", "rt_sigpending"),
    ("sigprocmask", "rt_sigprocmask"),
    ("sigreturn", "rt_sigreturn"),
    ("sigsuspend", "rt_sigsuspend"),
    ("ssetmask", "rt_sigprocmask"),
    ("stime", "settimeofday"),
    ("ugetrlimit", "getrlimit"),
    ("umount", "umount2"),
    ("vm86", "modify_ldt"),
    ("vm86old", "modify_ldt"),
    ("waitpid", "wait4"),
];

/// i386 calls whose arguments do not stand where the 64-bit call has them.
const REPACKED: &[&str] = names! {
    _llseek fadvise64 fadvise64_64 fallocate fanotify_mark ftruncate64 lookup_dcookie mmap nice
    oldfstat oldlstat oldolduname oldstat olduname pread64 preadv preadv2 pwrite64 pwritev pwritev2
    readahead readdir select sgetmask signal sigsuspend ssetmask stime sync_file_range truncate64
    umount vm86 vm86old
};

/// i386 calls the crate does not have: arch/x86/entry/syscalls/syscall_32.tbl.
const LEFT_OUT: &[(u32, &str)] = &[
    (76, "getrlimit"),
    (260, "timer_settime"),
    (261, "timer_gettime"),
    (262, "timer_getoverrun"),
    (263, "timer_delete"),
    (264, "clock_settime"),
    (265, "clock_gettime"),
    (266, "clock_getres"),
    (267, "clock_nanosleep"),
    (278, "mq_unlink"),
    (279, "mq_timedsend"),
    (280, "mq_timedreceive"),
    (281, "mq_notify"),
    (282, "mq_getsetattr"),
    (471, "rseq_slice_yield"),
];

/// Returns the rules of i386 calls by number, in order.
pub(super) fn i386_rules(rules: &FilterRules) -> Vec<(u32, &'static str, Cow<'_, CallRule>)> {
    (0..=LAST)
        .filter_map(|nr| {
            let name = i386_name(nr)?;
            i386_rule(rules, name).map(|rule| (nr, name, rule))
        })
        .collect()
}

/// The crate (4.0.3) has four calls under the name of the kernel's function, and leaves some out.
fn i386_name(nr: u32) -> Option<&'static str> {
    match x86::sys_call_name(nr.into()) {
        Some("gettimeofday_time32") => Some("gettimeofday"),
        Some("settimeofday_time32") => Some("settimeofday"),
        Some("timerfd_gettime32") => Some("timerfd_gettime"),
        Some("timerfd_settime32") => Some("timerfd_settime"),
        Some(name) => Some(name),
        None => {
            let place = LEFT_OUT.binary_search_by_key(&nr, |(nr, _)| *nr).ok()?;
            LEFT_OUT.get(place).map(|(_, name)| *name)
        }
    }
}

/// A rule under the i386 name itself comes first, then one of the 64-bit name.
fn i386_rule<'a>(rules: &'a FilterRules, name: &str) -> Option<Cow<'a, CallRule>> {
    if !is_native(name)
        && let Some(own) = rules.rule(name)
    {
        return Some(own);
    }
    match name {
        "socketcall" => {
            let parts = (1..).zip(SOCKET_CALLS.iter().copied());
            return Some(Cow::Owned(multiplex(rules, parts, 0xFFFF_FFFF)));
        }
        // The upper half is a version, which the kernel cuts off: ipc/syscall.c.
        "ipc" => {
            return Some(Cow::Owned(multiplex(rules, IPC_CALLS.iter().copied(), 0xFFFF)));
        }
        _ => {}
    }
    let rule = rules.rule(native_name(name)?)?;
    if rule.constant().is_none() && REPACKED.contains(&name) {
        return Some(Cow::Owned(CallRule::plain(Verdict::ENOSYS)));
    }
    Some(rule)
}

fn is_native(name: &str) -> bool {
    table::number(super::Arch::X86_64, name).is_some()
}

/// Returns the x86_64 call that does the same.
fn native_name(name: &str) -> Option<&str> {
    if is_native(name) {
        return Some(name);
    }
    if let Some((_, native)) = RENAMED.iter().find(|(i386, _)| *i386 == name) {
        return Some(native);
    }
    // `_64` comes after `_time64` and `64`: fadvise64_64 loses all of it first.
    ["_time64", "_64", "64", "32"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .find(|short| is_native(short))
}

/// Returns the rule of a call that stands for several, by its first argument. A part whose rule
/// has cases cannot be judged: its arguments are in memory.
fn multiplex<'a>(
    rules: &FilterRules,
    parts: impl Iterator<Item = (u16, &'a str)>,
    mask: u64,
) -> CallRule {
    let parts: Vec<_> = parts
        .map(|(nr, name)| {
            let verdict = rules.rule(name).map_or(Some(rules.unknown), |rule| rule.constant());
            (nr, verdict.unwrap_or(Verdict::ENOSYS))
        })
        .collect();
    let is_all_the_same = parts.windows(2).all(|pair| match pair {
        [(_, one), (_, next)] => one == next,
        _ => true,
    });
    if is_all_the_same && let Some((_, verdict)) = parts.first() {
        return CallRule::plain(*verdict);
    }
    let cases = parts
        .iter()
        .filter(|(_, verdict)| *verdict != Verdict::ENOSYS)
        .map(|(nr, verdict)| Case {
            tests: vec![ArgTest {
                index: 0,
                width: Width::Dword,
                compare: Compare::MaskedEq { mask, value: u64::from(*nr) },
            }],
            verdict: *verdict,
        })
        .collect();
    CallRule { cases, added: 0, otherwise: Verdict::ENOSYS }
}

#[cfg(test)]
mod tests {
    use super::super::assemble::assemble;
    use super::super::interpret::{CallData, run, verdict_of};
    use super::super::rules::{Arch, Foreign};
    use super::super::sets::{NestedUsers, Set, set};
    use super::*;

    fn verdict(rules: &FilterRules, nr: u32, args: [u64; 6]) -> Verdict {
        let program = assemble(rules, Arch::X86_64).expect("a program that the kernel takes");
        let data = CallData { nr, arch: AUDIT_I386, instruction_pointer: 0, args };
        verdict_of(run(&program, &data).unwrap()).unwrap()
    }

    fn open() -> FilterRules {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        rules.foreign = Foreign::Allow;
        rules
    }

    #[test]
    fn i386_calls_get_the_rule_of_their_64_bit_call() {
        let rules = open();
        let none = [0; 6];
        for (nr, wanted) in [
            (4, Verdict::Allow),    // write
            (192, Verdict::Allow),  // mmap2
            (195, Verdict::Allow),  // stat64
            (422, Verdict::Allow),  // futex_time64
            (265, Verdict::Allow),  // clock_gettime
            (264, Verdict::EPERM),  // clock_settime
            (404, Verdict::EPERM),  // clock_settime64
            (22, Verdict::EPERM),   // umount
            (25, Verdict::EPERM),   // stime
            (26, Verdict::EPERM),   // ptrace
            (166, Verdict::EPERM),  // vm86
            (435, Verdict::ENOSYS), // clone3
            (900, Verdict::ENOSYS),
            (u32::MAX, Verdict::ENOSYS),
        ] {
            assert_eq!(verdict(&rules, nr, none), wanted, "{nr}");
        }
        assert_eq!(verdict(&rules, 54, [0, 0x5412, 0, 0, 0, 0]), Verdict::EPERM);
        assert_eq!(verdict(&rules, 120, [0x1000_0000, 0, 0, 0, 0, 0]), Verdict::EPERM);
    }

    #[test]
    fn socketcall_opens_no_socket_past_the_family_rule() {
        let rules = open();
        assert_eq!(verdict(&rules, 102, [1, 0, 0, 0, 0, 0]), Verdict::ENOSYS);
        assert_eq!(verdict(&rules, 102, [8, 0, 0, 0, 0, 0]), Verdict::ENOSYS);
        assert_eq!(verdict(&rules, 102, [3, 0, 0, 0, 0, 0]), Verdict::Allow);
        assert_eq!(verdict(&rules, 117, [0x1_0015, 0, 0, 0, 0, 0]), Verdict::Allow);
    }

    #[test]
    fn a_case_is_not_applied_to_arguments_that_stand_elsewhere() {
        let mut rules = open();
        let case = Case {
            tests: vec![ArgTest {
                index: 2,
                width: Width::Dword,
                compare: Compare::MaskedEq { mask: 4, value: 4 },
            }],
            verdict: Verdict::EPERM,
        };
        rules.add_case("mmap", case).unwrap();
        assert_eq!(verdict(&rules, 90, [0; 6]), Verdict::ENOSYS);
        assert_eq!(verdict(&rules, 192, [0, 0, 4, 0, 0, 0]), Verdict::EPERM);
        assert_eq!(verdict(&rules, 192, [0, 0, 3, 0, 0, 0]), Verdict::Allow);
    }

    #[test]
    fn names_of_nothing_but_i386_can_have_rules() {
        let mut rules = open();
        rules.decide("socketcall", Verdict::Allow).unwrap();
        assert_eq!(verdict(&rules, 102, [1, 0, 0, 0, 0, 0]), Verdict::Allow);
    }
}
