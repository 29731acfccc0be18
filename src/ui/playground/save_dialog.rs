//! The dialog that asks where a conversation is to be saved.

use std::path::PathBuf;

use crate::protocol::event::Answer;

/// Where a conversation is to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveDialog {
    /// Whose answers.
    pub side: Answer,
    /// The file, as it is typed.
    pub path: String,
    /// The file that is there already, about which the user is asked.
    pub there: Option<PathBuf>,
}

/// The conversation that is being saved.
#[derive(Debug, Default)]
pub struct Saving {
    /// Where, if the question is open.
    pub open: Option<SaveDialog>,
}

impl Saving {
    /// Takes the file that was chosen.
    pub(crate) fn save_to(&mut self, path: PathBuf) {
        if let Some(asked) = &mut self.open {
            asked.path = path.display().to_string();
            asked.there = None;
        }
    }
}
