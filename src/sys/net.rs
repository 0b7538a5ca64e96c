//! The loopback device of a new network namespace.

use rustix::ioctl::{Opcode, Setter};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::Result;

/// `SIOCSIFFLAGS`, an old-style number without a size; netdevice(7).
const SET_FLAGS: Opcode = 0x8914;
const UP: u16 = 0x1;
const RUNNING: u16 = 0x40;

/// `struct ifreq` with its flags member: 40 bytes on 64-bit machines.
#[repr(C)]
struct InterfaceFlags {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Switches the device `lo` on; netdevice(7) `SIOCSIFFLAGS`, any kernel.
///
/// # Errors
///
/// EAFNOSUPPORT without IPv4, EPERM without `CAP_NET_ADMIN` over the network namespace.
pub(crate) fn loopback_up() -> Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let request = InterfaceFlags {
        name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        flags: UP | RUNNING,
        rest: [0; 22],
    };
    // SAFETY: SIOCSIFFLAGS reads a struct ifreq, which `InterfaceFlags` has the size and layout of.
    let call = unsafe { Setter::<SET_FLAGS, InterfaceFlags>::new(request) };
    // SAFETY: `call` owns the structure for the length of the call; the kernel copies it and writes
    // nothing.
    unsafe { rustix::ioctl::ioctl(&socket, call) }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::super::spawn::tests::run_in_child;
    use super::super::{Errno, ident};
    use super::*;

    #[test]
    fn the_structure_has_the_length_of_the_kernel() {
        assert_eq!(size_of::<InterfaceFlags>(), 40);
    }

    /// Looks for a way to 127.0.0.1, and sends nothing.
    fn reach_loopback() -> Result<()> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9))
    }

    #[test]
    fn loopback_comes_up_in_a_namespace_of_its_own() {
        const NO_NAMESPACE: i32 = 77;
        const WAS_UP: i32 = 78;
        let code = run_in_child(|| {
            let flags = (libc::CLONE_NEWUSER | libc::CLONE_NEWNET) as u64;
            if ident::unshare(flags).is_err() {
                return NO_NAMESPACE;
            }
            if reach_loopback() != Err(Errno::NETUNREACH) {
                return WAS_UP;
            }
            loopback_up().and_then(|()| reach_loopback()).map_or_else(Errno::raw_os_error, |()| 0)
        });
        assert_ne!(code, NO_NAMESPACE, "this test needs user namespaces");
        assert_eq!(code, 0);
    }
}
