//! The tree of files inside: every mount, file and link at its place, and what each stands on.
//!
//! Features put nodes into the tree in any order. It comes out parents first, with the
//! directories in between, and knows for each place whether sbx made the file system there or
//! the host did: sbx makes nothing inside a file system of the host.

mod access;
mod inside;
mod seal;
mod steps;
mod view;

pub use access::{Access, AccessKind};
pub use inside::Inside;
pub use view::{Shown, View};

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diag::Origin;
use crate::facts::{Facts, FileFact, FileKind};
use crate::plan::{MountOption, SourceIdentity};

/// What lies at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the actions they become")]
pub enum Node {
    /// A part of the host's tree.
    Bind { source: PathBuf, identity: SourceIdentity, options: Vec<MountOption>, is_pinned: bool },
    /// An empty file system in memory.
    Tmpfs {
        size: u64,
        inodes: Option<u64>,
        mode: u32,
        owner: (u32, u32),
        options: Vec<MountOption>,
    },
    /// A new proc.
    Proc,
    /// New pseudo terminals.
    Devpts,
    /// A device of the host.
    Device { source: PathBuf, identity: SourceIdentity },
    /// A file with given contents.
    File { contents: String, mode: u32 },
    /// A directory.
    Directory { mode: u32 },
    /// A symbolic link.
    Symlink { target: PathBuf },
    /// Nothing to be seen.
    Cover,
}

impl Node {
    /// Returns a part of the host's tree as a node.
    pub fn bind(source: impl Into<PathBuf>, fact: &FileFact, options: Vec<MountOption>) -> Self {
        let identity = SourceIdentity::from(fact);
        Self::Bind { source: source.into(), identity, options, is_pinned: false }
    }

    /// Says whether something is mounted there before the place is covered.
    fn is_mount(&self) -> bool {
        match self {
            Self::Bind { .. }
            | Self::Tmpfs { .. }
            | Self::Proc
            | Self::Devpts
            | Self::Device { .. } => true,
            Self::File { .. } | Self::Directory { .. } | Self::Symlink { .. } | Self::Cover => {
                false
            }
        }
    }
}

/// A node and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What lies there.
    pub node: Node,
    /// Whether it is left out where the host has no place for it.
    pub is_optional: bool,
    /// Who asked for it.
    pub origin: Origin,
}

/// What the tree stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A tmpfs of sbx.
    Made,
    /// A directory of the host.
    Host {
        /// The directory, with no link in it.
        path: PathBuf,
        /// Who asked for it.
        origin: Origin,
        /// Whether it can be written.
        is_writable: bool,
    },
}

/// The tree of files inside.
#[derive(Debug)]
pub struct Tree<'f> {
    nodes: BTreeMap<PathBuf, Entry>,
    base: Base,
    switches: bool,
    facts: &'f dyn Facts,
}

/// What a place stands on.
enum Ground {
    /// A file system that sbx made; the owner of what is made in it.
    Made(Option<(u32, u32)>),
    /// A file system of the host: the path there, and who granted it.
    Host(PathBuf, Origin),
    /// The sandbox's own proc: the same path in the host's, and who mounted it.
    Proc(PathBuf, Origin),
    /// A hidden path: nothing is to be seen below it.
    Hidden(Origin),
    /// Something else that has nothing below it.
    Leaf(&'static str, Origin),
}

impl<'f> Tree<'f> {
    /// Returns a tree with nothing but its base; `switches`: ids change after it is built.
    pub fn new(base: Base, switches: bool, facts: &'f dyn Facts) -> Self {
        Self { nodes: BTreeMap::new(), base, switches, facts }
    }

    /// Puts a node at a place, in the stead of any other; what is only implied does not bring back
    /// what a rule hides.
    pub fn put(&mut self, path: impl Into<PathBuf>, node: Node, origin: Origin) {
        self.put_entry(path.into(), Entry { node, is_optional: false, origin });
    }

    /// Puts a node at a place as [`Tree::put`] does; where the host has no such place, it is left out.
    pub fn put_if_there(&mut self, path: impl Into<PathBuf>, node: Node, origin: Origin) {
        self.put_entry(path.into(), Entry { node, is_optional: true, origin });
    }

    fn put_entry(&mut self, path: PathBuf, entry: Entry) {
        let is_hidden = self.nodes.get(&path).is_some_and(|there| there.node == Node::Cover);
        if entry.origin.via.is_some() && is_hidden {
            return;
        }
        self.nodes.insert(path, entry);
    }

    /// Puts a node at a place where there is none yet.
    pub fn put_if_free(&mut self, path: impl Into<PathBuf>, node: Node, origin: Origin) {
        let entry = Entry { node, is_optional: false, origin };
        self.nodes.entry(path.into()).or_insert(entry);
    }

