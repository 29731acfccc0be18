//! Little-endian numbers and texts, one after the other, each checked against
//! the end of the file.

use super::shown;
use crate::language;

const ENDS: &str =
    mark!("the file ends here: it is truncated or damaged; download or copy it again");

/// A place in the bytes of a file.
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// `at` may lie behind the end, where nothing can be read.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub fn take(&mut self, len: Option<usize>) -> Result<&'a [u8], String> {
        let end = len.and_then(|len| self.at.checked_add(len));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| language::text(ENDS))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Passes over so many bytes; none stands for more than can be counted.
    pub fn skip(&mut self, len: Option<usize>) -> Result<(), String> {
        self.take(len).map(drop)
    }

    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], String> {
        let mut array = [0; LEN];
        array.copy_from_slice(self.take(Some(LEN))?);
        Ok(array)
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A count or a length of 8 bytes. One that this machine cannot count is
    /// larger than any file.
    pub fn size(&mut self) -> Result<usize, String> {
        let size = u64::from_le_bytes(self.array()?);
        Ok(usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// A text behind its length.
    pub fn text(&mut self) -> Result<&'a str, String> {
        let len = self.size()?;
        self.text_of(len)
    }

    /// A text of so many bytes.
    pub fn text_of(&mut self, len: usize) -> Result<&'a str, String> {
        let bytes = self.take(Some(len))?;
        std::str::from_utf8(bytes).map_err(|_| {
            let start = bytes[..bytes.len().min(40)].escape_ascii().to_string();
            tr!(
                "holds the name \"{}\", which is not UTF-8; the file is damaged",
                shown(&start)
            )
        })
    }

    /// Passes over a text behind its length, be it UTF-8 or not.
    pub fn skip_text(&mut self) -> Result<(), String> {
        let len = self.size()?;
        self.skip(Some(len))
    }
}
