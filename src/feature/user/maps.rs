//! The id maps of the user namespace.

use super::lookup::Lookup;
use super::{Map, Rule, Spec};
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::{Caller, Facts};
use crate::plan::{IdMap, MapWriter};

/// The maps of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Maps {
    pub writer: MapWriter,
    pub users: Vec<IdMap>,
    pub groups: Vec<IdMap>,
    pub origin: Origin,
}

/// Refuses maps where there is no user namespace to have them.
pub(super) fn refuse(spec: &Spec, sink: &mut Sink) -> bool {
    let Some(map) = spec.uid_map.get().or(spec.gid_map.get()) else { return false };
    sink.push(
        Diagnostic::error(Code::Conflict, "an id map needs a user namespace")
            .at(map.origin)
            .help("remove `user = false` from [namespaces], or the map"),
    );
    true
}

/// Decides the maps of a user namespace for a user and a group.
pub(super) fn resolve(
    spec: &Spec,
    (uid, gid): (u32, u32),
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Maps> {
    let caller = facts.caller();
    let privileged = caller.may_set_ids();
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
    Some(Maps {
        writer: if is_own { MapWriter::Itself } else { MapWriter::Outside },
        users: match users.value {
            Map::Own => vec![IdMap::single(uid, caller.uid)],
            Map::Identity => whole(false),
        },
        groups: match groups.value {
            Map::Own => vec![IdMap::single(gid, caller.gid)],
            Map::Identity => whole(true),
        },
        origin,
    })
}

/// Refuses ids that the map does not have, and a switch that the caller may not make.
pub(super) fn check(
    rule: &Rule,
    groups: &[u32],
    lookup: &Lookup<'_>,
    caller: &Caller,
    sink: &mut Sink,
) -> bool {
    let spec = lookup.spec;
    let mut ok = true;
    let mut refuse = |origin: Origin, what: String, help: &str| {
        sink.push(Diagnostic::error(Code::NotMapped, what).at(origin).help(help));
        ok = false;
    };
    let Some(maps) = &rule.maps else {
        if !caller.may_set_ids() && (rule.entry.uid != caller.uid || rule.gid != caller.gid) {
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
    let named = |gids: &[u32]| -> String {
        let name = |gid: &u32| match lookup.users.group.iter().find(|row| row.gid == *gid) {
            Some(row) => format!("{} ({gid})", row.name),
            None => gid.to_string(),
        };
        gids.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let is_mapped = |gid: &&u32| maps.groups.iter().any(|map| map.holds(**gid));
    let unmapped: Vec<u32> = groups.iter().filter(|gid| !is_mapped(gid)).copied().collect();
    // With a map of the caller's own id alone, groups stay as they are: nothing inside can change
    // them. Only what was asked for is owed: those that were named, and that there are no others.
    let asked = spec.groups.given().or(spec.group.get().map(|group| group.origin));
    if !unmapped.is_empty() && (maps.writer == MapWriter::Outside || asked.is_some()) {
        let text = format!("not in the group id map: {}", named(&unmapped));
        let help = "start sbx as root, or remove the groups: as an ordinary user only the own id is mapped";
        refuse(asked.unwrap_or(rule.origin), text, help);
    }
    let extra: Vec<u32> =
        caller.groups.iter().filter(|gid| !groups.contains(gid)).copied().collect();
    if let (MapWriter::Itself, Some(asked), false) = (maps.writer, asked, extra.is_empty()) {
        let text =
            format!("the caller is in more groups, and cannot leave them: {}", named(&extra));
        refuse(
            asked,
            text,
            "start sbx as root, or name no group (`group` and `groups` in [user], `--user NAME:GROUP`): they then stay as they are",
        );
    }
    ok
}

/// Returns the map of the inner namespace: the ids of the outer one as themselves, without the
/// host's root where the command is not root. A capability that is kept then has no power over
/// root's files, whatever it is (capabilities(7) "Interaction with user namespaces").
pub(super) fn inner(outer: &[IdMap], with_root: bool) -> Vec<IdMap> {
    let line = |map: &IdMap| {
        let skip = u32::from(!with_root && map.inside == 0);
        let first = map.inside + skip;
        IdMap { inside: first, outside: first, count: map.count - skip }
    };
    outer.iter().map(line).filter(|map| map.count > 0).collect()
}
