//! What is written: every answer as it comes, and in the end the training file with a
//! description beside it.
//!
//! | file | what |
//! |---|---|
//! | `NAME.samples.jsonl` | the settings, then a line a question with all its answers |
//! | `NAME.jsonl` | prompts and completions to tune on, or chats (`messages`) |
//! | `NAME.jsonl.json` | what they were made from, and the counts |

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::question::Question;
use super::settings::{Counts, FORMAT, Sampled, Settings};
use crate::atomic::{sha256_hex, write_atomic};
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::persist::json_lines::{add_lines, read_lines};
use crate::tuning::states::state_file::sidecar::sidecar_path;

/// The form of the description.
const DESCRIPTION: &str = "gosling-sampled-data-1";

/// The files of one set.
#[derive(Debug, Clone)]
pub struct Files {
    /// The training file.
    pub output: PathBuf,
}

/// A line of the training file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line<'a> {
    /// A prompt and its answer.
    Pair {
        id: &'a str,
        prompt: &'a str,
        completion: String,
    },
    /// The turns of a chat, the last of them the answer.
    Chat { id: &'a str, messages: Vec<Value> },
}

impl<'a> Line<'a> {
    fn new(question: &'a Question, completion: String) -> Self {
        let (id, prompt) = (&question.id, &question.prompt);
        if question.chat.is_empty() {
            return Self::Pair {
                id,
                prompt,
                completion,
            };
        }
        let mut messages = question.chat.clone();
        messages.push(json!({ "role": "assistant", "content": completion }));
        Self::Chat { id, messages }
    }
}

/// What the description holds.
#[derive(Debug, Serialize)]
struct Description<'a> {
    format: &'a str,
    gosling_version: &'a str,
    /// The training file and its hash.
    file: String,
    sha256: String,
    /// At most so many answers of a question.
    keep: usize,
    counts: Counts,
    settings: &'a Settings,
}

/// What was written in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The training file.
    pub output: PathBuf,
    /// What lies beside it.
    pub description: PathBuf,
    /// What came of the questions.
    pub counts: Counts,
}

impl Files {
    /// Of the training file `output`.
    pub fn at(output: &Path) -> Self {
        Self {
            output: output.to_path_buf(),
        }
    }

    /// Where all answers are.
    pub fn samples(&self) -> PathBuf {
        self.output.with_extension("samples.jsonl")
    }

    /// Where the description is.
    pub fn description(&self) -> PathBuf {
        sidecar_path(&self.output)
    }

    /// The answers that are there under the same settings; begins their file if there
    /// is none, or anew where `restart`.
    ///
    /// # Errors
    /// [`Error::Input`] where the answers are of other settings, with what differs.
    pub fn begin(&self, settings: &Settings, restart: bool) -> Result<Vec<Sampled>> {
        let path = self.samples();
        if restart && path.exists() {
            fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
        let lines: Vec<Value> = read_lines(&path)?;
        let mut lines = lines.into_iter();
        let Some(first) = lines.next() else {
            add_lines(&path, std::slice::from_ref(settings))?;
            return Ok(Vec::new());
        };
        let bad = |idx: usize, error: &serde_json::Error| {
            Error::input(&path, tr!("line {idx}", idx), json_words(error))
        };
        if first.get("format").and_then(Value::as_str) != Some(FORMAT) {
            let reason = tr!("is not a file of answers of this version; name another --output");
            return Err(Error::input(&path, tr!("line 1"), reason));
        }
        // As it stands in the file: numbers of 32 bits are longer as values.
        let own = serde_json::to_string(settings).and_then(|text| serde_json::from_str(&text));
        let own: Value = own.map_err(|error| bad(1, &error))?;
        if let Some((field, was, is)) = difference(&first, &own) {
            let reason = tr!(
                "the answers there were drawn with {field} {was}, not {is}; name another \
                 --output, or add --restart to draw them again",
                field,
                was,
                is
            );
            return Err(Error::input(&path, tr!("settings"), reason));
        }
        let mut all = Vec::new();
        for (idx, line) in lines.enumerate() {
            all.push(serde_json::from_value(line).map_err(|error| bad(idx + 2, &error))?);
        }
        Ok(all)
    }

    /// Adds answers, and waits until they are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&self, sampled: &[Sampled]) -> Result<()> {
        add_lines(&self.samples(), sampled)
    }

