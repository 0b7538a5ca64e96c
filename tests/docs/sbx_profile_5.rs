//! sbx-profile(5) against the code: sections, keys, values, defaults, and named groups.

use std::collections::BTreeSet;

use sbx::capability;
use sbx::feature::groups;
use sbx::filter;
use sbx::profile::Profile;

use crate::text::{PROFILE_5, items, part, words};

/// The heading under which a section's keys stand.
fn heading(section: &str) -> String {
    match section {
        "" => ".Ss (top)".to_owned(),
        "mount" | "seccomp.rule" => format!(".Ss [[{section}]]"),
        _ => format!(".Ss [{section}]"),
    }
}

#[test]
fn every_key_is_under_its_section_in_the_manual_and_no_other() {
    for (section, keys) in Profile::SECTIONS {
        let written: BTreeSet<&str> = items(part(PROFILE_5, &heading(section)), "Cm ")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let known: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(written, known, "in [{section}]");
    }
}

#[test]
fn every_section_of_the_manual_exists() {
    let known: BTreeSet<String> =
        Profile::SECTIONS.iter().map(|(section, _)| heading(section)).collect();
    let written: BTreeSet<String> = PROFILE_5
        .lines()
        .filter(|line| line.starts_with(".Ss [") || *line == ".Ss (top)")
        .map(str::to_owned)
        .collect();
    assert_eq!(written, known);
}

/// Words in double quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

#[test]
fn values_and_defaults_of_the_manual_are_those_of_the_code() {
    for (section, keys) in Profile::SECTIONS {
        let listed = items(part(PROFILE_5, &heading(section)), "Cm ");
        for key in *keys {
            let text =
                listed.iter().find(|(name, _)| *name == key.name).map_or("", |(_, text)| *text);
            let text = text.replace("\\(dq", "\"");
            let text = text.as_str();
            let default = key.doc.split_once("Default: ").map_or("", |(_, rest)| rest);
            // Of a type that is told once for the whole section, examples are not repeated.
            let is_example = key.expects.contains("such as");
            let values = quoted(if is_example { "" } else { key.expects });
            let plain = words(default).into_iter().filter(|word| {
                ["true", "false"].contains(word) || word.starts_with(|c: char| c.is_ascii_digit())
            });
            let told = text.split_once("Default: ").map_or("", |(_, rest)| rest);
            for value in quoted(default).into_iter().chain(plain) {
                assert!(
                    quoted(told).contains(&value) || words(told).contains(value),
                    "[{section}] {}: the default `{value}` is not in: {text}",
                    key.name
                );
            }
            for value in values {
                let is_there = quoted(text).contains(&value) || words(text).contains(value);
                let of_section = section == &"namespaces" && value == "try";
                assert!(
                    is_there || of_section,
                    "[{section}] {}: `{value}` is not in: {text}",
                    key.name
                );
            }
        }
    }
}

#[test]
fn the_capabilities_that_are_warned_of_are_those_of_the_code() {
    let text = part(PROFILE_5, ".Ss [capabilities]");
    let (_, told) = text.split_once("is warned of:").expect("the manual has the list");
    let written: Vec<&str> =
        told.split([',', '.']).map(str::trim).filter(|name| !name.is_empty()).collect();
    assert_eq!(written.join(","), capability::names(capability::DANGEROUS));
}

#[test]
fn named_groups_and_their_members_are_those_of_the_code() {
    let written: Vec<(&str, BTreeSet<&str>)> = items(part(PROFILE_5, ".Sh NAMED GROUPS"), "Cm @")
        .into_iter()
        .map(|(name, text)| {
            let members = text
                .split_whitespace()
                .filter(|word| word.starts_with(['/', '$', '@']))
                .map(|word| word.trim_end_matches([',', '.']));
            (name, members.collect())
        })
        .collect();
    let known: Vec<(&str, BTreeSet<&str>)> = groups::GROUPS
        .iter()
        .map(|(name, members)| (*name, members.iter().copied().collect()))
        .collect();
    assert_eq!(written, known);
}

#[test]
fn sets_and_groups_of_system_calls_are_in_the_manual() {
    let text = part(PROFILE_5, ".Sh SYSTEM CALLS");
    let sets: Vec<&str> = items(text, "Sy ").into_iter().map(|(name, _)| name).collect();
    let known: Vec<&str> = filter::Set::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(sets, known);
    let written: BTreeSet<&str> =
        words(text).into_iter().filter_map(|word| word.strip_prefix('@')).collect();
    assert_eq!(written, filter::groups::names().collect());
}
