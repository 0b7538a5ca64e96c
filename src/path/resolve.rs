//! Links on the way to a path.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::NoPath;
use crate::facts::{Facts, FileFact};

/// How many links one path may go through, as in path_resolution(7).
const MAX_LINKS: usize = 40;

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

/// Whether a link at the end of a path is followed (path_resolution(7), "Step 3").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// As open(2) does.
    Follow,
    /// As lstat(2) does.
    Stay,
}

/// Follows the links in a path's parents, not a link at its end.
///
/// Links are followed inside `root`: an absolute target begins there again (chroot(2)).
///
/// # Errors
/// Too many links.
pub fn resolve(path: &Path, root: &Path, facts: &dyn Facts) -> Result<Resolved, NoPath> {
    let (path, links) = follow(path, root, AtEnd::Stay, &|at| facts.file(at)?.link)?;
    let fact = facts.file(&path);
    Ok(Resolved { path, fact, links })
}

/// Follows links inside `root`, of which `link` knows where they lead; returns the path without
/// links, and the links on the way.
///
/// # Errors
/// Too many links.
pub fn follow(
    path: &Path,
    root: &Path,
    at_end: AtEnd,
    link: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Result<(PathBuf, Vec<PathBuf>), NoPath> {
    let mut out = root.to_owned();
    let mut links = Vec::new();
    let inside = path.strip_prefix("/").unwrap_or(path);
    let mut todo: Vec<OsString> = parts(inside);
    todo.reverse();
    while let Some(part) = todo.pop() {
        if part == ".." {
            if out != root {
                out.pop();
            }
            continue;
        }
        out.push(&part);
        let is_followed = !todo.is_empty() || at_end == AtEnd::Follow;
        let Some(target) = link(&out).filter(|_| is_followed) else { continue };
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
    Ok((out, links))
}

/// Returns the reason of a path that leads in a circle, or might.
fn too_many_links() -> NoPath {
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

/// Returns the target of a link, which has no link in its own parents, as a path of its own.
pub fn link_target(link: &Path, target: &Path) -> PathBuf {
    let path = link.parent().unwrap_or(Path::new("/")).join(target);
    // Where it leads over links itself, `..` may mean another directory.
    let plain = follow(&path, Path::new("/"), AtEnd::Stay, &|_| None);
    plain.map_or(path, |(path, _)| path)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Caller, FileKind, Kernel, Recorded};

    pub(in crate::path) fn host(entries: &[(&str, Option<&str>)]) -> Recorded {
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
}
