//! Writes a model with the official names and shapes of RWKV-LM (x070), whichever
//! dialect it was read from.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::checkpoint::torch_writer::{PthTensor, write_archive};
use super::checkpoint::{Checkpoint, TensorDType, TensorView};
use super::{Architecture, ModelConfig};
use crate::atomic::{give_name, write_atomic};
use crate::error::{Error, Result};

/// Which kind of file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfficialFormat {
    /// As `torch.save` writes it.
    Pth,
    /// `.safetensors`.
    Safetensors,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficialReport {
    /// Tensors in the file.
    pub n_tensors: usize,
    /// Of those, how many were quantised and are not any more.
    pub n_widened: usize,
    /// Bytes of the file.
    pub n_bytes: u64,
}

/// A tensor as it is written.
struct Official<'a> {
    name: String,
    shape: Vec<usize>,
    dtype: TensorDType,
    /// None for what official files have and the model never uses: zeros.
    source: Option<TensorView<'a>>,
    added: &'a Added<'a>,
}

/// What is added to the tensor with this name, row-major; none where it stays.
pub type Added<'a> = dyn Fn(&str) -> Option<Vec<f32>> + 'a;

/// What is being done with the tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritingStage {
    /// Whether all numbers fit the types is looked at.
    Checking,
    /// They are written.
    Writing,
    /// They are read back and compared.
    Comparing,
}

/// How far the writing of a model is. Every stage goes over all of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritingProgress {
    /// The stage.
    pub stage: WritingStage,
    /// Bytes that it has gone over.
    pub done: u64,
    /// Bytes of all tensors.
    pub total: u64,
}

impl WritingProgress {
    /// The share of all three stages that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        let stages = match self.stage {
            WritingStage::Checking => 0.0,
            WritingStage::Writing => 1.0,
            WritingStage::Comparing => 2.0,
        };
        (stages + self.done as f64 / self.total.max(1) as f64) / 3.0
    }
}

/// Hears how far it is; its error ends the work, and nothing is written.
pub type Tell<'a> = dyn FnMut(WritingProgress) -> Result<()> + 'a;

/// Writes the model of `checkpoint` to `path`, one tensor after the other, and
/// reads it back. Elements stay of the type that they are; quantised ones become
/// F16. `narrow` is another type for all: BF16, F16 or F32.
///
/// # Errors
/// As [`ModelConfig::from_checkpoint`]; a model that is no RWKV-7; numbers that the type
/// does not hold; a file that cannot be written or reads back as another.
pub fn write_official(
    checkpoint: &Checkpoint,
    path: impl AsRef<Path>,
    format: OfficialFormat,
    narrow: Option<TensorDType>,
) -> Result<OfficialReport> {
    write_changed(checkpoint, path, format, narrow, &|_| None, &mut |_| Ok(()))
}

/// As [`write_official`], some tensors with what is `added` to them. The sums are
/// rounded to the type that the tensor is written in. `tell` hears how far it is.
///
/// # Errors
/// As [`write_official`], and what `tell` returns.
pub fn write_changed(
    checkpoint: &Checkpoint,
    path: impl AsRef<Path>,
    format: OfficialFormat,
    narrow: Option<TensorDType>,
    added: &Added<'_>,
    tell: &mut Tell<'_>,
) -> Result<OfficialReport> {
    let path = path.as_ref();
    let config = ModelConfig::from_checkpoint(checkpoint)?;
    if config.architecture != Architecture::Rwkv7 {
        let reason = tr!(
            "is {}, which has no names but those of its file; copy the folder instead",
            config.architecture.name()
        );
        return Err(Error::input(checkpoint.file(), tr!("model"), reason));
    }
    let tensors = officials(checkpoint, &config, narrow, added);
    let total = tensors.iter().map(|tensor| tensor.n_bytes() as u64).sum();
    check_range(
        checkpoint,
        &tensors,
        Stage::new(WritingStage::Checking, total, tell),
    )?;
    // It gets its name once it is known to be right, so that a file of that name stays
    // as it was until then.
    let unchecked = Unchecked::beside(path)?;
    let written = write(
        &unchecked.0,
        &tensors,
        format,
        Stage::new(WritingStage::Writing, total, tell),
    );
    let checked = written.and_then(|()| {
        compare(
            &unchecked.0,
            &tensors,
            Stage::new(WritingStage::Comparing, total, tell),
        )
    });
    checked.map_err(|error| unchecked.in_words_of(path, error))?;
    give_name(&unchecked.0, path)?;
    let n_bytes = std::fs::metadata(path).map_err(|source| Error::io("open", path, source))?;
    let quantised = |it: &&Official<'_>| it.source.is_some_and(|it| it.dtype.n_in_block() > 1);
    Ok(OfficialReport {
        n_tensors: tensors.len(),
        n_widened: tensors.iter().filter(quantised).count(),
        n_bytes: n_bytes.len(),
    })
}

