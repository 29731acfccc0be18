//! Prompts and chats with what makes an answer to them right: a text that it has to be,
//! or a regular expression that has to be found in it.

use std::path::Path;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::chat::{Message, list_of, messages_of};
use super::example::Role;
use super::lines::Source;
use super::loaded::Loaded;
use super::row::{Row, kind};
use super::rows::Rows;
use crate::error::Result;

/// The fields of an entry that are read.
const NAMES: [&str; 6] = [
    "prompt",
    "messages",
    "answer",
    "pattern",
    "completion",
    "id",
];
/// Bytes that one compiled expression may have.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// What ends a model's thoughts.
const END_OF_THOUGHT: &str = "</think>";

/// What makes an answer right.
#[derive(Debug, Clone)]
pub enum Check {
    /// Without white space around both, the answer is this text.
    Exact(String),
    /// The regular expression is found in the answer. It is compiled when it is used:
    /// files may hold many.
    Pattern(String),
}

impl Check {
    /// Whether `answer` is right; what was thought before it plays no part.
    pub fn is_right(&self, answer: &str) -> bool {
        let answer = match answer.rsplit_once(END_OF_THOUGHT) {
            Some((_, answer)) => answer,
            None => answer,
        };
        match self {
            Self::Exact(text) => answer.trim() == text.trim(),
            Self::Pattern(pattern) => {
                compiled(pattern).is_ok_and(|pattern| pattern.is_match(answer))
            }
        }
    }
}

/// The expression, if it can be used.
fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build()
}

/// What is asked: a prompt, or the turns of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// A prompt.
    Prompt(String),
    /// The turns up to the one that is answered, the last of them the user's.
    Chat(Vec<Message>),
}

/// A prompt whose answers can be checked.
#[derive(Debug, Clone)]
pub struct CheckedPrompt {
    /// Its `id`, else the number of its line.
    pub id: String,
    /// What is asked.
    pub asking: Asking,
    /// What makes an answer right.
    pub check: Check,
}

/// Reads prompts, a `prompt` or the `messages` of a chat, with `answer` (or
/// `completion`), a text, or `pattern`, a regular expression, in every form in which
/// training data are read. A chat that ends in an answer of the assistant is asked
/// without it; where nothing else is said, that is the answer.
///
/// # Errors
/// [`crate::Error::Input`] where no entry can be used; single bad entries are listed
/// in the result.
pub fn load_checked(path: impl AsRef<Path>) -> Result<Loaded<CheckedPrompt>> {
    let path = path.as_ref();
    let mut loaded = Loaded::default();
    Rows::open(path, false)?.read(&NAMES, &mut loaded, checked)?;
    loaded.check(path)
}

/// As [`load_checked`], of a file that is in memory; `name` stands for it in messages.
///
/// # Errors
/// As [`load_checked`], less those of the system.
pub fn read_checked(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Loaded<CheckedPrompt>> {
    let name = name.as_ref();
    let mut loaded = Loaded::default();
    Rows::Entries(Source::held(name, bytes)?).read(&NAMES, &mut loaded, checked)?;
    loaded.check(name)
}

fn checked(number: u64, mut row: Row) -> Result<CheckedPrompt, String> {
    let id = row.label("id")?.unwrap_or_else(|| format!("line/{number}"));
    let (asking, given) = asking(&mut row)?;
    let (answer, completion) = (row.label("answer")?, row.label("completion")?);
    let pattern = row.optional_text("pattern")?;
    let given = given.filter(|_| pattern.is_none());
    let check = match (pattern, answer.or(completion).or(given)) {
        (Some(pattern), None) => match compiled(&pattern) {
            Ok(_) => Check::Pattern(pattern),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                return Err(tr!(
                    "`pattern` is not a regular expression that can be used: {last}",
                    last
                ));
            }
        },
        (None, Some(answer)) => Check::Exact(answer),
        (Some(_), Some(_)) => {
            return Err(tr!("has both `pattern` and `answer`; keep the one that decides").into());
        }
        (None, None) => {
            return Err(tr!(
                "has no `answer` and no `pattern` to check answers with; it has {}",
                row.names()
            ));
        }
    };
    Ok(CheckedPrompt { id, asking, check })
}

