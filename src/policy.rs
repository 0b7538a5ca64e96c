//! What a profile means on this host: every choice made, nothing unset.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::{Facts, FileKind, Passwd};
use crate::feature::files::{Intent, Verb};
use crate::feature::tree::{Base, Node, Tree};
use crate::feature::{
    capabilities, command, dev, env, files, landlock, limits, mounts, namespaces, network, process,
    root, seccomp, user,
};
use crate::path::{Pattern, Variables};
use crate::plan::{Action, Builder, MountOption, Namespace, Plan, SourceIdentity};
use crate::profile::Profile;

/// What a profile means on this host, one rule for each feature.
#[derive(Debug)]
#[expect(missing_docs, reason = "one field for each module of `feature`")]
pub struct Policy {
    pub network: network::Rule,
    pub capabilities: capabilities::Rule,
    pub namespaces: namespaces::Rule,
    pub root: root::Rule,
    pub user: user::Rule,
    pub files: files::Rule,
    pub mounts: Vec<(PathBuf, crate::value::Sourced<mounts::Rule>)>,
    pub dev: dev::Rule,
    pub limits: Vec<limits::Rule>,
    pub landlock: Option<landlock::Rule>,
    pub seccomp: Option<seccomp::Rule>,
    pub env: env::Rule,
    pub process: process::Rule,
    pub command: command::Rule,
    /// Notes on how far Landlock goes here.
    landlock_spec: landlock::Spec,
}

