//! Lays out the tree of files inside: what each rule puts where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Policy, conflicts};
use crate::diag::{Code, Diagnostic, Origin, Sink, printable_os};
use crate::facts::{Facts, FileKind, Files as _};
use crate::feature::files::{self, Intent, Verb};
use crate::feature::{dev, mounts, network, root, user};
use crate::path::{self, AtEnd};
use crate::plan::{MountOption, Namespace, SourceIdentity};
use crate::tree::{Base, Inside, Node, Tree};

/// Returns the tree that a policy comes to.
pub(super) fn tree<'f>(policy: &Policy, facts: &'f dyn Facts, sink: &mut Sink) -> Tree<'f> {
    let base = match &policy.root.directory {
        Some((path, _)) => Base::Host {
            path: path.clone(),
            origin: policy.root.origin,
            is_writable: policy.root.is_writable,
        },
        None => Base::Made,
    };
    let mut tree = Tree::new(base, policy.user.switches, facts);
    for (path, link) in &policy.files.links {
        let node = Node::Symlink { target: link.target.clone() };
        if link.is_optional {
            tree.put_if_there(path, node, link.origin);
        } else {
            tree.put(path, node, link.origin);
        }
    }
    for (path, intent) in &policy.files.intents {
        intent_node(policy, path, intent, &mut tree);
    }
    if let Some(origin) = policy.root.mounts_proc.filter(|_| policy.namespaces.has(Namespace::Pid))
    {
        tree.put("/proc", Node::Proc, origin.implied_by("`[root] auto-mount`"));
    }
    devices(policy, facts, &mut tree);
    passwd_files(policy, facts, &mut tree);
    if policy.root.kind == root::Kind::System {
        hosts_file(policy, &mut tree);
    }
    mount_nodes(policy, &mut tree, sink);
    // Nothing is made a mount of its own in what is left out.
    tree.prune();
    executable_parts(policy, &mut tree, facts);
    hide_inside(policy, &mut tree);
    pins(policy, &mut tree);
    keep_repository(policy, &mut tree, sink);
    // What was hidden since has implied things below it too.
    tree.prune();
    tree
}

fn executable(policy: &Policy, path: &Path) -> bool {
    policy.files.exec.iter().any(|above| path.starts_with(&above.path))
}

/// Binds what is to be executable below a `noexec` part of the host on itself, without `noexec`.
fn executable_parts(policy: &Policy, tree: &mut Tree<'_>, facts: &dyn Facts) {
    for files::Executable { path, origin, .. } in &policy.files.exec {
        let Some((at, source, options)) = tree.bound(path) else { continue };
        let Some(fact) = facts.file(&source) else { continue };
        // A mount that says `noexec` itself is not executable in parts either.
        let says_noexec = |mount: &mounts::Mount| {
            let says = matches!(mount.rule, mounts::Rule::Bind { says_exec: true, .. });
            says && tree.over_own_links(&mount.to) == at
        };
        if options.contains(&MountOption::Noexec) && !policy.mounts.iter().any(says_noexec) {
            let may = |option: &MountOption| *option != MountOption::Noexec;
            let options = options.into_iter().filter(may).collect();
            tree.put(path, Node::bind(source, &fact, options), *origin);
        }
    }
}

