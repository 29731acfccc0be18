//! Standard state tuning: steps of an optimiser on S_0, every weight frozen.
//! No threads, no clock, no files.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::batch::Batch;
use super::checkpoint_file::TrainerCheckpoint;
use super::optimizer::{Moments, Optimizer};
use super::schedule::learning_rate;
use super::spec::{Layers, Method, TrainingSpec};
use super::state_file::TunedState;
use super::step_record::{Pending, step_tensor};
use crate::error::{Error, Result};
use crate::model::state::ModelState;
use crate::model::{LossOptions, Rwkv7, TapeOptions};

pub use super::step_record::{Divergence, StepNumbers};

/// A head whose root mean square is above this has left the range in which a
/// recurrence of 32-bit numbers says anything.
const MAX_STATE_RMS: f64 = 1e4;

/// Trains S_0 of the chosen layers of a frozen model.
///
/// Steps are queued on the device and their numbers stay there until
/// [`Self::read_steps`]. A step whose gradient or state is not finite changes
/// nothing, and neither does any step after it.
#[derive(Debug)]
pub struct Trainer<'a> {
    model: &'a Rwkv7,
    device: &'a Device,
    training: TrainingSpec,
    /// The tuned layers, ascending.
    layers: Vec<usize>,
    /// S_0 of every layer at the start, [1, H, N, N] each.
    start: Vec<Tensor<4>>,
    /// S_0 of the tuned layers, [layers, H, N, N].
    state: Tensor<4>,
    optimizer: Optimizer,
    /// Whether every step so far was sound, [1, 1, 1, 1].
    sound: Tensor<4, Bool>,
    steps_taken: usize,
    pending: Pending,
}

impl<'a> Trainer<'a> {
    /// A trainer of `model`, which lives on `device`, from the state `start`.
    ///
    /// # Errors
    /// [`Error::Spec`] if the method trains nothing, names a layer that is not
    /// there, or the start state is that of another model.
    pub fn new(
        model: &'a Rwkv7,
        device: &'a Device,
        method: &Method,
        training: &TrainingSpec,
        start: &TunedState,
    ) -> Result<Self> {
        super::state_file::check_fits(start, model.config())?;
        let layers = tuned_layers(method, model.config().n_layer)?;
        let start = state_tensors(start, device);
        let chosen = layers.iter().map(|layer| start[*layer].clone()).collect();
        let state = Tensor::cat(chosen, 0);
        let optimizer = Optimizer::new(training.optimizer, Moments::zero(&state));
        Ok(Self {
            model,
            device,
            training: training.clone(),
            sound: sound(device),
            pending: Pending::new(layers.clone(), model.config().n_head),
            layers,
            start,
            state,
            optimizer,
            steps_taken: 0,
        })
    }

    /// Optimiser steps taken since the start of the run.
    pub fn steps_taken(&self) -> usize {
        self.steps_taken
    }

    /// Takes one optimiser step on the mean loss of all counted tokens of these
    /// batches, at the rate of the schedule. Nothing is read back.
    ///
    /// # Errors
    /// [`Error::Spec`] if no token is counted.
    pub fn step(&mut self, micro_batches: &[Batch]) -> Result<()> {
        self.step_at(
            micro_batches,
            learning_rate(&self.training, self.steps_taken),
        )
    }

