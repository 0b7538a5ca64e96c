//! The empty profile, looked at from the inside: what is there, and what is not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::common::{Caller, Feature, Report, Sbx, Work, as_both, hex, needs, tools};

/// In 200 variables, in arguments, in the names of descriptors and of the working directory.
const CANARY: &str = "cAnArY-7f3e9b21";

/// The probe under the empty profile, started from a state that no program should inherit.
fn started(caller: Caller, work: &Work) -> Sbx {
    let hostile = work.directory(&format!("{CANARY}\n\x1b]0;x\x07 $(id) -rf"));
    let file = work.file(&format!("{CANARY}-open"), CANARY);
    let mut run = Sbx::run(caller).args(["--no-profile"]).cwd(hostile);
    for number in 0..200 {
        run = run.env(format!("{CANARY}_{number}"), format!("{CANARY} value {number}"));
    }
    for number in 3..10 {
        run = run.launch(format!("fd={number}:r:{}", file.display()));
    }
    // Arguments that leave no trace in the plan.
    let absent = format!("files.read=[\"?/{CANARY}-absent\"]");
    let bind = format!("{}:/probe", tools().probe.display());
    run.set(&absent).args(["--bind", &bind]).command(["/probe"])
}

fn report(caller: Caller) -> Report {
    let work = Work::new(caller);
    started(caller, &work).command(["report"]).report()
}

fn host_namespace(name: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace has a name");
    link.display().to_string()
}

as_both! {
    fn the_command_is_process_2_and_process_1_is_an_init_of_sbx(caller) {
        let report = report(caller);
        assert_eq!((report.one("pid"), report.one("init")), ("2", "sbx-init"));
    }

    fn descriptors_are_0_1_2_and_no_others(caller) {
        assert_eq!(report(caller).one("descriptors"), "0 1 2");
    }

    fn every_capability_set_is_empty(caller) {
        let report = report(caller);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(report.one(set), "0000000000000000", "{set}");
        }
    }

    fn no_new_privs_is_on(caller) {
        assert_eq!(report(caller).one("NoNewPrivs"), "1");
    }

    fn a_filter_is_installed(caller) {
        assert_eq!(report(caller).one("Seccomp"), "2");
    }

    fn every_namespace_is_another_than_the_callers(caller) {
        let report = report(caller);
        for name in ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup"] {
            let inside = report.one(&format!("ns-{name}"));
            assert!(inside.starts_with(&format!("{name}:[")), "{inside}");
            assert_ne!(inside, host_namespace(name), "{name}");
        }
        assert_eq!(report.one("ns-time"), host_namespace("time"), "time stays the caller's");
    }

    fn the_environment_is_exactly_the_documented_one(caller) {
        let account = caller.account();
        let report = report(caller);
        let expected = BTreeMap::from([
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"),
            ("HOME", account.home.to_str().expect("UTF-8")),
            ("USER", &account.name),
            ("LOGNAME", &account.name),
            ("SHELL", &account.shell),
            ("LANG", "C.UTF-8"),
        ]);
        let found: BTreeMap<&str, &str> =
            report.all("env").into_iter().filter_map(|line| line.split_once('=')).collect();
        assert_eq!(found, expected);
    }

    fn lang_is_the_callers_if_it_looks_like_a_locale(caller) {
        let lang = |value: &str| {
            let run = Sbx::probe(caller, ["report"]).env("LANG", value).report();
            let found = run.all("env").into_iter().find(|line| line.starts_with("LANG="));
            found.expect("LANG is always set").to_owned()
        };
        assert_eq!(lang("de_DE.UTF-8"), "LANG=de_DE.UTF-8");
        assert_eq!(lang("() { :; }; x"), "LANG=C.UTF-8");
    }

    fn home_is_empty(caller) {
        let account = caller.account();
        assert!(account.secret().exists(), "the host's home holds a canary");
        let home = account.home.display();
        assert_eq!(report(caller).one("entries"), format!("{home} []"));
    }

    fn a_file_that_is_not_granted_is_not_there(caller) {
        let secret = caller.account().secret();
        let path = secret.to_str().expect("UTF-8");
        let report = Sbx::probe(caller, ["open", path, "r", "/etc/shadow", "r"]).report();
        assert_eq!(report.answers("open")[&*format!("{path} r")], "ENOENT");
        assert_eq!(report.answers("open")["/etc/shadow r"], "ENOENT");
    }

    fn a_file_that_is_not_granted_is_refused_by_landlock_alone(caller) {
        // A descriptor of a directory of the host passes by every mount.
        let work = Work::new(caller);
        work.file("secret", "x");
        let run = |mode: &str| {
            Sbx::probe(caller, ["openat", "3", "secret", "r"])
                .launch(format!("fd=3:dir:{}", work.path().display()))
                .args(["--keep-fd", "3"])
                .set(&format!("landlock.mode={mode}"))
                .report()
        };
        assert_eq!(run("auto").one("openat"), "EACCES");
        assert_eq!(run("off").one("openat"), "ok", "without Landlock nothing else refuses it");
    }

    fn nothing_of_the_caller_is_found_under_proc(caller) {
        let work = Work::new(caller);
        let report = started(caller, &work).command(["search", &hex(CANARY)]).report();
        assert_eq!(report.all("hit"), Vec::<&str>::new());
        let searched = report.one("searched");
        let files: usize = searched.split(' ').next().and_then(|n| n.parse().ok()).expect("a count");
        assert!(files > 100, "only {files} files were searched");
    }

    fn the_search_finds_a_canary_that_is_there(caller) {
        let word = format!("{CANARY}-passed");
        let report = Sbx::probe(caller, ["search", &hex(&word)])
            .args(["--env", &format!("X={word}")])
            .report();
        let hits = report.all("hit").join(" ");
        assert!(hits.contains("/environ") && hits.contains("/mem"), "{hits}");
    }

    fn init_and_its_files_cannot_be_looked_into(caller) {
        // Landlock alone refuses it too.
        let without = Sbx::probe(caller, ["report"]).set("landlock.mode=off").report();
        for report in [report(caller), without] {
            assert_eq!(report.one("dumpable-1"), "EACCES");
            assert!(["!EACCES", "!EPERM"].contains(&report.one("root-1")), "{report:?}");
        }
    }

    fn the_host_name_is_not_the_hosts(caller) {
        assert_eq!(report(caller).one("host"), "sbx");
        let named = Sbx::probe(caller, ["report"]).args(["--hostname", "other"]).report();
        assert_eq!(named.one("host"), "other");
    }

    fn the_command_leads_a_session_of_its_own(caller) {
        let report = report(caller);
        assert_eq!(report.one("session"), "2 2 1");
    }

    fn the_command_dies_with_init(caller) {
        assert_eq!(report(caller).one("death-signal"), "9");
    }

    fn default_limits_are_bounded(caller) {
        let report = report(caller);
        assert_eq!(report.one("limit-core"), "0 0");
        for limit in ["limit-nproc", "limit-nofile"] {
            assert!(!report.one(limit).contains("unlimited"), "{limit}");
        }
    }
}

