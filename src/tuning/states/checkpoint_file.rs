//! What a run continues from: a `.safetensors` file with a checksum.
//!
//! | tensor | shape |
//! |---|---|
//! | `state.{i}` | S_0 of layer i, [H, N, N] |
//! | `lift.*` | the branch of a lifted run (`lift_file.rs`) |
//! | `lora.*` | the adapters of a LoRA run (`lora_file.rs`) |
//! | `first_moment.{p}`, `second_moment.{p}` | the optimiser's, of parameter p, flat |
//! | `best.{i}`, `best_lift.*`, `best_lora.*` | the same at the best validation, where there is one |

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::lift_file::{LiftHeader, NamedValues, lift_tensors};
use super::lora_file::{LoraHeader, lora_tensors};
use super::shift_file::{read_shifts_into, shift_values};
use super::state_file::TunedState;
use crate::atomic::{sha256_hex, write_atomic};
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::checkpoint::Checkpoint;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::train::parameter::MomentValues;

const FORMAT: &str = "gosling-checkpoint";

/// What the names of the present state's tensors begin with: of S_0, token shifts, a
/// branch and adapters. The same of the best so far.
const PREFIXES: [&str; 4] = ["state", "shift", "lift", "lora"];
const PREFIXES_OF_BEST: [&str; 4] = ["best", "best_shift", "best_lift", "best_lora"];

/// Everything a trainer needs to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerCheckpoint {
    /// Steps taken.
    pub step: usize,
    /// S_0 of every layer, the branch and the adapters.
    pub tuned: Tuned,
    /// The layers that are tuned.
    pub layers: Vec<usize>,
    /// The optimiser's moments: of S_0, [tuned layers, H, N, N], then of what
    /// a branch or adapters train.
    pub moments: Vec<MomentValues>,
    /// What was there at the best validation so far.
    pub best: Option<Tuned>,
    /// What the owner of the run wants to find again.
    pub extra: BTreeMap<String, String>,
}

/// What the metadata says beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    step: usize,
    layers: Vec<usize>,
    n_layer: usize,
    n_head: usize,
    head_size: usize,
    /// Where it is another than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_size: Option<usize>,
    has_best: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lift: Option<LiftHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lora: Option<LoraHeader>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_shifts: bool,
    n_parameters: usize,
    extra: BTreeMap<String, String>,
}

/// Writes the checkpoint; a reader sees all of it or the file that was there.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn write_checkpoint(path: impl AsRef<Path>, checkpoint: &TrainerCheckpoint) -> Result<()> {
    let path = path.as_ref();
    let refuse = |reason: String| Error::input(path, tr!("checkpoint"), reason);
    let state = &checkpoint.tuned.state;
    let header = Header {
        step: checkpoint.step,
        layers: checkpoint.layers.clone(),
        n_layer: state.n_layer,
        n_head: state.n_head,
        head_size: state.head_size,
        key_size: state.other_key_size(),
        has_best: checkpoint.best.is_some(),
        lift: checkpoint.tuned.lift.as_ref().map(LiftHeader::new),
        lora: checkpoint.tuned.lora.as_ref().map(LoraHeader::new),
        has_shifts: state.shifts.is_some(),
        n_parameters: checkpoint.moments.len(),
        extra: checkpoint.extra.clone(),
    };
    let header = serde_json::to_string(&header).map_err(|error| refuse(error.to_string()))?;
    let tensors = tensors(checkpoint);
    let metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("sha256".to_owned(), checksum(&header, &tensors)),
        ("header".to_owned(), header),
    ]);
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|error| refuse(error.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))
}

/// Reads a checkpoint and compares its checksum.
///
/// # Errors
/// [`Error::Input`] if the file is not one, or is damaged; [`Error::Io`] if it
/// cannot be read.
pub fn read_checkpoint(path: impl AsRef<Path>) -> Result<TrainerCheckpoint> {
    checkpoint_in(&Checkpoint::open(path)?)
}

