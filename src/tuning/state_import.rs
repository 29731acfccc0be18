//! States of other programs: which way round they are, found out by the loss.
//!
//! All name their tensors alike, and some hold the last two axes the other way
//! round (OpenMOSE's trainer; Ai00). Read the wrong way, a state still loads
//! and makes the model worse, which the loss on a text shows.

use std::path::Path;

use burn::tensor::Device;

use super::batch::Batch;
use super::lift_bundle::is_bundle;
use super::spec::LossOn;
use super::state_file::sidecar::read_sidecar;
use super::state_file::{
    Metadata, Orientation, TunedState, check_fits, declared_orientation, read_raw, state_as_stored,
};
use super::text_loss::text_loss;
use super::trainer::state_tensors;
use crate::data::Example;
use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
use crate::model::state::Start;
use crate::model::{ModelConfig, Rwkv7};

/// What is read where nobody gives a text: questions, answers and prose.
pub const TEXT: &str = "User: What is the capital of France?\n\nAssistant: The capital of France \
    is Paris.\n\nQuestion: Tom has 3 apples and buys 4 more. How many apples does he have?\n\
    Answer: He has 3 + 4 = 7 apples.\n#### 7\n\nThe sun warms the sea, and water rises into the \
    air. High up it cools and becomes clouds, from which rain falls back to the land.\n\n";

/// Losses this close together, in nats a token, decide nothing.
const TIE: f64 = 1e-3;

/// A state of another program, as it lies in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// The matrices as they are stored.
    pub as_stored: TunedState,
    /// What the file or the caller says its last two axes are.
    pub declared: Option<Orientation>,
    /// What a file of our own says about where it came from.
    pub metadata: Metadata,
    /// Whether token shifts were left out, which no tuned state has.
    pub has_shifts: bool,
}

impl StoredState {
    /// Reads the state for `model`: `.pth`, `.safetensors`, `.st`, `.state`, or
    /// the raw f32 of rwkv.cpp where the file ends in `.bin`.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Io`] for a file that is no state of this
    /// model.
    pub fn read(
        path: impl AsRef<Path>,
        told: Option<Orientation>,
        model: &ModelConfig,
    ) -> Result<Self> {
        let path = path.as_ref();
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("bin"))
        {
            let (as_stored, has_shifts) = read_raw(path, model)?;
            let beside = read_sidecar(path)?;
            return Ok(Self {
                as_stored,
                declared: told.or(beside.as_ref().map(|(_, orientation)| *orientation)),
                metadata: beside.map(|(metadata, _)| metadata).unwrap_or_default(),
                has_shifts,
            });
        }
        let file = Checkpoint::open(path)?;
        if is_bundle(&file) {
            let reason = "is a lifted state of Gosling; use it as it is, --state takes it";
            return Err(Error::input(path, "file", reason));
        }
        let declared = declared_orientation(&file, told)?;
        let (as_stored, metadata) = state_as_stored(&file)?;
        check_fits(&as_stored, model).map_err(|error| error.at_file(path))?;
        Ok(Self {
            as_stored,
            declared,
            metadata,
            has_shifts: false,
        })
    }

    /// The state, its last two axes being `orientation`.
    pub fn oriented(&self, orientation: Orientation) -> TunedState {
        match orientation {
            Orientation::ValueKey => self.as_stored.clone(),
            Orientation::KeyValue => self.as_stored.transposed(),
        }
    }

    /// The loss on a text from zero, from the state as it is stored and from it
    /// transposed. `model` lives on `device`.
    ///
    /// # Errors
    /// [`Error::Spec`] for a text without tokens or with tokens that the model
    /// does not have; [`Error::Device`].
    pub fn losses(&self, model: &Rwkv7, device: &Device, text: &[u32]) -> Result<StartLosses> {
        let n_vocab = model.config().vocab_size;
        if text.is_empty() || text.iter().any(|id| *id as usize >= n_vocab) {
            let reason = "has no token, or one that the model does not have";
            return Err(Error::spec("text", reason));
        }
        let example = Example {
            context: Vec::new(),
            target: text.to_vec(),
        };
        let batch = Batch::new(&[&example], LossOn::Everything);
        let loss = |state: &TunedState| {
            let start = Start::from(state_tensors(state, device));
            let (nats, n_tokens) = text_loss(model, device, &start, &batch)?;
            Ok::<_, Error>(nats / n_tokens as f64)
        };
        Ok(StartLosses {
            n_tokens: batch.n_counted(),
            zero: loss(&TunedState::zero(model.config()))?,
            value_key: loss(&self.oriented(Orientation::ValueKey))?,
            key_value: loss(&self.oriented(Orientation::KeyValue))?,
        })
    }
}

