//! The arguments, as clap reads them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Command, Error, FromArgMatches, Parser, Subcommand};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = crate::NAME,
    version,
    about = "Launches programs in a sandbox that a TOML profile describes",
    after_help = "Examples:
  sbx run -- id                                  the safe default: no network, no files of yours
  sbx run -p browser firefox-esr --version       a shipped profile; windows come later
  sbx run -p build -- make                       may write the project, and nothing else of yours
  sbx plan --read notes -- cat notes/a.txt       what would be done, without doing it
  sbx doctor                                     what this machine can enforce

Exit status: the command's own; 128+N if signal N ended it; 125 if sbx failed;
126 if the command cannot be executed; 127 if it is not found.
Profiles are described in sbx-profile(5).",
    max_term_width = 100
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run a command in a sandbox
    Run(Deferred<RunArgs>),
    /// Show what `run` would do, step by step; runs nothing and changes nothing
    Plan(Deferred<PlanArgs>),
    /// Show a profile as it is in force: every value, where it came from, what it replaced
    Show(Deferred<ShowArgs>),
    /// List the profiles there are, where they come from and which commands they serve
    Profiles(Deferred<ProfilesArgs>),
    /// Look for mistakes in profiles; without files, in all of the search path
    Check(Deferred<CheckArgs>),
    /// Try what this machine can enforce, and say what to do about the rest
    Doctor(Deferred<DoctorArgs>),
}

/// The arguments of one verb, which clap is told of only when that verb was given: telling it of all
/// verbs takes longer than reading the one.
#[derive(Debug)]
pub(super) struct Deferred<A>(pub(super) Box<A>);

impl<A: clap::Args> clap::Args for Deferred<A> {
    fn augment_args(verb: Command) -> Command {
        // What is said about the verb stays: the arguments may have words about themselves.
        verb.defer(|verb| {
            let about = verb.get_about().cloned();
            A::augment_args(verb).about(about.unwrap_or_default())
        })
    }

    fn augment_args_for_update(verb: Command) -> Command {
        Self::augment_args(verb)
    }
}

impl<A: FromArgMatches> FromArgMatches for Deferred<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        A::from_arg_matches(matches).map(|args| Self(Box::new(args)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) overrides: Overrides,
    /// Show each step of the plan that was carried out, and notes
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Show errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) command: CommandArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) overrides: Overrides,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Show errors only
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) command: CommandArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct CommandArgs {
    /// The command and its arguments; without one, `[command] argv` of the profile
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(super) argv: Vec<OsString>,
}

/// What is said on the command line beside profiles: one more layer, on top of all others.
#[derive(Debug, clap::Args)]
pub(super) struct Overrides {
    /// Use a profile: its name, or a path with a slash; may be given again, later ones win
    #[arg(short, long = "profile", value_name = "PROFILE", help_heading = "Profile")]
    pub(super) profiles: Vec<OsString>,
    /// Use the safe default, even if a profile serves this command
    #[arg(long, conflicts_with = "profiles", help_heading = "Profile")]
    pub(super) no_profile: bool,
    /// Set any key of a profile: SECTION.KEY=VALUE, the value as TOML, or a bare word
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Profile")]
    pub(super) set: Vec<String>,

    /// Let it read and execute PATH
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(super) read: Vec<OsString>,
    /// Let it read and write PATH
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(super) write: Vec<OsString>,
    /// Let it execute what another rule lets it write below PATH
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(super) exec: Vec<OsString>,
    /// Make PATH as if it were empty or not there
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(super) hide: Vec<OsString>,
    /// Make the directory PATH fresh and empty, gone afterwards
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(super) private: Vec<OsString>,
    /// What becomes of the home directory: private, host-read, host or none
    #[arg(long, value_name = "MODE", help_heading = "Files")]
    pub(super) home: Option<String>,
    /// Mount an empty file system in memory on PATH
    #[arg(long, value_name = "PATH[:SIZE]", help_heading = "Files")]
    pub(super) tmpfs: Vec<OsString>,
    /// Show FROM of the host at TO, read-only unless `rw`; `\:` for a colon
    #[arg(long, value_name = "FROM[:TO[:ro|rw]]", help_heading = "Files")]
    pub(super) bind: Vec<OsString>,
    /// Use the system in DIR instead of the host's
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub(super) rootfs: Option<OsString>,
    /// Which devices there are: minimal, host or none
    #[arg(long, value_name = "MODE", help_heading = "Files")]
    pub(super) dev: Option<String>,
    /// Start in DIR
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub(super) cwd: Option<OsString>,

    /// Which network it has: none, loopback or host; with host, names need `--read @resolver`, and
    /// certificates `--read @tls`
    #[arg(long, value_name = "MODE", help_heading = "Rights")]
    pub(super) net: Option<String>,
    /// Be this user, with its groups or those given
    #[arg(long, value_name = "NAME[:GROUP[:G1,G2]]", help_heading = "Rights")]
    pub(super) user: Option<String>,
    /// Keep capabilities
    #[arg(long, value_name = "NAME[,NAME]", value_delimiter = ',', help_heading = "Rights")]
    pub(super) keep_cap: Vec<String>,
    /// Set a limit of setrlimit(2): nofile=1024, nproc=100:200
    #[arg(long, value_name = "NAME=LIMIT", help_heading = "Rights")]
    pub(super) limit: Vec<String>,
    /// Keep a descriptor above 2 open
    #[arg(long, value_name = "N", help_heading = "Rights")]
    pub(super) keep_fd: Vec<u32>,

    /// Set a variable, or take it over from the caller
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "Environment")]
    pub(super) env: Vec<OsString>,
    /// Host name inside
    #[arg(long, value_name = "NAME", help_heading = "Environment")]
    pub(super) hostname: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The profile: its name, or a path with a slash
    pub(super) profile: OsString,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProfilesArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Profile files
    pub(super) files: Vec<PathBuf>,
    /// Print JSON, one line for each problem
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}
