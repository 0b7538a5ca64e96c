//! sbx on a real system: what it starts, what that sees and can do, and what is refused.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it says, and looks at the real system"
)]

#[path = "../common/mod.rs"]
mod common;

mod applications;
mod attendants;
mod calls;
mod environment;
mod files;
mod identity;
mod plan;
mod planted;
mod process;
mod profiles;
mod races;
mod refusals;
mod sandbox;
mod settings;
mod start;
mod tool;
mod world;
