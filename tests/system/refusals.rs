//! What sbx does not start: it names the line and what to write instead, and nothing has run.

use crate::common::{Caller, Ended, Feature, Sbx, Work, as_both, as_root, needs};

/// Runs a profile that is to be refused; the command would leave a file behind.
fn refused(caller: Caller, text: &str) -> Ended {
    // Apart: the profile in use is never writable inside.
    let (work, profiles) = (Work::new(caller), Work::new(caller));
    let profile = profiles.profile(caller, "bad.toml", text);
    let ended = Sbx::run(caller)
        .profile(&profile)
        .args(["--bind", &format!("{}:/work:rw", work.at(""))])
        .command(["touch", "/work/marker"])
        .ended();
    assert_eq!((ended.status, ended.signal), (125, None), "{ended:#?}");
    assert!(!work.has("marker"), "the command ran: {ended:#?}");
    assert_eq!(ended.stdout, "");
    ended
}

/// The words of a refusal: line, cause and remedy.
#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not said in:\n{}", ended.stderr);
    }
}

as_both! {
    fn the_marker_appears_with_a_profile_that_is_right(caller) {
        // The control of every test below.
        let (work, profiles) = (Work::new(caller), Work::new(caller));
        let profile = profiles.profile(caller, "good.toml", "sbx = 1\n");
        Sbx::run(caller)
            .profile(&profile)
            .args(["--bind", &format!("{}:/work:rw", work.at(""))])
            .command(["touch", "/work/marker"])
            .ended()
            .fine();
        assert!(work.has("marker"));
    }

    fn a_misspelt_key(caller) {
        let ended = refused(caller, "sbx = 1\n[files]\nraed = [\"/usr\"]\n");
        says(&ended, &["bad.toml:3:1", "unknown key `raed`", "`read`"]);
    }

    fn a_misspelt_section(caller) {
        let ended = refused(caller, "sbx = 1\n[file]\nread = [\"/usr\"]\n");
        says(&ended, &["bad.toml:2", "`file`", "`files`"]);
    }

    fn all_mistakes_are_told_at_once(caller) {
        let text = "sbx = 1\n[files]\nraed = []\nwrite = 3\n[network]\nmode = \"nnoe\"\n[limits]\nnofil = 3\n";
        let ended = refused(caller, text);
        says(&ended, &["bad.toml:3:", "bad.toml:4:", "bad.toml:6:", "bad.toml:8:", "`nofile`", "`none`"]);
    }

    fn a_syntax_error(caller) {
        says(&refused(caller, "sbx = 1\n[files\nread = []\n"), &["bad.toml:2:"]);
    }

    fn an_unknown_version(caller) {
        says(&refused(caller, "sbx = 2\n"), &["bad.toml:1:", "2"]);
    }

    fn what_is_reserved_is_not_in_this_version(caller) {
        let ended = refused(caller, "sbx = 1\n[files]\nprotect = [\"/usr\"]\n");
        says(&ended, &["bad.toml:3:", "not in this version"]);
        let ended = refused(caller, "sbx = 1\n[network]\nmode = \"user\"\n");
        says(&ended, &["bad.toml:3:", "not in this version"]);
    }

    fn an_unknown_group(caller) {
        let ended = refused(caller, "sbx = 1\n[user]\ngroup = \"no-such-group\"\n");
        says(&ended, &["bad.toml:3:", "unknown group `no-such-group`", "/etc/group", "a number"]);
    }

    fn a_missing_bind_source(caller) {
        let text = "sbx = 1\n[[mount]]\nkind = \"bind\"\nfrom = \"/no/such/source\"\nto = \"/x\"\n";
        says(&refused(caller, text), &["bad.toml:4:", "`/no/such/source` is not there", "create it", "`?/no/such"]);
    }

    fn an_unknown_system_call(caller) {
        let ended = refused(caller, "sbx = 1\n[seccomp]\ndeny = [\"opennat\"]\n");
        says(&ended, &["bad.toml:3:", "unknown system call `opennat`", "`openat`"]);
        let ended = refused(caller, "sbx = 1\n[seccomp]\ndeny = [\"@moun\"]\n");
        says(&ended, &["bad.toml:3:", "`@moun`", "`@mount`"]);
    }

    fn an_id_map_without_a_user_namespace(caller) {
        let text = "sbx = 1\n[namespaces]\nuser = false\n[user]\nuid-map = \"self\"\n";
        let ended = refused(caller, text);
        says(&ended, &["bad.toml:5:", "an id map needs a user namespace", "remove `user = false`"]);
    }

    fn an_unknown_namespace(caller) {
        let ended = refused(caller, "sbx = 1\n[namespaces]\nuesr = true\n");
        says(&ended, &["bad.toml:3:", "`uesr`", "`user`"]);
    }

    fn an_unknown_capability(caller) {
        let ended = refused(caller, "sbx = 1\n[capabilities]\nkeep = [\"net-admn\"]\n");
        says(&ended, &["bad.toml:3:", "net-admn", "net-admin"]);
    }

    fn filters_that_forbid_what_sbx_itself_needs(caller) {
        for call in ["execve", "write", "exit_group"] {
            let ended = refused(caller, &format!("sbx = 1\n[seccomp]\ndeny = [\"getpid\", \"{call}\"]\n"));
            says(&ended, &["bad.toml:3:", &format!("would forbid `{call}`"), &format!("allow `{call}`")]);
        }
    }

    fn filters_that_forbid_a_whole_group(caller) {
        for (group, call) in [("@default", "execve"), ("@basic-io", "write"), ("@system-service", "execve")] {
            let ended = refused(caller, &format!("sbx = 1\n[seccomp]\ndeny = [\"{group}\"]\n"));
            says(&ended, &["bad.toml:3:", "would forbid", call, "name single system calls"]);
        }
    }

    fn rules_by_argument_that_forbid_what_sbx_needs(caller) {
        for call in ["write", "execve", "exit_group"] {
            let text = format!(
                "sbx = 1\n[[seccomp.rule]]\ncalls = [\"{call}\"]\nargs = [\"0 >= 3\"]\naction = \"EPERM\"\n"
            );
            says(&refused(caller, &text), &["bad.toml:3:", &format!("would forbid `{call}`")]);
        }
    }

    fn a_filter_that_is_too_large_gives_the_count(caller) {
        let rule = |n: u32| format!(
            "[[seccomp.rule]]\ncalls = [\"@file-system\", \"@network-io\", \"@io-event\"]\nargs = [\"1 == {n}\", \"2 == {n}\"]\naction = \"EPERM\"\n"
        );
        let text: String = std::iter::once("sbx = 1\n".to_owned()).chain((1000..1040).map(rule)).collect();
        let ended = refused(caller, &text);
        says(&ended, &["4096", "remove rules"]);
    }

    fn two_mounts_on_one_place(caller) {
        let one = "[[mount]]\nkind = \"tmpfs\"\nto = \"/x\"\n";
        says(&refused(caller, &format!("sbx = 1\n{one}{one}")), &["bad.toml:7:", "4 | to =", "first one", "second one"]);
    }

    fn a_key_without_meaning_for_its_kind_of_mount(caller) {
        let text = "sbx = 1\n[[mount]]\nkind = \"tmpfs\"\nto = \"/x\"\nfrom = \"/usr\"\n";
        says(&refused(caller, text), &["bad.toml:5:", "`from` has no meaning for a tmpfs", "remove `from`"]);
    }

    fn parents_that_go_in_a_circle(caller) {
        let work = Work::new(caller);
        work.directory("config/sbx/profiles");
        for (name, parent) in [("a", "b"), ("b", "a")] {
            let text = format!("sbx = 1\nextends = [\"{parent}\"]\n");
            work.profile(caller, &format!("config/sbx/profiles/{name}.toml"), &text);
        }
        let config = work.at("config");
        let ended = match caller {
            Caller::Ordinary => Sbx::run(caller)
                .env("XDG_CONFIG_HOME", &config)
                .args(["--profile", "a"])
                .command(["true"])
                .ended(),
            Caller::Root => {
                // Root's own profiles, in mounts that nobody else sees.
                if !needs(Feature::Unshare) {
                    return;
                }
                let script = "mount -t tmpfs tmpfs /root && cp -r $CONFIG /root/.config && \
                    chown -R 0:0 /root/.config && exec $SBX run $AS_ROOT --profile a -- true";
                Sbx::program(caller, "/usr/bin/unshare")
                    .args(["--mount", "sh", "-c", script])
                    .env("CONFIG", &config)
                    .ended()
            }
        };
        ended.refused(125, &["error[extends-cycle]: profile `a` extends itself", "a.toml:2:",
            "b.toml:2:", "remove one of these names"]);
    }

    fn an_unknown_profile_names_the_nearest(caller) {
        let ended = Sbx::run(caller).args(["--profile", "biuld"]).command(["true"]).ended();
        ended.refused(125, &["`biuld`", "`build`"]);
        for (name, remedy) in [("cli,build", "`-p cli -p build`"), ("my.toml", "`./my.toml`")] {
            let ended = Sbx::run(caller).args(["--profile", name]).command(["true"]).ended();
            ended.refused(125, &["there is no profile", remedy]);
        }
    }

    fn a_mistake_in_a_flag_names_the_flag(caller) {
        let ended = Sbx::run(caller).args(["--net", "nnoe"]).command(["true"]).ended();
        ended.refused(125, &["--net nnoe", "`none`"]);
        let ended = Sbx::run(caller).set("files.raed=[]").command(["true"]).ended();
        ended.refused(125, &["files.raed", "`read`"]);
        let ended = Sbx::run(caller).args(["--limit", "nofiles=3"]).command(["true"]).ended();
        ended.refused(125, &["--limit nofiles=3", "`nofile`"]);
    }

    fn a_flag_that_does_not_exist_is_no_command(caller) {
        let ended = Sbx::run(caller).args(["--raed", "/usr"]).command(["true"]).ended();
        ended.refused(125, &["--raed", "--read"]);
    }

    fn a_script_in_the_working_directory_is_named_by_its_path(caller) {
        let work = Work::new(caller);
        work.program("script.sh", "#!/bin/sh\n");
        let ended = Sbx::run(caller).cwd(work.path()).command(["script.sh"]).ended();
        ended.refused(127, &["in the working directory", "write `./script.sh`"]);
    }

    fn a_command_that_is_not_found_gets_the_remedy_that_helps(caller) {
        let run = |args: &[&str], command: &str| Sbx::run(caller).args(args).command([command]).ended();
        let ended = run(&["--env", "PATH=/nosuch"], "ls");
        ended.refused(127, &["not in the PATH inside", "by its path, `/usr/bin/ls`"]);
        assert!(!ended.stderr.contains("cannot be seen"), "{ended:#?}");
        run(&["--hide", "/usr/bin/env"], "env").refused(126, &["/usr/bin/env is hidden here", "remove it from `hide`"]);
        run(&["--hide", "/usr/bin/ls", "--hide", "/usr/bin/awk"], "awk").refused(126, &["is hidden here"]);
        run(&[], "browser").refused(127, &["a profile has that name", "`--profile browser`"]);
        run(&["--cwd", "/usr/shre"], "true").refused(125, &["look for a slip"]);
    }

    fn sbx_inside_sbx_is_said_to_be_that(caller) {
        let ended = Sbx::run(caller)
            .args(["--bind", &format!("{}:/sbx", crate::common::tools().sbx.display())])
            .command(["/sbx", "run", "true"])
            .ended();
        ended.refused(125, &["this is a sandbox of sbx", "start it outside"]);
    }

    fn no_command_at_all(caller) {
        Sbx::run(caller).ended().refused(125, &["there is no command to run", "after `--`"]);
    }

    fn without_quiet_and_with_it_errors_are_told(caller) {
        let ended = Sbx::run(caller).args(["-q", "--net", "x"]).command(["true"]).ended();
        ended.refused(125, &["error[bad-value]"]);
    }
}

