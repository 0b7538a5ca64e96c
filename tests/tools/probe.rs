//! Looks at a sandbox from the inside, and prints what it finds in lines of `key value`.
//!
//! A program of its own, with no crate but std: `tests/common` compiles it with one call of rustc,
//! static, so that it runs in every root. It is a measuring instrument, not a part of sbx.

#[path = "probe/calls.rs"]
mod calls;
#[path = "probe/launch.rs"]
mod launch;
#[path = "probe/life.rs"]
mod life;
#[path = "probe/net.rs"]
mod net;
#[path = "probe/search.rs"]
mod search;
#[path = "probe/settings.rs"]
mod settings;
#[path = "probe/sys.rs"]
mod sys;

use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use sys::{answer, errno_name};

fn main() {
    let args: Vec<Vec<u8>> = std::env::args_os().map(|a| a.into_vec()).collect();
    let text: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
    let rest: Vec<&str> = text.iter().skip(2).map(String::as_str).collect();
    match text.get(1).map_or("", String::as_str) {
        "report" => report(&text),
        "search" => search::search(rest.first().copied().unwrap_or("")),
        "open" => open(&args),
        "openat" => openat(&rest),
        "reopen" => reopen(&rest),
        "syscall" => calls::all(&rest),
        "ioctl" => calls::ioctls(&rest),
        "listen" => net::listen(&rest),
        "bind" => net::bind(&rest),
        "connect" => net::connect(&rest),
        "serve" => net::serve(&rest),
        "families" => net::families(),
        "interfaces" => net::interfaces(),
        "caps" => status(&["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]),
        "mounts" => mounts(),
        "devs" => devices(Path::new("/dev")),
        "ls" => rest.iter().for_each(|path| list(path)),
        "rename" => paths(&args, "rename", |a, b| fs::rename(a, b)),
        "link" => paths(&args, "link", |a, b| fs::hard_link(a, b)),
        "exit" => std::process::exit(rest.first().and_then(|n| n.parse().ok()).unwrap_or(0)),
        "launch" => launch::launch(&args[2..]),
        "settings" => settings::settings(),
        "in-keyring" => settings::in_keyring(&rest),
        "sleep" => life::sleep(),
        "trap" => life::trap(&rest),
        "kill-group" => life::kill_group(),
        "orphan" => life::orphan(&rest),
        "signals" => status(&["SigBlk", "SigIgn", "SigCgt", "SigPnd"]),
        "keep" => life::keep(&rest),
        other => {
            eprintln!("probe: no subcommand `{other}`");
            std::process::exit(2);
        }
    }
}

/// Prints lines of /proc/self/status.
fn status(keys: &[&str]) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':').filter(|(key, _)| keys.contains(key)) {
            println!("{key} {}", value.trim().replace('\t', " "));
        }
    }
}

fn link(path: &str) -> String {
    fs::read_link(path).map_or_else(
        |error| format!("!{}", errno_name(error.raw_os_error().unwrap_or(0))),
        |target| target.display().to_string(),
    )
}

/// Everything about this process that does not depend on what a test wants to try.
fn report(args: &[String]) {
    println!("pid {}", std::process::id());
    let init = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    println!("init {}", init.trim());
    let open: Vec<String> = (0..4096).filter(|n| sys::is_open(*n)).map(|n| n.to_string()).collect();
    println!("descriptors {}", open.join(" "));
    status(&[
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Uid",
        "Gid",
        "Groups",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "Umask",
        "Cpus_allowed",
    ]);
    for name in ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup", "time"] {
        println!("ns-{name} {}", link(&format!("/proc/self/ns/{name}")));
    }
    for variable in std::env::vars_os() {
        println!("env {}={}", variable.0.display(), variable.1.display());
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    list(&home.to_string_lossy());
    println!("cwd {}", std::env::current_dir().map_or("!".into(), |p| p.display().to_string()));
    println!("session {} {} {}", sys::sid(), sys::pgid(), sys::parent());
    println!("death-signal {}", sys::death_signal());
    println!("dumpable-1 {}", answer(fs::File::open("/proc/1/environ").map(|_| 0)));
    println!("root-1 {}", link("/proc/1/root"));
    println!("host {}", fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim());
    println!("keyring {}", fs::read_to_string("/proc/keys").map_or(0, |t| t.lines().count()));
    for (name, number) in sys::LIMITS {
        let (soft, hard) = sys::limit(*number);
        println!("limit-{name} {soft} {hard}");
    }
    for argument in &args[2..] {
        println!("argument {argument}");
    }
    std::io::stdout().flush().expect("stdout takes the report");
}

fn list(path: &str) {
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut names: Vec<String> = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            println!("entries {path} [{}]", names.join(" "));
        }
        Err(error) => {
            println!("entries {path} !{}", errno_name(error.raw_os_error().unwrap_or(0)));
        }
    }
}

/// `open PATH MODE...`, for each pair a line `PATH MODE answer`. x: whether execve gets that far.
fn open(args: &[Vec<u8>]) {
    for pair in args[2..].chunks(2) {
        let [path, mode] = pair else { continue };
        let path = CString::new(path.clone()).expect("an argument has no NUL");
        let mode = String::from_utf8_lossy(mode).into_owned();
        let result = sys::try_open(&path, &mode);
        println!("open {} {mode} {result}", path.to_string_lossy());
    }
}

/// `openat FD NAME MODE`: below a descriptor that was handed in.
fn openat(args: &[&str]) {
    let [fd, name, mode] = args else { return };
    let name = CString::new(*name).expect("an argument has no NUL");
    println!("openat {}", sys::try_openat(fd.parse().expect("a number"), &name, mode));
}

/// Opens standard streams again through their names.
fn reopen(args: &[&str]) {
    for pair in args.chunks(2) {
        let [path, mode] = pair else { continue };
        let name = CString::new(*path).expect("an argument has no NUL");
        eprintln!("reopen {path} {mode} {}", sys::try_open(&name, mode));
    }
}

fn paths(args: &[Vec<u8>], what: &str, call: fn(&Path, &Path) -> std::io::Result<()>) {
    let path = |n: usize| Path::new(std::ffi::OsStr::from_bytes(&args[n]));
    println!("{what} {}", answer(call(path(2), path(3)).map(|()| 0)));
}

/// Where, options, propagation, type and options of the file system, from mountinfo.
fn mounts() {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo can be read");
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let propagation = left.get(6..).unwrap_or_default().join("+");
        let shown = if propagation.is_empty() { "private" } else { &propagation };
        println!("mount {} {} {shown} {} {}", left[4], left[5], right[0], right[2]);
    }
}

fn devices(directory: &Path) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        let meta = fs::symlink_metadata(&path).expect("an entry can be looked at");
        let kind = meta.file_type();
        let shown = path.display();
        if kind.is_symlink() {
            println!("dev {shown} link {}", link(&path.to_string_lossy()));
        } else if kind.is_dir() {
            println!("dev {shown} directory {:o}", meta.mode() & 0o7777);
            devices(&path);
        } else if kind.is_char_device() {
            let rdev = meta.rdev();
            println!("dev {shown} char {}:{}", (rdev >> 8) & 0xfff, rdev & 0xff);
        } else {
            println!("dev {shown} other");
        }
    }
}
