//! What a run was made from: hashes of its weights, its vocabulary and its data,
//! by which a run that goes on knows them again.
//!
//! A run's folder has them as `inputs.json`, and every checkpoint its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::checkpoint::{is_same_content, short_fingerprint};

const FILE: &str = "inputs.json";

/// What a run was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInputs {
    /// The frozen weights: [`crate::model::checkpoint::Checkpoint::fingerprint`].
    pub model: Input,
    /// The vocabulary: [`crate::model::tokenizer::Tokenizer::fingerprint`].
    pub vocabulary: Input,
    /// The training and validation examples, in tokens.
    pub data: Input,
    /// Changes that the run continued with, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What the user calls it.
    pub name: String,
    /// Its hash.
    pub fingerprint: String,
}

impl RunInputs {
    /// What a run's folder says; none of a run that has not started, and of runs of
    /// versions that did not write it.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] for a file that is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = path_in(folder);
        if !path.is_file() {
            return Ok(None);
        }
        let text = crate::text_file::read_text(&path, 1 << 20, tr!("hashes take a few lines"))?;
        Self::from_json(&text)
            .map(Some)
            .map_err(|reason| Error::input(&path, "JSON", reason))
    }

    /// Writes it into a run's folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_atomic(path_in(folder), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| json_words(&error))
    }

    /// On one line, for a checkpoint.
    pub fn to_json(&self) -> String {
        // Plain text and no map: nothing that JSON could not hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is another than it was, both named.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let is_other =
            |then: &Input, now: &Input| !is_same_content(&then.fingerprint, &now.fingerprint);
        let mut changes = Vec::new();
        if is_other(&self.model, &now.model) {
            let change = tr!("the weights were {} and are {}", self.model, now.model);
            changes.push(change);
        }
        if is_other(&self.vocabulary, &now.vocabulary) {
            let (then, now) = (&self.vocabulary, &now.vocabulary);
            changes.push(tr!("the vocabulary was {then} and is {now}", then, now));
        }
        if is_other(&self.data, &now.data) {
            changes.push(tr!("the data were {} and are {}", self.data, now.data));
        }
        changes
    }
}

impl std::fmt::Display for Input {
    /// `model.pth (0123456789ab…)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = short_fingerprint(&self.fingerprint);
        write!(f, "{} ({start}…)", self.name.escape_debug())
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Whether a run's folder says what the run was made from.
pub fn has_inputs(folder: &Path) -> bool {
    fs::metadata(path_in(folder)).is_ok_and(|of| of.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> RunInputs {
        let input = |name: &str| Input {
            name: name.into(),
            fingerprint: format!("{name}-0123456789abcdef"),
        };
        RunInputs {
            model: input("m.pth"),
            vocabulary: input("mini"),
            data: input("d.jsonl"),
            accepted: Vec::new(),
        }
    }

    #[test]
    fn what_changed_is_named_as_it_was_and_as_it_is() {
        let then = inputs();
        let mut now = inputs();
        now.model.name = "moved/m.pth".into();
        assert_eq!(then.changes(&now), [""; 0]);
        now.model.fingerprint = "ff".into();
        now.vocabulary.fingerprint = "ee".into();
        assert_eq!(
            then.changes(&now),
            [
                "the weights were m.pth (m.pth-012345…) and are moved/m.pth (ff…)",
                "the vocabulary was mini (mini-0123456…) and is mini (ee…)",
            ]
        );
    }

    #[test]
    fn a_folder_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_inputs(folder.path()));
        assert_eq!(RunInputs::read(folder.path()).unwrap(), None);
        let mut written = inputs();
        written.accepted.push("the data changed".into());
        written.write(folder.path()).unwrap();
        assert!(has_inputs(folder.path()));
        assert_eq!(
            RunInputs::read(folder.path()).unwrap(),
            Some(written.clone())
        );
        assert_eq!(RunInputs::from_json(&written.to_json()), Ok(written));
        fs::write(path_in(folder.path()), "{").unwrap();
        let message = RunInputs::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("inputs.json: JSON: EOF"), "{message}");
    }
}
