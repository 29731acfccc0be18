//! A field of a run's specification: what it is called, what it does and where it
//! lies.

use super::choice::Choice;
use super::range::Range;
use super::slot::{Number, Slot};
use crate::language;
use crate::protocol::run_spec::RunSpec;

/// Where a field lies; none where a specification has no such field.
type Access = for<'a> fn(&'a mut RunSpec) -> Option<Slot<'a>>;

/// How a number is set in a form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Control {
    /// It is typed, or dragged.
    Typed,
    /// A slider over its range.
    Slider,
    /// A slider over powers of ten, from one usual number to another; others can be
    /// typed.
    LogSlider(f64, f64),
}

/// A field of a specification.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its dotted path, as `--set` takes it; empty for a field of something else.
    pub path: &'static str,
    /// Its name, which no other field has.
    pub label: &'static str,
    /// Its symbol in the literature, or nothing.
    pub symbol: &'static str,
    /// Its unit, or nothing.
    pub unit: &'static str,
    /// What it does, what can be chosen and where it comes from.
    pub hint: &'static str,
    /// The numbers that it takes, where it takes some.
    pub range: Range,
    /// How a number is set in a form.
    pub control: Control,
    /// What is shown where a number is left out.
    pub absent: &'static str,
    /// The number that stands there first when one is put in.
    pub first: f64,
    slot: Access,
    is_used: fn(&RunSpec) -> bool,
}

impl Field {
    /// A field at a path.
    pub const fn new(path: &'static str, label: &'static str, slot: Access) -> Self {
        Self {
            path,
            label,
            symbol: "",
            unit: "",
            hint: "",
            range: Range::ALL,
            control: Control::Typed,
            absent: "",
            first: 0.0,
            slot,
            is_used: |_| true,
        }
    }

    /// A field of something else than a specification.
    pub const fn outside(label: &'static str, hint: &'static str) -> Self {
        Self::new("", label, |_| None).hint(hint)
    }

    /// The same with a symbol.
    pub const fn symbol(self, symbol: &'static str) -> Self {
        Self { symbol, ..self }
    }

    /// The same with a unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same with a hint.
    pub const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// The same of numbers.
    pub const fn range(self, range: Range) -> Self {
        Self { range, ..self }
    }

    /// The same of a number that a slider sets, over its range.
    pub const fn slider(self) -> Self {
        let control = Control::Slider;
        Self { control, ..self }
    }

    /// The same of a number that a slider over powers of ten sets, where it is from
    /// `first` to `last`, as is usual.
    pub const fn log_slider(self, first: f64, last: f64) -> Self {
        let control = Control::LogSlider(first, last);
        Self { control, ..self }
    }

    /// The same of a number that can be left out, which is shown as `absent`;
    /// `first` is what stands there when a number is put in.
    pub const fn optional(self, absent: &'static str, first: f64) -> Self {
        Self {
            absent,
            first,
            ..self
        }
    }

    /// The same where only some specifications use what stands there.
    pub const fn used_if(self, is_used: fn(&RunSpec) -> bool) -> Self {
        Self { is_used, ..self }
    }

    /// Where the field lies; none where the specification has no such field.
    pub fn slot<'a>(&self, spec: &'a mut RunSpec) -> Option<Slot<'a>> {
        (self.slot)(spec)
    }

    /// Whether the specification has the field and uses what stands there.
    pub fn is_used(&self, spec: &mut RunSpec) -> bool {
        (self.is_used)(spec) && self.slot(spec).is_some()
    }

    /// The name, with the symbol if there is one.
    pub fn name(&self) -> String {
        match self.symbol {
            "" => language::text(self.label).to_owned(),
            symbol => format!("{} {symbol}", language::text(self.label)),
        }
    }

    /// The symbol, or the name where there is none.
    pub fn short_name(&self) -> &'static str {
        match self.symbol {
            "" => language::text(self.label),
            symbol => symbol,
        }
    }

    /// The name with the unit, if there is one.
    pub fn name_and_unit(&self) -> String {
        match self.unit {
            "" => self.name(),
            unit => tr!(
                "{name}, {unit}",
                name = self.name(),
                unit = language::text(unit)
            ),
        }
    }

    /// The name, the unit and the numbers that it takes, on one line.
    pub fn about(&self) -> String {
        match self.range == Range::ALL {
            true => self.name_and_unit(),
            false => tr!("{}: {}", self.name_and_unit(), self.range.words()),
        }
    }

    /// The value in a specification as the user sees it; none where it has no such
    /// field.
    pub fn words(&self, spec: &mut RunSpec) -> Option<String> {
        let words = self.slot(spec)?.words();
        Some(words.unwrap_or_else(|| language::text(self.absent).to_owned()))
    }

    /// The rule that the number in a specification breaks, with that number.
    pub fn broken_rule(&self, spec: &mut RunSpec) -> Option<String> {
        let slot = self.slot(spec)?;
        let Number::Is(value) = slot.number() else {
            return None;
        };
        let is_real = matches!(slot, Slot::Real(_) | Slot::OptionalReal(_) | Slot::Gamma(_));
        // A whole number is finite.
        let condition = self.range.condition_against(value, is_real)?;
        let rule = match &slot {
            Slot::OptionalCount(_) | Slot::OptionalReal(_) | Slot::Patience(_) => {
                tr!("must be None or {condition}", condition)
            }
            _ => tr!("must be {condition}", condition),
        };
        // A number as it was given, which its words may have rounded.
        let value = match &slot {
            Slot::Count(value) => value.to_string(),
            _ if value.to_string().len() > 24 => format!("{value:?}"),
            _ => value.to_string(),
        };
        Some(tr!("{rule}, is {value}", rule, value))
    }
}

/// The slot of a value.
pub(super) fn slot<'a, T>(value: &'a mut T) -> Option<Slot<'a>>
where
    Slot<'a>: From<&'a mut T>,
{
    Some(value.into())
}

/// The slot of a choice.
pub(super) fn choice(value: &mut impl Choice) -> Option<Slot<'_>> {
    Some(Slot::Choice(value))
}
