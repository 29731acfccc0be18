//! A conversation of one side on its way into a file.

use std::path::PathBuf;

use super::chat::{as_json_line, messages};
use super::save_dialog::SaveDialog;
use super::state::Playground;
use crate::format::shown;
use crate::persist::chat_file::{Chat, write_chat};
use crate::protocol::event::Answer;
use crate::tuning::states::state_file::sidecar::sidecar_path;
use crate::ui::shared::workspace::Workspace;

impl Playground {
    /// Asks where to save the conversation of one side.
    pub(crate) fn open_saving(&mut self, side: Answer, workspace: &Workspace) {
        let path = workspace.runs_dir.join("chat.jsonl");
        self.saving.open = Some(SaveDialog {
            side,
            path: path.display().to_string(),
            there: None,
        });
    }

    /// The conversation of one side, with who gave its answers.
    pub fn chat(&self, side: Answer) -> Chat {
        let answers = self.turns.iter().filter_map(|turn| turn.answered_by(side));
        Chat {
            line: as_json_line(&messages(&self.settings.system, &self.turns, side, None)),
            answers: answers.cloned().collect(),
        }
    }

    /// Saves it beside the window. Where a file is there already the user is asked first,
    /// unless they said to `overwrite` it.
    pub(crate) fn save_chat(&mut self, overwrite: bool, workspace: &Workspace) {
        let Some(asked) = &mut self.saving.open else {
            return;
        };
        let path = PathBuf::from(asked.path.trim());
        let both = [path.clone(), sidecar_path(&path)];
        let there = both.into_iter().find(|path| path.exists());
        if let (Some(there), false) = (there, overwrite) {
            asked.there = Some(there);
            return;
        }
        let side = asked.side;
        self.saving.open = None;
        let chat = self.chat(side);
        workspace.start_quietly(move || {
            let [chat, beside] = write_chat(&path, &chat, overwrite)?;
            let said = tr!("Saved {} and {}", shown(&chat), shown(&beside));
            Ok(Some(said))
        });
    }
}
