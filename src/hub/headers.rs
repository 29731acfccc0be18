//! What the headers of an answer say of a file.

use ureq::http::HeaderMap;

/// What a server says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileFacts {
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
}

impl FileFacts {
    /// Takes what headers say; what is known stays.
    pub(super) fn take(&mut self, headers: &HeaderMap) {
        let linked = || number(headers, "x-linked-size");
        self.bytes = self.bytes.or_else(linked);
        let sha256 = |name| digits(text(headers, name)?);
        let said = || sha256("x-linked-etag").or_else(|| sha256("etag"));
        self.sha256 = self.sha256.take().or_else(said);
    }
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A header that is a number.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// The first byte of a partial answer, and the bytes of the whole file where they are
/// said.
pub(super) fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let said = text(headers, "content-range")?
        .trim()
        .strip_prefix("bytes ")?;
    let (part, whole) = said.split_once('/')?;
    let (first, _) = part.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()))
}

/// A SHA-256 as a tag of a file has it.
fn digits(tag: &str) -> Option<String> {
    let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
    let is_sha256 = tag.len() == 64 && tag.bytes().all(|c| c.is_ascii_hexdigit());
    is_sha256.then(|| tag.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_of_the_file() {
        let sha256 = "A".repeat(64);
        let mut headers = HeaderMap::new();
        headers.insert("x-linked-etag", format!("\"{sha256}\"").parse().unwrap());
        headers.insert("x-linked-size", "12".parse().unwrap());
        headers.insert("content-range", "bytes 3-11/12".parse().unwrap());
        let mut told = FileFacts::default();
        told.take(&headers);
        assert_eq!(told.bytes, Some(12));
        assert_eq!(told.sha256, Some("a".repeat(64)));
        assert_eq!(range(&headers), Some((3, Some(12))));
        headers.insert("content-range", "bytes 3-11/*".parse().unwrap());
        assert_eq!(range(&headers), Some((3, None)));
        headers.insert("content-range", "lines 3-11/12".parse().unwrap());
        assert_eq!(range(&headers), None);
        // The tag of a file that is stored otherwise.
        assert_eq!(digits("\"abc\""), None);
    }
}