/// One stage on its way over all tensors.
struct Stage<'a, 'b> {
    progress: WritingProgress,
    tell: &'a mut Tell<'b>,
}

impl<'a, 'b> Stage<'a, 'b> {
    fn new(stage: WritingStage, total: u64, tell: &'a mut Tell<'b>) -> Self {
        let progress = WritingProgress {
            stage,
            done: 0,
            total,
        };
        Self { progress, tell }
    }

    /// Tells what is done before a tensor, and counts it.
    fn passed(&mut self, tensor: &Official<'_>) -> Result<()> {
        (self.tell)(self.progress)?;
        self.progress.done += tensor.n_bytes() as u64;
        Ok(())
    }
}

/// A file that was not compared yet; it goes when this does, unless it was renamed.
struct Unchecked(PathBuf);

impl Unchecked {
    fn beside(path: &Path) -> Result<Self> {
        let Some(name) = path.file_name() else {
            let reason = tr!("ends in no file name; add one");
            return Err(Error::input(path, tr!("path"), reason));
        };
        let mut own = OsString::from(".");
        own.push(name);
        own.push(format!(".{}.unchecked", std::process::id()));
        Ok(Self(path.with_file_name(own)))
    }

    /// An error as one of the file that the user named.
    fn in_words_of(&self, path: &Path, error: Error) -> Error {
        match error {
            Error::Io {
                doing,
                file,
                source,
            } if file == self.0 => Error::io(doing, path, source),
            Error::Input {
                file,
                place,
                reason,
            } if file == self.0 => Error::input(path, place, reason),
            other => other,
        }
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes all tensors to a file.
fn write(
    path: &Path,
    tensors: &[Official<'_>],
    format: OfficialFormat,
    mut stage: Stage<'_, '_>,
) -> Result<()> {
    let mut ended = None;
    let written = write_atomic(path, |file| {
        let mut one = |tensor: &Official<'_>, out: &mut dyn Write| {
            stage.passed(tensor).map_err(|error| {
                ended = Some(error);
                // Nobody reads it: the error that is kept is given back.
                io::Error::from(io::ErrorKind::Other)
            })?;
            out.write_all(&tensor.bytes())
        };
        match format {
            OfficialFormat::Pth => {
                let table: Vec<_> = tensors.iter().map(Official::of_archive).collect();
                write_archive(file, &table, |at, out| one(&tensors[at], out))
            }
            OfficialFormat::Safetensors => write_safetensors(file, tensors, one),
        }
    });
    match ended {
        Some(error) => Err(error),
        None => written,
    }
}

/// Whether the file holds what was written.
fn compare(path: &Path, tensors: &[Official<'_>], mut stage: Stage<'_, '_>) -> Result<()> {
    let written = Checkpoint::open(path)?;
    for tensor in tensors {
        stage.passed(tensor)?;
        let same = written.tensor(&tensor.name).is_some_and(|it| {
            it.dtype == tensor.dtype
                && it.shape == tensor.shape
                && it.plain_bytes() == Some(&*tensor.bytes())
        });
        if !same {
            let place = tensor.name.as_str();
            return Err(Error::input(
                path,
                place,
                tr!("has other values when read back; write it again"),
            ));
        }
    }
    Ok(())
}

/// All tensors in the order of the forward pass, and behind them the value
/// residual of layer 0, which programs of others ask for.
fn officials<'a>(
    checkpoint: &'a Checkpoint,
    config: &ModelConfig,
    narrow: Option<TensorDType>,
    added: &'a Added<'a>,
) -> Vec<Official<'a>> {
    let mut common = TensorDType::F32;
    let mut tensors = Vec::new();
    let (width, rank) = (config.n_embd, config.value_rank);
    let unused = [
        ("blocks.0.att.v0", vec![width]),
        ("blocks.0.att.v1", vec![width, rank]),
        ("blocks.0.att.v2", vec![rank, width]),
    ];
    let unused = unused.map(|(name, shape)| (name.to_owned(), shape));
    let n_used = config.expected_tensors().len();
    let all = config.expected_tensors().into_iter().chain(unused);
    for (place, (name, shape)) in all.enumerate() {
        let source = checkpoint.tensor(&name);
        // Some files have copies of other tensors there.
        let source = source
            .filter(|it| place < n_used || it.n_elements() == shape.iter().product::<usize>());
        let dtype = match source.map(|it| it.dtype) {
            Some(TensorDType::Blocks(_)) => TensorDType::F16,
            Some(plain) => plain,
            None => common,
        };
        if name == "emb.weight" {
            common = dtype;
        }
        let is_share = |end: &str| {
            ["x_", "w0", "a0", "v0", "k_k", "k_a"]
                .iter()
                .any(|it| end.starts_with(it))
        };
        let is_vector = shape.len() == 1 && name.rsplit('.').next().is_some_and(is_share);
        tensors.push(Official {
            shape: if is_vector { vec![1, 1, width] } else { shape },
            name,
            dtype: narrow.unwrap_or(dtype),
            source,
            added,
        });
    }
    // A model of one layer has no value residual at all.
    tensors.retain(|tensor| !tensor.shape.contains(&0));
    tensors
}

impl Official<'_> {
    fn of_archive(&self) -> PthTensor<'_> {
        PthTensor {
            name: &self.name,
            dtype: self.dtype,
            shape: &self.shape,
        }
    }

    fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.n_bytes()
    }

    /// The elements as they are written.
    fn bytes(&self) -> Cow<'_, [u8]> {
        let Some(source) = self.source else {
            return Cow::Owned(vec![0; self.n_bytes()]);
        };
        let added = (self.added)(&self.name);
        if added.is_none()
            && source.dtype == self.dtype
            && let Some(bytes) = source.ordered_bytes()
        {
            return bytes;
        }
        let mut values = source.to_f32();
        for (value, added) in values.iter_mut().zip(added.iter().flatten()) {
            *value += added;
        }
        let values = values.into_iter();
        Cow::Owned(match self.dtype {
            TensorDType::F16 => values
                .flat_map(|x| f16::from_f32(x).to_le_bytes())
                .collect(),
            TensorDType::BF16 => values
                .flat_map(|x| bf16::from_f32(x).to_le_bytes())
                .collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        })
    }
}

