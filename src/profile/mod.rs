//! A profile as somebody wrote it, and how several become one.

mod builtin;
mod extends;
mod layer;
mod search;

pub use builtin::BUILTIN;
pub use extends::{Loaded, Loader, flatten};
pub use layer::{Layer, LayerKind, Stack};
pub use search::{Place, candidates, directory_below, is_path};

use crate::diag::{Code, Diagnostic, Origin, Sink, SourceId};
use crate::feature::{
    capabilities, command, dev, env, files, landlock, limits, mounts, namespaces, network, process,
    root, seccomp, user,
};
use crate::schema::{self, Key, Reader, Section, ShownKey, section};
use crate::value::{List, Slot};

/// Version of the format that this sbx reads.
pub const FORMAT: u32 = 1;

section! {
    /// The keys above the first section.
    pub struct Head = "", reserved [
        "app-id", "proc", "cgroup", "terminal", "apparmor", "selinux", "sockets", "dbus", "display", "audio", "desktop",
    ] {
        /// Version of the format; must be 1.
        sbx: Slot<u32> = "sbx",
        /// What the profile is for, in one line.
        description: Slot<String> = "description",
        /// Profiles that this one builds on: earlier first, later wins.
        extends: List<String> = "extends",
    }
}

section! {
    /// `[match]`: when the profile is used without being named.
    pub struct Match = "match", reserved ["desktop-ids"] {
        /// Commands that it serves, by the last part of their path.
        commands: List<String> = "commands",
    }
}

macro_rules! profile {
    ($($field:ident: $kind:ty = $name:literal,)+) => {
        /// Everything a profile can say, each value with its origin.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Profile {
            /// The keys above the first section.
            pub head: Head,
            /// `[[mount]]`.
            pub mount: mounts::Mounts,
            $(#[doc = concat!("`[", $name, "]`.")] pub $field: $kind,)+
        }

        impl Profile {
            /// Sections and their keys, for the manual and the tests that hold it to them.
            pub const SECTIONS: &'static [(&'static str, &'static [Key])] = &[
                ("", Head::KEYS),
                $(($name, <$kind>::KEYS),)+
                ("mount", mounts::Mounts::KEYS),
                ("seccomp.rule", seccomp::RuleSpec::KEYS),
            ];

            fn sections(&mut self, reader: &mut Reader<'_, '_>) {
                $(if let Some(value) = reader.take($name) {
                    reader.section($name, value, |reader| Section::read(&mut self.$field, reader));
                })+
            }

            /// Tells removals from lists that met nothing to remove, once all layers are merged.
            pub fn warn(&self, sink: &mut Sink) {
                Section::warn(&self.head, sink);
                $(Section::warn(&self.$field, sink);)+
            }

            /// Puts the upper layer's values on top.
            pub fn merge(&mut self, upper: Self) {
                Section::merge(&mut self.head, upper.head);
                self.mount.merge(upper.mount);
                $(Section::merge(&mut self.$field, upper.$field);)+
            }

            /// Returns what some layer wrote and is in force.
            pub fn show(&self) -> Vec<ShownSection> {
                let mut out = vec![ShownSection::new(Heading::Top, Section::show(&self.head))];
                $(out.push(ShownSection::new(Heading::Section($name), Section::show(&self.$field)));)+
                out.retain(|section| !section.keys.is_empty());
                out.extend(self.mount.show().map(|(keys, replaced)| {
                    ShownSection::new(Heading::Mount { replaced }, keys)
                }));
                out
            }
        }
    };
}

/// What keys stand under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heading {
    /// Nothing: the top of the file.
    Top,
    /// A section.
    Section(&'static str),
    /// One of the mounts.
    Mount {
        /// Where mounts stand that it takes the place of.
        replaced: Vec<Origin>,
    },
}

/// A part of a profile, as `sbx show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSection {
    /// What the keys stand under.
    pub heading: Heading,
    /// The keys that some layer wrote, with what is in force.
    pub keys: Vec<(&'static str, ShownKey)>,
}

