//! One file of a benchmark, in whichever of its formats.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::entries::{Form, read_entries};
use super::lines::Source;
use super::loaded::Loaded;
use super::row::{Row, kind};
use crate::error::{Error, Result};
use crate::text_file::{Kind, kind_of};

/// A file of a benchmark.
pub(super) enum Rows<'a> {
    /// JSON, or a table with a header.
    Entries(Source<'a>),
    /// A table of MMLU, with a header or without.
    Table(Source<'a>),
    /// Parquet.
    Parquet(PathBuf),
}

impl Rows<'static> {
    /// The file at `path`. Its first bytes say what it is; text that is no JSON
    /// is a table where `is_table`.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(path: &Path, is_table: bool) -> Result<Self> {
        let is_parquet = path.extension().is_some_and(|it| it == "parquet");
        if is_parquet || kind_of(path)? == Kind::Parquet {
            return Ok(Self::Parquet(path.to_path_buf()));
        }
        Ok(Self::of(Source::open(path)?, is_table))
    }
}

impl<'a> Rows<'a> {
    /// As [`Self::open`], of a text that is open.
    pub fn of(source: Source<'a>, is_table: bool) -> Self {
        match (is_table, Form::of(&source, &[])) {
            (true, Form::Table(_)) => Self::Table(source),
            // A line of a table may begin as anything, but an object has names.
            (true, Form::Lines | Form::Array | Form::Objects) if !is_json(&source) => {
                Self::Table(source)
            }
            _ => Self::Entries(source),
        }
    }

    /// Turns the number and the fields of every entry into an item; `item` says in
    /// words why it cannot. The entries have some of the fields `names`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] for a file that cannot be read; bad
    /// entries go to `loaded`.
    pub fn read<T>(
        self,
        names: &[&str],
        loaded: &mut Loaded<T>,
        mut item: impl FnMut(u64, Row) -> Result<T, String>,
    ) -> Result<()> {
        match self {
            Self::Entries(source) | Self::Table(source) => {
                read_entries(source, names, loaded, item)
            }
            Self::Parquet(path) => for_each_row(&path, |number, value| {
                let row = match value {
                    Value::Object(fields) => Ok(Row::of(fields)),
                    other => Err(tr!("{}, not a row", kind(&other))),
                };
                match row.and_then(|row| item(number, row)) {
                    Ok(item) => loaded.items.push(item),
                    Err(reason) => loaded.reject(&path, number, reason),
                }
            }),
        }
    }
}

/// Whether a text is JSON objects, in lines or in an array.
fn is_json(source: &Source<'_>) -> bool {
    let text = source.text.start().trim_ascii_start();
    let text = match text.strip_prefix(b"[") {
        Some(rest) => rest.trim_ascii_start(),
        None => text,
    };
    let inner = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inner.is_some_and(|inner| inner.starts_with(b"\""))
}

#[cfg(feature = "parquet")]
fn for_each_row(path: &Path, visit: impl FnMut(u64, Value)) -> Result<()> {
    super::parquet_rows::for_each_row(path, visit)
        .map_err(|reason| Error::input(path, "Parquet", reason))
}

#[cfg(not(feature = "parquet"))]
fn for_each_row(path: &Path, _visit: impl FnMut(u64, Value)) -> Result<()> {
    let reason = tr!(
        "this build cannot read Parquet files; build it with --features parquet, or \
         write the rows as JSON lines (in Python: \
         pandas.read_parquet(\"OLD\").to_json(\"NEW.jsonl\", orient=\"records\", \
         lines=True))"
    );
    Err(Error::input(path, "Parquet", reason))
}
