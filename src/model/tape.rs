//! The backward pass of the whole model: from the gradient of the residual
//! stream to those of the initial states and of adapters. No gradient of a frozen
//! weight is formed.

use burn::tensor::{Int, Tensor};

use super::Model;
use super::adapter::{AdapterTarget, LayerAdapterGradients};
use super::branch::BranchGradients;
use super::carried::{Around, CarriedGradients};
use super::layer::LayerTape as OfLayer;
use super::pass::{BlockGradients, Keep};
use super::state::{LayerState, ModelState};
use super::time_mix::FirstValue;
use crate::error::Result;

/// What the backward pass will be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapeOptions {
    /// The first layer whose initial state needs a gradient.
    pub first_layer: usize,
    /// Whether the token shifts of these layers need one too, which
    /// [`Model::backward_of_window`] gives: the pass then goes through all of the first
    /// layer.
    pub token_shifts: bool,
    /// Keep a layer's input only, and compute the rest of it again on the way
    /// back: less memory for a third more time.
    pub recompute: bool,
}

/// A forward pass, as the backward pass reads it.
#[derive(Debug)]
pub struct Tape {
    options: TapeOptions,
    /// Whether anything tuned acts on the value of the model's first layer.
    trains_first_value: bool,
    /// Of the layers from the first on.
    layers: Vec<LayerTape>,
}

#[derive(Debug)]
enum LayerTape {
    Kept(OfLayer),
    Again(Box<LayerInput>),
}

/// Gradients of what one layer starts from, summed over the batch that shares it.
#[derive(Debug, Clone)]
pub struct LayerGradients {
    /// Of S_0, [H, N, N].
    pub state: Tensor<3>,
    /// Of the branch, where the layer has one.
    pub branch: Option<BranchGradients>,
    /// Of the adapters, where the layer has some.
    pub adapters: Option<LayerAdapterGradients>,
}

/// What a layer's forward pass starts from.
#[derive(Debug)]
struct LayerInput {
    x: Tensor<3>,
    v_first: Option<Tensor<3>>,
    state: LayerState,
}

impl LayerGradients {
    /// Those of a window that does not begin its text: the state that it was handed
    /// is no S_0.
    #[must_use]
    pub fn without_start(self) -> Self {
        Self {
            state: self.state.zeros_like(),
            branch: self.branch.map(BranchGradients::without_start),
            adapters: self.adapters,
        }
    }
}

impl Tape {
    /// Bytes of the activations that it holds: what a step needs besides the
    /// weights, and all that grows with the batch.
    pub fn n_bytes(&self) -> usize {
        let of_layer = |layer: &LayerTape| match layer {
            LayerTape::Kept(kept) => kept.n_values(),
            LayerTape::Again(input) => input.x.dims().iter().product(),
        };
        size_of::<f32>() * self.layers.iter().map(of_layer).sum::<usize>()
    }
}

impl Model {
    /// Takes `tokens` [B, T] through the blocks from `state`; gives the residual
    /// stream [B, T, C] before the last norm, and the tape.
    pub fn forward_taped(
        &self,
        tokens: Tensor<2, Int>,
        state: ModelState,
        options: TapeOptions,
    ) -> (Tensor<3>, Tape) {
        let TapeOptions {
            first_layer,
            token_shifts,
            recompute,
        } = options;
        let mut x = self.embed(tokens);
        let mut v_first = None;
        let mut layers = Vec::new();
        let lowest = state
            .layers
            .first()
            .and_then(|state| state.adapters.as_ref());
        let of_value = lowest.and_then(|lowest| lowest.get(AdapterTarget::Value));
        let trains_first_value = first_layer == 0 && (of_value.is_some() || token_shifts);
        for (layer, (block, state)) in self.layers.iter().zip(state.layers).enumerate() {
            let keep = keep(layer, options, &state);
            let input = LayerInput {
                x: x.clone(),
                v_first: v_first.clone(),
                state: state.clone(),
            };
            let now = if recompute { Keep::Nothing } else { keep };
            let output = block.forward(x, v_first, state, now);
            (x, v_first) = (output.x, output.v_first);
            if keep != Keep::Nothing {
                layers.push(match output.tape {
                    Some(tape) => LayerTape::Kept(tape),
                    None => LayerTape::Again(Box::new(input)),
                });
            }
        }
        let tape = Tape {
            options,
            trains_first_value,
            layers,
        };
        (x, tape)
    }

