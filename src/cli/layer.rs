//! Flags become a layer: the same type that a profile file gives, on top of all others.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::args::Overrides;
use crate::diag::{Code, Diagnostic, Origin, Sink, SourceKind, SourceMap, printable_os};
use crate::feature::command::Argv;
use crate::feature::limits::Limit;
use crate::feature::mounts::{self, OptionName};
use crate::feature::user::Name;
use crate::feature::{dev, files, network};
use crate::path::{PATH_MAX, Pattern};
use crate::profile::{Head, Layer, LayerKind, Match, Profile};
use crate::schema::unknown_choice;
use crate::unit::ByteSize;
use crate::value::List;

/// Returns the layer of the flags and the command.
pub(super) fn layer(
    flags: &Overrides,
    argv: &[OsString],
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Layer {
    let mut flag = Flags { profile: Profile::default(), sources, sink, used: Vec::new() };
    flag.files(flags);
    flag.rights(flags);
    for text in &flags.set {
        flag.set(text);
    }
    if !argv.is_empty() {
        let words: Vec<String> = argv.iter().map(printable_os).collect();
        let origin = flag.origin(words.join(" "));
        flag.profile.command.argv.set(Argv(argv.to_vec()), origin);
    }
    Layer {
        kind: LayerKind::Flags,
        name: "command line".to_owned(),
        sources: flag.used,
        profile: flag.profile,
    }
}

struct Flags<'a> {
    profile: Profile,
    sources: &'a mut SourceMap,
    sink: &'a mut Sink,
    used: Vec<crate::diag::SourceId>,
}

