//! `[[mount]]`: single mounts, where a list of paths is not precise enough.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::feature::paths::{self, Context};
use crate::feature::trust::{self, Link};
use crate::path::Pattern;
use crate::plan::{MountOption, SourceIdentity};
use crate::schema::{Key, Leaf, Reader, Section, ShownKey, Value, choice_leaf, section};
use crate::unit::{ByteSize, Mode};
use crate::value::{List, Slot, Sourced, Table};

/// What is mounted or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A part of the host's tree.
    Bind,
    /// An empty file system in memory.
    Tmpfs,
    /// A new proc.
    Proc,
    /// A file with given contents.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
}

choice_leaf!(Kind, "\"bind\", \"tmpfs\", \"proc\", \"file\", \"dir\" or \"symlink\"",
    ["bind" => Bind, "tmpfs" => Tmpfs, "proc" => Proc, "file" => File, "dir" => Dir, "symlink" => Symlink],
    reserved ["overlay", "sysfs", "devpts", "mqueue"]);

impl Kind {
    /// Returns the keys that it must have, besides `kind` and `to`.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Bind => &["from"],
            Self::File => &["contents"],
            Self::Symlink => &["target"],
            Self::Tmpfs | Self::Proc | Self::Dir => &[],
        }
    }
}

/// An option of a mount as it is written: one that is set, or the opposite of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of mount(8)")]
pub enum OptionName {
    Ro,
    Rw,
    Nosuid,
    Nodev,
    Noexec,
    Exec,
    Noatime,
    Nodiratime,
    Nosymfollow,
}

choice_leaf!(OptionName, "a mount option",
    ["ro" => Ro, "rw" => Rw, "nosuid" => Nosuid, "nodev" => Nodev, "noexec" => Noexec, "exec" => Exec,
     "noatime" => Noatime, "nodiratime" => Nodiratime, "nosymfollow" => Nosymfollow],
    reserved ["suid", "dev"]);

section! {
    /// One mount as it was written.
    pub struct Spec = "mount", reserved [] {
        /// What is mounted or made.
        kind: Slot<Kind> = "kind",
        /// What a bind shows: a path of the host.
        from: Slot<Pattern> = "from",
        /// Where it is inside.
        to: Slot<Pattern> = "to",
        /// Options: ro (the default of a bind) or rw, noexec or exec, noatime, nodiratime, nosymfollow; nosuid and nodev always hold.
        options: List<OptionName> = "options",
        /// Size of a tmpfs. Default: "512M".
        size: Slot<ByteSize> = "size",
        /// Number of files a tmpfs can have. Default: the kernel's.
        inodes: Slot<u32> = "inodes",
        /// Permission bits of a tmpfs, file or directory. Default: 0755, and 0644 for a file.
        mode: Slot<Mode> = "mode",
        /// Contents of a file.
        contents: Slot<String> = "contents",
        /// What a symbolic link says.
        target: Slot<String> = "target",
    }
}

/// All `[[mount]]` of a profile, by destination: an upper layer's replaces a lower one's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Mounts by the text of `to`.
    pub table: Table<Spec>,
}

impl Mounts {
    /// The keys of one mount.
    pub const KEYS: &'static [Key] = Spec::KEYS;

    /// Reads the array of tables.
    pub fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>) {
        let mut seen: Vec<(String, Origin)> = Vec::new();
        reader.tables("mount", value, |reader, origin| {
            let mut spec = Spec::default();
            spec.read(reader);
            let Some(to) = spec.to.get() else {
                if !reader.has("to") {
                    reader.sink.push(
                        Diagnostic::error(Code::BadValue, "a mount needs `to`")
                            .at(origin)
                            .help("write where it is to be, such as `to = \"/data\"`"),
                    );
                }
                return;
            };
            if spec.kind.get().is_none() && !reader.has("kind") {
                reader.sink.push(
                    Diagnostic::error(Code::BadValue, "a mount needs `kind`")
                        .at(to.origin)
                        .help(format!("write `kind`: {}", Kind::EXPECTS)),
                );
            }
            if let Some(kind) = spec.kind.get() {
                let missing = kind.value.needs().iter().filter(|key| !reader.has(key));
                for key in missing.copied().collect::<Vec<_>>() {
                    let text = format!("a {} needs `{key}`", kind.value.name());
                    reader.sink.push(
                        Diagnostic::error(Code::BadValue, text)
                            .at(kind.origin)
                            .help(format!("add `{key}` to this mount")),
                    );
                }
            }
            let key = to.value.to_string();
            if let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == key) {
                reader.sink.push(twice(&key, to.origin, *first));
                return;
            }
            seen.push((key.clone(), to.origin));
            let origin = to.origin;
            self.table.set(key, spec, origin);
        });
    }

    /// Puts the upper layer's mounts on top.
    pub fn merge(&mut self, upper: Self) {
        self.table.merge(upper.table);
    }

    /// Returns the keys of each mount, and where mounts stand that it takes the place of.
    pub fn show(&self) -> impl Iterator<Item = (Vec<(&'static str, ShownKey)>, Vec<Origin>)> {
        self.table.slots().filter_map(|(_, slot)| {
            let replaced = slot.replaced().iter().map(|old| old.origin).collect();
            Some((slot.get()?.value.show(), replaced))
        })
    }
}

