//! The forms in which users keep conversations, instructions and texts, read from
//! the fields of an entry.

mod turns;

use serde_json::{Value, json};

use super::example::Role;
use super::lines::require;
use super::row::{Row, kind};
use turns::{joined_by_speaker, messages, settled};

/// The fields of an entry that are read.
pub(super) const NAMES: [&str; 12] = [
    "text",
    "prompt",
    "completion",
    "messages",
    "conversations",
    "conversation",
    "instruction",
    "input",
    "output",
    "system",
    "history",
    "segments",
];

/// How the entries of a set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `messages` of `role` and `content`, as OpenAI has them.
    Messages,
    /// `conversations` of `from` and `value`, as ShareGPT has them.
    Conversations,
    /// `instruction`, `input` and `output`, as in Alpaca.
    Alpaca,
    /// `prompt` and `completion`.
    Prompts,
    /// `segments` of `text` and `train`.
    Segments,
    /// `text`.
    Texts,
    /// A folder of text files.
    Folder,
    /// Tokens, as RWKV's trainers read them.
    Binidx,
}

impl Layout {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => tr!("chats (messages)"),
            Self::Conversations => tr!("chats (conversations)"),
            Self::Alpaca => tr!("instructions (Alpaca)"),
            Self::Prompts => tr!("prompts and completions"),
            Self::Segments => tr!("texts in segments"),
            Self::Texts => "texts",
            Self::Folder => tr!("a folder of texts"),
            Self::Binidx => tr!("tokens (binidx)"),
        }
    }

    /// Whether the entries have speakers, so that they need a template.
    pub fn is_chat(self) -> bool {
        matches!(self, Self::Messages | Self::Conversations | Self::Alpaca)
    }

    /// The layout of an entry with these fields.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| row.has(name));
        Some(if has(&["messages"]) {
            Self::Messages
        } else if has(&["conversations"]) || has(&["conversation"]) {
            Self::Conversations
        } else if has(&["segments"]) {
            Self::Segments
        } else if has(&["instruction", "output"]) {
            Self::Alpaca
        } else if has(&["prompt", "completion"]) {
            Self::Prompts
        } else if has(&["text"]) {
            Self::Texts
        } else {
            return None;
        })
    }
}

/// What one speaker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// What follows the prompt as its input (Alpaca).
    pub input: Option<String>,
    /// What was thought first, where the data keep that apart.
    pub thought: Option<String>,
    /// Whether the data say that it is to be trained, or is not.
    pub mark: Option<bool>,
    /// Whether a tool spoke.
    pub is_tool: bool,
}

impl Message {
    /// A message of nothing but its text.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            input: None,
            thought: None,
            mark: None,
            is_tool: false,
        }
    }

    /// As OpenAI has it. An answer stands as one that is given, not learnt.
    pub fn to_json(&self) -> Value {
        let mut value = match self.role {
            Role::System => json!({ "role": "system", "content": self.text }),
            Role::Assistant => json!({ "role": "assistant", "content": self.text, "weight": 0 }),
            Role::User | Role::Given | Role::Text => {
                json!({ "role": "user", "content": self.text })
            }
        };
        if let (Some(thought), Some(fields)) = (&self.thought, value.as_object_mut()) {
            fields.insert("reasoning_content".into(), thought.as_str().into());
        }
        value
    }

    /// The thoughts without their tags, and the answer after them.
    pub(super) fn thought_and_answer(&self) -> (Option<String>, String) {
        if let Some(thought) = &self.thought {
            let thought = format!("\n{}\n", thought.trim());
            return (Some(thought), format!("\n{}", self.text.trim_start()));
        }
        let text = self.text.trim_start();
        match text
            .strip_prefix("<think>")
            .and_then(|rest| rest.split_once("</think>"))
        {
            Some((thought, answer)) => (Some(thought.to_owned()), answer.to_owned()),
            None => (None, self.text.clone()),
        }
    }
}

/// An entry as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A text that is learnt whole.
    Text(String),
    /// Turns of a conversation, the last of them an answer.
    Chat(Vec<Message>),
    /// A prompt and what follows it.
    Pair(String, String),
    /// Texts one after the other, and whether each is to be learnt.
    Segments(Vec<(String, bool)>),
}

/// What was changed in the entries of a set.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Messages of tools that became a user's.
    pub n_tools: usize,
    /// Turns after the last answer.
    pub n_unanswered: usize,
}

impl Changes {
    /// A sentence for each kind of change.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.n_tools > 0 {
            notes.push(tr!(
                "{} messages of tools are read as turns of the user, as RWKV-7 G1 was \
                 trained on the output of tools",
                self.n_tools
            ));
        }
        if self.n_unanswered > 0 {
            notes.push(tr!(
                "{} turns stand after the last answer of their chat and are left out",
                self.n_unanswered
            ));
        }
        notes
    }
}

/// The messages of a chat that is to be answered, those of one speaker after the
/// other joined.
///
/// # Errors
/// What is wrong, in words.
pub fn messages_of(value: Value) -> Result<Vec<Message>, String> {
    let messages = messages(value, ["role", "content"], &mut Changes::default())?;
    Ok(joined_by_speaker(messages))
}

/// The list of turns, which a cell of a table has as text.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn list_of(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| tr!("is text and not a JSON list; write the file as JSON lines").into()),
        value => Ok(value),
    }
}

/// Text without blank lines, which end a turn (RWKV-LM `RWKV7-G1x-templates.txt`).
pub(super) fn without_blank_lines(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    while text.contains("\n\n") {
        text = text.replace("\n\n", "\n");
    }
    text
}

