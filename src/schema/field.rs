//! The three kinds of field, as `section!` sees them.

use toml::de::DeTable;

use crate::diag::Origin;
use crate::schema::leaf::{Leaf, toml_key};
use crate::schema::reader::{Reader, Value};
use crate::value::{Edit, List, Slot, Sourced, Table};

/// A value in force, and where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The value as TOML.
    pub text: String,
    /// Where it was asked for.
    pub origin: Origin,
    /// What it replaced, lowest layer first.
    pub replaced: Vec<(String, Origin)>,
}

/// What a key holds, as `sbx show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownKey {
    /// One value.
    One(Shown),
    /// The items of a list, and where it was last written.
    List(Vec<Shown>, Origin),
    /// Keys of a table, as TOML, with their values.
    Table(Vec<(String, Shown)>),
}

impl ShownKey {
    /// Returns the whole as one TOML value.
    pub fn text(&self) -> String {
        match self {
            Self::One(one) => one.text.clone(),
            Self::List(items, _) => {
                let items: Vec<&str> = items.iter().map(|one| one.text.as_str()).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(rows) => {
                let row = |(key, one): &(String, Shown)| format!("{key} = {}", one.text);
                format!("{{ {} }}", rows.iter().map(row).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns where it was asked for.
    pub fn origin(&self) -> Origin {
        match self {
            Self::One(one) => one.origin,
            Self::List(_, origin) => *origin,
            Self::Table(rows) => rows.first().map_or(Origin::DEFAULT, |(_, one)| one.origin),
        }
    }
}

/// A field of a section.
pub trait Field: Default {
    /// What its key takes, in words.
    const EXPECTS: &'static str;
    /// Reads the value that stands at the key.
    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>);
    /// Puts the upper layer's field on top.
    fn merge(&mut self, upper: Self);
    /// Returns what is in force; nothing if no layer wrote it.
    fn show(&self) -> Option<ShownKey>;
    /// Returns removals that met nothing to remove, as text.
    fn unmatched(&self) -> Vec<(String, Origin)> {
        Vec::new()
    }
}

fn shown<T: Leaf>(slot: &Slot<T>) -> Option<Shown> {
    let top = slot.get()?;
    Some(Shown {
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

    fn show(&self) -> Option<ShownKey> {
        shown(self).map(ShownKey::One)
    }
}

impl<T: Leaf> Field for List<T> {
    const EXPECTS: &'static str = T::EXPECTS_LIST;

    fn read(&mut self, value: &Value<'_>, reader: &mut Reader<'_, '_>) {
        let items = |value: &Value<'_>, reader: &mut Reader<'_, '_>| -> Vec<Sourced<T>> {
            let Some(array) = value.get_ref().as_array() else {
                reader.not_a_list(value, Self::EXPECTS);
                return Vec::new();
            };
            let mut read = |item| Some(Sourced::new(T::read(item, reader)?, reader.origin(item)));
            array.iter().filter_map(&mut read).collect()
        };
        let is_edit = |table: &DeTable<'_>| {
            table.keys().any(|key| ["replace", "remove"].contains(&key.get_ref().as_ref()))
        };
        let table = value.get_ref().as_table();
        if T::EXPECTS_LIST.contains("tables") && table.is_some_and(|table| !is_edit(table)) {
            let help = "write it in double brackets, `[[…]]`".to_owned();
            reader.wrong_type_but(value, T::EXPECTS_LIST, help);
            return;
        }
        let Some(table) = table else {
            let items = items(value, reader);
            if items.is_empty() {
                self.edit(Edit::Given(reader.origin(value)));
            }
            for item in items {
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

    fn show(&self) -> Option<ShownKey> {
        let shown = |item: Sourced<&T>| Shown {
            text: item.value.text(),
            origin: item.origin,
            replaced: Vec::new(),
        };
        Some(ShownKey::List(self.items().into_iter().map(shown).collect(), self.given()?))
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

    fn show(&self) -> Option<ShownKey> {
        let row = |(key, slot)| Some((toml_key(key), shown(slot)?));
        let rows: Vec<_> = self.slots().filter_map(row).collect();
        (!rows.is_empty()).then_some(ShownKey::Table(rows))
    }
}