/// What is asked, and the answer that stands at the end of a chat.
fn asking(row: &mut Row) -> Result<(Asking, Option<String>), String> {
    let (name, turns) = match (row.value("messages"), row.value("prompt")) {
        (Some(_), Some(_)) => {
            return Err(tr!("has both `messages` and `prompt`; keep the one that is asked").into());
        }
        (Some(turns), None) => ("messages", turns),
        // Others call the turns a prompt.
        (None, Some(turns @ Value::Array(_))) => ("prompt", turns),
        (None, Some(Value::String(prompt))) => return Ok((Asking::Prompt(prompt), None)),
        (None, Some(other)) => {
            return Err(tr!("`prompt` is {}, not a text", kind(&other)));
        }
        (None, None) => return Err(row.missing("prompt")),
    };
    let fail = |reason: String| format!("`{name}`: {reason}");
    let mut turns = list_of(turns).and_then(messages_of).map_err(fail)?;
    let is_answer = |turn: &mut Message| turn.role == Role::Assistant;
    let given = turns.pop_if(is_answer).map(|turn| turn.text);
    match turns.last() {
        Some(last) if last.role == Role::User => Ok((Asking::Chat(turns), given)),
        Some(_) | None => Err(fail(tr!("no turn of the user to answer at the end").into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(lines: &str) -> Result<Loaded<CheckedPrompt>> {
        read_checked("prompts.jsonl", lines.as_bytes())
    }

    #[test]
    fn answers_are_compared_without_white_space_and_thoughts() {
        let loaded = load(
            "{\"prompt\": \"2+3?\", \"answer\": 5}\n\
             {\"id\": \"b\", \"prompt\": \"Say yes\", \"pattern\": \"(?i)^\\\\s*yes\\\\b\"}\n\
             {\"prompt\": \"Capital?\", \"completion\": \" Paris\\n\"}\n",
        );
        let items = loaded.unwrap().items;
        let is_right = |idx: usize, text| items[idx].check.is_right(text);
        assert_eq!(
            (items[0].id.as_str(), items[1].id.as_str()),
            ("line/1", "b")
        );
        assert!(is_right(0, " 5\n"));
        assert!(!is_right(0, "55") && !is_right(0, "The answer is 5"));
        assert!(is_right(0, "> 6? No.</think>\n5"));
        assert!(!is_right(0, "5</think>\n6"));
        assert!(is_right(1, " Yes, of course"));
        assert!(!is_right(1, "No. Yes") && !is_right(1, "yesterday"));
        assert!(is_right(2, "Paris"));
    }

    #[test]
    fn chats_are_asked_up_to_their_last_question() {
        let loaded = load(
            "{\"messages\": [{\"role\": \"system\", \"content\": \"Be short.\"}, \
             {\"role\": \"user\", \"content\": \"2+3?\"}], \"answer\": 5}\n\
             {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, \
             {\"role\": \"assistant\", \"content\": \"Yes?\"}, \
             {\"role\": \"user\", \"content\": \"2+4?\"}, \
             {\"role\": \"assistant\", \"content\": \"6\"}]}\n\
             {\"prompt\": [{\"role\": \"user\", \"content\": \"Say yes\"}, \
             {\"role\": \"assistant\", \"content\": \"No\"}], \"pattern\": \"(?i)yes\"}\n",
        );
        let items = loaded.unwrap().items;
        let roles = |idx: usize| match &items[idx].asking {
            Asking::Chat(turns) => turns.iter().map(|turn| turn.role).collect::<Vec<_>>(),
            Asking::Prompt(prompt) => panic!("{prompt}"),
        };
        assert_eq!(roles(0), [Role::System, Role::User]);
        assert_eq!(roles(1), [Role::User, Role::Assistant, Role::User]);
        assert_eq!(roles(2), [Role::User]);
        assert!(items[0].check.is_right("5") && !items[0].check.is_right("6"));
        // The answer at the end is what an answer has to be where nothing else is said.
        assert!(items[1].check.is_right(" 6\n") && !items[1].check.is_right("Yes?"));
        assert!(items[2].check.is_right("Yes!") && !items[2].check.is_right("No"));
        let loaded = load(
            "{\"prompt\": \"a\", \"answer\": \"b\"}\n\
             {\"messages\": [{\"role\": \"assistant\", \"content\": \"Hi\"}]}\n\
             {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n\
             {\"messages\": [], \"prompt\": \"a\", \"answer\": \"b\"}\n\
             {\"messages\": [{\"role\": \"king\", \"content\": \"Hi\"}], \"answer\": \"b\"}\n",
        );
        let reasons: Vec<String> = loaded
            .unwrap()
            .bad_lines
            .iter()
            .map(|bad| bad.reason.clone())
            .collect();
        assert_eq!(reasons.len(), 4, "{reasons:?}");
        for (reason, part) in reasons.iter().zip([
            "`messages`: no turn of the user to answer at the end",
            "no `answer` and no `pattern`",
            "both `messages` and `prompt`",
            "`messages`: turn 1: `role` is `king`",
        ]) {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn entries_that_cannot_be_checked_are_named() {
        let loaded = load(
            "{\"prompt\": \"a\", \"answer\": \"b\"}\n\
             {\"prompt\": \"a\", \"pattern\": \"(\"}\n\
             {\"prompt\": \"a\"}\n\
             {\"prompt\": \"a\", \"answer\": \"b\", \"pattern\": \"b\"}\n\
             {\"answer\": \"b\"}\n\
             {\"prompt\": \"a\", \"pattern\": \"(a{1000}){1000}\"}\n",
        );
        let loaded = loaded.unwrap();
        assert_eq!(loaded.items.len(), 1);
        let reasons: Vec<(u64, &str)> = loaded
            .bad_lines
            .iter()
            .map(|bad| (bad.line, bad.reason.as_str()))
            .collect();
        assert_eq!(reasons.len(), 5, "{reasons:?}");
        for (line, part) in [
            (2, "is not a regular expression"),
            (3, "no `answer` and no `pattern`"),
            (4, "has both"),
            (5, "missing field `prompt`"),
            (6, "is not a regular expression"),
        ] {
            let of_line = reasons.iter().find(|(of, _)| *of == line).unwrap();
            assert!(of_line.1.contains(part), "{of_line:?}");
        }
        load("{\"prompt\": \"a\"}\n").unwrap_err();
    }
}