impl Flags<'_> {
    fn origin(&mut self, text: impl Into<String>) -> Origin {
        let origin = self.sources.add_flag(text);
        self.used.push(origin.source);
        origin
    }

    fn written(&mut self, name: &str, value: impl AsRef<OsStr>) -> Origin {
        self.origin(format!("--{name} {}", printable_os(value)))
    }

    fn bad(&mut self, origin: Origin, message: impl Into<String>, help: impl Into<String>) {
        self.sink.push(Diagnostic::error(Code::BadValue, message).at(origin).help(help));
    }

    /// Returns the path of a flag. An empty one is what a script makes of a variable that is not
    /// set, not the working directory.
    fn path(&mut self, flag: &str, text: &OsStr, origin: Origin) -> Option<Pattern> {
        let path = Pattern::argument(text);
        if path.text.len() > PATH_MAX {
            self.bad(
                origin,
                format!("the path of --{flag} is too long"),
                "write at most 4096 bytes",
            );
            return None;
        }
        if path.text.is_empty() {
            let help = "write a path, `.` for the working directory";
            self.bad(origin, format!("--{flag} names no path"), help);
            return None;
        }
        Some(path)
    }

    fn files(&mut self, flags: &Overrides) {
        type Pick = fn(&mut files::Spec) -> &mut List<Pattern>;
        let lists: [(&str, &[OsString], Pick); 5] = [
            ("read", &flags.read, |spec| &mut spec.read),
            ("write", &flags.write, |spec| &mut spec.write),
            ("exec", &flags.exec, |spec| &mut spec.exec),
            ("hide", &flags.hide, |spec| &mut spec.hide),
            ("private", &flags.private, |spec| &mut spec.private),
        ];
        for (name, paths, list) in lists {
            for path in paths {
                let origin = self.written(name, path);
                if let Some(path) = self.path(name, path, origin) {
                    list(&mut self.profile.files).push(path, origin);
                }
            }
        }
        if let Some(text) = &flags.home {
            let origin = self.written("home", text);
            if let Some(home) = self.choice(text, files::Home::ALL, origin) {
                self.profile.files.home.set(home, origin);
            }
        }
        for text in &flags.tmpfs {
            self.tmpfs(text);
        }
        for text in &flags.bind {
            self.bind(text);
        }
        if let Some(path) = &flags.rootfs {
            let origin = self.written("rootfs", path);
            if let Some(path) = self.path("rootfs", path, origin) {
                self.profile.root.path.set(path, origin);
            }
        }
        if let Some(text) = &flags.dev {
            let origin = self.written("dev", text);
            if let Some(mode) = self.choice(text, dev::Mode::ALL, origin) {
                self.profile.dev.mode.set(mode, origin);
            }
        }
        if let Some(path) = &flags.cwd {
            let origin = self.written("cwd", path);
            if let Some(path) = self.path("cwd", path, origin) {
                self.profile.process.cwd.set(path, origin);
            }
        }
    }

    fn rights(&mut self, flags: &Overrides) {
        if let Some(text) = &flags.net {
            let origin = self.written("net", text);
            if let Some(mode) = self.choice(text, network::Mode::ALL, origin) {
                self.profile.network.mode.set(mode, origin);
            }
        }
        if let Some(text) = &flags.user {
            self.user(text);
        }
        for name in &flags.keep_cap {
            let origin = self.written("keep-cap", name);
            self.profile.capabilities.keep.push(name.clone(), origin);
        }
        for text in &flags.limit {
            self.limit(text);
        }
        for number in &flags.keep_fd {
            let origin = self.written("keep-fd", number.to_string());
            self.profile.process.keep_fds.push(*number, origin);
        }
        for text in &flags.env {
            self.env(text);
        }
        if let Some(name) = &flags.hostname {
            let origin = self.written("hostname", name);
            self.profile.namespaces.hostname.set(name.clone(), origin);
        }
    }

    fn choice<T: Copy>(
        &mut self,
        text: &str,
        known: &[(&'static str, T)],
        origin: Origin,
    ) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.sink.push(unknown_choice(text, &names, origin));
        }
        found
    }

    fn tmpfs(&mut self, text: &OsStr) {
        let origin = self.written("tmpfs", text);
        let parts = split(text);
        let mut spec = mounts::Spec::default();
        spec.kind.set(mounts::Kind::Tmpfs, origin);
        let Some(to) = self.path("tmpfs", parts.first().map_or(OsStr::new(""), |to| to), origin)
        else {
            return;
        };
        spec.to.set(to, origin);
        match parts.as_slice() {
            [_] => {}
            [_, size] => match size.to_str().and_then(ByteSize::parse) {
                Some(size) => spec.size.set(size, origin),
                None => self.bad(
                    origin,
                    format!("`{}` is not a size", printable_os(size)),
                    "write a size such as 64M",
                ),
            },
            _ => self.bad(origin, "a tmpfs has a path and a size", "write --tmpfs PATH[:SIZE]"),
        }
        self.mount(spec, origin);
    }

    fn bind(&mut self, text: &OsStr) {
        let origin = self.written("bind", text);
        let parts = split(text);
        let mut spec = mounts::Spec::default();
        spec.kind.set(mounts::Kind::Bind, origin);
        let (from, to, option) = match parts.as_slice() {
            [from] => (from, from, None),
            [_, option] if ["ro", "rw"].iter().any(|name| option == name) => {
                self.bad(
                    origin,
                    format!("`{}` is no place", printable_os(option)),
                    "write --bind FROM:TO:rw, with both paths",
                );
                return;
            }
            [_, to] if [",ro", ",rw"].iter().any(|end| to.as_bytes().ends_with(end.as_bytes())) => {
                let help = "write --bind FROM:TO:ro, with a colon, and `\\,` for a comma in a path";
                self.bad(origin, "a comma stands in front of an option", help);
                return;
            }
            [from, to] => (from, to, None),
            [from, to, option] => (from, to, Some(option)),
            _ => {
                self.bad(
                    origin,
                    "a bind has at most three parts",
                    "write --bind FROM[:TO[:ro|rw]], and `\\:` for a colon in a path",
                );
                return;
            }
        };
        let (Some(from), Some(to)) =
            (self.path("bind", from, origin), self.path("bind", to, origin))
        else {
            return;
        };
        spec.from.set(from, origin);
        spec.to.set(to, origin);
        match option.map(|option| option.to_str()) {
            None | Some(Some("ro")) => spec.options.push(OptionName::Ro, origin),
            Some(Some("rw")) => spec.options.push(OptionName::Rw, origin),
            Some(_) => self.bad(
                origin,
                "a bind is `ro` or `rw`",
                "write --bind FROM:TO:ro, or set `options` in a [[mount]]",
            ),
        }
        self.mount(spec, origin);
    }

    fn mount(&mut self, spec: mounts::Spec, origin: Origin) {
        if let Some(to) = spec.to.get() {
            self.profile.mount.table.set(to.value.to_string(), spec.clone(), origin);
        }
    }

    fn user(&mut self, text: &str) {
        let origin = self.written("user", text);
        if text.is_empty() {
            self.bad(origin, "--user names no user", "write --user NAME[:GROUP[:GROUPS]]");
        }
        let mut parts = text.splitn(3, ':');
        let user = &mut self.profile.user;
        if let Some(name) = parts.next().filter(|name| !name.is_empty()) {
            user.name.set(Name(name.to_owned()), origin);
        }
        if let Some(group) = parts.next().filter(|group| !group.is_empty()) {
            user.group.set(Name(group.to_owned()), origin);
        }
        // `NAME:GROUP:` has no groups besides, as `NAME:GROUP` has none.
        let groups = parts.next().filter(|groups| !groups.is_empty());
        for group in groups.into_iter().flat_map(|list| list.split(',')) {
            user.groups.push(Name(group.to_owned()), origin);
        }
    }

    fn limit(&mut self, text: &str) {
        let origin = self.written("limit", text);
        let Some((name, value)) = text.split_once('=') else {
            self.bad(
                origin,
                format!("`{text}` is not a limit"),
                "write --limit NAME=LIMIT, such as --limit nofile=1024",
            );
            return;
        };
        match self.profile.limits.slot_mut(name) {
            Some(slot) => slot.set(Limit::new(value), origin),
            None => {
                let known = <crate::feature::limits::Spec as crate::schema::Section>::KEYS;
                self.sink.push(
                    Diagnostic::error(Code::UnknownKey, format!("unknown limit `{name}`"))
                        .at(origin)
                        .suggest(
                            &name.to_ascii_lowercase(),
                            known.iter().map(|key| key.name),
                            "write a limit of [limits] in sbx-profile(5): each is for one process",
                        ),
                );
            }
        }
    }

    fn env(&mut self, text: &OsStr) {
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=');
        let (name, value) = bytes.split_at(at.unwrap_or(bytes.len()));
        // The value may be a secret: it is not repeated in messages.
        let origin = self.origin(format!("--env {}", String::from_utf8_lossy(name)));
        if name.is_empty() {
            self.bad(origin, "--env names no variable", "write --env NAME, or --env NAME=VALUE");
            return;
        }
        match (std::str::from_utf8(name), value.get(1..).map(std::str::from_utf8)) {
            (Ok(name), None) => self.profile.env.pass.push(name.to_owned(), origin),
            (Ok(name), Some(Ok(value))) => self.profile.env.set.set(name, value.to_owned(), origin),
            _ => self.bad(
                origin,
                "a variable that is not UTF-8 cannot be set",
                "pass it on with --env NAME",
            ),
        }
    }

    /// `--set section.key=VALUE`: a line of TOML; a value of bare words is a string, or the items of a
    /// list with commas between them.
    fn set(&mut self, text: &str) {
        let shown = format!("--set {text}");
        let Some((key, value)) = text.split_once('=') else {
            let origin = self.origin(shown);
            self.bad(origin, format!("`{text}` sets nothing"), "write --set SECTION.KEY=VALUE");
            return;
        };
        let refused = match key.split('.').next().unwrap_or(key).trim() {
            "extends" => Some("write `--profile NAME` instead"),
            "match" | "sbx" | "description" => Some("write it in a profile"),
            _ => None,
        };
        if let Some(help) = refused {
            let origin = self.origin(shown);
            self.bad(origin, format!("`{key}` has no meaning on the command line"), help);
            return;
        }
        let bare = |c: char| c.is_alphanumeric() || "_-./~@$:,*?+% ".contains(c);
        let is_word = value.chars().all(bare);
        let mut line = format!("{key}={value}");
        if is_word && !is_read(&line) {
            let string = |word: &str| crate::schema::toml_string(word);
            let items: Vec<String> = value.split(',').map(string).collect();
            let forms = [
                format!("{key}={}", string(value)),
                format!("{key}=[{}]", items.join(",")),
                format!("{key}=[{value}]"),
            ];
            // Nothing is an empty string and no empty list: a variable of a script may be unset.
            let forms = if value.trim().is_empty() { &forms[..1] } else { &forms[..] };
            // The one that can be read; else the first that has the type that the key takes.
            let form = forms.iter().find(|form| is_read(form));
            let form = form.or_else(|| forms.iter().find(|form| is_of_the_type(form)));
            let form = form.or(forms.first().filter(|_| !is_plain_toml(&line)));
            line = form.cloned().unwrap_or(line);
        }
        let source = self.sources.add(SourceKind::Flag, "--set", line.clone());
        self.used.push(source);
        let mut profile = Profile::read(&line, source, self.sink);
        let head = std::mem::take(&mut profile.head);
        let matches = std::mem::take(&mut profile.matches);
        if head != Head::default() || matches != Match::default() {
            let origin = Origin::new(source, 0..line.len());
            let help = "write it in a profile, and `--profile NAME` for that";
            self.bad(origin, "it has no meaning on the command line", help);
        }
        self.profile.merge(profile);
    }
}

