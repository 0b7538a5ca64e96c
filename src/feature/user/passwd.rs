//! The passwd and group files that the command sees where they are sbx's own.

use std::path::Path;

use super::Rule;
use crate::facts::{Passwd, Users};

/// Returns a passwd and a group file with root, nobody and the command's user.
pub fn minimal_files(rule: &Rule, host: &Users) -> (String, String) {
    // A colon or a line end in a field would begin another field or line.
    let field = |text: &str| text.replace([':', '\n', '\r', '\0'], "_");
    let path = |path: &Path| field(&path.to_string_lossy());
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
