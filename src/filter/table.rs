//! Names and numbers of system calls.
//!
//! The lists follow the kernel's `syscall.tbl` files up to Linux 7.0; a test compares them with
//! the `syscall-numbers` crate, so that a newer crate with a newer call fails the test until the
//! call is entered here and put into a class in [`sets`](super::sets).

use super::rules::Arch;

/// Runs of consecutive numbers: the first number and the names.
pub(super) type Runs = &'static [(u32, &'static [&'static str])];

/// The 64-bit calls of x86.
const X86_64: &[(u32, &[&str])] = &[
    (
        0,
        names! {
            read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction
            rt_sigprocmask rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select
            sched_yield mremap msync mincore madvise shmget shmat shmctl dup dup2 pause nanosleep
            getitimer alarm setitimer getpid sendfile socket connect accept sendto recvfrom sendmsg
            recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt
            clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd
            msgrcv msgctl fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir
            fchdir rename mkdir rmdir creat link unlink symlink readlink chmod fchmod chown fchown
            lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog getgid
            setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups
            setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid
            capget capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack
            utime mknod uselib personality ustat statfs fstatfs sysfs getpriority setpriority
            sched_setparam sched_getparam sched_setscheduler sched_getscheduler
            sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock
            mlockall munlockall vhangup modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex
            setrlimit chroot sync acct settimeofday mount umount2 swapon swapoff reboot sethostname
            setdomainname iopl ioperm create_module init_module delete_module get_kernel_syms
            query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid
            readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr
            flistxattr removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity
            sched_getaffinity set_thread_area io_setup io_destroy io_getevents io_submit io_cancel
            get_thread_area lookup_dcookie epoll_create epoll_ctl_old epoll_wait_old
            remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64
            timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_settime
            clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes
            vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive
            mq_notify mq_getsetattr kexec_load waitid add_key request_key keyctl ioprio_set
            ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat
            mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat
            fchmodat faccessat pselect6 ppoll unshare set_robust_list get_robust_list splice tee
            sync_file_range vmsplice move_pages utimensat epoll_pwait signalfd timerfd_create
            eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2
            epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open
            recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at
            clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv process_vm_writev kcmp
            finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create
            kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2
            pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq uretprobe uprobe
        },
    ),
    (
        424,
        names! {
            pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount
            fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd
            faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd
            landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret
            process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2
            map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount
            lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat
            listxattrat removexattrat open_tree_attr file_getattr file_setattr listns
            rseq_slice_yield
        },
    ),
];

/// The calls of 64-bit ARM.
const AARCH64: &[(u32, &[&str])] = &[
    (
        0,
        names! {
            io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr
            getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr
            fremovexattr getcwd lookup_dcookie eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3
            fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl ioprio_set ioprio_get flock
            mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root nfsservctl
            statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod
            fchmodat fchownat fchown openat close vhangup pipe2 quotactl getdents64 lseek read write
            readv writev pread64 pwrite64 preadv pwritev sendfile pselect6 ppoll signalfd4 vmsplice
            splice tee readlinkat newfstatat fstat sync fsync fdatasync sync_file_range
            timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality
            exit exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list
            nanosleep getitimer setitimer kexec_load init_module delete_module timer_create
            timer_gettime timer_getoverrun timer_settime timer_delete clock_settime clock_gettime
            clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler
            sched_getscheduler sched_getparam sched_setaffinity sched_getaffinity sched_yield
            sched_get_priority_max sched_get_priority_min sched_rr_get_interval restart_syscall kill
            tkill tgkill sigaltstack rt_sigsuspend rt_sigaction rt_sigprocmask rt_sigpending
            rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority reboot setregid
            setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times
            setpgid getpgid getsid setsid getgroups setgroups uname sethostname setdomainname
            getrlimit setrlimit getrusage umask prctl getcpu gettimeofday settimeofday adjtimex
            getpid getppid getuid geteuid getgid getegid gettid sysinfo mq_open mq_unlink
            mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget
            semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept
            connect getsockname getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg
            recvmsg readahead brk munmap mremap add_key request_key keyctl clone execve mmap
            fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall mincore
            madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages
            rt_tgsigqueueinfo perf_event_open accept4 recvmmsg
        },
    ),
    (
        260,
        names! {
            wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at
            clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module
            sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat
            userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc
            pkey_free statx io_pgetevents rseq kexec_file_load
        },
    ),
    (
        424,
        names! {
            pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount
            fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd
            faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd
            landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret
            process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2
            map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount
            lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat
            listxattrat removexattrat open_tree_attr file_getattr file_setattr listns
            rseq_slice_yield
        },
    ),
];

/// Names that only i386 has of the architectures known here, sorted.
const I386_ONLY: &[&str] = names! {
    _llseek _newselect bdflush break chown32 clock_adjtime64 clock_getres_time64 clock_gettime64
    clock_nanosleep_time64 clock_settime64 fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 fstatfs64
    ftime ftruncate64 futex_time64 getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32
    getuid32 gtty idle io_pgetevents_time64 ipc lchown32 lock lstat64 mmap2 mpx
    mq_timedreceive_time64 mq_timedsend_time64 nice oldfstat oldlstat oldolduname oldstat olduname
    ppoll_time64 prof profil pselect6_time64 readdir recvmmsg_time64 rt_sigtimedwait_time64
    sched_rr_get_interval_time64 semtimedop_time64 sendfile64 setfsgid32 setfsuid32 setgid32
    setgroups32 setregid32 setresgid32 setresuid32 setreuid32 setuid32 sgetmask sigaction signal
    sigpending sigprocmask sigreturn sigsuspend socketcall ssetmask stat64 statfs64 stime stty
    timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit ulimit
    umount utimensat_time64 vm86 vm86old waitpid
};

/// Names of further architectures, sorted.
const ELSEWHERE: &[&str] = names! {
    arc_gettls arc_settls arc_usr_cmpxchg arm_fadvise64_64 atomic_barrier atomic_cmpxchg_32 cachectl
    cacheflush dipc exec_with_loader execv getdomainname getdtablesize gethostname getpagesize
    getxgid getxpid getxuid kern_features memory_ordering multiplexer old_adjtimex oldumount
    or1k_atomic osf_fstat osf_fstatfs osf_fstatfs64 osf_getdirentries osf_getdomainname
    osf_getitimer osf_getrusage osf_getsysinfo osf_gettimeofday osf_lstat osf_mount
    osf_proplist_syscall osf_select osf_set_program_attributes osf_setitimer osf_setsysinfo
    osf_settimeofday osf_shmat osf_sigprocmask osf_sigstack osf_stat osf_statfs osf_statfs64
    osf_swapon osf_syscall osf_sysinfo osf_usleep_thread osf_utimes osf_utsname osf_wait4
    pciconfig_iobase pciconfig_read pciconfig_write perfctr recv riscv_flush_icache riscv_hwprobe
    rtas s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi
    sched_get_affinity sched_set_affinity send set_tls sethae setpgrp spu_create spu_run subpage_prot
    swapcontext switch_endian sync_file_range2 sys_debug_setcontext syscall sysmips timerfd
    utrap_install
};

/// Slots of a reverse index: a power of two, at least twice the number of names.
const SLOTS: usize = 1024;

/// A reverse index: open addressing, a slot holds a number plus one, zero is empty.
type Index = [u16; SLOTS];

static X86_64_INDEX: Index = index(X86_64);
static AARCH64_INDEX: Index = index(AARCH64);

/// Returns the number of a call, or `None` where the architecture does not have it.
#[must_use]
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    find(arch, name).map(|(nr, _)| nr)
}