/// Makes every choice; nothing where one of them cannot be made.
pub fn resolve(
    profile: &Profile,
    rank: &dyn Fn(Origin) -> usize,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Policy> {
    profile.warn(sink);
    let network = network::resolve(&profile.network);
    let capabilities = capabilities::resolve(&profile.capabilities, facts, sink);
    let kept = capabilities.kept();
    let needs = namespaces::Needs {
        shares_network: network::shares_host(&network),
        keeps_capability: (kept != 0).then_some(capabilities.origin),
        keeps_sys_admin: (kept & capability::SYS_ADMIN != 0).then_some(capabilities.origin),
    };
    let namespaces = namespaces::resolve(&profile.namespaces, needs, facts, sink);
    // The root and the user depend on each other only through paths that begin with `~`: those of
    // the root are the caller's.
    let caller = own_entry(facts);
    let before = Names { facts, user: &caller, profile };
    let context =
        files::Context { facts, variables: &before, rank, home: &caller.home, user: caller.uid };
    let root = root::resolve(&profile.root, facts, &|pattern| context.path(pattern), sink)?;
    let user = user::resolve(&profile.user, &namespaces, &root, facts, sink)?;
    let names = Names { facts, user: &user.entry, profile };
    let context = files::Context {
        facts,
        variables: &names,
        rank,
        home: &user.entry.home,
        user: user.entry.uid,
    };
    let expand = |pattern: &Pattern| context.path(pattern);
    let files = files::resolve(&profile.files, &root, &context, sink);
    let mounts = mounts::resolve(&profile.mount, &expand, facts, sink);
    let process = process::resolve(&profile.process, &expand, sink);
    lonely_privileges(&process, &namespaces, &root, facts, sink);
    exposed_profiles(&mounts, facts, sink);
    Some(Policy {
        dev: dev::resolve(&profile.dev, &root),
        limits: limits::resolve(&profile.limits, facts, sink),
        landlock: landlock::resolve(&profile.landlock, &namespaces.nested, facts, sink),
        seccomp: seccomp::resolve(&profile.seccomp, &namespaces, rank, facts, sink),
        env: env::resolve(&profile.env, &user.entry, facts, sink),
        command: command::resolve(&profile.command, sink)?,
        landlock_spec: profile.landlock.clone(),
        network,
        capabilities,
        namespaces,
        root,
        user,
        files,
        mounts,
        process,
    })
}

/// Refuses a writable bind that shows the directories of profiles under another name.
fn exposed_profiles(
    mounts: &[(PathBuf, crate::value::Sourced<mounts::Rule>)],
    facts: &dyn Facts,
    sink: &mut Sink,
) {
    for (_, rule) in mounts {
        let mounts::Rule::Bind { source, options, .. } = &rule.value else {
            continue;
        };
        if options.contains(&MountOption::Ro) {
            continue;
        }
        for directory in facts.profile_directories() {
            let Ok((real, _)) = crate::path::follow(&directory, facts) else {
                continue;
            };
            if real.starts_with(source) || source.starts_with(&real) {
                sink.push(
                    Diagnostic::error(
                        Code::Conflict,
                        "a writable mount would let the command change profiles of sbx",
                    )
                    .at(rule.origin)
                    .with_note(format!("profiles are looked for in {}", directory.display()))
                    .help("make it `ro`, or show a smaller part of the tree"),
                );
            }
        }
    }
}

/// Refuses what can be had only with a privilege that is not there.
fn lonely_privileges(
    process: &process::Rule,
    namespaces: &namespaces::Rule,
    root: &root::Rule,
    facts: &dyn Facts,
    sink: &mut Sink,
) {
    let caller = facts.caller();
    if !namespaces.has(Namespace::User) && caller.capabilities & capability::SYS_ADMIN == 0 {
        sink.push(
            Diagnostic::error(
                Code::MissingPrivilege,
                "without a user namespace, a sandbox needs CAP_SYS_ADMIN",
            )
            .at(namespaces.origin)
            .help("remove `user = false` from [namespaces], or start sbx as root"),
        );
    }
    if let (Some(locked), None) = (namespaces.locks, root.mounts_proc) {
        sink.push(
            Diagnostic::error(Code::Conflict, "mounts can be locked only where sbx mounts /proc")
                .at(locked)
                .label(root.origin, "\"proc\" is missing from `auto-mount` here")
                .help("add \"proc\" to `auto-mount` in [root]"),
        );
    }
    let Some(pid_1) = process.as_pid_1 else {
        return;
    };
    if !namespaces.has(Namespace::Pid) || namespaces.time.is_some() {
        let why = if namespaces.time.is_some() {
            "shifted clocks need an init"
        } else {
            "there is no pid namespace"
        };
        sink.push(
            Diagnostic::error(Code::Conflict, format!("the command cannot be process 1: {why}"))
                .at(pid_1)
                .help("remove `as-pid-1`"),
        );
    }
    if namespaces.locks.is_some() {
        sink.push(
            Diagnostic::error(
                Code::Conflict,
                "the command cannot be process 1 where mounts are locked",
            )
            .at(pid_1)
            .help(
                "remove `as-pid-1`, or what asks for the lock: a kept capability or `nested-users`",
            ),
        );
    }
}

fn own_entry(facts: &dyn Facts) -> Passwd {
    let caller = facts.caller();
    facts.users(Path::new("/")).uid(caller.uid).cloned().unwrap_or_else(|| Passwd {
        name: String::new(),
        uid: caller.uid,
        gid: caller.gid,
        home: PathBuf::from("/"),
        shell: PathBuf::from("/bin/sh"),
    })
}

/// Values of the variables in paths (profile-language.md rule 7).
struct Names<'a> {
    facts: &'a dyn Facts,
    user: &'a Passwd,
    profile: &'a Profile,
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
    /// The top of the git repository that the working directory is in, or that directory.
    fn project(&self) -> PathBuf {
        let cwd = &self.facts.caller().cwd;
        let has_git = |directory: &&Path| self.facts.file(&directory.join(".git")).is_some();
        let top = cwd.ancestors().find(has_git);
        // A repository that is the whole home, or lies above it, is not a project.
        let above_home = |path: &&Path| self.user.home.starts_with(path);
        top.filter(|path| !above_home(path)).unwrap_or(cwd).to_owned()
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
    fn get(&self, name: &str) -> Result<OsString, String> {
        let value = match name {
            "HOME" => Some(self.user.home.clone().into_os_string()),
            "USER" => Some(OsString::from(&self.user.name)),
            "UID" => Some(self.user.uid.to_string().into()),
            "PROJECT" => {
                let project = self.project();
                if self.user.home.starts_with(&project) {
                    return Err("there is no project here: the working directory is the home, or lies above it".to_owned());
                }
                Some(project.into_os_string())
            }
            _ if name.starts_with("XDG_") => self.xdg(name),
            _ => {
                let passed = self.profile.env.pass.items().iter().any(|item| item.value == name);
                if !passed {
                    return Err(format!(
                        "`${name}` is not a variable of profiles; list it under `[env] pass` to use it"
                    ));
                }
                self.facts.env(OsStr::new(name))
            }
        };
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("`${name}` is not set"))
    }
}

