//! The states that move: one a question, or one for all. Each has its own moments,
//! its own clipping and its own steps, so that it is the same alone and in a batch.

use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::adapter::LayerAdapters;
use crate::model::branch::Branch;
use crate::model::state::{ModelState, Start};
use crate::model::{Model, ModelConfig};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::TunedState;

/// Adam's numbers: those of state tuning.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// A state whose root mean square is above this says nothing any more.
const MAX_RMS: f32 = 1e4;

/// Tokens of a text that are read at once.
const TOKENS_OF_A_PART: usize = 1024;

/// Why a state stopped moving before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// Every token that it is taught is its likeliest, or its loss is small.
    Learned,
    /// No group of answers told it anything for a whole pass. All right cannot be
    /// told from all alike.
    Converged,
    /// Its answers became fewer, shorter or all alike.
    Collapsed,
    /// It left the base further than is allowed; the state is that before.
    Drifted,
    /// A number was none; the state is that before.
    NotFinite,
    /// Its tokens are spent.
    Budget,
}

/// What a step made of a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateChange {
    /// The norm of its gradient, before clipping.
    pub gradient: f32,
    /// |S - S_b| / |S_b|; from a base of zero the root mean square of S.
    pub drift: f32,
}

/// States [I, L H, N, N] and their optimiser.
#[derive(Debug, Clone)]
pub struct States {
    config: ModelConfig,
    device: Device,
    /// [I, L H, N, N].
    value: Tensor<4>,
    /// Moments, of the same shape.
    first: Tensor<4>,
    second: Tensor<4>,
    /// [1, L H, N, N].
    base: Tensor<4>,
    /// |S_b|.
    base_norm: f32,
    /// The token shifts of the base, which stay: as tensors, and as numbers. None where
    /// they are zero.
    shifts: Vec<Tensor<2>>,
    shift_values: Option<Vec<Vec<f32>>>,
    /// The frozen branch of a lifted base, of every layer.
    branches: Vec<Option<Branch>>,
    /// The frozen adapters of a base that has some; none where it has none.
    adapters: Vec<Option<LayerAdapters>>,
    /// Steps that each has taken.
    steps: Vec<usize>,
    /// Why each stands still, where it does.
    stopped: Vec<Option<Stop>>,
    drift: Vec<f32>,
}

/// The states as numbers: what a resumed adaptation goes on from.
#[derive(Debug, Clone, PartialEq)]
pub struct StateValues {
    /// Value, first and second moments, [I, L, H, N, N] each, flat.
    pub tensors: [Vec<f32>; 3],
    /// Steps that each has taken.
    pub steps: Vec<usize>,
    /// Why each stands still.
    pub stopped: Vec<Option<Stop>>,
    /// How far each has gone.
    pub drift: Vec<f32>,
}

