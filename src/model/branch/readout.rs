//! A linear readout of features of the receptance: a static function of the
//! present token, or one that decays with the tokens.
//!
//! ```text
//! z_t = mixing (features(r_t) - mean)
//! y_t = weights (d_t * z_t)        d_t = d_{t-1} * (averages w_t)
//! ```
//!
//! `mixing`, `mean` and the decay d are optional. Per head, features are
//! columns; everything is a matrix product over all tokens.

use burn::tensor::{Int, Tensor};

use super::super::linear::n_values;
use super::feature_lift::{FeatureLift, LiftedRows};
use super::{
    BranchCarried, BranchGradients, BranchInputGradients, heads_first, moments, tokens_first,
};

/// The readout of one layer.
#[derive(Debug, Clone)]
pub struct ReadoutBranch {
    /// What is made of the receptance.
    pub lift: FeatureLift,
    /// Reads the features out, [H, N, M].
    pub weights: Tensor<3>,
    /// How the readout forgets; not at all without one.
    pub decay: Option<BranchDecay>,
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

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(in crate::model) struct ReadoutTape {
    branch: ReadoutBranch,
    pub(super) rows: LiftedRows,
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

impl ReadoutBranch {
    /// What is added to y for the receptance and decay of every token,
    /// [B, T, H, N] each; the branch after the last token; what the backward
    /// pass reads.
    pub(super) fn forward(self, r: &Tensor<4>, w: &Tensor<4>) -> (Tensor<4>, Self, ReadoutTape) {
        let shape = r.dims();
        let rows = self.lift.forward(heads_first(r.clone()));
        let (decayed, last) = match &self.decay {
            Some(decay) => {
                let (decayed, left) = decay.forward(w);
                (Some(decayed), Some(left))
            }
            None => (None, None),
        };
        let read = match &decayed {
            Some(decayed) => rows.out().clone() * decayed.left.clone(),
            None => rows.out().clone(),
        };
        let y = read.matmul(self.weights.clone().swap_dims(1, 2));
        let mut after = self.clone();
        if let (Some(decay), Some(left)) = (&mut after.decay, last) {
            decay.left = left;
        }
        let tape = ReadoutTape {
            branch: self,
            rows,
            decayed,
        };
        (tokens_first(y, shape), after, tape)
    }

    /// The branch with what is left of its features changed.
    pub(super) fn map_left(&self, of_left: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        let mut branch = self.clone();
        if let Some(decay) = &mut branch.decay {
            decay.left = of_left(decay.left.clone());
        }
        branch
    }

    /// What is left of its features, for `n_batch` texts.
    pub(super) fn left_of(&self, n_batch: usize) -> Option<Tensor<3>> {
        let decay = self.decay.as_ref()?;
        let [_, n_head, n_features] = decay.left.dims();
        Some(decay.left.clone().expand([n_batch, n_head, n_features]))
    }
}

impl ReadoutTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let decayed = self.decayed.as_ref();
        self.rows.n_values() + decayed.map_or(0, |d| n_values(&d.factor) + n_values(&d.left))
    }

    /// As [`super::BranchTape::backward`].
    pub(super) fn backward(
        &self,
        r: &Tensor<4>,
        dy: Tensor<4>,
        dleft: Option<Tensor<3>>,
        is_below: bool,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> (BranchGradients, Option<BranchInputGradients>) {
        let Self {
            branch,
            rows,
            decayed,
        } = self;
        let shape = r.dims();
        let dy = heads_first(dy);
        let read = match decayed {
            Some(decayed) => rows.out().clone() * decayed.left.clone(),
            None => rows.out().clone(),
        };
        let weights = dy.clone().swap_dims(1, 2).matmul(read);
        let mut gradients = BranchGradients {
            weights,
            mixing: None,
            gate: None,
            moments: moments_at.map(|at| moments(&rows.features, at)),
            guard: None,
            carried: None,
        };
        if !is_below && !branch.lift.wants_mixing_gradient() {
            return (gradients, None);
        }
        let dread = dy.matmul(branch.weights.clone());
        let dmixed = match decayed {
            Some(decayed) => dread.clone() * decayed.left.clone(),
            None => dread.clone(),
        };
        gradients.mixing = branch.lift.mixing_gradient(rows, &dmixed);
        if !is_below {
            return (gradients, None);
        }
        let dr = branch
            .lift
            .input_gradient(heads_first(r.clone()), rows, dmixed);
        let w = match (decayed, &branch.decay) {
            (Some(decayed), Some(decay)) => {
                let of_left = dread * rows.out().clone();
                let (w, log_left) = decay.backward(decayed, of_left, dleft, shape);
                gradients.carried = Some(BranchCarried::LogLeft(log_left));
                Some(w)
            }
            _ => None,
        };
        let inputs = BranchInputGradients {
            w,
            ..BranchInputGradients::of_receptance(tokens_first(dr, shape))
        };
        (gradients, Some(inputs))
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

    /// The gradient of w for `dleft`, that of what is left after every token, and
    /// for `dlast` [B, H, M], that of the logarithm of what is left in the end,
    /// where something reads it; and the gradient of the logarithm of what was
    /// left before the first token, [B, H, M].
    fn backward(
        &self,
        decayed: &Decayed,
        dleft: Tensor<3>,
        dlast: Option<Tensor<3>>,
        shape: [usize; 4],
    ) -> (Tensor<4>, Tensor<3>) {
        let [n_batch, n_tokens, n_head, _] = shape;
        let n_features = self.averages.dims()[1];
        let dlog = (dleft * decayed.left.clone()).reshape([n_head, n_batch, n_tokens, n_features]);
        let dlog = match dlast {
            Some(dlast) => {
                let t = n_tokens - 1;
                let dlast = dlast.swap_dims(0, 1).unsqueeze_dim::<4>(2);
                let both = dlog.clone().narrow(2, t, 1) + dlast;
                let at = [0..n_head, 0..n_batch, t..n_tokens, 0..n_features];
                dlog.slice_assign(at, both)
            }
            None => dlog,
        };
        // Every later token is scaled by this one's factor.
        let dlog = dlog.flip([2]).cumsum(2).flip([2]);
        let first = dlog.clone().narrow(2, 0, 1).squeeze_dim::<3>(2);
        let dfactor = dlog.reshape([n_head, n_batch * n_tokens, n_features]);
        let dfactor = dfactor / decayed.factor.clone();
        let w = tokens_first(dfactor.matmul(self.averages.clone()), shape);
        (w, first.swap_dims(0, 1))
    }
}
