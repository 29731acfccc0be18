//! A run as it was after a step, to look at: a small `.safetensors` file with
//! the names of `lift_bundle.rs`.
//!
//! | tensor | shape |
//! |---|---|
//! | `state.{i}` | S_0 of layer i, [H, value, key] |
//! | `shift.{i}` | token shifts of layer i, [2, C], where they are not zero |
//! | `lift.*` | Z, U, gamma, R and the mean of a lifted run (`lift_file.rs`) |
//! | `lora.*` | A and B of a LoRA run (`lora_file.rs`) |
//!
//! Numbers are f16, which pictures and their statistics do not tell from f32;
//! f32 where one of them is too large for that. Q^T Z follows from Z and the
//! seed of Q.

use std::io::Write as _;
use std::path::Path;

use half::f16;
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::lift_file::{LiftHeader, NamedValues, lift_tensors};
use super::lora_file::{LoraHeader, lora_tensors};
use super::shift_file::{read_shifts_into, shift_values};
use super::state_file::{Metadata, TunedState};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::checkpoint::Checkpoint;
use crate::tuning::method::tuned::Tuned;

const FORMAT: &str = "gosling-snapshot";
/// Room for names, shapes and metadata.
const OVERHEAD_BYTES: u64 = 8192;

/// What a run was after a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Steps done.
    pub step: usize,
    /// S_0, and the branch or the adapters.
    pub tuned: Tuned,
}

/// What the metadata says of the tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    step: usize,
    n_layer: usize,
    n_head: usize,
    head_size: usize,
    /// Where it is another than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_size: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lift: Option<LiftHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lora: Option<LoraHeader>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_shifts: bool,
}

/// Bytes of a snapshot of so many numbers, as f16.
pub fn snapshot_bytes(n_numbers: u64) -> u64 {
    2 * n_numbers + OVERHEAD_BYTES
}

/// As [`write_snapshot_of`], of a run that says nothing of itself.
///
/// # Errors
/// As [`write_snapshot_of`].
pub fn write_snapshot(path: impl AsRef<Path>, snapshot: &Snapshot) -> Result<()> {
    write_snapshot_of(path, snapshot, &Metadata::default())
}

/// Writes a snapshot; a reader sees all of it or the file that was there.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn write_snapshot_of(
    path: impl AsRef<Path>,
    snapshot: &Snapshot,
    metadata: &Metadata,
) -> Result<()> {
    let path = path.as_ref();
    let refuse = |reason: String| Error::input(path, tr!("snapshot"), reason);
    let Snapshot { step, tuned } = snapshot;
    let state = &tuned.state;
    let header = Header {
        step: *step,
        n_layer: state.n_layer,
        n_head: state.n_head,
        head_size: state.head_size,
        key_size: state.other_key_size(),
        lift: tuned.lift.as_ref().map(LiftHeader::new),
        lora: tuned.lora.as_ref().map(LoraHeader::new),
        has_shifts: state.shifts.is_some(),
    };
    let header = serde_json::to_string(&header).map_err(|error| refuse(error.to_string()))?;
    let mut text = metadata.to_text();
    text.extend([
        ("format".to_owned(), FORMAT.to_owned()),
        ("header".to_owned(), header),
    ]);
    let tensors = tensors(tuned);
    let largest = f32::from(f16::MAX);
    let mut values = tensors.iter().flat_map(|(_, _, values)| *values);
    let dtype = match values.any(|x| x.is_finite() && x.abs() > largest) {
        true => Dtype::F32,
        false => Dtype::F16,
    };
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| bytes(values, dtype))
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| {
            TensorView::new(dtype, shape.clone(), bytes).map(|view| (name, view))
        })
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let bytes =
        safetensors::serialize(views, Some(text)).map_err(|error| refuse(error.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))
}

fn bytes(values: &[f32], dtype: Dtype) -> Vec<u8> {
    if dtype == Dtype::F32 {
        return bytemuck::cast_slice(values).to_vec();
    }
    let rounded: Vec<f16> = values.iter().map(|x| f16::from_f32(*x)).collect();
    bytemuck::cast_slice(&rounded).to_vec()
}

fn tensors(tuned: &Tuned) -> Vec<NamedValues<'_>> {
    let state = &tuned.state;
    let shape = state.shape().to_vec();
    let layers = state.layers.iter().enumerate();
    let mut tensors: Vec<NamedValues<'_>> = layers
        .map(|(layer, values)| (format!("state.{layer}"), shape.clone(), values.as_slice()))
        .collect();
    tensors.extend(shift_values("shift", state));
    if let Some(lift) = &tuned.lift {
        tensors.extend(lift_tensors("lift", lift));
    }
    if let Some(lora) = &tuned.lora {
        tensors.extend(lora_tensors("lora", lora));
    }
    tensors
}

/// Whether a file says that it is a snapshot.
pub fn is_snapshot(file: &Checkpoint) -> bool {
    file.metadata().get("format").map(String::as_str) == Some(FORMAT)
}

