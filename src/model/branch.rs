//! A branch beside the recurrence, whose output is added to y in front of the
//! group norm, or one in its place. A model without one is the plain RWKV-7.
//!
//! | file | branch |
//! |---|---|
//! | `readout.rs` | a linear readout of features of the receptance |
//! | `lifted.rs` | a recurrence on a state of N x M |
//!
//! `feature_lift.rs` makes the features, `reference.rs` is the recurrence in
//! differentiable operations.

use burn::tensor::{Int, Tensor};

use super::carried::BranchCarried;
use crate::kernels::wkv7::Wkv7Inputs;

mod feature_lift;
mod lifted;
mod lifted_inputs;
#[cfg(test)]
mod lifted_tests;
mod readout;
pub mod reference;
#[cfg(test)]
mod tests;

pub use feature_lift::{FeatureLift, FeatureMap};
pub use lifted::LiftedBranch;
pub use lifted_inputs::LiftedRule;
pub use readout::{BranchDecay, ReadoutBranch};

use lifted::LiftedBranchTape;
use readout::ReadoutTape;

/// The branch of one layer.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one a layer")]
pub enum Branch {
    /// A linear readout of features.
    Readout(ReadoutBranch),
    /// A recurrence on a state of N x M.
    Lifted(LiftedBranch),
}

/// What a branch reads of every token.
pub(super) struct BranchInputs<'a> {
    pub wkv: &'a Wkv7Inputs,
    /// In-context learning rate, [B, T, H, N], for [`Branch::reads_iclr`].
    pub iclr: Option<Tensor<4>>,
}

/// What a branch gives.
pub(super) struct BranchOutput {
    /// [B, T, H, N].
    pub y: Tensor<4>,
    /// The branch after the last token.
    pub after: Branch,
    /// What the backward pass reads.
    pub tape: BranchTape,
}

/// What the backward pass of a branch reads.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one a layer")]
pub(super) enum BranchTape {
    Readout(ReadoutTape),
    Lifted(LiftedBranchTape),
}

/// Gradients of the tensors of a branch, summed over the batch.
#[derive(Debug, Clone)]
pub struct BranchGradients {
    /// Of the readout or of the initial state, [H, N, M].
    pub weights: Tensor<3>,
    /// Of [`FeatureLift::mixing`], [H, M, M], where it is wanted.
    pub mixing: Option<Tensor<3>>,
    /// Of the write gate, `[H]`, where there is one.
    pub gate: Option<Tensor<1>>,
    /// Moments of the features, where they were asked for.
    pub moments: Option<FeatureMoments>,
    /// What watches over a recurrence that may leave the finite numbers.
    pub guard: Option<BranchGuard>,
    /// Of what the tokens in front handed on, of every text; where something
    /// tuned reaches it.
    pub carried: Option<BranchCarried>,
}

impl BranchGradients {
    /// Those of a window that does not begin its text: what it was handed is no
    /// parameter.
    #[must_use]
    pub(super) fn without_start(mut self) -> Self {
        if let Some(BranchCarried::State(_)) = &self.carried {
            self.weights = self.weights.zeros_like();
        }
        self
    }
}

/// What watches over a recurrence that may leave the finite numbers.
#[derive(Debug, Clone)]
pub struct BranchGuard {
    /// Share of the decays that were clamped to 0 to 1, `[1]`.
    pub clamped: Tensor<1>,
    /// The largest magnitude in the states that were stored, `[1]`.
    pub largest: Tensor<1>,
}

/// Moments of the features over chosen positions.
#[derive(Debug, Clone)]
pub struct FeatureMoments {
    /// Mean of `features features^T`, [H, M, M].
    pub second: Tensor<3>,
    /// Mean of the features, [H, M].
    pub first: Tensor<2>,
}

/// Gradients of what a branch reads of every token, [B, T, H, N].
pub(super) struct BranchInputGradients {
    pub r: Tensor<4>,
    pub w: Option<Tensor<4>>,
    pub k: Option<Tensor<4>>,
    pub v: Option<Tensor<4>>,
    pub removal: Option<Tensor<4>>,
    pub write: Option<Tensor<4>>,
    pub iclr: Option<Tensor<4>>,
}

impl BranchInputGradients {
    /// Of a branch that reads nothing else.
    fn of_receptance(r: Tensor<4>) -> Self {
        Self {
            r,
            w: None,
            k: None,
            v: None,
            removal: None,
            write: None,
            iclr: None,
        }
    }
}

impl Branch {
    /// Whether it stands in place of the model's own recurrence.
    pub fn replaces_recurrence(&self) -> bool {
        match self {
            Self::Readout(_) => false,
            Self::Lifted(lifted) => lifted.rule.is_literal(),
        }
    }

    /// What is left of every feature so far, [B or 1, H, M], where it decays.
    pub fn left(&self) -> Option<&Tensor<3>> {
        match self {
            Self::Readout(branch) => branch.decay.as_ref().map(|decay| &decay.left),
            Self::Lifted(_) => None,
        }
    }

    /// The state so far, [B or 1, H, N, M], of a recurrence.
    pub fn state(&self) -> Option<&Tensor<4>> {
        match self {
            Self::Readout(_) => None,
            Self::Lifted(branch) => Some(&branch.state),
        }
    }

