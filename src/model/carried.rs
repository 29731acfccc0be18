//! Gradients of what a window of a text hands to the next one: of the state
//! between two windows, which a backward pass takes from the later to the earlier.

use burn::tensor::Tensor;

/// Gradients of the state between two windows, layer by layer from the first one on
/// whose initial state needs a gradient.
#[derive(Debug, Clone)]
pub struct CarriedGradients {
    pub(super) layers: Vec<LayerCarried>,
}

impl CarriedGradients {
    /// Of the token shifts in front, summed over the batch: of the last inputs of time
    /// mixing and of channel mixing, [2, C] a layer.
    ///
    /// # Panics
    /// If the pass did not reach them ([`super::TapeOptions::token_shifts`]).
    pub fn token_shifts(&self) -> Vec<Tensor<2>> {
        let layers = self.layers.iter().map(|layer| {
            let both = [&layer.time_shift, &layer.channel_shift].map(|shift| match shift {
                Some(shift) => shift.clone().sum_dim(0),
                None => unreachable!("the pass ends in front of time mixing"),
            });
            Tensor::cat(both.to_vec(), 0)
        });
        layers.collect()
    }
}

/// Gradients of what one layer hands on, for every text of the batch. What no tuned
/// number reaches has none.
#[derive(Debug, Clone)]
pub(super) struct LayerCarried {
    /// Of what mixing over time reads of the tokens before, [B, n].
    pub time_shift: Option<Tensor<2>>,
    /// Of S, [B, H, N, K].
    pub wkv: Tensor<4>,
    /// Of the last input of channel mixing, [B, C].
    pub channel_shift: Option<Tensor<2>>,
    /// Of what the branch hands on.
    pub branch: Option<BranchCarried>,
}

/// The gradient of what a branch hands on.
#[derive(Debug, Clone)]
pub enum BranchCarried {
    /// Of the state of a recurrence, [B, H, N, M].
    State(Tensor<4>),
    /// Of the logarithm of what is left of every feature, [B, H, M]: of the
    /// logarithm, so that nothing is divided by what has vanished.
    LogLeft(Tensor<3>),
}

/// What a backward pass over some tokens has to do with those around them.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Whether the gradients of what came from the tokens in front are wanted.
    pub is_window: bool,
    /// The gradients of what the tokens behind were handed.
    pub behind: Option<LayerCarried>,
}
