//! `tokenizer.json`, the vocabulary that models on Hugging Face bring: byte-level BPE, as
//! GPT-2, Llama 3 and Qwen have it, and BPE over characters with bytes for what is no
//! token, as Llama 2 and Mistral do.
//!
//! The library that defines the format is not used: it would add 29 crates, most of them
//! for kinds of vocabularies and for training that nothing here needs, and it changes
//! features of crates below the compute stack. What the golden files of
//! `tests/golden/bpe` say comes from it.
//!
//! Some vocabularies put a space in front of every text, or a token. Gosling does not:
//! parts of a text are encoded apart, and what stands in front of a text is a setting of
//! its own ([`crate::model::LeadingToken`]).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::bpe::{Bpe, Merges, Symbols};
use super::pieces::{GPT_2, Pattern, Pieces, SPACE};
use super::trie::Trie;
use super::{Method, Tokenizer};
use crate::error::{Error, Result};
use crate::model::checkpoint::shown;

/// The file beside a model.
pub const TOKENIZER_JSON: &str = "tokenizer.json";

/// The largest id. The largest known vocabulary has 262,144.
const MAX_ID: u32 = (1 << 20) - 1;
/// Tokens that a text is searched for. Known vocabularies have up to some thousands.
const MAX_ADDED: usize = 1 << 15;
/// The longest pattern, in bytes, and the most of them.
const MAX_PATTERN: usize = 1 << 14;
const MAX_PATTERNS: usize = 16;

/// What is read first, whatever the rest is.
#[derive(Deserialize)]
struct Kind {
    model: KindOfModel,
}

#[derive(Deserialize)]
struct KindOfModel {
    #[serde(rename = "type")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Option<Vec<Added>>,
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair([String; 2]),
    Line(String),
}

/// A place in the file and what is wrong there.
type Problem = (String, String);

fn problem<T>(place: &str, reason: impl Into<String>) -> Result<T, Problem> {
    Err((place.to_owned(), reason.into()))
}

/// Reads a vocabulary; `file` names it in messages.
///
/// # Errors
/// [`Error::Input`] with the place, where it is damaged or of a kind that is not read.
pub(super) fn read(file: &Path, text: &str) -> Result<Tokenizer> {
    let damaged = |error: serde_json::Error| {
        let place = tr!("line {line}", line = error.line());
        let reason = tr!("{}; fetch the file again", shown(&error.to_string()));
        Error::input(file, place, reason)
    };
    let refused = |(place, reason): Problem| Error::input(file, place, reason);
    let kind: Kind = serde_json::from_str(text).map_err(damaged)?;
    if let Some(name) = kind.model.name.filter(|name| name != "BPE") {
        let reason = tr!(
            "is {}; Gosling reads BPE, byte-level or with byte_fallback",
            shown(&name)
        );
        return Err(refused(("model.type".into(), reason)));
    }
    let read: File = serde_json::from_str(text).map_err(damaged)?;
    built(read, text).map_err(refused)
}

