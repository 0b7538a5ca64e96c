//! Settings that only the kernel's own answer shows.

use crate::common::{Caller, Feature, Report, Sbx, Work, as_both, as_root, needs, tools};
use rustix::process::Signal;

fn settings(caller: Caller) -> Sbx {
    Sbx::probe(caller, ["settings"])
}

fn number(report: &Report, key: &str) -> u64 {
    report.one(key).parse().unwrap_or_else(|_| panic!("{key}: {}", report.one(key)))
}

as_both! {
    fn root_inside_gains_nothing_and_that_is_locked(caller) {
        // noroot, no-setuid-fixup, both locked, and keep-caps locked off (capabilities(7)).
        assert_eq!(settings(caller).report().one("securebits"), "47");
    }

    fn the_session_keyring_is_not_the_callers(caller) {
        // Where the caller has one of its own, it would be handed on.
        let script = "$PROBE settings; \
            $SBX run $AS_ROOT $SHOW_PROBE --set 'seccomp.set=\"none\"' -- /probe settings";
        let words = ["in-keyring", "/bin/sh", "-c", script];
        let report = Sbx::program(caller, &tools().probe).args(words).report();
        let keyrings = report.all("keyring");
        // A kernel without keyrings has none to hand on.
        if keyrings[0] != "ENOSYS" {
            let is_number = |text: &&str| text.parse::<u32>().is_ok();
            assert!(keyrings.len() == 2 && keyrings.iter().all(is_number), "{keyrings:?}");
            assert_ne!(keyrings[0], keyrings[1]);
        }
    }

    fn a_clock_is_shifted(caller) {
        let ten_days = 10 * 86_400;
        let shift = format!("namespaces.time-offset={{ boottime = {ten_days} }}");
        let shifted = settings(caller).set("namespaces.time=true").set(&shift).report();
        let plain = settings(caller).report();
        assert!(number(&shifted, "uptime") >= ten_days + number(&plain, "uptime") - 60);
    }

    fn a_domain_name_is_set(caller) {
        let report = settings(caller).set("namespaces.domainname=\"inside\"").report();
        assert_eq!(report.one("domain"), "inside");
    }

    fn a_process_1_of_its_own_has_a_session_of_its_own(caller) {
        let report = Sbx::probe(caller, ["report"]).set("process.as-pid-1=true").report();
        assert_eq!(report.one("session"), "1 1 0");
    }

    fn the_kill_follows_each_signal_that_ends_sbx(caller) {
        for (signal, number) in
            [(Signal::HUP, "1"), (Signal::INT, "2"), (Signal::QUIT, "3"), (Signal::TERM, "15")]
        {
            // One signal more than is sent is waited for, so that only a kill ends it in time.
            let run = Sbx::probe(caller, ["trap", "2", number]);
            let mut run = run.set("process.kill-grace=\"50ms\"").start();
            run.wait_for("ready");
            run.signal(signal);
            assert_eq!(run.line(), format!("got {number}"));
            let ended = run.end();
            assert_eq!((ended.status, ended.signal), (137, None), "{signal:?}: {ended:?}");
        }
    }

    fn ports_that_landlock_is_told_are_open_and_no_others(caller) {
        if !needs(Feature::Landlock(4)) {
            return;
        }
        for (port, bound) in [("8080", "ok"), ("8081", "EACCES")] {
            let bind = Sbx::probe(caller, ["bind", port]).args(["--net", "loopback"]);
            assert_eq!(bind.set("landlock.tcp-bind=[8080]").report().one("bind"), bound, "{port}");
        }
        // Nobody listens there.
        let words = ["connect", "tcp:127.0.0.1:8080", "tcp:127.0.0.1:8081"];
        let connect = Sbx::probe(caller, words).args(["--net", "loopback"]);
        let report = connect.set("landlock.tcp-connect=[8080]").report();
        let answers = report.answers("connect");
        assert_eq!(answers["tcp:127.0.0.1:8080"], "ECONNREFUSED");
        assert_eq!(answers["tcp:127.0.0.1:8081"], "EACCES");
    }
}

as_both! {
    fn file_systems_of_sbx_have_a_size_and_closed_modes(caller) {
        let work = Work::new(caller);
        work.directory("hidden");
        let (bind, hidden) = (format!("{}:/shown", work.path().display()), "/shown/hidden");
        let run = Sbx::run(caller).args(["--bind", &bind, "--hide", hidden]);
        let mounts = run.command(["cat", "/proc/self/mounts"]).ended().fine().stdout;
        let options = |place: &str| -> Vec<&str> {
            let is_there = |line: &&str| line.split(' ').nth(1) == Some(place);
            let line = mounts.lines().rfind(is_there);
            let line = line.unwrap_or_else(|| panic!("no mount on {place}: {mounts}"));
            line.split(' ').nth(3).expect("options").split(',').collect()
        };
        let has = |place: &str, wanted: &[&str]| {
            let found = options(place);
            assert!(wanted.iter().all(|option| found.contains(option)), "{place}: {found:?}");
        };
        has("/", &["size=16384k", "mode=755"]);
        has("/dev/pts", &["mode=620", "ptmxmode=666"]);
        has(hidden, &["size=4k", "mode=555"]);
    }

    fn directories_made_in_the_private_home_are_the_users(caller) {
        let account = caller.account();
        let above = account.home.join(".config");
        let profiles = above.join("sbx/profiles");
        let run = Sbx::run(caller).args(["--read", profiles.to_str().expect("UTF-8")]);
        let owner = run.command(["stat", "-c", "%u", above.to_str().expect("UTF-8")]).ended().fine();
        assert_eq!(owner.stdout.trim(), account.uid.to_string());
    }

    fn the_hosts_file_is_the_hosts_with_its_network_alone(caller) {
        let hosts = |args: &[&str]| {
            let run = Sbx::run(caller).args(["--read", "?/etc/hosts"]).args(args);
            run.command(["cat", "/etc/hosts"]).ended().fine().stdout
        };
        let own = hosts(&[]);
        assert!(own.starts_with("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 "), "{own}");
        if let Ok(found) = std::fs::read_to_string("/etc/hosts") {
            assert_eq!(hosts(&["--net", "host"]), found);
        }
    }
}

as_root! {
    fn with_a_lock_the_hosts_root_is_nobody_inside() {
        let run = Sbx::run(Caller::Root).args(["--keep-cap", "net-bind-service"]);
        let maps = run.command(["cat", "/proc/self/uid_map", "/proc/self/gid_map"]).ended().fine();
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let starts: Vec<String> = maps.stdout.lines().filter_map(first).collect();
        assert!(starts.len() >= 2 && !starts.contains(&"0".to_owned()), "{}", maps.stdout);
    }
}
