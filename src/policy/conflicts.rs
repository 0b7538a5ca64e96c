//! What only the rules for files and mounts together show: two that undo each other, and one that
//! comes to nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Policy;
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileKind, Files as _};
use crate::feature::{files, mounts, root};
use crate::path::{self, AtEnd};
use crate::plan::MountOption;
use crate::tree::{Inside, Tree, View};

/// Paths of the host that the command can write, and who granted them.
pub(super) struct Writable {
    by_files: Vec<(PathBuf, Origin)>,
    pub(super) by_mounts: Vec<(PathBuf, Origin)>,
}

impl Writable {
    /// Returns who granted one of them.
    pub(super) fn first(&self) -> Option<Origin> {
        self.by_files.iter().chain(&self.by_mounts).map(|(_, origin)| *origin).next()
    }

    pub(super) fn all(self) -> Vec<(PathBuf, Origin)> {
        [self.by_files, self.by_mounts].concat()
    }
}

pub(super) fn writable(
    files: &files::Rule,
    mounts: &[mounts::Mount],
    root: &root::Rule,
) -> Writable {
    let grants = files.intents.iter().filter(|(_, intent)| intent.verb == files::Verb::Write);
    let binds = mounts.iter().filter_map(|mount| match &mount.rule {
        mounts::Rule::Bind { source, options, .. } if !options.contains(&MountOption::Ro) => {
            Some((source.clone(), mount.origin))
        }
        _ => None,
    });
    let own = root.directory.iter().filter(|_| root.is_writable);
    Writable {
        by_files: grants.map(|(path, intent)| (path.clone(), intent.origin)).collect(),
        by_mounts: binds.chain(own.map(|(path, _)| (path.clone(), root.origin))).collect(),
    }
}

/// Refuses rules about paths that nobody may look at and that the command may write above: with
/// `chmod` it would decide over the next start which of them hold.
pub(super) fn unseen(files: &files::Rule, writable: &[(PathBuf, Origin)], sink: &mut Sink) {
    for (path, origin) in &files.unseen {
        let above = |(writable, _): &&(PathBuf, Origin)| path.starts_with(writable);
        let Some((_, writer)) = writable.iter().find(above) else { continue };
        let shown = printable_os(path);
        sink.push(
            Diagnostic::error(
                Code::NotEnforceable,
                format!("what lies at `{shown}` is not known: you may not look there"),
            )
            .at(*origin)
            .label(*writer, "the command can write here")
            .with_note("the command could have closed it, to be rid of this rule")
            .help(format!(
                "look why, and let yourself in: `chmod u+rx` on {shown} and what is above it"
            )),
        );
    }
}

/// Refuses a part of the host that shows a hidden path under another name, and warns of one that
/// makes writable what a rule has read-only.
pub(super) fn second_views(policy: &Policy, tree: &Tree<'_>, facts: &dyn Facts, sink: &mut Sink) {
    let parts = tree.shown();
    let views = |path: &Path| -> Vec<View> {
        // A rule speaks of what has this path outside, and of what has it inside.
        let inside = tree.beneath(path).filter(|host| host != path);
        let hosts = std::iter::once(path.to_owned()).chain(inside);
        let is_there = |host: &PathBuf| facts.file(host).is_some() || facts.is_closed(host);
        let views = hosts.filter(is_there).flat_map(|host| parts.views(&host));
        views.filter(|view| !view.place.starts_with(path)).collect()
    };
    let rules = policy.files.intents.iter().filter(|(_, rule)| rule.verb == files::Verb::Hide);
    let mut hidden: BTreeMap<&Path, Origin> =
        rules.map(|(path, rule)| (path.as_path(), rule.origin)).collect();
    hidden.extend(tree.covers());
    for (path, origin) in hidden {
        let shown = printable_os(path);
        for view in views(path) {
            let place = printable_os(&view.place);
            let text = format!("`{shown}` is hidden, and can be seen as `{place}`");
            sink.push(
                Diagnostic::error(Code::Conflict, text)
                    .at(view.origin)
                    .label(origin, "it is hidden here")
                    .help(if view.place == Path::new("/") {
                        "hide something smaller: this is the root".to_owned()
                    } else {
                        format!("hide `{place}` as well, or show a smaller part of the tree")
                    }),
            );
        }
    }
    for (path, intent) in &policy.files.intents {
        let shown = printable_os(path);
        if (intent.verb, intent.is_optional) == (files::Verb::Hide, false) {
            let host = tree.beneath(path).filter(|host| host != path);
            let fact = host.and_then(|host| facts.file(&host));
            let fact = fact.filter(|fact| fact.kind == FileKind::File && fact.nlink > 1);
            if let Some(fact) = fact {
                sink.push(files::other_names(&shown, fact.nlink).at(intent.origin));
            }
        }
        let is_read = intent.verb == files::Verb::Read;
        let writable = |view: &View| is_read && view.is_part && view.is_writable;
        for view in views(path).into_iter().filter(writable) {
            let place = printable_os(&view.place);
            let text = format!("`{shown}` is read-only, and can be written as `{place}`");
            sink.push(
                Diagnostic::warning(Code::Weakened, text)
                    .at(view.origin)
                    .label(intent.origin, "it is read-only here"),
            );
        }
    }
}