fn built(file: File, source: &str) -> Result<Tokenizer, Problem> {
    let File {
        added_tokens,
        normalizer,
        pre_tokenizer,
        model,
    } = file;
    if model.dropout.is_some_and(|share| share > 0.0) {
        let reason = tr!("is not 0, so a text has no one encoding");
        return problem("model.dropout", reason);
    }
    for (name, text) in [
        (
            "continuing_subword_prefix",
            &model.continuing_subword_prefix,
        ),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if text.as_ref().is_some_and(|text| !text.is_empty()) {
            let reason = tr!("is not read; it must be absent");
            return problem(&format!("model.{name}"), reason);
        }
    }
    let steps = listed(pre_tokenizer.as_ref(), "pretokenizers");
    let is_byte_level = steps.iter().any(|step| kind(step) == "ByteLevel");
    let pieces = match is_byte_level {
        true => byte_level_pieces(normalizer.as_ref(), &steps)?,
        false if model.byte_fallback == Some(true) => {
            character_pieces(normalizer.as_ref(), &steps)?
        }
        false => {
            let reason = tr!(
                "is neither ByteLevel, nor has the model byte_fallback; Gosling reads these two, in \
                 which every text has an encoding"
            );
            return problem("pre_tokenizer", reason);
        }
    };
    let added = added_tokens.unwrap_or_default();
    let tokens = token_bytes(&model.vocab, &added, is_byte_level)?;
    let byte_ids = byte_ids(&model.vocab, is_byte_level)?;
    let symbols = match is_byte_level {
        true => Symbols::Bytes,
        false => Symbols::Characters(single_characters(&model.vocab)),
    };
    let whole = (model.ignore_merges == Some(true)).then(|| {
        let known = model.vocab.values();
        let known = known.filter_map(|id| Some((tokens.get(id)?.clone().into_boxed_slice(), *id)));
        known.collect()
    });
    let bpe = Bpe {
        added: searched(&added)?,
        pieces,
        symbols,
        byte_ids,
        merges: merges(&model)?,
        whole,
        source: source.to_owned(),
    };
    let n_ids = tokens.keys().next_back().map_or(0, |id| *id as usize + 1);
    let mut spans = vec![(0, 0); n_ids];
    let mut bytes = Vec::new();
    for (id, token) in tokens {
        let start = bytes.len() as u32;
        bytes.extend(token);
        spans[id as usize] = (start, bytes.len() as u32);
    }
    Ok(Tokenizer {
        method: Method::Bpe(Arc::new(bpe)),
        bytes,
        spans,
        end: 0,
    })
}

/// What a step of the file calls itself.
fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The steps of a sequence, or the only one; none for null.
fn listed<'a>(step: Option<&'a Value>, key: &str) -> Vec<&'a Value> {
    match step {
        None | Some(Value::Null) => Vec::new(),
        Some(step) if kind(step) == "Sequence" => match step.get(key) {
            Some(Value::Array(steps)) => steps.iter().collect(),
            _ => vec![step],
        },
        Some(step) => vec![step],
    }
}

fn is_true(step: &Value, key: &str, usual: bool) -> bool {
    step.get(key).and_then(Value::as_bool).unwrap_or(usual)
}

/// A pattern of a step: a regular expression or a text.
fn pattern_of(step: &Value) -> Option<String> {
    let pattern = step.get("pattern")?;
    let regex = pattern.get("Regex").and_then(Value::as_str);
    let text = pattern.get("String").and_then(Value::as_str);
    regex.map(str::to_owned).or(text.map(regex::escape))
}

fn byte_level_pieces(normalizer: Option<&Value>, steps: &[&Value]) -> Result<Pieces, Problem> {
    let mut pieces = Pieces::default();
    for step in listed(normalizer, "normalizers") {
        match kind(step) {
            "NFC" => pieces.is_composed = true,
            other => {
                let reason = tr!("has {}; Gosling reads NFC there", shown(other));
                return problem("normalizer", reason);
            }
        }
    }
    const PLACE: &str = "pre_tokenizer";
    for step in steps {
        let text = match kind(step) {
            "ByteLevel" if is_true(step, "add_prefix_space", true) => {
                let reason = tr!(
                    "add_prefix_space is true, which puts a space in front of every part of a \
                     text; it is not read"
                );
                return problem(PLACE, reason);
            }
            "ByteLevel" if !is_true(step, "use_regex", true) => continue,
            "ByteLevel" => GPT_2.to_owned(),
            "Digits" if is_true(step, "individual_digits", false) => r"\p{N}".to_owned(),
            "Digits" => r"\p{N}+".to_owned(),
            "Split" => {
                let behavior = step.get("behavior").and_then(Value::as_str);
                if behavior != Some("Isolated") || is_true(step, "invert", false) {
                    let reason = tr!("has a Split that is not Isolated, which is not read");
                    return problem(PLACE, reason);
                }
                match pattern_of(step) {
                    Some(text) => text,
                    None => return problem(PLACE, tr!("has a Split without a pattern")),
                }
            }
            other => {
                let reason = tr!(
                    "has {}; Gosling reads Split, Digits and ByteLevel",
                    shown(other)
                );
                return problem(PLACE, reason);
            }
        };
        if text.len() > MAX_PATTERN || pieces.patterns.len() == MAX_PATTERNS {
            let reason = tr!("has a pattern that is too long, or too many of them");
            return problem(PLACE, reason);
        }
        let pattern = Pattern::new(&text).map_err(|reason| {
            let reason = tr!("has a pattern that is not read: {}", shown(&reason));
            (PLACE.to_owned(), reason)
        })?;
        pieces.patterns.push(pattern);
    }
    Ok(pieces)
}

