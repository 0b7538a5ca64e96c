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

/// Says whether a file is there, or may be: one that nobody may look at must not give way to
/// another of the same name.
pub fn exists(path: &Path) -> bool {
    !path.symlink_metadata().is_err_and(|error| is_missing(path, &error))
}

/// Says whether an error means that nothing of the caller's lies at a path. Where the caller may not
/// look, a directory of its own hides something: a sandbox that could write there, and so `chmod` it,
/// may have closed it.
fn is_missing(path: &Path, error: &std::io::Error) -> bool {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => true,
        std::io::ErrorKind::PermissionDenied => {
            let seen = path.ancestors().find_map(|above| above.symlink_metadata().ok());
            // Whoever made a link: what it leads to may be the caller's.
            let is_others = |status: &std::fs::Metadata| {
                !status.is_symlink() && status.uid() != rustix::process::getuid().as_raw()
            };
            seen.as_ref().is_some_and(is_others)
        }
        _ => false,
    }
}

/// Reads a profile once, from a descriptor whose owner and mode were checked.
///
/// # Errors
/// [`StoreError`]: it cannot be read, is too long, or could have been written by somebody other
/// than root and the caller, or by a sandbox of the caller's.
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
        return Err(untrusted(
            "is not a regular file".to_owned(),
            "name a file, or remove it from the profiles".to_owned(),
        ));
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
    if status.nlink() > 1 && status.uid() == caller && caller != 0 {
        return Err(untrusted(
            format!("has {} names: a sandbox could have written it by another one", status.nlink()),
            format!(
                "make it a file of its own: `cp {shown} {shown}.new && mv {shown}.new {shown}`"
            ),
        ));
    }
    // With room for all of it one read takes it; the standard library begins with 32 bytes.
    let length = status.len().min(MAX_PROFILE) + 1;
    let mut text = String::with_capacity(usize::try_from(length).unwrap_or(0));
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
///
/// # Errors
/// [`StoreError::Read`]: a directory is there and cannot be listed.
pub fn list(directories: &[PathBuf]) -> Result<Vec<(String, Place)>, StoreError> {
    let mut all = Vec::new();
    for directory in directories {
        let failed = |source| StoreError::Read { path: directory.clone(), source };
        let entries = match std::fs::read_dir(directory) {
            Err(error) if is_missing(directory, &error) => continue,
            other => other.map_err(failed)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let named = |path: PathBuf| Some((Place::profile_name(&path)?, Place::File(path)));
        all.extend(paths.into_iter().filter_map(named));
    }
    let builtin = crate::profile::BUILTIN.iter();
    all.extend(builtin.map(|(name, _)| ((*name).to_owned(), Place::Builtin(name))));
    Ok(all)
}
