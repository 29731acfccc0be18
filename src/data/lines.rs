//! Reading JSON lines from untrusted files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::loaded::Loaded;
use crate::error::{Error, Result};

/// The longest line that is read.
pub(super) const MAX_LINE_BYTES: u64 = 16 << 20;
/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 4 << 30;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file on disk or one that is part of the program.
pub(crate) struct Source<'a> {
    /// What messages call it.
    pub(super) file: PathBuf,
    reader: Box<dyn BufRead + 'a>,
}

impl<'a> Source<'a> {
    /// Opens a file of at most 4 GiB.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Input`] where it is too
    /// large or a folder.
    pub(crate) fn open(path: &Path) -> Result<Source<'static>> {
        let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        let metadata = file
            .metadata()
            .map_err(|source| Error::io("read", path, source))?;
        if metadata.is_dir() {
            return Err(Error::input(path, "path", "a folder; a file is needed"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(Error::input(path, "size", "above 4 GiB; split the file"));
        }
        Ok(Source {
            file: path.to_path_buf(),
            // A device or a pipe has no length of its own.
            reader: Box::new(BufReader::new(file.take(MAX_FILE_BYTES))),
        })
    }

    /// A file that is part of the program.
    pub(super) fn embedded(name: impl Into<PathBuf>, bytes: &'a [u8]) -> Self {
        Self {
            file: name.into(),
            reader: Box::new(bytes),
        }
    }

    /// Calls `visit` with the number and the text, or what is wrong with it, of
    /// every line that is not blank. Byte order mark and line ends are dropped.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] at a line above 16 MiB.
    pub(crate) fn for_each_line(
        mut self,
        mut visit: impl FnMut(&Path, u64, Result<&str, String>),
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let n_read = (&mut self.reader)
                .take(MAX_LINE_BYTES + 1)
                .read_until(b'\n', &mut bytes)
                .map_err(|source| Error::io("read", &self.file, source))?;
            if n_read == 0 {
                break;
            }
            if n_read as u64 > MAX_LINE_BYTES {
                let reason = "longer than 16 MiB; each example belongs on a line of its own";
                return Err(Error::input(&self.file, format!("line {line}"), reason));
            }
            let mut text = bytes.as_slice();
            if line == 1 {
                text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            }
            match std::str::from_utf8(text) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => visit(&self.file, line, Ok(text.trim_end_matches(['\n', '\r']))),
                Err(error) => {
                    let reason = format!("not UTF-8 text at byte {}", error.valid_up_to() + 1);
                    visit(&self.file, line, Err(reason));
                }
            }
        }
        Ok(())
    }
}

/// Reads one JSON object per line. `item` turns its number and fields into an
/// entry, or says in words why it cannot.
///
/// # Errors
/// As [`Source::for_each_line`]; bad lines go to `loaded`.
pub(super) fn read_jsonl<Fields: DeserializeOwned, T>(
    source: Source<'_>,
    loaded: &mut Loaded<T>,
    mut item: impl FnMut(u64, Fields) -> Result<T, String>,
) -> Result<()> {
    source.for_each_line(|file, line, text| {
        let parsed = text
            .and_then(|text| serde_json::from_str(text).map_err(|error| json_reason(&error)))
            .and_then(|fields| item(line, fields));
        match parsed {
            Ok(item) => loaded.items.push(item),
            Err(reason) => loaded.reject(file, line, reason),
        }
    })
}

/// What a JSON error says, without the line that it believes to be in.
fn json_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = match message.rsplit_once(" at line ") {
        Some((message, _)) => shorten(message),
        None => shorten(&message),
    };
    if error.is_data() {
        message
    } else {
        format!("not a JSON object: {message} at column {}", error.column())
    }
}

/// `text` on one line of at most 80 characters, for use in a reason.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(80)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

/// A reason where a text that has to hold something is blank.
pub(super) fn require(name: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fields {
        text: String,
    }

    fn read(bytes: &[u8]) -> Loaded<String> {
        let mut loaded = Loaded::default();
        let source = Source::embedded("set.jsonl", bytes);
        read_jsonl(source, &mut loaded, |_, fields: Fields| Ok(fields.text)).unwrap();
        loaded
    }

    fn check_bad(line: &[u8], expected: &str) {
        let loaded = read(&[b"\n{\"text\":\"good\"}\n", line, b"\n"].concat());
        assert_eq!(loaded.items, ["good"]);
        assert_eq!(loaded.n_bad_lines, 1);
        assert_eq!(
            loaded.bad_lines[0].to_string(),
            format!("set.jsonl: line 3: {expected}")
        );
    }

    #[test]
    fn bad_lines_are_listed_with_their_number() {
        check_bad(b"{}", "missing field `text`");
        check_bad(
            b"{\"text\": 1}",
            "invalid type: integer `1`, expected a string",
        );
        check_bad(
            b"{\"text\": \"a",
            "not a JSON object: EOF while parsing a string at column 11",
        );
        check_bad(b"nonsense", "not a JSON object: expected ident at column 2");
        check_bad(b"{\"text\": \"\xff\"}", "not UTF-8 text at byte 11");
        check_bad(b"3", "invalid type: integer `3`, expected struct Fields");
    }

    #[test]
    fn byte_order_mark_line_ends_and_blank_lines_do_not_matter() {
        let loaded = read(b"\xef\xbb\xbf{\"text\":\"a\"}\r\n\r\n  \n{\"text\":\"b\"}");
        assert_eq!(loaded.items, ["a", "b"]);
        assert_eq!(loaded.n_bad_lines, 0);
    }

    #[test]
    fn many_bad_lines_are_counted_but_not_all_listed() {
        let loaded = read("x\n".repeat(5_000).as_bytes());
        assert_eq!((loaded.bad_lines.len(), loaded.n_bad_lines), (1_000, 5_000));
        let message = loaded
            .check(Path::new("set.jsonl"))
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("(none of the 5000 lines can be used)"),
            "{message}"
        );
        let empty = read(b"")
            .check(Path::new("set.jsonl"))
            .unwrap_err()
            .to_string();
        assert_eq!(empty, "set.jsonl: line 1: there is nothing in it");
    }

    #[test]
    fn an_endless_line_is_refused() {
        let bytes = vec![b' '; MAX_LINE_BYTES as usize + 1];
        let source = Source::embedded("set.jsonl", &bytes);
        let message = source.for_each_line(|_, _, _| ()).unwrap_err().to_string();
        assert!(
            message.starts_with("set.jsonl: line 1: longer than 16 MiB"),
            "{message}"
        );
    }
}
