//! One file for each thing a profile can say: how it is written, what it means here, and which
//! steps it comes to.
//!
//! `groups`, `paths` and `trust` serve several of them: named groups of files, what patterns stand
//! for, and links on the way to files. In each of the others the `section!` is
//! the form as written, `resolve` makes the choices, the `Rule` is what was chosen (an `Option` in it
//! says that something is not done), and `compile` contributes steps. Nothing here touches the
//! system: what a decision needs to know it asks of [`crate::facts::Facts`].
#![deny(clippy::wildcard_enum_match_arm)]

pub mod capabilities;
pub mod command;
pub mod dev;
pub mod env;
pub mod files;
pub mod groups;
pub mod landlock;
pub mod limits;
pub mod mounts;
pub mod namespaces;
pub mod network;
pub mod paths;
pub mod process;
pub mod root;
pub mod seccomp;
pub mod trust;
pub mod user;
