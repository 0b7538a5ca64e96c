//! Raw system calls. Arguments are such that nothing happens where a call gets through.

use std::ffi::{CString, c_int, c_long};

use crate::sys::{said, syscall};

const NEWUSER: c_long = 0x1000_0000;
const NEWNS: c_long = 0x0002_0000;
const SIGCHLD: c_long = 17;

/// Makes each call that is named and prints `call NAME answer`.
pub fn all(names: &[&str]) {
    for name in names {
        println!("call {name} {}", one(name));
    }
}

fn one(name: &str) -> String {
    let zero = 0 as c_long;
    let call = |number: c_long, args: [c_long; 5]| unsafe {
        said(syscall(number, args[0], args[1], args[2], args[3], args[4], 0 as c_long))
    };
    match name {
        "getpid" => call(39, [0; 5]),
        "clone-newuser" => cloned(NEWUSER | SIGCHLD),
        "clone-newns" => cloned(NEWNS | SIGCHLD),
        "clone-plain" => cloned(SIGCHLD),
        // With high bits of the register set, which the kernel ignores.
        "clone-newuser-high" => cloned((1 << 40) | NEWUSER | SIGCHLD),
        "clone3" => {
            let mut args = [0_u64; 11];
            args[0] = 0x1000_0000;
            args[4] = 17;
            match unsafe { syscall(435, args.as_ptr(), 88 as c_long) } {
                0 => std::process::exit(0),
                other => said(other),
            }
        }
        "unshare-newuser" => call(272, [NEWUSER, 0, 0, 0, 0]),
        "unshare-newns" => call(272, [NEWNS, 0, 0, 0, 0]),
        "unshare-newuser-newns" => call(272, [NEWUSER | NEWNS, 0, 0, 0, 0]),
        "setns" => call(308, [-1, 0, 0, 0, 0]),
        "mount" => call(165, [0; 5]),
        "umount2" => {
            let target = c"/tmp";
            unsafe { said(syscall(166, target.as_ptr(), 2 as c_long)) }
        }
        "pivot_root" => call(155, [0; 5]),
        "chroot" => call(161, [0; 5]),
        "open_tree" => call(428, [-100, 0, 0, 0, 0]),
        "move_mount" => call(429, [-1, 0, -1, 0, 0]),
        "fsopen" => call(430, [0; 5]),
        "mount_setattr" => call(442, [-100, 0, 0, 0, 0]),
        "keyctl" => call(250, [0, -3, 0, 0, 0]),
        "add_key" => call(248, [0; 5]),
        "request_key" => call(249, [0; 5]),
        "bpf" => call(321, [-1, 0, 0, 0, 0]),
        "io_uring_setup" => call(425, [0; 5]),
        "io_uring_enter" => call(426, [-1, 0, 0, 0, 0]),
        "perf_event_open" => call(298, [0; 5]),
        "userfaultfd" => call(323, [-1, 0, 0, 0, 0]),
        "ptrace-traceme" => call(101, [0; 5]),
        "ptrace-attach" => call(101, [16, 1, 0, 0, 0]),
        "process_vm_readv" => call(310, [1, 0, 0, 0, 0]),
        "pidfd_getfd" => call(438, [-1, 0, 0, 0, 0]),
        "kexec_load" => call(246, [0; 5]),
        "init_module" => call(175, [0; 5]),
        "finit_module" => call(313, [-1, 0, 0, 0, 0]),
        "delete_module" => call(176, [0; 5]),
        "reboot" => call(169, [0; 5]),
        "swapon" => call(167, [0; 5]),
        "acct" => call(163, [0; 5]),
        "settimeofday" => call(164, [0; 5]),
        "clock_settime" => call(227, [-1, 0, 0, 0, 0]),
        "sethostname" => call(170, [0, 300, 0, 0, 0]),
        "modify_ldt" => call(154, [-1, 0, 0, 0, 0]),
        "iopl" => call(172, [9, 0, 0, 0, 0]),
        "ioperm" => call(173, [0, 1 << 40, 1, 0, 0]),
        "personality" => call(135, [0x0004_0000, 0, 0, 0, 0]),
        "quotactl" => call(179, [-1, 0, 0, 0, 0]),
        "syslog" => call(103, [3, 0, 0, 0, 0]),
        "lookup_dcookie" => call(212, [0; 5]),
        "open_by_handle_at" => call(304, [-100, 0, 0, 0, 0]),
        "name_to_handle_at" => call(303, [-100, 0, 0, 0, 0]),
        "fanotify_init" => call(300, [-1, 0, 0, 0, 0]),
        "seccomp" => call(317, [-1, 0, 0, 0, 0]),
        "mknod-char" => {
            let path = c"/tmp/node";
            unsafe { said(syscall(133, path.as_ptr(), 0o20666 as c_long, 0x103 as c_long)) }
        }
        "setuid-0" => call(105, [0; 5]),
        "chmod-setuid" => {
            std::fs::write("/tmp/setuid", b"x").expect("/tmp can be written");
            let path = c"/tmp/setuid";
            unsafe { said(syscall(90, path.as_ptr(), 0o4755 as c_long)) }
        }
        "unknown" => call(9999, [zero; 5]),
        "x32-getpid" => call(0x4000_0000 + 39, [0; 5]),
        "i386-getpid" => i386_getpid(),
        other => match other.split_once(':') {
            Some(("umount", path)) => umount(path),
            Some(("make-writable", path)) => make_writable(path),
            _ => format!("?{other}"),
        },
    }
}

