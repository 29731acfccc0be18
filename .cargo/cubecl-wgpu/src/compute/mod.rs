pub(crate) mod controller;
pub(crate) mod copies;
pub(crate) mod device_poison;

mod builder;
mod graph;
mod storage;

pub(super) mod mem_manager;
pub(super) mod poll;
pub(super) mod schedule;
mod server;
pub(super) mod stream;
pub(super) mod timings;

pub use builder::{InfoKind, KernelStore, PipelineBuilder, keep_kernels_in, set_only_builds};
pub use server::*;
pub use storage::*;
