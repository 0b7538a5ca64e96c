//! Turns a plan into what the child touches: C strings, numbers, programs, nothing to decide.
//!
//! This is the last place where memory may be allocated and where something may fail with words.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::plan::{
    Action, Actor, IdMap, MapWriter, Namespace, Plan, SourceIdentity, StdSource, Text,
};
use crate::sys::caps::CapSets;
use crate::sys::landlock::{SIZE_FS, SIZE_NET, SIZE_SCOPED};
use crate::sys::mount::MountAttr;
use crate::sys::spawn::PointerArray;

/// A path of the host to be opened, and what must be found there.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: CString,
    pub(super) identity: SourceIdentity,
}

/// A place inside: the directory it is in, its name there, and the whole, without a leading `/`.
#[derive(Debug)]
pub(super) struct Place {
    /// Nothing where it lies in the root itself.
    pub(super) parent: Option<CString>,
    pub(super) name: CString,
    pub(super) path: CString,
    /// What planning saw there, where the host's tree has the place.
    pub(super) identity: Option<SourceIdentity>,
}

/// The texts of an id map.
#[derive(Debug)]
pub(super) struct MapTexts {
    pub(super) writer: MapWriter,
    pub(super) users: CString,
    pub(super) groups: CString,
}

/// A mount's attributes and how they show in fstatvfs(3).
#[derive(Debug)]
pub(super) struct Attr {
    pub(super) set: MountAttr,
    pub(super) shown: u64,
}

/// One operation, ready to be carried out. There is one for each step, in the same order.
#[derive(Debug)]
pub(super) enum Op {
    OverwriteStrings,
    OpenStdio { descriptor: usize, path: CString },
    Spawn { flags: u64 },
    MapIds(MapTexts),
    DropSupervisorRights,
    LimitUserNamespaces { text: CString },
    DieWithParent,
    ResetSignals,
    NewSession,
    SessionKeyring,
    Stdio { descriptor: i32, source: Stream },
    Umask { mask: u32 },
    IsolateMounts,
    TimeNamespace { text: CString },
    RootTmpfs { size: CString },
    RootBind { source: Opened, attr: Attr },
    Directory { place: Place, mode: u32, owner: Option<(u32, u32)> },
    Bind { source: Opened, place: Place, attr: Attr, recursive: bool, is_new: bool },
    Tmpfs { place: Place, options: Vec<(CString, CString)>, attr: Attr, is_new: bool },
    Proc { place: Place, attr: Attr, is_new: bool },
    File { place: Place, mode: u32, owner: Option<(u32, u32)>, contents: Vec<u8> },
    Symlink { place: Place, target: CString },
    DeviceNode { source: Opened, place: Place, attr: Attr, is_new: bool },
    Devpts { place: Place, attr: Attr, is_new: bool },
    CoverFile { place: Place, attr: Attr },
    CoverDirectory { place: Place, attr: Attr },
    ReadOnlySubtree { place: Place, attr: Attr },
    ReadOnly { place: Option<Place> },
    Pivot,
    NotDumpable,
    Split,
    Init { uid: u32, gid: u32, groups: Option<Vec<u32>>, wait_for_all: bool },
    Lock { flags: u64, maps: MapTexts },
    VerifyLock { target: CString },
    HostName(Vec<u8>),
    DomainName(Vec<u8>),
    LoopbackUp,
    Limit { number: u32, soft: u64, hard: u64 },
    KeepCapabilities,
    SetGroups(Vec<u32>),
    SetGid(u32),
    SetUid(u32),
    RaiseCapabilities,
    VerifyIds { uid: u32, gid: u32, groups: Option<Vec<u32>> },
    Chdir(CString),
    BoundingSet { keep: u64, last: u32 },
    CapabilitySets(CapSets),
    AmbientSet { keep: u64 },
    SecureBits,
    VerifyNoRoot,
    DieWithInit,
    CloseDescriptors { keep: Vec<i32> },
    UnblockSignals,
    NoNewPrivs,
    LandlockRuleset { fs: u64, net: u64, scope: u64, size: usize },
    LandlockPath { path: CString, access: u64 },
    LandlockPort { port: u16, access: u64 },
    LandlockStdio,
    LandlockRestrict,
    Seccomp(Vec<libc::sock_filter>),
    Exec { candidates: Vec<CString>, arguments: PointerArray, environment: PointerArray },
}

