//! The table of tensors of a GGUF file of llama.cpp: a header, keys with values,
//! the tensors' names, shapes and places, padding, the data.
//!
//! Layout: ggml `docs/gguf.md`; types: `ggml/include/ggml.h` (`ggml_type`).

use std::collections::BTreeMap;
use std::ops::Range;

use super::blocks::BlockType;
use super::bytes::Bytes;
use super::layout::n_elements;
use super::{Entry, Index, Place, Refusal, TensorDType, shown};

/// The key that says which architecture the file is of.
pub(super) const ARCHITECTURE: &str = "general.architecture";
/// The key of the side of a head's state.
pub(super) const HEAD_SIZE: &str = "rwkv7.wkv.head_size";

/// The most dimensions that ggml has.
const MAX_DIMS: usize = 4;
/// The least that a tensor takes in the table: lengths, one dimension, type, place.
const MIN_TENSOR_BYTES: usize = 8 + 4 + 8 + 4 + 8;
/// The longest value that is kept, in bytes.
const MAX_KEPT: usize = 256;
/// The largest alignment that is believed.
const MAX_ALIGNMENT: u64 = 1 << 20;

/// Reads the index of `bytes`, which begin with `GGUF`.
pub(super) fn read(bytes: &[u8]) -> Result<Index, Refusal> {
    let refuse = |reason: String| Refusal::new(tr!("header"), reason);
    let mut rest = Bytes::new(bytes, 4);
    match rest.u32().map_err(refuse)? {
        2 | 3 => {}
        version if version.swap_bytes() < 1 << 16 => {
            let reason =
                tr!("is of a big-endian machine; convert the model on a little-endian one");
            return Err(refuse(reason.into()));
        }
        version => {
            let reason = tr!(
                "is of version {version} of GGUF, and 2 and 3 can be read; convert the model \
                 with a newer llama.cpp",
                version
            );
            return Err(refuse(reason));
        }
    }
    let (n_tensors, n_keys) = (rest.size().map_err(refuse)?, rest.size().map_err(refuse)?);
    if n_tensors > bytes.len() / MIN_TENSOR_BYTES {
        let reason = tr!(
            "claims {n_tensors} tensors in {} bytes; the file is truncated or damaged",
            bytes.len(),
            n_tensors
        );
        return Err(refuse(reason));
    }
    let metadata = keys(&mut rest, n_keys).map_err(|reason| Refusal::new(tr!("keys"), reason))?;
    check_keys(&metadata)?;
    let alignment = alignment(&metadata)?;
    let mut described = Vec::new();
    for _ in 0..n_tensors {
        described.push(tensor(&mut rest).map_err(|reason| Refusal::new(tr!("tensors"), reason))?);
    }
    let data_start = rest
        .at()
        .checked_next_multiple_of(alignment)
        .unwrap_or(usize::MAX);
    let mut index = Index {
        metadata,
        ..Index::default()
    };
    let mut ranges = Vec::new();
    for described in described {
        let name = described.name;
        let refuse = |reason: String| Refusal::new(tr!("tensor {}", shown(name)), reason);
        let range = described.range(bytes.len(), data_start).map_err(refuse)?;
        ranges.push(range.clone());
        let entry = Entry::new(described.dtype, described.shape, Place::InFile(range));
        if index.tensors.insert(name.to_owned(), entry).is_some() {
            return Err(refuse(tr!("occurs twice; the file is damaged").into()));
        }
    }
    ranges.sort_by_key(|range| range.start);
    if ranges.windows(2).any(|pair| pair[0].end > pair[1].start) {
        let reason = tr!("overlap; the file is damaged or forged");
        return Err(Refusal::new(tr!("tensors"), reason));
    }
    Ok(index)
}

/// The values that are numbers, truth values or short texts, as texts.
fn keys(rest: &mut Bytes<'_>, n_keys: usize) -> Result<BTreeMap<String, String>, String> {
    let mut kept = BTreeMap::new();
    for _ in 0..n_keys {
        let key = rest.text()?;
        let kind = rest.u32()?;
        if let Some(value) = value(rest, kind, key)?
            && key.len() <= MAX_KEPT
        {
            kept.insert(key.to_owned(), value);
        }
    }
    Ok(kept)
}

/// Reads a value; none where it is long or a list.
fn value(rest: &mut Bytes<'_>, kind: u32, key: &str) -> Result<Option<String>, String> {
    Ok(Some(match kind {
        0 => u8::from_le_bytes(rest.array()?).to_string(),
        1 => i8::from_le_bytes(rest.array()?).to_string(),
        2 => u16::from_le_bytes(rest.array()?).to_string(),
        3 => i16::from_le_bytes(rest.array()?).to_string(),
        4 => rest.u32()?.to_string(),
        5 => i32::from_le_bytes(rest.array()?).to_string(),
        6 => f32::from_le_bytes(rest.array()?).to_string(),
        7 => (rest.array::<1>()?[0] != 0).to_string(),
        8 => {
            let text = rest.text()?;
            return Ok((text.len() <= MAX_KEPT).then(|| text.to_owned()));
        }
        9 => {
            list(rest, key)?;
            return Ok(None);
        }
        10 => u64::from_le_bytes(rest.array()?).to_string(),
        11 => i64::from_le_bytes(rest.array()?).to_string(),
        12 => f64::from_le_bytes(rest.array()?).to_string(),
        other => return Err(unknown_kind(key, other)),
    }))
}

/// Passes over a list, such as that of the tokens, of which none is needed.
fn list(rest: &mut Bytes<'_>, key: &str) -> Result<(), String> {
    let (kind, n_items) = (rest.u32()?, rest.size()?);
    let size = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => {
            for _ in 0..n_items {
                rest.skip_text()?;
            }
            return Ok(());
        }
        other => return Err(unknown_kind(key, other)),
    };
    rest.skip(n_items.checked_mul(size))
}

