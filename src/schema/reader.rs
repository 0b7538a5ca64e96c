//! Reads TOML tables, telling every problem with its place and the nearest known name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Field, Key, Reserved};
use crate::diag::{Code, Diagnostic, Origin, Refusal, Sink, SourceId};

/// A TOML value with its place.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// Parses a text into a table; every syntax error goes to `sink`, but those that only follow from
/// another: a missing quote makes nonsense of the lines below it.
pub fn parse<'a>(text: &'a str, source: SourceId, sink: &mut Sink) -> Spanned<DeTable<'a>> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let mut broken: Option<usize> = None;
    for error in errors {
        let span = error.span().unwrap_or_default();
        let is_twice = error.message().contains("duplicate key");
        if !is_twice {
            let above = broken.replace(span.start);
            let between = above.and_then(|above| text.get(above..span.start));
            if between.is_some_and(|between| !has_whole_line(between)) {
                continue;
            }
        }
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let refusal = Diagnostic::error(Code::Syntax, message).at(Origin::new(source, span));
        let unquoted = [
            "expected `nan`",
            "expected `inf`",
            "must be quoted",
            "expected `true`",
            "expected `false`",
        ];
        sink.push(refusal.help(if unquoted.iter().any(|words| error.message().contains(words)) {
            "write a string in quotes: `key = \"value\"`"
        } else if is_twice {
            "remove one of the two: a section or key is written once"
        } else {
            "correct the TOML: a line is a `[section]` or a `key = value`"
        }));
    }
    table
}

