//! What runs between clone and exec: a loop over operations that are ready to be done.
//!
//! Nothing here allocates, formats, locks, panics or decides; what fails is answered with
//! numbers. `the_child_allocates_nothing` in `tests/steps.rs` runs the shipped profiles under an
//! allocator that ends the process.

use std::cell::Cell;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, OFlags};

use super::FAILED;
use super::image::{Image, MapTexts, Op, Stream};
use super::init;
use super::mounting::STRICT;
use super::proc;
use super::report::{Failure, Part, Progress};
use super::supervisor::{Answer, Hooks};
use crate::facts::FileKind;
use crate::plan::{Actor, MapWriter, Namespace};
use crate::rights;
use crate::sys::caps::CapSets;
use crate::sys::mount::MountAttr;
use crate::sys::signal::SIGKILL;
use crate::sys::spawn::PointerArray;
use crate::sys::{Errno, Result, caps, fd, ident, landlock, mount, net, seccomp, signal, spawn};

/// SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, their locks, and SECBIT_KEEP_CAPS_LOCKED
/// (capabilities(7) "The securebits flags").
const SECUREBITS: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5;

/// What the supervisor hands to its child.
#[derive(Debug)]
pub(super) struct Hand {
    /// Where failures are written to; closes at exec.
    pub(super) report: OwnedFd,
    /// Hangs up when the supervisor is gone; one byte comes once it has done its part.
    pub(super) release: OwnedFd,
    /// Files that the supervisor opened for the standard streams.
    pub(super) streams: [Option<OwnedFd>; 3],
    /// Whether the supervisor must have done its part before the first step, not just before the
    /// last ones.
    pub(super) waits: bool,
}

/// What operations hand on to later ones.
pub(super) struct Child<'i> {
    pub(super) image: &'i Image,
    pub(super) progress: &'i Progress,
    pub(super) hooks: &'i Hooks,
    pub(super) hand: Hand,
    /// The new root, until it is the root.
    pub(super) root: Option<OwnedFd>,
    /// The directory that a place was made in last, and its path inside.
    pub(super) last_directory: Cell<Option<(&'i CStr, OwnedFd)>>,
    /// The host's /dev/null, once a file was covered with it.
    pub(super) cover: Cell<Option<OwnedFd>>,
    ruleset: Option<OwnedFd>,
    handled: u64,
    /// The command's ends of the two pipes on which init is asked to map ids.
    lock: Option<(OwnedFd, OwnedFd)>,
    /// Where one byte comes once init holds nothing any more.
    init_is_ready: Option<OwnedFd>,
    /// The part of the running operation, for the report.
    pub(super) part: Cell<Part>,
    detail: u32,
}

/// Carries out every step that is the child's or the payload's; the last one is exec.
pub(super) fn run(image: &Image, progress: &Progress, hooks: &Hooks, hand: Hand) -> ! {
    if let Some(told) = hooks.in_child {
        told();
    }
    // First of all: an orphan that was stopped before it had a death signal would stay for ever, for
    // nobody continues it. Changing ids clears the signal, so its own steps set it again.
    if ident::set_parent_death_signal(SIGKILL).is_err() {
        spawn::exit_now(FAILED.into());
    }
    // Modes in the plan are the modes on disk; the command's own mask is set near the end.
    ident::umask(0);
    let mut child = Child {
        image,
        progress,
        hooks,
        hand,
        root: None,
        last_directory: Cell::new(None),
        cover: Cell::new(None),
        ruleset: None,
        handled: 0,
        lock: None,
        init_is_ready: None,
        part: Cell::new(Part::Whole),
        detail: 0,
    };
    // Nothing is done in a user namespace whose ids are still to be mapped; where the supervisor
    // is gone instead, there is nobody to be told.
    if child.hand.waits && child.await_release().is_err() {
        spawn::exit_now(FAILED.into());
    }
    for (step, op) in image.ops.iter().enumerate() {
        let actor = image.actors.get(step).copied().unwrap_or(Actor::Child);
        if !matches!(actor, Actor::Child | Actor::Payload) {
            continue;
        }
        child.step(step, actor, op);
    }
    spawn::exit_now(FAILED.into())
}

