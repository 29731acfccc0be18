//! Normalisation over the channels of a token.

use burn::tensor::Tensor;

/// LayerNorm's epsilon (RWKV-LM x070).
const EPSILON: f64 = 1e-5;

/// LayerNorm with its frozen weight and bias, [C] each.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    pub weight: Tensor<1>,
    pub bias: Tensor<1>,
}

impl LayerNorm {
    /// `x`: [B, T, C] → [B, T, C].
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        normalize(x, EPSILON) * self.weight.clone().unsqueeze() + self.bias.clone().unsqueeze()
    }
}

/// Mean 0 and variance 1 over the last dimension.
pub(super) fn normalize<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().powi_scalar(2).mean_dim(D - 1);
    centred / (variance + epsilon).sqrt()
}
