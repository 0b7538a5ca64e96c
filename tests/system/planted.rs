//! What the command, or another user, can put where sbx goes on this start or on the next one.
//!
//! Each of these was seen to succeed on an earlier sbx.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use crate::common::{Caller, Feature, Sbx, Work, as_both, as_root, needs};
use crate::world::{SECRET, sh, world};

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
            let script = format!("mv {a} {w}/b; mv {hidden} {w}/c; cat {w}/*/key {w}/*/hidden/key; echo ran");
            let ended = sh(caller, &script).args(args).ended().fine();
            assert_eq!(ended.stdout, "harmlessran\n", "{args:?}: {ended:#?}");
            assert!(work.has("w/a/hidden/key"), "{args:?}: it was moved away");
        }
        let bind = format!("{w}:/x");
        let ended = sh(caller, "true").args(["--write", &w, "--hide", &hidden, "--bind", &bind]).ended();
        ended.refused(125, &["is hidden, and can be seen as `/x/a/hidden`"]);
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

    fn a_rule_does_not_go_because_its_path_was_closed(caller) {
        // Root may look everywhere: there the rules hold, here the start is refused.
        let work = world(caller);
        let (w, data, hidden) = (work.at("w"), work.at("w/data"), work.at("w/a/hidden"));
        for (rule, seek) in [
            (["--hide", &format!("?{hidden}")], format!("cat {hidden}/key")),
            (["--read", &format!("?{data}")], format!("echo evil >> {data}/key")),
            (["--hide", &format!("?{w}/*/hidden")], format!("cat {hidden}/key")),
            (["--hide", &format!("?{w}/**/hidden")], format!("cat {hidden}/key")),
        ] {
            let run = |script: &str| {
                sh(caller, script).args(["--write", &w]).args(rule).cwd("/").ended()
            };
            for mode in ["000", "300"] {
                run(&format!("chmod {mode} {w}"));
                let ended = run(&format!("chmod 755 {w}; {seek}"));
                assert_ne!(ended.status, 0, "{rule:?} {mode}: {ended:#?}");
                assert_eq!(ended.stdout, "", "{rule:?} {mode}");
                assert_eq!(work.read("w/data/key"), "harmless", "{rule:?} {mode}");
                if caller == Caller::Ordinary && (mode == "000" || rule[1].contains('*')) {
                    ended.refused(125, &["the command can write here", "chmod u+rx"]);
                }
                fs::set_permissions(&w, fs::Permissions::from_mode(0o755)).expect("ours");
            }
        }
    }

    fn a_pattern_is_not_replaced_by_a_name_that_looks_like_it(caller) {
        let work = world(caller);
        work.file("w/a.key", SECRET);
        for (pattern, plant) in [("*.key", "touch './*.key'"), ("?a.ke[y]", "touch './?a.ke[y]'")] {
            let run = |script: &str| {
                let args = ["--write", ".", "--hide", pattern];
                sh(caller, script).args(args).cwd(work.at("w")).ended()
            };
            run(plant).fine();
            assert_eq!(run("cat a.key").stdout, "", "{pattern}");
        }
    }

    fn a_directory_that_is_made_sure_of_undoes_no_rule(caller) {
        let work = world(caller);
        let w = work.at("w");
        let run = |rule: &str, at: &str, script: &str| {
            let dirs: Vec<String> =
                [at, "w/a"].iter().map(|at| format!("{{kind=\"dir\",to=\"{}\"}}", work.at(at))).collect();
            let args = ["--write", &w, rule, &work.at(at)];
            sh(caller, script).args(args).set(&format!("mount=[{}]", dirs.join(","))).ended()
        };
        let ended = run("--hide", "w/a/hidden", "true");
        ended.refused(125, &["is hidden, and a mount is to be there"]);
        let ended = run("--private", "w/a/hidden", &format!("ls -A {w}/a/hidden; mv {w}/a {w}/b"));
        assert_eq!(ended.stdout, "", "{ended:#?}");
        let ended = run("--read", "w/a/hidden", &format!("echo evil >> {w}/a/hidden/key; mv {w}/a {w}/b"));
        assert_eq!(ended.stderr.matches("Read-only file system").count(), 1, "{ended:#?}");
        assert_eq!(work.read("w/a/hidden/key"), SECRET);
    }

    fn a_mount_over_a_link_with_dots_is_hidden_where_it_is(caller) {
        let work = world(caller);
        for directory in ["n/lk", "n/shared/docs", "v/a"] {
            work.directory(directory);
        }
        work.link("../shared/docs", "n/lk/docs");
        let (n, docs, v) = (work.at("n"), work.at("n/lk/docs"), work.at("v"));
        let run = |args: &[&str], path: &str| sh(caller, &format!("cat {path}")).args(args).ended();
        let key = format!("{docs}/hidden/key");
        let bind = format!("{}:{docs}", work.at("w/a"));
        let ended = run(&["--read", &n, "--bind", &bind, "--hide", &format!("?{key}")], &key);
        // Root follows no link of the command's user to nothing of that user's.
        let words = if caller == Caller::Root { "must not be followed" } else { "Permission denied" };
        assert!(ended.stderr.contains(words), "{ended:#?}");
        let bind = format!("{}:{v}/../v/a", work.at("w/a/hidden"));
        let ended = run(&["--read", &v, "--bind", &bind, "--hide", &format!("?{v}/a/key")], &format!("{v}/a/key"));
        assert!(ended.stderr.contains("Permission denied"), "{ended:#?}");
    }

    fn one_of_several_names_below_a_mount_is_not_hidden_alone(caller) {
        let work = world(caller);
        fs::hard_link(work.at("w/a/hidden/key"), work.at("w/a/other")).expect("a directory of ours");
        let bind = format!("{}:/x", work.at("w/a"));
        let run = |hide: &str| {
            sh(caller, "cat /x/other").args(["--bind", &bind, "--hide", hide]).ended()
        };
        run("/x/hidden/key").refused(125, &["has 2 names"]);
        run("?/x/hidden/key").fine();
    }

    fn hiding_what_a_mount_shows_in_a_lower_layer_wins(caller) {
        let work = world(caller);
        let profile = format!("[[mount]]\nkind = \"bind\"\nfrom = \"{}\"\nto = \"/data\"\n", work.at("secret"));
        let profile = work.profile(caller, "my", &profile);
        let run = |args: &[&str]| sh(caller, "cat /data/key").profile(&profile).args(args).ended();
        assert_eq!(run(&[]).fine().stdout, SECRET);
        let ended = run(&["--hide", "/data"]);
        assert!(ended.stderr.contains("No such file"), "{ended:#?}");
    }

    fn noexec_of_a_mount_is_not_undone_in_a_part_of_it(caller) {
        let work = world(caller);
        work.program("w/a/tool", "#!/bin/sh\necho ran\n");
        let mount = |options: &str| {
            let w = work.at("w");
            format!("mount=[{{kind=\"bind\",from=\"{w}\",to=\"/x\",options=[\"rw\"{options}]}}]")
        };
        let run = |options: &str| {
            Sbx::run(caller).set(&mount(options)).args(["--exec", "/x/a"]).command(["/x/a/tool"]).ended()
        };
        assert_eq!(run("").fine().stdout, "ran\n");
        assert_eq!(run(",\"noexec\"").status, 126);
    }

    fn the_project_of_the_next_start_is_not_widened(caller) {
        let work = Work::new(caller);
        for directory in ["outer/.git", "outer/inner/.git", "outer/linked"] {
            work.directory(directory);
        }
        work.file("outer/linked/.git", "gitdir: elsewhere");
        for inner in ["outer/inner", "outer/linked"] {
            let run = |script: &str| {
                sh(caller, script).args(["-p", "build"]).cwd(work.at(inner)).ended()
            };
            run("rm -rf .git; mv .git git; touch inside");
            let ended = run("touch ../outside; echo new > .git/new; echo $?");
            assert!(work.has(&format!("{inner}/inside")) && work.has(&format!("{inner}/.git")), "{ended:#?}");
            assert!(!work.has("outer/outside"), "{ended:#?}");
        }
    }

    fn the_project_is_not_widened_by_closing_or_replacing_what_makes_it_one(caller) {
        let work = Work::new(caller);
        for directory in ["outer/.git", "outer/in/.git", "outer/led", "git"] {
            work.directory(directory);
        }
        work.link("../../git", "outer/led/.git");
        let build = |at: &str, script: &str| {
            sh(caller, script).args(["-p", "build"]).cwd(work.at(at)).ended()
        };
        build("outer/in", "chmod 600 .");
        // Root looks everywhere; an ordinary user is refused or has the inner project.
        build("outer/in", &format!("touch {}", work.at("outer/evil")));
        fs::set_permissions(work.at("outer/in"), fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(!work.has("outer/evil"));
        let ended = build("outer/led", "rm .git");
        ended.refused(125, &["is a link that the command could remove"]);
        // By a mount as well.
        let mount = "mount=[{kind=\"bind\",from=\"$PROJECT\",to=\"$PROJECT\",options=[\"rw\"]}]";
        let ended = sh(caller, "rm -rf .git; mv .git x; touch here").set(mount).cwd(work.at("outer/in")).ended();
        assert!(work.has("outer/in/.git") && work.has("outer/in/here"), "{ended:#?}");
    }

    fn a_rule_about_the_project_stays_where_it_is(caller) {
        let work = Work::new(caller);
        for directory in ["top/.git", "top/sub"] {
            work.directory(directory);
        }
        work.file("top/.env", SECRET);
        let run = |script: &str| {
            let args = ["--write", &work.at("top"), "--hide", "?$PROJECT/.env"];
            sh(caller, script).args(args).cwd(work.at("top/sub")).ended()
        };
        run("mv ../.git ../git");
        let ended = run("cat ../.env");
        assert!(ended.stderr.contains("Permission denied"), "{ended:#?}");
        // By a mount, and with a default for what is not set.
        work.directory("top/secret");
        let mount = "mount=[{kind=\"tmpfs\",to=\"$PROJECT/secret\"}]";
        let ended = sh(caller, "mv ../.git ../git").args(["--write", &work.at("top")]).set(mount).cwd(work.at("top/sub")).ended();
        assert!(ended.stderr.contains("busy"), "{ended:#?}");
        fs::set_permissions(work.at("top"), fs::Permissions::from_mode(0o777)).expect("ours");
        let hide = "?${PROJECT:-/nonexistent}/.env";
        let ended = sh(caller, "true").args(["--hide", hide]).cwd(work.at("top")).ended();
        ended.refused(125, &["everybody can write the project"]);
    }

    fn a_directory_that_was_closed_above_the_project_undoes_no_rule_about_it(caller) {
        for git in ["p/.git", "p/mid/sub/other"] {
            for name in ["?$PROJECT", "${PROJECT:-/nonexistent}"] {
                let work = Work::new(caller);
                for directory in [git, "p/mid/sub"] {
                    work.directory(directory);
                }
                for file in ["p/.env", "p/mid/sub/.env"] {
                    work.file(file, SECRET);
                }
                let (p, mid) = (work.at("p"), work.at("p/mid"));
                let project = if git == "p/.git" { &p } else { &work.at("p/mid/sub") };
                let script = format!(
                    "run() {{ $SBX run $AS_ROOT --write {p} --hide '{name}/.env' -- sh -c \"$1\"; }}
                    cd {mid}/sub; run 'chmod 000 {mid}; echo ran'; run 'chmod 755 {mid}; cat {project}/.env'"
                );
                let ended = Sbx::shell(caller, &script).ended();
                fs::set_permissions(&mid, fs::Permissions::from_mode(0o755)).expect("ours");
                assert_eq!(ended.stdout, "ran\n", "{ended:#?}");
                // Root looks everywhere, and hides the file as before.
                let told = if caller == Caller::Root { "Permission denied" } else { "cannot be looked at" };
                assert!(ended.stderr.contains(told), "{ended:#?}");
            }
        }
    }

    fn a_working_directory_that_was_removed_undoes_no_rule_about_the_project(caller) {
        let work = Work::new(caller);
        for directory in ["p/.git", "p/sub"] {
            work.directory(directory);
        }
        work.file("p/.env", SECRET);
        let p = work.at("p");
        let script = format!(
            "run() {{ $SBX run $AS_ROOT --write {p} --hide '?$PROJECT/.env' -- sh -c \"$1\"; }}
            cd {p}/sub; run 'rmdir {p}/sub; echo ran'; run 'cat {p}/.env'"
        );
        let ended = Sbx::shell(caller, &script).ended();
        assert_eq!((&*ended.stdout, ended.status), ("ran\n", 125), "{ended:#?}");
        assert!(ended.stderr.contains("nobody knows the project"), "{ended:#?}");
    }

    fn a_repository_in_a_directory_of_everybody_undoes_no_rule_about_the_project(caller) {
        if !needs(Feature::Root) {
            return;
        }
        let work = Work::new(caller);
        work.directory("p");
        work.file("p/.env", SECRET);
        let (top, p) = (work.path().display(), work.at("p"));
        // As /tmp is: root's, and everybody may write it.
        chown(work.path(), Some(0), Some(0)).expect("root may");
        fs::set_permissions(work.path(), fs::Permissions::from_mode(0o1777)).expect("root may");
        let script = format!(
            "run() {{ $SBX run $AS_ROOT --write {top} --hide '?$PROJECT/.env' -- sh -c \"$1\"; }}
            cd {p}; run 'mkdir {top}/.git && echo made'; run 'cat {p}/.env'"
        );
        let ended = Sbx::shell(caller, &script).ended();
        assert_eq!((&*ended.stdout, ended.status), ("made\n", 125), "{ended:#?}");
        assert!(ended.stderr.contains("others can put a .git into"), "{ended:#?}");
    }

    fn nothing_above_the_git_of_the_project_is_moved_away(caller) {
        let work = Work::new(caller);
        for directory in ["sup/.git", "sup/mid/x/sub/.git"] {
            work.directory(directory);
        }
        let script = format!("cd {}; mv x y", work.at("sup/mid"));
        let args = ["--write", &work.at("sup/mid"), "--write", "?$PROJECT"];
        let ended = sh(caller, &script).args(args).cwd(work.at("sup/mid/x/sub")).ended();
        assert!(ended.stderr.contains("busy"), "{ended:#?}");
    }

    fn the_upper_layers_mount_is_there_however_it_is_written(caller) {
        let work = world(caller);
        let mount = |to: &str| {
            format!("[[mount]]\nkind = \"bind\"\nfrom = \"{}\"\nto = \"{to}\"\n", work.at("secret"))
        };
        for to in ["/data/", "/data/.", "/x/../data"] {
            let profile = work.profile(caller, "my", &mount(to));
            let ended = sh(caller, "ls -A /data").profile(&profile).args(["--tmpfs", "/data"]).ended();
            assert_eq!(ended.fine().stdout, "", "{to}");
            let twice = format!("{}{}", mount("/data"), mount(to));
            let profile = work.profile(caller, "my", &twice);
            sh(caller, "true").profile(&profile).ended().refused(125, &["two mounts on `/data`"]);
        }
        // So it is with a rule of an upper layer.
        let profile = format!(
            "[[mount]]\nkind = \"bind\"\nfrom = \"{w}\"\nto = \"{w}\"\noptions = [\"rw\"]\n",
            w = work.at("w")
        );
        let profile = work.profile(caller, "my", &profile);
        let run = |rule: &str| {
            let script = format!("echo evil > {}; ls -A {}", work.at("w/new"), work.at("w"));
            sh(caller, &script).profile(&profile).args([rule, &work.at("w")]).ended()
        };
        assert!(run("--read").stderr.contains("Read-only file system"));
        assert_eq!(run("--private").stdout, "new\n");
        assert!(!work.has("w/new"));
    }

    fn an_upper_layers_rule_shows_what_a_lower_one_hides(caller) {
        let work = world(caller);
        let secret = work.at("secret");
        let profile = work.profile(caller, "my", &format!("[files]\nhide = [\"{secret}\"]\n"));
        for mount in [&[][..], &["--tmpfs", "/zz"]] {
            let ended = sh(caller, &format!("cat {secret}/key")).profile(&profile).args(mount);
            assert_eq!(ended.args(["--read", &secret]).ended().fine().stdout, SECRET, "{mount:?}");
        }
    }

    fn a_mount_of_a_lower_layer_stays_where_a_group_is_granted(caller) {
        let work = Work::new(caller);
        let file = "[[mount]]\nkind = \"file\"\nto = \"/etc/hosts\"\ncontents = \"MINE\"\n";
        let profile = work.profile(caller, "my", file);
        for read in ["@resolver", "/etc/h[o]sts"] {
            let ended = sh(caller, "cat /etc/hosts").profile(&profile).args(["--read", read]).ended();
            assert_eq!(ended.fine().stdout, "MINE", "{read}");
        }
    }

    fn what_a_mount_takes_away_stays_where_it_is(caller) {
        let work = world(caller);
        let w = work.at("w");
        let over = format!("{}:{}:rw", work.at("secret"), work.at("w/a/hidden"));
        for mount in [["--tmpfs", &work.at("w/a/hidden")], ["--bind", &work.at("w/a/hidden")], ["--bind", &over]] {
            let run = |script: &str| sh(caller, script).args(["--write", &w]).args(mount).ended();
            let ended = run(&format!("mv {w}/a {w}/z"));
            assert!(ended.stderr.contains("busy") && work.has("w/a/hidden/key"), "{ended:#?}");
        }
    }

    fn what_is_hidden_by_a_hosts_link_is_hidden_where_inside_there_is_none(caller) {
        let work = world(caller);
        for directory in ["d/real", "e/l"] {
            work.directory(directory);
        }
        work.link("real", "d/l");
        work.file("e/l/key", SECRET);
        let bind = format!("{}:{}", work.at("e"), work.at("d"));
        let key = work.at("d/l/key");
        let ended = sh(caller, &format!("cat {key}")).args(["--bind", &bind, "--hide", &format!("?{key}")]).ended();
        assert_eq!(ended.stdout, "", "{ended:#?}");
    }

    fn a_directory_in_front_of_a_mount_hides_nothing_from_a_glob(caller) {
        let work = world(caller);
        let mounts = format!("mount=[{{kind=\"dir\",to=\"/./x/a\"}},{{kind=\"bind\",from=\"{}\",to=\"/x\"}}]", work.at("w"));
        let ended = sh(caller, "cat /x/a/hidden/key").set(&mounts).args(["--hide", "?/x/a/*/key"]).ended();
        ended.refused(125, &["matches `?/x/a/*/key` inside"]);
    }

    fn what_only_a_mount_shows_can_be_hidden(caller) {
        let work = world(caller);
        let bind = format!("{}:/other:rw", work.at("w"));
        let run = |script: &str| {
            sh(caller, script).args(["--bind", &bind, "--hide", "/other/a/hidden"]).ended()
        };
        let ended = run("mv /other/a /other/b; cat /other/*/hidden/key");
        assert_eq!(ended.stdout, "", "{ended:#?}");
        assert!(work.has("w/a/hidden/key"), "it was moved away");
        assert_eq!(run("cat /other/data/key").fine().stdout, "harmless");
    }

    fn what_is_less_than_writable_stays_where_it_is(caller) {
        let work = world(caller);
        work.directory("w/a/b");
        work.directory("w/a/b/ro");
        let (w, ro) = (work.at("w"), work.at("w/a/b/ro"));
        for rule in ["--read", "--private"] {
            let ended = sh(caller, &format!("mv {w}/a {w}/c || mv {w}/a/b {w}/c"))
                .args(["--write", &w, rule, &ro])
                .ended();
            assert_ne!(ended.status, 0, "{rule}: {ended:#?}");
            assert!(work.has("w/a/b/ro"), "{rule}: it was moved away");
        }
    }

    fn a_hide_through_a_link_inside_is_refused_where_it_hides_nothing(caller) {
        let work = world(caller);
        work.link("/x/a", "w/lk");
        let bind = format!("{}:/x", work.at("w"));
        let ended = sh(caller, "cat /x/lk/hidden/key")
            .args(["--bind", &bind, "--hide", "/x/lk/hidden"])
            .ended();
        ended.refused(125, &["leads over the link"]);
        let mount = format!("mount=[{{kind=\"symlink\",to=\"/l\",target=\"{}\"}}]", work.at("w"));
        let ended = sh(caller, "cat /l/a/hidden/key")
            .args(["--read", &work.at("w"), "--set", &mount, "--hide", "/l/a/hidden"])
            .ended();
        ended.refused(125, &["lies below a link"]);
    }

    fn an_optional_hide_below_what_a_rule_shows_covers_what_a_mount_shows(caller) {
        let work = world(caller);
        work.directory("d");
        work.directory("d/x");
        let bind = format!("{}:{}", work.at("w"), work.at("d/x"));
        let hide = format!("?{}", work.at("d/x/a/hidden"));
        let ended = sh(caller, &format!("cat {}/key", work.at("d/x/a/hidden")))
            .args(["--read", &work.at("d"), "--bind", &bind, "--hide", &hide])
            .ended();
        assert_eq!(ended.stdout, "", "{ended:#?}");
    }

    fn hiding_what_nothing_shows_changes_nothing(caller) {
        let work = world(caller);
        let hidden = work.at("w/a/hidden");
        let ended = sh(caller, "pwd").args(["--hide", &hidden]).cwd(work.path()).ended().fine();
        assert_eq!(ended.stdout.trim(), work.account.home.to_string_lossy());
    }

    fn a_standard_stream_that_is_a_directory_is_refused(caller) {
        let work = world(caller);
        let run = sh(caller, "echo started").launch(format!("fd=0:dir:{}", work.at("secret")));
        let ended = run.ended();
        ended.refused(125, &["descriptor 0", "a way into the host's tree"]);
        assert_eq!(ended.stdout, "");
    }

    fn a_descriptor_that_leads_to_the_hosts_tree_is_no_stream(caller) {
        let work = world(caller);
        for (stream, mode, path) in [
            ("stdin", "dir", "secret"), ("stdout", "dir", "secret"), ("stderr", "dir", "secret"),
            ("stdin", "path", "secret"), ("stdin", "path", "secret/key"),
        ] {
            let run = sh(caller, "echo started").launch(format!("fd=5:{mode}:{}", work.at(path)));
            let ended = run.set(&format!("process.{stream}=\"fd:5\"")).ended();
            ended.refused(125, &["descriptor 5", "a way into the host's tree", &format!("process.{stream}")]);
            assert_eq!(ended.stdout, "", "{stream} {mode}");
        }
    }

    fn a_descriptor_that_the_caller_did_not_open_is_no_stream(caller) {
        // Numbers that sbx's own pipes get, and one that it never reaches.
        for number in [3, 4, 5, 6, 7, 77] {
            for stream in ["stdin", "stdout"] {
                let run = sh(caller, "printf 'SBX' >&2; cat; echo started")
                    .launch(format!("fd={number}:r:/dev/null"))
                    .launch(format!("close={number}"));
                let ended = run.set(&format!("process.{stream}=\"fd:{number}\"")).ended();
                let open = format!("open descriptor {number} before starting sbx");
                ended.refused(125, &["(EBADF)", &open, &format!("process.{stream}")]);
                assert_eq!(ended.stdout, "", "{number}");
                assert!(!ended.stderr.starts_with("SBX"), "{ended:#?}");
            }
        }
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

}

/// Root may look everywhere: only an ordinary caller is kept out.
#[test]
fn a_glob_over_what_was_closed_is_refused() {
    let caller = Caller::Ordinary;
    let work = world(caller);
    work.link(work.at("w"), "lk");
    let w = work.at("w");
    for (pattern, closed, mode) in
        [(format!("?{w}/**/key"), "w/a", 0o444), (format!("?{}/*/key", work.at("lk")), "w", 0o300)]
    {
        fs::set_permissions(work.at(closed), fs::Permissions::from_mode(mode)).expect("ours");
        let ended = sh(caller, "true").args(["--write", &w, "--hide", &pattern]).cwd("/").ended();
        fs::set_permissions(work.at(closed), fs::Permissions::from_mode(0o755)).expect("ours");
        ended.refused(125, &["the command can write here", "chmod u+rx"]);
    }
    let hide = format!("?{w}/a/../data/*");
    let ended = sh(caller, "true").args(["--write", &w, "--hide", &hide]).ended();
    ended.refused(125, &["a glob cannot go through `..`"]);
}

#[test]
fn an_optional_source_that_was_closed_is_not_left_out() {
    let work = world(Caller::Ordinary);
    let bind = format!("?{}:/x", work.at("w/a/hidden"));
    let run =
        || sh(Caller::Ordinary, "true").args(["--write", &work.at("w"), "--bind", &bind]).ended();
    run().fine();
    fs::set_permissions(work.at("w/a"), fs::Permissions::from_mode(0o000)).expect("ours");
    let ended = run();
    fs::set_permissions(work.at("w/a"), fs::Permissions::from_mode(0o755)).expect("ours");
    ended.refused(125, &["missing-path"]);
}

#[test]
fn a_root_directory_does_not_choose_which_home_of_the_host_is_shown() {
    let work = world(Caller::Ordinary);
    let account = &work.account;
    let (uid, gid, name) = (account.uid, account.gid, &account.name);
    let row = format!("{name}:x:{uid}:{gid}::{}:/bin/sh\n", work.at("secret"));
    let root = work.root_directory(&row, &format!("{name}:x:{gid}:\n"));
    // A place for either to be mounted on.
    for home in [work.at("secret"), account.home.display().to_string()] {
        fs::create_dir_all(format!("{root}{home}")).expect("ours");
    }
    let key = work.at("secret/key");
    for args in
        [&["--home", "host"][..], &["--home", "host-read"], &["--set", "files.read=[\"~\"]"]]
    {
        let ended = Sbx::run(Caller::Ordinary)
            .args(["--rootfs", &root])
            .args(args)
            .command(["/probe", "open", &key, "r"])
            .ended();
        assert!(ended.stdout.contains("ENOENT"), "{args:?}: {ended:#?}");
    }
}

as_root! {
    fn ids_of_a_root_directory_count_only_where_root_alone_writes_them() {
        let work = Work::new(Caller::Root);
        let passwd = "app:x:4711:6::/:/bin/sh\n4712:x:0:0::/:/bin/sh\n";
        let root = work.root_directory(passwd, "disk:x:6:\nroot:x:0:app\n");
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
        run("app").refused(125, &["the group of the host's root"]);
        fs::write(work.path().join("root/etc/group"), "disk:x:6:\n").expect("root may");
        run("app").fine();
    }
}
