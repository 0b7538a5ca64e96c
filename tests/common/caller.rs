//! Who starts sbx.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

/// The ordinary user of tests that root runs.
pub const USER: &str = "sbx-test";

/// Who starts sbx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An ordinary user.
    Ordinary,
    /// Root, with `--user`.
    Root,
}

/// A row of passwd.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
    pub shell: String,
    pub groups: Vec<u32>,
}

impl Caller {
    /// Says whether the tests themselves run as root.
    pub fn tests_are_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Returns the account that commands of sandboxes run under: both callers have the same.
    pub fn account(self) -> Account {
        let uid = rustix::process::geteuid().as_raw();
        let account = if uid == 0 {
            account(|name, _| name == USER)
        } else {
            account(|_, number| number == uid)
        };
        let account = account.unwrap_or_else(|| {
            panic!(
                "there is no user `{USER}`: run `tests/run`, or as root \
                 `useradd --create-home --groups users {USER}`"
            )
        });
        canaries(&account);
        account
    }

    /// Returns what the process that becomes sbx must do first.
    pub fn launch_options(self) -> Vec<String> {
        if self == Self::Root || !Self::tests_are_root() {
            return Vec::new();
        }
        let account = self.account();
        let mut options = vec![format!("uid={}", account.uid), format!("gid={}", account.gid)];
        options.extend(account.groups.iter().map(|group| format!("group={group}")));
        options
    }

    /// Returns the arguments of `run` and `plan` that this caller always gives.
    pub fn arguments(self) -> Vec<String> {
        match self {
            Self::Ordinary => Vec::new(),
            Self::Root => vec!["--user".to_owned(), self.account().name],
        }
    }
}

fn rows(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).expect("a database of users");
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

fn account(is_it: impl Fn(&str, u32) -> bool) -> Option<Account> {
    let number = |text: &String| text.parse::<u32>().unwrap_or(u32::MAX);
    let row = rows("/etc/passwd")
        .into_iter()
        .find(|row| row.len() == 7 && is_it(&row[0], number(&row[2])))?;
    let (name, gid) = (row[0].clone(), number(&row[3]));
    let lists = |group: &Vec<String>| group.len() == 4 && group[3].split(',').any(|m| m == name);
    let mut groups: Vec<u32> =
        rows("/etc/group").iter().filter(|group| lists(group)).map(|g| number(&g[2])).collect();
    groups.push(gid);
    groups.sort_unstable();
    groups.dedup();
    Some(Account {
        uid: number(&row[2]),
        home: PathBuf::from(&row[5]),
        shell: row[6].clone(),
        name,
        gid,
        groups,
    })
}

/// What lies in the file that nothing in a sandbox may read.
pub const SECRET: &str = "canary-of-the-home-directory";

impl Account {
    /// A file in the real home that nothing was granted of.
    pub fn secret(&self) -> PathBuf {
        self.home.join(if self.name == USER { ".ssh/id_ed25519" } else { ".sbx-test-canary" })
    }

    /// Gives a file or directory to the account.
    pub fn own(&self, path: &Path) {
        if Caller::tests_are_root() {
            chown(path, Some(self.uid), Some(self.gid)).expect("root may give files away");
        }
    }
}

/// Puts the canary into the real home, where it is not there yet.
fn canaries(account: &Account) {
    // Where it is missing, a grant of the whole home is refused: the command could make one.
    let mut profiles = account.home.clone();
    for name in [".config", "sbx", "profiles"] {
        profiles.push(name);
        if fs::create_dir(&profiles).is_ok() {
            account.own(&profiles);
        }
    }
    let secret = account.secret();
    if secret.exists() {
        return;
    }
    let directory = secret.parent().expect("a file lies in a directory");
    if fs::create_dir(directory).is_ok() {
        account.own(directory);
    }
    // By another name first: tests run side by side.
    let part = tempfile::NamedTempFile::new_in(directory).expect("the home can be written");
    fs::write(&part, SECRET).expect("the home can be written");
    account.own(part.path());
    part.persist(&secret).expect("the home can be written");
}
