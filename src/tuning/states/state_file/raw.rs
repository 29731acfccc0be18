//! The state of rwkv.cpp: the raw f32 numbers that its `state_in` takes, with
//! no header. Per layer the last input of channel mixing [C], that of time
//! mixing [C], then [n_head, value, key] (`rwkv_graph.inc` and
//! `rwkv_operators_wkv_v7.inc`). The two shifts are zero before a text unless they
//! are tuned too.

use std::io::Read as _;
use std::path::Path;

use super::export_others::written;
use super::{ExportReport, TunedState, check_sound, first_not_finite, refuse_not_finite};
use crate::error::{Error, Result};
use crate::model::config::ModelConfig;

/// Numbers of a layer, and those of them before its matrices.
fn sizes([n_head, n_values, n_keys]: [usize; 3]) -> Option<(usize, usize)> {
    let shifts = n_head.checked_mul(n_values)?.checked_mul(2)?;
    let matrices = n_head.checked_mul(n_values)?.checked_mul(n_keys)?;
    Some((shifts.checked_add(matrices)?, shifts))
}

/// Writes the raw state, reads it back and compares every bit.
///
/// # Errors
/// [`Error::Input`] for a state that is inconsistent or not finite, or a file
/// that reads back otherwise; [`Error::Io`] when it cannot be written.
pub fn write_raw(state: &TunedState, path: impl AsRef<Path>) -> Result<ExportReport> {
    let path = path.as_ref();
    check_sound(state, path)?;
    let mut bytes = Vec::new();
    for (idx, layer) in state.layers.iter().enumerate() {
        let zero = || vec![0.0; state.n_shifts_per_layer()];
        let shifts = state
            .shifts
            .as_ref()
            .map_or_else(zero, |of| of[idx].clone());
        let exchanged = exchanged(&shifts);
        let numbers = exchanged.iter().chain(layer);
        bytes.extend(numbers.flat_map(|value| value.to_le_bytes()));
    }
    written(path, &bytes, 0.0)
}

/// The token shifts of a layer in the other order: the file has channel mixing first.
fn exchanged(shifts: &[f32]) -> Vec<f32> {
    let (first, second) = shifts.split_at(shifts.len() / 2);
    [second, first].concat()
}

/// Reads the raw state of a model, whose dimensions the file does not have.
///
/// # Errors
/// [`Error::Input`] for a file of another size and for numbers that are not
/// finite; [`Error::Io`] when it cannot be read.
pub fn read_raw(path: impl AsRef<Path>, model: &ModelConfig) -> Result<TunedState> {
    let path = path.as_ref();
    let fail = |source| Error::io("read", path, source);
    let file = std::fs::File::open(path).map_err(fail)?;
    let wanted = wanted_bytes(model).ok_or_else(|| {
        Error::input(
            path,
            tr!("size"),
            tr!("of the model's state is beyond this machine"),
        )
    })?;
    let mut bytes = Vec::new();
    // One more, so that a longer file is seen to be longer.
    file.take(wanted as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    raw_in(path, &bytes, model)
}

/// [`read_raw`] of bytes in memory; `path` stands for them in messages.
///
/// # Errors
/// As [`read_raw`], less those of the system.
pub fn raw_in(path: &Path, bytes: &[u8], model: &ModelConfig) -> Result<TunedState> {
    if Some(bytes.len()) != wanted_bytes(model) {
        let ModelConfig {
            n_layer, n_embd, ..
        } = model;
        let reason = tr!(
            "is not that of a raw f32 state of {n_layer} layers with {n_embd} channels, \
             {} bytes; choose the model that it was tuned for (--model)",
            wanted_bytes(model).unwrap_or(0),
            n_layer,
            n_embd
        );
        return Err(Error::input(path, tr!("size"), reason));
    }
    let Some((n_per_layer, n_shifts)) = sizes(model.state_shape()) else {
        return Err(Error::input(
            path,
            tr!("size"),
            tr!("is beyond this machine"),
        ));
    };
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    let layers = values.chunks_exact(n_per_layer);
    let shifts = layers.clone().map(|layer| exchanged(&layer[..n_shifts]));
    let shifts: Vec<Vec<f32>> = shifts.collect();
    let has_shifts = shifts.iter().flatten().any(|value| *value != 0.0);
    let state = TunedState {
        n_layer: model.n_layer,
        n_head: model.n_head,
        head_size: model.head_size,
        key_size: model.key_size(),
        layers: layers.map(|layer| layer[n_shifts..].to_vec()).collect(),
        shifts: has_shifts.then_some(shifts),
    };
    match first_not_finite(&state) {
        Some(found) => Err(refuse_not_finite(path, found)),
        None => Ok(state),
    }
}

fn wanted_bytes(model: &ModelConfig) -> Option<usize> {
    let (n_per_layer, _) = sizes(model.state_shape())?;
    n_per_layer.checked_mul(model.n_layer)?.checked_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelConfig {
        ModelConfig {
            architecture: crate::model::Architecture::Rwkv7,
            n_layer: 2,
            n_embd: 4,
            n_head: 2,
            head_size: 2,
            keys: None,
            end_of_document: 0,
            vocab_size: 10,
            n_ffn: 16,
            decay_rank: 1,
            iclr_rank: 1,
            value_rank: 1,
            gate_rank: 1,
        }
    }

    fn state() -> TunedState {
        let layer = |layer: usize| (0..8).map(|i| (layer * 8 + i) as f32 - 3.5).collect();
        TunedState {
            n_layer: 2,
            n_head: 2,
            head_size: 2,
            key_size: 2,
            layers: (0..2).map(layer).collect(),
            shifts: None,
        }
    }

    #[test]
    fn the_layout_is_that_of_rwkv_cpp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_raw(&state(), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // L * C * (2 + N) numbers; two shifts of C, then [head, value, key].
        assert_eq!(bytes.len(), 4 * 2 * 4 * (2 + 2));
        let number = |idx: usize| f32::from_le_bytes(bytes[4 * idx..][..4].try_into().unwrap());
        assert!((0..8).all(|idx| number(idx) == 0.0));
        let (head, value, key) = (1, 0, 1);
        assert_eq!(
            number(16 + 8 + (head * 2 + value) * 2 + key),
            state().layers[1][(head * 2 + value) * 2 + key]
        );
        assert_eq!(read_raw(&path, &model()).unwrap(), state());
    }

    #[test]
    fn other_sizes_shifts_and_numbers_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_raw(&state(), &path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| raw_in(Path::new("a.bin"), bytes, &model());
        let message = read(&bytes[1..]).unwrap_err().to_string();
        assert!(
            message.contains("2 layers with 4 channels, 128 bytes"),
            "{message}"
        );
        // The first number is that of channel mixing: 2.0, behind those of time mixing.
        bytes[3] = 0x40;
        let mut shifts = vec![vec![0.0; 8]; 2];
        shifts[0][4] = 2.0;
        let with_shifts = TunedState {
            shifts: Some(shifts),
            ..state()
        };
        assert_eq!(read(&bytes).unwrap(), with_shifts);
        write_raw(&with_shifts, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        bytes[35] = 0x7f;
        bytes[34] = 0xff;
        let message = read(&bytes).unwrap_err().to_string();
        assert!(
            message.contains("layer 0, head 0, value 0, key 0: is NaN"),
            "{message}"
        );
    }
}
