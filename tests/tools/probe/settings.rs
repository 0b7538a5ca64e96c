//! Settings that the kernel tells by calls of their own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::sys;

/// Prints what is asked for by `settings`.
pub fn settings() {
    // PR_GET_SECUREBITS.
    println!("securebits {}", unsafe { sys::prctl(27) });
    // KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING, none made.
    let id = unsafe { sys::syscall(250, 0_i64, -3_i64, 0_i64, 0_i64, 0_i64) };
    println!("keyring {}", if id == -1 { sys::last() } else { id.to_string() });
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    println!("uptime {}", uptime.split('.').next().unwrap_or_default());
    let domain = fs::read_to_string("/proc/sys/kernel/domainname").unwrap_or_default();
    println!("domain {}", domain.trim());
}

/// `in-keyring PROGRAM ARG...`: begins a session keyring, and becomes a program that has it.
pub fn in_keyring(args: &[&str]) {
    // KEYCTL_JOIN_SESSION_KEYRING, without a name. Without keyrings there is none to hand on.
    unsafe { sys::syscall(250, 1_i64, 0_i64, 0_i64, 0_i64, 0_i64) };
    let error = Command::new(args[0]).args(&args[1..]).exec();
    eprintln!("probe in-keyring: {error}");
    std::process::exit(99);
}
