//! The texts of tokens side by side, where a character may begin in one token and
//! end in another.

use std::fmt::Write as _;

use super::{END_OF_DOCUMENT, Tokenizer};

/// What stands for a token that only goes on with the character of one before it.
pub const GOES_ON: &str = "·";

/// A token as it is read among its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenText {
    /// The characters that begin in it; [`GOES_ON`] where none does, and nothing for
    /// token 0. Bytes that belong to no character stand as `\xe4`.
    pub text: String,
    /// Its bytes as `e4 b8`, where they are not whole characters.
    pub bytes: Option<String>,
}

impl Tokenizer {
    /// The texts of tokens, decoded across their borders: UTF-8 characters that are
    /// split between tokens stand at the first of them.
    pub fn token_texts(&self, ids: &[u32]) -> Vec<TokenText> {
        let mut texts = Vec::with_capacity(ids.len());
        // No character goes on across the end of a document.
        for part in ids.split_inclusive(|id| *id == END_OF_DOCUMENT) {
            let ends = part.last() == Some(&END_OF_DOCUMENT);
            let tokens = &part[..part.len() - usize::from(ends)];
            let bytes: Vec<&[u8]> = tokens.iter().map(|id| self.token_bytes(*id)).collect();
            texts.extend(texts_of(&bytes));
            if ends {
                texts.push(TokenText {
                    text: String::new(),
                    bytes: None,
                });
            }
        }
        texts
    }
}

/// The texts of tokens by their bytes.
fn texts_of(tokens: &[&[u8]]) -> Vec<TokenText> {
    let whole = tokens.concat();
    // Where each token ends, and which one a byte is of.
    let ends: Vec<usize> = tokens
        .iter()
        .scan(0, |end, token| {
            *end += token.len();
            Some(*end)
        })
        .collect();
    let of_byte = |at: usize| ends.partition_point(|end| *end <= at);
    let mut texts = vec![String::new(); tokens.len()];
    let mut at = 0;
    for chunk in whole.utf8_chunks() {
        for c in chunk.valid().chars() {
            texts[of_byte(at)].push(c);
            at += c.len_utf8();
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(texts[of_byte(at)], "\\x{byte:02x}");
            at += 1;
        }
    }
    let shown = texts
        .into_iter()
        .zip(tokens)
        .map(|(text, token)| TokenText {
            text: match (text.is_empty(), token.is_empty()) {
                (true, false) => GOES_ON.to_owned(),
                (true, true) | (false, _) => text,
            },
            bytes: std::str::from_utf8(token).is_err().then(|| hex(token)),
        });
    shown.collect()
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: &[&[u8]], expected: &[(&str, Option<&str>)]) {
        let texts = texts_of(tokens);
        let texts: Vec<(&str, Option<&str>)> = texts
            .iter()
            .map(|of| (of.text.as_str(), of.bytes.as_deref()))
            .collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_character_of_several_tokens_stands_at_its_first() {
        // U+4E2D is e4 b8 ad, U+1F600 is f0 9f 98 80.
        check(
            &[b"a", b"\xe4\xb8", b"\xad", b"b"],
            &[
                ("a", None),
                ("中", Some("e4 b8")),
                (GOES_ON, Some("ad")),
                ("b", None),
            ],
        );
        check(
            &[b"\xf0", b"\x9f", b"\x98", b"\x80!"],
            &[
                ("\u{1f600}", Some("f0")),
                (GOES_ON, Some("9f")),
                (GOES_ON, Some("98")),
                ("!", Some("80 21")),
            ],
        );
    }

    #[test]
    fn bytes_of_no_character_are_shown_as_they_are() {
        check(
            &[b"\xe4\xb8", b"x", b"\xff"],
            &[
                ("\\xe4\\xb8", Some("e4 b8")),
                ("x", None),
                ("\\xff", Some("ff")),
            ],
        );
        check(&[], &[]);
        check(&[b""], &[("", None)]);
    }

    #[test]
    fn the_mini_vocabulary_splits_characters_and_its_texts_join_them() {
        let tokenizer = Tokenizer::mini().unwrap();
        let mut ids = tokenizer.encode("天 1");
        assert!(ids.len() > 3, "{ids:?}");
        let joined = |ids: &[u32]| -> String {
            let texts = tokenizer.token_texts(ids).into_iter();
            texts
                .map(|of| of.text)
                .filter(|text| text != GOES_ON)
                .collect()
        };
        assert_eq!(joined(&ids), "天 1");
        // Nothing goes on across the end of a document.
        ids.insert(1, END_OF_DOCUMENT);
        assert_eq!(tokenizer.token_texts(&ids)[1].text, "");
        assert!(joined(&ids).starts_with("\\xe5"), "{}", joined(&ids));
    }
}
