//! Questions in front of the window: exporting, scoring, the search for a learning
//! rate, a preview of the training data, importing, published models.

pub(crate) mod data_preview;
pub mod export;
pub mod get_model;
pub mod mix;
pub mod rate_search;
pub mod sampling;
pub mod scoring;
pub mod state_import;
