//! Files of /proc that sbx itself reads and writes: id maps, settings, how a process ended.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{CWD, OFlags, ResolveFlags};

use super::image::MapTexts;
use super::mounting::STRICT;
use crate::sys::{Errno, Result, mount};

/// PROC_SUPER_MAGIC of statfs(2).
pub(super) const PROC_MAGIC: u64 = 0x9fa0;
/// The flag of a process that never executed a program (PF_FORKNOEXEC, `flags` of
/// proc_pid_stat(5)).
const PF_FORKNOEXEC: u64 = 0x40;

/// Opens /proc, and makes sure that it is what it should be (runc CVE-2019-16884).
fn proc() -> Result<OwnedFd> {
    let proc = mount::openat2(CWD, c"/proc", OFlags::PATH | OFlags::DIRECTORY, 0, STRICT)?;
    if mount::fs_magic(proc.as_fd())? == PROC_MAGIC { Ok(proc) } else { Err(Errno::INVAL) }
}

/// Opens a file of it.
fn open(proc: &OwnedFd, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    mount::openat2(proc.as_fd(), path, flags, 0, inside)
}

fn write(proc: &OwnedFd, path: &CStr, text: &[u8]) -> Result<()> {
    mount::write_all(open(proc, path, OFlags::WRONLY)?.as_fd(), text)
}

/// Writes a file of /proc.
pub(super) fn write_file(path: &CStr, text: &[u8]) -> Result<()> {
    write(&proc()?, path, text)
}

/// Maps the own ids alone. setgroups(2) is denied before the group map is written: else dropping
/// a group could give access (CVE-2014-8989, user_namespaces(7)).
pub(super) fn map_own_ids(maps: &MapTexts) -> Result<()> {
    let proc = proc()?;
    write(&proc, c"self/setgroups", b"deny")?;
    write(&proc, c"self/uid_map", maps.users.to_bytes())?;
    write(&proc, c"self/gid_map", maps.groups.to_bytes())
}

/// Writes the id maps of a child. Its number cannot mean another process: it is not waited for
/// before it ended.
pub(super) fn map_ids_of(pid: i32, maps: &MapTexts) -> Result<()> {
    let proc = proc()?;
    let mut path = PidPath::new(pid);
    write(&proc, path.with(b"/uid_map")?, maps.users.to_bytes())?;
    write(&proc, path.with(b"/gid_map")?, maps.groups.to_bytes())
}

/// Says whether a process that ended ever executed a program.
pub(super) fn has_executed(pid: i32) -> Result<bool> {
    let mut path = PidPath::new(pid);
    let file = open(&proc()?, path.with(b"/stat")?, OFlags::RDONLY)?;
    let mut buffer = [0; 512];
    let length = rustix::io::read(&file, &mut buffer)?;
    let text = buffer.get(..length).unwrap_or_default();
    // The name in brackets may hold anything; fields are counted from behind it.
    let after = text.iter().rposition(|byte| *byte == b')').and_then(|at| text.get(at + 2..));
    let flags = after.unwrap_or_default().split(|byte| *byte == b' ').nth(6).unwrap_or_default();
    let number =
        |sum: u64, byte: &u8| sum.wrapping_mul(10).wrapping_add(u64::from(byte.wrapping_sub(b'0')));
    Ok(flags.iter().fold(0, number) & PF_FORKNOEXEC == 0)
}

/// A path below /proc of a process, made without allocating.
struct PidPath {
    digits: [u8; 11],
    start: usize,
    buffer: [u8; 32],
}

impl PidPath {
    fn new(pid: i32) -> Self {
        let mut digits = [b'0'; 11];
        let mut start = digits.len();
        let mut rest = pid.unsigned_abs();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            start = at;
            if rest == 0 {
                break;
            }
        }
        Self { digits, start, buffer: [0; 32] }
    }

    fn with(&mut self, name: &[u8]) -> Result<&std::ffi::CStr> {
        let digits = self.digits.get(self.start..).unwrap_or_default();
        let bytes = digits.iter().chain(name).chain(std::iter::once(&0));
        if digits.len() + name.len() + 1 > self.buffer.len() {
            return Err(Errno::NAMETOOLONG);
        }
        self.buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        std::ffi::CStr::from_bytes_until_nul(&self.buffer).map_err(|_no_nul| Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_process_is_made_without_allocating() {
        assert_eq!(
            PidPath::new(2).with(b"/uid_map").map(|p| p.to_bytes().to_vec()),
            Ok(b"2/uid_map".to_vec())
        );
        assert_eq!(
            PidPath::new(40_321).with(b"/stat").map(|p| p.to_bytes().to_vec()),
            Ok(b"40321/stat".to_vec())
        );
    }
}
