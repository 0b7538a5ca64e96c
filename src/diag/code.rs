//! The one list of kinds of problems.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The kind of a problem: a stable name for scripts and the manual.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

impl Code {
    /// Says whether such a problem lies in what was written, whatever the host has.
    pub fn is_of_the_text(self) -> bool {
        [
            Self::BadValue,
            Self::Duplicate,
            Self::Conflict,
            Self::BadPath,
            Self::UnknownVariable,
            Self::UnknownNamedGroup,
            Self::UnknownCapability,
            Self::UnknownSystemCall,
            Self::BadFilter,
        ]
        .contains(&self)
    }
}

codes! {
    /// The text is not TOML.
    Syntax = "syntax",
    /// A key that the format does not have.
    UnknownKey = "unknown-key",
    /// A value of another type than the key takes.
    WrongType = "wrong-type",
    /// A value that the key does not take.
    BadValue = "bad-value",
    /// A key or value that is reserved for a later version.
    Reserved = "reserved",
    /// The same thing said twice in one layer.
    Duplicate = "duplicate",
    /// Two settings that cannot both hold.
    Conflict = "conflict",
    /// A profile that was not found.
    UnknownProfile = "unknown-profile",
    /// A profile that extends itself.
    ExtendsCycle = "extends-cycle",
    /// A profile file that cannot be read or must not be trusted.
    UnreadableProfile = "unreadable-profile",
    /// A path that a rule names and that is not there.
    MissingPath = "missing-path",
    /// A path that cannot be used as it is written.
    BadPath = "bad-path",
    /// A path that leads to another kind of file than the rule needs.
    WrongKind = "wrong-kind",
    /// A link or file that somebody else could have put there.
    Untrusted = "untrusted",
    /// A rule that would let the command change the profiles of sbx.
    OwnProfiles = "own-profiles",
    /// A variable that profiles do not have.
    UnknownVariable = "unknown-variable",
    /// A variable in a path that is not set here.
    UnsetVariable = "unset-variable",
    /// A user that the passwd file does not have.
    UnknownUser = "unknown-user",
    /// A group that the group file does not have.
    UnknownGroup = "unknown-group",
    /// A capability that does not exist.
    UnknownCapability = "unknown-capability",
    /// A system call or group of them that does not exist.
    UnknownSystemCall = "unknown-system-call",
    /// A named group of files or devices that does not exist.
    UnknownNamedGroup = "unknown-named-group",
    /// A filter that would stop sbx's own last steps, or that the kernel would not take.
    BadFilter = "bad-filter",
    /// An id that the id map does not have.
    NotMapped = "not-mapped",
    /// A privilege that the caller lacks.
    MissingPrivilege = "missing-privilege",
    /// Something that this kernel cannot enforce.
    NotEnforceable = "not-enforceable",
    /// A link of the caller's own that a rule leads over.
    Followed = "followed",
    /// The command failed in another directory than the caller's, which cannot be seen inside.
    HiddenDirectory = "hidden-directory",
    /// A setting that weakens the sandbox in a way worth a warning.
    Weakened = "weakened",
    /// A setting that has no effect as it stands.
    NoEffect = "no-effect",
    /// A plan that breaks one of its laws: a bug in sbx.
    PlanLaw = "plan-law",
    /// There is no command to run.
    NoCommand = "no-command",
    /// The command is not there.
    CommandNotFound = "command-not-found",
    /// The command is there and cannot be executed.
    CommandNotExecutable = "command-not-executable",
    /// A step of setting the sandbox up did not succeed.
    SetupFailed = "setup-failed",
    /// The caller, or the way sbx is installed, is one that it does not work for.
    Caller = "caller",
    /// What was asked for cannot be written to standard output.
    Output = "output",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
