//! sbx launches programs in a sandbox that a TOML profile describes.
//!
//! ```text
//! argv ─┐                                            (pure)                          (effects)
//!       ├─► Layer ┐                                                                 ┌─► supervisor ─► Outcome
//! files ─► Layer ─┴─► merge ─► Profile ─┐                                           │      ▲
//!                                       ├─► Policy ─► Plan ──────────────► Image ───┤      │ 24-byte reports
//! host ───────────────────────► Facts ──┘              │                            └─► child ─► exec
//!                                                      └─► text, JSON
//! ```
//!
//! A module imports from lower levels only; `tests/pure/layering.rs` holds it to that.
//!
//! | level | modules |
//! | --- | --- |
//! | 0 | [`diag`]: what is told to the user, and where it was asked for |
//! | 1 | [`value`], [`schema`], [`facts`], [`path`], [`capability`], [`rights`], [`filter`], [`plan`]: plain data |
//! | 2 | [`feature`]: one file for each thing a profile can say; [`tree`]: the files inside |
//! | 3 | [`profile`], [`policy`]: the sums |
//! | 4 | [`store`], [`host`], [`exec`]: the system |
//! | 5 | [`cli`]: the tool |
//!
//! Levels 0 to 3 are pure: they reach the system through [`facts::Facts`] only.

pub mod capability;
pub mod cli;
pub mod diag;
pub mod exec;
pub mod facts;
pub mod feature;
pub mod filter;
pub mod host;
pub mod path;
pub mod plan;
pub mod policy;
pub mod profile;
pub mod rights;
pub mod schema;
pub mod store;
pub mod tree;
pub mod value;

/// The name of the command.
pub const NAME: &str = "sbx";
