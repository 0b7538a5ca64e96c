//! Links on the way to paths of the host, and whether they may be followed.
//!
//! A link that the command, or a stranger, could have put there leads sbx wherever they like on
//! the next start (Flatpak CVE-2024-42472). Every path of the host that a profile names is
//! followed here, and every link that was met is judged once all grants are known.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileFact};
use crate::path::{self, NoPath};

/// A link on the way to a path of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it lies, with no link in its parents.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
    /// The rule that led over it.
    pub origin: Origin,
    /// Whether every rule that leads over it may be left out.
    pub is_optional: bool,
    owner: u32,
    /// Where the whole path leads in the end.
    end: PathBuf,
    /// Who owns what it leads to in the end.
    leads_to: Option<u32>,
}

/// Where a path leads in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The path without a link in it.
    pub path: PathBuf,
    /// What lies there; nothing if it is missing.
    pub fact: Option<FileFact>,
    /// The links on the way.
    pub links: Vec<Link>,
}

/// Follows a path of the host to its end, links at the end included.
///
/// # Errors
/// Too many links.
pub fn follow(path: &Path, origin: Origin, facts: &dyn Facts) -> Result<Followed, NoPath> {
    let target = |at: &Path| facts.file(at)?.link;
    let (path, links) = path::follow(path, Path::new("/"), path::AtEnd::Follow, &target)?;
    let fact = facts.file(&path);
    let leads_to = fact.as_ref().map(|fact| fact.uid);
    let path_of_all = path.clone();
    let link = |path: PathBuf| {
        let FileFact { link, uid, .. } = facts.file(&path)?;
        Some(Link {
            path,
            target: link?,
            origin,
            is_optional: false,
            owner: uid,
            end: path_of_all.clone(),
            leads_to,
        })
    };
    let links = links.into_iter().filter_map(link).collect();
    Ok(Followed { path, fact, links })
}

/// What links are judged by.
#[derive(Debug)]
pub struct Judge<'f> {
    /// The host.
    pub facts: &'f dyn Facts,
    /// The command's user.
    pub user: u32,
    /// Paths of the host that the command can write, and who granted them.
    pub writable: Vec<(PathBuf, Origin)>,
}

impl Judge<'_> {
    /// Refuses links that the command, or a stranger, could have planted.
    pub fn judge<'l>(&self, links: impl IntoIterator<Item = &'l Link>, sink: &mut Sink) {
        for link in links {
            let above = |(path, _): &&(PathBuf, Origin)| link.path.starts_with(path);
            let writable = self.writable.iter().find(above);
            let target = printable_os(path::link_target(&link.path, &link.target));
            if writable.is_none() && !self.is_strange(link) {
                // The caller's own links are what it wants, as a rule; but a sandbox that could
                // write here on an earlier start ran as the caller as well.
                if link.owner == self.facts.caller().uid && link.owner != 0 {
                    let text = format!("`{}` is a link to {target}", printable_os(&link.path));
                    sink.push(
                        Diagnostic::note(Code::Followed, text)
                            .label(link.origin, "this rule leads over it")
                            .help("name what it leads to, if a sandbox could ever write here"),
                    );
                }
                continue;
            }
            let diagnostic = Diagnostic::error(
                Code::Untrusted,
                format!("`{}` is a link that must not be followed", printable_os(&link.path)),
            )
            .label(link.origin, "this rule leads over it")
            .help(format!("name the place itself: `{}`", printable_os(&link.end)));
            sink.push(match writable {
                Some((_, origin)) => diagnostic
                    .label(*origin, "the command can write here")
                    .with_note("the command could make it lead anywhere before the next start"),
                None => diagnostic.with_note(format!("it belongs to user {}", link.owner)),
            });
        }
    }

    fn is_strange(&self, link: &Link) -> bool {
        // Started by root, a link of the command's user is followed to what is that user's own.
        let is_own = link.owner == self.user && link.leads_to == Some(self.user);
        let is_known = link.owner == 0 || link.owner == self.facts.caller().uid;
        !is_known && !is_own && !self.is_hidden_roots(link)
    }

    /// Says whether a link is root's where the caller's user namespace does not map root: its files
    /// show the overflow id then, and only a directory that others cannot write tells them apart
    /// (user_namespaces(7) "Unmapped user and group IDs").
    fn is_hidden_roots(&self, link: &Link) -> bool {
        let maps_root = self.facts.id_map(false).iter().any(|[inside, _, _]| *inside == 0);
        let directory = link.path.parent().and_then(|parent| self.facts.file(parent));
        let is_closed =
            directory.is_some_and(|fact| fact.uid == link.owner && fact.mode & 0o022 == 0);
        !maps_root && link.owner == 65_534 && is_closed
    }
}

/// Returns who other than root decides what lies at a path: the nearest directory above it that
/// somebody else can change, or the path itself. Root must not open it.
pub fn decided_by_others(path: &Path, facts: &dyn Facts) -> Option<PathBuf> {
    let is_open = |at: &&Path| {
        facts.file(at).is_some_and(|fact| {
            // In a sticky directory nobody can rename or remove what is root's (inode(7)).
            fact.uid != 0 || (fact.mode & 0o022 != 0 && fact.mode & 0o1000 == 0)
        })
    };
    path.ancestors().find(is_open).map(Path::to_owned)
}
