//! Writers for the three files. Each writes atomically, reads the file back
//! and compares every bit before it reports success.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

use super::pth_dtype::PthDType;
use super::tensors::shift_names;
use super::{
    Metadata, Orientation, TunedState, first_not_finite, keys, place_of, tensor_name, transposed,
};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::model::checkpoint::torch_writer::{PthTensor, write_archive};
use crate::model::checkpoint::{Checkpoint, TensorDType};

/// What was written, after it was read back and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportReport {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The largest difference between a number and its rounded form; 0 for f32.
    pub max_abs_rounding: f32,
}

/// An element type that a state is written in.
#[derive(Clone, Copy)]
enum Element {
    F32,
    BF16,
    F16,
}

impl Element {
    fn dtype(self) -> TensorDType {
        match self {
            Self::F32 => TensorDType::F32,
            Self::BF16 => TensorDType::BF16,
            Self::F16 => TensorDType::F16,
        }
    }

    /// The largest number that it holds.
    fn largest(self) -> f32 {
        match self {
            Self::F32 => f32::MAX,
            Self::BF16 => bf16::MAX.to_f32(),
            Self::F16 => f16::MAX.to_f32(),
        }
    }

    /// Appends `value` to `bytes` and gives back what it was rounded to.
    fn append(self, value: f32, bytes: &mut Vec<u8>) -> f32 {
        match self {
            Self::F32 => {
                bytes.extend(value.to_le_bytes());
                value
            }
            Self::BF16 => {
                let rounded = bf16::from_f32(value);
                bytes.extend(rounded.to_le_bytes());
                rounded.to_f32()
            }
            Self::F16 => {
                let rounded = f16::from_f32(value);
                bytes.extend(rounded.to_le_bytes());
                rounded.to_f32()
            }
        }
    }
}

