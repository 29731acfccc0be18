//! The trained side of a lifted run: Z takes steps of an optimiser, and R
//! follows the features by its rule.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use rayon::prelude::*;

use super::decorrelation::{DecorrelationMatrix, SecondMoments};
use super::lift_start::LiftStart;
use super::lift_tensors::{LiftTensors, projection};
use super::projector::KernelProjector;
use super::tuned::LiftValues;
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::branch::Branch;
use crate::random::SplitMix64;
use crate::tuning::inspect::condition_number::{condition_number, worse};
use crate::tuning::spec::{DecorrelationRule, LiftKind, Lifting, TrainingSpec};
use crate::tuning::train::batch::Batch;
use crate::tuning::train::parameter::{MomentValues, Parameter, Proposal, keep};
use crate::tuning::train::step_gradients::LiftSums;

/// The branch while it is trained.
#[derive(Debug)]
pub(crate) struct Lift {
    kind: LiftKind,
    learning_rate: f64,
    training: TrainingSpec,
    layers: Vec<usize>,
    projector: KernelProjector,
    /// Q, where the recurrence needs it.
    projection: Option<Tensor<2>>,
    weights: Parameter,
    /// The write gates, [layers, H, 1, 1], of a recurrent one.
    gate: Option<Parameter>,
    decorrelation: Option<DecorrelationMatrix>,
    /// R as a parameter, where it is trained with the rest.
    joint: Option<Parameter>,
}

/// Gradients of what an optimiser trains.
pub(crate) struct LiftGradients {
    /// Of Z, [layers, H, N, M].
    pub weights: Tensor<4>,
    /// Of the write gates, [layers, H, 1, 1], where there are any.
    pub gate: Option<Tensor<4>>,
    /// Of R, where it is trained with the rest.
    pub r: Option<Tensor<4>>,
}

/// What a step would make of the branch.
pub(crate) struct LiftProposal {
    pub weights: Proposal,
    gate: Option<Proposal>,
    r: Option<Proposal>,
}

impl Lift {
    /// Z = 0, closed gates and R = I, so that step 0 is the model without the
    /// branch.
    pub fn new(
        start: LiftStart,
        lifting: &Lifting<'_>,
        training: &TrainingSpec,
        layers: Vec<usize>,
    ) -> Self {
        let [n_layer, n_head, m, n] = start.projector.support_vectors.dims();
        let device = start.mean.device();
        let weights = Tensor::zeros([n_layer, n_head, n, m], &device);
        let decorrelation = lifting
            .decorrelation
            .map(|spec| DecorrelationMatrix::identity(spec, start.mean, &device));
        let joint = decorrelation.as_ref().and_then(|matrix| {
            let trained = Parameter::new(matrix.r.clone(), training.optimizer);
            match matrix.spec.rule {
                DecorrelationRule::Joint { .. } => Some(trained),
                DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => None,
            }
        });
        let gate = match lifting.kind {
            LiftKind::Constant | LiftKind::Decayed | LiftKind::PaperLiteral => None,
            LiftKind::Recurrent => {
                let closed = Tensor::zeros([n_layer, n_head, 1, 1], &device);
                Some(Parameter::new(closed, training.optimizer))
            }
        };
        Self {
            kind: lifting.kind,
            learning_rate: lifting.learning_rate_lift,
            training: training.clone(),
            layers,
            projector: start.projector,
            projection: projection(lifting.kind, [n, m], training.seed, &device),
            gate,
            weights: Parameter::new(weights, training.optimizer),
            decorrelation,
            joint,
        }
    }

    /// The branch of every layer of a model of `n_layer`.
    pub fn branches(&self, n_layer: usize) -> Vec<Option<Branch>> {
        self.tensors().branches(n_layer)
    }

    fn tensors(&self) -> LiftTensors {
        let decorrelation = self.decorrelation.as_ref();
        LiftTensors {
            layers: self.layers.clone(),
            kind: self.kind,
            projector: self.projector.clone(),
            weights: self.weights.value.clone(),
            gate: self.gate.as_ref().map(|gate| {
                let [n_layer, n_head, ..] = gate.value.dims();
                gate.value.clone().reshape([n_layer, n_head])
            }),
            projection: self.projection.clone(),
            r: decorrelation.map(|matrix| matrix.r.clone()),
            mean: decorrelation.and_then(|matrix| matrix.mean.clone()),
            trains_r: self.joint.is_some(),
        }
    }

    /// The mean magnitude of the write gates, `[1]`, where there are any.
    pub fn mean_gate(&self) -> Option<Tensor<1>> {
        let gate = self.gate.as_ref()?;
        Some(gate.value.clone().abs().mean())
    }

    /// Layers that have an R; 0 without R.
    pub fn n_with_r(&self) -> usize {
        let matrix = self.decorrelation.as_ref();
        matrix.map_or(0, |matrix| matrix.r.dims()[0])
    }

