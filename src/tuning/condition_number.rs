//! How far a square matrix is from one that cannot be inverted.

use crate::random::SplitMix64;

/// Rounds of an iteration that converges to a singular value.
const MAX_ROUNDS: usize = 200;
/// An iteration ends when its value changes by less than this share.
const TOLERANCE: f64 = 1e-4;

/// The largest singular value of `matrix`, [n, n] row-major, over the smallest,
/// to about a percent: 1 where it only turns and scales, infinite where it
/// cannot be inverted, not a number where it holds one that is none. Both come
/// from iterations on `R^T R` and its inverse, about `n^3` operations in all,
/// a tenth of what a decomposition takes.
pub fn condition_number(matrix: &[f32], n: usize) -> f64 {
    if matrix.iter().any(|x| !x.is_finite()) {
        return f64::NAN;
    }
    let rows: Vec<f64> = matrix.iter().map(|x| f64::from(*x)).collect();
    let Some(factors) = Factors::new(rows.clone(), n) else {
        return f64::INFINITY;
    };
    let largest = growth(n, |x| transposed_times(&rows, &times(&rows, x)));
    let of_inverse = growth(n, |x| factors.solve(&factors.solve_transposed(x)));
    (largest * of_inverse).sqrt()
}

/// The largest eigenvalue of a positive map, by repeating it.
fn growth(n: usize, map: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    let mut random = SplitMix64::new(n as u64);
    let mut x: Vec<f64> = (0..n).map(|_| random.normal()).collect();
    let mut last = 0.0;
    for _ in 0..MAX_ROUNDS {
        let norm = norm(&x);
        x.iter_mut().for_each(|x| *x /= norm);
        x = map(&x);
        let now = self::norm(&x);
        if !now.is_finite() || (now - last).abs() <= TOLERANCE * now {
            return now;
        }
        last = now;
    }
    last
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn times(rows: &[f64], x: &[f64]) -> Vec<f64> {
    let row = |row: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum();
    rows.chunks_exact(x.len()).map(row).collect()
}

fn transposed_times(rows: &[f64], x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    for (row, x) in rows.chunks_exact(x.len()).zip(x) {
        add(&mut out, row, *x);
    }
    out
}

/// `to += scale * x`.
fn add(to: &mut [f64], x: &[f64], scale: f64) {
    for (to, x) in to.iter_mut().zip(x) {
        *to += scale * x;
    }
}

/// `L U` of a matrix whose rows are exchanged, both in one array.
struct Factors {
    rows: Vec<f64>,
    /// The row of the matrix that stands at every place.
    order: Vec<usize>,
}

impl Factors {
    /// None where the matrix cannot be inverted.
    fn new(mut rows: Vec<f64>, n: usize) -> Option<Self> {
        let mut order: Vec<usize> = (0..n).collect();
        for column in 0..n {
            let magnitude = |row: &usize| rows[row * n + column].abs();
            let pivot = (column..n).max_by(|a, b| magnitude(a).total_cmp(&magnitude(b)))?;
            if magnitude(&pivot) == 0.0 {
                return None;
            }
            if pivot != column {
                order.swap(pivot, column);
                let (above, below) = rows.split_at_mut(pivot * n);
                above[column * n..][..n].swap_with_slice(&mut below[..n]);
            }
            let (above, below) = rows.split_at_mut((column + 1) * n);
            let top = &above[column * n..];
            for row in below.chunks_exact_mut(n) {
                let factor = row[column] / top[column];
                row[column] = factor;
                add(&mut row[column + 1..], &top[column + 1..], -factor);
            }
        }
        Some(Self { rows, order })
    }

    fn row(&self, idx: usize) -> &[f64] {
        let n = self.order.len();
        &self.rows[idx * n..][..n]
    }

    /// x of `R x = b`.
    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = b.len();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut x: Vec<f64> = self.order.iter().map(|row| b[*row]).collect();
        for idx in 0..n {
            x[idx] -= dot(&self.row(idx)[..idx], &x[..idx]);
        }
        for idx in (0..n).rev() {
            let row = self.row(idx);
            x[idx] = (x[idx] - dot(&row[idx + 1..], &x[idx + 1..])) / row[idx];
        }
        x
    }

    /// x of `R^T x = b`.
    fn solve_transposed(&self, b: &[f64]) -> Vec<f64> {
        let n = b.len();
        let mut y = b.to_vec();
        for idx in 0..n {
            let row = self.row(idx);
            y[idx] /= row[idx];
            let value = y[idx];
            add(&mut y[idx + 1..], &row[idx + 1..], -value);
        }
        for idx in (0..n).rev() {
            let value = y[idx];
            add(&mut y[..idx], &self.row(idx)[..idx], -value);
        }
        let mut x = vec![0.0; n];
        for (value, row) in y.iter().zip(&self.order) {
            x[*row] = *value;
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `H_1 diag(values) H_2` for two reflections, which change no singular value.
    fn turned(values: &[f64]) -> Vec<f32> {
        let n = values.len();
        let mut random = SplitMix64::new(5);
        let mut axis = || {
            let drawn: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let norm = norm(&drawn);
            drawn.iter().map(|x| x / norm).collect::<Vec<f64>>()
        };
        let (left, right) = (axis(), axis());
        let reflection = |axis: &[f64], row: usize, column: usize| {
            let on_diagonal = if row == column { 1.0 } else { 0.0 };
            on_diagonal - 2.0 * axis[row] * axis[column]
        };
        let at = |row: usize, column: usize| -> f64 {
            let terms = values.iter().enumerate().map(|(k, value)| {
                reflection(&left, row, k) * value * reflection(&right, k, column)
            });
            terms.sum()
        };
        (0..n * n).map(|idx| at(idx / n, idx % n) as f32).collect()
    }

    fn check(matrix: &[f32], want: f64) {
        let n = matrix.len().isqrt();
        let got = condition_number(matrix, n);
        assert!((got / want - 1.0).abs() < 1e-2, "{got}, not {want}");
    }

    #[test]
    fn condition_numbers_of_known_matrices() {
        check(&[2.0], 1.0);
        check(&[0.0, 3.0, -1.0, 0.0], 3.0);
        check(&turned(&[1.0; 48]), 1.0);
        let mut values: Vec<f64> = (0..48).map(|idx| 1.0 + 0.1 * f64::from(idx)).collect();
        check(&turned(&values), 5.7);
        values[7] = 0.01;
        check(&turned(&values), 570.0);
    }

    #[test]
    fn what_has_no_inverse_is_infinite_and_what_is_no_number_none() {
        assert_eq!(condition_number(&[1.0, 2.0, 2.0, 4.0], 2), f64::INFINITY);
        assert_eq!(condition_number(&[0.0; 9], 3), f64::INFINITY);
        assert!(condition_number(&[1.0, f32::NAN, 0.0, 1.0], 2).is_nan());
    }
}
