//! What the last two axes of a state are: by the file's own word, by the
//! description beside it, or by the convention of its format.

use super::keys;
use super::orientation::{Convention, Orientation};
use super::s0_meta::read_s0_meta;
use super::sidecar::read_sidecar;
use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, shown};

/// What the last two axes in a state file are, by its metadata or by what it
/// was `told`.
///
/// # Errors
/// [`Error::Input`] when they contradict each other.
pub fn declared_orientation(
    checkpoint: &Checkpoint,
    told: Option<Orientation>,
) -> Result<Option<Orientation>> {
    let refuse = |reason: String| Err(Error::input(checkpoint.file(), tr!("orientation"), reason));
    let said = match checkpoint.metadata().get(keys::ORIENTATION) {
        Some(text) => match Orientation::by_name(text) {
            Some(said) => Some(said),
            None => return refuse(tr!("\"{}\" is not known", shown(text))),
        },
        None => match read_sidecar(checkpoint.file())? {
            Some((_, orientation)) => Some(orientation),
            None => read_s0_meta(checkpoint.file())?.map(|(_, orientation)| orientation),
        },
    };
    if let (Some(said), Some(told)) = (said, told)
        && said != told
    {
        return refuse(tr!(
            "the file itself says {}, not {}",
            said.name(),
            told.name()
        ));
    }
    Ok(said.or(told))
}

/// What the last two axes in a state file are, by its metadata, by what it was
/// `told`, else by the convention of its format.
///
/// # Errors
/// [`Error::Input`] when that is unknown or contradictory.
pub fn stored_orientation(
    checkpoint: &Checkpoint,
    told: Option<Orientation>,
) -> Result<Orientation> {
    if let Some(known) = declared_orientation(checkpoint, told)? {
        return Ok(known);
    }
    match Convention::of(checkpoint) {
        Some(convention) => Ok(convention.orientation),
        None => Err(Error::input(
            checkpoint.file(),
            tr!("orientation"),
            tr!(
                "the file does not state it; gosling import compares both on texts like \
                 those that it was tuned on, or choose value-key (RWKV-PEFT order) or \
                 key-value (Ai00 and web-rwkv)"
            ),
        )),
    }
}