/// Reads a snapshot. Numbers that are not finite are kept: they are what the
/// picture of a run that diverged shows.
///
/// # Errors
/// [`Error::Input`] if the file is not one or is damaged; [`Error::Io`] if it
/// cannot be read.
pub fn read_snapshot(path: impl AsRef<Path>) -> Result<Snapshot> {
    snapshot_in(&Checkpoint::open(path)?)
}

/// [`read_snapshot`] of a file that is open.
///
/// # Errors
/// As [`read_snapshot`].
pub fn snapshot_in(file: &Checkpoint) -> Result<Snapshot> {
    let path = file.file();
    if !is_snapshot(file) {
        let reason = tr!("format is not that of a snapshot of Gosling");
        return Err(Error::input(path, tr!("metadata"), reason));
    }
    let text = file.metadata().get("header").cloned().unwrap_or_default();
    let header: Header = serde_json::from_str(&text)
        .map_err(|error| Error::input(path, tr!("metadata, header"), json_words(&error)))?;
    let values = |name: &str| {
        let missing = || Error::input(path, name, tr!("is missing; the file is damaged"));
        Ok(file.tensor(name).ok_or_else(missing)?.to_f32())
    };
    let key_size = header.key_size.unwrap_or(header.head_size);
    let sizes = [header.n_head, header.head_size, key_size];
    let n_values = sizes.iter().try_fold(1_usize, |n, of| n.checked_mul(*of));
    let of_layer = |layer: usize| {
        let name = format!("state.{layer}");
        let values = values(&name)?;
        match Some(values.len()) == n_values {
            true => Ok(values),
            false => Err(Error::input(path, name, tr!("has the wrong size"))),
        }
    };
    let layers = (0..header.n_layer).map(of_layer).collect::<Result<_>>()?;
    let lift = header.lift.map(|lift| lift.read(path, "lift", &values));
    let lora = header.lora.map(|lora| lora.read(path, "lora", &values));
    let mut state = TunedState {
        n_layer: header.n_layer,
        n_head: header.n_head,
        head_size: header.head_size,
        key_size,
        layers,
        shifts: None,
    };
    read_shifts_into(&mut state, header.has_shifts, path, "shift", &values)?;
    Ok(Snapshot {
        step: header.step,
        tuned: Tuned {
            state,
            lift: lift.transpose()?,
            lora: lora.transpose()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::method::tuned::LiftValues;
    use crate::tuning::spec::LiftKind;

    fn snapshot(largest: f32) -> Snapshot {
        let numbers = |n: usize| (0..n).map(|i| i as f32 / 8.0).collect::<Vec<f32>>();
        Snapshot {
            step: 50,
            tuned: Tuned {
                state: TunedState {
                    n_layer: 2,
                    n_head: 1,
                    head_size: 2,
                    key_size: 2,
                    layers: vec![numbers(4), vec![0.5, largest, -0.25, 0.0]],
                    shifts: None,
                },
                lora: None,
                lift: Some(LiftValues {
                    layers: vec![1],
                    n_head: 1,
                    head_size: 2,
                    upscaled_size: 3,
                    kind: LiftKind::Constant,
                    gate: None,
                    projection_seed: 9,
                    weights: numbers(6),
                    support_vectors: numbers(6),
                    gamma: vec![1.0],
                    decorrelation: Some(numbers(9)),
                    mean: None,
                }),
            },
        }
    }

    #[test]
    fn snapshots_read_back_in_16_bits_or_in_32_where_those_are_too_few() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000050.safetensors");
        let mut sizes = Vec::new();
        for largest in [1000.0, 1e6] {
            let mut written = snapshot(largest);
            write_snapshot(&path, &written).unwrap();
            // All of these numbers have few enough bits.
            assert_eq!(read_snapshot(&path).unwrap(), written);
            sizes.push(std::fs::metadata(&path).unwrap().len());
            written.tuned.lift = None;
            write_snapshot(&path, &written).unwrap();
            assert_eq!(read_snapshot(&path).unwrap(), written);
        }
        assert!(
            sizes[0] < sizes[1] && sizes[0] < snapshot_bytes(36),
            "{sizes:?}"
        );
    }

    #[test]
    fn a_state_that_diverged_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write_snapshot(&path, &snapshot(f32::INFINITY)).unwrap();
        let read = read_snapshot(&path).unwrap();
        assert_eq!(read.tuned.state.layers[1][1], f32::INFINITY);
    }

    #[test]
    fn other_files_are_no_snapshots() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write_snapshot(&path, &snapshot(1.0)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&whole);
        let damaged = text.find("state.1").unwrap();
        let mut bytes = whole.clone();
        bytes[damaged + 6] = b'7';
        for bytes in [&whole[..whole.len() - 3], &bytes] {
            std::fs::write(&path, bytes).unwrap();
            let error = read_snapshot(&path).unwrap_err().to_string();
            assert!(error.contains("snapshot"), "{error}");
        }
    }
}