impl<'i> Child<'i> {
    fn step(&mut self, step: usize, actor: Actor, op: &'i Op) {
        self.progress.begin(step);
        self.part.set(Part::Whole);
        self.detail = 0;
        let result = match self.hooks.ask(step) {
            Answer::Go => {
                if matches!(op, Op::Exec { .. }) {
                    self.progress.done(step);
                }
                self.perform(op)
            }
            Answer::Fail(errno) => Err(Errno::from_raw_os_error(errno)),
            Answer::Skip => return,
        };
        match result {
            Ok(()) => self.progress.done(step),
            Err(errno) => self.fail(step, actor, errno),
        }
    }

    /// Tells the supervisor what did not succeed, and ends.
    pub(super) fn fail(&self, step: usize, actor: Actor, errno: Errno) -> ! {
        let failure =
            Failure { detail: self.detail, ..Failure::new(step, actor, self.part.get(), errno) };
        // Where even this fails, the exit status and the progress cell still say that a step did.
        let _ignored = mount::write_all(self.hand.report.as_fd(), &failure.encode());
        spawn::exit_now(FAILED.into())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation; none is long")]
    fn perform(&mut self, op: &'i Op) -> Result<()> {
        match op {
            // The supervisor's, and init's.
            Op::OverwriteStrings
            | Op::OpenStdio { .. }
            | Op::Spawn { .. }
            | Op::DropSupervisorRights
            | Op::Init { .. } => Ok(()),
            Op::MapIds(maps) => proc::map_own_ids(maps),
            Op::LimitUserNamespaces { text } => {
                proc::write_file(c"sys/user/max_user_namespaces", text.to_bytes())
            }
            Op::DieWithParent => self.die_with_parent(),
            Op::ResetSignals => signal::reset_dispositions(),
            Op::NewSession => ident::setsid(),
            Op::SessionKeyring => match ident::join_session_keyring() {
                // A kernel without keyrings has none to hand on.
                Err(Errno::NOSYS) => Ok(()),
                other => other,
            },
            Op::Stdio { descriptor, source } => self.stdio(*descriptor, source),
            Op::Umask { mask } => {
                ident::umask(*mask);
                Ok(())
            }
            Op::IsolateMounts => mount::mount_setattr_at(CWD, c"/", true, &MountAttr::slave()),
            Op::TimeNamespace { text } => {
                ident::unshare(Namespace::Time.clone_flag())?;
                proc::write_file(c"self/timens_offsets", text.to_bytes())
            }
            Op::RootTmpfs { size } => {
                let options = [(c"size", size.as_c_str()), (c"mode", c"0755")];
                let root =
                    self.file_system(c"tmpfs", options, MountAttr::NOSUID | MountAttr::NODEV)?;
                self.attach_root(root)
            }
            Op::RootBind { source, attr } => {
                let tree = self.cloned(source, true, attr)?;
                self.attach_root(tree)
            }
            Op::Directory { place, mode, owner } => self.directory(place, *mode, *owner),
            Op::Bind { source, place, attr, recursive, is_new } => {
                let tree = self.cloned(source, *recursive, attr)?;
                let is_directory = source.identity.kind == FileKind::Directory;
                self.attach(&tree, place, is_new.then_some(is_directory))
            }
            Op::Tmpfs { place, options, attr, is_new } => {
                let options = options.iter().map(|(key, value)| (key.as_c_str(), value.as_c_str()));
                let tree = self.file_system(c"tmpfs", options, attr.set.set)?;
                self.verified(tree.as_fd(), attr)?;
                self.attach(&tree, place, is_new.then_some(true))
            }
            Op::Proc { place, attr, is_new } => {
                let tree = self.file_system(c"proc", [], attr.set.set)?;
                self.part.set(Part::Verify);
                if mount::fs_magic(tree.as_fd())? != proc::PROC_MAGIC {
                    return Err(Errno::INVAL);
                }
                self.attach(&tree, place, is_new.then_some(true))
            }
            Op::File { place, mode, owner, contents } => self.file(place, *mode, *owner, contents),
            Op::Symlink { place, target } => self.symlink(place, target),
            Op::DeviceNode { source, place, attr, is_new } => {
                let tree = self.cloned(source, false, attr)?;
                self.attach(&tree, place, is_new.then_some(false))
            }
            Op::Devpts { place, attr, is_new } => {
                let options = [(c"mode", c"0620"), (c"ptmxmode", c"0666")];
                let tree = self.file_system(c"devpts", options, attr.set.set)?;
                self.attach(&tree, place, is_new.then_some(true))
            }
            Op::CoverFile { place, attr } => self.cover_file(place, attr),
            Op::CoverDirectory { place, attr } => self.cover_directory(place, attr),
            Op::ReadOnlySubtree { place, attr } => {
                let target = self.target(place)?;
                self.part.set(Part::Make);
                let tree = mount::open_tree_clone(target.as_fd(), true)?;
                self.attributes(tree.as_fd(), true, attr)?;
                self.part.set(Part::Attach);
                mount::move_mount(tree.as_fd(), target.as_fd())
            }
            Op::ReadOnly { place } => {
                let read_only = MountAttr { set: MountAttr::RDONLY, clear: 0, propagation: 0 };
                match place {
                    Some(place) => {
                        let target = self.target(place)?;
                        mount::mount_setattr(target.as_fd(), false, &read_only)
                    }
                    None => mount::mount_setattr(self.root()?, false, &read_only),
                }
            }
            Op::Pivot => self.pivot(),
            Op::NotDumpable => ident::set_dumpable(false),
            Op::Split => self.split(),
            Op::Lock { flags, maps } => self.lock(*flags, maps),
            Op::VerifyLock { target } => {
                self.part.set(Part::Verify);
                match mount::umount_detach(target) {
                    Err(Errno::INVAL) => Ok(()),
                    Err(other) => Err(other),
                    Ok(()) => Err(Errno::PERM),
                }
            }
            Op::HostName(name) => ident::sethostname(name),
            Op::DomainName(name) => ident::setdomainname(name),
            Op::LoopbackUp => net::loopback_up(),
            Op::Limit { number, soft, hard } => ident::setrlimit(*number, *soft, *hard),
            Op::KeepCapabilities => caps::set_keepcaps(true),
            Op::SetGroups(groups) => ident::setgroups(groups),
            Op::SetGid(gid) => ident::setresgid(*gid),
            Op::SetUid(uid) => ident::setresuid(*uid),
            Op::RaiseCapabilities => {
                let sets = caps::capget()?;
                caps::capset(&CapSets { effective: sets.permitted, ..sets })
            }
            Op::VerifyIds { uid, gid, groups } => verify_ids(*uid, *gid, groups.as_deref()),
            Op::Chdir(path) => {
                mount::chdir(path)?;
                self.part.set(Part::Verify);
                if mount::getcwd_starts_with_slash()? { Ok(()) } else { Err(Errno::NOENT) }
            }
            Op::BoundingSet { keep, last } => bounding_set(*keep, *last),
            Op::CapabilitySets(sets) => caps::capset(sets),
            Op::AmbientSet { keep } => ambient_set(*keep),
            Op::SecureBits => caps::set_securebits(SECUREBITS),
            Op::VerifyNoRoot => match ident::setresuid(0) {
                Err(_expected) => Ok(()),
                Ok(()) => Err(Errno::PERM),
            },
            Op::DieWithInit => {
                self.die_with_parent()?;
                // The command is not executed before supervisor and init have done all of theirs.
                if !self.hand.waits {
                    self.await_release()?;
                }
                self.await_init()
            }
            Op::CloseDescriptors { keep } => close_descriptors(keep),
            Op::UnblockSignals => signal::unblock_all(),
            Op::NoNewPrivs => caps::set_no_new_privs(),
            Op::LandlockRuleset { fs, net, scope, size } => {
                self.ruleset = Some(landlock::create_ruleset(*fs, *net, *scope, *size)?);
                self.handled = *fs;
                Ok(())
            }
            Op::LandlockPath { path, access } => {
                self.part.set(Part::OpenSource);
                let place = mount::openat2(CWD, path, OFlags::PATH, 0, STRICT)?;
                self.part.set(Part::Attach);
                landlock::add_path_rule(self.ruleset()?, place.as_fd(), *access)
            }
            Op::LandlockPort { port, access } => {
                landlock::add_port_rule(self.ruleset()?, u64::from(*port), *access)
            }
            Op::LandlockStdio => self.landlock_stdio(),
            Op::LandlockRestrict => landlock::restrict_self(self.ruleset()?, 0),
            Op::Seccomp(program) => seccomp::install_filter(program, 0),
            Op::Exec { candidates, arguments, environment } => {
                self.execute(candidates, arguments, environment)
            }
        }
    }

    pub(super) fn root(&self) -> Result<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    fn ruleset(&self) -> Result<BorrowedFd<'_>> {
        self.ruleset.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    /// Sets the death signal, then looks whether the parent went before it was set.
    ///
    /// getppid(2) cannot tell: in a new pid namespace it is 0 (pid_namespaces(7)).
    pub(super) fn die_with_parent(&self) -> Result<()> {
        ident::set_parent_death_signal(SIGKILL)?;
        // Where poll(2) itself does not work, that says nothing about the parent.
        if fd::is_hung_up(self.hand.release.as_fd())? {
            self.part.set(Part::Parent);
            return Err(Errno::SRCH);
        }
        Ok(())
    }

    /// Waits for the one byte that says that the supervisor has done its part.
    fn await_release(&self) -> Result<()> {
        self.part.set(Part::Parent);
        fd::read_byte(self.hand.release.as_fd())?.map(|_| ()).ok_or(Errno::SRCH)
    }

    /// Waits for the one byte that says that init holds nothing any more.
    fn await_init(&mut self) -> Result<()> {
        let Some(is_ready) = self.init_is_ready.take() else { return Ok(()) };
        match fd::read_byte(is_ready.as_fd())? {
            Some(_) => Ok(()),
            // Init told why before it went.
            None => spawn::exit_now(FAILED.into()),
        }
    }

    fn stdio(&self, descriptor: i32, source: &Stream) -> Result<()> {
        match source {
            Stream::Null => {
                let null = self.null(OFlags::RDWR)?;
                fd::dup_onto(null.as_fd(), descriptor)
            }
            Stream::Descriptor(from) => fd::dup_onto(fd::by_number(*from)?, descriptor),
            Stream::Opened(index) => {
                let file = self.hand.streams.get(*index).and_then(Option::as_ref);
                fd::dup_onto(file.ok_or(Errno::BADF)?.as_fd(), descriptor)
            }
        }
    }

    /// Starts the process that becomes the command; this one becomes init.
    fn split(&mut self) -> Result<()> {
        let asks = |op: &Op| {
            matches!(op, Op::Lock { maps: MapTexts { writer: MapWriter::Outside, .. }, .. })
        };
        let pipes = match self.image.ops.iter().any(asks) {
            true => Some((fd::pipe_cloexec()?, fd::pipe_cloexec()?)),
            false => None,
        };
        let (is_ready, ready) = fd::pipe_cloexec()?;
        match spawn::fork_in_child()? {
            None => {
                self.init_is_ready = Some(is_ready);
                if let Some(((_, ask), (answer, _))) = pipes {
                    self.lock = Some((ask, answer));
                }
                // A session and a process group of its own, so that what init passes on to the
                // group does not come back to init.
                ident::setsid()
            }
            Some(payload) => {
                let ends = pipes.map(|((asked, _), (_, reply))| (asked, reply));
                drop(is_ready);
                init::run(self, payload, ends, ready)
            }
        }
    }

    /// Enters the namespaces in which every mount made so far is locked (mount_namespaces(7)
    /// "Restrictions on mount namespaces").
    fn lock(&mut self, flags: u64, maps: &MapTexts) -> Result<()> {
        ident::unshare(flags)?;
        match (maps.writer, self.lock.take()) {
            (MapWriter::Outside, Some((ask, answer))) => {
                fd::write_byte(ask.as_fd(), 1)?;
                if fd::read_byte(answer.as_fd())? == Some(1) { Ok(()) } else { Err(Errno::SRCH) }
            }
            (MapWriter::Outside, None) => Err(Errno::BADF),
            (MapWriter::Itself, _) => {
                // A process that is not dumpable does not own its files in /proc.
                ident::set_dumpable(true)?;
                proc::map_own_ids(maps)?;
                ident::set_dumpable(false)
            }
        }
    }

    /// Lets the standard streams be opened again through /dev/stdin and the like, with the rights
    /// that the descriptors have and no others.
    fn landlock_stdio(&self) -> Result<()> {
        for number in 0..3 {
            let stream = fd::by_number(number)?;
            let kind = FileKind::of_mode(mount::fstat_identity(stream)?.mode);
            let flags = fd::open_flags(stream)?;
            // Pipes and sockets are no files to Landlock.
            let is_file = matches!(kind, Some(FileKind::File | FileKind::CharDevice));
            if !is_file || flags.contains(OFlags::PATH) {
                continue;
            }
            let mode = flags & OFlags::RWMODE;
            let mut access = 0;
            if mode == OFlags::RDONLY || mode == OFlags::RDWR {
                access |= rights::READ_FILE;
            }
            if mode == OFlags::WRONLY || mode == OFlags::RDWR {
                access |= rights::WRITE_FILE | rights::TRUNCATE;
            }
            if kind == Some(FileKind::CharDevice) {
                access |= rights::IOCTL_DEV;
            }
            match landlock::add_path_rule(self.ruleset()?, stream, access & self.handled) {
                // A file of no mount (memfd_create(2), a namespace): the kernel takes no rule for it
                // and refuses nobody who opens it again, so there is nothing to allow.
                Err(Errno::BADFD) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Tries the places where the command may be, as execvp(3) does.
    fn execute(
        &mut self,
        candidates: &[std::ffi::CString],
        arguments: &PointerArray,
        environment: &PointerArray,
    ) -> Result<()> {
        let mut denied = None;
        for (number, path) in candidates.iter().enumerate() {
            let errno = spawn::execve(path, arguments, environment);
            self.detail = u32::try_from(number).unwrap_or(u32::MAX);
            match errno {
                // The kernel answers ENOENT also where the program is there and its loader is not.
                Errno::NOENT if mount::access_exists(path).unwrap_or(false) => {
                    self.part.set(Part::Interpreter);
                    return Err(errno);
                }
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => denied = denied.or(Some(self.detail)),
                other => return Err(other),
            }
        }
        match denied {
            Some(detail) => {
                self.detail = detail;
                Err(Errno::ACCESS)
            }
            None => Err(Errno::NOENT),
        }
    }
}

fn verify_ids(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    let same = ident::resuid()? == (uid, uid, uid)
        && ident::resgid()? == (gid, gid, gid)
        && groups.map_or(Ok(true), ident::groups_equal)?;
    if same { Ok(()) } else { Err(Errno::PERM) }
}

/// Drops every capability from the bounding set that is not kept, those that a kernel newer than
/// the plan knows included.
fn bounding_set(keep: u64, last: u32) -> Result<()> {
    for number in 0..64 {
        if number <= last && keep >> number & 1 == 1 {
            continue;
        }
        match caps::bounding_drop(number) {
            Err(Errno::INVAL) if number > last => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

fn ambient_set(keep: u64) -> Result<()> {
    caps::ambient_clear()?;
    (0..64).filter(|number| keep >> number & 1 == 1).try_for_each(caps::ambient_raise)
}

fn close_descriptors(keep: &[i32]) -> Result<()> {
    fd::close_range_cloexec(3)?;
    keep.iter().try_for_each(|number| fd::clear_cloexec(fd::by_number(*number)?))
}
