//! `sbx show`: a profile with all of its layers, and where each value comes from.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::ShowArgs;
use super::load::Library;
use super::{Told, print};
use crate::diag::{Origin, Severity, SourceMap};
use crate::exec::FAILED;
use crate::host::Live;
use crate::profile::{Heading, Profile, Stack};
use crate::schema::{Shown, ShownKey};

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<u8> {
    let library = Library::of(&Live::new()?);
    let mut told = Told { json: args.json, ..Told::default() };
    let mut stack = Stack::default();
    for layer in library.layers(&args.profile, &mut told) {
        stack.push(layer);
    }
    let (profile, _) = stack.merge();
    profile.warn(&mut told.sink);
    told.tell(Severity::Warning);
    if told.sink.has_errors() {
        return Ok(FAILED);
    }
    print(&if args.json { json(&profile, &told.sources)? } else { text(&profile, &told.sources) })?;
    Ok(0)
}

/// Returns a profile that says the same in one layer: TOML, with origins as comments.
fn text(profile: &Profile, sources: &SourceMap) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for section in profile.show() {
        match &section.heading {
            Heading::Top => {}
            Heading::Section(name) => {
                let _written = writeln!(out, "[{name}]");
            }
            Heading::Mount { replaced } => {
                let of = |origin: &Origin| format!("  # instead of {}", sources.describe(*origin));
                let _written =
                    writeln!(out, "[[mount]]{}", replaced.iter().map(of).collect::<String>());
            }
        }
        for (key, shown) in section.keys {
            // What is extended is merged already: with it, what was removed would come back.
            if (&section.heading, key) == (&Heading::Top, "extends") {
                let _written = writeln!(out, "# with all that it extends: {}", shown.text());
            } else {
                show_key(key, &shown, sources, &mut out);
            }
        }
        out.push('\n');
    }
    out
}

/// Shows a key: a list with an item to a line, so that each has its origin and the whole is TOML.
fn show_key(key: &str, shown: &ShownKey, sources: &SourceMap, out: &mut String) {
    match shown {
        ShownKey::One(one) => {
            let _written = writeln!(out, "{key} = {}  # {}", one.text, origin(one, sources));
        }
        ShownKey::List(items, at) if items.is_empty() => {
            let _written = writeln!(out, "{key} = []  # {}", sources.describe(*at));
        }
        ShownKey::List(items, _) => {
            let _written = writeln!(out, "{key} = [");
            for one in items {
                let _written = writeln!(out, "    {},  # {}", one.text, origin(one, sources));
            }
            out.push_str("]\n");
        }
        ShownKey::Table(rows) => {
            for (inner, one) in rows {
                let _written =
                    writeln!(out, "{key}.{inner} = {}  # {}", one.text, origin(one, sources));
            }
        }
    }
}

fn origin(one: &Shown, sources: &SourceMap) -> String {
    let mut words = sources.describe(one.origin);
    for (value, origin) in one.replaced.iter().rev() {
        let _written = write!(words, ", overrides {value} ({})", sources.describe(*origin));
    }
    words
}

/// Returns an array of values: a list gives one for each item, an empty one `[]`.
fn json(profile: &Profile, sources: &SourceMap) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Old {
        value: String,
        origin: String,
    }
    #[derive(Serialize)]
    struct Value {
        section: &'static str,
        /// Which mount, by its place in the list.
        #[serde(skip_serializing_if = "Option::is_none")]
        mount: Option<usize>,
        key: String,
        value: String,
        origin: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        replaced: Vec<Old>,
    }
    let mut values = Vec::new();
    let mut mounts = 0..;
    for section in profile.show() {
        let (name, mount) = match section.heading {
            Heading::Top => ("", None),
            Heading::Section(name) => (name, None),
            Heading::Mount { .. } => ("mount", mounts.next()),
        };
        for (key, shown) in section.keys {
            let rows = match shown {
                ShownKey::One(one) => vec![(key.to_owned(), one)],
                ShownKey::List(items, origin) if items.is_empty() => {
                    let none = Shown { text: "[]".to_owned(), origin, replaced: Vec::new() };
                    vec![(key.to_owned(), none)]
                }
                ShownKey::List(items, _) => {
                    items.into_iter().map(|one| (key.to_owned(), one)).collect()
                }
                ShownKey::Table(rows) => {
                    rows.into_iter().map(|(inner, one)| (format!("{key}.{inner}"), one)).collect()
                }
            };
            let old = |(value, origin)| Old { value, origin: sources.describe(origin) };
            values.extend(rows.into_iter().map(|(key, one)| Value {
                section: name,
                mount,
                key,
                value: one.text,
                origin: sources.describe(one.origin),
                replaced: one.replaced.into_iter().map(old).collect(),
            }));
        }
    }
    serde_json::to_string_pretty(&values).map(|text| text + "\n")
}
