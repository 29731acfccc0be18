//! One number over the steps of a run.

use super::extremes::Pyramid;

/// A metric's values in order of their steps, one a step. Values that are not
/// finite are kept: they are the sign of a run that diverged.
#[derive(Clone, Default)]
pub struct Series {
    points: Vec<(usize, f64)>,
    pyramid: Pyramid,
    /// The number of the first value that is not finite.
    first_odd: Option<usize>,
    /// Times that something but the end was changed.
    n_rewrites: usize,
}

/// Its points alone: the rest follows from them and from how they came.
impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Series").field(&self.points).finish()
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.points == other.points
    }
}

impl Series {
    /// Adds the value of a step, in any order; a second value replaces the first.
    pub fn push(&mut self, step: usize, value: f64) {
        if self.points.last().is_none_or(|&(last, _)| last < step) {
            if !value.is_finite() && self.first_odd.is_none() {
                self.first_odd = Some(self.points.len());
            }
            self.points.push((step, value));
            self.pyramid.push(&self.points);
            return;
        }
        let idx = match self.points.binary_search_by_key(&step, |&(at, _)| at) {
            Ok(idx) => {
                self.points[idx].1 = value;
                idx
            }
            Err(idx) => {
                self.points.insert(idx, (step, value));
                idx
            }
        };
        self.rewritten_from(idx);
        for n_points in idx + 1..=self.points.len() {
            self.pyramid.push(&self.points[..n_points]);
        }
    }

    /// Every point, by rising step.
    pub fn points(&self) -> &[(usize, f64)] {
        &self.points
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The newest point.
    pub fn last(&self) -> Option<(usize, f64)> {
        self.points.last().copied()
    }

    /// The newest point that is not past `step`.
    pub fn at(&self, step: usize) -> Option<(usize, f64)> {
        let n_until = self.points.partition_point(|&(at, _)| at <= step);
        self.points[..n_until].last().copied()
    }

    /// The last `n` values, by rising step.
    pub fn recent(&self, n: usize) -> impl Iterator<Item = f64> {
        let start = self.points.len().saturating_sub(n);
        self.points[start..].iter().map(|&(_, value)| value)
    }

    /// Drops what came after `step`.
    pub fn truncate_after(&mut self, step: usize) {
        let n_until = self.points.partition_point(|&(at, _)| at <= step);
        self.points.truncate(n_until);
        self.rewritten_from(n_until);
    }

    fn rewritten_from(&mut self, idx: usize) {
        self.n_rewrites += 1;
        self.pyramid.truncate(idx);
        self.first_odd = self.points.iter().position(|point| !point.1.is_finite());
    }

    /// Fewer points with the same look, from step `first` to step `last`: of
    /// about `n_buckets` equal stretches the lowest and the highest finite value
    /// and the first that is not finite.
    pub fn decimated(&self, first: usize, last: usize, n_buckets: usize) -> Vec<(usize, f64)> {
        let start = self.points.partition_point(|&(at, _)| at < first);
        let end = self.points.partition_point(|&(at, _)| at <= last);
        let range = start..end.max(start);
        self.pyramid.decimate(&self.points, range, n_buckets)
    }

    /// Changes whenever something but the end does: together with the number of
    /// points it says whether a series is the one that was looked at before.
    pub fn n_rewrites(&self) -> usize {
        self.n_rewrites
    }

    /// The first value that is not finite.
    pub fn first_non_finite(&self) -> Option<(usize, f64)> {
        self.points.get(self.first_odd?).copied()
    }
}

/// The exponential moving average of a series, each point keeping a share of the
/// average before it. It is divided by the sum of its weights, so that it does
/// not lean to 0 at the start. Values that are not finite stand as they are and
/// do not enter the average.
#[derive(Debug, Clone)]
pub struct Smoothed {
    keep: f64,
    sum: f64,
    sum_of_weights: f64,
    n_rewrites: usize,
    series: Series,
}

impl Smoothed {
    /// The average of nothing yet; each point will keep the share `weight` (0
    /// to 1) of the average before it.
    pub fn new(weight: f64) -> Self {
        Self {
            keep: if weight.is_nan() {
                0.0
            } else {
                weight.clamp(0.0, 0.9999)
            },
            sum: 0.0,
            sum_of_weights: 0.0,
            n_rewrites: 0,
            series: Series::default(),
        }
    }

