//! A place where an ordinary user tries what the documents say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::{Caller, Work, tools};

/// A directory with a home and a project, and the user that everything is run as.
pub(crate) struct Desk {
    work: Work,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { work: Work::new(Caller::Ordinary) };
        for made in ["home", "home/notes", "project", "project/notes", "project/out"] {
            fs::create_dir(desk.path(made)).unwrap();
        }
        fs::write(desk.path("home/notes/a.txt"), "b\na\n").unwrap();
        fs::write(desk.path("project/notes/a.txt"), "b\na\n").unwrap();
        fs::write(desk.path("project/Makefile"), "all:\n\techo made > made\n").unwrap();
        desk.give(desk.work.path());
        desk
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.work.path().join(below)
    }

    /// Makes a file or directory, and what is in it, the user's.
    pub(crate) fn give(&self, path: &Path) {
        let is_directory = path.is_dir();
        let mode = if is_directory { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        self.work.account.own(path);
        if is_directory {
            for entry in fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// Runs a line of shell in the project.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let bin = tools().sbx.parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .current_dir(self.path("project"))
            .stdin(Stdio::null());
        if Caller::tests_are_root() {
            command.uid(self.work.account.uid).gid(self.work.account.gid);
        }
        command.output().unwrap()
    }

    /// Runs a line that must succeed, and returns what it printed.
    pub(crate) fn succeeds(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(
            output.status.success(),
            "`{line}` ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}
