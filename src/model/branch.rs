//! A branch beside the recurrence: a linear readout of features of the
//! receptance, added to y in front of the group norm. A model without one is
//! the plain RWKV-7.
//!
//! ```text
//! z_t = mixing (features(r_t) - mean)
//! y_t = S_t r_t + weights (d_t * z_t)        d_t = d_{t-1} * (averages w_t)
//! ```
//!
//! `mixing`, `mean` and the decay d are optional. Per head, features are
//! columns; everything is a matrix product over all tokens.

use burn::tensor::{Int, Tensor};

use super::linear::n_values;
use crate::kernels::radial_features::RadialFeatures;

#[cfg(test)]
mod tests;

/// The branch of one layer.
#[derive(Debug, Clone)]
pub struct Branch {
    /// What is made of the receptance.
    pub features: FeatureMap,
    /// Taken off the features first, [H, M].
    pub mean: Option<Tensor<2>>,
    /// Mixes the features, [H, M, M]; the identity without one.
    pub mixing: Option<Tensor<3>>,
    /// Reads the features out, [H, N, M].
    pub weights: Tensor<3>,
    /// How the branch forgets; not at all without one.
    pub decay: Option<BranchDecay>,
}

/// From a receptance of N numbers to M features.
#[derive(Debug, Clone)]
pub enum FeatureMap {
    /// The nearness to M support vectors.
    Radial(Box<RadialFeatures>),
    /// The receptance itself, M = N: what tests compare with.
    Identity,
}

/// A decay of every feature that follows the model's own.
#[derive(Debug, Clone)]
pub struct BranchDecay {
    /// Averages the decays of the N key channels for every feature, rows sum
    /// to 1, [H, M, N].
    pub averages: Tensor<3>,
    /// What is left of every feature so far, [B or 1, H, M].
    pub left: Tensor<3>,
}

/// What the backward pass of a branch reads.
#[derive(Debug, Clone)]
pub(super) struct BranchTape {
    branch: Branch,
    /// [H, B * T, M].
    features: Tensor<3>,
    /// After `mean` and `mixing`, where there is one of them.
    mixed: Option<Tensor<3>>,
    decayed: Option<Decayed>,
}

/// The decay of every token, [H, B * T, M] each.
#[derive(Debug, Clone)]
struct Decayed {
    /// The average that this token multiplies by.
    factor: Tensor<3>,
    /// What is left after it.
    left: Tensor<3>,
}

/// Gradients of the tensors of a branch, summed over the batch.
#[derive(Debug, Clone)]
pub struct BranchGradients {
    /// Of [`Branch::weights`], [H, N, M].
    pub weights: Tensor<3>,
    /// Of [`Branch::mixing`], [H, M, M], where there is one.
    pub mixing: Option<Tensor<3>>,
    /// Moments of the features, where they were asked for.
    pub moments: Option<FeatureMoments>,
}

/// Moments of the features over chosen positions.
#[derive(Debug, Clone)]
pub struct FeatureMoments {
    /// Mean of `features features^T`, [H, M, M].
    pub second: Tensor<3>,
    /// Mean of the features, [H, M].
    pub first: Tensor<2>,
}

/// Gradients of what a branch reads of every token, [B, T, H, N].
pub(super) struct BranchInputGradients {
    pub r: Tensor<4>,
    pub w: Option<Tensor<4>>,
}

impl BranchTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let decayed = self.decayed.as_ref();
        n_values(&self.features)
            + self.mixed.as_ref().map_or(0, n_values)
            + decayed.map_or(0, |d| n_values(&d.factor) + n_values(&d.left))
    }
}

impl FeatureMap {
    /// The nearness to support vectors.
    pub fn radial(features: RadialFeatures) -> Self {
        Self::Radial(Box::new(features))
    }

