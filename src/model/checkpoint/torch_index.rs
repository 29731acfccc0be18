//! The table of tensors of a `torch.save` archive, and of the files that torch
//! before 1.6 wrote.

use std::collections::BTreeMap;
use std::ops::Range;

use super::bytes::Bytes;
use super::layout::{self, StridedView};
use super::{Entry, Index, Refusal, shown, zip_entries};
use crate::model::pickle::{self, PickledTensor};

/// How many times the file's size all tensors may have together. Tensors may
/// share a storage (tied embeddings do), but a small file that names one large
/// storage thousands of times would exhaust the memory of whoever converts it.
const MAX_SHARING: usize = 2;

/// How a file of torch before 1.6 begins: a pickled number.
pub(super) const OLD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9";

/// Reads the index of `bytes`, a zip archive or an older file.
pub(super) fn read(bytes: &[u8]) -> Result<Index, Refusal> {
    match bytes.starts_with(OLD) {
        true => read_old(bytes),
        false => read_archive(bytes),
    }
}

/// Behind the pickles every storage: its number of elements, and those.
fn read_old(bytes: &[u8]) -> Result<Index, Refusal> {
    let table = pickle::read_old_table(bytes).map_err(|reason| Refusal::new("pickle", reason))?;
    let mut rest = Bytes::new(bytes, table.end);
    let mut ranges = BTreeMap::new();
    for (key, dtype) in &table.storages {
        let refuse = |reason: String| Refusal::new(tr!("storage {}", shown(key)), reason);
        let n_bytes = rest.size().map(|n_elements| dtype.bytes_of(n_elements));
        let n_bytes = n_bytes.map_err(refuse)?;
        let start = rest.at();
        rest.skip(n_bytes).map_err(refuse)?;
        ranges.insert(*key, start..rest.at());
    }
    index_of(bytes, &table.tensors, &|key| ranges.get(key).cloned())
}

fn read_archive(bytes: &[u8]) -> Result<Index, Refusal> {
    let entries = zip_entries::stored_entries(bytes)
        .map_err(|reason| Refusal::new(tr!("archive"), reason))?;
    let folder = archive_folder(&entries)?;
    if let Some(order) = entries.get(format!("{folder}/byteorder").as_str())
        && &bytes[order.clone()] != b"little"
    {
        return Err(Refusal::new(
            "byteorder",
            tr!("was saved on a big-endian machine; load it there and save .safetensors"),
        ));
    }
    let pickle = &bytes[entries[format!("{folder}/data.pkl").as_str()].clone()];
    let tensors =
        pickle::read_state_dict(pickle).map_err(|reason| Refusal::new("data.pkl", reason))?;
    index_of(bytes, &tensors, &|key| {
        entries
            .get(format!("{folder}/data/{key}").as_str())
            .cloned()
    })
}

/// The tensors in their storages, of which `range_of` says where they are.
fn index_of(
    bytes: &[u8],
    tensors: &[PickledTensor<'_>],
    range_of: &dyn Fn(&str) -> Option<Range<usize>>,
) -> Result<Index, Refusal> {
    let mut index = Index::default();
    let mut budget = bytes.len();
    let mut n_shared = 0;
    for tensor in tensors {
        let refuse = |reason: String| Refusal::new(tr!("tensor {}", shown(&tensor.name)), reason);
        let entry = entry(bytes, range_of, tensor, &mut budget).map_err(refuse)?;
        n_shared += entry.n_bytes();
        if n_shared > MAX_SHARING.saturating_mul(bytes.len()) {
            return Err(refuse(
                tr!(
                    "shares its elements with so many others that they would not fit in memory; \
                     save clones"
                )
                .into(),
            ));
        }
        // As in Python, a key that is set twice keeps its last value.
        index.tensors.insert(tensor.name.to_string(), entry);
    }
    Ok(index)
}

/// The folder in the archive that holds `data.pkl`.
fn archive_folder<'a>(entries: &BTreeMap<&'a str, Range<usize>>) -> Result<&'a str, Refusal> {
    let mut folders = entries
        .keys()
        .filter_map(|name| name.strip_suffix("/data.pkl"));
    let refuse = |reason: &str| Err(Refusal::new(tr!("archive"), reason));
    match (folders.next(), folders.next()) {
        (Some(folder), None)
            if entries.contains_key(format!("{folder}/constants.pkl").as_str()) =>
        {
            refuse(tr!(
                "is a TorchScript program; torch.save its state_dict() instead"
            ))
        }
        (Some(folder), None) => Ok(folder),
        (Some(_), Some(_)) => refuse(tr!(
            "holds several data.pkl; it was not written by torch.save"
        )),
        (None, _) => refuse(tr!(
            "is a zip archive without data.pkl, so torch.save did not write it; if it \
             holds a checkpoint, unpack it"
        )),
    }
}

fn entry(
    bytes: &[u8],
    range_of: &dyn Fn(&str) -> Option<Range<usize>>,
    tensor: &PickledTensor<'_>,
    budget: &mut usize,
) -> Result<Entry, String> {
    let storage = &tensor.storage;
    let range = range_of(storage.key).ok_or_else(|| {
        tr!(
            "its data/{} is not in the archive; the file is damaged",
            shown(storage.key)
        )
    })?;
    let claimed = storage.n_elements.checked_mul(storage.dtype.n_bytes());
    if claimed != Some(range.len()) {
        return Err(tr!(
            "claims {} elements of {} in {} bytes; the file is damaged",
            storage.n_elements,
            storage.dtype.name(),
            range.len()
        ));
    }
    let view = StridedView {
        element_bytes: storage.dtype.n_bytes(),
        offset: tensor.offset,
        shape: &tensor.shape,
        strides: &tensor.strides,
    };
    let place = layout::place(bytes, range, &view, budget)?;
    Ok(Entry::new(storage.dtype, tensor.shape.clone(), place))
}