/// Where a stream comes from, for the child.
#[derive(Debug)]
pub(super) enum Stream {
    Null,
    Descriptor(i32),
    /// The file that the supervisor opened for this stream.
    Opened(usize),
}

/// All operations of a plan.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) ops: Vec<Op>,
    /// Who carries out the operation of the same number.
    pub(super) actors: Vec<Actor>,
}

/// A step that cannot be made ready: a NUL byte in one of its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unready {
    pub(super) step: usize,
}

impl Image {
    /// Makes every step of a plan ready.
    pub(super) fn build(plan: &Plan) -> Result<Self, Unready> {
        let ready = |(step, one): (usize, &crate::plan::Step)| {
            op(&one.action).map_err(|_nul: NulError| Unready { step })
        };
        Ok(Self {
            ops: plan.steps.iter().enumerate().map(ready).collect::<Result<_, _>>()?,
            actors: plan.steps.iter().map(|step| step.action.actor()).collect(),
        })
    }
}

type NulError = std::ffi::NulError;
type Ready<T> = Result<T, NulError>;

fn c(text: impl AsRef<OsStr>) -> Ready<CString> {
    CString::new(text.as_ref().as_bytes())
}

fn opened(path: &Text, identity: SourceIdentity) -> Ready<Opened> {
    Ok(Opened { path: c(&path.0)?, identity })
}

fn place(path: &Text) -> Ready<Place> {
    let relative = path.as_path().strip_prefix("/").unwrap_or(path.as_path());
    let parent = relative.parent().filter(|parent| *parent != Path::new(""));
    Ok(Place {
        parent: parent.map(c).transpose()?,
        name: c(relative.file_name().unwrap_or_default())?,
        path: c(relative)?,
        identity: None,
    })
}

/// A place at which a mount is attached.
fn place_on(path: &Text, identity: Option<SourceIdentity>) -> Ready<Place> {
    Ok(Place { identity, ..place(path)? })
}

fn maps(writer: MapWriter, users: &[IdMap], groups: &[IdMap]) -> Ready<MapTexts> {
    let text = |all: &[IdMap]| -> Ready<CString> {
        let line = |map: &IdMap| format!("{} {} {}\n", map.inside, map.outside, map.count);
        c(all.iter().map(line).collect::<String>())
    };
    Ok(MapTexts { writer, users: text(users)?, groups: text(groups)? })
}

fn flags(namespaces: &[Namespace]) -> u64 {
    namespaces.iter().fold(0, |set, namespace| set | namespace.clone_flag())
}

