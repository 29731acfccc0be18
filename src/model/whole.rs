//! The whole model: embedding, layers, head.

use burn::tensor::{Device, Int, Tensor};

use super::ModelConfig;
use super::checkpoint::Checkpoint;
use super::config::{Architecture, DeltaNetSettings};
use super::decode::{self, Decoder};
use super::layer::Layer;
use super::linear::{linear, rows, tokens as per_token};
use super::loader::{BytesRead, Loader};
use super::norm::Norm;
use super::pass::Keep;
use super::precision::{Precision, Role};
use super::state::ModelState;
use crate::error::Result;
use crate::kernels::decode::{Declined, few_rows, takes_rows};
use crate::kernels::matrix::Matrix;
use crate::kernels::norm::LayerNorm;

/// A recurrent model of any architecture on a device.
#[derive(Debug, Clone)]
pub struct Model {
    config: ModelConfig,
    precision: Precision,
    /// [V, C].
    embedding: Matrix,
    /// Behind the embedding, in RWKV-7.
    ln0: Option<LayerNorm>,
    pub(super) layers: Vec<Layer>,
    /// In front of the head.
    pub(super) ln_out: Norm,
    /// [V, C].
    pub(super) head: Matrix,
    /// The layers for single tokens, or why there are none.
    decoder: std::result::Result<Decoder, Declined>,
}

impl Model {
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
        let mut model = match config.architecture {
            Architecture::Rwkv7 => {
                let embedding = loader.matrix("emb.weight", Role::Table)?;
                let ln0 = loader.layer_norm("blocks.0.ln0")?;
                let blocks = (0..config.n_layer)
                    .map(|layer| Ok(Layer::Rwkv7(Box::new(loader.block(layer, &config)?))));
                Self {
                    embedding,
                    ln0: Some(ln0),
                    layers: blocks.collect::<Result<_>>()?,
                    ln_out: Norm::Layer(Box::new(loader.layer_norm("ln_out")?)),
                    head: loader.matrix("head.weight", Role::Head)?,
                    decoder: Err(Declined::Architecture),
                    config,
                    precision,
                }
            }
            Architecture::GatedDeltaNet => {
                let settings = DeltaNetSettings::of(checkpoint)?;
                let embedding =
                    loader.token_matrix("model.embeddings.weight", Role::Table, &config)?;
                let blocks = (0..config.n_layer).map(|layer| {
                    let block = loader.delta_block(layer, &config, settings)?;
                    Ok(Layer::DeltaNet(Box::new(block)))
                });
                Self {
                    embedding,
                    ln0: None,
                    layers: blocks.collect::<Result<_>>()?,
                    ln_out: Norm::Rms(Box::new(loader.rms_norm("model.norm.weight", settings)?)),
                    head: loader.token_matrix("lm_head.weight", Role::Head, &config)?,
                    decoder: Err(Declined::Architecture),
                    config,
                    precision,
                }
            }
        };
        model.decoder = Decoder::new(&model.layers);
        Ok(model)
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
        if takes_rows(&hidden, &self.head) {
            return few_rows(hidden, &self.head);
        }
        linear(hidden, &self.head)
    }

    /// Whether texts that stand at `state` take few launches a layer for tokens of `sizes`
    /// [B, T], as one token of each of a few does.
    ///
    /// # Errors
    /// Why they go operator by operator.
    pub fn takes_few_launches(
        &self,
        sizes: [usize; 2],
        state: &ModelState,
    ) -> std::result::Result<(), Declined> {
        self.decoder(sizes, state).map(|_| ())
    }

    fn decoder(
        &self,
        sizes: [usize; 2],
        state: &ModelState,
    ) -> std::result::Result<&Decoder, Declined> {
        let decoder = self.decoder.as_ref().map_err(|why| *why)?;
        decode::check(sizes, state)?;
        Ok(decoder)
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
        let sizes = tokens.dims();
        let x = self.embed(tokens);
        if let Ok(decoder) = self.decoder(sizes, &state) {
            let (x, state) = decoder.stream(rows(x), state);
            return (per_token(x, sizes[0]), state);
        }
        self.by_operators(x, state)
    }

    /// [`Self::stream`] of the stream `x` [B, T, C] in front of the first layer, operator by
    /// operator.
    pub(super) fn by_operators(
        &self,
        mut x: Tensor<3>,
        state: ModelState,
    ) -> (Tensor<3>, ModelState) {
        let mut v_first = None;
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, state) in self.layers.iter().zip(state.layers) {
            let output = layer.forward(x, v_first, state, Keep::Nothing);
            (x, v_first) = (output.x, output.v_first);
            layers.push(output.state);
        }
        (x, ModelState { layers })
    }

    /// The residual stream in front of the first layer: [B, T] → [B, T, C].
    pub(super) fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [n_batch, n_tokens] = ids.dims();
        let x = self.embedding.rows(ids.reshape([n_batch * n_tokens]));
        let x = match &self.ln0 {
            Some(norm) => norm.forward(x),
            None => x,
        };
        per_token(x, n_batch)
    }
}
