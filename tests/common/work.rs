//! A directory to work in that is gone afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::caller::{Account, Caller};
use super::tools::tools;

/// A directory of the test user, outside of every path that a sandbox makes by itself.
#[derive(Debug)]
pub struct Work {
    directory: tempfile::TempDir,
    /// Whose it is.
    pub account: Account,
}

impl Work {
    /// Makes one.
    pub fn new(caller: Caller) -> Self {
        let account = caller.account();
        let directory = tempfile::Builder::new()
            .prefix("sbx-work-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/var/tmp")
            .expect("/var/tmp can be written");
        account.own(directory.path());
        Self { directory, account }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the path of an entry as text.
    pub fn at(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("a path of tests is UTF-8").to_owned()
    }

    /// Writes a file of the user.
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, contents).expect("the directory can be written");
        self.account.own(&path);
        path
    }

    /// Writes a profile: a file of whoever starts sbx.
    pub fn profile(&self, caller: Caller, name: &str, contents: &str) -> PathBuf {
        match caller {
            Caller::Ordinary => self.file(name, contents),
            Caller::Root => {
                let path = self.path().join(name);
                fs::write(&path, contents).expect("the directory can be written");
                path
            }
        }
    }

    /// Writes a program of the user.
    pub fn program(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.file(name, contents);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it was made");
        path
    }

    /// Makes a directory of the user, with those above it that are not there yet.
    pub fn directory(&self, name: &str) -> PathBuf {
        let mut path = self.path().to_owned();
        for part in Path::new(name) {
            path.push(part);
            if !path.exists() {
                fs::create_dir(&path).expect("the directory can be written");
                self.account.own(&path);
            }
        }
        path
    }

    /// Makes a root directory with nothing in it but the probe and these passwd and group files.
    pub fn root_directory(&self, passwd: &str, group: &str) -> String {
        for name in ["etc", "tmp", "proc", "dev"] {
            self.directory(&format!("root/{name}"));
        }
        self.file("root/etc/passwd", passwd);
        self.file("root/etc/group", group);
        fs::copy(&tools().probe, self.at("root/probe")).expect("the directory is ours");
        self.at("root")
    }

    /// Makes a link of the user.
    pub fn link(&self, target: impl AsRef<Path>, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::os::unix::fs::symlink(target, &path).expect("the directory can be written");
        if Caller::tests_are_root() {
            let (uid, gid) = (self.account.uid, self.account.gid);
            std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).expect("root may");
        }
        path
    }

    /// Returns what a file says.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// Says whether an entry is there.
    pub fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path().join(name)).is_ok()
    }

    /// Returns every entry below, sorted: to see that nothing was left behind.
    pub fn listing(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut todo = vec![self.path().to_owned()];
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(&directory).expect("a directory of ours").flatten() {
                if entry.file_type().expect("an entry has a type").is_dir() {
                    todo.push(entry.path());
                }
                out.push(entry.path().display().to_string());
            }
        }
        out.sort();
        out
    }
}
