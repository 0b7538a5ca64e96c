//! Where sbx itself refuses to start, or is started in a place that is not the usual one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Caller, Feature, Report, Sbx, Work, as_root, needs, tools};

as_root! {
    fn a_set_user_id_copy_refuses_to_start() {
        let work = Work::new(Caller::Root);
        // Where a file system is nosuid the bit does nothing, and the test would show nothing.
        let copy = tools().sbx.with_file_name("sbx-setuid");
        for mode in [0o4755, 0o2755] {
            fs::copy(&tools().sbx, &copy).expect("copied");
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).expect("ours");
            let ended = Sbx::run(Caller::Ordinary)
                .with_program(&copy)
                .args(["--write", &work.at("")])
                .command(["touch", &work.at("marker")])
                .ended();
            fs::remove_file(&copy).expect("ours");
            assert_eq!(ended.status, 125, "{mode:o}: {ended:?}");
            for word in ["error[caller]", "= help:", "chmod u-s,g-s"] {
                assert!(ended.stderr.contains(word), "{word} in {ended:?}");
            }
            assert!(!work.has("marker"));
        }
    }

    fn a_copy_with_file_capabilities_refuses_to_start() {
        let copy = tools().sbx.with_file_name("sbx-caps");
        fs::copy(&tools().sbx, &copy).expect("copied");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("ours");
        // VFS_CAP_REVISION_2, effective; permitted: CAP_NET_RAW.
        let mut value = [0_u8; 20];
        value[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
        value[4..8].copy_from_slice(&(1_u32 << 13).to_le_bytes());
        rustix::fs::setxattr(&copy, "security.capability", &value, rustix::fs::XattrFlags::empty())
            .expect("root may");
        let ended = Sbx::run(Caller::Ordinary).with_program(&copy).command(["true"]).ended();
        fs::remove_file(&copy).expect("ours");
        ended.refused(125, &["error[caller]", "capabilities", "= help:", "setcap -r"]);
    }
}

/// A shell in a user namespace of the test, whose limit of further ones is its own: the host's
/// stays. It ends by starting sbx as an ordinary user, without the capabilities it has there.
fn in_user_namespace(script: &str, work: &Work) -> Sbx {
    Sbx::program(Caller::Ordinary, "/usr/bin/unshare")
        .env("MARKER", work.at("marker"))
        .env("PLAIN", "setpriv --ambient-caps -all --inh-caps -all")
        .args(["--user", "--map-current-user", "--keep-caps", "sh", "-c", script])
}

#[test]
fn where_user_namespaces_are_forbidden_it_says_the_cause_and_the_remedy() {
    if !needs(Feature::Unshare) {
        return;
    }
    let work = Work::new(Caller::Ordinary);
    let run = "$PLAIN $SBX run --set root.kind=empty $SHOW_PROBE --bind $MARKER_DIR:/w:rw";
    let script = format!(
        "{run} -- /probe open /w/first c; echo status $?
         echo 0 > /proc/sys/user/max_user_namespaces
         {run} -- /probe open /w/marker c; echo status $?"
    );
    let ended = in_user_namespace(&script, &work).env("MARKER_DIR", work.at("")).ended().fine();
    let report = Report::parse(&ended.stdout);
    assert_eq!(report.all("status"), ["0", "125"], "{ended:?}");
    for word in ["user", "max_user_namespaces", "= help:", "sysctl"] {
        assert!(ended.stderr.contains(word), "{word} in {}", ended.stderr);
    }
    assert!(work.has("first") && !work.has("marker"));
}

#[test]
fn the_doctor_names_what_forbids_user_namespaces() {
    if !needs(Feature::Unshare) {
        return;
    }
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec $PLAIN $SBX doctor";
    let ended = in_user_namespace(script, &Work::new(Caller::Ordinary)).ended();
    assert!(ended.stdout.contains("max_user_namespaces"), "{ended:?}");
    assert!(ended.stdout.contains("remedy"), "{ended:?}");
}

#[test]
fn a_sandbox_can_be_made_in_a_user_namespace_that_does_not_know_root() {
    if !needs(Feature::Unshare) {
        return;
    }
    let script = "exec $PLAIN $SBX run -- sh -c 'exit 42'";
    let ended = in_user_namespace(script, &Work::new(Caller::Ordinary)).ended();
    assert_eq!(ended.status, 42, "{ended:?}");
}
