//! What happens to a run when its program, its disk or its folder fails: the
//! program is run as people run it, and hurt.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod disk;
mod kill;
mod program;
