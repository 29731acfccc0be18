//! ARC: JSON lines `{"id", "question": {"stem", "choices": [{"text", "label"}]},
//! "answerKey"}`, three to five choices labelled A to E or 1 to 5
//! (allenai.org/data/arc).

use std::collections::HashSet;

use serde::Deserialize;

use super::item::{Item, Task};
use super::lines::{Source, read_jsonl, require, shorten};
use super::loaded::Loaded;
use crate::error::Result;

#[derive(Deserialize)]
struct Fields {
    id: String,
    question: Question,
    #[serde(rename = "answerKey")]
    answer_key: String,
}

#[derive(Deserialize)]
struct Question {
    stem: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    text: String,
    label: String,
}

/// Reads a file; the items keep its ids.
pub(super) fn read(source: Source<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    let mut seen = HashSet::new();
    read_jsonl(source, loaded, |_, fields: Fields| {
        let item = item(fields)?;
        if !seen.insert(item.id.clone()) {
            return Err(format!(
                "id `{}` stands in an earlier line",
                shorten(&item.id)
            ));
        }
        Ok(item)
    })
}

fn item(fields: Fields) -> Result<Item, String> {
    let Fields {
        id,
        question: Question { stem, choices },
        answer_key,
    } = fields;
    require("question.stem", &stem)?;
    if !(3..=5).contains(&choices.len()) {
        return Err(format!("{} choices; ARC has 3 to 5", choices.len()));
    }
    let mut labels = HashSet::new();
    for choice in &choices {
        require("choice text", &choice.text)?;
        let is_known = matches!(choice.label.as_bytes(), [b'A'..=b'E' | b'1'..=b'5']);
        if !is_known || !labels.insert(choice.label.as_str()) {
            let label = shorten(&choice.label);
            return Err(format!(
                "label `{label}` is repeated or not one of A-E, 1-5"
            ));
        }
    }
    let gold = choices
        .iter()
        .position(|choice| choice.label == answer_key)
        .ok_or_else(|| format!("answerKey `{}` labels no choice", shorten(&answer_key)))?;
    Ok(Item {
        id,
        task: Task::Choose {
            question: stem,
            options: choices.into_iter().map(|choice| choice.text).collect(),
            gold,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(labels: &[&str], key: &str) -> String {
        let choices: Vec<_> = labels
            .iter()
            .map(|label| format!(r#"{{"text": "t{label}", "label": "{label}"}}"#))
            .collect();
        let choices = choices.join(",");
        format!(
            r#"{{"id": "x", "question": {{"stem": "s", "choices": [{choices}]}}, "answerKey": "{key}"}}"#
        )
    }

    fn load(text: &str) -> Loaded<Item> {
        let mut loaded = Loaded::default();
        read(Source::embedded("test.jsonl", text.as_bytes()), &mut loaded).unwrap();
        loaded
    }

    fn check_gold(labels: &[&str], key: &str, expected: usize) {
        match &load(&line(labels, key)).items[0].task {
            Task::Choose { options, gold, .. } => {
                assert_eq!((*gold, options.len()), (expected, labels.len()));
            }
            other => panic!("{other:?}"),
        }
    }

    fn check_bad(text: &str, expected: &str) {
        assert_eq!(load(text).bad_lines.last().unwrap().reason, expected);
    }

    #[test]
    fn letters_and_numbers_label_three_to_five_choices() {
        check_gold(&["A", "B", "C", "D"], "D", 3);
        check_gold(&["1", "2", "3"], "1", 0);
        check_gold(&["A", "B", "C", "D", "E"], "E", 4);
    }

    #[test]
    fn unusable_lines_say_why() {
        check_bad(
            &line(&["A", "B", "C"], "D"),
            "answerKey `D` labels no choice",
        );
        check_bad(&line(&["A", "B"], "A"), "2 choices; ARC has 3 to 5");
        let label = "label `A` is repeated or not one of A-E, 1-5";
        check_bad(&line(&["A", "A", "B"], "A"), label);
        let label = "label `F` is repeated or not one of A-E, 1-5";
        check_bad(&line(&["A", "B", "F"], "A"), label);
        let empty = line(&["A", "B", "C"], "A").replace("tB", " ");
        check_bad(&empty, "`choice text` is empty");
        let good = line(&["A", "B", "C"], "A");
        check_bad(
            &format!("{good}\n{good}"),
            "id `x` stands in an earlier line",
        );
        check_bad(&good.replace("stem", "stalk"), "missing field `stem`");
    }
}
