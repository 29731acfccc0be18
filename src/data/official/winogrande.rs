//! WinoGrande: JSON lines `{"qID", "sentence", "option1", "option2", "answer"}`,
//! the sentence with one `_`, the answer "1" or "2", or in a file
//! `<name>-labels.lst` beside it, one per line (winogrande.allenai.org).

use std::collections::HashSet;
use std::path::Path;

use crate::data::benchmark::Split;
use crate::data::item::{Item, Task};
use crate::data::lines::{Source, require, shorten};
use crate::data::loaded::Loaded;
use crate::data::row::Row;
use crate::data::rows::Rows;
use crate::error::Result;

/// The fields of an entry.
pub(in crate::data) const NAMES: [&str; 5] = ["qID", "sentence", "option1", "option2", "answer"];

/// Reads a file, with its list of labels where there is one; the items keep
/// the file's ids, or are called `split/row`.
pub(in crate::data) fn read(rows: Rows<'_>, split: Split, loaded: &mut Loaded<Item>) -> Result<()> {
    let labels = match &rows {
        Rows::Entries(source) | Rows::Table(source) => read_labels(&source.file)?,
        Rows::Parquet(_) => Vec::new(),
    };
    let mut seen = HashSet::new();
    rows.read(&NAMES, loaded, |line, mut row| {
        let mut answer = row.label("answer")?.unwrap_or_default();
        if answer.is_empty() {
            let label = usize::try_from(line)
                .ok()
                .and_then(|line| labels.get(line - 1));
            answer = label.cloned().unwrap_or_default();
        }
        // The hub's files have no ids.
        let id = row.label("qID")?;
        let id = id.unwrap_or_else(|| format!("{split}/{line}"));
        let item = item(id, row, &answer)?;
        if !seen.insert(item.id.clone()) {
            return Err(tr!(
                "qID `{}` appears in an earlier line",
                shorten(&item.id)
            ));
        }
        Ok(item)
    })
}

/// The labels beside `file`, by line; none where there is no such list.
fn read_labels(file: &Path) -> Result<Vec<String>> {
    let Some(stem) = file.file_stem() else {
        return Ok(Vec::new());
    };
    let mut name = stem.to_os_string();
    name.push("-labels.lst");
    let list = file.with_file_name(name);
    let mut labels = Vec::new();
    if list.is_file() {
        Source::open(&list)?.for_each_line(|_, line, text| {
            labels.resize(line as usize - 1, String::new());
            labels.push(text.unwrap_or_default().trim().to_owned());
        })?;
    }
    Ok(labels)
}

fn item(id: String, mut row: Row, answer: &str) -> Result<Item, String> {
    let sentence = row.text("sentence")?;
    let (option1, option2) = (row.text("option1")?, row.text("option2")?);
    require("option1", &option1)?;
    require("option2", &option2)?;
    let n_blanks = sentence.matches('_').count();
    let (before, after) = match sentence.split_once('_') {
        Some(parts) if n_blanks == 1 => parts,
        Some(_) | None => {
            return Err(tr!(
                "`sentence` has {n_blanks} blanks `_`, not one",
                n_blanks
            ));
        }
    };
    require(tr!("sentence after the blank"), after)?;
    let gold = match answer {
        "1" => 0,
        "2" => 1,
        "" => return Err(tr!("no `answer`, and no `-labels.lst` beside the file has it").into()),
        other => return Err(tr!("answer `{}` is not 1 or 2", shorten(other))),
    };
    Ok(Item {
        id,
        task: Task::FillIn {
            before: before.to_owned(),
            options: [option1, option2],
            after: after.to_owned(),
            gold,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, sentence: &str, answer: &str) -> String {
        format!(
            r#"{{"qID": "{id}", "sentence": "{sentence}", "option1": "a", "option2": "b"{answer}}}"#
        )
    }

    fn check_bad(text: &str, expected: &str) {
        let mut loaded = Loaded::default();
        let rows = Rows::Entries(Source::held("dev.jsonl", text.as_bytes()).unwrap());
        read(rows, Split::Validation, &mut loaded).unwrap();
        assert_eq!(loaded.bad_lines.last().unwrap().reason, expected);
    }

    #[test]
    fn unusable_lines_say_why() {
        let missing = "no `answer`, and no `-labels.lst` beside the file has it";
        check_bad(&line("x", "the _ is", ""), missing);
        check_bad(&line("x", "the _ is", r#", "answer": """#), missing);
        let wrong = "answer `3` is not 1 or 2";
        check_bad(&line("x", "the _ is", r#", "answer": "3""#), wrong);
        let blanks = "`sentence` has 2 blanks `_`, not one";
        check_bad(&line("x", "the _ _ is", r#", "answer": "1""#), blanks);
        let blanks = "`sentence` has 0 blanks `_`, not one";
        check_bad(&line("x", "the is", r#", "answer": "1""#), blanks);
        let nothing = "`sentence after the blank` is empty";
        check_bad(&line("x", "the _", r#", "answer": "1""#), nothing);
        let good = line("x", "the _ is", r#", "answer": "1""#);
        check_bad(
            &format!("{good}\n{good}"),
            "qID `x` appears in an earlier line",
        );
        check_bad(
            &good.replace("option2", "other"),
            "missing field `option2`; it has `answer`, `option1`, `other`, `qID`, `sentence`",
        );
    }

    #[test]
    fn answers_are_texts_or_numbers_and_tables_are_read() {
        let check = |text: &str| {
            let mut loaded = Loaded::default();
            let rows = Rows::Entries(Source::held("dev", text.as_bytes()).unwrap());
            read(rows, Split::Validation, &mut loaded).unwrap();
            let gold = match &loaded.items[0].task {
                Task::FillIn { gold, .. } => *gold,
                other => panic!("{other:?}"),
            };
            assert_eq!(gold, 1, "{text}");
        };
        check(&line("x", "the _ is", r#", "answer": "2""#));
        check(&line("x", "the _ is", r#", "answer": 2"#));
        check("sentence,option1,option2,answer\nthe _ is,a,b,2\n");
    }

    #[test]
    fn labels_beside_the_file_fill_in_missing_answers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev.jsonl");
        let text = [line("x", "the _ is", ""), line("y", "the _ is", "")].join("\n");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("dev-labels.lst"), "2\r\n1\r\n").unwrap();
        let mut loaded = Loaded::default();
        let rows = Rows::open(&file, false).unwrap();
        read(rows, Split::Validation, &mut loaded).unwrap();
        let golds: Vec<_> = loaded
            .items
            .iter()
            .map(|item| match item.task {
                Task::FillIn { gold, .. } => gold,
                _ => panic!("{item:?}"),
            })
            .collect();
        assert_eq!(golds, [1, 0]);
    }
}