    /// `x`: [H, rows, N] → [H, rows, M].
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Radial(radial) => radial.forward(x),
            Self::Identity => x,
        }
    }

    fn backward(&self, x: Tensor<3>, features: Tensor<3>, dfeatures: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Radial(radial) => radial.backward(x, features, dfeatures),
            Self::Identity => dfeatures,
        }
    }
}

impl Branch {
    /// What is added to y for the receptance and decay of every token,
    /// [B, T, H, N] each; the branch after the last token; what the backward
    /// pass reads.
    pub(super) fn forward(self, r: &Tensor<4>, w: &Tensor<4>) -> (Tensor<4>, Self, BranchTape) {
        let shape = r.dims();
        let features = self.features.forward(heads_first(r.clone()));
        let mixed = self.mix(&features);
        let (decayed, last) = match &self.decay {
            Some(decay) => {
                let (decayed, left) = decay.forward(w);
                (Some(decayed), Some(left))
            }
            None => (None, None),
        };
        let read = mixed.clone().unwrap_or_else(|| features.clone());
        let read = match &decayed {
            Some(decayed) => read * decayed.left.clone(),
            None => read,
        };
        let y = read.matmul(self.weights.clone().swap_dims(1, 2));
        let mut after = self.clone();
        if let (Some(decay), Some(left)) = (&mut after.decay, last) {
            decay.left = left;
        }
        let tape = BranchTape {
            branch: self,
            features,
            mixed,
            decayed,
        };
        (tokens_first(y, shape), after, tape)
    }

    fn mix(&self, features: &Tensor<3>) -> Option<Tensor<3>> {
        if self.mean.is_none() && self.mixing.is_none() {
            return None;
        }
        let centred = self.centred(features);
        Some(match &self.mixing {
            Some(mixing) => centred.matmul(mixing.clone().swap_dims(1, 2)),
            None => centred,
        })
    }

    fn centred(&self, features: &Tensor<3>) -> Tensor<3> {
        match &self.mean {
            Some(mean) => features.clone() - mean.clone().unsqueeze_dim(1),
            None => features.clone(),
        }
    }

    /// The branch for a batch of which every entry goes on from it.
    pub(super) fn map_batch(&self, of_left: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        let mut branch = self.clone();
        if let Some(decay) = &mut branch.decay {
            decay.left = of_left(decay.left.clone());
        }
        branch
    }

    /// Batches behind each other, which share all but what is left.
    pub(super) fn concatenate(batches: &[(&Self, usize)]) -> Option<Self> {
        let (first, _) = batches.first()?;
        let left = |(branch, n_batch): &(&Self, usize)| {
            let decay = branch.decay.as_ref()?;
            let [_, n_head, n_features] = decay.left.dims();
            Some(decay.left.clone().expand([*n_batch, n_head, n_features]))
        };
        let left: Option<Vec<_>> = batches.iter().map(left).collect();
        Some(first.map_batch(|own| left.map_or(own, |left| Tensor::cat(left, 0))))
    }
}

