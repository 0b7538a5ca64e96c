//! System calls, signals and streams of the empty profile, tried from the inside.

use crate::common::{Caller, Report, Sbx, Work, as_both};

as_both! {
    fn only_the_usual_socket_families_can_be_had(caller) {
        let report = Sbx::probe(caller, ["families"]).report();
        for (name, answer) in report.answers("family") {
            match name {
                "unix" | "inet" | "inet6" | "netlink-route" => assert_eq!(answer, "ok", "{name}"),
                "raw" => assert_eq!(answer, "EPERM", "{name}"),
                _ => assert_eq!(answer, "EAFNOSUPPORT", "{name}"),
            }
        }
    }

    fn no_further_namespace_can_be_made(caller) {
        let calls = ["clone-newuser", "clone-newns", "clone-newuser-high", "unshare-newuser",
            "unshare-newns", "setns", "chroot"];
        let words = ["syscall", "clone-plain"].into_iter().chain(calls);
        let report = Sbx::probe(caller, words).report();
        let answers = report.answers("call");
        assert_eq!(answers["clone-plain"], "ok");
        for call in calls {
            assert_eq!(answers[call], "EPERM", "{call}");
        }
    }

    fn the_limit_on_user_namespaces_holds_without_the_filter(caller) {
        let report = Sbx::probe(caller, ["syscall", "clone-newuser", "unshare-newuser", "clone3"])
            .set("seccomp.set=none")
            .report();
        for (call, answer) in report.answers("call") {
            assert_eq!(answer, "ENOSPC", "{call}");
        }
    }

    fn calls_of_administrators_are_refused(caller) {
        let calls = ["mount", "umount2", "pivot_root", "keyctl", "add_key", "request_key", "bpf",
            "perf_event_open", "userfaultfd", "ptrace-traceme", "ptrace-attach",
            "process_vm_readv", "pidfd_getfd", "kexec_load", "init_module", "finit_module",
            "delete_module", "reboot", "swapon", "acct", "settimeofday", "clock_settime",
            "sethostname", "modify_ldt", "iopl", "ioperm", "quotactl", "syslog",
            "open_by_handle_at", "name_to_handle_at", "fanotify_init", "mknod-char", "setuid-0"];
        let report = Sbx::probe(caller, ["syscall"].into_iter().chain(calls)).report();
        for (call, answer) in report.answers("call") {
            // The last two are refused without the filter: by Landlock, and for want of a user 0.
            let expected = match call {
                "mknod-char" => ["EPERM", "EACCES"],
                "setuid-0" => ["EPERM", "EINVAL"],
                _ => ["EPERM"; 2],
            };
            assert!(expected.contains(&answer), "{call} {answer}");
        }
        assert_eq!(report.all("call").len(), calls.len());
    }

    fn calls_that_pass_by_the_filter_are_as_if_they_did_not_exist(caller) {
        let calls = ["clone3", "io_uring_setup", "io_uring_enter", "open_tree", "move_mount",
            "fsopen", "mount_setattr", "unknown"];
        let report = Sbx::probe(caller, ["syscall"].into_iter().chain(calls)).report();
        for (call, answer) in report.answers("call") {
            assert_eq!(answer, "ENOSYS", "{call}");
        }
    }

    fn calls_by_the_numbers_of_other_abis_kill(caller) {
        for call in ["x32-getpid", "i386-getpid"] {
            let ended = Sbx::probe(caller, ["syscall", "getpid", call]).ended();
            assert_eq!(ended.status, 128 + 31, "{call}: {ended:?}");
            assert!(ended.stdout.starts_with("call getpid ok\n"), "{ended:?}");
        }
        let refused = Sbx::probe(caller, ["syscall", "x32-getpid", "i386-getpid"])
            .set("seccomp.foreign=refuse")
            .report();
        assert_eq!(refused.answers("call").into_values().collect::<Vec<_>>(), ["ENOSYS"; 2]);
    }

    fn the_callers_terminal_cannot_be_typed_into_or_taken(caller) {
        let bad = ["TIOCSTI", "TIOCLINUX", "TIOCSCTTY", "TIOCSETD", "TIOCEXCL", "TIOCCONS",
            "TIOCSSERIAL", "TIOCVHANGUP"];
        let bad: Vec<String> = bad.iter().flat_map(|n| [(*n).to_owned(), format!("{n}+high")]).collect();
        let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
        let words = ["ioctl", "0", "TCGETS", "TIOCGWINSZ"].into_iter().chain(bad.clone());
        let report = Sbx::probe(caller, words).report();
        let answers = report.answers("ioctl");
        for name in bad {
            assert_eq!(answers[name], "EPERM", "{name}");
        }
        // Standard input is /dev/null, which knows none of them: the others came through.
        assert_eq!((answers["TCGETS"], answers["TIOCGWINSZ"]), ("ENOTTY", "ENOTTY"));
    }

    fn signals_to_everybody_do_not_leave_the_sandbox(caller) {
        let script = "trap 'echo caught' USR1
            $SBX run $AS_ROOT $SHOW_PROBE -- /probe kill-group
            echo status $?";
        let ended = Sbx::shell(caller, script).ended().fine();
        let report = Report::parse(&ended.stdout);
        assert_eq!(report.answers("kill")["0"], "ok");
        assert_eq!(report.one("status"), "0");
        assert!(!ended.stdout.contains("caught"), "{ended:?}");
    }

    fn a_signal_to_its_own_group_reaches_the_caller_without_a_sandbox(caller) {
        // The control of the test above.
        let ended = Sbx::shell(caller, "trap 'echo caught' USR1; kill -USR1 0").ended();
        assert_eq!(ended.stdout, "caught\n");
    }

    fn standard_streams_open_again_with_no_more_rights(caller) {
        let work = Work::new(caller);
        let input = work.file("input", "in");
        let output = work.file("output", "out");
        let streams = |run: Sbx| {
            run.launch(format!("fd=0:r:{}", input.display()))
                .launch(format!("fd=1:a:{}", output.display()))
        };
        let words = ["reopen", "/dev/stdin", "r", "/dev/stdin", "rw", "/proc/self/fd/0", "w",
            "/dev/stdout", "a", "/dev/stdout", "r"];
        let ended = streams(Sbx::probe(caller, words)).ended().fine();
        let report = Report::parse(&ended.stderr);
        let answers = report.answers("reopen");
        assert_eq!(answers["/dev/stdin r"], "ok");
        assert_eq!(answers["/dev/stdin rw"], "EACCES");
        assert_eq!(answers["/proc/self/fd/0 w"], "EACCES");
        assert_eq!(answers["/dev/stdout a"], "ok");
        assert_eq!(answers["/dev/stdout r"], "EACCES");
        let ended = streams(Sbx::probe(caller, words)).set("landlock.mode=off").ended().fine();
        let report = Report::parse(&ended.stderr);
        assert_eq!(report.answers("reopen")["/dev/stdin rw"], "ok", "Landlock alone held it");
    }
}