impl States {
    /// `n` states of `model`, which lives on `device`, all of them `base`.
    ///
    /// # Errors
    /// [`Error::Spec`] for a base of another model.
    pub fn new(model: &Model, device: &Device, base: &Tuned, n: usize) -> Result<Self> {
        base.check_fits(model.config())?;
        if base.lora.is_some() {
            let reason = tr!(
                "is of a LoRA run, whose adapters are not applied here; merge them into the \
                 model first (gosling export RUN --to merged)"
            );
            return Err(Error::spec("state", reason));
        }
        let config = model.config().clone();
        let [h, size, keys] = config.state_shape();
        let lh = config.n_layer * h;
        let values: Vec<f32> = base.state.layers.iter().flatten().copied().collect();
        let square: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
        let base_value: Tensor<4> =
            Tensor::from_data(TensorData::new(values, [1, lh, size, keys]), device);
        let whole = [n, lh, size, keys];
        let start = base.start(device);
        let mut branches = start.branches;
        branches.resize(config.n_layer, None);
        Ok(Self {
            device: device.clone(),
            value: base_value.clone().expand(whole),
            first: Tensor::zeros(whole, device),
            second: Tensor::zeros(whole, device),
            base: base_value,
            base_norm: square.sqrt() as f32,
            shifts: start.shifts,
            shift_values: base.state.shifts.clone(),
            branches,
            adapters: start.adapters,
            steps: vec![0; n],
            stopped: vec![None; n],
            drift: vec![0.0; n],
            config,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Steps that a state has taken.
    pub fn steps(&self, idx: usize) -> usize {
        self.steps[idx]
    }

    /// How far a state has gone, as [`StateChange::drift`].
    pub fn drift(&self, idx: usize) -> f32 {
        self.drift[idx]
    }

    /// Why a state stands still, where it does.
    pub fn stopped(&self, idx: usize) -> Option<Stop> {
        self.stopped[idx]
    }

    /// Lets a state stand still; the first reason stays.
    pub fn stop(&mut self, idx: usize, why: Stop) {
        self.stopped[idx].get_or_insert(why);
    }

    /// Whether every state stands still.
    pub fn are_all_stopped(&self) -> bool {
        self.stopped.iter().all(Option::is_some)
    }

    /// What texts start from, each from the state of its place in `of`.
    pub fn before(&self, of: &[usize]) -> ModelState {
        let h = self.config.n_head;
        // One state that all share is not copied.
        let is_shared = self.len() == 1;
        let chosen = match is_shared {
            true => self.value.clone(),
            false => self.value.clone().select(0, indices(of, &self.device)),
        };
        let layers = (0..self.config.n_layer).map(|layer| chosen.clone().narrow(1, layer * h, h));
        let mut state =
            ModelState::with_wkv(&self.config, of.len(), layers.collect(), &self.device);
        for (layer, shifts) in state.layers.iter_mut().zip(&self.shifts) {
            layer.set_shifts(shifts);
        }
        for (layer, branch) in state.layers.iter_mut().zip(&self.branches) {
            layer.branch.clone_from(branch);
        }
        for (layer, adapters) in state.layers.iter_mut().zip(&self.adapters) {
            layer.adapters.clone_from(adapters);
        }
        state
    }

    /// Sums the gradients of texts, [B, H, N, N] a layer, over those of every state:
    /// [I, L H, N, N]. `of` has the state of each.
    pub fn gathered(&self, of_texts: Vec<Tensor<4>>, of: &[usize]) -> Tensor<4> {
        let of_texts = Tensor::cat(of_texts, 1);
        if self.len() == 1 {
            return of_texts.sum_dim(0);
        }
        let zero = Tensor::zeros(self.value.dims(), &self.device);
        let places = indices(of, &self.device);
        zero.select_assign(0, places, of_texts, IndexingUpdateOp::Add)
    }

    /// Takes a step of Adam with the gradient [I, L H, N, N] on those states that are
    /// `trained` and not stopped, each at its own `rate`. A state whose numbers would
    /// not be finite, or that would go too far, stays and stops. None where nothing
    /// was done.
    ///
    /// # Errors
    /// [`Error::Device`] if the numbers cannot be read.
    pub fn step(
        &mut self,
        gradient: Tensor<4>,
        trained: &[bool],
        rates: &[f64],
        clip_norm: Option<f64>,
        max_drift: Option<f64>,
    ) -> Result<Vec<Option<StateChange>>> {
        let n = self.len();
        let squares = |x: Tensor<4>| x.powi_scalar(2).sum_dim(1).sum_dim(2).sum_dim(3);
        let norm = squares(gradient.clone()).sqrt();
        let gradient = match clip_norm {
            Some(limit) => gradient * ((norm.clone() + 1e-6).recip() * limit).clamp_max(1.0),
            None => gradient,
        };
        let first = self.first.clone() * BETA1 + gradient.clone() * (1.0 - BETA1);
        let second = self.second.clone() * BETA2 + gradient.powi_scalar(2) * (1.0 - BETA2);
        let correction = |beta: f64, idx: usize| {
            let steps = i32::try_from(self.steps[idx] + 1).unwrap_or(i32::MAX);
            1.0 - beta.powi(steps)
        };
        let of_first = (0..n).map(|idx| (rates[idx] / correction(BETA1, idx)) as f32);
        let of_second = (0..n).map(|idx| (1.0 / correction(BETA2, idx)) as f32);
        let deviation = (second.clone() * self.one_each(of_second)).sqrt() + EPSILON;
        let value = self.value.clone() - first.clone() / deviation * self.one_each(of_first);
        let gap = squares(value.clone() - self.base.clone());
        let numbers = read_f32(Tensor::cat(vec![norm, squares(value.clone()), gap], 1))?;
        let n_values = (self.value.dims().iter().product::<usize>() / n) as f32;
        let mut moved = vec![None; n];
        let mut taken = vec![false; n];
        for (idx, numbers) in numbers.chunks_exact(3).enumerate() {
            if !trained[idx] || self.stopped[idx].is_some() {
                continue;
            }
            let &[gradient, square, gap] = numbers else {
                unreachable!("three numbers a state")
            };
            let rms = (square / n_values).sqrt();
            // Comparisons are false for what is not a number.
            if !(gradient.is_finite() && rms <= MAX_RMS) {
                self.stopped[idx] = Some(Stop::NotFinite);
                continue;
            }
            let drift = match self.base_norm > 0.0 {
                true => gap.sqrt() / self.base_norm,
                false => rms,
            };
            if max_drift.is_some_and(|most| f64::from(drift) > most) {
                self.stopped[idx] = Some(Stop::Drifted);
                continue;
            }
            taken[idx] = true;
            self.drift[idx] = drift;
            moved[idx] = Some(StateChange { gradient, drift });
        }
        let left = self.one_each(taken.iter().map(|taken| f32::from(u8::from(!taken))));
        let left = left.greater_elem(0.5);
        self.value = keep(value, self.value.clone(), &left);
        self.first = keep(first, self.first.clone(), &left);
        self.second = keep(second, self.second.clone(), &left);
        for (steps, taken) in self.steps.iter_mut().zip(taken) {
            *steps += usize::from(taken);
        }
        Ok(moved)
    }

    /// A number a state, [I, 1, 1, 1].
    fn one_each(&self, values: impl Iterator<Item = f32>) -> Tensor<4> {
        let values: Vec<f32> = values.collect();
        let shape = [values.len(), 1, 1, 1];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// One of them, as what texts start from.
    pub fn start(&self, idx: usize) -> Start {
        let h = self.config.n_head;
        let own = self.value.clone().narrow(0, idx, 1);
        let layers = (0..self.config.n_layer).map(|layer| own.clone().narrow(1, layer * h, h));
        Start {
            wkv: layers.collect(),
            shifts: self.shifts.clone(),
            branches: self.branches.clone(),
            adapters: self.adapters.clone(),
        }
    }

    /// The first of them after it has read some tokens: S alone, without what else a
    /// model carries from token to token.
    pub fn after(&self, model: &Model, tokens: &[u32]) -> Self {
        let mut state = self.before(&[0]);
        for part in tokens.chunks(TOKENS_OF_A_PART) {
            let ids: Vec<i32> = part.iter().map(|id| id.cast_signed()).collect();
            let ids = TensorData::new(ids, [1, part.len()]);
            (_, state) = model.hidden(Tensor::from_data(ids, &self.device), state);
        }
        let layers = state.layers.into_iter().map(|layer| layer.wkv);
        let value = Tensor::cat(layers.collect(), 1);
        let mut after = self.clone();
        after.first = value.zeros_like();
        after.second = value.zeros_like();
        after.value = value;
        (after.shifts, after.shift_values) = (Vec::new(), None);
        after
    }

    /// One of them, as numbers.
    ///
    /// # Errors
    /// [`Error::Device`] if it cannot be read.
    pub fn state(&self, idx: usize) -> Result<TunedState> {
        let values = read_f32(self.value.clone().narrow(0, idx, 1))?;
        let config = &self.config;
        let n_per_layer = config.n_state();
        Ok(TunedState {
            n_layer: config.n_layer,
            n_head: config.n_head,
            head_size: config.head_size,
            key_size: config.key_size(),
            layers: values
                .chunks_exact(n_per_layer)
                .map(<[f32]>::to_vec)
                .collect(),
            shifts: self.shift_values.clone(),
        })
    }

    /// All of them and their optimiser.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub fn values(&self) -> Result<StateValues> {
        Ok(StateValues {
            tensors: [
                read_f32(self.value.clone())?,
                read_f32(self.first.clone())?,
                read_f32(self.second.clone())?,
            ],
            steps: self.steps.clone(),
            stopped: self.stopped.clone(),
            drift: self.drift.clone(),
        })
    }

    /// Goes on from values of as many states.
    ///
    /// # Errors
    /// [`Error::Spec`] where there are more or fewer.
    pub fn restore(&mut self, values: StateValues) -> Result<()> {
        let shape = self.value.dims();
        let wanted: usize = shape.iter().product();
        let has = values.tensors.iter().map(Vec::len);
        if has.clone().any(|len| len != wanted) || values.steps.len() != self.len() {
            let has: Vec<usize> = has.collect();
            let reason = tr!(
                "has {has} numbers, {wanted} each are needed",
                has = format_args!("{has:?}"),
                wanted
            );
            return Err(Error::spec("checkpoint", reason));
        }
        let [value, first, second] = values
            .tensors
            .map(|values| Tensor::from_data(TensorData::new(values, shape), &self.device));
        (self.value, self.first, self.second) = (value, first, second);
        (self.steps, self.stopped, self.drift) = (values.steps, values.stopped, values.drift);
        Ok(())
    }
}

/// `new`, but `old` for the states that are `left`, [I, 1, 1, 1].
fn keep(new: Tensor<4>, old: Tensor<4>, left: &Tensor<4, Bool>) -> Tensor<4> {
    let left = left.clone().expand(new.dims());
    new.mask_where(left, old)
}

fn indices(of: &[usize], device: &Device) -> Tensor<1, Int> {
    let of: Vec<i32> = of.iter().map(|idx| *idx as i32).collect();
    Tensor::from_data(of.as_slice(), device)
}
