//! Profiles of sbx are never writable inside: what is written there decides over the next start.
//!
//! What counts: the directories that profiles are looked for in, by this start and by others of the
//! caller and of the command's user; the files that this run was made from; and what links in those
//! directories lead to. A rule of `[files]` that would make one writable is narrowed where that is
//! possible, anything else is refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileFact, FileKind};
use crate::feature::files::{self, Intent, Verb};
use crate::feature::trust::{self, Followed};
use crate::profile::{self, Place};

/// The profiles that there are, and where others would be looked for.
#[derive(Debug)]
pub(super) struct OwnProfiles<'f> {
    facts: &'f dyn Facts,
    paths: BTreeSet<PathBuf>,
    /// Directories of profiles that the caller may not list: links in them are not known.
    unlisted: Vec<PathBuf>,
    /// Profiles that have another name besides, somewhere.
    doubled: Vec<PathBuf>,
}

impl<'f> OwnProfiles<'f> {
    /// Finds them; `files` are those of this run, `user` is the command's.
    pub(super) fn new(files: &[PathBuf], user: u32, facts: &'f dyn Facts) -> Self {
        let mut paths: BTreeSet<PathBuf> = facts.profile_directories().into_iter().collect();
        // A start with another environment, or by that user, looks there.
        let host = facts.users(Path::new("/"));
        let homes = [facts.caller().uid, user].map(|uid| host.uid(uid).map(|row| row.home.clone()));
        for home in homes.into_iter().flatten().filter(|home| facts.file(home).is_some()) {
            paths.insert(profile::directory_below(&home.join(".config")));
        }
        let owners = [facts.caller().uid, user];
        let mut unlisted = Vec::new();
        let mut doubled = Vec::new();
        let mut links = Vec::new();
        for directory in &paths {
            let Some(found) = profiles_in(directory, facts) else {
                // What keeps the caller out may be its own, closed by an earlier sandbox.
                let mut seen = directory.ancestors().filter_map(|at| facts.file(at));
                let is_own =
                    |fact: FileFact| fact.kind == FileKind::Link || owners.contains(&fact.uid);
                if seen.next().is_none_or(is_own) {
                    unlisted.push(directory.clone());
                }
                continue;
            };
            for (path, fact) in found {
                let led = trust::follow(&path, Origin::DEFAULT, facts).ok();
                if fact.kind == FileKind::Link {
                    links.push(path.clone());
                }
                let Some(fact) = led.and_then(|led| led.fact) else { continue };
                let is_file = fact.kind == FileKind::File;
                if is_file && fact.nlink > 1 && fact.uid != 0 && owners.contains(&fact.uid) {
                    doubled.push(path);
                }
            }
        }
        paths.extend(links);
        paths.extend(files.iter().cloned());
        Self { facts, paths, unlisted, doubled }
    }

    fn followed(&self) -> impl Iterator<Item = (&Path, Followed)> {
        let follow = |path: &Path| trust::follow(path, Origin::DEFAULT, self.facts).ok();
        self.paths.iter().filter_map(move |path| Some((path.as_path(), follow(path)?)))
    }

    /// Refuses what `writer` grants where it is not known which profiles there are, or by which names.
    pub(super) fn refuse_unknown(&self, writer: Origin, sink: &mut Sink) {
        for directory in &self.unlisted {
            let shown = printable_os(directory);
            let text = format!("profiles of sbx may lie in {shown}, which you may not list");
            sink.push(
                Diagnostic::error(Code::OwnProfiles, text)
                    .label(writer, "the command can write here, perhaps to one of them")
                    .help(format!("let yourself in: `chmod u+rx` on {shown} and what is above it")),
            );
        }
        for path in &self.doubled {
            let shown = printable_os(path);
            let text = format!(
                "the profile {shown} has other names, and one may lie where the command can write"
            );
            sink.push(
                Diagnostic::error(Code::OwnProfiles, text)
                    .label(writer, "the command can write here")
                    .help(format!("make it a file of its own: `cp {shown} {shown}.new && mv {shown}.new {shown}`")),
            );
        }
    }

