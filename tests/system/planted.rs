//! What the command, or another user, can put where sbx goes on this start or on the next one.
//!
//! Each of these was seen to succeed on an earlier sbx.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use crate::common::{Caller, Sbx, Work, as_both, as_root, tools};

const SECRET: &str = "outside-of-every-grant";

/// A directory that is granted, `w`, and one that is not, `secret`, with a file in each.
fn world(caller: Caller) -> Work {
    let work = Work::new(caller);
    for directory in ["w", "w/data", "w/a", "w/a/hidden", "secret"] {
        work.directory(directory);
    }
    work.file("secret/key", SECRET);
    work.file("w/data/key", "harmless");
    work.file("w/a/hidden/key", SECRET);
    work
}

fn sh(caller: Caller, script: &str) -> Sbx {
    Sbx::run(caller).command(["/bin/sh", "-c", script])
}

as_both! {
    fn a_source_of_a_mount_is_not_followed_over_a_planted_link(caller) {
        let work = world(caller);
        let bind = format!("{}:/data:rw", work.at("w/data"));
        let run = |script: &str| {
            sh(caller, script).args(["--write", &work.at("w"), "--bind", &bind]).ended()
        };
        let (data, secret) = (work.at("w/data"), work.at("secret"));
        run(&format!("mv {data} {data}2; ln -s {secret} {data}")).fine();
        let ended = run("cat /data/key");
        ended.refused(125, &["is a link that must not be followed", "the command can write here"]);
    }

    fn a_stream_is_not_opened_through_a_planted_link(caller) {
        let work = world(caller);
        let log = work.at("w/log");
        symlink(work.at("secret/key"), &log).expect("a directory of ours");
        let stdout = format!("process.stdout=\"{log}\"");
        let ended = sh(caller, "echo evil").args(["--write", &work.at("w"), "--set", &stdout]).ended();
        ended.refused(125, &["log"]);
        assert_eq!(work.read("secret/key"), SECRET);
    }

    fn a_grant_between_does_not_loosen_what_is_hidden(caller) {
        let work = world(caller);
        let (w, a, hidden) = (work.at("w"), work.at("w/a"), work.at("w/a/hidden"));
        let ways: [&[&str]; 3] = [
            &["--write", &w, "--hide", &hidden],
            &["--write", &w, "--write", &a, "--hide", &hidden],
            &["--write", &w, "--exec", &w, "--exec", &a, "--hide", &hidden],
        ];
        for args in ways {
            let script = format!("mv {a} {w}/b; mv {hidden} {w}/c; cat {w}/*/key {w}/*/hidden/key");
            let ended = sh(caller, &script).args(args).ended();
            assert!(!ended.stdout.contains(SECRET), "{args:?}: {ended:#?}");
            assert!(work.has("w/a/hidden/key"), "{args:?}: it was moved away");
        }
        let bind = format!("{w}:/x");
        let ended = sh(caller, "true").args(["--write", &w, "--hide", &hidden, "--bind", &bind]).ended();
        ended.refused(125, &["shows it under another name"]);
    }

    fn what_is_hidden_below_a_single_mount_is_hidden(caller) {
        let work = world(caller);
        let (bind, hidden) = (format!("{w}:{w}:rw", w = work.at("w")), work.at("w/a/hidden"));
        let ended = sh(caller, &format!("ls -A {hidden} && cat {hidden}/key"))
            .args(["--bind", &bind, "--hide", &hidden])
            .ended();
        assert_eq!(ended.stdout, "", "{ended:#?}");
        assert!(ended.stderr.contains("No such file"), "{ended:#?}");
    }

    fn hiding_what_nothing_shows_changes_nothing(caller) {
        let work = world(caller);
        let hidden = work.at("w/a/hidden");
        let ended = sh(caller, "pwd").args(["--hide", &hidden]).cwd(work.path()).ended().fine();
        assert_eq!(ended.stdout.trim(), work.account.home.to_string_lossy());
    }

    fn a_profile_that_a_run_was_made_from_is_read_only_inside(caller) {
        let work = world(caller);
        let text = format!("sbx = 1\n[files]\nwrite = [\"{}\"]\n", work.at("w"));
        let profile = work.file("w/my.toml", &text);
        if caller == Caller::Root {
            chown(&profile, Some(0), Some(0)).expect("root may");
        }
        let path = profile.to_str().expect("a path of tests is UTF-8");
        let script = format!("echo evil >> {path}; mv {path} {path}2; rm -f {path}; echo done");
        let ended = sh(caller, &script).args(["-p", path]).ended();
        assert_eq!(ended.stdout, "done\n", "{ended:#?}");
        assert_eq!(work.read("w/my.toml"), text);
    }

    fn a_standard_stream_that_is_a_directory_is_refused(caller) {
        let work = world(caller);
        let run = sh(caller, "echo started").launch(format!("fd=0:dir:{}", work.at("secret")));
        let ended = run.ended();
        ended.refused(125, &["descriptor 0", "a way into the host's tree"]);
        assert_eq!(ended.stdout, "");
    }

    fn a_named_pipe_as_a_profile_or_stream_makes_nobody_wait(caller) {
        let work = world(caller);
        let pipe = work.path().join("pipe.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600))
            .expect("a directory of ours");
        if caller == Caller::Ordinary {
            work.account.own(&pipe);
        }
        let path = pipe.to_str().expect("a path of tests is UTF-8");
        sh(caller, "true").args(["-p", path]).ended().refused(125, &["is not a regular file"]);
        let stdin = format!("process.stdin=\"{path}\"");
        sh(caller, "true").args(["--set", &stdin]).ended().refused(125, &["pipe.toml"]);
    }

    fn a_program_in_an_open_place_does_not_choose_its_profile_by_its_name(caller) {
        let work = world(caller);
        let program = work.program("firefox", "#!/bin/sh\nreadlink /proc/self/ns/net\n");
        let path = program.to_str().expect("a path of tests is UTF-8");
        let ended = Sbx::run(caller).args(["--read", path]).command([path]).ended().fine();
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        assert_ne!(ended.stdout.trim(), own.to_string_lossy(), "it has the network of the host");
    }
}

#[test]
fn a_link_to_the_profiles_cannot_be_replaced() {
    let caller = Caller::Ordinary;
    let work = world(caller);
    for directory in ["config", "dot", "dot/sbx", "dot/sbx/profiles"] {
        work.directory(directory);
    }
    work.link(work.at("dot/sbx"), "config/sbx");
    let ended = sh(caller, "true")
        .env("XDG_CONFIG_HOME", work.at("config"))
        .args(["--write", &work.at("config")])
        .ended();
    ended.refused(125, &["which the command could replace"]);
}

as_root! {
    fn ids_of_a_root_directory_count_only_where_root_alone_writes_them() {
        let work = Work::new(Caller::Root);
        for directory in ["root", "root/etc", "root/tmp", "root/proc", "root/dev"] {
            work.directory(directory);
        }
        work.file("root/etc/passwd", "app:x:4711:6::/:/bin/sh\n4712:x:0:0::/:/bin/sh\n");
        work.file("root/etc/group", "disk:x:6:\nroot:x:0:app\n");
        let probe = tools().probe.clone();
        fs::copy(probe, work.path().join("root/probe")).expect("the directory is ours");
        let root = work.at("root");
        let run = |user: &str| {
            let run = Sbx::bare(Caller::Root, "run").args(["--rootfs", &root, "--user", user]);
            run.command(["/probe", "report"]).ended()
        };
        run("app").refused(125, &["can be written by others than root", "by number"]);
        // A number is a number, whoever is called so.
        let ended = run("4712:4712:4712").fine();
        assert!(ended.stdout.contains("4712"), "{ended:#?}");
        for path in ["root", "root/etc", "root/etc/passwd", "root/etc/group"] {
            chown(work.path().join(path), Some(0), Some(0)).expect("root may");
            let mode = if path.contains("passwd") || path.contains("group") { 0o644 } else { 0o755 };
            fs::set_permissions(work.path().join(path), fs::Permissions::from_mode(mode))
                .expect("ours");
        }
        run("app").refused(125, &["the host's group of root"]);
        fs::write(work.path().join("root/etc/group"), "disk:x:6:\n").expect("root may");
        run("app").fine();
    }
}
