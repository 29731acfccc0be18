//! MMLU: per split a folder of tables `<subject>_<split>.csv` without a header,
//! columns question, A, B, C, D, letter of the right one
//! (github.com/hendrycks/test); on the Hugging Face hub rows of question, subject,
//! choices and the number of the right one.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use serde::Deserialize;

use super::benchmark::Split;
use super::item::{Item, Task};
use super::lines::{require, shorten};
use super::loaded::Loaded;
use super::rows::Rows;
use crate::error::{Error, Result};

/// The largest table that is read; the largest official one has 2 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The words that end the names of tables, after an underscore.
const NAME_ENDS: [&str; 5] = ["train", "val", "validation", "test", "dev"];

/// The names that the folder of a split goes by, best first.
pub(super) fn folders(split: Split) -> &'static [&'static str] {
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
pub(super) fn tables_of(path: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let found = names
        .iter()
        .map(|name| path.join(name))
        .find(|f| f.is_dir());
    tables(found.as_deref().unwrap_or(path))
}

/// Reads a table, or a Parquet file of all subjects.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for a file that is neither.
pub(super) fn read_rows(rows: Rows<'_>, loaded: &mut Loaded<Item>) -> Result<()> {
    match rows {
        Rows::Table(path) => read_file(&path, loaded),
        Rows::Lines(_) | Rows::Parquet(_) => {
            let mut n_rows: HashMap<String, usize> = HashMap::new();
            rows.read(loaded, |_, fields: HubFields| {
                let row = n_rows.entry(fields.subject.clone()).or_default();
                *row += 1;
                hub_item(fields, *row)
            })
        }
    }
}

/// A row as the Hugging Face hub has it.
#[derive(Deserialize)]
struct HubFields {
    question: String,
    subject: String,
    choices: Vec<String>,
    answer: usize,
}

/// The item of the subject's row `row`, from 1, called as in the tables.
fn hub_item(fields: HubFields, row: usize) -> Result<Item, String> {
    let HubFields {
        question,
        subject,
        choices,
        answer,
    } = fields;
    require("question", &question)?;
    require("subject", &subject)?;
    let n_choices = choices.len();
    let options = <[String; 4]>::try_from(choices)
        .map_err(|_| format!("{n_choices} choices; a question has four"))?;
    for (option, name) in options.iter().zip(["A", "B", "C", "D"]) {
        require(name, option)?;
    }
    if answer >= options.len() {
        return Err(format!("answer {answer} is not 0, 1, 2 or 3"));
    }
    Ok(Item {
        id: format!("{subject}/{row}"),
        task: Task::ChooseLetter {
            subject,
            question,
            options,
            gold: answer,
        },
    })
}

/// The tables in a folder, sorted by name.
fn tables(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| Error::io("list", folder, source);
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            tables.push(path);
        }
    }
    tables.sort();
    Ok(tables)
}

fn read_file(path: &Path, loaded: &mut Loaded<Item>) -> Result<()> {
    let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::io("read", path, source))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::input(path, "size", "above 256 MiB for one subject"));
    }
    read(path, &bytes, loaded)
}

/// Reads one table; its items are called `subject/row`.
pub(super) fn read(path: &Path, bytes: &[u8], loaded: &mut Loaded<Item>) -> Result<()> {
    let subject = subject_of(path);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut row = 0;
    let mut place = Place { byte: 0, line: 1 };
    loop {
        let has_record = reader.read_byte_record(&mut record);
        let start = record.position().map_or(0, csv::Position::byte);
        let line = place.advance(bytes, start as usize);
        let fail = |error: csv::Error| {
            let reason = shorten(&error.to_string());
            Error::input(path, format!("line {line}"), reason)
        };
        if !has_record.map_err(fail)? {
            return Ok(());
        }
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue;
        }
        row += 1;
        match task(&subject, &record) {
            Ok(task) => loaded.items.push(Item {
                id: format!("{subject}/{row}"),
                task,
            }),
            Err(reason) => loaded.reject(path, line, reason),
        }
    }
}

/// A byte of the file and the line that it stands in.
struct Place {
    byte: usize,
    line: u64,
}

impl Place {
    /// The line of the first row that starts at `start` or after line ends from
    /// there. The reader's own count is one short after `\r\n`, which it takes
    /// for the end of a row at `\r`.
    fn advance(&mut self, bytes: &[u8], start: usize) -> u64 {
        let is_before = |(idx, byte): &(usize, &u8)| *idx < start || matches!(byte, b'\r' | b'\n');
        for (idx, byte) in bytes
            .iter()
            .enumerate()
            .skip(self.byte)
            .take_while(is_before)
        {
            self.byte = idx + 1;
            self.line += u64::from(*byte == b'\n');
        }
        self.line
    }
}

