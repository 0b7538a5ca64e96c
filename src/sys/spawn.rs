//! Processes: clone, exec, wait, signal by pidfd.
//!
//! libc's fork and exec are avoided because their fork handlers take locks and nix's `execve`
//! allocates.

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};

use super::raw::{NAMESPACE_FLAGS, check};
use super::{Errno, Result};

/// Bits that clone(2) reads as the exit signal and clone3(2) as flags.
const LEGACY_SIGNAL_BITS: u64 = 0xff;

/// The size of `struct clone_args` in Linux 5.3; every later kernel takes it.
const CLONE_ARGS_SIZE_VER0: usize = 64;

const SIGNAL_CHILD: u64 = libc::SIGCHLD as u64;

/// Which side of a clone the caller is on.
#[derive(Debug)]
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old process, with a handle on the new one.
    Parent {
        /// Refers to the child for as long as it is open, even after its number is used again.
        pidfd: OwnedFd,
        /// The child's number as the parent sees it.
        pid: i32,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitStatus {
    /// It called exit with this code, 0 to 255.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

impl WaitStatus {
    /// Returns the number that wait(2) stores for this status, without the core-dump bit.
    pub(crate) const fn to_raw(self) -> i32 {
        match self {
            Self::Exited(code) => (code & 0xff) << 8,
            Self::Signaled(signal) => signal & 0x7f,
        }
    }

    /// Reads the number that wait(2) stores; stops and continues are never asked for and do not
    /// occur.
    pub(crate) const fn from_raw(raw: i32) -> Self {
        match raw & 0x7f {
            0 => Self::Exited((raw >> 8) & 0xff),
            signal => Self::Signaled(signal),
        }
    }
}

/// Strings for execve(2), as the kernel wants them: pointers, then NULL.
pub(crate) struct PointerArray {
    /// Points into `strings`; heap buffers of a `CString` do not move when the vector does.
    pointers: Vec<*const c_char>,
    /// Never changed after `new`, or the pointers would dangle.
    strings: Vec<CString>,
}

impl PointerArray {
    /// **\[parent\]** Builds the array; this is the last allocation on the way to execve(2).
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let mut pointers = Vec::with_capacity(strings.len().saturating_add(1));
        pointers.extend(strings.iter().map(|string| string.as_ptr()));
        pointers.push(ptr::null());
        Self { pointers, strings }
    }

    /// Returns the number of strings, the final NULL not counted.
    pub(crate) fn len(&self) -> usize {
        self.strings.len()
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

impl std::fmt::Debug for PointerArray {
    /// Writes counts only: the environment may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PointerArray").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Returns whether this process has one thread; unshare(2) "CLONE_THREAD", proc(5)
/// `/proc/pid/task`, any kernel.
///
/// `unshare(CLONE_VM)` changes nothing and answers EINVAL when another thread or process shares
/// this memory, so it needs no `/proc`. Where a filter refuses unshare, the link count of
/// `/proc/self/task` decides (2 + threads); if that cannot be read either, the error is returned
/// and the caller must refuse. A thread that has just been joined may still be counted for a
/// moment.
pub(crate) fn single_threaded() -> Result<bool> {
    // SAFETY: unshare takes an integer and CLONE_VM never makes a copy of anything (kernel/fork.c,
    // check_unshare_flags), so no memory or descriptor of ours changes.
    match check(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_VM) }) {
        Ok(_) => Ok(true),
        Err(Errno::INVAL) => Ok(false),
        Err(_refused) => {
            let stat =
                rustix::fs::statx(CWD, c"/proc/self/task", AtFlags::empty(), StatxFlags::NLINK)?;
            Ok(stat.stx_nlink == 3)
        }
    }
}

/// Makes a copy of this process in the given new namespaces; clone3(2), since Linux 5.3, else
/// clone(2).
///
/// No memory is shared and libc's fork handlers do not run. That is sound only in a single-threaded
/// process (another thread could hold the allocator's lock in the copied memory), so it is checked
/// here. Where the caller ignored SIGCHLD the kernel would reap the child unseen, and nobody would
/// learn how it ended (wait(2) "ERRORS"): its action is the default from here on.
///
/// # Errors
///
/// EDEADLK when other threads exist; EINVAL for a flag that is not a namespace; else what the
/// kernel answers.
pub(crate) fn clone_process(flags: u64) -> Result<Forked> {
    if !single_threaded()? {
        return Err(Errno::DEADLK);
    }
    super::signal::set_default(libc::SIGCHLD)?;
    // SAFETY: the lines above proved that no other thread exists, and only another thread could
    // start one.
    unsafe { clone_unchecked(flags) }
}

/// Makes a copy of this process and tries both system calls.
///
/// # Safety
///
/// The process is single-threaded, or the child calls nothing but async-signal-safe functions and
/// [`exit_now`].
unsafe fn clone_unchecked(flags: u64) -> Result<Forked> {
    if flags & !u64::from(NAMESPACE_FLAGS) != 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: the caller gives the same promise.
    match unsafe { clone_modern(flags) } {
        // ENOSYS: before 5.3, or a filter. EPERM: filters of old container engines; where EPERM is
        // the kernel's own word, clone repeats it.
        Err(Errno::NOSYS | Errno::PERM) if flags & LEGACY_SIGNAL_BITS == 0 => {
            // SAFETY: as above.
            unsafe { clone_legacy(flags) }
        }
        other => other,
    }
}

/// Raw because neither rustix nor nix has clone3(2).
///
/// # Safety
///
/// As [`clone_unchecked`].
unsafe fn clone_modern(flags: u64) -> Result<Forked> {
    let mut pidfd: libc::c_int = -1;
    let mut args = [0_u64; CLONE_ARGS_SIZE_VER0 / size_of::<u64>()];
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
    // A zero stack means: go on on the copied one, like fork.
    let [flags_slot, pidfd_slot, _, _, signal_slot, ..] = &mut args;
    *flags_slot = flags | libc::CLONE_PIDFD as u64;
    *pidfd_slot = (&raw mut pidfd).addr() as u64;
    *signal_slot = SIGNAL_CHILD;
    // The address is an integer in the block: tell the compiler that the kernel may write there.
    let _exposed = (&raw mut pidfd).expose_provenance();
    // SAFETY: `args` and `pidfd` are this frame's and live until the call returns; the flags share
    // no memory with the child, so both sides go on with a stack of their own.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), CLONE_ARGS_SIZE_VER0) })?;
    forked(pid, pidfd)
}

/// Raw because rustix lacks clone(2) and nix runs the child on a second stack.
///
/// # Safety
///
/// As [`clone_unchecked`].
unsafe fn clone_legacy(flags: u64) -> Result<Forked> {
    let mut pidfd: libc::c_int = -1;
    let word = flags | libc::CLONE_PIDFD as u64 | SIGNAL_CHILD;
    // CLONE_PIDFD stores the descriptor at parent_tid, the third argument on x86_64 and on aarch64;
    // the two architectures differ only in the order of tls and child_tid, both zero here. SAFETY:
    // `pidfd` is this frame's and lives until the call returns; stack 0 means a copy of ours, and
    // the flags share no memory with the child.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, word, 0_usize, &raw mut pidfd, 0_usize, 0_usize)
    })?;
    forked(pid, pidfd)
}

