//! The memory that a run takes, and the settings that fit into it; told before it starts.

pub mod fitting;
pub mod forecast;

pub(super) mod permission;
pub(super) mod step_memory;
pub(super) mod step_shape;
