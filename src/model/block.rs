//! One layer: time mixing, then channel mixing, each on a normalised input and
//! added to the residual stream.

use burn::tensor::Tensor;

use super::channel_mix::ChannelMix;
use super::normalization::LayerNorm;
use super::state::LayerState;
use super::time_mix::TimeMix;

/// The frozen parameters of one layer.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub ln1: LayerNorm,
    pub time_mix: TimeMix,
    pub ln2: LayerNorm,
    pub channel_mix: ChannelMix,
}

impl Block {
    /// Takes the residual stream [B, T, C] and the state through the layer;
    /// gives the stream, the first layer's value and the state after the last token.
    pub fn forward(
        &self,
        x: Tensor<3>,
        v_first: Option<Tensor<3>>,
        state: LayerState,
    ) -> (Tensor<3>, Tensor<3>, LayerState) {
        let input = self.ln1.forward(x.clone());
        let time_shift = last_token(&input);
        let mixed = self
            .time_mix
            .forward(input, state.time_shift, state.wkv, v_first);
        let x = x + mixed.x;
        let input = self.ln2.forward(x.clone());
        let channel_shift = last_token(&input);
        let x = x + self.channel_mix.forward(input, state.channel_shift);
        let state = LayerState {
            time_shift,
            wkv: mixed.wkv,
            channel_shift,
        };
        (x, mixed.v_first, state)
    }
}

/// [B, T, C] → [B, C].
fn last_token(x: &Tensor<3>) -> Tensor<2> {
    let [_, n_tokens, _] = x.dims();
    x.clone().narrow(1, n_tokens - 1, 1).squeeze_dim(1)
}
