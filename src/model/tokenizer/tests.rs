//! Tests of the tokenizer.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const GOLDEN: &str = include_str!("../../../tests/golden/tokenizer.json");

/// One line per byte, ids 1 to 256.
fn all_bytes() -> String {
    (0..256).fold(String::new(), |mut text, byte| {
        writeln!(text, "{} b'\\x{byte:02x}' 1", byte + 1).unwrap();
        text
    })
}

fn check_golden(name: &str, tokenizer: &Tokenizer) {
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden[name].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text), ids, "{name}: {text:?}");
        assert_eq!(tokenizer.decode(&ids), text, "{name}: {text:?}");
    }
}

#[test]
fn ids_agree_with_the_reference_tokenizers() {
    check_golden("mini", &Tokenizer::mini().unwrap());
    check_golden("world", &Tokenizer::world().unwrap());
}

#[test]
fn built_in_vocabularies_have_their_sizes() {
    let mini = Tokenizer::for_embedding(4_096).unwrap();
    assert_eq!(mini.vocab_size(), 4_096);
    let world = Tokenizer::for_embedding(65_536).unwrap();
    assert_eq!(world.vocab_size(), 65_530);
    assert!(Tokenizer::for_embedding(50_277).is_err());
    assert_eq!(world.token_bytes(0), b"");
    assert_eq!(world.token_bytes(1_000_000), b"");
    assert_eq!(world.decode(&[world.end_of_document()]), "");
    assert_eq!(world.decode(&[256]), "\u{fffd}");
}

#[test]
fn bytes_survive_the_round_trip() {
    let mini = Tokenizer::mini().unwrap();
    proptest!(|(bytes: Vec<u8>)| {
        prop_assert_eq!(mini.decode_bytes(&mini.encode_bytes(&bytes)), bytes);
    });
}

fn check_refused(vocabulary: &[u8], place: &str, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    std::fs::write(&path, vocabulary).unwrap();
    let message = Tokenizer::from_file(&path).unwrap_err().to_string();
    assert!(
        message.contains(&format!("vocab.txt: {place}: ")),
        "{message}"
    );
    assert!(message.contains(reason), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn hostile_files_are_refused_with_the_line() {
    let good = all_bytes();
    let check_line = |line: &str, reason: &str| {
        check_refused(format!("{good}{line}\n").as_bytes(), "line 257", reason);
    };
    check_line("257 'ab' 3", "2 bytes, the line says 3");
    check_line("257 'ab 2", "no closing");
    check_line("257 '' 0", "0 bytes");
    check_line("0 'ab' 2", "outside");
    check_line("65536 'ab' 2", "outside");
    check_line("-1 'ab' 2", "not of the form");
    check_line("99999999999 'ab' 2", "not of the form");
    check_line("257", "not of the form");
    check_line("257 'ab'", "not of the form");
    check_line("256 'ab' 2", "id 256 is already in line 256");
    check_line("257 'a' 1", "token is already in line 98");
    check_line(&format!("257 '{}' 257", "x".repeat(257)), "1 to 256");
    check_refused(b"", "line 1", "empty");
    check_refused(b"\n\r\n", "line 1", "empty");
    check_refused(b"1 'a' 1\n2 '\xff' 1\n", "line 2", "not UTF-8");
    check_refused(b"1 'a' 1\n", "vocabulary", "byte 0x00 has no token");
    check_refused(b"{\"model\": {}}", "line 1", "missing field `vocab`");
    check_refused(b"[1]", "line 1", "is a JSON list");
    check_refused(b"\x1f\x8b\x08\0", "line 1", "compressed with gzip");
    let huge = vec![b'\n'; MAX_FILE_BYTES as usize + 1];
    check_refused(&huge, "size", "64 MiB");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let text = format!(
        "\u{feff}{}257 'ab' 2\r\n",
        all_bytes().replace('\n', "\r\n")
    );
    let tokenizer = Tokenizer::from_bytes("vocab.txt", text.as_bytes()).unwrap();
    assert_eq!(tokenizer.encode("aba"), [257, 98]);
}

#[test]
fn a_missing_file_is_named() {
    let message = Tokenizer::from_file("no/such.txt").unwrap_err().to_string();
    assert_eq!(message, "cannot open no/such.txt: no such file or folder");
}
