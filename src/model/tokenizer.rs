//! Vocabularies: that of RWKV models, greedy longest match over bytes, and the
//! `tokenizer.json` of others.

mod bpe;
mod literal;
mod pieces;
mod token_text;
mod tokenizer_json;
mod trie;
mod vocabulary_file;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::config::{Architecture, ModelConfig};
use crate::model::tokenizer::bpe::Bpe;
use crate::model::tokenizer::trie::Trie;
use crate::text_file::{as_utf8, no_plain_text, open_file};

pub use token_text::{GOES_ON, TokenText};
pub use tokenizer_json::TOKENIZER_JSON;
pub use vocabulary_file::{MINI_FINGERPRINT, WORLD_FINGERPRINT};

/// The largest vocabulary file that is read. The World vocabulary has 1.2 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The longest token that is accepted. The World vocabulary has 128 bytes.
const MAX_TOKEN_BYTES: usize = 256;
/// Ids are stored in 16 bits, as the official vocabulary has 65,536.
const MAX_ID: u32 = u16::MAX as u32;

const MINI: (&str, &[u8]) = (
    "rwkv_vocab_mini.txt",
    include_bytes!("../../assets/vocab/rwkv_vocab_mini.txt"),
);
const WORLD: (&str, &[u8]) = (
    "rwkv_vocab_v20230424.txt",
    include_bytes!("../../assets/vocab/rwkv_vocab_v20230424.txt"),
);

/// Turns text into token ids and back, with a vocabulary in the official RWKV
/// text format (RWKV-LM `rwkv_vocab_v20230424.txt`), one
/// `id literal byte_length` per line, id 0 left to the end of a document; or with a
/// `tokenizer.json`.
///
/// Token 0 ends a document in all of Gosling. Where a model's files have another id for
/// that, it and 0 have changed places here, as they have in the model
/// ([`ModelConfig::end_of_document`]).
#[derive(Debug, Clone)]
pub struct Tokenizer {
    method: Method,
    /// The bytes of every token, one after the other.
    bytes: Vec<u8>,
    /// Where each id's bytes start and end in `bytes`: `[vocab_size]`. Ids
    /// without a token have an empty range.
    spans: Vec<(u32, u32)>,
    /// The id in the file of what ends a document.
    end: u32,
}

/// How a text becomes tokens.
#[derive(Debug, Clone)]
enum Method {
    /// Each is the longest that the rest of the text starts with.
    Longest(Trie),
    /// By merges.
    Bpe(Arc<Bpe>),
}

/// One line of a vocabulary file.
struct Entry {
    id: u16,
    line: usize,
    bytes: Vec<u8>,
}

impl Tokenizer {
    /// The vocabulary of the mini model: 4,096 ids.
    ///
    /// # Errors
    /// None in practice: the vocabulary is part of the program.
    pub fn mini() -> Result<Self> {
        Self::from_bytes(MINI.0, MINI.1)
    }

    /// The World vocabulary of the released models: ids up to 65,529.
    ///
    /// # Errors
    /// None in practice: the vocabulary is part of the program.
    pub fn world() -> Result<Self> {
        Self::from_bytes(WORLD.0, WORLD.1)
    }

    /// The built-in vocabulary of a model whose embedding has `n_rows` rows.
    ///
    /// # Errors
    /// [`Error::Spec`] where no built-in vocabulary has that many ids.
    pub fn for_embedding(n_rows: usize) -> Result<Self> {
        match n_rows {
            4_096 => Self::mini(),
            65_536 => Self::world(),
            other => Err(Error::spec(
                "vocabulary",
                tr!(
                    "the model has {other} tokens; the built-in vocabularies have 4096 and \
                     65536, so a vocabulary file is needed: the model's {TOKENIZER_JSON}, or \
                     one in the format of RWKV",
                    other,
                    TOKENIZER_JSON
                ),
            )),
        }
    }

    /// The vocabulary of a model that lies at `model`: the `tokenizer.json` beside a
    /// model that is not of RWKV, where there is one, else the built-in vocabulary of its
    /// size. What ends a document is token 0.
    ///
    /// # Errors
    /// As [`Self::from_file`] and [`Self::for_embedding`].
    pub fn of_model(model: &Path, config: &ModelConfig) -> Result<Self> {
        let beside = match config.architecture {
            Architecture::Rwkv7 => None,
            Architecture::GatedDeltaNet => beside(model),
        };
        let tokenizer = match beside {
            Some(path) => Self::from_file(path)?,
            None => Self::for_embedding(config.vocab_size)?,
        };
        Ok(tokenizer.with_end(config.end_of_document))
    }