    /// Writes the training file of the right answers, at most `keep` a question, and
    /// its description.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Spec`] where no answer can be used.
    pub fn finish(
        &self,
        settings: &Settings,
        questions: &[Question],
        all: &[Sampled],
        keep: usize,
    ) -> Result<Written> {
        let counts = Counts::of(all, keep);
        if counts.kept == 0 {
            let cut = match counts.cut * 2 > counts.sampled {
                true => tr!("; most are cut, so raise --max-new-tokens"),
                false => "",
            };
            let reason = tr!(
                "none of {} answers is right{cut}; put solved questions in front with \
                 --shots, start from a state with --state, or draw more answers",
                counts.sampled,
                cut
            );
            return Err(Error::spec("--samples", reason));
        }
        let mut text = Vec::new();
        // They are in the order of the questions.
        for (sampled, question) in all.iter().zip(questions) {
            if sampled.id != question.id {
                let reason = tr!("has {} in the place of {}", sampled.id, question.id);
                return Err(Error::input(self.samples(), "id", reason));
            }
            for answer in sampled.usable().into_iter().take(keep) {
                let line = Line::new(question, question.completion(answer));
                serde_json::to_writer(&mut text, &line)
                    .map_err(|error| Error::input(&self.output, tr!("line"), error.to_string()))?;
                text.push(b'\n');
            }
        }
        write_atomic(&self.output, |file| file.write_all(&text))?;
        let name = self.output.file_name().unwrap_or_default();
        let description = Description {
            format: DESCRIPTION,
            gosling_version: env!("CARGO_PKG_VERSION"),
            file: name.to_string_lossy().into_owned(),
            sha256: sha256_hex(&text),
            keep,
            counts,
            settings,
        };
        let path = self.description();
        write_atomic(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, &description)?;
            file.write_all(b"\n")
        })?;
        Ok(Written {
            output: self.output.clone(),
            description: path,
            counts,
        })
    }
}

