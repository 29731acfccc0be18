//! Tuned states as files.
//!
//! | File | Element | Last two axes | Read by |
//! |---|---|---|---|
//! | `.pth` | f32 or bf16 | value, key | RWKV-Runner, the `rwkv` package (by [`python_snippet`]) |
//! | `.safetensors` | f32 | value, key | Gosling; carries what the state was made from |
//! | `.st` | f16 | **key, value** | Ai00, web-rwkv |
//! | `.bin` | f32 | value, key | rwkv.cpp, as its `state_in` (`raw.rs`) |
//!
//! All but the last have one tensor per layer, `blocks.{i}.att.time_state`, and
//! nothing else, since RWKV-Runner counts the tensors. Value-key order is RWKV-PEFT's
//! (`rwkvt/rwkv7/att.py`); the transposed one is what web-rwkv's
//! `read_state` expects (`src/runtime/v7.rs`). Read the wrong way round, a
//! state still loads and silently gives another model.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, CheckpointFormat, shown};
use crate::model::config::ModelConfig;

mod export;
mod export_format;
mod metadata;
mod pth_writer;
mod python_snippet;
mod raw;
pub(crate) mod sidecar;
#[cfg(test)]
mod tests;

use export::check_sound;
pub use export::{ExportReport, PthDType, write_pth, write_safetensors, write_st};
pub use export_format::{ExportFormat, export, write_companions};
pub use metadata::{Metadata, VOCABULARY_FILE, VocabularyMark, exported_vocabulary};
pub use python_snippet::{python_snippet, write_python_snippet};
pub use raw::{raw_in, read_raw, write_raw};

/// The state that a model starts from: one matrix per layer and head.
#[derive(Clone, Debug, PartialEq)]
pub struct TunedState {
    /// L.
    pub n_layer: usize,
    /// H.
    pub n_head: usize,
    /// N.
    pub head_size: usize,
    /// For each layer the matrices of its heads, [n_head, value, key]
    /// row-major: `n_head * head_size * head_size` numbers.
    pub layers: Vec<Vec<f32>>,
}

/// What the last two axes of a stored state are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// [head, value, key], as RWKV-PEFT saves it and [`TunedState`] holds it.
    ValueKey,
    /// [head, key, value], as web-rwkv and Ai00 read it.
    KeyValue,
}

impl Orientation {
    /// The name in a file's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValueKey => "value,key",
            Self::KeyValue => "key,value",
        }
    }
}

impl FromStr for Orientation {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "value-key" => Ok(Self::ValueKey),
            "key-value" => Ok(Self::KeyValue),
            other => {
                let reason = format!(
                    "`{other}` is unknown; choose value-key (RWKV-PEFT order) or key-value (Ai00 and web-rwkv)"
                );
                Err(Error::spec("orientation", reason))
            }
        }
    }
}

/// Keys and values of a `.safetensors` state beside its metadata.
mod keys {
    pub(super) const FORMAT: &str = "format";
    pub(super) const FORMAT_VALUE: &str = "gosling-state";
    pub(super) const ORIENTATION: &str = "orientation";
}

impl TunedState {
    /// S_0 of a head, [value, key] row-major.
    pub fn head(&self, layer: usize, head: usize) -> Option<&[f32]> {
        let n_values = self.head_size * self.head_size;
        self.layers.get(layer)?.chunks_exact(n_values).nth(head)
    }

    /// Numbers in one layer: `n_head * head_size * head_size`.
    pub fn n_per_layer(&self) -> usize {
        self.n_head * self.head_size * self.head_size
    }

    /// Every head's matrix with its two axes exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let layers = self.layers.iter();
        Self {
            layers: layers
                .map(|layer| transposed(layer, self.head_size))
                .collect(),
            ..*self
        }
    }

    /// Every number times `alpha`: 1 is the state itself, 0 the untuned model.
    pub fn scaled(mut self, alpha: f32) -> Self {
        for value in self.layers.iter_mut().flatten() {
            *value *= alpha;
        }
        self
    }
}

/// The file of a run's folder that holds all that a lifted run trained.
pub const LIFTED_FILE: &str = "lifted.safetensors";

