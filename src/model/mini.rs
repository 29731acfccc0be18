//! The model that ships with the program.

use super::checkpoint::Checkpoint;
use crate::error::Result;

/// The name of its file.
pub const FILE_NAME: &str = "rwkv7-mini-7m-f16.pth";

/// The mini checkpoint (`assets/mini/MODEL_CARD.md`), read from the program itself.
///
/// # Errors
/// None in a sound build; the same checks as for any file are made.
pub fn checkpoint() -> Result<Checkpoint> {
    let bytes: &'static [u8] = include_bytes!("../../assets/mini/rwkv7-mini-7m-f16.pth");
    Checkpoint::from_bytes(FILE_NAME, bytes)
}
