//! How far the predictions of a model are from those of a teacher, the same weights
//! behind another start, and the gradient of that (Hinton, Vinyals and Dean 2015).

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use crate::model::Model;

/// What [`divergence`] gives.
pub(super) struct Divergence {
    /// Nats, summed over the positions: `[1]`.
    pub sum: Tensor<1>,
    /// Gradient of the stream, [B, T, C], where it was asked for.
    pub dx: Option<Tensor<3>>,
}

/// The Kullback-Leibler divergence of the predictions behind the stream `x` from those
/// behind the teacher's stream `taught`, both [B, T, C], summed over the positions `at`,
/// each `batch_idx * T + t`: 0 where they agree. The gradient is taken times
/// `gradient_scale`.
pub(super) fn divergence(
    model: &Model,
    x: Tensor<3>,
    taught: &Tensor<3>,
    at: &[u32],
    gradient_scale: Option<f32>,
) -> Divergence {
    let mut sums = Vec::new();
    let mut of_part = |part: Range<usize>, logits: Tensor<2>| {
        let log_p = log_softmax(logits, 1);
        let mut log_q = Vec::new();
        model.each_logits(taught, &at[part], &mut |_, logits| {
            log_q.push(log_softmax(logits, 1));
        });
        let log_q = Tensor::cat(log_q, 0);
        let q = log_q.clone().exp();
        sums.push((q.clone() * (log_q - log_p.clone())).sum());
        log_p.exp() - q
    };
    let dx = match gradient_scale {
        None => {
            model.each_logits(&x, at, &mut |part, logits| {
                of_part(part, logits);
            });
            None
        }
        Some(scale) => {
            Some(model.through_head(x, at, &mut |part, logits| of_part(part, logits) * scale))
        }
    };
    Divergence {
        sum: Tensor::cat(sums, 0).sum(),
        dx,
    }
}
