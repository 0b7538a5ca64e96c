//! The one place where a test may decide not to run.

use std::path::Path;
use std::process::Command;

/// What a test needs beyond an ordinary user and a kernel that lets it make user namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// To be root.
    Root,
    /// strace(1), and the right to use it.
    Strace,
    /// debootstrap(8) and a mirror it can reach.
    Debootstrap,
    /// A C compiler.
    Compiler,
    /// unshare(1).
    Unshare,
    /// python3.
    Python,
    /// Landlock of at least this ABI.
    Landlock(u32),
    /// A program of the host.
    Program(&'static str),
}

/// Reasons that are accepted where every test must run: none can be had on a fresh machine.
///
/// `(feature, why)`. Whoever adds a line takes a promise off the list of those that are tested.
const EXCUSED: &[(Feature, &str)] = &[
    // Debian 12 has Linux 6.1 with ABI 2; scopes came with 6.12.
    (Feature::Landlock(6), "the oldest supported kernel has no scopes"),
];

/// Says whether a feature is there. Where it is not, says so loudly, and panics if
/// SBX_TEST_MUST_RUN is 1 and the reason is not listed above.
#[must_use]
pub fn needs(feature: Feature) -> bool {
    let is_there = match feature {
        Feature::Root => rustix::process::geteuid().is_root(),
        Feature::Strace => works(Command::new("strace").args(["-o", "/dev/null", "true"])),
        Feature::Debootstrap => has_program("debootstrap") && rustix::process::geteuid().is_root(),
        Feature::Compiler => has_program("cc"),
        Feature::Unshare => has_program("unshare"),
        Feature::Python => has_program("python3"),
        Feature::Landlock(least) => landlock_abi() >= least,
        Feature::Program(name) => has_program(name),
    };
    if is_there {
        return true;
    }
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("\n*** NOT RUN: {name}: this machine lacks {feature:?} ***\n");
    let is_excused = EXCUSED.iter().any(|(excused, _)| *excused == feature);
    let must_run = std::env::var_os("SBX_TEST_MUST_RUN").is_some_and(|value| value == "1");
    assert!(
        !must_run || is_excused,
        "SBX_TEST_MUST_RUN is 1, and this machine lacks {feature:?}; `tests/run` installs it"
    );
    false
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn has_program(name: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .any(|directory| Path::new(directory).join(name).exists())
}

/// The ABI that the doctor sees: sbx itself asks the kernel for it.
fn landlock_abi() -> u32 {
    let output = Command::new(env!("CARGO_BIN_EXE_sbx")).args(["doctor", "--json"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let after = text.split("ABI ").nth(1).unwrap_or_default();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
