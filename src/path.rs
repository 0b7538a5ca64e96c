//! Paths as profiles write them, and what they come to on this host.
//!
//! A [`Pattern`] is what stands in a profile: `"?"` in front makes it optional, `"@"` names a
//! group, variables and globs are expanded when the plan is made. [`resolve`] follows the links in
//! a path through [`Facts`], so that two spellings of one place compare equal.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin};
use crate::facts::{Facts, FileFact, FileKind};
use crate::schema::{Leaf, Reader, Value, toml_string};

/// Length of the longest path that the kernel takes, in bytes (`PATH_MAX`, limits.h).
pub const PATH_MAX: usize = 4096;
/// How many links one path may go through, as in path_resolution(7).
pub(crate) const MAX_LINKS: usize = 40;
/// How many directories one `**` may search.
const MAX_GLOB_DIRECTORIES: usize = 100_000;

/// Why a pattern stands for no path of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPath {
    code: Code,
    /// The reason, in words that follow the pattern and a colon.
    pub why: String,
    help: &'static str,
}

impl NoPath {
    /// Returns the reason of a path that cannot be used as it is written.
    pub fn bad(why: impl Into<String>, help: &'static str) -> Self {
        Self { code: Code::BadPath, why: why.into(), help }
    }

    /// Returns the reason of a path that cannot be found here.
    pub fn missing(why: impl Into<String>, help: &'static str) -> Self {
        Self { code: Code::MissingPath, why: why.into(), help }
    }

    /// Returns the reason of a variable that has no value here.
    pub fn unset(why: impl Into<String>, help: &'static str) -> Self {
        Self { code: Code::UnsetVariable, why: why.into(), help }
    }

    /// Returns the reason of a variable that profiles do not have.
    pub fn unknown(why: impl Into<String>, help: &'static str) -> Self {
        Self { code: Code::UnknownVariable, why: why.into(), help }
    }

    /// Says whether a variable without a value is the reason, which `?` leaves out.
    pub fn is_unset(&self) -> bool {
        self.code == Code::UnsetVariable
    }

    /// Returns what is to be told about it.
    pub fn told(self, written: impl std::fmt::Display, origin: Origin) -> Diagnostic {
        let text = format!("`{written}`: {}", self.why);
        Diagnostic::error(self.code, text).at(origin).help(self.help)
    }
}

/// A path as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// The text without a leading `?`.
    pub text: OsString,
    /// Whether it may be missing.
    pub is_optional: bool,
    /// Whether it came from the command line: relative to the working directory.
    pub is_argument: bool,
}

impl Pattern {
    /// Returns the pattern of a profile's text.
    pub fn new(text: impl Into<OsString>) -> Self {
        let text = text.into();
        match text.as_bytes().strip_prefix(b"?") {
            Some(rest) => Self {
                text: OsStr::from_bytes(rest).to_owned(),
                is_optional: true,
                is_argument: false,
            },
            None => Self { text, is_optional: false, is_argument: false },
        }
    }

    /// Returns the pattern of a command-line argument.
    pub fn argument(text: impl Into<OsString>) -> Self {
        Self { is_argument: true, ..Self::new(text) }
    }

    /// Returns the name of the group it stands for, if it is one.
    pub fn group(&self) -> Option<&str> {
        self.text.to_str()?.strip_prefix('@')
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_optional {
            f.write_str("?")?;
        }
        f.write_str(&self.text.to_string_lossy())
    }
}

impl Leaf for Pattern {
    const EXPECTS: &'static str = "a path";
    const EXPECTS_LIST: &'static str = "a list of paths";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let text = String::read(value, reader)?;
        let rest = text.strip_prefix('?').unwrap_or(&text);
        if rest.len() > PATH_MAX {
            let why = format!("a path of {} bytes is too long", rest.len());
            reader.bad_value(value, why, "one of at most 4096 bytes");
            return None;
        }
        if rest.starts_with(['/', '~', '$', '@']) {
            return Some(Self::new(text));
        }
        reader.bad_value(
            value,
            format!("`{rest}` is relative, and a profile has no place of its own"),
            "a path that begins with `/`, `~`, `$` or `@`",
        );
        None
    }

    fn text(&self) -> String {
        toml_string(&self.to_string())
    }
}

/// Gives the value of a variable.
pub trait Variables {
    /// Returns the value of `$name`, or why it has none.
    ///
    /// # Errors
    /// The reason, in words.
    fn get(&self, name: &str) -> Result<OsString, NoPath>;
}

