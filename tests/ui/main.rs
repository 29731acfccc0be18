//! The window: every view in every condition as a picture, and a run from
//! Start to Stop by the names of the controls.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --release --test ui` writes the pictures anew. They are
//! drawn by Mesa's software adapter where there is one. Those of `screenshots/` are of the real
//! window: `.ci/screenshots` takes them.

#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapter_maps;
mod adapters;
mod adapting;
mod changes;
mod chinese;
mod click_through;
mod clock;
mod conditions;
mod data_look;
mod docking;
mod fixtures;
mod flows;
mod folding;
mod form;
mod getting;
mod importing;
mod keyboard;
mod keys;
mod labels;
mod languages;
mod leaving;
mod measured;
mod pictures;
mod playground;
mod rate_search;
mod run_table;
mod sampling;
mod sheets;
mod small;
mod speed;
mod states;
mod sweep;
mod sweep_on;