/// Says whether a line that is not empty begins and ends in a text.
fn has_whole_line(text: &str) -> bool {
    let mut lines = text.split('\n').skip(1).collect::<Vec<_>>();
    lines.pop();
    lines.iter().any(|line| !line.trim().is_empty())
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

    /// Says whether there is a value at a key.
    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(found, _)| found.get_ref() == key)
    }

    /// Reads a table inside this one with a reader of its own.
    pub fn table(&mut self, value: &Value<'_>, read: impl FnOnce(&mut Reader<'_, '_>)) {
        match value.get_ref().as_table() {
            Some(table) => read(&mut Reader::new(table, self.source, self.sink)),
            None => self.wrong_type(value, "a table"),
        }
    }

    /// Reads a section.
    pub fn section(
        &mut self,
        name: &str,
        value: &Value<'_>,
        read: impl FnOnce(&mut Reader<'_, '_>),
    ) {
        match value.get_ref().as_table() {
            Some(_) => self.table(value, read),
            None => {
                let help = format!("write `[{name}]`, and below it `key = value`");
                self.wrong_type_but(value, "a table", help);
            }
        }
    }

    /// Reads each table of an array of tables.
    pub fn tables(
        &mut self,
        name: &str,
        value: &Value<'_>,
        mut read: impl FnMut(&mut Reader<'_, '_>, Origin),
    ) {
        let Some(array) = value.get_ref().as_array() else {
            let help = format!("write `[[{name}]]`, or a list of tables: `{name} = [{{ … }}]`");
            self.wrong_type_but(value, "an array of tables", help);
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
        let mut known: Vec<&str> = keys.iter().map(|key| key.name).collect();
        known.extend(self.taken.iter().filter(|name| !keys.iter().any(|key| key.name == **name)));
        let mut unknown: Vec<_> = self.table.iter().collect();
        unknown.retain(|(key, _)| !self.taken.iter().any(|taken| key.get_ref() == taken));
        unknown.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in unknown {
            if self.sink.is_full() {
                return;
            }
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
            let refusal =
                Diagnostic::error(Code::UnknownKey, format!("unknown key `{name}`{place}"))
                    .at(self.origin_of(key));
            let homes: Vec<String> = elsewhere
                .iter()
                .filter(|(_, keys)| keys.iter().any(|one| one.name == name && may_be(one, value)))
                .map(|(home, _)| below(home, name))
                .collect();
            self.sink.push(if homes.is_empty() {
                refusal.suggest(name, known.iter().copied(), one_of(&known))
            } else {
                refusal.help(format!("write it {}", homes.join(", or ")))
            });
        }
    }

    /// Tells a key that is none of `known`.
    pub fn unknown_key<T>(&mut self, key: &Spanned<T>, name: &str, known: &[&str]) {
        let refusal = Diagnostic::error(Code::UnknownKey, format!("unknown key `{name}`"));
        let refusal = refusal.at(self.origin_of(key));
        self.sink.push(refusal.suggest(name, known.iter().copied(), one_of(known)));
    }

    /// Tells a value of the wrong type.
    pub fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref();
        let is_choice = expected.contains('`');
        let is_string = expected.contains("string");
        let is_text = is_string || expected.contains('"');
        let plain = found.as_integer().map(ToString::to_string);
        let plain =
            plain.or_else(|| found.as_bool().filter(|_| is_string).map(|on| on.to_string()));
        let number = found.as_str().filter(|text| text.parse::<i64>().is_ok());
        let help = match (plain, number) {
            (Some(plain), _) if is_text && !is_choice => {
                format!("write it in quotes: `\"{plain}\"`")
            }
            (_, Some(number)) if expected.contains("number") => {
                format!("write it without quotes: `{number}`")
            }
            _ => format!("write {expected}"),
        };
        self.sink.push(self.of_wrong_type(value, expected).help(help));
    }

    /// Tells a single value where a list is expected.
    pub fn not_a_list(&mut self, value: &Value<'_>, expected: &str) {
        let help = match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => "write `[]` for none".to_owned(),
            Some(text) => format!("write `[{}]`", super::toml_string(text)),
            None => format!("write {expected}"),
        };
        self.sink.push(self.of_wrong_type(value, expected).help(help));
    }

    /// Tells a value of the wrong type, and what to write instead.
    pub fn wrong_type_but(&mut self, value: &Value<'_>, expected: &str, help: String) {
        self.sink.push(self.of_wrong_type(value, expected).help(help));
    }

    fn of_wrong_type(&self, value: &Value<'_>, expected: &str) -> Refusal {
        let found = article(value.get_ref().type_str());
        Diagnostic::error(Code::WrongType, format!("expected {expected}, found {found}"))
            .at(self.origin(value))
    }

    /// Tells a value that is not written as its key takes it; a plain number may lack the quotes alone.
    pub fn not_parsed(&mut self, value: &Value<'_>, found: &str, expected: &str) {
        let is_number = value.get_ref().is_integer();
        let in_quotes =
            Some(format!("\"{found}\"")).filter(|_| is_number && expected.contains('"'));
        let text = format!("`{found}` is not {expected}");
        let refusal = Diagnostic::error(Code::BadValue, text).at(self.origin(value));
        self.sink.push(refusal.help(match in_quotes {
            Some(quoted) => format!("write it in quotes: `{quoted}`"),
            None => format!("write {expected}"),
        }));
    }

    /// Tells a value that the key does not take, and what it takes.
    pub fn bad_value(&mut self, value: &Value<'_>, why: impl Into<String>, expected: &str) {
        let refusal = Diagnostic::error(Code::BadValue, why).at(self.origin(value));
        self.sink.push(refusal.help(format!("write {expected}")));
    }
}

/// Says whether a value may have been meant for a key, by its type.
fn may_be(key: &Key, value: &Value<'_>) -> bool {
    let takes_bool = key.expects.starts_with("`true`");
    match value.get_ref().as_str() {
        Some(text) => !takes_bool || key.expects.contains(&format!("\"{text}\"")),
        None => value.get_ref().is_bool() == takes_bool,
    }
}

/// Says where a key of a section is written.
fn below(section: &str, key: &str) -> String {
    match section {
        "mount" | "seccomp.rule" => format!("below a `[[{section}]]`"),
        _ => format!("below `[{section}]` (`{section}.{key}`)"),
    }
}

/// Says to write one of these.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "remove it".to_owned(),
        [name] => format!("write `{name}`"),
        _ => format!("write one of {}", quoted(names)),
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