/// Expands `~`, `$NAME`, `${NAME}` and `${NAME:-default}`; `\` takes the next character literally.
///
/// # Errors
/// A variable that is not set, a brace that is not closed.
pub fn expand(text: &OsStr, variables: &dyn Variables) -> Result<OsString, NoPath> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut rest = bytes;
    if let Some(after) = rest.strip_prefix(b"~") {
        if !(after.is_empty() || after.starts_with(b"/")) {
            return Err(NoPath::bad(
                "only the user's own home can be written `~`",
                "write the home of another user as an absolute path",
            ));
        }
        out.extend(escaped(&variables.get("HOME")?));
        rest = after;
    }
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'\\' => {
                out.push(b'\\');
                let Some((next, after)) = after.split_first() else {
                    return Err(NoPath::bad(
                        "a `\\` stands at the end",
                        "write `\\\\` for the character itself",
                    ));
                };
                out.push(*next);
                rest = after;
            }
            b'$' => {
                let (value, after) = variable(after, variables)?;
                out.extend(escaped(&value));
                rest = after;
            }
            byte => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    Ok(OsString::from_vec(out))
}

/// Escapes what a glob or a later expansion would take for its own.
pub fn escaped(value: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value.as_bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

fn variable<'b>(rest: &'b [u8], variables: &dyn Variables) -> Result<(OsString, &'b [u8]), NoPath> {
    let name_byte = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if let Some(inner) = rest.strip_prefix(b"{") {
        let end = inner.iter().position(|b| *b == b'}').ok_or_else(|| {
            NoPath::bad("a `${` is not closed", "write `${NAME}` or `${NAME:-default}`")
        })?;
        let (body, after) = inner.split_at(end);
        let body = String::from_utf8_lossy(body).into_owned();
        let after = after.get(1..).unwrap_or_default();
        return match body.split_once(":-") {
            Some((name, default)) => {
                Ok((variables.get(name).unwrap_or_else(|_unset| OsString::from(default)), after))
            }
            None => Ok((variables.get(&body)?, after)),
        };
    }
    let end = rest.iter().position(|b| !name_byte(b)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    if name.is_empty() {
        return Err(NoPath::bad(
            "a `$` is not followed by a name",
            "write `$NAME`, or `\\$` for the character itself",
        ));
    }
    Ok((variables.get(&String::from_utf8_lossy(name))?, after))
}

/// Removes `.` and empty components, without looking at the host.
pub fn normal(path: &Path) -> PathBuf {
    path.components().filter(|c| !matches!(c, Component::CurDir)).collect()
}

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

/// Takes the escapes out of a text that is not a glob.
pub fn unescape(text: &OsStr) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(next)) => {
                out.push(*next);
                bytes.next();
            }
            _ => out.push(*byte),
        }
    }
    PathBuf::from(OsString::from_vec(out))
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

/// What a path comes to after its links were followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links in its parents; the last component is not followed.
    pub path: PathBuf,
    /// What lies there; nothing if it is missing.
    pub fact: Option<FileFact>,
    /// The links on the way, each without links in its own parents.
    pub links: Vec<PathBuf>,
}

/// Follows the links in a path's parents, not a link at its end.
///
/// Links are followed inside `root`: an absolute target begins there again (chroot(2)).
///
/// # Errors
/// Too many links.
pub fn resolve(path: &Path, root: &Path, facts: &dyn Facts) -> Result<Resolved, NoPath> {
    let mut out = root.to_owned();
    let mut links = Vec::new();
    let inside = path.strip_prefix("/").unwrap_or(path);
    let mut todo: Vec<OsString> = parts(inside);
    todo.reverse();
    let mut fact = facts.file(&out);
    while let Some(part) = todo.pop() {
        if part == ".." {
            if out != root {
                out.pop();
            }
            fact = facts.file(&out);
            continue;
        }
        out.push(&part);
        fact = facts.file(&out);
        let target = fact.as_ref().filter(|_| !todo.is_empty()).and_then(|f| f.link.clone());
        let Some(target) = target else { continue };
        if links.len() >= MAX_LINKS {
            return Err(too_many_links());
        }
        links.push(out.clone());
        if target.is_absolute() {
            out = root.to_owned();
        } else {
            out.pop();
        }
        todo.extend(parts(target.strip_prefix("/").unwrap_or(&target)).into_iter().rev());
    }
    Ok(Resolved { path: out, fact, links })
}

/// Returns the reason of a path that leads in a circle, or might.
pub(crate) fn too_many_links() -> NoPath {
    NoPath::missing(
        format!("it goes through more than {MAX_LINKS} links"),
        "name the place that the links are to lead to",
    )
}

