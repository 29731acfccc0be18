//! A tensor that is trained, and how it takes a step that may be dropped.

use burn::tensor::{Bool, Tensor, TensorData};

use super::optimizer::{Moments, Optimizer};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::tuning::spec::OptimizerSpec;

/// A parameter, [layers, heads, rows, columns], and its optimiser.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub value: Tensor<4>,
    optimizer: Optimizer,
}

/// What a step would make of a parameter.
pub(crate) struct Proposal {
    pub value: Tensor<4>,
    moments: Moments,
}

/// What an optimiser remembers of a parameter, as numbers, flat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MomentValues {
    /// The first moment.
    pub first: Vec<f32>,
    /// The second moment.
    pub second: Vec<f32>,
}

impl Parameter {
    pub fn new(value: Tensor<4>, optimizer: OptimizerSpec) -> Self {
        Self {
            optimizer: Optimizer::new(optimizer, Moments::zero(&value)),
            value,
        }
    }

    /// The step after `step_idx` steps; nothing is kept of it.
    pub fn propose(&self, gradient: Tensor<4>, rate: f64, step_idx: usize) -> Proposal {
        let (value, moments) = self
            .optimizer
            .step(self.value.clone(), gradient, rate, step_idx);
        Proposal { value, moments }
    }

    /// Takes the step where `sound`, [1, 1, 1, 1], is true.
    pub fn accept(&mut self, proposal: Proposal, sound: &Tensor<4, Bool>) {
        let old = self.optimizer.moments().clone();
        self.optimizer.set_moments(Moments {
            first: keep(proposal.moments.first, old.first, sound),
            second: keep(proposal.moments.second, old.second, sound),
        });
        self.value = keep(proposal.value, self.value.clone(), sound);
    }

    /// What the optimiser remembers.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn moments(&self) -> Result<MomentValues> {
        let Moments { first, second } = self.optimizer.moments().clone();
        Ok(MomentValues {
            first: read_f32(first)?,
            second: read_f32(second)?,
        })
    }

    /// Puts a value and moments of the same shape in place of its own.
    ///
    /// # Errors
    /// [`Error::Spec`] on `field` where there are too many numbers or too few.
    pub fn set(&mut self, value: Tensor<4>, moments: &MomentValues, field: &str) -> Result<()> {
        let device = self.value.device();
        let shape = self.value.dims();
        let wanted: usize = shape.iter().product();
        let tensor = |values: &Vec<f32>| {
            if values.len() != wanted || value.dims() != shape {
                let reason = tr!("has {} numbers, this run {wanted}", values.len(), wanted);
                return Err(Error::spec(field, reason));
            }
            let data = TensorData::new(values.clone(), shape);
            Ok(Tensor::<4>::from_data(data, &device))
        };
        self.optimizer.set_moments(Moments {
            first: tensor(&moments.first)?,
            second: tensor(&moments.second)?,
        });
        self.value = value;
        Ok(())
    }
}

/// `new` where `sound`, [1, 1, 1, 1], is true, else `old`.
pub(crate) fn keep(new: Tensor<4>, old: Tensor<4>, sound: &Tensor<4, Bool>) -> Tensor<4> {
    let dropped = sound.clone().bool_not().expand(new.dims());
    new.mask_where(dropped, old)
}

/// The sum of squares of every head, [layers, heads].
pub(super) fn head_squares(x: &Tensor<4>) -> Tensor<2> {
    let [n_layer, n_head, rows, columns] = x.dims();
    x.clone()
        .powi_scalar(2)
        .reshape([n_layer, n_head, rows * columns])
        .sum_dim(2)
        .squeeze_dim(2)
}
