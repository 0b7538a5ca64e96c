//! Lines of the probe, by key.

use std::collections::BTreeMap;

/// Lines of `key value`, in order.
#[derive(Debug, Clone)]
pub struct Report {
    lines: Vec<(String, String)>,
}

impl Report {
    /// Reads what the probe printed.
    pub fn parse(text: &str) -> Self {
        let split = |line: &str| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            (key.to_owned(), value.to_owned())
        };
        Self { lines: text.lines().map(split).collect() }
    }

    /// Returns the only value of a key.
    pub fn one(&self, key: &str) -> &str {
        let mut found = self.lines.iter().filter(|(known, _)| known == key);
        let (_, value) = found.next().unwrap_or_else(|| panic!("no line `{key}` in {self:#?}"));
        assert!(found.next().is_none(), "two lines `{key}` in {self:#?}");
        value
    }

    /// Returns all values of a key.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let found = self.lines.iter().filter(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// Returns lines `key NAME... ANSWER` as a table of the last word by the words before it.
    pub fn answers(&self, key: &str) -> BTreeMap<&str, &str> {
        self.all(key).into_iter().filter_map(|value| value.rsplit_once(' ')).collect()
    }

    /// Returns lines `key NAME REST` as a table of the rest by the first word.
    pub fn table(&self, key: &str) -> BTreeMap<&str, &str> {
        self.all(key).into_iter().filter_map(|value| value.split_once(' ')).collect()
    }
}

/// Writes bytes as hexadecimal digits, as `probe search` wants them.
pub fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
