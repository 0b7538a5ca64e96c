//! Values that know where they came from, and how two layers' values become one.
//!
//! Merging is decided by the kind of a field and by nothing else: in a [`Slot`] the upper layer's
//! value replaces the lower one's, a [`List`] is appended to, a [`Table`] is merged by key.
//! All three keep every layer's contribution, so that merging is associative, an empty layer is
//! neutral, and `sbx show` can tell what a value replaced.

use std::collections::BTreeMap;

use crate::diag::Origin;

/// A value and where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was asked for.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// Returns the pair.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Returns a value that nobody wrote.
    pub fn default_value(value: T) -> Self {
        Self { value, origin: Origin::DEFAULT }
    }

    /// Returns another value from the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: f(self.value), origin: self.origin }
    }
}

/// A single value: the highest layer's wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<T> {
    stack: Vec<Sourced<T>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { stack: Vec::new() }
    }
}

impl<T> Slot<T> {
    /// Returns the value in force.
    pub fn get(&self) -> Option<&Sourced<T>> {
        self.stack.last()
    }

    /// Returns what the value in force replaced, lowest layer first.
    pub fn replaced(&self) -> &[Sourced<T>] {
        self.stack.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Puts a value on top.
    pub fn set(&mut self, value: T, origin: Origin) {
        self.stack.push(Sourced { value, origin });
    }

    /// Puts the upper layer's value, if it has one, on top.
    pub fn merge(&mut self, upper: Self) {
        self.stack.extend(upper.stack);
    }
}

impl<T: Clone> Slot<T> {
    /// Returns the value in force, or `default` as one that nobody wrote.
    pub fn or(&self, default: T) -> Sourced<T> {
        self.get().cloned().unwrap_or_else(|| Sourced::default_value(default))
    }
}

/// One change that a layer makes to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit<T> {
    /// Appends an item.
    Add(Sourced<T>),
    /// Starts afresh: `{ replace = [...] }`.
    Clear(Origin),
    /// Takes out what was inherited: `{ remove = [...] }`.
    Remove(Sourced<T>),
    /// Says that the list is meant as it is: `[]`. A list that is given may forbid what one that
    /// nobody wrote leaves free.
    Given(Origin),
}

/// A list: layers append to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    edits: Vec<Edit<T>>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { edits: Vec::new() }
    }
}

/// What the edits of a [`List`] come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded<'a, T> {
    /// The items in order; of equal ones the first place and the latest origin are kept.
    pub items: Vec<Sourced<&'a T>>,
    /// Removals that met nothing to remove.
    pub unmatched: Vec<Sourced<&'a T>>,
}

impl<T> List<T> {
    /// Makes a change on top.
    pub fn edit(&mut self, edit: Edit<T>) {
        self.edits.push(edit);
    }

    /// Appends an item.
    pub fn push(&mut self, value: T, origin: Origin) {
        self.edit(Edit::Add(Sourced { value, origin }));
    }

    /// Makes the upper layer's changes on top.
    pub fn merge(&mut self, upper: Self) {
        self.edits.extend(upper.edits);
    }

    /// Returns where something was taken out of a list that nobody wrote.
    pub fn removed_from_default(&self) -> Option<Origin> {
        let removal = |edit: &Edit<T>| match edit {
            Edit::Remove(item) => Some(item.origin),
            Edit::Add(_) | Edit::Clear(_) | Edit::Given(_) => None,
        };
        let all = self.edits.iter().map(removal).collect::<Option<Vec<Origin>>>()?;
        all.first().copied()
    }

    /// Returns where the list was last written; nothing if no layer wrote it. Taking out of a list
    /// that nobody wrote changes nothing, and so does not write it.
    pub fn given(&self) -> Option<Origin> {
        if self.removed_from_default().is_some() {
            return None;
        }
        self.edits.last().map(|edit| match edit {
            Edit::Add(item) | Edit::Remove(item) => item.origin,
            Edit::Clear(origin) | Edit::Given(origin) => *origin,
        })
    }
}

