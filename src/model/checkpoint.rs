//! Model and state files as named tensors, in place: the file is mapped into
//! memory, so opening reads its table only, and only the tensors that are
//! converted cost memory.
//!
//! Four formats, told apart by their content: the `.pth` of `torch.save` (a zip
//! archive of stored entries around a pickle, read by `pickle.rs`),
//! `.safetensors`, the GGUF of llama.cpp and the `.bin` of rwkv.cpp. Everything a
//! file claims about itself is compared with its real size before it is used, and
//! nothing in it is run.
//!
//! A model may be in several files, and one of RWKV-7 in any of the dialects in which
//! it is published. Its tensors are seen by their official names and in their official
//! shapes; where and how they lie in the files says the table of the [`Dialect`].
//!
//! | dialect | files |
//! |---|---|
//! | official | `.pth` and `.safetensors` of RWKV-LM, wrapped by a trainer or not |
//! | official behind `rwkv7.`, `model.`, `module.`, `_orig_mod.` | Hugging Face folders of the RWKV organisation, files of trainers |
//! | fla, rwkv7-hf | Hugging Face folders, older ones with `x_x` too |
//! | transformers-rwkv | Hugging Face folders |
//! | web-rwkv, Ai00 | `.st` |
//! | rwkv.cpp | `.bin` in FP32, FP16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 |
//! | llama.cpp | `.gguf` of the architecture `rwkv7` in F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K |
//!
//! Gated DeltaNet is read by the names of fla, which are the official ones there.
//!
//! A Hugging Face folder has `model.safetensors`, or several files with
//! `model.safetensors.index.json`. Quantised tensors are widened where they are
//! loaded. The value residual of layer 0 may be absent, for no model uses it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

mod blocks;
mod bytes;
mod content;
mod dialect;
mod fingerprint;
mod folder;
mod ggml_index;
mod gguf_index;
mod layout;
mod safetensors_index;
mod source;
mod tensor_view;
#[cfg(test)]
mod tests;
mod torch_index;
pub(crate) mod torch_writer;
mod zip_entries;

pub use blocks::BlockType;
pub use content::CheckpointFormat;
pub use dialect::Dialect;
#[cfg(test)]
pub(crate) use dialect::written_tests;
pub use fingerprint::{content_digits, is_same_content, short_fingerprint};
#[cfg(test)]
pub(crate) use folder::files_of;
use folder::{Shards, Weights, checked_config, config_in, weights_at};
pub use folder::{files, has_ending_of_weights, is_model_folder, stamp};
use source::Source;
pub(crate) use tensor_view::shown;
pub use tensor_view::{TensorDType, TensorView};

/// A checkpoint whose tensors can be looked at by name.
///
/// The mapped file must not be shortened by another program while this lives:
/// the system would end the process, as for any mapped file.
pub struct Checkpoint {
    file: PathBuf,
    /// The bytes of every file.
    sources: Vec<Source>,
    format: CheckpointFormat,
    dialect: Option<Dialect>,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    /// What `config.json` beside the files says, where there is one.
    model_config: Option<serde_json::Value>,
}

/// How a tensor is read.
#[derive(Clone)]
struct Entry {
    /// Which file it is in.
    file: usize,
    dtype: TensorDType,
    shape: Vec<usize>,
    place: Place,
    /// Whether the two dimensions of `shape` have changed places in the file.
    is_transposed: bool,
}

impl Entry {
    /// A tensor of the first file, row-major.
    fn new(dtype: TensorDType, shape: Vec<usize>, place: Place) -> Self {
        Self {
            file: 0,
            dtype,
            shape,
            place,
            is_transposed: false,
        }
    }

    fn n_bytes(&self) -> usize {
        match &self.place {
            Place::InFile(range) | Place::Gathered(_, range) => range.len(),
        }
    }

    /// The same with these of its bytes only.
    fn slice(&self, of: Range<usize>) -> Self {
        let mut slice = self.clone();
        let (Place::InFile(range) | Place::Gathered(_, range)) = &mut slice.place;
        *range = range.start + of.start..range.start + of.end;
        slice
    }
}

/// Where a tensor's elements are.
#[derive(Clone)]
enum Place {
    /// In the file.
    InFile(Range<usize>),
    /// Put in order in memory, because the file holds them in another.
    Gathered(Arc<[u8]>, Range<usize>),
}

/// What an index reader makes of a file.
#[derive(Default)]
struct Index {
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

/// Where in a file it is refused, and why.
struct Refusal {
    place: String,
    reason: String,
}

impl Refusal {
    fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            reason: reason.into(),
        }
    }
}

