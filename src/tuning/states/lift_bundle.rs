//! All that a lifted run or a LoRA run trained as one `.safetensors` file: S_0 with
//! Z, write gates, U, gamma, R, the mean of the features and the seed of Q, or with
//! the adapters. Only Gosling reads it; S_0 alone, in the formats of
//! `state_file.rs`, and adapters, in those of `lora_export.rs`, are what other
//! programs load.
//!
//! | tensor | shape |
//! |---|---|
//! | `state.{i}` | S_0 of layer i, [H, value, key] |
//! | `shift.{i}` | token shifts of layer i, [2, C], where they are not zero |
//! | `lift.z` | [layers, H, N, M] |
//! | `lift.gate` | [layers, H], of a recurrent one |
//! | `lift.support_vectors` | [layers, H, M, N] |
//! | `lift.gamma` | [layers, H] |
//! | `lift.decorrelation` | R, [layers, H or 1, M, M], where there is one |
//! | `lift.mean` | [layers, H, M], where it is taken off |
//! | `lora.{matrix}.a` | A, [layers, rank, in], matrix as in `att.key` |
//! | `lora.{matrix}.b` | B, [layers, out, rank] |

use std::io::Write as _;
use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::lift_file::{LiftHeader, NamedValues, lift_tensors};
use super::lora_file::{LoraHeader, lora_tensors};
use super::shift_file::{read_shifts_into, shift_values};
use super::snapshot_file::{is_snapshot, snapshot_in};
use super::state_file::{
    Convention, ExportReport, Metadata, Orientation, TunedState, declared_orientation,
    order_by_shape, state_as_stored, state_in,
};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::ModelConfig;
use crate::model::checkpoint::Checkpoint;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::LiftKind;

const FORMAT: &str = "gosling-lifted-state";
const LORA_FORMAT: &str = "gosling-lora";

/// What a user should know who gives a lifted run to another program.
pub const ONLY_S0_NOTE: &str = mark!(
    "other programs load S_0 alone; Z, R, the support vectors, \
     gamma and Q of a lifted run work in Gosling only (gosling export --fold fits a plain S_0 to all of it)"
);

/// The same of a run of the paper's recurrence as it is printed.
pub const NO_S0_NOTE: &str = mark!(
    "the paper's recurrence works in Gosling only; it replaces the \
     model's own recurrence, so there is no S_0 for other programs (gosling export --fold fits one)"
);

/// The same of a run that trained adapters and S_0.
pub const S0_OF_LORA_NOTE: &str = mark!(
    "this is S_0 alone, which belongs to the adapters of its \
     run; `gosling export RUN --to merged` writes the model that it is for"
);

/// The same of a run that trained adapters alone.
pub const NO_S0_OF_LORA_NOTE: &str = mark!(
    "a LoRA run without S_0 has no state; export its adapters \
     instead (gosling export RUN --to peft, rwkv-peft or merged)"
);

/// What the metadata says of the tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
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

/// Writes the bundle, reads it back and compares it.
///
/// # Errors
/// [`Error::Input`] if it is S_0 alone, is not finite or reads back otherwise; [`Error::Io`] if it cannot be written.
pub fn write_bundle(
    tuned: &Tuned,
    path: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let path = path.as_ref();
    let refuse = |reason: String| Error::input(path, tr!("tuned parts"), reason);
    let Tuned { state, lift, lora } = tuned;
    let (format, note) = match (lift, lora) {
        (None, None) => {
            let reason = tr!("there are none beside S_0, which has a file of its own");
            return Err(refuse(reason.into()));
        }
        (_, None) => (FORMAT, ONLY_S0_NOTE),
        (_, Some(_)) => (LORA_FORMAT, S0_OF_LORA_NOTE),
    };
    check_finite(path, tuned)?;
    let header = Header {
        n_layer: state.n_layer,
        n_head: state.n_head,
        head_size: state.head_size,
        key_size: state.other_key_size(),
        lift: lift.as_ref().map(LiftHeader::new),
        lora: lora.as_ref().map(LoraHeader::new),
        has_shifts: state.shifts.is_some(),
    };
    let header = serde_json::to_string(&header).map_err(|error| refuse(error.to_string()))?;
    let mut text = metadata.to_text();
    text.extend([
        ("format".to_owned(), format.to_owned()),
        ("header".to_owned(), header),
        ("note".to_owned(), note.to_owned()),
    ]);
    let tensors = tensors(tuned);
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name, view))
        })
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let bytes =
        safetensors::serialize(views, Some(text)).map_err(|error| refuse(error.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))?;
    let (read, _) = read_bundle(path)?;
    if read != *tuned {
        return Err(refuse(
            tr!("differs from what was written when it is read back").into(),
        ));
    }
    Ok(ExportReport {
        path: path.to_path_buf(),
        bytes: bytes.len() as u64,
        max_abs_rounding: 0.0,
    })
}

/// Reads a bundle.
///
/// # Errors
/// [`Error::Input`] if the file is not one or holds numbers that are not finite.
pub fn read_bundle(path: impl AsRef<Path>) -> Result<(Tuned, Metadata)> {
    bundle_in(&Checkpoint::open(path)?)
}