/// Returns what will be done; problems that only the whole shows go to `sink`.
pub fn compile(policy: &Policy, facts: &dyn Facts, sink: &mut Sink) -> Plan {
    let mut plan = Builder::default();
    let tree = tree(policy, facts);
    let workdir = workdir(policy, &tree, facts, sink, &mut plan);
    // Ids are mapped before anything is done in the namespace.
    user::compile(&policy.user, &policy.namespaces, &mut plan);
    namespaces::compile(&policy.namespaces, &mut plan);
    process::compile(&policy.process, &workdir, facts, &mut plan);
    mount_steps(policy, &tree, facts, sink, &mut plan);
    init_steps(policy, &tree, &mut plan);
    network::compile(&policy.network, &mut plan);
    limits::compile(&policy.limits, &mut plan);
    let filters = policy.seccomp.is_some() || policy.landlock.is_some();
    let holds_admin = policy.process.gains_privileges.is_some() && filters;
    capabilities::compile(&policy.capabilities, holds_admin, &mut plan);
    if policy.user.entry.uid != 0 {
        plan.push(Action::VerifyNoRoot, policy.user.origin);
    }
    match policy.process.gains_privileges {
        None => plan.push(Action::NoNewPrivs, Origin::DEFAULT),
        Some(origin) => {
            plan.note("programs inside may gain privileges at exec: no_new_privs is off", origin)
        }
    }
    landlock_steps(policy, &tree, &mut plan);
    if let Some(rule) = &policy.seccomp {
        seccomp::compile(rule, &mut plan);
    }
    command::compile(&policy.command, &policy.env, &mut plan);
    plan.finish()
}

/// Attributes that every mount has.
const ALWAYS: [MountOption; 2] = [MountOption::Nosuid, MountOption::Nodev];

fn tree<'f>(policy: &Policy, facts: &'f dyn Facts) -> Tree<'f> {
    let (base, mut options) = match &policy.root.directory {
        Some((path, _)) => (Base::Host(path.clone()), ALWAYS.to_vec()),
        None => (Base::Made, ALWAYS.to_vec()),
    };
    if !policy.root.is_writable {
        options.push(MountOption::Ro);
    }
    let mut tree = Tree::new(base, options, policy.user.switches, facts);
    for (path, link) in &policy.files.links {
        tree.put(path, Node::Symlink { target: link.target.clone() }, link.origin);
    }
    for (path, intent) in &policy.files.intents {
        intent_node(policy, path, intent, &mut tree);
    }
    executable_parts(policy, &mut tree, facts);
    if let Some(origin) = policy.root.mounts_proc.filter(|_| policy.namespaces.has(Namespace::Pid))
    {
        tree.put("/proc", Node::Proc, origin.implied_by("`[root] auto-mount`"));
    }
    devices(policy, facts, &mut tree);
    passwd_files(policy, facts, &mut tree);
    if policy.root.kind == root::Kind::System {
        hosts_file(policy, &mut tree);
    }
    for (path, rule) in &policy.mounts {
        mount_node(policy, path, rule, &mut tree);
    }
    tree
}

fn executable(policy: &Policy, path: &Path) -> bool {
    policy.files.exec.iter().any(|(above, _)| path.starts_with(above))
}

