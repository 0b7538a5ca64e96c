//! Layers and their order.

use std::collections::BTreeMap;

use super::Profile;
use crate::diag::{Origin, SourceId};

/// What a layer is; the declaration's order is the order of precedence, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// A profile that another one builds on.
    Parent,
    /// The profile itself.
    Definition,
    /// The flags of the command line.
    Flags,
}

/// One source of settings.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What it is.
    pub kind: LayerKind,
    /// Its name, for people.
    pub name: String,
    /// The texts that its values come from.
    pub sources: Vec<SourceId>,
    /// What it says.
    pub profile: Profile,
}

/// Layers in order, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    /// Puts a layer on top.
    pub fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// Merges the layers, and tells for every origin which layer it belongs to: 0 is sbx's own
    /// defaults.
    pub fn merge(self) -> (Profile, impl Fn(Origin) -> usize) {
        let mut profile = Profile::default();
        let mut ranks = BTreeMap::new();
        for (number, layer) in self.layers.into_iter().enumerate() {
            for source in layer.sources {
                ranks.insert(source, number + 1);
            }
            profile.merge(layer.profile);
        }
        (profile, move |origin: Origin| ranks.get(&origin.source).copied().unwrap_or(0))
    }
}
