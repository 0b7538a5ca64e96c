//! What can be seen at a place inside, and where inside a part of the host can be seen.

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

impl Tree<'_> {
    /// Says whether something lies at a place, or is put there to hide it.
    pub fn is_taken(&self, path: &Path) -> bool {
        self.nodes.contains_key(path) || self.host_kind(path).is_some()
    }

    /// Returns where a path leads inside: links that the tree has itself are followed, as far as they
    /// lead anywhere.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let target = |at: &Path| match &self.nodes.get(at)?.node {
            Node::Symlink { target } => Some(target.clone()),
            _ => None,
        };
        path::follow(path, Path::new("/"), AtEnd::Follow, &target)
            .map_or(path.to_owned(), |(path, _)| path)
    }

    /// Says whether a directory can be seen inside.
    pub fn has_directory(&self, path: &Path) -> bool {
        let path = self.inside(path);
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

    /// Returns every place inside at which a path of the host, or something in it, can be seen.
    pub fn views(&self, host: &Path) -> Vec<View> {
        let view = |part: Part<'_>| {
            let Part { at, source, is_writable, origin } = part;
            let Ok(below) = host.strip_prefix(source) else {
                // A root that lies in it was chosen as a root: what is hidden is hidden inside.
                let is_part_of_it = source.starts_with(host) && at != Path::new("/");
                let view = View { place: at.to_owned(), is_part: false, is_writable, origin };
                return is_part_of_it.then_some(view);
            };
            let place = path::normal(&at.join(below));
            let is_part = place != at;
            let is_free = || !self.nodes.contains_key(&place);
            let is_seen =
                !is_part || (is_free() && self.beneath(&place).is_some_and(|found| found == host));
            is_seen.then_some(View { place, is_part, is_writable, origin })
        };
        self.parts().filter_map(view).collect()
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
