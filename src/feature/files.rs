//! `[files]`: what the command can see and do, by path.
//!
//! Rules do not depend on their order inside a layer. Between paths the longer one wins; for one
//! and the same path the verb of the highest layer wins, and inside one layer the more
//! restrictive. Mounts and Landlock are both derived from what is found here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable, printable_os};
use crate::facts::{FileFact, FileKind};
use crate::feature::paths::{self, Context};
use crate::feature::trust::{self, Link};
use crate::feature::{groups, root};
use crate::path::{NoPath, Pattern};
use crate::schema::{choice_leaf, section};
use crate::value::{List, Slot};

/// What becomes of the home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Fresh and empty, gone afterwards.
    Private,
    /// The host's, readable.
    HostRead,
    /// The host's, writable.
    Host,
    /// Not there.
    None,
}

choice_leaf!(Home, "\"private\", \"host-read\", \"host\" or \"none\"",
    ["private" => Private, "host-read" => HostRead, "host" => Host, "none" => None], reserved ["persist"]);

section! {
    /// The section as it was written.
    pub struct Spec = "files", reserved ["mask", "protect", "persist", "args"] {
        /// Paths to read and execute. `?` in front: optional; `@name`: a named group.
        read: List<Pattern> = "read",
        /// Paths to read and write, not to execute.
        write: List<Pattern> = "write",
        /// Makes paths of other rules, and what lies below them, executable; grants nothing itself.
        exec: List<Pattern> = "exec",
        /// Paths that are not there: a directory reads empty, a file cannot be opened.
        hide: List<Pattern> = "hide",
        /// Directories that are fresh and empty, gone afterwards.
        private: List<Pattern> = "private",
        /// What becomes of the home directory. Default: "private".
        home: Slot<Home> = "home",
    }
}

/// What a rule lets the command do; the order is from the least to the most restrictive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the keys of the section")]
pub enum Verb {
    Write,
    Private,
    Read,
    Hide,
}

impl Verb {
    /// Returns the key that asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Private => "private",
            Self::Read => "read",
            Self::Hide => "hide",
        }
    }
}

/// The rule in force at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What may be done.
    pub verb: Verb,
    /// What lies there on the host; nothing where it is missing.
    pub fact: Option<FileFact>,
    /// Whether it may be left out where it has no place inside.
    pub is_optional: bool,
    /// Whether the path itself was written, not a glob or group that it is of.
    pub is_exact: bool,
    /// Whether it is the home.
    pub is_home: bool,
    /// Where it was asked for.
    pub origin: Origin,
    /// Place of its layer in the order of layers.
    pub rank: usize,
}

/// A path at and below which files may be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The path, with no link in it.
    pub path: PathBuf,
    /// Whether it may have no effect.
    pub is_optional: bool,
    /// Where it was asked for.
    pub origin: Origin,
}

/// What is to be hidden, as it was written: inside, the same words may mean another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hiding {
    /// As it was written.
    pub text: String,
    /// With its variables replaced: a glob.
    pub pattern: OsString,
    /// Where it was written.
    pub origin: Origin,
    /// Place of its layer in the order of layers.
    pub rank: usize,
}

/// All rules in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// By path, with no link in it.
    pub intents: BTreeMap<PathBuf, Intent>,
    /// Links that lead to them.
    pub links: BTreeMap<PathBuf, Link>,
    /// Paths below which files may be executed.
    pub exec: Vec<Executable>,
    /// What is hidden, by the words that say so.
    pub hiding: Vec<Hiding>,
    /// Paths that rules speak of and that the caller may not look at. Nothing is known about them,
    /// and a command that may write above them decides that.
    pub unseen: Vec<(PathBuf, Origin)>,
}

impl Rule {
    /// Returns the rule that lets the command write at a path, if the nearest one does.
    pub fn writer(&self, path: &Path) -> Option<&Intent> {
        let nearest = path.ancestors().find_map(|above| self.intents.get(above));
        nearest.filter(|intent| intent.verb == Verb::Write)
    }

    /// Returns the rule that hides a path itself, if one does.
    pub fn hidden(&self, path: &Path) -> Option<Origin> {
        let rule = self.intents.get(path).filter(|intent| intent.verb == Verb::Hide);
        rule.map(|intent| intent.origin)
    }
}

