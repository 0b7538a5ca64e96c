//! Reads the system into facts, each when it is asked for and once.
#![expect(clippy::disallowed_methods, reason = "this level reaches the system")]

mod directories;
mod doctor;

pub use doctor::{Check, State, checks};
pub(crate) use doctor::{INSIDE_SBX, is_inside_sbx, why_no_namespace};

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::facts::{Caller, Facts, FileFact, FileKind, Files, Kernel, Users};
use crate::sys;

/// Facts of the running system.
#[derive(Debug)]
pub struct Live {
    caller: Caller,
    /// PATH, for messages after the environment was overwritten.
    path: Option<OsString>,
    kernel: OnceCell<Kernel>,
    files: RefCell<HashMap<PathBuf, Found>>,
    users: RefCell<HashMap<PathBuf, Rc<Users>>>,
}

/// What looking at a path gave.
#[derive(Debug, Clone)]
enum Found {
    There(FileFact),
    Missing,
    /// The system did not say: something may be there.
    Closed,
}

/// Why the caller cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// sbx has the set-user-id or set-group-id bit, or file capabilities.
    #[error("{} must not be installed set-user-id or with file capabilities", crate::NAME)]
    Privileged,
    /// The own capabilities cannot be read.
    #[error("cannot read the own capabilities: {}", sys::describe(.0.raw_os_error()))]
    Capabilities(rustix::io::Errno),
    /// The own groups cannot be read.
    #[error("cannot read the own groups: {}", sys::describe(.0.raw_os_error()))]
    Groups(rustix::io::Errno),
}

impl CallerError {
    /// Says what to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Privileged => {
                "take them from its file with `chmod u-s,g-s` and `setcap -r`, as root"
            }
            Self::Capabilities(_) | Self::Groups(_) => {
                "look whether a filter around sbx forbids capget or getgroups"
            }
        }
    }
}

impl Live {
    /// Returns the facts, with the caller read.
    ///
    /// # Errors
    /// [`CallerError`].
    pub fn new() -> Result<Self, CallerError> {
        if sys::ident::is_privileged_exec() {
            return Err(CallerError::Privileged);
        }
        let umask = rustix::process::umask(Mode::empty());
        rustix::process::umask(umask);
        let stdio =
            [0, 1, 2].map(|number| sys::fd::by_number(number).is_ok_and(rustix::termios::isatty));
        let caller = Caller {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            groups: rustix::process::getgroups()
                .map_err(CallerError::Groups)?
                .iter()
                .map(|gid| gid.as_raw())
                .collect(),
            capabilities: sys::caps::capget().map_err(CallerError::Capabilities)?.effective,
            cwd: std::env::current_dir().unwrap_or_default(),
            umask: umask.bits(),
            terminals: stdio,
        };
        Ok(Self {
            caller,
            path: std::env::var_os("PATH"),
            kernel: OnceCell::new(),
            files: RefCell::default(),
            users: RefCell::default(),
        })
    }
}

impl Files for Live {
    fn file(&self, path: &Path) -> Option<FileFact> {
        match self.look(path) {
            Found::There(fact) => Some(fact),
            Found::Missing | Found::Closed => None,
        }
    }

    fn is_closed(&self, path: &Path) -> bool {
        matches!(self.look(path), Found::Closed)
    }

    fn names(&self, directory: &Path) -> Option<Vec<OsString>> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_missing(error.raw_os_error()) => return Some(Vec::new()),
            Err(_closed) => return None,
        };
        let names: io::Result<Vec<OsString>> =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.ok()?;
        names.sort();
        Some(names)
    }
}

impl Facts for Live {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn kernel(&self) -> &Kernel {
        self.kernel.get_or_init(|| Kernel {
            // A kernel without Landlock answers ENOSYS, one in which it is off EOPNOTSUPP.
            landlock_abi: sys::landlock::abi().unwrap_or(0),
            last_capability: last_capability(),
            machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
        })
    }

    fn env(&self, name: &OsStr) -> Option<OsString> {
        if name == "PATH" { self.path.clone() } else { std::env::var_os(name) }
    }

    fn env_names(&self) -> Vec<OsString> {
        std::env::vars_os().map(|(name, _)| name).collect()
    }

