//! The memory of low-rank adapters.

use super::StepShape;
use crate::model::ModelConfig;
use crate::model::adapter::AdapterTarget;
use crate::tuning::spec::{LoraTargets, Method};

/// What the adapters of a tuned layer are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterShape {
    /// Their inner size.
    pub rank: usize,
    /// The matrices that have one.
    pub targets: LoraTargets,
    /// Whether some of what they multiply is dropped.
    pub drops: bool,
}

impl AdapterShape {
    /// Of a method; none where it has no adapters.
    pub fn of(method: &Method) -> Option<Self> {
        let lora = method.lora()?;
        Some(Self {
            rank: lora.rank,
            targets: lora.targets,
            drops: lora.dropout > 0.0,
        })
    }

    /// The sum of what `of` gives for the outputs and inputs of every matrix.
    fn sum(&self, config: &ModelConfig, of: impl Fn(AdapterTarget, [usize; 2]) -> usize) -> u64 {
        let targets = self.targets.chosen().into_iter();
        targets
            .map(|target| of(target, target.dims(config)))
            .sum::<usize>() as u64
    }

    /// Numbers that the tape of one layer keeps: what each matrix multiplies and A of
    /// that. What stands before the squared ReLU is kept without adapters too.
    pub(super) fn layer_values(&self, config: &ModelConfig, shape: &StepShape) -> u64 {
        let tokens = shape.batch * shape.tokens;
        self.sum(config, |target, [_, n_in]| {
            let input = match target {
                AdapterTarget::FfnValue => 0,
                AdapterTarget::Receptance
                | AdapterTarget::Key
                | AdapterTarget::Value
                | AdapterTarget::Output
                | AdapterTarget::FfnKey => n_in,
            };
            tokens * (input + self.rank)
        })
    }

    /// Numbers that one layer needs besides while it goes back: the squared ReLU and
    /// the gradient through it, or the gradient of a matrix's input once more. With
    /// dropout what is left of either stands beside it.
    pub(super) fn working_values(&self, config: &ModelConfig, shape: &StepShape) -> u64 {
        let tokens = shape.batch * shape.tokens;
        let widest = match self.targets.ffn_value {
            true => 2 * config.n_ffn,
            false => config.n_embd,
        };
        let copies = if self.drops { 2 } else { 1 };
        (tokens * widest * copies) as u64
    }

    /// A and B of one layer, their gradients and two moments.
    pub(super) fn parameter_values(&self, config: &ModelConfig) -> u64 {
        4 * self.sum(config, |_, [n_out, n_in]| self.rank * (n_out + n_in))
    }
}
