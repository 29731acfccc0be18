//! MMLU: per split a folder of tables `<subject>_<split>.csv` without a header,
//! columns question, A, B, C, D, letter of the right one
//! (github.com/hendrycks/test); on the Hugging Face hub rows of question, subject,
//! choices and the number of the right one. Tables with a header, as the hub's
//! rows are exported, are in `mmlu_table.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::mmlu_item::{gold, task};
use super::mmlu_table::read_table;
use crate::data::benchmark::Split;
use crate::data::item::Item;
use crate::data::loaded::Loaded;
use crate::data::row::{Row, kind, label_of};
use crate::data::rows::Rows;
use crate::error::{Error, Result};

/// The fields of an entry.
pub(in crate::data) const NAMES: [&str; 4] = ["question", "subject", "choices", "answer"];

/// The names that the folder of a split goes by, best first.
pub(in crate::data) fn folders(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train", "auxiliary_train"],
        Split::Validation => &["val", "validation"],
        Split::Test => &["test"],
    }
}

/// The tables of the first folder of `names` in `path`, or of `path` itself,
/// sorted by name; none where there are none.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be listed.
pub(in crate::data) fn tables_of(path: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let found = names
        .iter()
        .map(|name| path.join(name))
        .find(|f| f.is_dir());
    tables(found.as_deref().unwrap_or(path))
}

/// Reads a table, or a file of all subjects.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for a file that is neither.
pub(in crate::data) fn read_rows(rows: Rows<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    let rows = match rows {
        Rows::Table(source) => return read_table(source, loaded),
        rows @ (Rows::Entries(_) | Rows::Parquet(_)) => rows,
    };
    let mut n_rows: HashMap<String, usize> = HashMap::new();
    rows.read(&NAMES, loaded, |_, mut row| {
        let subject = row.text("subject")?;
        let number = n_rows.entry(subject.clone()).or_default();
        *number += 1;
        hub_item(subject, row, *number)
    })
}

/// The item of the subject's row `number`, from 1, called as in the tables.
fn hub_item(subject: String, mut row: Row, number: usize) -> Result<Item, String> {
    let question = row.text("question")?;
    let choices = match row.value("choices") {
        Some(Value::Array(choices)) => choices.into_iter().map(label_of),
        Some(other) => return Err(tr!("`choices` is {}, not a list", kind(&other))),
        None => return Err(row.missing("choices")),
    };
    let choices: Vec<String> = choices
        .collect::<Result<_, _>>()
        .map_err(|is| tr!("a choice is {is}, not a text", is))?;
    let n_choices = choices.len();
    let options = <[String; 4]>::try_from(choices)
        .map_err(|_| tr!("{n_choices} choices; a question has four", n_choices))?;
    let answer = row.label("answer")?;
    let answer = answer.ok_or_else(|| row.missing("answer"))?;
    Ok(Item {
        id: format!("{subject}/{number}"),
        task: task(subject, question, options, gold(&answer)?)?,
    })
}

/// The tables in a folder, sorted by name.
fn tables(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| Error::io("list", folder, source);
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            tables.push(path);
        }
    }
    tables.sort();
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lines::Source;
    use crate::data::official::mmlu_item::subject_of;

    fn check_hub(row: &str, expected: Result<&str, &str>) {
        let mut loaded = Loaded::default();
        let text = format!("{row}\n{row}\n");
        let source = Source::held("test.jsonl", text.as_bytes()).unwrap();
        read_rows(Rows::of(source, true), &mut loaded).unwrap();
        match expected {
            Ok(id) => assert_eq!(loaded.items[1].id, id),
            Err(reason) => assert_eq!(loaded.bad_lines[1].reason, reason),
        }
    }

    #[test]
    fn rows_of_the_hub_are_numbered_by_subject_and_checked() {
        let row = r#"{"question": "q", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 3}"#;
        check_hub(row, Ok("anatomy/2"));
        let change = |from: &str, to: &str| row.replace(from, to);
        check_hub(&change("3", "\"D\""), Ok("anatomy/2"));
        let reason = "answer `4` is not A, B, C or D, nor 0, 1, 2 or 3";
        check_hub(&change("3", "4"), Err(reason));
        check_hub(
            &change(", \"d\"", ""),
            Err("3 choices; a question has four"),
        );
        check_hub(&change("\"b\"", "\"\""), Err("`B` is empty"));
        check_hub(
            &change("choices", "options"),
            Err("missing field `choices`; it has `answer`, `options`, `question`, `subject`"),
        );
        check_hub(&change("anatomy", " "), Err("`subject` is empty"));
    }

    #[test]
    fn rows_of_the_hub_in_an_array_are_read() {
        let text = r#"[{"question": "q", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 3}]"#;
        let mut loaded = Loaded::default();
        let source = Source::held("test.csv", text.as_bytes()).unwrap();
        read_rows(Rows::of(source, true), &mut loaded).unwrap();
        assert_eq!(loaded.items[0].id, "anatomy/1");
    }

    #[test]
    fn subjects_come_from_names_with_and_without_a_split() {
        assert_eq!(subject_of(Path::new("x/anatomy_dev.csv")), "anatomy");
        assert_eq!(subject_of(Path::new("x/anatomy_dev.csv.gz")), "anatomy");
        assert_eq!(subject_of(Path::new("arc_easy.csv")), "arc_easy");
    }
}