/// What a mount comes to; one that says neither `exec` nor `noexec` follows `[files] exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the section")]
pub enum Rule {
    Bind { source: PathBuf, identity: SourceIdentity, options: Vec<MountOption>, says_exec: bool },
    Tmpfs { size: u64, inodes: Option<u64>, mode: u32, options: Vec<MountOption>, says_exec: bool },
    Proc,
    File { contents: String, mode: u32 },
    Directory { mode: u32 },
    Symlink { target: String },
}

/// A mount, where it is to be, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is inside; links inside may be on the way.
    pub to: PathBuf,
    /// What it is.
    pub rule: Rule,
    /// Where it was asked for.
    pub origin: Origin,
    /// Place of its layer in the order of layers.
    pub rank: usize,
}

/// Size of a tmpfs for which none is given, in bytes.
pub const DEFAULT_TMPFS: u64 = 512 << 20;

/// Refuses two mounts of one layer on the same place.
pub fn twice(place: &str, second: Origin, first: Origin) -> Diagnostic {
    Diagnostic::error(Code::Duplicate, format!("two mounts on `{place}`"))
        .label(second, "second one")
        .label(first, "first one")
        .help("remove one of them")
}

/// Decides each mount: where it is, and what; links on the way to sources go to `links`.
pub fn resolve(
    mounts: &Mounts,
    context: &Context<'_>,
    links: &mut Vec<Link>,
    sink: &mut Sink,
) -> Vec<Mount> {
    let mut out = Vec::new();
    for (key, entry) in mounts.table.iter() {
        let (spec, origin) = (&entry.value, entry.origin);
        let Some(to) = spec.to.get() else { continue };
        let path = match context.path(&to.value) {
            Ok(path) if path != Path::new("/") => path,
            Ok(_) => {
                sink.push(
                    Diagnostic::error(Code::BadPath, "a mount cannot be on `/`")
                        .at(to.origin)
                        .help("write [root] to say what the tree starts from"),
                );
                continue;
            }
            Err(why) => {
                sink.push(why.told(key, to.origin));
                continue;
            }
        };
        if let Some(rule) = one(spec, context, links, sink) {
            out.push(Mount { to: path, rule, origin, rank: (context.rank)(origin) });
        }
    }
    out
}

fn one(spec: &Spec, context: &Context<'_>, links: &mut Vec<Link>, sink: &mut Sink) -> Option<Rule> {
    // Where there is none, that was told when it was read.
    let kind = spec.kind.get()?;
    let needed = kind.value.needs();
    let allowed: &[&str] = match kind.value {
        Kind::Bind => &["options"],
        Kind::Tmpfs => &["options", "size", "inodes", "mode"],
        Kind::File | Kind::Dir => &["mode"],
        Kind::Proc | Kind::Symlink => &[],
    };
    let written = spec.show();
    for (key, shown) in &written {
        let known = ["kind", "to"].contains(key) || needed.contains(key) || allowed.contains(key);
        if !known {
            sink.push(
                Diagnostic::error(
                    Code::Conflict,
                    format!("`{key}` has no meaning for a {}", kind.value.name()),
                )
                .at(shown.origin())
                .help(format!("remove `{key}`")),
            );
        }
    }
    refuse_no_limit(spec, sink);
    let mode = |default| spec.mode.or(Mode(default)).value.0;
    let about_exec = [OptionName::Exec, OptionName::Noexec];
    let says_exec = spec.options.items().iter().any(|item| about_exec.contains(item.value));
    Some(match kind.value {
        Kind::Bind => {
            let (source, identity) = source(spec.from.get()?, context, links, sink)?;
            Rule::Bind { source, identity, options: options(&spec.options, true, sink), says_exec }
        }
        Kind::Tmpfs => Rule::Tmpfs {
            size: spec.size.or(ByteSize(DEFAULT_TMPFS)).value.0,
            inodes: spec.inodes.get().map(|n| u64::from(n.value)),
            mode: mode(0o755),
            options: options(&spec.options, false, sink),
            says_exec,
        },
        Kind::Proc => Rule::Proc,
        Kind::File => {
            Rule::File { contents: spec.contents.get()?.value.clone(), mode: mode(0o644) }
        }
        Kind::Dir => Rule::Directory { mode: mode(0o755) },
        Kind::Symlink => Rule::Symlink { target: spec.target.get()?.value.clone() },
    })
}

