//! The tests and intervals of comparisons between evaluations and between seeds.

use crate::random::SplitMix64;

/// How often a bootstrap draws.
const N_RESAMPLES: usize = 10_000;

/// The two-sided p-value of McNemar's test in its exact form (McNemar 1947):
/// how likely a split at least as uneven as `n_fixed` against `n_broken` is
/// where either is as likely as the other. 1 where nothing changed.
pub fn mcnemar_exact(n_fixed: usize, n_broken: usize) -> f64 {
    let n = n_fixed + n_broken;
    let fewer = n_fixed.min(n_broken);
    // ln (n choose fewer) - n ln 2, then the terms below it by their ratio.
    let choose: f64 = (0..fewer)
        .map(|k| ((n - k) as f64 / (fewer - k) as f64).ln())
        .sum();
    let largest = (choose - n as f64 * std::f64::consts::LN_2).exp();
    let (mut term, mut sum) = (1.0, 1.0);
    for k in (1..=fewer).rev() {
        term *= k as f64 / (n - k + 1) as f64;
        sum += term;
    }
    (2.0 * largest * sum).min(1.0)
}

/// The 95 % interval of the difference of two shares of the same `n_items`, of
/// which `n_fixed` are right only in the second and `n_broken` only in the
/// first: the percentiles of 10,000 draws of the items (Efron 1979). The same
/// counts give the same interval.
pub(super) fn bootstrap_difference95(
    n_fixed: usize,
    n_broken: usize,
    n_items: usize,
) -> (f64, f64) {
    if n_items == 0 {
        return (-1.0, 1.0);
    }
    let mut random = SplitMix64::new(0x60_51_1e);
    let mut draw = || {
        let mut difference = 0_i64;
        for _ in 0..n_items {
            let item = random.below(n_items);
            difference += i64::from(item < n_fixed);
            difference -= i64::from((n_fixed..n_fixed + n_broken).contains(&item));
        }
        difference
    };
    let mut differences: Vec<i64> = (0..N_RESAMPLES).map(|_| draw()).collect();
    differences.sort_unstable();
    let at = |share: f64| {
        let idx = (share * (N_RESAMPLES - 1) as f64).round() as usize;
        differences[idx] as f64 / n_items as f64
    };
    (at(0.025), at(0.975))
}

/// The 95 % interval of the difference of two means: of a group of evaluations
/// `second` less a group `first`, `[evaluations][items]`, all of the same items. The
/// percentiles of 10,000 draws of the evaluations of either group and of the items,
/// which the groups have in common (Owen 2007). It holds what other seeds and what
/// other items would have made of it.
pub(super) fn crossed_difference95(first: &[Vec<bool>], second: &[Vec<bool>]) -> (f64, f64) {
    let n_items = first.first().map_or(0, Vec::len);
    if n_items == 0 || second.is_empty() {
        return (-1.0, 1.0);
    }
    let mut random = SplitMix64::new(0x60_51_1e);
    let mut of_item = vec![0.0; n_items];
    let mut draw = || {
        of_item.fill(0.0);
        for (group, sign) in [(first, -1.0), (second, 1.0)] {
            let weight = sign / group.len() as f64;
            for _ in 0..group.len() {
                let drawn = &group[random.below(group.len())];
                for (of_item, right) in of_item.iter_mut().zip(drawn) {
                    *of_item += weight * f64::from(u8::from(*right));
                }
            }
        }
        let items = (0..n_items).map(|_| of_item[random.below(n_items)]);
        items.sum::<f64>() / n_items as f64
    };
    let mut differences: Vec<f64> = (0..N_RESAMPLES).map(|_| draw()).collect();
    differences.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| differences[(share * (N_RESAMPLES - 1) as f64).round() as usize];
    (at(0.025), at(0.975))
}

/// A mean over seeds with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation; NaN below two values.
    pub deviation: f64,
    /// The interval's lower end; minus infinity below two values.
    pub low: f64,
    /// The interval's upper end; infinity below two values.
    pub high: f64,
    /// How many values.
    pub n: usize,
}

/// The mean of `values` and its 95 % interval by Student's t distribution, which
/// takes the spread between the values and not that of the items; none without
/// values.
pub fn mean_interval95(values: &[f64]) -> Option<MeanInterval> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let square = |value: &f64| (value - mean) * (value - mean);
    let deviation = (values.iter().map(square).sum::<f64>() / (n as f64 - 1.0)).sqrt();
    let half = match n {
        1 => f64::INFINITY,
        _ => student_t95(n - 1) * deviation / (n as f64).sqrt(),
    };
    Some(MeanInterval {
        mean,
        deviation,
        low: mean - half,
        high: mean + half,
        n,
    })
}

