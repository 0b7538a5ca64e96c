//! `[env]`: the command's environment, built from nothing.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::{Facts, Passwd};
use crate::schema::section;
use crate::value::{List, Table};

section! {
    /// The section as it was written.
    pub struct Spec = "env", reserved [] {
        /// Variables to take over from the caller where they are set; `*` stands for any characters, "*" for all of them.
        pass: List<String> = "pass",
        /// Variables to set.
        set: Table<String> = "set",
        /// Variables to leave out, whatever says otherwise.
        unset: List<String> = "unset",
    }
}

/// The constant PATH inside.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// The environment in force: names, values, origins.
pub type Rule = BTreeMap<OsString, (OsString, Origin)>;

/// Decides the environment.
pub fn resolve(spec: &Spec, user: &Passwd, facts: &dyn Facts, sink: &mut Sink) -> Rule {
    let mut rule = Rule::new();
    let mut put =
        |name: &OsStr, value: OsString, origin| rule.insert(name.to_owned(), (value, origin));
    let lang = facts.env(OsStr::new("LANG")).filter(|lang| is_locale(lang));
    let has_terminal = facts.caller().terminals.contains(&true);
    let ambient = [
        ("PATH", Some(PATH.into())),
        ("HOME", Some(user.home.clone().into_os_string())),
        ("USER", Some(OsString::from(&user.name))),
        ("LOGNAME", Some(OsString::from(&user.name))),
        ("SHELL", Some(user.shell.clone().into_os_string())),
        ("LANG", Some(lang.unwrap_or_else(|| "C.UTF-8".into()))),
        ("TERM", facts.env(OsStr::new("TERM")).filter(|_| has_terminal)),
    ];
    for (name, value) in ambient {
        if let Some(value) = value {
            put(OsStr::new(name), value, Origin::DEFAULT);
        }
    }
    for pattern in spec.pass.items().iter().chain(&spec.unset.items()) {
        check(pattern.value, pattern.origin, sink);
    }
    for pattern in spec.pass.items() {
        for name in facts.env_names() {
            let value = facts.env(&name).filter(|_| matches(pattern.value, &name));
            if let Some(value) = value {
                put(&name, value, pattern.origin);
            }
        }
    }
    for (name, value) in spec.set.iter() {
        if name.is_empty() || name.contains(['=', '\0']) {
            sink.push(
                Diagnostic::error(
                    Code::BadValue,
                    format!("`{name}` cannot be the name of a variable"),
                )
                .at(value.origin)
                .help("write a name without `=`"),
            );
            continue;
        }
        put(OsStr::new(name), OsString::from(&value.value), value.origin);
    }
    for pattern in spec.unset.items() {
        rule.retain(|name, _| !matches(pattern.value, name));
    }
    rule
}

/// Tells what is no name of a variable, and was surely not meant as one.
fn check(name: &str, origin: Origin, sink: &mut Sink) {
    let help = if let Some((name, _)) = name.split_once('=') {
        format!("set a variable in `set` of [env], or with `--env {name}=…`")
    } else if name.contains(',') {
        "name each variable by itself".to_owned()
    } else if let Some(name) = name.strip_prefix('$') {
        format!("write it without `$`: `{name}`")
    } else if name.is_empty() || name.contains(char::is_whitespace) {
        "write the name of a variable, such as \"LANG\"".to_owned()
    } else {
        return;
    };
    let text = format!("`{name}` is not the name of a variable");
    sink.push(Diagnostic::error(Code::BadValue, text).at(origin).help(help));
}

/// Matches a name against a pattern in which `*` stands for any characters.
pub fn matches(pattern: &str, name: &OsStr) -> bool {
    let mut parts = pattern.split('*').map(str::as_bytes);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.as_bytes().strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&[u8]> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let at = if part.is_empty() {
            Some(0)
        } else {
            rest.windows(part.len()).position(|w| w == part)
        };
        let Some(at) = at else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// Says whether a value looks like a locale: `de_DE.UTF-8`, `C`, `en_GB@euro`.
fn is_locale(value: &OsStr) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@');
    !value.is_empty() && value.len() <= 64 && value.as_bytes().iter().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let check = |pattern, name: &str| matches(pattern, OsStr::new(name));
        assert!(check("*", "X"));
        assert!(check("LC_*", "LC_ALL"));
        assert!(!check("LC_*", "LANG"));
        assert!(check("A*C", "ABC"));
        assert!(!check("A*C", "AB"));
        assert!(!check("LANG", "LANGUAGE"));
        assert!(!check("A*A", "A"));
    }

    #[test]
    fn a_value_that_is_no_locale_is_not_passed() {
        assert!(is_locale(OsStr::new("de_DE.UTF-8")));
        assert!(!is_locale(OsStr::new("../../etc")));
        assert!(!is_locale(OsStr::new("")));
    }
}