/// Binds what is to be executable below a writable grant on itself, without `noexec`.
fn executable_parts(policy: &Policy, tree: &mut Tree<'_>, facts: &dyn Facts) {
    for (path, origin) in &policy.files.exec {
        let above = path.ancestors().skip(1).find_map(|above| policy.files.intents.get(above));
        let is_own = policy.files.intents.contains_key(path);
        let Some(fact) = facts.file(path).filter(|_| !is_own) else {
            continue;
        };
        if above.is_some_and(|grant| grant.verb == Verb::Write) {
            let identity = SourceIdentity { dev: fact.dev, ino: fact.ino, kind: fact.kind };
            let options = ALWAYS.to_vec();
            tree.put(
                path,
                Node::Bind { source: path.clone(), identity, options, is_pinned: false },
                *origin,
            );
        }
    }
}

fn intent_node(policy: &Policy, path: &Path, intent: &Intent, tree: &mut Tree<'_>) {
    let mut options = ALWAYS.to_vec();
    if intent.verb == Verb::Read {
        options.push(MountOption::Ro);
    } else if !executable(policy, path) {
        options.push(MountOption::Noexec);
    }
    if intent.is_pinned {
        pin(policy, path, intent.origin, tree);
    }
    let node = match (intent.verb, &intent.fact) {
        (Verb::Hide, _) => Node::Cover,
        (Verb::Private, _) | (_, None) => Node::Tmpfs {
            size: mounts::DEFAULT_TMPFS,
            inodes: None,
            mode: private_mode(path, intent),
            owner: (policy.user.entry.uid, policy.user.gid),
            options,
        },
        (Verb::Read | Verb::Write, Some(fact)) => Node::Bind {
            source: path.to_owned(),
            identity: SourceIdentity { dev: fact.dev, ino: fact.ino, kind: fact.kind },
            options,
            is_pinned: false,
        },
    };
    tree.put(path, node, intent.origin);
}

/// A private directory has the mode of the one it stands for; a home only its user may enter.
fn private_mode(path: &Path, intent: &Intent) -> u32 {
    let temporary = ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|known| path == Path::new(known));
    match (&intent.fact, temporary, intent.is_home) {
        (_, true, _) => 0o1777,
        (_, _, true) => 0o700,
        (Some(fact), ..) if fact.mode & 0o7777 != 0 => fact.mode & 0o1777,
        _ => 0o755,
    }
}

/// Binds every directory between a writable grant and a hidden path on itself, so that renaming
/// one of them gets nowhere (profile-language.md rule 4).
fn pin(policy: &Policy, path: &Path, origin: Origin, tree: &mut Tree<'_>) {
    for above in path.ancestors().skip(1) {
        let Some(grant) = policy.files.intents.get(above) else {
            continue;
        };
        if grant.verb != Verb::Write {
            return;
        }
        for between in path.ancestors().skip(1).take_while(|between| *between != above) {
            tree.pin(between, above, origin);
        }
        return;
    }
}

fn devices(policy: &Policy, facts: &dyn Facts, tree: &mut Tree<'_>) {
    let origin = policy.dev.origin.implied_by("`[dev] mode`");
    let owner = (policy.user.entry.uid, policy.user.gid);
    match policy.dev.value {
        dev::Mode::None => {}
        dev::Mode::Host => {
            if let Some(fact) = facts.file(Path::new("/dev")) {
                let identity = SourceIdentity { dev: fact.dev, ino: fact.ino, kind: fact.kind };
                let options = vec![MountOption::Ro, MountOption::Nosuid, MountOption::Noexec];
                tree.put(
                    "/dev",
                    Node::Bind { source: "/dev".into(), identity, options, is_pinned: false },
                    origin,
                );
            }
        }
        dev::Mode::Minimal => {
            let noexec = vec![MountOption::Nosuid, MountOption::Noexec];
            let tmpfs = |mode, owner, options| Node::Tmpfs {
                size: 1 << 20,
                inodes: None,
                mode,
                owner,
                options,
            };
            tree.put("/dev", tmpfs(0o755, policy.user.builder(), noexec), origin);
            for name in dev::NODES {
                let source = Path::new("/dev").join(name);
                if let Some(fact) = facts.file(&source) {
                    let identity = SourceIdentity { dev: fact.dev, ino: fact.ino, kind: fact.kind };
                    tree.put(source.clone(), Node::Device { source, identity }, origin);
                }
            }
            for (name, target) in dev::LINKS {
                tree.put(
                    Path::new("/dev").join(name),
                    Node::Symlink { target: target.into() },
                    origin,
                );
            }
            let mut shm = ALWAYS.to_vec();
            shm.push(MountOption::Noexec);
            let size = mounts::DEFAULT_TMPFS;
            let node = Node::Tmpfs { size, inodes: None, mode: 0o1777, owner, options: shm };
            tree.put("/dev/shm", node, origin);
            tree.put("/dev/pts", Node::Devpts, origin);
        }
    }
}