/// Reads an entry of any layout.
///
/// # Errors
/// What is wrong with it, in words; none where it has the fields of no layout.
pub(super) fn entry(row: &mut Row, changes: &mut Changes) -> Result<Option<Entry>, String> {
    let Some(layout) = Layout::of(row) else {
        return Ok(None);
    };
    Ok(Some(match layout {
        Layout::Messages => Entry::Chat(chat(row, "messages", ["role", "content"], changes)?),
        Layout::Conversations => {
            let names = ["conversations", "conversation"];
            let name = names.into_iter().find(|name| row.has(name));
            Entry::Chat(chat(
                row,
                name.unwrap_or(names[0]),
                ["from", "value"],
                changes,
            )?)
        }
        Layout::Alpaca => Entry::Chat(alpaca(row)?),
        Layout::Segments => Entry::Segments(segments(row)?),
        Layout::Prompts => match pair(row, changes)? {
            Some(entry) => entry,
            None => return Ok(None),
        },
        Layout::Texts => {
            if row.is_null("text") || row.has("prompt") || row.has("completion") {
                return Ok(None);
            }
            let text = row.text("text")?;
            require("text", &text)?;
            Entry::Text(text)
        }
        Layout::Folder | Layout::Binidx => return Ok(None),
    }))
}

/// `prompt` and `completion`, as texts or as messages.
fn pair(row: &mut Row, changes: &mut Changes) -> Result<Option<Entry>, String> {
    if row.has("text") || row.is_null("prompt") || row.is_null("completion") {
        return Ok(None);
    }
    let (prompt, completion) = (row.value("prompt"), row.value("completion"));
    match (prompt, completion) {
        (Some(Value::String(prompt)), Some(Value::String(completion))) => {
            require("completion", &completion)?;
            Ok(Some(Entry::Pair(prompt, completion)))
        }
        (Some(Value::Array(mut prompt)), Some(Value::Array(completion))) => {
            prompt.extend(completion);
            let keys = ["role", "content"];
            let messages = messages(Value::Array(prompt), keys, changes)?;
            Ok(Some(Entry::Chat(settled(messages, changes)?)))
        }
        (None, _) | (_, None) => Ok(None),
        (Some(prompt), Some(completion)) => {
            let (name, other) = match prompt {
                Value::String(_) => ("completion", completion),
                other => ("prompt", other),
            };
            Err(tr!("`{name}` is {}, not a text", kind(&other), name))
        }
    }
}

fn chat(
    row: &mut Row,
    name: &str,
    keys: [&'static str; 2],
    changes: &mut Changes,
) -> Result<Vec<Message>, String> {
    let system = row.optional_text("system")?;
    let value = match row.value(name) {
        Some(value) => list_of(value).map_err(|reason| format!("`{name}` {reason}"))?,
        None => return Err(tr!("`{name}` is null", name)),
    };
    let mut all = messages(value, keys, changes).map_err(|reason| format!("`{name}`: {reason}"))?;
    if let Some(system) = system.filter(|text| !text.trim().is_empty()) {
        all.insert(0, Message::new(Role::System, system));
    }
    settled(all, changes).map_err(|reason| format!("`{name}`: {reason}"))
}

/// `instruction` and `output`, with `input`, `system` and `history` where they are there.
fn alpaca(row: &mut Row) -> Result<Vec<Message>, String> {
    let mut turns = Vec::new();
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    if let Some(system) = filled(row.optional_text("system")?) {
        turns.push(Message::new(Role::System, system));
    }
    if let Some(history) = row.value("history") {
        let fault = || tr!("`history` is not a list of pairs of a prompt and an answer");
        let pairs: Vec<(String, String)> =
            serde_json::from_value(history).map_err(|_| fault().to_owned())?;
        for (prompt, answer) in pairs {
            turns.push(Message::new(Role::User, prompt));
            turns.push(Message::new(Role::Assistant, answer));
        }
    }
    let instruction = row.text("instruction")?;
    let input = filled(row.optional_text("input")?);
    let output = row.text("output")?;
    require("output", &output)?;
    turns.push(Message {
        input,
        ..Message::new(Role::User, instruction)
    });
    turns.push(Message::new(Role::Assistant, output));
    Ok(turns)
}

fn segments(row: &mut Row) -> Result<Vec<(String, bool)>, String> {
    let value = match row.value("segments") {
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Some(value) => value,
        None => return Err(tr!("`segments` is null").into()),
    };
    let Value::Array(list) = value else {
        return Err(tr!("`segments` is {}, not a list", kind(&value)));
    };
    let of_segment = |(idx, segment): (usize, Value)| {
        let fail = |reason: String| tr!("`segments`: segment {}: {reason}", idx + 1, reason);
        let Value::Object(fields) = segment else {
            return Err(fail(tr!("is {}, not an object", kind(&segment))));
        };
        let mut row = Row::of(fields);
        let text = row.text("text").map_err(fail)?;
        match row.value("train") {
            Some(Value::Bool(train)) => Ok((text, train)),
            None => Ok((text, false)),
            Some(_) => Err(fail(tr!("`train` is neither true nor false").into())),
        }
    };
    let segments: Vec<(String, bool)> = list
        .into_iter()
        .enumerate()
        .map(of_segment)
        .collect::<Result<_, String>>()?;
    match segments
        .iter()
        .any(|(text, train)| *train && !text.is_empty())
    {
        true => Ok(segments),
        false => Err(tr!(
            "`segments`: no segment with \"train\": true, so there is nothing to learn"
        )
        .into()),
    }
}