    /// The same with token 0 for what has the id `end` in the vocabulary's file, and the
    /// other way round.
    #[must_use]
    pub fn with_end(self, end: u32) -> Self {
        Self { end, ..self }
    }

    /// Whether it is a `tokenizer.json`, whose models often have more rows than it has
    /// tokens.
    pub fn is_tokenizer_json(&self) -> bool {
        matches!(self.method, Method::Bpe(_))
    }

    /// Reads a vocabulary file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Input`] with the line
    /// where it is not a vocabulary, and where a byte has no token.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (file, _) = open_file(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::io("read", path, source))?;
        Self::from_bytes(path, &bytes)
    }

    /// Reads a vocabulary that is in memory; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Self::from_file`], less those of the system.
    pub fn from_bytes(file: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        let file = file.as_ref();
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let reason = tr!("above 64 MiB; a vocabulary has about 1 MiB");
            return Err(Error::input(file, tr!("size"), reason));
        }
        let at_line = |line: usize, reason| Error::input(file, tr!("line {line}", line), reason);
        if let Some(reason) = no_plain_text(bytes) {
            return Err(at_line(1, reason.into()));
        }
        let bytes = &*as_utf8(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let n_lines = before.iter().filter(|byte| **byte == b'\n').count();
            at_line(n_lines + 1, tr!("not UTF-8 text").into())
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match text.trim_start().chars().next() {
            Some('{') => return tokenizer_json::read(file, text),
            Some('[') => {
                let reason = tr!(
                    "is a JSON list; a vocabulary is a tokenizer.json, or has lines `id 'token' \
                     byte_length`"
                );
                return Err(at_line(1, reason.into()));
            }
            Some(_) | None => {}
        }
        let entries =
            parse_lines(text).map_err(|(line, reason): (_, String)| at_line(line, reason))?;
        check_bytes(&entries).map_err(|reason| Error::input(file, tr!("vocabulary"), reason))?;
        Ok(Self::from_entries(&entries))
    }

    /// Builds the tables from entries that are sorted by their bytes.
    fn from_entries(entries: &[Entry]) -> Self {
        let max_id = entries.iter().map(|entry| entry.id).max().unwrap_or(0);
        let mut spans = vec![(0, 0); usize::from(max_id) + 1];
        let mut bytes = Vec::new();
        for entry in entries {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(&entry.bytes);
            spans[usize::from(entry.id)] = (start, bytes.len() as u32);
        }
        let tokens: Vec<_> = entries
            .iter()
            .map(|entry| (entry.bytes.as_slice(), entry.id))
            .collect();
        Self {
            method: Method::Longest(Trie::new(&tokens)),
            bytes,
            spans,
            end: 0,
        }
    }

    /// The token ids of `text`.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_bytes(text.as_bytes())
    }

    /// The token ids of `bytes`, which need not be UTF-8.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let mut ids = match &self.method {
            Method::Longest(trie) => longest(trie, bytes),
            Method::Bpe(bpe) => bpe.encode(bytes),
        };
        if self.end > 0 {
            ids.iter_mut().for_each(|id| *id = self.exchanged(*id));
        }
        ids
    }

    /// The id here of one in the file, and the other way round.
    fn exchanged(&self, id: u32) -> u32 {
        match id {
            0 => self.end,
            id if id == self.end => 0,
            id => id,
        }
    }

    /// The text of `ids`; bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }

    /// The bytes of `ids`; ids without a token, such as 0, add none.
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ids.len() * 5);
        for id in ids {
            bytes.extend_from_slice(self.token_bytes(*id));
        }
        bytes
    }

    /// The bytes of one token; none for an id without a token.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        match id {
            // What ends a document is no text.
            0 if self.end > 0 => &[],
            id => self.bytes_in_file(self.exchanged(id)),
        }
    }

    /// The same by the id in the file.
    fn bytes_in_file(&self, id: u32) -> &[u8] {
        match self.spans.get(id as usize) {
            Some((start, end)) => &self.bytes[*start as usize..*end as usize],
            None => &[],
        }
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.spans.len().max(self.end as usize + 1)
    }

    /// The id that separates documents and ends a generation: 0. It stands in
    /// no vocabulary file of RWKV.
    pub fn end_of_document(&self) -> u32 {
        0
    }
}

