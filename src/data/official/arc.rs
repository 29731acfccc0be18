//! ARC: JSON lines `{"id", "question": {"stem", "choices": [{"text", "label"}]},
//! "answerKey"}`, three to five choices labelled A to E or 1 to 5
//! (allenai.org/data/arc); on the Hugging Face hub `{"id", "question", "choices":
//! {"text": [], "label": []}, "answerKey"}`.

use std::collections::HashSet;

use serde_json::Value;

use crate::data::item::{Item, Task};
use crate::data::lines::{require, shorten};
use crate::data::loaded::Loaded;
use crate::data::row::{Row, kind, label_of};
use crate::data::rows::Rows;
use crate::error::Result;

/// The fields of an entry.
pub(in crate::data) const NAMES: [&str; 4] = ["id", "question", "choices", "answerKey"];

/// The stem of a question, and the label and the text of each choice.
type Question = (String, Vec<(String, String)>);

/// Reads a file; the items keep its ids.
pub(in crate::data) fn read(rows: Rows<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    let mut seen = HashSet::new();
    rows.read(&NAMES, loaded, |_, row| {
        let item = item(row)?;
        if !seen.insert(item.id.clone()) {
            return Err(tr!("id `{}` appears in an earlier line", shorten(&item.id)));
        }
        Ok(item)
    })
}

/// A question in either form: the hub keeps the choices beside it, the official
/// files within it.
fn question(row: &mut Row) -> Result<Question, String> {
    match row.value("question") {
        Some(Value::String(stem)) => {
            let choices = row.value("choices");
            let choices = choices.ok_or_else(|| row.missing("choices"))?;
            Ok((stem, choices_of(choices)?))
        }
        Some(Value::Object(fields)) => {
            let mut nested = Row::of(fields);
            let stem = nested.text("stem")?;
            let choices = nested.value("choices");
            let choices = choices.ok_or_else(|| nested.missing("choices"))?;
            Ok((stem, choices_of(choices)?))
        }
        Some(other) => Err(tr!(
            "`question` is {}, not a text or an object with `stem` and `choices`",
            kind(&other)
        )),
        None => Err(row.missing("question")),
    }
}

/// The labels and texts of choices: a list of objects, or an object of two lists.
fn choices_of(choices: Value) -> Result<Vec<(String, String)>, String> {
    match choices {
        Value::Array(choices) => choices
            .into_iter()
            .map(|choice| {
                let Value::Object(fields) = choice else {
                    let is = kind(&choice);
                    return Err(tr!("a choice is {is}, not `text` and `label`", is));
                };
                let mut choice = Row::of(fields);
                let label = choice.label("label")?;
                let label = label.ok_or_else(|| choice.missing("label"))?;
                Ok((label, choice.text("text")?))
            })
            .collect(),
        Value::Object(fields) => {
            let mut columns = Row::of(fields);
            let text = texts(&mut columns, "text")?;
            let label = texts(&mut columns, "label")?;
            if text.len() != label.len() {
                let (n_texts, n_labels) = (text.len(), label.len());
                return Err(tr!(
                    "{n_texts} choice texts have {n_labels} labels",
                    n_texts,
                    n_labels
                ));
            }
            Ok(label.into_iter().zip(text).collect())
        }
        other => Err(tr!(
            "`choices` is {}, not a list of `text` and `label`",
            kind(&other)
        )),
    }
}

/// A list of texts.
fn texts(row: &mut Row, name: &str) -> Result<Vec<String>, String> {
    let fail = |is: &str| tr!("`{name}` is {is}, not a list of texts", name, is);
    match row.value(name) {
        Some(Value::Array(texts)) => {
            let texts = texts.into_iter().map(label_of);
            texts
                .collect::<Result<_, _>>()
                .map_err(|is| fail(&tr!("a list with {is}", is)))
        }
        Some(other) => Err(fail(kind(&other))),
        None => Err(row.missing(name)),
    }
}

fn item(mut row: Row) -> Result<Item, String> {
    let id = row.label("id")?.ok_or_else(|| row.missing("id"))?;
    let (stem, choices) = question(&mut row)?;
    let key = row.label("answerKey")?;
    let key = key.ok_or_else(|| row.missing("answerKey"))?;
    require("question.stem", &stem)?;
    if !(3..=5).contains(&choices.len()) {
        return Err(tr!("{} choices; ARC has 3 to 5", choices.len()));
    }
    let mut labels = HashSet::new();
    for (label, text) in &choices {
        require(tr!("choice text"), text)?;
        let is_known = matches!(label.as_bytes(), [b'A'..=b'E' | b'1'..=b'5']);
        if !is_known || !labels.insert(label.as_str()) {
            let label = shorten(label);
            return Err(tr!(
                "label `{label}` is repeated or not one of A-E, 1-5",
                label
            ));
        }
    }
    let gold = choices
        .iter()
        .position(|(label, _)| *label == key)
        .ok_or_else(|| tr!("answerKey `{}` labels no choice", shorten(&key)))?;
    Ok(Item {
        id,
        task: Task::Choose {
            question: stem,
            options: choices.into_iter().map(|(_, text)| text).collect(),
            gold,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lines::Source;

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
            Rows::Entries(Source::held("test.jsonl", text.as_bytes()).unwrap()),
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
            "id `x` appears in an earlier line",
        );
        check_bad(
            &good.replace("stem", "stalk"),
            "missing field `stem`; it has `choices`, `stalk`",
        );
        check_bad("[\"x\"]", "entry 1: a text, where a JSON object is needed");
    }

    #[test]
    fn labels_may_be_numbers() {
        let text = line(&["1", "2", "3"], "2");
        let text = text.replace("\"2\"", "2").replace("\"1\"", "1");
        match &load(&text).items[0].task {
            Task::Choose { gold, .. } => assert_eq!(*gold, 1),
            other => panic!("{other:?}"),
        }
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
        check_bad(
            &change("choices", "options"),
            "missing field `choices`; it has `answerKey`, `id`, `options`, `question`",
        );
        check_bad(
            &change("answerKey\": \"C", "answerKey\": \"D"),
            "answerKey `D` labels no choice",
        );
        check_bad(&change("\"q\"", "\" \""), "`question.stem` is empty");
    }
}