/// Mounts inside: options by place.
fn mounts(run: Sbx) -> Vec<[String; 5]> {
    let report = run.report();
    let split = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words.try_into().unwrap_or_else(|_| panic!("five words: {line}"))
    };
    report.all("mount").into_iter().map(split).collect()
}

as_both! {
    fn the_root_is_read_only(caller) {
        let all = mounts(Sbx::probe(caller, ["mounts"]));
        let root = all.iter().rfind(|mount| mount[0] == "/").expect("a root");
        assert!(root[1].split(',').any(|option| option == "ro"), "{root:?}");
        let report = Sbx::probe(caller, ["open", "/x", "c", "/usr/x", "c", "/etc/x", "c"]).report();
        assert_eq!(report.answers("open").into_values().collect::<Vec<_>>(), ["EROFS"; 3]);
    }

    fn every_mount_is_nosuid_and_nodev_but_for_devices(caller) {
        for [place, options, ..] in mounts(Sbx::probe(caller, ["mounts"])) {
            let has = |name: &str| options.split(',').any(|option| option == name);
            assert!(has("nosuid"), "{place} {options}");
            // Device nodes lie on /dev and /dev/pts, which have nothing else.
            let is_device = place == "/dev" || place.starts_with("/dev/") && place != "/dev/shm";
            assert!(has("nodev") || is_device, "{place} {options}");
        }
    }

    fn what_can_be_written_cannot_be_executed(caller) {
        for [place, options, _, kind, ..] in mounts(Sbx::probe(caller, ["mounts"])) {
            let has = |name: &str| options.split(',').any(|option| option == name);
            // A file system of terminals has nothing that could be executed.
            if !has("ro") && kind != "devpts" {
                assert!(has("noexec"), "{place} {options} {kind}");
            }
        }
    }

    fn tmp_and_home_are_in_memory_with_a_size(caller) {
        let home = caller.account().home.display().to_string();
        let all = mounts(Sbx::probe(caller, ["mounts"]));
        let places: Vec<_> = all.iter().filter(|mount| mount[3] == "tmpfs").collect();
        for place in ["/tmp", &home, "/dev/shm"] {
            assert!(places.iter().any(|mount| mount[0] == place), "{place} in {places:?}");
        }
        let script = "dd if=/dev/zero of=/tmp/big bs=1M count=513 2>&1; stat -c %s /tmp/big";
        let ended = Sbx::run(caller).command(["sh", "-c", script]).ended();
        assert!(ended.stdout.contains("No space left"), "{ended:?}");
    }

    fn proc_sys_and_its_kin_are_read_only(caller) {
        let all = mounts(Sbx::probe(caller, ["mounts"]));
        for place in ["/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq"] {
            let found = all.iter().rfind(|mount| mount[0] == place);
            let found = found.unwrap_or_else(|| panic!("{place} is a mount"));
            assert!(found[1].starts_with("ro,"), "{found:?}");
        }
        let path = "/proc/sys/kernel/core_pattern";
        let report = Sbx::probe(caller, ["open", path, "w"]).report();
        assert!(["EROFS", "EACCES"].contains(&report.answers("open")[&*format!("{path} w")]));
    }

    fn proc_is_new_and_nosuid_nodev_noexec(caller) {
        let all = mounts(Sbx::probe(caller, ["mounts"]));
        let proc = all.iter().find(|mount| mount[0] == "/proc").expect("a proc");
        for option in ["nosuid", "nodev", "noexec"] {
            assert!(proc[1].contains(option), "{proc:?}");
        }
        let processes = Sbx::probe(caller, ["ls", "/proc"]).report();
        let names = processes.one("entries");
        let count = names.split([' ', '[', ']']).filter(|n| n.parse::<u32>().is_ok()).count();
        assert_eq!(count, 2, "init and the probe: {names}");
    }

    fn masked_files_of_proc_cannot_be_opened(caller) {
        let names = ["kcore", "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount",
            "kpageflags", "latency_stats", "sched_debug", "sysrq-trigger", "timer_list"];
        let there: Vec<String> = names
            .iter()
            .map(|name| format!("/proc/{name}"))
            .filter(|path| fs::symlink_metadata(path).is_ok())
            .collect();
        assert!(there.len() >= 3, "{there:?}");
        let words = there.iter().flat_map(|path| [path.as_str(), "r"]);
        let report = Sbx::probe(caller, ["open"].into_iter().chain(words)).report();
        for (path, answer) in report.answers("open") {
            assert_eq!(answer, "EACCES", "{path}");
        }
        // Most of them are root's alone, with no cover too.
        let all = mounts(Sbx::probe(caller, ["mounts"]));
        for path in there {
            assert!(all.iter().any(|mount| mount[0] == path), "{path} is covered: {all:?}");
        }
    }

    fn there_is_no_sys_and_no_host_root(caller) {
        let report = Sbx::probe(caller, ["ls", "/", "/sys", "/run", "/var", "/mnt"]).report();
        let entries = report.table("entries");
        let root = entries["/"];
        for absent in ["sys", "root", "run", "mnt", "boot", "oldroot", ".old"] {
            assert!(!root.split([' ', '[', ']']).any(|name| name == absent), "{absent} in {root}");
        }
        assert_eq!(entries["/sys"], "!ENOENT");
    }

    fn dev_has_exactly_the_minimal_nodes(caller) {
        let report = Sbx::probe(caller, ["devs"]).report();
        let found: Vec<&str> = report.all("dev");
        let expected = [
            "/dev/core link /proc/kcore",
            "/dev/fd link /proc/self/fd",
            "/dev/full char 1:7",
            "/dev/null char 1:3",
            "/dev/ptmx link pts/ptmx",
            "/dev/pts directory 755",
            "/dev/pts/ptmx char 5:2",
            "/dev/random char 1:8",
            "/dev/shm directory 1777",
            "/dev/stderr link /proc/self/fd/2",
            "/dev/stdin link /proc/self/fd/0",
            "/dev/stdout link /proc/self/fd/1",
            "/dev/tty char 5:0",
            "/dev/urandom char 1:9",
            "/dev/zero char 1:5",
        ];
        assert_eq!(found, expected);
    }

    fn dev_is_read_only_and_shm_is_not(caller) {
        let words = ["open", "/dev/x", "c", "/dev/shm/x", "c", "/dev/null", "rw"];
        let report = Sbx::probe(caller, words).report();
        let answers = report.answers("open");
        assert_eq!(answers["/dev/x c"], "EROFS");
        assert_eq!(answers["/dev/shm/x c"], "ok");
        assert_eq!(answers["/dev/null rw"], "ok");
    }

    fn new_pseudo_terminals_are_the_sandboxs_own(caller) {
        let script = "import os,stat; m,s=os.openpty(); print(os.ttyname(s))";
        if !needs(Feature::Python) {
            return;
        }
        let ended = Sbx::run(caller).command(["/usr/bin/python3", "-c", script]).ended().fine();
        assert_eq!(ended.stdout, "/dev/pts/0\n");
    }

    fn no_interface_is_up_and_the_hosts_loopback_is_out_of_reach(caller) {
        let report = Sbx::probe(caller, ["interfaces"]).report();
        for (name, state) in report.table("interface") {
            assert_eq!(state, "down", "{name}");
        }
        assert!(!report.all("interface").is_empty());
        let mut server = Sbx::program(Caller::Ordinary, &tools().probe)
            .args(["serve", "tcp", &format!("abstract:{CANARY}-{caller:?}")])
            .open_stdin()
            .start();
        let port = server.wait_for("port ").split(' ').nth(1).expect("a port").to_owned();
        server.wait_for("ready");
        let tcp = format!("tcp:127.0.0.1:{port}");
        let name = format!("abstract:{CANARY}-{caller:?}");
        let connect = |net: &str| {
            Sbx::probe(caller, ["connect", &tcp, &name]).args(["--net", net]).report()
        };
        let none = connect("none");
        assert_eq!(none.answers("connect")[&*tcp], "ENETUNREACH");
        assert_eq!(none.answers("connect")[&*name], "ECONNREFUSED");
        let loopback = connect("loopback");
        assert_eq!(loopback.answers("connect")[&*tcp], "ECONNREFUSED");
        let host = connect("host");
        assert_eq!(host.answers("connect")[&*tcp], "ok", "the server is there");
        if needs(Feature::Landlock(6)) {
            assert_eq!(host.answers("connect")[&*name], "EPERM", "held by Landlock's scope");
        }
        server.close_stdin();
        server.end();
    }

    fn loopback_is_up_where_it_is_asked_for(caller) {
        let report = Sbx::probe(caller, ["listen", "8080"]).args(["--net", "loopback"]).report();
        assert_eq!(report.one("listen"), "ok");
    }

    fn covers_hold_whoever_owns_the_file(caller) {
        let report = Sbx::probe(caller, ["open", "/proc/keys", "r"])
            .set("landlock.mode=off")
            .report();
        assert_eq!(report.answers("open")["/proc/keys r"], "EACCES");
    }
}

#[test]
fn mounts_do_not_take_part_in_propagation_under_a_shared_root() {
    if !needs(Feature::Root) || !needs(Feature::Unshare) {
        return;
    }
    for caller in [Caller::Root, Caller::Ordinary] {
        let launch = caller.launch_options().join(" ");
        let always = caller.arguments().join(" ");
        let script = format!(
            "mount --make-rshared / && grep -c shared: /proc/self/mountinfo >&2 &&
             $PROBE launch {launch} -- $SBX run {always} $SHOW_PROBE -- /probe mounts"
        );
        let ended = Sbx::program(Caller::Root, "/usr/bin/unshare")
            .args(["--mount", "sh", "-c", &script])
            .ended()
            .fine();
        assert_ne!(ended.stderr.trim(), "0", "the caller's mounts are shared");
        for line in Report::parse(&ended.stdout).all("mount") {
            let propagation = line.split(' ').nth(2);
            assert_eq!(propagation, Some("private"), "{caller:?}: {line}");
        }
    }
}

#[test]
fn the_tools_directory_is_nobody_elses() {
    let meta = fs::metadata(tools().sbx.parent().expect("a directory")).expect("it was made");
    assert_eq!(meta.mode() & 0o7777, 0o755);
}
