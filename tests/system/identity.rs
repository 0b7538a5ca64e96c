//! Who the command is: users, groups, capabilities, and what root may and may not do.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::{Caller, Feature, Sbx, Work, as_both, as_root, needs, tools};

/// CAP_NET_BIND_SERVICE as a mask.
const NET_BIND: &str = "0000000000000400";

fn four(number: u32) -> String {
    [number; 4].map(|n| n.to_string()).join(" ")
}

as_both! {
    fn ids_are_those_of_passwd(caller) {
        let account = caller.account();
        let report = Sbx::probe(caller, ["report"]).report();
        assert_eq!(report.one("Uid"), four(account.uid));
        assert_eq!(report.one("Gid"), four(account.gid));
    }

    fn the_environment_names_the_entry(caller) {
        let account = caller.account();
        let ended = Sbx::run(caller)
            .env("HOME", "/hostile")
            .env("USER", "hostile")
            .env("SHELL", "/hostile")
            .command(["sh", "-c", "echo $HOME $USER $LOGNAME $SHELL"])
            .ended()
            .fine();
        let (home, name, shell) = (account.home.display(), &account.name, &account.shell);
        assert_eq!(ended.stdout, format!("{home} {name} {name} {shell}\n"));
    }

    fn passwd_has_root_the_user_and_nobody(caller) {
        let account = caller.account();
        let ended = Sbx::run(caller)
            .command(["sh", "-c", "cut -d: -f1,3 /etc/passwd; stat -c '%a %u' /etc/passwd /etc/group"])
            .ended()
            .fine();
        let (name, uid) = (&account.name, account.uid);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines[..3], ["root:0", &format!("{name}:{uid}"), "nobody:65534"]);
        assert!(lines[3].starts_with("644 ") && lines[4].starts_with("644 "), "{lines:?}");
    }

    fn an_unknown_user_names_the_file_and_the_nearest(caller) {
        let near = caller.account().name;
        let misspelt = format!("{near}x");
        let ended = Sbx::bare(caller, "run").args(["--user", &misspelt]).command(["true"]).ended();
        ended.refused(125, &[&format!("unknown user `{misspelt}`"), "/etc/passwd",
            &format!("`{near}`"), &format!("--user {misspelt}")]);
    }

    fn an_unknown_group_names_the_file_and_the_nearest(caller) {
        let name = caller.account().name;
        let ended = Sbx::bare(caller, "run")
            .args(["--user", &format!("{name}:usersx")])
            .command(["true"])
            .ended();
        ended.refused(125, &["unknown group `usersx`", "/etc/group", "`users`"]);
    }

    fn capability_names_have_any_case_and_prefix(caller) {
        for name in ["net-bind-service", "CAP_NET_BIND_SERVICE", "Net_Bind_Service"] {
            let report = Sbx::probe(caller, ["caps"]).args(["--keep-cap", name]).report();
            assert_eq!(report.one("CapAmb"), NET_BIND, "{name}");
        }
    }

    fn an_unknown_capability_is_refused_with_the_nearest(caller) {
        let ended = Sbx::run(caller).args(["--keep-cap", "net-bind-servise"]).command(["true"]).ended();
        ended.refused(125, &["net-bind-servise", "--keep-cap net-bind-servise"]);
        let said = ended.stderr.to_lowercase().replace('_', "-");
        assert!(said.contains("net-bind-service"), "{}", ended.stderr);
    }

    fn a_kept_capability_really_binds_port_80_of_its_own_network(caller) {
        let listen = || Sbx::probe(caller, ["listen", "80"]).args(["--net", "loopback"]);
        assert_eq!(listen().args(["--keep-cap", "net-bind-service"]).report().one("listen"), "ok");
        assert_eq!(listen().report().one("listen"), "EACCES");
    }

    fn every_set_is_exactly_what_was_kept(caller) {
        let report = Sbx::probe(caller, ["report"]).args(["--keep-cap", "net-bind-service"]).report();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(report.one(set), NET_BIND, "{set}");
        }
        assert_eq!(report.one("NoNewPrivs"), "1");
    }

    fn with_a_kept_capability_mounts_are_locked(caller) {
        // With sys-admin, no filter and no Landlock, nothing but the lock refuses these calls.
        let run = |lock: &[&str]| {
            let calls = ["syscall", "umount:/proc/keys", "make-writable:/usr", "umount:/proc"];
            Sbx::probe(caller, calls)
                .args(["--keep-cap", "sys-admin"])
                .set("seccomp.set=none")
                .set("landlock.mode=off")
                .args(lock)
                .report()
        };
        let locked = run(&[]);
        let locked = locked.answers("call");
        assert_eq!(locked["umount:/proc/keys"], "EINVAL");
        assert_eq!(locked["umount:/proc"], "EINVAL");
        assert_eq!(locked["make-writable:/usr"], "EPERM");
        let unlocked = run(&["--set", "namespaces.lock-mounts=false"]);
        assert_eq!(unlocked.answers("call").into_values().collect::<Vec<_>>(), ["ok"; 3]);
    }

    fn nested_users_may_make_user_namespaces_where_asked(caller) {
        // One call for both: the new user namespace gives the right to make the other one.
        let both = "unshare-newuser-newns";
        let calls = ["syscall", "clone-newuser", "mount", both];
        let run = |nested: &str| {
            Sbx::probe(caller, calls).set(&format!("namespaces.nested-users={nested}")).report()
        };
        let sandbox = run("sandbox");
        let answers = sandbox.answers("call");
        assert_eq!(answers["clone-newuser"], "ok");
        assert_eq!((answers[both], answers["mount"]), ("EPERM", "EPERM"));
        assert_eq!(run("allow").answers("call")[both], "ok");
        let allow = Sbx::run(caller)
            .set("namespaces.nested-users=allow")
            // Every Landlock domain forbids mounting.
            .set("landlock.mode=off")
            .command(["unshare", "--user", "--map-root-user", "--mount", "true"])
            .ended();
        assert_eq!(allow.status, 0, "{allow:?}");
    }

    fn a_nested_namespace_cannot_undo_a_mount(caller) {
        // What was mounted in the nested namespace itself can be taken off again: the control.
        let script = "mount -t tmpfs tmpfs /tmp && exec /probe syscall umount:/tmp \
            umount:/proc/keys umount:/proc make-writable:/usr";
        let report = Sbx::run(caller)
            .args(["--bind", &format!("{}:/probe", tools().probe.display())])
            .set("namespaces.nested-users=allow")
            .set("landlock.mode=off")
            .command(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
            .report();
        let answers = report.answers("call");
        assert_eq!(answers["umount:/tmp"], "ok");
        assert_eq!(answers["umount:/proc/keys"], "EINVAL");
        assert_eq!(answers["umount:/proc"], "EINVAL");
        assert_eq!(answers["make-writable:/usr"], "EPERM");
    }
}

