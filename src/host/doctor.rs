//! What this machine can enforce: what can be tried is tried, and what does not work comes with
//! its cause and a remedy.

use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{CWD, OFlags, ResolveFlags};
use serde::Serialize;

use crate::plan::Namespace;
use crate::rights;
use crate::sys::mount::MountAttr;
use crate::sys::spawn::{Forked, WaitStatus};
use crate::sys::{Errno, Result, ident, landlock, mount, net, seccomp, spawn};

/// How far something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Works,
    /// It works in part; sandboxes start, with less.
    Partly,
    /// It does not work; a sandbox that needs it does not start.
    Missing,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How far it works.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

fn works(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, state: State::Works, found: found.into(), remedy: None }
}

fn missing(name: &'static str, found: String, remedy: String) -> Check {
    Check { name, state: State::Missing, found, remedy: Some(remedy) }
}

/// Returns what came of trying something without which no sandbox starts.
fn needed(name: &'static str, tried: Result<()>, what: &str, remedy: &str) -> Check {
    match tried {
        Ok(()) => works(name, ""),
        Err(_refused) if is_inside_sbx() => {
            let (cause, remedy) = INSIDE_SBX;
            missing(name, cause.to_owned(), remedy.to_owned())
        }
        Err(errno) => {
            let errno = crate::sys::describe(errno.raw_os_error());
            missing(name, format!("{what}: {errno}"), remedy.to_owned())
        }
    }
}

/// Tries everything.
pub fn checks() -> Vec<Check> {
    let mut all = vec![namespace_check("user namespace", Namespace::User, || Ok(()))];
    if all.iter().all(|check| check.state == State::Works) {
        all.push(namespace_check("mounts in a user namespace", Namespace::Mount, || {
            mount::mount_setattr_at(CWD, c"/", true, &MountAttr::slave())
        }));
        all.push(namespace_check("network namespace", Namespace::Net, net::loopback_up));
        all.push(namespace_check("host name", Namespace::Uts, || ident::sethostname(b"x")));
        for (name, namespace) in [
            ("pid namespace", Namespace::Pid),
            ("ipc namespace", Namespace::Ipc),
            ("cgroup namespace", Namespace::Cgroup),
        ] {
            all.push(namespace_check(name, namespace, || Ok(())));
        }
        all.push(proc_check());
        all.push(limit_check());
    }
    all.push(landlock_check());
    all.push(seccomp_check());
    all.push(terminal_check());
    all
}

/// Runs something in a child of this process and returns the errno it ended with.
fn in_child(flags: u64, body: impl FnOnce() -> Result<()>) -> Result<()> {
    match spawn::clone_process(flags)? {
        Forked::Child => {
            let code = body().map_or_else(|errno| errno.raw_os_error(), |()| 0);
            spawn::exit_now(code)
        }
        Forked::Parent { pidfd, .. } => match spawn::wait_pidfd(pidfd.as_fd())? {
            WaitStatus::Exited(0) => Ok(()),
            WaitStatus::Exited(code) => Err(Errno::from_raw_os_error(code)),
            WaitStatus::Signaled(_) => Err(Errno::INTR),
        },
    }
}

fn namespace_check(name: &'static str, namespace: Namespace, then: fn() -> Result<()>) -> Check {
    let flags = Namespace::User.clone_flag() | namespace.clone_flag();
    match in_child(flags, then) {
        Ok(()) => works(name, ""),
        Err(errno) => {
            let (cause, remedy) = why_no_namespace(namespace, errno.raw_os_error());
            missing(name, cause, remedy)
        }
    }
}

/// Tries whether a /proc can be mounted: not where parts of the one that is there are covered
/// (mount_namespaces(7)).
fn proc_check() -> Check {
    let name = "proc of a sandbox";
    let flags = [Namespace::User, Namespace::Mount, Namespace::Pid].map(Namespace::clone_flag);
    let tried = in_child(flags.iter().sum(), || {
        let context = mount::fsopen(c"proc")?;
        mount::fsconfig_create(context.as_fd())?;
        mount::fsmount(context.as_fd(), MountAttr::NOSUID).map(|_mount| ())
    });
    let remedy = "let the container show all of /proc, or write `auto-mount = [\"tmp\"]` in [root] to do without";
    needed(name, tried, "cannot be mounted", remedy)
}

/// Tries whether the user namespaces of a sandbox can be limited.
fn limit_check() -> Check {
    let name = "limit on user namespaces";
    let tried = in_child(Namespace::User.clone_flag(), || {
        let links = ResolveFlags::NO_SYMLINKS;
        let proc = mount::openat2(CWD, c"/proc", OFlags::PATH | OFlags::DIRECTORY, 0, links)?;
        let (path, inside) = (c"sys/user/max_user_namespaces", links | ResolveFlags::NO_XDEV);
        let file = mount::openat2(proc.as_fd(), path, OFlags::WRONLY, 0, inside)?;
        mount::write_all(file.as_fd(), b"0")
    });
    let remedy = "make /proc/sys/user writable in this container, or write `nested-users = \"allow\"` in [namespaces]";
    needed(name, tried, "cannot be set", remedy)
}

