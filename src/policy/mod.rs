//! What a profile means on this host: every choice made, nothing unset.

mod conflicts;
mod isolation;
mod layout;
mod own_profiles;
mod project;
mod variables;

use std::path::{Path, PathBuf};

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::Facts;
use crate::feature::{
    capabilities, command, dev, env, files, landlock, limits, mounts, namespaces, network, paths,
    process, root, seccomp, trust, user,
};
use crate::path::Pattern;
use crate::plan::{Action, Attributes, Builder, MountOption, Namespace, Plan, Source};
use crate::profile::Profile;
use crate::tree::Tree;
use own_profiles::OwnProfiles;
use variables::Names;

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
    pub mounts: Vec<mounts::Mount>,
    pub dev: dev::Rule,
    pub limits: Vec<limits::Rule>,
    pub landlock: Option<landlock::Rule>,
    pub seccomp: Option<seccomp::Rule>,
    pub env: env::Rule,
    pub process: process::Rule,
    pub command: command::Rule,
    /// A `.git` without which the next start would have another project.
    repository: Option<PathBuf>,
    /// What `[landlock]` says, for the note on how far it goes here.
    landlock_spec: landlock::Spec,
}

/// Makes every choice; nothing where one of them cannot be made.
pub fn resolve(
    profile: &Profile,
    rank: &dyn Fn(Origin) -> usize,
    profile_files: &[PathBuf],
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
    let caller = user::entry_of(facts.caller(), &facts.users(Path::new("/")));
    let before = Names { facts, user: &caller, profile };
    let context = paths::Context { facts, variables: &before, rank, home: &caller.home };
    let root = root::resolve(&profile.root, facts, &|pattern| context.path(pattern), sink);
    // What does not depend on root and user is looked at whatever becomes of them: everything that
    // is wrong is told at once.
    let limits = limits::resolve(&profile.limits, namespaces.has(Namespace::User), facts, sink);
    let landlock = landlock::resolve(&profile.landlock, &namespaces.nested, facts, sink);
    let seccomp = seccomp::resolve(&profile.seccomp, &namespaces, rank, facts, sink);
    let command = command::resolve(&profile.command, sink);
    let root = root?;
    let user = user::resolve(&profile.user, &namespaces, &root, facts, sink);
    // Whose passwd file says what the user is called inside, `~` and what it stands for on the host
    // are the host's to say: a root directory may be the command's to write.
    // Where the user is not known, what is written is judged as if it were the caller; which paths
    // are there is not asked, for `~` would be another home.
    let entry = user.as_ref().map_or(&caller, |user| &user.entry);
    let mut found = Sink::default();
    let on_host = user::on_host(entry, facts);
    let names = Names { facts, user: &on_host, profile };
    let context = paths::Context { facts, variables: &names, rank, home: &entry.home };
    let expand = |pattern: &Pattern| context.path(pattern);
    let mut files = files::resolve(&profile.files, &root, &context, &mut found);
    let mut links = root.links.clone();
    let mounts = mounts::resolve(&profile.mount, &context, &mut links, &mut found);
    let process = process::resolve(&profile.process, &expand, facts, &mut found);
    let writable = conflicts::writable(&files, &mounts, &root);
    if let Some(writer) = writable.first() {
        let own = OwnProfiles::new(profile_files, entry.uid, facts);
        own.refuse_unknown(writer, &mut found);
        own.narrow(&mut files, &mut found);
        for (source, origin) in &writable.by_mounts {
            own.refuse(source, *origin, &mut found);
        }
    }
    let writable = writable.all();
    conflicts::unseen(&files, &writable, &mut found);
    let judge = trust::Judge { facts, user: entry.uid, writable };
    judge.judge(files.links.values().chain(&links).chain(&process.links), &mut found);
    isolation::refuse_missing_privilege(&namespaces, facts, &mut found);
    isolation::refuse_lock_without_proc(&namespaces, &root, &files, &mut found);
    isolation::check_pid_namespace(&namespaces, &mounts, &mut found);
    isolation::refuse_pid_1(&process, &namespaces, &mut found);
    let env = env::resolve(&profile.env, entry, facts, &mut found);
    let is_known = user.is_some();
    sink.absorb_if(found, |one| is_known || one.code.is_of_the_text());
    let user = user?;
    Some(Policy {
        dev: dev::resolve(&profile.dev, &root),
        env,
        command: command?,
        repository: names.repository(),
        landlock_spec: profile.landlock.clone(),
        limits,
        landlock,
        seccomp,
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

/// Returns what will be done; problems that only the whole shows go to `sink`.
pub fn compile(policy: &Policy, facts: &dyn Facts, sink: &mut Sink) -> Plan {
    let mut plan = Builder::default();
    let tree = layout::tree(policy, facts, sink);
    conflicts::second_views(policy, &tree, facts, sink);
    conflicts::unhidden(policy, &tree, facts, sink);
    conflicts::no_effect(policy, &tree, sink);
    conflicts::nothing_to_hide(policy, facts, sink);
    let workdir = workdir(policy, &tree, facts, sink, &mut plan);
    // Ids are mapped before anything is done in the namespace.
    user::compile(&policy.user, &policy.namespaces, &mut plan);
    namespaces::compile(&policy.namespaces, &mut plan);
    process::compile(&policy.process, &workdir, facts, &mut plan);
    mount_steps(policy, &tree, sink, &mut plan);
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

fn mount_steps(policy: &Policy, tree: &Tree<'_>, sink: &mut Sink, plan: &mut Builder) {
    let origin = policy.root.origin;
    plan.push(Action::IsolateMounts, Origin::DEFAULT);
    match &policy.root.directory {
        Some((path, identity)) => {
            let source = Source { path: path.into(), identity: *identity };
            let read_only = (!policy.root.is_writable).then_some(MountOption::Ro);
            let attributes = Attributes::new(MountOption::ALWAYS.into_iter().chain(read_only));
            plan.push(Action::RootBind { source, attributes }, origin);
        }
        None => plan.push(Action::RootTmpfs { size: 16 << 20 }, origin),
    }
    tree.compile(sink, plan);
    tree.seal(!policy.root.is_writable, origin, plan);
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
                .help(if facts.file(path).is_some() {
                    "add it to `read` or `write` in [files], or name another directory"
                } else {
                    "look for a slip in the path: it is not on the host either"
                }),
            );
        }
        return (path.clone(), *origin);
    }
    let cwd = &facts.caller().cwd;
    if cwd.is_absolute() && tree.has_directory(cwd) {
        if tree.is_made_at(cwd) {
            let shown = printable_os(cwd);
            let text = format!(
                "the working directory {shown} is made by sbx inside, without the host's files"
            );
            plan.note(text, Origin::DEFAULT);
        }
        return (cwd.clone(), Origin::DEFAULT);
    }
    let home = &policy.user.entry.home;
    let found = if tree.has_directory(home) { home.clone() } else { PathBuf::from("/") };
    let text = format!(
        "the working directory {} cannot be seen inside: it is {}",
        printable_os(cwd),
        printable_os(&found)
    );
    plan.note(text, Origin::DEFAULT);
    (found, Origin::DEFAULT)
}
