//! What S_0 starts from: zero, a file, or the state after a text.

use burn::tensor::{Device, Tensor, TensorData};

use super::lift_bundle::read_tuned_for;
use super::state_file::{TunedState, check_fits};
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::state::{LayerState, ModelState};
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, ModelConfig, TextStart};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::StartState;

impl TunedState {
    /// The state of the untuned model.
    pub fn zero(model: &ModelConfig) -> Self {
        Self {
            n_layer: model.n_layer,
            n_head: model.n_head,
            head_size: model.head_size,
            key_size: model.key_size(),
            layers: vec![vec![0.0; model.n_state()]; model.n_layer],
            shifts: None,
        }
    }
}

/// Tokens of a text that are read at once: a text of any length takes the memory
/// of one part.
const TOKENS_OF_A_PART: usize = 1024;

/// The state that tuning starts from. After a text, behind `text_start`, it is S
/// alone, as most consumers of a state take it, and the token shifts behind the last
/// token only where the run `tunes_shifts`.
///
/// # Errors
/// [`crate::error::Error::Input`] or [`crate::error::Error::Io`] for a file that cannot be used,
/// [`crate::error::Error::Spec`] for the state of another model.
pub fn start_state(
    start: &StartState,
    model: &Model,
    device: &Device,
    tokenizer: &Tokenizer,
    text_start: TextStart,
    tunes_shifts: bool,
) -> Result<TunedState> {
    let config = model.config();
    match start {
        StartState::Zero => Ok(TunedState::zero(config)),
        StartState::File(path) => {
            let (Tuned { state, .. }, _) = read_tuned_for(path, None, config)?;
            check_fits(&state, config).map_err(|error| error.at_file(path))?;
            Ok(state)
        }
        StartState::Text(text) => {
            let ids = text_start.with(&tokenizer.encode(text));
            let ids: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
            let mut after = ModelState::zero(config, 1, device);
            for part in ids.chunks(TOKENS_OF_A_PART) {
                let tokens = TensorData::new(part.to_vec(), [1, part.len()]);
                (_, after) = model.hidden(Tensor::from_data(tokens, device), after);
            }
            let shifts = |layer: &LayerState| {
                let both = std::iter::once(&layer.time_shift).chain(&layer.channel_shift);
                read_f32(Tensor::cat(both.cloned().collect(), 0))
            };
            let shifts = match tunes_shifts {
                true => Some(after.layers.iter().map(shifts).collect::<Result<_>>()?),
                false => None,
            };
            let layers = after.layers.into_iter().map(|layer| read_f32(layer.wkv));
            Ok(TunedState {
                layers: layers.collect::<Result<_>>()?,
                shifts,
                ..TunedState::zero(config)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;

    /// More than two parts, the last of them short.
    #[test]
    fn a_text_in_parts_ends_in_the_state_of_the_whole() {
        let device = Device::flex();
        let checkpoint = mini::checkpoint().unwrap();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let text: String = (0..700).map(|n| format!("{n} birds sang. ")).collect();
        let mut ids = vec![0_i32];
        ids.extend(tokenizer.encode(&text).iter().map(|id| id.cast_signed()));
        assert!(ids.len() > 2 * TOKENS_OF_A_PART && !ids.len().is_multiple_of(TOKENS_OF_A_PART));
        let start = StartState::Text(text);
        let start_of = |tunes_shifts| {
            let zero = TextStart::Zero;
            start_state(&start, &model, &device, &tokenizer, zero, tunes_shifts).unwrap()
        };
        assert_eq!(start_of(false).shifts, None);
        let got = start_of(true);
        let shape = [1, ids.len()];
        let ids = Tensor::from_data(TensorData::new(ids, shape), &device);
        let (_, want) = model.hidden(ids, ModelState::zero(model.config(), 1, &device));
        let last = &want.layers[3];
        let shifts = [&last.time_shift, last.channel_shift.as_ref().unwrap()];
        let shifts = shifts.map(|of| read_f32(of.clone()).unwrap()).concat();
        let gaps = got.shifts.as_ref().unwrap()[3].iter().zip(&shifts);
        assert!(gaps.clone().all(|(a, b)| (a - b).abs() < 1e-4));
        assert_eq!(gaps.len(), 2 * model.config().n_embd);
        for (got, want) in got.layers.iter().zip(want.layers) {
            let want = read_f32(want.wkv).unwrap();
            assert_eq!(got.len(), want.len());
            let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs());
            let off = off.fold(0.0_f32, f32::max);
            assert!(off <= 1e-5 * largest, "{off} of {largest}");
        }
    }
}