/// Says whether a line is TOML as it stands; a time of day such as `10:20` is meant as a word.
fn is_plain_toml(text: &str) -> bool {
    let mut sink = Sink::default();
    let table = crate::schema::parse(text, Origin::DEFAULT.source, &mut sink);
    !sink.has_errors() && !crate::schema::has_time(table.get_ref())
}

/// Says whether a line can be read without a problem.
fn is_read(line: &str) -> bool {
    !problems(line).has_errors()
}

/// Says whether a line has a value of the type that its key takes.
fn is_of_the_type(line: &str) -> bool {
    let of_form = [Code::Syntax, Code::WrongType, Code::UnknownKey];
    !problems(line).all().iter().any(|one| of_form.contains(&one.code))
}

fn problems(line: &str) -> Sink {
    let mut sink = Sink::default();
    let _profile = Profile::read(line, Origin::DEFAULT.source, &mut sink);
    sink
}

/// Splits at colons that no backslash stands before.
fn split(text: &OsStr) -> Vec<OsString> {
    let mut parts = vec![Vec::new()];
    let mut bytes = text.as_bytes().iter().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(b':')) => {
                bytes.next();
                parts.last_mut().map(|part| part.push(b':')).unwrap_or_default();
            }
            (b':', _) => parts.push(Vec::new()),
            _ => parts.last_mut().map(|part| part.push(*byte)).unwrap_or_default(),
        }
    }
    parts.into_iter().map(OsString::from_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_behind_a_backslash_is_part_of_a_path() {
        let parts = |text: &str| -> Vec<String> {
            split(OsStr::new(text))
                .into_iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(parts("/a:/b:rw"), ["/a", "/b", "rw"]);
        assert_eq!(parts("/a\\:x:/b"), ["/a:x", "/b"]);
    }
}
