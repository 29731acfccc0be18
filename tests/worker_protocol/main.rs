//! The worker as its clients see it, on the CPU with the mini model: a handful
//! of steps and items, but every path from a command to the files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
#[path = "../support/addresses.rs"]
mod addresses;
mod changes;
mod client;
mod device_trouble;
mod diagnoses;
mod heads;
#[cfg(target_os = "linux")]
mod memory;
mod resume;
mod runs;
mod traces;
mod trouble;
mod untuned;
