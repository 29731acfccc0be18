//! The entries of a file, in whichever form it lists them: JSON lines, a JSON
//! array, JSON objects over several lines, or a table with a header.

use std::path::Path;

use serde_json::{Map, Value};

use super::json_values::{EntryPlace, for_each_value};
use super::lines::{Source, shorten};
use super::loaded::Loaded;
use super::row::{Fault, Row};
use super::table::{DELIMITERS, first_record, for_each_record};
use crate::error::Result;
use crate::text_file::not_utf8;

/// How a file lists its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object a line.
    Lines,
    /// A JSON array.
    Array,
    /// JSON objects, each over several lines.
    Objects,
    /// A table with a header, and what stands between its cells.
    Table(u8),
}

impl Form {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => tr!("JSON lines"),
            Self::Array => tr!("a JSON array"),
            Self::Objects => tr!("JSON objects over several lines"),
            Self::Table(b'\t') => tr!("a table with tabs"),
            Self::Table(b';') => tr!("a table with semicolons"),
            Self::Table(_) => tr!("a table with commas"),
        }
    }

    /// The form of a file whose entries have some of the fields `names`.
    pub fn of(source: &Source<'_>, names: &[&str]) -> Self {
        let start = source.text.start();
        let text = start.trim_ascii_start();
        match text.first() {
            None => Self::Lines,
            Some(b'[') if is_array(text) => Self::Array,
            Some(b'{') if is_over_lines(text) => Self::Objects,
            Some(b'{') => Self::Lines,
            Some(_) => match delimiter(&source.file, start, names) {
                Some(delimiter) => Self::Table(delimiter),
                None => Self::Lines,
            },
        }
    }
}

/// Whether what begins with a bracket is a JSON array rather than words in one.
fn is_array(text: &[u8]) -> bool {
    let next = text[1..].trim_ascii_start().first();
    next.is_none_or(|byte| matches!(byte, b'{' | b'[' | b']' | b'"' | b'-' | b'0'..=b'9'))
}

/// Whether an object continues after its first line: that ends outside of a
/// string, in what must be followed by something.
fn is_over_lines(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    let line = text[..end].trim_ascii_end();
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ => {}
        }
    }
    !is_in_string && matches!(line.last(), Some(b'{' | b'[' | b',' | b':'))
}

/// What stands between the cells of a table, which is known by a header with one
/// of `names`, or by the name of its file.
fn delimiter(file: &Path, start: &[u8], names: &[&str]) -> Option<u8> {
    let n_known = |delimiter: &u8| {
        let cells = first_record(start, *delimiter);
        let known = cells.iter().filter(|cell| {
            let cell = std::str::from_utf8(cell).unwrap_or_default();
            names.contains(&cell.trim())
        });
        (known.count(), cells.len())
    };
    let best = DELIMITERS.into_iter().rev().max_by_key(n_known)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let is_named = name.ends_with(".csv") || name.ends_with(".tsv");
    (n_known(&best).0 > 0 || is_named).then_some(best)
}

/// Reads the entries of a file that have some of the fields `names`. `item` turns
/// the number and the fields of one into an item, or says in words why it cannot.
///
/// # Errors
/// As those of [`Source`]; bad entries go to `loaded`.
pub(super) fn read_entries<T>(
    source: Source<'_>,
    names: &[&str],
    loaded: &mut Loaded<T>,
    mut item: impl FnMut(u64, Row) -> Result<T, String>,
) -> Result<()> {
    let (mut n_half_pairs, mut first_half_pair) = (0_usize, None);
    for_each_row(source, names, |file, place, row| {
        let made = row.and_then(|row| {
            let has_half_pairs = row.has_half_pairs;
            let item = item(place.number, row)?;
            if has_half_pairs {
                n_half_pairs += 1;
                first_half_pair.get_or_insert_with(|| (file.to_path_buf(), place.line));
            }
            Ok(item)
        });
        match made {
            Ok(item) => loaded.items.push(item),
            Err(reason) if place.is_entry => {
                let reason = tr!("entry {}: {reason}", place.number, reason);
                loaded.reject(file, place.line, reason);
            }
            Err(reason) => loaded.reject(file, place.line, reason),
        }
    })?;
    if let Some((file, line)) = first_half_pair {
        loaded.notes.push(tr!(
            "{n_half_pairs} entries have half of a surrogate pair (as in \"\\ud83d\"), \
             which is read as U+FFFD, the first in {}: line {line}",
            file.display(),
            n_half_pairs,
            line
        ));
    }
    Ok(())
}