/// Returns attributes for a detached tree: they are set before it is attached, and mount events
/// of the host do not reach it.
fn attr(attributes: &crate::plan::Attributes) -> Attr {
    let fold = |bits: fn(crate::plan::MountOption) -> u64| {
        attributes.0.iter().fold(0, |set, option| set | bits(*option))
    };
    let set = fold(crate::plan::MountOption::attribute);
    // An option of the kind "when access times are kept" replaces the one that was there.
    let clear = if set & MountAttr::ATIME_MASK != 0 { MountAttr::ATIME_MASK } else { 0 };
    Attr {
        set: MountAttr { set, clear, propagation: MountAttr::PRIVATE },
        shown: fold(crate::plan::MountOption::statvfs),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each action; none is long")]
fn op(action: &Action) -> Ready<Op> {
    let fixed = || attr(&action.fixed_options());
    Ok(match action {
        Action::OverwriteStrings => Op::OverwriteStrings,
        Action::OpenStdio { descriptor, path } => {
            Op::OpenStdio { descriptor: usize_of(*descriptor), path: c(&path.0)? }
        }
        Action::Spawn { namespaces } => Op::Spawn { flags: flags(namespaces) },
        Action::MapIds { writer, users, groups } => Op::MapIds(maps(*writer, users, groups)?),
        Action::DropSupervisorRights => Op::DropSupervisorRights,
        Action::LimitUserNamespaces { limit } => {
            Op::LimitUserNamespaces { text: c(limit.to_string())? }
        }
        Action::DieWithParent => Op::DieWithParent,
        Action::ResetSignals => Op::ResetSignals,
        Action::NewSession => Op::NewSession,
        Action::SessionKeyring => Op::SessionKeyring,
        Action::Stdio { descriptor, source } => {
            let source = match source {
                StdSource::Null => Stream::Null,
                StdSource::Descriptor(from) => Stream::Descriptor(from.cast_signed()),
                StdSource::File(_) => Stream::Opened(usize_of(*descriptor)),
            };
            Op::Stdio { descriptor: descriptor.cast_signed(), source }
        }
        Action::IsolateMounts => Op::IsolateMounts,
        Action::TimeNamespace { monotonic, boottime } => Op::TimeNamespace {
            text: c(format!("monotonic {monotonic} 0\nboottime {boottime} 0\n"))?,
        },
        Action::RootTmpfs { size } => Op::RootTmpfs { size: c(size.to_string())? },
        Action::RootBind { source, attributes } => {
            Op::RootBind { source: opened(&source.path, source.identity)?, attr: attr(attributes) }
        }
        Action::Directory { path, mode, owner } => {
            Op::Directory { place: place(path)?, mode: *mode, owner: *owner }
        }
        Action::Bind { source, target, attributes, recursive, is_new, onto } => Op::Bind {
            source: opened(&source.path, source.identity)?,
            place: place_on(target, *onto)?,
            attr: attr(attributes),
            recursive: *recursive,
            is_new: *is_new,
        },
        Action::Tmpfs { target, size, inodes, mode, uid, gid, attributes, is_new, onto } => {
            let mut options = vec![
                (c("size")?, c(size.to_string())?),
                (c("mode")?, c(format!("{mode:o}"))?),
                (c("uid")?, c(uid.to_string())?),
                (c("gid")?, c(gid.to_string())?),
            ];
            if let Some(inodes) = inodes {
                options.push((c("nr_inodes")?, c(inodes.to_string())?));
            }
            Op::Tmpfs {
                place: place_on(target, *onto)?,
                options,
                attr: attr(attributes),
                is_new: *is_new,
            }
        }
        Action::Proc { target, is_new, onto } => {
            Op::Proc { place: place_on(target, *onto)?, attr: fixed(), is_new: *is_new }
        }
        Action::File { path, mode, owner, contents } => Op::File {
            place: place(path)?,
            mode: *mode,
            owner: *owner,
            contents: contents.clone().into_bytes(),
        },
        Action::Symlink { path, target } => {
            Op::Symlink { place: place(path)?, target: c(&target.0)? }
        }
        Action::DeviceNode { source, target, is_new, onto } => Op::DeviceNode {
            source: opened(&source.path, source.identity)?,
            place: place_on(target, *onto)?,
            attr: fixed(),
            is_new: *is_new,
        },
        Action::Devpts { target, is_new, onto } => {
            Op::Devpts { place: place_on(target, *onto)?, attr: fixed(), is_new: *is_new }
        }
        Action::CoverFile { target, onto } => {
            Op::CoverFile { place: place_on(target, *onto)?, attr: fixed() }
        }
        Action::CoverDirectory { target, onto } => {
            Op::CoverDirectory { place: place_on(target, *onto)?, attr: fixed() }
        }
        Action::ReadOnlySubtree { target } => {
            Op::ReadOnlySubtree { place: place(target)?, attr: fixed() }
        }
        Action::ReadOnly { target } => {
            let is_root = target.as_path() == Path::new("/");
            Op::ReadOnly { place: if is_root { None } else { Some(place(target)?) } }
        }
        Action::Pivot => Op::Pivot,
        Action::NotDumpable => Op::NotDumpable,
        Action::Split => Op::Split,
        Action::Init { uid, gid, groups, wait_for_all } => {
            Op::Init { uid: *uid, gid: *gid, groups: groups.clone(), wait_for_all: *wait_for_all }
        }
        Action::Lock { namespaces, writer, users, groups } => {
            Op::Lock { flags: flags(namespaces), maps: maps(*writer, users, groups)? }
        }
        Action::VerifyLock { target } => Op::VerifyLock { target: c(&target.0)? },
        Action::HostName { name } => Op::HostName(name.clone().into_bytes()),
        Action::DomainName { name } => Op::DomainName(name.clone().into_bytes()),
        Action::LoopbackUp => Op::LoopbackUp,
        Action::Limit { number, soft, hard, .. } => {
            Op::Limit { number: *number, soft: *soft, hard: *hard }
        }
        Action::KeepCapabilities => Op::KeepCapabilities,
        Action::SetGroups { groups } => Op::SetGroups(groups.clone()),
        Action::SetGid { gid } => Op::SetGid(*gid),
        Action::SetUid { uid } => Op::SetUid(*uid),
        Action::RaiseCapabilities => Op::RaiseCapabilities,
        Action::VerifyIds { uid, gid, groups } => {
            Op::VerifyIds { uid: *uid, gid: *gid, groups: groups.clone() }
        }
        Action::Chdir { path } => Op::Chdir(c(&path.0)?),
        Action::Umask { mask } => Op::Umask { mask: *mask },
        Action::BoundingSet { keep, last } => {
            Op::BoundingSet { keep: *keep, last: u32::from(*last) }
        }
        Action::CapabilitySets { effective, permitted, inheritable }
        | Action::FinalCapabilities { effective, permitted, inheritable } => {
            Op::CapabilitySets(CapSets {
                effective: *effective,
                permitted: *permitted,
                inheritable: *inheritable,
            })
        }
        Action::AmbientSet { keep } => Op::AmbientSet { keep: *keep },
        Action::SecureBits => Op::SecureBits,
        Action::VerifyNoRoot => Op::VerifyNoRoot,
        Action::DieWithInit => Op::DieWithInit,
        Action::CloseDescriptors { keep } => {
            Op::CloseDescriptors { keep: keep.iter().map(|fd| fd.cast_signed()).collect() }
        }
        Action::UnblockSignals => Op::UnblockSignals,
        Action::NoNewPrivs => Op::NoNewPrivs,
        Action::LandlockRuleset { abi, fs, net, scope } => {
            let size = match abi {
                0..=3 => SIZE_FS,
                4..=5 => SIZE_NET,
                _ => SIZE_SCOPED,
            };
            Op::LandlockRuleset { fs: *fs, net: *net, scope: *scope, size }
        }
        Action::LandlockPath { path, access } => {
            Op::LandlockPath { path: c(&path.0)?, access: *access }
        }
        Action::LandlockPort { port, access } => Op::LandlockPort { port: *port, access: *access },
        Action::LandlockStdio => Op::LandlockStdio,
        Action::LandlockRestrict => Op::LandlockRestrict,
        Action::Seccomp { program, .. } => {
            let one = |insn: &crate::filter::Insn| libc::sock_filter {
                code: insn.code,
                jt: insn.jt,
                jf: insn.jf,
                k: insn.k,
            };
            Op::Seccomp(program.0.iter().map(one).collect())
        }
        Action::Exec { candidates, arguments, environment } => {
            let all = |texts: &[Text]| -> Ready<Vec<CString>> {
                texts.iter().map(|text| CString::new(text.0.clone().into_vec())).collect()
            };
            Op::Exec {
                candidates: all(candidates)?,
                arguments: PointerArray::new(all(arguments)?),
                environment: PointerArray::new(all(environment)?),
            }
        }
    })
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