/// Returns the name of a call, or `None` for a number that has none.
#[must_use]
pub fn name(arch: Arch, nr: u32) -> Option<&'static str> {
    runs(arch).iter().find_map(|(first, names)| {
        let place = usize::try_from(nr.checked_sub(*first)?).ok()?;
        names.get(place).copied()
    })
}

/// Returns the lasting form of any name known here, whatever the architecture.
#[must_use]
pub fn intern(name: &str) -> Option<&'static str> {
    let listed = |list: &'static [&'static str]| {
        let place = list.binary_search(&name).ok()?;
        list.get(place).copied()
    };
    find(Arch::X86_64, name)
        .or_else(|| find(Arch::Aarch64, name))
        .map(|(_, name)| name)
        .or_else(|| listed(I386_ONLY))
        .or_else(|| listed(ELSEWHERE))
}

/// Returns the names of an architecture's calls in the order of their numbers.
pub fn all_names(arch: Arch) -> impl Iterator<Item = &'static str> {
    runs(arch).iter().flat_map(|(_, names)| names.iter().copied())
}

/// Returns every name known here, each once, in no useful order.
pub fn every_name() -> impl Iterator<Item = &'static str> {
    let arm_only = all_names(Arch::Aarch64).filter(|name| find(Arch::X86_64, name).is_none());
    all_names(Arch::X86_64)
        .chain(arm_only)
        .chain(I386_ONLY.iter().copied())
        .chain(ELSEWHERE.iter().copied())
}