/// Of a vocabulary over characters: spaces are a character of their own, and nothing
/// else may happen to a text.
fn character_pieces(normalizer: Option<&Value>, steps: &[&Value]) -> Result<Pieces, Problem> {
    let mut has_spaces = false;
    for step in listed(normalizer, "normalizers") {
        let replaces = || {
            let content = step.get("content").and_then(Value::as_str);
            pattern_of(step).is_some_and(|of| of == " ") && content == Some("\u{2581}")
        };
        match kind(step) {
            // In front of a text, which Gosling leaves as it is.
            "Prepend" => {}
            "Replace" if replaces() => has_spaces = true,
            other => {
                let reason = tr!(
                    "has {}, beside what puts {} for a space; it is not read",
                    shown(other),
                    SPACE
                );
                return problem("normalizer", reason);
            }
        }
    }
    let mut pieces = Pieces::default();
    for step in steps {
        let replacement = step.get("replacement").and_then(Value::as_str);
        match kind(step) {
            "Metaspace" if replacement == Some("\u{2581}") => {
                has_spaces = true;
                pieces.at_spaces = is_true(step, "split", true);
            }
            other => {
                let reason = tr!("has {}; Gosling reads Metaspace there", shown(other));
                return problem("pre_tokenizer", reason);
            }
        }
    }
    match has_spaces {
        true => Ok(pieces),
        false => problem(
            "normalizer",
            tr!("does not put {} for a space; it is not read", SPACE),
        ),
    }
}

/// The bytes of every token by its id.
fn token_bytes(
    vocab: &HashMap<String, u32>,
    added: &[Added],
    is_byte_level: bool,
) -> Result<BTreeMap<u32, Vec<u8>>, Problem> {
    let mut texts: BTreeMap<u32, (&str, bool)> = BTreeMap::new();
    let of_vocab = vocab.iter().map(|(text, id)| (text.as_str(), *id, false));
    let of_added = added.iter().map(|of| (of.content.as_str(), of.id, true));
    for (text, id, is_added) in of_vocab.chain(of_added) {
        let place = if is_added {
            "added_tokens"
        } else {
            "model.vocab"
        };
        if id > MAX_ID {
            let reason = tr!("has an id {id}; ids go to {}", MAX_ID, id);
            return problem(place, reason);
        }
        match texts.insert(id, (text, is_added)) {
            Some((other, _)) if other != text => {
                let reason = tr!(
                    "{} and {} both have the id {id}",
                    shown(other),
                    shown(text),
                    id
                );
                return problem(place, reason);
            }
            Some(_) | None => {}
        }
    }
    let letters = byte_letters();
    let values: HashMap<char, u8> = (0..=255_u8).map(|b| (letters[usize::from(b)], b)).collect();
    let bytes = |(id, (text, is_added)): (u32, (&str, bool))| {
        let plain = || text.as_bytes().to_vec();
        let bytes = match (is_added, is_byte_level) {
            (true, _) => plain(),
            // What is not written in letters for bytes stands for itself.
            (false, true) => {
                let all: Option<Vec<u8>> = text.chars().map(|c| values.get(&c).copied()).collect();
                all.unwrap_or_else(plain)
            }
            (false, false) => match byte_token(text) {
                Some(byte) => vec![byte],
                None => text.replace(SPACE, " ").into_bytes(),
            },
        };
        (id, bytes)
    };
    Ok(texts.into_iter().map(bytes).collect())
}

