//! Which directory is the project, and what makes it one.

use std::path::{Path, PathBuf};

use super::variables::Names;
use crate::diag::printable_os;
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
        let top = self.repositories().next();
        let project = top.unwrap_or(cwd).to_owned();
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
        let is_open = fact.mode & 0o002 != 0;
        // Nobody but root opens a directory of root's, such as /tmp.
        if is_open && (fact.uid != 0 || self.is_own(&fact)) {
            // Or opened it to everybody.
            return Err(NoPath::missing(
                "everybody can write the project",
                "take that from them, `chmod o-w` on the directory, or go to another one",
            ));
        }
        let is_roots = fact.uid == 0 && fact.mode & 0o022 == 0;
        if top.is_some() && !self.is_own(&fact) && !is_roots {
            // Or made a repository above it, as others can.
            let at = printable_os(&project);
            return Err(NoPath::missing(
                format!("others can put a .git into {at}, so that nobody knows the project"),
                "remove that .git, or name the directory instead of the project",
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

    /// The home, over links: the working directory has none either.
    fn home(&self) -> PathBuf {
        let home = &self.user.home;
        let link = |at: &Path| self.facts.file(at)?.link;
        path::follow(home, Path::new("/"), AtEnd::Follow, &link)
            .map_or(home.clone(), |(real, _)| real)
    }

    /// Says whether the command, on an earlier start, could have changed the mode of a file.
    fn is_own(&self, fact: &FileFact) -> bool {
        let caller = self.facts.caller().uid;
        fact.uid == self.user.uid || (fact.uid == caller && caller != 0)
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
