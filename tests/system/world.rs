//! A directory that is granted, beside one that is not.

use crate::common::{Caller, Sbx, Work};

pub(crate) const SECRET: &str = "outside-of-every-grant";

/// A directory that is granted, `w`, and one that is not, `secret`, with a file in each.
pub(crate) fn world(caller: Caller) -> Work {
    let work = Work::new(caller);
    for directory in ["w/data", "w/a/hidden", "secret"] {
        work.directory(directory);
    }
    work.file("secret/key", SECRET);
    work.file("w/data/key", "harmless");
    work.file("w/a/hidden/key", SECRET);
    work
}

/// A script of the shell inside.
pub(crate) fn sh(caller: Caller, script: &str) -> Sbx {
    Sbx::run(caller).command(["/bin/sh", "-c", script])
}
