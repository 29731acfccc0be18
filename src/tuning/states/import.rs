//! States of other programs, and which way round they are.
//!
//! All name their tensors alike, and some hold the last two axes the other way
//! round. Read the wrong way, a state still loads and makes the model worse. The
//! file's own word decides, or that of the user, else the convention of its
//! format; texts of the state's kind may speak against a convention, but only
//! the user overrules it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::lift_bundle::is_bundle;
use super::state_file::sidecar::read_sidecar;
use super::state_file::{
    Convention, Metadata, Orientation, TunedState, check_fits, declared_orientation, left_out,
    locate_state, order_by_shape, read_raw, state_as_stored,
};
use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
use crate::model::{Architecture, ModelConfig};

pub mod evidence;
#[cfg(test)]
mod tests;

use evidence::Evidence;

/// A state of another program, as it lies in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// The matrices as they are stored.
    pub as_stored: TunedState,
    /// What the file or the caller says its last two axes are.
    pub declared: Option<Orientation>,
    /// What its format says.
    pub convention: Option<Convention>,
    /// What a file of our own says about where it came from.
    pub metadata: Metadata,
    /// Which other tensors were left out, as a sentence.
    pub left_out: Option<String>,
}

/// Which way round a state is taken, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// The file or the user says so.
    Declared(Orientation),
    /// The file's format holds it so.
    ByConvention(Convention),
    /// Texts of its kind say so, and nothing else does.
    ByTexts(Orientation),
    /// Texts of its kind say the contrary of the format's convention.
    Contradicted {
        /// The convention.
        convention: Convention,
        /// What the texts say.
        found: Orientation,
    },
    /// Nothing tells.
    Unknown,
}

impl StoredState {
    /// Reads the state for `model`: `.pth`, `.safetensors`, `.st`, `.state`, a folder of
    /// s0-tuning, or the raw f32 of rwkv.cpp where the file ends in `.bin` and is no
    /// archive of torch.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Io`] for a file that is no state of this
    /// model.
    pub fn read(
        path: impl AsRef<Path>,
        told: Option<Orientation>,
        model: &ModelConfig,
    ) -> Result<Self> {
        let path = path.as_ref();
        // The folder of a run, or of s0-tuning.
        let path = &locate_state(path).unwrap_or_else(|_| path.to_path_buf());
        if is_raw(path)? {
            if model.architecture != Architecture::Rwkv7 {
                let reason = tr!(
                    "is a state of rwkv.cpp, which runs RWKV-7; the model is {}",
                    model.architecture.name()
                );
                return Err(Error::input(path, tr!("file"), reason));
            }
            let as_stored = read_raw(path, model)?;
            let beside = read_sidecar(path)?;
            return Ok(Self {
                as_stored,
                declared: told.or(beside.as_ref().map(|(_, orientation)| *orientation)),
                convention: Some(Convention::RAW),
                metadata: beside.map(|(metadata, _)| metadata).unwrap_or_default(),
                left_out: None,
            });
        }
        let file = Checkpoint::open(path)?;
        if is_bundle(&file) {
            let reason = tr!(
                "is a lifted state or a LoRA run of Gosling; use it as it is, --state takes \
                 it"
            );
            return Err(Error::input(path, tr!("file"), reason));
        }
        let declared = declared_orientation(&file, told)?;
        let (as_stored, mut metadata) = state_as_stored(&file)?;
        metadata.architecture = model.architecture;
        // Sizes that differ say the order; where it is declared, they must fit so.
        let by_shape = order_by_shape(&as_stored, model);
        let declared = declared.or(by_shape);
        let as_declared = match declared {
            Some(orientation) => &oriented(&as_stored, orientation),
            None => &as_stored,
        };
        check_fits(as_declared, model).map_err(|error| error.at_file(path))?;
        Ok(Self {
            as_stored,
            declared,
            convention: Convention::of_architecture(model.architecture)
                .or_else(|| Convention::of(&file)),
            metadata,
            left_out: left_out(&file),
        })
    }

    /// The state, its last two axes being `orientation`.
    pub fn oriented(&self, orientation: Orientation) -> TunedState {
        oriented(&self.as_stored, orientation)
    }

    /// Which way round the state is taken where texts say this.
    pub fn decide(&self, evidence: &Evidence) -> Decision {
        match (self.declared, self.convention, evidence.verdict()) {
            (Some(declared), _, _) => Decision::Declared(declared),
            (None, Some(convention), Some(found)) if found != convention.orientation => {
                Decision::Contradicted { convention, found }
            }
            (None, Some(convention), _) => Decision::ByConvention(convention),
            (None, None, Some(found)) => Decision::ByTexts(found),
            (None, None, None) => Decision::Unknown,
        }
    }
}

/// A state that is stored this way round, as Gosling holds it.
fn oriented(as_stored: &TunedState, orientation: Orientation) -> TunedState {
    match orientation {
        Orientation::ValueKey => as_stored.clone(),
        Orientation::KeyValue => as_stored.transposed(),
    }
}

/// Whether a file is the raw state of rwkv.cpp: it ends in `.bin` and does not begin
/// as a torch archive does, which some programs name `.bin` too.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_raw(path: &Path) -> Result<bool> {
    let ending = path.extension().unwrap_or_default();
    if !ending.eq_ignore_ascii_case("bin") {
        return Ok(false);
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
    let read = file.take(4).read_to_end(&mut start);
    read.map_err(|source| Error::io("read", path, source))?;
    Ok(start != b"PK\x03\x04")
}
