//! The tree of files inside: every mount, file and link at its place, and what each stands on.
//!
//! Features put nodes into the tree in any order. It comes out parents first, with the
//! directories in between, and knows for each place whether sbx made the file system there or
//! the host did: sbx makes nothing inside a file system of the host.

mod access;
mod seal;
mod view;

pub use access::{Access, AccessKind};
pub use view::View;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileKind};
use crate::path;
use crate::plan::{Action, Attributes, Builder, MountOption, Source, SourceIdentity};

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

/// A node and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What lies there.
    pub node: Node,
    /// Who asked for it.
    pub origin: Origin,
}

impl Entry {
    /// Says whether somebody wrote that nothing is to be seen here.
    fn hides(&self) -> bool {
        self.node == Node::Cover && self.origin.via.is_none()
    }
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

/// What lies above a place where nothing is to be seen.
const HIDDEN: &str = "a hidden path";

/// What a place stands on.
enum Ground {
    /// A file system that sbx made; the owner of what is made in it.
    Made(Option<(u32, u32)>),
    /// A file system of the host: the path there, and who granted it.
    Host(PathBuf, Origin),
    /// The sandbox's own proc: the same path in the host's, and who mounted it.
    Proc(PathBuf, Origin),
    /// Something that has nothing below it.
    Closed(&'static str, Origin),
}

impl<'f> Tree<'f> {
    /// Returns a tree with nothing but its base; `switches`: ids change after it is built.
    pub fn new(base: Base, switches: bool, facts: &'f dyn Facts) -> Self {
        Self { nodes: BTreeMap::new(), base, switches, facts }
    }

    /// Puts a node at a place, in the stead of any other; what is only implied does not bring back
    /// what a rule hides.
    pub fn put(&mut self, path: impl Into<PathBuf>, mut node: Node, origin: Origin) {
        let path = path.into();
        if origin.via.is_some() && self.nodes.get(&path).is_some_and(Entry::hides) {
            return;
        }
        if let Node::Bind { is_pinned, .. } = &mut node {
            *is_pinned |= self.is_pinned(&path);
        }
        self.nodes.insert(path, Entry { node, origin });
    }

    /// Puts a node at a place where there is none yet.
    pub fn put_if_free(&mut self, path: impl Into<PathBuf>, node: Node, origin: Origin) {
        self.nodes.entry(path.into()).or_insert(Entry { node, origin });
    }

    /// Makes a directory that a grant above it shows a mount of its own, which nobody can rename.
    pub fn pin(&mut self, path: &Path, origin: Origin) {
        if let Some(Entry { node: Node::Bind { is_pinned, .. }, .. }) = self.nodes.get_mut(path) {
            *is_pinned = true;
            return;
        }
        let Ground::Host(source, _) = self.ground(path) else { return };
        let options = match self.above(path).map(|(_, above)| &above.node) {
            Some(Node::Bind { options, .. }) => options.clone(),
            _ => vec![MountOption::Nosuid, MountOption::Nodev],
        };
        if let Some(fact) = self.facts.file(&source).filter(|fact| fact.kind == FileKind::Directory)
        {
            let identity = SourceIdentity::from(&fact);
            let node = Node::Bind { source, identity, options, is_pinned: true };
            self.put_if_free(path, node, origin);
        }
    }

    /// Says whether a place is a mount of its own so that nobody can rename it.
    fn is_pinned(&self, path: &Path) -> bool {
        let node = self.nodes.get(path).map(|entry| &entry.node);
        matches!(node, Some(Node::Bind { is_pinned: true, .. }))
    }

    /// Says whether sbx makes what lies at a place.
    pub fn makes(&self, path: &Path) -> bool {
        let node = self.nodes.get(path).map(|entry| &entry.node);
        matches!(node, Some(Node::Tmpfs { .. } | Node::Proc | Node::Devpts))
    }

    /// Says whether a place lies in a file system that sbx makes.
    pub fn can_make(&self, path: &Path) -> bool {
        matches!(self.ground(path), Ground::Made(_))
    }

    /// Says whether a place is shown, or something above or below it.
    pub fn touches(&self, path: &Path) -> bool {
        let shows = |node: &Node| matches!(node, Node::Bind { .. } | Node::Tmpfs { .. });
        self.nodes
            .iter()
            .any(|(at, entry)| shows(&entry.node) && (at.starts_with(path) || path.starts_with(at)))
    }

    /// Returns the places at which something is mounted.
    pub fn mount_points(&self) -> impl Iterator<Item = &Path> {
        let is_mount = |node: &Node| match node {
            Node::Bind { .. }
            | Node::Tmpfs { .. }
            | Node::Proc
            | Node::Devpts
            | Node::Device { .. } => true,
            Node::File { .. } | Node::Directory { .. } | Node::Symlink { .. } | Node::Cover => {
                false
            }
        };
        self.nodes
            .iter()
            .filter(move |(_, entry)| is_mount(&entry.node))
            .map(|(path, _)| path.as_path())
    }