/// [`read_checkpoint`] of a file that is open.
///
/// # Errors
/// As [`read_checkpoint`], less those of the system.
pub fn checkpoint_in(file: &Checkpoint) -> Result<TrainerCheckpoint> {
    let path = file.file();
    let metadata = |key: &str| {
        let missing = || {
            Error::input(
                path,
                tr!("metadata"),
                tr!("has no `{key}`; this is not the checkpoint of a run", key),
            )
        };
        file.metadata().get(key).cloned().ok_or_else(missing)
    };
    if metadata("format")? != FORMAT {
        let reason = tr!(
            "format is not `{FORMAT}`; this is not the checkpoint of a run",
            FORMAT
        );
        return Err(Error::input(path, tr!("metadata"), reason));
    }
    let text = metadata("header")?;
    let header: Header = serde_json::from_str(&text)
        .map_err(|error| Error::input(path, tr!("metadata, header"), json_words(&error)))?;
    let values = |name: &str| {
        let view = file.tensor(name).ok_or_else(|| {
            Error::input(path, name, tr!("is missing; the checkpoint is damaged"))
        })?;
        Ok(view.to_f32())
    };
    let checkpoint = TrainerCheckpoint {
        step: header.step,
        tuned: read_tuned(&header, path, PREFIXES, &values)?,
        moments: (0..header.n_parameters)
            .map(|idx| {
                Ok(MomentValues {
                    first: values(&format!("first_moment.{idx}"))?,
                    second: values(&format!("second_moment.{idx}"))?,
                })
            })
            .collect::<Result<_>>()?,
        best: match header.has_best {
            true => Some(read_tuned(&header, path, PREFIXES_OF_BEST, &values)?),
            false => None,
        },
        layers: header.layers,
        extra: header.extra,
    };
    if metadata("sha256")? != checksum(&text, &tensors(&checkpoint)) {
        let reason = tr!("does not match the contents; the file is damaged");
        return Err(Error::input(path, "sha256", reason));
    }
    Ok(checkpoint)
}

fn read_tuned(
    header: &Header,
    path: &Path,
    [state, shift, lift, lora]: [&str; 4],
    values: &dyn Fn(&str) -> Result<Vec<f32>>,
) -> Result<Tuned> {
    let (of_lift, of_lora) = (header.lift.clone(), header.lora.clone());
    Ok(Tuned {
        state: read_state(header, path, [state, shift], values)?,
        lift: of_lift
            .map(|header| header.read(path, lift, values))
            .transpose()?,
        lora: of_lora
            .map(|header| header.read(path, lora, values))
            .transpose()?,
    })
}

fn read_state(
    header: &Header,
    path: &Path,
    [prefix, shift]: [&str; 2],
    values: &dyn Fn(&str) -> Result<Vec<f32>>,
) -> Result<TunedState> {
    let key_size = header.key_size.unwrap_or(header.head_size);
    let n_values = [header.n_head, header.head_size, key_size]
        .iter()
        .try_fold(1_usize, |product, n| product.checked_mul(*n));
    let mut layers = Vec::new();
    for layer in 0..header.n_layer {
        let name = format!("{prefix}.{layer}");
        let values = values(&name)?;
        if Some(values.len()) != n_values {
            let reason = tr!(
                "has {} numbers, which does not fit the header",
                values.len()
            );
            return Err(Error::input(path, name, reason));
        }
        layers.push(values);
    }
    let mut state = TunedState {
        n_layer: header.n_layer,
        n_head: header.n_head,
        head_size: header.head_size,
        key_size,
        layers,
        shifts: None,
    };
    read_shifts_into(&mut state, header.has_shifts, path, shift, values)?;
    Ok(state)
}

