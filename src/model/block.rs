//! One layer of RWKV-7: time mixing, then channel mixing, each on a normalised input and
//! added to the residual stream.

use burn::tensor::{Int, Tensor};

use super::adapter::{AdapterPass, AdaptersBack};
use super::carried::{Around, LayerCarried};
use super::channel_mix::{ChannelMix, ChannelMixTape};
use super::pass::{BlockGradients, Keep, LayerOutput};
use super::state::LayerState;
use super::time_mix::{FirstValue, TimeMix, TimeMixState, TimeMixTape};

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
    adapters: Option<AdapterPass>,
}

impl BlockTape {
    /// Receptance of every token, [B, T, H, N].
    pub fn receptance(&self) -> Tensor<4> {
        self.time_mix.receptance()
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let adapters = self.adapters.as_ref().map_or(0, AdapterPass::n_values);
        self.time_mix.n_values() + self.channel_mix.n_values() + adapters
    }
}

impl Block {
    /// Takes the residual stream `x` [B, T, C] and the state through the layer.
    pub fn forward(
        &self,
        x: Tensor<3>,
        v_first: Option<Tensor<3>>,
        state: LayerState,
        keep: Keep,
    ) -> LayerOutput<BlockTape> {
        let before = TimeMixState {
            last: state.time_shift,
            wkv: state.wkv,
            branch: state.branch,
        };
        let keeps = keep != Keep::Nothing;
        let [_, n_tokens, _] = x.dims();
        let own = state.adapters.clone();
        let mut adapters = own.map(|own| AdapterPass::new(own, keeps));
        let mixed = self
            .time_mix
            .forward(x, before, v_first, keep, &mut adapters);
        let Some(last) = state.channel_shift else {
            unreachable!("the state is that of RWKV-7")
        };
        let (x, channel_shift, channel_mix) =
            self.channel_mix.forward(mixed.x, last, &mut adapters);
        LayerOutput {
            x,
            v_first: Some(mixed.v_first),
            state: LayerState {
                time_shift: mixed.state.last,
                wkv: mixed.state.wkv,
                branch: mixed.state.branch,
                channel_shift: Some(channel_shift),
                adapters: state.adapters.map(|own| own.behind(n_tokens)),
            },
            tape: mixed.tape.map(|time_mix| BlockTape {
                time_mix,
                channel_mix,
                adapters,
            }),
        }
    }

    /// The gradients for `dx` [B, T, C], that of the stream behind; moments of
    /// the branch's features at the positions `moments_at`. `v_first` collects what
    /// reaches the first layer's value. Of a window also the gradients of what it was
    /// handed.
    pub fn backward(
        &self,
        tape: BlockTape,
        dx: Tensor<3>,
        moments_at: Option<&Tensor<1, Int>>,
        around: &Around,
        v_first: &mut FirstValue,
    ) -> (BlockGradients, Option<LayerCarried>) {
        let mut adapters = AdaptersBack::new(tape.adapters);
        let (dx, channel_shift) =
            self.channel_mix
                .backward(tape.channel_mix, dx, around, &mut adapters);
        let own = self.time_mix.backward(
            tape.time_mix,
            dx,
            moments_at,
            around,
            &mut adapters,
            v_first,
        );
        let gradients = BlockGradients {
            adapters: adapters.gradients(),
            ..own
        };
        let carried = around.is_window.then(|| LayerCarried {
            time_shift: gradients.time_shift.clone(),
            wkv: gradients.state.clone(),
            channel_shift,
            branch: gradients
                .branch
                .as_ref()
                .and_then(|branch| branch.carried.clone()),
        });
        (gradients, carried)
    }
}
