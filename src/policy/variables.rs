//! Values of the variables in paths.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::facts::{Facts, Passwd};
use crate::path::{NoPath, Pattern, Variables};
use crate::profile::Profile;
use crate::value::List;

/// Gives the variables their values for one user.
pub(super) struct Names<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) user: &'a Passwd,
    pub(super) profile: &'a Profile,
}

/// Standard places of the XDG base directory specification, below the home directory.
const XDG: [(&str, &str); 12] = [
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
    ("XDG_DESKTOP_DIR", "Desktop"),
    ("XDG_DOCUMENTS_DIR", "Documents"),
    ("XDG_DOWNLOAD_DIR", "Downloads"),
    ("XDG_MUSIC_DIR", "Music"),
    ("XDG_PICTURES_DIR", "Pictures"),
    ("XDG_PUBLICSHARE_DIR", "Public"),
    ("XDG_TEMPLATES_DIR", "Templates"),
    ("XDG_VIDEOS_DIR", "Videos"),
];

const NO_PROJECT: &str = "go to the project's own directory first";

impl Names<'_> {
    /// The top of the git repository that the working directory is in, or that directory.
    ///
    /// There may be none; where a command could have brought that about, to be rid of a rule, it is
    /// an error that no `?` and no default covers.
    fn project(&self) -> Result<PathBuf, NoPath> {
        let cwd = &self.facts.caller().cwd;
        if cwd == Path::new("") {
            // A command that could write above it may have removed it, to be rid of a rule.
            return Err(NoPath::missing(
                "the working directory is gone, or cannot be read: nobody knows the project",
                "go to a directory that is there",
            ));
        }
        let project = self.repositories().next().unwrap_or(cwd).to_owned();
        if self.user.home.starts_with(&project) {
            return Err(NoPath::unset(
                "there is no project here: the working directory is the home, or lies above it",
                NO_PROJECT,
            ));
        }
        let Some(fact) = self.facts.file(&project) else {
            // Or closed what is above it.
            return Err(NoPath::missing(
                "what is above the working directory cannot be looked at",
                "let yourself in there: `chmod u+rx` on the directories",
            ));
        };
        let owners = [self.facts.caller().uid, self.user.uid];
        let is_open = fact.mode & 0o002 != 0;
        if is_open && fact.uid != 0 && owners.contains(&fact.uid) {
            // Or opened it to everybody.
            return Err(NoPath::missing(
                "everybody can write the project",
                "take that from them: `chmod o-w` on the directory",
            ));
        }
        if is_open {
            return Err(NoPath::unset(
                "there is no project here: everybody can write the working directory",
                NO_PROJECT,
            ));
        }
        Ok(project)
    }

    /// Tops of the git repositories that the working directory is in, innermost first. A `.git` of
    /// somebody else is none (git-config(1), `safe.directory`); one that was closed may be one.
    fn repositories(&self) -> impl Iterator<Item = &Path> {
        let known = [0, self.facts.caller().uid, self.user.uid];
        let has_git = move |directory: &&Path| {
            let git = directory.join(".git");
            let is_own = self.facts.file(&git).is_some_and(|fact| known.contains(&fact.uid));
            is_own || self.facts.is_closed(&git)
        };
        // A repository that is the whole home, or lies above it, is not a project.
        let is_project = |path: &&Path| !self.user.home.starts_with(path);
        self.facts.caller().cwd.ancestors().filter(has_git).take_while(is_project)
    }

    /// Returns the `.git` that makes a directory the project, where the next start would have another
    /// one without it and that matters: it lies in the repository of another, or rules that take
    /// something away name the project.
    pub(super) fn repository(&self) -> Option<PathBuf> {
        let mut tops = self.repositories();
        let inner = tops.next()?;
        let files = &self.profile.files;
        let takes = [&files.hide, &files.read, &files.private];
        let names = |pattern: &Pattern| pattern.text.to_string_lossy().contains("PROJECT");
        let any = |list: &&List<Pattern>| list.items().iter().any(|item| names(item.value));
        let mut mounts = self.profile.mount.table.iter().map(|(_, mount)| &mount.value);
        let mounts = mounts.any(|mount| {
            [&mount.from, &mount.to].iter().any(|at| at.get().is_some_and(|at| names(&at.value)))
        });
        let matters = tops.next().is_some() || takes.iter().any(any) || mounts;
        matters.then(|| inner.join(".git"))
    }

    fn xdg(&self, name: &str) -> Option<OsString> {
        let is_caller = self.facts.caller().uid == self.user.uid && self.user.uid != 0;
        let set = self
            .facts
            .env(OsStr::new(name))
            .filter(|value| is_caller && Path::new(value).is_absolute());
        let standard = XDG.iter().find(|(known, _)| *known == name);
        set.or_else(|| match standard {
            Some((_, below)) => Some(self.user.home.join(below).into_os_string()),
            None if name == "XDG_RUNTIME_DIR" => {
                Some(format!("/run/user/{}", self.user.uid).into())
            }
            None => None,
        })
    }
}

impl Variables for Names<'_> {
    fn get(&self, name: &str) -> Result<OsString, NoPath> {
        let value = match name {
            "HOME" => Some(self.user.home.clone().into_os_string()),
            "USER" => Some(OsString::from(&self.user.name)),
            "UID" => Some(self.user.uid.to_string().into()),
            "PROJECT" => Some(self.project()?.into_os_string()),
            "XDG_RUNTIME_DIR" => self.xdg(name),
            _ if XDG.iter().any(|(known, _)| *known == name) => self.xdg(name),
            _ => {
                let passed = self.profile.env.pass.items().iter().any(|item| item.value == name);
                if !passed {
                    return Err(NoPath::unknown(
                        format!("`${name}` is not a variable of profiles"),
                        "add its name to `pass` in [env], or write `--env` with it, to use it",
                    ));
                }
                self.facts.env(OsStr::new(name))
            }
        };
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            NoPath::unset(
                format!("`${name}` is not set"),
                "set it before starting sbx, or write `${NAME:-default}`",
            )
        })
    }
}