/// Calls `visit` with the place and the fields, or what is wrong, of every entry.
///
/// # Errors
/// As those of [`Source`].
pub(super) fn for_each_row(
    source: Source<'_>,
    names: &[&str],
    mut visit: impl FnMut(&Path, EntryPlace, Result<Row, String>),
) -> Result<()> {
    match Form::of(&source, names) {
        Form::Lines => source.for_each_line(|file, line, text| {
            let place = EntryPlace {
                number: line,
                line,
                is_entry: false,
            };
            let row = text.and_then(|text| Row::parse(text).map_err(|fault| fault.reason));
            visit(file, place, row);
        }),
        Form::Array | Form::Objects => for_each_value(source, |file, mut place, text| {
            let row = text.and_then(|text| {
                Row::parse(text).map_err(|Fault { reason, line }| {
                    place.line += line - 1;
                    reason
                })
            });
            visit(file, place, row);
        }),
        Form::Table(delimiter) => for_each_named_record(source, delimiter, visit),
    }
}

/// The rows of a table whose first row names the columns.
fn for_each_named_record(
    source: Source<'_>,
    delimiter: u8,
    mut visit: impl FnMut(&Path, EntryPlace, Result<Row, String>),
) -> Result<()> {
    let file = source.file.clone();
    let bytes = source.read_table()?;
    let mut header: Option<Vec<String>> = None;
    let mut number = 0;
    for_each_record(&file, &bytes, delimiter, |line, record| {
        let Some(header) = &header else {
            let cells = record.iter().map(String::from_utf8_lossy);
            header = Some(cells.map(|cell| cell.trim().to_owned()).collect());
            return;
        };
        number += 1;
        let place = EntryPlace {
            number,
            line,
            is_entry: false,
        };
        visit(&file, place, named(header, record));
    })
}