fn forked(pid: libc::c_long, pidfd: libc::c_int) -> Result<Forked> {
    match i32::try_from(pid) {
        Ok(0) | Err(_) => Ok(Forked::Child), // a pid always fits
        Ok(pid) if pidfd < 0 => {
            // Before 5.2 clone(2) ignores CLONE_PIDFD: there is no handle, so there may be no
            // child.
            kill(pid, libc::SIGKILL)?;
            wait_pid(pid, false).and(Err(Errno::NOSYS))
        }
        Ok(pid) => {
            // SAFETY: the kernel has just created `pidfd` for this process and nobody else knows
            // its number, so the OwnedFd is its only owner.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent { pidfd, pid })
        }
    }
}

/// Makes a plain copy of a single-threaded process and answers `None` in the copy; clone(2), any
/// kernel.
///
/// Raw because libc's fork runs fork handlers. EDEADLK when other threads exist.
pub(crate) fn fork_in_child() -> Result<Option<i32>> {
    if !single_threaded()? {
        return Err(Errno::DEADLK);
    }
    // SAFETY: no pointer is passed, stack 0 means a copy of ours, and no other thread exists whose
    // lock the copy could inherit.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, SIGNAL_CHILD, 0_usize, 0_usize, 0_usize, 0_usize)
    })?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0))
}

