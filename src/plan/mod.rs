//! What will be done, in which order, and who asked for it: pure data.
//!
//! A [`Plan`] can be printed, compared and checked before anything runs. Its order is not written
//! down anywhere as control flow: [`Action::phase`] says where an action belongs, and [`Builder`]
//! files it there, so that features may contribute steps in any order.
#![deny(clippy::wildcard_enum_match_arm)]

mod action;
mod check;
mod phase;
mod render;
mod terms;
mod words;

pub use action::Action;
pub use check::check;
pub use phase::{Actor, Phase};
pub use render::{json, line, note_line, text};
pub use terms::{
    Attributes, Descriptor, IdMap, MapWriter, MountOption, Namespace, Source, SourceIdentity,
    StdSource, Text,
};

use crate::diag::Origin;

/// Version of the plan's JSON form.
pub const VERSION: u32 = 1;

/// One thing to be done, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Where it was asked for.
    pub origin: Origin,
}

/// All that will be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The steps, by phase.
    pub steps: Vec<Step>,
    /// What a reader of the plan should know: what was weakened, what mounts alone hold.
    pub notes: Vec<Note>,
}

/// A remark on a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// One sentence, lower case.
    pub text: String,
    /// What gave rise to it.
    pub origin: Origin,
}

/// Collects steps from features and files each under its phase.
#[derive(Debug, Default)]
pub struct Builder {
    steps: Vec<Step>,
    notes: Vec<Note>,
}

impl Builder {
    /// Adds a step behind all others of its phase.
    pub fn push(&mut self, action: Action, origin: Origin) {
        self.steps.push(Step { action, origin });
    }

    /// Adds a remark.
    pub fn note(&mut self, text: impl Into<String>, origin: Origin) {
        self.notes.push(Note { text: text.into(), origin });
    }

    /// Returns the plan.
    pub fn finish(mut self) -> Plan {
        self.steps.sort_by_key(|step| step.action.phase());
        Plan { steps: self.steps, notes: self.notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_pushed_in_any_order_come_out_in_phase_order() {
        let mut builder = Builder::default();
        builder.push(Action::NoNewPrivs, Origin::DEFAULT);
        builder.push(Action::Pivot, Origin::DEFAULT);
        builder.push(Action::IsolateMounts, Origin::DEFAULT);
        let phases: Vec<_> =
            builder.finish().steps.iter().map(|step| step.action.phase()).collect();
        assert_eq!(phases, [Phase::Isolate, Phase::Pivot, Phase::Landlock]);
    }
}
