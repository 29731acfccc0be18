//! How long the window's own thread takes for a frame, and how often it draws.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eframe::egui::{Align2, Area, Context, Frame, Id, RichText, vec2};

/// Frames that are remembered.
const MAX_FRAMES: usize = 300;

/// The last frames.
#[derive(Debug, Default)]
pub struct FrameTimes {
    /// When each ended and how long it took.
    frames: VecDeque<(Instant, Duration)>,
    /// From the start of the program to the end of the first frame.
    first: Option<Duration>,
    /// Since the first frame.
    n_frames: usize,
}

impl FrameTimes {
    /// Takes in a frame that began at `start`.
    pub fn add(&mut self, start: Instant, program_start: Instant) {
        let now = Instant::now();
        if self.first.is_none() {
            self.first = Some(now - program_start);
        }
        self.n_frames += 1;
        self.frames.push_back((now, now - start));
        if self.frames.len() > MAX_FRAMES {
            self.frames.pop_front();
        }
    }

    /// Median and 99th percentile of the last frames.
    fn quantiles(&self) -> Option<(Duration, Duration)> {
        let mut times: Vec<Duration> = self.frames.iter().map(|frame| frame.1).collect();
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1));
        if times.is_empty() {
            return None;
        }
        Some((*at(50)?, *at(99)?))
    }

    /// Frames of the last second.
    fn per_sec(&self) -> usize {
        let frames = self.frames.iter().rev();
        let second = Duration::from_secs(1);
        frames
            .take_while(|frame| frame.0.elapsed() < second)
            .count()
    }

    /// Draws them in a corner. They are as new as the last frame, since showing
    /// them asks for none.
    pub fn show(&self, ctx: &Context) {
        let Some((median, late)) = self.quantiles() else {
            return;
        };
        let millis = |time: Duration| 1000.0 * time.as_secs_f64();
        let first = self.first.map_or(0.0, millis);
        let text = tr!(
            "views and layout {} ms, 99 of 100 below {} ms\n{} frames in the last second, {} in all\nfirst frame {first} ms after the start",
            format_args!("{:.1}", millis(median)),
            format_args!("{:.1}", millis(late)),
            self.per_sec(),
            self.n_frames,
            first = format_args!("{first:.0}")
        );
        Area::new(Id::unique("frame times"))
            .anchor(Align2::RIGHT_BOTTOM, vec2(-12.0, -40.0))
            .interactable(false)
            .show(ctx, |ui| {
                Frame::popup(ui.style()).show(ui, |ui| {
                    ui.label(RichText::new(text).monospace().small());
                });
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_hundred_is_told() {
        let mut times = FrameTimes::default();
        assert_eq!(times.quantiles(), None);
        let now = Instant::now();
        for millis in 1..=100 {
            times.frames.push_back((now, Duration::from_millis(millis)));
        }
        let (median, late) = times.quantiles().unwrap();
        assert_eq!((median.as_millis(), late.as_millis()), (51, 100));
        assert_eq!(times.per_sec(), 100);
    }
}
