//! The process that the caller started: it does what needs the caller's rights, starts the child,
//! passes signals on, and says how it ended.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, OFlags, ResolveFlags};
use rustix::io::FdFlags;

use super::Outcome;
use super::child::{self, Hand};
use super::image::{Image, Op, Stream};
use super::init;
use super::proc;
use super::report::{Failure, Part, Progress, RECORD};
use crate::capability;
use crate::facts::FileKind;
use crate::plan::{Actor, Plan};
use crate::sys::caps::CapSets;
use crate::sys::signal::{SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use crate::sys::spawn::{Forked, WaitStatus};
use crate::sys::{Errno, Result, argv, caps, fd, ident, mount, signal, spawn};

/// What a test does with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is carried out.
    Go,
    /// It fails with an errno without being tried.
    Fail(i32),
    /// It is left out.
    Skip,
}

/// Hooks for tests; the tool itself has none.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Asked before each step; it may also stop the process there.
    pub before: Option<fn(usize) -> Answer>,
    /// Called first of all in the child.
    pub in_child: Option<fn()>,
}

impl Hooks {
    pub(super) fn ask(&self, step: usize) -> Answer {
        self.before.map_or(Answer::Go, |before| before(step))
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// Which steps of the plan were carried out.
    pub done: Vec<bool>,
}

/// How the supervisor behaves while the command runs.
pub struct Manner<'m> {
    /// Milliseconds from the first ending signal to the kill; nothing: no kill follows.
    pub kill_grace_ms: Option<u64>,
    /// Called once the command was executed, with the steps that were carried out.
    pub executed: &'m mut dyn FnMut(&[bool]),
}

impl std::fmt::Debug for Manner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manner").field("kill_grace_ms", &self.kill_grace_ms).finish_non_exhaustive()
    }
}

/// Carries a plan out and waits for the command.
///
/// The process must have one thread only: a child that is cloned from a process with more could
/// wait forever for a lock that another thread held.
pub fn run(plan: &Plan, manner: &mut Manner<'_>, hooks: &Hooks) -> Run {
    let steps = plan.steps.len();
    let nothing =
        |failure: Failure| Run { outcome: Outcome::Failed(failure), done: vec![false; steps] };
    let image = match Image::build(plan) {
        // Dropping it would only copy pages: the process ends with the command.
        Ok(image) => ManuallyDrop::new(image),
        Err(unready) => {
            return nothing(Failure::new(
                unready.step,
                Actor::Supervisor,
                Part::Whole,
                Errno::INVAL,
            ));
        }
    };
    let progress = match Progress::new(steps) {
        Ok(progress) => progress,
        Err(errno) => return nothing(Failure::new(0, Actor::Supervisor, Part::Prepare, errno)),
    };
    let supervisor = Supervisor { image: &image, progress: &progress, hooks };
    let outcome = match supervisor.start() {
        Ok(running) => supervisor.wait(running, manner),
        Err(failure) => Outcome::Failed(failure),
    };
    Run { outcome, done: progress.all_done() }
}

struct Supervisor<'i> {
    image: &'i Image,
    progress: &'i Progress,
    hooks: &'i Hooks,
}

/// A child that is on its way.
struct Running {
    pidfd: OwnedFd,
    pid: i32,
    report: OwnedFd,
    signals: OwnedFd,
    /// Its hang-up tells the child that this process is gone.
    release: OwnedFd,
    has_init: bool,
}

/// What the supervisor has opened for its child.
#[derive(Default)]
struct Prepared {
    streams: [Option<OwnedFd>; 3],
}

