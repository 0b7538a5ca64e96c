//! `[user]`: who the command is, and which ids its user namespace has.

mod lookup;
mod maps;
mod passwd;

pub use lookup::{entry_of, on_host};
pub use maps::Maps;
pub use passwd::minimal_files;

use std::path::PathBuf;

use lookup::Lookup;

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, Passwd};
use crate::feature::{namespaces, root};
use crate::plan::{Action, Builder, MapWriter, Namespace};
use crate::schema::{Leaf, Reader, Value, choice_leaf, section, toml_string};
use crate::value::{List, Slot};

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
        if self.switches { (0, 0) } else { self.ids() }
    }

    /// Returns the user and group that the command is.
    pub fn ids(&self) -> (u32, u32) {
        (self.entry.uid, self.gid)
    }
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
                Code::Untrusted,
                format!("{} can be written by others than root: whoever writes it would choose the ids of the command", printable_os(database(passwd.value, root).join("passwd"))),
            )
            .at(at)
            .help("give the directory, etc and the files in it to root alone")
            .help("or name user, group and groups by number: `--user 1000:1000`"),
        );
        return None;
    }
    let lookup = Lookup { users: &inside, etc: database(passwd.value, root), spec };
    let origin = spec.name.get().map_or(Origin::DEFAULT, |name| name.origin);
    let (entry, gid, wanted_groups) = lookup.resolve(caller, is_root, sink)?;
    if is_root && !root_is_meant(spec, entry.uid, gid, &wanted_groups, sink) {
        return None;
    }
    let maps = if namespaces.has(Namespace::User) {
        Some(maps::resolve(spec, (entry.uid, gid), facts, sink)?)
    } else if maps::refuse(spec, sink) {
        return None;
    } else {
        None
    };
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
    maps::check(&rule, &wanted_groups, &lookup, caller, sink).then_some(rule)
}

/// Says whether user and group are given by number, so that no file decides what they are.
fn spec_is_numeric(spec: &Spec) -> bool {
    let is_number = |name: &Name| name.0.parse::<u32>().is_ok();
    let given = |slot: &Slot<Name>| slot.get().is_some_and(|name| is_number(&name.value));
    given(&spec.name)
        && given(&spec.group)
        && spec.groups.items().iter().all(|group| is_number(group.value))
}

/// Returns the directory of the passwd and group files that names are looked up in.
fn database(passwd: PasswdFiles, root: &root::Rule) -> PathBuf {
    match (passwd, &root.directory) {
        (PasswdFiles::Sandbox, Some((path, _))) => path.join("etc"),
        _ => PathBuf::from("/etc"),
    }
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
    let (text, other) = match uid {
        0 => ("the command would run as the host's root", "name an ordinary user"),
        _ => ("the command would be in the group of the host's root (0)", "name other groups"),
    };
    let help = format!("{other}, or write `allow-root = true` in [user]");
    sink.push(Diagnostic::error(Code::Conflict, text).at(at).help(help));
    false
}

/// Contributes the steps.
pub fn compile(rule: &Rule, namespaces: &namespaces::Rule, plan: &mut Builder) {
    let at = rule.origin;
    if let Some(maps) = &rule.maps {
        let Maps { writer, users, groups, origin } = maps.clone();
        if namespaces.locks.is_some() {
            let uid = rule.entry.uid;
            let gids = rule.groups.clone().unwrap_or_else(|| vec![rule.gid]);
            let inner_users = maps::inner(&users, uid == 0);
            let inner_groups = maps::inner(&groups, gids.contains(&0));
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
