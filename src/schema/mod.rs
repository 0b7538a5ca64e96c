//! The form of a profile: sections, keys, and how each is read, merged and shown.
//!
//! A feature declares its section once, with [`section!`]; reading from TOML with all problems at
//! once, merging by kind of value, `sbx show`, and the list of keys that `man/` is held against
//! all follow from that declaration. This is the only place that knows TOML.

mod field;
mod leaf;
mod reader;

use crate::diag::{Code, Diagnostic, Sink, nearest};
use crate::value::List;

pub use field::{Field, Shown, ShownKey};
pub use leaf::{Leaf, choice, toml_string, unknown_choice};
pub use reader::{Reader, Value, has_time, parse};

pub(crate) use leaf::choice_leaf;

/// One key of a section, for the manual, `--set` and suggestions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// What it takes.
    pub expects: &'static str,
    /// What it says, one sentence.
    pub doc: &'static str,
}

/// A key or value that later versions will have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved(pub &'static [&'static str]);

/// A section of a profile as it was written: every field may be unset.
pub trait Section: Default {
    /// The name between the brackets.
    const NAME: &'static str;
    /// The keys in the order of the declaration.
    const KEYS: &'static [Key];
    /// Keys that later versions will have.
    const RESERVED: Reserved;

    /// Reads the section, telling every problem.
    fn read(&mut self, reader: &mut Reader<'_, '_>);
    /// Puts the upper layer's section on top.
    fn merge(&mut self, upper: Self);
    /// Tells removals from lists that met nothing to remove.
    fn warn(&self, sink: &mut Sink);
    /// Returns the keys that some layer wrote, with their values in force.
    fn show(&self) -> Vec<(&'static str, ShownKey)>;
}

/// Refuses to take something out of a list that nobody wrote and that then is not empty: what would
/// be left cannot be said.
pub(crate) fn refuse_removals<T>(key: &str, list: &List<T>, sink: &mut Sink) {
    if let Some(origin) = list.removed_from_default() {
        let text = format!("no layer wrote `{key}`: nothing can be taken out of its default");
        let help = format!("write what it is to be: `{key} = […]`");
        sink.push(Diagnostic::error(Code::Conflict, text).at(origin).help(help));
    }
}

/// Tells removals from one list that met nothing to remove, with the nearest that is there.
pub(crate) fn warn_unmatched<F: Field>(key: &str, field: &F, sink: &mut Sink) {
    for (gone, origin) in field.unmatched() {
        let there = match field.show() {
            Some(ShownKey::List(there, _)) => there,
            _ => Vec::new(),
        };
        let text = format!("{gone} is not in `{key}`: nothing is removed");
        let warning = Diagnostic::warning(Code::NoEffect, text).at(origin);
        sink.push(match nearest(&gone, there.iter().map(|one| one.text.as_str())) {
            Some(name) => warning.help(format!("write `{name}`")),
            None => warning,
        });
    }
}

/// Declares a section: a struct of fields with the keys they are written under.
macro_rules! section {
    (
        $(#[$outer:meta])*
        pub struct $name:ident = $section:literal, reserved [$($reserved:literal),* $(,)?] {
            $($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $key:literal,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $kind,)* }

        impl $crate::schema::Section for $name {
            const NAME: &'static str = $section;
            const KEYS: &'static [$crate::schema::Key] = &[$($crate::schema::Key {
                name: $key,
                expects: <$kind as $crate::schema::Field>::EXPECTS,
                doc: concat!($($doc),+),
            },)*];
            const RESERVED: $crate::schema::Reserved = $crate::schema::Reserved(&[$($reserved),*]);

            fn read(&mut self, reader: &mut $crate::schema::Reader<'_, '_>) {
                $(reader.field($key, &mut self.$field);)*
                reader.finish(Self::NAME, Self::KEYS, Self::RESERVED, &[]);
            }

            fn merge(&mut self, upper: Self) {
                $($crate::schema::Field::merge(&mut self.$field, upper.$field);)*
            }

            fn warn(&self, sink: &mut $crate::diag::Sink) {
                $($crate::schema::warn_unmatched($key, &self.$field, sink);)*
            }

            fn show(&self) -> Vec<(&'static str, $crate::schema::ShownKey)> {
                let all = [$(($key, $crate::schema::Field::show(&self.$field)),)*];
                all.into_iter().filter_map(|(key, shown)| Some((key, shown?))).collect()
            }
        }
    };
}
pub(crate) use section;
