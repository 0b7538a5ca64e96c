//! Wipes the caller's arguments and environment from this process's memory.
//!
//! A payload in a sandbox that shares the pid namespace, or a core dump, must not show the caller's
//! secrets; and `/proc/pid/environ` shows the initial strings even after `unsetenv` (proc(5)).
//!
//! The kernel lays the start of the stack out as (System V ABI, "Initial Stack and Register
//! State"), upwards: `argc`, `argv[0..argc]`, NULL, `envp[..]`, NULL, auxiliary vector, padding,
//! random bytes, all strings, the program's path. libc's `environ` points at `envp[0]` until
//! somebody changes the environment.

use std::ffi::{CStr, c_char, c_ulong};
use std::ptr;
use std::sync::atomic::AtomicPtr;

use super::spawn::single_threaded;
use super::{Errno, Result};

unsafe extern "C" {
    /// environ(7); the `libc` crate has it for glibc only.
    static mut environ: *mut *mut c_char;
}

/// An environment without names: its only entry is the final NULL.
static NO_ENVIRONMENT: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

/// More entries than the kernel accepts (a third of 6 MiB of pointers): a bound for walking.
const ENTRIES_MAX: usize = 1 << 20;

/// **\[parent\]** Zeroes the strings of arguments and environment in place and returns how many
/// bytes; environ(7).
///
/// Afterwards the process has no environment, and of its arguments only `name` in place of the
/// first, if it fits. Read everything needed before: `std::env` sees empty strings from then on. No
/// `/proc` is needed.
///
/// # Errors
///
/// EDEADLK outside the main thread or when others exist (they may be reading the environment);
/// EOPNOTSUPP when the memory is not laid out as expected, for example after a change of the
/// environment. Then nothing was written.
pub(crate) fn overwrite_process_strings(name: &[u8]) -> Result<usize> {
    if rustix::thread::gettid() != rustix::process::getpid() || !single_threaded()? {
        return Err(Errno::DEADLK);
    }
    let argc = std::env::args_os().count();
    let area = Area::verified(argc)?;
    let mut bytes: usize = 0;
    for index in 0..area.argc {
        let first = index == 0;
        bytes = bytes.saturating_add(area.wipe(area.argv(), index, if first { name } else { b"" }));
    }
    for index in 0..area.envc {
        bytes = bytes.saturating_add(area.wipe(area.envp, index, b""));
    }
    // SAFETY: this is the only thread, so nobody reads the pointer meanwhile; the new value points
    // at a static.
    unsafe { environ = NO_ENVIRONMENT.as_ptr() };
    Ok(bytes)
}

/// The initial stack after every word and pointer of it was checked.
struct Area {
    envp: *mut *mut c_char,
    argc: usize,
    envc: usize,
}

impl Area {
    fn verified(argc: usize) -> Result<Self> {
        // SAFETY: this is the only thread, so nobody writes the pointer meanwhile.
        let envp = unsafe { environ };
        // What lies between a local variable of the main thread and the program's path, the last
        // string, is all of one mapping: the main stack. Everything read below must lie there.
        let local = 0_u8;
        let bottom = (&raw const local).addr();
        let top = auxiliary(libc::AT_EXECFN)?;
        let random = auxiliary(libc::AT_RANDOM)?; // lies above the vectors and below the strings
        let word = size_of::<usize>();
        let back = argc.checked_add(2).and_then(|words| words.checked_mul(word));
        let first = back.and_then(|back| envp.addr().checked_sub(back)).ok_or(Errno::OPNOTSUPP)?;
        if argc > ENTRIES_MAX
            || !envp.is_aligned()
            || !(bottom < first && envp.addr() < random && random < top)
        {
            return Err(Errno::OPNOTSUPP);
        }
        let mut area = Self { envp, argc, envc: 0 };
        let argv = area.argv();
        // The words before and behind argv: its length and its final NULL.
        if area.word(argv.wrapping_sub(1)).addr() != argc
            || !area.word(argv.wrapping_add(argc)).is_null()
        {
            return Err(Errno::OPNOTSUPP);
        }
        for index in 0..argc {
            area.check_string(argv.wrapping_add(index), random, top)?;
        }
        loop {
            let slot = envp.wrapping_add(area.envc);
            if slot.addr() >= random || area.envc >= ENTRIES_MAX {
                return Err(Errno::OPNOTSUPP);
            }
            if area.word(slot).is_null() {
                return Ok(area);
            }
            area.check_string(slot, random, top)?;
            area.envc = area.envc.saturating_add(1);
        }
    }

    /// Returns where argv begins: `argc` pointers and a NULL before envp.
    fn argv(&self) -> *mut *mut c_char {
        self.envp.wrapping_sub(self.argc.saturating_add(1))
    }

    /// Reads one pointer of the vectors.
    fn word(&self, slot: *mut *mut c_char) -> *mut c_char {
        // SAFETY: `verified` has placed `slot` between the stack pointer and the random bytes of
        // the main stack, which the kernel mapped for the life of the process; it is aligned
        // because envp is.
        unsafe { slot.read() }
    }

    /// Refuses a string that does not lie in the string area.
    fn check_string(&self, slot: *mut *mut c_char, low: usize, high: usize) -> Result<()> {
        let start = self.word(slot).addr();
        if low < start && start < high { Ok(()) } else { Err(Errno::OPNOTSUPP) }
    }

    /// Zeroes the string behind one slot, except for `keep` at its start if that fits, and returns
    /// its length.
    fn wipe(&self, vector: *mut *mut c_char, index: usize, keep: &[u8]) -> usize {
        let start = self.word(vector.wrapping_add(index));
        // SAFETY: `verified` has placed the string inside the kernel's string area, which ends in
        // the program's path and its NUL, so a NUL is found inside the mapping; the borrow ends in
        // this statement.
        let length = unsafe { CStr::from_ptr(start) }.count_bytes();
        let bytes = start.cast::<u8>();
        // SAFETY: these are the `length` bytes counted above, writable memory of the main stack
        // that only C strings handed out by libc could point into; this is the only thread, and std
        // copies what it returns.
        unsafe { bytes.write_bytes(0, length) };
        if keep.len() <= length {
            // SAFETY: `keep` is borrowed for the call, at most `length` bytes long, and is no part
            // of the stack's string area, of which no Rust reference exists.
            unsafe { bytes.copy_from_nonoverlapping(keep.as_ptr(), keep.len()) };
        }
        length
    }
}

/// Returns one address of the auxiliary vector; getauxval(3), kept in libc's own memory.
fn auxiliary(kind: c_ulong) -> Result<usize> {
    // SAFETY: getauxval takes an integer and only reads the vector that the kernel gave to this
    // process.
    let value = unsafe { libc::getauxval(kind) };
    match usize::try_from(value) {
        Ok(address) if address != 0 => Ok(address),
        _ => Err(Errno::OPNOTSUPP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The harness runs tests beside its main thread; `tests/` holds the program that wipes itself.
    #[test]
    fn a_process_with_threads_is_left_alone() {
        std::thread::spawn(|| assert_eq!(overwrite_process_strings(b"sbx"), Err(Errno::DEADLK)))
            .join()
            .unwrap();
    }
}
