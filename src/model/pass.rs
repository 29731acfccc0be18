//! What a layer of any architecture is asked for, and what it gives.

use burn::tensor::Tensor;

use super::adapter::LayerAdapterGradients;
use super::branch::BranchGradients;
use super::state::LayerState;

/// How much of a forward pass the backward pass will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It ends above this layer.
    Nothing,
    /// It ends here, at the initial state.
    State,
    /// It continues below this layer.
    Everything,
}

/// What a layer gives, with the tape `T` of its architecture.
pub(super) struct LayerOutput<T> {
    /// The residual stream behind, [B, T, C].
    pub x: Tensor<3>,
    /// The first layer's value, [B, T, C], which the layers above read in RWKV-7;
    /// none in architectures that hand nothing on beside the stream.
    pub v_first: Option<Tensor<3>>,
    /// The state after the last token.
    pub state: LayerState,
    /// What the backward pass reads.
    pub tape: Option<T>,
}

/// What the backward pass of a layer gives.
pub(super) struct BlockGradients {
    /// Of the initial state of every batch entry, [B, H, N, K].
    pub state: Tensor<4>,
    /// Of the branch, where there is one.
    pub branch: Option<BranchGradients>,
    /// Of the adapters, where the layer has some.
    pub adapters: Option<LayerAdapterGradients>,
    /// Of the stream in front, where the tape continues below, [B, T, C].
    pub x: Option<Tensor<3>>,
    /// Of what the first token reads of those before, as [`LayerState::time_shift`]
    /// has it, of a window whose tape continues below: nothing tuned reaches that of
    /// the first layer. [B, n].
    pub time_shift: Option<Tensor<2>>,
}
