//! `[capabilities]`: what of root's power the command keeps; nothing by default.

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::Facts;
use crate::plan::{Action, Builder};
use crate::schema::{refuse_removals, section};
use crate::value::{List, Sourced};

section! {
    /// The section as it was written.
    pub struct Spec = "capabilities", reserved [] {
        /// Capabilities to keep in every set, by name or "all" (capabilities(7)); `?` in front: as far as the kernel knows it. Default: none.
        keep: List<String> = "keep",
        /// The bounding set, where it is to differ from `keep`.
        bounding: List<String> = "bounding",
        /// The permitted set, where it is to differ from `keep`.
        permitted: List<String> = "permitted",
        /// The effective set, where it is to differ from `keep`.
        effective: List<String> = "effective",
        /// The inheritable set, where it is to differ from `keep`.
        inheritable: List<String> = "inheritable",
        /// The ambient set, where it is to differ from `keep`.
        ambient: List<String> = "ambient",
    }
}

/// The sets at exec, one bit for each capability.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of capabilities(7)")]
pub struct Rule {
    pub bounding: u64,
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub ambient: u64,
    /// Number of the last capability of this kernel.
    pub last: u8,
    /// Where capabilities to keep were asked for.
    pub origin: Origin,
}

impl Rule {
    /// Returns everything that is kept in some set.
    pub fn kept(&self) -> u64 {
        self.bounding | self.permitted | self.effective | self.inheritable | self.ambient
    }
}

/// Decides the sets.
pub fn resolve(spec: &Spec, facts: &dyn Facts, sink: &mut Sink) -> Rule {
    let last = facts.kernel().last_capability;
    let keep = set(&spec.keep, last, sink);
    let or_keep = |list: &List<String>, sink: &mut Sink| {
        if list.given().is_none() { keep } else { set(list, last, sink) }
    };
    for (name, list) in [
        ("bounding", &spec.bounding),
        ("permitted", &spec.permitted),
        ("effective", &spec.effective),
        ("inheritable", &spec.inheritable),
        ("ambient", &spec.ambient),
    ] {
        refuse_removals(name, list, sink);
    }
    let rule = Rule {
        bounding: or_keep(&spec.bounding, sink),
        permitted: or_keep(&spec.permitted, sink),
        effective: or_keep(&spec.effective, sink),
        inheritable: or_keep(&spec.inheritable, sink),
        ambient: or_keep(&spec.ambient, sink),
        last,
        origin: first_origin(spec),
    };
    check(&rule, spec, sink);
    rule
}

fn lists(spec: &Spec) -> [&List<String>; 6] {
    [&spec.keep, &spec.bounding, &spec.permitted, &spec.effective, &spec.inheritable, &spec.ambient]
}

fn first_origin(spec: &Spec) -> Origin {
    let first = lists(spec).iter().find_map(|list| list.items().first().map(|item| item.origin));
    first.unwrap_or(Origin::DEFAULT)
}

fn set(list: &List<String>, last: u8, sink: &mut Sink) -> u64 {
    let mut set = 0;
    for Sourced { value, origin } in list.items() {
        let (name, optional) =
            value.strip_prefix('?').map_or((value.as_str(), false), |n| (n, true));
        if name.eq_ignore_ascii_case("all") {
            set |= capability::all(last);
            continue;
        }
        match capability::number(name) {
            Some(number) if number <= last => set |= 1 << number,
            Some(_) if optional => {}
            Some(_) => sink.push(
                Diagnostic::error(
                    Code::NotEnforceable,
                    format!("this kernel does not know capability `{name}`"),
                )
                .at(origin)
                .help(format!("write `?{name}` to keep it only where the kernel knows it")),
            ),
            None => {
                let text = format!("unknown capability `{name}`");
                sink.push(Diagnostic::error(Code::UnknownCapability, text).at(origin).suggest(
                        &capability::plain(name),
                        capability::NAMES,
                        "write a name of capabilities(7), such as `net-bind-service`, each as an item of its own",
                    ));
            }
        }
    }
    set
}

/// What capset(2) and prctl(2) would refuse, said with a reason.
fn check(rule: &Rule, spec: &Spec, sink: &mut Sink) {
    let written = |list: &List<String>| list.given().or(spec.keep.given()).unwrap_or(rule.origin);
    let within = |inner: (&str, u64, &List<String>), outer: (&str, u64), sink: &mut Sink| {
        if inner.1 & !outer.1 != 0 {
            let extra = capability::names(inner.1 & !outer.1);
            let text = format!("the {} set has {extra}, which the {} set lacks", inner.0, outer.0);
            sink.push(
                Diagnostic::error(Code::Conflict, text)
                    .at(written(inner.2))
                    .help(format!("add it to `{}`, or remove it from `{}`", outer.0, inner.0)),
            );
        }
    };
    let permitted = ("permitted", rule.permitted);
    within(("effective", rule.effective, &spec.effective), permitted, sink);
    within(("ambient", rule.ambient, &spec.ambient), permitted, sink);
    let inheritable = ("inheritable", rule.inheritable);
    within(("ambient", rule.ambient, &spec.ambient), inheritable, sink);
    let inheritable = ("inheritable", rule.inheritable, &spec.inheritable);
    within(inheritable, ("bounding", rule.bounding), sink);
    let dangerous = rule.kept() & capability::DANGEROUS;
    if dangerous != 0 {
        let text = format!(
            "{} can undo most of a sandbox: kept as it was asked for",
            capability::names(dangerous)
        );
        let named = |item: &Sourced<&String>| {
            let name = item.value.trim_start_matches('?');
            let is_all = name.eq_ignore_ascii_case("all");
            is_all || capability::number(name).is_some_and(|nr| dangerous >> nr & 1 == 1)
        };
        let at = lists(spec).into_iter().find_map(|list| list.items().into_iter().find(named));
        let at = at.map_or(rule.origin, |item| item.origin);
        sink.push(Diagnostic::warning(Code::Weakened, text).at(at));
    }
}

/// Contributes the steps; `holds_admin` keeps CAP_SYS_ADMIN until the filter is installed.
pub fn compile(rule: &Rule, holds_admin: bool, plan: &mut Builder) {
    let at = rule.origin;
    let extra = if holds_admin { capability::SYS_ADMIN } else { 0 };
    let Rule { effective, permitted, inheritable, .. } = *rule;
    plan.push(Action::BoundingSet { keep: rule.bounding, last: rule.last }, at);
    plan.push(Action::SecureBits, at);
    plan.push(
        Action::CapabilitySets {
            effective: effective | extra,
            permitted: permitted | extra,
            inheritable,
        },
        at,
    );
    plan.push(Action::AmbientSet { keep: rule.ambient }, at);
    if holds_admin {
        plan.push(Action::FinalCapabilities { effective, permitted, inheritable }, at);
    }
}
