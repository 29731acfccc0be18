//! Channel mixing: a feed-forward layer with a squared ReLU.

use burn::tensor::Tensor;

use super::adapter::{AdapterPass, AdapterTarget, AdaptersBack, adapted};
use super::carried::Around;
use super::linear::{
    linear, linear_backward, linear_backward_through_squared_relu, linear_in_halves, linear_onto,
    n_values,
};
use crate::kernels::matrix::Matrix;
use crate::kernels::product::{Start, reads_halves};
use crate::kernels::token_mix::{TokenMix, TokenMixOutput};

/// The frozen parameters of one layer's channel mixing.
#[derive(Debug, Clone)]
pub(super) struct ChannelMix {
    /// LayerNorm, and how much of the previous token the key sees.
    pub mix: TokenMix<1>,
    /// [ffn, C].
    pub key: Matrix,
    /// [C, ffn].
    pub value: Matrix,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(super) struct ChannelMixTape {
    /// The residual stream in front, [B, T, C].
    x: Tensor<3>,
    /// Before the squared ReLU, [B, T, ffn]; in 16 bits where only products read it.
    key: Tensor<3>,
}

impl ChannelMixTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        n_values(&self.x) + n_values(&self.key)
    }
}

impl ChannelMix {
    /// Takes the residual stream `x` [B, T, C] through the layer; `last` [B, C]
    /// is the normalised token before the first. Gives the stream, the last
    /// normalised token, and what the backward pass reads.
    pub fn forward(
        &self,
        x: Tensor<3>,
        last: Tensor<2>,
        adapters: &mut Option<AdapterPass>,
    ) -> (Tensor<3>, Tensor<2>, ChannelMixTape) {
        // Without adapters nothing but products reads what stands between.
        let in_halves = adapters.is_none() && reads_halves(&x, &self.key);
        let TokenMixOutput { mixed, last } = if in_halves {
            self.mix.forward_in_halves(x.clone(), last)
        } else {
            self.mix.forward(x.clone(), last)
        };
        let [input] = mixed;
        let key = if in_halves {
            linear_in_halves(input, &self.key)
        } else {
            let key = linear(input.clone(), &self.key);
            adapted(adapters, AdapterTarget::FfnKey, &input, Start::Plain, key)
        };
        let (target, start) = (AdapterTarget::FfnValue, Start::SquaredRelu);
        let out = linear_onto(key.clone(), &self.value, start, x.clone());
        let out = adapted(adapters, target, &key, start, out);
        (out, last, ChannelMixTape { x, key })
    }

    /// The gradient of the stream in front for `dx`, that of the stream behind. Of a
    /// window also that of the normalised token before the first, [B, C].
    pub fn backward(
        &self,
        tape: ChannelMixTape,
        dx: Tensor<3>,
        around: &Around,
        adapters: &mut AdaptersBack,
    ) -> (Tensor<3>, Option<Tensor<2>>) {
        let (dkey, alone) = (dx.clone(), adapters.is_none());
        let dkey = linear_backward_through_squared_relu(dkey, &self.value, tape.key, alone);
        let dkey = adapters.through(AdapterTarget::FfnValue, &dx, dkey);
        let dmixed = linear_backward(dkey.clone(), &self.key);
        let dmixed = adapters.through(AdapterTarget::FfnKey, &dkey, dmixed);
        if !around.is_window {
            return (self.mix.backward(tape.x, [dmixed], dx), None);
        }
        let behind = around.behind.as_ref();
        let dlast = behind.and_then(|behind| behind.channel_shift.clone());
        let (dx, dbefore) = self.mix.backward_of_window(tape.x, [dmixed], dx, dlast);
        (dx, Some(dbefore))
    }
}
