//! What a run makes, as plain numbers: S_0 with its token shifts, the branch of a lifted
//! run and the adapters of a LoRA run.

use burn::tensor::{Device, Tensor, TensorData};

use super::lift_tensors::{LiftTensors, projection};
use super::lora_values::LoraValues;
use super::projector::KernelProjector;
use crate::error::{Error, Result};
use crate::model::state::Start;
use crate::model::{Architecture, ModelConfig};
use crate::tuning::spec::LiftKind;
use crate::tuning::states::state_file::{TunedState, check_fits};

/// Everything that a run changes of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// S_0 of every layer.
    pub state: TunedState,
    /// The branch, of a lifted run.
    pub lift: Option<LiftValues>,
    /// The adapters, of a LoRA run.
    pub lora: Option<LoraValues>,
}

/// The kernel-lifted branch of a run. Other programs load none of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiftValues {
    /// The layers that have a branch, ascending.
    pub layers: Vec<usize>,
    /// H.
    pub n_head: usize,
    /// N.
    pub head_size: usize,
    /// M.
    pub upscaled_size: usize,
    /// What happens to it from token to token.
    pub kind: LiftKind,
    /// The seed of Q.
    pub projection_seed: u64,
    /// Z, [layers, H, N, M].
    pub weights: Vec<f32>,
    /// beta, the write gates, [layers, H], of [`LiftKind::Recurrent`].
    pub gate: Option<Vec<f32>>,
    /// U, [layers, H, M, N].
    pub support_vectors: Vec<f32>,
    /// [layers, H].
    pub gamma: Vec<f32>,
    /// R, [layers, H or 1, M, M]; the identity without one.
    pub decorrelation: Option<Vec<f32>>,
    /// The mean that is taken off the features, [layers, H, M].
    pub mean: Option<Vec<f32>>,
}

impl From<TunedState> for Tuned {
    fn from(state: TunedState) -> Self {
        Self {
            state,
            lift: None,
            lora: None,
        }
    }
}

impl Tuned {
    /// What it changes, times `alpha`: S_0, Z, the write gates and B. 1 is the
    /// run's own; 0 is the untuned model exactly, without a branch or adapters.
    #[must_use]
    pub fn scaled(mut self, alpha: f32) -> Self {
        if alpha == 0.0 {
            (self.lift, self.lora) = (None, None);
        }
        self.lora = self.lora.map(|lora| lora.scaled(alpha));
        self.state = self.state.scaled(alpha);
        if let Some(lift) = &mut self.lift {
            let gates = lift.gate.iter_mut().flatten();
            lift.weights
                .iter_mut()
                .chain(gates)
                .for_each(|x| *x *= alpha);
        }
        self
    }

    /// What texts start from on a device.
    pub fn start(&self, device: &Device) -> Start {
        let branches = self.lift.as_ref().map(|lift| {
            let tensors = lift.tensors(device);
            tensors.branches(self.state.n_layer)
        });
        Start {
            wkv: state_tensors(&self.state, device),
            shifts: shift_tensors(&self.state, device),
            branches: branches.unwrap_or_default(),
            adapters: self
                .lora
                .as_ref()
                .map_or_else(Vec::new, |lora| lora.adapters(self.state.n_layer, device)),
        }
    }

    /// Checks that it has the dimensions of the model.
    ///
    /// # Errors
    /// [`Error::Spec`] with both sets of dimensions.
    pub fn check_fits(&self, model: &ModelConfig) -> Result<()> {
        check_fits(&self.state, model)?;
        let has_more = self.lift.is_some() || self.lora.is_some() || self.state.shifts.is_some();
        if model.architecture != Architecture::Rwkv7 && has_more {
            let reason = tr!(
                "has a lifted branch, adapters or token shifts, which Gosling has for RWKV-7 \
                 alone; the model is {}",
                model.architecture.name()
            );
            return Err(Error::spec("state", reason));
        }
        if let Some(lora) = &self.lora {
            lora.check_fits(model)?;
        }
        let Some(lift) = &self.lift else {
            return Ok(());
        };
        let last = lift.layers.last().copied().unwrap_or(0);
        let fits = lift.n_head == model.n_head
            && lift.head_size == model.head_size
            && last < model.n_layer;
        if fits {
            return Ok(());
        }
        let reason = tr!(
            "has {} heads of {} up to layer {last}, the model {} heads of {} in {} layers",
            lift.n_head,
            lift.head_size,
            model.n_head,
            model.head_size,
            model.n_layer,
            last
        );
        Err(Error::spec("lift", reason))
    }
}