/// Returns the calls of an architecture.
pub(super) const fn runs(arch: Arch) -> Runs {
    match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
    }
}

fn find(arch: Arch, wanted: &str) -> Option<(u32, &'static str)> {
    let index = match arch {
        Arch::X86_64 => &X86_64_INDEX,
        Arch::Aarch64 => &AARCH64_INDEX,
    };
    let start = hash(wanted.as_bytes());
    let slots = index.iter().cycle().skip(start).take(SLOTS);
    for nr in slots.map_while(|slot| slot.checked_sub(1)) {
        let found = name(arch, u32::from(nr))?;
        if found == wanted {
            return Some((u32::from(nr), found));
        }
    }
    None
}

/// Compares names at compile time, where `==` cannot be called.
pub(super) const fn is_same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([a, further @ ..], [b, rest @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (further, rest);
    }
    one.is_empty() && other.is_empty()
}

/// FNV-1a, folded to a slot.
const fn hash(mut bytes: &[u8]) -> usize {
    let mut state: u32 = 0x811c_9dc5;
    while let [byte, rest @ ..] = bytes {
        state = (state ^ *byte as u32).wrapping_mul(0x0100_0193);
        bytes = rest;
    }
    ((state ^ (state >> 15)) as usize) % SLOTS
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs at compile time only, where a panic is a build error; numbers stay below 65535"
)]
const fn index(runs: Runs) -> Index {
    let mut index = [0; SLOTS];
    let mut run = 0;
    while run < runs.len() {
        let (first, names) = runs[run];
        let mut place = 0;
        while place < names.len() {
            let mut slot = hash(names[place].as_bytes());
            while index[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            index[slot] = (first as usize + place) as u16 + 1;
            place += 1;
        }
        run += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use syscall_numbers::{aarch64, x86, x86_64};

    /// Calls newer than the crate: since Linux 7.0.
    const NEWER: &[&str] = &["rseq_slice_yield"];
    /// The crate names these by the kernel's function, not by the call.
    const MISNAMED: &[&str] =
        &["gettimeofday_time32", "settimeofday_time32", "timerfd_gettime32", "timerfd_settime32"];

    fn crate_name(arch: Arch, nr: u32) -> Option<&'static str> {
        match arch {
            Arch::X86_64 => x86_64::sys_call_name(nr.into()),
            Arch::Aarch64 => aarch64::sys_call_name(nr.into()),
        }
    }

    #[test]
    fn the_tables_agree_with_the_crate() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            for nr in 0..2048 {
                let ours = name(arch, nr);
                if !ours.is_some_and(|ours| NEWER.contains(&ours)) {
                    assert_eq!(ours, crate_name(arch, nr), "{arch:?} {nr}");
                }
            }
        }
    }

    #[test]
    fn names_and_numbers_are_each_others_inverse() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            for nr in 0..2048 {
                if let Some(name) = name(arch, nr) {
                    assert_eq!(number(arch, name), Some(nr), "{arch:?} {name}");
                }
            }
        }
        assert_eq!(number(Arch::Aarch64, "newfstatat"), Some(79));
        assert_eq!(number(Arch::Aarch64, "fstatat"), None);
        assert_eq!(number(Arch::X86_64, "clone3"), Some(435));
    }

    #[test]
    fn names_of_other_architectures_are_known_as_such() {
        let is_known_elsewhere =
            |arch, name| number(arch, name).is_none() && intern(name).is_some();
        assert!(is_known_elsewhere(Arch::Aarch64, "open"));
        assert!(is_known_elsewhere(Arch::X86_64, "mmap2"));
        assert!(is_known_elsewhere(Arch::X86_64, "riscv_hwprobe"));
        assert!(!is_known_elsewhere(Arch::X86_64, "open"));
        assert!(!is_known_elsewhere(Arch::X86_64, "opne"));
    }

    #[test]
    fn every_i386_name_is_known() {
        for name in (0..2048).filter_map(x86::sys_call_name) {
            assert!(intern(name).is_some() || MISNAMED.contains(&name), "{name} has no entry");
        }
    }

    #[test]
    fn the_further_lists_are_sorted_and_no_name_stands_twice() {
        assert!(I386_ONLY.is_sorted() && ELSEWHERE.is_sorted());
        let all: Vec<_> = every_name().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
