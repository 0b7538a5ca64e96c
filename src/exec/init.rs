//! Process 1 of the sandbox after it started the command: it holds nothing, passes signals on,
//! reaps, and ends with the command.

use std::os::fd::{AsFd, OwnedFd};

use super::FAILED;
use super::child::Child;
use super::image::{MapTexts, Op};
use super::proc;
use super::report::Part;
use super::supervisor::Answer;
use crate::plan::{Actor, MapWriter};
use crate::sys::caps::CapSets;
use crate::sys::signal::{
    SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SigInfo,
};
use crate::sys::spawn::WaitStatus;
use crate::sys::{Errno, Result, caps, fd, ident, signal, spawn};

/// Does what process 1 owes the command, then waits for it.
///
/// `ask` are init's ends of the pipes on which it is asked to map ids; on `ready` it says that the
/// command may be executed beside it.
pub(super) fn run(
    child: &mut Child<'_>,
    payload: i32,
    ask: Option<(OwnedFd, OwnedFd)>,
    ready: OwnedFd,
) -> ! {
    if let Some((asked, reply)) = ask {
        // Where a map cannot be written the command finds the pipe closed and reports its step.
        let _ignored = serve_maps(child, payload, &asked, &reply);
    }
    let found = child.image.ops.iter().enumerate().find_map(|(step, op)| {
        let Op::Init { uid, gid, groups, wait_for_all } = op else { return None };
        Some((step, *uid, *gid, groups.as_deref(), *wait_for_all))
    });
    let Some((step, uid, gid, groups, wait_for_all)) = found else {
        spawn::exit_now(FAILED.into())
    };
    let result = match child.hooks.ask(step) {
        Answer::Go => hold_nothing(child, uid, gid, groups),
        Answer::Fail(errno) => Err(Errno::from_raw_os_error(errno)),
        Answer::Skip => Ok(()),
    };
    match result.and_then(|()| fd::write_byte(ready.as_fd(), 1)) {
        // A command that was killed meanwhile is reaped like any other.
        Ok(()) | Err(Errno::PIPE) => child.progress.done(step),
        Err(errno) => child.fail(step, Actor::Init, errno),
    }
    // The report pipe must close with the command's exec: nothing is left open here, the caller's
    // streams included.
    if fd::close_range(0, u32::MAX).is_err() {
        spawn::exit_now(FAILED.into());
    }
    reap(child, payload, wait_for_all)
}

/// Writes the id maps of the command's own user namespace once it asks for them: that takes
/// CAP_SETUID in the outer one, which only this process still has.
fn serve_maps(child: &Child<'_>, payload: i32, asked: &OwnedFd, reply: &OwnedFd) -> Result<()> {
    let wanted =
        |op: &&Op| matches!(op, Op::Lock { maps: MapTexts { writer: MapWriter::Outside, .. }, .. });
    let Some(Op::Lock { maps, .. }) = child.image.ops.iter().find(wanted) else {
        return Ok(());
    };
    if fd::read_byte(asked.as_fd())? != Some(1) {
        return Ok(());
    }
    proc::map_ids_of(payload, maps)?;
    fd::write_byte(reply.as_fd(), 1)
}

/// Gives up every right: ids of the command, no capability, nothing to gain.
fn hold_nothing(child: &mut Child<'_>, uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    child.part.set(Part::Whole);
    ident::set_name(crate::INIT_NAME)?;
    if let Some(groups) = groups {
        ident::setgroups(groups)?;
        ident::setresgid(gid)?;
        ident::setresuid(uid)?;
    }
    caps::capset(&CapSets { effective: 0, permitted: 0, inheritable: 0 })?;
    caps::set_no_new_privs()?;
    child.part.set(Part::Verify);
    if ident::is_dumpable()? {
        return Err(Errno::PERM);
    }
    // Changing ids cleared the death signal (PR_SET_PDEATHSIG of prctl(2)).
    child.die_with_parent()
}

/// Waits for the command, and for all others where that is wanted; passes signals on meanwhile.
fn reap(child: &Child<'_>, payload: i32, wait_for_all: bool) -> ! {
    let mut ended = false;
    loop {
        match spawn::peek_any() {
            Ok(Some((pid, status))) => {
                let executed = pid != payload || has_executed(pid, status);
                if let Ok(Some((_, status))) = spawn::wait_pid(pid, false)
                    && pid == payload
                {
                    child.progress.end(status, executed);
                    ended = true;
                    if !wait_for_all {
                        leave(child);
                    }
                }
                continue;
            }
            Err(Errno::CHILD) if ended => leave(child),
            Ok(None) | Err(_) => {}
        }
        match signal::wait_signal(None) {
            Ok(SigInfo { signo: SIGCHLD, .. }) | Err(_) => {}
            Ok(info) => pass_on(info.signo, payload),
        }
    }
}

/// Says whether the command, which ended, had been executed.
fn has_executed(payload: i32, status: WaitStatus) -> bool {
    match status {
        // Before that nothing ends with another code than sbx's own.
        WaitStatus::Exited(code) if code != i32::from(FAILED) => true,
        WaitStatus::Exited(_) | WaitStatus::Signaled(_) => {
            proc::has_executed(payload).unwrap_or(true)
        }
    }
}

/// Ends, and with it every process of the sandbox (pid_namespaces(7)).
fn leave(child: &Child<'_>) -> ! {
    match child.progress.ended() {
        Some((WaitStatus::Exited(code), _)) => spawn::exit_now(code),
        Some((WaitStatus::Signaled(number), _)) => spawn::exit_now(128 + number),
        None => spawn::exit_now(FAILED.into()),
    }
}

/// Passes a signal on: what a terminal sends goes to the whole process group, the rest to the
/// command alone.
pub(super) fn pass_on(number: i32, payload: i32) {
    let target = match number {
        SIGHUP | SIGINT | SIGQUIT | SIGCONT | SIGWINCH => -payload,
        SIGTERM | SIGUSR1 | SIGUSR2 => payload,
        _ => return,
    };
    let told = spawn::kill(target, number);
    // Before it has a group of its own it is still there. Where it has ended there is nobody to tell.
    if told == Err(Errno::SRCH) {
        let _ignored = spawn::kill(payload, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_a_group_of_its_own_yet_gets_what_goes_to_the_group() {
        use std::os::unix::process::ExitStatusExt as _;
        for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            let mut sleep = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            pass_on(number, i32::try_from(sleep.id()).unwrap());
            assert_eq!(sleep.wait().unwrap().signal(), Some(number));
        }
    }
}
