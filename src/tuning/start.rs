//! What S_0 starts from: zero, a file, or the state after a text.

use burn::tensor::{Device, Tensor, TensorData};

use super::spec::StartState;
use super::state_file::{TunedState, check_fits, read_state};
use super::trainer::read_f32;
use crate::error::Result;
use crate::model::state::ModelState;
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelConfig, Rwkv7, TextStart};

impl TunedState {
    /// The state of the untuned model.
    pub fn zero(model: &ModelConfig) -> Self {
        let n_values = model.n_head * model.head_size * model.head_size;
        Self {
            n_layer: model.n_layer,
            n_head: model.n_head,
            head_size: model.head_size,
            layers: vec![vec![0.0; n_values]; model.n_layer],
        }
    }
}

/// The state that tuning starts from. After a text, behind `text_start`, it is S
/// alone: the last token's shift is no part of a state file.
///
/// # Errors
/// [`crate::error::Error::Input`] or [`crate::error::Error::Io`] for a file that cannot be used,
/// [`crate::error::Error::Spec`] for the state of another model.
pub fn start_state(
    start: &StartState,
    model: &Rwkv7,
    device: &Device,
    tokenizer: &Tokenizer,
    text_start: TextStart,
) -> Result<TunedState> {
    let config = model.config();
    match start {
        StartState::Zero => Ok(TunedState::zero(config)),
        StartState::File(path) => {
            let (state, _) = read_state(path, None)?;
            check_fits(&state, config).map_err(|error| error.at_file(path))?;
            Ok(state)
        }
        StartState::Text(text) => {
            let ids = text_start.with(&tokenizer.encode(text));
            let ids: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
            let shape = [1, ids.len()];
            let tokens = Tensor::from_data(TensorData::new(ids, shape), device);
            let (_, after) = model.hidden(tokens, ModelState::zero(config, 1, device));
            let layers = after.layers.into_iter().map(|layer| read_f32(layer.wkv));
            Ok(TunedState {
                layers: layers.collect::<Result<_>>()?,
                ..TunedState::zero(config)
            })
        }
    }
}
