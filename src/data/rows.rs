//! One file of a benchmark, in whichever of its formats.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::lines::{Source, read_jsonl};
use super::loaded::Loaded;
use crate::error::{Error, Result};

/// A file of a benchmark.
pub(super) enum Rows<'a> {
    /// JSON lines.
    Lines(Source<'a>),
    /// A comma-separated table without a header.
    Table(PathBuf),
    /// Parquet.
    Parquet(PathBuf),
}

impl Rows<'static> {
    /// The file at `path`, whose extension says what it is; else `is_table` does.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open(path: &Path, is_table: bool) -> Result<Self> {
        let extension = path.extension().unwrap_or_default();
        if extension == "parquet" {
            return Ok(Self::Parquet(path.to_path_buf()));
        }
        if is_table {
            return Ok(Self::Table(path.to_path_buf()));
        }
        Source::open(path).map(Self::Lines)
    }
}

impl Rows<'_> {
    /// Turns every row's number and fields into an entry; `item` says in words
    /// why it cannot.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] for a file that cannot be read; bad
    /// rows go to `loaded`.
    pub fn read<Fields: DeserializeOwned, T>(
        self,
        loaded: &mut Loaded<T>,
        mut item: impl FnMut(u64, Fields) -> Result<T, String>,
    ) -> Result<()> {
        match self {
            Self::Lines(source) => read_jsonl(source, loaded, item),
            Self::Table(path) => {
                let reason = "a table; this benchmark has JSON lines or Parquet files";
                Err(Error::input(path, "format", reason))
            }
            Self::Parquet(path) => for_each_row(&path, |row, value| {
                let fields = serde_json::from_value(value).map_err(|error| error.to_string());
                match fields.and_then(|fields| item(row, fields)) {
                    Ok(item) => loaded.items.push(item),
                    Err(reason) => loaded.reject(&path, row, reason),
                }
            }),
        }
    }
}

#[cfg(feature = "parquet")]
fn for_each_row(path: &Path, visit: impl FnMut(u64, serde_json::Value)) -> Result<()> {
    super::parquet_rows::for_each_row(path, visit)
        .map_err(|reason| Error::input(path, "Parquet", reason))
}

#[cfg(not(feature = "parquet"))]
fn for_each_row(path: &Path, _visit: impl FnMut(u64, serde_json::Value)) -> Result<()> {
    let reason = "this build reads no Parquet files; build it with --features parquet, or save \
                  the set as JSON lines (for MMLU as tables)";
    Err(Error::input(path, "Parquet", reason))
}
