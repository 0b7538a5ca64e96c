//! Every step of every way through: made to fail, stopped and killed at, and none of them
//! allocating in the child.
//!
//! These tests use `tests/tools/hooked.rs`: sbx itself with hooks around its steps. They are a
//! program of their own because one of them waits for every orphan of its process.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it says, and looks at the real system"
)]

#[allow(dead_code, unused_imports, unused_macros, reason = "these tests use a part of it")]
mod common;

use std::io::{PipeWriter, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use common::{Caller, Ended, Feature, Running, Sbx, Work, as_both, as_root, needs, tools};
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal};

/// One way from a command line to a command.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    caller: Caller,
    args: &'static [&'static str],
}

const fn way(name: &'static str, caller: Caller, args: &'static [&'static str]) -> Way {
    Way { name, caller, args }
}

/// Ways that between them have every kind of step.
const WAYS: [Way; 7] = [
    way("the default, as an ordinary user", Caller::Ordinary, &[]),
    way("the default, as root", Caller::Root, &[]),
    way(
        "locked, as an ordinary user",
        Caller::Ordinary,
        &["--keep-cap", "net-bind-service", "--net", "loopback"],
    ),
    way("locked, as root", Caller::Root, &["--keep-cap", "net-bind-service"]),
    way("without a user namespace", Caller::Root, &["--set", "namespaces.user=false"]),
    way(
        "with everything else",
        Caller::Root,
        &[
            "--set",
            "namespaces.time=true",
            "--set",
            "namespaces.domainname=d",
            "--set",
            "process.no-new-privs=false",
            "--set",
            "process.stdin=null",
            "--set",
            "process.stdout=/dev/null",
            "--set",
            "landlock.tcp-bind=[80]",
            "--tmpfs",
            "/scratch:1M",
        ],
    ),
    way("as process 1", Caller::Ordinary, &["--set", "process.as-pid-1=true"]),
];

fn possible() -> impl Iterator<Item = Way> {
    WAYS.into_iter().filter(|way| way.caller == Caller::Ordinary || needs(Feature::Root))
}

/// One test waits for whatever ends in this process: children of another must not be among them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn hooked(way: Way, hook: &str) -> Sbx {
    let run = Sbx::run(way.caller).with_program(&tools().hooked).env("SBX_TEST_HOOK", hook);
    run.args(["--no-profile"]).args(way.args)
}

/// Steps of the plan of a way: phase, words.
fn steps(way: Way) -> Vec<(String, String)> {
    let plan = Sbx::verb(way.caller, "plan").args(["--json", "--no-profile"]).args(way.args);
    let plan = plan.command(["/bin/echo", "started"]).ended().fine();
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a plan is JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let steps = plan["steps"].as_array().expect("steps").iter();
    steps.map(|step| (text(&step["phase"]), text(&step["words"]))).collect()
}

#[test]
fn the_child_allocates_nothing() {
    let _alone = alone();
    for way in possible() {
        let ended = hooked(way, "").command(["/bin/true"]).ended();
        assert_eq!(ended.status, 0, "{}: {ended:#?}", way.name);
    }
    for (name, _) in sbx::profile::BUILTIN {
        let work = Work::new(Caller::Ordinary);
        let run = Sbx::run(Caller::Ordinary).with_program(&tools().hooked).cwd(work.path());
        let ended = run.args(["-p", name]).command(["/bin/true"]).ended();
        assert_eq!(ended.status, 0, "{name}: {ended:#?}");
    }
}

#[test]
fn a_step_that_fails_is_named_and_the_command_does_not_start() {
    let _alone = alone();
    for way in possible() {
        let steps = steps(way);
        for (number, (phase, words)) in steps.iter().enumerate() {
            // 71 is EPROTO: nothing else on the way gives it.
            let run = hooked(way, &format!("fail:{number}:71")).command(["/bin/echo", "started"]);
            let Ended { status, stdout, stderr, .. } = run.ended();
            let at = format!("{}: step {}, {words}: {stderr}", way.name, number + 1);
            assert_eq!(stdout, "", "{at}");
            if phase == "exec" {
                assert_eq!(status, 126, "{at}");
                continue;
            }
            assert_eq!(status, 125, "{at}");
            assert!(stderr.contains("(EPROTO)"), "{at}");
            assert!(
                stderr.contains(&format!(
                    "phase `{phase}`, step {} of {}",
                    number + 1,
                    steps.len()
                )),
                "{at}"
            );
        }
    }
}

