//! Widgets that several features use.

pub(super) mod accuracy;
pub(super) mod accuracy_bars;
pub(super) mod choices;
pub(super) mod columns;
pub(super) mod controls;
pub(super) mod field_row;
pub(super) mod heatmap;
pub(super) mod heatmap_data;
pub(super) mod heatmap_gpu;
pub(super) mod markdown;
pub(super) mod metric;
pub(super) mod numbers;
pub(super) mod player;
pub(super) mod run_menu;
pub(super) mod status_mark;
pub(super) mod steps;
