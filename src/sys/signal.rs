//! Signals, all 64 of them.
//!
//! Every call here is raw: glibc and musl hide two or three real-time signals from their `sigset_t`
//! functions (signal(7) "Real-time signals"), rustix has no stable mask calls, and nix builds on
//! libc. A mask is the kernel's own: a `u64` with bit n-1 for signal n (same order on x86_64 and
//! aarch64, both little-endian and 64-bit).

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::raw::check;
use super::{Errno, Result};

pub(crate) use libc::{
    SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};

/// The number of the last signal on x86_64 and aarch64; signal(7).
pub(crate) const LAST_SIGNAL: i32 = 64;
/// A mask of every signal; the kernel leaves SIGKILL and SIGSTOP out by itself.
pub(crate) const ALL: u64 = u64::MAX;

const MASK_BYTES: usize = size_of::<u64>();

/// The mask that was in force before [`block_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OldMask(u64);

/// What is known about a received signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SigInfo {
    /// Its number.
    pub(crate) signo: i32,
    /// Why it was sent: `SI_USER`, `SI_KERNEL`, `CLD_EXITED`, …; sigaction(2).
    pub(crate) code: i32,
    /// The sender or the child; 0 for a sender outside this pid namespace, and without meaning for
    /// hardware faults.
    pub(crate) pid: i32,
}

/// The kernel's `siginfo_t` on 64-bit machines: 128 bytes, the pid behind three integers and
/// padding.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct RawInfo {
    signo: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: i32,
    rest: [u32; 27],
}

/// The kernel's `struct sigaction`; both x86_64 and aarch64 have the restorer (asm/signal.h
/// `SA_RESTORER`).
#[repr(C)]
struct RawAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// Blocks every signal that can be blocked; `rt_sigprocmask(2)`, since Linux 2.2.
pub(crate) fn block_all() -> Result<OldMask> {
    set_mask(ALL).map(OldMask)
}

/// Puts an earlier mask back; `rt_sigprocmask(2)`, since Linux 2.2.
pub(crate) fn restore(mask: OldMask) -> Result<()> {
    set_mask(mask.0).map(|_old| ())
}

/// Lets every signal in; `rt_sigprocmask(2)`, since Linux 2.2.
pub(crate) fn unblock_all() -> Result<()> {
    set_mask(0).map(|_old| ())
}

fn set_mask(new: u64) -> Result<u64> {
    let mut old = 0_u64;
    // SAFETY: `new` and `old` are this frame's, outlive the call and have the size passed; the
    // kernel reads the one and writes the other. Handlers of this process, if any, may run at the
    // end of the call like at any time.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const new,
            &raw mut old,
            MASK_BYTES,
        )
    };
    check(answer).map(|_| old)
}

/// Sets every signal to its default action, since exec keeps what is ignored; `rt_sigaction(2)`,
/// since Linux 2.2.
///
/// SIGKILL and SIGSTOP cannot be changed and are left out. EINVAL elsewhere is passed over: it
/// means that this kernel (or an emulator such as qemu-user, which keeps some real-time signals)
/// has no such signal to reset.
pub(crate) fn reset_dispositions() -> Result<()> {
    for signal in 1..=LAST_SIGNAL {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        match set_default(signal) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sets one signal to its default action; `rt_sigaction(2)`, since Linux 2.2.
pub(crate) fn set_default(signal: i32) -> Result<()> {
    let action = RawAction { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    let old = std::ptr::null_mut::<RawAction>();
    // SAFETY: `action` is this frame's, outlives the call and has the kernel's layout; SIG_DFL
    // names no function, and a NULL `old` is not written.
    let answer = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, old, MASK_BYTES)
    };
    check(answer).map(|_| ())
}

/// Takes the next pending signal of any kind, which must be blocked; `rt_sigtimedwait(2)`, since
/// Linux 2.2.
///
/// # Errors
///
/// EAGAIN when the time is over; EINTR after a stop and continue (the caller knows how much time is
/// left).
pub(crate) fn wait_signal(timeout: Option<Duration>) -> Result<SigInfo> {
    let mut info = RawInfo { signo: 0, errno: 0, code: 0, padding: 0, pid: 0, rest: [0; 27] };
    let limit = timeout.map(|time| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        [seconds, i64::from(time.subsec_nanos())] // struct __kernel_timespec
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), |pair| pair.as_ptr());
    let all = ALL;
    // SAFETY: `all`, `info` and the time behind `limit` are this frame's and outlive the call;
    // `info` has the 128 bytes of siginfo_t, and a NULL time means without end.
    let answer = unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const all, &raw mut info, limit, MASK_BYTES)
    };
    check(answer)?;
    Ok(SigInfo { signo: info.signo, code: info.code, pid: info.pid })
}

