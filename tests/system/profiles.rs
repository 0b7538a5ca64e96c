//! Profiles: no sandbox changes those of the next start, and none gives way to another unseen.
//!
//! Each of these was seen to succeed on an earlier sbx.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use crate::common::{Caller, Feature, Sbx, Work, as_both, as_root, needs};
use crate::world::{sh, world};

as_both! {
    fn a_profile_is_not_rewritten_through_a_mount(caller) {
        let work = world(caller);
        let profile = work.profile(caller, "w/my.toml", "sbx = 1\n");
        let profile = profile.to_str().expect("UTF-8");
        for to in ["/x".to_owned(), work.at("w")] {
            let bind = format!("{}:{to}:rw", work.at("w"));
            let ended = sh(caller, "true").args(["-p", profile, "--bind", &bind]).ended();
            ended.refused(125, &["error[own-profiles]", profile, "make it `ro`"]);
        }
        let bind = format!("{}:/x", work.at("w"));
        sh(caller, "true").args(["-p", profile, "--bind", &bind]).ended().fine();
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

    fn a_program_found_in_a_path_of_the_flags_does_not_choose_its_profile(caller) {
        let plan = |args: &[&str]| Sbx::verb(caller, "plan").args(args).command(["firefox"]).ended().fine();
        assert!(plan(&[]).stdout.contains("profile `browser` is used"));
        for args in [
            ["--env", "PATH=/work:/usr/bin"], ["--env", "PATH"], ["--env", "P*"],
            ["--set", "env.set={PATH=\"/x\"}"], ["--set", "env.pass=[\"PATH\"]"],
        ] {
            assert!(!plan(&args).stdout.contains("profile `browser` is used"), "{args:?}");
        }
        assert!(plan(&["--env", "LANG=C"]).stdout.contains("profile `browser` is used"));
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

/// An ordinary caller whose profiles lie in `config` of the world.
fn with_config(work: &Work, script: &str) -> Sbx {
    sh(Caller::Ordinary, script).env("XDG_CONFIG_HOME", work.at("config"))
}

#[test]
fn a_link_to_the_profiles_cannot_be_replaced() {
    let caller = Caller::Ordinary;
    let work = world(caller);
    for directory in ["config", "dot/sbx/profiles"] {
        work.directory(directory);
    }
    work.link(work.at("dot/sbx"), "config/sbx");
    let ended = sh(caller, "true")
        .env("XDG_CONFIG_HOME", work.at("config"))
        .args(["--write", &work.at("config")])
        .ended();
    ended.refused(125, &["which the command could replace"]);
}

#[test]
fn a_link_to_the_profiles_cannot_be_replaced_through_a_mount() {
    let work = world(Caller::Ordinary);
    for directory in ["config", "dot/sbx/profiles"] {
        work.directory(directory);
    }
    work.link(work.at("dot/sbx"), "config/sbx");
    let bind = format!("{}:/c:rw", work.at("config"));
    let ended = with_config(&work, "true").args(["--bind", &bind]).ended();
    ended.refused(125, &["error[own-profiles]", "make it `ro`"]);
}

#[test]
fn what_a_link_among_the_profiles_leads_to_is_never_writable() {
    let work = world(Caller::Ordinary);
    work.directory("config/sbx/profiles");
    let profile = work.file("w/my.toml", "sbx = 1\n");
    work.link(&profile, "config/sbx/profiles/my.toml");
    let path = profile.display();
    let ended = with_config(&work, &format!("echo evil >> {path}; echo done"));
    let ended = ended.args(["--write", &work.at("w")]).ended();
    assert_eq!(ended.stdout, "done\n", "{ended:#?}");
    assert_eq!(work.read("w/my.toml"), "sbx = 1\n");
}

#[test]
fn profiles_that_were_closed_do_not_give_way_to_others() {
    let work = world(Caller::Ordinary);
    work.directory("config/sbx/profiles");
    work.file("config/sbx/profiles/build.toml", "sbx = 1\n[files]\nhide = [\"?~/x\"]\n");
    let plan = || {
        let plan = Sbx::verb(Caller::Ordinary, "plan").env("XDG_CONFIG_HOME", work.at("config"));
        plan.args(["-p", "build"]).command(["true"]).ended()
    };
    plan().fine();
    for closed in ["config", "config/sbx/profiles"] {
        fs::set_permissions(work.at(closed), fs::Permissions::from_mode(0o000)).expect("ours");
        plan().refused(125, &["error[unreadable-profile]", "(EACCES)", "chmod u+rx"]);
        // One of them might serve this command.
        let run = Sbx::run(Caller::Ordinary).env("XDG_CONFIG_HOME", work.at("config"));
        run.command(["true"]).ended().refused(125, &["error[unreadable-profile]"]);
        fs::set_permissions(work.at(closed), fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

#[test]
fn a_profile_that_may_serve_a_command_does_not_give_way_to_another() {
    let work = world(Caller::Ordinary);
    work.directory("config/sbx/profiles");
    let plan = |text: &str, command: &str| {
        work.file("config/sbx/profiles/my.toml", text);
        let plan = Sbx::verb(Caller::Ordinary, "plan").env("XDG_CONFIG_HOME", work.at("config"));
        plan.command([command]).ended()
    };
    // The built-in `browser` serves it, with the host's network.
    let right = "sbx = 1\n[match]\ncommands = [\"firefox\"]\n";
    assert!(plan(right, "firefox").fine().stdout.contains("profile `my` is used"));
    for slip in [
        "sbx = 1\n[match]\ncommands = [\"firefox\"]\n[network]\nmode = none\n",
        "[match\ncommands = [\"firefox\"]\n",
        "[match]\ncommands = [firefox]\n",
        "[match]\ncommand = [\"firefox\"]\n",
        "[match]\ncommands = \"firefox\"\n",
        "[match]\ncommands = [\"/usr/bin/firefox\"]\n",
        "[macth]\ncommands = [\"firefox\"]\n",
        "commands = [\"firefox\"]\n",
    ] {
        let ended = plan(slip, "firefox");
        ended.refused(125, &["may be meant to serve `firefox`", "my.toml:", "--profile NAME"]);
        plan(slip, "true").fine();
        plan(slip, "fire").fine();
    }
    let other = "[match]\ncommands = [\"vi\"]\n[files]\nraed = []\n# not firefox\n";
    assert!(plan(other, "firefox").fine().stdout.contains("profile `browser` is used"));
}

#[test]
fn profiles_behind_a_link_that_leads_to_what_was_closed_do_not_give_way() {
    let work = world(Caller::Ordinary);
    for directory in ["config", "dot/profiles"] {
        work.directory(directory);
    }
    work.file("dot/profiles/build.toml", "sbx = 1\n[files]\nhide = [\"?~/x\"]\n");
    let link = work.link(work.at("dot"), "config/sbx");
    let plan = || {
        let plan = Sbx::verb(Caller::Ordinary, "plan").env("XDG_CONFIG_HOME", work.at("config"));
        plan.args(["-p", "build"]).command(["true"]).ended()
    };
    let links_of_root: &[bool] = if needs(Feature::Root) { &[false, true] } else { &[false] };
    for is_roots in links_of_root {
        if *is_roots {
            std::os::unix::fs::lchown(&link, Some(0), Some(0)).expect("root may");
        }
        plan().fine();
        fs::set_permissions(work.at("dot"), fs::Permissions::from_mode(0o000)).expect("ours");
        plan().refused(125, &["error[unreadable-profile]", "(EACCES)"]);
        fs::set_permissions(work.at("dot"), fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

#[test]
fn profiles_that_cannot_be_listed_are_kept() {
    let work = world(Caller::Ordinary);
    work.directory("config/sbx/profiles");
    let profile = work.file("w/my.toml", "sbx = 1\n");
    work.link(&profile, "config/sbx/profiles/my.toml");
    let profiles = work.at("config/sbx/profiles");
    let empty = work.file("empty.toml", "");
    let run = || {
        let run = with_config(&work, &format!("echo evil >> {}", profile.display()));
        run.profile(&empty).args(["--write", &work.at("w")]).ended()
    };
    for mode in [0o311, 0o644, 0o000] {
        fs::set_permissions(&profiles, fs::Permissions::from_mode(mode)).expect("ours");
        let ended = run();
        fs::set_permissions(&profiles, fs::Permissions::from_mode(0o755)).expect("ours");
        ended.refused(125, &["error[own-profiles]", "may not list", "chmod u+rx"]);
    }
    // What somebody else keeps to itself, no sandbox of the caller's has closed.
    if needs(Feature::Root) {
        let run = sh(Caller::Ordinary, "true").env("XDG_DATA_DIRS", work.at("others"));
        work.directory("others");
        std::os::unix::fs::chown(work.at("others"), Some(0), Some(0)).expect("root may");
        fs::set_permissions(work.at("others"), fs::Permissions::from_mode(0o700))
            .expect("root may");
        run.args(["--no-profile", "--write", &work.at("w")]).ended().fine();
    }
    assert_eq!(work.read("w/my.toml"), "sbx = 1\n");
}

#[test]
fn a_profile_with_two_names_is_not_read() {
    let work = world(Caller::Ordinary);
    let profile = work.file("w/my.toml", "sbx = 1\n");
    sh(Caller::Ordinary, "true").profile(&profile).ended().fine();
    fs::hard_link(&profile, work.at("w/other")).expect("a directory of ours");
    let ended = sh(Caller::Ordinary, "true").profile(&profile).ended();
    ended.refused(125, &["has 2 names", "make it a file of its own"]);
    // Written by its other name, which is removed then, it would look as before.
    work.directory("config/sbx/profiles");
    let profile = work.file("config/sbx/profiles/other.toml", "sbx = 1\n");
    let write =
        || with_config(&work, "true").args(["--no-profile", "--write", &work.at("w")]).ended();
    write().fine();
    fs::hard_link(&profile, work.at("w/third")).expect("a directory of ours");
    write().refused(125, &["error[own-profiles]", "has other names"]);
    fs::remove_file(work.at("w/third")).expect("ours");
    // A profile that is a link to one, as dotfiles are kept.
    let dotfile = work.file("secret/dot.toml", "sbx = 1\n");
    work.link(&dotfile, "config/sbx/profiles/dot.toml");
    write().fine();
    fs::hard_link(&dotfile, work.at("w/third")).expect("a directory of ours");
    write().refused(125, &["error[own-profiles]", "has other names"]);
}

#[test]
fn profiles_of_the_user_are_found_without_a_home_in_the_environment() {
    let work = world(Caller::Ordinary);
    work.directory("config/sbx/profiles");
    work.file("config/sbx/profiles/mine.toml", "sbx = 1\n");
    let script = format!("env -u HOME XDG_CONFIG_HOME={} $SBX profiles", work.at("config"));
    let ended = Sbx::shell(Caller::Ordinary, &script).ended().fine();
    assert!(ended.stdout.lines().any(|line| line.starts_with("mine")), "{ended:#?}");
}

#[test]
fn profiles_of_a_start_without_an_environment_are_kept_as_well() {
    let work = world(Caller::Ordinary);
    let config = work.account.home.join(".config/sbx/profiles");
    let planted = config.join(format!("planted-{}.toml", std::process::id()));
    let script = format!("echo evil > {}", planted.display());
    let home = work.account.home.to_str().expect("UTF-8").to_owned();
    // HOME says another place: the one of passwd counts all the same.
    let ended = sh(Caller::Ordinary, &script)
        .env("HOME", work.at("w"))
        .args(["--write", &home, "--home", "none"])
        .ended();
    let was_planted = fs::remove_file(&planted).is_ok();
    assert!(ended.status != 0 && !was_planted, "{ended:#?}");
}

as_root! {
    fn profiles_of_the_commands_user_are_kept_when_root_starts_it() {
        let work = world(Caller::Root);
        let config = work.account.home.join(".config/sbx/profiles");
        let planted = config.join(format!("planted-by-root-{}.toml", std::process::id()));
        let script = format!("echo evil > {}", planted.display());
        let home = work.account.home.to_str().expect("UTF-8").to_owned();
        let ended = sh(Caller::Root, &script).args(["--write", &home]).ended();
        let was_planted = fs::remove_file(&planted).is_ok();
        assert!(ended.status != 0 && !was_planted, "{ended:#?}");
    }
}
