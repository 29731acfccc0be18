//! How far a square matrix is from one that cannot be inverted.

use std::ops::Range;

use super::singular_values::singular_values;

/// The largest singular value of `matrix`, [n, n] row-major, over the smallest:
/// 1 where it only turns and scales, infinite where it cannot be inverted, not a
/// number where it holds a NaN.
pub fn condition_number(matrix: &[f32], n: usize) -> f64 {
    let Some(values) = singular_values(matrix, n) else {
        return f64::NAN;
    };
    match (values.first(), values.last()) {
        // What is below this is the rounding of the decomposition.
        (Some(largest), Some(smallest)) if *smallest > n as f64 * f64::EPSILON * largest => {
            largest / smallest
        }
        _ => f64::INFINITY,
    }
}

/// The larger condition number; what is not a number stays what it is.
pub(crate) fn worse(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// The condition numbers of the layers' R, as each was measured last. All of them
/// at once would hold up the training of a large model: 805 MB are read and
/// decomposed for 24 layers of 32 heads with M 512.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conditions {
    of_layers: Vec<f64>,
    /// Whose turn it is.
    next: usize,
}

impl Conditions {
    /// The layers of `n_layer` to measure now: the one whose turn it is, or all,
    /// which is also what the first look takes.
    pub fn due(&mut self, n_layer: usize, all: bool) -> Range<usize> {
        if all || self.of_layers.len() != n_layer {
            self.of_layers = vec![1.0; n_layer];
            return 0..n_layer;
        }
        let turn = self.next.min(n_layer);
        self.next = (turn + 1) % n_layer.max(1);
        turn..(turn + 1).min(n_layer)
    }

    /// Takes in what was measured of a layer.
    ///
    /// # Panics
    /// Where there is no such layer.
    pub fn see(&mut self, layer_idx: usize, condition: f64) {
        self.of_layers[layer_idx] = condition;
    }

    /// The largest of all layers; none without a layer.
    pub fn largest(&self) -> Option<f64> {
        self.of_layers.iter().copied().reduce(worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// `H_1 diag(values) H_2` for two reflections, which change no singular value.
    fn turned(values: &[f64]) -> Vec<f32> {
        let n = values.len();
        let mut random = SplitMix64::new(5);
        let mut axis = || {
            let drawn: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let norm = drawn.iter().map(|x| x * x).sum::<f64>().sqrt();
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
        // The matrices are rounded to 32 bits.
        assert!((got / want - 1.0).abs() < 1e-4, "{got}, not {want}");
    }

    #[test]
    fn condition_numbers_of_known_matrices() {
        check(&[2.0], 1.0);
        check(&[0.0, 3.0, -1.0, 0.0], 3.0);
        // The square of the golden ratio.
        check(&[1.0, 1.0, 0.0, 1.0], 2.618034);
        check(&[0.5_f32.powi(20), 0.0, 0.0, 1.0], 1_048_576.0);
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

    #[test]
    fn layers_take_turns_and_the_largest_number_is_that_of_all() {
        let mut known = Conditions::default();
        assert_eq!((known.due(3, false), known.largest()), (0..3, Some(1.0)));
        for (layer, condition) in [5.0, 9.0, 2.0].into_iter().enumerate() {
            known.see(layer, condition);
        }
        assert_eq!(known.largest(), Some(9.0));
        assert_eq!(known.due(3, false), 0..1);
        known.see(0, 7.0);
        assert_eq!((known.due(3, false), known.largest()), (1..2, Some(9.0)));
        known.see(1, 3.0);
        assert_eq!((known.due(3, false), known.largest()), (2..3, Some(7.0)));
        known.see(2, f64::NAN);
        assert!(known.largest().unwrap().is_nan());
        assert_eq!(known.due(3, false), 0..1);
        assert_eq!(known.due(3, true), 0..3);
        let mut nothing = Conditions::default();
        assert_eq!((nothing.due(0, true), nothing.largest()), (0..0, None));
        assert_eq!((nothing.due(0, false), nothing.largest()), (0..0, None));
    }
}
