//! Tokens as RWKV's trainers read them: a `.bin` of token ids and a `.idx` that
//! says where each document lies (Megatron's indexed data set, as in RWKV-LM and
//! RWKV-PEFT).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::example::Example;
use super::loaded::Loaded;
use super::tokens::TokenStore;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"MMIDIDX\0\0";
/// Magic, version, element type, and the numbers of items and of documents.
const HEADER_BYTES: usize = 9 + 8 + 1 + 8 + 8;
/// The largest index; an item takes 12 bytes.
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// Whether a path is one of the two files, the other beside it.
pub(super) fn is_binidx(path: &Path) -> bool {
    let is_named = path
        .extension()
        .is_some_and(|it| it == "bin" || it == "idx");
    let mut start = [0; MAGIC.len()];
    is_named
        && path.with_extension("bin").is_file()
        && File::open(path.with_extension("idx"))
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok_and(|()| start == MAGIC)
}

/// Reads the documents of both files; each is a text that is learnt whole.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for files that do not belong together and
/// tokens that a vocabulary of `n_ids` does not have.
pub(super) fn load_binidx(
    path: &Path,
    n_ids: usize,
    store: &mut TokenStore,
) -> Result<Loaded<Example>> {
    let open = |ending: &str| -> Result<(PathBuf, File)> {
        let path = path.with_extension(ending);
        let file = File::open(&path).map_err(|source| Error::io("open", &path, source))?;
        Ok((path, file))
    };
    let (index_path, file) = open("idx")?;
    let mut index = Vec::new();
    file.take(MAX_INDEX_BYTES + 1)
        .read_to_end(&mut index)
        .map_err(|source| Error::io("read", &index_path, source))?;
    if index.len() as u64 > MAX_INDEX_BYTES {
        let reason = tr!("above {} MiB; split the data set", MAX_INDEX_BYTES >> 20);
        return Err(Error::input(&index_path, tr!("size"), reason));
    }
    let (tokens_path, file) = open("bin")?;
    let fail = |source| Error::io("read", &tokens_path, source);
    let is_empty = file.metadata().map_err(fail)?.len() == 0;
    let items = if is_empty {
        // Nothing cannot be mapped.
        read_documents(&index, &[], n_ids, store)
    } else {
        // SAFETY: as for checkpoints, whoever cuts the file off while it is read ends
        // the program, and nothing else.
        let tokens = unsafe { Mmap::map(&file) }.map_err(fail)?;
        read_documents(&index, &tokens, n_ids, store)
    };
    let items = items.map_err(|reason| Error::input(&index_path, tr!("content"), reason))?;
    Ok(Loaded {
        items,
        ..Loaded::default()
    })
}