impl BranchTape {
    /// Gradients for `dy` [B, T, H, N]; those of the receptance `r` and the
    /// decay if `is_below`, and the moments of the features at the positions
    /// `moments_at`, `batch_idx * T + t`.
    pub(super) fn backward(
        &self,
        r: &Tensor<4>,
        dy: Tensor<4>,
        is_below: bool,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> (BranchGradients, Option<BranchInputGradients>) {
        let Self {
            branch,
            features,
            mixed,
            decayed,
        } = self;
        let shape = r.dims();
        let dy = heads_first(dy);
        let mixed = mixed.as_ref().unwrap_or(features);
        let read = match decayed {
            Some(decayed) => mixed.clone() * decayed.left.clone(),
            None => mixed.clone(),
        };
        let weights = dy.clone().swap_dims(1, 2).matmul(read);
        let mut gradients = BranchGradients {
            weights,
            mixing: None,
            moments: moments_at.map(|at| moments(features, at)),
        };
        if !is_below && branch.mixing.is_none() {
            return (gradients, None);
        }
        let dread = dy.matmul(branch.weights.clone());
        let dmixed = match decayed {
            Some(decayed) => dread.clone() * decayed.left.clone(),
            None => dread.clone(),
        };
        if branch.mixing.is_some() {
            let centred = branch.centred(features);
            gradients.mixing = Some(dmixed.clone().swap_dims(1, 2).matmul(centred));
        }
        if !is_below {
            return (gradients, None);
        }
        let dfeatures = match &branch.mixing {
            Some(mixing) => dmixed.matmul(mixing.clone()),
            None => dmixed,
        };
        let x = heads_first(r.clone());
        let dr = branch.features.backward(x, features.clone(), dfeatures);
        let w = match (decayed, &branch.decay) {
            (Some(decayed), Some(decay)) => {
                Some(decay.backward(decayed, dread * mixed.clone(), shape))
            }
            _ => None,
        };
        let r = tokens_first(dr, shape);
        (gradients, Some(BranchInputGradients { r, w }))
    }
}

impl BranchDecay {
    /// The decay of every token for `w` [B, T, H, N], and what is left in the
    /// end, [B, H, M].
    fn forward(&self, w: &Tensor<4>) -> (Decayed, Tensor<3>) {
        let [n_batch, n_tokens, n_head, _] = w.dims();
        let n_features = self.averages.dims()[1];
        let averages = self.averages.clone().swap_dims(1, 2);
        let factor = heads_first(w.clone()).matmul(averages);
        // In logarithms, so that a product that vanishes has a gradient.
        let log = factor
            .clone()
            .log()
            .reshape([n_head, n_batch, n_tokens, n_features]);
        let so_far = self.left.clone().swap_dims(0, 1).unsqueeze_dim(2);
        let left = log.cumsum(2).exp() * so_far;
        let last = left.clone().narrow(2, n_tokens - 1, 1);
        let last = last.squeeze_dim::<3>(2).swap_dims(0, 1);
        let left = left.reshape([n_head, n_batch * n_tokens, n_features]);
        (Decayed { factor, left }, last)
    }

    /// The gradient of w for `dleft`, that of what is left after every token.
    fn backward(&self, decayed: &Decayed, dleft: Tensor<3>, shape: [usize; 4]) -> Tensor<4> {
        let [n_batch, n_tokens, n_head, _] = shape;
        let n_features = self.averages.dims()[1];
        let dlog = (dleft * decayed.left.clone()).reshape([n_head, n_batch, n_tokens, n_features]);
        // Every later token is scaled by this one's factor.
        let dlog = dlog.flip([2]).cumsum(2).flip([2]);
        let dfactor = dlog.reshape([n_head, n_batch * n_tokens, n_features]);
        let dfactor = dfactor / decayed.factor.clone();
        tokens_first(dfactor.matmul(self.averages.clone()), shape)
    }
}

fn moments(features: &Tensor<3>, at: &Tensor<1, Int>) -> FeatureMoments {
    let chosen = features.clone().select(1, at.clone());
    let n_rows = chosen.dims()[1] as f32;
    FeatureMoments {
        second: chosen.clone().swap_dims(1, 2).matmul(chosen.clone()) / n_rows,
        first: chosen.mean_dim(1).squeeze_dim(1),
    }
}

/// [B, T, H, N] → [H, B * T, N].
pub(super) fn heads_first(x: Tensor<4>) -> Tensor<3> {
    let [n_batch, n_tokens, n_head, head_size] = x.dims();
    x.reshape([n_batch * n_tokens, n_head, head_size])
        .swap_dims(0, 1)
}

/// [H, B * T, N] → [B, T, H, N], the `shape`.
fn tokens_first(x: Tensor<3>, shape: [usize; 4]) -> Tensor<4> {
    x.swap_dims(0, 1).reshape(shape)
}