/// The state file that a path stands for: itself, or that of a run's folder.
///
/// # Errors
/// [`Error::Input`] for a folder without one.
pub fn locate_state(path: impl AsRef<Path>) -> Result<PathBuf> {
    const NAME: &str = "state.safetensors";
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    // A lifted run has both, and S_0 is a part of it.
    for inside in [path.join(LIFTED_FILE), path.join(NAME)] {
        if inside.is_file() {
            return Ok(inside);
        }
    }
    let reason = "is not in the folder; a run that has finished has one";
    Err(Error::input(path, NAME, reason))
}

/// Reads a tuned state, whichever program wrote it.
///
/// `orientation` says what the last two axes are; `None` leaves it to the file:
/// its metadata, else value-key for `.pth` and key-value for files named `.st`
/// or `.state`.
///
/// # Errors
/// [`Error::Input`] when the file is no state, or holds numbers that are not
/// finite, or when its orientation is unknown or contradicts `orientation`.
pub fn read_state(
    path: impl AsRef<Path>,
    orientation: Option<Orientation>,
) -> Result<(TunedState, Metadata)> {
    state_in(&Checkpoint::open(path)?, orientation)
}

/// [`read_state`] of a file that is open.
///
/// # Errors
/// As [`read_state`], less those of the system.
pub fn state_in(
    checkpoint: &Checkpoint,
    orientation: Option<Orientation>,
) -> Result<(TunedState, Metadata)> {
    let orientation = stored_orientation(checkpoint, orientation)?;
    let (mut state, metadata) = state_as_stored(checkpoint)?;
    if orientation == Orientation::KeyValue {
        for values in &mut state.layers {
            *values = transposed(values, state.head_size);
        }
    }
    Ok((state, metadata))
}

/// The state as it lies in the file, its last two axes in whichever order.
///
/// # Errors
/// [`Error::Input`] when the file is no state, or holds numbers that are not
/// finite.
pub fn state_as_stored(checkpoint: &Checkpoint) -> Result<(TunedState, Metadata)> {
    let mut state = empty_state(checkpoint)?;
    for layer in 0..state.n_layer {
        let values = layer_values(checkpoint, layer, &state)?;
        state.layers.push(values);
    }
    if let Some(found) = first_not_finite(&state) {
        return Err(refuse_not_finite(checkpoint.file(), found));
    }
    let own = Metadata::from_text(checkpoint.file(), checkpoint.metadata())?;
    let metadata = match own == Metadata::default() {
        true => sidecar::read_sidecar(checkpoint.file())?.map_or(own, |(beside, _)| beside),
        false => own,
    };
    Ok((state, metadata))
}

/// Checks that `state` has the dimensions of the model.
///
/// # Errors
/// [`Error::Spec`] on `state`, with both sets of dimensions.
pub fn check_fits(state: &TunedState, model: &ModelConfig) -> Result<()> {
    let of_state = (state.n_layer, state.n_head, state.head_size);
    let of_model = (model.n_layer, model.n_head, model.head_size);
    if of_state == of_model {
        return Ok(());
    }
    let said =
        |(n_layer, n_head, size)| format!("{n_layer} layers of {n_head} heads of {size}x{size}");
    Err(Error::spec(
        "state",
        format!(
            "has {}, the model {}; it was tuned for another model",
            said(of_state),
            said(of_model)
        ),
    ))
}

/// The tensor name of a layer's state.
fn tensor_name(layer: usize) -> String {
    format!("blocks.{layer}.att.time_state")
}

/// What the last two axes in a state file are, by its own word, by that of the
/// description beside it or by what it was `told`.
///
/// # Errors
/// [`Error::Input`] when they contradict each other.
pub fn declared_orientation(
    checkpoint: &Checkpoint,
    told: Option<Orientation>,
) -> Result<Option<Orientation>> {
    let refuse = |reason: String| Err(Error::input(checkpoint.file(), "orientation", reason));
    let both = [Orientation::ValueKey, Orientation::KeyValue];
    let said = match checkpoint.metadata().get(keys::ORIENTATION) {
        Some(text) => match both.into_iter().find(|known| known.name() == text) {
            Some(said) => Some(said),
            None => return refuse(format!("\"{}\" is not known", shown(text))),
        },
        None => sidecar::read_sidecar(checkpoint.file())?.map(|(_, orientation)| orientation),
    };
    if let (Some(said), Some(told)) = (said, told)
        && said != told
    {
        return refuse(format!(
            "the file itself says {}, not {}",
            said.name(),
            told.name()
        ));
    }
    Ok(said.or(told))
}

