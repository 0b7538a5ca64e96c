//! Globs, as glob(7) says, with `**` for any number of directories.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{NoPath, unescape};
use crate::facts::{FileKind, Files};

/// How many directories one glob may go through, and how many paths it may come to on the way.
const MAX_GLOB_PATHS: usize = 100_000;

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

/// What a glob comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// The paths, in the order of their bytes.
    pub paths: Vec<PathBuf>,
    /// Directories that could not be listed: more may match in them.
    pub unlisted: Vec<PathBuf>,
    /// Whether they were searched for.
    pub is_glob: bool,
}

/// Returns every path that a glob matches.
///
/// `*` and `[…]` match inside one component and no leading dot, `**` any number of directories.
/// Links are not followed by `**`.
///
/// # Errors
/// The search would go through too many directories.
pub fn glob(text: &OsStr, facts: &dyn Files) -> Result<Matched, NoPath> {
    let mut found = vec![PathBuf::from("/")];
    let mut search = Search { facts, budget: MAX_GLOB_PATHS, unlisted: Vec::new() };
    for part in text.as_bytes().split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        let part = OsStr::from_bytes(part);
        if part == ".." {
            // Whether there is a directory in front of it would decide what matches.
            return Err(NoPath::bad("a glob cannot go through `..`", "write the path without it"));
        }
        let mut next = Vec::new();
        for base in &found {
            search.spend(1)?;
            if part == "**" {
                search.descend(base, &mut next)?;
            } else if is_glob(part) {
                let hidden = [&b"."[..], b"\\."].iter().any(|dot| part.as_bytes().starts_with(dot));
                let names = search.names(base).into_iter();
                let visible = names.filter(|n| hidden || !n.as_bytes().starts_with(b"."));
                let matching = visible.filter(|n| matches(part.as_bytes(), n.as_bytes()));
                let before = next.len();
                next.extend(matching.map(|name| base.join(name)));
                search.spend(next.len() - before)?;
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
    Ok(Matched { paths: found, unlisted: search.unlisted, is_glob: true })
}

struct Search<'a> {
    facts: &'a dyn Files,
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

    /// Takes from what may be gone through: links can make any number of paths of few files.
    fn spend(&mut self, paths: usize) -> Result<(), NoPath> {
        self.budget = self.budget.checked_sub(paths).ok_or_else(|| {
            NoPath::missing(
                format!("it goes through more than {MAX_GLOB_PATHS} paths"),
                "name directories nearer to what is meant",
            )
        })?;
        Ok(())
    }

    fn descend(&mut self, base: &Path, out: &mut Vec<PathBuf>) -> Result<(), NoPath> {
        self.spend(1)?;
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

/// Matches one component against `*`, `[…]`, `[!…]` and `\`, as glob(7) says; in time that grows with
/// the product of the lengths, however many `*` there are.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // After the last `*`: the pattern, and the shortest rest of the name that was not tried yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            retry = Some((rest, name));
            pattern = rest;
            continue;
        }
        let Some((byte, tail)) = name.split_first() else { return pattern.is_empty() };
        if let Some(rest) = one(pattern, *byte) {
            (pattern, name) = (rest, tail);
            continue;
        }
        let Some((after, [_, shorter @ ..])) = retry else { return false };
        retry = Some((after, shorter));
        (pattern, name) = (after, shorter);
    }
}

/// Matches one byte, and returns the rest of the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = pattern.split_first()?;
    let (wanted, rest) = match first {
        b'[' => match class(rest) {
            Some((negated, set, after)) => {
                return (in_class(set, byte) != negated).then_some(after);
            }
            None => (b'[', rest),
        },
        b'\\' => rest.split_first().map(|(wanted, rest)| (*wanted, rest))?,
        plain => (*plain, rest),
    };
    (wanted == byte).then_some(rest)
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
    }

    #[test]
    fn a_component_is_matched_to_its_end_in_little_time() {
        let check = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        for (pattern, name) in [
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*b*c", "axbxbxc"),
            ("**", "a"),
            ("[a-c]*", "bx"),
            ("*[!a]", "ab"),
            ("\\*", "*"),
            ("[", "["),
            ("a[]]", "a]"),
            ("*.k*y", "a.kxkyy"),
        ] {
            assert!(check(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("a", ""),
            ("a*", "b"),
            ("*a", "ab"),
            ("a*b*c", "axc"),
            ("[!a]", "a"),
            ("\\*", "a"),
            ("[a-c]", "d"),
            ("a", "ab"),
            ("*b", ""),
        ] {
            assert!(!check(pattern, name), "{pattern} {name}");
        }
        // With a try for every way to share the name out, this would not end.
        assert!(!check(&"*a".repeat(30), &format!("{}b", "a".repeat(240))));
    }

    #[test]
    fn a_glob_that_links_multiply_ends() {
        let names: Vec<String> = (0..400).map(|n| format!("/a/l{n}")).collect();
        let mut entries = vec![("/a", None)];
        entries.extend(names.iter().map(|name| (name.as_str(), Some("."))));
        struct Links(crate::facts::Recorded);
        impl Files for Links {
            fn file(&self, path: &Path) -> Option<crate::facts::FileFact> {
                let name = path.file_name().unwrap_or_default();
                self.0.file(&Path::new("/a").join(name)).or_else(|| self.0.file(path))
            }
            fn is_closed(&self, _: &Path) -> bool {
                false
            }
            fn names(&self, _: &Path) -> Option<Vec<OsString>> {
                self.0.names(Path::new("/a"))
            }
        }
        let links = Links(host(&entries));
        let why = glob(OsStr::new("/a/*/*/*/key"), &links).expect_err("64 million paths");
        assert!(why.why.contains("more than 100000 paths"), "{}", why.why);
    }
}
