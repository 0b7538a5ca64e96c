//! System-call filters: from names to a classic BPF program.
//!
//! * [`table`] knows names and numbers, [`groups`] the names of whole groups;
//! * [`sets`] holds the sets a profile starts from, [`rules`] the form they and the user's own
//!   rules share;
//! * [`assemble()`] makes the program the kernel runs, [`interpret`] runs one here, to check that a
//!   filter lets the last steps before `execve` through.
//!
//! Nothing here talks to the kernel: the caller installs the program with `seccomp(2)`, with
//! `no_new_privs` set, as late as it can.
//!
//! Three rules hold for every program: the architecture is tested first; arguments are compared
//! as values, never as what they point to; a number without a rule gets
//! [`FilterRules::unknown`], which every set leaves at ENOSYS so that a libc falls back.

/// Makes a static list of names out of bare words; group names and others that are no Rust word
/// stand in quotes.
macro_rules! names {
    ($($name:tt)*) => { &[$(one_name!($name)),*] };
}

/// Makes one string of a word or a quoted word.
macro_rules! one_name {
    ($name:literal) => {
        $name
    };
    ($name:tt) => {
        stringify!($name)
    };
}

pub mod assemble;
mod foreign;
pub mod groups;
pub mod interpret;
#[cfg(test)]
mod reference;
pub mod rules;
pub mod sets;
pub mod table;
mod writer;

pub use self::assemble::{AssembleError, Insn, Program, assemble};
pub use self::interpret::{CallData, InterpretError, forbidden};
pub use self::rules::{
    Arch, ArgTest, Base, CallRule, Case, Compare, FilterRules, Foreign, UnknownName, Verdict,
    VerdictError, Width,
};
pub use self::sets::{NestedUsers, Set};

/// System calls that sbx itself makes after the filter is installed: it executes the command, or
/// reports why it cannot and ends.
pub const NEEDED_AFTERWARDS: [&str; 3] = ["execve", "write", "exit_group"];