fn passwd_files(policy: &Policy, facts: &dyn Facts, tree: &mut Tree<'_>) {
    let origin = policy.user.origin.implied_by("`[user] passwd`");
    let host = facts.users(Path::new("/"));
    match policy.user.passwd {
        user::PasswdFiles::Sandbox => {}
        user::PasswdFiles::Host => {
            for path in ["/etc/passwd", "/etc/group"] {
                if let Some(fact) =
                    facts.file(Path::new(path)).filter(|fact| fact.kind == FileKind::File)
                {
                    let identity = SourceIdentity { dev: fact.dev, ino: fact.ino, kind: fact.kind };
                    let options = read_only();
                    tree.put_if_free(
                        path,
                        Node::Bind { source: path.into(), identity, options, is_pinned: false },
                        origin,
                    );
                }
            }
        }
        user::PasswdFiles::Minimal => {
            let (passwd, group) = user::minimal_files(&policy.user, &host);
            for (path, contents) in [("/etc/passwd", passwd), ("/etc/group", group)] {
                if !tree.shows(Path::new(path)) {
                    tree.put_if_free(path, Node::File { contents, mode: 0o644 }, origin);
                }
            }
        }
    }
}

/// Puts a hosts(5) file that knows the host name inside. The host's own, where a rule shows it,
/// is of use with the host's network alone.
fn hosts_file(policy: &Policy, tree: &mut Tree<'_>) {
    let path = Path::new("/etc/hosts");
    let origin = policy.network.origin.implied_by("`[network] mode`");
    let name = policy.namespaces.hostname.as_ref().map_or("localhost", |name| name.value.as_str());
    let contents = format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n");
    let node = Node::File { contents, mode: 0o644 };
    if policy.network.value == network::Mode::Host && tree.shows(path) {
        return;
    }
    if tree.can_make(path) {
        tree.put(path, node, origin);
    }
}

fn read_only() -> Vec<MountOption> {
    let mut options = ALWAYS.to_vec();
    options.push(MountOption::Ro);
    options
}

/// Takes `noexec` from a mount that says nothing of executing where `[files] exec` allows it.
fn follow_exec(
    policy: &Policy,
    to: &Path,
    mut options: Vec<MountOption>,
    says_exec: bool,
) -> Vec<MountOption> {
    if !says_exec && executable(policy, to) {
        options.retain(|option| *option != MountOption::Noexec);
    }
    options
}

fn mount_node(
    policy: &Policy,
    to: &Path,
    rule: &crate::value::Sourced<mounts::Rule>,
    tree: &mut Tree<'_>,
) {
    let to = tree.inside(to);
    let node = match rule.value.clone() {
        mounts::Rule::Bind { source, identity, options, says_exec } => {
            let options = follow_exec(policy, &to, options, says_exec);
            Node::Bind { source, identity, options, is_pinned: false }
        }
        mounts::Rule::Tmpfs { size, inodes, mode, options, says_exec } => {
            let options = follow_exec(policy, &to, options, says_exec);
            let owner = (policy.user.entry.uid, policy.user.gid);
            Node::Tmpfs { size, inodes, mode, owner, options }
        }
        mounts::Rule::Proc => Node::Proc,
        mounts::Rule::File { contents, mode } => Node::File { contents, mode },
        mounts::Rule::Directory { mode } => Node::Directory { mode },
        mounts::Rule::Symlink { target } => Node::Symlink { target: target.into() },
    };
    tree.put(to, node, rule.origin);
}

