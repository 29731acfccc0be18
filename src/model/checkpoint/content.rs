//! What a file is, by its first bytes. The extension is not asked.

use super::{Refusal, torch_index};
use crate::language;
use crate::text_file::Kind;

/// How a checkpoint is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointFormat {
    /// `.pth`: a zip archive of `torch.save`, or what it wrote before 1.6.
    Torch,
    /// `.safetensors`, `.st`: a header length, a JSON header and data.
    Safetensors,
    /// `.gguf`: llama.cpp.
    Gguf,
    /// `.bin`: rwkv.cpp.
    Ggml,
}

/// Files that users pick by mistake: how they begin, and what to say. These
/// beginnings, read as the length of a `.safetensors` header, are too large for
/// one, so they come first.
const FOREIGN: [(&[u8], &str); 7] = [
    (
        b"lmgg",
        mark!("is a ggml file of before 2023; get the .pth it was made from"),
    ),
    (
        b"version https://git-lfs",
        mark!(
            "is a Git LFS pointer that stands for the real file; run \"git lfs pull\" or \
             download the file itself"
        ),
    ),
    (
        b"\x28\xb5\x2f\xfd",
        mark!("is zstd-compressed; unpack it first"),
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        mark!("is a 7z archive; unpack it first"),
    ),
    (b"Rar!", mark!("is a RAR archive; unpack it first")),
    (
        b"\x89HDF",
        mark!("is an HDF5 file; convert it to .safetensors"),
    ),
    (b"\x7fELF", mark!("is a program")),
];

/// The same for beginnings so short that a `.safetensors` may have them.
const FOREIGN_SHORT: [(&[u8], &str); 3] = [
    (
        b"\x80",
        mark!("is a bare Python pickle, not a torch archive; torch.save the state dict"),
    ),
    (b"\x1f\x8b", mark!("is gzip-compressed; unpack it first")),
    (b"MZ", mark!("is a program")),
];

impl CheckpointFormat {
    /// The format of a file with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        let refuse = |reason: &str| Err(Refusal::new(tr!("content"), reason));
        if bytes.is_empty() {
            return refuse(tr!("is empty; download or copy it again"));
        }
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
            return Ok(Self::Torch);
        }
        if bytes.starts_with(torch_index::OLD) {
            return Ok(Self::Torch);
        }
        if bytes.starts_with(b"GGUF") {
            return Ok(Self::Gguf);
        }
        if bytes.starts_with(b"fmgg") {
            return Ok(Self::Ggml);
        }
        let begins = |(start, _): &&(&[u8], &str)| bytes.starts_with(start);
        if let Some((_, reason)) = FOREIGN.iter().find(begins) {
            return refuse(language::text(reason));
        }
        // A header length of below 2^56, then the JSON object.
        if bytes.get(7) == Some(&0) && bytes.get(8).is_none_or(|byte| *byte == b'{') {
            return Ok(Self::Safetensors);
        }
        if let Some((_, reason)) = FOREIGN_SHORT.iter().find(begins) {
            return refuse(language::text(reason));
        }
        match bytes.trim_ascii_start().first() {
            Some(b'<') => refuse(tr!(
                "is a web page, so the download failed; open the address in a browser to see \
                 why"
            )),
            Some(b'{' | b'[') => refuse(tr!(
                "is JSON text; choose the file with the weights, or the folder of a model"
            )),
            Some(_) | None if bytes.iter().take(4096).all(|byte| *byte == 0) => refuse(tr!(
                "begins with zeros: a download that did not finish, or a raw state of \
                 rwkv.cpp, which gosling import reads from a .bin"
            )),
            Some(_) | None if Kind::of(bytes) == Kind::Parquet => refuse(tr!(
                "is a Parquet file, a data set; choose the file with the weights"
            )),
            Some(_) | None if is_text(bytes) => {
                refuse(tr!("is text, where a .pth or .safetensors file is needed"))
            }
            Some(_) | None => {
                let start = &bytes[..bytes.len().min(8)];
                Err(Refusal::new(
                    tr!("content"),
                    tr!(
                        "is neither a .pth, .safetensors, .gguf nor rwkv.cpp file (it begins with \
                         \"{}\")",
                        start.escape_ascii()
                    ),
                ))
            }
        }
    }
}

/// Whether the file begins with a line of text in UTF-8 or UTF-16.
fn is_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    let start = start.utf8_chunks().next();
    let start = start.map_or("", |chunk| chunk.valid());
    let is_word = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let is_utf8 =
        !start.is_empty() && start.len() + 3 >= bytes.len().min(64) && start.chars().all(is_word);
    is_utf8 || matches!(Kind::of(bytes), Kind::Utf16(_))
}
