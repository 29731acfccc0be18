//! The whole model: embedding, blocks, head.

use burn::tensor::{Device, Int, Tensor};

use super::ModelConfig;
use super::block::Block;
use super::checkpoint::Checkpoint;
use super::linear::{linear, rows, tokens as per_token};
use super::loader::{BytesRead, Loader};
use super::precision::{Precision, Role};
use super::state::ModelState;
use super::time_mix::Keep;
use crate::error::Result;
use crate::kernels::matrix::Matrix;
use crate::kernels::norm::LayerNorm;

/// An RWKV-7 model on a device.
#[derive(Debug, Clone)]
pub struct Rwkv7 {
    config: ModelConfig,
    precision: Precision,
    /// [V, C].
    embedding: Matrix,
    ln0: LayerNorm,
    pub(super) blocks: Vec<Block>,
    pub(super) ln_out: LayerNorm,
    /// [V, C].
    pub(super) head: Matrix,
}

impl Rwkv7 {
    /// [`Self::load_stored`] in 32 bits.
    ///
    /// # Errors
    /// As there.
    pub fn load(
        checkpoint: &Checkpoint,
        device: &Device,
        progress: &mut dyn FnMut(BytesRead) -> Result<()>,
    ) -> Result<Self> {
        Self::load_stored(checkpoint, device, Precision::F32, progress)
    }

    /// Reads a checkpoint onto a device, one tensor after the other and each into
    /// its storage, so that no more than the largest one is held twice and nothing
    /// is held in more bits than it is stored in. `progress` hears the share done
    /// and can end the loading with an error.
    ///
    /// # Errors
    /// As [`ModelConfig::from_checkpoint`], and what `progress` says.
    pub fn load_stored(
        checkpoint: &Checkpoint,
        device: &Device,
        precision: Precision,
        progress: &mut dyn FnMut(BytesRead) -> Result<()>,
    ) -> Result<Self> {
        let config = ModelConfig::from_checkpoint(checkpoint)?;
        let mut loader = Loader::new(checkpoint, &config, device, precision, progress);
        let embedding = loader.matrix("emb.weight", Role::Table)?;
        let ln0 = loader.layer_norm("blocks.0.ln0")?;
        let blocks = (0..config.n_layer)
            .map(|layer| loader.block(layer, &config))
            .collect::<Result<_>>()?;
        let ln_out = loader.layer_norm("ln_out")?;
        let head = loader.matrix("head.weight", Role::Head)?;
        Ok(Self {
            config,
            precision,
            embedding,
            ln0,
            blocks,
            ln_out,
            head,
        })
    }

    /// The model's dimensions.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Bytes of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.precision.weight_bytes(&self.config)
    }

    /// Takes `tokens` [B, T] through the model from `state`; gives the logits
    /// [B, T, V] and the state after the last token.
    pub fn forward(&self, tokens: Tensor<2, Int>, state: ModelState) -> (Tensor<3>, ModelState) {
        let (hidden, state) = self.hidden(tokens, state);
        (linear(hidden, &self.head), state)
    }

    /// The logits of chosen rows of [`Self::hidden`]: [rows, C] → [rows, V].
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        linear(hidden, &self.head)
    }

    /// As [`Self::forward`], but the normalised residual stream [B, T, C], of
    /// which few positions may need logits.
    pub fn hidden(&self, tokens: Tensor<2, Int>, state: ModelState) -> (Tensor<3>, ModelState) {
        let [n_batch, _] = tokens.dims();
        let (x, state) = self.stream(tokens, state);
        let hidden = self.ln_out.forward(rows(x));
        (per_token(hidden, n_batch), state)
    }

    /// The state after `tokens` [B, T], from `state`; nothing else is kept.
    pub fn advance(&self, tokens: Tensor<2, Int>, state: ModelState) -> ModelState {
        self.stream(tokens, state).1
    }

    /// The residual stream [B, T, C] before the last norm, and the state after the
    /// last token.
    pub fn stream(&self, tokens: Tensor<2, Int>, state: ModelState) -> (Tensor<3>, ModelState) {
        let mut x = self.embed(tokens);
        let mut v_first = None;
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (block, state) in self.blocks.iter().zip(state.layers) {
            let output = block.forward(x, v_first, state, Keep::Nothing);
            (x, v_first) = (output.x, Some(output.v_first));
            layers.push(output.state);
        }
        (x, ModelState { layers })
    }

    /// The residual stream in front of the first layer: [B, T] → [B, T, C].
    pub(super) fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [n_batch, n_tokens] = ids.dims();
        let x = self.embedding.rows(ids.reshape([n_batch * n_tokens]));
        per_token(self.ln0.forward(x), n_batch)
    }
}
