//! From the tensors of a checkpoint to the parameters of a model on a device.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::channel_mix::ChannelMix;
use super::checkpoint::{Checkpoint, TensorView};
use super::low_rank::{Between, LowRank, OfEach};
use super::matrix_storage::{stored_matrix, stored_together};
use super::precision::Role;
use super::time_mix::TimeMix;
use super::{ModelConfig, Precision};
use crate::error::{Error, Result};
use crate::kernels::matrix::{Matrix, stays};
use crate::kernels::norm::LayerNorm;
use crate::kernels::token_mix::TokenMix;
use crate::kernels::wkv7::prepare::Prepare;
use crate::kernels::wkv7::readout::Readout;

mod delta_net;

/// LayerNorm's epsilon (RWKV-LM x070).
const LAYER_NORM_EPSILON: f64 = 1e-5;
/// The group norm's epsilon (RWKV-LM x070).
const GROUP_NORM_EPSILON: f64 = 64e-5;

/// How much of a model is read, in bytes of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BytesRead {
    /// Read so far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

impl BytesRead {
    /// The share that is done, 0 to 1.
    pub fn share(self) -> f32 {
        (self.done as f64 / self.total.max(1) as f64) as f32
    }
}

/// Bytes that may be on their way to the device.
const MAX_ON_THE_WAY: usize = 128 << 20;

/// Reads parameters by name and reports what is done.
pub(super) struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    precision: Precision,
    read: BytesRead,
    on_the_way: usize,
    progress: &'a mut dyn FnMut(BytesRead) -> Result<()>,
}

impl<'a> Loader<'a> {
    /// Of a checkpoint whose names and shapes are those of `config`.
    pub fn new(
        checkpoint: &'a Checkpoint,
        config: &ModelConfig,
        device: &'a Device,
        precision: Precision,
        progress: &'a mut dyn FnMut(BytesRead) -> Result<()>,
    ) -> Self {
        let tensors = config.expected_tensors();
        let views = tensors
            .iter()
            .filter_map(|(name, _)| checkpoint.tensor(name));
        let total = views.map(|view| view.stored_bytes().len() as u64).sum();
        Self {
            checkpoint,
            device,
            precision,
            read: BytesRead { done: 0, total },
            on_the_way: 0,
            progress,
        }
    }

