//! Variables in a pattern, and characters that stand for themselves.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::NoPath;

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
            Some((name, default)) => match variables.get(name) {
                Ok(value) => Ok((value, after)),
                // What the command could bring about is no reason to take the default.
                Err(why) if why.is_without_value() => Ok((OsString::from(default), after)),
                Err(why) => Err(why),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Variables for Fixed {
        fn get(&self, name: &str) -> Result<OsString, NoPath> {
            match name {
                "HOME" => Ok("/home/an*n".into()),
                _ => Err(NoPath::unknown(format!("`${name}` is not set"), "set it")),
            }
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
}
