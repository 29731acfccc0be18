//! Tables: rows of cells, with commas, semicolons or tabs between them.

use std::path::Path;

use csv::ByteRecord;

use super::lines::{Source, shorten};
use crate::error::{Error, Result};

/// The largest table that is read; the largest official one has 2 MB.
const MAX_TABLE_BYTES: u64 = 256 << 20;
/// What may stand between cells.
pub(super) const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

impl Source<'_> {
    /// The bytes of a table.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] where it is too large.
    pub(super) fn read_table(self) -> Result<Vec<u8>> {
        let what =
            tr!("tables of this size are not supported; split it, or write it as JSON lines");
        self.text.read_all(&self.file, MAX_TABLE_BYTES, what)
    }
}

/// The cells of the first row that is not blank.
pub(super) fn first_record(start: &[u8], delimiter: u8) -> ByteRecord {
    let mut first = ByteRecord::new();
    let mut reader = reader(start, delimiter);
    // What cannot be read is said when the table is.
    while let Ok(true) = reader.read_byte_record(&mut first) {
        if !is_blank(&first) {
            return first;
        }
    }
    ByteRecord::new()
}

/// Calls `visit` with the line, from 1, and the cells of every row that is not
/// blank.
///
/// # Errors
/// [`Error::Input`] for what is no table.
pub(super) fn for_each_record(
    file: &Path,
    bytes: &[u8],
    delimiter: u8,
    mut visit: impl FnMut(u64, &ByteRecord),
) -> Result<()> {
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    let mut place = LineCount { byte: 0, line: 1 };
    loop {
        let has_record = reader.read_byte_record(&mut record);
        let start = record.position().map_or(0, csv::Position::byte);
        let line = place.advance(bytes, start as usize);
        let fail = |error: csv::Error| {
            let reason = shorten(&error.to_string());
            Error::input(file, tr!("line {line}", line), reason)
        };
        if !has_record.map_err(fail)? {
            return Ok(());
        }
        if !is_blank(&record) {
            visit(line, &record);
        }
    }
}

fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes)
}

fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].trim_ascii().is_empty()
}

/// A byte of the file and the line that it stands in.
struct LineCount {
    byte: usize,
    line: u64,
}

impl LineCount {
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
