//! Capabilities, securebits, no_new_privs; capabilities(7).
//!
//! Sets are 64-bit masks, bit n for capability n, so that numbers newer than any crate's enum pass
//! through.

use rustix::process::Pid;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::{Errno, Result};

/// The three sets of capget(2), bit n for capability n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CapSets {
    /// What the kernel checks.
    pub(crate) effective: u64,
    /// What may become effective.
    pub(crate) permitted: u64,
    /// What may pass execve(2), together with file or ambient sets.
    pub(crate) inheritable: u64,
}

/// This thread, for calls that take a pid.
const SELF: Option<Pid> = None;

/// Returns the sets of this thread; capget(2), version 3 since Linux 2.6.26.
pub(crate) fn capget() -> Result<CapSets> {
    rustix::thread::capabilities(SELF).map(|sets| CapSets {
        effective: sets.effective.bits(),
        permitted: sets.permitted.bits(),
        inheritable: sets.inheritable.bits(),
    })
}

/// Sets the sets of this thread; capset(2), version 3 since Linux 2.6.26.
pub(crate) fn capset(sets: &CapSets) -> Result<()> {
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(sets.effective),
        permitted: CapabilitySet::from_bits_retain(sets.permitted),
        inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
    };
    rustix::thread::set_capabilities(SELF, sets)
}

/// Drops one capability from the bounding set for good; prctl(2) `PR_CAPBSET_DROP`, since Linux
/// 2.6.25.
///
/// # Errors
///
/// EINVAL beyond the kernel's last capability, EPERM without `CAP_SETPCAP`.
pub(crate) fn bounding_drop(capability: u32) -> Result<()> {
    rustix::thread::remove_capability_from_bounding_set(single(capability)?)
}

/// Returns whether one capability is in the bounding set; prctl(2) `PR_CAPBSET_READ`, since Linux
/// 2.6.25.
///
/// # Errors
///
/// EINVAL beyond the kernel's last capability, which is how the last one is found.
pub(crate) fn bounding_has(capability: u32) -> Result<bool> {
    rustix::thread::capability_is_in_bounding_set(single(capability)?)
}

/// Empties the ambient set; prctl(2) `PR_CAP_AMBIENT_CLEAR_ALL`, since Linux 4.3.
pub(crate) fn ambient_clear() -> Result<()> {
    rustix::thread::clear_ambient_capability_set()
}

/// Adds a capability that is permitted and inheritable to the ambient set; `PR_CAP_AMBIENT_RAISE`,
/// since Linux 4.3.
pub(crate) fn ambient_raise(capability: u32) -> Result<()> {
    rustix::thread::configure_capability_in_ambient_set(single(capability)?, true)
}

/// Sets whether permitted capabilities survive a change from root; prctl(2) `PR_SET_KEEPCAPS`,
/// since Linux 2.2.18.
pub(crate) fn set_keepcaps(keep: bool) -> Result<()> {
    rustix::thread::set_keep_capabilities(keep)
}

/// Sets the securebits; prctl(2) `PR_SET_SECUREBITS`, since Linux 2.6.26.
pub(crate) fn set_securebits(bits: u32) -> Result<()> {
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::from_bits_retain(bits))
}

/// Gives up all gain of privilege by execve for good; prctl(2) `PR_SET_NO_NEW_PRIVS`, since Linux
/// 3.5.
pub(crate) fn set_no_new_privs() -> Result<()> {
    rustix::thread::set_no_new_privs(true)
}

fn single(capability: u32) -> Result<CapabilitySet> {
    1_u64.checked_shl(capability).map(CapabilitySet::from_bits_retain).ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::super::ident;
    use super::super::spawn::tests::run_in_child;
    use super::*;

    #[test]
    fn the_sets_can_be_set_to_what_they_are() {
        let sets = capget().unwrap();
        assert_eq!(sets.effective & !sets.permitted, 0);
        assert_eq!(capset(&sets), Ok(()));
        assert_eq!(capget(), Ok(sets));
    }

    #[test]
    fn the_last_capability_is_found_by_einval() {
        let last = (0..64).take_while(|number| bounding_has(*number).is_ok()).count();
        assert!((38..64).contains(&last), "{last}");
        assert_eq!(bounding_has(63), Err(Errno::INVAL));
        assert_eq!(bounding_has(64), Err(Errno::INVAL));
    }

    #[test]
    fn the_ambient_set_is_empty_after_clearing() {
        const CHOWN: u32 = 0;
        let is_ambient = || rustix::thread::capability_is_in_ambient_set(CapabilitySet::CHOWN);
        let raise = || {
            // In a user namespace of its own every process has something to raise.
            ident::unshare(libc::CLONE_NEWUSER as u64)?;
            let sets = capget()?;
            capset(&CapSets { inheritable: sets.permitted, ..sets })?;
            ambient_raise(CHOWN)
        };
        let code = run_in_child(|| {
            if raise().is_err() || is_ambient() != Ok(true) {
                return 1;
            }
            if ambient_clear().is_err() || is_ambient() != Ok(false) {
                return 2;
            }
            0
        });
        assert_eq!(code, 0, "1: nothing could be raised; 2: it was not cleared");
    }

    #[test]
    fn no_new_privs_holds_for_the_thread_that_sets_it() {
        std::thread::spawn(|| {
            set_no_new_privs().unwrap();
            assert_eq!(rustix::thread::no_new_privs(), Ok(true));
        })
        .join()
        .unwrap();
    }
}
