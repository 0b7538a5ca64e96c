//! From names of profiles to layers.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Told;
use crate::diag::{Code, Diagnostic, Origin, Refusal, Sink, SourceKind, SourceMap, printable_os};
use crate::facts::Facts as _;
use crate::host::Live;
use crate::profile::{BUILTIN, Layer, Loaded, Place, Profile, candidates, flatten, is_path};
use crate::store::{self, StoreError};

/// Finds and reads profiles.
pub(super) struct Library {
    directories: Vec<PathBuf>,
    caller: u32,
}

impl Library {
    /// Returns the library of whoever runs sbx.
    pub(super) fn of(facts: &Live) -> Self {
        Self { directories: facts.profile_directories(), caller: facts.caller().uid }
    }

    /// Every definition there is, the one that wins first.
    pub(super) fn all(&self, sink: &mut Sink) -> Vec<(String, Place)> {
        store::list(&self.directories).unwrap_or_else(|error| {
            sink.push(unreadable(error, None));
            Vec::new()
        })
    }

    /// Returns the layers of a profile that was named, lowest first.
    pub(super) fn layers(&self, name: &OsStr, told: &mut Told) -> Vec<Layer> {
        let Told { sources, sink, .. } = told;
        let found = if is_path(name) {
            self.read(&printable_os(name), &Place::File(PathBuf::from(name)), None, sources, sink)
        } else {
            self.find(&name.to_string_lossy(), None, sources, sink)
        };
        found.map_or(Vec::new(), |top| self.flatten(&top, sources, sink))
    }

    /// Returns a profile with its parents, lowest first.
    fn flatten(&self, top: &Rc<Loaded>, sources: &mut SourceMap, sink: &mut Sink) -> Vec<Layer> {
        let mut read: Vec<(String, Rc<Loaded>)> = Vec::new();
        let mut load = |name: &str, origin: Option<Origin>, sink: &mut Sink| {
            if let Some((_, known)) = read.iter().find(|(known, _)| known == name) {
                return Some(Rc::clone(known));
            }
            let loaded = self.find(name, origin, sources, sink)?;
            read.push((name.to_owned(), Rc::clone(&loaded)));
            Some(loaded)
        };
        flatten(top, &mut load, sink)
    }

    fn find(
        &self,
        name: &str,
        origin: Option<Origin>,
        sources: &mut SourceMap,
        sink: &mut Sink,
    ) -> Option<Rc<Loaded>> {
        let is_there = |place: &Place| match place {
            Place::File(path) => store::exists(path),
            Place::Builtin(_) => true,
        };
        let legal = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        let place =
            candidates(name, &self.directories).into_iter().find(|place| legal && is_there(place));
        let Some(place) = place else {
            let all = self.all(sink);
            let refusal =
                Diagnostic::error(Code::UnknownProfile, format!("there is no profile `{name}`"));
            let all: Vec<&str> = all.iter().map(|(known, _)| known.as_str()).collect();
            let otherwise = if origin.is_some() && (name.contains('/') || name.ends_with(".toml")) {
                "write the name of a profile: `extends` takes no paths".to_owned()
            } else if origin.is_some() {
                format!("write a name that is there, or put `{name}.toml` among your profiles")
            } else if name.ends_with(".toml") {
                format!("write a path to a file with a slash in it: `./{name}`")
            } else if name.split(',').all(|one| all.contains(&one)) {
                format!("name one at a time: `-p {}`", name.replace(',', " -p "))
            } else {
                "write a path to a file with a slash in it: `./my.toml`".to_owned()
            };
            sink.push(
                asked_at(refusal, origin)
                    .suggest(name, all, otherwise)
                    .help("see `sbx profiles` for all"),
            );
            return None;
        };
        self.read(name, &place, origin, sources, sink)
    }

