//! Thin wrappers around system calls: the only folder that may hold `unsafe`.
//!
//! # Rules
//!
//! * A wrapper takes `&CStr`, `BorrowedFd` or integers, makes one system call (or a bounded retry
//!   of it) and answers `Result<T>`. It never decides policy.
//! * Nothing allocates, formats, locks or panics, because most callers run between clone and exec,
//!   where only async-signal-safe code is allowed (signal-safety(7)). The exceptions say
//!   **\[parent\]** in their first line.
//! * [`alloc`] is no wrapper: it is the binary's allocator, in this folder for its `unsafe`.
//! * Every descriptor is born with `O_CLOEXEC`; [`fd::clear_cloexec`] and [`fd::dup_onto`] are the
//!   only ways past exec.
//! * rustix first, nix second, `libc::syscall` only where neither has the call, hides part of it
//!   behind a closed enum, or changes all threads. Each raw call says which.
//! * One unsafe operation per block, with the owner and lifetime of every pointer in its SAFETY
//!   note.
//! * Functions that take descriptor *numbers* ([`fd::close_range`], [`fd::dup_onto`],
//!   [`fd::ensure_std_open`]) are memory-safe but bypass the ownership of `OwnedFd`. They are for
//!   the child's table after everything owned has been forgotten, and stay `safe` because no other
//!   folder may write `unsafe`.

#![expect(
    unsafe_code,
    reason = "clone3, mount_setattr, Landlock, seccomp, signals, shared memory and an allocator have no safe interface; \
              this folder is the one place that calls them"
)]
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests look at the real system"))]

pub(crate) mod alloc;
pub(crate) mod argv;
pub(crate) mod caps;
pub(crate) mod fd;
pub(crate) mod ident;
pub(crate) mod landlock;
pub(crate) mod mount;
pub(crate) mod net;
mod raw;
pub(crate) mod seccomp;
pub(crate) mod shm;
pub(crate) mod signal;
pub(crate) mod spawn;

pub(crate) use rustix::io::Errno;

/// The result of every wrapper: the value or the kernel's errno, never text.
pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// **\[parent\]** Returns an errno in words and by name: `No such file or directory (ENOENT)`.
pub(crate) fn describe(errno: i32) -> String {
    let known = nix::errno::Errno::from_raw(errno);
    format!("{} ({known:?})", known.desc())
}