/// What the last two axes in a state file are, by its own word, by what it was
/// `told`, else by its name, as [`read_state`] says.
///
/// # Errors
/// [`Error::Input`] when that is unknown or contradictory.
pub fn stored_orientation(
    checkpoint: &Checkpoint,
    told: Option<Orientation>,
) -> Result<Orientation> {
    if let Some(known) = declared_orientation(checkpoint, told)? {
        return Ok(known);
    }
    let extension = checkpoint.file().extension();
    let extension = extension.map(|text| text.to_string_lossy().to_ascii_lowercase());
    match (checkpoint.format(), extension.as_deref()) {
        (CheckpointFormat::Torch, _) => Ok(Orientation::ValueKey),
        (CheckpointFormat::Safetensors, Some("st" | "state")) => Ok(Orientation::KeyValue),
        (CheckpointFormat::Safetensors, _) => Err(Error::input(
            checkpoint.file(),
            "orientation",
            "the file does not say; gosling import finds it out, or choose value-key (RWKV-PEFT order) or key-value (Ai00 and web-rwkv)",
        )),
    }
}

/// The dimensions of the state in the file, without its numbers.
fn empty_state(checkpoint: &Checkpoint) -> Result<TunedState> {
    let refuse = |place: &str, reason: String| Err(Error::input(checkpoint.file(), place, reason));
    let n_layer = checkpoint.names().len();
    let other = |name: &&str| !name.ends_with(".att.time_state");
    if let Some(name) = checkpoint.names().find(other) {
        let reason = if checkpoint.tensor("emb.weight").is_some() {
            "it is a model, not a tuned state"
        } else if name.ends_with(".ts_state") {
            "it also tunes the token shift, which Gosling does not"
        } else {
            "it is not a tuned state, which has only blocks.….att.time_state"
        };
        return refuse("tensors", format!("holds {}; {reason}", shown(name)));
    }
    let Some(first) = checkpoint.tensor(&tensor_name(0)) else {
        return refuse("tensors", format!("{} is missing", tensor_name(0)));
    };
    let &[n_head, head_size, n_key] = first.shape else {
        return refuse(first.name, wrong_shape(first.shape));
    };
    if n_head == 0 || head_size == 0 || head_size != n_key {
        return refuse(first.name, wrong_shape(first.shape));
    }
    Ok(TunedState {
        n_layer,
        n_head,
        head_size,
        layers: Vec::new(),
    })
}

fn wrong_shape(shape: &[usize]) -> String {
    format!("is {shape:?}, wanted [heads, head size, head size]")
}

fn layer_values(checkpoint: &Checkpoint, layer: usize, state: &TunedState) -> Result<Vec<f32>> {
    let name = tensor_name(layer);
    let refuse = |reason: String| Err(Error::input(checkpoint.file(), name.as_str(), reason));
    let want = [state.n_head, state.head_size, state.head_size];
    match checkpoint.tensor(&name) {
        None => refuse(format!(
            "is missing, though the file has {} states",
            state.n_layer
        )),
        Some(tensor) if tensor.shape != want => refuse(format!(
            "is {:?}, but that of layer 0 is {want:?}",
            tensor.shape
        )),
        Some(tensor) if !tensor.dtype.is_float() => {
            refuse(format!("holds {}, wanted floats", tensor.dtype.name()))
        }
        Some(tensor) => Ok(tensor.to_f32()),
    }
}

/// Every head's matrix with its two axes exchanged.
fn transposed(values: &[f32], head_size: usize) -> Vec<f32> {
    let heads = values.chunks_exact(head_size * head_size);
    heads
        .flat_map(|head| {
            (0..head.len()).map(move |i| head[i % head_size * head_size + i / head_size])
        })
        .collect()
}

/// Where in the state the number `index` of `layer` is, for messages.
fn place_of(state: &TunedState, layer: usize, index: usize) -> String {
    let size = state.head_size;
    let (row, key) = (index / size, index % size);
    let (head, value) = (row / size, row % size);
    format!("layer {layer}, head {head}, value {value}, key {key}")
}

fn refuse_not_finite(file: &Path, (place, value): (String, f32)) -> Error {
    Error::input(
        file,
        place,
        format!("is {value}; the run that made it diverged"),
    )
}

fn first_not_finite(state: &TunedState) -> Option<(String, f32)> {
    for (layer, values) in state.layers.iter().enumerate() {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Some((place_of(state, layer, index), values[index]));
        }
    }
    None
}