fn mount_steps(
    policy: &Policy,
    tree: &Tree<'_>,
    facts: &dyn Facts,
    sink: &mut Sink,
    plan: &mut Builder,
) {
    let origin = policy.root.origin;
    plan.push(Action::IsolateMounts, Origin::DEFAULT);
    match &policy.root.directory {
        Some((path, identity)) => {
            let source = crate::plan::Source { path: path.into(), identity: *identity };
            let attributes = crate::plan::Attributes::new(tree.base_options().iter().copied());
            plan.push(Action::RootBind { source, attributes }, origin);
        }
        None => plan.push(Action::RootTmpfs { size: 16 << 20 }, origin),
    }
    tree.compile(sink, plan);
    tree.seal(facts, !policy.root.is_writable, origin, plan);
    plan.push(Action::Pivot, Origin::DEFAULT);
}

fn init_steps(policy: &Policy, tree: &Tree<'_>, plan: &mut Builder) {
    let default = Origin::DEFAULT;
    if let Some(locked) = policy.namespaces.locks {
        // Any mount but the root tells whether the mounts are locked (mount_namespaces(7)).
        let target = tree.mount_points().next().unwrap_or(Path::new("/")).to_owned();
        plan.push(Action::VerifyLock { target: (&target).into() }, locked);
    }
    if policy.process.as_pid_1.is_some() || !policy.namespaces.has(Namespace::Pid) {
        return;
    }
    plan.push(Action::NotDumpable, default);
    plan.push(Action::Split, default);
    plan.push(
        Action::Init {
            uid: policy.user.entry.uid,
            gid: policy.user.gid,
            groups: policy.user.groups.clone(),
            wait_for_all: policy.process.wait_for_all,
        },
        policy.user.origin,
    );
}

fn landlock_steps(policy: &Policy, tree: &Tree<'_>, plan: &mut Builder) {
    landlock::note(policy.landlock.as_ref(), &policy.landlock_spec, plan);
    let Some(rule) = &policy.landlock else { return };
    let (accesses, by_mounts) = tree.accesses();
    for (path, origin) in by_mounts {
        plan.note(
            format!(
                "{} is restricted by mounts alone: Landlock allows more above it",
                path.display()
            ),
            origin,
        );
    }
    let root = (policy.root.directory.is_some(), policy.root.origin);
    landlock::compile(rule, &accesses, root, policy.root.is_writable, plan);
}

/// Finds the working directory: as asked, else the caller's where it can be seen, else home.
fn workdir(
    policy: &Policy,
    tree: &Tree<'_>,
    facts: &dyn Facts,
    sink: &mut Sink,
    plan: &mut Builder,
) -> (PathBuf, Origin) {
    if let Some((path, origin)) = &policy.process.cwd {
        if !tree.has_directory(path) {
            sink.push(
                Diagnostic::error(
                    Code::MissingPath,
                    format!("the working directory `{}` cannot be seen inside", path.display()),
                )
                .at(*origin)
                .help("add it to `read` or `write` in [files], or name another directory"),
            );
        }
        return (path.clone(), *origin);
    }
    let cwd = &facts.caller().cwd;
    if cwd.is_absolute() && tree.has_directory(cwd) {
        return (cwd.clone(), Origin::DEFAULT);
    }
    let home = &policy.user.entry.home;
    let found = if tree.has_directory(home) { home.clone() } else { PathBuf::from("/") };
    let text = format!(
        "the working directory {} cannot be seen inside: it is {}",
        cwd.display(),
        found.display()
    );
    plan.note(text, Origin::DEFAULT);
    (found, Origin::DEFAULT)
}
