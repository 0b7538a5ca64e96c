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
    facts.users(Path::new("/")).uid(0).map(|root| root.home.join(".config"))
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
    let user = facts.caller().uid;
    let home = || facts.users(Path::new("/")).uid(user).map(|row| row.home.join(".config"));
    absolute("XDG_CONFIG_HOME").or_else(home)
}