    /// Takes out what is only implied below a place that a rule hides.
    pub fn prune(&mut self) {
        let hidden: Vec<PathBuf> = self
            .nodes
            .iter()
            .filter(|(_, entry)| entry.hides())
            .map(|(path, _)| path.clone())
            .collect();
        self.nodes.retain(|path, entry| {
            let is_below = |above: &PathBuf| path != above && path.starts_with(above);
            entry.origin.via.is_none() || !hidden.iter().any(is_below)
        });
    }

    /// Returns the nearest node above a place.
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
            Node::Devpts => Ground::Closed("the pseudo terminals", entry.origin),
            Node::Device { .. } => Ground::Closed("a device", entry.origin),
            Node::File { .. } => Ground::Closed("a file", entry.origin),
            Node::Symlink { .. } => Ground::Closed("a link", entry.origin),
            Node::Cover => Ground::Closed(HIDDEN, entry.origin),
            Node::Directory { .. } => Ground::Made(None),
        }
    }

    /// Contributes the steps, parents first.
    pub fn compile(&self, sink: &mut Sink, plan: &mut Builder) {
        let mut made = BTreeSet::from([PathBuf::from("/")]);
        for (path, entry) in &self.nodes {
            if self.covers_nothing(path, entry) {
                continue;
            }
            let is_new = match self.ground(path) {
                Ground::Made(owner) => {
                    self.parents(path, owner, entry.origin, &mut made, plan);
                    true
                }
                Ground::Proc(host, granted) | Ground::Host(host, granted) => {
                    if self.is_redundant(path, &host, &entry.node) {
                        continue;
                    }
                    if let Err(diagnostic) = self.host_target(path, &host, entry, granted) {
                        sink.push(diagnostic);
                        continue;
                    }
                    false
                }
                Ground::Closed(what, origin) => {
                    if !matches!(entry.node, Node::Symlink { .. }) {
                        sink.push(
                            Diagnostic::error(
                                Code::Conflict,
                                format!("`{}` lies below {what}", printable_os(path)),
                            )
                            .at(entry.origin)
                            .label(origin, format!("{what} is here"))
                            .help("remove one of the two"),
                        );
                    }
                    continue;
                }
            };
            made.insert(path.clone());
            self.step(path, entry, is_new, plan);
        }
    }

    /// Says whether something is to be hidden where nothing would be seen anyway.
    fn covers_nothing(&self, path: &Path, entry: &Entry) -> bool {
        entry.node == Node::Cover
            && match self.ground(path) {
                Ground::Made(_) => true,
                Ground::Closed(what, _) => what == HIDDEN,
                // Where sbx may not look, it is refused.
                Ground::Host(host, _) => {
                    self.facts.file(&host).is_none()
                        && !self.facts.is_closed(&host)
                        && !self.leads_over_link(&host)
                }
                Ground::Proc(host, _) => {
                    self.facts.file(&host).is_none() && !is_of_a_process(&host)
                }
            }
    }

    /// Says whether a link lies on the way to a path of the host: inside it may lead elsewhere.
    fn leads_over_link(&self, host: &Path) -> bool {
        path::resolve(host, Path::new("/"), self.facts).is_ok_and(|found| !found.links.is_empty())
    }

    /// Makes the directories above a place that are not there yet.
    fn parents(
        &self,
        path: &Path,
        owner: Option<(u32, u32)>,
        origin: Origin,
        made: &mut BTreeSet<PathBuf>,
        plan: &mut Builder,
    ) {
        let missing: Vec<&Path> =
            path.ancestors().skip(1).take_while(|above| !made.contains(*above)).collect();
        for directory in missing.into_iter().rev() {
            plan.push(Action::Directory { path: directory.into(), mode: 0o755, owner }, origin);
            made.insert(directory.to_owned());
        }
    }

    /// Says whether the host's own tree already shows at a place what a node would put there.
    fn is_redundant(&self, path: &Path, host: &Path, node: &Node) -> bool {
        match node {
            Node::Bind { source, options, is_pinned: false, .. } => {
                let same = |above: &Entry| {
                    let Node::Bind { options: theirs, .. } = &above.node else { return false };
                    Attributes::new(theirs.clone()) == Attributes::new(options.clone())
                };
                source == host && self.above(path).is_some_and(|(_, above)| same(above))
            }
            Node::Symlink { target } => {
                let there = self.facts.file(host).and_then(|fact| fact.link);
                // The sandbox's own proc has the links that the host's has.
                let is_proc = matches!(self.ground(path), Ground::Proc(..));
                there.as_ref() == Some(target) || (is_proc && there.is_some())
            }
            Node::Directory { .. } => {
                self.facts.file(host).is_some_and(|fact| fact.kind == FileKind::Directory)
            }
            Node::Bind { .. }
            | Node::Tmpfs { .. }
            | Node::Proc
            | Node::Devpts
            | Node::Device { .. }
            | Node::File { .. }
            | Node::Cover => false,
        }
    }