/// Finds out what the rules come to on this host.
pub fn resolve(spec: &Spec, root: &root::Rule, context: &Context<'_>, sink: &mut Sink) -> Rule {
    let mut found = Finder { rule: Rule::default(), context, sink };
    if root.kind == root::Kind::System {
        found.system(root.origin);
    }
    found.home(spec, root);
    found.nothing_to_write(spec);
    if let Some(origin) = root.mounts_tmp {
        let at = origin.implied_by("`[root] auto-mount`");
        found.grant(&Named::implied("/tmp", at, false), Verb::Private);
    }
    for (verb, list) in [
        (Verb::Write, &spec.write),
        (Verb::Private, &spec.private),
        (Verb::Read, &spec.read),
        (Verb::Hide, &spec.hide),
    ] {
        for named in found.named(list) {
            found.grant(&named, verb);
        }
    }
    found.hiding(&spec.hide);
    for Named { path, written, origin, is_optional, .. } in found.named(&spec.exec) {
        match found.follow(&path, origin, is_optional) {
            Ok((path, _)) => found.rule.exec.push(Executable { path, is_optional, origin }),
            Err(why) => found.sink.push(why.told(written, origin)),
        }
    }
    found.rule
}

/// What to do about several paths in one.
const EACH_ALONE: &str = "write each path as an item, or with a flag, of its own";

struct Finder<'a> {
    rule: Rule,
    context: &'a Context<'a>,
    sink: &'a mut Sink,
}

/// Refuses to hide one of several names of a file.
pub fn other_names(path: &str, links: u64) -> Diagnostic {
    Diagnostic::error(
        Code::NotEnforceable,
        format!("`{path}` has {links} names: hiding one does not hide the others"),
    )
    .help("hide the directories that they are in, or remove the other names")
    .help(format!("write `?{path}` to hide this name alone"))
}

/// A path that a rule names.
struct Named {
    path: PathBuf,
    /// As it was written, without what says that it may be missing; a match of a glob, or a member of
    /// a group, as it is.
    written: String,
    origin: Origin,
    is_optional: bool,
    is_exact: bool,
}

impl Named {
    fn implied(path: impl Into<PathBuf>, origin: Origin, is_optional: bool) -> Self {
        let path = path.into();
        Self { written: printable_os(&path), path, origin, is_optional, is_exact: false }
    }
}

