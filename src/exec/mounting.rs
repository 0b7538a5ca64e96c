//! The child's part in making the tree: every path is opened once, inside, without a link, and what
//! follows goes by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, OFlags, ResolveFlags};

use super::child::Child;
use super::image::{Attr, Opened, Place};
use super::report::Part;
use crate::facts::FileKind;
use crate::plan::SourceIdentity;
use crate::sys::mount::MountAttr;
use crate::sys::{Errno, Result, mount};

/// How sources and rules are opened: planning followed the links, so one that is met now was put
/// there since.
pub(super) const STRICT: ResolveFlags =
    ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);
/// How places inside the new root are opened.
pub(super) const INSIDE: ResolveFlags = STRICT.union(ResolveFlags::BENEATH);

impl<'i> Child<'i> {
    /// Opens the host's /dev/null and makes sure that it is it (runc CVE-2025-31133).
    pub(super) fn null(&self, flags: OFlags) -> Result<OwnedFd> {
        self.part.set(Part::OpenSource);
        let null = mount::openat2(CWD, c"/dev/null", flags, 0, STRICT)?;
        self.part.set(Part::Identity);
        let found = mount::fstat_identity(null.as_fd())?;
        let is_null = FileKind::of_mode(found.mode) == Some(FileKind::CharDevice)
            && rustix::fs::major(found.rdev) == 1
            && rustix::fs::minor(found.rdev) == 3;
        if is_null { Ok(null) } else { Err(Errno::STALE) }
    }

    /// Makes a file system that is not attached anywhere yet.
    pub(super) fn file_system<'o>(
        &self,
        kind: &CStr,
        options: impl IntoIterator<Item = (&'o CStr, &'o CStr)>,
        attributes: u64,
    ) -> Result<OwnedFd> {
        self.part.set(Part::Make);
        let context = mount::fsopen(kind)?;
        for (key, value) in options {
            mount::fsconfig_string(context.as_fd(), key, value)?;
        }
        mount::fsconfig_create(context.as_fd())?;
        mount::fsmount(context.as_fd(), attributes)
    }

    /// Clones the mount of a path of the host, with its attributes set before it is attached.
    pub(super) fn cloned(&self, source: &Opened, recursive: bool, attr: &Attr) -> Result<OwnedFd> {
        self.part.set(Part::OpenSource);
        let found = mount::openat2(CWD, &source.path, OFlags::PATH, 0, STRICT)?;
        self.part.set(Part::Identity);
        must_be_same(found.as_fd(), source.identity)?;
        self.part.set(Part::Make);
        let tree = mount::open_tree_clone(found.as_fd(), recursive)?;
        self.attributes(tree.as_fd(), recursive, attr)?;
        Ok(tree)
    }

    pub(super) fn attributes(
        &self,
        tree: BorrowedFd<'_>,
        recursive: bool,
        attr: &Attr,
    ) -> Result<()> {
        self.part.set(Part::Attributes);
        mount::mount_setattr(tree, recursive, &attr.set)?;
        self.verified(tree, attr)
    }

    pub(super) fn verified(&self, tree: BorrowedFd<'_>, attr: &Attr) -> Result<()> {
        self.part.set(Part::Verify);
        shows(tree, attr)
    }

    /// Attaches the new root on `/`: paths of the host still resolve in the old one, because this
    /// process's root directory stays what it was. No temporary directory is needed.
    pub(super) fn attach_root(&mut self, root: OwnedFd) -> Result<()> {
        self.part.set(Part::Attach);
        mount::move_mount_onto_path(root.as_fd(), c"/")?;
        self.root = Some(root);
        Ok(())
    }

    /// Runs `work` with the directory that a place lies in.
    ///
    /// Places are made in the order of their paths, most beside the one before: the directory stays
    /// open for the next one, until a mount may have come over it.
    fn beside<T>(
        &self,
        place: &'i Place,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
    ) -> Result<T> {
        let last = self.last_directory.take();
        let Some(path) = place.parent.as_deref() else { return work(self.root()?) };
        let directory = match last {
            Some((last, directory)) if last == path => directory,
            _ => {
                self.part.set(Part::OpenParent);
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                mount::openat2(self.root()?, path, flags, 0, INSIDE)?
            }
        };
        let done = work(directory.as_fd())?;
        self.last_directory.set(Some((path, directory)));
        Ok(done)
    }

    pub(super) fn directory(
        &self,
        place: &'i Place,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<()> {
        self.beside(place, |directory| {
            self.part.set(Part::MakeTarget);
            mount::mkdirat(directory, &place.name, mode)?;
            if owner.is_some() {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let made = mount::openat2(directory, &place.name, flags, 0, INSIDE)?;
                self.own(made.as_fd(), owner)?;
            }
            Ok(())
        })
    }

    fn own(&self, file: BorrowedFd<'_>, owner: Option<(u32, u32)>) -> Result<()> {
        self.part.set(Part::Owner);
        owner.map_or(Ok(()), |(uid, gid)| mount::fchown(file, uid, gid))
    }

    pub(super) fn file(
        &self,
        place: &'i Place,
        mode: u32,
        owner: Option<(u32, u32)>,
        contents: &[u8],
    ) -> Result<()> {
        let made = self.beside(place, |directory| {
            self.part.set(Part::MakeTarget);
            mount::create_file(directory, &place.name, mode)
        })?;
        self.part.set(Part::Write);
        mount::write_all(made.as_fd(), contents)?;
        self.own(made.as_fd(), owner)
    }

    pub(super) fn symlink(&self, place: &'i Place, target: &CStr) -> Result<()> {
        self.beside(place, |directory| {
            self.part.set(Part::MakeTarget);
            match mount::symlinkat(target, directory, &place.name) {
                // A link that is there already and says the same is what was asked for.
                Err(Errno::EXIST) => {
                    let mut buffer = [0; 4096];
                    let length = mount::readlinkat_into(directory, &place.name, &mut buffer)?;
                    if buffer.get(..length) == Some(target.to_bytes()) {
                        Ok(())
                    } else {
                        Err(Errno::EXIST)
                    }
                }
                other => other,
            }
        })
    }

    /// Opens a place inside; no link may lie on the way, and none leads out (bubblewrap
    /// GHSA-pxhw-h44j-8pfx). What the host has there must be what planning saw: a directory that was
    /// exchanged for another would get the mount that was meant for the first.
    pub(super) fn target(&self, place: &Place) -> Result<OwnedFd> {
        // It is opened to be mounted on, and what lies below it is another file from then on.
        self.last_directory.take();
        self.part.set(Part::OpenTarget);
        let target = mount::openat2(self.root()?, &place.path, OFlags::PATH, 0, INSIDE)?;
        if let Some(wanted) = place.identity {
            self.part.set(Part::Identity);
            must_be_same(target.as_fd(), wanted)?;
        }
        Ok(target)
    }

    /// Attaches a mount at a place; `make` says that a directory or a file is to be made for it.
    pub(super) fn attach(
        &self,
        tree: &OwnedFd,
        place: &'i Place,
        make: Option<bool>,
    ) -> Result<()> {
        let Some(is_directory) = make else {
            let target = self.target(place)?;
            self.part.set(Part::Attach);
            return mount::move_mount(tree.as_fd(), target.as_fd());
        };
        let target = self.beside(place, |directory| {
            self.part.set(Part::MakeTarget);
            if !is_directory {
                return mount::create_file(directory, &place.name, 0o600);
            }
            mount::mkdirat(directory, &place.name, 0o755)?;
            self.part.set(Part::OpenTarget);
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            mount::openat2(directory, &place.name, flags, 0, INSIDE)
        })?;
        self.part.set(Part::Attach);
        mount::move_mount(tree.as_fd(), target.as_fd())
    }

    pub(super) fn cover_file(&self, place: &'i Place, attr: &Attr) -> Result<()> {
        let null = match self.cover.take() {
            Some(null) => null,
            None => self.null(OFlags::PATH)?,
        };
        self.part.set(Part::Make);
        let tree = mount::open_tree_clone(null.as_fd(), false)?;
        self.attributes(tree.as_fd(), false, attr)?;
        self.cover.set(Some(null));
        self.attach(&tree, place, None)
    }

    pub(super) fn cover_directory(&self, place: &'i Place, attr: &Attr) -> Result<()> {
        let options = [(c"size", c"4096"), (c"mode", c"0555")];
        let tree = self.file_system(c"tmpfs", options, attr.set.set)?;
        self.attach(&tree, place, None)
    }

    /// Makes the new root the root, and the old one unreachable.
    pub(super) fn pivot(&mut self) -> Result<()> {
        mount::fchdir(self.root()?)?;
        self.part.set(Part::Attach);
        mount::pivot_root_here()?;
        // Both roots are at `/` now, the old one on top; it must not tell the host that it goes.
        self.part.set(Part::Attributes);
        mount::mount_setattr_at(CWD, c".", true, &MountAttr::slave())?;
        self.part.set(Part::Whole);
        mount::detach_here()?;
        mount::chdir(c"/")?;
        self.part.set(Part::Verify);
        self.root = None;
        self.last_directory.take();
        self.cover.take();
        if mount::getcwd_starts_with_slash()? { Ok(()) } else { Err(Errno::NOENT) }
    }
}

