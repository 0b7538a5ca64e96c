//! The few calls of libc that std has no name for.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};

unsafe extern "C" {
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn ioctl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    pub fn openat(fd: c_int, path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn dup2(from: c_int, to: c_int) -> c_int;
    pub fn fork() -> c_int;
    pub fn setsid() -> c_int;
    pub fn getsid(pid: c_int) -> c_int;
    pub fn getpgid(pid: c_int) -> c_int;
    pub fn getppid() -> c_int;
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn getrlimit(resource: c_int, limit: *mut [c_ulong; 2]) -> c_int;
    pub fn setrlimit(resource: c_int, limit: *const [c_ulong; 2]) -> c_int;
    pub fn setgroups(count: usize, groups: *const c_uint) -> c_int;
    pub fn setresuid(r: c_uint, e: c_uint, s: c_uint) -> c_int;
    pub fn setresgid(r: c_uint, e: c_uint, s: c_uint) -> c_int;
    pub fn umask(mask: c_uint) -> c_uint;
    pub fn signal(number: c_int, handler: usize) -> usize;
    pub fn sigprocmask(how: c_int, set: *const [u64; 16], old: *mut [u64; 16]) -> c_int;
    pub fn sigwaitinfo(set: *const [u64; 16], info: *mut c_void) -> c_int;
    pub fn kill(pid: c_int, number: c_int) -> c_int;
    pub fn pause() -> c_int;
    pub fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut c_void) -> c_int;
    pub fn execve(
        path: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
    pub fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub static environ: *const *const c_char;
}

pub const LIMITS: &[(&str, i32)] = &[
    ("cpu", 0),
    ("fsize", 1),
    ("data", 2),
    ("stack", 3),
    ("core", 4),
    ("rss", 5),
    ("nproc", 6),
    ("nofile", 7),
    ("memlock", 8),
    ("as", 9),
    ("locks", 10),
    ("sigpending", 11),
    ("msgqueue", 12),
    ("nice", 13),
    ("rtprio", 14),
    ("rttime", 15),
];

const ERRNOS: &[(i32, &str)] = &[
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (8, "ENOEXEC"),
    (9, "EBADF"),
    (10, "ECHILD"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (26, "ETXTBSY"),
    (28, "ENOSPC"),
    (29, "ESPIPE"),
    (30, "EROFS"),
    (32, "EPIPE"),
    (38, "ENOSYS"),
    (39, "ENOTEMPTY"),
    (40, "ELOOP"),
    (88, "ENOTSOCK"),
    (92, "ENOPROTOOPT"),
    (93, "EPROTONOSUPPORT"),
    (94, "ESOCKTNOSUPPORT"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (98, "EADDRINUSE"),
    (99, "EADDRNOTAVAIL"),
    (101, "ENETUNREACH"),
    (104, "ECONNRESET"),
    (111, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
    (116, "ESTALE"),
    (126, "ENOKEY"),
];

pub fn errno_name(errno: i32) -> String {
    let known = ERRNOS.iter().find(|(number, _)| *number == errno);
    known.map_or_else(|| format!("E{errno}"), |(_, name)| (*name).to_owned())
}

pub fn last() -> String {
    errno_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The answer of a call that gives -1 on failure.
pub fn said(result: c_long) -> String {
    if result == -1 { last() } else { "ok".to_owned() }
}

pub fn answer<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => errno_name(error.raw_os_error().unwrap_or(0)),
    }
}

pub fn is_open(fd: c_int) -> bool {
    unsafe { fcntl(fd, 1) != -1 }
}

pub fn sid() -> i32 {
    unsafe { getsid(0) }
}

pub fn pgid() -> i32 {
    unsafe { getpgid(0) }
}

pub fn parent() -> i32 {
    unsafe { getppid() }
}

pub fn death_signal() -> i32 {
    let mut number: c_int = -1;
    unsafe { prctl(2, &raw mut number) };
    number
}

pub fn limit(resource: c_int) -> (String, String) {
    let mut limit = [0; 2];
    unsafe { getrlimit(resource, &raw mut limit) };
    let shown = |n: c_ulong| {
        if n == c_ulong::MAX { "unlimited".to_owned() } else { n.to_string() }
    };
    (shown(limit[0]), shown(limit[1]))
}

fn flags(mode: &str) -> c_int {
    match mode {
        "r" => 0,
        "w" => 1,
        "rw" => 2,
        "a" => 0o2001,
        "t" => 0o1001,
        // Creates, exclusively.
        "c" => 0o301,
        "d" => 0o200_000,
        "path" => 0o10_000_000,
        _ => 0,
    }
}

/// O_CLOEXEC | O_NONBLOCK: nothing is handed on, nothing blocks.
const CALM: c_int = 0o2_000_000 | 0o4000;

pub fn try_open(path: &CStr, mode: &str) -> String {
    if mode == "x" {
        return try_exec(path);
    }
    let fd = unsafe { open(path.as_ptr(), flags(mode) | CALM, 0o644) };
    let said = said(c_long::from(fd));
    if fd >= 0 {
        unsafe { close(fd) };
    }
    said
}

pub fn try_openat(fd: c_int, path: &CStr, mode: &str) -> String {
    said(c_long::from(unsafe { openat(fd, path.as_ptr(), flags(mode) | CALM, 0o644) }))
}

/// Executes a program in a child with its streams closed; the answer is how execve ended.
fn try_exec(path: &CStr) -> String {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    use std::io::{Read as _, Write as _};
    let pid = unsafe { fork() };
    if pid == 0 {
        let arguments = [path.as_ptr(), std::ptr::null()];
        unsafe {
            close(1);
            execve(path.as_ptr(), arguments.as_ptr(), environ);
        }
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let _ = (&writer).write_all(&[u8::try_from(errno).unwrap_or(255)]);
        std::process::exit(0);
    }
    drop(writer);
    let mut byte = Vec::new();
    let _ = (&reader).read_to_end(&mut byte);
    unsafe { wait4(pid, std::ptr::null_mut(), 0, std::ptr::null_mut()) };
    byte.first().map_or("ok".to_owned(), |errno| errno_name(i32::from(*errno)))
}