/// Ends the process at once, without exit handlers; _exit(2), any kernel.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes an integer, calls exit_group and runs no code of this process.
    unsafe { libc::_exit(code) }
}

/// Replaces the program and returns only on failure; execve(2), any kernel.
pub(crate) fn execve(path: &CStr, argv: &PointerArray, envp: &PointerArray) -> Errno {
    // SAFETY: `path` is borrowed and NUL-terminated; both arrays are owned by borrowed
    // `PointerArray`s that keep their strings alive and end in NULL; the kernel copies all of it
    // before it drops this memory.
    let answer =
        unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    check(answer).err().unwrap_or(Errno::NOEXEC) // execve never answers success
}

/// Waits for one child; waitpid(2), any kernel; with `nohang`, `None` means that it still runs.
pub(crate) fn wait_pid(pid: i32, nohang: bool) -> Result<Option<(i32, WaitStatus)>> {
    if pid <= 0 {
        return Err(Errno::INVAL); // 0 and negative numbers mean groups; rustix asserts against them
    }
    retry_wait(|| rustix::process::waitpid(Pid::from_raw(pid), wait_options(nohang)))
}

/// Waits for the process behind a pidfd, which must be our child; waitid(2) `P_PIDFD`, since Linux
/// 5.4.
pub(crate) fn wait_pidfd(pidfd: BorrowedFd<'_>) -> Result<WaitStatus> {
    loop {
        match rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                if let Some(code) = status.exit_status() {
                    return Ok(WaitStatus::Exited(code));
                }
                return status.terminating_signal().map(WaitStatus::Signaled).ok_or(Errno::INVAL);
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn wait_options(nohang: bool) -> WaitOptions {
    if nohang { WaitOptions::NOHANG } else { WaitOptions::empty() }
}

fn retry_wait(
    mut wait: impl FnMut() -> Result<Option<(Pid, rustix::process::WaitStatus)>>,
) -> Result<Option<(i32, WaitStatus)>> {
    loop {
        match wait() {
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get();
                return Ok(Some((pid, WaitStatus::from_raw(status.as_raw()))));
            }
            Ok(None) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sends a signal to exactly the process behind the pidfd; `pidfd_send_signal(2)`, since Linux 5.1.
///
/// Raw because rustix's `Signal` has no safe value for real-time signals and none for 0.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: the pidfd is borrowed for the call; a NULL info makes the kernel fill in what kill(2)
    // would.
    let answer = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0_u32)
    };
    check(answer).map(|_| ())
}

/// Sends a signal to a process, or to a group when `pid` is negative; kill(2), any kernel.
///
/// Raw because rustix's and nix's `Signal` have no safe value for real-time signals.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: both arguments are integers; the kernel touches no memory of ours.
    check(unsafe { libc::syscall(libc::SYS_kill, pid, signal) }).map(|_| ())
}

