//! Turns what `libc::syscall`, prctl(2) and nix answer into `Result`.

use super::{Errno, Result};

/// Namespace flags that unshare(2) and clone3(2) may be given: all others would share memory or
/// tables with another process, or stop sharing them.
pub(super) const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | 0x80/* CLONE_NEWTIME, missing in libc for musl */)
    as u32;

/// Returns the value of a raw system call, or errno when it answered a negative number.
///
/// errno(3): libc's `syscall` stores the code in this thread's errno, which nothing has touched
/// since.
pub(super) fn check(value: libc::c_long) -> Result<libc::c_long> {
    if value < 0 { Err(Errno::from_raw_os_error(nix::errno::Errno::last_raw())) } else { Ok(value) }
}

/// Returns the nix error as ours; both hold the kernel's number.
pub(super) fn from_nix(error: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_answer_becomes_the_errno() {
        let bad = rustix::io::fcntl_getfd(dead_fd());
        assert_eq!(bad.map_err(Errno::raw_os_error), Err(libc::EBADF));
        nix::errno::Errno::set_raw(libc::ENOTDIR);
        assert_eq!(check(-1), Err(Errno::NOTDIR));
        assert_eq!(check(7), Ok(7));
    }

    fn dead_fd() -> std::os::fd::BorrowedFd<'static> {
        // SAFETY: number 1_000_000 is above any open descriptor of the test, so nothing is borrowed
        // from an owner.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(1_000_000) }
    }
}
