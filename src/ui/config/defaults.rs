//! What every field of the configuration is by default, as a specification has
//! it and as the user sees it.

use std::cell::Cell;

use crate::language::{self, Language, chosen};
use crate::persist::spec_file::field_value;
use crate::protocol::fields;
use crate::protocol::fields::field::Field;
use crate::protocol::fields::slot::{Number, Slot};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::MethodKind;
use crate::ui::widgets::field_row::FieldDefaults;

/// Choices with fields of their own: those fields are told with the choice of the
/// draft, and the choice itself with its own default.
const WITH_FIELDS: [&str; 5] = [
    "data.source",
    "training.schedule",
    "training.optimizer",
    "method.decorrelation.rule",
    "method.tune",
];
/// The method, whose fields are told as it has them first.
const METHOD: &str = "method";

/// The defaults of the fields that a draft has, and which it differs in.
#[derive(Debug, Default)]
pub struct Defaults {
    of: Option<RunSpec>,
    /// The language of the words below.
    language: Option<Language>,
    /// By the labels of the fields.
    known: Vec<(&'static str, FieldDefault)>,
    /// The field that the user wants back.
    asked: Cell<Option<&'static str>>,
}

/// The default of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldDefault {
    /// Whether the draft has something else.
    is_other: bool,
    /// The default as the user sees it; nothing where it has none.
    words: String,
    /// What the user is told of it.
    told: String,
}

impl Defaults {
    /// Those of a draft.
    #[cfg(test)]
    pub fn of(draft: &RunSpec) -> Self {
        let mut defaults = Self::default();
        defaults.look_at(draft);
        defaults
    }

    /// Goes over to another draft.
    pub fn look_at(&mut self, draft: &RunSpec) {
        if self.of.as_ref() == Some(draft) && self.language == Some(chosen()) {
            return;
        }
        self.of = Some(draft.clone());
        self.language = Some(chosen());
        let (mut first, mut like) = (first_choices(draft), like(draft));
        let mut draft = draft.clone();
        let mut default = RunSpec::default();
        let known = fields::all().map(|field| {
            let of = match WITH_FIELDS.contains(&field.path) {
                true => &mut first,
                false => &mut like,
            };
            let mut known = FieldDefault::of(field, of, &mut draft);
            if field.path == METHOD {
                known = FieldDefault::of(field, &mut default, &mut draft);
                // Other methods are no less usual.
                known.is_other = false;
            }
            (field.label, known)
        });
        self.known = known.collect();
    }

    /// The default of a field as a specification has it, by its dotted path.
    pub fn value(&self, path: &str) -> Option<String> {
        let draft = self.of.as_ref()?;
        let of = match WITH_FIELDS.contains(&path) {
            true => first_choices(draft),
            false => like(draft),
        };
        field_value(&of, path).ok()
    }

    /// The field that the user wants back, once.
    pub fn take_asked(&self) -> Option<&'static str> {
        self.asked.take()
    }

    fn known(&self, field: &Field) -> Option<&FieldDefault> {
        let found = self.known.iter().find(|(label, _)| *label == field.label);
        found.map(|(_, known)| known)
    }
}

impl FieldDefault {
    /// The default of a field, which `of` has, beside what the draft has.
    fn of(field: &Field, of: &mut RunSpec, draft: &mut RunSpec) -> Self {
        let words = field.words(of).unwrap_or_default();
        let (Some(default), present) = (field.slot(of), field.slot(draft)) else {
            return Self::none();
        };
        let is_own = match &default {
            Slot::Path(_) | Slot::Layers(_) => true,
            Slot::Text(_) => field.path != "name",
            Slot::Count(_)
            | Slot::Seed(_)
            | Slot::Real(_)
            | Slot::OptionalCount(_)
            | Slot::OptionalReal(_)
            | Slot::Patience(_)
            | Slot::Gamma(_)
            | Slot::Switch(_)
            | Slot::Choice(_)
            | Slot::OptionalPath(_) => false,
        };
        if is_own {
            return Self::none();
        }
        let is_same = |present: &Slot<'_>| match (&default, present) {
            (Slot::Choice(a), Slot::Choice(b)) => a.chosen() == b.chosen(),
            _ => match (default.number(), present.number()) {
                (Number::No, Number::No) => default.words() == present.words(),
                (a, b) => a == b,
            },
        };
        let range = field.range.words();
        let told = match default.number() {
            Number::No => tr!("Default {words}.", words),
            Number::Absent => tr!("Default {words}, else {range}.", words, range),
            Number::Is(_) if field.absent.is_empty() => {
                tr!("Default {words}, {range}.", words, range)
            }
            Number::Is(_) => tr!(
                "Default {words}, {range}, or {}.",
                language::text(field.absent),
                words,
                range
            ),
        };
        Self {
            is_other: present.is_some_and(|present| !is_same(&present)),
            words,
            told,
        }
    }

    /// Of what is the user's own.
    fn none() -> Self {
        Self {
            is_other: false,
            words: String::new(),
            told: tr!("No default.").to_owned(),
        }
    }
}

impl FieldDefaults for Defaults {
    /// Whether the draft has something else than the default.
    fn is_other(&self, field: &Field) -> bool {
        self.known(field).is_some_and(|known| known.is_other)
    }

    /// The default as the user sees it.
    fn words(&self, field: &Field) -> String {
        let known = self.known(field);
        known.map_or_else(String::new, |known| known.words.clone())
    }

    /// What the user is told of the default, and of what else can be put there.
    fn told(&self, field: &Field) -> String {
        let known = self.known(field);
        known.map_or_else(String::new, |known| known.told.clone())
    }

    /// Notes that the user wants a field back as it is by default.
    fn ask_back(&self, field: &Field) {
        self.asked.set(Some(field.path));
    }
}

/// The default run with the method of the draft, which has fields that others
/// have not.
fn first_choices(draft: &RunSpec) -> RunSpec {
    RunSpec {
        method: MethodKind::of(&draft.method).by_default(),
        ..RunSpec::default()
    }
}

/// The default run with every choice of the draft that has fields of its own.
fn like(draft: &RunSpec) -> RunSpec {
    let mut like = first_choices(draft);
    let mut draft = draft.clone();
    for field in WITH_FIELDS.into_iter().filter_map(fields::find) {
        if let Some(Slot::Choice(wanted)) = field.slot(&mut draft)
            && let Some(Slot::Choice(value)) = field.slot(&mut like)
            && value.chosen() != wanted.chosen()
        {
            value.choose(wanted.chosen());
        }
    }
    like
}

#[cfg(test)]
mod tests;
