//! One table of the fields of a run's specification: what each is called, what it
//! does, which numbers it takes and where it lies. The form of the window, the
//! validation of ranges, the comments of printed specifications, the help of the
//! command line and the names in sweeps and comparisons are made from it, so that a
//! new field is one of the structures of the specification, one row here, and its
//! use.

use std::borrow::Cow;

pub mod choice;
pub mod field;
pub mod range;
pub mod slot;

mod evaluation;
mod method;
mod run;
mod training;

pub use evaluation::MAX_FEW_SHOT;
pub use run::MAX_CONTEXT;
pub use training::{MAX_RATE, MAX_STEPS};

use crate::language;
use field::Field;

/// Fields that stand together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they are about; nothing for those of the run itself.
    pub title: &'static str,
    /// Whether most runs change some of them.
    pub is_common: bool,
    /// The fields, in the order of the form. The second of two rows with one path
    /// is what the choice in the first one needs: a file, a text.
    pub fields: &'static [Field],
}

/// Every field, in groups.
pub static GROUPS: [Group; 8] = [
    Group::new("", true, run::RUN),
    Group::new(mark!("Model"), true, run::MODEL),
    Group::new(mark!("Data"), true, run::DATA),
    Group::new(mark!("Method"), true, method::METHOD),
    Group::new(mark!("Training"), true, training::TRAINING),
    Group::new(
        mark!("Optimizer and early stopping"),
        false,
        training::OPTIMIZER,
    ),
    Group::new(mark!("Evaluation"), true, evaluation::EVALUATION),
    Group::new(
        mark!("Logging and checkpoints"),
        false,
        evaluation::INTERVALS,
    ),
];

impl Group {
    const fn new(title: &'static str, is_common: bool, fields: &'static [Field]) -> Self {
        Self {
            title,
            is_common,
            fields,
        }
    }
}

/// Every field.
pub fn all() -> impl Iterator<Item = &'static Field> {
    GROUPS.iter().flat_map(|group| group.fields)
}

/// The field at a dotted path.
pub fn find(path: &str) -> Option<&'static Field> {
    all().find(|field| field.path == path)
}

/// The name of what lies at a dotted path, with its symbol if it has one; the path
/// itself where there is no such field.
pub fn field_name(path: &str) -> Cow<'_, str> {
    match find(path) {
        Some(field) => field.name().into(),
        None => within(path).unwrap_or(path.into()),
    }
}

/// The shortest name of what lies at a dotted path: its symbol, else its name.
pub fn short_field_name(path: &str) -> Cow<'_, str> {
    match find(path) {
        Some(field) => field.short_name().into(),
        None => within(path).unwrap_or(path.into()),
    }
}

/// A text for the window, where fields have names: "must be below training.steps" says
/// "must be below Steps" there. What is no path of a field stays as it is.
pub fn with_names(text: &str) -> String {
    let is_of_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_path) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_of_path(c)).unwrap_or(from.len());
        // A sentence may end behind a path.
        let word = from[..end].trim_end_matches('.');
        said += before;
        match find(word).filter(|_| word.contains('.')) {
            Some(field) => said += language::text(field.label),
            None => said += word,
        }
        said += &from[word.len()..end];
        rest = &from[end..];
    }
    said + rest
}

/// A part of a field, as in "Early stopping, patience".
fn within(path: &str) -> Option<Cow<'_, str>> {
    let (parent, part) = path.rsplit_once('.')?;
    Some(format!("{}, {part}", language::text(find(parent)?.label)).into())
}

#[cfg(test)]
mod tests;
