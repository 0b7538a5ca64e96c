//! sbx(1) against the code: verbs, flags, phases, diagnostics, and the default sandbox.

use std::collections::BTreeSet;
use std::process::Command;

use sbx::diag::Code;
use sbx::feature::{dev, env};
use sbx::plan::Phase;
use sbx::profile::{BUILTIN, Profile};
use serde_json::Value;

use crate::desk::Desk;
use crate::help;
use crate::text::{PROFILE_5, SBX_1, item, items, part, words};

/// The verbs that `--help` lists.
fn verbs() -> BTreeSet<String> {
    help("")
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn every_verb_is_in_the_manual_and_no_other() {
    let written: BTreeSet<String> =
        SBX_1.lines().filter_map(|line| line.strip_prefix(".Ss sbx ").map(str::to_owned)).collect();
    assert_eq!(written, verbs());
}

/// The long flags in the text of `--help`: those that begin a line.
fn flags_of(verb: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    help(verb)
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        .filter_map(|line| line.split_once("--"))
        .map(|(_, rest)| rest.split(|c| !is_name(c)).next().unwrap_or(rest).to_owned())
        .collect()
}

/// The long flags that a part of the manual names.
fn flags_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_macro = line.starts_with('.') && words.iter().any(|word| word.ends_with("Fl"));
        let long = |word: &&str| is_macro && word.starts_with('-') && word.len() > 1;
        words
            .iter()
            .filter(|word| long(word))
            .map(|word| word.trim_matches(|c| !is_name(c)).trim_start_matches('-'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    text.lines().flat_map(of_line).collect()
}

#[test]
fn every_flag_is_under_its_verb_in_the_manual_and_no_other() {
    for verb in verbs().iter().filter(|verb| *verb != "help") {
        let mut expected = flags_of(verb);
        let mut written = flags_in(part(SBX_1, &format!(".Ss sbx {verb}")));
        if verb == "plan" {
            written.extend(flags_of("run"));
            assert!(written.remove("verbose"), "run has --verbose");
        }
        // The manual tells it once, under `run`.
        expected.remove("help");
        written.remove("help");
        assert_eq!(written, expected, "of `sbx {verb}`");
    }
}

#[test]
fn every_flag_that_the_manual_names_anywhere_exists() {
    let mut known: BTreeSet<String> = flags_of("");
    known.extend(verbs().iter().flat_map(|verb| flags_of(verb)));
    // Those of tools that examples name have no macro.
    for page in [SBX_1, PROFILE_5] {
        let unknown: Vec<_> = flags_in(page)
            .into_iter()
            .filter(|flag| {
                !known.contains(flag) && !["tag", "width", "literal"].contains(&flag.as_str())
            })
            .collect();
        assert_eq!(unknown, Vec::<String>::new());
    }
}

#[test]
fn what_the_table_of_other_tools_writes_instead_exists() {
    let known = flags_of("run");
    let rows = part(SBX_1, ".Sh COMING FROM OTHER TOOLS").lines();
    let ours = rows.filter_map(|row| row.split_once(" Ta ")).flat_map(|(_, ours)| words(ours));
    let flags: Vec<String> = ours
        .filter_map(|word| word.strip_prefix("-\\-").map(|name| name.replace("\\-", "-")))
        .collect();
    assert!(flags.len() >= 8, "flags are found: {flags:?}");
    assert!(flags.iter().all(|flag| known.contains(flag)), "{flags:?}");
}

#[test]
fn flags_that_may_be_given_once_are_in_the_manual_and_no_other() {
    let run = part(SBX_1, ".Ss sbx run");
    let paragraph = run.split("\n.Pp\n").find(|text| text.contains("may be given once"));
    let (once, _) = paragraph.expect("the manual has them").split_once("may be given").unwrap();
    let is_refused_twice = |flag: &String| {
        let sbx = env!("CARGO_BIN_EXE_sbx");
        let twice = ["plan", &format!("--{flag}=1"), &format!("--{flag}=1"), "--", "true"];
        let told = Command::new(sbx).args(twice).output().unwrap().stderr;
        String::from_utf8_lossy(&told).contains("cannot be used multiple times")
    };
    let known: BTreeSet<String> = flags_of("run").into_iter().filter(is_refused_twice).collect();
    assert_eq!(flags_in(once), known);
}

#[test]
fn the_phases_of_the_manual_are_those_of_the_code_in_order() {
    let written: Vec<&str> =
        items(part(SBX_1, ".Sh HOW A RUN GOES"), "Cm ").into_iter().map(|(name, _)| name).collect();
    let known: Vec<&str> = Phase::ALL.iter().map(|phase| phase.name()).collect();
    assert_eq!(written, known);
}

#[test]
fn the_diagnostics_of_the_manual_are_those_of_the_code_in_order() {
    let written: Vec<&str> =
        items(part(SBX_1, ".Sh DIAGNOSTICS"), "Cm ").into_iter().map(|(name, _)| name).collect();
    let known: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(written, known);
}

/// The names of the fields of an object.
fn fields(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The names of the fields that any object of a list has.
fn fields_of_any(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().flat_map(fields).collect()
}

#[test]
fn the_fields_of_json_are_in_the_manual_under_their_verb() {
    let desk = Desk::new();
    let json = |line: &str| serde_json::from_str::<Value>(&desk.succeeds(line)).unwrap();
    let text = part(SBX_1, ".Ss JSON");
    let check = |head: &str, known: BTreeSet<&str>| {
        let written = words(item(text, head));
        assert!(known.is_subset(&written), "of {head}: {known:?}");
    };
    let plan = json("sbx plan --json --read notes -p build -- id");
    let steps = plan["steps"].as_array().unwrap();
    // What only some steps have belongs to their actions.
    let mut of_steps = fields(&steps[0]);
    of_steps.retain(|field| steps.iter().all(|step| step.get(field).is_some()));
    assert_eq!(of_steps.len(), 6, "{of_steps:?}");
    check("plan", fields(&plan));
    check("plan", of_steps);
    check("plan", fields_of_any(&plan["notes"]));
    let shown = json("sbx show --json build");
    check("show", fields_of_any(&shown));
    check("show", fields_of_any(&json("sbx show --json browser")));
    check("show", fields_of_any(shown.as_array().unwrap()[0].get("replaced").unwrap()));
    check("profiles", fields_of_any(&json("sbx profiles --json")));
    check("doctor", fields_of_any(&json("sbx doctor --json || true")));
    let told = desk.shell("sbx plan --json --net hst -- id").stderr;
    let problem: Value = serde_json::from_slice(&told).unwrap();
    check("problems", fields(&problem));
    check("problems", fields_of_any(&problem["places"]));
}

#[test]
fn the_actors_of_a_plan_are_in_the_manual() {
    let plan = Desk::new().succeeds("sbx plan --json -- id");
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let known: BTreeSet<&str> = steps.iter().map(|step| step["actor"].as_str().unwrap()).collect();
    let text = part(SBX_1, ".Ss The text of a plan");
    let written: BTreeSet<&str> = items(text, "Cm ").into_iter().map(|(name, _)| name).collect();
    assert_eq!(written, known);
}

#[test]
fn the_built_in_profiles_are_in_the_manual() {
    let written = item(part(SBX_1, ".Sh FILES"), "built-in");
    for (name, _) in BUILTIN {
        assert!(words(written).contains(name), "{name}");
    }
}

fn default_sandbox(head: &str) -> &'static str {
    item(part(SBX_1, ".Sh THE DEFAULT SANDBOX"), head)
}

#[test]
fn the_environment_of_the_manual_is_the_one_inside() {
    let text = default_sandbox("environment");
    let written: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(".Ev "))
        .flat_map(words)
        .filter(|name| *name != "TERM")
        .collect();
    let inside = Desk::new().succeeds("TERM=xterm CANARY=1 sbx run --no-profile -- env");
    let found: BTreeSet<&str> =
        inside.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(written, found);
    assert!(words(text).contains(env::PATH), "the value of PATH");
}

#[test]
fn devices_are_in_the_manual() {
    let text = words(default_sandbox("Pa /dev"));
    let nodes = dev::NODES.into_iter();
    for name in nodes.chain(dev::LINKS.map(|(name, _)| name)) {
        assert!(text.contains(name), "/dev/{name}");
    }
}

/// The limits that the manual says hold by default: name and ceiling.
fn default_limits() -> Vec<(&'static str, u64)> {
    default_sandbox("limits")
        .split(';')
        .filter_map(|clause| {
            let words: Vec<&str> = clause.split_whitespace().collect();
            Some((*words.first()?, words.last()?.parse().ok()?))
        })
        .collect()
}

#[test]
fn the_default_limits_of_the_manual_are_those_of_the_code() {
    let (_, keys) = Profile::SECTIONS.iter().find(|(section, _)| *section == "limits").unwrap();
    let known: Vec<(&str, u64)> = keys
        .iter()
        .filter_map(|key| {
            let (_, default) = key.doc.split_once("Default: ")?;
            let number = default.rsplit(' ').next()?.trim_end_matches('.');
            Some((key.name, number.parse().unwrap()))
        })
        .collect();
    assert_eq!(default_limits(), known);
}

/// The default limits, namespaces, sizes and covers, as `sbx plan` prints them.
#[test]
fn the_plan_of_the_default_sandbox_is_what_the_manual_tells() {
    let plan = Desk::new().succeeds("sbx plan --no-profile -- id");
    let limits = default_limits();
    let proc = words(default_sandbox("Pa /proc"));
    let namespaces = words(default_sandbox("namespaces"));
    let mut seen = [0; 4];
    for line in plan.lines() {
        let told: Vec<&str> = line.split_whitespace().skip(2).collect();
        match told.as_slice() {
            ["limit", name, "to", value, ..] => {
                let hard: u64 = value.split(':').next_back().unwrap().parse().unwrap();
                let most = limits.iter().find(|(known, _)| known == name);
                assert!(most.is_some_and(|(_, most)| hard <= *most), "{line}");
                seen[0] += 1;
            }
            ["cover", _, path, ..] | ["bind", path, "on", "itself,", ..] => {
                let name = path.trim_start_matches("/proc/");
                assert!(proc.contains(name), "{path}");
                seen[1] += 1;
            }
            ["mount", "tmpfs", "on", "/dev,", ..] => {}
            ["mount", "tmpfs", rest @ ..] => {
                let at = rest.iter().position(|word| *word == "size").unwrap();
                let size = rest[at + 1].trim_end_matches(',');
                let place = match rest {
                    ["as", ..] => "root",
                    ["on", "/dev/shm,", ..] => "Pa /dev",
                    _ => "home, Pa /tmp",
                };
                assert!(words(default_sandbox(place)).contains(size), "{line}");
                seen[2] += 1;
            }
            ["start", "a", "process", "in", "new", "namespaces:", names @ ..] => {
                for name in names.iter().take_while(|name| !name.starts_with('[')) {
                    assert!(namespaces.contains(name), "{name}");
                    seen[3] += 1;
                }
            }
            _ => {}
        }
    }
    assert!(seen.iter().all(|count| *count > 2), "the plan was understood: {seen:?}");
}
