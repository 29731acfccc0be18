//! What a file is, by its first bytes. The extension is not asked.

use crate::language;

/// Bytes from the start that are looked at.
pub(super) const LOOKED_AT: usize = 512;

/// What a file is, as far as its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text in UTF-8, or in an encoding that does not show at its start.
    Text,
    /// Text in UTF-16.
    Utf16(ByteOrder),
    /// A file packed by gzip.
    Gzip,
    /// Parquet.
    Parquet,
    /// No text: what it is, and what to do.
    Foreign(&'static str),
}

/// Which byte of a 16-bit unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// The low one.
    Little,
    /// The high one.
    Big,
}

/// What to do with files of tables and lists that other programs keep packed.
const ZIP: &str = mark!("is a zip archive; unpack it and name the file in it");
const TORCH: &str =
    mark!("is a PyTorch checkpoint (.pth), a model or a state, where text is needed");
const OFFICE: &str = mark!("is an Office document; save its table as CSV in UTF-8");

/// Files that users pick by mistake: how they begin, what they are, and what
/// to do.
const FOREIGN: [(&[u8], &str); 25] = [
    (b"PK\x05\x06", mark!("is an empty zip archive")),
    (
        b"ARROW1",
        mark!(
            "is an Arrow file; write its rows as JSON lines (in Python: \
             dataset.to_json(\"train.jsonl\"))"
        ),
    ),
    (
        b"\xff\xff\xff\xff",
        mark!(
            "is an Arrow stream, as the cache of Hugging Face datasets keeps; write its \
             rows as JSON lines (in Python: dataset.to_json(\"train.jsonl\"))"
        ),
    ),
    (
        b"MMIDIDX\0",
        mark!(
            "is the index of a .bin of tokens (binidx); name the JSON lines that it was \
             made from"
        ),
    ),
    (b"GGUF", mark!("is a GGUF model, where text is needed")),
    (
        b"version https://git-lfs",
        mark!(
            "is a Git LFS pointer that stands for the real file; run \"git lfs pull\" or \
             download the file itself"
        ),
    ),
    (
        b"\xff\xfe\0\0",
        mark!("is text in UTF-32; save it as UTF-8, as with iconv -f UTF-32 -t UTF-8"),
    ),
    (
        b"\0\0\xfe\xff",
        mark!("is text in UTF-32; save it as UTF-8, as with iconv -f UTF-32 -t UTF-8"),
    ),
    (
        b"\x28\xb5\x2f\xfd",
        mark!("is compressed with zstd; unpack it with unzstd"),
    ),
    (
        b"BZh91AY&SY",
        mark!("is compressed with bzip2; unpack it with bunzip2"),
    ),
    (
        b"\xfd7zXZ",
        mark!("is compressed with xz; unpack it with unxz"),
    ),
    (
        b"\x04\x22\x4d\x18",
        mark!("is compressed with lz4; unpack it with unlz4"),
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        mark!("is a 7z archive; unpack it and name the file in it"),
    ),
    (
        b"Rar!\x1a",
        mark!("is a RAR archive; unpack it and name the file in it"),
    ),
    (
        b"SQLite format 3\0",
        mark!("is an SQLite database; write its rows as JSON lines or as CSV"),
    ),
    (
        b"\x89HDF",
        mark!("is an HDF5 file; write its rows as JSON lines or as CSV"),
    ),
    (b"\xd0\xcf\x11\xe0", OFFICE),
    (b"%PDF-", mark!("is a PDF document, where text is needed")),
    (
        b"{\\rtf",
        mark!("is a rich-text document; save it as plain text in UTF-8"),
    ),
    (b"\x89PNG", mark!("is a picture, where text is needed")),
    (b"\xff\xd8\xff", mark!("is a picture, where text is needed")),
    (b"\x7fELF", mark!("is a program, where text is needed")),
    (
        b"\x93NUMPY",
        mark!("is a NumPy array, where text is needed"),
    ),
    (
        b"\x80\x04",
        mark!("is a Python pickle; write its rows as JSON lines"),
    ),
    (
        b"\x80\x05",
        mark!("is a Python pickle; write its rows as JSON lines"),
    ),
];

