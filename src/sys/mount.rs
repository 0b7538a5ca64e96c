//! Mounts by descriptor, and the few file operations needed to build a root.
//!
//! Numbers of kernels: the new mount calls are of Linux 5.2, `mount_setattr` of 5.12, openat2 of
//! 5.6.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::raw::check;
use super::{Errno, Result};

/// How often openat2 is repeated; the kernel answers EAGAIN while renames elsewhere race with `..`.
const OPEN_RETRIES: u32 = 128;

/// What `mount_setattr` changes: bits of `MountAttr`'s constants to set and to clear, and a
/// propagation type or 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MountAttr {
    /// Attributes to switch on.
    pub(crate) set: u64,
    /// Attributes to switch off; of the access-time group always `ATIME_MASK`.
    pub(crate) clear: u64,
    /// [`MountAttr::PRIVATE`], [`MountAttr::SLAVE`] or 0 for no change.
    pub(crate) propagation: u64,
}

impl MountAttr {
    /// Read-only.
    pub(crate) const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
    /// Set-user-ID bits and file capabilities have no effect.
    pub(crate) const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
    /// Device nodes cannot be opened.
    pub(crate) const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
    /// All bits of the access-time choice; a change must clear them.
    pub(crate) const ATIME_MASK: u64 = libc::MOUNT_ATTR__ATIME;
    /// Mount events go neither in nor out.
    pub(crate) const PRIVATE: u64 = libc::MS_PRIVATE;
    /// Mount events come in but do not go out.
    pub(crate) const SLAVE: u64 = libc::MS_SLAVE;

    /// Returns the change that keeps mount events from the peers.
    pub(crate) const fn slave() -> Self {
        Self { set: 0, clear: 0, propagation: Self::SLAVE }
    }
}

/// Which file this is and of what kind; stat(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Device that holds the file.
    pub(crate) dev: u64,
    /// Inode number.
    pub(crate) ino: u64,
    /// Type and permission bits.
    pub(crate) mode: u32,
    /// Device number if the file is a device node.
    pub(crate) rdev: u64,
}

/// Opens a path below `dir` with rules for its resolution; openat2(2), since Linux 5.6.
///
/// # Errors
///
/// What the kernel answers; EAGAIN only after a bounded number of repeats.
pub(crate) fn openat2(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    mode: u32,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    let (flags, mode) = (flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode));
    let mut last = Errno::AGAIN;
    for _attempt in 0..OPEN_RETRIES {
        match rustix::fs::openat2(dir, path, flags, mode, resolve) {
            Err(errno @ (Errno::AGAIN | Errno::INTR)) => last = errno,
            other => return other,
        }
    }
    Err(last)
}

/// Makes a detached copy of the mount at `fd`, or of the whole tree below; `open_tree(2)`, since
/// Linux 5.2.
pub(crate) fn open_tree_clone(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    rustix::mount::open_tree(fd, c"", flags)
}

/// Changes attributes of the mount at `fd`, atomically for the tree if recursive;
/// `mount_setattr(2)`, since 5.12.
pub(crate) fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, attr: &MountAttr) -> Result<()> {
    setattr(fd, c"", libc::AT_EMPTY_PATH, recursive, attr)
}

/// Changes attributes of the mount at a path below `dir`, which may not be a link;
/// `mount_setattr(2)`, since 5.12.
pub(crate) fn mount_setattr_at(
    dir: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
    attr: &MountAttr,
) -> Result<()> {
    setattr(dir, path, libc::AT_SYMLINK_NOFOLLOW, recursive, attr)
}

/// Raw because neither rustix 1.1 nor nix 0.31 has `mount_setattr(2)`.
fn setattr(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: libc::c_int,
    recursive: bool,
    attr: &MountAttr,
) -> Result<()> {
    let flags = if recursive { flags | libc::AT_RECURSIVE } else { flags };
    let attr = libc::mount_attr {
        attr_set: attr.set,
        attr_clr: attr.clear,
        propagation: attr.propagation,
        userns_fd: 0,
    };
    // SAFETY: `path` is borrowed and NUL-terminated, `attr` is this frame's and has the size
    // passed; the kernel only reads both, and `dir` is borrowed for the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    check(answer).map(|_| ())
}

/// Attaches the mount `from` on the file or directory `to`; `move_mount(2)`, since Linux 5.2.
pub(crate) fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(from, c"", to, c"", flags)
}

