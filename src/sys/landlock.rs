//! The three Landlock calls; landlock(7), since Linux 5.13.
//!
//! Raw because rustix and nix have none of them, and the landlock crate's builder chooses what to
//! drop by itself.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::raw::check;
use super::{Errno, Result};

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
const RULE_NET_PORT: u32 = 2;

/// `struct landlock_ruleset_attr` up to ABI 6; older kernels take a shorter prefix.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`; packed in the kernel's header.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPortAttr {
    allowed_access: u64,
    port: u64,
}

/// The length of `landlock_ruleset_attr` that knows file access only: ABI 1 to 3.
pub(crate) const SIZE_FS: usize = 8;
/// The length that also knows TCP ports: ABI 4 and 5.
pub(crate) const SIZE_NET: usize = 16;
/// The length that also knows scopes: since ABI 6.
pub(crate) const SIZE_SCOPED: usize = size_of::<RulesetAttr>();

/// Returns the kernel's ABI version; `landlock_create_ruleset(2)`, since Linux 5.13.
///
/// # Errors
///
/// ENOSYS: not built in. EOPNOTSUPP: switched off at boot.
pub(crate) fn abi() -> Result<u32> {
    let none = std::ptr::null::<RulesetAttr>();
    // SAFETY: with the version flag the attribute must be NULL and is not read.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, CREATE_RULESET_VERSION)
    };
    u32::try_from(check(answer)?).map_err(|_too_wide| Errno::OVERFLOW)
}

/// Makes a ruleset that denies what it names; `landlock_create_ruleset(2)`, since Linux 5.13.
///
/// `abi_size` is the length that the found ABI knows: [`SIZE_FS`], [`SIZE_NET`] or [`SIZE_SCOPED`].
///
/// # Errors
///
/// EINVAL for another length, or when a field behind that length is not zero (it would be dropped
/// in silence); else what the kernel answers. The kernel makes the descriptor `O_CLOEXEC`.
pub(crate) fn create_ruleset(fs: u64, net: u64, scoped: u64, abi_size: usize) -> Result<OwnedFd> {
    let is_cut = match abi_size {
        SIZE_FS => net != 0 || scoped != 0,
        SIZE_NET => scoped != 0,
        SIZE_SCOPED => false,
        _ => true,
    };
    if is_cut {
        return Err(Errno::INVAL);
    }
    let attr = RulesetAttr { handled_access_fs: fs, handled_access_net: net, scoped };
    // SAFETY: `attr` is this frame's, outlives the call, and is at least `abi_size` bytes long, as
    // checked above.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, abi_size, 0_u32)
    };
    let fd = i32::try_from(check(answer)?).map_err(|_too_wide| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows access below an open file or directory; `landlock_add_rule(2)`, since Linux 5.13.
pub(crate) fn add_path_rule(
    ruleset: BorrowedFd<'_>,
    parent_fd: BorrowedFd<'_>,
    access: u64,
) -> Result<()> {
    let attr = PathBeneathAttr { allowed_access: access, parent_fd: parent_fd.as_raw_fd() };
    add_rule(ruleset, RULE_PATH_BENEATH, &raw const attr)
}

/// Allows access to a TCP port; `landlock_add_rule(2)`, since Linux 6.7 (ABI 4).
pub(crate) fn add_port_rule(ruleset: BorrowedFd<'_>, port: u64, access: u64) -> Result<()> {
    let attr = NetPortAttr { allowed_access: access, port };
    add_rule(ruleset, RULE_NET_PORT, &raw const attr)
}

/// `attr` points to the caller's structure of the kind that `rule_type` names, alive until this
/// returns.
fn add_rule<T>(ruleset: BorrowedFd<'_>, rule_type: u32, attr: *const T) -> Result<()> {
    // SAFETY: both callers pass a structure of their own frame with the layout `rule_type` asks
    // for; the kernel only reads it, and the ruleset is borrowed for the call.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), rule_type, attr, 0_u32)
    };
    check(answer).map(|_| ())
}

/// Puts this thread under the ruleset for good; `landlock_restrict_self(2)`, since Linux 5.13;
/// flags since 6.15.
pub(crate) fn restrict_self(ruleset: BorrowedFd<'_>, flags: u32) -> Result<()> {
    // SAFETY: both arguments are integers and the ruleset is borrowed for the call.
    let answer =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) };
    check(answer).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    const EXECUTE: u64 = 1;
    const READ_FILE: u64 = 4;
    const BIND_TCP: u64 = 1;

    #[test]
    fn the_structures_have_the_lengths_of_the_kernel() {
        assert_eq!(size_of::<PathBeneathAttr>(), 12);
        assert_eq!((SIZE_SCOPED, size_of::<NetPortAttr>()), (24, 16));
    }

    #[test]
    fn fields_that_would_be_cut_off_are_refused() {
        assert_eq!(create_ruleset(EXECUTE, 1, 0, SIZE_FS).err(), Some(Errno::INVAL));
        assert_eq!(create_ruleset(EXECUTE, 0, 1, SIZE_NET).err(), Some(Errno::INVAL));
        assert_eq!(create_ruleset(EXECUTE, 0, 0, 12).err(), Some(Errno::INVAL));
    }

    #[test]
    fn a_thread_under_a_ruleset_cannot_read_outside_it() {
        let abi = match abi() {
            Ok(abi) => abi,
            Err(errno) => panic!("this test needs Landlock in the running kernel: {errno}"),
        };
        std::thread::spawn(move || {
            let ruleset = create_ruleset(READ_FILE, 0, 0, SIZE_FS).unwrap();
            let dev = std::fs::File::open("/dev").unwrap();
            add_path_rule(ruleset.as_fd(), dev.as_fd(), READ_FILE).unwrap();
            super::super::caps::set_no_new_privs().unwrap();
            restrict_self(ruleset.as_fd(), 0).unwrap();
            assert!(std::fs::File::open("/dev/null").is_ok());
            let refused = std::fs::File::open("/etc/passwd").unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        })
        .join()
        .unwrap();
        if abi >= 4 {
            let ruleset = create_ruleset(0, BIND_TCP, 0, SIZE_NET).unwrap();
            assert_eq!(add_port_rule(ruleset.as_fd(), 8080, BIND_TCP), Ok(()));
        }
    }
}
