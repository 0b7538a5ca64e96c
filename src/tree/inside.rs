//! The tree as the command will find it: what lies at a path inside, for those who search there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Ground, Node, Tree};
use crate::facts::{FileFact, FileKind, Files};
use crate::path::{self, AtEnd};

/// The tree as the command will find it.
#[derive(Debug)]
pub struct Inside<'t>(pub &'t Tree<'t>);

impl Inside<'_> {
    /// Says whether a path, followed to its end, is hidden.
    pub fn hides(&self, path: &Path) -> bool {
        let at = self.leads_to(path, AtEnd::Follow);
        at.ancestors().any(|at| self.0.nodes.get(at).is_some_and(|found| found.node == Node::Cover))
    }

    /// Returns where a path leads inside, over the tree's links and those that the host has there.
    pub fn leads_to(&self, path: &Path, at_end: AtEnd) -> PathBuf {
        path::follow(path, Path::new("/"), at_end, &|at| self.look(at)?.link)
            .map_or(path.to_owned(), |(path, _)| path)
    }

    /// Returns what lies at a place that no link is on the way to.
    fn look(&self, at: &Path) -> Option<FileFact> {
        let Self(tree) = self;
        match tree.nodes.get(at).map(|entry| &entry.node) {
            Some(Node::Cover) => None,
            Some(Node::Bind { source, .. } | Node::Device { source, .. }) => {
                tree.facts.file(source)
            }
            Some(Node::Symlink { target }) => {
                let link = Some(target.clone());
                Some(FileFact { link, ..FileFact::made(FileKind::Link) })
            }
            Some(Node::File { .. }) => Some(FileFact::made(FileKind::File)),
            Some(Node::Tmpfs { .. } | Node::Proc | Node::Devpts) => {
                Some(FileFact::made(FileKind::Directory))
            }
            // One that is made sure of may be the host's.
            Some(Node::Directory { .. }) | None => match tree.ground(at) {
                Ground::Host(host, _) | Ground::Proc(host, _) => tree.facts.file(&host),
                Ground::Made(_) => {
                    let holds = tree.nodes.keys().any(|below| below.starts_with(at));
                    holds.then(|| FileFact::made(FileKind::Directory))
                }
                Ground::Hidden(_) | Ground::Leaf(..) => None,
            },
        }
    }
}

impl Files for Inside<'_> {
    fn file(&self, path: &Path) -> Option<FileFact> {
        self.look(&self.leads_to(path, AtEnd::Stay))
    }

    fn is_closed(&self, path: &Path) -> bool {
        match self.0.ground(&self.leads_to(path, AtEnd::Stay)) {
            Ground::Host(host, _) => self.0.facts.is_closed(&host),
            Ground::Made(_) | Ground::Proc(..) | Ground::Hidden(_) | Ground::Leaf(..) => false,
        }
    }

    fn names(&self, directory: &Path) -> Option<Vec<OsString>> {
        let Self(tree) = self;
        let at = self.leads_to(directory, AtEnd::Follow);
        let mut names = match tree.nodes.get(&at).map(|entry| &entry.node) {
            Some(Node::Bind { source, .. }) => tree.facts.names(source)?,
            Some(Node::Proc) => tree.facts.names(Path::new("/proc"))?,
            Some(Node::Directory { .. }) | None => match tree.ground(&at) {
                Ground::Host(host, _) | Ground::Proc(host, _) => tree.facts.names(&host)?,
                Ground::Made(_) | Ground::Hidden(_) | Ground::Leaf(..) => Vec::new(),
            },
            Some(_) => Vec::new(),
        };
        let below = tree.nodes.keys().filter_map(|path| path.strip_prefix(&at).ok());
        names.extend(below.filter_map(|path| path.iter().next().map(OsStr::to_owned)));
        names.sort();
        names.dedup();
        Some(names)
    }
}
