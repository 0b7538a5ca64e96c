//! `[dev]`: which devices there are.

use crate::diag::Origin;
use crate::schema::{choice_leaf, section};
use crate::value::{Slot, Sourced};

/// Which devices there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// null zero full random urandom tty, pts and shm of the sandbox's own.
    Minimal,
    /// The host's `/dev`, read-only.
    Host,
    /// No `/dev`.
    None,
}

choice_leaf!(Mode, "\"minimal\", \"host\" or \"none\"",
    ["minimal" => Minimal, "host" => Host, "none" => None], reserved []);

section! {
    /// The section as it was written.
    pub struct Spec = "dev", reserved ["allow"] {
        /// Which devices there are. Default: "minimal", and "none" with an empty root.
        mode: Slot<Mode> = "mode",
    }
}

/// The devices in force.
pub type Rule = Sourced<Mode>;

/// Decides the devices.
pub fn resolve(spec: &Spec, root: &super::root::Rule) -> Rule {
    spec.mode.get().cloned().unwrap_or(match root.kind {
        super::root::Kind::Empty => Sourced::new(Mode::None, root.origin),
        super::root::Kind::System | super::root::Kind::Directory => {
            Sourced::new(Mode::Minimal, Origin::DEFAULT)
        }
    })
}

/// Device nodes of the minimal `/dev`.
pub const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links of the minimal `/dev`: name and target.
pub const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];