impl Kind {
    /// The kind of a file that starts so; [`LOOKED_AT`] bytes are enough.
    pub fn of(start: &[u8]) -> Self {
        let start = &start[..start.len().min(LOOKED_AT)];
        if start.starts_with(b"\x1f\x8b") {
            return Self::Gzip;
        }
        if start.starts_with(b"PAR1") {
            return Self::Parquet;
        }
        if start.starts_with(b"PK\x03\x04") {
            return Self::Foreign(zip(start));
        }
        let begins = |(known, _): &&(&[u8], &'static str)| start.starts_with(known);
        if let Some((_, reason)) = FOREIGN.iter().find(begins) {
            return Self::Foreign(language::text(reason));
        }
        match start {
            [0xff, 0xfe, ..] => return Self::Utf16(ByteOrder::Little),
            [0xfe, 0xff, ..] => return Self::Utf16(ByteOrder::Big),
            _ => {}
        }
        if !start.contains(&0) {
            return match is_web_page(start) {
                true => Self::Foreign(tr!(
                    "is a web page, so the download failed; open the address in a browser to see \
                     why"
                )),
                false => Self::Text,
            };
        }
        match unmarked_utf16(start) {
            Some(order) => Self::Utf16(order),
            None => Self::Foreign(binary(start)),
        }
    }
}

/// What to do with a file that is not plain text; none where it is.
pub(crate) fn no_plain_text(bytes: &[u8]) -> Option<&'static str> {
    match Kind::of(bytes) {
        Kind::Text | Kind::Utf16(_) => None,
        Kind::Gzip => Some(tr!("is compressed with gzip; unpack it with gunzip")),
        Kind::Parquet => Some(tr!("is a Parquet file, where text is needed")),
        Kind::Foreign(reason) => Some(reason),
    }
}

/// What a zip archive is, by the names in its first entries.
fn zip(start: &[u8]) -> &'static str {
    let has = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    if has(b"data.pkl") || has(b"/version") || has(b"byteorder") {
        language::text(TORCH)
    } else if has(b"[Content_Types].xml") || has(b"xl/") || has(b"word/") || has(b"mimetype") {
        language::text(OFFICE)
    } else {
        language::text(ZIP)
    }
}

fn is_web_page(start: &[u8]) -> bool {
    let start = start.trim_ascii_start().to_ascii_lowercase();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// The byte order of UTF-16 without a mark, as far as it begins with four
/// characters of ASCII, which JSON and headers of tables do.
fn unmarked_utf16(start: &[u8]) -> Option<ByteOrder> {
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let (units, _) = start.get(..8)?.as_chunks::<2>();
    if units.iter().all(|unit| is_text(unit[0]) && unit[1] == 0) {
        Some(ByteOrder::Little)
    } else if units.iter().all(|unit| unit[0] == 0 && is_text(unit[1])) {
        Some(ByteOrder::Big)
    } else {
        None
    }
}

/// What a file with a zero among its first bytes is.
fn binary(start: &[u8]) -> &'static str {
    if start.get(7) == Some(&0) && start.get(8) == Some(&b'{') {
        return tr!("is a .safetensors file, a model or a state, where text is needed");
    }
    if start.get(257..262) == Some(b"ustar") {
        return tr!("is a tar archive; unpack it and name the file in it");
    }
    if start.iter().all(|byte| *byte == 0) {
        return tr!(
            "begins with zeros only, so a download or a copy did not finish; fetch it \
             again"
        );
    }
    tr!("is a binary file, where text is needed")
}

/// What is wrong with bytes that are no UTF-8, whose first `n_valid` are, and
/// what to do.
pub(crate) fn not_utf8(bytes: &[u8], n_valid: usize) -> String {
    let what = match looks_like_gbk(bytes) {
        true => {
            tr!(
                "it looks like GBK; save the file as UTF-8, as with iconv -f GB18030 -t \
                 UTF-8 OLD > NEW"
            )
        }
        false => tr!("save the file as UTF-8"),
    };
    tr!("not UTF-8 text at byte {}; {what}", n_valid + 1, what)
}