/// Makes a non-blocking descriptor that reads every signal, to be blocked first; signalfd4(2),
/// since Linux 2.6.27.
pub(crate) fn signalfd_all() -> Result<OwnedFd> {
    let mask = ALL;
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: `mask` is this frame's, outlives the call and has the size passed; -1 asks for a new
    // descriptor.
    let answer =
        unsafe { libc::syscall(libc::SYS_signalfd4, -1_i32, &raw const mask, MASK_BYTES, flags) };
    let fd = i32::try_from(check(answer)?).map_err(|_too_wide| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads the next signal from a signalfd, `None` when there is none; signalfd(2), since Linux
/// 2.6.22.
pub(crate) fn read_signal(signalfd: BorrowedFd<'_>) -> Result<Option<SigInfo>> {
    const RECORD: usize = size_of::<libc::signalfd_siginfo>();
    let mut record = [0_u8; RECORD];
    loop {
        match rustix::io::read(signalfd, &mut record) {
            Ok(RECORD) => break,
            Ok(_short) => return Err(Errno::IO),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    // signalfd_siginfo begins: u32 signo, i32 errno, i32 code, u32 pid.
    let (words, _rest) = record.as_chunks::<4>();
    match words {
        [signo, _errno, code, pid, ..] => Ok(Some(SigInfo {
            signo: i32::from_ne_bytes(*signo),
            code: i32::from_ne_bytes(*code),
            pid: i32::from_ne_bytes(*pid),
        })),
        _ => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::super::spawn::tests::run_in_child;
    use super::*;

    /// Returns whether a signal is ignored; `rt_sigaction(2)`, since Linux 2.2.
    fn is_ignored(signal: i32) -> Result<bool> {
        let mut action = RawAction { handler: 0, flags: 0, restorer: 0, mask: 0 };
        let new = std::ptr::null::<RawAction>();
        // SAFETY: `action` is this frame's, outlives the call and has the kernel's layout; a NULL
        // `new` changes nothing.
        let answer = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut action, MASK_BYTES)
        };
        check(answer).map(|_| action.handler == libc::SIG_IGN)
    }

    /// Sends a signal to this very thread; tgkill(2), since Linux 2.5.75.
    ///
    /// Raw because libc's raise may use a thread id remembered from before a raw clone.
    fn raise(signal: i32) -> Result<()> {
        let process = rustix::process::getpid().as_raw_nonzero().get();
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        // SAFETY: all arguments are integers; the kernel touches no memory of ours.
        check(unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) }).map(|_| ())
    }

    #[test]
    fn the_structures_have_the_lengths_of_the_kernel() {
        assert_eq!((size_of::<RawInfo>(), size_of::<RawAction>()), (128, 32));
        assert_eq!(std::mem::offset_of!(RawInfo, pid), 16);
    }

    #[test]
    fn every_signal_can_be_blocked_and_waited_for() {
        // 32 and 33 are the ones that libc hides.
        let code = run_in_child(|| {
            if block_all().is_err() {
                return 100;
            }
            for signal in [libc::SIGTERM, 32, 33, 34, LAST_SIGNAL] {
                if raise(signal).is_err() {
                    return 101;
                }
                match wait_signal(Some(Duration::from_secs(5))) {
                    Ok(info) if info.signo == signal && info.code == libc::SI_TKILL => {}
                    _ => return signal,
                }
            }
            if wait_signal(Some(Duration::ZERO)) == Err(Errno::AGAIN) { 0 } else { 102 }
        });
        assert_eq!(code, 0);
    }

    #[test]
    fn a_signalfd_reads_number_and_sender() {
        let code = run_in_child(|| {
            let (Ok(_old), Ok(fd)) = (block_all(), signalfd_all()) else {
                return 1;
            };
            if read_signal(fd.as_fd()) != Ok(None) || raise(64).is_err() {
                return 2;
            }
            let own = rustix::process::getpid().as_raw_nonzero().get();
            match read_signal(fd.as_fd()) {
                Ok(Some(SigInfo { signo: 64, code: libc::SI_TKILL, pid })) if pid == own => 0,
                _ => 3,
            }
        });
        assert_eq!(code, 0);
    }

    #[test]
    fn all_dispositions_become_default() {
        // The Rust runtime ignores SIGPIPE, so there is something to reset.
        let code = run_in_child(|| {
            if is_ignored(libc::SIGPIPE) != Ok(true) {
                return 1;
            }
            if reset_dispositions().is_err() || unblock_all().is_err() {
                return 2;
            }
            i32::from(is_ignored(libc::SIGPIPE) != Ok(false))
        });
        assert_eq!(code, 0);
    }

    #[test]
    fn the_old_mask_comes_back() {
        std::thread::spawn(|| {
            let before = set_mask(1 << 9).unwrap();
            let old = block_all().unwrap();
            assert_eq!(old, OldMask(1 << 9));
            restore(old).unwrap();
            assert_eq!(set_mask(before), Ok(1 << 9));
        })
        .join()
        .unwrap();
    }
}