as_root! {
    fn an_unknown_user_of_a_profile() {
        let work = Work::new(Caller::Root);
        let text = "sbx = 1\n[user]\nname = \"sbx-tset\"\n";
        let profile = work.profile(Caller::Root, "bad.toml", text);
        let ended = Sbx::bare(Caller::Root, "run").profile(&profile).command(["true"]).ended();
        ended
            .refused(125, &["bad.toml:3:", "unknown user `sbx-tset`", "/etc/passwd", "`sbx-test`"]);
    }

    fn a_profile_of_somebody_else() {
        let work = Work::new(Caller::Root);
        let profile = work.file("strange.toml", "sbx = 1\n");
        let ended = Sbx::run(Caller::Root).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["strange.toml", "belongs to user"]);
    }
}

#[test]
fn an_unknown_user_of_a_profile_as_an_ordinary_user() {
    let work = Work::new(Caller::Ordinary);
    let text = "sbx = 1\n[user]\nname = \"no-such-user\"\n";
    let profile = work.profile(Caller::Ordinary, "bad.toml", text);
    let ended = Sbx::run(Caller::Ordinary).profile(&profile).command(["true"]).ended();
    ended.refused(125, &["bad.toml:3:", "unknown user `no-such-user`", "/etc/passwd"]);
}