impl Finder<'_> {
    /// What `kind = "system"` shows of the host.
    fn system(&mut self, root: Origin) {
        let origin = root.implied_by("`[root] kind = \"system\"`");
        for path in ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            self.grant(&Named::implied(path, origin, path != "/usr"), Verb::Read);
        }
        for path in groups::members("etc-minimal").unwrap_or_default() {
            self.grant(&Named::implied(path, origin, true), Verb::Read);
        }
    }

    /// Warns where the project was all that may be written, and there is none: what the command
    /// makes would be gone with it.
    fn nothing_to_write(&mut self, spec: &Spec) {
        let (projects, others): (Vec<_>, Vec<_>) =
            spec.write.items().into_iter().partition(|item| {
                item.value.is_optional && item.value.text.to_string_lossy().contains("$PROJECT")
            });
        if let (Some(project), true) = (projects.first(), others.is_empty())
            && let Err(why) = self.context.variables.get("PROJECT")
            && why.is_unset()
        {
            let text = format!("nothing of yours can be written: {}", why.why);
            let warning = Diagnostic::warning(Code::NoEffect, text).at(project.origin);
            let help = "go to the project's own directory, or grant another one with `--write DIR`";
            self.sink.push(warning.help(help));
        }
    }

    fn home(&mut self, spec: &Spec, root: &root::Rule) {
        let home = spec.home.or(Home::Private);
        let at = home.origin.implied_by("`[files] home`");
        let verb = match home.value {
            // A root directory may have it.
            Home::None if home.origin.is_default() || root.directory.is_none() => return,
            Home::None => Verb::Hide,
            Home::Private => Verb::Private,
            Home::HostRead => Verb::Read,
            Home::Host => Verb::Write,
        };
        // A root directory may call the home what it likes; which one the host shows, it may not.
        let path = match (verb, self.context.variables.get("HOME")) {
            (Verb::Private | Verb::Hide, _) => self.context.home.to_owned(),
            (_, Ok(home)) => PathBuf::from(home),
            (_, Err(why)) => {
                self.sink.push(why.told("~", at));
                return;
            }
        };
        if path == Path::new("/") || !path.is_absolute() {
            if !home.origin.is_default() {
                let text = format!("the home of the user is `{}` inside", printable_os(&path));
                self.sink.push(
                    Diagnostic::error(Code::NotEnforceable, text)
                        .at(home.origin)
                        .help("give the user a home in the passwd file of the root")
                        .help("remove `home`, and name the directories that are meant"),
                );
            }
            return;
        }
        // A root directory has homes of its own or none: there, nothing is implied.
        if home.origin.is_default() && root.kind != root::Kind::System {
            let inside = root.database().join(path.strip_prefix("/").unwrap_or(&path));
            if root.kind == root::Kind::Empty || self.context.facts.file(&inside).is_none() {
                return;
            }
        }
        if let Some(intent) = self.grant(&Named::implied(path, at, false), verb) {
            intent.is_home = true;
        }
    }

    /// Returns the paths that a list names.
    fn named(&mut self, list: &List<Pattern>) -> Vec<Named> {
        let mut out = Vec::new();
        for item in list.items() {
            let Some(group) = item.value.group() else {
                self.pattern(item.value, item.origin, item.value.is_optional, &mut out);
                continue;
            };
            let Some(members) = groups::members(group) else {
                let known = groups::GROUPS.map(|(name, _)| name);
                self.sink.push(
                    Diagnostic::error(
                        Code::UnknownNamedGroup,
                        format!("unknown group of files `@{group}`"),
                    )
                    .at(item.origin)
                    .with_note(format!("expected one of @{}", known.join(", @")))
                    .suggest(
                        item.value.text.to_str().unwrap_or_default(),
                        known.map(|name| format!("@{name}")).iter().map(String::as_str),
                        "write one of these, or a path",
                    ),
                );
                continue;
            };
            for member in members {
                self.pattern(&Pattern::new(member), item.origin, true, &mut out);
            }
        }
        out
    }

    /// Notes what is hidden by the words that say so, where they have a meaning.
    fn hiding(&mut self, list: &List<Pattern>) {
        let mut add = |text: String, pattern: OsString, origin: Origin| {
            let rank = (self.context.rank)(origin);
            self.rule.hiding.push(Hiding { text, pattern, origin, rank });
        };
        for item in list.items() {
            let text = item.value.to_string();
            let group = item.value.group().and_then(groups::members);
            for member in group.unwrap_or_default() {
                if let Some(pattern) = self.context.glob_of(&Pattern::new(member)) {
                    add(text.clone(), pattern, item.origin);
                }
            }
            if let (None, Some(pattern)) = (item.value.group(), self.context.glob_of(item.value)) {
                add(text, pattern, item.origin);
            }
        }
    }

    fn pattern(
        &mut self,
        pattern: &Pattern,
        origin: Origin,
        is_optional: bool,
        out: &mut Vec<Named>,
    ) {
        match self.context.paths(pattern) {
            Ok(found) => {
                for path in found.unlisted {
                    let real =
                        self.follow(&path, origin, is_optional).map_or(path, |(real, _)| real);
                    self.rule.unseen.push((real, origin));
                }
                if found.paths.is_empty() && !is_optional {
                    let text = format!("`{pattern}` matches nothing");
                    self.sink.push(
                        Diagnostic::error(Code::MissingPath, text)
                            .at(origin)
                            .help(format!("write `?{pattern}` if it may be missing"))
                            .help("write `\\` in front of `*` or `[` that stand for themselves"),
                    );
                }
                for path in found.paths {
                    // A variable may stand for another path on the next start.
                    let written = match found.is_glob {
                        false => printable(&pattern.text.to_string_lossy()),
                        true => printable_os(&path),
                    };
                    // Members of groups are optional, whatever their patterns say.
                    let is_exact = !found.is_glob && is_optional == pattern.is_optional;
                    out.push(Named { path, written, origin, is_optional, is_exact });
                }
            }
            // Only what the caller decides is left out: how many directories there are, a command
            // that may write in them does.
            Err(why) if is_optional && why.is_unset() => {
                let text = format!("`{pattern}` is left out: {}", why.why);
                self.sink.push(Diagnostic::note(Code::NoEffect, text).at(origin));
            }
            Err(why) => self.sink.push(why.told(pattern, origin)),
        }
    }

    /// Follows a path to its end, noting the links on the way.
    fn follow(
        &mut self,
        path: &Path,
        origin: Origin,
        is_optional: bool,
    ) -> Result<(PathBuf, Option<FileFact>), NoPath> {
        let found = trust::follow(path, origin, self.context.facts)?;
        for mut link in found.links {
            link.is_optional = is_optional;
            let known = self.rule.links.entry(link.path.clone()).or_insert(link);
            known.is_optional &= is_optional;
        }
        Ok((found.path, found.fact))
    }

    /// Tells a path that is not there: where a link to it leads, or which directory hides it.
    fn missing(&mut self, named: &Named, real: &Path) {
        let facts = self.context.facts;
        let shown = &named.written;
        let at = named.origin;
        if let Some((closed, owner)) = paths::closed_above(real, facts) {
            let closed = printable_os(closed);
            let text = format!("`{shown}` lies where you may not look");
            let refusal = Diagnostic::error(Code::MissingPath, text).at(at);
            let help = if owner == facts.caller().uid {
                format!("let yourself into {closed}: `chmod u+x {closed}`")
            } else {
                format!("ask user {owner}, whose {closed} is, to let you in")
            };
            self.sink.push(refusal.help(help).help(format!("write `?{shown}` to do without it")));
            return;
        }
        let mut refusal =
            Diagnostic::error(Code::MissingPath, format!("`{shown}` is not there")).at(at);
        let path = printable_os(&named.path);
        if facts.file(&named.path).is_some_and(|fact| fact.link.is_some()) {
            refusal = refusal.with_note(format!("{path} is a link to {}", printable_os(real)));
        } else if path != *shown {
            refusal = refusal.with_note(format!("it stands for {path}"));
        }
        self.sink.push(if shown.contains(',') {
            refusal.help(EACH_ALONE)
        } else {
            refusal.help(format!("create it, or write `?{shown}` if it may be missing"))
        });
    }

    /// Puts a rule at a path; returns the rule that is in force there.
    fn grant(&mut self, named: &Named, verb: Verb) -> Option<&mut Intent> {
        let Named { path, written: shown, origin, is_optional, is_exact } = named;
        let (origin, is_optional, is_exact) = (*origin, *is_optional, *is_exact);
        // Hiding needs no link: where the root has none, the path is another there.
        let is_needed = !is_optional && verb != Verb::Hide;
        let (real, fact) = match self.follow(path, origin, !is_needed) {
            Ok(found) => found,
            Err(why) => {
                self.sink.push(why.told(shown, origin));
                return None;
            }
        };
        if real == Path::new("/") {
            self.sink.push(
                Diagnostic::error(
                    Code::BadPath,
                    format!("`{}` of `/` as a whole is not in this version of sbx", verb.name()),
                )
                .at(origin)
                .help("name the directories that are needed"),
            );
            return None;
        }
        if fact.is_none() && self.context.facts.is_closed(&real) {
            self.rule.unseen.push((real.clone(), origin));
        }
        let may_be_missing = match verb {
            Verb::Private => true,
            // What a mount shows may be hidden though the host has nothing at that place.
            Verb::Hide => is_optional || !self.is_shown(&real),
            Verb::Read | Verb::Write => false,
        };
        if fact.is_none() && !may_be_missing {
            if !is_optional {
                self.missing(named, &real);
            }
            return None;
        }
        if fact.is_none() && !is_optional && shown.contains(',') {
            let text = format!("`{shown}` is one path, and not there");
            self.sink.push(Diagnostic::warning(Code::NoEffect, text).at(origin).help(EACH_ALONE));
        }
        let links =
            fact.as_ref().filter(|fact| fact.kind == FileKind::File).map_or(1, |fact| fact.nlink);
        if verb == Verb::Hide && links > 1 && !is_optional {
            self.sink.push(other_names(shown, links).at(origin));
            return None;
        }
        let is_directory = fact.as_ref().is_none_or(|fact| fact.kind == FileKind::Directory);
        if verb == Verb::Private && !is_directory {
            self.sink.push(
                Diagnostic::error(
                    Code::WrongKind,
                    format!("`private` needs a directory; `{shown}` is a file"),
                )
                .at(origin)
                .help("name its directory, or use `hide`"),
            );
            return None;
        }
        let rank = (self.context.rank)(origin);
        let intent = Intent { verb, fact, is_optional, is_exact, is_home: false, origin, rank };
        self.put(real.clone(), intent);
        self.rule.intents.get_mut(&real)
    }

    fn put(&mut self, path: PathBuf, mut new: Intent) {
        // A rule that somebody wrote wins over an implied one, whatever layer that came with.
        let layer = |one: &Intent| (one.origin.via.is_none(), one.rank);
        match self.rule.intents.get_mut(&path) {
            Some(old) if layer(&new) < layer(old) => return,
            Some(old) if layer(&new) == layer(old) => {
                // Two rules of a layer name it, whatever their order: one of them in so many words.
                old.is_exact |= new.is_exact;
                new.is_exact = old.is_exact;
                if new.verb <= old.verb {
                    return;
                }
            }
            _ => {}
        }
        self.rule.intents.insert(path, new);
    }

    fn is_shown(&self, path: &Path) -> bool {
        let above = path.ancestors().find_map(|above| self.rule.intents.get(above));
        above.is_some_and(|intent| matches!(intent.verb, Verb::Read | Verb::Write))
    }
}
