//! Named groups of system calls, under the names systemd gave them.
//!
//! A group has the same meaning as systemd's and may know newer calls; members are calls of any
//! architecture, and other groups (with `@`). Names are taken with and without `@`.

use super::table;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The groups but `@known`; sorted by name.
#[rustfmt::skip]
const GROUPS: &[(&str, &[&str])] = &[
    // Asynchronous input and output, io_uring included.
    ("aio", names! {
        io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
        io_uring_enter io_uring_register io_uring_setup
    }),
    // Reading and writing what is open.
    ("basic-io", names! {
        _llseek close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev
        pwritev2 read readv write writev
    }),
    // Changing owners.
    ("chown", names! { chown chown32 fchown fchown32 fchownat lchown lchown32 }),
    // Setting the clock.
    ("clock", names! {
        adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime
    }),
    // Modes of old processors.
    ("cpu-emulation", names! { modify_ldt subpage_prot switch_endian vm86 vm86old }),
    // Looking into other processes and the kernel.
    ("debug", names! {
        lookup_dcookie perf_event_open pidfd_getfd ptrace rtas s390_runtime_instr
        sys_debug_setcontext
    }),
    // What every program needs.
    ("default", names! {
        arch_prctl brk cacheflush clock_getres clock_getres_time64 clock_gettime clock_gettime64
        clock_nanosleep clock_nanosleep_time64 execve exit exit_group futex futex_requeue
        futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area getegid
        getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid
        getppid getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getsid gettid
        gettimeofday getuid getuid32 map_shadow_stack membarrier mmap mmap2 mprotect mseal munmap
        nanosleep pause prlimit64 restart_syscall riscv_flush_icache riscv_hwprobe rseq
        rseq_slice_yield rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area
        set_tid_address set_tls sigreturn time ugetrlimit uprobe uretprobe
    }),
    // Files by name and their attributes.
    ("file-system", names! {
        access cachestat chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod
        fchmodat fchmodat2 fcntl fcntl64 fgetxattr file_getattr file_setattr flistxattr fremovexattr
        fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 ftruncate ftruncate64 futimesat getcwd
        getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
        inotify_rm_watch lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr
        lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat oldfstat oldlstat oldstat
        open openat openat2 readdir readlink readlinkat removexattr removexattrat rename renameat
        renameat2 rmdir setxattr setxattrat stat stat64 statfs statfs64 statx symlink symlinkat
        truncate truncate64 unlink unlinkat utime utimensat utimensat_time64 utimes
    }),
    // Waiting for descriptors.
    ("io-event", names! {
        _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
        epoll_wait epoll_wait_old eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64
        select
    }),
    // Pipes, shared memory, message queues, memory of other processes.
    ("ipc", names! {
        ipc memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
        mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2
        process_madvise process_vm_readv process_vm_writev semctl semget semop semtimedop
        semtimedop_time64 shmat shmctl shmdt shmget
    }),
    // The kernel's keys.
    ("keyring", names! { add_key keyctl request_key }),
    // Keeping memory from being swapped.
    ("memlock", names! { mlock mlock2 mlockall munlock munlockall }),
    // Kernel modules.
    ("module", names! { delete_module finit_module init_module }),
    // Mounts and roots.
    ("mount", names! {
        chroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree
        open_tree_attr pivot_root statmount umount umount2
    }),
    // Sockets.
    ("network-io", names! {
        accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
        recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketcall
        socketpair
    }),
    // What nobody calls any more.
    ("obsolete", names! {
        _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock
        mpx nfsservctl prof profil putpmsg query_module security sgetmask ssetmask stime stty sysfs
        tuxcall ulimit uselib ustat vserver
    }),
    // Memory protection keys.
    ("pkey", names! { pkey_alloc pkey_free pkey_mprotect }),
    // What needs a capability.
    ("privileged", names! {
        "@chown" "@clock" "@module" "@raw-io" "@reboot" "@swap" _sysctl acct bpf capset chroot
        fanotify_init fanotify_mark nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd
        setdomainname setfsuid setfsuid32 setgroups setgroups32 sethostname setresuid setresuid32
        setreuid setreuid32 setuid setuid32 vhangup
    }),
    // Making, waiting for and signalling processes; namespaces.
    ("process", names! {
        capget clone clone3 execveat fork getrusage kill pidfd_open pidfd_send_signal prctl
        process_mrelease rt_sigqueueinfo rt_tgsigqueueinfo setns swapcontext tgkill times tkill
        unshare vfork wait4 waitid waitpid
    }),
    // Ports and buses.
    ("raw-io", names! {
        ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read
        s390_pci_mmio_write
    }),
    // Restarting, another kernel.
    ("reboot", names! { kexec_file_load kexec_load reboot }),
    // Scheduling, memory policy, limits.
    ("resources", names! {
        ioprio_set mbind migrate_pages move_pages nice sched_setaffinity sched_setattr
        sched_setparam sched_setscheduler set_mempolicy set_mempolicy_home_node setpriority
        setrlimit
    }),
    // Restricting oneself.
    ("sandbox", names! {
        landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
    }),
    // Changing user and group.
    ("setuid", names! {
        setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid
        setresuid32 setreuid setreuid32 setuid setuid32
    }),
    // Handling signals.
    ("signal", names! {
        rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait
        rt_sigtimedwait_time64 sigaction sigaltstack signal signalfd signalfd4 sigpending
        sigprocmask sigsuspend
    }),
    // Swap devices.
    ("swap", names! { swapoff swapon }),
    // Writing out.
    ("sync", names! { fdatasync fsync msync sync sync_file_range sync_file_range2 syncfs }),
    // What services commonly need.
    ("system-service", names! {
        "@aio" "@basic-io" "@chown" "@default" "@file-system" "@io-event" "@ipc" "@keyring"
        "@memlock" "@network-io" "@process" "@resources" "@setuid" "@signal" "@sync" "@timer"
        arm_fadvise64_64 capset copy_file_range fadvise64 fadvise64_64 flock get_mempolicy getcpu
        getpriority ioctl ioprio_get kcmp madvise mincore mremap name_to_handle_at oldolduname
        olduname personality readahead remap_file_pages sched_get_priority_max
        sched_get_priority_min sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
        sched_rr_get_interval_time64 sendfile sendfile64 setfsgid setfsgid32 setfsuid setfsuid32
        setpgid setsid splice sysinfo tee umask uname userfaultfd vmsplice
    }),
    // Timers.
    ("timer", names! {
        alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime
        timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
        timerfd_gettime64 timerfd_settime timerfd_settime64 times
    }),
];