    /// Reads one definition.
    pub(super) fn read(
        &self,
        name: &str,
        place: &Place,
        origin: Option<Origin>,
        sources: &mut SourceMap,
        sink: &mut Sink,
    ) -> Option<Rc<Loaded>> {
        let kind = match place {
            Place::Builtin(_) => SourceKind::Builtin,
            Place::File(_) => SourceKind::File,
        };
        let text = match self.text(place) {
            Ok(text) => text,
            Err(error) => {
                sink.push(unreadable(error, origin));
                return None;
            }
        };
        let identity = place.to_string();
        let source = sources.add(kind, identity.clone(), text.clone());
        let profile = Profile::read(&text, source, sink);
        Some(Rc::new(Loaded { name: name.to_owned(), identity, source, profile }))
    }

    /// Returns the text of a definition.
    fn text(&self, place: &Place) -> Result<String, StoreError> {
        match place {
            Place::Builtin(known) => {
                let found = BUILTIN.iter().find(|(name, _)| name == known);
                Ok(found.map(|(_, text)| (*text).to_owned()).unwrap_or_default())
            }
            // A link to /dev/null masks a profile: it is there, and says nothing.
            Place::File(path) if is_masked(path) => Ok(String::new()),
            Place::File(path) => store::read(path, self.caller),
        }
    }

    /// Returns the name of the profile that serves a command, if one does. One that cannot be read
    /// is told, and so is one that speaks of the command and whose `[match]` cannot be understood:
    /// it might.
    pub(super) fn serving(&self, command: &OsStr, told: &mut Told) -> Option<String> {
        let name = Path::new(command).file_name()?.to_str()?;
        let mut seen: Vec<String> = Vec::new();
        for (profile, place) in self.all(&mut told.sink) {
            if seen.contains(&profile) {
                continue;
            }
            seen.push(profile.clone());
            let text = match self.text(&place) {
                Ok(text) => text,
                Err(error) => {
                    let help = format!("write `--no-profile` to start `{name}` without it");
                    told.sink.push(unreadable(error, None).help(help));
                    continue;
                }
            };
            // Most profiles do not name the command at all: they need not be parsed.
            if !has_word(&text, name) {
                continue;
            }
            let mut found = Sink::default();
            if Profile::serves(&text, name, Origin::DEFAULT.source, &mut found) {
                return Some(profile);
            }
            if found.has_errors() {
                let _told = self.read(&profile, &place, None, &mut told.sources, &mut told.sink);
                let text = format!("profile `{profile}` may be meant to serve `{name}`");
                told.sink.push(
                    Diagnostic::error(Code::UnreadableProfile, text)
                        .with_note(format!("it is {place}"))
                        .help("correct it, or choose: `--profile NAME`, `--no-profile`"),
                );
            }
        }
        None
    }
}

/// Says whether a text has a word that is not a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_end = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || "_-.".contains(c));
    let is_word = |(at, found): (usize, &str)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        is_end(before) && is_end(after)
    };
    text.match_indices(word).any(is_word)
}

fn unreadable(error: StoreError, origin: Option<Origin>) -> Diagnostic {
    let refusal = Diagnostic::error(Code::UnreadableProfile, error.to_string());
    let help = match error {
        StoreError::Untrusted { help, .. } => help,
        StoreError::Read { source, path } => match source.kind() {
            std::io::ErrorKind::PermissionDenied if path.is_file() => {
                format!("let yourself read it: `chmod u+r {}`", path.display())
            }
            std::io::ErrorKind::PermissionDenied if path.is_dir() => {
                format!("let yourself in: `chmod u+rx {}`", path.display())
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("let yourself in: `chmod u+rx` on what is above {}", path.display())
            }
            _ => "name a file that can be read, or remove it from the profiles".to_owned(),
        },
    };
    asked_at(refusal, origin).help(help)
}

/// Adds the line that asked for a profile; one that a flag named has none.
fn asked_at(refusal: Refusal, origin: Option<Origin>) -> Refusal {
    match origin {
        Some(origin) => refusal.at(origin),
        None => refusal,
    }
}

fn is_masked(path: &Path) -> bool {
    path.read_link().is_ok_and(|target| target == Path::new("/dev/null"))
}
