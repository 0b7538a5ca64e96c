//! Starting, signals, and the end: what becomes of statuses, children and descriptors.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::common::{Caller, Sbx, Work, as_both, tools};
use rustix::process::Signal;

/// A shell inside.
fn sh(caller: Caller, script: &str) -> Sbx {
    Sbx::run(caller).command(["sh", "-c", script])
}

as_both! {
    fn the_status_is_the_commands_own(caller) {
        for status in [0, 1, 42, 125, 255] {
            let ended = Sbx::probe(caller, ["exit", &status.to_string()]).ended();
            assert_eq!((ended.status, ended.signal, &*ended.stderr), (status, None, ""), "{ended:?}");
        }
    }

    fn a_command_that_died_of_signal_n_gives_128_and_n(caller) {
        for (name, number) in [("TERM", 15), ("KILL", 9), ("USR1", 10), ("SEGV", 11)] {
            let ended = sh(caller, &format!("kill -{name} $$")).ended();
            assert_eq!((ended.status, ended.signal), (128 + number, None), "{ended:?}");
        }
    }

    fn a_command_that_is_nowhere_gives_127(caller) {
        let ended = Sbx::run(caller).command(["no-such-command"]).ended();
        ended.refused(127, &["command `no-such-command` not found", "searched inside in /usr/local/bin:"]);
        let ended = Sbx::run(caller).command(["/no/such/command"]).ended();
        ended.refused(127, &["/no/such/command"]);
    }

    fn a_command_that_only_the_host_has_names_the_read_rule(caller) {
        let work = Work::new(caller);
        let path = work.program("tool", "#!/bin/sh\n");
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).command([path]).ended();
        ended.refused(127, &["on the host, which cannot be seen inside", &format!("--read {path}")]);
        Sbx::run(caller).args(["--read", path]).command([path]).ended().fine();
    }

    fn a_visible_command_that_is_not_executable_names_the_exec_rule(caller) {
        let work = Work::new(caller);
        let path = work.program("tool", "#!/bin/sh\nexit 3\n");
        let path = path.to_str().expect("UTF-8");
        let run = || Sbx::run(caller).args(["--write", work.path().to_str().expect("UTF-8")]);
        let ended = run().command([path]).ended();
        ended.refused(126, &["is not executable inside", &format!("--exec {path}")]);
        assert_eq!(run().args(["--exec", path]).command([path]).ended().status, 3);
    }

    fn a_file_without_the_right_to_execute_gives_126(caller) {
        let work = Work::new(caller);
        let path = work.file("data", "x");
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended();
        ended.refused(126, &["Permission denied (EACCES)", "chmod +x"]);
        let ended = Sbx::run(caller).command(["/usr"]).ended();
        ended.refused(126, &["this is a directory"]);
    }

    fn a_missing_interpreter_is_named(caller) {
        let work = Work::new(caller);
        let path = work.program("script", "#!/opt/no-such-interpreter -x\n");
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended();
        ended.refused(127, &["it needs /opt/no-such-interpreter", "install /opt/no-such-interpreter"]);
        let own = work.program("own-interpreter", "#!/bin/sh\n");
        let own = own.to_str().expect("UTF-8");
        let path = work.program("needs-it", &format!("#!{own}\n"));
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended();
        ended.refused(127, &[&format!("it needs {own}"), &format!("--read {own}")]);
    }

    fn a_script_with_carriage_returns_is_told_so(caller) {
        let work = Work::new(caller);
        let path = work.program("script", "#!/bin/sh\r\nexit 0\r\n");
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended();
        ended.refused(127, &["it needs /bin/sh\\r", "carriage return", &format!("{path}`")]);
    }

    fn a_command_line_in_one_word_is_told_so(caller) {
        let ended = Sbx::run(caller).command(["ls -l"]).ended();
        ended.refused(127, &["`ls -l` not found", "each word as an argument", "unquoted"]);
    }

    fn a_command_that_failed_in_another_directory_is_told_where_it_was(caller) {
        let work = Work::new(caller);
        let fails = || Sbx::run(caller).cwd(work.path());
        let ended = fails().command(["false"]).ended();
        ended.refused(1, &["warning[hidden-directory]", &work.path().display().to_string(), "--read .", "--write ."]);
        for quiet in [
            fails().args(["-q"]).command(["false"]),
            fails().args(["--cwd", "/tmp"]).command(["false"]),
            fails().args(["--read", "."]).command(["false"]),
        ] {
            let ended = quiet.ended();
            assert_eq!((ended.status, &*ended.stderr), (1, ""), "{ended:?}");
        }
        assert_eq!(fails().command(["true"]).ended().fine().stderr, "");
    }

    fn a_missing_loader_is_named(caller) {
        // A program of the host in an empty root: its loader is not there.
        let ended = Sbx::run(caller)
            .set("root.kind=empty")
            .args(["--bind", "/bin/ls:/ls"])
            .command(["/ls"])
            .ended();
        ended.refused(127, &["it needs /lib64/ld-linux-x86-64.so.2"]);
    }

    fn what_is_no_program_gives_126(caller) {
        let work = Work::new(caller);
        let path = work.program("garbage", "\u{1}\u{2} not a program\n");
        let path = path.to_str().expect("UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended();
        ended.refused(126, &["Exec format error (ENOEXEC)"]);
    }

    fn a_denied_candidate_is_remembered_and_the_search_goes_on(caller) {
        let work = Work::new(caller);
        work.directory("first");
        work.directory("second");
        work.file("first/tool", "x");
        let path = format!("{}:{}:/usr/bin", work.at("first"), work.at("second"));
        let run = || {
            let set = format!("PATH={path}");
            Sbx::run(caller).args(["--read", &work.at(""), "--env", &set]).command(["tool"])
        };
        run().ended().refused(126, &["first/tool"]);
        work.program("second/tool", "#!/bin/sh\nexit 4\n");
        assert_eq!(run().ended().status, 4);
    }

    fn arguments_that_are_too_long_name_the_limit(caller) {
        let long = "x".repeat(200 << 10);
        // One argument of more than 128 KiB passes no execve: it comes from the profile.
        let work = Work::new(caller);
        let text = format!("sbx = 1\n[command]\nargv = [\"/usr/bin/true\", \"{long}\"]\n");
        let profile = work.profile(caller, "long.toml", &text);
        let ended = Sbx::run(caller).profile(&profile).ended();
        ended.refused(126, &["E2BIG", "stack"]);
    }

    fn a_bad_profile_gives_125(caller) {
        let work = Work::new(caller);
        let profile = work.profile(caller, "bad.toml", "sbx = 1\nnot toml\n");
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["bad.toml:2"]);
        let ended = Sbx::run(caller).args(["--no-such-flag"]).command(["true"]).ended();
        ended.refused(125, &["--no-such-flag"]);
    }

    fn dispositions_and_mask_are_default(caller) {
        let report = Sbx::probe(caller, ["report"]).launch("spoil-signals").report();
        // Rust's own start ignores SIGPIPE (bit 12) and handles SIGSEGV and SIGBUS.
        assert_eq!(report.one("SigIgn"), "0000000000001000");
        assert_eq!(report.one("SigBlk"), "0000000000000000");
    }

    fn a_pipe_that_closes_ends_its_writer(caller) {
        let ended = sh(caller, "yes | head -n 1; echo done").launch("spoil-signals").ended().fine();
        assert_eq!((&*ended.stdout, &*ended.stderr), ("y\ndone\n", ""));
    }

    fn affinity_is_the_callers(caller) {
        let own = fs::read_to_string("/proc/self/status").expect("proc");
        let own = own.lines().find_map(|line| line.strip_prefix("Cpus_allowed:\t"));
        let report = Sbx::probe(caller, ["report"]).report();
        assert_eq!(Some(report.one("Cpus_allowed")), own);
    }

    fn signals_to_sbx_reach_the_command(caller) {
        for (signal, number) in [
            (Signal::TERM, 15), (Signal::HUP, 1), (Signal::QUIT, 3), (Signal::USR1, 10),
            (Signal::USR2, 12), (Signal::CONT, 18), (Signal::WINCH, 28),
        ] {
            let number = number.to_string();
            let mut run = Sbx::probe(caller, ["trap", "1", &number]).start();
            run.wait_for("ready");
            run.signal(signal);
            assert_eq!(run.line(), format!("got {number}"));
            assert_eq!(run.end().status, 7);
        }
    }

    fn term_reaches_the_commands_trap(caller) {
        let script = "trap 'echo trapped; exit 9' TERM; echo ready; while :; do read line; done";
        let mut run = sh(caller, script).open_stdin().start();
        run.wait_for("ready");
        run.signal(Signal::TERM);
        assert_eq!(run.line(), "trapped");
        let ended = run.end();
        assert_eq!((ended.status, ended.signal), (9, None));
    }

    fn an_interrupt_reaches_the_whole_group_of_the_command(caller) {
        // The shell waits for a child in its group; both get it, as from a terminal.
        let script = "trap 'echo shell; exit 3' INT; /probe trap 1 2; echo not-reached";
        let probe = format!("{}:/probe", tools().probe.display());
        let mut run = sh(caller, script).args(["--bind", &probe]).start();
        run.wait_for("ready");
        run.signal(Signal::INT);
        let ended = run.end();
        assert_eq!(ended.status, 3, "{ended:?}");
        assert!(ended.stdout.contains("got 2\nshell\n"), "{ended:?}");
    }

    fn term_does_not_kill_a_command_that_stays_without_kill_grace(caller) {
        let mut run = Sbx::probe(caller, ["trap", "2", "15", "10"]).start();
        run.wait_for("ready");
        run.signal(Signal::TERM);
        assert_eq!(run.line(), "got 15");
        std::thread::sleep(Duration::from_millis(300));
        run.signal(Signal::USR1);
        assert_eq!(run.line(), "got 10");
        assert_eq!(run.end().status, 7);
    }

    fn a_kill_follows_after_the_grace(caller) {
        let mut run = Sbx::probe(caller, ["trap", "9", "15"]).set("process.kill-grace=\"50ms\"").start();
        run.wait_for("ready");
        run.signal(Signal::TERM);
        let ended = run.end();
        assert_eq!((ended.status, ended.signal), (137, None), "{ended:?}");
        assert!(ended.stdout.contains("got 15"), "TERM came first: {ended:?}");
    }

    fn a_command_that_ends_within_the_grace_keeps_its_status(caller) {
        let mut run = Sbx::probe(caller, ["trap", "1", "15"]).set("process.kill-grace=\"30s\"").start();
        run.wait_for("ready");
        run.signal(Signal::TERM);
        assert_eq!(run.end().status, 7);
    }

    fn everything_ends_with_sbx(caller) {
        // A child in a session of its own that ignores every signal holds the output.
        let mut run = Sbx::probe(caller, ["orphan", "stay", "own"]).start();
        run.wait_for("ready");
        run.signal(Signal::KILL);
        let ended = run.end();
        assert_eq!(ended.signal, Some(9));
    }

    fn children_in_the_background_end_with_the_command(caller) {
        let run = Sbx::probe(caller, ["orphan", "exit", "own"]).start();
        // `end` waits until nobody holds the output any more.
        assert_eq!(run.end().status, 5);
    }

    fn children_are_waited_for_where_asked(caller) {
        let words = ["orphan", "exit", "own", "briefly"];
        let ended = Sbx::probe(caller, words).set("process.wait-for-all=true").ended();
        assert_eq!(ended.status, 5);
        assert!(ended.stdout.ends_with("orphan done\n"), "{ended:?}");
    }

    fn init_reaps_what_is_left_to_it(caller) {
        // A process that nobody waited for stays in /proc for ever.
        let script = "pid=$( (sh -c 'echo $$' &) ); while [ -e /proc/$pid ]; do :; done; echo $pid";
        let ended = sh(caller, script).ended().fine();
        assert!(ended.stdout.trim().parse::<u32>().is_ok(), "{ended:?}");
    }

    fn the_command_itself_is_process_1_where_asked(caller) {
        let report = Sbx::probe(caller, ["report"]).set("process.as-pid-1=true").report();
        assert_eq!((report.one("pid"), report.one("init")), ("1", "probe"));
        let ended = Sbx::probe(caller, ["exit", "42"]).set("process.as-pid-1=true").ended();
        assert_eq!(ended.status, 42);
        let mut run = Sbx::probe(caller, ["trap", "1", "15"]).set("process.as-pid-1=true").start();
        run.wait_for("ready");
        run.signal(Signal::TERM);
        assert_eq!(run.end().status, 7);
    }

    fn a_caller_that_ignores_the_ends_of_children_learns_the_status(caller) {
        for run in [Sbx::probe(caller, ["exit", "7"]), Sbx::probe(caller, ["exit", "7"]).set("process.as-pid-1=true")] {
            let ended = run.launch("ignore=17").ended();
            assert_eq!((ended.status, ended.signal), (7, None), "{ended:#?}");
        }
        let ended = Sbx::bare(caller, "doctor").launch("ignore=17").ended();
        assert!(!ended.stdout.contains("ECHILD"), "{ended:#?}");
    }

    fn a_limit_that_sbx_itself_runs_into_is_named(caller) {
        for number in 0..4 {
            let ended = sh(caller, "true").args(["--limit", &format!("nofile={number}")]).ended();
            if ended.status != 0 {
                assert!([125, 126].contains(&ended.status), "{ended:#?}");
                assert!(ended.stderr.contains("raise `nofile` in [limits]"), "{number}: {ended:#?}");
                assert!(!ended.stderr.contains("supervisor is gone"), "{number}: {ended:#?}");
            }
        }
        let mut said = 0;
        for number in 4..12 {
            let limit = format!("limit=nofile:{number}:{number}");
            let ended = sh(caller, "true").launch(limit).ended();
            if ended.stderr.contains("EMFILE") && ended.stderr.contains("[setup-failed]") {
                said += 1;
                assert!(ended.stderr.contains("`ulimit -n 64`"), "{number}: {ended:#?}");
                assert!(!ended.stderr.contains("container"), "{number}: {ended:#?}");
            }
        }
        assert!(said > 1, "no limit was reached while the sandbox was made");
        let ended = sh(caller, "true").launch("limit=fsize:0:0").ended();
        ended.refused(125, &["EFBIG", "`ulimit -f unlimited`"]);
    }

    fn a_stream_that_lies_on_no_mount_can_be_used(caller) {
        let ended = Sbx::probe(caller, ["reopen", "/dev/stdin", "r"]).launch("fd=0:memfd:x").ended().fine();
        assert_eq!(crate::common::Report::parse(&ended.stderr).answers("reopen")["/dev/stdin r"], "ok");
        sh(caller, "true").launch("fd=0:r:/proc/self/ns/net").ended().fine();
    }

    fn a_process_1_of_its_own_ends_with_sbx_too(caller) {
        let mut run = Sbx::probe(caller, ["orphan", "stay"]).set("process.as-pid-1=true").start();
        run.wait_for("ready");
        run.signal(Signal::KILL);
        assert_eq!(run.end().signal, Some(9));
    }

    fn descriptors_that_are_kept_stay_under_their_numbers(caller) {
        let work = Work::new(caller);
        let kept = work.file("kept", "");
        let run = Sbx::probe(caller, ["keep", "5", "6"])
            .launch(format!("fd=5:a:{}", kept.display()))
            .launch(format!("fd=6:a:{}", kept.display()))
            .args(["--keep-fd", "5"]);
        let report = run.report();
        assert_eq!(report.table("keep")["5"], "ok");
        assert_eq!(report.table("keep")["6"], "closed");
        assert_eq!(work.read("kept"), "5");
    }

    fn a_descriptor_that_is_not_open_cannot_be_kept(caller) {
        let ended = Sbx::run(caller).args(["--keep-fd", "77"]).command(["true"]).ended();
        ended.refused(125, &["77", "--keep-fd 77", "before starting sbx"]);
    }

    fn closed_standard_descriptors_are_dev_null(caller) {
        for number in 0..3 {
            let ended = sh(caller, "x=$(for n in 0 1 2; do readlink /proc/$$/fd/$n; done); \
                echo \"$x\" >&2; echo \"$x\"; exit 6")
                .launch(format!("close={number}"))
                .ended();
            assert_eq!(ended.status, 6, "closed {number}: {ended:?}");
            let said = if number == 2 { &ended.stdout } else { &ended.stderr };
            assert_eq!(said.lines().nth(number), Some("/dev/null"), "closed {number}: {ended:?}");
        }
        let report = Sbx::probe(caller, ["report"]).launch("close=0").report();
        assert_eq!(report.one("descriptors"), "0 1 2");
    }

    fn streams_come_from_where_the_profile_says(caller) {
        let work = Work::new(caller);
        let files = [work.file("in", "from the file\n"), work.file("log", "before\n")];
        if caller == Caller::Root {
            // Root opens what only root can change.
            for path in files.iter().map(|path| path.as_path()).chain([work.path()]) {
                std::os::unix::fs::chown(path, Some(0), Some(0)).expect("root may");
            }
        }
        let ended = sh(caller, "cat; echo out; echo err >&2")
            .set(&format!("process.stdin=\"{}\"", work.at("in")))
            .set(&format!("process.stdout=\"{}\"", work.at("log")))
            .set("process.stderr=\"stdout\"")
            .ended()
            .fine();
        assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
        assert_eq!(work.read("log"), "before\nfrom the file\nout\nerr\n");
        let ended = sh(caller, "cat; echo out; echo err >&2")
            .set("process.stdin=\"null\"")
            .set("process.stdout=\"null\"")
            .stdin("not read")
            .ended()
            .fine();
        assert_eq!((&*ended.stdout, &*ended.stderr), ("", "err\n"));
        let ended = sh(caller, "echo out")
            .launch(format!("fd=7:a:{}", work.at("seven")))
            .set("process.stdout=\"fd:7\"")
            .ended()
            .fine();
        assert_eq!((&*ended.stdout, &*work.read("seven")), ("", "out\n"));
    }

    fn a_stream_that_cannot_be_opened_is_refused(caller) {
        let ended = sh(caller, "true").set("process.stdin=\"/no/such/file\"").ended();
        ended.refused(125, &["/no/such/file", "ENOENT", "phase `open`"]);
    }

    fn cwd_is_kept_where_it_can_be_seen(caller) {
        let work = Work::new(caller);
        let below = work.directory("below");
        let run = |run: Sbx| run.cwd(&below).report().one("cwd").to_owned();
        let home = caller.account().home.display().to_string();
        assert_eq!(run(Sbx::probe(caller, ["report"])), home);
        let shown = Sbx::probe(caller, ["report"]).args(["--read", &work.at("")]);
        assert_eq!(run(shown), below.display().to_string());
        let asked = Sbx::probe(caller, ["report"]).args(["--cwd", "/usr"]);
        assert_eq!(run(asked), "/usr");
        let said = Sbx::probe(caller, ["report"]).args(["-v"]).cwd(&below).ended().fine();
        assert!(said.stderr.contains("cannot be seen inside"), "{}", said.stderr);
        // The home is there, and is not the caller's: nor is a directory made on the way to another.
        let made = |at: &str, args: &[&str]| {
            let ended = sh(caller, "exit 3").args(args).cwd(at).ended();
            assert!(ended.stderr.contains("is made by sbx inside"), "{at}: {ended:#?}");
        };
        if caller == Caller::Ordinary {
            made(&home, &[]);
        }
        made(&work.at(""), &["--read", &work.at("below")]);
    }

    fn a_cwd_that_cannot_be_seen_is_refused_where_asked_for(caller) {
        let ended = sh(caller, "true").args(["--cwd", "/srv/none"]).ended();
        ended.refused(125, &["the working directory `/srv/none` cannot be seen inside", "--cwd /srv/none"]);
    }

    fn a_cwd_that_was_removed_is_no_obstacle(caller) {
        let work = Work::new(caller);
        let gone = work.directory("gone");
        let home = caller.account().home.display().to_string();
        let report = Sbx::probe(caller, ["report"])
            .cwd(&gone)
            .launch(format!("rmdir={}", gone.display()))
            .report();
        assert_eq!(report.one("cwd"), home);
    }

    fn umask_is_the_callers_or_the_profiles(caller) {
        let own = Sbx::probe(caller, ["report"]).launch("umask=027").report();
        assert_eq!(own.one("Umask"), "0027");
        let set = Sbx::probe(caller, ["report"]).set("process.umask=\"0077\"").report();
        assert_eq!(set.one("Umask"), "0077");
        let ended = sh(caller, "stat -c %a /etc/passwd /dev/shm; touch /tmp/x; stat -c %a /tmp/x")
            .launch("umask=077")
            .ended()
            .fine();
        assert_eq!(ended.stdout, "644\n1777\n600\n");
    }

    fn each_limit_reaches_the_command(caller) {
        let wanted = [
            ("as", "4G", "4294967296 4294967296"), ("core", "0", "0 0"),
            ("cpu", "100", "100 100"), ("data", "1G", "1073741824 1073741824"),
            ("fsize", "64M:128M", "67108864 134217728"), ("locks", "11", "11 11"),
            ("memlock", "64K", "65536 65536"), ("msgqueue", "4096", "4096 4096"),
            ("nice", "0", "0 0"), ("nofile", "100:200", "100 200"), ("nproc", "50", "50 50"),
            ("rss", "1G", "1073741824 1073741824"), ("rtprio", "0", "0 0"),
            ("rttime", "1s", "1000000 1000000"), ("sigpending", "77", "77 77"),
            ("stack", "8M", "8388608 8388608"),
        ];
        let mut run = Sbx::probe(caller, ["report"]);
        for (name, value, _) in wanted {
            run = run.args(["--limit", &format!("{name}={value}")]);
        }
        let report = run.report();
        for (name, _, expected) in wanted {
            assert_eq!(report.one(&format!("limit-{name}")), expected, "{name}");
        }
    }

    fn a_reader_sees_the_end_when_the_command_closes_its_output(caller) {
        // sbx itself keeps no copy of the caller's output open.
        let script = "exec 3<&0; { $SBX run $AS_ROOT -- sh -c 'exec >&-; read line' 2>/dev/null <&3 | \
            { cat; echo end; }; }";
        let mut running = Sbx::shell(caller, script).open_stdin().start();
        assert_eq!(running.line(), "end");
        running.close_stdin();
        running.end();
    }

    fn sbx_reads_nothing_of_the_commands_input(caller) {
        let ended = Sbx::shell(caller, "printf 'one\\ntwo\\n' | { $SBX run $AS_ROOT -- sh -c 'read x; echo $x'; }")
            .ended()
            .fine();
        assert_eq!(ended.stdout, "one\n");
    }

    fn paths_and_arguments_need_not_be_utf_8(caller) {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let word = OsStr::from_bytes(b"\xff\xfe x");
        let ended = Sbx::run(caller)
            .command([OsStr::new("sh"), OsStr::new("-c"), OsStr::new("printf %s \"$1\" | od -An -tx1"),
                OsStr::new("sh"), word])
            .ended()
            .fine();
        assert_eq!(ended.stdout.trim(), "ff fe 20 78");
    }
}

#[test]
fn raising_a_hard_limit_without_privilege_says_so() {
    let ended = Sbx::run(Caller::Ordinary)
        .launch("limit=nofile:100:100")
        .args(["--limit", "nofile=200"])
        .command(["true"])
        .ended();
    ended.refused(
        125,
        &[
            "raising the hard limit of nofile above 100 needs CAP_SYS_RESOURCE",
            "--limit nofile=200",
            "write at most 100",
        ],
    );
}

#[test]
fn a_profile_that_others_can_write_is_refused() {
    let work = Work::new(Caller::Ordinary);
    let profile = work.file("open.toml", "sbx = 1\n");
    let writable = fs::Permissions::from_mode(0o666);
    fs::set_permissions(&profile, writable).expect("it is ours");
    let ended = Sbx::run(Caller::Ordinary).profile(&profile).command(["true"]).ended();
    ended.refused(125, &["open.toml"]);
}
