//! `[user]`: who the command is, and which ids its user namespace has.

use std::path::PathBuf;

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::{Caller, Facts, Passwd, Users};
use crate::feature::{namespaces, root};
use crate::plan::{Action, Builder, IdMap, MapWriter, Namespace};
use crate::schema::{Leaf, Reader, Value, choice_leaf, section, toml_string};
use crate::value::{List, Slot, Sourced};

/// A user or group: a name or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

impl Leaf for Name {
    const EXPECTS: &'static str = "a name or a number";
    const EXPECTS_LIST: &'static str = "a list of names or numbers";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        if value.get_ref().is_integer() {
            return u32::read(value, reader).map(|number| Self(number.to_string()));
        }
        String::read(value, reader).map(Self)
    }

    fn text(&self) -> String {
        toml_string(&self.0)
    }
}

/// Which ids a user namespace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// The caller's own id and no other.
    Own,
    /// The caller's whole map.
    Identity,
}

choice_leaf!(Map, "\"self\" or \"identity\"", ["self" => Own, "identity" => Identity], reserved ["auto"]);

/// Which passwd and group files the command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswdFiles {
    /// Generated ones with root, nobody and the command's user.
    Minimal,
    /// Those of the root directory.
    Sandbox,
    /// The host's.
    Host,
}

choice_leaf!(PasswdFiles, "\"minimal\", \"sandbox\" or \"host\"",
    ["minimal" => Minimal, "sandbox" => Sandbox, "host" => Host], reserved []);

section! {
    /// The section as it was written.
    pub struct Spec = "user", reserved [] {
        /// The user to be, by name or number. Default: the caller; as root it must be said.
        name: Slot<Name> = "name",
        /// The group to be in. Default: the user's, with every group that lists the user.
        group: Slot<Name> = "group",
        /// Supplementary groups; none besides, once `group` or `groups` is given.
        groups: List<Name> = "groups",
        /// User ids of the user namespace. Default: "self", and "identity" as root.
        uid_map: Slot<Map> = "uid-map",
        /// Group ids of the user namespace. Default: as `uid-map`.
        gid_map: Slot<Map> = "gid-map",
        /// Which passwd and group files there are. Default: "minimal", and "sandbox" with a root directory.
        passwd: Slot<PasswdFiles> = "passwd",
        /// Lets the command run as the host's root. Default: false.
        allow_root: Slot<bool> = "allow-root",
    }
}

/// Who the command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The passwd entry in force: name, ids, home, shell.
    pub entry: Passwd,
    /// The group id in force.
    pub gid: u32,
    /// Supplementary groups; nothing where they cannot be changed.
    pub groups: Option<Vec<u32>>,
    /// Whether ids really change after the sandbox is built.
    pub switches: bool,
    /// Id maps; nothing without a user namespace.
    pub maps: Option<Maps>,
    /// Which passwd and group files there are.
    pub passwd: PasswdFiles,
    /// Where the user was asked for.
    pub origin: Origin,
}

impl Rule {
    /// Returns the user and group that build the sandbox, as they are called inside.
    pub fn builder(&self) -> (u32, u32) {
        if self.switches { (0, 0) } else { (self.entry.uid, self.gid) }
    }
}

/// The maps of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Maps {
    pub writer: MapWriter,
    pub users: Vec<IdMap>,
    pub groups: Vec<IdMap>,
    pub origin: Origin,
}

