//! Holds README.md, man/ and `--help` against the code: what one names, the other has.
//!
//! Names are compared both ways. Examples are run as an ordinary user, also when root starts the
//! tests; those with a browser, and those for root, are planned and not run.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reads its files and starts programs, and says loudly what it cannot do"
)]

#[path = "../common/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "these tests use a part of it")]
mod common;
mod desk;
mod examples;
mod sbx_1;
mod sbx_profile_5;
mod text;

use std::process::Command;

/// Returns what `sbx VERB --help` prints.
fn help(verb: &str) -> String {
    let sbx = env!("CARGO_BIN_EXE_sbx");
    let words = verb.split_whitespace().chain(["--help"]);
    let output = Command::new(sbx).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
