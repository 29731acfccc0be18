//! How much a field matters for a metric, by ranks: no model is fitted, so it
//! says how a metric goes with a field over the runs there are, and no more.

/// How a metric goes with a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Importance {
    /// Spearman's rank correlation, -1 to 1; none for a field of choices.
    pub rank_correlation: Option<f64>,
    /// The adjusted correlation ratio of the ranks, epsilon, 0 to 1: the root of
    /// the share of their variance that lies between the field's values, less what
    /// so many values have by chance. It also sees a best value in the middle.
    /// None where hardly a value comes twice.
    pub rank_ratio: Option<f64>,
    /// Runs.
    pub n: usize,
}

/// Runs below which nothing is said.
const MIN_RUNS: usize = 4;

/// How the metric goes with the field: of every run the field's value, its
/// number where it is one, and the metric. Runs without a finite metric are
/// left out; none where the field or the metric hardly differ.
pub fn importance(runs: &[(String, Option<f64>, f64)]) -> Option<Importance> {
    let runs: Vec<&(String, Option<f64>, f64)> = runs
        .iter()
        .filter(|(_, _, metric)| metric.is_finite())
        .collect();
    let n = runs.len();
    let is_varied = |of: &dyn Fn(usize) -> bool| (1..n).any(of);
    if n < MIN_RUNS || !is_varied(&|idx| runs[idx].0 != runs[0].0) {
        return None;
    }
    if !is_varied(&|idx| runs[idx].2 != runs[0].2) {
        return None;
    }
    let metrics: Vec<f64> = runs.iter().map(|(_, _, metric)| *metric).collect();
    let metric_ranks = ranks(&metrics);
    let numbers: Option<Vec<f64>> = runs.iter().map(|(_, number, _)| *number).collect();
    let rank_correlation = numbers.and_then(|numbers| correlation(&ranks(&numbers), &metric_ranks));
    Some(Importance {
        rank_correlation,
        rank_ratio: ratio(
            &runs.iter().map(|run| run.0.as_str()).collect::<Vec<_>>(),
            &metric_ranks,
        ),
        n,
    })
}

impl Importance {
    /// One figure to sort by, 0 to 1: the larger of the two, both less what chance
    /// gives, so that a field gains nothing by its number of values.
    pub fn strength(self) -> f64 {
        let correlation = self
            .rank_correlation
            .map_or(0.0, |rho| beyond_chance(rho * rho, 1.0, self.n));
        self.rank_ratio.unwrap_or(0.0).max(correlation)
    }
}

/// The root of a share of the variance of `n` ranks less what `freedom` parameters
/// explain of it by chance, on a scale that ends at 1; 0 below chance. Of a ratio
/// (eta squared, Kelley's epsilon squared) they are one fewer than the values.
fn beyond_chance(share: f64, freedom: f64, n: usize) -> f64 {
    let by_chance = freedom / (n - 1) as f64;
    ((share - by_chance) / (1.0 - by_chance))
        .clamp(0.0, 1.0)
        .sqrt()
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let value = values[order[first]];
        let n_equal = order[first..]
            .iter()
            .take_while(|idx| values[**idx] == value)
            .count();
        let rank = first as f64 + (n_equal as f64 + 1.0) / 2.0;
        for idx in &order[first..first + n_equal] {
            ranks[*idx] = rank;
        }
        first += n_equal;
    }
    ranks
}

/// Pearson's correlation; none where one of them does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

/// The root of the share of the variance of `ranks` between groups of equal
/// names, beyond chance; none with fewer than two runs a group on average.
fn ratio(names: &[&str], ranks: &[f64]) -> Option<f64> {
    let mut groups: Vec<(&str, f64, f64)> = Vec::new();
    for (name, rank) in names.iter().zip(ranks) {
        match groups.iter_mut().find(|(of, _, _)| of == name) {
            Some((_, sum, n)) => {
                *sum += rank;
                *n += 1.0;
            }
            None => groups.push((name, *rank, 1.0)),
        }
    }
    if names.len() < 2 * groups.len() {
        return None;
    }
    let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
    let total: f64 = ranks.iter().map(|rank| (rank - mean).powi(2)).sum();
    let between: f64 = groups
        .iter()
        .map(|(_, sum, n)| n * (sum / n - mean).powi(2))
        .sum();
    let freedom = groups.len() as f64 - 1.0;
    (total > 0.0).then(|| beyond_chance(between / total, freedom, names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn of(runs: &[(f64, f64)]) -> Option<Importance> {
        let runs: Vec<_> = runs
            .iter()
            .map(|(value, metric)| (value.to_string(), Some(*value), *metric))
            .collect();
        importance(&runs)
    }

    /// `scipy.stats.spearmanr` of the same numbers, ties included.
    #[test]
    fn rank_correlations_are_spearmans() {
        let got = of(&[(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0), (5.0, 5.0)]).unwrap();
        assert!((got.rank_correlation.unwrap() - 0.8).abs() < 1e-12);
        let ties = of(&[(1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (2.0, 3.0)]).unwrap();
        let expected = 1.0 / 2.0_f64.sqrt();
        assert!(
            (ties.rank_correlation.unwrap() - expected).abs() < 1e-12,
            "{ties:?}"
        );
        assert_eq!(got.rank_ratio, None);
    }

    #[test]
    fn a_best_value_in_the_middle_is_seen_by_the_ratio_alone() {
        let runs = [
            (1.0, 3.0),
            (1.0, 3.1),
            (2.0, 1.0),
            (2.0, 1.1),
            (3.0, 3.05),
            (3.0, 3.06),
        ];
        let got = of(&runs).unwrap();
        assert!(got.rank_correlation.unwrap().abs() < 0.3, "{got:?}");
        // Ranks 3 6, 1 2, 4 5 of a mean of 3.5: 12 of 17.5 lie between the values,
        // and 2 of 5 would by chance.
        let want = ((12.0_f64 / 17.5 - 0.4) / 0.6).sqrt();
        assert!((got.rank_ratio.unwrap() - want).abs() < 1e-12, "{got:?}");
        assert_eq!(got.strength(), got.rank_ratio.unwrap());
    }

    /// A field of two values that moves the metric against one of eight that does
    /// not: values alone gain a field nothing. By the share of the variance as it is
    /// the second wins an eighth of these.
    #[test]
    fn many_values_do_not_look_important() {
        let mut random = SplitMix64::new(7);
        let (mut n_right, mut by_chance) = (0, 0.0);
        for _ in 0..400 {
            let mut of_two = Vec::new();
            let mut of_eight = Vec::new();
            for run in 0..16_usize {
                let metric = 2.0 * (run % 2) as f64 + random.normal();
                of_two.push(((run % 2).to_string(), None, metric));
                of_eight.push(((run / 2).to_string(), None, metric));
            }
            let of = |runs: &[(String, Option<f64>, f64)]| importance(runs).unwrap();
            n_right += usize::from(of(&of_two).strength() > of(&of_eight).strength());
            by_chance += of(&of_eight).rank_ratio.unwrap().powi(2) / 400.0;
        }
        assert!(n_right > 380, "{n_right} of 400");
        assert!(by_chance < 0.05, "{by_chance}");
    }

    #[test]
    fn nothing_is_said_without_a_difference() {
        assert_eq!(of(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]), None);
        assert_eq!(of(&[(1.0, 1.0); 5]), None);
        assert_eq!(of(&[(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0)]), None);
        let with_nan = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, f64::NAN)];
        assert_eq!(of(&with_nan), None);
    }
}
