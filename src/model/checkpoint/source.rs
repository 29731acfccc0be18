//! The bytes of a file, in place where it is on the disk.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use super::{
    CheckpointFormat, Index, Refusal, ggml_index, gguf_index, safetensors_index, torch_index,
};
use crate::error::{Error, Result};

/// The bytes of a file.
pub(super) enum Source {
    Mapped(memmap2::Mmap),
    Held(Cow<'static, [u8]>),
}

impl Source {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }

    /// Maps a file.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |source| Error::io("open", path, source);
        let metadata = std::fs::metadata(path).map_err(fail)?;
        if !metadata.is_file() {
            return Err(Error::input(
                path,
                tr!("path"),
                tr!("is not a regular file"),
            ));
        }
        let file = File::open(path).map_err(fail)?;
        // An empty file cannot be mapped on every system.
        if metadata.len() == 0 {
            return Ok(Self::Held(Cow::Borrowed(&[])));
        }
        // SAFETY: the map is only read, and as plain bytes, for which any
        // content is valid. That nobody shortens the file is the documented
        // condition of `Checkpoint`, which no program can enforce.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
        Ok(Self::Mapped(map))
    }

    /// The table of tensors of a file of these bytes; `file` is its name.
    pub(super) fn index(&self, file: &Path) -> Result<(CheckpointFormat, Index)> {
        let bytes = self.bytes();
        let refuse = |refusal: Refusal| Error::input(file, refusal.place, refusal.reason);
        let format = CheckpointFormat::of(bytes).map_err(refuse)?;
        let index = match format {
            CheckpointFormat::Torch => torch_index::read(bytes),
            CheckpointFormat::Safetensors => safetensors_index::read(bytes),
            CheckpointFormat::Gguf => gguf_index::read(bytes),
            CheckpointFormat::Ggml => ggml_index::read(bytes),
        };
        Ok((format, index.map_err(refuse)?))
    }
}
