//! The views: each reads what is known and what is looked at, and returns what
//! people ask for.

pub(super) mod accuracy;
pub(super) mod compare;
pub(super) mod config_form;
pub(super) mod diagnoses;
pub(super) mod export_dialog;
pub(super) mod form_choices;
pub(super) mod form_fields;
pub(super) mod form_hints;
pub(super) mod form_lift_hints;
pub(super) mod form_method;
pub(super) mod form_row;
mod item_detail;
mod item_list;
pub(super) mod items;
pub(super) mod kernel_preview;
pub(super) mod log_panel;
pub(super) mod messages;
mod paired_rows;
mod paired_table;
pub(super) mod palette;
pub(super) mod playground;
mod reported;
pub(super) mod run_header;
pub(super) mod run_menu;
pub(super) mod run_queue;
pub(super) mod runs_panel;
pub(super) mod score_dialog;
mod spec_differences;
pub(super) mod states;
pub(super) mod status_bar;
pub(super) mod sweep;
pub(super) mod tune;
