//! The plan: printed without doing anything, and exactly what a run then does.

use crate::common::{Caller, Feature, Sbx, Work, as_both, needs};

/// Lines of a plan that are steps: number, actor, words.
fn steps(text: &str) -> Vec<String> {
    let is_step = |line: &&str| {
        let mut words = line.split_whitespace();
        let number = words.next().is_some_and(|word| word.parse::<u32>().is_ok());
        number
            && words.next().is_some_and(|w| ["supervisor", "child", "init", "payload"].contains(&w))
    };
    text.lines().filter(is_step).map(|line| line.trim_end().to_owned()).collect()
}

fn plan(caller: Caller, profile: &str) -> Sbx {
    Sbx::verb(caller, "plan").args(["--profile", profile]).command(["true"])
}

as_both! {
    fn the_plan_is_the_same_bytes_every_time(caller) {
        for (profile, _) in sbx::profile::BUILTIN {
            let first = plan(caller, profile).ended().fine().stdout;
            assert!(steps(&first).len() > 50, "{first}");
            for _ in 0..3 {
                assert_eq!(plan(caller, profile).ended().fine().stdout, first, "{profile}");
            }
            let json = || plan(caller, profile).args(["--json"]).ended().fine().stdout;
            assert_eq!(json(), json(), "{profile}");
        }
    }

    fn json_has_the_same_steps(caller) {
        for (profile, _) in sbx::profile::BUILTIN {
            let text = steps(&plan(caller, profile).ended().fine().stdout);
            let json = plan(caller, profile).args(["--json"]).ended().fine().stdout;
            let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
            let listed = json["steps"].as_array().expect("steps");
            assert_eq!(listed.len(), text.len(), "{profile}");
            for (number, (step, line)) in listed.iter().zip(&text).enumerate() {
                let actor = step["actor"].as_str().expect("an actor");
                let words = step["words"].as_str().expect("words");
                assert!(line.contains(actor) && line.contains(words), "{line} and {step}");
                assert!(line.trim_start().starts_with(&format!("{} ", number + 1)), "{line}");
                assert!(step["action"].is_string() && step["phase"].is_string(), "{step}");
            }
        }
    }

    fn what_a_run_executes_is_exactly_the_plan(caller) {
        for (profile, _) in sbx::profile::BUILTIN {
            let planned = steps(&plan(caller, profile).ended().fine().stdout);
            for _ in 0..10 {
                let ended = Sbx::run(caller)
                    .args(["-v", "--profile", profile])
                    .command(["true"])
                    .ended()
                    .fine();
                let done = steps(&ended.stderr);
                assert_eq!(done.len(), planned.len(), "{profile}: as many steps as planned");
                let differs = done.iter().zip(&planned).find(|(done, planned)| done != planned);
                assert_eq!(differs, None, "{profile}");
            }
        }
    }

    fn every_step_has_its_origin(caller) {
        let work = Work::new(caller);
        let text = "sbx = 1\n[limits]\nnofile = 99\n";
        let profile = work.profile(caller, "own.toml", text);
        let ended = Sbx::verb(caller, "plan")
            .profile(&profile)
            .args(["--hostname", "elsewhere"])
            .command(["true"])
            .ended()
            .fine();
        let line = |words: &str| {
            let found = steps(&ended.stdout).into_iter().find(|line| line.contains(words));
            found.unwrap_or_else(|| panic!("{words}: {}", ended.stdout))
        };
        assert!(line("limit nofile to 99:99").contains("own.toml:3"));
        assert!(line("set host name elsewhere").contains("--hostname elsewhere"));
        assert!(line(" execute /usr/local/bin/true").contains("[true]"));
        for step in steps(&ended.stdout) {
            assert!(step.ends_with(']'), "{step}");
        }
    }

    fn phases_stand_in_one_order(caller) {
        let order = ["open", "spawn", "idmap", "session", "isolate", "root", "dev", "seal", "pivot",
            "split", "lock", "network", "limits", "identity", "workdir", "caps", "sweep",
            "landlock", "seccomp", "settle", "exec"];
        let text = plan(caller, "base").ended().fine().stdout;
        let heads: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with([' ', 'n']))
            .filter_map(|line| line.split_once(": ").map(|(head, _)| head))
            .collect();
        let places: Vec<_> = heads.iter().map(|head| order.iter().position(|o| o == head)).collect();
        assert!(places.iter().all(Option::is_some), "{heads:?}");
        assert!(places.is_sorted(), "{heads:?}");
        assert!(places.len() > 12, "{heads:?}");
    }

    fn a_failing_step_names_phase_and_profile_line(caller) {
        let work = Work::new(caller);
        let text = "sbx = 1\n[process]\nstdin = \"/no/such/input\"\n";
        let profile = work.profile(caller, "own.toml", text);
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["own.toml:3:", "phase `open`", "cannot open /no/such/input", "= help:"]);
    }

    fn planning_makes_nothing(caller) {
        if !needs(Feature::Strace) {
            return;
        }
        let work = Work::new(caller);
        let trace = work.at("trace");
        let script = format!(
            "strace -f -o {trace} $SBX plan $AS_ROOT --write {} -- sh -c 'touch marker'", work.at("")
        );
        let ended = Sbx::shell(caller, &script).ended().fine();
        assert!(steps(&ended.stdout).len() > 50);
        let calls = work.read("trace");
        assert!(calls.lines().count() > 20, "{calls}");
        let forbidden = ["unshare(", "mount(", "umount2(", "open_tree(", "move_mount(", "fsopen(",
            "fsmount(", "mount_setattr(", "pivot_root(", "socket(", "socketpair(", "connect(",
            "setns(", "chroot(", "mkdir(", "mkdirat(", "unlink(", "unlinkat(", "rename(",
            "symlink(", "symlinkat(", "link(", "linkat(", "mknod(", "mknodat(", "ftruncate(",
            "setuid(", "setresuid(", "sethostname(", "kill(", "ptrace(", "bpf("];
        for line in calls.lines() {
            // `PID call(arguments) = answer`
            let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
            assert!(!forbidden.iter().any(|name| call.starts_with(name)), "{line}");
            assert!(!call.starts_with("clone") && !call.contains("CLONE_NEW"), "{line}");
            assert!(!call.starts_with("fork(") && !call.starts_with("vfork("), "{line}");
            if call.starts_with("execve(") {
                assert!(call.contains("\"plan\""), "{line}");
            }
            if call.starts_with("write") || call.starts_with("pwrite") || call.starts_with("sendfile") {
                let head = call.split_once('(').map_or("", |(_, rest)| rest);
                assert!(head.starts_with("1,"), "a write elsewhere than to stdout: {line}");
            }
            if call.starts_with("open") {
                let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];
                let is_null = call.contains("\"/dev/null\"");
                assert!(is_null || !writes.iter().any(|flag| call.contains(flag)), "{line}");
            }
        }
        assert!(!work.has("marker"));
    }

    fn a_reader_that_stops_early_is_no_error(caller) {
        // The plan fits into a pipe: the reader must have gone before sbx starts.
        let script = "{ trap '' PIPE; while echo x; do :; done 2>/dev/null; trap - PIPE; \
            $SBX plan $AS_ROOT -- true; echo status $? >&2; } | true";
        let ended = Sbx::shell(caller, script).ended().fine();
        assert_eq!(ended.stderr, "status 0\n");
    }

    fn output_that_cannot_be_written_is_an_error_of_its_own(caller) {
        let ended = Sbx::shell(caller, "$SBX plan $AS_ROOT -- true > /dev/full").ended();
        ended.refused(125, &["error[output]: cannot write to standard output: ", "(ENOSPC)", "= help:"]);
    }

    fn quiet_hides_warnings_and_verbose_shows_notes(caller) {
        let loud = Sbx::run(caller).args(["-v"]).command(["true"]).ended().fine();
        assert!(loud.stderr.contains("set no_new_privs"), "{}", loud.stderr);
        assert_eq!(Sbx::run(caller).command(["true"]).ended().fine().stderr, "");
        let unlocked = |flag: &[&str]| {
            Sbx::run(caller)
                .args(flag)
                .args(["--keep-cap", "net-bind-service"])
                .set("namespaces.lock-mounts=false")
                .command(["true"])
                .ended()
                .fine()
                .stderr
        };
        assert!(unlocked(&[]).contains("warning"));
        assert_eq!(unlocked(&["-q"]), "");
    }
}

#[test]
fn the_verbose_run_of_a_failure_shows_what_was_done_before() {
    let caller = Caller::Ordinary;
    let planned = Sbx::verb(caller, "plan").command(["no-such-command"]).ended().fine().stdout;
    let ended = Sbx::run(caller).args(["-v"]).command(["no-such-command"]).ended();
    ended.refused(127, &["not found"]);
    assert_eq!(steps(&ended.stderr), steps(&planned));
}
