//! From patterns of a profile to paths of the host.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::diag::Origin;
use crate::facts::Facts;
use crate::path::{self, NoPath, Pattern, Variables};

/// What patterns are read against.
pub struct Context<'a> {
    /// The host.
    pub facts: &'a dyn Facts,
    /// Values of `$NAME`.
    pub variables: &'a dyn Variables,
    /// Place of an origin's layer in the order of layers.
    pub rank: &'a dyn Fn(Origin) -> usize,
    /// Home directory of the command's user, as it is called inside.
    pub home: &'a Path,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Returns the one path that a pattern stands for.
    ///
    /// # Errors
    /// A variable that is not set, a glob where a single path is needed.
    pub fn path(&self, pattern: &Pattern) -> Result<PathBuf, NoPath> {
        let text = self.expanded(pattern)?;
        if path::is_glob(&text) {
            return Err(NoPath::bad(
                "a single path is needed, not a glob",
                "name one path; write `\\*` for the character itself",
            ));
        }
        let path = path::unescape(&text);
        if path.is_absolute() {
            Ok(path::normal(&path))
        } else {
            Err(NoPath::bad("it is not absolute", "write a path that begins with `/` or `~`"))
        }
    }

    fn expanded(&self, pattern: &Pattern) -> Result<OsString, NoPath> {
        let text = path::expand(&pattern.text, self.variables)?;
        if text.is_empty() {
            return Err(NoPath::bad("it is empty", "write a path that begins with `/` or `~`"));
        }
        if !pattern.is_argument || Path::new(&text).is_absolute() {
            return Ok(text);
        }
        let cwd = &self.facts.caller().cwd;
        if !cwd.is_absolute() {
            return Err(NoPath::missing(
                "the working directory is gone",
                "go to a directory that is there, or write an absolute path",
            ));
        }
        let cwd = OsString::from_vec(path::escaped(cwd.as_os_str()));
        Ok(Path::new(&cwd).join(text).into_os_string())
    }

    /// Returns a pattern with its variables replaced, as a glob, where they are set.
    pub fn glob_of(&self, pattern: &Pattern) -> Option<OsString> {
        self.expanded(pattern).ok()
    }

    /// Returns every path that a pattern stands for.
    ///
    /// # Errors
    /// A variable that is not set, a search through too many directories.
    pub fn paths(&self, pattern: &Pattern) -> Result<path::Matched, NoPath> {
        let text = self.expanded(pattern)?;
        if path::is_glob(&text) {
            return path::glob(&text, self.facts);
        }
        let paths = vec![self.path(pattern)?];
        Ok(path::Matched { paths, ..path::Matched::default() })
    }
}

/// Returns the directory that keeps the caller from looking at a path, and its owner, where one does.
pub fn closed_above<'p>(path: &'p Path, facts: &dyn Facts) -> Option<(&'p Path, u32)> {
    let mut seen = path.ancestors().skip(1).filter_map(|at| Some((at, facts.file(at)?.uid)));
    seen.next().filter(|_| facts.is_closed(path))
}
