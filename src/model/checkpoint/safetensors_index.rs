//! The table of tensors of a `.safetensors` file: a little-endian header
//! length of 8 bytes, a JSON header, the data. That tensors neither overlap nor
//! leave gaps, and that their sizes match their shapes, is checked by the
//! `safetensors` crate.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use serde::Deserialize;
use serde_json::Value;

use super::{Entry, Index, Place, Refusal, TensorDType, shown};
use crate::format::json_words;

/// Bytes before the header.
const LENGTH_BYTES: usize = 8;

/// The longest header that is read, in bytes. The largest public RWKV-7 takes
/// about 0.3 MB; the JSON reader needs some ten times the header's size.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// The JSON header. The format wants texts in the metadata; some programs write
/// numbers and lists, which the crate's own reader refuses.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Option<Value>,
    #[serde(flatten)]
    tensors: HashMap<String, TensorInfo>,
}

/// Reads the index of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Index, Refusal> {
    let refuse = |reason: String| Refusal::new(tr!("header"), reason);
    let n_rest = bytes.len().saturating_sub(LENGTH_BYTES);
    let n_header = bytes
        .first_chunk::<LENGTH_BYTES>()
        .map(|length| u64::from_le_bytes(*length))
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length <= n_rest)
        .ok_or_else(|| {
            refuse(tr!(
                "is longer than the file of {} bytes, so the file is truncated or damaged; \
                 download or copy it again",
                bytes.len()
            ))
        })?;
    if n_header > MAX_HEADER_BYTES {
        return Err(refuse(tr!(
            "is {n_header} bytes long; a table of tensors takes less than \
             {MAX_HEADER_BYTES}",
            n_header,
            MAX_HEADER_BYTES
        )));
    }
    let data_start = LENGTH_BYTES + n_header;
    let header: Header = serde_json::from_slice(&bytes[LENGTH_BYTES..data_start])
        .map_err(|error| refuse(not_a_header(&json_words(&error))))?;
    let mut tensors: Vec<_> = header.tensors.into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    // Compares shapes with offsets, and offsets with each other.
    let checked = Metadata::new(None, tensors).map_err(|error| refuse(reason_of(error)))?;
    if checked.data_len() != bytes.len() - data_start {
        return Err(refuse(reason_of(SafeTensorError::MetadataIncompleteBuffer)));
    }
    let mut index = Index {
        metadata: texts(header.metadata),
        ..Index::default()
    };
    for (name, info) in checked.tensors() {
        let refuse = |reason: String| Refusal::new(tr!("tensor {}", shown(&name)), reason);
        let dtype = dtype_of(info.dtype).ok_or_else(|| {
            refuse(tr!(
                "holds {} values, as quantised models do; get the f16, bf16 or f32 file",
                format_args!("{:?}", info.dtype)
            ))
        })?;
        let (from, to) = info.data_offsets;
        let range = data_start + from..data_start + to;
        // The crate has compared the ends with the file; this repeats it where
        // a mistake would reach out of the map.
        if range.start > range.end || range.end > bytes.len() {
            return Err(refuse(tr!("lies outside the file").into()));
        }
        let entry = Entry::new(dtype, info.shape.clone(), Place::InFile(range));
        index.tensors.insert(name, entry);
    }
    Ok(index)
}

/// The metadata as texts; what is no text, as JSON.
fn texts(metadata: Option<Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(entries)) = metadata else {
        return BTreeMap::new();
    };
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let entries = entries.into_iter();
    entries
        .filter_map(|(key, value)| Some((key, text(value)?)))
        .collect()
}

/// The element type, where it is one that can be read.
fn dtype_of(dtype: Dtype) -> Option<TensorDType> {
    match dtype {
        Dtype::F16 => Some(TensorDType::F16),
        Dtype::BF16 => Some(TensorDType::BF16),
        Dtype::F32 => Some(TensorDType::F32),
        Dtype::F64 => Some(TensorDType::F64),
        Dtype::I64 => Some(TensorDType::I64),
        Dtype::I32 => Some(TensorDType::I32),
        Dtype::I16 => Some(TensorDType::I16),
        Dtype::I8 => Some(TensorDType::I8),
        Dtype::U8 => Some(TensorDType::U8),
        Dtype::BOOL => Some(TensorDType::Bool),
        // The crate adds types as formats appear; all of them are quantised,
        // complex or unsigned, which no RWKV-7 checkpoint has.
        _ => None,
    }
}

fn reason_of(error: SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer => tr!(
            "does not match the file's size, so the file is truncated or damaged; \
             download or copy it again"
        )
        .into(),
        SafeTensorError::InvalidOffset(name) => tr!(
            "puts the tensor {} over another one, or leaves a gap before it; the file is \
             damaged",
            shown(&name)
        ),
        SafeTensorError::TensorInvalidInfo | SafeTensorError::ValidationOverflow => {
            tr!("gives a tensor a shape that does not match its bytes; the file is damaged").into()
        }
        other => not_a_header(&other.to_string()),
    }
}

fn not_a_header(reason: &str) -> String {
    tr!("is not that of a .safetensors file ({})", shown(reason))
}
