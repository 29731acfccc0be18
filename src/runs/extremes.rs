//! The lowest and the highest of every stretch of a long series, kept while it
//! grows, so that a million points can be drawn without being looked at.

use std::ops::Range;

/// Points that the shortest stretch covers.
const LEAF: usize = 16;
/// No point.
const NONE: usize = usize::MAX;

/// What stands out of a stretch of points, as their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extremes {
    /// The lowest finite value.
    min: usize,
    /// The highest finite value.
    max: usize,
    /// The first value that is not finite.
    odd: usize,
}

/// Extremes of stretches that double in length from level to level: entry `i`
/// of level `k` covers the points from `i * LEAF * 2^k` on.
#[derive(Debug, Clone, Default)]
pub(super) struct Pyramid {
    levels: Vec<Vec<Extremes>>,
}

impl Pyramid {
    /// Takes in the last of `points`.
    pub fn push(&mut self, points: &[(usize, f64)]) {
        let n_points = points.len();
        if !n_points.is_multiple_of(LEAF) {
            return;
        }
        let mut whole = scan(points, n_points - LEAF..n_points);
        let mut n_whole = n_points / LEAF;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let entries = &mut self.levels[level];
            entries.push(whole);
            if !n_whole.is_multiple_of(2) {
                return;
            }
            n_whole /= 2;
            whole = merge(points, entries[entries.len() - 2], whole);
        }
    }

    /// Forgets what lies past the first `n_points` points.
    pub fn truncate(&mut self, n_points: usize) {
        for (level, entries) in self.levels.iter_mut().enumerate() {
            entries.truncate(n_points / (LEAF << level));
        }
        self.levels.retain(|entries| !entries.is_empty());
    }

    /// Fewer points with the same look: of at most `n_buckets` + 2 stretches the
    /// lowest and the highest finite value and the first that is not finite, and
    /// the first and the last point of all. The stretches begin at the same
    /// points however far the series has grown, so that lines do not shimmer.
    pub fn decimate(
        &self,
        points: &[(usize, f64)],
        range: Range<usize>,
        n_buckets: usize,
    ) -> Vec<(usize, f64)> {
        let (n_points, n_buckets) = (range.len(), n_buckets.max(1));
        if n_points <= n_buckets.saturating_mul(2) {
            return points.get(range).unwrap_or_default().to_vec();
        }
        let size = n_points.div_ceil(n_buckets).next_power_of_two();
        let level = (size / LEAF).checked_ilog2().map(|level| level as usize);
        let entries = level.and_then(|level| self.levels.get(level));
        let mut kept = vec![range.start];
        let mut start = range.start;
        while start < range.end {
            let idx = start / size;
            let end = ((idx + 1) * size).min(range.end);
            let is_whole = start == idx * size && end == (idx + 1) * size;
            let known = entries.and_then(|entries| entries.get(idx));
            let extremes = match known.filter(|_| is_whole) {
                Some(known) => *known,
                None => scan(points, start..end),
            };
            extremes.add_to(&mut kept);
            start = end;
        }
        if kept.last() != Some(&(range.end - 1)) {
            kept.push(range.end - 1);
        }
        kept.into_iter().map(|idx| points[idx]).collect()
    }
}

impl Extremes {
    /// Adds the points in their order, those of a stretch after the last one.
    fn add_to(self, kept: &mut Vec<usize>) {
        let mut found = [self.min, self.max, self.odd];
        found.sort_unstable();
        for idx in found {
            if idx != NONE && kept.last().is_none_or(|last| *last < idx) {
                kept.push(idx);
            }
        }
    }
}

fn scan(points: &[(usize, f64)], range: Range<usize>) -> Extremes {
    let mut found = Extremes {
        min: NONE,
        max: NONE,
        odd: NONE,
    };
    for idx in range {
        let value = points[idx].1;
        if !value.is_finite() {
            found.odd = found.odd.min(idx);
            continue;
        }
        if found.min == NONE || value < points[found.min].1 {
            found.min = idx;
        }
        if found.max == NONE || value > points[found.max].1 {
            found.max = idx;
        }
    }
    found
}

/// The extremes of two stretches, the first before the second.
fn merge(points: &[(usize, f64)], first: Extremes, second: Extremes) -> Extremes {
    let better = |a: usize, b: usize, is_better: fn(f64, f64) -> bool| {
        if a == NONE || (b != NONE && is_better(points[b].1, points[a].1)) {
            b
        } else {
            a
        }
    };
    Extremes {
        min: better(first.min, second.min, |b, a| b < a),
        max: better(first.max, second.max, |b, a| b > a),
        odd: first.odd.min(second.odd),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pyramid(points: &[(usize, f64)]) -> Pyramid {
        let mut pyramid = Pyramid::default();
        for n_points in 1..=points.len() {
            pyramid.push(&points[..n_points]);
        }
        pyramid
    }

    #[test]
    fn what_was_kept_is_what_is_there() {
        let points: Vec<_> = (0..5000)
            .map(|i| {
                (
                    i,
                    if i == 1234 {
                        f64::NAN
                    } else {
                        (i as f64).sin()
                    },
                )
            })
            .collect();
        let pyramid = pyramid(&points);
        assert_eq!(pyramid.levels[0].len(), 312);
        for (level, entries) in pyramid.levels.iter().enumerate() {
            let size = LEAF << level;
            for (idx, entry) in entries.iter().enumerate() {
                assert_eq!(*entry, scan(&points, idx * size..(idx + 1) * size));
            }
        }
    }

    #[test]
    fn a_million_points_shrink_to_their_buckets() {
        let points: Vec<_> = (0..1_000_000).map(|i| (i, (i as f64).sin())).collect();
        let kept = pyramid(&points).decimate(&points, 0..points.len(), 500);
        assert!(kept.len() <= 1006, "{}", kept.len());
        assert!(kept.len() > 400, "{}", kept.len());
    }

    proptest! {
        #[test]
        fn truncating_is_as_if_never_pushed(n in 0..700_usize, cut in 0..700_usize) {
            let points: Vec<_> = (0..n).map(|i| (i, (i as f64 * 1.7).cos())).collect();
            let cut = cut.min(n);
            let mut cut_back = pyramid(&points);
            cut_back.truncate(cut);
            prop_assert_eq!(cut_back.levels, pyramid(&points[..cut]).levels);
        }
    }
}
