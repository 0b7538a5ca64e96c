//! The verbs that start nothing: show, profiles, check, doctor.

use crate::common::{Caller, Sbx, Work, as_both};

/// A profile that has every shape of value, in two layers.
const LOWER: &str = r#"sbx = 1
[files]
read = ["/usr/share", "/srv"]
[env]
pass = ["LANG", "TERM"]
set = { A = "1", "a b" = "2" }
[landlock]
tcp-connect = [80]
[[mount]]
kind = "tmpfs"
to = "/scratch"
options = ["noexec", "noatime"]
[[seccomp.rule]]
calls = ["personality"]
args = ["0 == 8"]
action = "EPERM"
"#;
const UPPER: &str = r#"sbx = 1
extends = ["lower"]
[files]
read = { remove = ["/srv"] }
[env]
pass = { remove = ["LANG"] }
[landlock]
tcp-connect = { replace = [] }
[[mount]]
kind = "tmpfs"
to = "/scratch"
size = "1M"
options = ["noexec", "noatime"]
"#;

/// The words of each step of a plan, without who asked for it.
fn words(plan: &str) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_str(plan).expect("a plan is JSON");
    let steps = plan["steps"].as_array().expect("steps").iter();
    steps.map(|step| step["words"].as_str().expect("words").to_owned()).collect()
}