/// Refuses an open file that is not the one that planning saw.
fn must_be_same(file: BorrowedFd<'_>, wanted: SourceIdentity) -> Result<()> {
    let seen = mount::fstat_identity(file)?;
    let found = (seen.dev, seen.ino, seen.mode & 0o170_000);
    if found == (wanted.dev, wanted.ino, wanted.kind.mode_bits()) {
        Ok(())
    } else {
        Err(Errno::STALE)
    }
}

/// Reads back whether a mount has the attributes that were set.
fn shows(tree: BorrowedFd<'_>, attr: &Attr) -> Result<()> {
    if mount::mount_flags(tree)? & attr.shown == attr.shown { Ok(()) } else { Err(Errno::PERM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_a_mount_does_not_have_is_missed() {
        let proc = mount::openat2(CWD, c"/proc", OFlags::PATH, 0, STRICT).unwrap();
        let has = mount::mount_flags(proc.as_fd()).unwrap();
        let attr = |shown| Attr { set: MountAttr { set: 0, clear: 0, propagation: 0 }, shown };
        assert_eq!(shows(proc.as_fd(), &attr(has)), Ok(()));
        assert_eq!(shows(proc.as_fd(), &attr(0)), Ok(()));
        let lacks = !has & 0x3f; // of the ST_* bits of statvfs(3)
        for bit in (0..6).map(|bit| 1 << bit).filter(|bit| lacks & bit != 0) {
            assert_eq!(shows(proc.as_fd(), &attr(has | bit)), Err(Errno::PERM), "{bit:#x}");
        }
        assert_ne!(lacks, 0, "no bit to miss");
    }
}