/// Refuses 0, which is "no limit" to the kernel (the kernel's tmpfs.rst).
fn refuse_no_limit(spec: &Spec, sink: &mut Sink) {
    let size = spec.size.get().filter(|size| size.value.0 == 0).map(|size| ("size", size.origin));
    let inodes = spec.inodes.get().filter(|inodes| inodes.value == 0);
    for (key, at) in size.into_iter().chain(inodes.map(|inodes| ("inodes", inodes.origin))) {
        sink.push(
            Diagnostic::error(Code::BadValue, format!("`{key}` 0 would be no limit at all"))
                .at(at)
                .help(format!("write how much it may hold at most, or remove `{key}`")),
        );
    }
}

/// Finds what a bind shows; nothing where it is missing and may be.
fn source(
    from: &Sourced<Pattern>,
    context: &Context<'_>,
    links: &mut Vec<Link>,
    sink: &mut Sink,
) -> Option<(PathBuf, SourceIdentity)> {
    let facts = context.facts;
    let found = context.path(&from.value);
    let found = found.and_then(|path| trust::follow(&path, from.origin, facts));
    match found {
        // The root of the sandbox is mounted on it by then, and would be shown in the host's stead.
        Ok(trust::Followed { path, .. }) if path == Path::new("/") => sink.push(
            Diagnostic::error(
                Code::BadPath,
                "a bind of `/` as a whole is not in this version of sbx",
            )
            .at(from.origin)
            .help("name the directories that are needed"),
        ),
        Ok(trust::Followed { path, fact: Some(fact), links: found }) => {
            links.extend(found);
            return Some((path, SourceIdentity::from(&fact)));
        }
        // One that was closed may be there: without it, what it stands in front of is shown.
        Ok(found) if from.value.is_optional && !facts.is_closed(&found.path) => {}
        Ok(found) => {
            let written = from.value.text.to_string_lossy();
            let text = format!("`{written}` is not there");
            let refusal = Diagnostic::error(Code::MissingPath, text).at(from.origin);
            sink.push(match paths::closed_above(&found.path, facts) {
                Some((closed, _)) => refusal
                    .with_note("or it lies where you may not look")
                    .help(format!("let yourself into {}", printable_os(closed))),
                None => {
                    refusal.help(format!("create it, or write `?{written}` if it may be missing"))
                }
            });
        }
        Err(why) => sink.push(why.told(&from.value, from.origin)),
    }
    None
}

/// Returns the options that are set: nosuid and nodev always; noexec unless the mount is read-only
/// or says `exec`.
fn options(list: &List<OptionName>, ro_by_default: bool, sink: &mut Sink) -> Vec<MountOption> {
    let items = list.items();
    let said = |name| items.iter().find(|item| *item.value == name).map(|item| item.origin);
    for (one, other) in [(OptionName::Ro, OptionName::Rw), (OptionName::Noexec, OptionName::Exec)] {
        if let (Some(first), Some(second)) = (said(one), said(other)) {
            let text = format!("`{}` and `{}` cannot both hold", one.name(), other.name());
            sink.push(
                Diagnostic::error(Code::Conflict, text)
                    .at(second)
                    .label(first, "the other one")
                    .help("remove one of them"),
            );
        }
    }
    let is_ro = said(OptionName::Ro).is_some() || (ro_by_default && said(OptionName::Rw).is_none());
    let is_noexec =
        said(OptionName::Noexec).is_some() || (!is_ro && said(OptionName::Exec).is_none());
    let mut set = MountOption::ALWAYS.to_vec();
    set.extend(is_ro.then_some(MountOption::Ro));
    set.extend(is_noexec.then_some(MountOption::Noexec));
    set.extend(said(OptionName::Noatime).map(|_| MountOption::Noatime));
    set.extend(said(OptionName::Nodiratime).map(|_| MountOption::Nodiratime));
    set.extend(said(OptionName::Nosymfollow).map(|_| MountOption::Nosymfollow));
    set
}
