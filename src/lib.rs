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
//! A module imports from the lines above its own only; `tests/pure/layering.rs` reads this table
//! and holds the code to it. What stands above [`sys`] is pure: it reaches the system through
//! [`facts::Facts`] only.
//!
//! | modules | what |
//! | --- | --- |
//! | [`diag`] | what is told to the user, and where it was asked for |
//! | [`value`], [`unit`], [`capability`], [`rights`], [`filter`] | plain data; system-call filters |
//! | [`facts`] | what is known about the host and the caller |
//! | [`schema`], [`plan`] | keys and their TOML; the steps that will be carried out |
//! | [`path`] | paths as profiles write them |
//! | [`tree`] | the files inside |
//! | [`feature`] | one file for each thing a profile can say |
//! | [`profile`] | what somebody wrote: files and flags, merged |
//! | [`policy`] | what it means on this host |
//! | [`sys`] | system calls, the allocator: the only unsafe code |
//! | [`store`], [`host`] | profile files; facts about the running system |
//! | [`exec`] | a plan, carried out |
//! | [`cli`] | the tool |

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
mod sys;
pub mod tree;
pub mod unit;
pub mod value;

pub use sys::alloc::Heaps;

/// The name of the command.
pub const NAME: &str = "sbx";

/// The name of the process with id 1 inside (proc(5), `/proc/pid/comm`).
pub const INIT_NAME: &std::ffi::CStr = c"sbx-init";
