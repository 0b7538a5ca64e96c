//! Holds the modules to the table of `src/lib.rs`: each imports from lines above only, and the
//! crates that belong to one place are named in that place only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The modules of each line of the table in `src/lib.rs`.
fn levels() -> Vec<Vec<&'static str>> {
    let lines = include_str!("../../src/lib.rs").lines();
    let modules = |line: &'static str| -> Vec<&'static str> {
        let cell = line.strip_prefix("//! | ").and_then(|rest| rest.split(" |").next());
        let names = cell.unwrap_or_default().split(", ");
        names.filter_map(|name| name.strip_prefix("[`")?.strip_suffix("`]")).collect()
    };
    lines.map(modules).filter(|modules| !modules.is_empty()).collect()
}

/// Crates that only some files may name.
const PLACES: [(&str, &[&str]); 9] = [
    ("toml", &["schema/"]),
    ("clap", &["cli/"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("landlock", &["rights.rs"]),
    ("seccompiler", &["filter/writer.rs"]),
    ("directories", &["host/directories.rs"]),
    ("nix", &["host/", "sys/"]),
    ("rustix", &["host/", "exec/", "sys/", "store.rs"]),
    ("annotate_snippets", &["diag/render.rs"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("src can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a source can be read"))
    };
    paths.into_iter().map(read).collect()
}

/// The code of a source without its comments and its unit tests.
fn code(text: &str) -> String {
    let production = text.split("\n#[cfg(test)]\n").next().unwrap_or(text);
    let no_comment = |line: &str| line.split("//").next().unwrap_or("").to_owned();
    production.lines().map(no_comment).collect::<Vec<_>>().join("\n")
}

/// What a text names as `crate::module`.
fn imports(text: &str) -> Vec<String> {
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    text.split("crate::").skip(1).map(word).collect()
}

#[test]
fn a_module_imports_from_lower_levels_only() {
    let levels = levels();
    assert_eq!(levels.len(), 13, "the table of src/lib.rs was read: {levels:?}");
    let level = |module: &str| levels.iter().position(|modules| modules.contains(&module));
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let module = name.split(['/', '.']).next().unwrap_or_default().to_owned();
        let Some(own) = level(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{name} is in no level");
            continue;
        };
        for imported in imports(&code(&text)) {
            if imported != module && level(&imported).is_some_and(|level| level >= own) {
                wrong.push(format!("{name} names `crate::{imported}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_crate_is_named_where_it_belongs_only() {
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, text) in sources() {
        let code = code(&text);
        for (krate, _) in PLACES {
            // `feature::landlock` and `host::directories` are modules of ours: for a crate of such
            // a name, what counts is a `use` of it.
            let is_use = |line: &str| line.trim_start().starts_with(&format!("use {krate}::"));
            let is_path = |line: &str| {
                let own = |c: char| c.is_alphanumeric() || "_:".contains(c);
                let path = format!("{krate}::");
                line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(own))
            };
            let is_ours = ["landlock", "directories"].contains(&krate);
            if code.lines().any(|line| is_use(line) || (!is_ours && is_path(line))) {
                named.entry(krate).or_default().push(name.clone());
            }
        }
    }
    for (krate, places) in PLACES {
        let files = named.get(krate).cloned().unwrap_or_default();
        assert!(!files.is_empty(), "`{krate}` is named nowhere: is it needed?");
        for file in files {
            let is_allowed = places.iter().any(|place| file.starts_with(place));
            assert!(is_allowed, "{file} names `{krate}`, which belongs to {places:?}");
        }
    }
}

#[test]
fn unsafe_code_is_in_one_folder() {
    for (name, text) in sources() {
        let has = code(&text).contains("unsafe ");
        assert!(!has || name.starts_with("sys/"), "{name} has unsafe code");
    }
}