as_both! {
    fn the_doctor_says_what_mounts_do_not_hold(caller) {
        // Landlock holds sockets since ABI 9; a mount never does.
        let ended = Sbx::bare(caller, "doctor").ended();
        let lacks = ended.stdout.contains("not covered") || ended.stdout.contains("`lsm=`");
        let sockets = ended.stdout.contains("can connect to sockets where it may only read");
        assert_eq!(lacks, sockets, "{ended:#?}");
    }

    fn the_doctor_finds_what_keeps_a_sandbox_from_starting(caller) {
        let read_only = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys";
        let script = format!("unshare -r -m sh -c '{read_only} && exec $SBX doctor'");
        let ended = Sbx::shell(caller, &script).ended();
        assert!(ended.stdout.contains("missing  limit on user namespaces"), "{ended:#?}");
        assert_eq!(ended.status, 125, "{ended:#?}");
        // A /proc with covers, and no other: that of a sandbox. The first sandbox lets sbx itself in.
        let nested = "namespaces.nested-users=allow";
        let script = format!("$SBX run $AS_ROOT -q --bind $SBX:/sbx --set {nested} -- /sbx doctor");
        let ended = Sbx::shell(caller, &script).ended();
        assert!(ended.stdout.contains("works    pid namespace"), "{ended:#?}");
        assert!(ended.stdout.contains("missing  proc of a sandbox"), "{ended:#?}");
        assert_eq!(ended.status, 125, "{ended:#?}");
    }

    fn a_removal_that_removes_nothing_is_told_by_every_verb(caller) {
        let work = Work::new(caller);
        let path = work.profile(caller, "my", "[env]\npass = { remove = [\"NOSUCH\"] }\n");
        let path = path.to_str().expect("UTF-8");
        for words in [&["check", path][..], &["show", path], &["plan", "-p", path, "true"]] {
            let verb = if words[0] == "plan" { Sbx::verb(caller, "plan") } else { Sbx::bare(caller, words[0]) };
            let ended = verb.args(&words[1..]).ended().fine();
            assert!(ended.stderr.contains("NOSUCH"), "{words:?}: {ended:#?}");
        }
    }

    fn a_verb_says_the_same_of_itself_wherever_it_is_asked(caller) {
        let all = Sbx::bare(caller, "--help").ended().fine().stdout;
        for verb in ["run", "plan", "show", "profiles", "check", "doctor"] {
            let line = all.lines().find_map(|line| line.trim_start().strip_prefix(verb));
            let words = line.unwrap_or_else(|| panic!("{verb} in {all}")).trim();
            for arguments in [vec![verb, "-h"], vec![verb, "--help"], vec!["help", verb]] {
                let help = Sbx::bare(caller, arguments[0]).args(&arguments[1..]).ended().fine();
                assert_eq!(help.stdout.lines().next(), Some(words), "{arguments:?}");
            }
        }
    }

    fn a_project_that_is_not_there_is_told_where_it_was_all_that_may_be_written(caller) {
        let home = caller.account().home;
        let plan = |args: &[&str]| {
            let plan = Sbx::verb(caller, "plan").args(["-p", "build"]).args(args).cwd(&home);
            plan.command(["true"]).ended().fine().stderr
        };
        let told = plan(&[]);
        assert!(told.contains("nothing of yours can be written") && told.contains("`--write DIR`"), "{told}");
        assert_eq!(plan(&["--write", "/var/tmp"]), "");
    }

    fn steps_are_not_asked_for_and_refused_at_once(caller) {
        let ended = Sbx::run(caller).args(["-v", "-q"]).command(["true"]).ended();
        ended.refused(125, &["--verbose", "--quiet"]);
    }

    fn what_cannot_be_written_to_standard_output_is_said(caller) {
        for verb in ["--help", "--version", "plan $AS_ROOT true", "show cli", "profiles", "doctor"] {
            let ended = Sbx::shell(caller, &format!("$SBX {verb} >/dev/full")).ended();
            ended.refused(125, &["error[output]", "ENOSPC"]);
            let ended = Sbx::shell(caller, &format!("{{ $SBX {verb}; echo $? >&2; }} | true")).ended();
            assert_eq!(ended.stderr, "0\n", "{verb}: {ended:#?}");
        }
    }

    fn nothing_that_is_printed_can_steer_a_terminal(caller) {
        let evil = "\u{1b}[2J\u{9b}2J\u{202e}\u{2028}\u{e0041}\nerror[x]: forged";
        let is_evil = |c: char| "\u{1b}\u{9b}\u{202e}\u{2028}\u{e0041}".contains(c);
        for arguments in [
            vec![format!("--foo{evil}")],
            vec!["--no-profile".to_owned(), "--net".to_owned(), evil.to_owned(), format!("--{evil}")],
        ] {
            let ended = Sbx::run(caller).args(&arguments).command(["true"]).ended();
            assert_eq!((ended.status, &*ended.stdout), (125, ""), "{ended:#?}");
            assert!(ended.stderr.contains("forged"), "{ended:#?}");
            assert!(!ended.stderr.contains(is_evil), "{ended:#?}");
            assert!(!ended.stderr.lines().any(|line| line.starts_with("error[x]")), "{ended:#?}");
        }
        let ended = Sbx::bare(caller, evil).ended();
        assert!(ended.stderr.contains("forged") && !ended.stderr.contains(is_evil), "{ended:#?}");
        let work = Work::new(caller);
        let text = "sbx = 1\ndescription = \"\\u009b2J\\u202e\\u2028\\U000e0041\"\n";
        let profile = work.profile(caller, "evil.toml", text);
        let path = profile.to_str().expect("a path of tests is UTF-8");
        let shown = Sbx::bare(caller, "show").args([path]).ended().fine().stdout;
        assert!(!shown.contains(is_evil) && shown.contains("\\u009b2J\\u202e"), "{shown}");
    }

    fn what_show_prints_is_a_profile_that_says_the_same(caller) {
        // A profile that lies in the project would be kept from the command.
        let (work, project) = (Work::new(caller), Work::new(caller));
        work.directory("config/sbx/profiles");
        // Started by root, only what lies in root's own places is searched.
        work.profile(caller, "config/sbx/profiles/lower.toml", LOWER);
        work.profile(caller, "config/sbx/profiles/upper.toml", UPPER);
        let with = |sbx: Sbx| sbx.env("XDG_CONFIG_HOME", work.at("config")).cwd(project.path());
        let names = sbx::profile::BUILTIN.iter().map(|(name, _)| *name);
        let own = (caller == Caller::Ordinary).then_some("upper");
        for name in names.chain(own) {
            let shown = with(Sbx::bare(caller, "show").args([name])).ended().fine().stdout;
            let saved = work.profile(caller, "saved.toml", &shown);
            let check = with(Sbx::bare(caller, "check").args([&saved])).ended();
            assert_eq!((check.status, &*check.stderr), (0, ""), "{name}:\n{shown}");
            let plan = |profile: &str| {
                let plan = with(Sbx::verb(caller, "plan").args(["--json", "-p", profile]));
                words(&plan.command(["true"]).ended().fine().stdout)
            };
            assert_eq!(plan(name), plan(saved.to_str().expect("UTF-8")), "{name}:\n{shown}");
        }
    }

    fn check_finds_what_no_host_could_run(caller) {
        let work = Work::new(caller);
        for (text, words) in [
            ("[limits]\nnofile = \"10:5\"\n", "the soft limit of nofile"),
            ("[limits]\nas = \"2GB\"\n", "is not a limit of as"),
            ("[files]\nread = [\"/\"]\n", "`read` of `/`"),
            ("[files]\nread = [\"@nogroup\"]\n", "unknown group of files"),
            ("[files]\nread = [\"${FOO\"]\n", "is not closed"),
            ("[[mount]]\nkind = \"bind\"\nto = \"/x\"\n", "a bind needs `from`"),
            ("[seccomp]\ndeny = [\"execve\"]\n", "would forbid `execve`"),
            ("[capabilities]\nkeep = [\"bogus\"]\n", "unknown capability"),
            ("[landlock]\ntcp-connect = [70000]\n", "is not a TCP port"),
            ("[namespaces]\nnet = false\n", "shares the host's network"),
        ] {
            let profile = work.profile(caller, "p.toml", &format!("sbx = 1\n{text}"));
            let ended = Sbx::bare(caller, "check").args([&profile]).ended();
            ended.refused(125, &[words, "= help:", "p.toml:"]);
        }
        // What another host may have is no mistake of the profile.
        let text = "sbx = 1\n[user]\nname = \"nobody-here\"\n[files]\nread = [\"/nowhere\", \"$HOME/x\"]\n";
        let profile = work.profile(caller, "p.toml", text);
        let ended = Sbx::bare(caller, "check").args([&profile]).ended();
        assert_eq!((ended.status, &*ended.stderr), (0, ""), "{ended:?}");
    }

    fn mistakes_of_form_and_of_meaning_are_told_together(caller) {
        let work = Work::new(caller);
        let text = "sbx = 1\n[files]\nraed = []\n[limits]\nnofile = \"10:5\"\n[capabilities]\nkeep = [\"bogus\"]\n";
        let profile = work.profile(caller, "p.toml", text);
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["p.toml:3:", "p.toml:5:", "p.toml:7:"]);
    }
}
