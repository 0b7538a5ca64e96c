//! Who the process is: ids, groups, session, names, limits, namespaces.
//!
//! All id calls change the calling thread only, without libc's broadcast to other threads: its
//! signal handlers and locks are not async-signal-safe, and after clone there are no other threads
//! (nptl(7)).

use std::ffi::CStr;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Gid, Signal, Uid};
use rustix::thread::UnshareFlags;

use super::raw::{NAMESPACE_FLAGS, check, from_nix};
use super::{Errno, Result};

/// The most supplementary groups this module compares; the kernel's own limit is 65,536.
const GROUPS_MAX: usize = 1024;

/// Sets the supplementary groups; setgroups(2), any kernel.
///
/// Raw because rustix takes its own `Gid` type and a list of those would have to be allocated.
pub(crate) fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the slice is borrowed for the call, its length is passed, and gid_t is u32; the
    // kernel only reads it.
    let answer = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    check(answer).map(|_| ())
}

/// Sets real, effective and saved group to one value; setresgid(2), any kernel; `u32::MAX` is
/// refused with EINVAL.
pub(crate) fn setresgid(gid: u32) -> Result<()> {
    if gid == u32::MAX {
        return Err(Errno::INVAL); // the kernel reads it as "leave unchanged"
    }
    let gid = Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid)
}

/// Sets real, effective and saved user to one value; setresuid(2), any kernel; `u32::MAX` is
/// refused with EINVAL.
pub(crate) fn setresuid(uid: u32) -> Result<()> {
    if uid == u32::MAX {
        return Err(Errno::INVAL); // the kernel reads it as "leave unchanged"
    }
    let uid = Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Returns real, effective and saved user; getresuid(2), any kernel.
pub(crate) fn resuid() -> Result<(u32, u32, u32)> {
    let ids = nix::unistd::getresuid().map_err(from_nix)?;
    Ok((ids.real.as_raw(), ids.effective.as_raw(), ids.saved.as_raw()))
}

/// Returns real, effective and saved group; getresgid(2), any kernel.
pub(crate) fn resgid() -> Result<(u32, u32, u32)> {
    let ids = nix::unistd::getresgid().map_err(from_nix)?;
    Ok((ids.real.as_raw(), ids.effective.as_raw(), ids.saved.as_raw()))
}

/// Returns whether the supplementary groups are exactly these, in any order; getgroups(2), any
/// kernel.
///
/// Raw because rustix and nix allocate the list.
///
/// # Errors
///
/// EOVERFLOW when either list is longer than 1,024; else what the kernel answers.
pub(crate) fn groups_equal(expected: &[u32]) -> Result<bool> {
    let mut found = [0_u32; GROUPS_MAX];
    let mut wanted = [0_u32; GROUPS_MAX];
    // SAFETY: `found` is this frame's, outlives the call, and holds as many gid_t (u32) as are
    // passed.
    let answer = unsafe { libc::syscall(libc::SYS_getgroups, GROUPS_MAX, found.as_mut_ptr()) };
    let count = match check(answer) {
        // EINVAL is the kernel's word for "the buffer is too small".
        Err(Errno::INVAL) => return Err(Errno::OVERFLOW),
        other => usize::try_from(other?).map_err(|_negative| Errno::OVERFLOW)?,
    };
    let found = found.get_mut(..count).ok_or(Errno::OVERFLOW)?;
    let wanted = wanted.get_mut(..expected.len()).ok_or(Errno::OVERFLOW)?;
    wanted.copy_from_slice(expected);
    // In-place sorts: no allocation.
    found.sort_unstable();
    wanted.sort_unstable();
    Ok(found == wanted)
}

/// Starts a new session without a controlling terminal; setsid(2), any kernel.
pub(crate) fn setsid() -> Result<()> {
    rustix::process::setsid().map(|_session| ())
}

/// Sets the file mode creation mask and returns the old one; umask(2), any kernel.
pub(crate) fn umask(mask: u32) -> u32 {
    rustix::process::umask(Mode::from_raw_mode(mask)).as_raw_mode()
}

/// Sets the thread's name, cut to 15 bytes; prctl(2) `PR_SET_NAME`, since Linux 2.6.9.
pub(crate) fn set_name(name: &CStr) -> Result<()> {
    rustix::thread::set_name(name)
}

/// Sets the host name of this UTS namespace; sethostname(2), any kernel.
pub(crate) fn sethostname(name: &[u8]) -> Result<()> {
    rustix::system::sethostname(name)
}

/// Sets the NIS domain name of this UTS namespace; setdomainname(2), any kernel.
pub(crate) fn setdomainname(name: &[u8]) -> Result<()> {
    rustix::system::setdomainname(name)
}

/// Sets whether the process may be traced and dumped by its user; prctl(2) `PR_SET_DUMPABLE`, since
/// Linux 2.3.20.
pub(crate) fn set_dumpable(dumpable: bool) -> Result<()> {
    rustix::process::set_dumpable_behavior(if dumpable {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    })
}

/// Returns whether the user may trace and dump the process; prctl(2) `PR_GET_DUMPABLE`, since Linux
/// 2.3.20.
pub(crate) fn is_dumpable() -> Result<bool> {
    rustix::process::dumpable_behavior().map(|found| found == DumpableBehavior::Dumpable)
}

/// Sets the signal sent when the parent ends, 0 for none; prctl(2) `PR_SET_PDEATHSIG`, since Linux
/// 2.1.57.
///
/// A change of ids clears it, so it must be set again afterwards. EINVAL for a real-time signal.
pub(crate) fn set_parent_death_signal(signal: i32) -> Result<()> {
    let signal = match signal {
        0 => None,
        named => Some(Signal::from_named_raw(named).ok_or(Errno::INVAL)?),
    };
    rustix::process::set_parent_process_death_signal(signal)
}

/// Joins a new, empty, anonymous session keyring; keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`, since
/// Linux 2.6.10.
///
/// Raw because neither rustix nor nix has keyctl. ENOSYS means a kernel without key management.
pub(crate) fn join_session_keyring() -> Result<()> {
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a NULL name asks for an anonymous keyring; the kernel reads no memory of ours.
    let answer =
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    check(answer).map(|_| ())
}

/// Sets one resource limit, `u64::MAX` for none; prlimit(2), since Linux 2.6.36.
///
/// Raw because the plan carries the kernel's number, which the enums of rustix and nix cannot be
/// made from.
pub(crate) fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let new = [soft, hard]; // struct rlimit64
    let old = std::ptr::null_mut::<[u64; 2]>();
    // SAFETY: `new` is this frame's, has the layout of rlimit64 and outlives the call; a NULL `old`
    // is not written.
    let answer = unsafe { libc::syscall(libc::SYS_prlimit64, 0_i32, resource, new.as_ptr(), old) };
    check(answer).map(|_| ())
}

