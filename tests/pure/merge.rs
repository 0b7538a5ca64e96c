//! The laws of merging: associative, an empty layer changes nothing, no origin is invented; and
//! the laws of plans for every shipped profile on every recorded host.

use crate::made;
use proptest::prelude::*;
use sbx::diag::{Origin, Sink, SourceId, SourceKind, SourceMap};
use sbx::profile::{BUILTIN, Profile};
use sbx::schema::ShownKey;

/// Lines of a profile, each of which is legal by itself: a section and what stands in it.
const LINES: [(&str, &str); 21] = [
    ("files", "read = [\"/usr\", \"/srv\"]"),
    ("files", "read = { remove = [\"/srv\"] }"),
    ("files", "read = { replace = [\"/opt\"] }"),
    ("files", "write = [\"~/a\"]"),
    ("files", "home = \"none\""),
    ("files", "home = \"private\""),
    ("network", "mode = \"host\""),
    ("network", "mode = \"none\""),
    ("namespaces", "hostname = \"a\""),
    ("namespaces", "time-offset = { boottime = 1 }"),
    ("namespaces", "time-offset = { boottime = 2, monotonic = 3 }"),
    ("env", "set = { A = \"1\" }"),
    ("env", "set = { A = \"2\", B = \"3\" }"),
    ("env", "pass = [\"LC_*\"]"),
    ("limits", "nofile = 10"),
    ("limits", "nofile = \"1:2\""),
    ("seccomp", "deny = [\"chroot\"]"),
    ("seccomp", "deny = { replace = [] }"),
    ("landlock", "tcp-connect = []"),
    ("command", "argv = [\"true\"]"),
    ("capabilities", "keep = [\"kill\"]"),
];

/// A profile of some of the lines, one line of a key at the most.
fn profile(sources: &mut SourceMap, chosen: &[usize]) -> (Profile, SourceId) {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for (section, line) in chosen.iter().filter_map(|at| LINES.get(*at)) {
        let key = line.split(' ').next();
        match sections.iter_mut().find(|(name, _)| name == section) {
            Some((_, lines)) if lines.iter().any(|other| other.split(' ').next() == key) => {}
            Some((_, lines)) => lines.push(line),
            None => sections.push((section, vec![line])),
        }
    }
    let text: String =
        sections.iter().map(|(name, lines)| format!("[{name}]\n{}\n", lines.join("\n"))).collect();
    let source = sources.add(SourceKind::File, "case.toml", text.clone());
    let mut sink = Sink::default();
    let profile = Profile::read(&text, source, &mut sink);
    assert!(!sink.has_errors(), "{text}: {:?}", sink.all());
    (profile, source)
}

fn merged(lower: &Profile, upper: &Profile) -> Profile {
    let mut out = lower.clone();
    out.merge(upper.clone());
    out
}

fn origins(profile: &Profile) -> Vec<Origin> {
    let keys = profile.show().into_iter().flat_map(|section| section.keys);
    let shown = keys.flat_map(|(_, key)| match key {
        ShownKey::One(one) => vec![one],
        ShownKey::List(items, _) => items,
        ShownKey::Table(rows) => rows.into_iter().map(|(_, one)| one).collect(),
    });
    shown
        .flat_map(|one| {
            let replaced: Vec<Origin> = one.replaced.iter().map(|(_, origin)| *origin).collect();
            std::iter::once(one.origin).chain(replaced)
        })
        .collect()
}

fn lines() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..LINES.len(), 0..8)
}

proptest! {
    #[test]
    fn merging_is_associative(a in lines(), b in lines(), c in lines()) {
        let mut sources = SourceMap::default();
        let [a, b, c] = [a, b, c].map(|chosen| profile(&mut sources, &chosen).0);
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }

    #[test]
    fn an_empty_layer_changes_nothing(a in lines()) {
        let (a, _) = profile(&mut SourceMap::default(), &a);
        prop_assert_eq!(merged(&a, &Profile::default()), a.clone());
        prop_assert_eq!(merged(&Profile::default(), &a), a);
    }

    #[test]
    fn no_origin_is_invented(a in lines(), b in lines()) {
        let mut sources = SourceMap::default();
        let (a, first) = profile(&mut sources, &a);
        let (b, second) = profile(&mut sources, &b);
        for origin in origins(&merged(&a, &b)) {
            prop_assert!([first, second].contains(&origin.source), "{origin:?}");
        }
    }
}

#[test]
fn every_shipped_profile_obeys_the_laws_on_every_recorded_host() {
    for (name, _) in BUILTIN {
        for host in ["ordinary", "root", "older"] {
            let mut sources = SourceMap::default();
            let mut sink = Sink::default();
            let layers = made::builtin(name, &mut sources, &mut sink);
            let args: &[&str] =
                if host == "root" { &["--user", "ann", "--", "true"] } else { &["--", "true"] };
            let made = made::make_of(layers, args, &made::facts(host), sources, sink);
            assert!(made.plan.is_some(), "{name} on {host}: {}", made.told);
        }
    }
}