fn unknown_kind(key: &str, kind: u32) -> String {
    tr!(
        "the value of {} is of the unknown kind {kind}; the file is damaged",
        shown(key),
        kind
    )
}

/// Refuses other models, and parts of one.
fn check_keys(metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let refuse = |key: &str, reason: String| Err(Refusal::new(key, reason));
    let architecture = metadata.get(ARCHITECTURE).map(String::as_str);
    let what = match architecture {
        Some("rwkv7") => None,
        Some("rwkv6") => Some(tr!("RWKV-6, which has another recurrence")),
        Some("rwkv6qwen2") => Some(tr!("RWKV-6 in place of the attention of Qwen2")),
        Some("arwkv7") => Some(tr!(
            "RWKV-7 in place of the attention of another model (ARWKV-7)"
        )),
        Some(other) => {
            let reason = tr!(
                "is {}, another architecture; Gosling runs RWKV-7 (rwkv7)",
                shown(other)
            );
            return refuse(ARCHITECTURE, reason);
        }
        None => Some(tr!("not given")),
    };
    if let Some(what) = what {
        let reason = tr!("is {what}; Gosling runs plain RWKV-7 (rwkv7)", what);
        return refuse(ARCHITECTURE, reason);
    }
    match metadata.get("split.count").map(String::as_str) {
        None | Some("0" | "1") => Ok(()),
        Some(n_parts) => refuse(
            "split.count",
            tr!(
                "the file is one of {} parts; join them with \"llama-gguf-split --merge\"",
                shown(n_parts)
            ),
        ),
    }
}

fn alignment(metadata: &BTreeMap<String, String>) -> Result<usize, Refusal> {
    const KEY: &str = "general.alignment";
    let Some(text) = metadata.get(KEY) else {
        return Ok(32);
    };
    let believed = |n: &u64| n.is_power_of_two() && *n <= MAX_ALIGNMENT;
    let alignment = text.parse().ok().filter(believed);
    alignment.map(|n| n as usize).ok_or_else(|| {
        let reason = tr!(
            "is {}, not a power of two; the file is damaged",
            shown(text)
        );
        Refusal::new(KEY, reason)
    })
}

/// What the table says of a tensor.
struct Described<'a> {
    name: &'a str,
    dtype: TensorDType,
    /// Row-major.
    shape: Vec<usize>,
    /// From the beginning of the data.
    offset: usize,
}

fn tensor<'a>(rest: &mut Bytes<'a>) -> Result<Described<'a>, String> {
    let name = rest.text()?;
    let n_dims = rest.u32()? as usize;
    if n_dims > MAX_DIMS {
        return Err(tr!(
            "{} has {n_dims} dimensions, and ggml has at most {MAX_DIMS}; the file is \
             damaged",
            shown(name),
            n_dims,
            MAX_DIMS
        ));
    }
    let mut shape = Vec::with_capacity(n_dims);
    for _ in 0..n_dims {
        shape.push(rest.size()?);
    }
    // The fastest comes first.
    shape.reverse();
    let dtype = dtype_of(rest.u32()?).map_err(|reason| format!("{} {reason}", shown(name)))?;
    let offset = rest.size()?;
    Ok(Described {
        name,
        dtype,
        shape,
        offset,
    })
}

impl Described<'_> {
    /// Where its elements are in a file of `n_file` bytes.
    fn range(&self, n_file: usize, data_start: usize) -> Result<Range<usize>, String> {
        let block = self.dtype.n_in_block();
        let row = self.shape.last().map_or(1, |n_columns| *n_columns);
        if !row.is_multiple_of(block) {
            return Err(tr!(
                "has rows of {row}, and {} is stored in blocks of {block}; the file is \
                 damaged",
                self.dtype.name(),
                row,
                block
            ));
        }
        let n_bytes = n_elements(&self.shape).and_then(|n| self.dtype.bytes_of(n));
        let n_bytes = n_bytes.ok_or_else(|| tr!("has a size that no memory can hold"))?;
        let start = data_start.checked_add(self.offset);
        let range = start.and_then(|start| Some(start..start.checked_add(n_bytes)?));
        range.filter(|range| range.end <= n_file).ok_or_else(|| {
            tr!(
                "extends past the end of the file ({n_file} bytes): the file is truncated or \
                 damaged; download or copy it again",
                n_file
            )
        })
    }
}

fn dtype_of(kind: u32) -> Result<TensorDType, String> {
    use BlockType::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    let name = match kind {
        0 => return Ok(TensorDType::F32),
        1 => return Ok(TensorDType::F16),
        28 => return Ok(TensorDType::F64),
        30 => return Ok(TensorDType::BF16),
        2 => return Ok(TensorDType::Blocks(Q4_0)),
        3 => return Ok(TensorDType::Blocks(Q4_1)),
        6 => return Ok(TensorDType::Blocks(Q5_0)),
        7 => return Ok(TensorDType::Blocks(Q5_1)),
        8 => return Ok(TensorDType::Blocks(Q8_0)),
        12 => return Ok(TensorDType::Blocks(Q4K)),
        13 => return Ok(TensorDType::Blocks(Q5K)),
        14 => return Ok(TensorDType::Blocks(Q6K)),
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24..=27 => tr!("whole numbers"),
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        other => {
            return Err(tr!(
                "has the unknown type {other}; get the model in F16, Q8_0 or Q4_K_M",
                other
            ));
        }
    };
    Err(tr!(
        "is stored as {name}, which Gosling does not read; get the model in F16, \
         Q8_0, Q6_K, Q5_K_M or Q4_K_M",
        name
    ))
}
