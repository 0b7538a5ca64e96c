//! What sbx knows about the host and its caller: plain data, asked for lazily.
//!
//! Everything that decides reads the world through [`Facts`] only, so that a decision is a pure
//! function of a profile and of answers that can be recorded ([`Recorded`]), read and replayed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::capability;

/// The process that started sbx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Real and effective user id (they must be equal, else sbx refuses to start).
    pub uid: u32,
    /// Real and effective group id.
    pub gid: u32,
    /// Supplementary groups.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// Effective capabilities, one bit each, as in `CapEff` of proc(5).
    pub capabilities: u64,
    /// Working directory; empty where it was removed or cannot be read.
    pub cwd: PathBuf,
    /// File mode creation mask.
    pub umask: u32,
    /// Which of the descriptors 0, 1 and 2 is a terminal.
    pub terminals: [bool; 3],
}

impl Caller {
    /// Says whether it may become other users and groups and map their ids.
    pub fn may_set_ids(&self) -> bool {
        self.capabilities & capability::SETUID != 0 && self.capabilities & capability::SETGID != 0
    }
}

/// What kind of file a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A socket.
    Socket,
    /// A pipe with a name.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl FileKind {
    /// Returns the kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "regular file",
            Self::Link => "symbolic link",
            Self::Socket => "socket",
            Self::Fifo => "fifo",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
        }
    }

    /// Returns the kind that the type bits of `st_mode` say (inode(7)).
    pub fn of_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o040_000 => Self::Directory,
            0o100_000 => Self::File,
            0o120_000 => Self::Link,
            0o140_000 => Self::Socket,
            0o010_000 => Self::Fifo,
            0o020_000 => Self::CharDevice,
            0o060_000 => Self::BlockDevice,
            _ => return None,
        })
    }

    /// Returns the type bits of `st_mode`.
    pub fn mode_bits(self) -> u32 {
        match self {
            Self::Directory => 0o040_000,
            Self::File => 0o100_000,
            Self::Link => 0o120_000,
            Self::Socket => 0o140_000,
            Self::Fifo => 0o010_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
        }
    }
}

/// What lstat(2) and readlink(2) say about a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    /// Its type.
    pub kind: FileKind,
    /// Device number of the file system.
    #[serde(default)]
    pub dev: u64,
    /// Inode number.
    #[serde(default)]
    pub ino: u64,
    /// Permission bits.
    #[serde(default)]
    pub mode: u32,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Number of names that it has.
    #[serde(default)]
    pub nlink: u64,
    /// Target of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PathBuf>,
}

impl FileFact {
    /// Returns what sbx makes itself, of which only the kind is known before it is made.
    pub fn made(kind: FileKind) -> Self {
        Self { kind, dev: 0, ino: 0, mode: 0, uid: 0, nlink: 1, link: None }
    }
}

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passwd {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Group name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Names of its members.
    pub members: Vec<String>,
}

/// The user database of one root directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// Whether somebody other than root can write the files, or the directories they lie in.
    #[serde(default)]
    pub open_to_others: bool,
    /// Lines of its passwd file.
    #[serde(default)]
    pub passwd: Vec<Passwd>,
    /// Lines of its group file.
    #[serde(default)]
    pub group: Vec<Group>,
}

impl Users {
    /// Parses the texts of passwd(5) and group(5); lines of another form are left out, as the C
    /// library does.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
                return None;
            };
            Some(Passwd {
                name: (*name).to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home: PathBuf::from(home),
                shell: PathBuf::from(shell),
            })
        };
        let members =
            |text: &str| text.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
        let group_line = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, list] = fields.as_slice() else {
                return None;
            };
            Some(Group { name: (*name).to_owned(), gid: gid.parse().ok()?, members: members(list) })
        };
        Self {
            open_to_others: false,
            passwd: passwd.lines().filter_map(user).collect(),
            group: group.lines().filter_map(group_line).collect(),
        }
    }

    /// Returns the entry of a user: of its number where a number is given, whatever names there are.
    pub fn user(&self, name: &str) -> Option<&Passwd> {
        match name.parse() {
            Ok(uid) => self.uid(uid),
            Err(_is_a_name) => self.passwd.iter().find(|row| row.name == name),
        }
    }

    /// Returns the entry of a user id.
    pub fn uid(&self, uid: u32) -> Option<&Passwd> {
        self.passwd.iter().find(|row| row.uid == uid)
    }

    /// Returns the entry of a group: of its number where a number is given, whatever names there are.
    pub fn group(&self, name: &str) -> Option<&Group> {
        match name.parse::<u32>() {
            Ok(gid) => self.group.iter().find(|row| row.gid == gid),
            Err(_is_a_name) => self.group.iter().find(|row| row.name == name),
        }
    }

    /// Returns the ids of all groups that list a user as a member.
    pub fn groups_of(&self, name: &str) -> Vec<u32> {
        let lists = |row: &&Group| row.members.iter().any(|member| member == name);
        self.group.iter().filter(lists).map(|row| row.gid).collect()
    }
}

/// What the running kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Landlock ABI, 0 where Landlock is not there (landlock(7)).
    pub landlock_abi: u32,
    /// Number of the last capability (`/proc/sys/kernel/cap_last_cap`, capabilities(7)).
    pub last_capability: u8,
    /// Machine name as uname(2) gives it.
    pub machine: String,
}

