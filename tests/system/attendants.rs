//! Who stays beside the command: sbx itself, and init. Looked at from outside, while it runs.

use std::fs;

use crate::common::{Caller, Report, Running, Sbx, as_both, tools};
use rustix::process::Signal;

/// Ways to start, with and without a lock on the mounts: init maps ids for that.
const WAYS: [&[&str]; 2] = [&[], &["--keep-cap", "net-bind-service"]];

fn four(number: u32) -> String {
    [number; 4].map(|n| n.to_string()).join(" ")
}

/// No capability.
const NONE: &str = "0000000000000000";
/// CAP_KILL.
const KILL: &str = "0000000000000020";

/// A command that stays, and was executed: everybody has done what is owed to it.
fn staying(caller: Caller, way: &[&str]) -> Running {
    let mut run = Sbx::probe(caller, ["sleep"]).args(way).start();
    run.wait_for("ready");
    run
}

/// What proc says of a process of the host.
fn status(pid: i32) -> Report {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line =
        |line: &str| line.replacen(':', " ", 1).split_whitespace().collect::<Vec<_>>().join(" ");
    Report::parse(&text.lines().map(|text| line(text) + "\n").collect::<String>())
}

/// The only child of a process.
fn child(pid: i32) -> i32 {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |number: &i32| {
        // Others come and go meanwhile.
        let text = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        text.lines().any(|line| line == format!("PPid:\t{pid}"))
    };
    let children: Vec<i32> = numbers.filter(is_child).collect();
    assert_eq!(children.len(), 1, "children of {pid}: {children:?}");
    children[0]
}

/// Whether an ordinary user can look into a process of the same user.
fn environment_of(pid: i32) -> String {
    let path = format!("/proc/{pid}/environ");
    let look = Sbx::program(Caller::Ordinary, &tools().probe).args(["open", &path, "r"]);
    look.report().one("open").rsplit(' ').next().unwrap_or_default().to_owned()
}

/// What `look` says about sbx and about init while a command runs; on whatever it says, the command
/// is gone before it is judged.
fn beside<T>(caller: Caller, way: &[&str], look: impl Fn(i32) -> T) -> [T; 2] {
    let run = staying(caller, way);
    let said = [run.pid(), child(run.pid())].map(look);
    run.signal(Signal::KILL);
    run.end();
    said
}

as_both! {
    fn init_is_the_commands_user_and_holds_nothing(caller) {
        let account = caller.account();
        for way in WAYS {
            let [_, init] = beside(caller, way, status);
            assert_eq!(init.one("Name"), "sbx-init");
            assert_eq!(init.one("Uid"), four(account.uid), "{way:?}");
            assert_eq!(init.one("Gid"), four(account.gid), "{way:?}");
            let mut groups: Vec<u32> =
                init.one("Groups").split(' ').filter_map(|group| group.parse().ok()).collect();
            groups.sort_unstable();
            assert_eq!(groups, account.groups, "{way:?}");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(init.one(set), NONE, "{set} {way:?}");
            }
            assert_eq!(init.one("NoNewPrivs"), "1", "{way:?}");
        }
    }

    fn sbx_keeps_the_right_to_pass_signals_on_and_no_other(caller) {
        let kept = if caller == Caller::Root { KILL } else { NONE };
        for way in WAYS {
            let [sbx, _] = beside(caller, way, status);
            for (set, expected) in [("CapInh", NONE), ("CapPrm", kept), ("CapEff", kept), ("CapAmb", NONE)] {
                assert_eq!(sbx.one(set), expected, "{set} {way:?}");
            }
            assert_eq!(sbx.one("NoNewPrivs"), "1", "{way:?}");
        }
    }

    fn nobody_looks_into_those_who_stay_beside_the_command(caller) {
        let mut other = Sbx::program(Caller::Ordinary, &tools().probe).args(["sleep"]).start();
        other.wait_for("ready");
        let own = environment_of(other.pid());
        other.signal(Signal::KILL);
        other.end();
        assert_eq!(own, "ok", "a user may look at its own processes");
        assert_eq!(beside(caller, &[], environment_of), ["EACCES"; 2], "sbx, init");
    }
}