/// The group of every call known.
const KNOWN: &str = "known";

/// Returns a group's members as they are listed: calls, and groups with `@`.
#[must_use]
pub fn group(name: &str) -> Option<&'static [&'static str]> {
    static EVERY: LazyLock<Vec<&'static str>> = LazyLock::new(|| table::every_name().collect());
    let name = name.strip_prefix('@').unwrap_or(name);
    if name == KNOWN {
        return Some(&EVERY);
    }
    let place = GROUPS.binary_search_by_key(&name, |(group, _)| group).ok()?;
    GROUPS.get(place).map(|(_, members)| *members)
}

/// Returns the calls of a group and of the groups in it, each once, in the order they are listed.
#[must_use]
pub fn expand(name: &str) -> Option<Vec<&'static str>> {
    let mut calls = Vec::new();
    let mut seen = HashSet::new();
    collect(group(name)?, &mut calls, &mut seen);
    Some(calls)
}

fn collect(
    members: &[&'static str],
    calls: &mut Vec<&'static str>,
    seen: &mut HashSet<&'static str>,
) {
    for member in members {
        if !seen.insert(member) {
            continue;
        }
        match member.strip_prefix('@') {
            // A member that is no group is caught by a test.
            Some(inner) => collect(group(inner).unwrap_or_default(), calls, seen),
            None => calls.push(member),
        }
    }
}

/// Returns the groups' names, without `@`.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name).chain([KNOWN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sorted_by_name() {
        assert!(GROUPS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn members_are_sorted_and_known() {
        for (name, members) in GROUPS {
            assert!(members.is_sorted(), "@{name}");
            for member in *members {
                let is_known = match member.strip_prefix('@') {
                    Some(inner) => group(inner).is_some(),
                    None => table::intern(member).is_some(),
                };
                assert!(is_known, "@{name}: {member}");
            }
        }
    }

    #[test]
    fn a_name_is_taken_with_and_without_its_sign() {
        assert_eq!(group("@mount"), group("mount"));
        assert!(group("mount").is_some());
        assert_eq!(group("@@mount"), None);
        assert_eq!(group("nothing"), None);
    }

    #[test]
    fn expansion_reaches_inner_groups_and_names_no_call_twice() {
        for name in names() {
            let calls = expand(name).unwrap();
            let once: HashSet<_> = calls.iter().collect();
            assert_eq!(once.len(), calls.len(), "@{name}");
            assert!(calls.iter().all(|call| !call.starts_with('@')), "@{name}");
        }
        let service = expand("@system-service").unwrap();
        assert!(service.contains(&"read") && service.contains(&"timer_create"));
        assert!(!service.contains(&"mount"));
        assert!(expand("@privileged").unwrap().contains(&"swapon"));
        assert_eq!(expand("@known").unwrap().len(), table::every_name().count());
    }

    #[test]
    fn what_system_service_leaves_out_is_left_out() {
        let service = expand("system-service").unwrap();
        for name in
            ["clock", "cpu-emulation", "debug", "module", "mount", "raw-io", "reboot", "swap"]
        {
            for call in expand(name).unwrap() {
                assert!(!service.contains(&call), "@{name}: {call}");
            }
        }
    }
}
