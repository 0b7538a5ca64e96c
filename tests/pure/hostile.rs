//! Plans on hosts that have been prepared: recorded facts with a difference.

use crate::made::{self, Made};
use sbx::diag::{Sink, SourceKind, SourceMap};
use sbx::facts::Recorded;
use sbx::profile::{Layer, LayerKind, Profile};

/// Makes a plan for `ann` on facts that were changed.
fn on(name: &str, profile: &str, change: impl FnOnce(&mut Recorded)) -> Made {
    let mut facts = made::facts(name);
    change(&mut facts);
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let source = sources.add(SourceKind::File, "case.toml", profile);
    let layer = Layer {
        kind: LayerKind::Definition,
        name: "case".to_owned(),
        sources: vec![source],
        profile: Profile::read(profile, source, &mut sink),
    };
    made::make_of(vec![layer], &["--", "true"], &facts, sources, sink)
}

#[test]
fn profiles_that_are_not_there_cannot_be_made() {
    let write = "[files]\nwrite = [\"~/.config\"]\n";
    let kept = on("ordinary", write, |_| ());
    assert!(kept.plan.is_some(), "{}", kept.told);
    for gone in ["/home/ann/.config/sbx/profiles", "/home/ann/.config/sbx"] {
        let made = on("ordinary", write, |facts| {
            facts.files.retain(|path, _| !path.starts_with(gone));
        });
        assert!(made.plan.is_none(), "{gone}");
        let told = "error[own-profiles]: this would let the command make profiles of sbx in \
            /home/ann/.config/sbx/profiles";
        assert!(made.told.contains(told), "{gone}: {}", made.told);
    }
}

#[test]
fn what_looks_like_roots_link_is_roots_only_where_root_alone_puts_links() {
    // A caller whose user namespace does not map root sees its files as the overflow user's.
    let read = "[files]\nread = [\"/srv/shared/link\"]\n";
    let hidden = |mode: u32| {
        on("ordinary", read, |facts| {
            facts.uid_map = vec![[1000, 1000, 1]];
            let mut link = facts.files[std::path::Path::new("/home/strange")].clone();
            let mut directory = facts.files[std::path::Path::new("/srv/data")].clone();
            (link.uid, link.ino, link.link) = (65_534, 1001, Some("/usr/share".into()));
            (directory.uid, directory.ino, directory.mode) = (65_534, 1002, mode);
            facts.files.insert("/srv/shared".into(), directory);
            facts.files.insert("/srv/shared/link".into(), link);
        })
    };
    let closed = hidden(0o755);
    assert!(closed.plan.is_some(), "{}", closed.told);
    for mode in [0o775, 0o757, 0o1777] {
        let open = hidden(mode);
        assert!(open.plan.is_none(), "{mode:o}");
        let told = "`/srv/shared/link` is a link that must not be followed";
        assert!(open.told.contains(told), "{mode:o}: {}", open.told);
    }
}

#[test]
fn nothing_among_the_profiles_can_be_granted() {
    let profile = "/home/ann/.config/sbx/profiles/my.toml";
    let made = on("ordinary", &format!("[files]\nwrite = [\"{profile}\"]\n"), |facts| {
        let notes = facts.files[std::path::Path::new("/home/ann/notes.txt")].clone();
        facts.files.insert(profile.into(), sbx::facts::FileFact { ino: 1001, ..notes });
    });
    assert!(made.plan.is_none());
    let told = format!("`{profile}` belongs to the profiles of sbx and cannot be writable inside");
    assert!(made.told.contains(&told), "{}", made.told);
}

/// What `$PROJECT` is for `ann` in a directory with a git repository above it.
fn project(change: impl FnOnce(&mut Recorded)) -> Made {
    on("ordinary", "[files]\nread = [\"?$PROJECT\"]\n", |facts| {
        let directory = facts.files[std::path::Path::new("/srv/data")].clone();
        let git = sbx::facts::FileFact { uid: 1000, ino: 2001, ..directory };
        facts.files.insert("/srv/data/.git".into(), git);
        facts.caller.cwd = "/srv/data".into();
        change(facts);
    })
}

#[test]
fn a_repository_that_others_could_have_made_is_refused() {
    let top = |uid: u32, mode: u32| {
        let made = project(|facts| {
            let top = facts.files.get_mut(std::path::Path::new("/srv/data")).expect("it is there");
            (top.uid, top.mode) = (uid, mode);
            let inner = sbx::facts::FileFact { uid: 1000, ino: 2002, mode: 0o755, ..top.clone() };
            facts.files.insert("/srv/data/inner".into(), inner);
            facts.caller.cwd = "/srv/data/inner".into();
        });
        made.plan_text.unwrap_or(made.told)
    };
    for (uid, mode) in [(0, 0o755), (1000, 0o755)] {
        assert!(top(uid, mode).contains("bind /srv/data on /srv/data,"), "{uid} {mode:o}");
    }
    for (uid, mode) in [(0, 0o1777), (0, 0o775), (2000, 0o755)] {
        assert!(top(uid, mode).contains("others can put a .git into /srv/data"), "{uid} {mode:o}");
    }
    for uid in [1000, 2000] {
        assert!(top(uid, 0o777).contains("everybody can write the project"), "{uid}");
    }
}

#[test]
fn a_directory_without_a_repository_that_its_owner_opened_is_refused() {
    let read = |uid: u32, mode: u32| {
        let made = project(|facts| {
            facts.files.remove(std::path::Path::new("/srv/data/.git"));
            let cwd = facts.files.get_mut(std::path::Path::new("/srv/data")).expect("it is there");
            (cwd.uid, cwd.mode) = (uid, mode);
        });
        made.plan_text.is_some().then_some(()).ok_or(made.told)
    };
    for (uid, mode) in [(0, 0o1777), (0, 0o755), (1000, 0o755), (2000, 0o755)] {
        assert_eq!(read(uid, mode), Ok(()), "{uid} {mode:o}");
    }
    for uid in [1000, 2000] {
        let told = read(uid, 0o777).expect_err("it is open");
        assert!(told.contains("everybody can write the project"), "{uid}: {told}");
    }
}

#[test]
fn a_home_that_a_link_leads_to_is_no_project() {
    let bound = |home: &'static str| {
        let made = project(|facts| {
            let mut link = facts.files[std::path::Path::new("/home/strange")].clone();
            (link.uid, link.ino, link.link) = (0, 2003, Some("/srv/data".into()));
            facts.files.insert("/home/led".into(), link);
            let host = facts.users.get_mut(std::path::Path::new("/")).expect("the host's");
            host.passwd
                .iter_mut()
                .filter(|row| row.uid == 1000)
                .for_each(|row| row.home = home.into());
        });
        made.plan_text.expect("a plan").contains("bind /srv/data on /srv/data,")
    };
    assert!(bound("/home/ann"));
    assert!(!bound("/home/led"));
}