/// One tensor as it goes into a file.
struct Encoded {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Writes a `.pth` that `torch.load` reads, also with `weights_only=True`:
/// exactly one tensor per layer, [n_head, value, key], and two more where the token
/// shifts are tuned too.
///
/// # Errors
/// [`Error::Input`] for a state that is inconsistent or not finite, or a file
/// that reads back otherwise; [`Error::Io`] when it cannot be written.
pub fn write_pth(
    state: &TunedState,
    path: impl AsRef<Path>,
    dtype: PthDType,
) -> Result<ExportReport> {
    let export = Export {
        state,
        path: path.as_ref(),
        element: match dtype {
            PthDType::F32 => Element::F32,
            PthDType::BF16 => Element::BF16,
        },
        orientation: Orientation::ValueKey,
    };
    export.run(|layers| {
        let tensors: Vec<PthTensor<'_>> = layers
            .iter()
            .map(|layer| PthTensor {
                name: &layer.name,
                dtype: export.element.dtype(),
                shape: &layer.shape,
            })
            .collect();
        write_atomic(export.path, |file| {
            write_archive(file, &tensors, |at, out| out.write_all(&layers[at].bytes))
        })
    })
}

/// Writes Gosling's own `.safetensors`: f32, [n_head, value, key], and
/// `metadata` with this program's version.
///
/// # Errors
/// As [`write_pth`].
pub fn write_safetensors(
    state: &TunedState,
    path: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let orientation = Orientation::ValueKey;
    let mut text = metadata.to_text();
    text.extend([
        (keys::FORMAT.to_owned(), keys::FORMAT_VALUE.to_owned()),
        (keys::ORIENTATION.to_owned(), orientation.name().to_owned()),
    ]);
    if state.has_shifts() {
        text.insert(keys::SHIFTS.to_owned(), keys::SHIFTS_VALUE.to_owned());
    }
    let export = Export {
        state,
        path: path.as_ref(),
        element: Element::F32,
        orientation,
    };
    export.run(|layers| export.write_safetensors(layers, Dtype::F32, text))
}

/// Writes the `.st` that Ai00 and web-rwkv load: f16, **transposed** to
/// [n_head, key, value].
///
/// # Errors
/// As [`write_pth`], and [`Error::Input`] naming the number that f16 cannot
/// hold (beyond 65504), and for a state with token shifts.
pub fn write_st(state: &TunedState, path: impl AsRef<Path>) -> Result<ExportReport> {
    refuse_shifts(state, path.as_ref(), tr!("Ai00 and web-rwkv"))?;
    let export = Export {
        state,
        path: path.as_ref(),
        element: Element::F16,
        orientation: Orientation::KeyValue,
    };
    let text = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    export.run(|layers| export.write_safetensors(layers, Dtype::F16, text))
}

/// Refuses a state that is inconsistent or not finite; `path` is where it was to go.
pub(super) fn check_sound(state: &TunedState, path: &Path) -> Result<()> {
    let refuse = |place: String, reason: String| Err(Error::input(path, place, reason));
    let n_per_layer = state.n_per_layer();
    let wrong = |values: &&Vec<f32>| values.len() != n_per_layer;
    if state.layers.len() != state.n_layer || state.n_layer == 0 || n_per_layer == 0 {
        let n_held = state.layers.len();
        return refuse(
            tr!("state").into(),
            tr!("holds {n_held} layers, not {}", state.n_layer, n_held),
        );
    }
    if let Some(values) = state.layers.iter().find(wrong) {
        let n_held = values.len();
        return refuse(
            tr!("state").into(),
            tr!(
                "a layer has {n_held} numbers, not {n_per_layer}",
                n_held,
                n_per_layer
            ),
        );
    }
    let n_shifts = state.n_shifts_per_layer();
    if let Some(shifts) = &state.shifts
        && (shifts.len() != state.n_layer || shifts.iter().any(|of| of.len() != n_shifts))
    {
        let reason = tr!(
            "has token shifts of another size than {n_shifts} numbers a layer",
            n_shifts
        );
        return refuse(tr!("state").into(), reason);
    }
    match first_not_finite(state) {
        Some((place, value)) => refuse(
            place,
            tr!(
                "is {value}; export a state from before the run diverged",
                value
            ),
        ),
        None => Ok(()),
    }
}

/// Refuses a state with token shifts for programs that have no place for them.
pub(super) fn refuse_shifts(state: &TunedState, path: &Path, programs: &str) -> Result<()> {
    if !state.has_shifts() {
        return Ok(());
    }
    let reason = tr!(
        "are tuned too, and {programs} cannot take them; export a .pth for the rwkv \
         package or a .bin for rwkv.cpp, or tune S_0 alone (method.tune)",
        programs
    );
    Err(Error::input(path, tr!("token shifts"), reason))
}

/// Refuses numbers that f16 cannot hold.
pub(super) fn element_range(state: &TunedState, path: &Path) -> Result<()> {
    let export = Export {
        state,
        path,
        element: Element::F16,
        orientation: Orientation::ValueKey,
    };
    (0..state.n_layer).try_for_each(|layer| export.check_range(layer))
}

struct Export<'a> {
    state: &'a TunedState,
    path: &'a Path,
    element: Element,
    orientation: Orientation,
}

