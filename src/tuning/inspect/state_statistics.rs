//! What a tuned state looks like in a few numbers a layer.

use crate::tuning::states::state_file::TunedState;

/// Numbers of one layer of a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerStatistics {
    /// The root of the sum of squares.
    pub norm: f64,
    /// The largest magnitude.
    pub max_abs: f32,
    /// The mean magnitude.
    pub mean_abs: f64,
    /// How many directions a head's matrix uses, averaged over the heads: the
    /// participation ratio of the squared singular values,
    /// `|S|_F^4 / |S^T S|_F^2`, from 1 to N; 0 for a state of zeros.
    pub effective_rank: f64,
}

/// The statistics of every layer, in order.
pub fn layer_statistics(state: &TunedState) -> Vec<LayerStatistics> {
    let of_layer = |values: &Vec<f32>| {
        let n_values = values.len() as f64;
        let square = |x: &f32| f64::from(*x).powi(2);
        let heads = values.chunks_exact(state.n_per_head());
        let ranks: Vec<f64> = heads
            .map(|head| effective_rank(head, state.key_size))
            .collect();
        LayerStatistics {
            norm: values.iter().map(square).sum::<f64>().sqrt(),
            max_abs: values.iter().fold(0.0, |most, x| x.abs().max(most)),
            mean_abs: values.iter().map(|x| f64::from(x.abs())).sum::<f64>() / n_values,
            effective_rank: ranks.iter().sum::<f64>() / ranks.len() as f64,
        }
    };
    state.layers.iter().map(of_layer).collect()
}

/// The participation ratio of a matrix of `n` columns, row-major. No singular value is
/// needed: the sums of their squares and fourth powers are traces.
fn effective_rank(matrix: &[f32], n: usize) -> f64 {
    let mut gram = vec![0.0_f64; n * n];
    for row in matrix.chunks_exact(n) {
        for (sums, a) in gram.chunks_exact_mut(n).zip(row) {
            for (sum, b) in sums.iter_mut().zip(row) {
                *sum += f64::from(*a) * f64::from(*b);
            }
        }
    }
    let trace: f64 = gram.iter().step_by(n + 1).sum();
    let squares: f64 = gram.iter().map(|x| x * x).sum();
    if squares > 0.0 {
        trace * trace / squares
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matrix: [f32; 4], want: LayerStatistics) {
        let state = TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: vec![matrix.to_vec()],
            shifts: None,
        };
        assert_eq!(layer_statistics(&state), [want], "{matrix:?}");
    }

    #[test]
    fn statistics_of_known_matrices() {
        let of = |norm, max_abs, mean_abs, effective_rank| LayerStatistics {
            norm,
            max_abs,
            mean_abs,
            effective_rank,
        };
        check([0.0; 4], of(0.0, 0.0, 0.0, 0.0));
        check([3.0, 0.0, 0.0, -3.0], of(18.0_f64.sqrt(), 3.0, 1.5, 2.0));
        check([1.0, 1.0, 1.0, 1.0], of(2.0, 1.0, 1.0, 1.0));
        // Squared singular values 9 and 1: 100 / 82.
        check(
            [0.0, 3.0, -1.0, 0.0],
            of(10.0_f64.sqrt(), 3.0, 1.0, 100.0 / 82.0),
        );
    }
}