    /// The largest condition number of an R of a tuned layer, counted from 0;
    /// 1 without R.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn condition_number(&self, layer_idx: usize) -> Result<f64> {
        let Some(matrix) = &self.decorrelation else {
            return Ok(1.0);
        };
        let m = matrix.r.dims()[3];
        let values = read_f32(matrix.r.clone().narrow(0, layer_idx, 1))?;
        let all = values.par_chunks(m * m).map(|r| condition_number(r, m));
        Ok(all.reduce(|| 1.0, worse))
    }

    /// Numbers of Z, of the write gates and of R.
    pub fn n_trained(&self) -> usize {
        let n_of = |x: &Tensor<4>| x.dims().iter().product::<usize>();
        let gate = self.gate.as_ref().map_or(0, |gate| n_of(&gate.value));
        let r = self.decorrelation.as_ref().map_or(0, |of| n_of(&of.r));
        n_of(&self.weights.value) + gate + r
    }

    /// Z, [layers, H, N, M].
    pub fn weights(&self) -> Tensor<4> {
        self.weights.value.clone()
    }

    /// The positions of a batch whose features R follows after `step_idx`
    /// steps; none where it rests.
    pub fn positions(&self, batch: &Batch, step_idx: usize, batch_idx: usize) -> Option<Vec<u32>> {
        let spec = self.decorrelation.as_ref()?.spec;
        if !step_idx.is_multiple_of(spec.interval) {
            return None;
        }
        let mut at = batch.real_positions();
        let n_chosen = ((at.len() as f64 * spec.sample).ceil() as usize).clamp(1, at.len());
        if n_chosen < at.len() {
            let of_step = SplitMix64::mix(self.training.seed, step_idx as u64);
            let mut random = SplitMix64::new(SplitMix64::mix(of_step, batch_idx as u64));
            for idx in 0..n_chosen {
                let other = idx + random.below(at.len() - idx);
                at.swap(idx, other);
            }
            at.truncate(n_chosen);
            at.sort_unstable();
        }
        Some(at)
    }

    /// Second moments of a step's features, and A = R E R^T.
    pub fn moments(&self, sums: &LiftSums) -> Option<(SecondMoments, Tensor<4>)> {
        let matrix = self.decorrelation.as_ref()?;
        let moments = matrix.second_moments(&sums.mean_moments()?);
        let decorrelated = matrix.decorrelated(&moments);
        Some((moments, decorrelated))
    }

    /// Gradients of the parameters, from those of the branches.
    pub fn gradients(
        &self,
        sums: &LiftSums,
        moments: Option<&(SecondMoments, Tensor<4>)>,
    ) -> LiftGradients {
        let n_head = sums.weights.dims()[1];
        let gate = sums.gate.clone();
        let Some(matrix) = &self.decorrelation else {
            return LiftGradients {
                weights: sums.weights.clone(),
                gate,
                r: None,
            };
        };
        // A constant branch had Z' = Z R: dZ = dZ' R^T and dR = Z^T dZ'.
        let is_folded = self.kind == LiftKind::Constant;
        let folded = || sums.weights.clone();
        let weights = match is_folded {
            true => folded().matmul(matrix.per_head(n_head).swap_dims(2, 3)),
            false => sums.weights.clone(),
        };
        let r = match matrix.spec.rule {
            DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => None,
            DecorrelationRule::Joint { lambda, .. } => {
                let of_task = match (is_folded, &sums.mixing) {
                    (true, _) => self.weights.value.clone().swap_dims(2, 3).matmul(folded()),
                    (false, Some(mixing)) => mixing.clone(),
                    (false, None) => unreachable!("a trained R has a gradient"),
                };
                let of_task = matrix.gather(of_task);
                Some(match moments {
                    Some((moments, a)) => of_task + matrix.loss_gradient(a, moments) * lambda,
                    None => of_task,
                })
            }
        };
        LiftGradients { weights, gate, r }
    }

    /// The step after `step_idx` steps, where that of S_0 has the rate
    /// `state_rate`.
    pub fn propose(
        &self,
        gradients: LiftGradients,
        state_rate: f64,
        step_idx: usize,
    ) -> LiftProposal {
        let share = state_rate / self.training.learning_rate;
        let rate = share * self.learning_rate;
        let r = match (&self.joint, gradients.r) {
            (Some(joint), Some(gradient)) => {
                Some(joint.propose(gradient, share * self.r_rate(), step_idx))
            }
            _ => None,
        };
        let gate = self.gate.as_ref().zip(gradients.gate);
        LiftProposal {
            weights: self.weights.propose(gradients.weights, rate, step_idx),
            gate: gate.map(|(gate, gradient)| gate.propose(gradient, rate, step_idx)),
            r,
        }
    }

    fn r_rate(&self) -> f64 {
        match self.decorrelation.as_ref().map(|matrix| matrix.spec.rule) {
            Some(DecorrelationRule::Joint { learning_rate, .. }) => learning_rate,
            Some(DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. })
            | None => 0.0,
        }
    }

    /// Takes the step where `sound`, [1, 1, 1, 1], is true, and lets R follow
    /// the features. Gives the numbers of [`DecorrelationMatrix::numbers`]
    /// where R was looked at.
    pub fn accept(
        &mut self,
        proposal: LiftProposal,
        sums: &LiftSums,
        moments: Option<&(SecondMoments, Tensor<4>)>,
        sound: &Tensor<4, Bool>,
    ) -> Option<Tensor<1>> {
        self.weights.accept(proposal.weights, sound);
        if let (Some(gate), Some(proposal)) = (&mut self.gate, proposal.gate) {
            gate.accept(proposal, sound);
        }
        let matrix = self.decorrelation.as_mut()?;
        if let (Some(joint), Some(r)) = (&mut self.joint, proposal.r) {
            joint.accept(r, sound);
            matrix.r = joint.value.clone();
        }
        let (_, a) = moments?;
        if let Some(after) = matrix.after_own_rule(a) {
            matrix.r = keep(after, matrix.r.clone(), sound);
        }
        let numbers = matrix.numbers(a);
        if let (Some(moved), Some(old)) = (
            sums.mean_moments()
                .and_then(|now| matrix.followed_mean(&now)),
            matrix.mean.clone(),
        ) {
            let kept = keep(moved.unsqueeze_dim(0), old.unsqueeze_dim(0), sound);
            matrix.mean = Some(kept.squeeze_dim(0));
        }
        Some(numbers)
    }

    /// The branch as plain numbers.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn values(&self) -> Result<LiftValues> {
        let [_, n_head, head_size, upscaled_size] = self.weights.value.dims();
        let tensors = self.tensors();
        Ok(LiftValues {
            layers: tensors.layers,
            n_head,
            head_size,
            upscaled_size,
            kind: tensors.kind,
            projection_seed: self.training.seed,
            weights: read_f32(tensors.weights)?,
            gate: tensors.gate.map(read_f32).transpose()?,
            support_vectors: read_f32(tensors.projector.support_vectors)?,
            gamma: read_f32(tensors.projector.gamma)?,
            decorrelation: tensors.r.map(read_f32).transpose()?,
            mean: tensors.mean.map(read_f32).transpose()?,
        })
    }

    /// The moments of the trained parameters: Z, then R and the write gates
    /// where they are trained.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn parameter_moments(&self) -> Result<Vec<MomentValues>> {
        let all = std::iter::once(&self.weights)
            .chain(&self.joint)
            .chain(&self.gate);
        all.map(Parameter::moments).collect()
    }

    /// Goes on from what [`Self::values`] and [`Self::parameter_moments`] gave.
    ///
    /// # Errors
    /// [`Error::Spec`] if they are of another run.
    pub fn restore(&mut self, values: &LiftValues, moments: &[MomentValues]) -> Result<()> {
        let refuse = || Error::spec("checkpoint", tr!("has another lifted state than this run"));
        let [n_layer, n_head, head_size, m] = self.weights.value.dims();
        let fits = values.has_right_sizes()
            && values.layers == self.layers
            && values.sizes() == [n_layer, n_head, head_size, m]
            && values.kind == self.kind
            && values.decorrelation.is_some() == self.decorrelation.is_some();
        let n_parameters = 1 + usize::from(self.joint.is_some()) + usize::from(self.gate.is_some());
        if !fits || moments.len() != n_parameters {
            return Err(refuse());
        }
        let mut moments = moments.iter();
        let mut next = || moments.next().ok_or_else(refuse);
        let of_weights = next()?;
        let tensors = values.tensors(&self.weights.value.device());
        if let (Some(matrix), Some(r)) = (&mut self.decorrelation, tensors.r) {
            let same_mean = tensors.mean.is_some() == matrix.mean.is_some();
            if r.dims() != matrix.r.dims() || !same_mean {
                return Err(refuse());
            }
            if let Some(joint) = &mut self.joint {
                joint.set(r.clone(), next()?, "checkpoint")?;
            }
            (matrix.r, matrix.mean) = (r, tensors.mean);
        }
        if let (Some(own), Some(gate)) = (&mut self.gate, tensors.gate) {
            let [n_layer, n_head] = gate.dims();
            own.set(gate.reshape([n_layer, n_head, 1, 1]), next()?, "checkpoint")?;
        }
        self.weights
            .set(tensors.weights, of_weights, "checkpoint")?;
        self.projector = tensors.projector;
        Ok(())
    }

    /// A step's choice of positions as a tensor.
    pub fn indices(at: &[u32], device: &Device) -> Tensor<1, burn::tensor::Int> {
        let at: Vec<i32> = at.iter().map(|at| at.cast_signed()).collect();
        let len = at.len();
        Tensor::from_data(TensorData::new(at, [len]), device)
    }
}
