//! One number over the steps of a run.

/// A metric's values in order of their steps, one a step. Values that are not
/// finite are kept: they are the sign of a run that diverged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    points: Vec<(usize, f64)>,
}

impl Series {
    /// Adds the value of a step, in any order; a second value replaces the first.
    pub fn push(&mut self, step: usize, value: f64) {
        if self.points.last().is_none_or(|&(last, _)| last < step) {
            self.points.push((step, value));
            return;
        }
        match self.points.binary_search_by_key(&step, |&(at, _)| at) {
            Ok(idx) => self.points[idx].1 = value,
            Err(idx) => self.points.insert(idx, (step, value)),
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

    /// The points from step `first` to step `last`, both included.
    pub fn between(&self, first: usize, last: usize) -> &[(usize, f64)] {
        let start = self.points.partition_point(|&(at, _)| at < first);
        let end = self.points.partition_point(|&(at, _)| at <= last);
        self.points.get(start..end).unwrap_or_default()
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
    }

    /// The first value that is not finite.
    pub fn first_non_finite(&self) -> Option<(usize, f64)> {
        let mut points = self.points.iter().copied();
        points.find(|(_, value)| !value.is_finite())
    }

    /// The lowest and the highest of the finite values.
    pub fn finite_range(&self) -> Option<(f64, f64)> {
        let finite = self.points.iter().map(|&(_, value)| value);
        finite
            .filter(|value| value.is_finite())
            .fold(None, |range, value| match range {
                None => Some((value, value)),
                Some((min, max)) => Some((f64::min(min, value), f64::max(max, value))),
            })
    }

    /// The exponential moving average, each point keeping the share `weight`
    /// (0 to 1) of the average before it. It is divided by the sum of its
    /// weights, so that it does not lean to 0 at the start. Values that are not
    /// finite stand as they are and do not enter the average.
    pub fn smoothed(&self, weight: f64) -> Self {
        let keep = if weight.is_nan() {
            0.0
        } else {
            weight.clamp(0.0, 0.9999)
        };
        let (mut sum, mut sum_of_weights) = (0.0, 0.0);
        let points = self.points.iter().map(|&(step, value)| {
            if !value.is_finite() {
                return (step, value);
            }
            sum = keep * sum + (1.0 - keep) * value;
            sum_of_weights = keep * sum_of_weights + (1.0 - keep);
            (step, sum / sum_of_weights)
        });
        Self {
            points: points.collect(),
        }
    }
}

/// Fewer points with the same look: the lowest and the highest finite value of
/// each of `n_buckets` equal spans of steps, the first and the last point, and
/// every value that is not finite.
pub fn decimate(points: &[(usize, f64)], n_buckets: usize) -> Vec<(usize, f64)> {
    let n_buckets = n_buckets.max(1);
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= n_buckets.saturating_mul(2) {
        return points.to_vec();
    }
    let span = (last.0 - first.0) as u128 + 1;
    let bucket_of = |&(step, _): &(usize, f64)| (step - first.0) as u128 * n_buckets as u128 / span;
    let mut kept = vec![first];
    for bucket in points.chunk_by(|a, b| bucket_of(a) == bucket_of(b)) {
        keep_extremes(bucket, &mut kept);
    }
    push_after(&mut kept, last);
    kept
}

fn keep_extremes(bucket: &[(usize, f64)], kept: &mut Vec<(usize, f64)>) {
    let finite = || bucket.iter().filter(|(_, value)| value.is_finite());
    let min = finite().min_by(|a, b| a.1.total_cmp(&b.1));
    let max = finite().max_by(|a, b| a.1.total_cmp(&b.1));
    for point in bucket {
        let is_extreme = [min, max]
            .into_iter()
            .flatten()
            .any(|extreme| extreme.0 == point.0);
        if is_extreme || !point.1.is_finite() {
            push_after(kept, *point);
        }
    }
}

/// Adds the point unless it, the first point of all, is there.
fn push_after(kept: &mut Vec<(usize, f64)>, point: (usize, f64)) {
    if kept.last().is_none_or(|last| last.0 < point.0) {
        kept.push(point);
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
        assert_eq!(series.between(3, 8), &[(3, 0.3), (4, 0.5)]);
        assert_eq!(series.between(8, 3), &[]);
        assert_eq!(series.recent(2).collect::<Vec<_>>(), [0.5, 0.9]);
        assert_eq!(series.finite_range(), Some((0.2, 0.9)));
        let mut cut = series;
        cut.truncate_after(4);
        assert_eq!(cut.last(), Some((4, 0.5)));
        cut.truncate_after(0);
        assert!(cut.is_empty());
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_steps_over_nan() {
        let smooth = series(&[(1, 2.0), (2, f64::NAN), (3, 4.0)]).smoothed(0.5);
        let values: Vec<f64> = smooth.points().iter().map(|point| point.1).collect();
        assert_eq!(values[0], 2.0);
        assert!(values[1].is_nan());
        // (0.25 * 2 + 0.5 * 4) / 0.75
        assert!((values[2] - 10.0 / 3.0).abs() < 1e-12);
        let raw = series(&[(1, 2.0), (2, 7.0)]);
        assert_eq!(raw.smoothed(0.0), raw);
        assert_eq!(raw.smoothed(f64::NAN), raw);
        assert!(raw.smoothed(7.0).points().iter().all(|p| p.1.is_finite()));
    }

    #[test]
    fn few_points_stay_as_they_are() {
        assert_eq!(decimate(&[], 3), []);
        assert_eq!(decimate(&[(1, 1.0), (2, 2.0)], 1), [(1, 1.0), (2, 2.0)]);
    }

    #[test]
    fn a_long_series_shrinks_to_its_buckets() {
        let points: Vec<_> = (0..100_000).map(|i| (i, (i as f64).sin())).collect();
        let kept = decimate(&points, 500);
        assert!(kept.len() <= 1002, "{}", kept.len());
        assert!(kept.len() > 900, "{}", kept.len());
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
            let kept = decimate(all.points(), n_buckets);
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(kept.iter().all(|point| all.at(point.0).as_ref().map(bits) == Some(bits(point))));
            let odd = |points: &[(usize, f64)]| -> Vec<_> {
                points.iter().filter(|p| !p.1.is_finite()).map(bits).collect()
            };
            prop_assert_eq!(odd(&kept), odd(all.points()));
            let kept_range = Series { points: kept.clone() }.finite_range();
            prop_assert_eq!(kept_range, all.finite_range());
            prop_assert_eq!(kept.first().map(bits), all.points().first().map(bits));
            prop_assert_eq!(kept.last().map(bits), all.points().last().map(bits));
        }

        #[test]
        fn steps_rise_whatever_the_order(points in prop::collection::vec((any::<usize>(), value()), 0..50)) {
            let all = series(&points);
            prop_assert!(all.points().windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert_eq!(all.smoothed(0.9).len(), all.len());
            let _ = decimate(all.points(), 3);
        }
    }
}