/// The documents in `index` and `tokens`.
///
/// # Errors
/// What is wrong, in words.
fn read_documents(
    index: &[u8],
    tokens: &[u8],
    n_ids: usize,
    store: &mut TokenStore,
) -> std::result::Result<Vec<Example>, String> {
    let number = |at: usize| -> Option<u64> {
        let bytes = index.get(at..at + 8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    };
    if !index.starts_with(MAGIC) {
        return Err(tr!("is not an index of tokens (binidx)").into());
    }
    if number(9) != Some(1) {
        return Err(tr!("has a version other than 1").into());
    }
    let width = match index.get(17) {
        Some(8) => 2,
        Some(4) => 4,
        _ => return Err(tr!("has tokens that are neither uint16 nor int32").into()),
    };
    let counts = number(18).zip(number(26));
    let n_items = counts.and_then(|(n_items, n_documents)| {
        let n_bytes = n_items.checked_mul(12)?;
        let n_bytes = n_bytes.checked_add(n_documents.checked_mul(8)?)?;
        let expected = n_bytes.checked_add(HEADER_BYTES as u64)?;
        (expected == index.len() as u64).then_some(n_items as usize)
    });
    let Some(n_items) = n_items else {
        return Err(tr!(
            "does not have the length that its header states; it is cut off or damaged"
        )
        .into());
    };
    let (sizes, rest) = index[HEADER_BYTES..].split_at(n_items * 4);
    let mut n_left = tokens.len() / width;
    let mut examples = Vec::with_capacity(n_items);
    let starts = rest[..n_items * 8].chunks_exact(8);
    for (item, (size, start)) in sizes.chunks_exact(4).zip(starts).enumerate() {
        let fail = |reason: &str| tr!("item {}: {reason}", item + 1, reason);
        // The chunks have the lengths that are asked for.
        let size = i32::from_le_bytes(size.try_into().unwrap_or_default());
        let start = i64::from_le_bytes(start.try_into().unwrap_or_default());
        let place = usize::try_from(size).ok().zip(usize::try_from(start).ok());
        let bytes = place.and_then(|(size, start)| {
            let end = size.checked_mul(width)?.checked_add(start)?;
            tokens.get(start..end)
        });
        let Some(bytes) = bytes else {
            return Err(fail(tr!(
                "lies outside of the .bin; the two files do not belong together"
            )));
        };
        // Items that lie over each other would take any memory.
        n_left = n_left
            .checked_sub(bytes.len() / width)
            .ok_or_else(|| fail(tr!("has tokens of another item")))?;
        let ids = bytes.chunks_exact(width).map(|id| match id {
            [low, high] => u32::from(u16::from_le_bytes([*low, *high])),
            _ => u32::from_le_bytes(id.try_into().unwrap_or_default()),
        });
        let ids: Vec<u32> = ids.collect();
        if let Some(id) = ids.iter().find(|id| **id as usize >= n_ids) {
            return Err(fail(&tr!(
                "has token {id}; the vocabulary has {n_ids}, so this is not its tokenizer",
                id,
                n_ids
            )));
        }
        if !ids.is_empty() {
            let mut example = Example::new(Vec::new(), ids);
            store.keep(&mut example.tokens);
            examples.push(example);
        }
    }
    Ok(examples)
}

/// The documents in `index` and `tokens`, for tests.
#[cfg(test)]
pub(crate) fn documents(
    index: &[u8],
    tokens: &[u8],
    n_ids: usize,
) -> std::result::Result<Vec<Example>, String> {
    read_documents(index, tokens, n_ids, &mut TokenStore::new())
}

/// Both files of these documents, as RWKV's `make_data.py` lays them out.
#[cfg(test)]
pub(crate) fn binidx(documents: &[&[u16]]) -> (Vec<u8>, Vec<u8>) {
    let mut index = MAGIC.to_vec();
    index.extend(1_u64.to_le_bytes());
    index.push(8);
    index.extend((documents.len() as u64).to_le_bytes());
    index.extend((documents.len() as u64 + 1).to_le_bytes());
    let mut tokens = Vec::new();
    let mut starts = Vec::new();
    for document in documents {
        index.extend((document.len() as i32).to_le_bytes());
        starts.extend((tokens.len() as i64).to_le_bytes());
        document
            .iter()
            .for_each(|id| tokens.extend(id.to_le_bytes()));
    }
    index.extend(starts);
    (0..=documents.len() as i64).for_each(|idx| index.extend(idx.to_le_bytes()));
    (index, tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_texts() {
        let (index, tokens) = binidx(&[&[5, 6, 0], &[], &[4095, 0]]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.idx"), &index).unwrap();
        std::fs::write(folder.path().join("a.bin"), &tokens).unwrap();
        for name in ["a.bin", "a.idx"] {
            let path = folder.path().join(name);
            assert!(is_binidx(&path));
            let loaded = load_binidx(&path, 4096, &mut TokenStore::new()).unwrap();
            let tokens: Vec<_> = loaded
                .items
                .iter()
                .map(|item| item.tokens.to_vec())
                .collect();
            assert_eq!(tokens, [vec![5, 6, 0], vec![4095, 0]]);
        }
        assert!(!is_binidx(&folder.path().join("b.bin")));
        let error =
            load_binidx(&folder.path().join("a.bin"), 4095, &mut TokenStore::new()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a.idx: content: item 3: has token 4095"),
            "{error}"
        );
    }

    #[test]
    fn damaged_files_are_told() {
        let (index, tokens) = binidx(&[&[1, 2], &[3]]);
        let fault = |index: &[u8], tokens: &[u8]| documents(index, tokens, 10).unwrap_err();
        assert!(fault(b"MMIDIDX", &tokens).starts_with("is not an index"));
        assert!(
            fault(&index[..index.len() - 1], &tokens).contains("the length that its header states")
        );
        assert!(fault(&index, &tokens[..4]).starts_with("item 2: lies outside"));
        let mut twice = index.clone();
        // The second item is as long as the first and begins with it.
        twice[HEADER_BYTES + 4] = 2;
        twice[HEADER_BYTES + 16] = 0;
        assert!(fault(&twice, &tokens).contains("tokens of another item"));
        let mut negative = index;
        negative[HEADER_BYTES + 3] = 0x80;
        assert!(fault(&negative, &tokens).starts_with("item 1: lies outside"));
    }
}