/// Decides who the command is.
pub fn resolve(
    spec: &Spec,
    namespaces: &namespaces::Rule,
    root: &root::Rule,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Rule> {
    let caller = facts.caller();
    let is_root = caller.uid == 0;
    let passwd = spec.passwd.or(match root.kind {
        root::Kind::System => PasswdFiles::Minimal,
        root::Kind::Directory | root::Kind::Empty => PasswdFiles::Sandbox,
    });
    let host = facts.users(std::path::Path::new("/"));
    let inside = match (passwd.value, root.directory.as_ref()) {
        (PasswdFiles::Sandbox, Some((path, _))) => facts.users(path),
        _ => host.clone(),
    };
    if is_root && inside.open_to_others && !spec_is_numeric(spec) {
        let at = spec.name.get().map_or(root.origin, |name| name.origin);
        sink.push(
            Diagnostic::error(
                Code::BadPath,
                format!("{} can be written by others than root: whoever writes it would choose the ids of the command", database_name(passwd.value, root)),
            )
            .at(at)
            .help("give the directory, etc and the files in it to root alone")
            .help("or name user, group and groups by number: `--user 1000:1000:`"),
        );
        return None;
    }
    let lookup = Lookup { users: &inside, file: database_name(passwd.value, root), spec };
    let origin = spec.name.get().map_or(Origin::DEFAULT, |name| name.origin);
    let (entry, gid, wanted_groups) = lookup.resolve(caller, is_root, sink)?;
    if is_root && !root_is_meant(spec, entry.uid, gid, &wanted_groups, sink) {
        return None;
    }
    let has_user = namespaces.has(Namespace::User);
    let maps = maps(spec, has_user, caller, &entry, gid, facts, sink)?;
    let switches = maps.as_ref().is_none_or(|maps| maps.writer == MapWriter::Outside)
        && (entry.uid != caller.uid || gid != caller.gid || is_root);
    let rule = Rule {
        groups: switches.then_some(wanted_groups.clone()),
        entry,
        gid,
        switches,
        maps,
        passwd: passwd.value,
        origin,
    };
    mapped(&rule, &wanted_groups, spec, caller, sink).then_some(rule)
}

/// Says whether user and group are given by number, so that no file decides what they are.
fn spec_is_numeric(spec: &Spec) -> bool {
    let is_number = |name: &Name| name.0.parse::<u32>().is_ok();
    let given = |slot: &Slot<Name>| slot.get().is_some_and(|name| is_number(&name.value));
    given(&spec.name)
        && given(&spec.group)
        && spec.groups.items().iter().all(|group| is_number(group.value))
}

fn database_name(passwd: PasswdFiles, root: &root::Rule) -> String {
    match (passwd, &root.directory) {
        (PasswdFiles::Sandbox, Some((path, _))) => path.join("etc/passwd").display().to_string(),
        _ => "/etc/passwd".to_owned(),
    }
}

struct Lookup<'a> {
    users: &'a Users,
    file: String,
    spec: &'a Spec,
}

