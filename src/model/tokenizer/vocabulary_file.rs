//! A vocabulary as a file, and the hash by which one is known.

use sha2::{Digest as _, Sha256};

use super::{Method, Tokenizer};

/// [`Tokenizer::fingerprint`] of the vocabulary of the mini model.
pub const MINI_FINGERPRINT: &str =
    "fcc0e5760d001f7a186d2439abcd47bfa236689459c4fd8f062c7a5b2c2a340c";
/// [`Tokenizer::fingerprint`] of the World vocabulary.
pub const WORLD_FINGERPRINT: &str =
    "1e6e1adc8d10aeee528862d6d6ce66db9c4ae254a7e6636f81cd6765ca053219";

impl Tokenizer {
    /// The SHA-256 of what every id stands for: of each id that has a token, in
    /// ascending order, the id and the token's length as 32 bits, little end first,
    /// and the token's bytes. Of a `tokenizer.json` also of where a text is cut and what is
    /// merged. It does not depend on how the file was written.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (id, token) in self.tokens() {
            hash.update(id.to_le_bytes());
            hash.update((token.len() as u32).to_le_bytes());
            hash.update(token);
        }
        if let Method::Bpe(bpe) = &self.method {
            bpe.hash_into(&mut hash);
        }
        format!("{:x}", hash.finalize())
    }

    /// The vocabulary as a file that other programs read too: in the official text
    /// format, or the `tokenizer.json` that it is.
    pub fn to_text(&self) -> String {
        if let Method::Bpe(bpe) = &self.method {
            return bpe.source.clone();
        }
        self.tokens()
            .map(|(id, token)| format!("{id} {} {}\n", literal(token), token.len()))
            .collect()
    }

    /// Ids in the file and bytes of all tokens, ascending.
    fn tokens(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let ids = 0..self.spans.len() as u32;
        let tokens = ids.map(|id| (id, self.bytes_in_file(id)));
        tokens.filter(|(_, token)| !token.is_empty())
    }
}

/// A Python literal on one line: readable where it is text, else of bytes.
fn literal(token: &[u8]) -> String {
    let text = std::str::from_utf8(token).ok();
    // Readers split lines at more than line feeds.
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let mut literal = String::new();
    if let Some(text) = text.filter(|text| text.chars().all(is_plain)) {
        for c in text.chars() {
            if matches!(c, '\'' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        return format!("'{literal}'");
    }
    for byte in token {
        match byte {
            b'\'' | b'\\' => literal.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => literal.push(char::from(*byte)),
            _ => literal.push_str(&format!("\\x{byte:02x}")),
        }
    }
    format!("b'{literal}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vocabulary_reads_back_from_its_text() {
        let mini = Tokenizer::mini().unwrap();
        let world = Tokenizer::world().unwrap();
        for (tokenizer, expected) in [(mini, MINI_FINGERPRINT), (world, WORLD_FINGERPRINT)] {
            assert_eq!(tokenizer.fingerprint(), expected);
            let text = tokenizer.to_text();
            let read = Tokenizer::from_bytes("v.txt", text.as_bytes()).unwrap();
            assert_eq!(read.fingerprint(), expected);
            assert_eq!(read.to_text(), text);
        }
    }

    #[test]
    fn a_token_is_a_literal_of_python() {
        for (token, expected) in [
            (&b"it's"[..], r"'it\'s'"),
            (b"a\\b", r"'a\\b'"),
            (b"\n\n", r"b'\x0a\x0a'"),
            ("é".as_bytes(), "'é'"),
            ("\u{2028}".as_bytes(), r"b'\xe2\x80\xa8'"),
            (b"\xc3", r"b'\xc3'"),
        ] {
            assert_eq!(literal(token), expected);
        }
    }

    #[test]
    fn another_token_or_another_id_is_another_vocabulary() {
        let text = Tokenizer::mini().unwrap().to_text();
        let fingerprint = |text: &str| {
            let read = Tokenizer::from_bytes("v.txt", text.as_bytes()).unwrap();
            read.fingerprint()
        };
        let with_line_ends = text.replace('\n', "\r\n");
        assert_eq!(fingerprint(&with_line_ends), MINI_FINGERPRINT);
        let last = text.lines().last().unwrap();
        let without = text.strip_suffix(&format!("{last}\n")).unwrap();
        assert_ne!(fingerprint(without), MINI_FINGERPRINT);
        let moved = last.replacen(last.split(' ').next().unwrap(), "60000", 1);
        assert_ne!(
            fingerprint(&format!("{without}{moved}\n")),
            MINI_FINGERPRINT
        );
    }
}
