//! What happens to a run when its program, its disk or its folder fails: the
//! program is run as a user runs it, and hurt.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

#[cfg(target_os = "linux")]
#[path = "../support/addresses.rs"]
mod addresses;
mod disk;
mod kill;
#[cfg(target_os = "linux")]
mod memory;
mod program;