#[test]
fn the_own_user_named_without_privileges_is_no_error() {
    let account = Caller::Ordinary.account();
    for user in [account.name.clone(), account.uid.to_string()] {
        let report = Sbx::probe(Caller::Ordinary, ["report"]).args(["--user", &user]).report();
        assert_eq!(report.one("Uid"), four(account.uid));
    }
}

#[test]
fn a_number_inside_is_the_own_id_outside() {
    let report = Sbx::probe(Caller::Ordinary, ["report"]).args(["--user", "0"]).report();
    assert_eq!(report.one("Uid"), four(0));
    assert_eq!(report.one("CapEff"), "0000000000000000");
}

#[test]
fn groups_that_are_not_mapped_are_refused_before_anything_is_made() {
    let account = Caller::Ordinary.account();
    let ended = Sbx::bare(Caller::Ordinary, "run")
        .args(["--user", &format!("{}::65533", account.name)])
        .command(["true"])
        .ended();
    ended.refused(125, &["65533", "start sbx as root"]);
}

#[test]
fn groups_cannot_be_dropped_with_the_own_map() {
    let ended =
        Sbx::run(Caller::Ordinary).command(["sh", "-c", "cat /proc/self/setgroups"]).ended().fine();
    assert_eq!(ended.stdout, "deny\n");
}

