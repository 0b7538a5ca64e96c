//! Starts a program as another user and from a state that no program should inherit.
//!
//! `launch OPTION... -- PROGRAM ARG...`; the program takes this process's place.

use std::ffi::{CString, c_uint};

use crate::sys;

fn number(text: &[u8]) -> c_uint {
    String::from_utf8_lossy(text).parse().expect("a number")
}

fn check(what: &str, result: i32) {
    if result == -1 {
        eprintln!("probe launch: {what}: {}", sys::last());
        std::process::exit(99);
    }
}

pub fn launch(args: &[Vec<u8>]) {
    let end = args.iter().position(|a| a == b"--").expect("launch OPTION... -- PROGRAM");
    let (options, program) = (&args[..end], &args[end + 1..]);
    let mut ids = None;
    let mut groups: Vec<c_uint> = Vec::new();
    for option in options {
        let at = option.iter().position(|b| *b == b'=').unwrap_or(option.len());
        let (name, value) = (&option[..at], option.get(at + 1..).unwrap_or_default());
        match name {
            b"uid" => ids = Some((number(value), ids.map_or(0, |(_, gid)| gid))),
            b"gid" => ids = Some((ids.map_or(0, |(uid, _)| uid), number(value))),
            b"group" => groups.push(number(value)),
            b"fd" => descriptor(value),
            b"close" => check("close", unsafe { sys::close(number(value) as i32) }),
            b"umask" => {
                let mask = u32::from_str_radix(&String::from_utf8_lossy(value), 8);
                unsafe { sys::umask(mask.expect("octal")) };
            }
            b"ignore" => {
                unsafe { sys::signal(number(value) as i32, 1) };
            }
            b"spoil-signals" => spoil_signals(),
            b"limit" => limit(value),
            b"rmdir" => {
                let path = String::from_utf8_lossy(value).into_owned();
                std::fs::remove_dir(path).expect("an empty directory");
            }
            b"new-session" => check("setsid", unsafe { sys::setsid() }),
            other => panic!("launch: no option {}", String::from_utf8_lossy(other)),
        }
    }
    if let Some((uid, gid)) = ids {
        check("setgroups", unsafe { sys::setgroups(groups.len(), groups.as_ptr()) });
        check("setresgid", unsafe { sys::setresgid(gid, gid, gid) });
        check("setresuid", unsafe { sys::setresuid(uid, uid, uid) });
    }
    let words: Vec<CString> =
        program.iter().map(|word| CString::new(word.clone()).expect("no NUL")).collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    unsafe { sys::execve(pointers[0], pointers.as_ptr(), sys::environ) };
    check("execve", -1);
}

/// `N:MODE:PATH`: opens a file under a number.
fn descriptor(value: &[u8]) {
    let text = String::from_utf8_lossy(value).into_owned();
    let mut parts = text.splitn(3, ':');
    let mut part = || parts.next().expect("N:MODE:PATH");
    let (to, mode, path) = (part(), part(), part());
    let to: i32 = to.parse().expect("a number");
    let path = CString::new(path).expect("no NUL");
    let flags = match mode {
        "r" => 0,
        "w" => 0o1 | 0o100,
        "a" => 0o1 | 0o100 | 0o2000,
        "rw" => 0o2 | 0o100,
        "memfd" => 0,
        "dir" => 0o200_000,
        "path" => 0o10_000_000,
        other => panic!("mode {other}"),
    };
    let fd = match mode {
        "memfd" => unsafe { sys::memfd_create(path.as_ptr(), 0) },
        _ => unsafe { sys::open(path.as_ptr(), flags, 0o644) },
    };
    check(&format!("open {text}"), fd);
    if fd != to {
        check("dup2", unsafe { sys::dup2(fd, to) });
        unsafe { sys::close(fd) };
    }
}

/// Ignores and blocks every signal that can be.
fn spoil_signals() {
    for number in 1..=64 {
        unsafe { sys::signal(number, 1) };
    }
    let all = [u64::MAX; 16];
    check("sigprocmask", unsafe { sys::sigprocmask(2, &raw const all, std::ptr::null_mut()) });
}

/// `NAME:SOFT:HARD`.
fn limit(value: &[u8]) {
    let text = String::from_utf8_lossy(value).into_owned();
    let parts: Vec<&str> = text.split(':').collect();
    let known = sys::LIMITS.iter().find(|(name, _)| *name == parts[0]).expect("a limit");
    let pair = [parts[1].parse().expect("soft"), parts[2].parse().expect("hard")];
    check("setrlimit", unsafe { sys::setrlimit(known.1, &raw const pair) });
}
