//! UTF-16 as a stream of UTF-8.

use std::io::{Read, Result};

use super::kind::ByteOrder;

/// Bytes that are read at a time.
const CHUNK: usize = 8 << 10;

/// Reads UTF-16 as UTF-8. Half a surrogate pair, and half a unit at the end,
/// become U+FFFD.
pub(super) struct Utf16Reader<R> {
    inner: R,
    order: ByteOrder,
    /// The first byte of a unit whose second is still to come.
    odd: Option<u8>,
    /// The first half of a pair whose second is still to come.
    high: Option<u16>,
    text: Vec<u8>,
    /// How much of the text was handed out.
    at: usize,
}

impl<R: Read> Utf16Reader<R> {
    pub fn new(inner: R, order: ByteOrder) -> Self {
        Self {
            inner,
            order,
            odd: None,
            high: None,
            text: Vec::new(),
            at: 0,
        }
    }

    /// Reads the next piece; none is left where the text stays empty.
    fn fill(&mut self) -> Result<()> {
        self.text.clear();
        self.at = 0;
        let mut bytes = [0; CHUNK];
        while self.text.is_empty() {
            let n_read = self.inner.read(&mut bytes)?;
            for byte in &bytes[..n_read] {
                match self.odd.take() {
                    None => self.odd = Some(*byte),
                    Some(first) => self.push(match self.order {
                        ByteOrder::Little => u16::from_le_bytes([first, *byte]),
                        ByteOrder::Big => u16::from_be_bytes([first, *byte]),
                    }),
                }
            }
            if n_read == 0 {
                let is_cut = self.odd.take().is_some() | self.high.take().is_some();
                if is_cut {
                    self.write(char::REPLACEMENT_CHARACTER);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn push(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let [Ok(c)] = char::decode_utf16([high, unit]).collect::<Vec<_>>()[..] {
                return self.write(c);
            }
            self.write(char::REPLACEMENT_CHARACTER);
        }
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            unit => {
                let c = char::from_u32(unit.into());
                self.write(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    fn write(&mut self, c: char) {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        self.text.extend_from_slice(bytes);
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at == self.text.len() {
            self.fill()?;
        }
        let rest = &self.text[self.at..];
        let n_read = rest.len().min(buffer.len());
        buffer[..n_read].copy_from_slice(&rest[..n_read]);
        self.at += n_read;
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(units: &[u16], expected: &str) {
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (bytes, order) in [(little, ByteOrder::Little), (big, ByteOrder::Big)] {
            // One byte at a time, so that units and pairs are torn.
            let torn = OneByOne(&bytes);
            let mut text = String::new();
            Utf16Reader::new(torn, order)
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, expected);
        }
    }

    struct OneByOne<'a>(&'a [u8]);

    impl Read for OneByOne<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let n = buffer.len().min(1);
            self.0.read(&mut buffer[..n])
        }
    }

    #[test]
    fn units_become_characters() {
        check(&[], "");
        check(&[0x61, 0x4f60, 0x0a], "a\u{4f60}\n");
        check(&[0xd83d, 0xde00], "\u{1f600}");
        check(&[0xd83d, 0x61], "\u{fffd}a");
        check(&[0xd83d, 0xd83d, 0xde00], "\u{fffd}\u{1f600}");
        check(&[0xde00, 0x61], "\u{fffd}a");
        check(&[0x61, 0xd83d], "a\u{fffd}");
    }

    #[test]
    fn half_a_unit_at_the_end_is_replaced() {
        let mut text = String::new();
        Utf16Reader::new(&b"a\0b"[..], ByteOrder::Little)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "a\u{fffd}");
    }

    #[test]
    fn a_long_text_is_read_whole() {
        let expected = "\u{1f600}x".repeat(10_000);
        let bytes: Vec<u8> = expected.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut text = String::new();
        Utf16Reader::new(&bytes[..], ByteOrder::Little)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, expected);
    }
}