/// Attaches the mount `from` on a path whose last part is not followed; `move_mount(2)`, since
/// Linux 5.2.
pub(crate) fn move_mount_onto_path(from: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    rustix::mount::move_mount(from, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Begins a new file system of a type; fsopen(2), since Linux 5.2.
pub(crate) fn fsopen(fstype: &CStr) -> Result<OwnedFd> {
    rustix::mount::fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
}

/// Sets a string option of a new file system; fsconfig(2), since Linux 5.2.
pub(crate) fn fsconfig_string(fs: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    rustix::mount::fsconfig_set_string(fs, key, value)
}

/// Creates the superblock from the options set; fsconfig(2), since Linux 5.2.
pub(crate) fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    rustix::mount::fsconfig_create(fs)
}

/// Makes a detached mount of a created file system, with `MountAttr` bits; fsmount(2), since Linux
/// 5.2.
pub(crate) fn fsmount(fs: BorrowedFd<'_>, attr: u64) -> Result<OwnedFd> {
    let bits = u32::try_from(attr).map_err(|_too_wide| Errno::INVAL)?;
    let attr = MountAttrFlags::from_bits_retain(bits);
    rustix::mount::fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, attr)
}

/// Makes the current directory the root and stacks the old root on it; `pivot_root(2)`
/// "`pivot_root(".", ".")`".
pub(crate) fn pivot_root_here() -> Result<()> {
    rustix::process::pivot_root(c".", c".")
}

/// Detaches what is mounted on top of the current directory; umount2(2) `MNT_DETACH`, since Linux
/// 2.4.11.
pub(crate) fn detach_here() -> Result<()> {
    umount_detach(c".")
}

/// Detaches the mount at a path, without following a link at its end; umount2(2), since Linux
/// 2.6.34.
pub(crate) fn umount_detach(path: &CStr) -> Result<()> {
    rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}

/// Returns the flags of the mount that holds `fd`, as `ST_*` bits of statvfs(3); since Linux
/// 2.6.36.
pub(crate) fn mount_flags(fd: BorrowedFd<'_>) -> Result<u64> {
    rustix::fs::fstatvfs(fd).map(|found| found.f_flag.bits())
}

/// Returns the magic number of the file system that holds `fd`; fstatfs(2), any kernel.
pub(crate) fn fs_magic(fd: BorrowedFd<'_>) -> Result<u64> {
    // The number is unsigned 32-bit; fs types such as 0xff534d42 must not be sign-extended.
    rustix::fs::fstatfs(fd)
        .map(|found| u64::from_ne_bytes(found.f_type.to_ne_bytes()) & 0xffff_ffff)
}

/// Makes a directory; mkdirat(2), any kernel; the umask applies.
pub(crate) fn mkdirat(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(mode))
}

/// Makes a symbolic link `name` that holds `target`; symlinkat(2), any kernel.
pub(crate) fn symlinkat(target: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    rustix::fs::symlinkat(target, dir, name)
}

/// Reads a link's text into `buffer` and returns its length; readlinkat(2), any kernel.
///
/// # Errors
///
/// ENAMETOOLONG when the buffer is filled, since the kernel truncates in silence; else what the
/// kernel answers.
pub(crate) fn readlinkat_into(
    dir: BorrowedFd<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> Result<usize> {
    let capacity = buffer.len();
    let length = rustix::fs::readlinkat_raw(dir, name, buffer)?;
    if length >= capacity { Err(Errno::NAMETOOLONG) } else { Ok(length) }
}

/// Creates a file that must not exist and opens it for writing; openat(2), any kernel; the umask
/// applies.
pub(crate) fn create_file(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    loop {
        match rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode)) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Writes all bytes, going on after short writes and EINTR; write(2), any kernel.
///
/// # Errors
///
/// EIO when the kernel takes nothing; else what it answers.
pub(crate) fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sets owner and group of an open file; fchown(2), any kernel; `u32::MAX` is refused with EINVAL.
pub(crate) fn fchown(fd: BorrowedFd<'_>, owner: u32, group: u32) -> Result<()> {
    if owner == u32::MAX || group == u32::MAX {
        return Err(Errno::INVAL); // the kernel reads it as "leave unchanged"
    }
    rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))
}

/// Makes an open directory the current one; fchdir(2), any kernel.
pub(crate) fn fchdir(dir: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(dir)
}

/// Makes a path the current directory; chdir(2), any kernel.
pub(crate) fn chdir(path: &CStr) -> Result<()> {
    rustix::process::chdir(path)
}

/// Returns whether the current directory lies below the root; getcwd(2), "(unreachable)" since
/// Linux 2.6.36.
///
/// Raw because rustix and nix allocate and libc hides the mark behind ENOENT.
pub(crate) fn getcwd_starts_with_slash() -> Result<bool> {
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: `buffer` is this frame's, outlives the call and has the length passed.
    let answer = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    check(answer)?;
    Ok(buffer.first() == Some(&b'/'))
}