    /// A tensor of a checkpoint whose names and shapes were checked before.
    fn view(&self, name: &str) -> Result<TensorView<'a>> {
        let absent = || Error::input(self.checkpoint.file(), name, tr!("is missing"));
        self.checkpoint.tensor(name).ok_or_else(absent)
    }

    /// Says that a tensor is on the device.
    fn add(&mut self, view: &TensorView<'_>) -> Result<()> {
        self.read.done += view.stored_bytes().len() as u64;
        (self.progress)(self.read)
    }

    /// In 32 bits.
    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let view = self.view(name)?;
        let data = TensorData::new(view.to_f32(), shape);
        let device = self.device;
        let tensor = stays(device, data, |data| Tensor::from_data(data, device));
        self.add(&view)?;
        Ok(tensor)
    }

    fn shape(&self, name: &str) -> &'a [usize] {
        self.checkpoint.tensor(name).map_or(&[], |view| view.shape)
    }

    /// A parameter of [out, in] or [in, out], as the file has it, stored as its role
    /// is in the precision of the model.
    pub fn matrix(&mut self, name: &str, role: Role) -> Result<Matrix> {
        let view = self.view(name)?;
        self.matrix_of(&view, role)
    }

    fn matrix_of(&mut self, view: &TensorView<'_>, role: Role) -> Result<Matrix> {
        let shape = self.matrix_shape(view)?;
        let matrix = stored_matrix(view, shape, self.precision.storage(role), self.device);
        self.wait_for_uploads(matrix.n_bytes())?;
        self.add(view)?;
        Ok(matrix)
    }

    /// [`Self::matrix`] of each, of one role, lying together on the device.
    fn matrices(&mut self, names: &[String], role: Role) -> Result<Vec<Matrix>> {
        let view = |name: &String| {
            let view = self.view(name)?;
            let shape = self.matrix_shape(&view)?;
            Ok((view, shape))
        };
        let views = names.iter().map(view).collect::<Result<Vec<_>>>()?;
        let matrices = stored_together(&views, self.precision.storage(role), self.device);
        for ((view, _), matrix) in views.iter().zip(&matrices) {
            self.wait_for_uploads(matrix.n_bytes())?;
            self.add(view)?;
        }
        Ok(matrices)
    }

    /// Waits now and then, so that what is on its way to the device does not pile
    /// up on the host.
    fn wait_for_uploads(&mut self, n_bytes: usize) -> Result<()> {
        self.on_the_way += n_bytes;
        if self.on_the_way < MAX_ON_THE_WAY {
            return Ok(());
        }
        self.on_the_way = 0;
        let refused = |error| {
            Error::Device(tr!(
                "the weights cannot be copied to the device: {error}",
                error
            ))
        };
        self.device.sync().map_err(refused)
    }

    fn matrix_shape(&self, view: &TensorView<'_>) -> Result<[usize; 2]> {
        view.shape.try_into().map_err(|_| {
            let reason = tr!(
                "has the shape {}, not that of a matrix",
                format_args!("{:?}", view.shape)
            );
            Error::input(self.checkpoint.file(), view.name, reason)
        })
    }

    /// A parameter of one number a channel, [C] or [1, 1, C] in the file.
    fn vector(&mut self, name: &str) -> Result<Tensor<1>> {
        let len = self.shape(name).iter().product();
        self.tensor(name, [len])
    }

    pub fn layer_norm(&mut self, name: &str) -> Result<LayerNorm> {
        self.norm(name, LAYER_NORM_EPSILON)
    }

    fn norm(&mut self, name: &str, epsilon: f64) -> Result<LayerNorm> {
        Ok(LayerNorm {
            weight: self.vector(&format!("{name}.weight"))?,
            bias: self.vector(&format!("{name}.bias"))?,
            epsilon,
        })
    }

    /// The low-rank maps of the time mixing named `att`.
    fn low_ranks(&mut self, att: &str, has_share: bool) -> Result<OfEach<LowRank>> {
        let maps = OfEach {
            decay: ("w", Between::Tanh),
            iclr: ("a", Between::Nothing),
            gate: ("g", Between::Sigmoid),
            share: has_share.then_some(("v", Between::Nothing)),
        };
        let mut factors = |number: usize| {
            let names = maps
                .clone()
                .map(|(letter, _)| format!("{att}.{letter}{number}"));
            names.at_once(|names| self.matrices(&names, Role::LowRank))
        };
        let (downs, ups) = (factors(1)?, factors(2)?);
        Ok(maps
            .with(downs.with(ups))
            .map(|((_, between), (down, up))| LowRank { down, up, between }))
    }

    pub fn block(&mut self, layer: usize, config: &ModelConfig) -> Result<Block> {
        let block = format!("blocks.{layer}");
        Ok(Block {
            time_mix: self.time_mix(&block, layer, config)?,
            channel_mix: ChannelMix {
                mix: TokenMix {
                    norm: self.layer_norm(&format!("{block}.ln2"))?,
                    mix: [self.vector(&format!("{block}.ffn.x_k"))?],
                },
                key: self.matrix(&format!("{block}.ffn.key.weight"), Role::Layer)?,
                value: self.matrix(&format!("{block}.ffn.value.weight"), Role::Layer)?,
            },
        })
    }

    fn time_mix(&mut self, block: &str, layer: usize, config: &ModelConfig) -> Result<TimeMix> {
        let norm = self.layer_norm(&format!("{block}.ln1"))?;
        let att = format!("{block}.att");
        let share_offset = match layer {
            0 => None,
            _ => Some(self.vector(&format!("{att}.v0"))?),
        };
        let OfEach {
            decay,
            iclr,
            gate,
            share,
        } = self.low_ranks(&att, layer > 0)?;
        let mut mix = Vec::with_capacity(6);
        for letter in ["r", "w", "k", "v", "a", "g"] {
            mix.push(self.vector(&format!("{att}.x_{letter}"))?);
        }
        let Ok(mix) = mix.try_into() else {
            unreachable!("six letters")
        };
        let names = ["receptance", "key", "value"].map(|name| format!("{att}.{name}.weight"));
        let Ok([receptance, key, value]) = <[_; 3]>::try_from(self.matrices(&names, Role::Layer)?)
        else {
            unreachable!("three names")
        };
        Ok(TimeMix {
            mix: TokenMix { norm, mix },
            decay,
            iclr,
            share,
            gate,
            receptance,
            key,
            value,
            output: self.matrix(&format!("{att}.output.weight"), Role::Layer)?,
            prepare: Prepare {
                decay: self.vector(&format!("{att}.w0"))?,
                iclr: self.vector(&format!("{att}.a0"))?,
                share: share_offset,
                k_k: self.vector(&format!("{att}.k_k"))?,
                k_a: self.vector(&format!("{att}.k_a"))?,
            },
            readout: Readout {
                norm: self.norm(&format!("{att}.ln_x"), GROUP_NORM_EPSILON)?,
                r_k: self.tensor(&format!("{att}.r_k"), [config.n_head, config.head_size])?,
            },
        })
    }
}
