//! Tuned states as files.
//!
//! | File | Element | Last two axes | Read by |
//! |---|---|---|---|
//! | `.pth` | f32 or bf16 | value, key | RWKV-Runner, the `rwkv` package (by [`python_snippet`]) |
//! | `.safetensors` | f32 | value, key | Gosling; carries what the state was made from |
//! | `.st` | f16 | **key, value** | Ai00, web-rwkv |
//! | `.bin` | f32 | value, key | rwkv.cpp, as its `state_in` (`raw.rs`) |
//! | `.rmpack` | f16 | value, key | rwkv-mobile and the RWKV app |
//! | a folder | f32 | value, key; of Gated DeltaNet key, value | programs that follow s0-tuning |
//!
//! The first three have one tensor per layer, `blocks.{i}.att.time_state`, and
//! nothing else, since RWKV-Runner counts the tensors. Where the token shifts are tuned
//! too, `.pth` and `.safetensors` also have `blocks.{i}.att.ts_state` and
//! `blocks.{i}.ffn.ts_state`, C numbers each, as trainers of the whole state name them, and
//! the `.bin` has them in its buffer; the other formats have no place for them. What is read may have a
//! prefix before these names and other tensors beside them (`tensors.rs`).
//! Value-key order is RWKV-PEFT's (`rwkvt/rwkv7/att.py`); the transposed one is
//! what web-rwkv's `read_state` expects (`src/runtime/v7.rs`). Read the wrong way
//! round, a state still loads and silently gives another model.
//!
//! A state of Gated DeltaNet is written as `.safetensors` and as a folder: all other
//! programs here run RWKV-7. Of other programs it is read key-value, in a folder, in a
//! list, or as one tensor of all layers.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, CheckpointFormat};
use crate::model::config::ModelConfig;

mod declared;
mod export;
mod export_format;
mod export_others;
#[cfg(test)]
mod foreign_tests;
mod metadata;
#[cfg(test)]
mod oblong_tests;
mod orientation;
mod pth_dtype;
mod python_snippet;
mod raw;
mod s0_meta;
pub(crate) mod sidecar;
mod tensors;
#[cfg(test)]
mod tests;

pub use declared::{declared_orientation, stored_orientation};
use export::check_sound;
pub use export::{ExportReport, write_pth, write_safetensors, write_st};
pub use export_format::{
    Companion, ExportFormat, NO_LLAMA_CPP, SHIFTS_NOTE, export, write_companions,
};
pub use export_others::{write_rmpack, write_s0_folder, write_vllm};
pub use metadata::{Metadata, VOCABULARY_FILE, VocabularyMark, exported_vocabulary};
pub use orientation::{Convention, Orientation};
pub use pth_dtype::PthDType;
pub use python_snippet::{python_snippet, write_python_snippet};
pub use raw::{raw_in, read_raw, write_raw};
use tensors::{StateTensors, tensor_name};
pub use tensors::{is_state, left_out};

/// The state that a model starts from: one matrix per layer and head.
#[derive(Clone, Debug, PartialEq)]
pub struct TunedState {
    /// L.
    pub n_layer: usize,
    /// H.
    pub n_head: usize,
    /// N, value channels of a head.
    pub head_size: usize,
    /// K, key channels of a head; N in RWKV-7.
    pub key_size: usize,
    /// For each layer the matrices of its heads, [n_head, value, key]
    /// row-major: `n_head * head_size * key_size` numbers.
    pub layers: Vec<Vec<f32>>,
    /// The token shifts, where they are not zero: for each layer what the last input of
    /// time mixing is before a text and then that of channel mixing, [2, C] row-major
    /// with C = `n_head * head_size`.
    pub shifts: Option<Vec<Vec<f32>>>,
}

/// Keys and values of a `.safetensors` state beside its metadata.
mod keys {
    pub(super) const FORMAT: &str = "format";
    pub(super) const FORMAT_VALUE: &str = "gosling-state";
    pub(super) const ORIENTATION: &str = "orientation";
    /// Said where the token shifts are tuned too.
    pub(super) const SHIFTS: &str = "token_shifts";
    pub(super) const SHIFTS_VALUE: &str = "att.ts_state,ffn.ts_state";
}

impl TunedState {
    /// S_0 of a head, [value, key] row-major.
    pub fn head(&self, layer: usize, head: usize) -> Option<&[f32]> {
        let n_values = self.n_per_head();
        self.layers.get(layer)?.chunks_exact(n_values).nth(head)
    }

    /// The shape of a layer: heads, value channels, key channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.n_head, self.head_size, self.key_size]
    }

    /// K where it is another than N, for files that name one size of a square.
    pub(in crate::tuning) fn other_key_size(&self) -> Option<usize> {
        (self.key_size != self.head_size).then_some(self.key_size)
    }

    /// Numbers of a head: `head_size * key_size`.
    pub fn n_per_head(&self) -> usize {
        self.head_size * self.key_size
    }

    /// Numbers in one layer: `n_head * head_size * key_size`.
    pub fn n_per_layer(&self) -> usize {
        self.n_head * self.n_per_head()
    }

    /// Numbers of the token shifts in one layer: 2 C.
    pub fn n_shifts_per_layer(&self) -> usize {
        2 * self.n_head * self.head_size
    }

    /// Whether a token shift is other than zero.
    pub fn has_shifts(&self) -> bool {
        let all = self.shifts.iter().flatten().flatten();
        all.into_iter().any(|value| *value != 0.0)
    }

    /// Every head's matrix with its two axes exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let layers = self.layers.iter();
        Self {
            layers: layers
                .map(|layer| transposed(layer, [self.head_size, self.key_size]))
                .collect(),
            shifts: self.shifts.clone(),
            head_size: self.key_size,
            key_size: self.head_size,
            ..*self
        }
    }

    /// Every number times `alpha`: 1 is the state itself, 0 the untuned model.
    pub fn scaled(mut self, alpha: f32) -> Self {
        let shifts = self.shifts.iter_mut().flatten();
        for value in self.layers.iter_mut().chain(shifts).flatten() {
            *value *= alpha;
        }
        self
    }
}

