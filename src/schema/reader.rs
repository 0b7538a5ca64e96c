//! Reads TOML tables, telling every problem with its place and the nearest known name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Field, Key, Reserved};
use crate::diag::{Code, Diagnostic, Origin, Sink, SourceId};

/// A TOML value with its place.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// Parses a text into a table; every syntax error goes to `sink`.
pub fn parse<'a>(text: &'a str, source: SourceId, sink: &mut Sink) -> Spanned<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let origin = Origin::new(source, error.span().unwrap_or_default());
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        sink.push(Diagnostic::error(Code::Syntax, message).at(origin));
    }
    table
}

/// Says whether a table has a date or time in it, however deep: no key of a profile takes one.
pub fn has_time(table: &DeTable<'_>) -> bool {
    table.iter().any(|(_, value)| match value.get_ref() {
        DeValue::Datetime(_) => true,
        DeValue::Table(inner) => has_time(inner),
        _ => false,
    })
}

/// Reads one table.
#[derive(Debug)]
pub struct Reader<'a, 's> {
    table: &'a DeTable<'a>,
    taken: Vec<&'static str>,
    source: SourceId,
    /// Where problems go.
    pub sink: &'s mut Sink,
}

impl<'a, 's> Reader<'a, 's> {
    /// Returns a reader of a table of the given text.
    pub fn new(table: &'a DeTable<'a>, source: SourceId, sink: &'s mut Sink) -> Self {
        Self { table, taken: Vec::new(), source, sink }
    }

    /// Returns the place of a value.
    pub fn origin(&self, value: &Value<'_>) -> Origin {
        Origin::new(self.source, value.span())
    }

    /// Returns the place of a key.
    pub fn origin_of<T>(&self, key: &Spanned<T>) -> Origin {
        Origin::new(self.source, key.span())
    }

    /// Returns the value at a key and marks the key as known.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        self.taken.push(key);
        self.table.iter().find(|(found, _)| found.get_ref() == key).map(|(_, value)| value)
    }

    /// Reads the field at a key, if it is there.
    pub fn field<F: Field>(&mut self, key: &'static str, field: &mut F) {
        if let Some(value) = self.take(key) {
            field.read(value, self);
        }
    }

    /// Reads a table inside this one with a reader of its own.
    pub fn table(&mut self, value: &Value<'_>, read: impl FnOnce(&mut Reader<'_, '_>)) {
        match value.get_ref().as_table() {
            Some(table) => read(&mut Reader::new(table, self.source, self.sink)),
            None => self.wrong_type(value, "a table"),
        }
    }

    /// Reads each table of an array of tables.
    pub fn tables(&mut self, value: &Value<'_>, mut read: impl FnMut(&mut Reader<'_, '_>, Origin)) {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(value, "an array of tables");
            return;
        };
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => {
                    let origin = self.origin(item);
                    read(&mut Reader::new(table, self.source, self.sink), origin);
                }
                None => self.wrong_type(item, "a table"),
            }
        }
    }

    /// Tells every key that was not taken.
    ///
    /// `elsewhere` has sections that a key may have been meant for.
    pub fn finish(
        &mut self,
        section: &str,
        keys: &[Key],
        reserved: Reserved,
        elsewhere: &[(&str, &[Key])],
    ) {
        let known: Vec<&str> = keys.iter().map(|key| key.name).chain(self.taken.clone()).collect();
        let mut unknown: Vec<_> = self.table.iter().map(|(key, _)| key).collect();
        unknown.retain(|key| !self.taken.iter().any(|taken| key.get_ref() == taken));
        unknown.sort_by_key(|key| key.span().start);
        for key in unknown {
            let name = key.get_ref().as_ref();
            let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
            if reserved.0.contains(&name) {
                self.sink.push(
                    Diagnostic::error(
                        Code::Reserved,
                        format!("`{name}`{place} is not in this version of sbx"),
                    )
                    .at(self.origin_of(key))
                    .help("remove it: nothing of it would be enforced"),
                );
                continue;
            }
            let mut diagnostic =
                Diagnostic::error(Code::UnknownKey, format!("unknown key `{name}`{place}"))
                    .at(self.origin_of(key));
            diagnostic =
                match elsewhere.iter().find(|(_, keys)| keys.iter().any(|one| one.name == name)) {
                    Some((home, _)) => diagnostic.help(format!("write it below `[{home}]`")),
                    None => diagnostic.suggest(name, known.iter().copied()),
                };
            self.sink.push(diagnostic);
        }
    }

    /// Tells a key that is none of `known`.
    pub fn unknown_key<T>(&mut self, key: &Spanned<T>, name: &str, known: &[&str]) {
        let diagnostic = Diagnostic::error(Code::UnknownKey, format!("unknown key `{name}`"))
            .at(self.origin_of(key))
            .suggest(name, known.iter().copied())
            .with_note(format!("expected one of {}", quoted(known)));
        self.sink.push(diagnostic);
    }

    /// Tells a value of the wrong type.
    pub fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        let mut diagnostic = Diagnostic::error(
            Code::WrongType,
            format!("expected {expected}, found {}", article(found)),
        )
        .at(self.origin(value));
        let plain = value.get_ref().as_integer().map(ToString::to_string);
        let plain = plain.or_else(|| value.get_ref().as_bool().map(|on| on.to_string()));
        if let Some(plain) = plain.filter(|_| expected.contains("string") || expected.contains('"'))
        {
            diagnostic = diagnostic.help(format!("write it in quotes: `\"{plain}\"`"));
        }
        self.sink.push(diagnostic);
    }

    /// Tells a single value where a list is expected.
    pub fn not_a_list(&mut self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref();
        let mut diagnostic = Diagnostic::error(
            Code::WrongType,
            format!("expected {expected}, found {}", article(found.type_str())),
        )
        .at(self.origin(value));
        if let Some(text) = found.as_str() {
            diagnostic = diagnostic.help(format!("write `[{}]`", super::toml_string(text)));
        }
        self.sink.push(diagnostic);
    }

    /// Tells a value that the key does not take.
    pub fn bad_value(&mut self, value: &Value<'_>, message: impl Into<String>) {
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(self.origin(value));
        self.sink.push(diagnostic);
    }
}

/// Returns names in backticks with commas.
pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
