//! Parts of views that know little of runs.

pub(super) mod accuracy_bars;
pub(super) mod columns;
pub(super) mod controls;
pub(super) mod heatmap;
pub(super) mod heatmap_gpu;
pub(super) mod metric;
pub(super) mod numbers;
pub(super) mod player;
pub(super) mod status_mark;