    /// Whether it reads the in-context learning rate by itself.
    pub(super) fn reads_iclr(&self) -> bool {
        self.replaces_recurrence()
    }

    /// Takes the tokens through the branch. The backward pass can follow only
    /// with `keep_tape`.
    pub(super) fn forward(self, inputs: &BranchInputs<'_>, keep_tape: bool) -> BranchOutput {
        match self {
            Self::Readout(branch) => {
                let (y, after, tape) = branch.forward(&inputs.wkv.r, &inputs.wkv.w);
                BranchOutput {
                    y,
                    after: Self::Readout(after),
                    tape: BranchTape::Readout(tape),
                }
            }
            Self::Lifted(branch) => {
                let (y, after, tape) = branch.forward(inputs, keep_tape);
                BranchOutput {
                    y,
                    after: Self::Lifted(after),
                    tape: BranchTape::Lifted(tape),
                }
            }
        }
    }

    /// The branch for the texts at `rows` of a batch of `n_batch`.
    pub(super) fn select(&self, rows: &Tensor<1, Int>, n_batch: usize) -> Self {
        let shared = |n_states: usize| n_states == 1 && n_batch > 1;
        match self {
            Self::Readout(branch) => Self::Readout(branch.map_left(|left| {
                if shared(left.dims()[0]) {
                    left
                } else {
                    left.select(0, rows.clone())
                }
            })),
            Self::Lifted(branch) => {
                let mut branch = branch.clone();
                if !shared(branch.state.dims()[0]) {
                    branch.state = branch.state.select(0, rows.clone());
                }
                Self::Lifted(branch)
            }
        }
    }

    /// Batches behind each other, which share all but what changes from token
    /// to token; every one with the number of its texts.
    pub(super) fn concatenate(batches: &[(&Self, usize)]) -> Option<Self> {
        let (first, _) = batches.first()?;
        Some(match first {
            Self::Readout(branch) => {
                let left = |(branch, n_batch): &(&Self, usize)| match branch {
                    Self::Readout(branch) => branch.left_of(*n_batch),
                    Self::Lifted(_) => None,
                };
                let left: Option<Vec<_>> = batches.iter().map(left).collect();
                Self::Readout(branch.map_left(|own| left.map_or(own, |left| Tensor::cat(left, 0))))
            }
            Self::Lifted(branch) => {
                let state = |(branch, n_batch): &(&Self, usize)| match branch {
                    Self::Readout(_) => None,
                    Self::Lifted(branch) => Some(branch.state_of(*n_batch)),
                };
                let states: Option<Vec<_>> = batches.iter().map(state).collect();
                let mut branch = branch.clone();
                if let Some(states) = states {
                    branch.state = Tensor::cat(states, 0);
                }
                Self::Lifted(branch)
            }
        })
    }
}

impl BranchTape {
    /// As [`Branch::replaces_recurrence`].
    pub fn replaces_recurrence(&self) -> bool {
        match self {
            Self::Readout(_) => false,
            Self::Lifted(tape) => tape.replaces_recurrence(),
        }
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        match self {
            Self::Readout(tape) => tape.n_values(),
            Self::Lifted(tape) => tape.n_values(),
        }
    }

    /// Gradients for `dy` [B, T, H, N] and for `dafter`, that of what the branch
    /// hands on; those of what it reads if `is_below`, and the moments of the
    /// features at the positions `moments_at`, `batch_idx * T + t`.
    pub fn backward(
        &self,
        inputs: &BranchInputs<'_>,
        dy: Tensor<4>,
        dafter: Option<BranchCarried>,
        is_below: bool,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> (BranchGradients, Option<BranchInputGradients>) {
        match self {
            Self::Readout(tape) => {
                let dleft = match dafter {
                    Some(BranchCarried::LogLeft(dleft)) => Some(dleft),
                    Some(BranchCarried::State(_)) | None => None,
                };
                tape.backward(&inputs.wkv.r, dy, dleft, is_below, moments_at)
            }
            Self::Lifted(tape) => {
                let dlast = match dafter {
                    Some(BranchCarried::State(dlast)) => Some(dlast),
                    Some(BranchCarried::LogLeft(_)) | None => None,
                };
                tape.backward(inputs, dy, dlast, is_below, moments_at)
            }
        }
    }
}

/// Of the first rows of every head's features, those at the positions `at`.
fn moments(features: &Tensor<3>, at: &Tensor<1, Int>) -> FeatureMoments {
    let chosen = features.clone().select(1, at.clone());
    let n_rows = chosen.dims()[1] as f32;
    FeatureMoments {
        second: chosen.clone().swap_dims(1, 2).matmul(chosen.clone()) / n_rows,
        first: chosen.mean_dim(1).squeeze_dim(1),
    }
}

/// [B, T, H, N] → [H, B * T, N].
pub(super) fn heads_first(x: Tensor<4>) -> Tensor<3> {
    let [n_batch, n_tokens, n_head, head_size] = x.dims();
    x.reshape([n_batch * n_tokens, n_head, head_size])
        .swap_dims(0, 1)
}

/// [H, B * T, N] → [B, T, H, N], the `shape`.
fn tokens_first(x: Tensor<3>, shape: [usize; 4]) -> Tensor<4> {
    x.swap_dims(0, 1).reshape(shape)
}
