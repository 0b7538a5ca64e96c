//! The graph of `extends`: parents first, each once, no cycles.

use std::rc::Rc;

use super::{Layer, LayerKind, Profile};
use crate::diag::{Code, Diagnostic, Origin, Sink, SourceId};

/// How deep `extends` may go.
const MAX_DEPTH: usize = 32;

/// A profile that was read, before its parents.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its name, for people.
    pub name: String,
    /// What tells two definitions apart: the path of its file, or its built-in name.
    pub identity: String,
    /// The text it was read from.
    pub source: SourceId,
    /// What it says.
    pub profile: Profile,
}

/// Gives the profile of a name, or tells why there is none.
pub type Loader<'l> = dyn FnMut(&str, Option<Origin>, &mut Sink) -> Option<Rc<Loaded>> + 'l;

/// Returns a profile's layers, lowest first: each parent in the order of `extends`, depth first, a
/// profile that is met twice only at its first place, then the profile itself.
pub fn flatten(top: &Rc<Loaded>, load: &mut Loader<'_>, sink: &mut Sink) -> Vec<Layer> {
    let mut walk = Walk { load, sink, path: Vec::new(), done: Vec::new(), layers: Vec::new() };
    walk.visit(top, LayerKind::Definition);
    walk.layers
}

struct Walk<'w, 'l> {
    load: &'w mut Loader<'l>,
    sink: &'w mut Sink,
    path: Vec<(String, Option<Origin>)>,
    done: Vec<String>,
    layers: Vec<Layer>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, loaded: &Rc<Loaded>, kind: LayerKind) {
        if self.done.contains(&loaded.identity) {
            return;
        }
        self.path.push((loaded.identity.clone(), None));
        for parent in loaded.profile.head.extends.items() {
            let Some(next) = (self.load)(parent.value, Some(parent.origin), self.sink) else {
                continue;
            };
            if let Some(last) = self.path.last_mut() {
                last.1 = Some(parent.origin);
            }
            if let Some(at) = self.path.iter().position(|(name, _)| *name == next.identity) {
                self.cycle(at, parent.value);
                continue;
            }
            if self.path.len() >= MAX_DEPTH {
                let text = format!("`extends` goes deeper than {MAX_DEPTH} profiles");
                self.sink.push(
                    Diagnostic::error(Code::ExtendsCycle, text)
                        .at(parent.origin)
                        .help("join some of the profiles"),
                );
                continue;
            }
            self.visit(&next, LayerKind::Parent);
        }
        self.path.pop();
        self.done.push(loaded.identity.clone());
        self.layers.push(Layer {
            kind,
            name: loaded.name.clone(),
            sources: vec![loaded.source],
            profile: loaded.profile.clone(),
        });
    }

    fn cycle(&mut self, at: usize, name: &str) {
        let mut diagnostic =
            Diagnostic::error(Code::ExtendsCycle, format!("profile `{name}` extends itself"));
        for (_, origin) in self.path.iter().skip(at).rev() {
            if let Some(origin) = origin {
                diagnostic = diagnostic.label(*origin, "over this `extends`");
            }
        }
        let help = if self.path.len() == at + 1 {
            "give this file another name: a profile cannot extend one that it takes the place of"
        } else {
            "remove one of these names"
        };
        self.sink.push(diagnostic.help(help));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::diag::{SourceKind, SourceMap};

    fn order(files: &[(&str, &[&str])]) -> (Vec<String>, Vec<String>) {
        let mut sources = SourceMap::default();
        let mut sink = Sink::default();
        let mut all = BTreeMap::new();
        for (name, parents) in files {
            let text = format!("extends = {parents:?}");
            let source = sources.add(SourceKind::File, *name, text.clone());
            let profile = Profile::read(&text, source, &mut sink);
            let identity = (*name).to_owned();
            all.insert(
                *name,
                Rc::new(Loaded { name: identity.clone(), identity, source, profile }),
            );
        }
        let top = all.values().next().map(Rc::clone).expect("there is a profile");
        let mut load = |name: &str, _: Option<Origin>, _: &mut Sink| all.get(name).map(Rc::clone);
        let layers = flatten(&top, &mut load, &mut sink);
        let told = sink.all().iter().map(|d| d.message.clone()).collect();
        (layers.into_iter().map(|layer| layer.name).collect(), told)
    }

    #[test]
    fn parents_come_first_and_a_diamond_counts_once() {
        let (names, told) = order(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]);
        assert_eq!(names, ["d", "b", "c", "a"]);
        assert!(told.is_empty());
    }

    #[test]
    fn a_cycle_is_told_once() {
        let (_, told) = order(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(told, ["profile `a` extends itself"]);
    }
}