/// Whether everything that is no ASCII comes in pairs as GBK has them, most of
/// them from its usual characters.
fn looks_like_gbk(bytes: &[u8]) -> bool {
    let (mut n_pairs, mut n_usual) = (0_usize, 0_usize);
    let mut rest = bytes.iter();
    while let Some(first) = rest.next() {
        if first.is_ascii() {
            continue;
        }
        match (first, rest.next()) {
            (0x81..=0xfe, Some(0xa1..=0xfe)) => n_usual += 1,
            (0x81..=0xfe, Some(0x40..=0x7e | 0x80..=0xa0)) => {}
            _ => return false,
        }
        n_pairs += 1;
    }
    // Two, for a single one may be anything.
    n_pairs >= 2 && 2 * n_usual > n_pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &[u8], expected: Kind) {
        assert_eq!(Kind::of(start), expected, "{}", start.escape_ascii());
    }

    fn check_foreign(start: &[u8], expected: &str) {
        match Kind::of(start) {
            Kind::Foreign(reason) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_and_its_packings_are_told_apart() {
        check(b"", Kind::Text);
        check(b"{\"text\": \"a\"}", Kind::Text);
        check(b"\xef\xbb\xbf{}", Kind::Text);
        // GBK, which no first byte shows.
        check(b"\xc4\xe3\xba\xc3", Kind::Text);
        check(b"\x1f\x8b\x08", Kind::Gzip);
        check(b"PAR1\x15\x04", Kind::Parquet);
        check(b"\xff\xfe{\0", Kind::Utf16(ByteOrder::Little));
        check(b"\xfe\xff\0{", Kind::Utf16(ByteOrder::Big));
        check(b"{\0\"\0t\0e\0", Kind::Utf16(ByteOrder::Little));
        check(b"\0q\0,\0a\0,", Kind::Utf16(ByteOrder::Big));
        check(b"<b>bold</b> text", Kind::Text);
    }

    #[test]
    fn other_files_are_named() {
        check_foreign(b"PK\x03\x04\x14\0\0\0a/b.txt", "a zip archive");
        check_foreign(b"PK\x03\x04\0\0archive/data.pkl", "a PyTorch checkpoint");
        check_foreign(b"PK\x03\x04\x14\0[Content_Types].xml", "an Office document");
        check_foreign(b"\x10\0\0\0\0\0\0\0{\"a\"", "a .safetensors file");
        check_foreign(b"\xff\xfe\0\0{\0\0\0", "UTF-32");
        check_foreign(b"\x28\xb5\x2f\xfd\0", "zstd");
        check_foreign(b"ARROW1\0\0", "an Arrow file");
        check_foreign(b"\n<!DOCTYPE HTML><p>404", "a web page");
        check_foreign(
            b"version https://git-lfs.github.com/spec/v1",
            "git lfs pull",
        );
        check_foreign(&[0; 600], "zeros only");
        check_foreign(b"ab\0\x01\x02\x03\x04\x05", "a binary file");
        let mut tar = vec![b'a'; 100];
        tar.resize(257, 0);
        tar.extend(b"ustar");
        check_foreign(&tar, "a tar archive");
    }

    #[test]
    fn text_in_another_encoding_is_guessed_with_care() {
        let check = |bytes: &[u8], is_gbk: bool| {
            let n_valid = std::str::from_utf8(bytes).unwrap_err().valid_up_to();
            let reason = not_utf8(bytes, n_valid);
            assert!(reason.starts_with("not UTF-8 text at byte "), "{reason}");
            assert_eq!(reason.contains("GBK"), is_gbk, "{reason}");
        };
        // Ni hao in GBK; "café au lait" and "Übergröße" in Latin-1.
        check(b"{\"text\": \"\xc4\xe3\xba\xc3\"}", true);
        check(b"caf\xe9 au lait", false);
        check(b"\xdcbergr\xf6\xdfe", false);
        check(b"\xff", false);
    }
}
