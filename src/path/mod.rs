//! Paths as profiles write them, and what they come to on this host.
//!
//! A [`Pattern`] is what stands in a profile: `"?"` in front makes it optional, `"@"` names a
//! group, variables and globs are expanded when the plan is made. [`resolve`] follows the links in
//! a path through facts, so that two spellings of one place compare equal.

mod expand;
mod glob;
mod resolve;

pub use expand::{Variables, escaped, expand, unescape};
pub use glob::{Matched, glob, is_glob};
pub use resolve::{AtEnd, Resolved, follow, link_target, resolve};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin};
use crate::schema::{Leaf, Reader, Value, toml_string};

/// Length of the longest path that the kernel takes, in bytes (`PATH_MAX`, limits.h).
pub const PATH_MAX: usize = 4096;

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

    /// Says whether a variable has no value here, because it is not set or profiles do not have it:
    /// a default stands for it.
    pub fn is_without_value(&self) -> bool {
        matches!(self.code, Code::UnsetVariable | Code::UnknownVariable)
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

/// Removes `.` and empty components, without looking at the host.
pub fn normal(path: &Path) -> PathBuf {
    path.components().filter(|c| !matches!(c, Component::CurDir)).collect()
}
