//! The cross entropy of chosen positions, and its gradient in the residual stream.

use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::Model;
use super::linear::{linear_backward, rows, tokens};
use crate::kernels::loss::{Gradient, cross_entropy, cross_entropy_in_halves};
use crate::kernels::product::reads_halves;

/// Logits that are held at once, as 32-bit numbers: the vocabulary is large,
/// and so are the logits of every position.
const MAX_LOGITS: usize = 1 << 25;

/// Positions whose logits are held at once, for a vocabulary of `n_vocab`.
pub(crate) fn positions_of_a_part(n_vocab: usize) -> usize {
    (MAX_LOGITS / n_vocab.max(1)).max(1)
}

/// What [`Model::loss`] is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossOptions {
    /// The gradient is that of the summed loss times this; none without it.
    pub gradient_scale: Option<f32>,
    /// Add the gradient of RWKV-LM's L2Wrap.
    pub l2wrap: bool,
}

/// What [`Model::loss`] gives.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Nats, summed over the positions: `[1]`.
    pub sum: Tensor<1>,
    /// Gradient of the stream, [B, T, C].
    pub dx: Option<Tensor<3>>,
}

impl Model {
    /// The loss of predicting `targets` at the positions `at`, each
    /// `batch_idx * T + t`, of the residual stream `x` [B, T, C] that
    /// [`Self::forward_taped`] gave. No position comes twice.
    ///
    /// # Panics
    /// Without a position, or where targets and positions differ in number.
    pub fn loss(&self, x: Tensor<3>, at: &[u32], targets: &[u32], options: LossOptions) -> Loss {
        assert_eq!(at.len(), targets.len(), "a target for every position");
        let device = x.device();
        let [n_batch, n_tokens, n_embd] = x.dims();
        let x = rows(x);
        let per_part = positions_of_a_part(self.config().vocab_size);
        let wanted = match (options.gradient_scale, options.l2wrap) {
            (None, _) => Gradient::None,
            (Some(_), false) => Gradient::OfLoss,
            (Some(_), true) => Gradient::WithL2Wrap,
        };
        let parts = at.chunks(per_part).zip(targets.chunks(per_part));
        let (mut sums, mut gradients) = (Vec::new(), Vec::new());
        for (at, targets) in parts {
            let picked = x.clone().select(0, indices(at, &device));
            // What products alone read may be in 16 bits: the norm, and the gradient.
            let loss = if reads_halves(&picked, &self.head) {
                let logits = self.logits(self.ln_out.forward_in_halves(picked.clone()));
                cross_entropy_in_halves(logits, targets, wanted)
            } else {
                let logits = self.logits(self.ln_out.forward(picked.clone()));
                cross_entropy(logits, targets, wanted)
            };
            sums.push(loss.losses.sum());
            if let Some((scale, dlogits)) = options.gradient_scale.zip(loss.dlogits) {
                let dhidden = linear_backward(dlogits, &self.head);
                gradients.push(self.ln_out.backward(picked, dhidden * scale));
            }
        }
        let dx = options.gradient_scale.map(|_| {
            let spread = Tensor::zeros([n_batch * n_tokens, n_embd], &device).select_assign(
                0,
                indices(at, &device),
                Tensor::cat(gradients, 0),
                IndexingUpdateOp::Add,
            );
            tokens(spread, n_batch)
        });
        Loss {
            sum: Tensor::cat(sums, 0).sum(),
            dx,
        }
    }

    /// Hands the logits [positions, V] after the positions `at`, each `batch_idx * T
    /// + t`, of the residual stream `x` [B, T, C] to `take`, in parts that follow each
    /// other, with the places in `at` that a part has.
    pub fn each_logits(
        &self,
        x: &Tensor<3>,
        at: &[u32],
        take: &mut dyn FnMut(Range<usize>, Tensor<2>),
    ) {
        let device = x.device();
        let x = rows(x.clone());
        for (part, at) in parts(at, self.config().vocab_size) {
            let picked = x.clone().select(0, indices(at, &device));
            take(part, self.logits(self.ln_out.forward(picked)));
        }
    }

    /// The gradient [B, T, C] of the stream `x` for that of the logits after the
    /// positions `at`, as [`Self::each_logits`] has them: `dlogits` gives it for every
    /// part, [positions, V].
    ///
    /// # Panics
    /// Without a position.
    pub fn through_head(
        &self,
        x: Tensor<3>,
        at: &[u32],
        dlogits: &mut dyn FnMut(Range<usize>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<3> {
        let device = x.device();
        let [n_batch, n_tokens, n_embd] = x.dims();
        let x = rows(x);
        let mut gradients = Vec::new();
        for (part, at) in parts(at, self.config().vocab_size) {
            let picked = x.clone().select(0, indices(at, &device));
            let logits = self.logits(self.ln_out.forward(picked.clone()));
            let dhidden = linear_backward(dlogits(part, logits), &self.head);
            gradients.push(self.ln_out.backward(picked, dhidden));
        }
        let spread = Tensor::zeros([n_batch * n_tokens, n_embd], &device).select_assign(
            0,
            indices(at, &device),
            Tensor::cat(gradients, 0),
            IndexingUpdateOp::Add,
        );
        tokens(spread, n_batch)
    }

    /// The loss of every position in nats, `[positions]`, without a gradient; the
    /// rest is as in [`Self::loss`].
    ///
    /// # Panics
    /// As [`Self::loss`].
    pub fn token_losses(&self, x: Tensor<3>, at: &[u32], targets: &[u32]) -> Tensor<1> {
        assert_eq!(at.len(), targets.len(), "a target for every position");
        let device = x.device();
        let x = rows(x);
        let per_part = (MAX_LOGITS / self.config().vocab_size).max(1);
        let parts = at.chunks(per_part).zip(targets.chunks(per_part));
        let losses = parts.map(|(at, targets)| {
            let picked = x.clone().select(0, indices(at, &device));
            let logits = self.logits(self.ln_out.forward(picked));
            cross_entropy(logits, targets, Gradient::None).losses
        });
        Tensor::cat(losses.collect(), 0)
    }
}

/// Positions in parts whose logits are held at once, with the places that each has.
fn parts(at: &[u32], n_vocab: usize) -> impl Iterator<Item = (Range<usize>, &[u32])> {
    let per_part = positions_of_a_part(n_vocab);
    let chunks = at.chunks(per_part).enumerate();
    chunks.map(move |(idx, part)| {
        let first = idx * per_part;
        (first..first + part.len(), part)
    })
}

fn indices(at: &[u32], device: &Device) -> Tensor<1, Int> {
    let at: Vec<i32> = at.iter().map(|at| at.cast_signed()).collect();
    Tensor::from_data(at.as_slice(), device)
}