/// The loss on a text, in nats a token, by what the model starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StartLosses {
    /// Tokens of the text.
    pub n_tokens: usize,
    /// From the zero state.
    pub zero: f64,
    /// From the state, taken as value, key.
    pub value_key: f64,
    /// From the state, taken as key, value.
    pub key_value: f64,
}

impl StartLosses {
    /// Which way round the state is; none where the text does not tell. Neither
    /// does one on which the untuned model is better than both: there the wrong
    /// way round may do less harm than the right one.
    pub fn orientation(&self) -> Option<Orientation> {
        // A loss that is not finite is the wrong way round, or the wrong model.
        let or_infinite = |loss: f64| if loss.is_nan() { f64::INFINITY } else { loss };
        let (value_key, key_value) = (or_infinite(self.value_key), or_infinite(self.key_value));
        let (best, other, orientation) = if value_key < key_value {
            (value_key, key_value, Orientation::ValueKey)
        } else {
            (key_value, value_key, Orientation::KeyValue)
        };
        (best + TIE < other && best + TIE < self.zero).then_some(orientation)
    }

    /// The loss from the state that way round.
    pub fn of(&self, orientation: Orientation) -> f64 {
        match orientation {
            Orientation::ValueKey => self.value_key,
            Orientation::KeyValue => self.key_value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tokenizer::Tokenizer;
    use crate::model::{TextStart, mini};
    use crate::tuning::state_file::{PthDType, write_pth, write_raw, write_safetensors, write_st};

    #[test]
    fn a_loss_below_the_untuned_models_decides_and_a_tie_does_not() {
        let check = |value_key, key_value, expected| {
            let losses = StartLosses {
                n_tokens: 1,
                zero: 1.0,
                value_key,
                key_value,
            };
            assert_eq!(losses.orientation(), expected, "{value_key} {key_value}");
        };
        check(0.5, 2.0, Some(Orientation::ValueKey));
        check(2.0, 0.5, Some(Orientation::KeyValue));
        check(f64::NAN, 0.9, Some(Orientation::KeyValue));
        check(0.9, f64::INFINITY, Some(Orientation::ValueKey));
        check(0.5, 0.5005, None);
        // On a text of another kind the wrong way round may do less harm.
        check(1.2, 1.001, None);
        check(f64::NAN, f64::NAN, None);
    }

    /// A state that the model itself makes of a text is right one way round.
    fn state(model: &Rwkv7, device: &Device, tokenizer: &Tokenizer) -> TunedState {
        let start = crate::tuning::spec::StartState::Text(TEXT.repeat(2));
        crate::tuning::start::start_state(&start, model, device, tokenizer, TextStart::Zero)
            .unwrap()
    }

    #[test]
    fn every_consumers_file_comes_back_the_right_way_round() {
        let device = Device::flex();
        let model = Rwkv7::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let state = state(&model, &device, &tokenizer);
        let text = tokenizer.encode(TEXT);
        let largest = state
            .layers
            .iter()
            .flatten()
            .fold(0.0_f32, |max, x| max.max(x.abs()));
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        write_pth(&state, file("runner.pth"), PthDType::F32).unwrap();
        // OpenMOSE's trainer saves the same names the other way round.
        write_pth(&state.transposed(), file("openmose.pth"), PthDType::BF16).unwrap();
        write_st(&state, file("ai00.st")).unwrap();
        write_raw(&state, file("rwkv_cpp.bin")).unwrap();
        write_safetensors(&state, file("own.safetensors"), &Metadata::default()).unwrap();
        for (name, declared, expected, rounding) in [
            ("runner.pth", None, Orientation::ValueKey, 0.0),
            ("openmose.pth", None, Orientation::KeyValue, 1.0 / 256.0),
            ("ai00.st", None, Orientation::KeyValue, 1.0 / 2048.0),
            ("rwkv_cpp.bin", None, Orientation::ValueKey, 0.0),
            (
                "own.safetensors",
                Some(Orientation::ValueKey),
                Orientation::ValueKey,
                0.0,
            ),
        ] {
            let stored = StoredState::read(file(name), None, model.config()).unwrap();
            assert_eq!(stored.declared, declared, "{name}");
            let losses = stored.losses(&model, &device, &text).unwrap();
            assert_eq!(losses.orientation(), Some(expected), "{name}: {losses:?}");
            assert!(losses.of(expected) < losses.zero, "{name}: {losses:?}");
            let read = stored.oriented(expected);
            let pairs = std::iter::zip(read.layers.iter().flatten(), state.layers.iter().flatten());
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= rounding * largest, "{name}: {worst}");
        }
    }
}
