//! Continuing one text, token by token.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::state::{ModelState, Start};
use super::{Model, TextStart};
use crate::error::{Error, Result};
use crate::kernels::device::build_ahead;

/// Tokens of a prompt that are read at once: bounds the memory of a long one.
const PROMPT_PART: usize = 512;

/// Whether the kernels of a text were asked for in this process.
static HAS_KERNELS: AtomicBool = AtomicBool::new(false);

/// A text on its way: the state after it, and what the model expects next.
#[derive(Debug, Clone)]
pub struct Generation<'a> {
    model: &'a Model,
    device: &'a Device,
    state: ModelState,
    logits: Vec<f32>,
}

impl<'a> Generation<'a> {
    /// Reads token 0 and then `prompt` from `start`, the zero state
    /// without one. `model` lives on `device`.
    ///
    /// # Errors
    /// As [`Self::after`].
    pub fn new(
        model: &'a Model,
        device: &'a Device,
        start: Option<&Start>,
        prompt: &[u32],
    ) -> Result<Self> {
        Self::after(model, device, start, TextStart::Zero, prompt)
    }

    /// Reads `prompt`, with what stands in front of it, from `start`, the zero
    /// state without one. `model` lives on `device`.
    ///
    /// # Errors
    /// [`Error::Spec`] for a token that the model does not have, and
    /// [`Error::Device`].
    pub fn after(
        model: &'a Model,
        device: &'a Device,
        start: Option<&Start>,
        text_start: TextStart,
        prompt: &[u32],
    ) -> Result<Self> {
        let config = model.config();
        let state = match start {
            Some(start) => start.state(config, 1, device),
            None => ModelState::zero(config, 1, device),
        };
        let mut generation = Self {
            model,
            device,
            state,
            logits: Vec::new(),
        };
        let text = text_start.with(prompt);
        if !HAS_KERNELS.swap(true, Ordering::Relaxed) {
            build_ahead(device, || {
                let mut pass = generation.clone();
                let one_token = text.chunks(1).take(1);
                for part in text.chunks(PROMPT_PART).take(1).chain(one_token) {
                    // What is wrong is said where it counts.
                    let _ = pass.read(part);
                }
            });
        }
        for part in text.chunks(PROMPT_PART) {
            generation.read(part)?;
        }
        Ok(generation)
    }

    /// How likely the model finds each token next, before the softmax: `[V]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Adds a token to the text.
    ///
    /// # Errors
    /// As [`Self::after`].
    pub fn push(&mut self, token: u32) -> Result<()> {
        self.read(&[token])
    }

    fn read(&mut self, tokens: &[u32]) -> Result<()> {
        let n_vocab = self.model.config().vocab_size;
        if let Some(token) = tokens.iter().find(|token| **token as usize >= n_vocab) {
            let reason = tr!(
                "has the token {token}, the model only {n_vocab}",
                token,
                n_vocab
            );
            return Err(Error::spec("vocabulary", reason));
        }
        let ids: Vec<i32> = tokens.iter().map(|token| token.cast_signed()).collect();
        let shape = [1, ids.len()];
        let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, shape), self.device);
        let (hidden, state) = self.model.hidden(ids, self.state.clone());
        let last = hidden.narrow(1, tokens.len() - 1, 1).squeeze_dim(1);
        let logits = self.model.logits(last).into_data();
        self.logits = logits.try_to_vec().map_err(|error| {
            Error::Device(tr!(
                "logits cannot be read back: {error}",
                error = format_args!("{error:?}")
            ))
        })?;
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;

    #[test]
    fn a_prompt_read_in_parts_gives_the_logits_of_the_whole() {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let prompt: Vec<u32> = (0..PROMPT_PART as u32 + 40).map(|i| 1 + i % 300).collect();
        let (n_whole, n_pushed) = (PROMPT_PART + 37, 3);
        let mut text = Generation::new(&model, &device, None, &prompt[..n_whole]).unwrap();
        for token in &prompt[n_whole..] {
            text.push(*token).unwrap();
        }
        assert_eq!(prompt.len(), n_whole + n_pushed);
        let ids: Vec<i32> = std::iter::once(0)
            .chain(prompt.iter().map(|token| token.cast_signed()))
            .collect();
        let shape = [1, ids.len()];
        let ids = Tensor::from_data(TensorData::new(ids, shape), &device);
        let (logits, _) = model.forward(ids, ModelState::zero(model.config(), 1, &device));
        let want: Vec<f32> = logits
            .narrow(1, prompt.len(), 1)
            .into_data()
            .try_to_vec()
            .unwrap();
        for (got, want) in text.logits().iter().zip(&want) {
            assert!((got - want).abs() < 1e-3, "{got}, not {want}");
        }
        let error = text.push(4096).unwrap_err().to_string();
        assert_eq!(error, "vocabulary: has the token 4096, the model only 4096");
    }
}
