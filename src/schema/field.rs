//! The three kinds of field, as `section!` sees them.

use crate::diag::Origin;
use crate::schema::leaf::{Leaf, toml_key};
use crate::schema::reader::{Reader, Value};
use crate::value::{Edit, List, Slot, Sourced, Table};

/// A value in force, as `sbx show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key inside a table; nothing for the other kinds.
    pub key: Option<String>,
    /// The value as TOML.
    pub text: String,
    /// Where it was asked for.
    pub origin: Origin,
    /// What it replaced, lowest layer first.
    pub replaced: Vec<(String, Origin)>,
}

/// A field of a section.
pub trait Field: Default {
    /// What its key takes, in words.
    const EXPECTS: &'static str;
    /// Whether its key takes a list.
    const IS_LIST: bool = false;
    /// Reads the value that stands at the key.
    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>);
    /// Puts the upper layer's field on top.
    fn merge(&mut self, upper: Self);
    /// Returns the values in force; nothing if no layer wrote one.
    fn show(&self) -> Vec<Shown>;
    /// Returns removals that met nothing to remove, as text.
    fn unmatched(&self) -> Vec<(String, Origin)> {
        Vec::new()
    }
}

fn shown<T: Leaf>(key: Option<&str>, slot: &Slot<T>) -> Option<Shown> {
    let top = slot.get()?;
    Some(Shown {
        key: key.map(toml_key),
        text: top.value.text(),
        origin: top.origin,
        replaced: slot.replaced().iter().map(|old| (old.value.text(), old.origin)).collect(),
    })
}

impl<T: Leaf> Field for Slot<T> {
    const EXPECTS: &'static str = T::EXPECTS;

    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>) {
        if let Some(leaf) = T::read(value, reader) {
            self.set(leaf, reader.origin(value));
        }
    }

    fn merge(&mut self, upper: Self) {
        Self::merge(self, upper);
    }

    fn show(&self) -> Vec<Shown> {
        shown(None, self).into_iter().collect()
    }
}

impl<T: Leaf> Field for List<T> {
    const EXPECTS: &'static str = T::EXPECTS_LIST;
    const IS_LIST: bool = true;

    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>) {
        let items = |value: &Value<'_>, reader: &mut Reader<'_, '_>| -> Vec<Sourced<T>> {
            let Some(array) = value.get_ref().as_array() else {
                reader.not_a_list(value, Self::EXPECTS);
                return Vec::new();
            };
            let mut read = |item| Some(Sourced::new(T::read(item, reader)?, reader.origin(item)));
            array.iter().filter_map(&mut read).collect()
        };
        let Some(table) = value.get_ref().as_table() else {
            for item in items(value, reader) {
                self.edit(Edit::Add(item));
            }
            return;
        };
        // Starting afresh comes first, wherever it stands.
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.get_ref().as_ref() != "replace");
        for (key, value) in keys {
            match key.get_ref().as_ref() {
                "replace" => {
                    self.edit(Edit::Clear(reader.origin_of(key)));
                    for item in items(value, reader) {
                        self.edit(Edit::Add(item));
                    }
                }
                "remove" => {
                    for item in items(value, reader) {
                        self.edit(Edit::Remove(item));
                    }
                }
                other => reader.unknown_key(key, other, &["replace", "remove"]),
            }
        }
    }

    fn merge(&mut self, upper: Self) {
        Self::merge(self, upper);
    }

    fn unmatched(&self) -> Vec<(String, Origin)> {
        let folded = self.fold();
        folded.unmatched.into_iter().map(|gone| (gone.value.text(), gone.origin)).collect()
    }

    fn show(&self) -> Vec<Shown> {
        let items = self.items().into_iter();
        items
            .map(|item| Shown {
                key: None,
                text: item.value.text(),
                origin: item.origin,
                replaced: Vec::new(),
            })
            .collect()
    }
}

impl<T: Leaf> Field for Table<T> {
    const EXPECTS: &'static str = T::EXPECTS_TABLE;

    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>) {
        let Some(table) = value.get_ref().as_table() else {
            reader.wrong_type(value, Self::EXPECTS);
            return;
        };
        for (key, value) in table.iter() {
            if let Some(leaf) = T::read(value, reader) {
                self.set(key.get_ref().as_ref(), leaf, reader.origin(value));
            }
        }
    }

    fn merge(&mut self, upper: Self) {
        Self::merge(self, upper);
    }

    fn show(&self) -> Vec<Shown> {
        self.slots().filter_map(|(key, slot)| shown(Some(key), slot)).collect()
    }
}