/// Returns a child that ended, and how, and leaves it to be reaped; waitid(2) with `WNOWAIT`, any
/// kernel.
///
/// Until it is reaped, its `/proc/PID/stat` still tells whether it ever executed a program. Raw
/// because rustix does not say which child it found, and nix has no `WNOWAIT` for all children.
pub(crate) fn peek_any() -> Result<Option<(i32, WaitStatus)>> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `siginfo_t` is plain data of the kernel's, for which zeroes are a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is this function's own and outlives the call, which writes it at most once.
    let answer = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
    if answer != 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL));
    }
    // SAFETY: waitid filled the child's part of the union, or left the zeroes it was made of.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above; beside the number of the child, its status is in that part.
    let status = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => WaitStatus::Exited(status),
        _ => WaitStatus::Signaled(status),
    };
    Ok((pid != 0).then_some((pid, status)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// Starts a child that runs `body`, which must call nothing but system calls.
    fn child(
        clone: unsafe fn(u64) -> Result<Forked>,
        body: impl FnOnce() -> i32,
    ) -> (OwnedFd, i32) {
        // SAFETY: the test harness has threads, but the child only makes system calls and exits.
        match unsafe { clone(0) }.unwrap() {
            Forked::Child => exit_now(body()),
            Forked::Parent { pidfd, pid } => (pidfd, pid),
        }
    }

    /// Runs `body` in a copy of the test and returns its exit code; `body` must call nothing but
    /// system calls.
    pub(crate) fn run_in_child(body: impl FnOnce() -> i32) -> i32 {
        let (pidfd, _pid) = child(clone_unchecked, body);
        match wait_pidfd(pidfd.as_fd()).unwrap() {
            WaitStatus::Exited(code) => code,
            WaitStatus::Signaled(signal) => 1000 + signal,
        }
    }

    #[test]
    fn both_clone_calls_give_a_pidfd_to_wait_on() {
        for clone in [clone_modern as unsafe fn(u64) -> Result<Forked>, clone_legacy] {
            let (pidfd, pid) = child(clone, || 7);
            assert!(pid > 0);
            assert!(
                rustix::io::fcntl_getfd(&pidfd).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
            );
            assert_eq!(wait_pidfd(pidfd.as_fd()), Ok(WaitStatus::Exited(7)));
        }
    }

    #[test]
    fn a_signal_by_pidfd_is_seen_in_the_status() {
        let (pidfd, pid) = child(clone_unchecked, || {
            loop {
                nix::unistd::pause();
            }
        });
        assert_eq!(wait_pid(pid, true), Ok(None));
        pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
        assert_eq!(wait_pid(pid, false), Ok(Some((pid, WaitStatus::Signaled(libc::SIGKILL)))));
        assert_eq!(pidfd_send_signal(pidfd.as_fd(), 0), Err(Errno::SRCH));
    }

    #[test]
    fn a_process_with_threads_is_refused() {
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        assert_eq!(single_threaded(), Ok(false));
        assert_eq!(clone_process(0).err(), Some(Errno::DEADLK));
        assert_eq!(fork_in_child(), Err(Errno::DEADLK));
        drop(stop);
        assert!(thread.join().unwrap().is_err());
    }

    #[test]
    fn a_clone_is_single_threaded_and_may_fork() {
        let (pidfd, _pid) = child(clone_unchecked, || {
            if single_threaded() != Ok(true) {
                return 1;
            }
            match fork_in_child() {
                Ok(None) => exit_now(5),
                Ok(Some(pid)) => match wait_pid(pid, false) {
                    Ok(Some((found, WaitStatus::Exited(5)))) if found == pid => 0,
                    _ => 2,
                },
                Err(_) => 3,
            }
        });
        assert_eq!(wait_pidfd(pidfd.as_fd()), Ok(WaitStatus::Exited(0)));
    }

    #[test]
    fn flags_that_share_memory_are_refused() {
        // SAFETY: the call is refused before any system call.
        assert!(unsafe { clone_unchecked(libc::CLONE_VM as u64) }.is_err());
    }

    #[test]
    fn exec_passes_arguments_and_reports_a_missing_file() {
        let argv = PointerArray::new(vec![c"sh".into(), c"-c".into(), c"exit $X".into()]);
        let envp = PointerArray::new(vec![c"X=9".into()]);
        assert_eq!((argv.len(), envp.len()), (3, 1));
        assert_eq!(execve(c"/nonexistent/program", &argv, &envp), Errno::NOENT);
        let (pidfd, _pid) = child(clone_unchecked, || {
            execve(c"/bin/sh", &argv, &envp);
            1
        });
        assert_eq!(wait_pidfd(pidfd.as_fd()), Ok(WaitStatus::Exited(9)));
    }

    #[test]
    fn statuses_survive_the_raw_encoding() {
        for status in [WaitStatus::Exited(0), WaitStatus::Exited(255), WaitStatus::Signaled(9)] {
            assert_eq!(WaitStatus::from_raw(status.to_raw()), status);
        }
        assert_eq!(WaitStatus::from_raw(0x80 | 11), WaitStatus::Signaled(11));
    }
}
