//! The table of tensors of an rwkv.cpp file: six numbers, and then each tensor
//! with its name, shape and elements, up to the end.
//!
//! Layout: rwkv.cpp `docs/FILE_FORMAT.md`.

use std::collections::BTreeMap;

use super::blocks::BlockType;
use super::bytes::Bytes;
use super::layout::n_elements;
use super::{Entry, Index, Place, Refusal, TensorDType, shown};

/// Quantised elements are as they are now from this version on.
const VERSION: u32 = 101;
const OLD_VERSION: u32 = 100;
/// The most dimensions that ggml has.
const MAX_DIMS: u32 = 4;
/// The longest name that is believed, in bytes.
const MAX_NAME: u32 = 1024;

/// Reads the index of `bytes`, which begin with `fmgg`.
pub(super) fn read(bytes: &[u8]) -> Result<Index, Refusal> {
    let refuse = |reason: String| Refusal::new(tr!("header"), reason);
    let mut rest = Bytes::new(bytes, 4);
    let mut number = || rest.u32().map_err(refuse);
    let version = number()?;
    if version != VERSION && version != OLD_VERSION {
        return Err(refuse(tr!(
            "is of version {version} of the format of rwkv.cpp, and {OLD_VERSION} and \
             {VERSION} can be read; convert the model again",
            version,
            OLD_VERSION,
            VERSION
        )));
    }
    let names = ["n_vocab", "n_embed", "n_layer"];
    let mut metadata = BTreeMap::new();
    for name in names {
        metadata.insert(name.to_owned(), number()?.to_string());
    }
    number()?;
    let mut index = Index {
        metadata,
        ..Index::default()
    };
    while !rest.is_at_end() {
        let place = tr!("tensor at byte {}", rest.at());
        let (name, entry) =
            tensor(&mut rest, version).map_err(|reason| Refusal::new(place, reason))?;
        if index.tensors.insert(name.to_owned(), entry).is_some() {
            let reason = tr!("occurs twice; the file is damaged");
            return Err(Refusal::new(tr!("tensor {}", shown(name)), reason));
        }
    }
    Ok(index)
}

fn tensor<'a>(rest: &mut Bytes<'a>, version: u32) -> Result<(&'a str, Entry), String> {
    let mut number = || rest.u32();
    let (n_dims, name_len, kind) = (number()?, number()?, number()?);
    if n_dims > MAX_DIMS || name_len > MAX_NAME {
        return Err(tr!(
            "claims {n_dims} dimensions and a name of {name_len} bytes; the file is \
             damaged",
            n_dims,
            name_len
        ));
    }
    let mut shape = Vec::with_capacity(n_dims as usize);
    for _ in 0..n_dims {
        shape.push(number()? as usize);
    }
    // The fastest comes first.
    shape.reverse();
    let name = rest.text_of(name_len as usize)?;
    let dtype = dtype_of(kind, version).map_err(|reason| format!("{} {reason}", shown(name)))?;
    let row = shape.last().map_or(1, |n_columns| *n_columns);
    let n_bytes = n_elements(&shape).and_then(|n| dtype.bytes_of(n));
    let n_bytes = n_bytes.filter(|_| row.is_multiple_of(dtype.n_in_block()));
    let n_bytes = n_bytes.ok_or_else(|| {
        tr!(
            "{} of {shape} in {} has no size; the file is damaged",
            shown(name),
            dtype.name(),
            shape = format_args!("{shape:?}")
        )
    })?;
    let start = rest.at();
    rest.skip(Some(n_bytes))
        .map_err(|reason| format!("{}: {reason}", shown(name)))?;
    let place = Place::InFile(start..start + n_bytes);
    Ok((name, Entry::new(dtype, shape, place)))
}

fn dtype_of(kind: u32, version: u32) -> Result<TensorDType, String> {
    let block = match kind {
        0 => return Ok(TensorDType::F32),
        1 => return Ok(TensorDType::F16),
        2 => BlockType::Q4_0,
        3 => BlockType::Q4_1,
        7 => BlockType::Q5_0,
        8 => BlockType::Q5_1,
        9 => BlockType::Q8_0,
        other => {
            return Err(tr!(
                "has the unknown type {other}; convert the model to FP16",
                other
            ));
        }
    };
    if version == OLD_VERSION {
        return Err(tr!(
            "is {} of version {OLD_VERSION}, which stores blocks differently; convert \
             the model again",
            block.name(),
            OLD_VERSION
        ));
    }
    Ok(TensorDType::Blocks(block))
}