/// Refuses numbers that become infinite in 16 bits.
fn check_range(
    checkpoint: &Checkpoint,
    tensors: &[Official<'_>],
    mut stage: Stage<'_, '_>,
) -> Result<()> {
    let too_large = |tensor: &Official<'_>| {
        let added = (tensor.added)(&tensor.name);
        let is_other = |it: &TensorView<'_>| it.dtype != tensor.dtype || added.is_some();
        let Some(source) = tensor.source.filter(is_other) else {
            return false;
        };
        let becomes = |x: f32| match tensor.dtype {
            TensorDType::F16 => f16::from_f32(x).is_finite(),
            TensorDType::BF16 => bf16::from_f32(x).is_finite(),
            _ => true,
        };
        let mut values = source.to_f32();
        for (value, added) in values.iter_mut().zip(added.iter().flatten()) {
            *value += added;
        }
        values.iter().any(|x| x.is_finite() && !becomes(*x))
    };
    for tensor in tensors {
        stage.passed(tensor)?;
        if too_large(tensor) {
            let reason = tr!(
                "has numbers that are too large for {}; choose another type",
                tensor.dtype.name()
            );
            return Err(Error::input(checkpoint.file(), &tensor.name, reason));
        }
    }
    Ok(())
}

/// The header first, which says where every tensor will be.
fn write_safetensors(
    file: &mut impl Write,
    tensors: &[Official<'_>],
    mut write: impl FnMut(&Official<'_>, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.n_bytes();
        let entry: Value = json!({
            "dtype": tensor.dtype.name(),
            "shape": tensor.shape,
            "data_offsets": [at, end],
        });
        header.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for tensor in tensors {
        write(tensor, file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::Dialect;
    use crate::model::checkpoint::written_tests::{gguf, in_dialect, official, safetensors};
    use crate::model::mini;

    fn written(
        checkpoint: &Checkpoint,
        format: OfficialFormat,
        narrow: Option<TensorDType>,
    ) -> (Checkpoint, OfficialReport) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let report = write_official(checkpoint, &path, format, narrow).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(report.n_bytes, bytes.len() as u64);
        (Checkpoint::from_bytes("a", bytes).unwrap(), report)
    }

    /// Name, type, shape and bytes of every tensor.
    fn all(checkpoint: &Checkpoint) -> Vec<(&str, TensorDType, &[usize], &[u8])> {
        let tensors = checkpoint.tensors();
        tensors
            .map(|it| (it.name, it.dtype, it.shape, it.plain_bytes().unwrap()))
            .collect()
    }

    #[test]
    fn the_official_file_comes_out_of_every_dialect() {
        let mini = mini::checkpoint().unwrap();
        for format in [OfficialFormat::Pth, OfficialFormat::Safetensors] {
            let (got, report) = written(&mini, format, None);
            assert_eq!((report.n_tensors, report.n_widened), (204, 0));
            assert_eq!(all(&got), all(&mini));
        }
        let tensors = official(&mini);
        for dialect in [Dialect::Fla, Dialect::TransformersRwkv, Dialect::WebRwkv] {
            let file = safetensors(&in_dialect(dialect, &tensors, false));
            let file = Checkpoint::from_bytes("b", file).unwrap();
            let (got, _) = written(&file, OfficialFormat::Pth, None);
            assert_eq!(got.dialect(), Some(Dialect::Official));
            assert_eq!(got.names().len(), 204);
            for (got, want) in all(&got).into_iter().zip(all(&mini)) {
                // What no model uses, hf folders do not have.
                let unused =
                    got.0.starts_with("blocks.0.att.v") && got.0 != "blocks.0.att.value.weight";
                let is_zero = got.3.iter().all(|byte| *byte == 0);
                assert_eq!((got.0, got.1, got.2), (want.0, want.1, want.2));
                assert!(
                    got.3 == want.3 || unused && is_zero,
                    "{dialect:?} {}",
                    got.0
                );
            }
        }
    }

    #[test]
    fn types_change_where_it_is_asked_for_and_never_out_of_range() {
        let mut tensors = in_dialect(
            Dialect::LlamaCpp,
            &official(&mini::checkpoint().unwrap()),
            false,
        );
        let file = |tensors: &[_]| Checkpoint::from_bytes("b", gguf(tensors, 64)).unwrap();
        let (got, _) = written(
            &file(&tensors),
            OfficialFormat::Safetensors,
            Some(TensorDType::BF16),
        );
        assert!(all(&got).iter().all(|it| it.1 == TensorDType::BF16));
        let at = tensors
            .iter()
            .position(|it| it.dtype == TensorDType::F32)
            .unwrap();
        tensors[at].bytes[..4].copy_from_slice(&1e6_f32.to_le_bytes());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let narrow = Some(TensorDType::F16);
        let refused = write_official(&file(&tensors), &path, OfficialFormat::Pth, narrow);
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("too large for F16"), "{error}");
        assert!(!path.exists());
    }
    #[test]
    fn it_is_told_how_far_it_is_and_ended_at_every_stage() {
        let mini = mini::checkpoint().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let write = |format, tell: &mut Tell<'_>| {
            write_changed(&mini, &path, format, None, &|_| None, tell)
        };
        let mut told = Vec::new();
        let report = write(OfficialFormat::Pth, &mut |progress| {
            told.push(progress);
            Ok(())
        });
        let n_tensors = report.unwrap().n_tensors;
        assert_eq!(told.len(), 3 * n_tensors);
        assert!(
            told.windows(2)
                .all(|pair| pair[0].share() < pair[1].share())
        );
        assert_eq!(told[0].share(), 0.0);
        let n_bytes: usize = mini
            .tensors()
            .map(|it| it.plain_bytes().unwrap().len())
            .sum();
        assert!(told.iter().all(|it| it.total == n_bytes as u64));
        std::fs::remove_file(&path).unwrap();
        for format in [OfficialFormat::Pth, OfficialFormat::Safetensors] {
            for at in [
                WritingStage::Checking,
                WritingStage::Writing,
                WritingStage::Comparing,
            ] {
                let ended = write(format, &mut |progress| {
                    let is_there = progress.stage == at && progress.done > 0;
                    if is_there {
                        Err(Error::Stopped)
                    } else {
                        Ok(())
                    }
                });
                assert!(matches!(ended, Err(Error::Stopped)), "{format:?} {at:?}");
                let left = std::fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, 0, "{format:?} {at:?}");
            }
        }
    }
}
