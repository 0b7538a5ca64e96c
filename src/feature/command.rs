//! `[command]`: what is run, and where it may be found inside.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::plan::{Action, Builder, Text};
use crate::schema::{Leaf, Reader, Value, section, toml_string};
use crate::value::{Slot, Sourced};

/// A command with its arguments: one value, not a list that layers append to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv(pub Vec<OsString>);

impl Leaf for Argv {
    const EXPECTS: &'static str = "a list of strings, the command first";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            let words = value.get_ref().as_str().unwrap_or("COMMAND").split_whitespace();
            let words: Vec<String> = words.map(toml_string).collect();
            reader.wrong_type_but(value, Self::EXPECTS, format!("write `[{}]`", words.join(", ")));
            return None;
        };
        let words: Option<Vec<OsString>> =
            array.iter().map(|word| String::read(word, reader).map(OsString::from)).collect();
        words.map(Self)
    }

    fn text(&self) -> String {
        let words: Vec<_> =
            self.0.iter().map(|word| toml_string(&word.to_string_lossy())).collect();
        format!("[{}]", words.join(", "))
    }
}

section! {
    /// The section as it was written.
    pub struct Spec = "command", reserved [] {
        /// The command to run when none is given.
        argv: Slot<Argv> = "argv",
    }
}

/// The command and its arguments.
pub type Rule = Sourced<Vec<OsString>>;

/// Decides the command.
pub fn resolve(spec: &Spec, sink: &mut Sink) -> Option<Rule> {
    let argv =
        spec.argv.get().filter(|argv| argv.value.0.first().is_some_and(|word| !word.is_empty()));
    let Some(argv) = argv else {
        let at = spec.argv.get().map_or(Origin::DEFAULT, |argv| argv.origin);
        sink.push(
            Diagnostic::error(Code::NoCommand, "there is no command to run")
                .at(at)
                .help("write it at the end of the command line, after `--`"),
        );
        return None;
    };
    Some(argv.clone().map(|argv| argv.0))
}

/// Returns the paths at which a command is looked for, in order (execvp(3)).
pub fn candidates(command: &OsStr, path: &OsStr) -> Vec<PathBuf> {
    if command.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(command)];
    }
    let directories = path.as_bytes().split(|b| *b == b':').map(OsStr::from_bytes);
    // An empty part means the working directory: never searched, it is the command's to write.
    directories.filter(|part| !part.is_empty()).map(|part| Path::new(part).join(command)).collect()
}

/// Contributes the last step.
pub fn compile(rule: &Rule, environment: &super::env::Rule, plan: &mut Builder) {
    let path = environment.get(OsStr::new("PATH")).map(|(value, _)| value.clone());
    let command = rule.value.first().cloned().unwrap_or_default();
    let found = candidates(&command, path.as_deref().unwrap_or_default());
    let variable = |(name, (value, _)): (&OsString, &(OsString, Origin))| {
        let mut text = name.clone();
        text.push("=");
        text.push(value);
        Text(text)
    };
    plan.push(
        Action::Exec {
            candidates: found.iter().map(Text::from).collect(),
            arguments: rule.value.iter().map(Text::from).collect(),
            environment: environment.iter().map(variable).collect(),
        },
        rule.origin,
    );
}
