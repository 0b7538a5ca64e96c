//! What can be seen at a place inside, and where inside a part of the host can be seen.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::{Base, Entry, Ground, Node, Tree};
use crate::diag::Origin;
use crate::facts::FileKind;
use crate::path::{self, AtEnd};
use crate::plan::MountOption;

/// A place inside at which a part of the host can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The place.
    pub place: PathBuf,
    /// Whether it is seen as a part of something larger.
    pub is_part: bool,
    /// Whether it can be written there.
    pub is_writable: bool,
    /// Who shows it.
    pub origin: Origin,
}

/// A part of the host that is shown as a whole.
struct Part<'t> {
    at: &'t Path,
    source: &'t Path,
    is_writable: bool,
    origin: Origin,
}

/// The parts of the host that the tree shows.
pub struct Shown<'t> {
    tree: &'t Tree<'t>,
    by_source: BTreeMap<&'t Path, Vec<Part<'t>>>,
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl Shown<'_> {
    /// Returns every place inside at which a path of the host, or something in it, can be seen.
    pub fn views(&self, host: &Path) -> Vec<View> {
        let whole = host.ancestors().filter_map(|above| self.by_source.get(above)).flatten();
        let whole = whole.filter_map(|part| self.whole(part, host));
        // A root that lies in it was chosen as a root: what is hidden is hidden inside.
        let after = (Bound::Excluded(host), Bound::Unbounded);
        let below = self.by_source.range::<Path, _>(after);
        let below = below.take_while(|(source, _)| source.starts_with(host)).flat_map(|(_, p)| p);
        let pieces = below.filter(|part| part.at != Path::new("/")).map(|part| View {
            place: part.at.to_owned(),
            is_part: false,
            is_writable: part.is_writable,
            origin: part.origin,
        });
        whole.chain(pieces).collect()
    }

    fn whole(&self, part: &Part<'_>, host: &Path) -> Option<View> {
        let place = path::normal(&part.at.join(host.strip_prefix(part.source).ok()?));
        let is_part = place != part.at;
        let is_free = || !self.tree.nodes.contains_key(&place);
        let is_seen =
            !is_part || (is_free() && self.tree.beneath(&place).is_some_and(|found| found == host));
        let Part { is_writable, origin, .. } = *part;
        is_seen.then_some(View { place, is_part, is_writable, origin })
    }
}

impl Tree<'_> {
    /// Says whether something lies at a place, or is put there to hide it.
    pub fn is_taken(&self, path: &Path) -> bool {
        self.nodes.contains_key(path) || self.host_kind(path).is_some()
    }

    /// Returns where a path leads over the links that the tree has itself, as far as they lead
    /// anywhere; [`Inside::leads_to`](super::Inside::leads_to) follows those of the host too.
    pub fn over_own_links(&self, path: &Path) -> PathBuf {
        let target = |at: &Path| match &self.nodes.get(at)?.node {
            Node::Symlink { target } => Some(target.clone()),
            _ => None,
        };
        path::follow(path, Path::new("/"), AtEnd::Follow, &target)
            .map_or(path.to_owned(), |(path, _)| path)
    }

    /// Says whether a directory can be seen inside.
    pub fn has_directory(&self, path: &Path) -> bool {
        let path = self.over_own_links(path);
        if path == Path::new("/") {
            return true;
        }
        match self.nodes.get(&path).map(|entry| &entry.node) {
            Some(Node::Tmpfs { .. } | Node::Directory { .. } | Node::Proc | Node::Devpts) => true,
            Some(Node::Bind { identity, .. }) => identity.kind == FileKind::Directory,
            Some(Node::Cover) => self.host_kind(&path) == Some(FileKind::Directory),
            Some(_) => false,
            None => {
                // What hides a path makes no directory above it.
                let holds = |(other, entry): (&PathBuf, &Entry)| {
                    entry.node != Node::Cover && other != &path && other.starts_with(&path)
                };
                let below = self.nodes.iter().any(holds);
                let on_host = self.host_kind(&path) == Some(FileKind::Directory);
                on_host || (below && matches!(self.ground(&path), Ground::Made(_)))
            }
        }
    }

    /// Says whether a directory that can be seen inside is one that sbx makes, with none of the files
    /// that the host has there.
    pub fn is_made_at(&self, path: &Path) -> bool {
        let path = self.over_own_links(path);
        match self.nodes.get(&path).map(|entry| &entry.node) {
            Some(node) => matches!(node, Node::Tmpfs { .. } | Node::Directory { .. }),
            None => matches!(self.ground(&path), Ground::Made(_)),
        }
    }

    fn host_kind(&self, path: &Path) -> Option<FileKind> {
        match self.ground(path) {
            Ground::Host(host, _) => self.facts.file(&host).map(|fact| fact.kind),
            Ground::Made(_) | Ground::Proc(..) | Ground::Hidden(_) | Ground::Leaf(..) => None,
        }
    }

    /// Returns the path of the host that lies beneath a place, whatever is put on it.
    pub fn beneath(&self, path: &Path) -> Option<PathBuf> {
        let Ground::Host(host, _) = self.ground(path) else { return None };
        match &self.base {
            // Links of a root lead to what is inside it.
            Base::Host { path: root, .. } if self.above(path).is_none() => {
                path::resolve(path, root, self.facts).ok().map(|found| found.path)
            }
            Base::Host { .. } | Base::Made => Some(host),
        }
    }

    /// Returns the parts of the host that the tree shows, to be asked where a path of it can be seen.
    pub fn shown(&self) -> Shown<'_> {
        let mut by_source: BTreeMap<&Path, Vec<Part<'_>>> = BTreeMap::new();
        for part in self.parts() {
            by_source.entry(part.source).or_default().push(part);
        }
        Shown { tree: self, by_source }
    }

    /// Returns the parts of the host that the tree shows.
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let base = match &self.base {
            Base::Made => None,
            Base::Host { path, origin, is_writable } => Some(Part {
                at: Path::new("/"),
                source: path,
                is_writable: *is_writable,
                origin: *origin,
            }),
        };
        let binds = self.nodes.iter().filter_map(|(at, entry)| match &entry.node {
            Node::Bind { source, options, .. } => {
                let is_writable = !options.contains(&MountOption::Ro);
                Some(Part { at, source, is_writable, origin: entry.origin })
            }
            _ => None,
        });
        base.into_iter().chain(binds)
    }

    /// Returns the part of the host that a bind above a place shows there, after the place of the
    /// bind and with its options.
    pub fn bound(&self, path: &Path) -> Option<(PathBuf, PathBuf, Vec<MountOption>)> {
        let (at, above) = self.above(path)?;
        let Node::Bind { source, options, .. } = &above.node else { return None };
        let part = source.join(path.strip_prefix(at).unwrap_or(path));
        let is_free = !self.nodes.contains_key(path);
        is_free.then(|| (at.to_owned(), part, options.clone()))
    }
}
