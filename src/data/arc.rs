//! ARC: JSON lines `{"id", "question": {"stem", "choices": [{"text", "label"}]},
//! "answerKey"}`, three to five choices labelled A to E or 1 to 5
//! (allenai.org/data/arc); on the Hugging Face hub `{"id", "question", "choices":
//! {"text": [], "label": []}, "answerKey"}`.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::item::{Item, Task};
use super::lines::{require, shorten};
use super::loaded::Loaded;
use super::rows::Rows;
use crate::error::Result;

#[derive(Deserialize)]
struct Fields {
    id: String,
    question: Value,
    choices: Option<Columns>,
    #[serde(rename = "answerKey")]
    answer_key: String,
}

#[derive(Deserialize)]
struct Question {
    stem: String,
    choices: Vec<Choice>,
}

/// The choices as the hub has them.
#[derive(Deserialize)]
struct Columns {
    text: Vec<String>,
    label: Vec<String>,
}

#[derive(Deserialize)]
struct Choice {
    text: String,
    label: String,
}

/// Reads a file; the items keep its ids.
pub(super) fn read(rows: Rows<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    let mut seen = HashSet::new();
    rows.read(loaded, |_, fields: Fields| {
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

/// The question in the form of the official files.
fn nested(question: Value, choices: Option<Columns>) -> Result<Question, String> {
    let stem = match question {
        Value::String(stem) => stem,
        other => return serde_json::from_value(other).map_err(|error| error.to_string()),
    };
    let Some(Columns { text, label }) = choices else {
        return Err("missing field `choices`".into());
    };
    if text.len() != label.len() {
        let (n_texts, n_labels) = (text.len(), label.len());
        return Err(format!("{n_texts} choice texts have {n_labels} labels"));
    }
    let choices = text.into_iter().zip(label);
    Ok(Question {
        stem,
        choices: choices
            .map(|(text, label)| Choice { text, label })
            .collect(),
    })
}

fn item(fields: Fields) -> Result<Item, String> {
    let Fields {
        id,
        question,
        choices,
        answer_key,
    } = fields;
    let Question { stem, choices } = nested(question, choices)?;
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
    use super::super::lines::Source;
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
        read(
            Rows::Lines(Source::embedded("test.jsonl", text.as_bytes())),
            &mut loaded,
        )
        .unwrap();
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

    #[test]
    fn unusable_rows_of_the_hub_say_why() {
        let row = r#"{"id": "x", "question": "q", "choices": {"text": ["a", "b", "c"], "label": ["A", "B", "C"]}, "answerKey": "C"}"#;
        match &load(row).items[0].task {
            Task::Choose { question, gold, .. } => assert_eq!((question.as_str(), *gold), ("q", 2)),
            other => panic!("{other:?}"),
        }
        let change = |from: &str, to: &str| row.replace(from, to);
        check_bad(&change(", \"c\"", ""), "2 choice texts have 3 labels");
        check_bad(&change("choices", "options"), "missing field `choices`");
        check_bad(
            &change("answerKey\": \"C", "answerKey\": \"D"),
            "answerKey `D` labels no choice",
        );
        check_bad(&change("\"q\"", "\" \""), "`question.stem` is empty");
    }
}
