//! The rows of a Parquet file, which is how the Hugging Face hub serves data sets.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value, json};

/// The largest file that is read; the largest official one has 50 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// The most values of all columns together.
const MAX_UNCOMPRESSED_BYTES: i64 = 4 << 30;

/// Calls `visit` with the number, from 1, and the fields of every row as a JSON
/// object.
///
/// # Errors
/// In words, where the file is damaged or too large.
pub(super) fn for_each_row(
    path: &Path,
    mut visit: impl FnMut(u64, Value),
) -> std::result::Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let n_bytes = file.metadata().map_err(|error| error.to_string())?.len();
    if n_bytes > MAX_FILE_BYTES {
        return Err(tr!("above 1 GiB for one file of a benchmark").into());
    }
    // The reader takes some lengths of a damaged file at their word.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let reader = SerializedFileReader::new(file).map_err(reason)?;
        let groups = reader.metadata().row_groups().iter();
        let size = groups.map(|group| group.total_byte_size().max(0));
        if size.fold(0_i64, i64::saturating_add) > MAX_UNCOMPRESSED_BYTES {
            return Err(tr!("its columns claim more than 4 GiB").into());
        }
        let rows = reader.get_row_iter(None).map_err(reason)?;
        for (row, number) in rows.zip(1..) {
            visit(number, object(&row.map_err(reason)?));
        }
        Ok(())
    }));
    read.unwrap_or_else(|_| Err(tr!("a damaged Parquet file").into()))
}

fn reason(error: parquet::errors::ParquetError) -> String {
    let error = error.to_string();
    match error.contains("feature") {
        true => tr!("{error}; Snappy and no compression can be read", error),
        false => error,
    }
}

fn object(row: &Row) -> Value {
    let fields = row.get_column_iter();
    let fields: Map<String, Value> = fields
        .map(|(name, field)| (name.clone(), value(field)))
        .collect();
    Value::Object(fields)
}

/// A field as JSON; null for what no benchmark has.
fn value(field: &Field) -> Value {
    match field {
        Field::Str(text) => json!(text),
        Field::Bytes(bytes) => json!(String::from_utf8_lossy(bytes.data())),
        Field::Bool(value) => json!(value),
        Field::Byte(value) => json!(value),
        Field::Short(value) => json!(value),
        Field::Int(value) => json!(value),
        Field::Long(value) => json!(value),
        Field::UByte(value) => json!(value),
        Field::UShort(value) => json!(value),
        Field::UInt(value) => json!(value),
        Field::ULong(value) => json!(value),
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        _ => Value::Null,
    }
}