/// Says whether a layer above the one that hides a place shows something there.
pub(super) fn is_shown_by_an_upper_layer(
    policy: &Policy,
    tree: &Tree<'_>,
    hiding: &files::Hiding,
    place: &Path,
) -> bool {
    let rule = policy.files.intents.get(place).filter(|rule| rule.origin.via.is_none());
    let mut mounts = policy.mounts.iter().filter(|mount| mount.rank > hiding.rank);
    rule.is_some_and(|rule| rule.rank > hiding.rank)
        || mounts.any(|mount| tree.over_own_links(&mount.to) == place)
}

/// Warns of a path to hide that is nowhere: it may be a slip, and what was meant is not hidden.
pub(super) fn nothing_to_hide(policy: &Policy, facts: &dyn Facts, sink: &mut Sink) {
    // A mount or another root may have it.
    if !policy.mounts.is_empty() || policy.root.directory.is_some() {
        return;
    }
    for (path, rule) in &policy.files.intents {
        let is_written =
            rule.verb == files::Verb::Hide && !rule.is_optional && rule.origin.via.is_none();
        if is_written && rule.fact.is_none() && !facts.is_closed(path) {
            let shown = printable_os(path);
            let text = format!("{shown} is not there: nothing is hidden");
            let help = format!("look for a slip, or write `?{shown}` if it may be missing");
            sink.push(Diagnostic::warning(Code::NoEffect, text).at(rule.origin).help(help));
        }
    }
}

/// Refuses to hide by words that also stand for what only the command would find: they were looked
/// up on the host.
pub(super) fn unhidden(policy: &Policy, tree: &Tree<'_>, facts: &dyn Facts, sink: &mut Sink) {
    if policy.mounts.is_empty() && policy.root.directory.is_none() {
        return;
    }
    for hiding in &policy.files.hiding {
        let told = |text: String| Diagnostic::error(Code::NotEnforceable, text).at(hiding.origin);
        let found = match path::glob(&hiding.pattern, &Inside(tree)) {
            Ok(found) => found,
            Err(why) => {
                sink.push(why.told(&hiding.text, hiding.origin));
                continue;
            }
        };
        let mut shown = found.paths.iter().filter(|path| !Inside(tree).hides(path));
        let shown = shown.find(|path| {
            let place = Inside(tree).leads_to(path, AtEnd::Follow);
            !is_shown_by_an_upper_layer(policy, tree, hiding, &place)
        });
        if let Some(path) = shown.map(printable_os) {
            let text = format!("`{path}` matches `{}` inside, and nothing hides it", hiding.text);
            sink.push(told(text).help(format!("hide it by its name as well: `{path}`")));
            continue;
        }
        // What keeps the caller out may be its own, closed by an earlier sandbox.
        let owners = [facts.caller().uid, policy.user.entry.uid];
        let is_own = |path: &&PathBuf| {
            let fact = Inside(tree).file(path);
            fact.is_some_and(|fact| fact.uid != 0 && owners.contains(&fact.uid))
        };
        if let Some(path) = found.unlisted.iter().find(is_own).map(printable_os) {
            let text = format!("what `{}` matches in {path} is not known", hiding.text);
            sink.push(told(text).help("name the paths to hide one by one"));
        }
    }
}

/// Warns of rules for places at which sbx mounts something by itself, and of `exec` where nothing is
/// shown.
pub(super) fn no_effect(policy: &Policy, tree: &Tree<'_>, sink: &mut Sink) {
    for (path, remedy) in OWN {
        let rule = policy.files.intents.get(Path::new(path)).filter(|intent| {
            intent.origin.via.is_none()
                && [files::Verb::Read, files::Verb::Write].contains(&intent.verb)
        });
        let Some(rule) = rule.filter(|_| tree.mounts_new(Path::new(path))) else { continue };
        let text = format!("`{path}` is the sandbox's own: `{}` has no effect", rule.verb.name());
        sink.push(Diagnostic::warning(Code::NoEffect, text).at(rule.origin).help(remedy));
    }
    for rule in policy.files.exec.iter().filter(|rule| !rule.is_optional) {
        if tree.has_files(&rule.path) {
            continue;
        }
        let path = printable_os(&rule.path);
        let text = format!(
            "`exec` grants nothing itself, and no rule shows `{path}`: nothing becomes executable"
        );
        sink.push(
            Diagnostic::warning(Code::NoEffect, text)
                .at(rule.origin)
                .help(format!("add it to `read` or `write` in [files], or write `--read {path}`")),
        );
    }
}

/// Places at which sbx mounts something by itself, and how to have something else there.
const OWN: [(&str, &str); 4] = [
    ("/dev", "write `mode = \"host\"` in [dev] for the host's devices, or remove it"),
    ("/dev/pts", "remove it: terminals of the host are for their owners"),
    ("/dev/shm", "write a [[mount]] with `to = \"/dev/shm\"` to share the host's"),
    ("/proc", "remove it: processes of the host are not for the command"),
];
