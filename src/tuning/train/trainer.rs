//! State tuning: steps of an optimiser on S_0, on the branch of a lifted state and
//! on adapters, every weight frozen. No threads, no clock, no files.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::batch::Batch;
use super::distillation::divergence;
use super::parameter::Parameter;
use super::step_record::{Limits, Pending};
use super::text_loss::{each_stream, text_loss};
use crate::data::Example;
use crate::error::{Error, Result};
use crate::model::state::Start;
use crate::model::{LeadingToken, Model};
use crate::tuning::inspect::condition_number::Conditions;
use crate::tuning::inspect::feature_activity::FeatureActivity;
use crate::tuning::method::lift::Lift;
use crate::tuning::method::lift_start::LiftStart;
use crate::tuning::method::lora::Lora;
use crate::tuning::method::shift::{Shifts, read_shifts};
use crate::tuning::method::tuned::{Tuned, shift_tensors, state_tensors};
use crate::tuning::spec::{Method, TrainingSpec};
use crate::tuning::states::state_file::TunedState;

mod saved;
mod stepping;
mod windows;

pub use super::step_record::{
    DecorrelationNumbers, Divergence, LiftNumbers, LiteralNumbers, LoraNumbers, StepNumbers,
};
use crate::kernels::device::read_back::read_f32;

/// A head whose root mean square is above this has left the range in which a
/// recurrence of 32-bit numbers says anything.
const MAX_STATE_RMS: f64 = 1e4;

/// Trains S_0, the branch of a lifted state or adapters of the chosen layers of a
/// frozen model.
///
/// Steps are queued on the device and their numbers stay there until
/// [`Self::read_steps`]. A step whose gradient or state is not finite changes
/// nothing, and neither does any step after it.
#[derive(Debug)]
pub struct Trainer<'a> {
    model: &'a Model,
    device: &'a Device,
    training: TrainingSpec,
    /// The tuned layers, ascending.
    layers: Vec<usize>,
    /// S_0 of every layer at the start, [1, H, N, N] each.
    start: Vec<Tensor<4>>,
    /// The token shifts of every layer at the start, [2, C] each; empty where they are
    /// zero and stay so.
    start_shifts: Vec<Tensor<2>>,
    /// S_0 of the tuned layers, [layers, H, N, N].
    state: Parameter,
    tunes_state: bool,
    /// The token shifts of the tuned layers, where they are trained.
    shifts: Option<Shifts>,
    lift: Option<Lift>,
    lora: Option<Lora>,
    activity: Option<FeatureActivity>,
    /// Whether every step so far was sound, [1, 1, 1, 1].
    sound: Tensor<4, Bool>,
    steps_taken: usize,
    /// Whether the kernels of a step were asked for.
    has_kernels: bool,
    pending: Pending,
    /// Whose predictions are the targets, in place of the tokens of the examples.
    teacher: Option<Start>,
}

impl<'a> Trainer<'a> {
    /// As [`Self::with_leading_token`], token 0 in front of `examples`.
    ///
    /// # Errors
    /// As [`Self::with_leading_token`].
    pub fn new(
        model: &'a Model,
        device: &'a Device,
        method: &Method,
        training: &TrainingSpec,
        start: &TunedState,
        examples: &[Example],
    ) -> Result<Self> {
        let leading = LeadingToken::Zero;
        Self::with_leading_token(model, device, method, training, start, examples, leading)
    }