/// The file of a run's folder that holds its state, S_0.
pub const STATE_FILE: &str = "state.safetensors";
/// The file of a run's folder that holds all that a lifted run trained.
pub const LIFTED_FILE: &str = "lifted.safetensors";
/// The same of a LoRA run.
pub const LORA_FILE: &str = "lora.safetensors";

/// The state file that a path stands for: itself, or that of a run's folder.
///
/// # Errors
/// [`Error::Input`] for a folder without one.
pub fn locate_state(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    // S_0 is a part of what a lifted run or a LoRA run has.
    for name in [LIFTED_FILE, LORA_FILE, STATE_FILE, s0_meta::STATES] {
        let inside = path.join(name);
        if inside.is_file() {
            return Ok(inside);
        }
    }
    let reason = tr!("is not in the folder; a run that has finished has one");
    Err(Error::input(path, STATE_FILE, reason))
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
    // As it is stored, its rows are what the file has first.
    if orientation == Orientation::KeyValue {
        state = state.transposed();
    }
    Ok((state, metadata))
}

/// The state as it lies in the file, its last two axes in whichever order.
///
/// # Errors
/// [`Error::Input`] when the file is no state, or holds numbers that are not
/// finite.
pub fn state_as_stored(checkpoint: &Checkpoint) -> Result<(TunedState, Metadata)> {
    let tensors = StateTensors::find(checkpoint)?;
    let mut state = tensors.empty_state()?;
    for layer in 0..state.n_layer {
        let values = tensors.layer_values(layer, &state)?;
        state.layers.push(values);
    }
    state.shifts = tensors.shifts(&state)?;
    if let Some(found) = first_not_finite(&state) {
        return Err(refuse_not_finite(checkpoint.file(), found));
    }
    let own = Metadata::from_text(checkpoint.file(), checkpoint.metadata())?;
    let metadata = match own == Metadata::default() {
        true => match sidecar::read_sidecar(checkpoint.file())? {
            Some((beside, _)) => beside,
            None => s0_meta::read_s0_meta(checkpoint.file())?.map_or(own, |(beside, _)| beside),
        },
        false => own,
    };
    Ok((state, metadata))
}

/// Checks that `state` has the dimensions of the model.
///
/// # Errors
/// [`Error::Spec`] on `state`, with both sets of dimensions.
pub fn check_fits(state: &TunedState, model: &ModelConfig) -> Result<()> {
    let of_state = (state.n_layer, state.shape());
    let of_model = (model.n_layer, model.state_shape());
    if of_state == of_model {
        return Ok(());
    }
    let said = |(n_layer, [n_head, values, keys]): (usize, [usize; 3])| {
        tr!(
            "{n_layer} layers of {n_head} heads of {values}x{keys}",
            n_layer,
            n_head,
            values,
            keys
        )
    };
    Err(Error::spec(
        "state",
        tr!(
            "has {}, the model {}; it was tuned for another model",
            said(of_state),
            said(of_model)
        ),
    ))
}

/// The order in which a state fits a model whose values and keys differ; none where
/// they do not, or where neither fits.
pub fn order_by_shape(as_stored: &TunedState, model: &ModelConfig) -> Option<Orientation> {
    let [n_head, values, keys] = model.state_shape();
    if values == keys {
        return None;
    }
    match as_stored.shape() {
        shape if shape == [n_head, values, keys] => Some(Orientation::ValueKey),
        shape if shape == [n_head, keys, values] => Some(Orientation::KeyValue),
        _ => None,
    }
}

/// Every head's matrix of [rows, columns] with its two axes exchanged.
fn transposed(values: &[f32], [n_rows, n_columns]: [usize; 2]) -> Vec<f32> {
    let heads = values.chunks_exact(n_rows * n_columns);
    heads
        .flat_map(|head| (0..head.len()).map(move |i| head[i % n_rows * n_columns + i / n_rows]))
        .collect()
}

/// Where in the state the number `index` of `layer` is, for messages.
fn place_of(state: &TunedState, layer: usize, index: usize) -> String {
    let (row, key) = (index / state.key_size, index % state.key_size);
    let (head, value) = (row / state.head_size, row % state.head_size);
    tr!(
        "layer {layer}, head {head}, value {value}, key {key}",
        layer,
        head,
        value,
        key
    )
}

/// The same of the token shifts of `layer`, `n` numbers.
fn place_of_shift(n: usize, layer: usize, index: usize) -> String {
    let n_embd = (n / 2).max(1);
    let of = if index < n_embd { "time" } else { "channel" };
    tr!(
        "layer {layer}, token shift of {of} mixing, channel {}",
        index % n_embd,
        layer,
        of
    )
}

fn refuse_not_finite(file: &Path, (place, value): (String, f32)) -> Error {
    Error::input(
        file,
        place,
        tr!("is {value}; the run that made it diverged", value),
    )
}

fn first_not_finite(state: &TunedState) -> Option<(String, f32)> {
    for (layer, values) in state.layers.iter().enumerate() {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Some((place_of(state, layer, index), values[index]));
        }
    }
    for (layer, values) in state.shifts.iter().flatten().enumerate() {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Some((place_of_shift(values.len(), layer, index), values[index]));
        }
    }
    None
}
