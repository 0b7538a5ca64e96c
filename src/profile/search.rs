//! Where profiles are looked for. Pure: the caller says which directories there are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::NAME;

/// What a definition of a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// A profile that is part of sbx.
    Builtin(&'static str),
}

/// Says whether a name is a path: it has a slash in it.
pub fn is_path(name: &OsStr) -> bool {
    name.as_encoded_bytes().contains(&b'/')
}

/// Returns the directory of profiles below a directory of configuration or data.
pub fn directory_below(above: &Path) -> PathBuf {
    above.join(NAME).join("profiles")
}

/// Returns the places where a name may be defined, the one that wins first: the directories,
/// highest first, then what is built in.
pub fn candidates(name: &str, directories: &[PathBuf]) -> Vec<Place> {
    let file = |directory: &PathBuf| Place::File(directory.join(format!("{name}.toml")));
    let mut places: Vec<Place> = directories.iter().map(file).collect();
    let builtin = super::BUILTIN.iter().find(|(known, _)| *known == name);
    places.extend(builtin.map(|(known, _)| Place::Builtin(known)));
    places
}

impl Place {
    /// Returns the name of the profile in a file, by the file's name. Hidden files are none: editors
    /// leave locks and copies of that kind.
    pub fn profile_name(path: &Path) -> Option<String> {
        let is_profile = path.extension().is_some_and(|extension| extension == "toml");
        let name = path.file_stem().filter(|_| is_profile)?.to_str()?;
        (!name.starts_with('.')).then(|| name.to_owned())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.write_str(&crate::diag::printable_os(path)),
            Self::Builtin(name) => write!(f, "built-in:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_directory_comes_first_and_what_is_built_in_last() {
        let found = candidates("base", &["/h".into(), "/etc/sbx/profiles".into()]);
        assert_eq!(
            found,
            [
                Place::File("/h/base.toml".into()),
                Place::File("/etc/sbx/profiles/base.toml".into()),
                Place::Builtin("base"),
            ]
        );
        assert_eq!(candidates("none-such", &[]), []);
        let name = |path: &str| Place::profile_name(Path::new(path));
        assert_eq!(name("/p/my.toml").as_deref(), Some("my"));
        assert_eq!(
            [name("/p/.#my.toml"), name("/p/my.toml~"), name("/p/.toml")],
            [None, None, None]
        );
    }
}