/// The mean of shares, each 0 to 1, and its 95 % interval, which stays there: by
/// Student's t on the scale of ln (share / (1 - share)), about the mean and with its
/// standard error carried there (the delta method). It takes the spread between the
/// shares and not that of their items; none without shares. Shares that are all the
/// same have no spread, and an interval without a width.
pub fn share_interval95(shares: &[f64]) -> Option<MeanInterval> {
    let plain = mean_interval95(shares)?;
    let MeanInterval { mean, high, n, .. } = plain;
    let half = high - mean;
    // A mean of 0 or 1 is that of shares without a spread.
    let (low, high) = match n {
        1 => (0.0, 1.0),
        _ if half > 0.0 => {
            let (centre, half) = ((mean / (1.0 - mean)).ln(), half / (mean * (1.0 - mean)));
            let share = |logit: f64| 1.0 / (1.0 + (-logit).exp());
            (share(centre - half), share(centre + half))
        }
        _ => (mean, mean),
    };
    Some(MeanInterval { low, high, ..plain })
}

/// The two-sided 95 % quantile of Student's t distribution.
fn student_t95(degrees: usize) -> f64 {
    /// Quantiles of 1 to 30 degrees of freedom, to four digits.
    const TABLE: [f64; 30] = [
        12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
        2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739,
        2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
    ];
    match TABLE.get(degrees.saturating_sub(1)) {
        Some(quantile) => *quantile,
        None => {
            // Abramowitz and Stegun 26.7.5, two terms.
            let (z, v) = (1.959_963_985_f64, degrees as f64);
            let first = (z.powi(3) + z) / 4.0;
            let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
            z + first / v + second / (v * v)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of binomial coefficients as Python's exact fractions.
    #[test]
    fn p_values_are_those_of_the_binomial_test() {
        let check = |fixed, broken, expected: f64| {
            let got = mcnemar_exact(fixed, broken);
            let error = (got - expected).abs() / expected;
            assert!(error < 1e-9, "{fixed}, {broken}: {got}, not {expected}");
            assert_eq!(got, mcnemar_exact(broken, fixed));
        };
        check(0, 0, 1.0);
        check(1, 0, 1.0);
        check(5, 0, 0.0625);
        check(5, 5, 1.0);
        check(10, 3, 0.092_285_156_25);
        check(121, 59, 4.434_449_263_755_176e-6);
        check(86, 150, 3.715_936_139_571_442e-5);
        check(700, 500, 8.535_366_081_034_334e-9);
    }

    #[test]
    fn the_bootstrap_agrees_with_the_normal_interval_of_a_difference() {
        let check = |fixed: usize, broken: usize, n: usize| {
            let (low, high) = bootstrap_difference95(fixed, broken, n);
            let (f, b, n) = (fixed as f64, broken as f64, n as f64);
            let centre = (f - b) / n;
            let half = 1.96 * (f + b - (f - b) * (f - b) / n).sqrt() / n;
            let error = (low - centre + half)
                .abs()
                .max((high - centre - half).abs());
            assert!(
                error < 0.15 * half + 1.0 / n,
                "{low}, {high}: {centre} {half}"
            );
        };
        check(60, 30, 500);
        check(110, 26, 500);
        check(3, 9, 300);
        assert_eq!(bootstrap_difference95(0, 0, 500), (0.0, 0.0));
        assert_eq!(bootstrap_difference95(7, 0, 7), (1.0, 1.0));
        assert_eq!(bootstrap_difference95(0, 0, 0), (-1.0, 1.0));
    }

    /// Drawn evaluations whose seeds and items have effects of known variances.
    fn group(n: usize, n_items: usize, share: f64, of_seeds: f64, seed: u64) -> Vec<Vec<bool>> {
        let mut random = SplitMix64::new(seed);
        // The same for every group: some items are hard for all.
        let mut of_items = SplitMix64::new(77);
        let hard: Vec<f64> = (0..n_items).map(|_| 0.3 * of_items.normal()).collect();
        let of_seed = |_| {
            let shift = of_seeds * random.normal();
            let mut is_right = |hard: &f64| random.share() < share + shift + hard;
            hard.iter().map(&mut is_right).collect()
        };
        (0..n).map(of_seed).collect()
    }

    #[test]
    fn both_seeds_and_items_widen_the_interval_of_a_difference() {
        let width = |of: (f64, f64)| of.1 - of.0;
        let of = |of_seeds: f64, n_items: usize| {
            let a = group(5, n_items, 0.5, of_seeds, 1);
            let b = group(5, n_items, 0.6, of_seeds, 2);
            crossed_difference95(&a, &b)
        };
        let (steady, shaky) = (of(0.0, 500), of(0.1, 500));
        assert!(width(shaky) > 1.5 * width(steady), "{steady:?} {shaky:?}");
        assert!(width(of(0.0, 50)) > 2.0 * width(steady));
        assert!(steady.0 < 0.1 && steady.1 > 0.1, "{steady:?}");
    }

    /// One evaluation a side: only items are drawn.
    #[test]
    fn single_evaluations_have_the_interval_of_their_items() {
        let before: Vec<bool> = (0..500).map(|idx| idx < 230).collect();
        let after: Vec<bool> = (0..500).map(|idx| (30..290).contains(&idx)).collect();
        let got = crossed_difference95(&[before], &[after]);
        let want = bootstrap_difference95(60, 30, 500);
        assert!((got.0 - want.0).abs() < 0.005, "{got:?} {want:?}");
        assert!((got.1 - want.1).abs() < 0.005, "{got:?} {want:?}");
        assert_eq!(crossed_difference95(&[], &[]), (-1.0, 1.0));
    }

    /// The mean of three seeds and 4.302653 standard errors on either side.
    #[test]
    fn seeds_have_the_interval_of_student() {
        let got = mean_interval95(&[0.462, 0.460, 0.466]).unwrap();
        assert!((got.mean - 0.462_666_667).abs() < 1e-9);
        assert!((got.low - 0.455_078).abs() < 1e-5, "{got:?}");
        assert!((got.high - 0.470_256).abs() < 1e-5, "{got:?}");
        let one = mean_interval95(&[0.5]).unwrap();
        assert_eq!((one.low, one.high), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(mean_interval95(&[]).is_none());
        // scipy.stats.t.ppf(0.975, v).
        assert!((student_t95(31) - 2.039_513).abs() < 1e-4);
        assert!((student_t95(100) - 1.983_972).abs() < 1e-4);
    }

    #[test]
    fn means_of_shares_have_intervals_of_shares() {
        // By hand: the mean 0.5 has the standard error 0.1, which is 0.4 on the logit
        // scale, and 12.7062 times that either side.
        let two = share_interval95(&[0.4, 0.6]).unwrap();
        let end = 1.0 / (1.0 + (12.7062_f64 * 0.4).exp());
        assert!((two.low - end).abs() < 1e-9, "{two:?}");
        assert!((two.high - (1.0 - end)).abs() < 1e-9, "{two:?}");
        // Where nothing is near 0 or 1 it is the plain one.
        let values = [0.462, 0.460, 0.466];
        let plain = mean_interval95(&values).unwrap();
        let share = share_interval95(&values).unwrap();
        assert!((share.low - plain.low).abs() < 1e-4, "{share:?}");
        assert!((share.high - plain.high).abs() < 1e-4, "{share:?}");
        // The plain one passes 1 here.
        let values = [0.98, 1.0, 0.9];
        assert!(mean_interval95(&values).unwrap().high > 1.0);
        let share = share_interval95(&values).unwrap();
        assert!(0.0 < share.low && share.low < share.mean, "{share:?}");
        assert!(share.mean < share.high && share.high < 1.0, "{share:?}");
        for same in [0.0, 0.3, 1.0] {
            let share = share_interval95(&[same, same, same]).unwrap();
            let ends = (share.low, share.high);
            assert!((ends.0 - same).abs() < 1e-12, "{ends:?}");
            assert!((ends.1 - same).abs() < 1e-12, "{ends:?}");
        }
        let one = share_interval95(&[0.5]).unwrap();
        assert_eq!((one.low, one.high), (0.0, 1.0));
        assert!(share_interval95(&[]).is_none());
        let far = share_interval95(&[0.0, 1.0]).unwrap();
        assert!(far.low >= 0.0 && far.high <= 1.0 && far.high > far.low);
    }

    /// How often the interval of few seeds holds the accuracy that seeds have on average,
    /// which is near 1: as often as it says, and more often than the plain one.
    #[test]
    fn intervals_of_shares_hold_what_they_should() {
        let (mut random, n_draws) = (SplitMix64::new(5), 4000);
        // The logits of the seeds are normal.
        let mut accuracy = || {
            let logit = 3.0 + 0.6 * random.normal();
            1.0 / (1.0 + (-logit).exp())
        };
        let many: Vec<f64> = (0..400_000).map(|_| accuracy()).collect();
        let mean = many.iter().sum::<f64>() / many.len() as f64;
        for n in [3, 5] {
            let (mut n_share, mut n_plain) = (0, 0);
            for _ in 0..n_draws {
                let seeds: Vec<f64> = (0..n).map(|_| accuracy()).collect();
                let holds = |of: MeanInterval| usize::from(of.low <= mean && mean <= of.high);
                n_share += holds(share_interval95(&seeds).unwrap());
                n_plain += holds(mean_interval95(&seeds).unwrap());
            }
            let share = n_share as f64 / f64::from(n_draws);
            assert!((0.925..0.975).contains(&share), "{n}: {share}");
            assert!(n_share > n_plain, "{n}: {n_share}, {n_plain}");
        }
    }
}