    /// Makes what a grant above it shows a mount of its own, which nobody can rename or remove.
    pub fn pin(&mut self, path: &Path, origin: Origin) {
        if let Some(Entry { node: Node::Bind { is_pinned, .. }, .. }) = self.nodes.get_mut(path) {
            *is_pinned = true;
            return;
        }
        let Ground::Host(source, _) = self.ground(path) else { return };
        let options = match self.above(path).map(|(_, above)| &above.node) {
            Some(Node::Bind { options, .. }) => options.clone(),
            _ => MountOption::ALWAYS.to_vec(),
        };
        if let Some(fact) = self.facts.file(&source).filter(|fact| fact.kind != FileKind::Link) {
            let identity = SourceIdentity::from(&fact);
            let node = Node::Bind { source, identity, options, is_pinned: true };
            // One that is made sure of here is there already, and can be renamed as well.
            let there = self.nodes.get(path).map(|entry| &entry.node);
            if matches!(there, Some(Node::Directory { .. })) {
                self.nodes.remove(path);
            }
            self.put_if_free(path, node, origin);
        }
    }

    /// Says whether a new file system is mounted at a place.
    pub fn mounts_new(&self, path: &Path) -> bool {
        let node = self.nodes.get(path).map(|entry| &entry.node);
        matches!(node, Some(Node::Tmpfs { .. } | Node::Proc | Node::Devpts))
    }

    /// Says whether a place lies in a file system that sbx makes.
    pub fn can_make(&self, path: &Path) -> bool {
        matches!(self.ground(path), Ground::Made(_))
    }

    /// Says whether files lie at a place or below it when the command starts, or are mounted there.
    pub fn has_files(&self, path: &Path) -> bool {
        let mounts = |node: &Node| matches!(node, Node::Bind { .. } | Node::Tmpfs { .. });
        let mut nodes = self.nodes.iter();
        nodes.any(|(at, entry)| mounts(&entry.node) && at.starts_with(path))
            || matches!(self.ground(path), Ground::Host(..))
    }

    /// Returns the places where nothing is to be seen, and who said so.
    pub fn covers(&self) -> impl Iterator<Item = (&Path, Origin)> {
        let covers = self.nodes.iter().filter(|(_, entry)| entry.node == Node::Cover);
        covers.map(|(path, entry)| (path.as_path(), entry.origin))
    }

    /// Returns the places at which something is mounted.
    pub fn mount_points(&self) -> impl Iterator<Item = &Path> {
        let mounts = self.nodes.iter().filter(|(_, entry)| entry.node.is_mount());
        mounts.map(|(path, _)| path.as_path())
    }

    /// Takes out what is only implied or may be missing below a place that a rule hides, and what may
    /// be missing and has no place on the host.
    pub fn prune(&mut self) {
        let of = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<PathBuf> {
            let found = self.nodes.iter().filter(|(_, entry)| wanted(entry));
            found.map(|(path, _)| path.clone()).collect()
        };
        let hidden: BTreeSet<PathBuf> =
            of(&|entry| entry.node == Node::Cover).into_iter().collect();
        let shows_files = |node: &Node| matches!(node, Node::Bind { .. } | Node::Tmpfs { .. });
        let mounts = of(&|entry| entry.is_optional && shows_files(&entry.node));
        let links = of(&|entry| entry.is_optional && matches!(entry.node, Node::Symlink { .. }));
        self.nodes.retain(|path, entry| {
            let may_go = entry.origin.via.is_some() || entry.is_optional;
            let is_below = || path.ancestors().skip(1).any(|above| hidden.contains(above));
            !may_go || entry.node == Node::Cover || !is_below()
        });
        for path in mounts {
            let Ground::Host(host, _) = self.ground(&path) else { continue };
            if self.facts.file(&host).is_none() && !self.facts.is_closed(&host) {
                self.nodes.remove(&path);
            }
        }
        for path in links {
            // Whatever the host has there, sbx makes nothing in its place.
            if matches!(self.ground(&path), Ground::Host(..)) {
                self.nodes.remove(&path);
            }
        }
    }

    /// Returns the nearest node above a place that something stands on: a directory that is made sure
    /// of stands on something itself.
    fn above(&self, path: &Path) -> Option<(&Path, &Entry)> {
        path.ancestors()
            .skip(1)
            .filter_map(|above| self.nodes.get_key_value(above))
            .map(|(at, entry)| (at.as_path(), entry))
            .find(|(_, entry)| !matches!(entry.node, Node::Directory { .. }))
    }

    fn ground(&self, path: &Path) -> Ground {
        let below = |host: &Path, at: &Path| host.join(path.strip_prefix(at).unwrap_or(path));
        let Some((at, entry)) = self.above(path) else {
            return match &self.base {
                Base::Made => Ground::Made(None),
                Base::Host { path: host, origin, .. } => {
                    Ground::Host(below(host, Path::new("/")), *origin)
                }
            };
        };
        match &entry.node {
            Node::Tmpfs { owner, .. } => Ground::Made(self.switches.then_some(*owner)),
            Node::Bind { source, .. } => Ground::Host(below(source, at), entry.origin),
            Node::Proc => Ground::Proc(below(Path::new("/proc"), at), entry.origin),
            Node::Devpts => Ground::Leaf("the pseudo terminals", entry.origin),
            Node::Device { .. } => Ground::Leaf("a device", entry.origin),
            Node::File { .. } => Ground::Leaf("a file", entry.origin),
            Node::Symlink { .. } => Ground::Leaf("a link", entry.origin),
            Node::Cover => Ground::Hidden(entry.origin),
            Node::Directory { .. } => Ground::Made(None),
        }
    }
}
