//! The worker as its clients see it, on the CPU with the mini model: a handful
//! of steps and items, but every path from a command to the files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod device_trouble;
mod resume;
mod runs;
mod trouble;