    /// Makes read-only what rules for files would let the command write.
    pub(super) fn narrow(&self, files: &mut files::Rule, sink: &mut Sink) {
        for (path, Followed { path: real, fact, links }) in self.followed() {
            let shown = printable_os(path);
            let over = |link: &trust::Link| {
                let writer = files.writer(link.path.parent()?)?;
                Some((printable_os(&link.path), writer.origin))
            };
            if let Some((link, origin)) = links.iter().find_map(over) {
                let text = format!(
                    "profiles of sbx are reached over the link `{link}`, which the command could replace"
                );
                sink.push(
                    Diagnostic::error(Code::OwnProfiles, text).at(origin).help(
                        "grant less, or have what the link leads to in the place of the link",
                    ),
                );
                continue;
            }
            let below = |(path, intent): &(&PathBuf, &Intent)| {
                intent.verb == Verb::Write && path.starts_with(&real)
            };
            if let Some((path, intent)) = files.intents.iter().find(below) {
                let text = format!(
                    "`{}` belongs to the profiles of sbx and cannot be writable inside",
                    printable_os(path)
                );
                sink.push(
                    Diagnostic::error(Code::OwnProfiles, text)
                        .at(intent.origin)
                        .help("remove it: who writes there decides over the next start"),
                );
                continue;
            }
            let Some(grant) = files.writer(&real).cloned() else { continue };
            if self.facts.is_closed(&real) {
                let text = format!("profiles of sbx may lie in {shown}, where you may not look");
                sink.push(
                    Diagnostic::error(Code::OwnProfiles, text)
                        .at(grant.origin)
                        .help("let yourself in: `chmod u+rx` on the directories above it"),
                );
            } else if fact.is_none() {
                let text = format!("this would let the command make profiles of sbx in {shown}");
                sink.push(
                    Diagnostic::error(Code::OwnProfiles, text)
                        .at(grant.origin)
                        .help(format!(
                            "create it, `{}`: where it is there it is kept read-only",
                            self.mkdir_command(&real)
                        ))
                        .help("or grant less"),
                );
            } else {
                let origin = grant.origin.implied_by("`profiles are never writable inside`");
                let intent = Intent { verb: Verb::Read, fact, is_optional: false, origin, ..grant };
                files.intents.insert(real, intent);
            }
        }
    }

    /// Returns the command that makes a directory, as the one whose home it lies in.
    fn mkdir_command(&self, directory: &Path) -> String {
        let shown = printable_os(directory);
        let host = self.facts.users(Path::new("/"));
        let user = host.passwd.iter().find(|row| {
            row.uid != 0 && row.home != Path::new("/") && directory.starts_with(&row.home)
        });
        match user.filter(|_| self.facts.caller().uid == 0) {
            Some(user) => format!("runuser -u {} -- mkdir -p {shown}", user.name),
            None => format!("mkdir -p {shown}"),
        }
    }

    /// Refuses a part of the host that is writable inside under whatever name.
    pub(super) fn refuse(&self, source: &Path, origin: Origin, sink: &mut Sink) {
        for (path, Followed { path: real, links, .. }) in self.followed() {
            let is_over = links.iter().any(|link| link.path.starts_with(source));
            if !(is_over || real.starts_with(source) || source.starts_with(&real)) {
                continue;
            }
            sink.push(
                Diagnostic::error(
                    Code::OwnProfiles,
                    "a writable mount would let the command change profiles of sbx",
                )
                .at(origin)
                .with_note(format!("profiles: {}", path.display()))
                .help("make it `ro`, or show a smaller part of the tree"),
            );
        }
    }
}

/// Returns what lies in a directory of profiles under the name of one; nothing where the caller may
/// not see all of it.
fn profiles_in(directory: &Path, facts: &dyn Facts) -> Option<Vec<(PathBuf, FileFact)>> {
    let paths = facts.names(directory)?.into_iter().map(|name| directory.join(name));
    let profiles = paths.filter(|path| Place::profile_name(path).is_some());
    let mut found = Vec::new();
    for path in profiles {
        match facts.file(&path) {
            Some(fact) => found.push((path, fact)),
            None if facts.is_closed(&path) => return None,
            None => {}
        }
    }
    Some(found)
}
