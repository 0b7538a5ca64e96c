//! The sets a profile starts from: `default`, `strict` and `none`.
//!
//! Every call known to [`table`] stands in exactly one list here, or in
//! [`CONDITIONAL`]; a test fails on a call that does not. What stands nowhere, because it is newer
//! than this file, gets ENOSYS.

use super::rules::{
    Arch, ArgTest, Base, CallRule, Case, Compare, FilterRules, Foreign, Verdict, Width,
};
use super::table;
use std::collections::BTreeMap;

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// What programs of a desktop and a build use.
    Default,
    /// `default` without namespaces, `chroot`, sockets other than Unix ones, changes of the
    /// personality and work on other processes' memory.
    Strict,
    /// No rules: everything allowed. The caller had better install no filter.
    None,
}

/// What the sandboxed program may do with namespaces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NestedUsers {
    /// No namespace and no `chroot`.
    Deny,
    /// User namespaces with all but mount and time namespaces, and `chroot`: what browsers need.
    Sandbox,
    /// Everything, mounts included.
    Allow,
}

/// Calls that run whatever their arguments; sorted.
#[rustfmt::skip]
const ALLOWED: &[&str] = names! {
    accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown
    clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup
    dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod
    fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr file_getattr file_setattr
    flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue
    futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd
    getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp
    getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup
    io_submit ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset
    landlock_restrict_self lchown lgetxattr link linkat listen listxattr listxattrat llistxattr
    lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier memfd_create mincore
    mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open
    mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
    munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal
    pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64
    process_madvise process_mrelease pselect6 pwrite64 pwritev pwritev2 read readahead readlink
    readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr removexattrat rename
    renameat renameat2 restart_syscall rmdir rseq rseq_slice_yield rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg
    sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
    setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid
    setsockopt setuid setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd
    signalfd4 splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee
    tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
    timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat
    uprobe uretprobe utime utimensat utimes vfork wait4 waitid write writev
};

/// Calls that fail with EPERM: for administrators, for looking into other processes, or a large
/// part of the kernel for few programs; sorted.
#[rustfmt::skip]
const DENIED: &[&str] = names! {
    acct add_key adjtimex bpf clock_adjtime clock_settime create_module delete_module fanotify_init
    fanotify_mark finit_module get_mempolicy init_module ioperm iopl kcmp kexec_file_load kexec_load
    keyctl lsm_get_self_attr lsm_list_modules lsm_set_self_attr mbind migrate_pages modify_ldt mount
    move_pages name_to_handle_at open_by_handle_at perf_event_open pidfd_getfd pivot_root
    process_vm_readv process_vm_writev ptrace query_module quotactl quotactl_fd reboot request_key
    set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff
    swapon sysfs syslog umount2 uselib userfaultfd ustat vhangup vmsplice
};

/// Calls that are as if the kernel did not have them, so that callers fall back: what a filter
/// cannot read the arguments of (`clone3`), what does the work of other calls past the filter
/// (`io_uring`), the mount API of Linux 5.2 and later, and what the kernel itself no longer has;
/// sorted.
#[rustfmt::skip]
const ABSENT: &[&str] = names! {
    _sysctl afs_syscall clone3 epoll_ctl_old epoll_wait_old fsconfig fsmount fsopen fspick
    get_kernel_syms getpmsg io_uring_enter io_uring_register io_uring_setup listmount listns
    lookup_dcookie memfd_secret mount_setattr move_mount nfsservctl open_tree open_tree_attr putpmsg
    security statmount tuxcall vserver
};

/// Calls whose verdict depends on arguments or on [`NestedUsers`]; sorted.
#[rustfmt::skip]
const CONDITIONAL: &[&str] = names! {
    chroot clone ioctl personality socket socketpair unshare
};

