//! Values of the variables in paths.

use std::ffi::{OsStr, OsString};
use std::path::Path;

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

impl Names<'_> {
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