as_root! {
    fn groups_are_all_that_list_the_user() {
        let account = Caller::Root.account();
        let report = Sbx::probe(Caller::Root, ["report"]).report();
        let found: BTreeSet<u32> =
            report.one("Groups").split_whitespace().filter_map(|n| n.parse().ok()).collect();
        assert!(account.groups.len() > 1, "sbx-test has a supplementary group");
        assert_eq!(found, account.groups.iter().copied().collect());
        let ended = Sbx::run(Caller::Root).command(["id"]).ended().fine();
        let (name, uid, gid) = (&account.name, account.uid, account.gid);
        let start = format!("uid={uid}({name}) gid={gid}({name}) groups=");
        assert!(ended.stdout.starts_with(&start), "{}", ended.stdout);
        assert!(ended.stdout.contains("(users)"), "{}", ended.stdout);
    }

    fn a_group_that_is_given_is_the_only_one() {
        let account = Caller::Root.account();
        let groups = |user: String| {
            let report = Sbx::bare(Caller::Root, "run")
                .args(["--user", &user, "--bind", &format!("{}:/probe", tools().probe.display())])
                .command(["/probe", "report"])
                .report();
            (report.one("Gid").to_owned(), report.one("Groups").trim().to_owned())
        };
        let only = groups(format!("{}:daemon", account.name));
        assert_eq!(only, (four(1), "1".to_owned()));
        let listed = groups(format!("{}:daemon:sys,adm", account.name));
        assert_eq!(listed, (four(1), "1 3 4".to_owned()));
    }

    fn without_a_user_root_is_refused_with_the_remedy() {
        let work = Work::new(Caller::Root);
        let ended = Sbx::bare(Caller::Root, "run")
            .args(["--write", &work.at("")])
            .command(["touch", &work.at("marker")])
            .ended();
        ended.refused(125, &["started by root", "--user NAME"]);
        assert!(!work.has("marker"));
    }

    fn allow_root_runs_as_root_and_warns() {
        let as_root = || Sbx::bare(Caller::Root, "run").args(["--user", "root"]);
        as_root().command(["true"]).ended().refused(125, &["host's root", "allow-root = true"]);
        let ended = as_root().set("user.allow-root=true").command(["id", "-u"]).ended().fine();
        assert_eq!(ended.stdout, "0\n");
        assert!(
            ended.stderr.contains("warning") && ended.stderr.contains("host's root"),
            "{ended:?}"
        );
    }

    fn the_hosts_root_without_capabilities_cannot_write_sysctls() {
        let path = "/proc/sys/kernel/core_pattern";
        let report = Sbx::bare(Caller::Root, "run")
            .args(["--user", "root", "--bind", &format!("{}:/probe", tools().probe.display())])
            .set("user.allow-root=true")
            .command(["/probe", "open", path, "w"])
            .report();
        assert_eq!(report.answers("open")[&*format!("{path} w")], "EROFS");
    }

    fn without_a_user_namespace_ids_really_switch() {
        let account = Caller::Root.account();
        let report = Sbx::probe(Caller::Root, ["report"]).set("namespaces.user=false").report();
        let host = fs::read_link("/proc/self/ns/user").expect("a namespace");
        assert_eq!(report.one("ns-user"), host.to_str().expect("UTF-8"));
        assert_eq!(report.one("Uid"), four(account.uid));
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(report.one(set), "0000000000000000", "{set}");
        }
        let secret = account.secret();
        let words = ["open", secret.to_str().expect("UTF-8"), "r", "/etc/shadow", "r"];
        let answers = Sbx::probe(Caller::Root, words).set("namespaces.user=false").report();
        assert_eq!(answers.answers("open").into_values().collect::<Vec<_>>(), ["ENOENT"; 2]);
    }
}

#[test]
fn without_a_user_namespace_an_ordinary_user_is_told_what_is_missing() {
    let ended = Sbx::run(Caller::Ordinary).set("namespaces.user=false").command(["true"]).ended();
    ended.refused(125, &["CAP_SYS_ADMIN", "namespaces.user=false", "start sbx as root"]);
}

as_root! {
    fn user_0_cannot_be_had_again() {
        let report = Sbx::probe(Caller::Root, ["syscall", "setuid-0"]).report();
        assert_eq!(report.answers("call")["setuid-0"], "EPERM");
    }

    fn as_root_home_comes_from_passwd_whatever_the_environment_says() {
        let work = Work::new(Caller::Root);
        let evil = work.directory("sbx");
        fs::create_dir(evil.join("profiles")).expect("made");
        fs::write(evil.join("profiles/evil.toml"), "sbx = 1\n").expect("written");
        let ended = Sbx::run(Caller::Root)
            .env("XDG_CONFIG_HOME", work.at(""))
            .args(["--profile", "evil"])
            .command(["true"])
            .ended();
        ended.refused(125, &["evil"]);
    }
}

