//! Sweeps as people run them: real processes, killed at any moment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod killed;
mod program;
mod slurm;
mod whole;
