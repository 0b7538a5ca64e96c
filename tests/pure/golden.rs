//! Plans and messages, word for word, from profiles, arguments and recorded facts.
//!
//! A case is one file, `tests/golden/NAME.case`, of parts that begin with a line `--- PART`:
//! `profile` and `args` (one to a line) are what goes in, `facts` names a file of `tests/facts`;
//! `plan` is what comes out, as the difference to the plan of the empty profile on the same facts
//! (the case `empty` has that plan in full), `told` every message. `SBX_BLESS=1` writes what came
//! out into the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::made::{self, Made};
use sbx::diag::Code;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn cases() -> Vec<(String, BTreeMap<String, String>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let parts = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a case can be read");
        let mut parts: BTreeMap<String, String> = BTreeMap::new();
        let mut part = String::new();
        for line in text.lines() {
            match line.strip_prefix("--- ") {
                Some(name) => part = name.to_owned(),
                None => *parts.entry(part.clone()).or_default() += &format!("{line}\n"),
            }
        }
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), parts)
    };
    paths.iter().map(parts).collect()
}

fn made(case: &BTreeMap<String, String>) -> Made {
    let part = |name: &str| case.get(name).map(String::as_str).unwrap_or_default();
    let args: Vec<&str> = part("args").lines().collect();
    made::make(part("profile"), &args, part("facts").trim())
}

/// Lines without their numbers, which every added step shifts.
fn steps(made: &Made) -> Vec<String> {
    let line =
        |line: &str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).to_owned();
    let text = made.plan_text.as_deref().unwrap_or_default();
    text.lines().filter(|l| l.starts_with(' ') || l.starts_with("note")).map(line).collect()
}

fn difference(from: &[String], to: &[String]) -> String {
    let gone = from.iter().filter(|line| !to.contains(line)).map(|line| format!("- {line}\n"));
    let new = to.iter().filter(|line| !from.contains(line)).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}

fn outcome(name: &str, case: &BTreeMap<String, String>) -> (String, String) {
    let made = made(case);
    let plan = match (&made.plan_text, name.starts_with("empty")) {
        (None, _) => "none\n".to_owned(),
        (Some(text), true) => text.clone(),
        (Some(_), false) => {
            let facts = case.get("facts").map(|text| text.trim()).unwrap_or_default();
            let user: &[&str] = if facts == "root" { &["--user", "ann"] } else { &[] };
            let base = made::make("", &[user, &["--", "true"]].concat(), facts);
            difference(&steps(&base), &steps(&made))
        }
    };
    (plan, made.told)
}

#[test]
fn every_case_comes_out_as_it_was_reviewed() {
    let bless = std::env::var_os("SBX_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, mut case) in cases() {
        let (plan, told) = outcome(&name, &case);
        if bless {
            case.insert("plan".to_owned(), plan);
            case.insert("told".to_owned(), told);
            let order = ["profile", "args", "facts", "plan", "told"];
            let text: String = order
                .iter()
                .filter_map(|part| Some((part, case.get(*part).filter(|text| !text.is_empty())?)))
                .map(|(part, text)| format!("--- {part}\n{text}"))
                .collect();
            std::fs::write(folder().join(format!("{name}.case")), text)
                .expect("a case can be written");
            continue;
        }
        let expected = |part: &str| case.get(part).cloned().unwrap_or_default();
        for (part, found) in [("plan", plan), ("told", told)] {
            if expected(part) != found {
                wrong.push(format!(
                    "{name}: {part}\nexpected:\n{}\nfound:\n{found}",
                    expected(part)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_has_the_same_steps_as_the_text() {
    for (name, case) in cases() {
        let made = made(&case);
        let (Some(text), Some(json)) = (&made.plan_text, &made.plan_json) else {
            continue;
        };
        let json: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
        let list = json["steps"].as_array().expect("a list of steps");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(' ')).collect();
        assert_eq!(list.len(), lines.len(), "{name}");
        for (step, line) in list.iter().zip(lines) {
            let words = step["words"].as_str().expect("words");
            let origin = step["origin"].as_str().expect("an origin");
            assert!(line.contains(words) && line.contains(origin), "{name}: {line} / {step}");
        }
    }
}

#[test]
fn every_diagnostic_code_that_planning_can_give_has_a_case() {
    // These come from files, from the system, or from a bug; tests that have those show them.
    let elsewhere = [
        "caller",
        "output",
        "hidden-directory",
        "setup-failed",
        "command-not-found",
        "command-not-executable",
        "plan-law",
        "unknown-profile",
        "extends-cycle",
        "unreadable-profile",
    ];
    let told: String = cases().iter().map(|(_, case)| made(case).told).collect();
    for code in Code::ALL {
        let name = code.name();
        let shown = told.contains(&format!("[{name}]"));
        assert!(shown || elsewhere.contains(&name), "no golden case tells `{name}`");
    }
}

#[test]
fn a_plan_is_the_same_every_time() {
    for (name, case) in cases() {
        assert_eq!(made(&case).plan_json, made(&case).plan_json, "{name}");
    }
}