/// `high_school_biology` of `high_school_biology_test.csv`.
fn subject_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match stem.rsplit_once('_') {
        Some((subject, end)) if NAME_ENDS.contains(&end) => subject.to_owned(),
        Some(_) | None => stem.into_owned(),
    }
}

fn task(subject: &str, record: &ByteRecord) -> Result<Task, String> {
    const NAMES: [&str; 6] = ["question", "A", "B", "C", "D", "answer"];
    if record.len() != NAMES.len() {
        let n_columns = record.len();
        return Err(format!(
            "{n_columns} columns; a row has question, A, B, C, D and answer"
        ));
    }
    let mut fields = Vec::with_capacity(NAMES.len());
    for (name, field) in NAMES.iter().zip(record) {
        let field = std::str::from_utf8(field).map_err(|_| format!("`{name}` is not UTF-8"))?;
        require(name, field)?;
        fields.push(field.to_owned());
    }
    let [question, a, b, c, d, answer] =
        <[String; 6]>::try_from(fields).map_err(|_| "a row has six columns")?;
    let gold = match answer.trim() {
        "A" => 0,
        "B" => 1,
        "C" => 2,
        "D" => 3,
        other => return Err(format!("answer `{}` is not A, B, C or D", shorten(other))),
    };
    Ok(Task::ChooseLetter {
        subject: subject.to_owned(),
        question,
        options: [a, b, c, d],
        gold,
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines::Source;
    use super::*;

    fn load(text: &[u8]) -> Loaded<Item> {
        let mut loaded = Loaded::default();
        read(Path::new("high_school_biology_test.csv"), text, &mut loaded).unwrap();
        loaded
    }

    fn check_bad(row: &[u8], expected: &str) {
        let text = [b"\xef\xbb\xbf\"q\n2\",a,b,c,d,B\r\n", row, b"\n"].concat();
        let loaded = load(&text);
        assert_eq!(loaded.items.len(), 1);
        assert_eq!(loaded.bad_lines[0].line, 3);
        assert_eq!(loaded.bad_lines[0].reason, expected);
    }

    #[test]
    fn rows_keep_quotes_and_line_breaks() {
        let loaded = load(b"\"say \"\"hi\"\"\n\",\" a\",b,c,\"1,000\",D\n");
        let item = &loaded.items[0];
        assert_eq!(item.id, "high_school_biology/1");
        assert_eq!(item.subject(), Some("high_school_biology"));
        let expected = Task::ChooseLetter {
            subject: "high_school_biology".into(),
            question: "say \"hi\"\n".into(),
            options: [" a".into(), "b".into(), "c".into(), "1,000".into()],
            gold: 3,
        };
        assert_eq!(item.task, expected);
    }

    #[test]
    fn unusable_rows_say_why() {
        let columns = "5 columns; a row has question, A, B, C, D and answer";
        check_bad(b"q,a,b,c,D", columns);
        check_bad(b"q,a,b,c,d,E", "answer `E` is not A, B, C or D");
        check_bad(b"q,a,,c,d,A", "`B` is empty");
        check_bad(b"q,a,\xff,c,d,A", "`B` is not UTF-8");
        check_bad(b" ,a,b,c,d,A", "`question` is empty");
    }

    fn check_hub(row: &str, expected: Result<&str, &str>) {
        let mut loaded = Loaded::default();
        let text = format!("{row}\n{row}\n");
        let rows = Rows::Lines(Source::embedded("test.jsonl", text.as_bytes()));
        read_rows(rows, &mut loaded).unwrap();
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
        let reason = "answer 4 is not 0, 1, 2 or 3";
        check_hub(&change("3", "4"), Err(reason));
        check_hub(
            &change(", \"d\"", ""),
            Err("3 choices; a question has four"),
        );
        check_hub(&change("\"b\"", "\"\""), Err("`B` is empty"));
        check_hub(
            &change("choices", "options"),
            Err("missing field `choices`"),
        );
        check_hub(&change("anatomy", " "), Err("`subject` is empty"));
    }

    #[test]
    fn subjects_come_from_names_with_and_without_a_split() {
        assert_eq!(subject_of(Path::new("x/anatomy_dev.csv")), "anatomy");
        assert_eq!(subject_of(Path::new("arc_easy.csv")), "arc_easy");
    }
}