/// A mount namespace of this thread's own in which `/` is shared recursively, with a fresh /tmp
/// and /dev/shm, so that whatever is left behind is seen.
fn shared_world(work: &Work) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("root may unshare mounts");
    let tools_directory = tools().sbx.parent().expect("tools lie in a directory").to_owned();
    let shown = tools_directory.display();
    let copy = work.at("tools");
    let script = format!(
        "set -e; mount --make-rprivate /; cp -a {shown} {copy}; mount -t tmpfs tmpfs /tmp; \
         mkdir -p {shown}; mount --bind {copy} {shown}; mount -t tmpfs tmpfs /dev/shm; \
         chmod 1777 /tmp /dev/shm; mount --make-rshared /"
    );
    let status = Command::new("/bin/sh").args(["-c", &script]).status().expect("a shell");
    assert!(status.success(), "{script}");
}

/// What would show that something was left behind.
fn world() -> (String, Vec<PathBuf>) {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
    let list = |path: &str| std::fs::read_dir(path).expect("a directory").flatten();
    let mut files: Vec<PathBuf> =
        list("/tmp").chain(list("/dev/shm")).map(|entry| entry.path()).collect();
    files.sort();
    (mounts, files)
}

/// Waits until no process of a sandbox is left: orphans are reparented to the tests.
fn nobody_is_left(at: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
            Err(rustix::io::Errno::CHILD) => return,
            Err(error) => panic!("{at}: {error}"),
            Ok(Some(_)) => {}
            Ok(None) => {
                assert!(Instant::now() < until, "{at}: a process of the sandbox is left");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Starts a run of the hooked sbx that stops before a step; what is returned with it lets go of
/// whoever stopped.
fn stopped(run: Sbx, step: usize, at: &str) -> (Running, PipeWriter) {
    let (mut reached, reached_end) = std::io::pipe().expect("a pipe");
    let (go_end, go) = std::io::pipe().expect("a pipe");
    rustix::io::fcntl_setfd(&reached_end, FdFlags::empty()).expect("it is open");
    rustix::io::fcntl_setfd(&go_end, FdFlags::empty()).expect("it is open");
    let hook = format!("stop:{step}:{}:{}", reached_end.as_raw_fd(), go_end.as_raw_fd());
    let running = run.env("SBX_TEST_HOOK", hook).start();
    drop((reached_end, go_end));
    reached
        .read_exact(&mut [0])
        .unwrap_or_else(|error| panic!("{at}: step {} was not reached: {error}", step + 1));
    (running, go)
}

fn stopped_at(way: Way, step: usize, described: impl FnOnce(Sbx) -> Sbx) -> (Running, PipeWriter) {
    stopped(described(hooked(way, "")), step, way.name)
}

/// Stops at a step, kills sbx there, and lets go of whoever stopped, or not.
fn kill_at(way: Way, step: usize, lets_go: bool) -> PipeWriter {
    let (mut running, mut go) = stopped_at(way, step, |run| run.command(["/bin/sleep", "1000"]));
    running.signal(Signal::KILL);
    running.wait();
    // A process that stopped before its death signal was set goes on, and must end by itself.
    if lets_go {
        let _gone = go.write_all(&[0]);
    }
    drop(running);
    go
}

/// Runs the hooked sbx with a directory `w` of the user, stops before the step that begins so, does
/// something outside, and goes on.
fn changed_before(
    caller: Caller,
    work: &Work,
    args: &[String],
    start: &str,
    change: impl FnOnce(),
) -> Ended {
    let with = |run: Sbx| run.args(["--no-profile"]).args(args);
    let script = "cat w/b/key; echo planted > w/b/planted; echo started";
    let command = |run: Sbx| run.cwd(work.path()).command(["/bin/sh", "-c", script]);
    let plan = command(with(Sbx::verb(caller, "plan").args(["--json"]))).ended().fine();
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a plan is JSON");
    let steps = plan["steps"].as_array().expect("steps");
    let words = |step: &serde_json::Value| step["words"].as_str().expect("text").to_owned();
    let step = steps.iter().position(|step| words(step).starts_with(start));
    let step = step.unwrap_or_else(|| panic!("no step `{start}` in {plan:#}"));
    let run = Sbx::run(caller).with_program(&tools().hooked);
    let (running, mut go) = stopped(command(with(run)), step, start);
    change();
    go.write_all(&[0]).expect("somebody waits for it");
    running.end()
}

/// Waits until a signal is pending for the last descendant of a process.
fn is_pending(sbx: i32, signal: u32) {
    let until = Instant::now() + Duration::from_secs(20);
    let children = |pid: i32| -> Vec<i32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        text.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    loop {
        let mut last = sbx;
        while let Some(child) = children(last).first() {
            last = *child;
        }
        let status = std::fs::read_to_string(format!("/proc/{last}/status")).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:\t"));
        let set = pending.and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
        if last != sbx && set >> (signal - 1) & 1 == 1 {
            return;
        }
        assert!(Instant::now() < until, "the signal never came: {status}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

as_both! {
    fn a_signal_that_sbx_passes_on_while_it_starts_is_no_failure(caller) {
        let _alone = alone();
        let way = Way { name: "passed on", caller, args: &[] };
        let step = steps(way).iter().position(|(_, words)| words == "unblock signals");
        let step = step.expect("a step of every plan");
        let (running, mut go) =
            stopped_at(way, step, |run| run.command(["/bin/echo", "started"]));
        running.signal(Signal::TERM);
        is_pending(running.pid(), 15);
        go.write_all(&[0]).expect("somebody waits for it");
        let ended = running.end();
        assert_eq!((ended.status, ended.signal), (143, None), "{ended:#?}");
        assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
    }

    fn a_place_that_is_exchanged_after_planning_gets_no_mount(caller) {
        let _alone = alone();
        for is_exchanged in [true, false] {
            for kind in ["private", "bind", "hide"] {
                let work = Work::new(caller);
                for name in ["w/a", "w/b", "other"] {
                    work.directory(name);
                }
                work.file("w/a/key", "secret");
                let (w, a, b) = (work.at("w"), work.at("w/a"), work.at("w/b"));
                let more = match kind {
                    "private" => ["--private".to_owned(), a.clone()],
                    "hide" => ["--hide".to_owned(), a.clone()],
                    _ => ["--bind".to_owned(), format!("{}:{a}", work.at("other"))],
                };
                let args = [vec!["--write".to_owned(), w], more.to_vec()].concat();
                let start = match kind {
                    "bind" => format!("bind {} on {a}", work.at("other")),
                    "hide" => format!("cover directory {a}"),
                    _ => format!("mount tmpfs on {a}"),
                };
                let exchange = || {
                    if is_exchanged {
                        let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
                        rustix::fs::renameat_with(here, &a, here, &b, flags).expect("one file system");
                    }
                };
                let ended = changed_before(caller, &work, &args, &start, exchange);
                assert!(!ended.stdout.contains("secret"), "{kind}: {ended:#?}");
                if is_exchanged {
                    ended.refused(125, &["looking whether it is what planning saw", "start again", &a]);
                    assert_eq!(ended.stdout, "", "{kind}");
                    assert!(!work.has("w/a/planted") && !work.has("w/b/planted"), "{kind}");
                } else {
                    assert_eq!(ended.stdout, "started\n", "{kind}: {ended:#?}");
                }
            }
        }
    }
}

#[test]
fn the_command_waits_until_sbx_and_init_hold_nothing() {
    let _alone = alone();
    for way in possible() {
        let steps = steps(way);
        let of = |start: &str| steps.iter().position(|(_, words)| words.starts_with(start));
        let drops = of("drop the supervisor's capabilities").expect("every way has this step");
        let init = of("init: hold nothing");
        assert_eq!(init.is_none(), way.name == "as process 1", "{}", way.name);
        for step in [Some(drops), init].into_iter().flatten() {
            let at = format!("{}: {}", way.name, steps[step].1);
            let work = Work::new(way.caller);
            let log = work.file("log", "");
            let (running, mut go) =
                stopped_at(way, step, |run| {
                    run.args(["--keep-fd", "9"])
                        .launch(format!("fd=9:a:{}", log.display()))
                        .command(["/bin/sh", "-c", "echo started >&9"])
                });
            // Long enough for one that does not wait.
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(work.read("log"), "", "{at}");
            go.write_all(&[0]).expect("it is stopped");
            running.end().fine();
            assert_eq!(work.read("log"), "started\n", "{at}");
        }
    }
}

/// The only child of a process.
fn child(pid: i32) -> i32 {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |number: &i32| {
        // Others come and go meanwhile.
        let text = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        text.lines().any(|line| line == format!("PPid:\t{pid}"))
    };
    let children: Vec<i32> = numbers.filter(is_child).collect();
    assert_eq!(children.len(), 1, "children of {pid}: {children:?}");
    children[0]
}

#[test]
fn a_process_that_is_killed_before_it_executes_is_no_status_of_the_command() {
    let _alone = alone();
    for way in possible() {
        let steps = steps(way);
        let has_init = steps.iter().any(|(_, words)| words.starts_with("init: hold nothing"));
        let step = steps.len() - 1;
        let (running, mut go) = stopped_at(way, step, |run| run.command(["/bin/echo", "started"]));
        let first = child(running.pid());
        let payload = if has_init { child(first) } else { first };
        let payload = Pid::from_raw(payload).expect("a process has a number");
        rustix::process::kill_process(payload, Signal::KILL).expect("it is stopped");
        let _gone = go.write_all(&[0]);
        let Ended { status, signal, stdout, stderr } = running.end();
        assert_eq!((status, signal, &*stdout), (125, None, ""), "{}: {stderr}", way.name);
        assert!(stderr.contains(&format!("phase `{}`", steps[step].0)), "{}: {stderr}", way.name);
    }
}

as_root! {
    fn killed_at_any_step_nothing_is_left_behind() {
        let _alone = alone();
        let work = Work::new(Caller::Root);
        shared_world(&work);
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("any process may");
        let mut count = 0;
        for way in possible() {
            let before = world();
            for step in 0..steps(way).len() {
                let at = format!("{}: killed at step {}", way.name, step + 1);
                drop(kill_at(way, step, true));
                nobody_is_left(&at);
                assert_eq!(world(), before, "{at}");
                count += 1;
            }
        }
        #[allow(clippy::print_stdout, reason = "the count belongs to the promise")]
        {
            println!("killed at {count} steps");
        }
    }

    fn killed_while_its_child_is_stopped_nothing_is_left_behind() {
        let _alone = alone();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("any process may");
        for way in possible() {
            let steps = steps(way);
            let spawn = steps.iter().position(|(phase, _)| phase == "spawn").expect("a phase");
            let session = steps.iter().position(|(phase, _)| phase == "session").expect("a phase");
            for step in spawn + 1..=session {
                let at = format!("{}: killed at step {}", way.name, step + 1);
                // Nobody lets it go on: the pipe stays open until nobody is left.
                let go = kill_at(way, step, false);
                nobody_is_left(&at);
                drop(go);
            }
        }
    }

    fn without_the_phase_that_isolates_mounts_they_are_seen_outside() {
        let _alone = alone();
        let work = Work::new(Caller::Root);
        shared_world(&work);
        let way = WAYS[4];
        assert_eq!(way.name, "without a user namespace");
        let isolate = steps(way).iter().position(|(phase, _)| phase == "isolate").expect("a phase");
        let before = world();
        let ended = hooked(way, &format!("skip:{isolate}")).command(["/bin/true"]).ended();
        assert_ne!(world(), before, "the test above would not see a mount that leaks: {ended:#?}");
    }
}