fn named(header: &[String], record: &csv::ByteRecord) -> Result<Row, String> {
    if record.len() != header.len() {
        let (n_cells, n_columns) = (record.len(), header.len());
        return Err(tr!(
            "{n_cells} cells, where the header names {n_columns} columns; put quotes \
             around a cell that has commas or line breaks",
            n_cells,
            n_columns
        ));
    }
    let mut fields = Map::new();
    for (name, cell) in header.iter().zip(record) {
        let text = std::str::from_utf8(cell).map_err(|error| {
            let reason = not_utf8(cell, error.valid_up_to());
            tr!("`{}` is {reason}", shorten(name), reason)
        })?;
        fields.insert(name.clone(), Value::String(text.to_owned()));
    }
    Ok(Row::of(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["text", "note"];

    fn read_as(name: &str, bytes: &[u8]) -> Loaded<(u64, String)> {
        let mut loaded = Loaded::default();
        let source = Source::held(name, bytes).unwrap();
        read_entries(source, &NAMES, &mut loaded, |number, mut row| {
            Ok((number, row.text("text")?))
        })
        .unwrap();
        loaded
    }

    fn check(name: &str, bytes: &[u8], form: Form, expected: &[(u64, &str)]) {
        let source = Source::held(name, bytes).unwrap();
        assert_eq!(Form::of(&source, &NAMES), form);
        let loaded = read_as(name, bytes);
        assert_eq!(loaded.bad_lines, []);
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, s)| (*n, (*s).to_owned()))
            .collect();
        assert_eq!(loaded.items, expected);
    }

    #[test]
    fn entries_are_read_from_every_form() {
        let lines = b"\xef\xbb\xbf{\"text\":\"a\"}\r\n\r\n{\"text\":\"b\"}";
        check("a", lines, Form::Lines, &[(1, "a"), (3, "b")]);
        let one_line = br#"[{"text": "a"}, {"text": "b"}]"#;
        check("a", one_line, Form::Array, &[(1, "a"), (2, "b")]);
        let array = b"[\n  {\"text\": \"a\"},\n  {\n    \"text\": \"b\"\n  }\n]\n";
        check("a", array, Form::Array, &[(1, "a"), (2, "b")]);
        let pretty = b"{\n  \"text\": \"a\"\n}\n{\n  \"text\": \"b\"\n}\n";
        check("a", pretty, Form::Objects, &[(1, "a"), (2, "b")]);
        let one = b"{\"text\": \"a\"}";
        check("a", one, Form::Lines, &[(1, "a")]);
        let table = b"text,note\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\nd,2\r\n";
        check(
            "a",
            table,
            Form::Table(b','),
            &[(1, "a, \"b\"\nc"), (2, "d")],
        );
        check(
            "a",
            b"note\ttext\n1\ta,b\n",
            Form::Table(b'\t'),
            &[(1, "a,b")],
        );
        check("a", b"note;text\n1;a\n", Form::Table(b';'), &[(1, "a")]);
        check("a", b"text\nx\n", Form::Table(b','), &[(1, "x")]);
    }

    fn check_bad(name: &str, bytes: &[u8], expected: &str) {
        let loaded = read_as(name, bytes);
        let said = loaded.bad_lines.first().map(ToString::to_string);
        assert_eq!(said.unwrap_or_default(), format!("{name}: {expected}"));
    }

    #[test]
    fn bad_entries_are_told_with_their_place() {
        check_bad(
            "a",
            b"\n{}",
            "line 2: missing field `text`; it has no fields",
        );
        check_bad(
            "a",
            b"{\"text\": 1}",
            "line 1: `text` is a number, not a text",
        );
        check_bad(
            "a",
            b"[\"x\", \"y\"]",
            "line 1: entry 1: a text, where a JSON object is needed",
        );
        check_bad(
            "a",
            b"[[\"x\", \"y\"]]",
            "line 1: entry 1: a list, where a JSON object is needed",
        );
        check_bad(
            "a",
            b"{\"text\":\"a\"}\n[\"x\"]",
            "line 2: a list, where a JSON object is needed",
        );
        check_bad(
            "a",
            b"[{\"text\": \"a\"},\n{\"txt\":\n\"b\"}]",
            "line 2: entry 2: missing field `text`; it has `txt`",
        );
        check_bad(
            "a",
            b"{\n\"text\": \"a\",\n\"note\" 1}",
            "line 3: entry 1: not a JSON object: expected `:` at column 8",
        );
        check_bad(
            "a",
            b"{\"text\": \"a\"\n{\"text\": \"b\"}",
            "line 1: not a JSON object: EOF while parsing an object at column 12",
        );
        check_bad(
            "a.csv",
            b"question,answer\n1,2\n",
            "line 2: missing field `text`; it has `answer`, `question`",
        );
        check_bad(
            "a",
            b"text,note\na,b,c\n",
            "line 2: 3 cells, where the header names 2 columns; put quotes around a cell that has \
             commas or line breaks",
        );
        check_bad(
            "a",
            b"text,note\n\xff,b\n",
            "line 2: `text` is not UTF-8 text at byte 1; save the file as UTF-8",
        );
    }

    #[test]
    fn halves_of_pairs_are_told() {
        let loaded = read_as("a", b"{\"text\":\"x\"}\n{\"text\":\"\\ud83d\"}\n");
        assert_eq!(loaded.items[1].1, "\u{fffd}");
        let note = "1 entries have half of a surrogate pair (as in \"\\ud83d\"), which is read as \
                    U+FFFD, the first in a: line 2";
        assert_eq!(loaded.notes, [note]);
    }

    #[test]
    fn many_bad_lines_are_counted_but_not_all_listed() {
        let loaded = read_as("set.jsonl", "x\n".repeat(5_000).as_bytes());
        assert_eq!((loaded.bad_lines.len(), loaded.n_bad_lines), (1_000, 5_000));
        let message = loaded
            .check(Path::new("set.jsonl"))
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("(none of the 5000 lines can be used)"),
            "{message}"
        );
        let empty = read_as("set.jsonl", b"")
            .check(Path::new("set.jsonl"))
            .unwrap_err()
            .to_string();
        assert_eq!(empty, "set.jsonl: line 1: there is nothing in it");
    }
}
