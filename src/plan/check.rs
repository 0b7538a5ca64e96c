//! The laws that every plan satisfies, whatever profile it came from.
//!
//! They are checked before every execution: a plan that breaks one is a bug in sbx, and nothing
//! is started.

use super::{Action, Namespace, Phase, Plan, Step};
use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::filter;

/// Tells every law that a plan breaks.
pub fn check(plan: &Plan, sink: &mut Sink) {
    let mut law = |origin: Origin, text: String| {
        sink.push(
            Diagnostic::error(Code::PlanLaw, text)
                .at(origin)
                .help("report this as a bug in sbx, with the output of `sbx plan`"),
        );
    };
    order(plan, &mut law);
    namespaces(plan, &mut law);
    afterwards(plan, &mut law);
    filter_lets_us_finish(plan, &mut law);
}

type Law<'a> = dyn FnMut(Origin, String) + 'a;

fn has(plan: &Plan, wanted: impl Fn(&Action) -> bool) -> bool {
    plan.steps.iter().any(|step| wanted(&step.action))
}

/// Steps are in phase order; exactly one exec, and it is last. Nothing mounts after `seal` and
/// nothing names a path of the host after `pivot`: both follow from the order, because
/// [`Action::phase`] puts all such actions before.
fn order(plan: &Plan, law: &mut Law<'_>) {
    if !plan.steps.is_sorted_by_key(|step| step.action.phase()) {
        law(Origin::DEFAULT, "steps are not in the order of their phases".to_owned());
    }
    let is_exec = |step: &Step| matches!(step.action, Action::Exec { .. });
    if plan.steps.iter().filter(|step| is_exec(step)).count() != 1
        || !plan.steps.last().is_some_and(is_exec)
    {
        law(Origin::DEFAULT, "a plan ends in exactly one execution".to_owned());
    }
}

/// What needs a namespace of its own has one.
#[expect(clippy::wildcard_enum_match_arm, reason = "actions that need no namespace are many")]
fn namespaces(plan: &Plan, law: &mut Law<'_>) {
    let of = |step: &Step| match &step.action {
        Action::Spawn { namespaces } | Action::Lock { namespaces, .. } => namespaces.clone(),
        _ => Vec::new(),
    };
    let made: Vec<Namespace> = plan.steps.iter().flat_map(of).collect();
    for step in &plan.steps {
        let needed = match &step.action {
            Action::Proc { .. } | Action::Split => Namespace::Pid,
            Action::MapIds { .. } | Action::LimitUserNamespaces { .. } => Namespace::User,
            Action::HostName { .. } | Action::DomainName { .. } => Namespace::Uts,
            Action::LoopbackUp => Namespace::Net,
            action if (Phase::Isolate..=Phase::Pivot).contains(&action.phase()) => Namespace::Mount,
            _ => continue,
        };
        if !made.contains(&needed) {
            let name = needed.name();
            law(step.origin, format!("`{}` without a new {name} namespace", step.action));
        }
    }
    if has(plan, |a| a.phase() == Phase::Root) && !has(plan, |a| *a == Action::IsolateMounts) {
        law(
            Origin::DEFAULT,
            "mounts are made before mount events are kept from the host".to_owned(),
        );
    }
    if has(plan, |a| a.phase() == Phase::Root) && !has(plan, |a| *a == Action::Pivot) {
        law(Origin::DEFAULT, "the old root is not detached".to_owned());
    }
}

/// What is set is verified, and in time.
fn afterwards(plan: &Plan, law: &mut Law<'_>) {
    let at = |wanted: fn(&Action) -> bool| plan.steps.iter().position(|s| wanted(&s.action));
    let verify = at(|a| matches!(a, Action::VerifyIds { .. }));
    let last_change = plan.steps.iter().rposition(|s| {
        matches!(s.action, Action::SetUid { .. } | Action::SetGid { .. } | Action::SetGroups { .. })
    });
    if verify.is_none() || last_change.is_some_and(|change| Some(change) > verify) {
        law(Origin::DEFAULT, "ids are not verified after they are set".to_owned());
    }
    if has(plan, |a| matches!(a, Action::Lock { .. }))
        && !has(plan, |a| matches!(a, Action::VerifyLock { .. }))
    {
        law(Origin::DEFAULT, "the lock on the mounts is not verified".to_owned());
    }
    let last_right = plan.steps.iter().rposition(|s| s.action.phase() == Phase::Caps);
    let death = at(|a| matches!(a, Action::DieWithInit));
    if death.is_none() || last_right > death {
        law(
            Origin::DEFAULT,
            "the death signal is not set after the last change of rights".to_owned(),
        );
    }
    let not_dumpable = at(|a| matches!(a, Action::NotDumpable));
    let last_map = plan.steps.iter().rposition(|s| matches!(s.action, Action::MapIds { .. }));
    if has(plan, |a| *a == Action::Split) && not_dumpable.is_none() {
        law(Origin::DEFAULT, "init stays dumpable".to_owned());
    }
    if not_dumpable.is_some() && last_map > not_dumpable {
        law(Origin::DEFAULT, "init stops being dumpable before the id map is written".to_owned());
    }
    if !has(plan, |a| *a == Action::NoNewPrivs) {
        no_new_privs_is_off(plan, law);
    }
}

