//! Gives a reader its inputs: from libFuzzer where it is asked for, else from proptest.

use super::engine::{self, Reader};

/// Feeds the reader; panics with the first input that breaks a bound.
pub(super) fn feed(reader: &Reader<'_>) {
    #[cfg(feature = "fuzz")]
    if let Ok(arguments) = std::env::var("GOSLING_FUZZ") {
        super::libfuzzer::run(reader, &arguments);
    }
    engine::run(reader);
}
