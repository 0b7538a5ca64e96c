//! What changes on the host between planning and doing: sbx is stopped at a step, by
//! `tests/tools/hooked.rs`, and something is swapped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::Command;

use crate::common::{Caller, Ended, Sbx, Work, as_both, as_root, tools};
use rustix::io::FdFlags;

/// Runs a command up to the step with these words, does something, and goes on.
fn swapped(caller: Caller, args: &[&str], words: &str, swap: impl FnOnce()) -> Ended {
    let plan = Sbx::verb(caller, "plan").args(["--json"]).args(args).command(["/bin/true"]);
    let plan: serde_json::Value =
        serde_json::from_str(&plan.ended().fine().stdout).expect("a plan is JSON");
    let steps = plan["steps"].as_array().expect("steps");
    let is_it = |step: &serde_json::Value| {
        step["words"].as_str().is_some_and(|found| found.starts_with(words))
    };
    let step = steps.iter().position(is_it).unwrap_or_else(|| panic!("no `{words}` in {plan:#}"));
    let (mut reached, reached_end) = std::io::pipe().expect("a pipe");
    let (go_end, mut go) = std::io::pipe().expect("a pipe");
    rustix::io::fcntl_setfd(&reached_end, FdFlags::empty()).expect("it is open");
    rustix::io::fcntl_setfd(&go_end, FdFlags::empty()).expect("it is open");
    let hook = format!("stop:{step}:{}:{}", reached_end.as_raw_fd(), go_end.as_raw_fd());
    let run = Sbx::run(caller).with_program(&tools().hooked).env("SBX_TEST_HOOK", hook);
    let running = run.args(args).command(["/bin/true"]).start();
    drop((reached_end, go_end));
    reached.read_exact(&mut [0]).expect("the step is reached");
    swap();
    go.write_all(&[0]).expect("it is stopped");
    running.end()
}

as_both! {
    fn a_source_that_became_another_is_not_mounted(caller) {
        let work = Work::new(caller);
        let (source, other) = (work.file("source", "planned"), work.file("other", "swapped"));
        let bind = format!("{}:/shown", source.display());
        let words = format!("bind {} on /shown", source.display());
        let args = ["--bind", &bind];
        swapped(caller, &args, &words, || ()).fine();
        let swap = || fs::rename(&other, &source).expect("ours");
        let ended = swapped(caller, &args, &words, swap);
        ended.refused(125, &["(ESTALE)", "the path was changed while sbx was starting"]);
    }

    fn a_source_that_became_a_link_is_not_followed(caller) {
        let work = Work::new(caller);
        work.directory("above");
        work.directory("above/source");
        let source = work.at("above/source");
        let bind = format!("{source}:/shown");
        let swap = || {
            // The same directory is found at the end: only the link tells.
            fs::rename(work.at("above"), work.at("moved")).expect("ours");
            work.link("moved", "above");
        };
        let ended = swapped(caller, &["--bind", &bind], &format!("bind {source} on /shown"), swap);
        ended.refused(125, &["(ELOOP)", "look for a link"]);
    }

    fn a_stream_that_became_a_pipe_is_not_opened(caller) {
        let work = Work::new(caller);
        let input = work.file("input", "");
        if caller == Caller::Root {
            for path in [work.path(), &input] {
                std::os::unix::fs::chown(path, Some(0), Some(0)).expect("root may");
            }
        }
        let stdin = format!("process.stdin=\"{}\"", input.display());
        let swap = || {
            fs::remove_file(&input).expect("ours");
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::mkfifoat(rustix::fs::CWD, &input, mode).expect("ours");
        };
        let words = format!("open {} for descriptor 0", input.display());
        let ended = swapped(caller, &["--set", &stdin], &words, swap);
        ended.refused(125, &["(EINVAL)", "phase `open`"]);
    }
}

as_root! {
    fn a_dev_null_that_is_another_device_covers_nothing() {
        // In mounts of this thread's own, which its children inherit.
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("root may unshare mounts");
        let run = || Sbx::run(Caller::Root).command(["true"]).ended();
        run().fine();
        let script = "mount --make-rprivate / && mount --bind /dev/zero /dev/null";
        let status = Command::new("/bin/sh").args(["-c", script]).status().expect("a shell");
        assert!(status.success(), "{script}");
        run().refused(125, &["(ESTALE)"]);
    }
}
