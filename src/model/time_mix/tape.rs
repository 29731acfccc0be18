//! What the backward pass of time mixing reads.

use burn::tensor::Tensor;

use crate::kernels::wkv7::prepare::Projections;
use crate::kernels::wkv7::{Wkv7Inputs, Wkv7Tape};
use crate::model::branch::BranchTape;
use crate::model::linear::n_values;

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(in crate::model) struct TimeMixTape {
    pub(super) wkv: Wkv7Inputs,
    /// [B, T, H, N].
    pub(super) y: Tensor<4>,
    /// [B, T, C].
    pub(super) gate: Tensor<3>,
    pub(super) branch: Option<BranchTape>,
    /// Where the pass continues below.
    pub(super) below: Option<InputsTape>,
}

/// What the backward pass reads to get past the state.
#[derive(Debug, Clone)]
pub(super) struct InputsTape {
    /// The residual stream in front, [B, T, C].
    pub(super) x: Tensor<3>,
    /// Where no branch stands in place of the recurrence.
    pub(super) wkv_tape: Option<Wkv7Tape>,
    pub(super) projections: Projections,
    /// tanh between the factors of the decay, [B, T, rank].
    pub(super) decay_low: Tensor<3>,
    /// sigmoid between the factors of the gate, [B, T, rank].
    pub(super) gate_low: Tensor<3>,
}

impl TimeMixTape {
    /// Receptance of every token, [B, T, H, N].
    pub fn receptance(&self) -> Tensor<4> {
        self.wkv.r.clone()
    }

    /// Numbers that it holds; the first layer's value is counted once, there.
    pub fn n_values(&self) -> usize {
        let inputs = self.wkv.each().map(n_values);
        let below = self.below.as_ref().map_or(0, InputsTape::n_values);
        let branch = self.branch.as_ref().map_or(0, BranchTape::n_values);
        inputs.iter().sum::<usize>() + n_values(&self.y) + n_values(&self.gate) + branch + below
    }
}

impl InputsTape {
    fn n_values(&self) -> usize {
        let Projections {
            key,
            value,
            decay,
            iclr,
            share,
        } = &self.projections;
        let share = share.as_ref().map_or(0, |(share, _)| n_values(share));
        let projections = [&self.x, key, value, decay, iclr].map(n_values);
        projections.iter().sum::<usize>()
            + share
            + self.wkv_tape.as_ref().map_or(0, Wkv7Tape::n_values)
            + n_values(&self.decay_low)
            + n_values(&self.gate_low)
    }
}
