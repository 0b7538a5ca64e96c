//! Values of the variables in paths.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::facts::{Facts, Passwd};
use crate::path::{NoPath, Variables};
use crate::profile::Profile;

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
    fn project(&self) -> PathBuf {
        let cwd = &self.facts.caller().cwd;
        self.repositories().next().unwrap_or(cwd).to_owned()
    }

    /// Tops of the git repositories that the working directory is in, innermost first.
    fn repositories(&self) -> impl Iterator<Item = &Path> {
        let has_git = |directory: &&Path| self.facts.file(&directory.join(".git")).is_some();
        // A repository that is the whole home, or lies above it, is not a project.
        let is_project = |path: &&Path| !self.user.home.starts_with(path);
        self.facts.caller().cwd.ancestors().filter(has_git).take_while(is_project)
    }

    /// Returns the `.git` that makes a directory the project where it lies in the repository of
    /// another: without it, the next start would have that one as its project.
    pub(super) fn inner_repository(&self) -> Option<PathBuf> {
        let mut tops = self.repositories();
        let (inner, _outer) = (tops.next()?, tops.next()?);
        Some(inner.join(".git"))
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
            "PROJECT" => {
                let project = self.project();
                if self.user.home.starts_with(&project) {
                    return Err(NoPath::unset(
                        "there is no project here: the working directory is the home, or lies above it",
                        NO_PROJECT,
                    ));
                }
                if self.facts.file(&project).is_none_or(|fact| fact.mode & 0o002 != 0) {
                    return Err(NoPath::unset(
                        "there is no project here: everybody can write the working directory",
                        NO_PROJECT,
                    ));
                }
                Some(project.into_os_string())
            }
            _ if name.starts_with("XDG_") => self.xdg(name),
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