    /// A trainer of `model`, which lives on `device`, from the state `start`. A
    /// lifted state takes its support vectors from what the model makes of
    /// `examples` behind `leading`; standard tuning needs none here.
    ///
    /// # Errors
    /// [`Error::Spec`] if the method trains nothing, does not fit the model or
    /// names a layer that is not there, or the start state is that of another
    /// model.
    pub fn with_leading_token(
        model: &'a Model,
        device: &'a Device,
        method: &Method,
        training: &TrainingSpec,
        start: &TunedState,
        examples: &[Example],
        leading: LeadingToken,
    ) -> Result<Self> {
        crate::tuning::states::state_file::check_fits(start, model.config())?;
        method.check_architecture(model.config())?;
        let Some((layers, _)) = method.tuned() else {
            let reason = tr!("Base trains nothing; choose Standard to tune a state");
            return Err(Error::spec("method", reason));
        };
        let layers = layers.chosen(model.config().n_layer)?;
        let (tunes_state, lift, activity) = match method.lifting() {
            None => (method.lora().is_none_or(|of| of.tune_s0), None, None),
            Some(lifting) => {
                let start = LiftStart::new(model, device, &lifting, examples, leading, training)?;
                let activity = start.activity;
                let lift = Lift::new(start, &lifting, training, layers.clone());
                (lifting.tune_s0, Some(lift), Some(activity))
            }
        };
        let lora = method
            .lora()
            .map(|spec| Lora::new(spec, training, layers.clone(), model.config(), device));
        let mut start_shifts = shift_tensors(start, device);
        let shifts = method.shift_rate().map(|rate| {
            let config = model.config();
            if start_shifts.is_empty() {
                let zero = Tensor::zeros([2, config.n_embd], device);
                start_shifts = vec![zero; config.n_layer];
            }
            let chosen = layers.iter().map(|layer| start_shifts[*layer].clone());
            Shifts::new(chosen.collect(), rate, training)
        });
        let start = state_tensors(start, device);
        let chosen = layers.iter().map(|layer| start[*layer].clone()).collect();
        Ok(Self {
            model,
            device,
            training: training.clone(),
            sound: sound(device),
            pending: Pending::new(layers.clone(), model.config().n_head),
            layers,
            start,
            start_shifts,
            shifts,
            state: Parameter::new(Tensor::cat(chosen, 0), training.optimizer),
            tunes_state,
            lift,
            lora: lora.transpose()?,
            activity,
            steps_taken: 0,
            has_kernels: false,
            teacher: None,
        })
    }

    /// From here on the targets are the predictions of the same weights behind
    /// `teacher`, in place of the tokens of the examples: the loss is the divergence
    /// from them, in nats a counted token.
    pub fn imitate(&mut self, teacher: Start) {
        self.teacher = Some(teacher);
    }