impl ShownSection {
    fn new(heading: Heading, keys: Vec<(&'static str, ShownKey)>) -> Self {
        Self { heading, keys }
    }
}

profile! {
    matches: Match = "match",
    files: files::Spec = "files",
    root: root::Spec = "root",
    dev: dev::Spec = "dev",
    namespaces: namespaces::Spec = "namespaces",
    user: user::Spec = "user",
    capabilities: capabilities::Spec = "capabilities",
    limits: limits::Spec = "limits",
    landlock: landlock::Spec = "landlock",
    seccomp: seccomp::Spec = "seccomp",
    network: network::Spec = "network",
    env: env::Spec = "env",
    process: process::Spec = "process",
    command: command::Spec = "command",
}

impl Profile {
    /// Reads a profile from TOML, telling every problem.
    pub fn read(text: &str, source: SourceId, sink: &mut Sink) -> Self {
        let mut profile = Self::default();
        let mut found = Sink::default();
        let table = schema::parse(text, source, &mut found);
        // After a slip in the syntax, what is read is not what was meant.
        if !found.has_errors() {
            profile.read_table(&mut Reader::new(table.get_ref(), source, &mut found));
        }
        found.sort();
        sink.absorb(found);
        profile
    }

    fn read_table(&mut self, reader: &mut Reader<'_, '_>) {
        reader.field("sbx", &mut self.head.sbx);
        reader.field("description", &mut self.head.description);
        reader.field("extends", &mut self.head.extends);
        if let Some(value) = reader.take("mount") {
            self.mount.read(value, reader);
        }
        self.sections(reader);
        self.matches.check(reader.sink);
        reader.finish("", Head::KEYS, Head::RESERVED, Self::SECTIONS);
        if let Some(version) = self.head.sbx.get().filter(|version| version.value != FORMAT) {
            reader.sink.push(
                Diagnostic::error(
                    Code::BadValue,
                    format!("format version {} is not known to this sbx", version.value),
                )
                .at(version.origin)
                .help(format!("write `sbx = {FORMAT}`, or use a newer sbx")),
            );
        }
    }

    /// Says whether a profile's text serves a command, by the last part of its path; what keeps that
    /// from being known goes to `sink`.
    pub fn serves(text: &str, command: &str, source: SourceId, sink: &mut Sink) -> bool {
        let table = schema::parse(text, source, sink);
        if sink.has_errors() {
            return false;
        }
        let mut matches = Match::default();
        let mut reader = Reader::new(table.get_ref(), source, sink);
        if let Some(value) = reader.take("match") {
            reader.section("match", value, |reader| Section::read(&mut matches, reader));
        }
        matches.check(sink);
        // A section of another name might have been meant.
        let known = |key: &str| Head::KEYS.iter().any(|one| one.name == key);
        let mut keys = table.get_ref().iter().map(|(key, _)| key.get_ref().as_ref());
        if keys.any(|key| !known(key) && !Self::SECTIONS.iter().any(|(name, _)| *name == key)) {
            Self::read(text, source, sink);
        }
        matches.commands.items().iter().any(|item| item.value == command)
    }
}

impl Match {
    /// Tells commands that no command can be.
    fn check(&self, sink: &mut Sink) {
        for item in self.commands.items() {
            let surely_none = |c: char| c.is_whitespace() || "/,*?[".contains(c);
            if item.value.is_empty() || item.value.contains(surely_none) {
                let last = item.value.rsplit('/').next().unwrap_or_default();
                let last = if last.contains(surely_none) { "" } else { last };
                let text = format!("`{}` is not the last part of a command's path", item.value);
                let refusal = Diagnostic::error(Code::BadValue, text).at(item.origin);
                sink.push(match last {
                    "" => refusal.help("write the name of a command, such as \"firefox\""),
                    _ => refusal.help(format!("write `\"{last}\"`: commands are matched by that")),
                });
            }
        }
    }
}