/// What [`NestedUsers::Allow`] allows beside namespaces; `clone3` because nothing is left to hide
/// in its memory.
#[rustfmt::skip]
const NESTING: &[&str] = names! {
    chroot clone clone3 fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount
    open_tree open_tree_attr pivot_root setdomainname sethostname setns statmount umount2 unshare
};

/// What `strict` denies beyond `default`.
#[rustfmt::skip]
const STRICTLY_DENIED: &[&str] = names! {
    process_madvise process_mrelease unshare
};

/// The classes of calls that get the same verdict whatever their arguments.
const CLASSES: [(&[&str], Verdict); 3] =
    [(ALLOWED, Verdict::Allow), (DENIED, Verdict::EPERM), (ABSENT, Verdict::ENOSYS)];

/// Returns the verdict of a call's class; nothing for one that is conditional or unknown.
pub(super) fn class(name: &str) -> Option<Verdict> {
    let mut classes = CLASSES.iter();
    classes.find(|(names, _)| names.binary_search(&name).is_ok()).map(|(_, verdict)| *verdict)
}

/// Returns every call that has a class, with its verdict.
pub(super) fn classed() -> impl Iterator<Item = (&'static str, Verdict)> {
    CLASSES.iter().flat_map(|(names, verdict)| names.iter().map(|name| (*name, *verdict)))
}

/// Above every number of a call.
const NUMBERS: usize = 512;

/// What [`class`] says of an architecture's calls, by their numbers.
type ByNumber = [Option<Verdict>; NUMBERS];

static X86_64: ByNumber = by_number(Arch::X86_64);
static AARCH64: ByNumber = by_number(Arch::Aarch64);

/// Returns the verdicts of the classes by the numbers of an architecture.
pub(super) fn numbered(arch: Arch) -> impl Iterator<Item = (u32, Verdict)> {
    let verdicts = match arch {
        Arch::X86_64 => &X86_64,
        Arch::Aarch64 => &AARCH64,
    };
    (0..).zip(verdicts).filter_map(|(nr, verdict)| Some((nr, (*verdict)?)))
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only, where a panic is a build error"
)]
const fn by_number(arch: Arch) -> ByNumber {
    let runs = table::runs(arch);
    let mut verdicts = [None; NUMBERS];
    let mut run = 0;
    while run < runs.len() {
        let (first, names) = runs[run];
        let mut place = 0;
        while place < names.len() {
            let mut class = 0;
            while class < CLASSES.len() {
                let (members, verdict) = CLASSES[class];
                if has(members, names[place]) {
                    verdicts[first as usize + place] = Some(verdict);
                }
                class += 1;
            }
            place += 1;
        }
        run += 1;
    }
    verdicts
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only, where a panic is a build error"
)]
const fn has(members: &[&str], name: &str) -> bool {
    let mut member = 0;
    while member < members.len() {
        if table::is_same(members[member], name) {
            return true;
        }
        member += 1;
    }
    false
}

// linux/sched.h
const CLONE_NEWTIME: u64 = 0x0000_0080;
const CLONE_NEWNS: u64 = 0x0002_0000;
/// NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
const CLONE_NEW: u64 = 0x7E02_0000;

// asm-generic/ioctls.h
const TIOCEXCL: u64 = 0x540C;
const TIOCSCTTY: u64 = 0x540E;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;
const TIOCCONS: u64 = 0x541D;
const TIOCSSERIAL: u64 = 0x541F;
const TIOCSETD: u64 = 0x5423;
const TIOCVHANGUP: u64 = 0x5437;

/// What types into a terminal, takes it, or leaves the caller with one that is of no use; three of
/// them the kernel refuses itself without a capability that may be kept.
const TERMINAL: [u64; 8] =
    [TIOCSTI, TIOCLINUX, TIOCSCTTY, TIOCSETD, TIOCEXCL, TIOCCONS, TIOCSSERIAL, TIOCVHANGUP];

// linux/socket.h, linux/netlink.h
const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const NETLINK_ROUTE: u64 = 0;

