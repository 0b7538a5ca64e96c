//! Single values: how each type is read from TOML and written back.

use std::fmt::Write as _;

use super::reader::{Reader, Value, one_of, quoted};
use crate::diag::{Code, Diagnostic, Origin, is_deceptive, nearest};
use crate::unit::{ByteSize, Millis, Mode};

/// A single value of a profile.
pub trait Leaf: Clone + PartialEq + Sized {
    /// What is expected where one stands, in words.
    const EXPECTS: &'static str;
    /// What is expected where a list of them stands.
    const EXPECTS_LIST: &'static str = "a list";
    /// What is expected where a table of them stands.
    const EXPECTS_TABLE: &'static str = "a table";
    /// Reads one; a problem goes to the reader's sink.
    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self>;
    /// Returns it as TOML.
    fn text(&self) -> String;
}

/// Returns a string as TOML.
pub fn toml_string(text: &str) -> String {
    // JSON's escapes are TOML's: basic strings of TOML 1.0 take `\"`, `\\`, `\n`, `\uXXXX`; TOML's
    // alone is `\UXXXXXXXX`. What is left after JSON's escapes stands for itself.
    let mut out = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        // Writing to a string cannot fail.
        let _written = match u32::from(c) {
            code @ ..=0xffff if is_deceptive(c) => write!(out, "\\u{code:04x}"),
            code if is_deceptive(c) => write!(out, "\\U{code:08x}"),
            _ => out.write_char(c),
        };
    }
    out
}

/// Returns a key as TOML: bare where it can be.
pub(super) fn toml_key(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { toml_string(key) }
}

/// Reads a string that must be one of `known`; other ones are told with the nearest.
pub fn choice<T: Copy>(
    value: &Value<'_>,
    reader: &mut Reader<'_, '_>,
    known: &[(&'static str, T)],
    reserved: &[&str],
) -> Option<T> {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let Some(found) = value.get_ref().as_str() else {
        reader.wrong_type(value, &format!("one of {}", quoted(&names)));
        return None;
    };
    if let Some((_, choice)) = known.iter().find(|(name, _)| *name == found) {
        return Some(*choice);
    }
    let origin = reader.origin(value);
    reader.sink.push(if reserved.contains(&found) {
        Diagnostic::error(Code::Reserved, format!("`{found}` is not in this version of sbx"))
            .at(origin)
            .help(one_of(&names))
    } else {
        unknown_choice(found, &names, origin)
    });
    None
}

/// Tells a value that is none of those that there are.
pub fn unknown_choice(found: &str, known: &[&str], origin: Origin) -> Diagnostic {
    let refusal = Diagnostic::error(Code::BadValue, format!("unknown value `{found}`")).at(origin);
    // Where no name is near, the help lists them all.
    if nearest(found, known.iter().copied()).is_none() {
        return refusal.help(one_of(known));
    }
    refusal.with_note(format!("expected one of {}", quoted(known))).suggest(
        found,
        known.iter().copied(),
        one_of(known),
    )
}

/// Makes an enum without fields a [`Leaf`] and gives it `ALL` and `name()`.
macro_rules! choice_leaf {
    ($type:ty, $expects:literal, [$($name:literal => $variant:ident),+ $(,)?], reserved [$($reserved:literal),*]) => {
        impl $type {
            /// All values by name.
            pub const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$variant)),+];

            /// Returns the name as a profile writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl $crate::schema::Leaf for $type {
            const EXPECTS: &'static str = $expects;

            fn read(
                value: &$crate::schema::Value<'_>,
                reader: &mut $crate::schema::Reader<'_, '_>,
            ) -> Option<Self> {
                $crate::schema::choice(value, reader, Self::ALL, &[$($reserved),*])
            }

            fn text(&self) -> String {
                $crate::schema::toml_string(self.name())
            }
        }
    };
}
pub(crate) use choice_leaf;

impl Leaf for String {
    const EXPECTS: &'static str = "a string";
    const EXPECTS_LIST: &'static str = "a list of strings";
    const EXPECTS_TABLE: &'static str = "a table of strings such as `{ NAME = \"value\" }`";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let Some(text) = value.get_ref().as_str() else {
            reader.wrong_type(value, Self::EXPECTS);
            return None;
        };
        if text.contains('\0') {
            reader.bad_value(
                value,
                "a NUL byte ends a string for the kernel",
                "it without `\\u0000`",
            );
            return None;
        }
        Some(text.to_owned())
    }

    fn text(&self) -> String {
        toml_string(self)
    }
}

impl Leaf for bool {
    const EXPECTS: &'static str = "`true` or `false`";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            reader.wrong_type(value, Self::EXPECTS);
        }
        found
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Reads an integer of any of TOML's notations.
pub(super) fn integer(value: &Value<'_>) -> Option<i128> {
    let found = value.get_ref().as_integer()?;
    i128::from_str_radix(found.as_str(), found.radix()).ok()
}

impl Leaf for u32 {
    const EXPECTS: &'static str = "a whole number";
    const EXPECTS_LIST: &'static str = "a list of whole numbers";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let Some(found) = integer(value) else {
            reader.wrong_type(value, Self::EXPECTS);
            return None;
        };
        let Ok(number) = Self::try_from(found) else {
            let expected = format!("a number from 0 to {}", Self::MAX);
            reader.bad_value(value, format!("{found} is out of range"), &expected);
            return None;
        };
        Some(number)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Makes a type that is written as a string, or as a plain number, a [`Leaf`].
macro_rules! parsed_leaf {
    ($type:ident, $expects:literal, |$number:ident| $from_number:expr) => {
        impl Leaf for $type {
            const EXPECTS: &'static str = $expects;

            fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
                let parsed = match (value.get_ref().as_str(), integer(value)) {
                    (Some(text), _) => Self::parse(text),
                    (None, Some($number)) => $from_number,
                    (None, None) => {
                        reader.wrong_type(value, $expects);
                        return None;
                    }
                };
                if parsed.is_none() {
                    let found = value.get_ref().as_str().map(str::to_owned);
                    let found = found.or_else(|| integer(value).map(|n| n.to_string()));
                    let found = found.unwrap_or_default();
                    reader.not_parsed(value, &found, $expects);
                }
                parsed
            }

            fn text(&self) -> String {
                toml_string(&self.to_string())
            }
        }
    };
}

parsed_leaf!(ByteSize, "a size such as \"64M\"", |n| u64::try_from(n).ok().map(ByteSize));
parsed_leaf!(Millis, "a time such as \"10s\"", |n| Self::parse(&n.to_string()));
parsed_leaf!(Mode, "permission bits in octal such as \"0755\"", |_n| None);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_toml_reads_them() {
        for text in [
            "plain",
            "a\"b\\c",
            "tab\tnl\n\u{1}\u{7f}é",
            "\u{9b}2J\u{202e}\u{2028}\u{feff}\u{e0041}\u{1f600}",
        ] {
            assert!(!toml_string(text).chars().any(is_deceptive), "{}", toml_string(text));
            let document = format!("a = {}", toml_string(text));
            let table = toml::de::DeTable::parse(&document).expect("what is shown parses");
            let value = table.get_ref().get("a").and_then(|v| v.get_ref().as_str());
            assert_eq!(value, Some(text));
        }
    }

    #[test]
    fn keys_are_quoted_only_where_they_must_be() {
        assert_eq!(toml_key("LC_ALL"), "LC_ALL");
        assert_eq!(toml_key("a b"), "\"a b\"");
    }
}
