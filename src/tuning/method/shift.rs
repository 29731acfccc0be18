//! Token shifts while they are trained: what the last inputs of time mixing and of
//! channel mixing are before a text, of the tuned layers.

use burn::tensor::{Bool, Tensor};

use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::tuning::spec::TrainingSpec;
use crate::tuning::train::parameter::{MomentValues, Parameter, Proposal};

/// The token shifts of a run.
#[derive(Debug)]
pub(crate) struct Shifts {
    /// [layers, 2, 1, C]: of time mixing, then of channel mixing.
    parameter: Parameter,
    learning_rate: f64,
    /// The peak rate of S_0, whose schedule they follow.
    state_rate: f64,
}

impl Shifts {
    /// Those that start as `start`, [2, C] for each of the tuned layers, and have the
    /// peak rate `learning_rate`.
    pub fn new(start: Vec<Tensor<2>>, learning_rate: f64, training: &TrainingSpec) -> Self {
        Self {
            parameter: Parameter::new(stacked(start), training.optimizer),
            learning_rate,
            state_rate: training.learning_rate,
        }
    }

    /// Those of the `idx`-th tuned layer, [2, C].
    pub fn of_layer(&self, idx: usize) -> Tensor<2> {
        let [_, _, _, n_embd] = self.parameter.value.dims();
        let own = self.parameter.value.clone().narrow(0, idx, 1);
        own.reshape([2, n_embd])
    }

    /// The sum of all squares, `[1]`.
    pub fn square(of: &Tensor<4>) -> Tensor<1> {
        of.clone().powi_scalar(2).sum()
    }

    /// Numbers that are trained.
    pub fn n_parameters(&self) -> usize {
        self.parameter.value.dims().iter().product()
    }

    /// The step after `step_idx` steps, where that of S_0 has the rate `state_rate`.
    pub fn propose(&self, gradient: Tensor<4>, state_rate: f64, step_idx: usize) -> Proposal {
        let rate = state_rate / self.state_rate * self.learning_rate;
        self.parameter.propose(gradient, rate, step_idx)
    }

    /// Takes the step where `sound`, [1, 1, 1, 1], is true.
    pub fn accept(&mut self, proposal: Proposal, sound: &Tensor<4, Bool>) {
        self.parameter.accept(proposal, sound);
    }

    /// The difference to `start`, [2, C] for each of the tuned layers: [layers, 2, 1, C].
    pub fn gap(&self, start: Vec<Tensor<2>>) -> Tensor<4> {
        self.parameter.value.clone() - stacked(start)
    }

    /// The moments of the optimiser.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn moments(&self) -> Result<MomentValues> {
        self.parameter.moments()
    }

    /// Goes on from other values, [2, C] for each of the tuned layers.
    ///
    /// # Errors
    /// [`Error::Spec`] if they are of another run.
    pub fn restore(&mut self, values: Vec<Tensor<2>>, moments: &[MomentValues]) -> Result<()> {
        let [moments] = moments else {
            let reason = tr!("has no moments of the token shifts, which this run trains");
            return Err(Error::spec("checkpoint", reason));
        };
        let values = stacked(values);
        self.parameter.set(values, moments, "checkpoint")
    }
}

/// [2, C] a layer as [layers, 2, 1, C].
pub(crate) fn stacked(layers: Vec<Tensor<2>>) -> Tensor<4> {
    let layers = layers.into_iter().map(|layer| {
        let [_, n_embd] = layer.dims();
        layer.reshape([1, 2, 1, n_embd])
    });
    Tensor::cat(layers.collect(), 0)
}

/// [2, C] a layer as plain numbers.
///
/// # Errors
/// [`Error::Device`] if they cannot be read.
pub(crate) fn read_shifts(layers: Vec<Tensor<2>>) -> Result<Vec<Vec<f32>>> {
    layers.into_iter().map(read_f32).collect()
}
