//! What needs no process: plans and messages from recorded facts, the laws, and the levels.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it says, and reads its fixtures"
)]

mod golden;
mod hostile;
mod layering;
mod made;
mod merge;