    /// For the gradient `dx` [B, T, C] of the stream that [`Self::forward_taped`]
    /// gave: the gradients of the layers from the first on. With `moments_at`,
    /// positions `batch_idx * T + t`, those of branches come with the moments
    /// of the features there.
    pub fn backward(
        &self,
        tape: Tape,
        dx: Tensor<3>,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> Vec<LayerGradients> {
        let (gradients, _) = self.backward_each(tape, dx, None, moments_at, summed);
        gradients
    }

    /// As [`Self::backward`] for a window of a text, whose pass began at the state
    /// that the window in front left: `behind` has the gradients of the state that
    /// the window behind began at, as this function gave them. Gives also those of
    /// the state in front. The gradients of a window that does not begin its text
    /// are to be taken [`LayerGradients::without_start`].
    pub fn backward_of_window(
        &self,
        tape: Tape,
        dx: Tensor<3>,
        behind: Option<CarriedGradients>,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> (Vec<LayerGradients>, CarriedGradients) {
        self.backward_each(tape, dx, Some(behind), moments_at, summed)
    }

    /// As [`Self::backward`], but of S_0 alone and of every text of the batch for
    /// itself: [B, H, N, N] a layer.
    pub fn backward_of_texts(&self, tape: Tape, dx: Tensor<3>) -> Vec<Tensor<4>> {
        let (gradients, _) = self.backward_each(tape, dx, None, None, |of| of.state);
        gradients
    }

    /// What `take` makes of the gradients of every layer from the first on. Of a
    /// `window`, which is given those of the state behind if there are any, also the
    /// gradients of the state in front; else those are empty.
    fn backward_each<G>(
        &self,
        tape: Tape,
        dx: Tensor<3>,
        window: Option<Option<CarriedGradients>>,
        moments_at: Option<&Tensor<1, Int>>,
        take: impl Fn(BlockGradients) -> G,
    ) -> (Vec<G>, CarriedGradients) {
        let options = tape.options;
        let first = options.first_layer;
        let is_window = window.is_some();
        let behind = window.flatten().map(|behind| behind.layers);
        let mut behind = behind.unwrap_or_default();
        let mut carried = Vec::new();
        let mut v_first = FirstValue::new(tape.trains_first_value);
        let mut dx = Some(dx);
        let mut gradients = Vec::with_capacity(tape.layers.len());
        for (idx, layer) in tape.layers.into_iter().enumerate().rev() {
            let Some(dstream) = dx.take() else {
                unreachable!("only the first layer's pass ends at its state")
            };
            let block = &self.layers[first + idx];
            let kept = match layer {
                LayerTape::Kept(kept) => kept,
                LayerTape::Again(input) => {
                    let LayerInput { x, v_first, state } = *input;
                    let keep = keep(first + idx, options, &state);
                    let Some(tape) = block.forward(x, v_first, state, keep).tape else {
                        unreachable!("a tape was asked for")
                    };
                    tape
                }
            };
            let around = Around {
                is_window,
                // The last of what is left is this layer's.
                behind: behind.pop(),
            };
            let (mut of, handed) = block.backward(kept, dstream, moments_at, &around, &mut v_first);
            carried.extend(handed);
            dx = of.x.take();
            gradients.push(take(of));
        }
        gradients.reverse();
        carried.reverse();
        (gradients, CarriedGradients { layers: carried })
    }

    /// Hands the receptance of every layer, by index, to `take`: that of all
    /// tokens, [B, T, H, N], from `state`. No more than one layer's is held. Gives the
    /// state after the last token.
    ///
    /// # Errors
    /// What `take` says, which ends the pass.
    pub fn each_receptance(
        &self,
        tokens: Tensor<2, Int>,
        state: ModelState,
        mut take: impl FnMut(usize, Tensor<4>) -> Result<()>,
    ) -> Result<ModelState> {
        let mut x = self.embed(tokens);
        let mut v_first = None;
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, (block, state)) in self.layers.iter().zip(state.layers).enumerate() {
            let output = block.forward(x, v_first, state, Keep::State);
            (x, v_first) = (output.x, output.v_first);
            layers.push(output.state);
            if let Some(tape) = output.tape {
                take(layer, tape.receptance())?;
            }
        }
        Ok(ModelState { layers })
    }
}

/// The gradients of a layer, summed over the batch.
fn summed(of: BlockGradients) -> LayerGradients {
    LayerGradients {
        state: of.state.sum_dim(0).squeeze_dim(0),
        branch: of.branch,
        adapters: of.adapters,
    }
}

/// What is kept of a layer: of the first one, what leads to its state alone, unless
/// its adapters or its token shifts are tuned, which stand in front of the state.
fn keep(layer: usize, options: TapeOptions, state: &LayerState) -> Keep {
    let is_whole = state.adapters.is_some() || options.token_shifts;
    match layer.cmp(&options.first_layer) {
        std::cmp::Ordering::Less => Keep::Nothing,
        std::cmp::Ordering::Equal if !is_whole => Keep::State,
        std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Keep::Everything,
    }
}
