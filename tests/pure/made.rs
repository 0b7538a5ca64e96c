//! From a profile's text, arguments and recorded facts to a plan, without a process.

use std::path::Path;
use std::rc::Rc;

use sbx::diag::{Origin, Sink, SourceKind, SourceMap, text};
use sbx::facts::Recorded;
use sbx::plan::{self, Plan};
use sbx::policy;
use sbx::profile::{BUILTIN, Layer, Loaded, Profile, Stack, flatten};

/// What came out.
pub(crate) struct Made {
    pub(crate) plan: Option<Plan>,
    pub(crate) plan_text: Option<String>,
    pub(crate) plan_json: Option<String>,
    pub(crate) told: String,
}

/// Reads recorded facts of `tests/facts`.
pub(crate) fn facts(name: &str) -> Recorded {
    let name = if name.is_empty() { "ordinary" } else { name };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/facts/{name}.toml"));
    let text = std::fs::read_to_string(&path).expect("recorded facts can be read");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns a built-in profile with its parents, lowest first.
pub(crate) fn builtin(name: &str, sources: &mut SourceMap, sink: &mut Sink) -> Vec<Layer> {
    let load = |name: &str, sources: &mut SourceMap, sink: &mut Sink| {
        let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        let identity = format!("built-in:{name}");
        let source = sources.add(SourceKind::Builtin, identity.clone(), *text);
        let profile = Profile::read(text, source, sink);
        Some(Rc::new(Loaded { name: name.to_owned(), identity, source, profile }))
    };
    let top = load(name, sources, sink).expect("a built-in profile");
    let mut again = |name: &str, _: Option<Origin>, sink: &mut Sink| load(name, sources, sink);
    flatten(&top, &mut again, sink)
}

/// Makes a plan from one profile's text and arguments.
pub(crate) fn make(profile: &str, args: &[&str], facts_name: &str) -> Made {
    let mut sources = SourceMap::default();
    let mut sink = Sink::default();
    let source = sources.add(SourceKind::File, "case.toml", profile);
    let layer = Layer {
        kind: sbx::profile::LayerKind::Definition,
        name: "case".to_owned(),
        sources: vec![source],
        profile: Profile::read(profile, source, &mut sink),
    };
    make_of(vec![layer], args, &facts(facts_name), sources, sink)
}

/// Makes a plan from layers and arguments.
pub(crate) fn make_of(
    layers: Vec<Layer>,
    args: &[&str],
    facts: &Recorded,
    mut sources: SourceMap,
    mut sink: Sink,
) -> Made {
    let mut stack = Stack::default();
    for layer in layers {
        stack.push(layer);
    }
    let flags = sbx::cli::layer_of(args, &mut sources, &mut sink).expect("arguments that parse");
    stack.push(flags);
    let (merged, rank) = stack.merge();
    let mut plan = None;
    if !sink.has_errors() {
        let resolved = policy::resolve(&merged, &rank, &[], facts, &mut sink);
        if let Some(policy) = resolved.filter(|_| !sink.has_errors()) {
            let made = policy::compile(&policy, facts, &mut sink);
            if !sink.has_errors() {
                plan::check(&made, &mut sink);
            }
            plan = Some(made).filter(|_| !sink.has_errors());
        }
    }
    let told = sink.all().iter().map(|one| text(one, &sources, false) + "\n").collect();
    Made {
        plan_text: plan.as_ref().map(|plan| plan::text(plan, &sources)),
        plan_json: plan.as_ref().map(|plan| plan::json(plan, &sources).expect("a plan is JSON")),
        plan,
        told,
    }
}