impl<T: PartialEq> List<T> {
    /// Carries the changes out.
    pub fn fold(&self) -> Folded<'_, T> {
        let mut out = Folded { items: Vec::<Sourced<&T>>::new(), unmatched: Vec::new() };
        for edit in &self.edits {
            match edit {
                Edit::Given(_) => {}
                Edit::Clear(_) => out.items.clear(),
                Edit::Add(new) => match out.items.iter_mut().find(|old| *old.value == new.value) {
                    Some(old) => old.origin = new.origin,
                    None => out.items.push(Sourced::new(&new.value, new.origin)),
                },
                Edit::Remove(gone) => {
                    let before = out.items.len();
                    out.items.retain(|item| *item.value != gone.value);
                    if out.items.len() == before {
                        out.unmatched.push(Sourced::new(&gone.value, gone.origin));
                    }
                }
            }
        }
        out
    }

    /// Returns the items in force.
    pub fn items(&self) -> Vec<Sourced<&T>> {
        self.fold().items
    }
}

/// A table: layers are merged key by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<T> {
    slots: BTreeMap<String, Slot<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: BTreeMap::new() }
    }
}

impl<T> Table<T> {
    /// Puts a value on top of a key.
    pub fn set(&mut self, key: impl Into<String>, value: T, origin: Origin) {
        self.slots.entry(key.into()).or_default().set(value, origin);
    }

    /// Puts the upper layer's values on top, key by key.
    pub fn merge(&mut self, upper: Self) {
        for (key, slot) in upper.slots {
            self.slots.entry(key).or_default().merge(slot);
        }
    }

    /// Returns keys and slots in the order of the keys.
    pub fn slots(&self) -> impl Iterator<Item = (&str, &Slot<T>)> {
        self.slots.iter().map(|(key, slot)| (key.as_str(), slot))
    }

    /// Returns keys and values in force in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sourced<T>)> {
        self.slots().filter_map(|(key, slot)| Some((key, slot.get()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(edits: &[(char, u8)]) -> List<u8> {
        let mut list = List::default();
        for (kind, value) in edits {
            let item = Sourced::default_value(*value);
            list.edit(match kind {
                '+' => Edit::Add(item),
                '-' => Edit::Remove(item),
                _ => Edit::Clear(Origin::DEFAULT),
            });
        }
        list
    }

    fn values(list: &List<u8>) -> Vec<u8> {
        list.items().into_iter().map(|item| *item.value).collect()
    }

    #[test]
    fn a_list_is_appended_to_and_keeps_its_order() {
        assert_eq!(values(&list(&[('+', 2), ('+', 1), ('+', 2)])), [2, 1]);
    }

    #[test]
    fn replace_starts_afresh_and_remove_takes_out() {
        assert_eq!(values(&list(&[('+', 1), ('!', 0), ('+', 2), ('+', 3), ('-', 2)])), [3]);
        assert_eq!(list(&[('-', 9)]).fold().unmatched.len(), 1);
        assert_eq!(list(&[('-', 9)]).given(), None);
        assert!(list(&[('-', 9)]).removed_from_default().is_some());
        assert_eq!(list(&[('-', 9), ('+', 1)]).removed_from_default(), None);
        assert_eq!(list(&[]).removed_from_default(), None);
        assert!(values(&list(&[('+', 9), ('-', 9)])).is_empty());
        assert!(list(&[('+', 9), ('-', 9)]).given().is_some());
    }

    #[test]
    fn the_upper_value_wins_and_remembers_what_it_replaced() {
        let (mut low, mut high) = (Slot::default(), Slot::default());
        low.set(1, Origin::DEFAULT);
        high.set(2, Origin::DEFAULT);
        low.merge(high);
        assert_eq!(low.get().map(|s| s.value), Some(2));
        assert_eq!(low.replaced().len(), 1);
    }
}
