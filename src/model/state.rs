//! What a model carries from one token to the next.

use burn::tensor::{Device, Tensor};

use super::ModelConfig;

/// The recurrent state of a batch.
#[derive(Debug, Clone)]
pub struct ModelState {
    /// One entry a layer.
    pub layers: Vec<LayerState>,
}

/// The recurrent state of one layer.
#[derive(Debug, Clone)]
pub struct LayerState {
    /// The last input of time mixing, after its LayerNorm, [B, C].
    pub time_shift: Tensor<2>,
    /// S, rows = value channels and columns = key channels: [B, H, N, N], or
    /// [1, H, N, N] where the batch shares it.
    pub wkv: Tensor<4>,
    /// The last input of channel mixing, after its LayerNorm, [B, C].
    pub channel_shift: Tensor<2>,
}

impl ModelState {
    /// The state before the first token of `n_batch` texts.
    pub fn zero(config: &ModelConfig, n_batch: usize, device: &Device) -> Self {
        let (h, n) = (config.n_head, config.head_size);
        let shift = Tensor::zeros([n_batch, config.n_embd], device);
        let layer = LayerState {
            time_shift: shift.clone(),
            wkv: Tensor::zeros([1, h, n, n], device),
            channel_shift: shift,
        };
        Self {
            layers: vec![layer; config.n_layer],
        }
    }
}
