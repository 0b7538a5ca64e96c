//! Reads profile files, and gives every error its path.
#![expect(clippy::disallowed_methods, reason = "this level reaches the system")]

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::profile::Place;

/// Length of the longest profile that is read, in bytes.
const MAX_PROFILE: u64 = 256 << 10;

/// Why a profile file was not read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot read {}: {}", path.display(), words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else could have written it.
    #[error("{} {why}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Why it is not trusted.
        why: String,
        /// What to do about it.
        help: String,
    },
}

fn words(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), crate::sys::describe)
}

/// Says whether a file is there.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Reads a profile once, from a descriptor whose owner and mode were checked.
///
/// # Errors
/// [`StoreError`]: it cannot be read, is too long, or could have been written by somebody other
/// than root and the caller.
pub fn read(path: &Path, caller: u32) -> Result<String, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let shown = path.display();
    let untrusted =
        |why: String, help: String| StoreError::Untrusted { path: path.to_owned(), why, help };
    // A named pipe or a terminal must not make this wait, nor become the controlling one.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = flags.bits().cast_signed();
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(path).map_err(failed)?;
    let status = file.metadata().map_err(failed)?;
    if !status.is_file() {
        return Err(untrusted("is not a regular file".to_owned(), "name a file".to_owned()));
    }
    if status.uid() != 0 && status.uid() != caller {
        return Err(untrusted(
            format!("belongs to user {}, neither root nor the caller", status.uid()),
            format!("give it to root or to yourself: `chown 0 {shown}`"),
        ));
    }
    if status.mode() & 0o022 != 0 {
        return Err(untrusted(
            "can be written by its group or by everybody".to_owned(),
            format!("take that from them: `chmod go-w {shown}`"),
        ));
    }
    let mut text = String::new();
    file.take(MAX_PROFILE + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_PROFILE {
        return Err(untrusted(
            format!("is longer than {MAX_PROFILE} bytes"),
            "split it, with `extends`".to_owned(),
        ));
    }
    Ok(text)
}

/// Returns every definition in the given directories, the one that wins first.
pub fn list(directories: &[PathBuf]) -> Vec<(String, Place)> {
    let mut all = Vec::new();
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        all.extend(
            paths
                .into_iter()
                .filter_map(|path| Some((Place::profile_name(&path)?, Place::File(path)))),
        );
    }
    all.extend(
        crate::profile::BUILTIN.iter().map(|(name, _)| ((*name).to_owned(), Place::Builtin(name))),
    );
    all
}