/// [`read_bundle`] of a file that is open.
///
/// # Errors
/// As [`read_bundle`], less those of the system.
pub fn bundle_in(file: &Checkpoint) -> Result<(Tuned, Metadata)> {
    let path = file.file();
    let text = |key: &str| file.metadata().get(key).cloned();
    if !is_bundle(file) {
        let reason = tr!("format is not that of a lifted state or of adapters of Gosling");
        return Err(Error::input(path, tr!("metadata"), reason));
    }
    let header = text("header").unwrap_or_default();
    let header: Header = serde_json::from_str(&header)
        .map_err(|error| Error::input(path, tr!("metadata, header"), json_words(&error)))?;
    let values = |name: &str| {
        let missing = || Error::input(path, name, tr!("is missing; the file is damaged"));
        Ok(file.tensor(name).ok_or_else(missing)?.to_f32())
    };
    let key_size = header.key_size.unwrap_or(header.head_size);
    let n_values = [header.n_head, header.head_size, key_size];
    let n_values = n_values
        .iter()
        .try_fold(1_usize, |product, n| product.checked_mul(*n));
    let mut layers = Vec::new();
    for layer in 0..header.n_layer {
        let name = format!("state.{layer}");
        let values = values(&name)?;
        if Some(values.len()) != n_values || values.iter().any(|x| !x.is_finite()) {
            let reason = tr!("has the wrong size, or numbers that are not finite");
            return Err(Error::input(path, name, reason));
        }
        layers.push(values);
    }
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
    let tuned = Tuned {
        state,
        lift: lift.transpose()?,
        lora: lora.transpose()?,
    };
    check_finite(path, &tuned)?;
    let metadata = Metadata::from_text(path, file.metadata())?;
    Ok((tuned, metadata))
}

/// Reads what a run made: a bundle, a snapshot or a state file of any program.
///
/// # Errors
/// As [`read_bundle`] and [`state_in`].
pub fn read_tuned(
    path: impl AsRef<Path>,
    orientation: Option<Orientation>,
) -> Result<(Tuned, Metadata)> {
    tuned_in(&Checkpoint::open(path)?, orientation)
}

/// As [`read_tuned`], for a model whose states all programs hold one way round: where
/// the file does not say which, it is that.
///
/// # Errors
/// As there.
pub fn read_tuned_for(
    path: impl AsRef<Path>,
    told: Option<Orientation>,
    model: &ModelConfig,
) -> Result<(Tuned, Metadata)> {
    let file = Checkpoint::open(path)?;
    let orientation = match Convention::of_architecture(model.architecture) {
        None => told,
        Some(convention) => {
            let said = declared_orientation(&file, told)?;
            let is_state =
                model.head_size != model.key_size() && !is_snapshot(&file) && !is_bundle(&file);
            let by_shape = match (said, is_state) {
                (None, true) => order_by_shape(&state_as_stored(&file)?.0, model),
                _ => None,
            };
            Some(said.or(by_shape).unwrap_or(convention.orientation))
        }
    };
    tuned_in(&file, orientation)
}

fn tuned_in(file: &Checkpoint, orientation: Option<Orientation>) -> Result<(Tuned, Metadata)> {
    if is_snapshot(file) {
        let metadata = Metadata::from_text(file.file(), file.metadata())?;
        return Ok((snapshot_in(file)?.tuned, metadata));
    }
    if is_bundle(file) {
        return bundle_in(file);
    }
    let (state, metadata) = state_in(file, orientation)?;
    Ok((state.into(), metadata))
}

/// What other programs can load of what a run made.
#[derive(Debug, Clone, PartialEq)]
pub struct Exportable {
    /// S_0, scaled.
    pub state: TunedState,
    /// What it was made from; without figures where it was scaled.
    pub metadata: Metadata,
    /// What more was trained, which does not come with S_0: [`ONLY_S0_NOTE`] or
    /// [`S0_OF_LORA_NOTE`].
    pub left_behind: Option<&'static str>,
}

