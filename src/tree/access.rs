//! What of the tree Landlock lets the command use: the same intent as the mounts, as an upper
//! bound.

use std::path::{Path, PathBuf};

use super::{Node, Tree};
use crate::diag::Origin;
use crate::facts::FileKind;
use crate::plan::MountOption;

/// A place that Landlock lets the command use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The place.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// What may be done there.
    pub what: AccessKind,
    /// Who asked for it.
    pub origin: Origin,
}

/// What may be done at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub enum AccessKind {
    /// Files as the options of a mount say.
    Files { writes: bool, executes: bool },
    /// Files of proc.
    Proc,
    /// Devices.
    Devices,
}

impl Tree<'_> {
    /// Returns the places that Landlock lets the command use, without those that a place above
    /// them already allows, and the restrictions that mounts alone hold.
    pub fn accesses(&self) -> (Vec<Access>, Vec<(PathBuf, Origin)>) {
        let mut out: Vec<Access> = Vec::new();
        let mut by_mounts = Vec::new();
        for (path, entry) in &self.nodes {
            let files = |options: &[MountOption]| AccessKind::Files {
                writes: !options.contains(&MountOption::Ro),
                executes: !options.contains(&MountOption::Noexec),
            };
            let (what, is_directory) = match &entry.node {
                // Devices can be used through a read-only mount: it protects the nodes alone.
                Node::Bind { identity, .. } if path == Path::new("/dev") => {
                    (AccessKind::Devices, identity.kind == FileKind::Directory)
                }
                Node::Bind { options, identity, .. } => {
                    (files(options), identity.kind == FileKind::Directory)
                }
                // Devices lie in it, and nothing else can be put there: it ends read-only.
                Node::Tmpfs { .. } if path == Path::new("/dev") => (AccessKind::Devices, true),
                Node::Tmpfs { options, .. } => (files(options), true),
                Node::Proc => (AccessKind::Proc, true),
                Node::Devpts => (AccessKind::Devices, true),
                Node::Device { .. } => (AccessKind::Devices, false),
                Node::File { .. } => (AccessKind::Files { writes: false, executes: false }, false),
                Node::Cover if self.covers_nothing(entry, &self.ground(path)) => continue,
                Node::Cover => {
                    by_mounts.push((path.clone(), entry.origin));
                    continue;
                }
                Node::Directory { .. } | Node::Symlink { .. } => continue,
            };
            let above =
                out.iter().rfind(|access| path != &access.path && path.starts_with(&access.path));
            match above.map(|access| access.what.covers(what)) {
                Some(Covers::Same) => continue,
                Some(Covers::More) => {
                    by_mounts.push((path.clone(), entry.origin));
                    continue;
                }
                Some(Covers::Less) | None => {}
            }
            out.push(Access { path: path.clone(), is_directory, what, origin: entry.origin });
        }
        (out, by_mounts)
    }
}

enum Covers {
    Same,
    More,
    Less,
}

impl AccessKind {
    fn covers(self, other: Self) -> Covers {
        if self == other {
            return Covers::Same;
        }
        match (self, other) {
            (
                Self::Files { writes, executes },
                Self::Files { writes: other_writes, executes: other_executes },
            ) if writes >= other_writes && executes >= other_executes => Covers::More,
            (Self::Files { .. } | Self::Proc | Self::Devices, _) => Covers::Less,
        }
    }
}
