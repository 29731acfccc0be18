//! What a model carries from one token to the next.

use burn::tensor::{Device, Int, Tensor};

use super::ModelConfig;
use super::adapter::LayerAdapters;
use super::branch::Branch;

/// The recurrent state of a batch.
#[derive(Debug, Clone)]
pub struct ModelState {
    /// One entry a layer.
    pub layers: Vec<LayerState>,
}

/// The recurrent state of one layer.
#[derive(Debug, Clone)]
pub struct LayerState {
    /// What mixing over time reads of the tokens before, [B, n]. RWKV-7: the last input
    /// of time mixing, after its LayerNorm, [B, C]. Gated DeltaNet: the last inputs of
    /// its convolutions, the oldest first, [B, 3 D].
    pub time_shift: Tensor<2>,
    /// S, rows = value channels and columns = key channels: [B, H, N, K], or
    /// [1, H, N, K] where the batch shares it. K is N in RWKV-7.
    pub wkv: Tensor<4>,
    /// The last input of channel mixing, after its LayerNorm, [B, C]; none where the
    /// feed-forward part reads the present token alone.
    pub channel_shift: Option<Tensor<2>>,
    /// What is added beside the recurrence, if anything.
    pub branch: Option<Branch>,
    /// What stands beside the frozen matrices of the layer, if anything. It changes
    /// with no token, and all texts of a batch share it.
    pub adapters: Option<LayerAdapters>,
}

/// What texts start from: everything that tuning may change.
#[derive(Debug, Clone)]
pub struct Start {
    /// S_0 of every layer, [1, H, N, K] each.
    pub wkv: Vec<Tensor<4>>,
    /// The token shifts of every layer: what the last inputs of time mixing and of
    /// channel mixing are before a text, [2, C] each; as many as there are layers, or
    /// none at all where they are zero.
    pub shifts: Vec<Tensor<2>>,
    /// The branch of every layer; as many as there are layers, or none at all.
    pub branches: Vec<Option<Branch>>,
    /// The adapters of every layer; as many as there are layers, or none at all.
    pub adapters: Vec<Option<LayerAdapters>>,
}

impl From<Vec<Tensor<4>>> for Start {
    fn from(wkv: Vec<Tensor<4>>) -> Self {
        Self {
            wkv,
            shifts: Vec::new(),
            branches: Vec::new(),
            adapters: Vec::new(),
        }
    }
}

impl Start {
    /// The state before the first token of `n_batch` texts.
    pub fn state(&self, config: &ModelConfig, n_batch: usize, device: &Device) -> ModelState {
        let mut state = ModelState::with_wkv(config, n_batch, self.wkv.clone(), device);
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
}

impl LayerState {
    /// The last inputs of time mixing and of channel mixing of RWKV-7, [2, C], for every
    /// text of the batch.
    pub fn set_shifts(&mut self, shifts: &Tensor<2>) {
        let shape = self.time_shift.dims();
        let of = |idx: usize| shifts.clone().narrow(0, idx, 1).expand(shape);
        (self.time_shift, self.channel_shift) = (of(0), Some(of(1)));
    }
}

impl ModelState {
    /// The state before the first token of `n_batch` texts.
    pub fn zero(config: &ModelConfig, n_batch: usize, device: &Device) -> Self {
        let [h, n, k] = config.state_shape();
        let zero = Tensor::zeros([1, h, n, k], device);
        Self::with_wkv(config, n_batch, vec![zero; config.n_layer], device)
    }

    /// The state before the first token of `n_batch` texts that share the S of
    /// every layer, [1, H, N, K] each.
    pub fn with_wkv(
        config: &ModelConfig,
        n_batch: usize,
        wkv: Vec<Tensor<4>>,
        device: &Device,
    ) -> Self {
        let [of_time, of_channels] = config.shift_sizes();
        let shift = |n: usize| Tensor::<2>::zeros([n_batch, n], device);
        let (time_shift, channel_shift) = (
            shift(of_time),
            (of_channels > 0).then(|| shift(of_channels)),
        );
        let layers = wkv.into_iter().map(|wkv| LayerState {
            time_shift: time_shift.clone(),
            wkv,
            channel_shift: channel_shift.clone(),
            branch: None,
            adapters: None,
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// The same in front of tokens of which some are padding: `real`, [B, T],
    /// is 1 for a token and 0 for padding.
    #[must_use]
    pub fn with_padding(mut self, real: Tensor<2>) -> Self {
        let [n_batch, n_tokens] = real.dims();
        for layer in &mut self.layers {
            if let Some(Branch::Lifted(branch)) = &mut layer.branch {
                branch.real = Some(real.clone().reshape([n_batch, n_tokens, 1, 1]));
            }
        }
        self
    }

    /// The state of one text as that of `n_batch` texts which continue from it.
    pub fn fork(&self, n_batch: usize) -> Self {
        let spread = |shift: &Tensor<2>| {
            let [_, n] = shift.dims();
            shift.clone().expand([n_batch, n])
        };
        let layers = self.layers.iter().map(|layer| LayerState {
            time_shift: spread(&layer.time_shift),
            wkv: layer.wkv.clone(),
            channel_shift: layer.channel_shift.as_ref().map(spread),
            branch: layer.branch.clone(),
            adapters: layer.adapters.clone(),
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// The texts at these places of the batch, in this order.
    pub fn select(&self, rows: Tensor<1, Int>) -> Self {
        let layers = self.layers.iter().map(|layer| LayerState {
            time_shift: layer.time_shift.clone().select(0, rows.clone()),
            wkv: layer.wkv.clone().select(0, rows.clone()),
            channel_shift: layer
                .channel_shift
                .as_ref()
                .map(|shift| shift.clone().select(0, rows.clone())),
            branch: layer
                .branch
                .as_ref()
                .map(|branch| branch.select(&rows, layer.time_shift.dims()[0])),
            adapters: layer.adapters.clone(),
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// Several batches behind each other, which have the same adapters.
    ///
    /// # Panics
    /// Without any batch.
    pub fn concatenate(batches: Vec<Self>) -> Self {
        let n_layer = batches[0].layers.len();
        let layers = (0..n_layer).map(|layer| {
            let of = |batch: &Self| batch.layers[layer].clone();
            let all: Vec<LayerState> = batches.iter().map(of).collect();
            let with_size = |s: &LayerState| s.time_shift.dims()[0];
            let branches = all
                .iter()
                .filter_map(|s| Some((s.branch.as_ref()?, with_size(s))));
            let branches: Vec<_> = branches.collect();
            let shifts = all.iter().filter_map(|s| s.channel_shift.clone());
            let shifts: Vec<Tensor<2>> = shifts.collect();
            LayerState {
                time_shift: Tensor::cat(all.iter().map(|s| s.time_shift.clone()).collect(), 0),
                wkv: Tensor::cat(all.iter().map(|s| s.wkv.clone()).collect(), 0),
                channel_shift: (!shifts.is_empty()).then(|| Tensor::cat(shifts, 0)),
                branch: Branch::concatenate(&branches),
                adapters: all[0].adapters.clone(),
            }
        });
        Self {
            layers: layers.collect(),
        }
    }
}