/// Returns which file `fd` is; fstat(2), any kernel.
pub(crate) fn fstat_identity(fd: BorrowedFd<'_>) -> Result<Identity> {
    rustix::fs::fstat(fd).map(|stat| identity(&stat))
}

fn identity(stat: &Stat) -> Identity {
    Identity { dev: stat.st_dev, ino: stat.st_ino, mode: stat.st_mode, rdev: stat.st_rdev }
}

/// Returns whether a path can be found, following links; faccessat(2) `F_OK`, any kernel.
///
/// # Errors
///
/// All but ENOENT and ENOTDIR, which mean no: EACCES or ELOOP do not tell.
pub(crate) fn access_exists(path: &CStr) -> Result<bool> {
    match rustix::fs::accessat(CWD, path, Access::EXISTS, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    /// An empty directory of this test, removed at the end.
    struct Scratch(std::path::PathBuf, OwnedFd);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sbx-sys-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            let text = CString::new(path.clone().into_os_string().into_vec()).unwrap();
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::open(text.as_c_str(), flags, Mode::empty()).unwrap();
            Self(path, fd)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn lstat(dir: BorrowedFd<'_>, name: &CStr) -> Result<Identity> {
        rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| identity(&stat))
    }

    #[test]
    fn a_file_is_created_once_and_keeps_what_was_written() {
        let scratch = Scratch::new("create");
        let dir = scratch.1.as_fd();
        let file = create_file(dir, c"f", 0o600).unwrap();
        write_all(file.as_fd(), b"text").unwrap();
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o640)).unwrap();
        assert_eq!(create_file(dir, c"f", 0o600).err(), Some(Errno::EXIST));
        assert_eq!(std::fs::read(scratch.0.join("f")).unwrap(), b"text");
        let found = fstat_identity(file.as_fd()).unwrap();
        assert_eq!(found.mode, libc::S_IFREG | 0o640);
        assert_eq!(lstat(dir, c"f"), Ok(found));
    }

    #[test]
    fn a_link_is_read_but_not_followed() {
        let scratch = Scratch::new("link");
        let dir = scratch.1.as_fd();
        symlinkat(c"/etc", dir, c"l").unwrap();
        let mut buffer = [0; 5];
        assert_eq!(readlinkat_into(dir, c"l", &mut buffer), Ok(4));
        assert_eq!(&buffer, b"/etc\0");
        assert_eq!(readlinkat_into(dir, c"l", &mut [0; 4]), Err(Errno::NAMETOOLONG));
        assert_eq!(lstat(dir, c"l").unwrap().mode & libc::S_IFMT, libc::S_IFLNK);
        let refused = openat2(dir, c"l", OFlags::PATH, 0, ResolveFlags::NO_SYMLINKS);
        assert_eq!(refused.err(), Some(Errno::LOOP));
    }

    #[test]
    fn openat2_gives_a_descriptor_that_exec_closes() {
        let fd = openat2(CWD, c"/dev/null", OFlags::PATH, 0, ResolveFlags::empty()).unwrap();
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn nodes_and_directories_have_the_asked_kind() {
        let scratch = Scratch::new("node");
        let dir = scratch.1.as_fd();
        mkdirat(dir, c"d", 0o700).unwrap();
        create_file(dir, c"n", 0o600).unwrap();
        let kind = |name| lstat(dir, name).unwrap().mode & libc::S_IFMT;
        assert_eq!((kind(c"d"), kind(c"n")), (libc::S_IFDIR, libc::S_IFREG));
    }

    #[test]
    fn existence_is_told_from_trouble() {
        assert_eq!(access_exists(c"/dev/null"), Ok(true));
        assert_eq!(access_exists(c"/dev/null/x"), Ok(false));
        assert_eq!(access_exists(c"/nonexistent"), Ok(false));
    }

    #[test]
    fn the_current_directory_is_below_the_root() {
        assert_eq!(getcwd_starts_with_slash(), Ok(true));
    }

    #[test]
    fn procfs_is_known_by_its_magic() {
        let proc = openat2(CWD, c"/proc", OFlags::PATH, 0, ResolveFlags::empty()).unwrap();
        assert_eq!(fs_magic(proc.as_fd()), Ok(0x9fa0));
        assert!(mount_flags(proc.as_fd()).is_ok());
    }

    #[test]
    fn mount_attributes_need_a_mount_or_privilege() {
        let scratch = Scratch::new("attr");
        let attr = MountAttr { set: MountAttr::RDONLY, ..MountAttr::default() };
        // A plain directory is no mount point: EINVAL as root, EPERM otherwise.
        let refused = mount_setattr(scratch.1.as_fd(), true, &attr);
        assert!(matches!(refused, Err(Errno::INVAL | Errno::PERM)), "{refused:?}");
    }
}
