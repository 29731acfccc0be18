//! Text files of users: recognised by their first bytes, unpacked, and read as
//! UTF-8.
//!
//! | file | what |
//! |---|---|
//! | `kind.rs` | what a file is, and what to do with one of another kind |
//! | `utf16.rs` | UTF-16 as UTF-8 |

mod kind;
mod utf16;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use kind::LOOKED_AT;
use utf16::Utf16Reader;

pub(crate) use kind::{Kind, no_plain_text, not_utf8};

/// The largest file that is read: none is held in memory whole.
const MAX_FILE_BYTES: u64 = 1 << 40;
/// The most that is read of what has no length of its own or is packed.
const MAX_UNKNOWN_BYTES: u64 = 4 << 30;
/// How much a packed file may hold, as a multiple of its own size. Lines of text
/// are a tenth of their size when packed; a file made to fill the memory is a
/// thousandth.
const MAX_RATIO: u64 = 40;
/// What every packed file may hold.
const MIN_UNPACKED_BYTES: u64 = 1 << 20;
/// Bytes of the text that can be looked at before it is read.
const START_BYTES: u64 = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text that is being read: bytes that are UTF-8 where the file is any good.
pub(crate) struct Text<'a> {
    /// The first bytes of the text, without a byte order mark.
    start: Vec<u8>,
    /// Whether they are all of it.
    is_short: bool,
    /// How many of them were read.
    at: usize,
    rest: Box<dyn BufRead + 'a>,
    /// How the file holds the text where it is not plain UTF-8: `gzip`.
    pub packing: Vec<&'static str>,
}

impl Text<'static> {
    /// Opens a file of at most 1 TiB.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened or unpacked, [`Error::Input`]
    /// where it is too large, a folder, or no text.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, n_bytes) = open_file(path)?;
        // A device or a pipe has no length of its own.
        let n_bytes = n_bytes.unwrap_or(MAX_UNKNOWN_BYTES);
        Self::of(path, Box::new(BufReader::new(file.take(n_bytes))), n_bytes)
    }
}

impl<'a> Text<'a> {
    /// A file that is in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Self::open`], less those of the system.
    pub fn of_bytes(name: &Path, bytes: &'a [u8]) -> Result<Self> {
        Self::of(name, Box::new(bytes), bytes.len() as u64)
    }

    fn of(file: &Path, reader: Box<dyn BufRead + 'a>, n_bytes: u64) -> Result<Self> {
        let fail = |source| Error::io("read", file, source);
        let (mut start, mut reader) = begun(reader, LOOKED_AT as u64).map_err(fail)?;
        let mut packing = Vec::new();
        if Kind::of(&start) == Kind::Gzip {
            packing.push("gzip");
            let packed = io::Cursor::new(start).chain(reader);
            let unpacked = Unpacked {
                inner: MultiGzDecoder::new(packed),
                left: n_bytes
                    .saturating_mul(MAX_RATIO)
                    .clamp(MIN_UNPACKED_BYTES, MAX_UNKNOWN_BYTES),
            };
            let unpacked: Box<dyn BufRead + 'a> = Box::new(BufReader::new(unpacked));
            (start, reader) = begun(unpacked, LOOKED_AT as u64).map_err(fail)?;
        }
        let refuse = |reason: &str| Err(Error::input(file, tr!("content"), reason));
        let all = io::Cursor::new(start.clone()).chain(reader);
        let all: Box<dyn BufRead + 'a> = match Kind::of(&start) {
            Kind::Text => Box::new(all),
            Kind::Utf16(order) => {
                packing.push("UTF-16");
                Box::new(BufReader::new(Utf16Reader::new(all, order)))
            }
            Kind::Gzip => {
                return refuse(tr!("is compressed with gzip twice; unpack it with gunzip"));
            }
            Kind::Parquet => {
                return refuse(tr!(
                    "is a Parquet file; write its rows as JSON lines (in Python: \
                     pandas.read_parquet(\"OLD\").to_json(\"NEW.jsonl\", orient=\"records\", \
                     lines=True))"
                ));
            }
            Kind::Foreign(reason) => return refuse(reason),
        };
        let (mut start, rest) = begun(all, START_BYTES).map_err(fail)?;
        let is_short = (start.len() as u64) < START_BYTES;
        if start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Self {
            start,
            is_short,
            at: 0,
            rest,
            packing,
        })
    }

    /// The first bytes of the text, up to 64 KiB, whatever was read of it.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether [`Self::start`] is all of it.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// The whole text.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] above `max_bytes`: with `what`, what
    /// such a file is.
    pub fn read_all(self, file: &Path, max_bytes: u64, what: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.take(max_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::io("read", file, source))?;
        if bytes.len() as u64 > max_bytes {
            let reason = tr!("is over {} MiB; {what}", max_bytes >> 20, what);
            return Err(Error::input(file, tr!("size"), reason));
        }
        Ok(bytes)
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.fill_buf()?.read(buffer)?;
        self.consume(n_read);
        Ok(n_read)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &self.start[self.at..] {
            [] => self.rest.fill_buf(),
            start => Ok(start),
        }
    }

    fn consume(&mut self, n_bytes: usize) {
        if self.at < self.start.len() {
            self.at += n_bytes;
        } else {
            self.rest.consume(n_bytes);
        }
    }
}