/// The longest tokens of `bytes`, one after the other.
fn longest(trie: &Trie, bytes: &[u8]) -> Vec<u32> {
    let mut ids = Vec::with_capacity(bytes.len() / 4 + 1);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (id, n_bytes) = trie.longest_match(rest);
        ids.push(u32::from(id));
        // Loading made sure that every byte has a token.
        rest = &rest[n_bytes.max(1)..];
    }
    ids
}

/// The `tokenizer.json` of a model: in its folder, or beside its file.
fn beside(model: &Path) -> Option<PathBuf> {
    let folder = match model.is_dir() {
        true => model,
        false => model.parent()?,
    };
    let path = folder.join(TOKENIZER_JSON);
    path.is_file().then_some(path)
}

/// The entries of a vocabulary file, sorted by their bytes, or a line and what
/// is wrong with it.
fn parse_lines(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let mut line_of_id = vec![0_usize; MAX_ID as usize + 1];
    let mut entries = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line_idx, line_text) in text.split('\n').enumerate() {
        let line = line_idx + 1;
        let line_text = line_text.strip_suffix('\r').unwrap_or(line_text);
        if line_text.is_empty() {
            continue;
        }
        let (id, bytes) = parse_line(line_text).map_err(|reason| (line, reason))?;
        let earlier = std::mem::replace(&mut line_of_id[usize::from(id)], line);
        if earlier != 0 {
            return Err((
                line,
                tr!("id {id} is already in line {earlier}", id, earlier),
            ));
        }
        entries.push(Entry { id, line, bytes });
    }
    if entries.is_empty() {
        return Err((1, tr!("the vocabulary is empty").into()));
    }
    entries.sort_unstable_by(|a, b| a.bytes.cmp(&b.bytes).then(a.line.cmp(&b.line)));
    for pair in entries.windows(2) {
        if pair[0].bytes == pair[1].bytes {
            let earlier = pair[0].line;
            let reason = tr!("the token is already in line {earlier}", earlier);
            return Err((pair[1].line, reason));
        }
    }
    Ok(entries)
}

/// The id and the bytes of one line.
fn parse_line(line: &str) -> Result<(u16, Vec<u8>), String> {
    let shape = || tr!("not of the form `id 'token' byte_length`");
    let (id, rest) = line.split_once(' ').ok_or_else(shape)?;
    let (literal, length) = rest.rsplit_once(' ').ok_or_else(shape)?;
    let id: u32 = id.parse().map_err(|_| shape())?;
    let length: usize = length.parse().map_err(|_| shape())?;
    if id == 0 || id > MAX_ID {
        return Err(tr!("id {id} is outside 1..{MAX_ID}", id, MAX_ID));
    }
    let bytes = literal::parse(literal.trim_matches(' '))?;
    if bytes.len() != length {
        let n_bytes = bytes.len();
        return Err(tr!(
            "the token has {n_bytes} bytes, the line says {length}",
            n_bytes,
            length
        ));
    }
    if bytes.is_empty() || bytes.len() > MAX_TOKEN_BYTES {
        return Err(tr!(
            "a token of {length} bytes; tokens have 1 to {MAX_TOKEN_BYTES}",
            length,
            MAX_TOKEN_BYTES
        ));
    }
    Ok((id as u16, bytes))
}

/// Whether every single byte is a token, so that every text can be encoded.
fn check_bytes(entries: &[Entry]) -> Result<(), String> {
    let mut is_token = [false; 256];
    for entry in entries {
        if let [byte] = entry.bytes.as_slice() {
            is_token[usize::from(*byte)] = true;
        }
    }
    let missing: Vec<_> = (0..256_usize).filter(|byte| !is_token[*byte]).collect();
    match missing.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => Err(tr!(
            "byte {first} has no token, nor have {} more; every byte needs one",
            rest.len(),
            first = format_args!("{first:#04x}")
        )),
    }
}

/// Stands before every document and ends it.
pub const END_OF_DOCUMENT: u32 = 0;

#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod tests;
