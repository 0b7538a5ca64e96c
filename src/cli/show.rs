//! `sbx show`, `profiles`, `check` and `doctor`: what there is, and whether it is well.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::args::{CheckArgs, DoctorArgs, ProfilesArgs, ShowArgs};
use super::load::Library;
use super::{Told, print};
use crate::diag::{Severity, SourceMap, printable};
use crate::exec::FAILED;
use crate::facts::Facts as _;
use crate::host::{self, Live, State};
use crate::profile::{Place, Profile, Stack};
use crate::schema::Shown;

fn library() -> anyhow::Result<Library> {
    let facts = Live::new()?;
    Ok(Library::new(facts.profile_directories(), facts.caller().uid))
}

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<u8> {
    let library = library()?;
    let mut told = Told { json: args.json, ..Told::default() };
    let mut stack = Stack::default();
    for layer in library.layers(&args.profile, &mut told) {
        stack.push(layer);
    }
    told.tell(Severity::Warning);
    if told.sink.has_errors() {
        return Ok(FAILED);
    }
    let (profile, _) = stack.merge();
    print(&if args.json { json(&profile, &told.sources)? } else { text(&profile, &told.sources) })?;
    Ok(0)
}

fn text(profile: &Profile, sources: &SourceMap) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for (section, keys) in profile.show() {
        if let Some(to) = section.strip_prefix("mount ") {
            let _written = writeln!(out, "[[mount]]  # on {}", printable(to));
        } else if !section.is_empty() {
            let _written = writeln!(out, "[{section}]");
        }
        for (key, shown) in keys {
            show_key(key, &shown, profile.is_list(&section, key), sources, &mut out);
        }
        out.push('\n');
    }
    out
}

/// Shows a key: a list with an item to a line, so that each has its origin and the whole is TOML.
fn show_key(key: &str, shown: &[Shown], is_list: bool, sources: &SourceMap, out: &mut String) {
    if is_list {
        let _written = writeln!(out, "{key} = [");
        for one in shown {
            let _written = writeln!(out, "    {},  # {}", one.text, origin(one, sources));
        }
        out.push_str("]\n");
        return;
    }
    for one in shown {
        let name = match (key, &one.key) {
            ("", Some(inner)) => inner.clone(),
            (key, Some(inner)) => format!("{key}.{inner}"),
            (key, None) => key.to_owned(),
        };
        let _written = writeln!(out, "{name} = {}  # {}", one.text, origin(one, sources));
    }
}

fn origin(one: &Shown, sources: &SourceMap) -> String {
    let mut words = sources.describe(one.origin);
    for (value, origin) in one.replaced.iter().rev() {
        let _written = write!(words, ", overrides {value} ({})", sources.describe(*origin));
    }
    words
}

fn json(profile: &Profile, sources: &SourceMap) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Old {
        value: String,
        origin: String,
    }
    #[derive(Serialize)]
    struct Value {
        section: String,
        key: String,
        value: String,
        origin: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        replaced: Vec<Old>,
    }
    let mut values = Vec::new();
    for (section, keys) in profile.show() {
        for (key, shown) in keys {
            values.extend(shown.into_iter().map(|one| {
                Value {
                    section: section.clone(),
                    key: [Some(key.to_owned()), one.key]
                        .into_iter()
                        .flatten()
                        .filter(|k| !k.is_empty())
                        .collect::<Vec<_>>()
                        .join("."),
                    value: one.text,
                    origin: sources.describe(one.origin),
                    replaced: one
                        .replaced
                        .into_iter()
                        .map(|(value, origin)| Old { value, origin: sources.describe(origin) })
                        .collect(),
                }
            }));
        }
    }
    serde_json::to_string_pretty(&values).map(|text| text + "\n")
}

pub(super) fn profiles(args: &ProfilesArgs) -> anyhow::Result<u8> {
    #[derive(Serialize)]
    struct Row {
        name: String,
        place: String,
        description: String,
        commands: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        hides: Vec<String>,
    }
    let library = library()?;
    let mut told = Told::default();
    let mut rows: Vec<Row> = Vec::new();
    for (name, place) in library.all() {
        if let Some(winner) = rows.iter_mut().find(|row| row.name == name) {
            winner.hides.push(place.to_string());
            continue;
        }
        let loaded = library.read(&name, &place, None, &mut told.sources, &mut told.sink);
        let profile = loaded.map(|loaded| loaded.profile.clone()).unwrap_or_default();
        rows.push(Row {
            name,
            place: place.to_string(),
            description: profile
                .head
                .description
                .get()
                .map(|text| text.value.clone())
                .unwrap_or_default(),
            commands: profile
                .matches
                .commands
                .items()
                .iter()
                .map(|item| item.value.clone())
                .collect(),
            hides: Vec::new(),
        });
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    told.tell(Severity::Warning);
    if args.json {
        print(&(serde_json::to_string_pretty(&rows)? + "\n"))?;
        return Ok(0);
    }
    let mut out = String::new();
    for row in &rows {
        let _written =
            writeln!(out, "{:<12} {}", printable(&row.name), printable(&row.description));
        let serves = if row.commands.is_empty() {
            String::new()
        } else {
            format!("; serves {}", printable(&row.commands.join(", ")))
        };
        let _written = writeln!(out, "{:<12} {}{serves}", "", row.place);
        for hidden in &row.hides {
            let _written = writeln!(out, "{:<12} instead of {hidden}", "");
        }
    }
    print(&out)?;
    Ok(0)
}

pub(super) fn check(args: &CheckArgs) -> anyhow::Result<u8> {
    let library = library()?;
    let mut told = Told { json: args.json, ..Told::default() };
    let places: Vec<PathBuf> = if args.files.is_empty() {
        let files = library.all().into_iter().filter_map(|(name, place)| match place {
            Place::File(path) => Some(path),
            Place::Builtin(_) => {
                // Built-in profiles are checked under their names.
                library.layers(name.as_ref(), &mut told);
                None
            }
        });
        files.collect()
    } else {
        args.files.clone()
    };
    for path in &places {
        // A word that is no file is the name of a profile, as everywhere.
        let is_word = path.components().count() == 1 && !crate::store::exists(path);
        let path = if is_word || path.is_absolute() {
            path.clone()
        } else {
            PathBuf::from(".").join(path)
        };
        library.layers(path.as_os_str(), &mut told);
    }
    told.tell(Severity::Note);
    Ok(if told.sink.has_errors() { FAILED } else { 0 })
}

pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let checks = host::checks();
    let is_well = checks.iter().all(|check| check.state != State::Missing);
    if args.json {
        print(&(serde_json::to_string_pretty(&checks)? + "\n"))?;
    } else {
        let mut out = String::new();
        for check in &checks {
            let state = match check.state {
                State::Works => "works",
                State::Partly => "partly",
                State::Missing => "missing",
            };
            let found = if check.found.is_empty() { "" } else { ": " };
            let _written = writeln!(out, "{state:<8} {}{found}{}", check.name, check.found);
            if let Some(remedy) = &check.remedy {
                let _written = writeln!(out, "{:<8} remedy: {remedy}", "");
            }
        }
        print(&out)?;
    }
    Ok(if is_well { 0 } else { FAILED })
}
