//! Holds README.md, man/ and `--help` against the code: what one names, the other has.
//!
//! Names are compared both ways. Examples are run as an ordinary user, also when root starts the
//! tests; those with a browser, and those for root, are planned and not run.
#![expect(clippy::disallowed_methods, reason = "a test reads its files and starts programs")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do it must say loudly, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sbx::diag::{Code, Sink, SourceKind, SourceMap};
use sbx::feature::{dev, env, groups};
use sbx::filter;
use sbx::plan::Phase;
use sbx::profile::{BUILTIN, Profile};

const README: &str = include_str!("../README.md");
const SBX_1: &str = include_str!("../man/sbx.1");
const PROFILE_5: &str = include_str!("../man/sbx-profile.5");

// --- the manual's source -------------------------------------------------------------------

/// Returns the lines of the part that a heading begins, up to the next heading of its kind.
fn part<'t>(text: &'t str, heading: &str) -> &'t str {
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the manual has no `{heading}`"));
    let body = text.split_at(start + heading.len() + 2).1;
    let ends: &[&str] =
        if heading.starts_with(".Sh") { &["\n.Sh "] } else { &["\n.Sh ", "\n.Ss "] };
    let next = ends.iter().filter_map(|end| body.find(end)).min();
    body.split_at(next.unwrap_or(body.len())).0
}

/// Returns the items of a list: what stands behind `.It MACRO`, and the text below it.
fn items<'t>(text: &'t str, macro_name: &str) -> Vec<(&'t str, &'t str)> {
    text.split("\n.It ")
        .skip(1)
        .chain(text.strip_prefix(".It "))
        .filter_map(|item| {
            let (head, body) = item.split_once('\n').unwrap_or((item, ""));
            let name = head.strip_prefix(macro_name)?.trim();
            Some((name, body.split("\n.El").next().unwrap_or(body)))
        })
        .collect()
}

/// Returns the item that begins with a word, of whatever macro.
fn item<'t>(text: &'t str, head: &str) -> &'t str {
    let all = items(text, "");
    let found = all.into_iter().find(|(name, _)| *name == head);
    found.unwrap_or_else(|| panic!("the manual has no item `{head}`")).1
}

/// Returns a text's words, without punctuation around them.
fn words(text: &str) -> BTreeSet<&str> {
    let edge = |c: char| !(c.is_alphanumeric() || "/@_-~$".contains(c));
    text.split_whitespace()
        .map(|word| word.trim_matches(edge))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Returns the displays of a page: each its lines, as they are printed.
fn displays(page: &str) -> Vec<String> {
    page.split("\n.Bd -literal -offset indent\n")
        .skip(1)
        .map(|rest| rest.split("\n.Ed").next().unwrap_or(rest).replace("\\e", "\\"))
        .collect()
}

/// Returns the fenced blocks of a language in README.md.
fn fenced(language: &str) -> Vec<String> {
    README
        .split(&format!("\n```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or(rest).to_owned())
        .collect()
}

// --- an ordinary user ----------------------------------------------------------------------

/// A directory with a home and a project, and the user that everything is run as.
struct Desk {
    directory: tempfile::TempDir,
    /// Nothing where the tests are run by an ordinary user already.
    user: Option<(u32, u32)>,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Self { user: ordinary_user(), directory };
        for made in ["bin", "home", "home/notes", "project", "project/notes", "project/out"] {
            fs::create_dir(desk.path(made)).unwrap();
        }
        fs::write(desk.path("home/notes/a.txt"), "b\na\n").unwrap();
        fs::write(desk.path("project/notes/a.txt"), "b\na\n").unwrap();
        fs::write(desk.path("project/Makefile"), "all:\n\techo made > made\n").unwrap();
        // The user need not be able to reach the directory that sbx was built in.
        // Copied by another process: a descriptor for writing here, passed on to a child that
        // another thread forks meanwhile, would make the program "busy" (execve(2) ETXTBSY).
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_sbx"))
            .arg(desk.path("bin/sbx"))
            .status()
            .unwrap();
        assert!(copied.success());
        desk.give(desk.directory.path());
        desk
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Makes a file or directory, and what is in it, the user's.
    fn give(&self, path: &Path) {
        let is_directory = path.is_dir();
        let is_program = path.ends_with("bin/sbx");
        let mode = if is_directory || is_program { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
        if is_directory {
            for entry in fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// Runs a line of shell in the project.
    fn shell(&self, line: &str) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .current_dir(self.path("project"))
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.output().unwrap()
    }

    /// Runs a line that must succeed, and returns what it printed.
    fn succeeds(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(
            output.status.success(),
            "`{line}` ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Returns an ordinary user where root runs the tests: `SBX_TEST_USER`, or the first of passwd.
fn ordinary_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap() != 0
    {
        return None;
    }
    let wanted = std::env::var("SBX_TEST_USER").ok();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let is_it = match &wanted {
            Some(name) => fields.first() == Some(&name.as_str()),
            None => (1000..60_000).contains(&uid),
        };
        is_it.then_some((uid, gid))
    });
    Some(found.expect("as root these tests need an ordinary user in /etc/passwd: make one, or name one in SBX_TEST_USER"))
}

fn help(verb: &str) -> String {
    let sbx = env!("CARGO_BIN_EXE_sbx");
    let words = verb.split_whitespace().chain(["--help"]);
    let output = Command::new(sbx).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

// --- sbx(1) --------------------------------------------------------------------------------

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

// --- sbx-profile(5) ------------------------------------------------------------------------

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

// --- examples ------------------------------------------------------------------------------

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

#[test]
fn examples_marked_as_not_run_have_a_browser_in_them() {
    for line in README.lines().filter(|line| line.contains("# not run")) {
        assert!(line.contains("firefox") || line.contains("chromium"), "{line}");
    }
}
