//! Files of JSON lines that are only ever added to, each line before what follows from
//! it is used, so that a process that is killed loses nothing but its last line.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::format::json_words;

/// The most that is read of a file of lines.
const MAX_BYTES: u64 = 1 << 30;

/// The entries of a file of JSON lines; none where there is no file. A last line
/// that was cut off is left out.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] with the line that is no such entry.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let fail = |source| Error::io("read", path, source);
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.len() > MAX_BYTES {
        return Err(Error::input(path, tr!("file"), tr!("is larger than 1 GiB")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    let is_whole = bytes.last().is_none_or(|last| *last == b'\n');
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let mut entries = Vec::with_capacity(lines.len());
    for (idx, line) in lines.iter().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(entry) => entries.push(entry),
            Err(_) if idx + 1 == lines.len() && !is_whole => {}
            Err(error) => {
                return Err(Error::input(
                    path,
                    tr!("line {}", idx + 1),
                    json_words(&error),
                ));
            }
        }
    }
    Ok(entries)
}

/// Adds a line and waits until it is on the disk. What was cut off before it is
/// taken away.
///
/// # Errors
/// As [`add_lines`].
pub fn add_line<T: Serialize>(path: &Path, entry: &T) -> Result<()> {
    add_lines(path, std::slice::from_ref(entry))
}

/// As one line, several.
///
/// # Errors
/// [`Error::Io`].
pub fn add_lines<T: Serialize>(path: &Path, entries: &[T]) -> Result<()> {
    let fail = |source| Error::io("write", path, source);
    let mut lines = String::new();
    for entry in entries {
        let line = serde_json::to_string(entry)
            .map_err(|error| Error::input(path, tr!("entry"), error.to_string()))?;
        lines += &line;
        lines.push('\n');
    }
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    let mut file = options.open(path).map_err(fail)?;
    let end = end_of_lines(&mut file).map_err(fail)?;
    file.set_len(end).map_err(fail)?;
    file.seek(SeekFrom::Start(end)).map_err(fail)?;
    file.write_all(lines.as_bytes()).map_err(fail)?;
    file.sync_data().map_err(fail)
}

/// Where the last whole line ends.
fn end_of_lines(file: &mut File) -> std::io::Result<u64> {
    const PART: u64 = 4096;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(PART);
        let mut bytes = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_left_out_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        for n in 0..3_u32 {
            add_line(&path, &n).unwrap();
        }
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(&[b'7'; 10_000])
            .unwrap();
        let cut: Result<Vec<u32>> = read_lines(&path);
        assert_eq!(cut.unwrap(), [0, 1, 2]);
        add_line(&path, &9_u32).unwrap();
        assert_eq!(read_lines::<u32>(&path).unwrap(), [0, 1, 2, 9]);
        fs::write(&path, "1\nx\n2\n").unwrap();
        let error = read_lines::<u32>(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(
            read_lines::<u32>(&folder.path().join("none"))
                .unwrap()
                .is_empty()
        );
    }
}