    /// Summed nats of the divergence from the teacher, and number of the counted tokens
    /// of a batch, at the present state; the loss of [`Self::loss`] without a teacher.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn divergence_from_teacher(&self, batch: &Batch) -> Result<(f64, usize)> {
        let (Some(teacher), 1..) = (&self.teacher, batch.n_counted()) else {
            return self.loss(batch);
        };
        let streams = |start: &Start| {
            let mut streams = Vec::new();
            let windows = (batch, self.training.window);
            each_stream(self.model, self.device, start, windows, |x, window| {
                streams.push((x, window.part.at.clone()));
            });
            streams
        };
        let pairs = streams(&self.start()).into_iter().zip(streams(teacher));
        let sums: Vec<Tensor<1>> = pairs
            .map(|((x, at), (taught, _))| divergence(self.model, x, &taught, &at, None).sum)
            .collect();
        let sum = Tensor::cat(sums, 0).sum();
        Ok((f64::from(read_f32(sum)?[0]), batch.n_counted()))
    }

    /// The dimensions of the model.
    pub fn model_config(&self) -> &crate::model::ModelConfig {
        self.model.config()
    }

    /// Optimiser steps taken since the start of the run.
    pub fn steps_taken(&self) -> usize {
        self.steps_taken
    }

    /// What gamma made of the kernels, of a lifted run.
    pub fn feature_activity(&self) -> Option<FeatureActivity> {
        self.activity
    }

    /// The numbers of every step since the last call, in one read-back.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn read_steps(&mut self) -> Result<Vec<StepNumbers>> {
        let config = self.model.config();
        let (n, k) = (config.head_size as f64, config.key_size() as f64);
        let m = self
            .lift
            .as_ref()
            .map_or(0, |lift| lift.weights().dims()[3]);
        self.pending.read(Limits {
            state: MAX_STATE_RMS * (n * k).sqrt(),
            lift: MAX_STATE_RMS * (n * m as f64).sqrt(),
            lora: MAX_STATE_RMS * (self.n_of_adapters() as f64).sqrt(),
            shifts: MAX_STATE_RMS * (self.n_of_shifts() as f64).sqrt(),
        })
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
        let window = self.training.window;
        text_loss(self.model, self.device, &self.start(), batch, window)
    }

    /// The largest condition number of an R over layers and heads; none without
    /// R. The processor works it out at the present state for the layer whose turn
    /// it is, or for `all` of them; `known` has those of the others.
    ///
    /// # Errors
    /// [`Error::Device`] if R cannot be read.
    pub fn condition_number(&self, known: &mut Conditions, all: bool) -> Result<Option<f64>> {
        let Some(lift) = &self.lift else {
            return Ok(None);
        };
        for layer_idx in known.due(lift.n_with_r(), all) {
            known.see(layer_idx, lift.condition_number(layer_idx)?);
        }
        Ok(known.largest())
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
            key_size: config.key_size(),
            layers: layers.collect::<Result<_>>()?,
            shifts: match self.layer_shifts() {
                none if none.is_empty() => None,
                layers => Some(read_shifts(layers)?),
            },
        })
    }

    /// Numbers that an optimiser or a rule changes: of S_0 and its token shifts, of a
    /// branch with its R, of adapters.
    pub fn n_trained(&self) -> usize {
        let n_of = |x: &Tensor<4>| x.dims().iter().product::<usize>();
        let of_state = if self.tunes_state {
            n_of(&self.state.value)
        } else {
            0
        };
        let of_lift = self.lift.as_ref().map_or(0, Lift::n_trained);
        of_state + self.n_of_shifts() + of_lift + self.n_of_adapters()
    }

    /// Numbers of the token shifts that are trained; 0 where none are.
    fn n_of_shifts(&self) -> usize {
        self.shifts.as_ref().map_or(0, Shifts::n_parameters)
    }

    /// Numbers of the adapters; 0 without any.
    fn n_of_adapters(&self) -> usize {
        self.lora.as_ref().map_or(0, Lora::n_parameters)
    }

    /// The present state, branch and adapters.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn tuned(&self) -> Result<Tuned> {
        Ok(Tuned {
            state: self.state()?,
            lift: self.lift.as_ref().map(Lift::values).transpose()?,
            lora: self.lora.as_ref().map(Lora::values).transpose()?,
        })
    }

    /// S_0 of every layer, [1, H, N, N] each.
    fn layer_states(&self) -> Vec<Tensor<4>> {
        let mut states = self.start.clone();
        for (idx, layer) in self.layers.iter().enumerate() {
            states[*layer] = self.state.value.clone().narrow(0, idx, 1);
        }
        states
    }

    /// The token shifts of every layer, [2, C] each; empty where they are zero.
    fn layer_shifts(&self) -> Vec<Tensor<2>> {
        let mut all = self.start_shifts.clone();
        if let Some(shifts) = &self.shifts {
            for (idx, layer) in self.layers.iter().enumerate() {
                all[*layer] = shifts.of_layer(idx);
            }
        }
        all
    }

    fn start_of_tuned(&self) -> Tensor<4> {
        let chosen = self.layers.iter().map(|layer| self.start[*layer].clone());
        Tensor::cat(chosen.collect(), 0)
    }

    /// What every text starts from.
    fn start(&self) -> Start {
        let n_layer = self.model.config().n_layer;
        let branches = self.lift.as_ref().map(|lift| lift.branches(n_layer));
        Start {
            wkv: self.layer_states(),
            shifts: self.layer_shifts(),
            branches: branches.unwrap_or_default(),
            adapters: self
                .lora
                .as_ref()
                .map_or_else(Vec::new, |lora| lora.adapters(n_layer)),
        }
    }

    /// 1 for the tokens of a batch, 0 for its padding, [B, T].
    fn real(&self, batch: &Batch) -> Tensor<2> {
        let mut real = vec![0.0_f32; batch.tokens.len()];
        for at in batch.real_positions() {
            real[at as usize] = 1.0;
        }
        Tensor::from_data(TensorData::new(real, batch.shape()), self.device)
    }

    fn tokens(&self, batch: &Batch) -> Tensor<2, Int> {
        let data = TensorData::new(batch.tokens.clone(), batch.shape());
        Tensor::from_data(data, self.device)
    }
}

fn sound(device: &Device) -> Tensor<4, Bool> {
    Tensor::<4>::zeros([1, 1, 1, 1], device).lower_equal_elem(0.0)
}

#[cfg(test)]
mod lifted_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
