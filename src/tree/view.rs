//! What can be seen at a place inside, and where inside a part of the host can be seen.

use std::path::{Path, PathBuf};

use super::{Base, Entry, Ground, Node, Tree};
use crate::diag::Origin;
use crate::facts::FileKind;
use crate::path;
use crate::plan::MountOption;

/// A place inside at which a part of the host can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The place.
    pub place: PathBuf,
    /// Whether more than it is shown there.
    pub is_part: bool,
    /// Whether it can be written there.
    pub is_writable: bool,
    /// Who shows it.
    pub origin: Origin,
}

impl Tree<'_> {
    /// Says whether the host's tree shows a path inside.
    pub fn shows(&self, path: &Path) -> bool {
        self.nodes.contains_key(path) || self.host_kind(path).is_some()
    }

    /// Returns where a path leads inside: links that the tree has itself are followed.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let mut out = PathBuf::from("/");
        for part in path.components().skip(1) {
            out.push(part);
            let mut hops = 0;
            while let Some(Entry { node: Node::Symlink { target }, .. }) = self.nodes.get(&out) {
                out = path::normal(&path::link_target(&out, target));
                hops += 1;
                if hops > 40 {
                    break;
                }
            }
        }
        out
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

    /// Returns every place inside at which a path of the host can be seen.
    pub fn views(&self, host: &Path) -> Vec<View> {
        self.parts()
            .filter_map(|(at, source, view)| {
                let place = path::normal(&at.join(host.strip_prefix(source).ok()?));
                let is_free = || !self.nodes.contains_key(&place);
                let is_seen = place == at
                    || (is_free() && self.beneath(&place).is_some_and(|found| found == host));
                let is_part = place != at;
                is_seen.then_some(View { place, is_part, ..view })
            })
            .collect()
    }

    /// Returns who shows, at a place or below it, another part of the host than the one of the same
    /// path.
    pub fn renamed(&self, path: &Path) -> Option<Origin> {
        match self.ground(path) {
            Ground::Host(host, origin) if host != path => return Some(origin),
            _ => {}
        }
        let is_other = |at: &Path, source: &Path| at != source && at.starts_with(path);
        self.parts().find(|(at, source, _)| is_other(at, source)).map(|(_, _, view)| view.origin)
    }

    /// Returns the parts of the host that the tree shows: where, which, and by whom.
    fn parts(&self) -> impl Iterator<Item = (&Path, &Path, View)> {
        let base = match &self.base {
            Base::Made => None,
            Base::Host { path, origin, is_writable } => {
                let place = PathBuf::from("/");
                let view =
                    View { place, is_part: false, is_writable: *is_writable, origin: *origin };
                Some((Path::new("/"), path.as_path(), view))
            }
        };
        let binds = self.nodes.iter().filter_map(|(at, entry)| match &entry.node {
            Node::Bind { source, options, .. } => {
                let is_writable = !options.contains(&MountOption::Ro);
                let view =
                    View { place: at.clone(), is_part: false, is_writable, origin: entry.origin };
                Some((at.as_path(), source.as_path(), view))
            }
            _ => None,
        });
        base.into_iter().chain(binds)
    }

    /// Returns the part of the host that a bind above a place shows there, and the bind's options.
    pub fn bound(&self, path: &Path) -> Option<(PathBuf, Vec<MountOption>)> {
        let (at, above) = self.above(path)?;
        let Node::Bind { source, options, .. } = &above.node else { return None };
        let is_free = !self.nodes.contains_key(path);
        is_free.then(|| (source.join(path.strip_prefix(at).unwrap_or(path)), options.clone()))
    }
}
