//! Every kernel-level thing that sbx can do.

use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::terms::{
    Attributes, Descriptor, IdMap, MapWriter, MountOption, Namespace, Source, SourceIdentity,
    StdSource, Text,
};
use super::{Actor, Phase};
use crate::filter::{Arch, FilterRules, Program};

/// Every kernel-level thing that sbx can do.
///
/// `onto` is what planning saw at a target that the host's tree has; it is not shown, because it
/// differs from host to host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant says what it does in `words`")]
pub enum Action {
    OverwriteStrings,
    OpenStdio {
        descriptor: Descriptor,
        path: Text,
    },
    Spawn {
        namespaces: Vec<Namespace>,
    },
    MapIds {
        writer: MapWriter,
        users: Vec<IdMap>,
        groups: Vec<IdMap>,
    },
    DropSupervisorRights,
    LimitUserNamespaces {
        limit: u32,
    },
    DieWithParent,
    ResetSignals,
    NewSession,
    SessionKeyring,
    Stdio {
        descriptor: Descriptor,
        source: StdSource,
    },
    Umask {
        mask: u32,
    },
    IsolateMounts,
    TimeNamespace {
        monotonic: i64,
        boottime: i64,
    },
    RootTmpfs {
        size: u64,
    },
    RootBind {
        source: Source,
        attributes: Attributes,
    },
    Directory {
        path: Text,
        mode: u32,
        owner: Option<(u32, u32)>,
    },
    Bind {
        source: Source,
        target: Text,
        attributes: Attributes,
        recursive: bool,
        is_new: bool,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    Tmpfs {
        target: Text,
        size: u64,
        inodes: Option<u64>,
        mode: u32,
        uid: u32,
        gid: u32,
        attributes: Attributes,
        is_new: bool,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    Proc {
        target: Text,
        is_new: bool,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    File {
        path: Text,
        mode: u32,
        owner: Option<(u32, u32)>,
        contents: String,
    },
    Symlink {
        path: Text,
        target: Text,
    },
    DeviceNode {
        source: Source,
        target: Text,
        is_new: bool,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    Devpts {
        target: Text,
        is_new: bool,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    CoverFile {
        target: Text,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    CoverDirectory {
        target: Text,
        #[serde(skip)]
        onto: Option<SourceIdentity>,
    },
    ReadOnlySubtree {
        target: Text,
    },
    ReadOnly {
        target: Text,
    },
    Pivot,
    NotDumpable,
    Split,
    Init {
        uid: u32,
        gid: u32,
        groups: Option<Vec<u32>>,
        wait_for_all: bool,
    },
    Lock {
        namespaces: Vec<Namespace>,
        writer: MapWriter,
        users: Vec<IdMap>,
        groups: Vec<IdMap>,
    },
    VerifyLock {
        target: Text,
    },
    HostName {
        name: String,
    },
    DomainName {
        name: String,
    },
    LoopbackUp,
    Limit {
        resource: &'static str,
        number: u32,
        soft: u64,
        hard: u64,
    },
    KeepCapabilities,
    SetGroups {
        groups: Vec<u32>,
    },
    SetGid {
        gid: u32,
    },
    SetUid {
        uid: u32,
    },
    RaiseCapabilities,
    VerifyIds {
        uid: u32,
        gid: u32,
        groups: Option<Vec<u32>>,
    },
    Chdir {
        path: Text,
    },
    BoundingSet {
        keep: u64,
        last: u8,
    },
    CapabilitySets {
        effective: u64,
        permitted: u64,
        inheritable: u64,
    },
    AmbientSet {
        keep: u64,
    },
    SecureBits,
    VerifyNoRoot,
    DieWithInit,
    CloseDescriptors {
        keep: Vec<Descriptor>,
    },
    UnblockSignals,
    NoNewPrivs,
    LandlockRuleset {
        abi: u32,
        fs: u64,
        net: u64,
        scope: u64,
    },
    LandlockPath {
        path: Text,
        access: u64,
    },
    LandlockPort {
        port: u16,
        access: u64,
    },
    LandlockStdio,
    LandlockRestrict,
    Seccomp {
        #[serde(serialize_with = "shared")]
        rules: Rc<FilterRules>,
        arch: Arch,
        #[serde(skip)]
        program: Rc<Program>,
    },
    FinalCapabilities {
        effective: u64,
        permitted: u64,
        inheritable: u64,
    },
    Exec {
        candidates: Vec<Text>,
        arguments: Vec<Text>,
        environment: Vec<Text>,
    },
}

impl Action {
    /// Returns the options of a mount that always has the same, none for all else: the plan prints
    /// them, and they are what the mount gets.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other mounts carry theirs")]
    pub fn fixed_options(&self) -> Attributes {
        use MountOption::{Nodev, Noexec, Nosuid, Ro};
        let options: &[MountOption] = match self {
            Self::Proc { .. } => &[Nosuid, Nodev, Noexec],
            // Devices must work: no nodev.
            Self::DeviceNode { .. } | Self::Devpts { .. } => &[Nosuid, Noexec],
            Self::CoverFile { .. } | Self::CoverDirectory { .. } | Self::ReadOnlySubtree { .. } => {
                &[Ro, Nosuid, Nodev, Noexec]
            }
            _ => &[],
        };
        Attributes::new(options.iter().copied())
    }

    /// Returns the phase it runs in. This is the only place that says so.
    pub fn phase(&self) -> Phase {
        match self {
            Self::OverwriteStrings | Self::OpenStdio { .. } => Phase::Open,
            Self::Spawn { .. } => Phase::Spawn,
            Self::MapIds { .. } | Self::DropSupervisorRights | Self::LimitUserNamespaces { .. } => {
                Phase::Idmap
            }
            Self::DieWithParent
            | Self::ResetSignals
            | Self::NewSession
            | Self::SessionKeyring
            | Self::Stdio { .. } => Phase::Session,
            Self::IsolateMounts | Self::TimeNamespace { .. } => Phase::Isolate,
            Self::RootTmpfs { .. }
            | Self::RootBind { .. }
            | Self::Directory { .. }
            | Self::Bind { .. }
            | Self::Tmpfs { .. }
            | Self::Proc { .. }
            | Self::File { .. }
            | Self::Symlink { .. } => Phase::Root,
            Self::DeviceNode { .. } | Self::Devpts { .. } => Phase::Dev,
            Self::CoverFile { .. }
            | Self::CoverDirectory { .. }
            | Self::ReadOnlySubtree { .. }
            | Self::ReadOnly { .. } => Phase::Seal,
            Self::Pivot => Phase::Pivot,
            Self::NotDumpable | Self::Split | Self::Init { .. } => Phase::Split,
            Self::Lock { .. } | Self::VerifyLock { .. } => Phase::Lock,
            Self::HostName { .. } | Self::DomainName { .. } | Self::LoopbackUp => Phase::Network,
            Self::Limit { .. } => Phase::Limits,
            Self::KeepCapabilities
            | Self::SetGroups { .. }
            | Self::SetGid { .. }
            | Self::SetUid { .. }
            | Self::RaiseCapabilities
            | Self::VerifyIds { .. } => Phase::Identity,
            Self::Chdir { .. } | Self::Umask { .. } => Phase::Workdir,
            Self::BoundingSet { .. }
            | Self::CapabilitySets { .. }
            | Self::AmbientSet { .. }
            | Self::SecureBits
            | Self::VerifyNoRoot => Phase::Caps,
            Self::DieWithInit | Self::CloseDescriptors { .. } | Self::UnblockSignals => {
                Phase::Sweep
            }
            Self::NoNewPrivs
            | Self::LandlockRuleset { .. }
            | Self::LandlockPath { .. }
            | Self::LandlockPort { .. }
            | Self::LandlockStdio
            | Self::LandlockRestrict => Phase::Landlock,
            Self::Seccomp { .. } => Phase::Seccomp,
            Self::FinalCapabilities { .. } => Phase::Settle,
            Self::Exec { .. } => Phase::Exec,
        }
    }

    /// Returns who carries it out.
    pub fn actor(&self) -> Actor {
        match (self, self.phase()) {
            (_, Phase::Open | Phase::Spawn)
            | (Self::MapIds { writer: MapWriter::Outside, .. } | Self::DropSupervisorRights, _) => {
                Actor::Supervisor
            }
            (Self::Init { .. }, _) => Actor::Init,
            (_, phase) if phase <= Phase::Split => Actor::Child,
            _ => Actor::Payload,
        }
    }
}

fn shared<S: Serializer>(rules: &Rc<FilterRules>, serializer: S) -> Result<S::Ok, S::Error> {
    rules.serialize(serializer)
}
