//! A learning-rate finder (Smith, arXiv 1506.01186): the rate rises by the same
//! factor at every step, and the loss shows where it is too small to learn from
//! and where it breaks the state.

use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::trainer::Trainer;
use crate::error::{Error, Result};

/// Neighbours on either side that a loss is averaged with: batches differ more
/// than rates do. An average of the past alone would lag behind the rate.
const REACH: usize = 3;
/// The search ends when the smoothed loss is this many times its lowest.
const BROKEN: f64 = 3.0;
/// Steps whose losses are read back together.
const READ_EVERY: usize = 5;
/// Fewest points that a slope is taken over.
const MIN_POINTS: usize = 5;

/// Which rates are tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateRange {
    /// The first rate.
    pub first: f64,
    /// The last rate.
    pub last: f64,
    /// Rates in all, each one step.
    pub steps: usize,
}

/// One step of the search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// The rate.
    pub learning_rate: f64,
    /// The loss before the step's update: what the rates before it led to.
    pub loss: f64,
    /// The same, averaged with its neighbours.
    pub smoothed: f64,
}

/// What the search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RateFinding {
    /// The steps, by rising rate.
    pub points: Vec<RatePoint>,
    /// The rate at which the smoothed loss falls most per factor of the rate.
    pub steepest: Option<f64>,
    /// One tenth of the rate at which the smoothed loss is lowest.
    pub tenth_of_lowest: Option<f64>,
    /// Whether the loss is lowest at the end, so that larger rates should be tried.
    pub still_falls: bool,
    /// Why the search ended before its last rate, if it did.
    pub broke: Option<String>,
}

/// The fewest steps of a search.
pub const MIN_STEPS: usize = 10;
/// The most steps of a search.
pub const MAX_STEPS: usize = 100_000;

impl Default for RateRange {
    fn default() -> Self {
        Self {
            first: 1e-4,
            last: 10.0,
            steps: 60,
        }
    }
}

impl RateRange {
    /// Whether the rates rise.
    ///
    /// # Errors
    /// [`Error::Spec`] with what would be right.
    pub fn check(&self) -> Result<()> {
        let Self { first, last, steps } = *self;
        if !(first > 0.0 && last.is_finite() && last > first) {
            let reason = tr!(
                "rates must rise from above 0, are {first} to {last}",
                first,
                last
            );
            return Err(Error::spec("rates", reason));
        }
        if !(MIN_STEPS..=MAX_STEPS).contains(&steps) {
            let reason = tr!(
                "must be from {MIN_STEPS} to {MAX_STEPS}, is {steps}",
                MIN_STEPS,
                MAX_STEPS,
                steps
            );
            return Err(Error::spec("steps", reason));
        }
        Ok(())
    }

    /// The rate of a step, counted from 0.
    pub fn rate(&self, idx: usize) -> f64 {
        let share = idx as f64 / (self.steps.max(2) - 1) as f64;
        self.first * (self.last / self.first).powf(share)
    }
}

