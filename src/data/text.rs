//! Training sets of your own: JSON lines `{"text"}` or
//! `{"prompt", "completion"}`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::example::Example;
use super::lines::{Source, read_jsonl, require};
use super::loaded::Loaded;
use super::pairing::Pairing;
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;

/// What is put around a prompt and its completion. Lines with `text` are used
/// as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Template {
    /// Nothing.
    #[default]
    Plain,
    /// `User: {prompt}\n\nAssistant:` and ` {completion}\n\n`, both trimmed. A
    /// blank line ends a turn, so those inside a prompt become line breaks
    /// (RWKV-LM `RWKV7-G1x-templates.txt`).
    UserAssistant,
}

#[derive(Deserialize)]
struct Fields {
    text: Option<String>,
    prompt: Option<String>,
    completion: Option<String>,
}

/// Reads a training set and tokenises it. `text` becomes a target without
/// context; of `prompt` and `completion` each is tokenised for itself, as they
/// meet when the state is used.
///
/// # Errors
/// [`crate::error::Error::Input`] where no line can be used; single bad lines
/// are listed in the result.
pub fn load_text_set(
    path: impl AsRef<Path>,
    template: Template,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    let path = path.as_ref();
    let mut loaded = Loaded::default();
    read(Source::open(path)?, template, tokenizer, &mut loaded)?;
    loaded.check(path)
}

/// As [`load_text_set`], of a file that is in memory; `name` stands for it in
/// messages.
///
/// # Errors
/// As [`load_text_set`], less those of the system.
pub fn read_text_set(
    name: impl AsRef<Path>,
    bytes: &[u8],
    template: Template,
    tokenizer: &Tokenizer,
) -> Result<Loaded<Example>> {
    let name = name.as_ref();
    let mut loaded = Loaded::default();
    let source = Source::embedded(name, bytes);
    read(source, template, tokenizer, &mut loaded)?;
    loaded.check(name)
}

fn read(
    source: Source<'_>,
    template: Template,
    tokenizer: &Tokenizer,
    loaded: &mut Loaded<Example>,
) -> Result<()> {
    read_jsonl(source, loaded, |_, fields: Fields| {
        let (context, target) = match fields {
            Fields {
                text: Some(text),
                prompt: None,
                completion: None,
            } => {
                require("text", &text)?;
                (String::new(), text)
            }
            Fields {
                text: None,
                prompt: Some(prompt),
                completion: Some(completion),
            } => {
                require("completion", &completion)?;
                template.apply(prompt, completion)
            }
            Fields { .. } => {
                return Err("a line has either `text` or `prompt` and `completion`".into());
            }
        };
        let (context, target) = Pairing::Separate.encode(tokenizer, &context, &target);
        Ok(Example { context, target })
    })
}

impl Template {
    /// Context and target of a prompt and its completion.
    fn apply(self, prompt: String, completion: String) -> (String, String) {
        match self {
            Self::Plain => (prompt, completion),
            Self::UserAssistant => {
                let mut prompt = prompt.replace("\r\n", "\n");
                while prompt.contains("\n\n") {
                    prompt = prompt.replace("\n\n", "\n");
                }
                let context = format!("User: {}\n\nAssistant:", prompt.trim());
                (context, format!(" {}\n\n", completion.trim()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(line: &str, template: Template) -> Loaded<Example> {
        let mut loaded = Loaded::default();
        let source = Source::embedded("set.jsonl", line.as_bytes());
        read(source, template, &Tokenizer::mini().unwrap(), &mut loaded).unwrap();
        loaded
    }

    fn check(line: &str, template: Template, context: &str, target: &str) {
        let tokenizer = Tokenizer::mini().unwrap();
        let example = &load(line, template).items[0];
        assert_eq!(tokenizer.decode(&example.context), context);
        assert_eq!(tokenizer.decode(&example.target), target);
    }

    #[test]
    fn lines_become_context_and_target() {
        let text = r#"{"text": " a b\n", "id": 7}"#;
        check(text, Template::Plain, "", " a b\n");
        check(text, Template::UserAssistant, "", " a b\n");
        let pair = r#"{"prompt": " hi\n\n\nthere\r\n\r\nyou ", "completion": " yes\n\nno\n"}"#;
        let plain = " hi\n\n\nthere\r\n\r\nyou ";
        check(pair, Template::Plain, plain, " yes\n\nno\n");
        let chat = "User: hi\nthere\nyou\n\nAssistant:";
        check(pair, Template::UserAssistant, chat, " yes\n\nno\n\n");
        let unprompted = r#"{"prompt": "", "completion": "x"}"#;
        check(unprompted, Template::Plain, "", "x");
    }

    fn check_bad(line: &str, expected: &str) {
        assert_eq!(load(line, Template::Plain).bad_lines[0].reason, expected);
    }

    #[test]
    fn unusable_lines_say_why() {
        let either = "a line has either `text` or `prompt` and `completion`";
        check_bad("{}", either);
        check_bad(r#"{"prompt": "a"}"#, either);
        check_bad(r#"{"text": "a", "prompt": "a", "completion": "b"}"#, either);
        check_bad(r#"{"text": ""}"#, "`text` is empty");
        let empty = "`completion` is empty";
        check_bad(r#"{"prompt": "a", "completion": " \n"}"#, empty);
        let kind = "invalid type: sequence, expected a string";
        check_bad(r#"{"text": ["a"]}"#, kind);
    }

    #[test]
    fn a_set_without_a_usable_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let error = load_text_set(&path, Template::Plain, &tokenizer).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("set.jsonl: line 1: a line has either")
        );
        let error = load_text_set("no/set.jsonl", Template::Plain, &tokenizer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open no/set.jsonl: no such file or folder"
        );
    }
}
