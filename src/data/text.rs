//! Training sets of your own: entries `{"text"}` or `{"prompt", "completion"}`, as
//! JSON lines, a JSON array or a table with a header.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lines::{Source, require};
use super::loaded::Loaded;
use super::pairing::{Example, Pairing};
use super::row::Row;
use super::rows::Rows;
use crate::error::Result;
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};

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

/// The fields of an entry.
pub(super) const NAMES: [&str; 3] = ["text", "prompt", "completion"];

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
    read(Rows::open(path, false)?, template, tokenizer, &mut loaded)?;
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
    let rows = Rows::Entries(Source::held(name, bytes)?);
    read(rows, template, tokenizer, &mut loaded)?;
    loaded.check(name)
}

fn read(
    rows: Rows<'_>,
    template: Template,
    tokenizer: &Tokenizer,
    loaded: &mut Loaded<Example>,
) -> Result<()> {
    rows.read(&NAMES, loaded, |_, mut row| {
        let text = row.optional_text("text")?;
        let prompt = row.optional_text("prompt")?;
        let completion = row.optional_text("completion")?;
        let (context, target) = match (text, prompt, completion) {
            (Some(text), None, None) => {
                require("text", &text)?;
                (String::new(), text)
            }
            (None, Some(prompt), Some(completion)) => {
                require("completion", &completion)?;
                template.apply(prompt, completion)
            }
            (text, prompt, completion) => {
                let taken = [text, prompt, completion];
                let nulls = NAMES.iter().zip(taken).filter_map(|(name, text)| {
                    (row.has(name) && text.is_none()).then(|| format!("; `{name}` is null"))
                });
                return Err(other_form(&row) + &nulls.collect::<String>());
            }
        };
        let (context, target) = Pairing::Separate.encode(tokenizer, &context, &target);
        Ok(Example { context, target })
    })
}

/// What is said of an entry in another form than those that are read: what it
/// has, and what to do.
fn other_form(row: &Row) -> String {
    let has = |names: &[&str]| names.iter().all(|name| row.has(name));
    let advice = if has(&["messages"]) || has(&["conversations"]) || has(&["conversation"]) {
        "; chats are not read: write the question of a turn as `prompt` and the reply as \
         `completion`, with the template UserAssistant"
    } else if has(&["instruction", "output"]) {
        "; this is Alpaca's form: write `instruction`, with `input` below it, as `prompt` and \
         `output` as `completion`"
    } else if has(&["sentence", "option1", "option2"]) {
        "; this is WinoGrande, which is read as a benchmark: \
         data.source=Official(benchmark: winogrande, folder: ..)"
    } else if has(&["question", "answerKey"]) {
        "; this is ARC, which is read as a benchmark: \
         data.source=Official(benchmark: arc, folder: ..)"
    } else if has(&["question", "choices", "answer"])
        || has(&["question", "choice1", "answer"])
        || has(&["question", "A", "B", "answer"])
    {
        "; this is MMLU, which is read as a benchmark: \
         data.source=Official(benchmark: mmlu, folder: ..)"
    } else if has(&["question", "answer"]) {
        "; GSM8K is read as a benchmark, data.source=Official(benchmark: gsm8k, folder: ..); \
         else call them `prompt` and `completion`"
    } else {
        ""
    };
    let names = row.names();
    format!("a line has either `text` or `prompt` and `completion`; this one has {names}{advice}")
}

/// What the user should know where examples do not end in a blank line or in token
/// 0: nothing is learned of where to stop. None where all do.
pub fn endless_note(examples: &[Example], tokenizer: &Tokenizer) -> Option<String> {
    let n_endless = examples
        .iter()
        .filter(|example| !has_end(example, tokenizer))
        .count();
    (n_endless > 0).then(|| {
        format!(
            "{n_endless} of {} examples end in neither a blank line nor token 0, so the model \
             does not learn where to stop; end them with \\n\\n, or set data.append_end=true, \
             which puts token 0 after every example",
            examples.len()
        )
    })
}

