//! Where profiles lie on this system.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::facts::Facts;
use crate::profile::directory_below;

/// Directories of distribution packages, where `XDG_DATA_DIRS` says nothing else.
const DATA_DIRS: &str = "/usr/local/share:/usr/share";

/// Returns the directories that profiles are looked for in, the one that wins first.
///
/// As root the XDG variables of the environment are ignored: another user may have set them.
pub(super) fn profile_directories(facts: &dyn Facts) -> Vec<PathBuf> {
    let is_root = facts.caller().uid == 0;
    let mut all = Vec::new();
    let user = if is_root { root_config(facts) } else { user_config(facts) };
    all.extend(user.map(|config| directory_below(&config)));
    all.push(directory_below(Path::new("/etc")));
    let data = facts.env(OsStr::new("XDG_DATA_DIRS")).filter(|dirs| !is_root && !dirs.is_empty());
    let data = data.unwrap_or_else(|| DATA_DIRS.into());
    let absolute = std::env::split_paths(&data).filter(|directory| directory.is_absolute());
    all.extend(absolute.map(|directory| directory_below(&directory)));
    all
}

fn root_config(facts: &dyn Facts) -> Option<PathBuf> {
    home_of(0, facts).map(|home| home.join(".config"))
}

/// `$XDG_CONFIG_HOME`, or its standard place. Without HOME the crate would ask the C library for
/// the home directory, which loads code into a static program: then it is read here.
fn user_config(facts: &dyn Facts) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let value = facts.env(OsStr::new(name)).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    if absolute("HOME").is_some() {
        return BaseDirs::new().map(|base| base.config_dir().to_owned());
    }
    let home = || home_of(facts.caller().uid, facts);
    absolute("XDG_CONFIG_HOME").or_else(|| home().map(|home| home.join(".config")))
}

/// Returns the home that the passwd file names; a relative one is none.
fn home_of(uid: u32, facts: &dyn Facts) -> Option<PathBuf> {
    let users = facts.users(Path::new("/"));
    users.uid(uid).map(|row| row.home.clone()).filter(|home| home.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Caller, Kernel, Recorded, Users};

    #[test]
    fn a_relative_home_of_passwd_has_no_profiles() {
        let directories = |uid: u32, home: &str| {
            let users = Users::parse(&format!("ann:x:{uid}:{uid}::{home}:/bin/sh"), "");
            profile_directories(&Recorded {
                caller: Caller {
                    uid,
                    gid: uid,
                    groups: Vec::new(),
                    capabilities: 0,
                    cwd: "/".into(),
                    umask: 0o022,
                    terminals: [false; 3],
                },
                kernel: Kernel { landlock_abi: 7, last_capability: 40, machine: "x86_64".into() },
                env: [].into(),
                files: [].into(),
                closed: Vec::new(),
                users: [("/".into(), users)].into(),
                rlimits: [].into(),
                settings: [].into(),
                profile_directories: Vec::new(),
                uid_map: Vec::new(),
                gid_map: Vec::new(),
            })
        };
        for uid in [0, 1000] {
            let own = Path::new("/home/ann/.config/sbx/profiles").to_owned();
            assert_eq!(directories(uid, "/home/ann").first(), Some(&own), "{uid}");
            for home in ["", "rel", "./rel"] {
                assert!(
                    directories(uid, home).iter().all(|path| path.is_absolute()),
                    "{uid} {home}"
                );
            }
        }
    }
}