/// Without no_new_privs, seccomp(2) and landlock_restrict_self(2) need CAP_SYS_ADMIN, and it goes
/// last.
fn no_new_privs_is_off(plan: &Plan, law: &mut Law<'_>) {
    let needs = has(plan, |a| matches!(a, Action::Seccomp { .. } | Action::LandlockRestrict));
    let kept = has(
        plan,
        |a| matches!(a, Action::CapabilitySets { effective, .. } if effective & capability::SYS_ADMIN != 0),
    );
    let settled = has(plan, |a| matches!(a, Action::FinalCapabilities { .. }));
    if needs && !(kept && settled) {
        law(
            Origin::DEFAULT,
            "without no_new_privs, CAP_SYS_ADMIN must last until the filter is installed"
                .to_owned(),
        );
    }
}

/// The filter allows what sbx itself still does behind it.
fn filter_lets_us_finish(plan: &Plan, law: &mut Law<'_>) {
    for step in &plan.steps {
        if let Action::Seccomp { arch, program, .. } = &step.action {
            let mut needed = filter::NEEDED_AFTERWARDS.to_vec();
            if has(plan, |a| matches!(a, Action::FinalCapabilities { .. })) {
                needed.push("capset");
            }
            for name in filter::forbidden(program, *arch, &needed) {
                law(step.origin, format!("the filter forbids `{name}`, which sbx still needs"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::*;
    use crate::filter::{Arch, Base, FilterRules, Foreign, Insn, Program, Verdict};
    use crate::plan::{Builder, IdMap, MapWriter};

    fn broken(actions: Vec<Action>) -> Vec<String> {
        let mut builder = Builder::default();
        for action in actions {
            builder.push(action, Origin::DEFAULT);
        }
        let mut sink = Sink::default();
        check(&builder.finish(), &mut sink);
        sink.all().iter().map(|d| d.message.clone()).collect()
    }

    fn sound() -> Vec<Action> {
        vec![
            Action::Spawn { namespaces: vec![Namespace::Mount, Namespace::Pid] },
            Action::IsolateMounts,
            Action::RootTmpfs { size: 0 },
            Action::Proc { target: "/proc".into(), is_new: true, onto: None },
            Action::Pivot,
            Action::NotDumpable,
            Action::Split,
            Action::VerifyIds { uid: 1, gid: 1, groups: None },
            Action::DieWithInit,
            Action::NoNewPrivs,
            Action::Exec { candidates: vec![], arguments: vec![], environment: vec![] },
        ]
    }

    #[test]
    fn a_sound_plan_breaks_no_law() {
        assert_eq!(broken(sound()), Vec::<String>::new());
    }

    #[test]
    fn each_step_that_a_law_needs_is_missed() {
        let needed = [
            (0, "without a new"),
            (1, "mount events"),
            (4, "old root"),
            (5, "dumpable"),
            (7, "verified"),
            (8, "death signal"),
            (10, "exactly one execution"),
        ];
        for (at, words) in needed {
            let mut actions = sound();
            let gone = actions.remove(at);
            let found = broken(actions);
            assert!(found.iter().any(|m| m.contains(words)), "{gone:?}: {found:?}");
        }
    }

    #[test]
    fn a_lock_that_is_not_verified_is_told() {
        let ids = || vec![IdMap::single(1, 1)];
        let lock = Action::Lock {
            namespaces: vec![Namespace::User, Namespace::Mount],
            writer: MapWriter::Itself,
            users: ids(),
            groups: ids(),
        };
        let mut actions = sound();
        actions.insert(7, lock);
        let words = "the lock on the mounts is not verified";
        assert_eq!(broken(actions.clone()), [words]);
        actions.insert(8, Action::VerifyLock { target: "/proc".into() });
        assert_eq!(broken(actions), Vec::<String>::new());
    }

    #[test]
    fn a_right_that_the_filter_needs_and_that_goes_too_early_is_told() {
        let may_gain = |effective| {
            let mut actions = sound();
            actions.retain(|action| *action != Action::NoNewPrivs);
            actions.push(Action::CapabilitySets {
                effective,
                permitted: effective,
                inheritable: 0,
            });
            actions.push(Action::LandlockRestrict);
            actions
        };
        let final_set = Action::FinalCapabilities { effective: 0, permitted: 0, inheritable: 0 };
        let words = "without no_new_privs, CAP_SYS_ADMIN must last until the filter is installed";
        assert_eq!(broken(may_gain(capability::SYS_ADMIN)), [words]);
        let with_final = |effective| [may_gain(effective), vec![final_set.clone()]].concat();
        assert_eq!(broken(with_final(0)), [words]);
        assert_eq!(broken(with_final(capability::SYS_ADMIN)), Vec::<String>::new());
    }

    #[test]
    fn a_filter_that_forbids_what_is_still_needed_is_told() {
        let filtered = |value| {
            let rules = Rc::new(FilterRules {
                base: Base::Nothing,
                calls: BTreeMap::new(),
                unknown: Verdict::Allow,
                foreign: Foreign::Kill,
            });
            let answer = Insn { code: 0x06, jt: 0, jf: 0, k: value };
            let program = Rc::new(Program(vec![answer]));
            let mut actions = sound();
            actions.push(Action::Seccomp { rules, arch: Arch::X86_64, program });
            broken(actions)
        };
        // SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS.
        assert_eq!(filtered(0x7FFF_0000), Vec::<String>::new());
        let needed = ["execve", "write", "exit_group"];
        let told = needed.map(|name| format!("the filter forbids `{name}`, which sbx still needs"));
        assert_eq!(filtered(0x8000_0000), told);
    }

    #[test]
    fn steps_out_of_order_are_told() {
        let mut builder = Builder::default();
        for action in sound() {
            builder.push(action, Origin::DEFAULT);
        }
        let mut plan = builder.finish();
        plan.steps.swap(2, 4);
        let mut sink = Sink::default();
        check(&plan, &mut sink);
        assert!(sink.all()[0].message.contains("order"));
    }
}