fn has_end(example: &Example, tokenizer: &Tokenizer) -> bool {
    let last = example.target.last();
    if last == Some(&END_OF_DOCUMENT) {
        return true;
    }
    // A token that ends in two line ends, or two that end in one each.
    let n_tokens = example.target.len();
    let end = &example.target[n_tokens.saturating_sub(2)..];
    tokenizer.decode_bytes(end).ends_with(b"\n\n")
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
        let rows = Rows::Entries(Source::held("set.jsonl", line.as_bytes()).unwrap());
        read(rows, template, &Tokenizer::mini().unwrap(), &mut loaded).unwrap();
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
        let either = |has: &str| {
            format!("a line has either `text` or `prompt` and `completion`; this one has {has}")
        };
        check_bad("{}", &either("no fields"));
        check_bad(r#"{"prompt": "a"}"#, &either("`prompt`"));
        check_bad(
            r#"{"text": "a", "prompt": "a", "completion": "b"}"#,
            &either("`completion`, `prompt`, `text`"),
        );
        check_bad(r#"{"text": ""}"#, "`text` is empty");
        let empty = "`completion` is empty";
        check_bad(r#"{"prompt": "a", "completion": " \n"}"#, empty);
        check_bad(r#"{"text": ["a"]}"#, "`text` is a list, not a text");
    }

    #[test]
    fn forms_of_other_programs_are_named() {
        let check = |line: &str, expected: &str| {
            let reason = &load(line, Template::Plain).bad_lines[0].reason;
            assert!(reason.contains(expected), "{reason}");
        };
        check(
            r#"{"messages": []}"#,
            "this one has `messages`; chats are not read",
        );
        check(r#"{"conversations": []}"#, "chats are not read");
        check(
            r#"{"instruction": "a", "input": "b", "output": "c"}"#,
            "this one has `input`, `instruction`, `output`; this is Alpaca's form",
        );
        check(
            r#"{"question": "a", "answer": "b"}"#,
            "GSM8K is read as a benchmark",
        );
        check(
            r#"{"question": "a", "choices": [], "answer": 1}"#,
            "this is MMLU",
        );
        check(
            r#"{"question": "a", "A": "b", "B": "c", "answer": 1}"#,
            "this is MMLU",
        );
        check(r#"{"question": {}, "answerKey": "A"}"#, "this is ARC");
        check(
            r#"{"sentence": "a", "option1": "b", "option2": "c"}"#,
            "this is WinoGrande",
        );
    }

    #[test]
    fn lists_of_texts_are_no_entries() {
        let loaded = load("[\"a\", \"b\", \"c\"]", Template::Plain);
        assert_eq!(loaded.items, []);
        let loaded = load("{\"text\": \"a\"}\n[\"b\", null, null]", Template::Plain);
        assert_eq!((loaded.items.len(), loaded.n_bad_lines), (1, 1));
    }

    #[test]
    fn other_forms_of_the_same_entries_are_read_alike() {
        let lines = "{\"prompt\": \"a, b\", \"completion\": \" c\\n\\n\"}\n\
                     {\"prompt\": \"\", \"completion\": \" d\"}\n";
        let expected = load(lines, Template::Plain);
        assert_eq!(expected.items.len(), 2);
        let array = format!("[{}]", lines.trim().replace("}\n{", "},\n{"));
        let pretty = lines.replace("{", "{\n  ").replace("}", "\n}");
        let table = "prompt,completion\r\n\"a, b\",\" c\n\n\"\r\n, d\r\n";
        for text in [array.as_str(), &pretty, table] {
            let got = load(text, Template::Plain);
            assert_eq!(got.items, expected.items, "{text}");
            assert_eq!(got.bad_lines, [], "{text}");
        }
    }

    #[test]
    fn fields_that_are_not_used_may_be_anything_python_writes() {
        let loaded = load("{\"text\": \"a\", \"score\": NaN}", Template::Plain);
        assert_eq!(loaded.items.len(), 1);
        let loaded = load("{\"text\": NaN}", Template::Plain);
        assert!(loaded.bad_lines[0].reason.ends_with("; `text` is null"));
    }

    #[test]
    fn examples_without_an_end_are_counted() {
        let tokenizer = Tokenizer::mini().unwrap();
        let check = |lines: &str, n_endless: Option<&str>| {
            let note = endless_note(&load(lines, Template::Plain).items, &tokenizer);
            let n = note
                .as_deref()
                .and_then(|note| note.split(" examples").next());
            assert_eq!(n, n_endless, "{lines}");
        };
        let [ended, endless] = [r#"{"text": "a\n\n"}"#, r#"{"text": "a\n"}"#];
        check(ended, None);
        check(&format!("{ended}\n{endless}\n{endless}"), Some("2 of 3"));
        let mut example = load(endless, Template::Plain).items.remove(0);
        example.target.push(END_OF_DOCUMENT);
        assert_eq!(endless_note(&[example], &tokenizer), None);
        let chat = r#"{"prompt": "a", "completion": "b"}"#;
        let examples = load(chat, Template::UserAssistant).items;
        assert_eq!(endless_note(&examples, &tokenizer), None);
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
