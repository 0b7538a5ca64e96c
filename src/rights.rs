//! Landlock's rights: which there are, and which a grant comes to (landlock(7)).
//!
//! The names and their ABI versions come from the crate of Landlock's author; this file is the
//! only one that names it.

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope, make_bitflags};

/// The highest ABI whose rights sbx knows how to give.
pub const HIGHEST_ABI: u32 = 9;

/// Binding a TCP port (since ABI 4, Linux 6.7).
pub const BIND_TCP: u64 = AccessNet::BindTcp as u64;
/// Connecting to a TCP port (since ABI 4, Linux 6.7).
pub const CONNECT_TCP: u64 = AccessNet::ConnectTcp as u64;
/// Connecting to abstract sockets outside the domain (since ABI 6, Linux 6.12).
pub const SCOPE_ABSTRACT_SOCKET: u64 = Scope::AbstractUnixSocket as u64;
/// Signalling processes outside the domain (since ABI 6, Linux 6.12).
pub const SCOPE_SIGNAL: u64 = Scope::Signal as u64;

fn version(abi: u32) -> ABI {
    ABI::from(i32::try_from(abi.min(HIGHEST_ABI)).unwrap_or(0))
}

/// Returns every right on files that an ABI can handle.
pub fn all_fs(abi: u32) -> u64 {
    AccessFs::from_all(version(abi)).bits()
}

/// Returns every scope that an ABI can handle.
pub fn all_scopes(abi: u32) -> u64 {
    Scope::from_all(version(abi)).bits()
}

/// Returns the rights of a grant: reading, with writing and executing where it has them.
pub fn grant(abi: u32, writes: bool, executes: bool) -> u64 {
    let mut rights = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    if writes {
        rights |= make_bitflags!(AccessFs::{
            WriteFile | Truncate | Refer | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSym
                | MakeFifo | MakeSock | ResolveUnix
        });
    }
    if executes {
        rights |= AccessFs::Execute;
    }
    rights.bits() & all_fs(abi)
}

/// Returns the right to list directories and no more.
pub fn list() -> u64 {
    BitFlags::from(AccessFs::ReadDir).bits()
}

/// Returns the rights on devices that sbx put into `/dev`.
pub fn device(abi: u32) -> u64 {
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | IoctlDev}).bits()
        & all_fs(abi)
}

/// Returns the rights on `/proc`: its files may be written as far as the kernel lets them.
pub fn proc(abi: u32) -> u64 {
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate}).bits() & all_fs(abi)
}

/// Returns what a rule on something other than a directory may say of a set of rights.
pub fn of_file(rights: u64, abi: u32) -> u64 {
    rights & AccessFs::from_file(version(abi)).bits()
}

/// The right to read a file's contents.
pub const READ_FILE: u64 = AccessFs::ReadFile as u64;
/// The right to write a file's contents.
pub const WRITE_FILE: u64 = AccessFs::WriteFile as u64;
/// The right to control a device (since ABI 5, Linux 6.10).
pub const IOCTL_DEV: u64 = AccessFs::IoctlDev as u64;
/// The right to cut a file (since ABI 3, Linux 6.2).
pub const TRUNCATE: u64 = AccessFs::Truncate as u64;

const FS: [(&str, AccessFs); 17] = [
    ("execute", AccessFs::Execute),
    ("write-file", AccessFs::WriteFile),
    ("read-file", AccessFs::ReadFile),
    ("read-dir", AccessFs::ReadDir),
    ("remove-dir", AccessFs::RemoveDir),
    ("remove-file", AccessFs::RemoveFile),
    ("make-char", AccessFs::MakeChar),
    ("make-dir", AccessFs::MakeDir),
    ("make-reg", AccessFs::MakeReg),
    ("make-sock", AccessFs::MakeSock),
    ("make-fifo", AccessFs::MakeFifo),
    ("make-block", AccessFs::MakeBlock),
    ("make-sym", AccessFs::MakeSym),
    ("refer", AccessFs::Refer),
    ("truncate", AccessFs::Truncate),
    ("ioctl-dev", AccessFs::IoctlDev),
    ("resolve-unix", AccessFs::ResolveUnix),
];

fn join(held: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = held.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// Returns the names of rights on files; the usual sets have a short one.
pub fn fs_names(rights: u64) -> String {
    let write = grant(HIGHEST_ABI, true, false) & !grant(HIGHEST_ABI, false, false);
    let read = grant(HIGHEST_ABI, false, false);
    let mut short = Vec::new();
    let mut rest = rights;
    if rights & read == read {
        short.push("read");
        rest &= !read;
    }
    // A kernel that lacks the newest rights still gives "write".
    let oldest_write = write & all_fs(1);
    if rights & oldest_write == oldest_write {
        short.push("write");
        rest &= !write;
    }
    let others = FS.iter().filter(|(_, right)| rest & (*right as u64) != 0).map(|(name, _)| *name);
    join(short.into_iter().chain(others))
}

/// Returns the names of rights on ports.
pub fn net_names(rights: u64) -> String {
    let all = [("bind", BIND_TCP), ("connect", CONNECT_TCP)];
    join(all.into_iter().filter(|(_, bit)| rights & bit != 0).map(|(name, _)| name))
}

/// Returns the names of scopes.
pub fn scope_names(scopes: u64) -> String {
    let all = [("signal", SCOPE_SIGNAL), ("abstract-socket", SCOPE_ABSTRACT_SOCKET)];
    join(all.into_iter().filter(|(_, bit)| scopes & bit != 0).map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_never_has_more_than_the_abi() {
        for abi in 0..=HIGHEST_ABI {
            assert_eq!(grant(abi, true, true) & !all_fs(abi), 0, "ABI {abi}");
        }
        assert_eq!(grant(0, true, true), 0);
    }

    #[test]
    fn device_nodes_cannot_be_made_by_a_write_grant() {
        let made = AccessFs::MakeChar as u64 | AccessFs::MakeBlock as u64;
        assert_eq!(grant(HIGHEST_ABI, true, true) & made, 0);
    }

    #[test]
    fn usual_sets_have_short_names() {
        assert_eq!(fs_names(grant(7, false, true)), "read,execute");
        assert_eq!(fs_names(grant(7, true, false)), "read,write");
        assert_eq!(fs_names(list()), "read-dir");
    }
}