/// Returns soft and hard value of a resource limit; prlimit(2), since Linux 2.6.36; raw as
/// [`setrlimit`].
pub(crate) fn getrlimit(resource: u32) -> Result<(u64, u64)> {
    let new = std::ptr::null::<[u64; 2]>();
    let mut old = [0_u64; 2]; // struct rlimit64
    // SAFETY: `old` is this frame's, has the layout of rlimit64 and outlives the call; a NULL `new`
    // is not read.
    let answer =
        unsafe { libc::syscall(libc::SYS_prlimit64, 0_i32, resource, new, old.as_mut_ptr()) };
    check(answer)?;
    let [soft, hard] = old;
    Ok((soft, hard))
}

/// Moves the process into new namespaces; unshare(2), since Linux 2.6.16; EINVAL for flags that are
/// no namespace.
pub(crate) fn unshare(flags: u64) -> Result<()> {
    let bits = u32::try_from(flags).map_err(|_too_wide| Errno::INVAL)?;
    if bits & !NAMESPACE_FLAGS != 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: CLONE_FILES, the flag that would break descriptors shared with other threads, was
    // refused above, and namespaces own no memory of this process.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::from_bits_retain(bits)) }
}

/// **\[parent\]** Says whether the kernel gave this program rights that its caller does not have:
/// set-user-id, set-group-id or file capabilities; getauxval(3) `AT_SECURE`, any kernel.
pub(crate) fn is_privileged_exec() -> bool {
    // SAFETY: getauxval reads the vector that the kernel passed to this process; it has no
    // precondition, and an entry that is not there reads as 0.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::spawn::tests::run_in_child;
    use super::*;

    #[test]
    fn ids_agree_with_libc() {
        let (real, effective, _saved) = resuid().unwrap();
        assert_eq!(real, rustix::process::getuid().as_raw());
        assert_eq!(effective, rustix::process::geteuid().as_raw());
        assert_eq!(resgid().unwrap().0, rustix::process::getgid().as_raw());
    }

    #[test]
    fn groups_compare_in_any_order() {
        let mut own: Vec<u32> =
            rustix::process::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
        own.reverse();
        assert_eq!(groups_equal(&own), Ok(true));
        own.push(4_000_000);
        assert_eq!(groups_equal(&own), Ok(false));
        assert_eq!(groups_equal(&[0; GROUPS_MAX + 1]), Err(Errno::OVERFLOW));
        if rustix::process::geteuid().is_root() {
            // In a map that turns the order round, even the kernel's own list is not sorted.
            assert_eq!(with_turned_groups(|| groups_equal(&[1, 2, 0])), EQUAL);
            assert_eq!(with_turned_groups(|| groups_equal(&[1, 2])), UNEQUAL);
        }
    }

    const EQUAL: i32 = 0;
    const UNEQUAL: i32 = 255;

    /// Asks in a child that has the groups 0, 1, 2, which the kernel lists as 2, 1, 0: it sorts by
    /// the ids of the host. Any other answer is an errno.
    fn with_turned_groups(ask: impl Fn() -> Result<bool>) -> i32 {
        let (asked, asks) = std::io::pipe().unwrap();
        let (told, tells) = std::io::pipe().unwrap();
        let writer = std::thread::spawn(move || {
            let mut pid = [0; 4];
            (&asked).read_exact(&mut pid).unwrap();
            let map = format!("/proc/{}/gid_map", i32::from_ne_bytes(pid));
            let written = std::fs::write(map, "0 2 1\n1 1 1\n2 0 1\n");
            // The child waits, whatever came of it.
            (&tells).write_all(&[1]).unwrap();
            written.unwrap();
        });
        let turned = || {
            unshare(libc::CLONE_NEWUSER as u64)?;
            let pid = rustix::process::getpid().as_raw_pid().to_ne_bytes();
            rustix::io::write(&asks, &pid)?;
            rustix::io::read(&told, &mut [0])?;
            setgroups(&[0, 1, 2])?;
            ask()
        };
        let code = run_in_child(|| {
            turned().map_or_else(Errno::raw_os_error, |is| if is { EQUAL } else { UNEQUAL })
        });
        drop(asks);
        writer.join().unwrap();
        code
    }

    #[test]
    fn the_unchanged_id_is_refused() {
        assert_eq!(setresuid(u32::MAX), Err(Errno::INVAL));
        assert_eq!(setresgid(u32::MAX), Err(Errno::INVAL));
    }

    #[test]
    fn limits_can_be_set_to_what_they_are() {
        const CORE: u32 = 4; // RLIMIT_CORE, whose type differs between glibc and musl
        let (soft, hard) = getrlimit(CORE).unwrap();
        setrlimit(CORE, soft, hard).unwrap();
        assert_eq!(setrlimit(1000, 0, 0), Err(Errno::INVAL));
    }

    #[test]
    fn the_death_signal_is_kept_per_thread() {
        set_parent_death_signal(libc::SIGTERM).unwrap();
        assert_eq!(rustix::process::parent_process_death_signal(), Ok(Some(Signal::TERM)));
        set_parent_death_signal(0).unwrap();
        assert_eq!(rustix::process::parent_process_death_signal(), Ok(None));
        assert_eq!(set_parent_death_signal(40), Err(Errno::INVAL));
    }

    #[test]
    fn sharing_flags_are_no_namespaces() {
        assert_eq!(unshare(libc::CLONE_FILES as u64), Err(Errno::INVAL));
        assert_eq!(unshare(1 << 40), Err(Errno::INVAL));
        assert_eq!(unshare(0), Ok(()));
    }

    #[test]
    fn the_process_starts_dumpable() {
        assert_eq!(is_dumpable(), Ok(true));
    }
}
