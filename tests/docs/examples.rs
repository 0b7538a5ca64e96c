//! The examples of README.md, the manual and `--help`, run.

use std::fs;

use sbx::diag::{Sink, SourceKind, SourceMap};
use sbx::profile::Profile;

use crate::desk::Desk;
use crate::help;
use crate::text::{PROFILE_5, SBX_1, displays, fenced};

/// Every profile in README.md and the manual.
fn profiles() -> Vec<String> {
    let pages = [SBX_1, PROFILE_5].into_iter().flat_map(displays);
    let in_manual = pages.filter(|text| !text.starts_with(['$', '#']));
    let all: Vec<String> = fenced("toml").into_iter().chain(in_manual).collect();
    assert!(all.len() >= 4, "examples are found");
    all
}

#[test]
fn profiles_in_the_documents_are_read_without_a_problem() {
    for text in profiles() {
        let mut sources = SourceMap::default();
        let source = sources.add(SourceKind::File, "example", text.clone());
        let mut sink = Sink::default();
        Profile::read(&text, source, &mut sink);
        assert_eq!(sink.all(), [], "in:\n{text}");
    }
}

#[test]
fn profiles_in_the_documents_are_checked_and_planned_without_a_word() {
    let desk = Desk::new();
    for (number, text) in profiles().into_iter().enumerate() {
        let file = desk.path(&format!("project/example-{number}.toml"));
        fs::write(&file, &text).unwrap();
        desk.give(&file);
        for line in [
            format!("sbx check example-{number}.toml"),
            format!("sbx plan -p ./example-{number}.toml -- id"),
        ] {
            let output = desk.shell(&line);
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && told.is_empty(), "{line}: {told}\n{text}");
        }
    }
}

/// Lines of shell in the documents, without what is said about them.
fn lines() -> Vec<String> {
    let readme = fenced("sh").join("\n");
    let help = help("");
    let in_help = help
        .lines()
        .filter_map(|line| line.strip_prefix("  sbx "))
        .map(|line| format!("sbx {}", line.split("   ").next().unwrap_or(line)));
    let in_readme =
        readme.lines().map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned());
    let in_manual = [SBX_1, PROFILE_5].into_iter().flat_map(|page| {
        let displayed = displays(page).join("\n");
        let single = page.lines().filter_map(|line| line.strip_prefix(".Dl "));
        let all: Vec<String> = displayed.lines().chain(single).map(str::to_owned).collect();
        all.into_iter().filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
    });
    let all: Vec<String> = in_help.chain(in_readme).chain(in_manual).collect();
    assert!(all.len() >= 15, "examples are found: {all:?}");
    all
}

#[test]
fn examples_run() {
    let desk = Desk::new();
    for line in lines() {
        // No browser is taken for granted; what would be done can be told without one.
        let needs_browser = ["firefox", "chromium"].iter().any(|name| line.contains(name));
        if needs_browser {
            desk.succeeds(&line.replacen("sbx run", "sbx plan", 1));
        } else {
            desk.succeeds(&line);
        }
    }
}

#[test]
fn examples_for_root_are_planned() {
    let all: Vec<String> = displays(SBX_1)
        .iter()
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| line.strip_prefix("# sbx run").map(str::to_owned))
        .collect();
    assert!(!all.is_empty(), "examples are found");
    let desk = Desk::new();
    for line in all {
        // An ordinary user may plan it as well: the sandbox then maps its own id.
        desk.succeeds(&format!("sbx plan{line}"));
    }
}
