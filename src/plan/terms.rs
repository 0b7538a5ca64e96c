//! The words that actions are made of: paths, namespaces, id maps, mount options.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::diag::printable_os;
use crate::facts::{FileFact, FileKind};

/// A path or an argument: bytes for the kernel, printable for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub OsString);

impl Text {
    /// Returns it as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl<T: AsRef<OsStr>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(text.as_ref().to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable_os(&self.0))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

/// A namespace of namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the kernel's names")]
pub enum Namespace {
    User,
    Mount,
    Pid,
    Ipc,
    Uts,
    Net,
    Cgroup,
    Time,
}

impl Namespace {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mount",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Net => "net",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Returns the name as /proc/PID/ns and /proc/sys/user have it.
    pub fn proc_name(self) -> &'static str {
        if self == Self::Mount { "mnt" } else { self.name() }
    }

    /// Returns the flag of clone(2).
    pub fn clone_flag(self) -> u64 {
        match self {
            Self::User => 0x1000_0000,
            Self::Mount => 0x0002_0000,
            Self::Pid => 0x2000_0000,
            Self::Ipc => 0x0800_0000,
            Self::Uts => 0x0400_0000,
            Self::Net => 0x4000_0000,
            Self::Cgroup => 0x0200_0000,
            Self::Time => 0x0000_0080,
        }
    }
}

/// One line of an id map (user_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdMap {
    /// Returns the map of a single id.
    pub fn single(inside: u32, outside: u32) -> Self {
        Self { inside, outside, count: 1 }
    }

    /// Says whether an id inside is one of this line's.
    pub fn holds(&self, inside: u32) -> bool {
        inside >= self.inside && inside - self.inside < self.count
    }
}

/// Who writes an id map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapWriter {
    /// The process that is in the namespace: a single own id needs no privilege.
    Itself,
    /// A process outside it that has CAP_SETUID and CAP_SETGID there; setgroups(2) stays allowed.
    Outside,
}

macro_rules! mount_options {
    ($($variant:ident = $name:literal, $attribute:literal, $statvfs:literal;)+) => {
        /// A per-mount option of mount_setattr(2) that a mount can be given.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "lowercase")]
        #[expect(missing_docs, reason = "the names of mount(8)")]
        pub enum MountOption { $($variant,)+ }

        impl MountOption {
            /// All options.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Options that every mount of files has.
            pub const ALWAYS: [Self; 2] = [Self::Nosuid, Self::Nodev];

            /// Returns the name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the bits of `mount_attr.attr_set`.
            pub fn attribute(self) -> u64 {
                match self { $(Self::$variant => $attribute,)+ }
            }

            /// Returns the bits of `f_flag` of fstatvfs(3) that show it.
            pub fn statvfs(self) -> u64 {
                match self { $(Self::$variant => $statvfs,)+ }
            }
        }
    };
}

mount_options! {
    Ro = "ro", 0x1, 0x1;
    Nosuid = "nosuid", 0x2, 0x2;
    Nodev = "nodev", 0x4, 0x4;
    Noexec = "noexec", 0x8, 0x8;
    Noatime = "noatime", 0x10, 0x400;
    Nodiratime = "nodiratime", 0x80, 0x800;
    Nosymfollow = "nosymfollow", 0x20_0000, 0x2000;
}

/// The options of one mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Attributes(pub Vec<MountOption>);

impl Attributes {
    /// Returns the options in their order, each once.
    pub fn new(options: impl IntoIterator<Item = MountOption>) -> Self {
        let mut options: Vec<_> = options.into_iter().collect();
        options.sort_unstable();
        options.dedup();
        Self(options)
    }

    /// Says whether an option is set.
    pub fn has(&self, option: MountOption) -> bool {
        self.0.contains(&option)
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|option| option.name()).collect();
        let first = if self.has(MountOption::Ro) { "" } else { "rw" };
        let names = std::iter::once(first).chain(names).filter(|n| !n.is_empty());
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

/// What planning saw at a path; a difference at execution is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Device number of the file system.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type.
    pub kind: FileKind,
}

impl From<&FileFact> for SourceIdentity {
    fn from(fact: &FileFact) -> Self {
        Self { dev: fact.dev, ino: fact.ino, kind: fact.kind }
    }
}

/// A path of the host that is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The path, with no link in it.
    pub path: Text,
    /// What planning saw there. Not shown: it differs from host to host.
    #[serde(skip)]
    pub identity: SourceIdentity,
}

/// Where a standard stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StdSource {
    /// `/dev/null`.
    Null,
    /// A descriptor that the caller passed.
    Descriptor(u32),
    /// A file, opened by the supervisor.
    File(Text),
}

/// The number of a descriptor that the caller passed.
pub type Descriptor = u32;
