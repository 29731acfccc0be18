//! A layer of any architecture: the only place where the model, its backward pass
//! and its loss meet what is different between them.
//!
//! An architecture is a block with a forward and a backward pass, a tape between
//! them, the tensors that it is read from, and the sizes of what it carries beside
//! S. All else is shared: embedding, head, loss, recomputation, windows, and
//! everything above `model`.
//!
//! # What Mamba-2 would need
//!
//! Mamba-2 is a third block. Its recurrence is a case of the same operator without a
//! delta term, `S <- a S + (dt x) B^T, y = S C`: w = a (a number a head), v = dt x,
//! k = B, r = C, removal = 0. Its state is not square, P value by N key channels
//! (64 x 128), which [`crate::kernels::rectangular`] runs and [`super::config::Keys`]
//! says; B and C are shared by the heads of a group, as keys are there. What is
//! missing: (1) one convolution over x, B and C with a bias, so a bias in
//! `kernels::short_conv`; (2) `D x` added to y, and the gated norm in the other order,
//! gate first, over groups of heads; (3) no feed-forward part, and a head that may be
//! tied to the embedding; (4) names `backbone.layers.{i}.mixer.*` and its own
//! `config.json`. Its vocabulary is a `tokenizer.json`, which is read.

use burn::tensor::{Int, Tensor};

use super::block::{Block, BlockTape};
use super::carried::{Around, LayerCarried};
use super::delta_net::{DeltaBlock, DeltaTape};
use super::pass::{BlockGradients, Keep, LayerOutput};
use super::state::LayerState;
use super::time_mix::FirstValue;

/// The frozen parameters of one layer.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    /// RWKV-7.
    Rwkv7(Box<Block>),
    /// Gated DeltaNet.
    DeltaNet(Box<DeltaBlock>),
}

/// What the backward pass of a layer reads.
#[derive(Debug, Clone)]
pub(super) enum LayerTape {
    /// RWKV-7.
    Rwkv7(Box<BlockTape>),
    /// Gated DeltaNet.
    DeltaNet(Box<DeltaTape>),
}

impl LayerTape {
    /// What reads the state, of every token: receptance or scaled query, [B, T, H, K].
    pub fn receptance(&self) -> Tensor<4> {
        match self {
            Self::Rwkv7(tape) => tape.receptance(),
            Self::DeltaNet(tape) => tape.receptance(),
        }
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        match self {
            Self::Rwkv7(tape) => tape.n_values(),
            Self::DeltaNet(tape) => tape.n_values(),
        }
    }
}

impl<T> LayerOutput<T> {
    fn map<U>(self, tape: impl FnOnce(T) -> U) -> LayerOutput<U> {
        LayerOutput {
            x: self.x,
            v_first: self.v_first,
            state: self.state,
            tape: self.tape.map(tape),
        }
    }
}

impl Layer {
    /// Takes the residual stream `x` [B, T, C] and the state through the layer.
    /// `v_first` is what the layer below gave.
    pub fn forward(
        &self,
        x: Tensor<3>,
        v_first: Option<Tensor<3>>,
        state: LayerState,
        keep: Keep,
    ) -> LayerOutput<LayerTape> {
        match self {
            Self::Rwkv7(block) => {
                let output = block.forward(x, v_first, state, keep);
                output.map(|tape| LayerTape::Rwkv7(Box::new(tape)))
            }
            Self::DeltaNet(block) => {
                let output = block.forward(x, state, keep);
                output.map(|tape| LayerTape::DeltaNet(Box::new(tape)))
            }
        }
    }

    /// The gradients for `dx` [B, T, C], that of the stream behind; moments of a
    /// branch's features at the positions `moments_at`. `v_first` collects what
    /// reaches the first layer's value. Of a window also the gradients of what it was
    /// handed.
    pub fn backward(
        &self,
        tape: LayerTape,
        dx: Tensor<3>,
        moments_at: Option<&Tensor<1, Int>>,
        around: &Around,
        v_first: &mut FirstValue,
    ) -> (BlockGradients, Option<LayerCarried>) {
        match (self, tape) {
            (Self::Rwkv7(block), LayerTape::Rwkv7(tape)) => {
                block.backward(*tape, dx, moments_at, around, v_first)
            }
            (Self::DeltaNet(block), LayerTape::DeltaNet(tape)) => block.backward(*tape, dx, around),
            (Self::Rwkv7(_), LayerTape::DeltaNet(_)) | (Self::DeltaNet(_), LayerTape::Rwkv7(_)) => {
                unreachable!("a tape is that of its layer")
            }
        }
    }
}