// linux/personality.h
const PER_LINUX: u64 = 0;
const ADDR_NO_RANDOMIZE: u64 = 0x0004_0000;
/// Asks for the personality and changes nothing.
const PER_QUERY: u64 = 0xFFFF_FFFF;

/// Returns the rules of a set.
///
/// `strict` and `none` do not depend on `nested`. Calls of other architectures kill, but for
/// `none`.
#[must_use]
pub fn set(set: Set, nested: NestedUsers) -> FilterRules {
    let (base, unknown, foreign) = match set {
        Set::Default | Set::Strict => (Base::Classes, Verdict::ENOSYS, Foreign::Kill),
        Set::None => (Base::Nothing, Verdict::Allow, Foreign::Allow),
    };
    let mut rules = FilterRules { base, calls: BTreeMap::new(), unknown, foreign };
    if set == Set::None {
        return rules;
    }
    let is_strict = set == Set::Strict;
    let nested = if is_strict { NestedUsers::Deny } else { nested };
    for name in CONDITIONAL {
        rules.calls.insert(name, conditional(name, nested, is_strict));
    }
    let (changed, verdict) = match (is_strict, nested) {
        (true, _) => (STRICTLY_DENIED, Verdict::EPERM),
        (false, NestedUsers::Allow) => (NESTING, Verdict::Allow),
        (false, NestedUsers::Deny | NestedUsers::Sandbox) => return rules,
    };
    for name in changed {
        rules.calls.insert(name, CallRule::plain(verdict));
    }
    rules
}

fn conditional(name: &str, nested: NestedUsers, is_strict: bool) -> CallRule {
    match name {
        "chroot" => CallRule::plain(match nested {
            NestedUsers::Deny => Verdict::EPERM,
            NestedUsers::Sandbox | NestedUsers::Allow => Verdict::Allow,
        }),
        // clone(2) has no NEWTIME: its low byte is the exit signal.
        "clone" => namespaces(nested, 0),
        "unshare" => namespaces(nested, CLONE_NEWTIME),
        "ioctl" => CallRule {
            cases: TERMINAL
                .map(|command| case(vec![low(1, Compare::Eq(command))], Verdict::EPERM))
                .into(),
            added: 0,
            otherwise: Verdict::Allow,
        },
        "personality" if is_strict => allow_of(&[PER_QUERY], Verdict::EPERM),
        "personality" => allow_of(&[PER_LINUX, ADDR_NO_RANDOMIZE, PER_QUERY], Verdict::EPERM),
        "socket" if !is_strict => {
            let mut rule = allow_of(&[AF_UNIX, AF_INET, AF_INET6], Verdict::EAFNOSUPPORT);
            let route = vec![low(0, Compare::Eq(AF_NETLINK)), low(2, Compare::Eq(NETLINK_ROUTE))];
            rule.cases.push(case(route, Verdict::Allow));
            rule
        }
        // Pairs are of Unix sockets in any case: the kernel has no others worth the name.
        "socket" | "socketpair" => allow_of(&[AF_UNIX], Verdict::EAFNOSUPPORT),
        _ => CallRule::plain(Verdict::EPERM),
    }
}

/// A call whose first argument has flags for new namespaces.
fn namespaces(nested: NestedUsers, further: u64) -> CallRule {
    let refused = match nested {
        NestedUsers::Deny => CLONE_NEW | further,
        NestedUsers::Sandbox => CLONE_NEWNS | further,
        NestedUsers::Allow => return CallRule::plain(Verdict::Allow),
    };
    let without = Compare::MaskedEq { mask: refused, value: 0 };
    CallRule {
        cases: vec![case(vec![low(0, without)], Verdict::Allow)],
        added: 0,
        otherwise: Verdict::EPERM,
    }
}

/// Allows some values of the first argument.
fn allow_of(values: &[u64], otherwise: Verdict) -> CallRule {
    let cases = values.iter().map(|value| case(vec![low(0, Compare::Eq(*value))], Verdict::Allow));
    CallRule { cases: cases.collect(), added: 0, otherwise }
}

