//! From names and numbers to the entry, group and groups of the command's user.

use std::path::{Path, PathBuf};

use super::{Name, Spec};
use crate::diag::{Code, Diagnostic, Sink, printable_os};
use crate::facts::{Caller, Facts, Passwd, Users};
use crate::schema::refuse_removals;
use crate::value::Sourced;

/// Finds users and groups in the files of one system.
pub(super) struct Lookup<'a> {
    pub(super) users: &'a Users,
    /// The directory of its passwd and group files, for messages.
    pub(super) etc: PathBuf,
    pub(super) spec: &'a Spec,
}

impl Lookup<'_> {
    /// Returns the entry, the group and all groups of the command's user.
    pub(super) fn resolve(
        &self,
        caller: &Caller,
        is_root: bool,
        sink: &mut Sink,
    ) -> Option<(Passwd, u32, Vec<u32>)> {
        let entry = match self.spec.name.get() {
            Some(name) => self.user(name, sink),
            None if is_root => {
                sink.push(
                    Diagnostic::error(Code::MissingPrivilege, "started by root, sbx must be told which user the command is to be")
                        .help("write `--user NAME`, or `name = \"NAME\"` in [user]")
                        .help("write `--set user.name=root --set user.allow-root=true` to run it as the host's root"),
                );
                None
            }
            None => Some(entry_of(caller, self.users)),
        };
        refuse_removals("groups", &self.spec.groups, sink);
        let group = self.spec.group.get().map(|group| self.group(group, sink));
        let listed: Vec<Option<u32>> = self
            .spec
            .groups
            .items()
            .into_iter()
            .map(|g| self.group(&g.map(Clone::clone), sink))
            .collect();
        // Only now: unknown names are told all at once.
        let (entry, listed) = (entry?, listed.into_iter().collect::<Option<Vec<u32>>>()?);
        let group = group.map_or(Some(None), |known| known.map(Some))?;
        let is_own = self.spec.name.get().is_none();
        let gid = group.unwrap_or(if is_own { caller.gid } else { entry.gid });
        let mut groups = match (group, self.spec.groups.given().is_none()) {
            (None, true) => self.users.groups_of(&entry.name),
            _ => listed,
        };
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Some((entry, gid, groups))
    }

    fn searched(&self, file: &str) -> String {
        format!("searched in {}", printable_os(self.etc.join(file)))
    }

    fn user(&self, name: &Sourced<Name>, sink: &mut Sink) -> Option<Passwd> {
        if let Some(entry) = self.users.user(&name.value.0) {
            return Some(entry.clone());
        }
        if let Ok(uid) = name.value.0.parse() {
            let home = PathBuf::from("/");
            let name = name.value.0.clone();
            return Some(Passwd { name, uid, gid: uid, home, shell: "/bin/sh".into() });
        }
        let known = self.users.passwd.iter().map(|row| row.name.as_str());
        sink.push(
            Diagnostic::error(Code::UnknownUser, format!("unknown user `{}`", name.value.0))
                .at(name.origin)
                .with_note(self.searched("passwd"))
                .suggest(&name.value.0, known, "name a user of that file, or a number"),
        );
        None
    }

    fn group(&self, name: &Sourced<Name>, sink: &mut Sink) -> Option<u32> {
        if let Some(row) = self.users.group(&name.value.0) {
            return Some(row.gid);
        }
        if let Ok(gid) = name.value.0.parse() {
            return Some(gid);
        }
        let known = self.users.group.iter().map(|row| row.name.as_str());
        sink.push(
            Diagnostic::error(Code::UnknownGroup, format!("unknown group `{}`", name.value.0))
                .at(name.origin)
                .with_note(self.searched("group"))
                .suggest(&name.value.0, known, "name a group of that file, or a number"),
        );
        None
    }
}

/// Returns the entry of the caller, also of one that no passwd file knows, as in some containers.
pub fn entry_of(caller: &Caller, users: &Users) -> Passwd {
    users.uid(caller.uid).cloned().unwrap_or_else(|| Passwd {
        name: format!("uid{}", caller.uid),
        uid: caller.uid,
        gid: caller.gid,
        home: "/".into(),
        shell: "/bin/sh".into(),
    })
}

/// Returns the user as the host knows it, whose home `~` is in paths of the host. One that the host
/// does not know has none.
pub fn on_host(entry: &Passwd, facts: &dyn Facts) -> Passwd {
    let host = facts.users(Path::new("/"));
    match host.uid(entry.uid) {
        Some(row) => row.clone(),
        None if facts.caller().uid == entry.uid => entry_of(facts.caller(), &host),
        None => Passwd { home: "/nonexistent".into(), ..entry.clone() },
    }
}
