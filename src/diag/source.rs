//! Texts that settings come from, and places in them.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Number of a text in a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte after the last one.
    pub end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        // Profiles are limited to far less than 4 GiB when they are read (`store`).
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end) }
    }
}

/// Where a value was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The text.
    pub source: SourceId,
    /// The place in it.
    pub span: Span,
    /// The rule that derived the value from what stands there, such as "`[root] kind`".
    pub via: Option<&'static str>,
}

impl Origin {
    /// The origin of every value that nobody wrote.
    pub const DEFAULT: Self =
        Self { source: SourceId(0), span: Span { start: 0, end: 0 }, via: None };

    /// Returns a place in a text.
    pub fn new(source: SourceId, span: impl Into<Span>) -> Self {
        Self { source, span: span.into(), via: None }
    }

    /// Returns the same place for a value that `rule` derived from what stands there.
    #[must_use]
    pub fn implied_by(self, rule: &'static str) -> Self {
        Self { via: Some(rule), ..self }
    }

    /// Says whether nobody wrote this value.
    pub fn is_default(self) -> bool {
        self.source == SourceId(0)
    }
}

/// What kind of text a [`Source`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// sbx's own defaults; there is no text.
    Default,
    /// A profile that is built into sbx.
    Builtin,
    /// A profile file.
    File,
    /// One flag of the command line with its value.
    Flag,
}

/// A text that settings come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// What kind of text it is.
    pub kind: SourceKind,
    /// Path of the file, `built-in:NAME`, or the flag.
    pub name: String,
    /// The text itself.
    pub text: String,
}

/// All texts that settings came from.
#[derive(Debug, Clone)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl Default for SourceMap {
    fn default() -> Self {
        let default =
            Source { kind: SourceKind::Default, name: "default".to_owned(), text: String::new() };
        Self { sources: vec![default] }
    }
}

impl SourceMap {
    /// Adds a text and returns its number.
    pub fn add(
        &mut self,
        kind: SourceKind,
        name: impl Into<String>,
        text: impl Into<String>,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { kind, name: name.into(), text: text.into() });
        id
    }

    /// Adds a flag as it was written and returns the origin that stands for all of it.
    pub fn add_flag(&mut self, text: impl Into<String>) -> Origin {
        let text = text.into();
        let name = text.split(['=', ' ']).next().unwrap_or_default().to_owned();
        let end = text.len();
        Origin::new(self.add(SourceKind::Flag, name, text), 0..end)
    }

    /// Returns a text.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(usize::try_from(id.0).ok()?)
    }

    /// Returns the paths of all files that were read, from the directory they were named in.
    pub fn files(&self, cwd: &Path) -> Vec<PathBuf> {
        let files = self.sources.iter().filter(|source| source.kind == SourceKind::File);
        files.map(|source| cwd.join(&source.name)).collect()
    }

    /// Returns the line and column (in characters) of an origin, both from 1.
    pub fn line_column(&self, origin: Origin) -> Option<(usize, usize)> {
        let source = self.get(origin.source)?;
        let before = source.text.get(..usize::try_from(origin.span.start).ok()?)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..)?.chars().count() + 1;
        Some((before.bytes().filter(|b| *b == b'\n').count() + 1, column))
    }

    /// Returns an origin in words: `web.toml:12`, `--write`, `default`; with the rule it went through.
    pub fn describe(&self, origin: Origin) -> String {
        let Some(source) = self.get(origin.source) else {
            return "?".to_owned();
        };
        let name = super::printable(&source.name);
        let place = match (source.kind, self.line_column(origin)) {
            (SourceKind::File | SourceKind::Builtin, Some((line, _))) => format!("{name}:{line}"),
            // What `--set` was given is a text of its own.
            (SourceKind::Flag, _) if source.name == "--set" => {
                format!("--set {}", super::printable(&source.text))
            }
            (SourceKind::Flag, _) => super::printable(&source.text),
            _ => name,
        };
        match origin.via {
            Some(rule) => format!("{place}, implied by {rule}"),
            None => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_described_by_file_and_line() {
        let mut map = SourceMap::default();
        let id = map.add(SourceKind::File, "web.toml", "a = 1\nb = 2\n");
        let origin = Origin::new(id, 6..7);
        assert_eq!(map.line_column(origin), Some((2, 1)));
        assert_eq!(map.describe(origin), "web.toml:2");
        assert_eq!(map.describe(origin.implied_by("`[x]`")), "web.toml:2, implied by `[x]`");
    }

    #[test]
    fn a_flag_is_described_as_it_was_written() {
        let mut map = SourceMap::default();
        let origin = map.add_flag("--net=none");
        assert_eq!(map.describe(origin), "--net=none");
        assert_eq!(map.describe(Origin::DEFAULT), "default");
    }
}
