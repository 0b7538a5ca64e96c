//! Carries a plan out.
//!
//! The supervisor does what needs the caller's rights, starts the child and waits; the child
//! walks an array of operations that are ready to be done, and answers with numbers; the
//! supervisor finds the words.
//!
//! Between clone and exec runs only what is in `child`, `mounting`, `proc`, `init` and `sys`. It
//! takes an image and integers; it does not allocate, format, lock, panic, log or read the
//! environment; it leaves by `_exit`; every descriptor is closed at exec from birth on; and it is
//! cloned from a process with one thread, because a lock that another thread held would never be
//! released.
#![expect(clippy::disallowed_methods, reason = "this level reaches the system")]
#![deny(clippy::wildcard_enum_match_arm)]

mod child;
mod explain;
mod image;
mod init;
mod mounting;
mod proc;
mod report;
mod supervisor;

pub use explain::explain;
pub use report::{Failure, Part};
pub use supervisor::{Answer, Hooks, Manner, Run, run};

/// Exit status of sbx's own failures, as env(1) and timeout(1) have it.
pub const FAILED: u8 = 125;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended by itself.
    Exited(i32),
    /// A signal ended the command.
    Signaled(i32),
    /// A step did not succeed, and the command was not executed.
    Failed(Failure),
}