/// The byte of `<0x0A>`.
fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_plain.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The letter of every byte, as GPT-2 has it: itself where it can be seen, else the next
/// one from U+0100 on.
fn byte_letters() -> [char; 256] {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let is_seen = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = match is_seen {
            true => byte as u32,
            false => {
                next += 1;
                next - 1
            }
        };
        char::from_u32(code).unwrap_or_default()
    })
}

/// The token of every byte.
fn byte_ids(vocab: &HashMap<String, u32>, is_byte_level: bool) -> Result<[u32; 256], Problem> {
    let letters = byte_letters();
    let mut ids = [0; 256];
    for (byte, id) in ids.iter_mut().enumerate() {
        let name = match is_byte_level {
            true => letters[byte].to_string(),
            false => format!("<0x{byte:02X}>"),
        };
        let Some(found) = vocab.get(&name) else {
            let reason = tr!(
                "byte {} has no token; every byte needs one",
                format_args!("{byte:#04x}")
            );
            return problem("model.vocab", reason);
        };
        *id = *found;
    }
    Ok(ids)
}

fn single_characters(vocab: &HashMap<String, u32>) -> HashMap<char, u32> {
    let single = |(text, id): (&String, &u32)| {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Some((c, *id)),
            _ => None,
        }
    };
    vocab.iter().filter_map(single).collect()
}

/// The tokens that a text is searched for.
fn searched(added: &[Added]) -> Result<(Trie, Vec<u32>), Problem> {
    const PLACE: &str = "added_tokens";
    if added.len() > MAX_ADDED {
        let reason = tr!("has {}; at most {} are read", added.len(), MAX_ADDED);
        return problem(PLACE, reason);
    }
    for of in added {
        let name = shown(&of.content);
        if of.content.is_empty() {
            return problem(PLACE, tr!("token {} is empty", of.id));
        }
        if of.single_word || of.lstrip || of.rstrip {
            let reason = tr!(
                "{name} has single_word, lstrip or rstrip, which is not read",
                name
            );
            return problem(PLACE, reason);
        }
    }
    let mut sorted: Vec<(&[u8], u32)> = added
        .iter()
        .map(|of| (of.content.as_bytes(), of.id))
        .collect();
    sorted.sort_unstable();
    sorted.dedup_by_key(|(text, _)| *text);
    let numbered = sorted.iter().zip(1_u16..);
    let entries: Vec<(&[u8], u16)> = numbered.map(|((text, _), n)| (*text, n)).collect();
    Ok((
        Trie::new(&entries),
        sorted.iter().map(|(_, id)| *id).collect(),
    ))
}

fn merges(model: &Model) -> Result<Merges, Problem> {
    let mut merges = HashMap::with_capacity(model.merges.len());
    for (order, merge) in model.merges.iter().enumerate() {
        let place = format!("model.merges, {order}");
        let (left, right) = match merge {
            Merge::Pair([left, right]) => (left.as_str(), right.as_str()),
            Merge::Line(line) => match line.split_once(' ') {
                Some((left, right)) if !right.contains(' ') => (left, right),
                _ => {
                    let reason = tr!("is not two tokens with a space between them");
                    return problem(&place, reason);
                }
            },
        };
        let id = |text: &str| match model.vocab.get(text) {
            Some(id) => Ok(*id),
            None => problem(&place, tr!("{} is not in model.vocab", shown(text))),
        };
        let merged = id(&format!("{left}{right}"))?;
        merges.insert((id(left)?, id(right)?), (order as u32, merged));
    }
    Ok(merges)
}
