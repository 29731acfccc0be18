//! What the last two axes of a state are: by the file's own word, by the
//! description beside it, or by the convention of its format.

use super::keys;
use super::orientation::{Convention, Orientation};
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
    let refuse = |reason: String| Err(Error::input(checkpoint.file(), "orientation", reason));
    let said = match checkpoint.metadata().get(keys::ORIENTATION) {
        Some(text) => match by_name(text) {
            Some(said) => Some(said),
            None => return refuse(format!("\"{}\" is not known", shown(text))),
        },
        None => read_sidecar(checkpoint.file())?.map(|(_, orientation)| orientation),
    };
    if let (Some(said), Some(told)) = (said, told)
        && said != told
    {
        return refuse(format!(
            "the file itself says {}, not {}",
            said.name(),
            told.name()
        ));
    }
    Ok(said.or(told))
}

/// `value,key`, `[head,value,key]` and the like.
fn by_name(text: &str) -> Option<Orientation> {
    let plain: String = text.chars().filter(|c| !" []()".contains(*c)).collect();
    let plain = plain.replace('-', ",");
    let plain = plain.strip_prefix("head,").unwrap_or(&plain);
    [Orientation::ValueKey, Orientation::KeyValue]
        .into_iter()
        .find(|known| known.name() == plain)
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
            "orientation",
            "the file does not state it; gosling import compares both on texts like those that it was tuned on, or choose value-key (RWKV-PEFT order) or key-value (Ai00 and web-rwkv)",
        )),
    }
}