impl Supervisor<'_> {
    /// Carries out the supervisor's steps.
    fn start(&self) -> std::result::Result<Running, Failure> {
        let mut prepared = Prepared::default();
        let mut running: Option<Running> = None;
        self.check_descriptors()?;
        // A descriptor of sbx's own must never become a standard stream of the command.
        let first = |errno| Failure::new(0, Actor::Supervisor, Part::Prepare, errno);
        fd::ensure_std_open().map_err(first)?;
        for (step, op) in self.image.ops.iter().enumerate() {
            if self.image.actors.get(step) != Some(&Actor::Supervisor) {
                continue;
            }
            let result = match self.hooks.ask(step) {
                Answer::Go => self.perform(op, &mut prepared, &mut running),
                Answer::Fail(errno) => Err((Part::Whole, Errno::from_raw_os_error(errno))),
                Answer::Skip => continue,
            };
            match result {
                Ok(()) => self.progress.done(step),
                Err((part, errno)) => {
                    // Where it is gone already there is nothing left to end.
                    let _ignored = running.as_ref().map_or(Ok(()), end);
                    return Err(Failure::new(step, Actor::Supervisor, part, errno));
                }
            }
        }
        let spawn =
            self.image.ops.iter().position(|op| matches!(op, Op::Spawn { .. })).unwrap_or(0);
        let failed = |errno| Failure::new(spawn, Actor::Supervisor, Part::Whole, errno);
        let running = running.ok_or_else(|| failed(Errno::INVAL))?;
        // Everything is done here: the child may execute the command.
        match fd::write_byte(running.release.as_fd(), 1) {
            // It was killed meanwhile: waiting for it tells by what.
            Ok(()) | Err(Errno::PIPE) => Ok(running),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Descriptors of the caller's that the profile names must be open before sbx opens any of its
    /// own, and must lead nowhere where they become streams.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other operations name none")]
    fn check_descriptors(&self) -> std::result::Result<(), Failure> {
        for (step, op) in self.image.ops.iter().enumerate() {
            let refuse = |number: i32, errno| {
                let failure = Failure::new(step, Actor::Supervisor, Part::OpenSource, errno);
                Err(Failure { detail: number.cast_unsigned(), ..failure })
            };
            match op {
                Op::Stdio { source: Stream::Descriptor(number), .. } => {
                    // The standard three may be closed: they become /dev/null.
                    let checked = if *number < 3 { Ok(()) } else { must_be_callers(*number) };
                    checked
                        .and_then(|()| must_be_passable(*number))
                        .or_else(|errno| refuse(*number, errno))?;
                }
                Op::CloseDescriptors { keep } => {
                    for number in 0..3 {
                        must_be_passable(number).or_else(|errno| refuse(number, errno))?;
                    }
                    for number in keep {
                        must_be_callers(*number).or_else(|errno| refuse(*number, errno))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other operations are the child's")]
    fn perform(
        &self,
        op: &Op,
        prepared: &mut Prepared,
        running: &mut Option<Running>,
    ) -> std::result::Result<(), (Part, Errno)> {
        let whole = |errno| (Part::Whole, errno);
        match op {
            Op::OverwriteStrings => argv::overwrite_process_strings(crate::NAME.as_bytes())
                .map(|_bytes| ())
                .map_err(whole),
            Op::OpenStdio { descriptor, path } => {
                let (flags, mode) = match descriptor {
                    0 => (OFlags::RDONLY, 0),
                    _ => (OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE, 0o666),
                };
                // Planning followed the links; a named pipe must not make this wait.
                let how = ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
                let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = mount::openat2(CWD, path, flags, mode, how)
                    .map_err(|errno| (Part::OpenSource, errno))?;
                must_be_plain_file(file.as_fd())
                    .and_then(|()| make_blocking(file.as_fd()))
                    .map_err(|errno| (Part::Identity, errno))?;
                if let Some(slot) = prepared.streams.get_mut(*descriptor) {
                    *slot = Some(file);
                }
                Ok(())
            }
            Op::Spawn { flags } => {
                *running = Some(self.spawn(*flags, prepared).map_err(whole)?);
                Ok(())
            }
            Op::MapIds(maps) => {
                let pid = running.as_ref().map(|running| running.pid).ok_or(whole(Errno::SRCH))?;
                proc::map_ids_of(pid, maps).map_err(|errno| (Part::Write, errno))
            }
            Op::DropSupervisorRights => drop_rights().map_err(whole),
            _ => Ok(()),
        }
    }

    /// Says whether the child must wait until this process has mapped its ids.
    fn child_waits(&self) -> bool {
        let mut steps = self.image.ops.iter().zip(&self.image.actors);
        steps.any(|(op, actor)| *actor == Actor::Supervisor && matches!(op, Op::MapIds(_)))
    }

    fn spawn(&self, flags: u64, prepared: &mut Prepared) -> Result<Running> {
        let (report, report_end) = fd::pipe_cloexec()?;
        let (release_end, release) = fd::pipe_cloexec()?;
        let old_mask = signal::block_all()?;
        let waits = self.child_waits();
        match spawn::clone_process(flags) {
            Ok(Forked::Child) => {
                drop(report);
                drop(release);
                let streams = std::mem::take(&mut prepared.streams);
                let hand = Hand { report: report_end, release: release_end, streams, waits };
                child::run(self.image, self.progress, self.hooks, hand)
            }
            Ok(Forked::Parent { pidfd, pid }) => {
                drop(report_end);
                let has_init = self.image.ops.iter().any(|op| matches!(op, Op::Split));
                let signals = signal::signalfd_all()?;
                Ok(Running { pidfd, pid, report, signals, release, has_init })
            }
            Err(errno) => {
                signal::restore(old_mask)?;
                Err(errno)
            }
        }
    }

    /// Waits for the command, passing signals on.
    fn wait(&self, running: Running, manner: &mut Manner<'_>) -> Outcome {
        let mut record = Record::default();
        let mut reporting = true;
        let mut told = false;
        let mut kill_at: Option<Instant> = None;
        let mut sent = 0_u64;
        loop {
            let [report, signals, ended] = match ready(
                &running,
                reporting,
                kill_at.map(|at| at.saturating_duration_since(Instant::now())),
            ) {
                Ok(ready) => ready,
                Err(_interrupted) => continue,
            };
            if reporting && report {
                record.read(running.report.as_fd());
                reporting = false;
                if record.failure().is_none() && !ended {
                    told = true;
                    (manner.executed)(&self.progress.all_done());
                    let_go_of_streams();
                }
            }
            if signals {
                while let Ok(Some(info)) = signal::read_signal(running.signals.as_fd()) {
                    self.pass_on(&running, info.signo);
                    sent |= bit(info.signo);
                    if is_ending(info.signo) && kill_at.is_none() {
                        let grace = manner.kill_grace_ms.map(Duration::from_millis);
                        kill_at = grace.map(|grace| Instant::now() + grace);
                    }
                }
            }
            if ended {
                let outcome = self.outcome(&running, &mut record, reporting, sent);
                // A quick command may have ended before its start was noticed.
                if !told && !matches!(outcome, Outcome::Failed(_)) {
                    (manner.executed)(&self.progress.all_done());
                }
                return outcome;
            }
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                kill_at = None;
                sent |= bit(SIGKILL);
                // It may have ended in between; the next round sees that.
                let _ignored = spawn::pidfd_send_signal(running.pidfd.as_fd(), SIGKILL);
            }
        }
    }

    /// Passes a signal to init, which passes it on; without an init, to the command itself.
    fn pass_on(&self, running: &Running, number: i32) {
        if running.has_init {
            // It may have ended in between; the next round sees that.
            let _ignored = spawn::pidfd_send_signal(running.pidfd.as_fd(), number);
        } else if number != SIGCHLD {
            init::pass_on(number, running.pid);
        }
    }

    /// Says how it ended; `sent` are the signals that this process passed on or sent.
    fn outcome(
        &self,
        running: &Running,
        record: &mut Record,
        reporting: bool,
        sent: u64,
    ) -> Outcome {
        if reporting {
            record.read(running.report.as_fd());
        }
        let last = self.image.ops.len().saturating_sub(1);
        let reached = self.progress.running().unwrap_or(0);
        // Where there is an init it has looked; it must be asked before the process is waited for.
        let has_begun = reached == last
            && (running.has_init || proc::has_executed(running.pid).unwrap_or(true));
        let status = spawn::wait_pidfd(running.pidfd.as_fd());
        if let Some(failure) = record.failure() {
            return Outcome::Failed(failure);
        }
        let killed = |step: usize, number: i32| {
            // Whoever sent it to sbx wanted just that, whether the command had begun or not.
            if sent & bit(number) != 0 {
                return Outcome::Signaled(number);
            }
            let actor = self.image.actors.get(step).copied().unwrap_or(Actor::Child);
            Outcome::Failed(Failure { step, actor, part: Part::Killed, errno: number, detail: 0 })
        };
        match (self.progress.ended(), status) {
            (Some((WaitStatus::Exited(code), true)), _) => Outcome::Exited(code),
            (Some((WaitStatus::Signaled(number), true)), _) => Outcome::Signaled(number),
            (Some((WaitStatus::Signaled(number), false)), _) => killed(reached, number),
            (Some((WaitStatus::Exited(_), false)), _) => killed(reached, SIGKILL),
            // The command, or init and the command with it.
            (None, Ok(WaitStatus::Signaled(number))) if has_begun => Outcome::Signaled(number),
            (None, Ok(WaitStatus::Signaled(number))) => killed(reached, number),
            (None, Ok(WaitStatus::Exited(code))) if has_begun && !running.has_init => {
                Outcome::Exited(code)
            }
            (None, Ok(WaitStatus::Exited(_)) | Err(_)) => killed(reached, SIGKILL),
        }
    }
}

/// The bit of a signal in a set of them.
fn bit(number: i32) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

fn is_ending(number: i32) -> bool {
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(&number)
}

/// Refuses a number that the caller of sbx did not open: what came through sbx's own exec cannot be
/// marked to be closed there, and what sbx opened itself always is.
fn must_be_callers(number: i32) -> Result<()> {
    let flags = rustix::io::fcntl_getfd(fd::by_number(number)?)?;
    if flags.contains(FdFlags::CLOEXEC) { Err(Errno::BADF) } else { Ok(()) }
}

/// Refuses a standard stream that would lead into the host's tree: a directory, or a descriptor that
/// stands for a path (runc CVE-2024-21626 was one). One that is closed becomes /dev/null later.
fn must_be_passable(number: i32) -> Result<()> {
    let descriptor = match fd::by_number(number) {
        Err(Errno::BADF) => return Ok(()),
        other => other?,
    };
    let kind = FileKind::of_mode(mount::fstat_identity(descriptor)?.mode);
    let is_path = fd::open_flags(descriptor)?.contains(OFlags::PATH);
    if is_path || kind == Some(FileKind::Directory) { Err(Errno::ISDIR) } else { Ok(()) }
}

/// Refuses what is neither a regular file nor a device.
fn must_be_plain_file(file: BorrowedFd<'_>) -> Result<()> {
    let kind = FileKind::of_mode(mount::fstat_identity(file)?.mode);
    let is_plain = matches!(kind, Some(FileKind::File | FileKind::CharDevice));
    if is_plain { Ok(()) } else { Err(Errno::INVAL) }
}

/// Lets reads and writes wait, as those of a command do.
fn make_blocking(file: BorrowedFd<'_>) -> Result<()> {
    let flags = fd::open_flags(file)? - OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(file, flags)
}

/// Ends a child whose set-up cannot go on, and waits until it is gone.
fn end(running: &Running) -> Result<()> {
    spawn::pidfd_send_signal(running.pidfd.as_fd(), SIGKILL)?;
    spawn::wait_pidfd(running.pidfd.as_fd()).map(|_status| ())
}

/// Closes the copies of the caller's standard input and output that only the command needs now: a
/// reader of its output shall see the end when the command closes it.
fn let_go_of_streams() {
    // Where /dev/null cannot be opened, the copies stay open: a matter of comfort alone.
    if let Ok(null) = mount::openat2(CWD, c"/dev/null", OFlags::RDWR, 0, ResolveFlags::empty()) {
        for number in [0, 1] {
            let _ignored = fd::dup_onto(null.as_fd(), number);
        }
    }
}

/// Waits until something is to be done: the report pipe, a signal, the end of the child.
fn ready(running: &Running, reporting: bool, timeout: Option<Duration>) -> Result<[bool; 3]> {
    let mut polled = [
        PollFd::new(&running.signals, PollFlags::IN),
        PollFd::new(&running.pidfd, PollFlags::IN),
        PollFd::new(&running.report, PollFlags::IN),
    ];
    let timeout = timeout.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    let used = if reporting { 3 } else { 2 };
    let polled = polled.get_mut(..used).ok_or(Errno::INVAL)?;
    rustix::event::poll(polled, timeout.as_ref())?;
    let is_ready = |at: usize| polled.get(at).is_some_and(|one| !one.revents().is_empty());
    Ok([is_ready(2), is_ready(0), is_ready(1)])
}

/// What came over the report pipe.
#[derive(Default)]
struct Record {
    bytes: [u8; RECORD],
    length: usize,
}

impl Record {
    /// Reads until the record is whole or the pipe is closed.
    fn read(&mut self, report: BorrowedFd<'_>) {
        while let Some(rest) = self.bytes.get_mut(self.length..).filter(|rest| !rest.is_empty()) {
            match rustix::io::read(report, rest) {
                Ok(0) => return,
                Ok(length) => self.length += length,
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn failure(&self) -> Option<Failure> {
        if self.length == RECORD { Failure::decode(&self.bytes) } else { None }
    }
}

/// Gives up every right that waiting does not need; CAP_KILL passes signals to another user's
/// process.
fn drop_rights() -> Result<()> {
    let kill = caps::capget()?.permitted & capability::KILL;
    caps::capset(&CapSets { effective: kill, permitted: kill, inheritable: 0 })?;
    caps::set_no_new_privs()?;
    ident::set_dumpable(false)
}
