//! The metrics of the steps as plots.

pub mod along;
pub(crate) mod arrange;
pub mod charts;
pub(crate) mod curve_mesh;
pub(crate) mod header;
pub(crate) mod legend;
pub(crate) mod plot;
pub(crate) mod plot_axes;
pub(crate) mod plot_cache;
pub(crate) mod plot_drawn;
pub(crate) mod plot_lines;
pub(crate) mod plot_marks;
pub(crate) mod plot_menu;
pub(crate) mod plot_scales;
pub mod plot_settings;
pub(crate) mod plot_svg;
pub(crate) mod plot_table;
pub(crate) mod report;
pub(crate) mod seed_band;
pub mod state;
pub(crate) mod ticks;
pub(crate) mod view;
