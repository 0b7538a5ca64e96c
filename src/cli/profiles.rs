//! `sbx profiles` and `sbx check`: which profiles there are, and whether they are well.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::args::{CheckArgs, ProfilesArgs};
use super::load::Library;
use super::{Told, print};
use crate::diag::{Severity, printable};
use crate::exec::FAILED;
use crate::profile::Place;

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
    let library = Library::of_the_caller()?;
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
    let library = Library::of_the_caller()?;
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
