//! Gated DeltaNet (arXiv 2412.06464) as fla's `GatedDeltaNetForCausalLM` has it,
//! frozen, on the operator of RWKV-7.
//!
//! ```text
//! x = RMSNorm(h)
//! q, k, v = silu(conv(W x)), per channel over 4 tokens
//! q, k = q / |q| K^-1/2, k / |k|, per head
//! beta = sigmoid(b x),  e = exp(-exp(A_log) softplus(a x + dt_bias)), a number a head
//! S <- e S;  S <- S + k (beta (v - S^T k))^T;  o = S^T q
//! h <- h + W (RMSNorm(o) silu(g x)),  then  h <- h + down(silu(gate y) up y),  y = RMSNorm(h)
//! ```
//!
//! S is [key, value] there; [`crate::kernels::rectangular`] keeps its transpose, rows =
//! value channels, as all of Gosling does: w = e in every key channel,
//! removal = -beta e k, write = k, and beta v for v. A head has V value and K key
//! channels, and heads of values may share a head of keys.

mod feed_forward;
mod mixing;
mod mixing_inputs;

use burn::tensor::Tensor;

use super::carried::{Around, LayerCarried};
use super::pass::{BlockGradients, Keep, LayerOutput};
use super::state::LayerState;
pub(super) use feed_forward::FeedForward;
use feed_forward::FeedForwardTape;
pub(super) use mixing::Mixing;
use mixing::MixingTape;
pub(super) use mixing_inputs::Inputs;

/// The frozen parameters of one layer.
#[derive(Debug, Clone)]
pub(super) struct DeltaBlock {
    pub mixing: Mixing,
    pub feed_forward: FeedForward,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(super) struct DeltaTape {
    mixing: MixingTape,
    feed_forward: FeedForwardTape,
}

impl DeltaTape {
    /// The scaled query of every token, which reads the state as RWKV-7's receptance
    /// does, [B, T, H, K].
    pub fn receptance(&self) -> Tensor<4> {
        self.mixing.receptance()
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        self.mixing.n_values() + self.feed_forward.n_values()
    }
}

impl DeltaBlock {
    /// Takes the residual stream `x` [B, T, C] and the state through the layer.
    ///
    /// # Panics
    /// With a branch or adapters, which are checked for before a model is given them.
    pub fn forward(&self, x: Tensor<3>, state: LayerState, keep: Keep) -> LayerOutput<DeltaTape> {
        assert!(
            state.branch.is_none() && state.adapters.is_none(),
            "a Gated DeltaNet has no branches and no adapters"
        );
        let mixed = self.mixing.forward(x, state.time_shift, state.wkv, keep);
        let (x, feed_forward) = self.feed_forward.forward(mixed.x);
        LayerOutput {
            x,
            v_first: None,
            state: LayerState {
                time_shift: mixed.last,
                wkv: mixed.wkv,
                channel_shift: None,
                branch: None,
                adapters: None,
            },
            tape: mixed.tape.map(|mixing| DeltaTape {
                mixing,
                feed_forward,
            }),
        }
    }

    /// The gradients for `dx` [B, T, C], that of the stream behind. Of a window also
    /// the gradients of what it was handed.
    pub fn backward(
        &self,
        tape: DeltaTape,
        dx: Tensor<3>,
        around: &Around,
    ) -> (BlockGradients, Option<LayerCarried>) {
        let dx = self.feed_forward.backward(tape.feed_forward, dx);
        let gradients = self.mixing.backward(tape.mixing, dx, around);
        let carried = around.is_window.then(|| LayerCarried {
            time_shift: gradients.time_shift.clone(),
            wkv: gradients.state.clone(),
            channel_shift: None,
            branch: None,
        });
        (gradients, carried)
    }
}