fn intent_node(policy: &Policy, path: &Path, intent: &Intent, tree: &mut Tree<'_>) {
    let mut options = MountOption::ALWAYS.to_vec();
    if intent.verb == Verb::Read {
        options.push(MountOption::Ro);
    } else if !executable(policy, path) {
        options.push(MountOption::Noexec);
    }
    let node = match (intent.verb, &intent.fact) {
        (Verb::Hide, _) => Node::Cover,
        (Verb::Private, _) | (_, None) => Node::Tmpfs {
            size: mounts::DEFAULT_TMPFS,
            inodes: None,
            mode: private_mode(path, intent),
            owner: policy.user.ids(),
            options,
        },
        (Verb::Read | Verb::Write, Some(fact)) => Node::bind(path, fact, options),
    };
    if intent.is_optional {
        tree.put_if_there(path, node, intent.origin);
    } else {
        tree.put(path, node, intent.origin);
    }
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

/// Keeps what is less than the command may do above it where it is, on the next start too.
fn pins(policy: &Policy, tree: &mut Tree<'_>) {
    let less = |(_, intent): &(&PathBuf, &Intent)| intent.verb != Verb::Write;
    for (path, intent) in policy.files.intents.iter().filter(less) {
        pin(policy, path, intent.origin, tree);
    }
    let covers: Vec<_> = tree.covers().map(|(path, origin)| (path.to_owned(), origin)).collect();
    for (path, origin) in covers {
        pin(policy, &path, origin, tree);
    }
    for mount in &policy.mounts {
        let to = tree.over_own_links(&mount.to);
        let takes_away = match &mount.rule {
            // One that shows what would be there anyhow takes nothing away.
            mounts::Rule::Bind { source, options, .. } => {
                options.contains(&MountOption::Ro) || tree.beneath(&to).as_ref() != Some(source)
            }
            mounts::Rule::Tmpfs { .. } | mounts::Rule::Proc | mounts::Rule::File { .. } => true,
            mounts::Rule::Directory { .. } | mounts::Rule::Symlink { .. } => false,
        };
        if takes_away {
            pin(policy, &to, mount.origin, tree);
        }
    }
}

/// Keeps the `.git` that the project of the next start depends on where it is.
fn keep_repository(policy: &Policy, tree: &mut Tree<'_>, sink: &mut Sink) {
    let Some(repository) = &policy.repository else { return };
    let views = tree.shown().views(repository);
    for view in views.into_iter().filter(|view| view.is_writable && view.is_part) {
        if Inside(tree).file(&view.place).is_some_and(|fact| fact.kind == FileKind::Link) {
            let text = format!(
                "`{}` is a link that the command could remove: the next start would have another project",
                printable_os(&view.place)
            );
            sink.push(
                Diagnostic::error(Code::NotEnforceable, text)
                    .label(view.origin, "the command can write here")
                    .help("have the repository itself in the place of the link"),
            );
        }
        let origin = view.origin.implied_by("`$PROJECT`");
        pin(policy, &view.place, origin, tree);
        tree.pin(&view.place, origin);
    }
}

/// Binds every directory between what the command may write and a path at which it may do less on
/// itself, so that renaming one of them gets nowhere.
fn pin(policy: &Policy, path: &Path, origin: Origin, tree: &mut Tree<'_>) {
    let by_rule = |above: &Path| {
        policy.files.intents.get(above).is_some_and(|intent| intent.verb == Verb::Write)
    };
    let by_mount = |above: &Path| {
        policy.mounts.iter().any(|mount| match &mount.rule {
            mounts::Rule::Bind { options, .. } => {
                tree.over_own_links(&mount.to) == above && !options.contains(&MountOption::Ro)
            }
            _ => false,
        })
    };
    let is_root = |above: &Path| above == Path::new("/") && policy.root.is_writable;
    let writable = |above: &&Path| by_rule(above) || by_mount(above) || is_root(above);
    // The outermost one counts: each directory below it could be renamed from there.
    let Some(outermost) = path.ancestors().skip(1).filter(writable).last() else { return };
    let between: Vec<&Path> =
        path.ancestors().skip(1).take_while(|between| *between != outermost).collect();
    for directory in between.into_iter().rev() {
        tree.pin(directory, origin);
    }
}

fn devices(policy: &Policy, facts: &dyn Facts, tree: &mut Tree<'_>) {
    let origin = policy.dev.origin.implied_by("`[dev] mode`");
    let owner = policy.user.ids();
    match policy.dev.value {
        dev::Mode::None => {}
        dev::Mode::Host => {
            if let Some(fact) = facts.file(Path::new("/dev")) {
                let options = vec![MountOption::Ro, MountOption::Nosuid, MountOption::Noexec];
                tree.put("/dev", Node::bind("/dev", &fact, options), origin);
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
                    let identity = SourceIdentity::from(&fact);
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
            let mut shm = MountOption::ALWAYS.to_vec();
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
                    let mut options = MountOption::ALWAYS.to_vec();
                    options.push(MountOption::Ro);
                    tree.put_if_free(path, Node::bind(path, &fact, options), origin);
                }
            }
        }
        user::PasswdFiles::Minimal => {
            let (passwd, group) = user::minimal_files(&policy.user, &host);
            for (path, contents) in [("/etc/passwd", passwd), ("/etc/group", group)] {
                if !tree.is_taken(Path::new(path)) {
                    tree.put(path, Node::File { contents, mode: 0o644 }, origin);
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
    if policy.network.value == network::Mode::Host && tree.is_taken(path) {
        return;
    }
    if tree.can_make(path) {
        tree.put(path, node, origin);
    }
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

/// Puts every mount in its place, parents first. Between two at one place the higher layer's is there,
/// however it is written.
fn mount_nodes(policy: &Policy, tree: &mut Tree<'_>, sink: &mut Sink) {
    let mut mounts: Vec<&mounts::Mount> = policy.mounts.iter().collect();
    mounts.sort_by_key(|mount| (mount.to.components().count(), mount.rank));
    let mut there: BTreeMap<PathBuf, &mounts::Mount> = BTreeMap::new();
    for mount in mounts {
        let to = tree.over_own_links(&mount.to);
        match there.get(&to) {
            Some(other) if other.rank > mount.rank => continue,
            Some(other) if other.rank == mount.rank => {
                sink.push(mounts::twice(&printable_os(&to), mount.origin, other.origin));
                continue;
            }
            _ => {}
        }
        match stands_behind(policy, mount, &to, tree) {
            Ok(true) => {}
            Ok(false) => {
                mount_node(policy, mount, &to, tree);
                there.insert(to, mount);
            }
            Err(diagnostic) => sink.push(diagnostic),
        }
    }
}

fn mount_node(policy: &Policy, mount: &mounts::Mount, to: &Path, tree: &mut Tree<'_>) {
    let node = match mount.rule.clone() {
        mounts::Rule::Bind { source, identity, options, says_exec } => {
            let options = follow_exec(policy, to, options, says_exec);
            Node::Bind { source, identity, options, is_pinned: false }
        }
        mounts::Rule::Tmpfs { size, inodes, mode, options, says_exec } => {
            let options = follow_exec(policy, to, options, says_exec);
            let owner = policy.user.ids();
            Node::Tmpfs { size, inodes, mode, owner, options }
        }
        mounts::Rule::Proc => Node::Proc,
        mounts::Rule::File { contents, mode } => Node::File { contents, mode },
        mounts::Rule::Directory { mode } => Node::Directory { mode },
        mounts::Rule::Symlink { target } => Node::Symlink { target: target.into() },
    };
    tree.put(to, node, mount.origin);
}

/// Hides what the words of a rule stand for inside: links there may lead elsewhere than the host's.
fn hide_inside(policy: &Policy, tree: &mut Tree<'_>) {
    if policy.mounts.is_empty() && policy.root.directory.is_none() {
        return;
    }
    for hiding in policy.files.hiding.iter().filter(|hiding| !path::is_glob(&hiding.pattern)) {
        let place = Inside(tree).leads_to(&path::unescape(&hiding.pattern), AtEnd::Follow);
        let is_shown = conflicts::is_shown_by_an_upper_layer(policy, tree, hiding, &place);
        let is_there = Inside(tree).file(&place).is_some();
        if is_there && !is_shown && !Inside(tree).hides(&place) {
            tree.put(place, Node::Cover, hiding.origin);
        }
    }
}

/// Says whether a mount gives way to what is at its place already.
///
/// # Errors
/// One of the two must go.
fn stands_behind(
    policy: &Policy,
    mount: &mounts::Mount,
    to: &Path,
    tree: &Tree<'_>,
) -> Result<bool, Diagnostic> {
    let shown = printable_os(to);
    let is_directory = matches!(mount.rule, mounts::Rule::Directory { .. });
    let written = policy.files.intents.get(to).filter(|rule| rule.origin.via.is_none());
    if let Some(rule) = written {
        // As between rules, the higher layer wins, where it speaks of this very path or takes
        // something away; inside one, a mount stands above a rule, but what is hidden is hidden. What
        // makes sure that a directory is there shows nothing.
        let is_meant = rule.is_exact || [Verb::Hide, Verb::Private].contains(&rule.verb);
        if rule.rank > mount.rank && is_meant {
            return Ok(true);
        }
        if rule.verb == Verb::Hide && (rule.rank >= mount.rank || is_directory) {
            let text = format!("`{shown}` is hidden, and a mount is to be there");
            return Err(Diagnostic::error(Code::Conflict, text)
                .at(mount.origin)
                .label(rule.origin, "it is hidden here")
                .help("remove one of the two"));
        }
    }
    if !is_directory || !tree.is_taken(to) {
        return Ok(false);
    }
    // A directory that is there stays as it is, with all that a rule says of it.
    if tree.has_directory(to) {
        return Ok(true);
    }
    Err(Diagnostic::error(Code::Conflict, format!("`{shown}` is to be a directory, and is none"))
        .at(mount.origin)
        .help("name another place"))
}
