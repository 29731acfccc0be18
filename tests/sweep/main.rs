//! Sweeps as a user runs them: real processes, killed at any moment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
#[path = "../support/addresses.rs"]
mod addresses;
#[cfg(unix)]
mod asked;
#[cfg(unix)]
mod kept;
mod killed;
#[cfg(target_os = "linux")]
mod memory;
mod program;
mod slurm;
mod whole;