/// A root with a user database of its own, made by hand.
fn small_root(work: &Work) -> String {
    let root = work.path().join("root");
    for directory in ["etc", "tmp", "proc", "dev", "home/inner", "bin"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\ninner:x:4242:4243::/home/inner:/bin/x\n",
    )
    .expect("written");
    fs::write(root.join("etc/group"), "inner:x:4243:\nclub:x:4244:other,inner\n").expect("written");
    fs::copy(&tools().probe, root.join("bin/probe")).expect("copied");
    root.to_str().expect("UTF-8").to_owned()
}

fn in_root(root: &str) -> Sbx {
    Sbx::bare(Caller::Root, "run").args(["--rootfs", root, "--user", "inner"])
}

as_root! {
    fn a_root_directory_resolves_users_from_its_own_files() {
        let work = Work::new(Caller::Root);
        let root = small_root(&work);
        let report = in_root(&root).command(["/bin/probe", "report"]).report();
        assert_eq!((report.one("Uid"), report.one("Gid")), (&*four(4242), &*four(4243)));
        assert_eq!(report.one("Groups").trim(), "4243 4244");
        assert!(report.all("env").contains(&"HOME=/home/inner"), "{report:?}");
        // A user of the host is none of the root's.
        let ended = Sbx::bare(Caller::Root, "run")
            .args(["--rootfs", &root, "--user", "daemon"])
            .command(["/bin/probe", "report"])
            .ended();
        ended.refused(125, &["unknown user `daemon`", &format!("{root}/etc/passwd")]);
    }

    fn a_root_directory_is_read_only_unless_asked_otherwise() {
        let work = Work::new(Caller::Root);
        let root = small_root(&work);
        fs::create_dir(format!("{root}/data")).expect("made");
        fs::set_permissions(format!("{root}/data"), fs::Permissions::from_mode(0o777))
            .expect("ours");
        let words = ["/bin/probe", "open", "/data/x", "c"];
        assert_eq!(in_root(&root).command(words).report().answers("open")["/data/x c"], "EROFS");
        let report = in_root(&root).set("root.writable=true").command(words).report();
        assert_eq!(report.answers("open")["/data/x c"], "ok");
        assert!(Path::new(&root).join("data/x").exists());
    }
}

#[test]
fn a_root_is_no_relative_path_and_not_the_hosts() {
    for root in ["/", "//", "/usr/.."] {
        let ended = Sbx::run(Caller::Ordinary).args(["--rootfs", root]).command(["true"]).ended();
        ended.refused(125, &["cannot be a root"]);
    }
    let work = Work::new(Caller::Ordinary);
    let text = "sbx = 1\n[root]\npath = \"srv/root\"\n";
    let profile = work.profile(Caller::Ordinary, "p.toml", text);
    let ended = Sbx::run(Caller::Ordinary).profile(&profile).command(["true"]).ended();
    ended.refused(125, &["p.toml:3", "begins with `/`"]);
}

#[test]
fn a_root_made_by_debootstrap_runs_its_own_programs_as_its_own_users() {
    if !needs(Feature::Debootstrap) {
        return;
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debootstrap");
    if !root.join("etc/debian_version").exists() {
        let _absent = fs::remove_dir_all(&root);
        let output = Command::new("debootstrap")
            .args(["--variant=minbase", "stable"])
            .arg(&root)
            .output()
            .expect("debootstrap starts");
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let _part = fs::remove_dir_all(&root);
            panic!("debootstrap: {said}");
        }
    }
    let passwd = root.join("etc/passwd");
    let text = fs::read_to_string(&passwd).expect("a passwd");
    if !text.contains("inner:") {
        fs::write(&passwd, format!("{text}inner:x:4242:4242::/tmp:/bin/sh\n")).expect("written");
    }
    let root = root.to_str().expect("UTF-8");
    let ended = in_root(root)
        .command(["sh", "-c", "id -u; id -un; cat /etc/debian_version; dpkg --version | head -n1"])
        .ended()
        .fine();
    assert!(ended.stdout.starts_with("4242\ninner\n"), "{ended:?}");
    assert!(ended.stdout.contains("Debian 'dpkg'"), "{ended:?}");
}