/// Names, shapes and values in the order of the checksum.
fn tensors(checkpoint: &TrainerCheckpoint) -> Vec<NamedValues<'_>> {
    let mut tensors = Vec::new();
    let all = [
        (PREFIXES, Some(&checkpoint.tuned)),
        (PREFIXES_OF_BEST, checkpoint.best.as_ref()),
    ];
    for ([prefix, shift_prefix, lift_prefix, lora_prefix], tuned) in all {
        let Some(Tuned { state, lift, lora }) = tuned else {
            continue;
        };
        let shape = state.shape().to_vec();
        for (layer, values) in state.layers.iter().enumerate() {
            tensors.push((
                format!("{prefix}.{layer}"),
                shape.clone(),
                values.as_slice(),
            ));
        }
        tensors.extend(shift_values(shift_prefix, state));
        tensors.extend(lift.iter().flat_map(|lift| lift_tensors(lift_prefix, lift)));
        tensors.extend(lora.iter().flat_map(|lora| lora_tensors(lora_prefix, lora)));
    }
    for (idx, moments) in checkpoint.moments.iter().enumerate() {
        let both = [
            ("first_moment", &moments.first),
            ("second_moment", &moments.second),
        ];
        for (name, values) in both {
            let name = format!("{name}.{idx}");
            tensors.push((name, vec![values.len()], values.as_slice()));
        }
    }
    tensors
}

fn checksum(header: &str, tensors: &[NamedValues<'_>]) -> String {
    let mut text = header.to_owned();
    for (name, shape, values) in tensors {
        let hash = sha256_hex(bytemuck::cast_slice(values));
        text.push_str(&format!("\n{name} {shape:?} {hash}"));
    }
    sha256_hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::method::tuned::LiftValues;
    use crate::tuning::spec::LiftKind;

    fn sample() -> TrainerCheckpoint {
        let state = |offset: f32| TunedState {
            n_layer: 2,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![offset, 1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0, 7.5]],
            shifts: None,
        };
        let lift = |first: f32| LiftValues {
            layers: vec![1],
            n_head: 1,
            head_size: 2,
            upscaled_size: 3,
            kind: LiftKind::Recurrent,
            projection_seed: 7,
            weights: vec![first, 0.0, 1.0, 2.0, 3.0, 4.0],
            gate: Some(vec![-0.5]),
            support_vectors: vec![1.0; 6],
            gamma: vec![0.5],
            decorrelation: Some(vec![2.0; 9]),
            mean: Some(vec![0.25; 3]),
        };
        TrainerCheckpoint {
            step: 12,
            tuned: Tuned {
                state: state(0.5),
                lora: None,
                lift: Some(lift(0.5)),
            },
            layers: vec![1],
            moments: [4, 6]
                .map(|n| MomentValues {
                    first: vec![0.1; n],
                    second: vec![0.2; n],
                })
                .to_vec(),
            best: Some(Tuned {
                state: state(-1.0),
                lora: None,
                lift: Some(lift(-2.0)),
            }),
            extra: BTreeMap::from([("best_step".to_owned(), "10".to_owned())]),
        }
    }

    #[test]
    fn a_checkpoint_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000012.safetensors");
        let mut checkpoint = sample();
        let mut shifted = sample().best.unwrap();
        shifted.state.shifts = Some(vec![vec![0.5; 4], vec![-1.5; 4]]);
        checkpoint.tuned.state.shifts = Some(vec![vec![0.25; 4]; 2]);
        for best in [Some(shifted), None] {
            checkpoint.best = best;
            write_checkpoint(&path, &checkpoint).unwrap();
            assert_eq!(read_checkpoint(&path).unwrap(), checkpoint);
        }
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000012.safetensors");
        write_checkpoint(&path, &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            // Padding of the header is the only byte that carries nothing.
            if let Ok(read) = read_checkpoint(&path) {
                assert_eq!(read, sample(), "byte {at}");
                assert_eq!(whole[at], b' ', "byte {at}");
            }
        }
        for len in [0, 7, 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let error = read_checkpoint(&path).unwrap_err().to_string();
            assert!(error.contains("step-000012"), "{error}");
        }
    }
}
