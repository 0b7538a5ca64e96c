//! What every test here needs: the tools under test, somebody to run them, a place to work in.
//!
//! Tests run as an ordinary user and as root. Started by root, they run sbx as the user `sbx-test`
//! (made by `tests/run`) and as root with `--user sbx-test`; started by an ordinary user, they run
//! it as that user, and those for root say loudly that they did not run (`needs`).
#![allow(unreachable_pub, reason = "programs that include it use what they need")]
#![allow(clippy::print_stderr, reason = "a test that cannot run must say so loudly")]

mod caller;
mod needs;
mod report;
mod sbx;
mod tools;
mod work;

pub use caller::Caller;
pub use needs::{Feature, needs};
pub use report::{Report, hex};
pub use sbx::{Ended, Running, Sbx};
pub use tools::tools;
pub use work::Work;

/// Makes of one body a test as an ordinary user and one as root with `--user`.
macro_rules! as_both {
    ($($(#[$meta:meta])* fn $name:ident($caller:ident) $body:block)+) => {
        $($(#[$meta])* mod $name {
            use super::*;

            fn check($caller: Caller) $body

            #[test]
            fn as_an_ordinary_user() {
                check(Caller::Ordinary);
            }

            #[test]
            fn as_root() {
                if crate::common::needs(crate::common::Feature::Root) {
                    check(Caller::Root);
                }
            }
        })+
    };
}
pub(crate) use as_both;

/// Makes tests that root alone can run.
macro_rules! as_root {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)+) => {
        $($(#[$meta])* #[test] fn $name() {
            if crate::common::needs(crate::common::Feature::Root) $body
        })+
    };
}
pub(crate) use as_root;
