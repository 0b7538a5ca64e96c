//! What the environment and open directories say, and what of it sbx believes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use crate::common::{Caller, Sbx, Work, as_both, as_root};

/// Gives a path to root, with a mode.
fn roots(path: impl AsRef<Path>, mode: u32) {
    chown(&path, Some(0), Some(0)).expect("root may");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root may");
}

as_both! {
    fn a_relative_data_directory_has_no_profiles(caller) {
        let work = Work::new(caller);
        work.directory("data/sbx/profiles");
        work.profile(caller, "data/sbx/profiles/planted.toml", "sbx = 1\n");
        let run = |data: &str| {
            let run = Sbx::run(caller).env("XDG_DATA_DIRS", data).cwd(work.path());
            run.args(["-p", "planted"]).command(["true"]).ended()
        };
        run("data").refused(125, &["there is no profile `planted`"]);
        // Root takes no profiles from where the environment says.
        let absolute = run(&work.at("data"));
        match caller {
            Caller::Ordinary => assert_eq!(absolute.status, 0, "{absolute:#?}"),
            Caller::Root => absolute.refused(125, &["there is no profile `planted`"]),
        }
    }

    fn variables_of_the_caller_are_not_those_of_another_user(caller) {
        let work = Work::new(caller);
        work.file("key", "");
        let plan = Sbx::verb(caller, "plan").env("XDG_CONFIG_HOME", work.at(""));
        let plan = plan.args(["--read", "?$XDG_CONFIG_HOME/key"]).command(["true"]).ended().fine();
        let is_believed = plan.stdout.contains(&work.at("key"));
        assert_eq!(is_believed, caller == Caller::Ordinary, "{}", plan.stdout);
    }

    fn the_working_directory_is_not_searched_for_commands(caller) {
        let work = Work::new(caller);
        work.program("only-here", "#!/bin/sh\n");
        let run = |path: &str| {
            let set = format!("PATH={path}");
            let run = Sbx::run(caller).args(["--read", ".", "--env", &set]).cwd(work.path());
            run.command(["only-here"]).ended()
        };
        run(&format!("{}:/usr/bin", work.path().display())).fine();
        for path in [":/usr/bin", "/usr/bin:", "/usr/bin::/bin"] {
            run(path).refused(127, &["`only-here` not found"]);
        }
    }

    fn a_directory_that_everybody_can_write_is_no_project(caller) {
        let work = Work::new(caller);
        let run = || Sbx::run(caller).args(["--read", "$PROJECT"]).cwd(work.path());
        run().command(["true"]).ended().fine();
        fs::set_permissions(work.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        run().command(["true"]).ended().refused(125, &["everybody can write the project"]);
        // A command that may write there could have opened it, to be rid of a rule: `?` does not help.
        let hide = Sbx::run(caller).args(["--hide", "?$PROJECT/x"]).cwd(work.path());
        hide.command(["true"]).ended().refused(125, &["everybody can write the project", "chmod o-w"]);
        let elsewhere = Sbx::run(caller).args(["--hide", "?$PROJECT/x"]).cwd("/tmp");
        elsewhere.command(["true"]).ended().fine();
    }

    fn a_profile_has_a_greatest_length(caller) {
        let work = Work::new(caller);
        let run = |length: usize| {
            let text = format!("sbx = 1\n{}\n", "#".repeat(length - 9));
            let profile = work.profile(caller, "long.toml", &text);
            Sbx::run(caller).profile(&profile).command(["true"]).ended()
        };
        run(256 << 10).fine();
        run((256 << 10) + 1).refused(125, &["long.toml is longer than 262144 bytes"]);
    }
}

#[test]
fn a_link_to_dev_null_masks_a_profile() {
    let work = Work::new(Caller::Ordinary);
    work.directory("sbx/profiles");
    symlink("/dev/null", work.at("sbx/profiles/firefox.toml")).expect("ours");
    let plan = |name: &str| {
        let plan = Sbx::verb(Caller::Ordinary, "plan").env("XDG_CONFIG_HOME", work.at(""));
        plan.args(["-p", name]).command(["true"]).ended().fine().stdout
    };
    let namespaces = |plan: &str| {
        let line = plan.lines().find(|line| line.contains("in new namespaces:"));
        line.expect("a process is started").to_owned()
    };
    work.file("sbx/profiles/nothing.toml", "sbx = 1\n");
    assert_eq!(namespaces(&plan("firefox")), namespaces(&plan("nothing")));
}

as_root! {
    fn a_program_does_not_choose_its_profile_where_everybody_can_put_one() {
        let work = Work::new(Caller::Root);
        roots(work.path(), 0o755);
        let directory = work.directory("open");
        let program = work.program("open/firefox", "#!/bin/sh\n");
        roots(&program, 0o755);
        let path = program.to_str().expect("UTF-8");
        let has_network = |mode: u32| {
            roots(&directory, mode);
            let plan = Sbx::verb(Caller::Root, "plan").args(["--read", path]).command([path]);
            let plan = plan.ended().fine().stdout;
            let line = plan.lines().find(|line| line.contains("in new namespaces:"));
            !line.expect("a process is started").contains(" net ")
        };
        assert!(has_network(0o755), "root alone put it there");
        for mode in [0o777, 0o775, 0o757] {
            assert!(!has_network(mode), "{mode:o}");
        }
    }

    fn root_opens_no_stream_where_others_choose_the_file() {
        let work = Work::new(Caller::Root);
        let run = || {
            let stdout = format!("process.stdout=\"{}\"", work.at("log"));
            Sbx::run(Caller::Root).set(&stdout).command(["echo", "written"]).ended()
        };
        run().refused(125, &["others than root can change", &work.path().display().to_string()]);
        roots(work.path(), 0o777);
        run().refused(125, &["others than root can change"]);
        assert!(!work.has("log"));
        roots(work.path(), 0o755);
        run().fine();
        assert_eq!(work.read("log"), "written\n");
    }

    fn ids_of_a_root_directory_do_not_count_where_its_group_or_everybody_writes_them() {
        let work = Work::new(Caller::Root);
        let root = work.root_directory("app:x:4711:4711::/:/bin/sh\n", "app:x:4711:\n");
        let run = || {
            let run = Sbx::bare(Caller::Root, "run").args(["--rootfs", &root]);
            run.args(["--user", "app"]).command(["/probe", "caps"]).ended()
        };
        let paths =
            [("root", 0o755), ("root/etc", 0o755), ("root/etc/passwd", 0o644), ("root/etc/group", 0o644)];
        for (path, mode) in paths {
            roots(work.at(path), mode);
        }
        run().fine();
        for (path, mode) in paths {
            for open in [0o020, 0o002] {
                roots(work.at(path), mode | open);
                run().refused(125, &["can be written by others than root"]);
            }
            roots(work.at(path), mode);
        }
    }
}