    /// The average as it was when it followed last.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The average of `raw`, of which only what is new is looked at.
    pub fn follow(&mut self, raw: &Series) -> &Series {
        if raw.n_rewrites != self.n_rewrites || raw.len() < self.series.len() {
            *self = Self {
                n_rewrites: raw.n_rewrites,
                ..Self::new(self.keep)
            };
        }
        for &(step, value) in &raw.points[self.series.len()..] {
            let average = if value.is_finite() {
                let weight = 1.0 - self.keep;
                self.sum = self.keep * self.sum + weight * value;
                self.sum_of_weights = self.keep * self.sum_of_weights + weight;
                self.sum / self.sum_of_weights
            } else {
                value
            };
            self.series.push(step, average);
        }
        &self.series
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(points: &[(usize, f64)]) -> Series {
        let mut series = Series::default();
        for &(step, value) in points {
            series.push(step, value);
        }
        series
    }

    #[test]
    fn points_are_found_by_step() {
        let series = series(&[(2, 0.2), (4, 0.4), (3, 0.3), (4, 0.5), (9, 0.9)]);
        assert_eq!(series.points(), &[(2, 0.2), (3, 0.3), (4, 0.5), (9, 0.9)]);
        assert_eq!(series.at(1), None);
        assert_eq!(series.at(2), Some((2, 0.2)));
        assert_eq!(series.at(8), Some((4, 0.5)));
        assert_eq!(series.at(usize::MAX), Some((9, 0.9)));
        assert_eq!(series.decimated(3, 8, 9), [(3, 0.3), (4, 0.5)]);
        assert_eq!(series.recent(2).collect::<Vec<_>>(), [0.5, 0.9]);
        let mut cut = series;
        cut.truncate_after(4);
        assert_eq!(cut.last(), Some((4, 0.5)));
        cut.truncate_after(0);
        assert!(cut.is_empty());
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_steps_over_nan() {
        let smoothed = |raw: &Series, weight| Smoothed::new(weight).follow(raw).clone();
        let smooth = smoothed(&series(&[(1, 2.0), (2, f64::NAN), (3, 4.0)]), 0.5);
        let values: Vec<f64> = smooth.points().iter().map(|point| point.1).collect();
        assert_eq!(values[0], 2.0);
        assert!(values[1].is_nan());
        // (0.25 * 2 + 0.5 * 4) / 0.75
        assert!((values[2] - 10.0 / 3.0).abs() < 1e-12);
        let raw = series(&[(1, 2.0), (2, 7.0)]);
        assert_eq!(smoothed(&raw, 0.0), raw);
        assert_eq!(smoothed(&raw, f64::NAN), raw);
        let most = smoothed(&raw, 7.0);
        assert!(most.points().iter().all(|p| p.1.is_finite()));
    }

    #[test]
    fn the_average_follows_what_is_added_and_what_is_changed() {
        let mut raw = series(&[(1, 1.0), (2, 3.0)]);
        let mut smoothed = Smoothed::new(0.7);
        smoothed.follow(&raw);
        let check = |smoothed: &mut Smoothed, raw: &Series| {
            assert_eq!(smoothed.follow(raw), Smoothed::new(0.7).follow(raw));
        };
        raw.push(3, 9.0);
        check(&mut smoothed, &raw);
        raw.push(2, -4.0);
        check(&mut smoothed, &raw);
        raw.truncate_after(1);
        check(&mut smoothed, &raw);
        raw.push(5, 0.5);
        check(&mut smoothed, &raw);
    }

    #[test]
    fn few_points_stay_as_they_are() {
        assert_eq!(Series::default().decimated(0, usize::MAX, 3), []);
        let two = series(&[(1, 1.0), (2, 2.0)]);
        assert_eq!(two.decimated(0, 9, 1), [(1, 1.0), (2, 2.0)]);
        assert_eq!(two.decimated(2, 9, 1), [(2, 2.0)]);
        assert_eq!(two.decimated(3, 1, 1), []);
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => -1e3..1e3,
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY),
            1 => any::<f64>(),
        ]
    }

    /// The lowest and the highest of the finite values.
    fn finite_range(series: &Series) -> Option<(f64, f64)> {
        let finite = series.points().iter().map(|&(_, value)| value);
        finite
            .filter(|value| value.is_finite())
            .fold(None, |range, value| match range {
                None => Some((value, value)),
                Some((min, max)) => Some((f64::min(min, value), f64::max(max, value))),
            })
    }

    fn bits(point: &(usize, f64)) -> (usize, u64) {
        (point.0, point.1.to_bits())
    }

    proptest! {
        #[test]
        fn decimation_keeps_what_matters(
            points in prop::collection::vec((0..5000_usize, value()), 0..600),
            n_buckets in 0..50_usize,
        ) {
            let all = series(&points);
            let kept = all.decimated(0, usize::MAX, n_buckets);
            prop_assert!(kept.len() <= all.len().min(3 * n_buckets.max(1) + 8));
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(kept.iter().all(|point| all.at(point.0).as_ref().map(bits) == Some(bits(point))));
            let kept_series = series(&kept);
            prop_assert_eq!(
                kept_series.first_non_finite().as_ref().map(bits),
                all.first_non_finite().as_ref().map(bits)
            );
            prop_assert_eq!(finite_range(&kept_series), finite_range(&all));
            prop_assert_eq!(kept.first().map(bits), all.points().first().map(bits));
            prop_assert_eq!(kept.last().map(bits), all.points().last().map(bits));
        }

        #[test]
        fn steps_rise_whatever_the_order(points in prop::collection::vec((any::<usize>(), value()), 0..50)) {
            let all = series(&points);
            prop_assert!(all.points().windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert_eq!(Smoothed::new(0.9).follow(&all).len(), all.len());
            let _ = all.decimated(0, usize::MAX, 3);
        }
    }
}