/// Opens a file that is no folder; its length, where it has one.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for a folder and above 1 TiB.
pub(crate) fn open_file(path: &Path) -> Result<(File, Option<u64>)> {
    let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
    let metadata = file
        .metadata()
        .map_err(|source| Error::io("read", path, source))?;
    if metadata.is_dir() {
        return Err(Error::input(
            path,
            tr!("path"),
            tr!("a folder; a file is needed"),
        ));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(Error::input(
            path,
            tr!("size"),
            tr!("above 1 TiB; split the file"),
        ));
    }
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

/// The kind of a file.
///
/// # Errors
/// As [`Text::open`].
pub(crate) fn kind_of(path: &Path) -> Result<Kind> {
    let (file, _) = open_file(path)?;
    let mut start = Vec::new();
    file.take(LOOKED_AT as u64)
        .read_to_end(&mut start)
        .map_err(|source| Error::io("read", path, source))?;
    Ok(Kind::of(&start))
}

/// The text of a short file, without a byte order mark. `what` says what it
/// should be, for one that is above `max_bytes`.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] where it is too large or no text.
pub(crate) fn read_text(path: &Path, max_bytes: u64, what: &str) -> Result<String> {
    let bytes = Text::open(path)?.read_all(path, max_bytes, what)?;
    String::from_utf8(bytes).map_err(|error| {
        let n_valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let n_lines = bytes[..n_valid]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        let line_start = bytes[..n_valid]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let reason = not_utf8(&bytes[line_start..], n_valid - line_start);
        Error::input(path, tr!("line {}", n_lines + 1), reason)
    })
}

/// Bytes that were read as text: without a byte order mark, and UTF-16 with one
/// as UTF-8. Other bytes stay as they are.
pub(crate) fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    match Kind::of(bytes) {
        Kind::Utf16(order) => {
            let mut text = Vec::new();
            // Reading from memory cannot fail.
            let _ = Utf16Reader::new(bytes, order).read_to_end(&mut text);
            let text = match text.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) => rest.to_vec(),
                None => text,
            };
            Cow::Owned(text)
        }
        Kind::Text | Kind::Gzip | Kind::Parquet | Kind::Foreign(_) => {
            Cow::Borrowed(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes))
        }
    }
}

/// The first `n_bytes` of a stream, and what follows them.
fn begun<'a>(
    mut reader: Box<dyn BufRead + 'a>,
    n_bytes: u64,
) -> io::Result<(Vec<u8>, Box<dyn BufRead + 'a>)> {
    let mut start = Vec::new();
    (&mut reader).take(n_bytes).read_to_end(&mut start)?;
    Ok((start, reader))
}

/// What comes out of a packed file, up to a limit.
struct Unpacked<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer).map_err(|error| {
            let reason = tr!("its gzip data are damaged or cut short ({error})", error);
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        match self.left.checked_sub(n_read as u64) {
            Some(left) => self.left = left,
            None => {
                let reason = tr!(
                    "it unpacks to more than 4 GiB or {MAX_RATIO} times its size; unpack it with \
                     gunzip and name the file that comes out",
                    MAX_RATIO
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str) -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, bytes).unwrap();
        read_text(&path, 4 << 20, "this is a test")
    }

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(read(bytes).unwrap(), expected);
    }

    fn check_refused(bytes: &[u8], expected: &str) {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn text_is_read_from_every_packing() {
        let text = "é, \u{1f600}\r\nb\n";
        check(b"", "");
        check(text.as_bytes(), text);
        check(format!("\u{feff}{text}").as_bytes(), text);
        check(&utf16(text), text);
        check(&gzip(text.as_bytes()), text);
        check(&gzip(&utf16(text)), text);
        // Two files packed for themselves and joined are one, as for gunzip.
        check(&[gzip(b"a\n"), gzip(b"b\n")].concat(), "a\nb\n");
        // Longer than what is looked at.
        let long = "0123456789\n".repeat(20_000);
        check(long.as_bytes(), &long);
        check(&utf16(&long), &long);
    }

    #[test]
    fn what_is_no_text_is_named() {
        check_refused(b"PAR1\x15\x04\x15", "content: is a Parquet file");
        check_refused(&gzip(&gzip(b"a")), "compressed with gzip twice");
        check_refused(b"GGUF\x03\0\0\0", "content: is a GGUF model");
        let gbk = b"first\n\xc4\xe3\xba\xc3\n";
        check_refused(gbk, "line 2: not UTF-8 text at byte 1; it looks like GBK");
        let cut = gzip(b"some text that is long enough");
        check_refused(&cut[..cut.len() - 12], "gzip data are damaged or cut short");
        let message = read_text(Path::new("."), 1, "x").unwrap_err().to_string();
        assert_eq!(message, ".: path: a folder; a file is needed");
    }

    #[test]
    fn sizes_have_limits() {
        check_refused(
            &[b'a'; (4 << 20) + 1],
            "size: is over 4 MiB; this is a test",
        );
        // 8 MiB of one letter take 8 KiB.
        check_refused(
            &gzip(&[b'a'; 8 << 20]),
            "more than 4 GiB or 40 times its size",
        );
        check(&gzip(&[b'a'; 1 << 20]), &"a".repeat(1 << 20));
    }

    #[test]
    fn bytes_of_a_stream_become_text() {
        let check = |bytes: &[u8], expected: &[u8]| assert_eq!(*as_utf8(bytes), *expected);
        check(b"\xef\xbb\xbfa", b"a");
        check(&utf16("a\u{e9}"), "aé".as_bytes());
        check(b"\xff", b"\xff");
        check(b"", b"");
    }
}