fn parts(path: &Path) -> Vec<OsString> {
    let keep = |c: Component<'_>| match c {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(keep).collect()
}

/// Returns the target of a link as a path of its own, with the link's directory in front of a
/// relative one.
pub fn link_target(link: &Path, target: &Path) -> PathBuf {
    link.parent().unwrap_or(Path::new("/")).join(target)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Caller, Kernel, Recorded};

    struct Fixed;
    impl Variables for Fixed {
        fn get(&self, name: &str) -> Result<OsString, NoPath> {
            match name {
                "HOME" => Ok("/home/an*n".into()),
                _ => Err(NoPath::unknown(format!("`${name}` is not set"), "set it")),
            }
        }
    }

    fn host(entries: &[(&str, Option<&str>)]) -> Recorded {
        let fact = |link: Option<&str>| FileFact {
            kind: if link.is_some() { FileKind::Link } else { FileKind::Directory },
            dev: 1,
            ino: 1,
            mode: 0o755,
            uid: 0,
            nlink: 1,
            link: link.map(PathBuf::from),
        };
        Recorded {
            caller: Caller {
                uid: 1,
                gid: 1,
                groups: Vec::new(),
                capabilities: 0,
                cwd: "/".into(),
                umask: 0o22,
                terminals: [false; 3],
            },
            kernel: Kernel { landlock_abi: 7, last_capability: 40, machine: "x86_64".into() },
            env: BTreeMap::new(),
            files: entries.iter().map(|(p, l)| (PathBuf::from(p), fact(*l))).collect(),
            closed: Vec::new(),
            users: BTreeMap::new(),
            rlimits: BTreeMap::new(),
            settings: BTreeMap::new(),
            profile_directories: vec![],
            uid_map: vec![],
            gid_map: vec![],
        }
    }

    #[test]
    fn variables_are_expanded_and_their_values_are_literal() {
        let text =
            |t: &str| expand(OsStr::new(t), &Fixed).map(|v| v.to_string_lossy().into_owned());
        assert_eq!(text("~/x").as_deref(), Ok("/home/an\\*n/x"));
        assert_eq!(text("$HOME/*").as_deref(), Ok("/home/an\\*n/*"));
        assert_eq!(text("${NO:-/d}/x").as_deref(), Ok("/d/x"));
        assert!(text("$NO").is_err());
        assert!(text("~bob/x").is_err());
        assert!(text("${NO").is_err());
    }

    #[test]
    fn links_in_parents_are_followed_and_the_last_one_is_not() {
        let host = host(&[
            ("/", None),
            ("/bin", Some("usr/bin")),
            ("/usr", None),
            ("/usr/bin", None),
            ("/usr/bin/vi", Some("/etc/alternatives/vi")),
        ]);
        let found = resolve(Path::new("/bin/vi"), Path::new("/"), &host).expect("few links");
        assert_eq!(found.path, Path::new("/usr/bin/vi"));
        assert_eq!(found.links, [Path::new("/bin")]);
        assert_eq!(found.fact.map(|f| f.kind), Some(FileKind::Link));
        let up = resolve(Path::new("/bin/../x/./y"), Path::new("/"), &host).expect("few links");
        assert_eq!(up.path, Path::new("/usr/x/y"));
    }

    #[test]
    fn an_absolute_link_stays_inside_its_root() {
        let host = host(&[("/r", None), ("/r/a", Some("/b")), ("/r/b", None)]);
        let found = resolve(Path::new("/a/x"), Path::new("/r"), &host).expect("few links");
        assert_eq!(found.path, Path::new("/r/b/x"));
        let out = resolve(Path::new("/../../x"), Path::new("/r"), &host).expect("few links");
        assert_eq!(out.path, Path::new("/r/x"));
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let host = host(&[("/a", Some("b")), ("/b", Some("a"))]);
        assert!(resolve(Path::new("/a/x"), Path::new("/"), &host).is_err());
    }

    #[test]
    fn globs_match_inside_a_component_and_double_stars_across() {
        let host = host(&[("/a", None), ("/a/b1", None), ("/a/b1/c", None), ("/a/.h", None)]);
        let found = |t: &str| glob(OsStr::new(t), &host).expect("few directories").paths;
        assert_eq!(found("/a/*"), [Path::new("/a/b1")]);
        assert_eq!(found("/a/[!x]1"), [Path::new("/a/b1")]);
        assert_eq!(found("/**/c"), [Path::new("/a/b1/c")]);
        assert!(found("/a/\\*").is_empty());
    }
}