/// The first value in which two objects differ, by its path, and both of them.
fn difference(was: &Value, is: &Value) -> Option<(String, Value, Value)> {
    let (Value::Object(a), Value::Object(b)) = (was, is) else {
        return (was != is).then(|| (String::new(), was.clone(), is.clone()));
    };
    let names = b
        .keys()
        .chain(a.keys().filter(|name| !b.contains_key(*name)));
    for name in names {
        let of = |it: &serde_json::Map<String, Value>| it.get(name).cloned().unwrap_or_default();
        if let Some((path, was, is)) = difference(&of(a), &of(b)) {
            let path = match path.is_empty() {
                true => name.clone(),
                false => format!("{name}.{path}"),
            };
            return Some((path, was, is));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::question::{Judge, Kind};
    use super::super::settings::{Answer, ModelMark, SourceMark};
    use super::*;
    use crate::data::{Check, LossOn, Message, Role, Template};
    use crate::model::TextStart;

    fn settings() -> Settings {
        Settings {
            format: FORMAT.into(),
            source: SourceMark {
                name: "own.jsonl".into(),
                template: Some("UserAssistant".into()),
                sha256: "ab".into(),
                questions: 2,
            },
            model: ModelMark {
                file: "mini".into(),
                fingerprint: "cd".into(),
            },
            state: None,
            leading_token: TextStart::Zero,
            samples: 2,
            temperature: 0.8,
            shots: 0,
            seed: 0,
            max_new_tokens: 8,
        }
    }

    fn sampled(id: &str, text: &str) -> Sampled {
        Sampled {
            id: id.into(),
            answers: vec![Answer {
                text: text.into(),
                right: text.trim() == "5",
                ended: true,
            }],
        }
    }

    fn question(id: &str) -> Question {
        Question {
            id: id.into(),
            prompt: format!("{id}?"),
            chat: Vec::new(),
            kind: Kind::Written {
                asked: vec![1],
                judge: Judge::Own {
                    check: Check::Exact("5".into()),
                    format: Template::UserAssistant.prompt_format().unwrap().into(),
                },
            },
        }
    }

    #[test]
    fn answers_are_gone_on_with_under_the_same_settings_only() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::at(&folder.path().join("own.jsonl"));
        let settings = settings();
        assert_eq!(files.begin(&settings, false).unwrap(), []);
        files.add(&[sampled("a", "5"), sampled("b", "6")]).unwrap();
        // A process that was killed while it wrote leaves half a line.
        let mut text = fs::read(files.samples()).unwrap();
        text.extend(b"{\"id\": \"c\", \"ans");
        fs::write(files.samples(), text).unwrap();
        let known = files.begin(&settings, false).unwrap();
        assert_eq!(known, [sampled("a", "5"), sampled("b", "6")]);
        files.add(&[sampled("c", "5")]).unwrap();
        assert_eq!(files.begin(&settings, false).unwrap().len(), 3);
        let mut other = settings.clone();
        other.model.fingerprint = "ef".into();
        let message = files.begin(&other, false).unwrap_err().to_string();
        let part = "drawn with model.fingerprint \"cd\", not \"ef\"";
        assert!(message.contains(part), "{message}");
        assert_eq!(files.begin(&other, true).unwrap(), []);
    }

    #[test]
    fn right_answers_become_a_training_file_that_says_where_it_is_from() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::at(&folder.path().join("own.jsonl"));
        let questions = [question("a"), question("b")];
        let all = [sampled("a", " 5"), sampled("b", "6")];
        let settings = settings();
        let written = files.finish(&settings, &questions, &all, 1).unwrap();
        let text = fs::read_to_string(&written.output).unwrap();
        assert_eq!(
            text,
            "{\"id\":\"a\",\"prompt\":\"a?\",\"completion\":\"5\"}\n"
        );
        let said: Value = serde_json::from_slice(&fs::read(&written.description).unwrap()).unwrap();
        assert_eq!(said["sha256"], sha256_hex(text.as_bytes()));
        assert_eq!(said["counts"]["questions_with_none"], 1);
        assert_eq!(said["settings"]["model"]["fingerprint"], "cd");
        // It is read as training data.
        let tokenizer = crate::model::tokenizer::Tokenizer::mini().unwrap();
        let format = Template::UserAssistant.prompt_format().unwrap();
        let loaded = crate::data::load_text_set(&written.output, &format, &tokenizer).unwrap();
        let tokens = tokenizer.decode(&loaded.items[0].tokens);
        assert_eq!(tokens, "User: a?\n\nAssistant: 5\n\n");
        // Of a chat the answers in front are given, and the last one alone is learnt.
        let turn = |role, text: &str| Message::new(role, text).to_json();
        let mut chat = question("a");
        chat.chat = vec![
            turn(Role::User, "Hi"),
            turn(Role::Assistant, "Yes?"),
            turn(Role::User, "2+3?"),
        ];
        files.finish(&settings, &[chat], &all[..1], 1).unwrap();
        let loaded = crate::data::load_text_set(&written.output, &format, &tokenizer).unwrap();
        let example = &loaded.items[0];
        assert_eq!(
            tokenizer.decode(&example.tokens),
            "User: Hi\n\nAssistant: Yes?\n\nUser: 2+3?\n\nAssistant: 5\n\n"
        );
        let counted = example.counted(LossOn::Answer);
        let learnt: Vec<u32> = counted
            .into_iter()
            .flat_map(|range| example.tokens[range].to_vec())
            .collect();
        assert_eq!(tokenizer.decode(&learnt), " 5\n\n");
        let wrong = [sampled("a", "6")];
        let error = files.finish(&settings, &questions, &wrong, 1).unwrap_err();
        assert!(
            error.to_string().contains("none of 1 answers is right"),
            "{error}"
        );
    }
}
