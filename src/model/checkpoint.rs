//! Model and state files as named tensors, in place: the file is mapped into
//! memory, so opening reads its table only, and only the tensors that are
//! converted cost memory.
//!
//! Two formats, told apart by their content: the `.pth` of `torch.save` (a zip
//! archive of stored entries around a pickle, read by `pickle.rs`)
//! and `.safetensors`. Everything a file claims about itself is compared with
//! its real size before it is used, and nothing in it is run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

mod content;
mod layout;
mod safetensors_index;
mod tensor_view;
#[cfg(test)]
mod tests;
mod torch_index;
mod zip_entries;

pub use content::CheckpointFormat;
pub(crate) use tensor_view::shown;
pub use tensor_view::{TensorDType, TensorView};

/// A checkpoint whose tensors can be looked at by name.
///
/// The mapped file must not be shortened by another program while this lives:
/// the system would end the process, as for any mapped file.
pub struct Checkpoint {
    file: PathBuf,
    bytes: Source,
    format: CheckpointFormat,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

enum Source {
    Mapped(memmap2::Mmap),
    Held(Cow<'static, [u8]>),
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

struct Entry {
    dtype: TensorDType,
    shape: Vec<usize>,
    place: Place,
}

impl Entry {
    fn n_bytes(&self) -> usize {
        match &self.place {
            Place::InFile(range) => range.len(),
            Place::Gathered(bytes) => bytes.len(),
        }
    }
}

/// Where a tensor's elements are, row-major.
enum Place {
    /// In the file.
    InFile(Range<usize>),
    /// Put in order in memory, because the file holds them transposed.
    Gathered(Vec<u8>),
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

/// Bytes of each end of a tensor that go into the fingerprint.
const FINGERPRINT_EDGE: usize = 4096;

impl Checkpoint {
    /// Maps the file at `path` and reads its table of tensors.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is no
    /// checkpoint, is truncated, or claims anything its size contradicts.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fail = |source| Error::io("open", path, source);
        let metadata = std::fs::metadata(path).map_err(fail)?;
        if metadata.is_dir() {
            return Err(Error::input(
                path,
                "path",
                "is a folder; choose the .pth or .safetensors file in it",
            ));
        }
        if !metadata.is_file() {
            return Err(Error::input(path, "path", "is not a regular file"));
        }
        let file = File::open(path).map_err(fail)?;
        // An empty file cannot be mapped on every system.
        if metadata.len() == 0 {
            return Self::from_source(path, Source::Held(Cow::Borrowed(&[])));
        }
        // SAFETY: the map is only read, and as plain bytes, for which any
        // content is valid. That nobody shortens the file is the documented
        // condition of this type, which no program can enforce.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
        Self::from_source(path, Source::Mapped(map))
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
        Self::from_source(name.as_ref(), Source::Held(bytes.into()))
    }

    fn from_source(file: &Path, source: Source) -> Result<Self> {
        let bytes = source.bytes();
        let refuse = |refusal: Refusal| Error::input(file, refusal.place, refusal.reason);
        let format = CheckpointFormat::of(bytes).map_err(refuse)?;
        let index = match format {
            CheckpointFormat::Torch => torch_index::read(bytes),
            CheckpointFormat::Safetensors => safetensors_index::read(bytes),
        }
        .map_err(refuse)?;
        Ok(Self {
            file: file.to_path_buf(),
            bytes: source,
            format,
            tensors: index.tensors,
            metadata: index.metadata,
        })
    }

    /// The file, or the name that stands for it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How the file is stored, by its content.
    pub fn format(&self) -> CheckpointFormat {
        self.format
    }

    /// The names of all tensors, in order of bytes.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
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

    /// The text that a `.safetensors` carries beside its tensors; empty for a
    /// `.pth`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// A cheap identity of the contents, as 64 hexadecimal digits: the SHA-256
    /// over the name, element type and shape of every tensor in order of names,
    /// and over the first and the last 4 KiB of its elements (all of them when
    /// they are fewer than 8 KiB). The same weights have the same fingerprint
    /// as `.pth` and as `.safetensors`. It tells models apart; it does not
    /// detect damage in the middle of a large tensor.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for tensor in self.tensors() {
            // Lengths come first, so that no two lists of tensors look alike.
            let number = |number: usize| (number as u64).to_le_bytes();
            for text in [tensor.name, tensor.dtype.name()] {
                hash.update(number(text.len()));
                hash.update(text);
            }
            hash.update(number(tensor.shape.len()));
            for size in tensor.shape {
                hash.update(number(*size));
            }
            let bytes = tensor.stored_bytes();
            if bytes.len() < 2 * FINGERPRINT_EDGE {
                hash.update(bytes);
            } else {
                hash.update(&bytes[..FINGERPRINT_EDGE]);
                hash.update(&bytes[bytes.len() - FINGERPRINT_EDGE..]);
            }
        }
        format!("{:x}", hash.finalize())
    }

    fn view<'a>(&'a self, name: &'a str, entry: &'a Entry) -> TensorView<'a> {
        let bytes = match &entry.place {
            Place::InFile(range) => &self.bytes.bytes()[range.clone()],
            Place::Gathered(bytes) => bytes,
        };
        TensorView::new(name, entry.dtype, &entry.shape, bytes)
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