const fn case(tests: Vec<ArgTest>, verdict: Verdict) -> Case {
    Case { tests, verdict }
}

/// All arguments tested here are of 32 bits in the kernel, or have flags in these only.
const fn low(index: u8, compare: Compare) -> ArgTest {
    ArgTest { index, width: Width::Dword, compare }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Traced calls that are refused on purpose: the programs were seen to carry on.
    const TOLERATED: &[&str] = names! {
        chroot clone3 get_mempolicy quotactl set_mempolicy
    };

    /// What browsers, players, document viewers, compilers, shells and interpreters were traced
    /// to call.
    #[rustfmt::skip]
    const TRACED: &[&str] = names! {
        accept accept4 access arch_prctl bind brk capget capset chdir chmod chroot clock_gettime
        clock_nanosleep clone clone3 close close_range connect copy_file_range creat dup dup2
        epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 execve exit exit_group faccessat2
        fadvise64 fallocate fchdir fchmod fchmodat fcntl fdatasync flock fstat fstatfs fsync
        ftruncate futex get_mempolicy getcwd getdents64 getegid geteuid getgid getgroups getpeername
        getpgrp getpid getppid getpriority getrandom getresgid getresuid getrusage getsockname
        getsockopt gettid getuid getxattr inotify_add_watch inotify_init inotify_init1
        inotify_rm_watch ioctl kill landlock_create_ruleset lgetxattr link linkat listen lseek lstat
        madvise memfd_create mincore mkdir mknodat mlock mmap mprotect mremap munmap newfstatat open
        openat pipe2 pkey_alloc poll ppoll prctl pread64 prlimit64 pselect6 pwrite64 quotactl read
        readahead readlink readlinkat recvfrom recvmsg rename restart_syscall rmdir rseq
        rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend sched_getaffinity sched_getattr
        sched_getparam sched_getscheduler sched_setaffinity sched_setattr sched_setscheduler
        sched_yield seccomp sendmsg sendto set_mempolicy set_robust_list set_tid_address setpgid
        setpriority setresgid setresuid setsid setsockopt shmat shmctl shmdt shmget shutdown
        sigaltstack socket socketpair stat statfs statx symlink symlinkat sysinfo tgkill
        timer_create timer_settime times umask uname unlink unlinkat unshare utimensat vfork wait4
        waitid write writev
    };

    fn of(rules: &FilterRules, name: &str, args: [u64; 6]) -> Verdict {
        rules.verdict(Some(name), &args)
    }

    #[test]
    fn every_call_is_in_exactly_one_class() {
        let classes = [ALLOWED, DENIED, ABSENT, CONDITIONAL];
        let known: BTreeSet<_> =
            table::all_names(Arch::X86_64).chain(table::all_names(Arch::Aarch64)).collect();
        for name in &known {
            let count = classes.iter().filter(|class| class.contains(name)).count();
            assert_eq!(count, 1, "`{name}` stands in {count} classes");
        }
        for name in classes.iter().copied().flatten() {
            assert!(known.contains(name), "`{name}` is no call of either architecture");
        }
    }

    #[test]
    fn classes_by_number_are_those_by_name() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let by_name = |nr| Some((nr, class(table::name(arch, nr)?)?));
            let wanted: Vec<_> = (0..2048).filter_map(by_name).collect();
            assert_eq!(numbered(arch).collect::<Vec<_>>(), wanted, "{arch:?}");
        }
    }

    #[test]
    fn the_lists_are_sorted() {
        for list in [ALLOWED, DENIED, ABSENT, CONDITIONAL, NESTING, STRICTLY_DENIED] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn the_default_set_allows_what_programs_were_traced_to_call() {
        let rules = set(Set::Default, NestedUsers::Deny);
        let unix = [AF_UNIX, 0, 0, 0, 0, 0];
        for name in TRACED {
            let verdict = of(&rules, name, unix);
            let is_fine = verdict.is_allowing() || TOLERATED.contains(name);
            assert!(is_fine, "{name}: {verdict}");
        }
        let nested = set(Set::Default, NestedUsers::Sandbox);
        for name in ["chroot", "unshare", "clone"] {
            assert_eq!(of(&nested, name, [0x1000_0000; 6]), Verdict::Allow, "{name}");
        }
    }

    #[test]
    fn namespace_flags_follow_nested_users() {
        let newuser = [0x1000_0011, 0, 0, 0, 0, 0];
        let newns = [0x1002_0011, 0, 0, 0, 0, 0];
        let newtime = [CLONE_NEWTIME, 0, 0, 0, 0, 0];
        let table = [
            (NestedUsers::Deny, Verdict::EPERM, Verdict::EPERM, Verdict::EPERM),
            (NestedUsers::Sandbox, Verdict::Allow, Verdict::EPERM, Verdict::EPERM),
            (NestedUsers::Allow, Verdict::Allow, Verdict::Allow, Verdict::Allow),
        ];
        for (nested, user, ns, time) in table {
            let rules = set(Set::Default, nested);
            assert_eq!(of(&rules, "clone", [0x11; 6]), Verdict::Allow);
            for name in ["clone", "unshare"] {
                assert_eq!(of(&rules, name, newuser), user, "{nested:?} {name}");
                assert_eq!(of(&rules, name, newns), ns, "{nested:?} {name}");
            }
            assert_eq!(of(&rules, "unshare", newtime), time, "{nested:?}");
            assert_eq!(of(&rules, "clone", newtime), Verdict::Allow);
            let clone3 = match nested {
                NestedUsers::Allow => Verdict::Allow,
                NestedUsers::Deny | NestedUsers::Sandbox => Verdict::ENOSYS,
            };
            assert_eq!(of(&rules, "clone3", [0; 6]), clone3);
        }
    }

    #[test]
    fn terminal_commands_are_refused_by_their_low_half() {
        let rules = set(Set::Default, NestedUsers::Deny);
        for command in [TIOCSTI, TIOCLINUX, TIOCSCTTY] {
            for high in [0, 1 << 32, u64::MAX << 32] {
                let args = [0, command | high, 0, 0, 0, 0];
                assert_eq!(of(&rules, "ioctl", args), Verdict::EPERM);
            }
        }
        assert_eq!(of(&rules, "ioctl", [0, 0x5413, 0, 0, 0, 0]), Verdict::Allow);
    }

    #[test]
    fn socket_families_are_those_listed() {
        let rules = set(Set::Default, NestedUsers::Deny);
        let strict = set(Set::Strict, NestedUsers::Allow);
        for family in 0..64 {
            let is_open = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].contains(&family);
            let args = [family, 2, 0, 0, 0, 0];
            assert_eq!(of(&rules, "socket", args) == Verdict::Allow, is_open);
            assert_eq!(of(&strict, "socket", args) == Verdict::Allow, family == AF_UNIX);
        }
        let uevent = [AF_NETLINK, 2, 15, 0, 0, 0];
        assert_eq!(of(&rules, "socket", uevent), Verdict::EAFNOSUPPORT);
    }

    #[test]
    fn strict_allows_nothing_that_default_does_not() {
        let default = set(Set::Default, NestedUsers::Deny);
        let strict = set(Set::Strict, NestedUsers::Allow);
        for name in table::every_name() {
            for value in [0, 1, 2, 16, 0x5412, 0x1000_0000, ADDR_NO_RANDOMIZE, PER_QUERY] {
                let args = [value; 6];
                let is_allowed = of(&strict, name, args).is_allowing();
                assert!(!is_allowed || of(&default, name, args).is_allowing(), "{name}");
            }
        }
        assert_eq!(of(&strict, "personality", [0; 6]), Verdict::EPERM);
    }
}
