//! The gradients of a step, summed over its micro-batches.

use burn::tensor::Tensor;

use crate::kernels::wkv7::largest;
use crate::model::LayerGradients;
use crate::model::branch::{BranchGradients, BranchGuard, FeatureMoments};
use crate::tuning::method::lora::LoraGradients;

/// Gradients of the tuned layers.
pub(crate) struct StepGradients {
    /// Summed nats, `[1]`.
    pub loss: Tensor<1>,
    /// Of S_0, [layers, H, N, N].
    pub state: Tensor<4>,
    /// Of the token shifts, [layers, 2, 1, C], where they are trained.
    pub shifts: Option<Tensor<4>>,
    /// Of the branches, where there are any.
    pub lift: Option<LiftSums>,
    /// Of the adapters, where there are any.
    pub lora: Option<LoraGradients>,
}

/// Gradients of the branches' tensors, and moments of their features.
pub(crate) struct LiftSums {
    /// Of the readout, [layers, H, N, M].
    pub weights: Tensor<4>,
    /// Of the mixing, [layers, H, M, M], where there is one.
    pub mixing: Option<Tensor<4>>,
    /// Of the write gates, [layers, H, 1, 1], where there are any.
    pub gate: Option<Tensor<4>>,
    /// The mean share of clamped decays summed over micro-batches, and
    /// the largest state, of a recurrence that is watched.
    guard: Option<BranchGuard>,
    n_batches: f32,
    /// Moments a layer, times the number of positions.
    moments: Option<Vec<FeatureMoments>>,
    n_positions: usize,
}

impl StepGradients {
    /// Of one micro-batch, or of a window with this share of its tokens, with moments
    /// over `n_positions`.
    pub fn new(
        loss: Tensor<1>,
        layers: Vec<LayerGradients>,
        n_positions: usize,
        share: f32,
    ) -> Self {
        let (mut states, mut branches) = (Vec::new(), Vec::new());
        let mut adapters = Vec::new();
        for layer in layers {
            states.push(layer.state.unsqueeze_dim(0));
            branches.push(layer.branch);
            adapters.push(layer.adapters);
        }
        let branches: Option<Vec<BranchGradients>> = branches.into_iter().collect();
        Self {
            loss,
            state: Tensor::cat(states, 0),
            shifts: None,
            lift: branches.map(|branches| LiftSums::new(branches, n_positions, share)),
            lora: LoraGradients::new(adapters),
        }
    }

    /// The sum of two micro-batches.
    pub fn add(self, other: Self) -> Self {
        Self {
            loss: self.loss + other.loss,
            state: self.state + other.state,
            shifts: self.shifts.zip(other.shifts).map(|(a, b)| a + b),
            lift: match (self.lift, other.lift) {
                (Some(a), Some(b)) => Some(a.add(b)),
                _ => None,
            },
            lora: self.lora.zip(other.lora).map(|(a, b)| a.add(b)),
        }
    }
}

impl LiftSums {
    fn new(branches: Vec<BranchGradients>, n_positions: usize, share: f32) -> Self {
        let (mut weights, mut mixing, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let (mut gates, mut guards) = (Vec::new(), Vec::new());
        let n_layer = branches.len();
        for branch in branches {
            weights.push(branch.weights.unsqueeze_dim(0));
            gates.extend(branch.gate.map(|gate| gate.reshape([1, -1, 1, 1])));
            guards.extend(branch.guard);
            mixing.extend(branch.mixing.map(|mixing| mixing.unsqueeze_dim(0)));
            moments.extend(branch.moments.map(|mean| FeatureMoments {
                second: mean.second * n_positions as f32,
                first: mean.first * n_positions as f32,
            }));
        }
        Self {
            weights: Tensor::cat(weights, 0),
            mixing: (mixing.len() == n_layer).then(|| Tensor::cat(mixing, 0)),
            gate: (gates.len() == n_layer).then(|| Tensor::cat(gates, 0)),
            guard: (guards.len() == n_layer).then(|| {
                let (clamped, largest_of): (Vec<_>, Vec<_>) =
                    guards.into_iter().map(|g| (g.clamped, g.largest)).unzip();
                BranchGuard {
                    clamped: Tensor::cat(clamped, 0).mean() * share,
                    largest: largest(Tensor::cat(largest_of, 0)),
                }
            }),
            n_batches: share,
            moments: (moments.len() == n_layer).then_some(moments),
            n_positions,
        }
    }

    fn add(self, other: Self) -> Self {
        let both = |a: Option<Tensor<4>>, b: Option<Tensor<4>>| Some(a? + b?);
        let moments = match (self.moments, other.moments) {
            (Some(a), Some(b)) => {
                let sum = a.into_iter().zip(b).map(|(a, b)| FeatureMoments {
                    second: a.second + b.second,
                    first: a.first + b.first,
                });
                Some(sum.collect())
            }
            // A window without a chosen position has none.
            (one, None) | (None, one) => one,
        };
        Self {
            weights: self.weights + other.weights,
            mixing: both(self.mixing, other.mixing),
            gate: both(self.gate, other.gate),
            guard: self.guard.zip(other.guard).map(|(a, b)| BranchGuard {
                clamped: a.clamped + b.clamped,
                largest: largest(Tensor::cat(vec![a.largest, b.largest], 0)),
            }),
            n_batches: self.n_batches + other.n_batches,
            moments,
            n_positions: self.n_positions + other.n_positions,
        }
    }

    /// The mean share of clamped decays and the largest state, of a recurrence
    /// that is watched.
    pub fn guard(&self) -> Option<BranchGuard> {
        let guard = self.guard.clone()?;
        Some(BranchGuard {
            clamped: guard.clamped / self.n_batches,
            largest: guard.largest,
        })
    }

    /// Moments of the features of every layer, where they were asked for.
    pub fn mean_moments(&self) -> Option<Vec<FeatureMoments>> {
        let n = self.n_positions as f32;
        let layers = self.moments.as_ref()?.iter();
        let mean = layers.map(|sum| FeatureMoments {
            second: sum.second.clone() / n,
            first: sum.first.clone() / n,
        });
        Some(mean.collect())
    }
}
