//! `tokenizer.json` against the package that defines it: `tests/golden/bpe/make.py`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::model::random::SHAPE_0_1B;

/// Byte-level BPE with Qwen's pattern, with GPT-2's, with single digits and tokens that
/// are not merged; BPE over characters without and with pieces at spaces.
const KINDS: [&str; 5] = ["qwen", "gpt2", "digits", "mistral", "metaspace"];

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bpe");
    folder.join(name)
}

fn text_of(kind: &str) -> String {
    std::fs::read_to_string(golden(&format!("{kind}.json"))).unwrap()
}

fn read_text(text: &str) -> Result<Tokenizer> {
    Tokenizer::from_bytes(TOKENIZER_JSON, text.as_bytes())
}

fn cases(kind: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(golden(&format!("{kind}.cases.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn texts_have_the_tokens_that_the_package_gives_them() {
    for kind in KINDS {
        let tokenizer = Tokenizer::from_file(golden(&format!("{kind}.json"))).unwrap();
        let cases = cases(kind);
        assert!(cases.len() > 30, "{kind}");
        for Case { text, ids, decoded } in cases {
            assert_eq!(tokenizer.encode(&text), ids, "{kind}: {text:?}");
            assert_eq!(tokenizer.decode(&ids), decoded, "{kind}: {text:?}");
        }
        assert!(tokenizer.is_tokenizer_json());
    }
}

/// Bytes that are no text too: what is encoded comes back, and so does a character whose
/// bytes are in several tokens.
#[test]
fn what_is_encoded_comes_back_byte_by_byte() {
    for kind in ["gpt2", "digits", "metaspace"] {
        let tokenizer = read_text(&text_of(kind)).unwrap();
        for bytes in [
            &b"a\xff\xfe b"[..],
            b"\xe2\x82",
            "\u{1f600} x".as_bytes(),
            b"",
        ] {
            let ids = tokenizer.encode_bytes(bytes);
            assert_eq!(tokenizer.decode_bytes(&ids), bytes, "{kind}");
        }
        let smile = tokenizer.encode("\u{1f600}");
        assert!(smile.len() > 1, "{kind}: {smile:?}");
        let mut stream = crate::model::text_stream::TextStream::default();
        let shown = smile
            .iter()
            .map(|id| stream.push(tokenizer.token_bytes(*id)));
        let shown: Vec<String> = shown.collect();
        assert_eq!(shown.concat(), "\u{1f600}");
        assert_eq!(shown.last().unwrap(), "\u{1f600}", "{kind}");
    }
}

/// A long word without a merge, and one that is merged throughout: in time that grows
/// with their length.
#[test]
fn long_pieces_are_merged_in_time() {
    let tokenizer = read_text(&text_of("mistral")).unwrap();
    for text in ["\u{4e00}".repeat(20_000), " the".repeat(20_000)] {
        let ids = tokenizer.encode(&text);
        assert_eq!(tokenizer.decode(&ids), text);
    }
}

#[test]
fn what_ends_a_document_is_token_0() {
    let plain = read_text(&text_of("gpt2")).unwrap();
    let first = plain.token_bytes(0).to_vec();
    let text = format!(
        "a<|endoftext|>{}",
        String::from_utf8(first.clone()).unwrap()
    );
    let own = plain.encode(&text);
    assert_eq!(own[1..], [420, 0]);
    let tokenizer = plain.clone().with_end(420);
    assert_eq!(tokenizer.encode(&text), [own[0], 0, 420]);
    assert_eq!(tokenizer.token_bytes(0), b"");
    assert_eq!(tokenizer.token_bytes(420), first);
    assert_eq!(tokenizer.vocab_size(), 423);
    // It is the same vocabulary, whatever its model says.
    assert_eq!(tokenizer.fingerprint(), plain.fingerprint());
}

#[test]
fn a_vocabulary_is_known_by_what_it_makes_of_texts() {
    let text = text_of("qwen");
    let tokenizer = read_text(&text).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let hash = |value: &Value| read_text(&value.to_string()).unwrap().fingerprint();
    assert_eq!(hash(&value), tokenizer.fingerprint());
    let copy = read_text(&tokenizer.to_text()).unwrap();
    assert_eq!(copy.fingerprint(), tokenizer.fingerprint());
    let mut fewer = value.clone();
    fewer["model"]["merges"].as_array_mut().unwrap().pop();
    let mut exchanged = value.clone();
    exchanged["model"]["merges"]
        .as_array_mut()
        .unwrap()
        .swap(0, 1);
    let mut other_pattern = value.clone();
    let split = &mut other_pattern["pre_tokenizer"]["pretokenizers"][0];
    split["pattern"]["Regex"] = json!(r"\p{L}+|\s+(?!\S)|\s+");
    let mut plain = value.clone();
    plain["normalizer"] = Value::Null;
    for other in [fewer, exchanged, other_pattern, plain] {
        assert_ne!(hash(&other), tokenizer.fingerprint());
    }
}

/// What a change makes of a good file.
fn refused(kind: &str, change: impl FnOnce(&mut Value), place: &str, reason: &str) {
    let mut value: Value = serde_json::from_str(&text_of(kind)).unwrap();
    change(&mut value);
    let message = read_text(&value.to_string()).unwrap_err().to_string();
    let start = format!("{TOKENIZER_JSON}: {place}");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains(reason), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn what_is_not_read_says_why() {
    let of = |kind: &'static str, value: Value| {
        move |file: &mut Value| {
            let mut at = file;
            for part in kind.split('.') {
                at = &mut at[part];
            }
            *at = value;
        }
    };
    refused(
        "gpt2",
        of("model.type", json!("Unigram")),
        "model.type",
        "is Unigram",
    );
    refused(
        "gpt2",
        of("model.dropout", json!(0.1)),
        "model.dropout",
        "no one encoding",
    );
    refused(
        "gpt2",
        of("model.end_of_word_suffix", json!("</w>")),
        "model.end_of",
        "not read",
    );
    refused(
        "gpt2",
        of("model.vocab", json!({"a": 0})),
        "model.vocab",
        "has no token",
    );
    refused(
        "gpt2",
        of("model.vocab.Ä", json!(4_000_000_000_u32)),
        "model.vocab",
        "ids go to",
    );
    refused(
        "gpt2",
        of("model.vocab.<|im_start|>", json!(7)),
        "model.vocab",
        "have the id 7",
    );
    refused(
        "gpt2",
        of("model.merges", json!(["a b c"])),
        "model.merges, 0",
        "two tokens",
    );
    refused(
        "gpt2",
        of("model.merges", json!([["a", "\u{4e00}"]])),
        "model.merges, 0",
        "is not in",
    );
    refused(
        "gpt2",
        of("pre_tokenizer", Value::Null),
        "pre_tokenizer",
        "neither ByteLevel",
    );
    refused(
        "gpt2",
        of("pre_tokenizer.add_prefix_space", json!(true)),
        "pre_tokenizer",
        "space",
    );
    refused(
        "gpt2",
        of("normalizer", json!({"type": "Lowercase"})),
        "normalizer",
        "has Lowercase",
    );
    let look = json!({"type": "Split", "pattern": {"Regex": "(?<=a)b"}, "behavior": "Isolated"});
    let steps = |step: Value| {
        of(
            "pre_tokenizer.pretokenizers",
            json!([step, {"type": "ByteLevel", "add_prefix_space": false}]),
        )
    };
    refused("qwen", steps(look), "pre_tokenizer", "look-around");
    let removed = json!({"type": "Split", "pattern": {"String": " "}, "behavior": "Removed"});
    refused("qwen", steps(removed), "pre_tokenizer", "not Isolated");
    refused(
        "qwen",
        steps(json!({"type": "Whitespace"})),
        "pre_tokenizer",
        "has Whitespace",
    );
    refused(
        "mistral",
        of("normalizer", Value::Null),
        "normalizer",
        "does not put",
    );
    let other = json!({"type": "NFKC"});
    refused("mistral", of("normalizer", other), "normalizer", "has NFKC");
    let wide = |file: &mut Value| file["added_tokens"][0]["lstrip"] = json!(true);
    refused("qwen", wide, "added_tokens", "lstrip");
    let message = read_text("{\"model\": {\"vocab\": [1]}}")
        .unwrap_err()
        .to_string();
    assert!(message.contains("line 1: invalid type"), "{message}");
    let nested = format!("{{\"model\":{}", "[".repeat(100_000));
    assert!(read_text(&nested).is_err());
}

#[test]
fn a_model_brings_its_vocabulary_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    let config = ModelConfig {
        architecture: Architecture::GatedDeltaNet,
        vocab_size: 448,
        end_of_document: 420,
        ..SHAPE_0_1B
    };
    let message = Tokenizer::of_model(&model, &config)
        .unwrap_err()
        .to_string();
    assert!(message.contains("the model's tokenizer.json"), "{message}");
    std::fs::write(folder.path().join(TOKENIZER_JSON), text_of("gpt2")).unwrap();
    for model in [model.as_path(), folder.path()] {
        let tokenizer = Tokenizer::of_model(model, &config).unwrap();
        assert_eq!(tokenizer.vocab_size(), 423);
        assert_eq!(tokenizer.encode("<|endoftext|>"), [0]);
    }
    // RWKV-7 has its own, whatever lies there.
    let rwkv = Tokenizer::of_model(&model, &SHAPE_0_1B).unwrap();
    assert!(!rwkv.is_tokenizer_json());
}
