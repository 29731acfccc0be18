//! GSM8K: JSON lines `{"question", "answer"}`, the answer's last line
//! `#### number` (github.com/openai/grade-school-math).

use serde::Deserialize;

use super::benchmark::Split;
use super::item::{Item, Task};
use super::lines::require;
use super::loaded::Loaded;
use super::rows::Rows;
use crate::error::Result;

#[derive(Deserialize)]
struct Fields {
    question: String,
    answer: String,
}

/// Reads a file; the items are called `split/line`.
pub(super) fn read(rows: Rows<'_>, split: Split, loaded: &mut Loaded<Item>) -> Result<()> {
    rows.read(loaded, |line, fields: Fields| {
        let Fields { question, answer } = fields;
        require("question", &question)?;
        match answer.split_once("#### ") {
            Some((_, gold)) => require("answer after ####", gold)?,
            None => return Err("`answer` has no line `#### number`".into()),
        }
        Ok(Item {
            id: format!("{split}/{line}"),
            task: Task::Generate { question, answer },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines::Source;
    use super::*;

    fn check_bad(line: &str, expected: &str) {
        let mut loaded = Loaded::default();
        read(
            Rows::Lines(Source::embedded("test.jsonl", line.as_bytes())),
            Split::Test,
            &mut loaded,
        )
        .unwrap();
        assert_eq!(loaded.items, []);
        assert_eq!(loaded.bad_lines[0].reason, expected);
    }

    #[test]
    fn unusable_lines_say_why() {
        check_bad(r#"{"question": "q"}"#, "missing field `answer`");
        check_bad(
            r#"{"question": " ", "answer": "a\n#### 1"}"#,
            "`question` is empty",
        );
        let no_number = "`answer` has no line `#### number`";
        check_bad(r#"{"question": "q", "answer": "12"}"#, no_number);
        let empty = "`answer after ####` is empty";
        check_bad(r#####"{"question": "q", "answer": "#### "}"#####, empty);
    }
}