    /// As [`Self::step`], at a rate of its own.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_at(&mut self, micro_batches: &[Batch], learning_rate: f64) -> Result<()> {
        let n_counted: usize = micro_batches.iter().map(Batch::n_counted).sum();
        if n_counted == 0 {
            let reason = "no token of the batch is counted; answers are empty";
            return Err(Error::spec("data.loss_on", reason));
        }
        let (loss, gradient) = self.gradient(micro_batches, 1.0 / n_counted as f32);
        let pulled = if self.training.pull_to_start > 0.0 {
            let gap = self.state.clone() - self.start_of_tuned();
            gradient + gap * self.training.pull_to_start
        } else {
            gradient
        };
        let heads = head_squares(&pulled);
        let norm = heads.clone().sum().sqrt();
        let clipped = match self.training.clip_norm {
            Some(limit) => {
                let scale = (norm.clone() + 1e-6).recip() * limit;
                pulled * scale.clamp_max(1.0).unsqueeze()
            }
            None => pulled,
        };
        let before = self.state.clone();
        let (after, moments) =
            self.optimizer
                .step(before.clone(), clipped, learning_rate, self.steps_taken);
        let after_heads = head_squares(&after);
        self.accept(after, moments, &norm, &after_heads);
        self.steps_taken += 1;
        let record = step_tensor(loss, norm, heads, after_heads);
        self.pending.push(self.steps_taken, learning_rate, record);
        Ok(())
    }

    /// Keeps the new state and moments where the step is sound, else the old ones.
    fn accept(&mut self, after: Tensor<4>, moments: Moments, norm: &Tensor<1>, heads: &Tensor<2>) {
        let [_, _, n, _] = after.dims();
        let limit = MAX_STATE_RMS * MAX_STATE_RMS * (n * n) as f64;
        // Comparisons are false for what is not a number.
        let finite = norm.clone().lower_equal_elem(f32::MAX);
        let small = heads.clone().max().lower_equal_elem(limit as f32);
        let now = finite.bool_and(small).reshape([1, 1, 1, 1]);
        self.sound = self.sound.clone().bool_and(now);
        let dropped = self.sound.clone().bool_not().expand(after.dims());
        let old = self.optimizer.moments().clone();
        let keep = |new: Tensor<4>, old: Tensor<4>| new.mask_where(dropped.clone(), old);
        self.optimizer.set_moments(Moments {
            first: keep(moments.first, old.first),
            second: keep(moments.second, old.second),
        });
        self.state = keep(after, self.state.clone());
    }

    /// The mean loss [1] and its gradient in the tuned states, [layers, H, N, N].
    fn gradient(&self, micro_batches: &[Batch], scale: f32) -> (Tensor<1>, Tensor<4>) {
        let tape = TapeOptions {
            first_layer: self.layers[0],
            recompute: self.training.activation_checkpointing,
        };
        let options = LossOptions {
            gradient_scale: Some(scale),
            l2wrap: self.training.l2wrap,
        };
        let mut total: Option<(Tensor<1>, Tensor<4>)> = None;
        for batch in micro_batches.iter().filter(|batch| batch.n_counted() > 0) {
            let (x, tape) =
                self.model
                    .forward_taped(self.tokens(batch), self.model_state(batch), tape);
            let loss = self.model.loss(x, &batch.at, &batch.targets, options);
            let Some(dx) = loss.dx else {
                unreachable!("a gradient was asked for")
            };
            let gradients = self.model.backward(tape, dx, None);
            let first = self.layers[0];
            let chosen = self
                .layers
                .iter()
                .map(|layer| gradients[layer - first].state.clone().unsqueeze_dim(0));
            let gradient = Tensor::cat(chosen.collect(), 0);
            total = Some(match total {
                None => (loss.sum, gradient),
                Some((sum, so_far)) => (sum + loss.sum, so_far + gradient),
            });
        }
        let Some((sum, gradient)) = total else {
            unreachable!("some batch has a counted token")
        };
        (sum * scale, gradient)
    }

    /// The numbers of every step since the last call, in one read-back.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn read_steps(&mut self) -> Result<Vec<StepNumbers>> {
        self.pending
            .read(MAX_STATE_RMS, self.model.config().head_size)
    }

    /// The first step that was not sound, known after [`Self::read_steps`]; the
    /// state is that of the step before it.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.pending.divergence()
    }

    /// Summed nats and number of the counted tokens of a batch, at the present state.
    ///
    /// # Errors
    /// [`Error::Device`] if the loss cannot be read.
    pub fn loss(&self, batch: &Batch) -> Result<(f64, usize)> {
        if batch.n_counted() == 0 {
            return Ok((0.0, 0));
        }
        let nothing = TapeOptions {
            first_layer: self.model.config().n_layer,
            recompute: false,
        };
        let (x, _) = self
            .model
            .forward_taped(self.tokens(batch), self.model_state(batch), nothing);
        let options = LossOptions {
            gradient_scale: None,
            l2wrap: false,
        };
        let loss = self.model.loss(x, &batch.at, &batch.targets, options);
        Ok((f64::from(read_f32(loss.sum)?[0]), batch.n_counted()))
    }

    /// The present state of every layer.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn state(&self) -> Result<TunedState> {
        let config = self.model.config();
        let layers = self.layer_states().into_iter().map(read_f32);
        Ok(TunedState {
            n_layer: config.n_layer,
            n_head: config.n_head,
            head_size: config.head_size,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// Everything a later run needs to go on from here.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn checkpoint(&self) -> Result<TrainerCheckpoint> {
        let Moments { first, second } = self.optimizer.moments().clone();
        Ok(TrainerCheckpoint {
            step: self.steps_taken,
            state: self.state()?,
            layers: self.layers.clone(),
            first_moment: read_f32(first)?,
            second_moment: read_f32(second)?,
            best: None,
            extra: std::collections::BTreeMap::new(),
        })
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// [`Error::Spec`] if it is that of another model or of other layers.
    pub fn restore(&mut self, checkpoint: &TrainerCheckpoint) -> Result<()> {
        super::state_file::check_fits(&checkpoint.state, self.model.config())?;
        let shape = self.state.dims();
        let n_values = shape.iter().product::<usize>();
        let lengths = [&checkpoint.first_moment, &checkpoint.second_moment].map(Vec::len);
        if checkpoint.layers != self.layers || lengths != [n_values; 2] {
            let reason = format!(
                "tunes layers {:?}, this run layers {:?}",
                checkpoint.layers, self.layers
            );
            return Err(Error::spec("checkpoint", reason));
        }
        let whole = state_tensors(&checkpoint.state, self.device);
        let chosen = self.layers.iter().map(|layer| whole[*layer].clone());
        self.state = Tensor::cat(chosen.collect(), 0);
        let moment = |values: &Vec<f32>| {
            Tensor::from_data(TensorData::new(values.clone(), shape), self.device)
        };
        self.optimizer.set_moments(Moments {
            first: moment(&checkpoint.first_moment),
            second: moment(&checkpoint.second_moment),
        });
        self.sound = sound(self.device);
        self.steps_taken = checkpoint.step;
        self.pending = Pending::new(self.layers.clone(), self.model.config().n_head);
        Ok(())
    }

    /// S_0 of every layer, [1, H, N, N] each.
    fn layer_states(&self) -> Vec<Tensor<4>> {
        let mut states = self.start.clone();
        for (idx, layer) in self.layers.iter().enumerate() {
            states[*layer] = self.state.clone().narrow(0, idx, 1);
        }
        states
    }

    fn start_of_tuned(&self) -> Tensor<4> {
        let chosen = self.layers.iter().map(|layer| self.start[*layer].clone());
        Tensor::cat(chosen.collect(), 0)
    }

    fn model_state(&self, batch: &Batch) -> ModelState {
        ModelState::with_wkv(
            self.model.config(),
            batch.n_batch,
            self.layer_states(),
            self.device,
        )
    }

    fn tokens(&self, batch: &Batch) -> Tensor<2, Int> {
        let data = TensorData::new(batch.tokens.clone(), batch.shape());
        Tensor::from_data(data, self.device)
    }
}

/// The layers that a method trains, ascending.
fn tuned_layers(method: &Method, n_layer: usize) -> Result<Vec<usize>> {
    let chosen = match method {
        Method::Base => {
            let reason = "Base trains nothing; choose Standard to tune a state";
            return Err(Error::spec("method", reason));
        }
        Method::Standard(standard) => &standard.layers,
    };
    match chosen {
        Layers::All => Ok((0..n_layer).collect()),
        Layers::Only(layers) => {
            if let Some(layer) = layers.iter().find(|layer| **layer >= n_layer) {
                let reason = format!(
                    "has layer {layer}; the model has layers 0 to {}",
                    n_layer - 1
                );
                return Err(Error::spec("method.layers", reason));
            }
            let mut layers = layers.clone();
            layers.sort_unstable();
            Ok(layers)
        }
    }
}

/// A state as tensors, [1, H, N, N] a layer.
pub(crate) fn state_tensors(state: &TunedState, device: &Device) -> Vec<Tensor<4>> {
    let shape = [1, state.n_head, state.head_size, state.head_size];
    let layers = state.layers.iter();
    layers
        .map(|values| Tensor::from_data(TensorData::new(values.clone(), shape), device))
        .collect()
}

/// The sum of squares of every head, [layers, H].
fn head_squares(x: &Tensor<4>) -> Tensor<2> {
    let [n_layer, n_head, n, _] = x.dims();
    x.clone()
        .powi_scalar(2)
        .reshape([n_layer, n_head, n * n])
        .sum_dim(2)
        .squeeze_dim(2)
}

fn sound(device: &Device) -> Tensor<4, Bool> {
    Tensor::<4>::zeros([1, 1, 1, 1], device).lower_equal_elem(0.0)
}

/// A tensor's values, row-major.
pub(crate) fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .into_data()
        .try_to_vec()
        .map_err(|error| Error::Device(format!("values cannot be read back: {error:?}")))
}

#[cfg(test)]
mod tests;
