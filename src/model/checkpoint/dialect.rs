//! The dialects in which RWKV-7 is published: from the names and layouts of a
//! file to the official ones of RWKV-LM (x070). Nothing is copied: a tensor stays
//! where it is in its file, and its entry says how to read it there.

use std::collections::BTreeMap;

use super::{CheckpointFormat, Entry, Refusal, shown};

mod tables;

use tables::{HUGGING_FACE_FLA, HUGGING_FACE_LINEAR, How, LLAMA_CPP, OFFICIAL, Table, WEB_RWKV};

/// What stands before the names, and says nothing: of Hugging Face's models,
/// `torch.nn.DataParallel` and `torch.compile`.
const PREFIXES: [&str; 4] = ["rwkv7.", "model.", "module.", "_orig_mod."];

/// Rows of a tensor in which the shares of r, w, k, v, a and g are one.
const N_SHARES: usize = 6;

/// The head size where nothing says another: that of every released model.
const HEAD_SIZE: usize = 64;

/// A dialect that a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The names of RWKV-LM.
    Official,
    /// The same behind a prefix, as the RWKV organisation's Hugging Face models.
    Prefixed,
    /// `fla` and `rwkv7-hf`.
    Fla,
    /// `transformers-rwkv`.
    TransformersRwkv,
    /// web-rwkv and Ai00.
    WebRwkv,
    /// rwkv.cpp.
    RwkvCpp,
    /// llama.cpp.
    LlamaCpp,
}

impl Dialect {
    /// The name for the user.
    pub fn name(self) -> &'static str {
        match self {
            Self::Official => "official names (RWKV-LM)",
            Self::Prefixed => "official names with a prefix (RWKV organisation)",
            Self::Fla => "Hugging Face, fla and rwkv7-hf",
            Self::TransformersRwkv => "Hugging Face, transformers-rwkv",
            Self::WebRwkv => "web-rwkv and Ai00",
            Self::RwkvCpp => "rwkv.cpp",
            Self::LlamaCpp => "llama.cpp (GGUF rwkv7)",
        }
    }

    fn table(self) -> &'static Table {
        match self {
            Self::Official | Self::Prefixed => &OFFICIAL,
            Self::Fla => &HUGGING_FACE_FLA,
            Self::TransformersRwkv => &HUGGING_FACE_LINEAR,
            Self::WebRwkv | Self::RwkvCpp => &WEB_RWKV,
            Self::LlamaCpp => &LLAMA_CPP,
        }
    }

    /// The name in the file of a tensor of that official name, without what may
    /// stand before it; none where they are the same.
    pub fn stored_name(self, official: &str) -> Option<String> {
        let stored = self.table().stored_name(official)?;
        (stored != official).then_some(stored)
    }

    /// The dialect of a model of these tensors; none where they are something
    /// else, such as a state.
    fn of(format: CheckpointFormat, tensors: &BTreeMap<String, Entry>) -> Option<Self> {
        if format == CheckpointFormat::Gguf {
            return Some(Self::LlamaCpp);
        }
        let has = |part: &str| tensors.keys().any(|name| name.contains(part));
        if has(".linear_attn.r_proj.") {
            return Some(Self::TransformersRwkv);
        }
        if has(".attn.r_proj.") {
            return Some(Self::Fla);
        }
        let receptance = |name: &&String| {
            let official = unprefixed(name);
            let is_block = official.starts_with("blocks.");
            is_block && official.ends_with(".att.receptance.weight")
        };
        let any = tensors.keys().find(receptance)?;
        let is_prefixed = unprefixed(any) != any.as_str();
        Some(match (are_transposed(tensors), format) {
            (true, CheckpointFormat::Ggml) => Self::RwkvCpp,
            (true, _) => Self::WebRwkv,
            (false, _) if is_prefixed => Self::Prefixed,
            (false, _) => Self::Official,
        })
    }
}

/// A name without what stands before it and says nothing.
fn unprefixed(name: &str) -> &str {
    let mut rest = name;
    while let Some(shorter) = PREFIXES.iter().find_map(|it| rest.strip_prefix(it)) {
        rest = shorter;
    }
    rest
}

/// Whether the decay's first low-rank matrix of the official name is [rank, C]
/// where the official one is [C, rank]. The rank is always the smaller.
fn are_transposed(tensors: &BTreeMap<String, Entry>) -> bool {
    let shape = |end: &str| {
        let mut named = tensors.iter().filter(|(name, _)| unprefixed(name) == end);
        named.next().map(|(_, entry)| entry.shape.as_slice())
    };
    match (shape("emb.weight"), shape("blocks.0.att.w1")) {
        (Some([_, width]), Some([first, second])) => second == width && first < width,
        _ => false,
    }
}

/// The tensors by their official names, where the file is a model in one of the
/// dialects; those that are in no table, and all of any other file, keep their
/// names. `head_size` is what the file says.
///
/// # Errors
/// Two tensors that are the same one, and one that is not of the shape that its
/// place asks for.
pub(super) fn translated(
    format: CheckpointFormat,
    head_size: Option<usize>,
    stored: BTreeMap<String, Entry>,
) -> Result<(Option<Dialect>, BTreeMap<String, Entry>), Refusal> {
    let Some(dialect) = Dialect::of(format, &stored) else {
        return Ok((None, stored));
    };
    let table = dialect.table();
    let head_size = head_size.unwrap_or(HEAD_SIZE);
    let mut tensors = BTreeMap::new();
    for (name, entry) in stored {
        let refuse = |reason: String| Refusal::new(tr!("tensor {}", shown(&name)), reason);
        let plain = unprefixed(&name);
        for (official, how) in table.officials(plain) {
            let entry = entry.read_as(how, head_size).map_err(refuse)?;
            if tensors.insert(official.clone(), entry).is_some() {
                let reason = tr!(
                    "is {official}, and so is another tensor; keep only one of them",
                    official
                );
                return Err(refuse(reason));
            }
        }
    }
    Ok((Some(dialect), tensors))
}

impl Entry {
    /// The tensor that is read from this one so.
    fn read_as(&self, how: How, head_size: usize) -> Result<Self, String> {
        let shape = self.shape.as_slice();
        match how {
            How::AsIs => Ok(self.clone()),
            How::Transposed => match *shape {
                [first, second] => Ok(Self {
                    shape: vec![second, first],
                    is_transposed: !self.is_transposed,
                    ..self.clone()
                }),
                _ => Err(tr!(
                    "is {shape} and must be a matrix; convert the model again",
                    shape = format_args!("{shape:?}")
                )),
            },
            How::Share(row) => {
                let n_bytes = self.n_bytes();
                let is_six = shape.first() == Some(&N_SHARES) && n_bytes.is_multiple_of(N_SHARES);
                let of_row = n_bytes / N_SHARES;
                let is_whole = of_row.is_multiple_of(self.dtype.n_bytes());
                if !is_six || !is_whole {
                    return Err(tr!(
                        "is {shape} and must be [6, ..]: the shares of r, w, k, v, a and g",
                        shape = format_args!("{shape:?}")
                    ));
                }
                let mut one = self.slice(row * of_row..(row + 1) * of_row);
                one.shape = shape[1..].to_vec();
                Ok(one)
            }
            How::Heads => match *shape {
                [width] if width.is_multiple_of(head_size) => Ok(Self {
                    shape: vec![width / head_size, head_size],
                    ..self.clone()
                }),
                _ => Ok(self.clone()),
            },
        }
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod quantising_tests;
#[cfg(test)]
mod sharded_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod written_tests;
