//! From the tree to steps: what each place needs, in an order in which it can be done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Base, Entry, Ground, Node, Tree};
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::FileKind;
use crate::path;
use crate::plan::{Action, Attributes, Builder, Source, SourceIdentity};

/// A place of the tree, what is put there, and what it stands on.
struct Place<'t> {
    path: &'t Path,
    entry: &'t Entry,
    ground: Ground,
}

impl Tree<'_> {
    /// Contributes the steps, parents first.
    pub fn compile(&self, sink: &mut Sink, plan: &mut Builder) {
        let mut made = BTreeSet::from([PathBuf::from("/")]);
        for (path, entry) in &self.nodes {
            let place = Place { path, entry, ground: self.ground(path) };
            match self.is_needed(&place) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(diagnostic) => {
                    sink.push(diagnostic);
                    continue;
                }
            }
            if let Ground::Made(owner) = place.ground {
                parents(path, owner, entry.origin, &mut made, plan);
            }
            made.insert(path.clone());
            plan.push(self.action(&place), entry.origin);
        }
    }

    /// Says whether something is to be hidden where nothing would be seen anyway.
    pub(super) fn covers_nothing(&self, entry: &Entry, ground: &Ground) -> bool {
        entry.node == Node::Cover
            && match ground {
                Ground::Made(_) | Ground::Hidden(_) => true,
                Ground::Leaf(..) => false,
                // Where sbx may not look, it is refused.
                Ground::Host(host, _) => {
                    self.facts.file(host).is_none()
                        && !self.facts.is_closed(host)
                        && !self.leads_over_link(host)
                }
                Ground::Proc(host, _) => self.facts.file(host).is_none() && !is_of_a_process(host),
            }
    }

    /// Says whether a link lies on the way to a path of the host: inside it may lead elsewhere.
    fn leads_over_link(&self, host: &Path) -> bool {
        path::resolve(host, Path::new("/"), self.facts).is_ok_and(|found| !found.links.is_empty())
    }

    /// Says whether a place needs a step of its own.
    ///
    /// # Errors
    /// Nothing can be put there.
    fn is_needed(&self, place: &Place<'_>) -> Result<bool, Diagnostic> {
        let Place { entry, ground, .. } = place;
        if self.covers_nothing(entry, ground) {
            return Ok(false);
        }
        match ground {
            Ground::Made(_) => Ok(true),
            Ground::Host(host, granted) | Ground::Proc(host, granted) => {
                if self.is_there(place, host) {
                    return Ok(false);
                }
                self.check_target(place, host, *granted)?;
                Ok(true)
            }
            // Where the link led is put there by itself.
            Ground::Hidden(_) | Ground::Leaf(..) if matches!(entry.node, Node::Symlink { .. }) => {
                Ok(false)
            }
            Ground::Hidden(origin) => Err(lies_below("a hidden path", *origin, place)),
            Ground::Leaf(what, origin) => Err(lies_below(what, *origin, place)),
        }
    }

    /// Says whether the host's own tree already shows at a place what is to be put there.
    fn is_there(&self, place: &Place<'_>, host: &Path) -> bool {
        match &place.entry.node {
            Node::Bind { source, options, is_pinned: false, .. } => {
                let same = |above: &Entry| {
                    let Node::Bind { options: theirs, .. } = &above.node else { return false };
                    Attributes::new(theirs.clone()) == Attributes::new(options.clone())
                };
                source == host && self.above(place.path).is_some_and(|(_, above)| same(above))
            }
            Node::Symlink { target } => {
                let there = self.facts.file(host).and_then(|fact| fact.link);
                // The sandbox's own proc has the links that the host's has.
                let is_proc = matches!(place.ground, Ground::Proc(..));
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

    /// Checks that a mount point is there in a file system that sbx makes nothing in, of the right
    /// type.
    fn check_target(
        &self,
        place: &Place<'_>,
        host: &Path,
        granted: Origin,
    ) -> Result<(), Diagnostic> {
        let entry = place.entry;
        let shown = printable_os(place.path);
        let there = printable_os(host);
        if matches!(place.ground, Ground::Proc(..)) && is_of_a_process(host) {
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
                "name the place itself: `{}`",
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
                    format!("`{shown}` would be made in {there}, which belongs to the host"),
                )
                .at(entry.origin)
                .label(granted, "the host's tree is shown here")
                .help("make it there yourself, or make the directory above it private"));
            }
        };
        match self.facts.file(host).map(|fact| fact.kind) {
            None => Err(Diagnostic::error(
                Code::MissingPath,
                format!("`{shown}` has no place to be mounted on: {there} is not there"),
            )
            .at(entry.origin)
            .label(granted, "the host's tree is shown here, and sbx makes nothing in it")
            .help(match self.seen_above(place.path) {
                Some(above) => format!(
                    "create {there}, or make {} private, in which sbx can make it",
                    printable_os(above)
                ),
                None => format!("create {there}"),
            })),
            Some(kind)
                if wants_directory.is_some_and(|wants| wants != (kind == FileKind::Directory)) =>
            {
                let wanted = if wants_directory == Some(true) { "a directory" } else { "a file" };
                Err(Diagnostic::error(
                    Code::WrongKind,
                    format!(
                        "`{shown}` needs {wanted} to be mounted on; {there} is a {}",
                        kind.name()
                    ),
                )
                .at(entry.origin)
                .help("name a place of the same type"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns the nearest directory above a place that the host shows, but for the root.
    fn seen_above<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let mut above = path.ancestors().skip(1);
        above.find(|at| self.has_directory(at)).filter(|at| *at != Path::new("/"))
    }

    /// Returns what is done to put there what belongs there.
    fn action(&self, place: &Place<'_>) -> Action {
        let target = place.path.into();
        let (owner, there) = match &place.ground {
            Ground::Made(owner) => (*owner, None),
            Ground::Host(host, _) | Ground::Proc(host, _) => (None, self.facts.file(host)),
            Ground::Hidden(_) | Ground::Leaf(..) => (None, None),
        };
        let is_new = matches!(place.ground, Ground::Made(_));
        // Files of another proc are others.
        let is_proc = matches!(place.ground, Ground::Proc(..));
        let onto = there.as_ref().filter(|_| !is_proc).map(SourceIdentity::from);
        match place.entry.node.clone() {
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
            Node::File { contents, mode } => Action::File { path: target, mode, owner, contents },
            Node::Directory { mode } => Action::Directory { path: target, mode, owner },
            Node::Symlink { target: to } => Action::Symlink { path: target, target: (&to).into() },
            Node::Cover => match there.map(|fact| fact.kind) {
                Some(FileKind::Directory) => Action::CoverDirectory { target, onto },
                _ => Action::CoverFile { target, onto },
            },
        }
    }
}

fn lies_below(what: &str, there: Origin, place: &Place<'_>) -> Diagnostic {
    let text = format!("`{}` lies below {what}", printable_os(place.path));
    Diagnostic::error(Code::Conflict, text)
        .at(place.entry.origin)
        .label(there, format!("{what} is here"))
        .help("remove one of the two")
}

/// Makes the directories above a place that are not there yet.
fn parents(
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

/// Says whether a path of proc belongs to one process (proc(5)).
fn is_of_a_process(path: &Path) -> bool {
    let name = path.strip_prefix("/proc").ok().and_then(|rest| rest.iter().next());
    name.is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}
