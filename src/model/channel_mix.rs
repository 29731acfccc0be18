//! Channel mixing: a feed-forward layer with a squared ReLU.

use burn::tensor::{Tensor, activation::relu};

use super::time_mix::{linear, shifted};

/// The frozen parameters of one layer's channel mixing.
#[derive(Debug, Clone)]
pub(super) struct ChannelMix {
    /// How much of the previous token the key sees, [C].
    pub x_k: Tensor<1>,
    /// [ffn, C].
    pub key: Tensor<2>,
    /// [C, ffn].
    pub value: Tensor<2>,
}

impl ChannelMix {
    /// `x`: [B, T, C], the normalised input; `last`: [B, C], the one before it.
    pub fn forward(&self, x: Tensor<3>, last: Tensor<2>) -> Tensor<3> {
        let shift = shifted(&x, last) - x.clone();
        let key = linear(x + shift * self.x_k.clone().unsqueeze(), &self.key);
        linear(relu(key).powi_scalar(2), &self.value)
    }
}
