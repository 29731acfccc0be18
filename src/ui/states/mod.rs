//! S_0 as pictures, layer by layer and head by head.

pub(crate) mod context;
pub(crate) mod controls;
pub(crate) mod data;
pub(crate) mod grid;
pub(crate) mod head_grid;
pub(crate) mod head_jobs;
mod head_questions;
pub(crate) mod images;
pub(crate) mod large;
pub(crate) mod lens;
pub(crate) mod numbers;
pub(crate) mod pane;
pub(crate) mod requests;
pub mod settings;
pub mod state;
pub(crate) mod steps;
mod tables;
pub(crate) mod tokens;
pub(crate) mod traced_text;
pub(crate) mod view;
pub(crate) mod worth;