impl Checkpoint {
    /// Maps the files of a model or a state and reads their tables of tensors.
    /// `path` is a file, the folder of a model, the index of its files, or one of
    /// them.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::Input`] when it is no
    /// checkpoint, is truncated, or claims anything its size contradicts, and when
    /// a file of a model is missing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match weights_at(path)? {
            Weights::Shards(shards) => {
                let folder = shards.index.parent().unwrap_or(Path::new(""));
                let config = checked_config(folder)?;
                Ok(Self::from_shards(path, &shards)?.beside(config))
            }
            Weights::File(file) => {
                let config = if path.is_dir() {
                    checked_config(path)?
                } else {
                    config_in(file.parent().unwrap_or(Path::new("")))
                };
                let source = Source::open(&file)?;
                let (format, index) = source.index(&file)?;
                let checkpoint = Self::translated(path, vec![source], format, index)?;
                Ok(checkpoint.beside(config))
            }
        }
    }

    /// The same with what `config.json` says.
    #[must_use]
    pub fn beside(self, model_config: Option<serde_json::Value>) -> Self {
        Self {
            model_config,
            ..self
        }
    }

    /// What `config.json` beside the weights says, where there is one. Only for what
    /// no tensor says: it may be of another model where a file was opened by its name.
    pub fn model_config(&self) -> Option<&serde_json::Value> {
        self.model_config.as_ref()
    }

    /// Reads a checkpoint that is in memory; `name` stands for the file in
    /// messages.
    ///
    /// # Errors
    /// As [`Self::open`], less those of the system.
    pub fn from_bytes(
        name: impl AsRef<Path>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self> {
        let source = Source::Held(bytes.into());
        let (format, index) = source.index(name.as_ref())?;
        Self::translated(name.as_ref(), vec![source], format, index)
    }

    /// Every tensor from the file that the index names for it.
    fn from_shards(path: &Path, shards: &Shards) -> Result<Self> {
        let mut sources = Vec::with_capacity(shards.files.len());
        let mut formats = Vec::with_capacity(shards.files.len());
        let mut all = Index::default();
        for (place, file) in shards.files.iter().enumerate() {
            let source = Source::open(file)?;
            let (format, index) = source.index(file)?;
            let named = |name: &String| shards.file_of.get(name) == Some(&place);
            for (name, entry) in index.tensors {
                if named(&name) {
                    all.tensors.insert(
                        name,
                        Entry {
                            file: place,
                            ..entry
                        },
                    );
                }
            }
            all.metadata.extend(index.metadata);
            sources.push(source);
            formats.push(format);
        }
        let absent = shards
            .file_of
            .iter()
            .find(|(name, _)| !all.tensors.contains_key(*name));
        if let Some((name, place)) = absent {
            let reason =
                tr!("is not in this file, although the index lists it here; download both again");
            let place_in_file = tr!("tensor {}", shown(name));
            return Err(Error::input(&shards.files[*place], place_in_file, reason));
        }
        // An index names one file at least.
        Self::translated(path, sources, formats[0], all)
    }

    fn translated(
        file: &Path,
        sources: Vec<Source>,
        format: CheckpointFormat,
        index: Index,
    ) -> Result<Self> {
        let head_size = index.metadata.get(gguf_index::HEAD_SIZE);
        let head_size = head_size.and_then(|size| size.parse::<usize>().ok());
        let head_size = head_size.filter(|size| *size > 0);
        let (dialect, tensors) = dialect::translated(format, head_size, index.tensors)
            .map_err(|refusal| Error::input(file, refusal.place, refusal.reason))?;
        Ok(Self {
            file: file.to_path_buf(),
            sources,
            format,
            dialect,
            tensors,
            metadata: index.metadata,
            model_config: None,
        })
    }

    /// The file or the folder, or the name that stands for it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How the files are stored, by their content.
    pub fn format(&self) -> CheckpointFormat {
        self.format
    }

    /// How many files it is in.
    pub fn n_files(&self) -> usize {
        self.sources.len()
    }

    /// The dialect of a model; none where the file is something else.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// A tensor's name for messages: the official one, and behind it that of the
    /// file where it is another.
    pub fn told_name(&self, official: &str) -> String {
        let stored = self.dialect.and_then(|it| it.stored_name(official));
        match stored {
            Some(stored) => format!("{official} ({stored})"),
            None => official.to_owned(),
        }
    }

    /// The names of all tensors, in order of bytes.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.tensors.keys().map(String::as_str)
    }

    /// All tensors, in the order of their names.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorView<'_>> {
        self.tensors
            .iter()
            .map(|(name, entry)| self.view(name, entry))
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let (name, entry) = self.tensors.get_key_value(name)?;
        Some(self.view(name, entry))
    }

    /// The texts that a file carries beside its tensors: all of a `.safetensors`,
    /// the short ones of a GGUF; empty for a `.pth`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    fn view<'a>(&'a self, name: &'a str, entry: &'a Entry) -> TensorView<'a> {
        let bytes = match &entry.place {
            Place::InFile(range) => &self.sources[entry.file].bytes()[range.clone()],
            Place::Gathered(bytes, range) => &bytes[range.clone()],
        };
        let view = TensorView::new(name, entry.dtype, &entry.shape, bytes);
        match entry.is_transposed {
            true => view.transposed(),
            false => view,
        }
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("file", &self.file)
            .field("n_tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}
