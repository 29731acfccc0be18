//! One layer: time mixing, then channel mixing, each on a normalised input and
//! added to the residual stream.

use burn::tensor::Tensor;

use super::channel_mix::{ChannelMix, ChannelMixTape};
use super::state::LayerState;
use super::time_mix::{Keep, TimeMix, TimeMixTape};

/// The frozen parameters of one layer.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub time_mix: TimeMix,
    pub channel_mix: ChannelMix,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(super) struct BlockTape {
    time_mix: TimeMixTape,
    channel_mix: ChannelMixTape,
}

impl BlockTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        self.time_mix.n_values() + self.channel_mix.n_values()
    }
}

/// What a layer gives.
pub(super) struct BlockOutput {
    /// The residual stream behind, [B, T, C].
    pub x: Tensor<3>,
    /// The first layer's value, [B, T, C].
    pub v_first: Tensor<3>,
    /// The state after the last token.
    pub state: LayerState,
    /// What the backward pass reads.
    pub tape: Option<BlockTape>,
}

impl Block {
    /// Takes the residual stream `x` [B, T, C] and the state through the layer.
    pub fn forward(
        &self,
        x: Tensor<3>,
        v_first: Option<Tensor<3>>,
        state: LayerState,
        keep: Keep,
    ) -> BlockOutput {
        let mixed = self
            .time_mix
            .forward(x, state.time_shift, state.wkv, v_first, keep);
        let (x, channel_shift, channel_mix) =
            self.channel_mix.forward(mixed.x, state.channel_shift);
        BlockOutput {
            x,
            v_first: mixed.v_first,
            state: LayerState {
                time_shift: mixed.last,
                wkv: mixed.wkv,
                channel_shift,
            },
            tape: mixed.tape.map(|time_mix| BlockTape {
                time_mix,
                channel_mix,
            }),
        }
    }

    /// For the gradient `dx` [B, T, C] of the stream behind: that of the initial
    /// state of every batch entry, [B, H, N, N], and that of the stream in front
    /// where the tape goes on below.
    pub fn backward(&self, tape: BlockTape, dx: Tensor<3>) -> (Tensor<4>, Option<Tensor<3>>) {
        let dx = self.channel_mix.backward(tape.channel_mix, dx);
        self.time_mix.backward(tape.time_mix, dx)
    }
}
