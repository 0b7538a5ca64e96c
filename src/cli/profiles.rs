//! `sbx profiles` and `sbx check`: which profiles there are, and whether they are well.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::args::{CheckArgs, ProfilesArgs};
use super::load::Library;
use super::{Told, print};
use crate::diag::{Severity, Sink, printable};
use crate::exec::FAILED;
use crate::host::Live;
use crate::policy;
use crate::profile::{Place, Stack, is_path};

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
    let library = Library::of(&Live::new()?);
    let mut told = Told::default();
    let mut rows: Vec<Row> = Vec::new();
    for (name, place) in library.all(&mut told.sink) {
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
    let facts = Live::new()?;
    let library = Library::of(&facts);
    let mut told = Told { json: args.json, ..Told::default() };
    let named: Vec<OsString> = if args.files.is_empty() {
        let of = |(name, place)| match place {
            Place::File(path) => path.into_os_string(),
            // Built-in profiles are checked under their names.
            Place::Builtin(_) => OsString::from(name),
        };
        library.all(&mut told.sink).into_iter().map(of).collect()
    } else {
        args.files.iter().map(|path| as_written(path)).collect()
    };
    for name in named {
        let mut stack = Stack::default();
        for layer in library.layers(&name, &mut told) {
            stack.push(layer);
        }
        let (profile, rank) = stack.merge();
        profile.warn(&mut told.sink);
        // Whether this host has what the profile names is asked by those who run it.
        let mut more = Sink::default();
        policy::resolve(&profile, &rank, &[], &facts, &mut more);
        told.sink.absorb_if(more, |one| one.code.is_of_the_text());
    }
    told.tell(Severity::Note);
    Ok(if told.sink.has_errors() { FAILED } else { 0 })
}

/// Returns a file or a name: a word that is no file is the name of a profile, as everywhere.
fn as_written(path: &Path) -> OsString {
    let is_name = path.components().count() == 1 && !is_path(path.as_os_str());
    let is_file = is_name && crate::store::exists(path);
    if is_file { Path::new(".").join(path).into_os_string() } else { path.as_os_str().to_owned() }
}