/// S_0 times `alpha` of what a run made: of a bundle, a snapshot or a state file
/// of any program.
///
/// # Errors
/// As [`read_tuned`]; [`Error::Input`] with [`NO_S0_NOTE`] or
/// [`NO_S0_OF_LORA_NOTE`] where there is no S_0,
/// [`Error::Spec`] if `alpha` is not finite.
pub fn exportable(
    path: impl AsRef<Path>,
    orientation: Option<Orientation>,
    alpha: f32,
) -> Result<Exportable> {
    if !alpha.is_finite() {
        let reason = tr!("must be a number, is {alpha}", alpha);
        return Err(Error::spec("alpha", reason));
    }
    let path = path.as_ref();
    let (Tuned { state, lift, lora }, mut metadata) = read_tuned(path, orientation)?;
    let beside = metadata.vocabulary.as_ref().and_then(|of| of.beside(path));
    metadata.vocabulary_file = beside.map(|(file, _)| file);
    let has_state = || state.has_shifts() || state.layers.iter().flatten().any(|x| *x != 0.0);
    let left_behind = match lift.map(|lift| lift.kind) {
        None if lora.is_none() => None,
        None if has_state() => Some(S0_OF_LORA_NOTE),
        None => return Err(Error::input(path, "S_0", NO_S0_OF_LORA_NOTE)),
        Some(LiftKind::Constant | LiftKind::Decayed | LiftKind::Recurrent) => Some(ONLY_S0_NOTE),
        Some(LiftKind::PaperLiteral) => return Err(Error::input(path, "S_0", NO_S0_NOTE)),
    };
    let metadata = if alpha == 1.0 {
        metadata
    } else {
        // The figures are those of the state as it was tuned.
        Metadata {
            metrics_json: None,
            ..metadata
        }
    };
    Ok(Exportable {
        state: state.scaled(alpha),
        metadata,
        left_behind,
    })
}

/// Whether the file says that it is one.
pub(super) fn is_bundle(file: &Checkpoint) -> bool {
    let format = file.metadata().get("format").map(String::as_str);
    format.is_some_and(|format| [FORMAT, LORA_FORMAT].contains(&format))
}

fn check_finite(path: &Path, tuned: &Tuned) -> Result<()> {
    let shifts = shift_values("shift", &tuned.state);
    for (name, _, values) in beside(tuned).into_iter().chain(shifts) {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let reason = tr!(
                "has the number {value}; the run that made it diverged",
                value
            );
            return Err(Error::input(path, name, reason));
        }
    }
    Ok(())
}

/// The tensors beside S_0.
fn beside(tuned: &Tuned) -> Vec<NamedValues<'_>> {
    let lift = tuned.lift.iter();
    let lora = tuned.lora.iter();
    lift.flat_map(|lift| lift_tensors("lift", lift))
        .chain(lora.flat_map(|lora| lora_tensors("lora", lora)))
        .collect()
}

fn tensors(tuned: &Tuned) -> Vec<NamedValues<'_>> {
    let state = &tuned.state;
    let shape = state.shape().to_vec();
    let layers = state.layers.iter().enumerate();
    let mut tensors: Vec<NamedValues<'_>> = layers
        .map(|(layer, values)| {
            let name = format!("state.{layer}");
            (name, shape.clone(), values.as_slice())
        })
        .collect();
    tensors.extend(shift_values("shift", state));
    tensors.extend(beside(tuned));
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::method::tuned::LiftValues;
    use crate::tuning::spec::LiftKind;
    use crate::tuning::states::state_file::read_state;

    fn tuned() -> Tuned {
        let numbers = |n: usize, offset: f32| (0..n).map(|i| offset + i as f32 * 0.37).collect();
        Tuned {
            state: TunedState {
                n_layer: 2,
                n_head: 1,
                head_size: 2,
                key_size: 2,
                layers: vec![numbers(4, 0.5), numbers(4, -1.0)],
                shifts: None,
            },
            lora: None,
            lift: Some(LiftValues {
                layers: vec![1],
                n_head: 1,
                head_size: 2,
                upscaled_size: 3,
                kind: LiftKind::Recurrent,
                projection_seed: 9,
                weights: numbers(6, 0.1),
                gate: Some(vec![0.75]),
                support_vectors: numbers(6, 0.2),
                gamma: vec![1.0],
                decorrelation: Some(numbers(9, 0.3)),
                mean: Some(numbers(3, 0.4)),
            }),
        }
    }

    #[test]
    fn a_bundle_reads_back_equal_with_all_its_parts_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifted.safetensors");
        let mut tuned = tuned();
        let metadata = Metadata {
            base_fingerprint: Some("abc".into()),
            spec_ron: Some("()".into()),
            ..Metadata::default()
        };
        for parts in 0..2 {
            if let (1, Some(lift)) = (parts, &mut tuned.lift) {
                (lift.decorrelation, lift.mean, lift.gate) = (None, None, None);
                lift.kind = LiftKind::PaperLiteral;
            }
            write_bundle(&tuned, &path, &metadata).unwrap();
            let (read, of_file) = read_tuned(&path, None).unwrap();
            assert_eq!(read, tuned);
            assert_eq!(of_file.base_fingerprint.as_deref(), Some("abc"));
            assert_eq!(of_file.spec_ron.as_deref(), Some("()"));
        }
    }

    #[test]
    fn other_programs_do_not_take_a_bundle_for_a_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifted.safetensors");
        write_bundle(&tuned(), &path, &Metadata::default()).unwrap();
        assert!(read_state(&path, Some(Orientation::ValueKey)).is_err());
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifted.safetensors");
        let mut tuned = tuned();
        if let Some(lift) = &mut tuned.lift {
            lift.weights[3] = f32::NAN;
        }
        let error = write_bundle(&tuned, &path, &Metadata::default()).unwrap_err();
        assert!(error.to_string().contains("lift.z"), "{error}");
        assert!(!path.exists());
    }
}
