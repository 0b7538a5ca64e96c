//! The descriptor table: what survives exec, pipes of one byte, the standard three.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;

use super::raw::check;
use super::{Errno, Result};

/// Marks every descriptor from `first` on to be closed by exec; `close_range(2)`
/// `CLOSE_RANGE_CLOEXEC`, since 5.11.
pub(crate) fn close_range_cloexec(first: u32) -> Result<()> {
    range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes the descriptors `first` to `last`; `close_range(2)`, since Linux 5.9.
///
/// No owner of one of them may use it afterwards: see the folder's rules.
pub(crate) fn close_range(first: u32, last: u32) -> Result<()> {
    range(first, last, 0)
}

/// Raw because rustix and nix lack the call and musl has no wrapper.
fn range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: all arguments are integers; only the descriptor table changes, and the callers of
    // this folder's number functions have given up ownership of what they name.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(|_| ())
}

/// Lets a descriptor survive exec; fcntl(2) `F_SETFD`, any kernel.
pub(crate) fn clear_cloexec(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::io::fcntl_setfd(fd, FdFlags::empty())
}

/// Makes number `to` a copy of `from` that survives exec, closing what `to` was; dup3(2), since
/// Linux 2.6.27.
///
/// Raw because rustix and nix want an owner for the number that is replaced. Where both are the
/// same, dup3 would answer EINVAL, so only the close-on-exec flag is cleared.
pub(crate) fn dup_onto(from: BorrowedFd<'_>, to: i32) -> Result<()> {
    if from.as_raw_fd() == to {
        return clear_cloexec(from);
    }
    loop {
        // SAFETY: all arguments are integers and `from` is borrowed for the call; nobody in this
        // process still owns `to`, by the folder's rules.
        let answer = unsafe { libc::syscall(libc::SYS_dup3, from.as_raw_fd(), to, 0_i32) };
        match check(answer) {
            Err(Errno::INTR | Errno::BUSY) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// Makes a pipe, reading end first; pipe2(2), since Linux 2.6.27.
pub(crate) fn pipe_cloexec() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
}

/// Reads one byte, or `None` when every writer is gone; read(2), any kernel.
pub(crate) fn read_byte(fd: BorrowedFd<'_>) -> Result<Option<u8>> {
    let mut byte = [0_u8];
    loop {
        match rustix::io::read(fd, &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(byte.first().copied()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Writes one byte; write(2), any kernel; without a reader SIGPIPE is raised unless blocked or
/// ignored.
pub(crate) fn write_byte(fd: BorrowedFd<'_>, byte: u8) -> Result<()> {
    super::mount::write_all(fd, &[byte])
}

/// Returns whether the other end of a pipe or socket is gone; ppoll(2) `POLLHUP`, since Linux
/// 2.6.16.
///
/// The writing end of a pipe answers with POLLERR instead (poll(2)); that counts as gone.
pub(crate) fn is_hung_up(fd: BorrowedFd<'_>) -> Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        let mut watched = PollFd::from_borrowed_fd(fd, PollFlags::empty());
        match rustix::event::poll(std::slice::from_mut(&mut watched), Some(&now)) {
            Ok(_) if watched.revents().contains(PollFlags::NVAL) => return Err(Errno::BADF),
            Ok(_) => {
                return Ok(watched.revents().intersects(PollFlags::HUP | PollFlags::ERR));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Returns access mode and status flags of an open file; fcntl(2) `F_GETFL`, any kernel.
pub(crate) fn open_flags(fd: BorrowedFd<'_>) -> Result<OFlags> {
    rustix::fs::fcntl_getfl(fd)
}

/// Opens `/dev/null` on each of 0, 1 and 2 that is closed, so that no later file gets such a
/// number; open(2).
///
/// # Errors
///
/// ENODEV when `/dev/null` is not character device 1:3; else what the kernel answers.
pub(crate) fn ensure_std_open() -> Result<()> {
    for number in 0..=2 {
        if !is_open(number)? {
            open_null_at(number)?;
        }
    }
    Ok(())
}

fn is_open(number: c_int) -> Result<bool> {
    // SAFETY: the borrow ends with this call, which only asks whether the number is in use; numbers
    // 0 to 2 belong to the process and are never closed by an owner.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    match rustix::io::fcntl_getfd(fd) {
        Ok(_) => Ok(true),
        Err(Errno::BADF) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn open_null_at(number: c_int) -> Result<()> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null = rustix::fs::openat(CWD, c"/dev/null", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&null)?;
    let is_null = stat.st_mode & libc::S_IFMT == libc::S_IFCHR
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (1, 3);
    if !is_null {
        return Err(Errno::NODEV);
    }
    dup_onto(std::os::fd::AsFd::as_fd(&null), number)?;
    if null.as_raw_fd() == number {
        let _kept_open = null.into_raw_fd(); // the number now belongs to the process
    }
    Ok(())
}

/// Borrows a descriptor that the caller of sbx passed, by its number; EBADF where none is open.
pub(crate) fn by_number(fd: i32) -> Result<BorrowedFd<'static>> {
    // SAFETY: the argument is an integer; F_GETFD only asks whether the number is open.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD) })?;
    // SAFETY: the number is open, as just asked, and sbx never closes a descriptor that it was
    // passed and that it still names; it is not -1, which F_GETFD would have refused.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::super::spawn;
    use super::*;

    #[test]
    fn a_byte_passes_a_pipe_and_its_end_is_seen() {
        let (reader, writer) = pipe_cloexec().unwrap();
        assert!(rustix::io::fcntl_getfd(&reader).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(is_hung_up(reader.as_fd()), Ok(false));
        write_byte(writer.as_fd(), 42).unwrap();
        assert_eq!(read_byte(reader.as_fd()), Ok(Some(42)));
        drop(writer);
        assert_eq!(is_hung_up(reader.as_fd()), Ok(true));
        assert_eq!(read_byte(reader.as_fd()), Ok(None));
    }

    #[test]
    fn a_writer_without_reader_is_hung_up() {
        let (reader, writer) = pipe_cloexec().unwrap();
        drop(reader);
        assert_eq!(is_hung_up(writer.as_fd()), Ok(true));
    }

    #[test]
    fn a_copy_on_itself_survives_exec() {
        let (reader, _writer) = pipe_cloexec().unwrap();
        dup_onto(reader.as_fd(), reader.as_raw_fd()).unwrap();
        assert!(rustix::io::fcntl_getfd(&reader).unwrap().is_empty());
    }

    #[test]
    fn flags_tell_the_access_mode() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(open_flags(null.as_fd()).unwrap() & OFlags::RWMODE, OFlags::RDONLY);
    }

    #[test]
    fn closed_standard_numbers_are_filled_in_a_child() {
        assert_eq!(
            spawn::tests::run_in_child(|| fill_standard_numbers().map_or_else(|code| code, |()| 0)),
            0
        );
    }

    /// Every failure has a number of its own, for the child's exit code.
    fn fill_standard_numbers() -> core::result::Result<(), i32> {
        close_range(0, 0).map_err(|_errno| 1)?;
        close_range(2, 2).map_err(|_errno| 2)?;
        ensure_std_open().map_err(|_errno| 3)?;
        for number in 0..=2 {
            if !matches!(is_open(number), Ok(true)) {
                return Err(4);
            }
        }
        close_range_cloexec(0).map_err(|_errno| 5)?;
        close_range(0, u32::MAX).map_err(|_errno| 6)?;
        if by_number(0).is_err() { Ok(()) } else { Err(7) }
    }
}
