//! What sbx tells its user when something is wrong, and where it was asked for.
//!
//! A [`Diagnostic`] is pure data; [`render`] turns it into text. Problems are collected in a
//! [`Sink`], so that all of them are shown at once.

mod code;
mod render;
mod source;

pub use code::Code;
pub use render::{json_line, text};
pub use source::{Origin, Source, SourceId, SourceKind, SourceMap, Span};

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The program is not started.
    Error,
    /// The program is started; the message ends in what sbx did instead.
    Warning,
    /// Told only with `-v` and in the plan.
    Note,
}

/// A place in a profile or on the command line, with what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub origin: Origin,
    /// What is to be said; may be empty.
    pub text: String,
}

/// One problem: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the kind of problem, for scripts and the manual.
    pub code: Code,
    /// One line, lower case, without a full stop.
    pub message: String,
    /// The place the problem lies in first, then others that help to see it.
    pub labels: Vec<Label>,
    /// Plain facts about the problem.
    pub notes: Vec<String>,
    /// What to do: each line begins with a verb.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Returns an error that does not say yet what to do about it.
    pub fn error(code: Code, message: impl Into<String>) -> Refusal {
        Refusal(Self::new(Severity::Error, code, message.into()))
    }

    /// Returns a warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// Returns a note without a place.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message.into())
    }

    fn new(severity: Severity, code: Code, message: String) -> Self {
        Self { severity, code, message, labels: Vec::new(), notes: Vec::new(), help: Vec::new() }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(self, origin: Origin) -> Self {
        self.label(origin, "")
    }

    /// Adds a place and what is to be said about it.
    #[must_use]
    pub fn label(mut self, origin: Origin, text: impl Into<String>) -> Self {
        self.labels.push(Label { origin, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with_note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// An error that does not say yet what to do about it: it becomes a [`Diagnostic`] when it does,
/// and cannot be told before.
#[derive(Debug)]
#[must_use]
pub struct Refusal(Diagnostic);

impl Refusal {
    /// Adds a place.
    pub fn at(self, origin: Origin) -> Self {
        Self(self.0.at(origin))
    }

    /// Adds a place and what is to be said about it.
    pub fn label(self, origin: Origin, text: impl Into<String>) -> Self {
        Self(self.0.label(origin, text))
    }

    /// Adds a fact.
    pub fn with_note(self, text: impl Into<String>) -> Self {
        Self(self.0.with_note(text))
    }

    /// Says what to do.
    pub fn help(self, text: impl Into<String>) -> Diagnostic {
        self.0.help(text)
    }

    /// Says to write the known name that is nearest to the one that was found, or one of those that
    /// it begins; where none is near enough to be meant, says something else.
    pub fn suggest<'a>(
        self,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
        otherwise: impl Into<String>,
    ) -> Diagnostic {
        let known: Vec<&str> = known.into_iter().collect();
        let begun = |name: &&&str| !found.is_empty() && name.starts_with(found);
        let begun: Vec<String> =
            known.iter().filter(begun).map(|name| format!("`{name}`")).collect();
        if begun.len() > 1 {
            return self.help(format!("write one of {}", begun.join(", ")));
        }
        match nearest(found, known) {
            Some(name) => self.help(format!("write `{name}`")),
            None => self.help(otherwise),
        }
    }
}

/// How many diagnostics a [`Sink`] holds.
const MAX_TOLD: usize = 100;

/// Collects diagnostics.
#[derive(Debug, Default)]
pub struct Sink {
    found: Vec<Diagnostic>,
}

impl Sink {
    /// Adds one, up to a number that nobody reads.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_TOLD && !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Says whether there are so many that looking for more is of no use.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_TOLD
    }

    /// Says whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.severity == Severity::Error)
    }

    /// Returns them in the order in which they were found.
    pub fn all(&self) -> &[Diagnostic] {
        &self.found
    }

    /// Puts them in the order of the places that they speak of.
    pub fn sort(&mut self) {
        self.found.sort_by_key(|one| one.labels.first().map(|label| label.origin));
    }

    /// Takes all of `other`'s.
    pub fn absorb(&mut self, other: Self) {
        self.absorb_if(other, |_| true);
    }

    /// Takes those of `other`'s that are wanted.
    pub fn absorb_if(&mut self, other: Self, is_wanted: impl Fn(&Diagnostic) -> bool) {
        for diagnostic in other.found.into_iter().filter(is_wanted) {
            self.push(diagnostic);
        }
    }
}

/// Returns the known name that is nearest to `found`, if one is near enough to be meant; several with
/// commas are none.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.contains(',') {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    // What was cut short is meant before what merely looks alike.
    let mut begun = known.iter().filter(|name| !found.is_empty() && name.starts_with(found));
    if let (Some(only), None) = (begun.next(), begun.next()) {
        return Some(only);
    }
    let (score, name) = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > 0.84).then_some(name)
}

/// Says whether a character could forge or hide a part of what is printed: control characters, those
/// that separate lines or paragraphs, and those that format text and show nothing themselves, such as
/// a change of direction (Unicode's Cc, Zl, Zp and Cf, and all tags; Flatpak CVE-2023-28101).
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}'
            | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Escapes what could forge or hide a line of a message.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// [`printable`] for a path or argument that need not be UTF-8.
pub fn printable_os(text: impl AsRef<std::ffi::OsStr>) -> String {
    printable(&text.as_ref().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_and_a_far_one_is_not() {
        assert_eq!(nearest("raed", ["read", "write"]), Some("read"));
        assert_eq!(nearest("zzz", ["read", "write"]), None);
        assert_eq!(nearest("read,write", ["read", "write"]), None);
        assert_eq!(
            nearest("net-bind", ["net-admin", "net-bind-service"]),
            Some("net-bind-service")
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{202e}");
        for c in [
            '\u{7f}',
            '\u{80}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0000}',
            '\u{e0041}',
            '\u{e007f}',
        ] {
            assert_eq!(printable(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        let plain = "é ß 中文 \u{1f600} a\u{301} \u{a0}";
        assert_eq!(printable(plain), plain);
    }

    #[test]
    fn the_same_problem_is_told_once() {
        let mut sink = Sink::default();
        sink.push(Diagnostic::note(Code::BadValue, "x"));
        sink.push(Diagnostic::note(Code::BadValue, "x"));
        assert_eq!(sink.all().len(), 1);
    }
}
