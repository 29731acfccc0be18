//! A conversation with a model as a file: its turns as `messages`, and beside it which
//! model and which state answered, by their hashes.
//!
//! | file | what |
//! |---|---|
//! | `NAME.jsonl` | one line, `{"messages": [...]}`, as training data have it |
//! | `NAME.jsonl.json` | for every answer the model, the state and how tokens were chosen |

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::atomic::{sha256_hex, write_atomic};
use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
use crate::model::mini;
use crate::model::sampling::{Limits, Sampling};
use crate::persist::known_weights;
use crate::protocol::run_spec::CheckpointSource;
use crate::tuning::states::state_file::locate_state;
use crate::tuning::states::state_file::sidecar::{file_sha256, sidecar_path};

/// The form of the description.
const FORMAT: &str = "gosling-chat-1";

/// Who gave one answer, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredBy {
    /// The model.
    pub checkpoint: CheckpointSource,
    /// The file of the state or a run's folder; none for the untuned model.
    pub state: Option<PathBuf>,
    /// The state was taken times this.
    pub alpha: f32,
    /// What stood around the turns.
    pub template: PromptFormat,
    /// How tokens were chosen.
    pub sampling: Sampling,
    /// What repeating cost.
    pub limits: Limits,
    /// Tokens that the answer could have.
    pub max_tokens: usize,
}

/// A conversation of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// The turns as a line of training data.
    pub line: String,
    /// Who gave each answer, in their order.
    pub answers: Vec<AnsweredBy>,
}

/// Writes the chat and its description, each whole or not at all; gives their paths. Files
/// that are there stay unless `overwrite` is set.
///
/// # Errors
/// [`Error::Input`] for a file that exists and for a model or a state that is gone;
/// [`Error::Io`].
pub fn write_chat(path: &Path, chat: &Chat, overwrite: bool) -> Result<[PathBuf; 2]> {
    let both = [path.to_path_buf(), sidecar_path(path)];
    if let Some(there) = both.iter().find(|path| path.exists() && !overwrite) {
        let reason = tr!("exists already; choose another name or overwrite it");
        return Err(Error::input(there, tr!("file"), reason));
    }
    let mut known = Known::default();
    let answers = chat.answers.iter().map(|by| known.about(by));
    let answers: Vec<Value> = answers.collect::<Result<_>>()?;
    let description = json!({
        "format": FORMAT,
        "gosling_version": env!("CARGO_PKG_VERSION"),
        "file": file_name(path),
        "sha256": sha256_hex(chat.line.as_bytes()),
        "answers": answers,
    });
    write_atomic(&both[0], |file| file.write_all(chat.line.as_bytes()))?;
    let text = format!("{description:#}\n");
    write_atomic(&both[1], |file| file.write_all(text.as_bytes()))?;
    Ok(both)
}

/// Hashes that were worked out for an earlier answer.
#[derive(Default)]
struct Known {
    models: BTreeMap<PathBuf, Value>,
    states: BTreeMap<PathBuf, Value>,
}

impl Known {
    fn about(&mut self, by: &AnsweredBy) -> Result<Value> {
        let state = match &by.state {
            None => Value::Null,
            Some(path) => self.state(path)?,
        };
        let sampling = match by.sampling {
            Sampling::Greedy => json!({ "temperature": 0.0 }),
            Sampling::Random {
                temperature,
                top_p,
                seed,
            } => json!({
                "temperature": temperature,
                "top_p": top_p,
                "top_k": by.limits.top_k,
                "seed": seed,
            }),
        };
        Ok(json!({
            "model": self.model(&by.checkpoint)?,
            "state": state,
            "alpha": by.state.as_ref().map(|_| by.alpha),
            "template": by.template,
            "sampling": sampling,
            "presence_penalty": by.limits.presence,
            "frequency_penalty": by.limits.frequency,
            "max_tokens": by.max_tokens,
        }))
    }

    fn model(&mut self, source: &CheckpointSource) -> Result<Value> {
        let (key, name) = match source {
            CheckpointSource::Mini => (PathBuf::new(), "mini".to_owned()),
            CheckpointSource::File(path) => (path.clone(), file_name(path)),
        };
        if let Some(known) = self.models.get(&key) {
            return Ok(known.clone());
        }
        let checkpoint = match source {
            CheckpointSource::Mini => mini::checkpoint()?,
            CheckpointSource::File(path) => Checkpoint::open(path)?,
        };
        let fingerprint = known_weights::fingerprint(&checkpoint);
        let value = json!({ "file": name, "fingerprint": fingerprint });
        self.models.insert(key, value.clone());
        Ok(value)
    }

    fn state(&mut self, path: &Path) -> Result<Value> {
        if let Some(known) = self.states.get(path) {
            return Ok(known.clone());
        }
        let file = locate_state(path)?;
        let value = json!({
            "file": file.display().to_string(),
            "sha256": file_sha256(&file)?,
        });
        self.states.insert(path.to_path_buf(), value.clone());
        Ok(value)
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Template;

    fn by(state: Option<PathBuf>) -> AnsweredBy {
        AnsweredBy {
            checkpoint: CheckpointSource::Mini,
            state,
            alpha: 0.5,
            template: Template::UserAssistant.prompt_format().unwrap(),
            sampling: Sampling::Random {
                temperature: 0.75,
                top_p: 0.5,
                seed: 7,
            },
            limits: Limits {
                top_k: 40,
                ..Limits::default()
            },
            max_tokens: 64,
        }
    }

    #[test]
    fn a_chat_says_which_model_and_which_state_answered() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.safetensors");
        std::fs::write(&state, b"abc").unwrap();
        let path = folder.path().join("chat.jsonl");
        let chat = Chat {
            line: "{\"messages\":[]}\n".into(),
            answers: vec![by(None), by(Some(folder.path().into()))],
        };
        let [file, beside] = write_chat(&path, &chat, false).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), chat.line);
        let said: Value = serde_json::from_slice(&std::fs::read(&beside).unwrap()).unwrap();
        assert_eq!(said["file"], "chat.jsonl");
        let of_line = sha256_hex(b"{\"messages\":[]}\n");
        assert_eq!(said["sha256"], of_line.as_str());
        let [first, second] = [0, 1].map(|idx| &said["answers"][idx]);
        assert_eq!(
            (&first["state"], &first["alpha"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(
            second["state"]["sha256"],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            (&second["alpha"], &second["sampling"]["top_k"]),
            (&json!(0.5), &json!(40))
        );
        let model = mini::checkpoint().unwrap().fingerprint();
        assert_eq!(first["model"]["fingerprint"], model.as_str());
        assert_eq!(first["template"]["name"], "UserAssistant");
        // Neither of the two files is overwritten unasked.
        std::fs::remove_file(&file).unwrap();
        let error = write_chat(&path, &chat, false).unwrap_err().to_string();
        assert!(
            error.contains("chat.jsonl.json") && error.contains("exists already"),
            "{error}"
        );
        assert!(!file.exists());
        write_chat(&path, &chat, true).unwrap();
        assert!(file.exists());
        let gone = Chat {
            answers: vec![by(Some(folder.path().join("none")))],
            ..chat
        };
        let other = folder.path().join("other.jsonl");
        assert!(write_chat(&other, &gone, false).is_err());
        assert!(!other.exists());
    }
}
