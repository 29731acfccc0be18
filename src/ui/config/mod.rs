//! The configuration: the form, its fields, its history and the memory forecast.

pub(crate) mod choices;
pub(crate) mod defaults;
pub(crate) mod fields;
mod fit;
pub(crate) mod forecast;
pub(crate) mod form;
pub(crate) mod history;
pub(crate) mod kernel_preview;
pub(crate) mod method;
pub(crate) mod origin;
pub mod state;