    /// Checks that a mount point is there in a file system of the host, of the right type.
    fn host_target(
        &self,
        path: &Path,
        host: &Path,
        entry: &Entry,
        granted: Origin,
    ) -> Result<(), Diagnostic> {
        let shown = printable_os(path);
        let place = printable_os(host);
        if matches!(self.ground(path), Ground::Proc(..)) && is_of_a_process(host) {
            return Err(Diagnostic::error(
                Code::NotEnforceable,
                format!("`{shown}` belongs to a process, and inside there are others"),
            )
            .at(entry.origin)
            .help("remove it: the processes of the host are not there inside")
            .help("leave `proc` out of `auto-mount` in [root] to have no processes shown at all"));
        }
        let found = path::resolve(host, Path::new("/"), self.facts);
        let link = found.as_ref().ok().and_then(|found| found.links.first());
        let inside_root = matches!(&self.base, Base::Host { path, .. } if host.starts_with(path));
        if let (Some(link), false) = (link, inside_root) {
            return Err(Diagnostic::error(
                Code::WrongKind,
                format!("`{shown}` leads over the link {}", printable_os(link)),
            )
            .at(entry.origin)
            .help(format!(
                "name what it leads to: `{}`",
                printable_os(found.map_or(host.to_owned(), |f| f.path))
            )));
        }
        let wants_directory = match &entry.node {
            Node::Bind { identity, .. } => Some(identity.kind == FileKind::Directory),
            Node::Tmpfs { .. } | Node::Proc | Node::Devpts => Some(true),
            Node::Device { .. } => Some(false),
            Node::Cover => None,
            Node::File { .. } | Node::Directory { .. } | Node::Symlink { .. } => {
                return Err(Diagnostic::error(
                    Code::Conflict,
                    format!("`{shown}` would be made in {place}, which belongs to the host"),
                )
                .at(entry.origin)
                .label(granted, "the host's tree is shown here")
                .help("make it there yourself, or make the directory above it private"));
            }
        };
        match self.facts.file(host).map(|fact| fact.kind) {
            None => Err(Diagnostic::error(
                Code::MissingPath,
                format!("`{shown}` has no place to be mounted on: {place} is not there"),
            )
            .at(entry.origin)
            .label(granted, "the host's tree is shown here, and sbx makes nothing in it")
            .help(format!("create {place}, or make the directory above it private"))),
            Some(kind)
                if wants_directory.is_some_and(|wants| wants != (kind == FileKind::Directory)) =>
            {
                let wanted = if wants_directory == Some(true) { "a directory" } else { "a file" };
                Err(Diagnostic::error(
                    Code::WrongKind,
                    format!(
                        "`{shown}` needs {wanted} to be mounted on; {place} is a {}",
                        kind.name()
                    ),
                )
                .at(entry.origin)
                .help("name a place of the same type"))
            }
            Some(_) => Ok(()),
        }
    }

    fn step(&self, path: &Path, entry: &Entry, is_new: bool, plan: &mut Builder) {
        let at = entry.origin;
        let target = path.into();
        let (owner, there) = match self.ground(path) {
            Ground::Made(owner) => (owner, None),
            Ground::Host(host, _) | Ground::Proc(host, _) => (None, self.facts.file(&host)),
            Ground::Closed(..) => (None, None),
        };
        // Files of another proc are others.
        let is_proc = matches!(self.ground(path), Ground::Proc(..));
        let onto = there.as_ref().filter(|_| !is_proc).map(SourceIdentity::from);
        plan.push(
            match entry.node.clone() {
                Node::Bind { source, identity, options, .. } => Action::Bind {
                    source: Source { path: (&source).into(), identity },
                    target,
                    attributes: Attributes::new(options),
                    recursive: true,
                    is_new,
                    onto,
                },
                Node::Tmpfs { size, inodes, mode, owner: (uid, gid), options } => Action::Tmpfs {
                    target,
                    size,
                    inodes,
                    mode,
                    uid,
                    gid,
                    attributes: Attributes::new(options),
                    is_new,
                    onto,
                },
                Node::Proc => Action::Proc { target, is_new, onto },
                Node::Devpts => Action::Devpts { target, is_new, onto },
                Node::Device { source, identity } => {
                    let source = Source { path: (&source).into(), identity };
                    Action::DeviceNode { source, target, is_new, onto }
                }
                Node::File { contents, mode } => {
                    Action::File { path: target, mode, owner, contents }
                }
                Node::Directory { mode } => Action::Directory { path: target, mode, owner },
                Node::Symlink { target: to } => {
                    Action::Symlink { path: target, target: (&to).into() }
                }
                Node::Cover => match there.map(|fact| fact.kind) {
                    Some(FileKind::Directory) => Action::CoverDirectory { target, onto },
                    _ => Action::CoverFile { target, onto },
                },
            },
            at,
        );
    }
}

/// Says whether a path of proc belongs to one process (proc(5)).
fn is_of_a_process(path: &Path) -> bool {
    let name = path.strip_prefix("/proc").ok().and_then(|rest| rest.iter().next());
    name.is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}
