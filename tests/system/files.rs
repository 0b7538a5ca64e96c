//! Files: what each rule lets the command see and do, and that the host stays as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{Caller, Report, Sbx, Work, as_both};
use crate::world::sh;

/// `probe open` of pairs of path and mode.
fn open(caller: Caller, pairs: &[(&str, &str)]) -> Sbx {
    let words = pairs.iter().flat_map(|(path, mode)| [*path, *mode]);
    Sbx::probe(caller, ["open"].into_iter().chain(words))
}

fn answer(report: &Report, path: &str, mode: &str) -> String {
    report.answers("open")[&*format!("{path} {mode}")].to_owned()
}

/// A tree: `tree/{file, tool, sub/{file, deep/file}}`.
fn tree(caller: Caller) -> Work {
    let work = Work::new(caller);
    work.directory("tree/sub/deep");
    for file in ["tree/file", "tree/sub/file", "tree/sub/deep/file"] {
        work.file(file, "contents");
    }
    work.program("tree/tool", "#!/bin/sh\nexit 0\n");
    work
}

as_both! {
    fn read_lets_read_and_execute_and_not_write(caller) {
        let work = tree(caller);
        let (file, tool, new) = (work.at("tree/file"), work.at("tree/tool"), work.at("tree/new"));
        let report = open(caller, &[(&file, "r"), (&file, "w"), (&tool, "x"), (&new, "c")])
            .args(["--read", &work.at("tree")])
            .report();
        assert_eq!(answer(&report, &file, "r"), "ok");
        assert_eq!(answer(&report, &file, "w"), "EROFS");
        assert_eq!(answer(&report, &tool, "x"), "ok");
        assert_eq!(answer(&report, &new, "c"), "EROFS");
    }

    fn read_is_held_by_landlock_and_by_mounts_each_alone(caller) {
        let work = tree(caller);
        let file = work.at("tree/file");
        let ended = Sbx::probe(caller, ["openat", "3", "file", "w"])
            .args(["--read", &work.at("tree"), "--keep-fd", "3"])
            .launch(format!("fd=3:dir:{}", work.at("tree")))
            .report();
        assert_eq!(ended.one("openat"), "EACCES", "the descriptor passes by the mount");
        let report = open(caller, &[(&file, "w")])
            .args(["--read", &work.at("tree")])
            .set("landlock.mode=off")
            .report();
        assert_eq!(answer(&report, &file, "w"), "EROFS");
    }

    fn write_lets_read_and_write_and_not_execute(caller) {
        let work = tree(caller);
        let (file, tool, new) = (work.at("tree/file"), work.at("tree/tool"), work.at("tree/new"));
        let report = open(caller, &[(&file, "rw"), (&tool, "x"), (&new, "c")])
            .args(["--write", &work.at("tree")])
            .report();
        assert_eq!(answer(&report, &file, "rw"), "ok");
        assert_eq!(answer(&report, &tool, "x"), "EACCES");
        assert_eq!(answer(&report, &new, "c"), "ok");
        assert!(work.has("tree/new"), "it is the host's file");
    }

    fn exec_makes_a_writable_grant_executable(caller) {
        let work = tree(caller);
        let tool = work.at("tree/tool");
        let run = |exec: &str| {
            open(caller, &[(&tool, "x")]).args(["--write", &work.at("tree"), "--exec", exec]).report()
        };
        assert_eq!(answer(&run(&work.at("tree")), &tool, "x"), "ok");
        assert_eq!(answer(&run(&work.at("")), &tool, "x"), "ok", "a path above counts");
        assert_eq!(answer(&run("/usr"), &tool, "x"), "EACCES");
    }

    fn exec_of_a_path_below_a_grant_makes_that_path_executable_alone(caller) {
        let work = tree(caller);
        work.program("tree/sub/tool", "#!/bin/sh\n");
        let (tool, sub) = (work.at("tree/tool"), work.at("tree/sub/tool"));
        let report = open(caller, &[(&tool, "x"), (&sub, "x")])
            .args(["--write", &work.at("tree"), "--exec", &work.at("tree/sub")])
            .report();
        assert_eq!(answer(&report, &tool, "x"), "EACCES");
        assert_eq!(answer(&report, &sub, "x"), "ok");
    }

    fn exec_grants_nothing_itself(caller) {
        let work = tree(caller);
        let tool = work.at("tree/tool");
        let report = open(caller, &[(&tool, "r")]).args(["--exec", &tool]).report();
        assert_eq!(answer(&report, &tool, "r"), "ENOENT");
    }

    fn exec_below_a_single_mount_makes_that_path_executable_alone(caller) {
        let work = tree(caller);
        work.program("tree/sub/tool", "#!/bin/sh\n");
        let bind = format!("{}:/x:rw", work.at("tree"));
        let ended = open(caller, &[("/x/tool", "x"), ("/x/sub/tool", "x")])
            .args(["--bind", &bind, "--exec", "/x/sub"])
            .ended()
            .fine();
        assert_eq!(ended.stderr, "", "it has an effect");
        let report = Report::parse(&ended.stdout);
        assert_eq!(answer(&report, "/x/tool", "x"), "EACCES");
        assert_eq!(answer(&report, "/x/sub/tool", "x"), "ok");
    }

    fn exec_below_an_empty_mount_shows_nothing_of_the_host(caller) {
        let work = tree(caller);
        let (sub, file) = (work.at("tree/sub"), work.at("tree/sub/file"));
        let report = open(caller, &[(&file, "r")])
            .args(["--write", &work.at("tree"), "--tmpfs", &sub, "--exec", &file])
            .report();
        assert_eq!(answer(&report, &file, "r"), "ENOENT");
    }

    fn what_is_hidden_cannot_be_seen_under_another_name(caller) {
        let work = tree(caller);
        let (x, y) = (format!("{}:/x", work.at("tree")), format!("{}:/y:rw", work.at("tree")));
        let run = |args: &[&str]| {
            let binds = ["--bind", &x, "--bind", &y, "--hide", "/x/sub/file"];
            sh(caller, "cat /x/sub/file /y/sub/file").args(binds).args(args).ended()
        };
        run(&[]).refused(125, &["`/x/sub/file` is hidden, and can be seen as `/y/sub/file`", "hide `/y/sub/file` as well"]);
        let ended = run(&["--hide", "/y/sub/file"]);
        assert_eq!((ended.stdout.as_str(), ended.stderr.matches("Permission denied").count()), ("", 2), "{ended:#?}");
    }

    fn hide_goes_for_what_sbx_puts_there_itself(caller) {
        for path in ["/dev", "/dev/shm", "/dev/null", "/etc/hosts", "/etc", "/proc"] {
            let ended = sh(caller, &format!("ls -d {path}")).args(["--hide", path]).ended();
            assert_eq!(ended.stdout, "", "{path}: {ended:#?}");
            assert!(ended.stderr.contains("No such file"), "{path}: {ended:#?}");
        }
        let ended = sh(caller, "ls -A /proc/sys; cat /proc/cpuinfo")
            .args(["--hide", "/proc/sys", "--hide", "/proc/cpuinfo"])
            .ended();
        assert_eq!(ended.stdout, "", "{ended:#?}");
        assert!(ended.stderr.contains("Permission denied"), "{ended:#?}");
        let ended = sh(caller, "true").args(["--hide", "/proc/net"]).ended();
        ended.refused(125, &["belongs to a process"]);
    }

    fn hide_makes_a_directory_read_empty_and_a_file_unreadable(caller) {
        let work = tree(caller);
        let (file, deep, sub) = (work.at("tree/file"), work.at("tree/sub/deep/file"), work.at("tree/sub"));
        let hide = |run: Sbx| {
            run.args(["--write", &work.at("tree"), "--hide", &file, "--hide", &sub])
        };
        let report = hide(open(caller, &[(&file, "r"), (&file, "w"), (&deep, "r")])).report();
        assert_eq!(answer(&report, &file, "r"), "EACCES");
        assert_eq!(answer(&report, &file, "w"), "EACCES");
        assert_eq!(answer(&report, &deep, "r"), "ENOENT");
        let report = hide(Sbx::probe(caller, ["ls", &sub])).report();
        assert_eq!(report.one("entries"), format!("{sub} []"));
    }

    fn a_hidden_file_cannot_be_reached_by_renaming_what_is_above_it(caller) {
        let work = tree(caller);
        let hidden = work.at("tree/sub/deep/file");
        let script = format!(
            "cd {}; mv sub moved; mv sub/deep sub/other; mv sub/deep/file sub/deep/x; rm -rf sub;
             ln sub/deep/file link; cat moved/deep/file sub/other/file sub/deep/x link sub/deep/file;
             find . -type f -exec cat {{}} +",
            work.at("tree")
        );
        let ended = Sbx::run(caller)
            .args(["--write", &work.at("tree"), "--hide", &hidden])
            .command(["sh", "-c", &script])
            .ended();
        // `tree/file` and the tool may be read, `sub/file` too unless rm got there first.
        assert_eq!(fs::read_to_string(&hidden).expect("still there"), "contents");
        assert!(work.has("tree/sub/deep/file"));
        let count = ended.stdout.matches("contents").count();
        assert!(count <= 2, "{ended:?}");
        let control = Sbx::run(caller)
            .args(["--write", &work.at("tree")])
            .command(["sh", "-c", &format!("mv {}/sub {0}/moved; cat {0}/moved/deep/file", work.at("tree"))])
            .ended();
        assert_eq!(control.stdout, "contents", "without the rule renaming is possible: {control:?}");
    }

    fn private_is_fresh_and_gone_afterwards(caller) {
        let work = tree(caller);
        let sub = work.at("tree/sub");
        let script = format!("ls -A {sub}; touch {sub}/made && stat -c %a {sub}");
        let ended = Sbx::run(caller)
            .args(["--write", &work.at("tree"), "--private", &sub])
            .command(["sh", "-c", &script])
            .ended()
            .fine();
        assert_eq!(ended.stdout, "755\n");
        assert!(!work.has("tree/sub/made") && work.has("tree/sub/file"));
    }

    fn home_is_private_host_read_host_or_none(caller) {
        let account = caller.account();
        let secret = account.secret();
        let secret = secret.to_str().expect("UTF-8");
        let new = account.home.join(format!(".sbx-test-{}-{caller:?}", std::process::id()));
        let new = new.to_str().expect("UTF-8");
        let run = |home: &str| {
            let report = open(caller, &[(secret, "r"), (new, "c")]).args(["--home", home]).report();
            (answer(&report, secret, "r"), answer(&report, new, "c"))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(run("private"), pair("ENOENT", "ok"));
        assert!(!Path::new(new).exists());
        assert_eq!(run("host-read"), pair("ok", "EROFS"));
        assert_eq!(run("none"), pair("ENOENT", "ENOENT"));
        assert_eq!(run("host"), pair("ok", "ok"));
        fs::remove_file(new).expect("it was made in the host's home");
    }

    fn the_longer_path_wins_whatever_the_order(caller) {
        let work = tree(caller);
        let (file, deep) = (work.at("tree/sub/file"), work.at("tree/sub/deep/file"));
        for turned in [false, true] {
            let mut rules = [("read", "tree"), ("write", "tree/sub"), ("read", "tree/sub/deep")];
            if turned {
                rules.reverse();
            }
            let mut run = open(caller, &[(&file, "w"), (&deep, "w"), (&deep, "r")]);
            for (verb, path) in rules {
                run = run.args([format!("--{verb}"), work.at(path)]);
            }
            let report = run.report();
            assert_eq!(answer(&report, &file, "w"), "ok");
            assert_eq!(answer(&report, &deep, "w"), "EROFS");
            assert_eq!(answer(&report, &deep, "r"), "ok");
        }
    }

    fn inside_a_layer_the_more_restrictive_verb_wins_and_an_upper_layer_replaces_it(caller) {
        let work = tree(caller);
        let file = work.at("tree/file");
        let text = format!(
            "sbx = 1\n[files]\nread = [\"{0}\"]\nwrite = [\"{0}\"]\n", work.at("tree")
        );
        let profile = work.profile(caller, "both.toml", &text);
        let run = || open(caller, &[(&file, "w")]).profile(&profile);
        assert_eq!(answer(&run().report(), &file, "w"), "EROFS");
        let report = run().args(["--write", &work.at("tree")]).report();
        assert_eq!(answer(&report, &file, "w"), "ok", "a flag widens");
        let report = open(caller, &[(&file, "r")]).profile(&profile).args(["--hide", &work.at("tree")]);
        assert_eq!(answer(&report.report(), &file, "r"), "ENOENT", "a flag tightens");
    }

    fn binds_are_read_only_or_writable_and_elsewhere(caller) {
        let work = tree(caller);
        let from = work.at("tree");
        let report = open(caller, &[("/ro/file", "r"), ("/ro/file", "w"), ("/rw/file", "rw"), ("/rw/tool", "x")])
            .args(["--bind", &format!("{from}:/ro"), "--bind", &format!("{from}:/rw:rw")])
            .report();
        assert_eq!(answer(&report, "/ro/file", "r"), "ok");
        assert_eq!(answer(&report, "/ro/file", "w"), "EROFS");
        assert_eq!(answer(&report, "/rw/file", "rw"), "ok");
        assert_eq!(answer(&report, "/rw/tool", "x"), "EACCES");
    }

    fn mounts_of_every_kind_are_made(caller) {
        let work = tree(caller);
        let text = format!(
            "sbx = 1
[[mount]]
kind = \"bind\"
from = \"{}\"
to = \"/m/bind\"
options = [\"ro\", \"noexec\", \"nosymfollow\"]
[[mount]]
kind = \"tmpfs\"
to = \"/m/tmpfs\"
options = [\"noatime\", \"nodiratime\"]
size = \"1M\"
inodes = 10
mode = \"0750\"
[[mount]]
kind = \"proc\"
to = \"/m/proc\"
[[mount]]
kind = \"file\"
to = \"/m/file\"
contents = \"hello\"
mode = \"0444\"
[[mount]]
kind = \"dir\"
to = \"/m/dir\"
mode = \"0700\"
[[mount]]
kind = \"symlink\"
to = \"/m/link\"
target = \"file\"
", work.at("tree"));
        let profile = work.profile(caller, "kinds.toml", &text);
        let script = "cat /m/link; echo; stat -c '%n %F %a' /m/tmpfs /m/file /m/dir /m/link;
            cat /m/proc/self/comm; grep ' /m/' /proc/self/mountinfo | cut -d' ' -f5,6;
            cd /m/tmpfs; for n in 1 2 3 4 5 6 7 8 9 10 11; do touch $n; done 2>/dev/null; ls | wc -l;
            dd if=/dev/zero of=1 bs=64k count=17 2>/dev/null; stat -c %s 1";
        let ended = Sbx::run(caller).profile(&profile).command(["sh", "-c", script]).ended();
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(lines.len() > 8, "{ended:?}");
        assert_eq!(lines[..6], ["hello", "/m/tmpfs directory 750", "/m/file regular file 444",
            "/m/dir directory 700", "/m/link symbolic link 777", "cat"], "{ended:?}");
        let bind = lines.iter().find(|line| line.starts_with("/m/bind ")).expect("a bind");
        for option in ["ro", "noexec", "nosuid", "nodev", "nosymfollow"] {
            assert!(bind.contains(option), "{option} in {bind}");
        }
        let tmpfs = lines.iter().find(|line| line.starts_with("/m/tmpfs rw")).expect("a tmpfs");
        assert!(tmpfs.contains("noatime") && tmpfs.contains("noexec"), "{tmpfs}");
        assert!(lines[lines.len() - 2].parse::<u32>().is_ok_and(|n| n < 10), "{lines:?}");
        assert_eq!(lines.last(), Some(&"1048576"), "{ended:?}");
    }

    fn flags_that_the_host_locked_are_not_changed_and_said(caller) {
        let work = tree(caller);
        let text = format!(
            "sbx = 1\n[[mount]]\nkind = \"bind\"\nfrom = \"{}\"\nto = \"/x\"\noptions = [\"noatime\"]\n",
            work.at("tree")
        );
        let profile = work.profile(caller, "noatime.toml", &text);
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["noatime.toml:5", "EPERM", "remove the option that changes what the host locked"]);
    }

    fn files_sbx_made_cannot_be_written(caller) {
        let work = Work::new(caller);
        let text = "sbx = 1\n[[mount]]\nkind = \"file\"\nto = \"/made\"\ncontents = \"x\"\nmode = \"0666\"\n";
        let profile = work.profile(caller, "p.toml", text);
        let report = open(caller, &[("/made", "r"), ("/made", "w")]).profile(&profile).report();
        assert_eq!(answer(&report, "/made", "r"), "ok");
        assert_ne!(answer(&report, "/made", "w"), "ok");
    }

    fn device_and_socket_and_file_sources_can_be_bound(caller) {
        let work = Work::new(caller);
        work.file("plain", "x");
        let socket = work.at("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).expect("ours");
        let report = Sbx::probe(caller, ["connect", "unix:/s/socket"])
            .args(["--bind", &format!("{socket}:/s/socket:rw")])
            .report();
        assert_eq!(report.answers("connect")["unix:/s/socket"], "ok");
        let ended = Sbx::run(caller)
            .args(["--bind", &format!("{}:/plain", work.at("plain")), "--bind", "/dev/null:/null"])
            .command(["sh", "-c", "cat /plain; stat -c ' %F %t:%T' /null; cat /null"])
            .ended();
        // It is the device, but every bind is nodev: what opens it is `[dev]`.
        assert_eq!(ended.stdout, "x character special file 1:3\n");
        assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
    }

    fn a_missing_source_is_refused_with_its_line_unless_optional(caller) {
        let work = Work::new(caller);
        let text = format!("sbx = 1\n[files]\nread = [\n  \"/usr\",\n  \"{}\",\n]\n", work.at("none"));
        let profile = work.profile(caller, "missing.toml", &text);
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["missing.toml:5", "is not there", "`?"]);
        let text = text.replace("\"/var", "\"?/var");
        let profile = work.profile(caller, "optional.toml", &text);
        Sbx::run(caller).profile(&profile).command(["true"]).ended().fine();
        let text = format!("sbx = 1\n[[mount]]\nkind = \"bind\"\nfrom = \"{}\"\nto = \"/x\"\n", work.at("none"));
        let profile = work.profile(caller, "bind.toml", &text);
        let ended = Sbx::run(caller).profile(&profile).command(["true"]).ended();
        ended.refused(125, &["bind.toml:4", "is not there"]);
    }

    fn nothing_is_made_on_the_host(caller) {
        let work = tree(caller);
        let before = work.listing();
        // A mount point that the host's directory does not have.
        let ended = Sbx::run(caller)
            .args(["--write", &work.at("tree")])
            .args(["--bind", &format!("/usr:{}", work.at("tree/not-there"))])
            .command(["true"])
            .ended();
        ended.refused(125, &["tree/not-there"]);
        assert_eq!(work.listing(), before);
        // Where sbx made the file system, it makes the mount point.
        let script = format!("ls {}/new/point | head -n1", work.at("other"));
        let ended = Sbx::run(caller)
            .args(["--bind", &format!("/usr:{}", work.at("other/new/point"))])
            .command(["sh", "-c", &script])
            .ended()
            .fine();
        assert!(!ended.stdout.is_empty());
        assert_eq!(work.listing(), before);
    }

    fn a_hostile_link_at_a_target_does_not_lead_out(caller) {
        let work = tree(caller);
        let outside = work.directory("outside");
        work.link(&outside, "tree/link");
        work.link("/etc", "tree/etc");
        let before = work.listing();
        let over = ["leads over the link", "name the place itself"];
        let link = ["is a symbolic link", "name a place of the same type"];
        for (target, words) in [("tree/link/x", over), ("tree/link", link), ("tree/etc/x", over)] {
            let ended = Sbx::run(caller)
                .args(["--write", &work.at("tree")])
                .args(["--bind", &format!("/usr:{}", work.at(target))])
                .command(["true"])
                .ended();
            ended.refused(125, &[&work.at(target), words[0], words[1]]);
            assert_eq!(work.listing(), before);
        }
    }

    fn an_existing_target_of_the_wrong_type_is_refused(caller) {
        let work = tree(caller);
        let ended = Sbx::run(caller)
            .args(["--write", &work.at("tree")])
            .args(["--bind", &format!("/usr:{}", work.at("tree/file"))])
            .command(["true"])
            .ended();
        ended.refused(125, &["tree/file` needs a directory to be mounted on", "is a regular file",
            "name a place of the same type"]);
    }

    fn links_in_writable_grants_are_not_followed(caller) {
        let work = tree(caller);
        work.directory("elsewhere");
        work.file("elsewhere/secret", "x");
        work.link(work.path().join("elsewhere"), "tree/link");
        let ended = Sbx::run(caller)
            .args(["--write", &work.at("tree"), "--read", &work.at("tree/link")])
            .command(["true"])
            .ended();
        ended.refused(125, &["is a link that must not be followed", "the command can write here",
            "name the place itself"]);
        let report = open(caller, &[(&work.at("tree/link/secret"), "r")])
            .args(["--write", &work.at("tree")])
            .report();
        assert_eq!(answer(&report, &work.at("tree/link/secret"), "r"), "ENOENT");
    }

    fn links_that_lead_to_a_grant_come_along(caller) {
        let work = tree(caller);
        // The link belongs to whoever starts sbx.
        let link = work.path().join("link");
        match caller {
            Caller::Ordinary => { work.link(work.path().join("tree"), "link"); }
            Caller::Root => {
                std::os::unix::fs::symlink(work.path().join("tree"), &link).expect("made");
            }
        }
        let path = work.at("link/file");
        let report = open(caller, &[(&path, "r")]).args(["--read", &work.at("link")]).report();
        assert_eq!(answer(&report, &path, "r"), "ok");
    }

    fn parents_are_mounted_before_children_whatever_the_order(caller) {
        let work = tree(caller);
        let (from, sub) = (work.at("tree"), work.at("tree/sub"));
        for order in [[("/a/b", &sub), ("/a", &from)], [("/a", &from), ("/a/b", &sub)]] {
            let mut run = Sbx::probe(caller, ["ls", "/a/sub", "/a/sub/deep"]);
            for (to, from) in order {
                let to = to.replace("/b", "/sub/deep");
                run = run.args(["--bind", &format!("{from}:{to}")]);
            }
            let report = run.report();
            assert_eq!(report.table("entries")["/a/sub/deep"], "[deep file]");
            assert_eq!(report.table("entries")["/a/sub"], "[deep file]");
        }
    }

    fn tmpfs_has_a_size(caller) {
        let script = "dd if=/dev/zero of=/data/x bs=1M count=3 2>/dev/null; stat -c %s /data/x";
        let ended = Sbx::run(caller)
            .args(["--tmpfs", "/data:2M"])
            .command(["sh", "-c", script])
            .ended()
            .fine();
        assert_eq!(ended.stdout, "2097152\n");
    }

    fn an_empty_root_has_nothing_but_what_is_named(caller) {
        let report = Sbx::probe(caller, ["ls", "/"]).set("root.kind=empty").report();
        assert_eq!(report.one("entries"), "/ [probe]");
    }

    fn dev_none_has_nothing_and_host_has_the_hosts_read_only(caller) {
        let report = Sbx::probe(caller, ["ls", "/dev"]).args(["--dev", "none"]).report();
        assert_eq!(report.one("entries"), "/dev !ENOENT");
        let report = open(caller, &[("/dev/null", "rw"), ("/dev/sbx-new", "c")]).args(["--dev", "host"]);
        let report = report.report();
        assert_eq!(answer(&report, "/dev/null", "rw"), "ok");
        assert_eq!(answer(&report, "/dev/sbx-new", "c"), "EROFS");
    }
}

#[test]
fn globs_and_variables_are_expanded_when_the_plan_is_made() {
    let caller = Caller::Ordinary;
    let work = tree(caller);
    let text = format!(
        "sbx = 1\n[files]\nread = [\"{0}/*/f*\", \"${{NONE:-{0}/tree/sub}}/file\"]\n",
        work.path().display()
    );
    let profile = work.profile(caller, "glob.toml", &text);
    let (file, tool, sub) = (work.at("tree/file"), work.at("tree/tool"), work.at("tree/sub/file"));
    let report =
        open(caller, &[(&file, "r"), (&tool, "r"), (&sub, "r")]).profile(&profile).report();
    assert_eq!(answer(&report, &file, "r"), "ok", "the glob");
    assert_eq!(answer(&report, &sub, "r"), "ok", "the variable");
    assert_eq!(answer(&report, &tool, "r"), "ENOENT");
}