/// A knob of the kernel or a distribution that forbids user namespaces: its file, the value that
/// forbids, what that means, and what to do.
const KNOBS: [(&str, &str, &str, &str); 3] = [
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "the number of user namespaces is limited to 0",
        "run `sysctl user.max_user_namespaces=15000` as root",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "this kernel gives user namespaces to root alone",
        "run `sysctl kernel.unprivileged_userns_clone=1` as root",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor gives user namespaces to programs with a profile alone",
        "install an AppArmor profile that allows `userns` for this program, or run `sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root",
    ),
];

/// Why sbx does not start in a sandbox of its own, and what to do about it.
pub(crate) const INSIDE_SBX: (&str, &str) = (
    "this is a sandbox of sbx, in which sbx does not make another one",
    "start it outside, or start the program alone: it is confined already",
);

/// Says whether this process is in a sandbox of sbx.
pub(crate) fn is_inside_sbx() -> bool {
    let name = std::fs::read("/proc/1/comm").unwrap_or_default();
    name.trim_ascii_end() == crate::INIT_NAME.to_bytes()
}

/// Returns why a namespace could not be made, and what to do about it.
pub(crate) fn why_no_namespace(namespace: Namespace, errno: i32) -> (String, String) {
    let value = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    if is_inside_sbx() {
        let (cause, remedy) = INSIDE_SBX;
        return (cause.to_owned(), remedy.to_owned());
    }
    for (path, forbids, cause, remedy) in KNOBS {
        if value(path).trim() == forbids {
            return (format!("{cause} ({path} is {forbids})"), remedy.to_owned());
        }
    }
    let name = namespace.proc_name();
    let limit = format!("/proc/sys/user/max_{name}_namespaces");
    if value(&limit).trim() == "0" {
        let remedy = format!("run `sysctl user.max_{name}_namespaces=15000` as root");
        return (
            format!("the number of {} namespaces is limited to 0 ({limit} is 0)", namespace.name()),
            remedy,
        );
    }
    let text = crate::sys::describe(errno);
    if !Path::new("/proc/self/ns").join(name).exists() {
        return (
            format!("this kernel has no {} namespaces ({text})", namespace.name()),
            format!(
                "use a kernel built with them, or write `{} = false` in [namespaces]",
                namespace.name()
            ),
        );
    }
    (
        format!("the kernel refused: {text}"),
        "let the container, if this is one, make user namespaces: its system-call filter must allow clone3 and unshare, and its root must not be a chroot".to_owned(),
    )
}

/// What a lack of Landlock, or of its newest rights, comes to.
const MEANWHILE: &str = "mounts alone hold the rules meanwhile, and the command can connect to sockets where it may only read";

fn landlock_check() -> Check {
    let name = "Landlock";
    match landlock::abi() {
        Ok(abi) if abi >= rights::HIGHEST_ABI => works(name, format!("ABI {abi}")),
        Ok(abi) => Check {
            name,
            state: State::Partly,
            found: format!(
                "ABI {abi}; not covered: {}",
                rights::fs_names(rights::all_fs(rights::HIGHEST_ABI) & !rights::all_fs(abi))
            ),
            remedy: Some(format!("use a newer kernel for the rest; {MEANWHILE}")),
        },
        Err(errno) => Check {
            name,
            state: State::Partly,
            found: format!("not there ({})", crate::sys::describe(errno.raw_os_error())),
            remedy: Some(format!("boot with `landlock` in the `lsm=` parameter; {MEANWHILE}")),
        },
    }
}

fn seccomp_check() -> Check {
    let name = "system-call filter";
    // One instruction: allow everything. It is installed in a child, which then ends.
    let allow = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 }];
    let tried = in_child(0, || {
        crate::sys::caps::set_no_new_privs()?;
        seccomp::install_filter(&allow, 0)
    });
    match tried {
        Ok(()) => works(name, ""),
        Err(errno) => Check {
            name,
            state: State::Missing,
            found: format!("refused: {}", crate::sys::describe(errno.raw_os_error())),
            remedy: Some("use a kernel built with CONFIG_SECCOMP_FILTER, or write `set = \"none\"` in [seccomp]".to_owned()),
        },
    }
}

fn terminal_check() -> Check {
    let name = "typing into the caller's terminal";
    let path = "/proc/sys/dev/tty/legacy_tiocsti";
    match std::fs::read_to_string(path).unwrap_or_default().trim() {
        "0" => works(name, "closed by the kernel and by the filter"),
        "" => works(name, "closed by the filter alone (this kernel has no switch for it)"),
        _ => works(name, format!("closed by the filter alone ({path} is 1)")),
    }
}
