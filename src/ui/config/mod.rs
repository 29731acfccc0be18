//! The configuration: the form, its fields, its history and the memory forecast.

pub(crate) mod card;
pub(crate) mod choices;
pub(crate) mod defaults;
pub(crate) mod fields;
pub(crate) mod forecast;
pub(crate) mod form;
pub(crate) mod hints;
pub(crate) mod history;
pub(crate) mod kernel_preview;
pub(crate) mod lift_hints;
pub(crate) mod method;
pub(crate) mod names;
pub mod state;
pub(crate) mod training_hints;
