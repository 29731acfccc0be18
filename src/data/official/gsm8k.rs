//! GSM8K: JSON lines `{"question", "answer"}`, the answer's last line
//! `#### number` (github.com/openai/grade-school-math).

use crate::data::benchmark::Split;
use crate::data::item::{Item, Task};
use crate::data::lines::require;
use crate::data::loaded::Loaded;
use crate::data::rows::Rows;
use crate::error::Result;

/// The fields of an entry.
pub(in crate::data) const NAMES: [&str; 2] = ["question", "answer"];

/// Reads a file; the items are called `split/line`.
pub(in crate::data) fn read(rows: Rows<'_>, split: Split, loaded: &mut Loaded<Item>) -> Result<()> {
    rows.read(&NAMES, loaded, |line, mut row| {
        let (question, answer) = (row.text("question")?, row.text("answer")?);
        require("question", &question)?;
        match answer.split_once("#### ") {
            Some((_, gold)) => require(tr!("answer after ####"), gold)?,
            None => return Err(tr!("`answer` has no line `#### number`").into()),
        }
        Ok(Item {
            id: format!("{split}/{line}"),
            task: Task::Generate { question, answer },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lines::Source;

    fn check_bad(line: &str, expected: &str) {
        let mut loaded = Loaded::default();
        read(
            Rows::Entries(Source::held("test.jsonl", line.as_bytes()).unwrap()),
            Split::Test,
            &mut loaded,
        )
        .unwrap();
        assert_eq!(loaded.items, []);
        assert_eq!(loaded.bad_lines[0].reason, expected);
    }

    #[test]
    fn unusable_lines_say_why() {
        check_bad(
            r#"{"question": "q"}"#,
            "missing field `answer`; it has `question`",
        );
        check_bad(
            r#"{"question": "q", "answer": 12}"#,
            "`answer` is a number, not a text",
        );
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
