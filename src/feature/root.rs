//! `[root]`: what the tree of files starts from.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileKind};
use crate::feature::trust::{self, Link};
use crate::path::{NoPath, Pattern};
use crate::plan::SourceIdentity;
use crate::schema::{choice_leaf, refuse_removals, section};
use crate::value::{List, Slot};

/// What the tree of files starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tmpfs that shows the host's /usr and the least of /etc that programs need.
    System,
    /// A directory that holds a system of its own.
    Directory,
    /// A tmpfs with nothing in it but what the profile names.
    Empty,
}

choice_leaf!(Kind, "\"system\", \"directory\" or \"empty\"",
    ["system" => System, "directory" => Directory, "empty" => Empty], reserved ["host"]);

/// What sbx mounts by itself in a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoMount {
    /// A tmpfs on /tmp.
    Tmp,
    /// A new proc on /proc.
    Proc,
}

choice_leaf!(AutoMount, "\"tmp\" or \"proc\"", ["tmp" => Tmp, "proc" => Proc], reserved []);

section! {
    /// The section as it was written.
    pub struct Spec = "root", reserved ["overlay"] {
        /// What the tree of files starts from. Default: "system".
        kind: Slot<Kind> = "kind",
        /// The directory, for `kind = "directory"`; it implies that kind.
        path: Slot<Pattern> = "path",
        /// Whether the root itself can be written. Default: false.
        writable: Slot<bool> = "writable",
        /// What sbx mounts by itself. Default: ["tmp", "proc"]; with `kind = "empty"` nothing.
        auto_mount: List<AutoMount> = "auto-mount",
    }
}

/// The root in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is.
    pub kind: Kind,
    /// The directory, where it is one.
    pub directory: Option<(PathBuf, SourceIdentity)>,
    /// Links on the way to the directory.
    pub links: Vec<Link>,
    /// Whether it can be written.
    pub is_writable: bool,
    /// Where /tmp was asked for, if it is mounted.
    pub mounts_tmp: Option<Origin>,
    /// Where /proc was asked for, if it is mounted.
    pub mounts_proc: Option<Origin>,
    /// Where what sbx mounts by itself was chosen.
    pub auto_mount: Origin,
    /// Where it was asked for.
    pub origin: Origin,
}

impl Rule {
    /// Returns the directory that users and files inside are looked up in.
    pub fn database(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new("/"), |(path, _)| path)
    }
}

/// Decides the root; `expand` gives a pattern's path.
pub fn resolve(
    spec: &Spec,
    facts: &dyn Facts,
    expand: &dyn Fn(&Pattern) -> Result<PathBuf, NoPath>,
    sink: &mut Sink,
) -> Option<Rule> {
    let implied = if spec.path.get().is_some() { Kind::Directory } else { Kind::System };
    let kind = spec.kind.or(implied);
    let origin = spec.path.get().map_or(kind.origin, |path| path.origin);
    let mut on_the_way = Vec::new();
    let directory = match (kind.value, spec.path.get()) {
        (Kind::Directory, Some(written)) => {
            let found = expand(&written.value)
                .map_err(|error| error.why)
                .and_then(|path| directory(&path, origin, facts));
            match found {
                Ok((path, identity, links)) => {
                    on_the_way = links;
                    Some((path, identity))
                }
                Err(why) => {
                    sink.push(
                        Diagnostic::error(Code::WrongKind, format!("`{}` cannot be a root: {why}", written.value))
                            .at(origin)
                            .help("name a directory other than `/` that holds a system, such as one made by debootstrap"),
                    );
                    return None;
                }
            }
        }
        (Kind::Directory, None) => {
            sink.push(
                Diagnostic::error(Code::Conflict, "`kind = \"directory\"` needs a directory")
                    .at(kind.origin)
                    .help("write `path = \"/srv/root\"` in [root]"),
            );
            return None;
        }
        (Kind::System | Kind::Empty, Some(written)) => {
            sink.push(
                Diagnostic::error(
                    Code::Conflict,
                    format!("`path` has no meaning with `kind = \"{}\"`", kind.value.name()),
                )
                .at(written.origin)
                .help("write `kind = \"directory\"`, or remove `path`"),
            );
            return None;
        }
        (Kind::System | Kind::Empty, None) => None,
    };
    refuse_removals("auto-mount", &spec.auto_mount, sink);
    let wanted = |what| {
        if spec.auto_mount.given().is_none() {
            return (kind.value != Kind::Empty).then_some(kind.origin);
        }
        spec.auto_mount.items().iter().find(|item| *item.value == what).map(|item| item.origin)
    };
    Some(Rule {
        kind: kind.value,
        directory,
        links: on_the_way,
        is_writable: spec.writable.or(false).value,
        mounts_tmp: wanted(AutoMount::Tmp),
        mounts_proc: wanted(AutoMount::Proc),
        auto_mount: spec.auto_mount.given().unwrap_or(kind.origin),
        origin,
    })
}

fn directory(
    written: &Path,
    origin: Origin,
    facts: &dyn Facts,
) -> Result<(PathBuf, SourceIdentity, Vec<Link>), String> {
    let trust::Followed { path, fact, links } =
        trust::follow(written, origin, facts).map_err(|error| error.why)?;
    if path == Path::new("/") {
        return Err("it is the host's own root".to_owned());
    }
    match fact {
        None => Err("it is not there".to_owned()),
        Some(fact) if fact.kind != FileKind::Directory => {
            Err(format!("{} is a {}", printable_os(&path), fact.kind.name()))
        }
        Some(fact) => Ok((path, SourceIdentity::from(&fact), links)),
    }
}
