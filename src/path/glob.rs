//! Globs, as glob(7) says, with `**` for any number of directories.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{NoPath, unescape};
use crate::facts::{Facts, FileKind};

/// How many directories one `**` may search.
const MAX_GLOB_DIRECTORIES: usize = 100_000;

/// Says whether a text has a glob that is not escaped.
pub fn is_glob(text: &OsStr) -> bool {
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Returns the directory that everything that a glob matches lies below.
pub fn above_glob(text: &OsStr) -> PathBuf {
    let parts = text.as_bytes().split(|byte| *byte == b'/').map(OsStr::from_bytes);
    Path::new("/").join(parts.take_while(|part| !is_glob(part)).map(unescape).collect::<PathBuf>())
}

/// What a glob comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// The paths, in the order of their bytes.
    pub paths: Vec<PathBuf>,
    /// Directories that could not be listed: more may match in them.
    pub unlisted: Vec<PathBuf>,
}

/// Returns every path that a glob matches.
///
/// `*` and `[…]` match inside one component and no leading dot, `**` any number of directories.
/// Links are not followed by `**`.
///
/// # Errors
/// The search would go through too many directories.
pub fn glob(text: &OsStr, facts: &dyn Facts) -> Result<Matched, NoPath> {
    let mut found = vec![PathBuf::from("/")];
    let mut search = Search { facts, budget: MAX_GLOB_DIRECTORIES, unlisted: Vec::new() };
    for part in text.as_bytes().split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        let part = OsStr::from_bytes(part);
        if part == ".." {
            // Whether there is a directory in front of it would decide what matches.
            return Err(NoPath::bad("a glob cannot go through `..`", "write the path without it"));
        }
        let mut next = Vec::new();
        for base in &found {
            if part == "**" {
                search.descend(base, &mut next)?;
            } else if is_glob(part) {
                let hidden = part.as_bytes().starts_with(b".");
                let names = search.names(base).into_iter();
                let visible = names.filter(|n| hidden || !n.as_bytes().starts_with(b"."));
                let matching = visible.filter(|n| matches(part.as_bytes(), n.as_bytes()));
                next.extend(matching.map(|name| base.join(name)));
            } else {
                let path = base.join(unescape(part));
                if facts.file(&path).is_some() {
                    next.push(path);
                } else if facts.is_closed(&path) {
                    search.unlisted.push(base.clone());
                }
            }
        }
        // Two `**` reach the same directory on many ways.
        next.sort();
        next.dedup();
        found = next;
    }
    Ok(Matched { paths: found, unlisted: search.unlisted })
}

struct Search<'a> {
    facts: &'a dyn Facts,
    budget: usize,
    unlisted: Vec<PathBuf>,
}

impl Search<'_> {
    fn names(&mut self, directory: &Path) -> Vec<OsString> {
        let names = self.facts.names(directory);
        if names.is_none() {
            self.unlisted.push(directory.to_owned());
        }
        names.unwrap_or_default()
    }

    fn descend(&mut self, base: &Path, out: &mut Vec<PathBuf>) -> Result<(), NoPath> {
        self.budget = self.budget.checked_sub(1).ok_or_else(|| {
            NoPath::missing(
                format!("`**` goes through more than {MAX_GLOB_DIRECTORIES} directories"),
                "name directories nearer to what is meant",
            )
        })?;
        out.push(base.to_owned());
        for name in self.names(base) {
            let path = base.join(name);
            if self.facts.file(&path).is_some_and(|fact| fact.kind == FileKind::Directory) {
                self.descend(&path, out)?;
            } else if self.facts.is_closed(&path) {
                self.unlisted.push(base.to_owned());
            }
        }
        Ok(())
    }
}

/// Matches one component against `*`, `[…]`, `[!…]` and `\`, as glob(7) says.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => {
            matches(rest, name)
                || name.split_first().is_some_and(|(_, tail)| matches(pattern, tail))
        }
        Some((b'[', rest)) => match (class(rest), name.split_first()) {
            (Some((negated, set, after)), Some((byte, tail))) => {
                in_class(set, *byte) != negated && matches(after, tail)
            }
            (None, Some((b'[', tail))) => matches(rest, tail),
            _ => false,
        },
        Some((b'\\', rest)) => match (rest.split_first(), name.split_first()) {
            (Some((want, rest)), Some((byte, tail))) => want == byte && matches(rest, tail),
            _ => false,
        },
        Some((want, rest)) => {
            name.split_first().is_some_and(|(byte, tail)| want == byte && matches(rest, tail))
        }
    }
}

fn class(rest: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (negated, rest) = match rest.strip_prefix(b"!").or_else(|| rest.strip_prefix(b"^")) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let end = rest.iter().skip(1).position(|b| *b == b']')? + 1;
    Some((negated, rest.get(..end)?, rest.get(end + 1..)?))
}

fn in_class(set: &[u8], byte: u8) -> bool {
    match set {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&byte) || in_class(rest, byte),
        [one, rest @ ..] => *one == byte || in_class(rest, byte),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::resolve::tests::host;

    #[test]
    fn globs_match_inside_a_component_and_double_stars_across() {
        let host = host(&[("/a", None), ("/a/b1", None), ("/a/b1/c", None), ("/a/.h", None)]);
        let found = |t: &str| glob(OsStr::new(t), &host).expect("few directories").paths;
        assert_eq!(found("/a/*"), [Path::new("/a/b1")]);
        assert_eq!(found("/a/[!x]1"), [Path::new("/a/b1")]);
        assert_eq!(found("/**/c"), [Path::new("/a/b1/c")]);
        assert!(found("/a/\\*").is_empty());
        assert_eq!(above_glob(OsStr::new("/a/b\\*/c*/d")), Path::new("/a/b*"));
        assert_eq!(above_glob(OsStr::new("/**/d")), Path::new("/"));
    }
}
