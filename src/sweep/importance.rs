//! How much a field matters for a metric, by ranks: no model is fitted, so it
//! says how a metric goes with a field over the runs there are, and no more.

/// How a metric goes with a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Importance {
    /// Spearman's rank correlation, -1 to 1; none for a field of choices.
    pub rank_correlation: Option<f64>,
    /// The correlation ratio of the ranks, 0 to 1: the root of the share of
    /// their variance that lies between the field's values. It also sees a
    /// best value in the middle. None where hardly a value comes twice.
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
    /// One figure to sort by.
    pub fn strength(self) -> f64 {
        let correlation = self.rank_correlation.map_or(0.0, f64::abs);
        self.rank_ratio.unwrap_or(0.0).max(correlation)
    }
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
/// names; none with fewer than two runs a group on average.
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
    (total > 0.0).then(|| (between / total).sqrt().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(got.rank_ratio.unwrap() > 0.82, "{got:?}");
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