impl Export<'_> {
    /// Encodes, writes by `write`, reads back, compares.
    fn run(&self, write: impl FnOnce(&[Encoded]) -> Result<()>) -> Result<ExportReport> {
        check_sound(self.state, self.path)?;
        let mut max_abs_rounding = 0.0_f32;
        let mut layers = Vec::with_capacity(self.state.n_layer);
        for layer in 0..self.state.n_layer {
            let (encoded, rounding) = self.encode(layer)?;
            max_abs_rounding = max_abs_rounding.max(rounding);
            layers.push(encoded);
        }
        let shifts = self
            .state
            .shifts
            .as_ref()
            .filter(|_| self.state.has_shifts());
        for (layer, both) in shifts.into_iter().flatten().enumerate() {
            let n_embd = both.len() / 2;
            for (name, values) in shift_names(layer)
                .into_iter()
                .zip(both.chunks_exact(n_embd))
            {
                let (bytes, rounding) = self.encoded(values);
                max_abs_rounding = max_abs_rounding.max(rounding);
                layers.push(Encoded {
                    name,
                    shape: vec![n_embd],
                    bytes,
                });
            }
        }
        write(&layers)?;
        self.compare(&layers)?;
        let written = std::fs::metadata(self.path);
        let written = written.map_err(|source| Error::io("read", self.path, source))?;
        Ok(ExportReport {
            path: self.path.to_path_buf(),
            bytes: written.len(),
            max_abs_rounding,
        })
    }

    fn shape(&self) -> [usize; 3] {
        let [n_head, n_values, n_keys] = self.state.shape();
        match self.orientation {
            Orientation::ValueKey => [n_head, n_values, n_keys],
            Orientation::KeyValue => [n_head, n_keys, n_values],
        }
    }

    /// A layer in the file's order and type, and its largest rounding.
    fn encode(&self, layer: usize) -> Result<(Encoded, f32)> {
        self.check_range(layer)?;
        let values = &self.state.layers[layer];
        let ordered = match self.orientation {
            Orientation::ValueKey => Cow::Borrowed(values),
            Orientation::KeyValue => {
                let sizes = [self.state.head_size, self.state.key_size];
                Cow::Owned(transposed(values, sizes))
            }
        };
        let (bytes, max_abs_rounding) = self.encoded(&ordered);
        let encoded = Encoded {
            name: tensor_name(layer),
            shape: self.shape().into(),
            bytes,
        };
        Ok((encoded, max_abs_rounding))
    }

    /// Numbers in the file's type, and their largest rounding.
    fn encoded(&self, values: &[f32]) -> (Vec<u8>, f32) {
        let mut bytes = Vec::with_capacity(values.len() * self.element.dtype().n_bytes());
        let mut max_abs_rounding = 0.0_f32;
        for value in values {
            let rounded = self.element.append(*value, &mut bytes);
            max_abs_rounding = max_abs_rounding.max((value - rounded).abs());
        }
        (bytes, max_abs_rounding)
    }

    /// Refuses numbers that the file's type cannot hold.
    fn check_range(&self, layer: usize) -> Result<()> {
        let largest = self.element.largest();
        let values = &self.state.layers[layer];
        match values.iter().position(|value| value.abs() > largest) {
            None => Ok(()),
            Some(index) => Err(Error::input(
                self.path,
                place_of(self.state, layer, index),
                tr!(
                    "is {}, beyond the {largest} that {} can hold; export an f32 file",
                    values[index],
                    self.element.dtype().name(),
                    largest
                ),
            )),
        }
    }

    fn write_safetensors(
        &self,
        layers: &[Encoded],
        dtype: Dtype,
        metadata: HashMap<String, String>,
    ) -> Result<()> {
        let refuse = |error: safetensors::SafeTensorError| {
            Error::input(self.path, tr!("state"), error.to_string())
        };
        let mut views = Vec::with_capacity(layers.len());
        for layer in layers {
            let view = TensorView::new(dtype, layer.shape.clone(), &layer.bytes).map_err(refuse)?;
            views.push((layer.name.as_str(), view));
        }
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(refuse)?;
        write_atomic(self.path, |file| file.write_all(&bytes))
    }

    /// Reads the file back and compares names, types, shapes and bits.
    fn compare(&self, layers: &[Encoded]) -> Result<()> {
        let written = Checkpoint::open(self.path)?;
        let same = |layer: &Encoded| {
            written.tensor(&layer.name).is_some_and(|tensor| {
                tensor.dtype == self.element.dtype()
                    && tensor.shape == layer.shape
                    && tensor.plain_bytes() == Some(&layer.bytes)
            })
        };
        match layers.iter().find(|layer| !same(layer)) {
            None if written.names().len() == layers.len() => Ok(()),
            None => Err(Error::input(
                self.path,
                tr!("read back"),
                tr!("has extra tensors"),
            )),
            Some(layer) => Err(Error::input(
                self.path,
                tr!("read back"),
                tr!(
                    "{} differs from what was written; check the disk",
                    layer.name
                ),
            )),
        }
    }
}
