//! A matrix in a few numbers: what stands beside its picture.

use super::singular_values::singular_values;

/// Bars of a histogram.
pub const N_BARS: usize = 41;

/// A matrix in a few numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixStatistics {
    /// The root of the sum of squares.
    pub norm: f64,
    /// The largest magnitude of the finite numbers.
    pub max_abs: f32,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Numbers that are not finite; the others make the rest of this.
    pub n_not_finite: usize,
    /// Largest first; empty where a number is not finite.
    pub singular_values: Vec<f64>,
    /// How many directions the matrix uses: the participation ratio of the
    /// squared singular values, `|A|_F^4 / |A^T A|_F^2`, from 1 to the smaller
    /// side; 0 for zeros.
    pub effective_rank: f64,
    /// How often which numbers occur.
    pub histogram: Histogram,
}

/// How often which numbers occur, in [`N_BARS`] intervals of like width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The intervals reach from minus this to this.
    pub limit: f32,
    /// Numbers in each, the lowest first.
    pub counts: Vec<usize>,
}

impl MatrixStatistics {
    /// Of a row-major matrix.
    pub fn of(matrix: &[f32], columns: usize) -> Self {
        Self::with(matrix, singular_values(matrix, columns).unwrap_or_default())
    }

    /// Of a row-major matrix whose singular values are known, the largest first, at
    /// least those that are not zero; none where a number is not finite.
    pub fn with(matrix: &[f32], singular_values: Vec<f64>) -> Self {
        let finite = || matrix.iter().copied().filter(|x| x.is_finite());
        let n = finite().count();
        let sum: f64 = finite().map(f64::from).sum();
        let mean = if n > 0 { sum / n as f64 } else { 0.0 };
        let spread: f64 = finite().map(|x| (f64::from(x) - mean).powi(2)).sum();
        let max_abs = finite().fold(0.0, |most: f32, x| most.max(x.abs()));
        Self {
            norm: finite().map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt(),
            max_abs,
            mean,
            deviation: (spread / n.max(1) as f64).sqrt(),
            n_not_finite: matrix.len() - n,
            effective_rank: participation(&singular_values),
            singular_values,
            histogram: Histogram::of(matrix, max_abs),
        }
    }

    /// Largest over smallest singular value; infinite for a singular matrix.
    pub fn condition(&self) -> f64 {
        let values = &self.singular_values;
        match (values.first(), values.last()) {
            // What is below this is the rounding of 32-bit numbers.
            (Some(most), Some(least)) if *least > 1e-7 * most => most / least,
            _ => f64::INFINITY,
        }
    }
}

impl Histogram {
    /// Of numbers of which the largest magnitude is `limit`.
    fn of(values: &[f32], limit: f32) -> Self {
        let mut counts = vec![0; N_BARS];
        for value in values.iter().filter(|x| x.is_finite()) {
            let share = if limit > 0.0 { value / limit } else { 0.0 };
            let idx = ((share + 1.0) / 2.0 * N_BARS as f32) as usize;
            counts[idx.min(N_BARS - 1)] += 1;
        }
        Self { limit, counts }
    }
}

/// `(sum s^2)^2 / sum s^4`; 0 where there is nothing.
fn participation(singular_values: &[f64]) -> f64 {
    let largest = singular_values.first().copied().unwrap_or(0.0);
    if largest <= 0.0 {
        return 0.0;
    }
    let squares = || singular_values.iter().map(|s| (s / largest).powi(2));
    squares().sum::<f64>().powi(2) / squares().map(|s| s * s).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matrix: &[f32], want: [f64; 5], condition: f64) {
        let got = MatrixStatistics::of(matrix, 2);
        let MatrixStatistics {
            norm,
            max_abs,
            mean,
            deviation,
            effective_rank,
            ..
        } = got.clone();
        let numbers = [norm, max_abs.into(), mean, deviation, effective_rank];
        for (got, want) in numbers.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{matrix:?}: {numbers:?}");
        }
        let counted: usize = got.histogram.counts.iter().sum();
        assert_eq!(counted + got.n_not_finite, matrix.len());
        let ratio = got.condition();
        assert!(
            ratio == condition || (ratio - condition).abs() < 1e-6,
            "{ratio}"
        );
    }

    #[test]
    fn statistics_of_known_matrices() {
        let inf = f64::INFINITY;
        check(&[0.0; 4], [0.0; 5], inf);
        check(
            &[3.0, 0.0, 0.0, -3.0],
            [18.0_f64.sqrt(), 3.0, 0.0, 4.5_f64.sqrt(), 2.0],
            1.0,
        );
        check(&[1.0; 4], [2.0, 1.0, 1.0, 0.0, 1.0], inf);
        // Squared singular values 9 and 1: 100 / 82.
        let spread = 2.25_f64.sqrt();
        check(
            &[0.0, 3.0, -1.0, 0.0],
            [10.0_f64.sqrt(), 3.0, 0.5, spread, 100.0 / 82.0],
            3.0,
        );
        check(
            &[f32::NAN, 2.0, 2.0, 2.0],
            [12.0_f64.sqrt(), 2.0, 2.0, 0.0, 0.0],
            inf,
        );
    }

    #[test]
    fn the_histogram_is_symmetric_about_zero() {
        let got = Histogram::of(&[-2.0, 0.0, 0.0, 2.0, f32::NAN], 2.0);
        assert_eq!(
            (
                got.counts[0],
                got.counts[N_BARS / 2],
                got.counts[N_BARS - 1]
            ),
            (1, 2, 1)
        );
        let zeros = Histogram::of(&[0.0; 3], 0.0);
        assert_eq!(zeros.counts[N_BARS / 2], 3);
    }
}
