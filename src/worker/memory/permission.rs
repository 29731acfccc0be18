//! Whether runs may start although memory seems too small. The forecast is an estimate,
//! and what drivers report is not always right, so the user can override it.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};

/// The environment variable that allows it, also to the processes of a sweep.
pub const ALLOW_MEMORY: &str = "GOSLING_ALLOW_MEMORY";

static IS_ALLOWED: AtomicBool = AtomicBool::new(false);

/// From now on a run begins where the forecast says that its steps do not fit.
pub fn allow_memory() {
    IS_ALLOWED.store(true, Ordering::Relaxed);
}

/// Whether such runs begin, by [`allow_memory`] or by the environment.
pub fn is_memory_allowed() -> bool {
    let is_set =
        || env::var_os(ALLOW_MEMORY).is_some_and(|value| !value.is_empty() && value != "0");
    IS_ALLOWED.load(Ordering::Relaxed) || is_set()
}
