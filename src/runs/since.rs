//! When something began, for the time that it still takes.

use std::time::Instant;

/// When something began. It tells nothing of what a run is: two of them are equal.
#[derive(Debug, Clone, Copy)]
pub struct Since(Instant);

impl Since {
    /// Just now.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Seconds that have gone by.
    pub fn secs(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

impl PartialEq for Since {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