/// Takes one step of `trainer` at each rate of `range`, on the micro-batches
/// that `batches` gives for it, until the loss breaks. `progress` hears the
/// steps done and in all; its error ends the search, and [`Error::Stopped`]
/// keeps what was found until then. The trainer's state is spoiled after it.
///
/// # Errors
/// What the trainer or `progress` reports, and a range that does not rise.
pub fn find_rate(
    trainer: &mut Trainer<'_>,
    range: RateRange,
    batches: &mut dyn FnMut(usize) -> Vec<Batch>,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<RateFinding> {
    range.check()?;
    let mut losses = Vec::new();
    let mut broke = None;
    for idx in 0..range.steps {
        match progress(idx, range.steps) {
            Err(Error::Stopped) => {
                broke = Some(tr!("stopped").to_owned());
                break;
            }
            other => other?,
        }
        trainer.step_at(&batches(idx), range.rate(idx))?;
        if (idx + 1) % READ_EVERY == 0 || idx + 1 == range.steps {
            let steps = trainer.read_steps()?;
            losses.extend(steps.iter().map(|step| step.loss));
            if let Some(divergence) = trainer.divergence() {
                broke = Some(divergence.detail.clone());
                break;
            }
            if is_broken(&points(range, &losses)) {
                broke = Some(tr!("the loss rose to {BROKEN} times its lowest", BROKEN));
                break;
            }
        }
    }
    let mut finding = RateFinding::of(points(range, &losses));
    finding.broke = broke;
    Ok(finding)
}

/// The losses with their rates, each averaged with its neighbours, the nearer
/// ones more.
fn points(range: RateRange, losses: &[f64]) -> Vec<RatePoint> {
    let n_finite = losses.iter().take_while(|loss| loss.is_finite()).count();
    let losses = &losses[..n_finite];
    let point = |(idx, &loss): (usize, &f64)| {
        let first = idx.saturating_sub(REACH);
        let near = losses
            .iter()
            .enumerate()
            .skip(first)
            .take(idx - first + REACH + 1);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (other, loss) in near {
            let weight = (REACH + 1 - idx.abs_diff(other)) as f64;
            sum += weight * loss;
            weights += weight;
        }
        RatePoint {
            learning_rate: range.rate(idx),
            loss,
            smoothed: sum / weights,
        }
    };
    losses.iter().enumerate().map(point).collect()
}

fn is_broken(points: &[RatePoint]) -> bool {
    let lowest = points.iter().map(|point| point.smoothed);
    let lowest = lowest.fold(f64::INFINITY, f64::min);
    points
        .last()
        .is_some_and(|point| point.smoothed > BROKEN * lowest)
}

impl RateFinding {
    /// Reads the two suggestions off the points.
    fn of(points: Vec<RatePoint>) -> Self {
        let by_loss = |a: &&RatePoint, b: &&RatePoint| a.smoothed.total_cmp(&b.smoothed);
        let lowest = points.iter().min_by(by_loss);
        let rises_from = |low: &RatePoint| low.learning_rate / 10.0;
        let last = points.last();
        Self {
            steepest: steepest(&points),
            still_falls: lowest.is_some() && lowest == last,
            tenth_of_lowest: lowest
                .filter(|_| points.len() >= MIN_POINTS)
                .map(rises_from),
            points,
            broke: None,
        }
    }
}

/// The rate in the middle of the two neighbours between which the smoothed loss
/// falls most; none where it never falls.
fn steepest(points: &[RatePoint]) -> Option<f64> {
    if points.len() < MIN_POINTS {
        return None;
    }
    // Over two steps, for one batch is no slope.
    let falls = points.windows(3).map(|three| {
        let fall = three[0].smoothed - three[2].smoothed;
        (fall, three[1].learning_rate)
    });
    let most = falls.max_by(|a, b| a.0.total_cmp(&b.0));
    most.filter(|(fall, _)| *fall > 0.0).map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(steps: usize) -> RateRange {
        RateRange {
            first: 1e-3,
            last: 10.0,
            steps,
        }
    }

    #[test]
    fn rates_rise_by_one_factor_from_the_first_to_the_last() {
        let range = range(5);
        for (idx, expected) in [1e-3, 1e-2, 0.1, 1.0, 10.0].into_iter().enumerate() {
            assert!((range.rate(idx) / expected - 1.0).abs() < 1e-12, "{idx}");
        }
    }

    fn check_refused(first: f64, last: f64, steps: usize, expected: &str) {
        let range = RateRange { first, last, steps };
        assert_eq!(range.check().unwrap_err().to_string(), expected);
    }

    #[test]
    fn rates_that_do_not_rise_are_refused() {
        let rule = "rates: rates must rise from above 0, are";
        check_refused(0.0, 1.0, 50, &format!("{rule} 0 to 1"));
        check_refused(1.0, 0.5, 50, &format!("{rule} 1 to 0.5"));
        check_refused(f64::NAN, 0.5, 50, &format!("{rule} NaN to 0.5"));
        check_refused(0.1, f64::INFINITY, 50, &format!("{rule} 0.1 to inf"));
        check_refused(0.1, 1.0, 9, "steps: must be from 10 to 100000, is 9");
    }

    #[test]
    fn losses_are_averaged_with_their_neighbours_up_to_the_first_nan() {
        let points = points(range(20), &[4.0, 2.0, 0.0, f64::NAN, 1.0]);
        let smoothed: Vec<f64> = points.iter().map(|point| point.smoothed).collect();
        // Weights 4, 3, 2 from the first, 3, 4, 3 from the second.
        let expected = [22.0 / 9.0, 20.0 / 10.0, 14.0 / 9.0];
        assert_eq!(smoothed.len(), 3);
        for (got, want) in smoothed.iter().zip(expected) {
            assert!((got - want).abs() < 1e-12, "{got}, not {want}");
        }
    }

    /// Flat, then a fall around 0.1, the lowest at 1, then a rise.
    #[test]
    fn suggestions_are_read_off_the_curve() {
        let range = range(41);
        let losses = (0..41).map(|idx| {
            let decade = range.rate(idx).log10();
            3.0 - 2.0 / (1.0 + (-6.0 * (decade + 1.0)).exp()) + 3.0 * (decade - 0.5).max(0.0)
        });
        let finding = RateFinding::of(points(range, &losses.collect::<Vec<_>>()));
        let steepest = finding.steepest.unwrap();
        assert!((0.05..0.5).contains(&steepest), "{steepest}");
        let tenth = finding.tenth_of_lowest.unwrap();
        assert!((0.1..0.6).contains(&tenth), "{tenth}");
        assert!(!finding.still_falls);
    }

    #[test]
    fn a_loss_that_falls_to_the_end_asks_for_larger_rates() {
        let falling: Vec<f64> = (0..20).map(|idx| 9.0 - 0.1 * f64::from(idx)).collect();
        assert!(RateFinding::of(points(range(20), &falling)).still_falls);
        assert!(!RateFinding::of(Vec::new()).still_falls);
    }

    #[test]
    fn a_curve_that_only_rises_or_is_short_has_no_steepest_fall() {
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(RateFinding::of(points(range(20), &rising)).steepest, None);
        let short = RateFinding::of(points(range(20), &[3.0, 2.0, 1.0]));
        assert_eq!((short.steepest, short.tenth_of_lowest), (None, None));
    }

    #[test]
    fn a_loss_far_above_its_lowest_is_broken() {
        let mut losses = vec![1.0; 20];
        assert!(!is_broken(&points(range(40), &losses)));
        losses.extend([9.0; 10]);
        assert!(is_broken(&points(range(40), &losses)));
    }
}
