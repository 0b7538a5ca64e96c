//! The binary under test and the probe, where every user can execute them.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Copies of the tools in a directory that every user can enter: the target directory of root
/// often is not.
#[derive(Debug)]
pub struct Tools {
    /// sbx.
    pub sbx: PathBuf,
    /// sbx with hooks, `tests/tools/hooked.rs`.
    #[allow(dead_code, reason = "for `tests/steps.rs` and `tests/system/races.rs`")]
    pub hooked: PathBuf,
    /// `tests/tools/probe.rs`, static.
    pub probe: PathBuf,
}

/// Returns the tools, made once for each build.
pub fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools.lock"))
            .expect("the target directory can be written");
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .expect("no other test keeps the lock for good");
        let probe = probe();
        let sbx = Path::new(env!("CARGO_BIN_EXE_sbx"));
        let hooked = sbx.with_file_name("examples").join("hooked");
        // `cargo test --test NAME` builds no examples: who needs it then finds it missing.
        let builds: Vec<&Path> =
            [sbx, &hooked, &probe].into_iter().filter(|build| build.exists()).collect();
        let directory = directory(&builds);
        Tools {
            sbx: copy(sbx, &directory, "sbx"),
            hooked: if hooked.exists() { copy(&hooked, &directory, "hooked") } else { hooked },
            probe: copy(&probe, &directory, "probe"),
        }
    })
}

/// A fresh directory for this user and these builds.
fn directory(builds: &[&Path]) -> PathBuf {
    let stamp = |path: &Path| {
        let meta = fs::metadata(path).expect("a tool that was built");
        format!("{:x}-{:x}-{:x}", meta.ino(), meta.mtime_nsec(), meta.len())
    };
    let uid = rustix::process::geteuid().as_raw();
    let stamps: Vec<String> = builds.iter().map(|build| stamp(build)).collect();
    let path = PathBuf::from(format!("/tmp/sbx-tools-{uid}-{}", stamps.join("-")));
    if let Err(error) = fs::create_dir(&path) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "{}", path.display());
    }
    let meta = fs::symlink_metadata(&path).expect("it was made");
    assert!(meta.is_dir() && meta.uid() == uid, "{} is somebody else's", path.display());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

fn copy(from: &Path, directory: &Path, name: &str) -> PathBuf {
    let to = directory.join(name);
    if !to.exists() {
        let part = directory.join(format!("{name}.part"));
        fs::copy(from, &part).expect("a tool can be copied");
        fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::rename(&part, &to).expect("it is ours");
    }
    to
}

/// Compiles the probe if its sources are newer than it is.
fn probe() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/probe.rs");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
    let modules = fs::read_dir(source.with_extension("")).expect("the probe's modules");
    let mut sources: Vec<PathBuf> = modules.flatten().map(|entry| entry.path()).collect();
    sources.push(source.clone());
    let time = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let newest = sources.iter().filter_map(|path| time(path)).max();
    if time(&out).is_some_and(|made| Some(made) > newest) {
        return out;
    }
    let part = out.with_extension("part");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--target", "x86_64-unknown-linux-musl"])
        .args(["-C", "panic=abort", "-O", "-o"])
        .args([&part, &source])
        .output()
        .expect("rustc is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&part, &out).expect("the target directory can be written");
    out
}
