//! How fast a download is, and how long it takes yet.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the speed is measured over.
const SPAN: Duration = Duration::from_secs(10);
/// A shorter time says nothing yet.
const SHORTEST: Duration = Duration::from_secs(1);

/// The speed of the last seconds.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    seen: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Takes in how many bytes are done at a time. Fewer than before begin anew.
    pub fn add(&mut self, now: Instant, done: u64) {
        if self.seen.back().is_some_and(|(_, before)| *before > done) {
            self.seen.clear();
        }
        self.seen.push_back((now, done));
        let is_old = |of: &(Instant, u64)| now.duration_since(of.0) > SPAN;
        while self.seen.len() > 2 && self.seen.front().is_some_and(is_old) {
            self.seen.pop_front();
        }
    }

    /// Bytes a second, once there is something to tell it from.
    pub fn bytes_per_sec(&self) -> Option<f64> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let time = last.0.duration_since(first.0);
        (time >= SHORTEST).then(|| (last.1 - first.1) as f64 / time.as_secs_f64())
    }

    /// Seconds until all of them have come.
    pub fn secs_left(&self, total: u64) -> Option<f64> {
        let (_, done) = self.seen.back()?;
        let rate = self.bytes_per_sec().filter(|rate| *rate > 0.0)?;
        Some(total.saturating_sub(*done) as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.add(start, 0);
        assert_eq!(pace.bytes_per_sec(), None);
        // Slow for a while, then 1000 bytes a second.
        for sec in 1..=20 {
            pace.add(start + Duration::from_secs(sec), sec);
        }
        for sec in 21..=40 {
            pace.add(start + Duration::from_secs(sec), 20 + 1000 * (sec - 20));
        }
        assert_eq!(pace.bytes_per_sec(), Some(1000.0));
        assert_eq!(pace.secs_left(30_020), Some(10.0));
        pace.add(start + Duration::from_secs(41), 5);
        assert_eq!(pace.bytes_per_sec(), None, "it began anew");
    }
}