    fn users(&self, root: &Path) -> Rc<Users> {
        if let Some(known) = self.users.borrow().get(root) {
            return Rc::clone(known);
        }
        let read = |name: &str| read_inside(root, name).unwrap_or_default();
        let mut users = Users::parse(&read("etc/passwd"), &read("etc/group"));
        let own = ["etc/passwd", "etc/group", "etc", ""].map(|name| root.join(name));
        users.open_to_others = own.iter().any(|path| {
            let fact = self.file(path);
            fact.is_some_and(|fact| fact.uid != 0 || fact.mode & 0o022 != 0)
        });
        let users = Rc::new(users);
        self.users.borrow_mut().insert(root.to_owned(), Rc::clone(&users));
        users
    }

    fn rlimit(&self, resource: u32) -> (u64, u64) {
        sys::ident::getrlimit(resource).unwrap_or((u64::MAX, u64::MAX))
    }

    fn setting(&self, path: &Path) -> Option<String> {
        read_setting(path).ok().map(|text| text.trim().to_owned())
    }

    fn profile_directories(&self) -> Vec<PathBuf> {
        directories::profile_directories(self)
    }

    fn id_map(&self, groups: bool) -> Vec<[u32; 3]> {
        let path = if groups { "/proc/self/gid_map" } else { "/proc/self/uid_map" };
        let text = read_setting(Path::new(path)).unwrap_or_default();
        let line = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some([next()?, next()?, next()?])
        };
        text.lines().filter_map(line).collect()
    }
}

impl Live {
    fn look(&self, path: &Path) -> Found {
        if let Some(known) = self.files.borrow().get(path) {
            return known.clone();
        }
        let found = match lstat(path) {
            Ok(fact) => Found::There(fact),
            Err(errno) if is_missing(Some(errno.raw_os_error())) => Found::Missing,
            Err(_unknown) => Found::Closed,
        };
        self.files.borrow_mut().insert(path.to_owned(), found.clone());
        found
    }
}

/// Says whether an errno means that nothing lies at a path (path_resolution(7)). Every other one
/// leaves it open.
fn is_missing(errno: Option<i32>) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG]
        .iter()
        .any(|missing| Some(missing.raw_os_error()) == errno)
}

#[allow(clippy::useless_conversion, reason = "st_nlink has 32 bits on aarch64")]
fn lstat(path: &Path) -> Result<FileFact, Errno> {
    let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileKind::of_mode(stat.st_mode).ok_or(Errno::INVAL)?;
    let link = match kind {
        FileKind::Link => Some(rustix::fs::readlinkat(CWD, path, Vec::new())?),
        _ => None,
    };
    Ok(FileFact {
        kind,
        dev: stat.st_dev,
        ino: stat.st_ino,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        nlink: u64::try_from(stat.st_nlink).unwrap_or(u64::MAX),
        link: link.map(|target| PathBuf::from(OsStr::from_bytes(target.to_bytes()))),
    })
}

/// Reads a file of /proc, whose length nobody knows before: with room for a page one read takes it,
/// where the standard library begins with 32 bytes.
fn read_setting(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// How much of a passwd or group file is read, in bytes.
const MAX_DATABASE: u64 = 4 << 20;

/// Reads a small file of a directory that may belong to anybody: links cannot lead out of it.
fn read_inside(root: &Path, name: &str) -> io::Result<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(&root, name, flags, Mode::empty(), inside)?;
    let file = std::fs::File::from(file);
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let length = status.len().min(MAX_DATABASE) + 1;
    let mut text = String::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(MAX_DATABASE).read_to_string(&mut text)?;
    Ok(text)
}

/// The number of the last capability: the bounding set answers for all that the kernel knows.
fn last_capability() -> u8 {
    let is_known = |number: u8| sys::caps::bounding_has(u32::from(number)).is_ok();
    let (mut known, mut unknown) = (0, 64);
    // The kernels of the day have 41: two questions are enough there.
    let newest = u8::try_from(crate::capability::NAMES.len()).unwrap_or(1);
    for guess in [newest - 1, newest] {
        if is_known(guess) { known = guess } else { unknown = unknown.min(guess) }
    }
    while unknown - known > 1 {
        let middle = known.midpoint(unknown);
        if is_known(middle) { known = middle } else { unknown = middle }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_capability_is_the_one_that_the_kernel_names() {
        let named = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap");
        let named = named.expect("kernels since Linux 3.2 have it");
        assert_eq!(last_capability().to_string(), named.trim());
    }
}