impl Lookup<'_> {
    fn resolve(
        &self,
        caller: &Caller,
        is_root: bool,
        sink: &mut Sink,
    ) -> Option<(Passwd, u32, Vec<u32>)> {
        let entry = match self.spec.name.get() {
            Some(name) => self.user(name, sink)?,
            None if is_root => {
                sink.push(
                    Diagnostic::error(Code::MissingPrivilege, "started by root, sbx must be told which user the command is to be")
                        .help("write `--user NAME`, or `name = \"NAME\"` in [user]")
                        .help("write `--set user.name=root --set user.allow-root=true` to run it as the host's root"),
                );
                return None;
            }
            None => entry_of(caller, self.users),
        };
        let group = match self.spec.group.get() {
            Some(group) => Some(self.group(group, sink)?),
            None => None,
        };
        let listed: Vec<Option<u32>> = self
            .spec
            .groups
            .items()
            .into_iter()
            .map(|g| self.group(&g.map(Clone::clone), sink))
            .collect();
        let listed: Vec<u32> = listed.into_iter().collect::<Option<_>>()?;
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
                .with_note(format!("searched in {}", self.file))
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
                .with_note(format!("searched in {}", self.file.replace("passwd", "group")))
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

fn root_is_meant(spec: &Spec, uid: u32, gid: u32, groups: &[u32], sink: &mut Sink) -> bool {
    let allowed = spec.allow_root.or(false);
    let has_group = gid == 0 || groups.contains(&0);
    if uid != 0 && !has_group {
        return true;
    }
    let at = spec.name.get().map_or(Origin::DEFAULT, |name| name.origin);
    if allowed.value {
        sink.push(
            Diagnostic::warning(
                Code::Weakened,
                "the command runs as the host's root: files of root that it can see are its own",
            )
            .at(allowed.origin),
        );
        return true;
    }
    sink.push(
        Diagnostic::error(
            Code::Conflict,
            if uid == 0 {
                "the command would run as the host's root"
            } else {
                "the command would be in the host's group of root"
            },
        )
        .at(at)
        .help("name an ordinary user, or write `allow-root = true` in [user]"),
    );
    false
}

fn maps(
    spec: &Spec,
    has_user: bool,
    caller: &Caller,
    entry: &Passwd,
    gid: u32,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Option<Maps>> {
    if !has_user {
        return match spec.uid_map.get().or(spec.gid_map.get()) {
            None => Some(None),
            Some(map) => {
                sink.push(
                    Diagnostic::error(Code::Conflict, "an id map needs a user namespace")
                        .at(map.origin)
                        .help("remove `user = false` from [namespaces], or the map"),
                );
                None
            }
        };
    }
    let privileged = caller.capabilities & capability::SETUID != 0
        && caller.capabilities & capability::SETGID != 0;
    let default = if privileged { Map::Identity } else { Map::Own };
    let users = spec.uid_map.or(default);
    let groups = spec.gid_map.or(users.value);
    let origin =
        spec.uid_map.get().or(spec.gid_map.get()).map_or(Origin::DEFAULT, |map| map.origin);
    if (users.value == Map::Identity || groups.value == Map::Identity) && !privileged {
        sink.push(
            Diagnostic::error(
                Code::MissingPrivilege,
                "mapping ids other than the caller's own needs CAP_SETUID and CAP_SETGID",
            )
            .at(if users.value == Map::Identity { users.origin } else { groups.origin })
            .help("write \"self\", or remove the map"),
        );
        return None;
    }
    let whole = |of_groups| {
        let lines = facts.id_map(of_groups).into_iter();
        lines.map(|[inside, _, count]| IdMap { inside, outside: inside, count }).collect()
    };
    let is_own = users.value == Map::Own && groups.value == Map::Own;
    Some(Some(Maps {
        writer: if is_own { MapWriter::Itself } else { MapWriter::Outside },
        users: match users.value {
            Map::Own => vec![IdMap::single(entry.uid, caller.uid)],
            Map::Identity => whole(false),
        },
        groups: match groups.value {
            Map::Own => vec![IdMap::single(gid, caller.gid)],
            Map::Identity => whole(true),
        },
        origin,
    }))
}

/// Refuses ids that the map does not have, and a switch that the caller may not make.
fn mapped(rule: &Rule, groups: &[u32], spec: &Spec, caller: &Caller, sink: &mut Sink) -> bool {
    let mut ok = true;
    let mut refuse = |origin: Origin, what: String, help: &str| {
        sink.push(Diagnostic::error(Code::NotMapped, what).at(origin).help(help));
        ok = false;
    };
    let group_origin = spec.group.get().map_or(rule.origin, |group| group.origin);
    let Some(maps) = &rule.maps else {
        let may_switch = caller.capabilities & capability::SETUID != 0
            && caller.capabilities & capability::SETGID != 0;
        if !may_switch && (rule.entry.uid != caller.uid || rule.gid != caller.gid) {
            sink.push(
                Diagnostic::error(
                    Code::MissingPrivilege,
                    "becoming another user needs CAP_SETUID and CAP_SETGID",
                )
                .at(rule.origin)
                .help("start sbx as root, or remove `user = false` from [namespaces]"),
            );
            return false;
        }
        return true;
    };
    if !maps.users.iter().any(|map| map.holds(rule.entry.uid)) {
        let what =
            format!("user {} ({}) is not in the user id map", rule.entry.name, rule.entry.uid);
        refuse(rule.origin, what, "name a user whose id is mapped");
    }
    let unmapped: Vec<u32> = groups
        .iter()
        .copied()
        .filter(|gid| !maps.groups.iter().any(|map| map.holds(*gid)))
        .collect();
    // With a map of the caller's own id alone, groups stay as they are: nothing inside can change
    // them, and only groups that were asked for by name are owed.
    let explicit = spec.groups.given().is_some();
    if !unmapped.is_empty() && (maps.writer == MapWriter::Outside || explicit) {
        let list: Vec<String> = unmapped.iter().map(u32::to_string).collect();
        let at = spec.groups.items().first().map_or(group_origin, |group| group.origin);
        let help = "start sbx as root, or remove the groups: as an ordinary user only the own id is mapped";
        refuse(at, format!("groups {} are not in the group id map", list.join(" ")), help);
    }
    ok
}

/// Contributes the steps.
pub fn compile(rule: &Rule, namespaces: &namespaces::Rule, plan: &mut Builder) {
    let at = rule.origin;
    if let Some(maps) = &rule.maps {
        let Maps { writer, users, groups, origin } = maps.clone();
        if namespaces.locks.is_some() {
            let uid = rule.entry.uid;
            let gids = rule.groups.clone().unwrap_or_else(|| vec![rule.gid]);
            let inner_users = inner(&users, uid == 0);
            let inner_groups = inner(&groups, gids.contains(&0));
            let mut made = vec![Namespace::User, Namespace::Mount];
            made.extend(namespaces.made_with_lock());
            plan.push(
                Action::Lock { namespaces: made, writer, users: inner_users, groups: inner_groups },
                namespaces.locks.unwrap_or(origin),
            );
        }
        plan.push(Action::MapIds { writer, users, groups }, origin);
    }
    plan.push(Action::DropSupervisorRights, Origin::DEFAULT);
    if rule.switches {
        plan.push(Action::KeepCapabilities, at);
        if let Some(groups) = &rule.groups {
            plan.push(Action::SetGroups { groups: groups.clone() }, at);
        }
        plan.push(Action::SetGid { gid: rule.gid }, at);
        plan.push(Action::SetUid { uid: rule.entry.uid }, at);
        plan.push(Action::RaiseCapabilities, at);
    }
    let groups = rule.groups.clone();
    plan.push(Action::VerifyIds { uid: rule.entry.uid, gid: rule.gid, groups }, at);
}

/// Returns the map of the inner namespace: the ids of the outer one as themselves, without the
/// host's root where the command is not root. A capability that is kept then has no power over
/// root's files, whatever it is (capabilities(7) "Interaction with user namespaces").
fn inner(outer: &[IdMap], with_root: bool) -> Vec<IdMap> {
    let line = |map: &IdMap| {
        let skip = u32::from(!with_root && map.inside == 0);
        let first = map.inside + skip;
        IdMap { inside: first, outside: first, count: map.count - skip }
    };
    outer.iter().map(line).filter(|map| map.count > 0).collect()
}

/// Returns a passwd and a group file with root, nobody and the command's user.
pub fn minimal_files(rule: &Rule, host: &Users) -> (String, String) {
    // A colon or a line end in a field would begin another field or line.
    let field = |text: &str| text.replace([':', '\n', '\r', '\0'], "_");
    let path = |path: &std::path::Path| field(&path.to_string_lossy());
    let Passwd { name, uid, home, shell, .. } = &rule.entry;
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    let mut group = String::from("root:x:0:\n");
    if *uid != 0 && *uid != 65_534 {
        passwd.push_str(&format!(
            "{}:x:{uid}:{}:{}:{}:{}\n",
            field(name),
            rule.gid,
            field(name),
            path(home),
            path(shell)
        ));
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    let mut gids = rule.groups.clone().unwrap_or_default();
    gids.push(rule.gid);
    gids.sort_unstable();
    gids.dedup();
    for gid in gids.into_iter().filter(|gid| *gid != 0 && *gid != 65_534) {
        let known = host.group.iter().find(|row| row.gid == gid);
        let group_name = known.map_or_else(|| format!("gid{gid}"), |row| field(&row.name));
        let member = if gid == rule.gid { String::new() } else { field(name) };
        group.push_str(&format!("{group_name}:x:{gid}:{member}\n"));
    }
    group.push_str("nogroup:x:65534:\n");
    (passwd, group)
}