/// Takes a mount off, whatever lies on it. EINVAL: it is locked, or none.
fn umount(path: &str) -> String {
    const MNT_DETACH: c_long = 2;
    let path = CString::new(path).expect("an argument has no NUL");
    unsafe { said(syscall(166, path.as_ptr(), MNT_DETACH)) }
}

/// Clears the read-only flag of a mount, and keeps the others. EPERM: it is locked.
fn make_writable(path: &str) -> String {
    const REMOUNT_BIND_NOSUID_NODEV: c_long = 0x20 | 0x1000 | 0x2 | 0x4;
    let (path, nothing) = (CString::new(path).expect("an argument has no NUL"), c"".as_ptr());
    unsafe {
        said(syscall(165, nothing, path.as_ptr(), nothing, REMOUNT_BIND_NOSUID_NODEV, nothing))
    }
}

fn cloned(flags: c_long) -> String {
    match unsafe { syscall(56, flags, 0 as c_long, 0 as c_long, 0 as c_long, 0 as c_long) } {
        0 => std::process::exit(0),
        other => said(other),
    }
}

/// getpid by the table of i386: `int 0x80` with number 20.
fn i386_getpid() -> String {
    let result: u64;
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_u64 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    if result == 0_u64.wrapping_sub(38) { "ENOSYS".to_owned() } else { "ok".to_owned() }
}

/// `ioctl FD NAME...`: TIOCSTI would type into the terminal, TIOCLINUX paste, TIOCSCTTY take it,
/// TIOCSETD change what reads it, TIOCEXCL shut others out, TIOCCONS redirect the console, TIOCVHANGUP
/// hang up.
/// With `+high`, bit 32 of the command is set, which the kernel does not look at.
pub fn ioctls(args: &[&str]) {
    let fd: c_int = args.first().and_then(|n| n.parse().ok()).unwrap_or(0);
    for name in args.iter().skip(1) {
        let (plain, high) = match name.strip_suffix("+high") {
            Some(plain) => (plain, 1_u64 << 32),
            None => (*name, 0),
        };
        let number: u64 = match plain {
            "TIOCSTI" => 0x5412,
            "TIOCLINUX" => 0x541c,
            "TIOCSCTTY" => 0x540e,
            "TIOCSETD" => 0x5423,
            "TIOCEXCL" => 0x540c,
            "TIOCCONS" => 0x541d,
            "TIOCSSERIAL" => 0x541f,
            "TIOCVHANGUP" => 0x5437,
            "TCGETS" => 0x5401,
            "TIOCGWINSZ" => 0x5413,
            "FIONREAD" => 0x541b,
            other => panic!("no ioctl {other}"),
        };
        let mut buffer = [b'#'; 256];
        let said = unsafe {
            said(syscall(16, c_long::from(fd), (number | high) as c_long, buffer.as_mut_ptr()))
        };
        println!("ioctl {name} {said}");
    }
}
