//! Actions in words: the lines of `sbx plan`, and the operations that errors name.

use std::fmt;

use super::action::Action;
use super::terms::{IdMap, MapWriter, Namespace, StdSource};
use crate::capability;
use crate::diag::printable;
use crate::rights;
use crate::unit::{ByteSize, Mode};

impl fmt::Display for Action {
    #[expect(clippy::too_many_lines, reason = "one arm for each action; none is long")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverwriteStrings => {
                f.write_str("overwrite the caller's arguments and environment in memory")
            }
            Self::OpenStdio { descriptor, path } => {
                write!(f, "open {path} for descriptor {descriptor}")
            }
            Self::Spawn { namespaces: all } => {
                write!(f, "start a process in new namespaces: {}", namespaces(all))
            }
            Self::MapIds { writer, users, groups } => {
                write!(f, "map ids: users {}, groups {}, ", maps(users), maps(groups))?;
                f.write_str(setgroups(*writer))
            }
            Self::DropSupervisorRights => {
                f.write_str("drop the supervisor's capabilities but kill, make it not dumpable")
            }
            Self::LimitUserNamespaces { limit } => {
                write!(f, "limit further user namespaces to {limit}")
            }
            Self::DieWithParent => f.write_str("die with the supervisor"),
            Self::ResetSignals => f.write_str("reset signal dispositions"),
            Self::NewSession => f.write_str("begin a new session"),
            Self::SessionKeyring => f.write_str("begin an empty session keyring"),
            Self::Stdio { descriptor, source } => {
                write!(f, "make descriptor {descriptor} ")?;
                match source {
                    StdSource::Null => f.write_str("/dev/null"),
                    StdSource::Descriptor(from) => write!(f, "a copy of descriptor {from}"),
                    StdSource::File(path) => write!(f, "{path}"),
                }
            }
            Self::Umask { mask } => write!(f, "set umask {}", Mode(*mask)),
            Self::IsolateMounts => f.write_str("keep mount events from the host"),
            Self::TimeNamespace { monotonic, boottime } => {
                write!(f, "shift clocks: monotonic {monotonic} s, boottime {boottime} s")
            }
            Self::DieWithInit => f.write_str("die with init, which dies with the supervisor"),
            Self::NotDumpable => f.write_str("make init not dumpable"),
            Self::Split => f.write_str("start the command's process"),
            Self::Init { uid, gid, groups, wait_for_all } => {
                write!(f, "init: hold nothing, be user {uid} group {gid}")?;
                if let Some(groups) = groups {
                    write!(f, " groups {}", list(groups))?;
                }
                f.write_str(if *wait_for_all { ", reap, wait for all" } else { ", reap" })
            }
            Self::RootTmpfs { size } => {
                write!(f, "mount tmpfs as the new root, size {}", ByteSize(*size))
            }
            Self::RootBind { source, attributes } => {
                write!(f, "bind {} as the new root, {attributes}", source.path)
            }
            Self::Directory { path, mode, owner } => {
                write!(f, "make directory {path} {}", Mode(*mode))?;
                owned(f, *owner)
            }
            Self::Bind { source, target, attributes, recursive, .. } => {
                write!(f, "bind {} on {target}, {attributes}", source.path)?;
                if *recursive { Ok(()) } else { f.write_str(", not recursive") }
            }
            Self::Tmpfs { target, size, inodes, mode, uid, gid, attributes, .. } => {
                write!(f, "mount tmpfs on {target}, size {}", ByteSize(*size))?;
                if let Some(inodes) = inodes {
                    write!(f, ", inodes {inodes}")?;
                }
                write!(f, ", mode {}, user {uid} group {gid}, {attributes}", Mode(*mode))
            }
            Self::Proc { target, .. } => {
                write!(f, "mount proc on {target}, {}", self.fixed_options())
            }
            Self::File { path, mode, owner, contents } => {
                write!(f, "make file {path} {}, {} bytes", Mode(*mode), contents.len())?;
                owned(f, *owner)
            }
            Self::Symlink { path, target } => write!(f, "make link {path} to {target}"),
            Self::DeviceNode { source, target, .. } => {
                write!(f, "bind device {} on {target}, {}", source.path, self.fixed_options())
            }
            Self::Devpts { target, .. } => {
                write!(f, "mount devpts on {target}, {}", self.fixed_options())
            }
            Self::CoverFile { target, .. } => write!(f, "cover file {target}"),
            Self::CoverDirectory { target, .. } => write!(f, "cover directory {target}"),
            Self::ReadOnlySubtree { target } => {
                write!(f, "bind {target} on itself, {}", self.fixed_options())
            }
            Self::ReadOnly { target } => write!(f, "make the mount of {target} read-only"),
            Self::Pivot => f.write_str("change to the new root, detach the old one"),
            Self::Lock { namespaces: all, writer, users, groups } => {
                write!(f, "lock the mounts in new namespaces: {}; ", namespaces(all))?;
                write!(f, "users {}, groups {}, {}", maps(users), maps(groups), setgroups(*writer))
            }
            Self::VerifyLock { target } => write!(f, "verify that {target} cannot be unmounted"),
            Self::HostName { name } => write!(f, "set host name {}", printable(name)),
            Self::DomainName { name } => write!(f, "set domain name {}", printable(name)),
            Self::LoopbackUp => f.write_str("bring loopback up"),
            Self::Limit { resource, soft, hard, .. } => {
                write!(f, "limit {resource} to {}:{}", limit(*soft), limit(*hard))
            }
            Self::KeepCapabilities => f.write_str("keep capabilities over the change of user"),
            Self::SetGroups { groups } => write!(f, "set supplementary groups {}", list(groups)),
            Self::SetGid { gid } => write!(f, "set group {gid}"),
            Self::SetUid { uid } => write!(f, "set user {uid}"),
            Self::RaiseCapabilities => f.write_str("raise the capabilities that were kept"),
            Self::VerifyIds { uid, gid, groups } => {
                write!(f, "verify user {uid} group {gid}")?;
                groups.as_ref().map_or(Ok(()), |groups| write!(f, " groups {}", list(groups)))
            }
            Self::Chdir { path } => write!(f, "change directory to {path}"),
            Self::BoundingSet { keep: 0, .. } => f.write_str("empty the bounding set"),
            Self::BoundingSet { keep, .. } => {
                write!(f, "drop the bounding set but {}", capability::names(*keep))
            }
            Self::CapabilitySets { effective, permitted, inheritable }
            | Self::FinalCapabilities { effective, permitted, inheritable } => {
                write!(f, "set capabilities: effective {}, ", capability::names(*effective))?;
                write!(f, "permitted {}, ", capability::names(*permitted))?;
                write!(f, "inheritable {}", capability::names(*inheritable))
            }
            Self::AmbientSet { keep } => {
                write!(f, "set ambient capabilities {}", capability::names(*keep))
            }
            Self::SecureBits => f.write_str("lock securebits noroot,no-setuid-fixup"),
            Self::VerifyNoRoot => f.write_str("verify that user 0 cannot be had"),
            Self::CloseDescriptors { keep } if keep.is_empty() => {
                f.write_str("close every descriptor from 3 at exec")
            }
            Self::CloseDescriptors { keep } => {
                write!(f, "close every descriptor from 3 at exec but {}", list(keep))
            }
            Self::UnblockSignals => f.write_str("unblock signals"),
            Self::NoNewPrivs => f.write_str("set no_new_privs"),
            Self::LandlockRuleset { abi, net, scope, .. } => {
                write!(f, "begin a Landlock ruleset of ABI {abi}")?;
                write!(
                    f,
                    ", ports {}, scopes {}",
                    rights::net_names(*net),
                    rights::scope_names(*scope)
                )
            }
            Self::LandlockPath { path, access } => {
                write!(f, "Landlock: allow {path} {}", rights::fs_names(*access))
            }
            Self::LandlockPort { port, access } => {
                write!(f, "Landlock: allow TCP port {port} {}", rights::net_names(*access))
            }
            Self::LandlockStdio => f.write_str(
                "Landlock: allow standard streams to be opened again with the rights they have",
            ),
            Self::LandlockRestrict => f.write_str("enter the Landlock domain"),
            Self::Seccomp { rules, .. } => write!(f, "install the system-call filter: {rules}"),
            Self::Exec { candidates, arguments, .. } => {
                write!(f, "execute {}", candidates.first().unwrap_or(&"".into()))?;
                if candidates.len() > 1 {
                    write!(f, " or {} more of PATH", candidates.len() - 1)?;
                }
                arguments.iter().skip(1).try_for_each(|argument| write!(f, " {argument}"))
            }
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn namespaces(all: &[Namespace]) -> String {
    list(all.iter().map(|ns| ns.name()))
}

fn maps(all: &[IdMap]) -> String {
    list(all.iter().map(|m| match m.count {
        1 => format!("{}={}", m.inside, m.outside),
        n => format!("{}={}+{n}", m.inside, m.outside),
    }))
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() }
}

fn owned(f: &mut fmt::Formatter<'_>, owner: Option<(u32, u32)>) -> fmt::Result {
    owner.map_or(Ok(()), |(uid, gid)| write!(f, ", user {uid} group {gid}"))
}

fn setgroups(writer: MapWriter) -> &'static str {
    match writer {
        MapWriter::Itself => "setgroups denied",
        MapWriter::Outside => "written from outside",
    }
}