/// The `idx`-th part of `len` numbers.
fn part(values: &[f32], idx: usize, len: usize) -> Option<&[f32]> {
    values.chunks_exact(len).nth(idx)
}

impl LiftValues {
    /// The branch on a device.
    pub fn tensors(&self, device: &Device) -> LiftTensors {
        let [l, h, n, m] = self.sizes();
        let tensor = |values: &Vec<f32>, shape: [usize; 4]| {
            Tensor::<4>::from_data(TensorData::new(values.clone(), shape), device)
        };
        let r = self.decorrelation.as_ref().map(|r| {
            let n_matrices = r.len() / (l * m * m);
            tensor(r, [l, n_matrices, m, m])
        });
        let mean = self.mean.as_ref().map(|mean| {
            let data = TensorData::new(mean.clone(), [l, h, m]);
            Tensor::<3>::from_data(data, device)
        });
        let of_heads = |values: &Vec<f32>| {
            Tensor::<2>::from_data(TensorData::new(values.clone(), [l, h]), device)
        };
        LiftTensors {
            layers: self.layers.clone(),
            kind: self.kind,
            projector: KernelProjector {
                support_vectors: tensor(&self.support_vectors, [l, h, m, n]),
                gamma: of_heads(&self.gamma),
            },
            weights: tensor(&self.weights, [l, h, n, m]),
            gate: self.gate.as_ref().map(of_heads),
            projection: projection(self.kind, [n, m], self.projection_seed, device),
            r,
            mean,
            trains_r: false,
        }
    }

    /// Z of a head, [N, M] row-major; `idx` counts the layers that have a
    /// branch.
    pub fn head_weights(&self, idx: usize, head: usize) -> Option<&[f32]> {
        let [_, h, n, m] = self.sizes();
        part(&self.weights, idx * h + head, n * m)
    }

    /// R of a head, [M, M] row-major, where there is one.
    pub fn head_decorrelation(&self, idx: usize, head: usize) -> Option<&[f32]> {
        let [l, h, _, m] = self.sizes();
        let r = self.decorrelation.as_ref()?;
        let is_shared = r.len() == l * m * m;
        let place = if is_shared { idx } else { idx * h + head };
        part(r, place, m * m)
    }

    /// Layers, H, N and M.
    pub fn sizes(&self) -> [usize; 4] {
        let Self {
            layers,
            n_head,
            head_size,
            upscaled_size,
            ..
        } = self;
        [layers.len(), *n_head, *head_size, *upscaled_size]
    }

    /// Whether every tensor has as many numbers as its shape says.
    pub fn has_right_sizes(&self) -> bool {
        let [l, h, n, m] = self.sizes();
        let product = |factors: &[usize]| {
            let mut factors = factors.iter();
            factors.try_fold(1_usize, |product, n| product.checked_mul(*n))
        };
        let is = |len: usize, factors: &[usize]| product(factors) == Some(len);
        let r = self.decorrelation.as_ref().map(Vec::len);
        let mean = self.mean.as_ref().map(Vec::len);
        let gate = self.gate.as_ref().map(Vec::len);
        let fits_kind = match self.kind {
            LiftKind::Constant | LiftKind::Decayed => gate.is_none(),
            LiftKind::Recurrent => gate.is_some_and(|len| is(len, &[l, h])),
            LiftKind::PaperLiteral => gate.is_none() && m >= n,
        };
        l > 0
            && fits_kind
            && is(self.weights.len(), &[l, h, n, m])
            && is(self.support_vectors.len(), &[l, h, m, n])
            && is(self.gamma.len(), &[l, h])
            && r.is_none_or(|len| is(len, &[l, h, m, m]) || is(len, &[l, m, m]))
            && mean.is_none_or(|len| is(len, &[l, h, m]))
    }
}

/// The token shifts of a state as tensors, [2, C] a layer; empty where they are zero.
pub(crate) fn shift_tensors(state: &TunedState, device: &Device) -> Vec<Tensor<2>> {
    let shape = [2, state.n_head * state.head_size];
    let layers = state.shifts.iter().flatten();
    layers
        .map(|values| Tensor::from_data(TensorData::new(values.clone(), shape), device))
        .collect()
}

/// A state as tensors, [1, H, N, K] a layer.
pub(crate) fn state_tensors(state: &TunedState, device: &Device) -> Vec<Tensor<4>> {
    let [h, n, k] = state.shape();
    let shape = [1, h, n, k];
    let layers = state.layers.iter();
    layers
        .map(|values| Tensor::from_data(TensorData::new(values.clone(), shape), device))
        .collect()
}
