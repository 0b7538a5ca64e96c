//! `[network]`: none, a loopback of the sandbox's own, or the host's network.

use crate::diag::Origin;
use crate::plan::{Action, Builder};
use crate::schema::{choice_leaf, section};
use crate::value::{Slot, Sourced};

/// Which network the command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A network namespace in which nothing is up.
    None,
    /// A network namespace with loopback up.
    Loopback,
    /// The host's network, its loopback services included.
    Host,
}

choice_leaf!(Mode, "\"none\", \"loopback\" or \"host\"",
    ["none" => None, "loopback" => Loopback, "host" => Host], reserved ["user"]);

section! {
    /// The section as it was written.
    pub struct Spec = "network", reserved ["allow", "publish"] {
        /// Which network the command has. Default: "none".
        mode: Slot<Mode> = "mode",
    }
}

/// The network in force.
pub type Rule = Sourced<Mode>;

/// Decides the network.
pub fn resolve(spec: &Spec) -> Rule {
    spec.mode.or(Mode::None)
}

/// Returns where the host's network was asked for, if it was.
pub fn shares_host(rule: &Rule) -> Option<Origin> {
    (rule.value == Mode::Host).then_some(rule.origin)
}

/// Contributes the steps.
pub fn compile(rule: &Rule, plan: &mut Builder) {
    match rule.value {
        Mode::Loopback => plan.push(Action::LoopbackUp, rule.origin),
        Mode::None => {}
        Mode::Host => plan.note(
            "the host's network is shared: its services, those on loopback included, can be reached",
            rule.origin,
        ),
    }
}
