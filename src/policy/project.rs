//! Which directory is the project, and what makes it one.

use std::path::{Path, PathBuf};

use super::variables::Names;
use crate::facts::FileFact;
use crate::path::{self, AtEnd, NoPath, Pattern};
use crate::value::List;

const NO_PROJECT: &str = "go to the project's own directory first";

impl Names<'_> {
    /// The top of the git repository that the working directory is in, or that directory.
    ///
    /// There may be none; where a command could have brought that about, to be rid of a rule, it is
    /// an error that no `?` and no default covers.
    pub(super) fn project(&self) -> Result<PathBuf, NoPath> {
        let cwd = &self.facts.caller().cwd;
        if cwd == Path::new("") {
            // A command that could write above it may have removed it, to be rid of a rule.
            return Err(NoPath::missing(
                "the working directory is gone, or cannot be read: nobody knows the project",
                "go to a directory that is there",
            ));
        }
        let project = self.repositories().next().unwrap_or(cwd).to_owned();
        if self.home().starts_with(&project) {
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
        if self.is_everybodys(&fact) {
            return Err(NoPath::unset(
                "there is no project here: everybody can write the working directory",
                NO_PROJECT,
            ));
        }
        if fact.mode & 0o002 != 0 {
            // Or opened it to everybody.
            return Err(NoPath::missing(
                "everybody can write the project",
                "take that from them: `chmod o-w` on the directory",
            ));
        }
        Ok(project)
    }

    /// The home, over links: the working directory has none either.
    fn home(&self) -> PathBuf {
        let home = &self.user.home;
        let link = |at: &Path| self.facts.file(at)?.link;
        path::follow(home, Path::new("/"), AtEnd::Follow, &link)
            .map_or(home.clone(), |(real, _)| real)
    }

    /// Says whether a directory is one like /tmp: everybody can write it, and neither the caller nor
    /// the command's user could have made it so.
    fn is_everybodys(&self, fact: &FileFact) -> bool {
        let owners = [self.facts.caller().uid, self.user.uid];
        fact.mode & 0o002 != 0 && (fact.uid == 0 || !owners.contains(&fact.uid))
    }

    /// Tops of the git repositories that the working directory is in, innermost first. A `.git` of
    /// somebody else is none (git-config(1), `safe.directory`), nor is one in a directory like /tmp;
    /// one that was closed may be one.
    fn repositories(&self) -> impl Iterator<Item = &Path> {
        let known = [0, self.facts.caller().uid, self.user.uid];
        let has_git = move |directory: &&Path| {
            let git = directory.join(".git");
            let is_own = self.facts.file(&git).is_some_and(|fact| known.contains(&fact.uid));
            // What lies in a directory of others, or of everybody, may have been put there by them.
            let is_strange = self
                .facts
                .file(directory)
                .is_some_and(|fact| !known.contains(&fact.uid) || self.is_everybodys(&fact));
            (is_own || self.facts.is_closed(&git)) && !is_strange
        };
        // A repository that is the whole home, or lies above it, is not a project.
        let is_project = |path: &&Path| !self.home().starts_with(path);
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
}