/// What lies at paths.
pub trait Files {
    /// Returns what a path is, without following it; nothing if it is not there.
    fn file(&self, path: &Path) -> Option<FileFact>;
    /// Says whether the caller may not look at a path: something may lie there or not.
    fn is_closed(&self, path: &Path) -> bool;
    /// Returns the names in a directory in the order of their bytes; nothing if it is there and
    /// the caller may not list it.
    fn names(&self, directory: &Path) -> Option<Vec<OsString>>;
}

/// The answers that decisions are made from.
pub trait Facts: Files {
    /// Returns the process that started sbx.
    fn caller(&self) -> &Caller;
    /// Returns what the kernel has.
    fn kernel(&self) -> &Kernel;
    /// Returns a variable of the caller's environment.
    fn env(&self, name: &OsStr) -> Option<OsString>;
    /// Returns the names of the caller's environment.
    fn env_names(&self) -> Vec<OsString>;
    /// Returns the user database of a root directory, the host's for `/`.
    fn users(&self, root: &Path) -> Rc<Users>;
    /// Returns the soft and hard limit of a resource of setrlimit(2), by its number.
    fn rlimit(&self, resource: u32) -> (u64, u64);
    /// Returns the value of a setting below /proc/sys.
    fn setting(&self, path: &Path) -> Option<String>;
    /// Returns the directories that profiles are looked for in, the one that wins first.
    fn profile_directories(&self) -> Vec<PathBuf>;
    /// Returns the caller's own id map, of groups or of users, as user_namespaces(7) writes it.
    fn id_map(&self, groups: bool) -> Vec<[u32; 3]>;
}

impl std::fmt::Debug for dyn Facts + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Facts")
    }
}

/// Facts that were written down: tests plan from them without a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The process that started sbx.
    pub caller: Caller,
    /// What the kernel has.
    pub kernel: Kernel,
    /// The caller's environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Paths that are there; the names in a directory are those listed below it.
    pub files: BTreeMap<PathBuf, FileFact>,
    /// Directories that the caller may neither list nor look into.
    #[serde(default)]
    pub closed: Vec<PathBuf>,
    /// User databases by root directory.
    pub users: BTreeMap<PathBuf, Users>,
    /// Soft and hard limits that are not unlimited, by the number of the resource.
    #[serde(default)]
    pub rlimits: BTreeMap<u32, (u64, u64)>,
    /// Settings below /proc/sys.
    #[serde(default)]
    pub settings: BTreeMap<PathBuf, String>,
    /// Directories that profiles are looked for in.
    #[serde(default)]
    pub profile_directories: Vec<PathBuf>,
    /// The caller's user id map.
    pub uid_map: Vec<[u32; 3]>,
    /// The caller's group id map.
    pub gid_map: Vec<[u32; 3]>,
}

impl Files for Recorded {
    fn file(&self, path: &Path) -> Option<FileFact> {
        self.files.get(path).filter(|_| !self.is_closed(path)).cloned()
    }

    fn is_closed(&self, path: &Path) -> bool {
        self.closed.iter().any(|above| above != path && path.starts_with(above))
    }

    fn names(&self, directory: &Path) -> Option<Vec<OsString>> {
        if self.closed.iter().any(|above| directory.starts_with(above)) {
            return None;
        }
        let inside = |path: &&PathBuf| path.parent() == Some(directory);
        let names = self.files.keys().filter(inside).filter_map(|path| path.file_name());
        Some(names.map(OsStr::to_owned).collect())
    }
}

impl Facts for Recorded {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn env(&self, name: &OsStr) -> Option<OsString> {
        self.env.get(name.to_str()?).map(OsString::from)
    }

    fn env_names(&self) -> Vec<OsString> {
        self.env.keys().map(OsString::from).collect()
    }

    fn users(&self, root: &Path) -> Rc<Users> {
        Rc::new(self.users.get(root).cloned().unwrap_or_default())
    }

    fn rlimit(&self, resource: u32) -> (u64, u64) {
        self.rlimits.get(&resource).copied().unwrap_or((u64::MAX, u64::MAX))
    }

    fn setting(&self, path: &Path) -> Option<String> {
        self.settings.get(path).cloned()
    }

    fn profile_directories(&self) -> Vec<PathBuf> {
        self.profile_directories.clone()
    }

    fn id_map(&self, groups: bool) -> Vec<[u32; 3]> {
        if groups { self.gid_map.clone() } else { self.uid_map.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_and_group_are_read_as_the_c_library_does() {
        let users = Users::parse(
            "root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:1000:1000:,,,:/home/ann:/bin/sh\n",
            "root:x:0:\naudio:x:29:ann,bob\nvideo:x:44:ann\nann:x:1000:\n",
        );
        assert_eq!(users.passwd.len(), 2);
        assert_eq!(users.user("ann").map(|u| u.uid), Some(1000));
        assert_eq!(users.user("1000").map(|u| u.name.as_str()), Some("ann"));
        assert_eq!(users.groups_of("ann"), [29, 44]);
        assert_eq!(users.group("44").map(|g| g.name.as_str()), Some("video"));
    }
}
