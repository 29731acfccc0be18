//! Where the entries of a zip archive lie in its bytes, when they are stored
//! as they are. `torch.save` compresses nothing, which is what lets a
//! checkpoint be used in place.
//!
//! Layout: PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.12 (central
//! directory), 4.3.14 to 4.3.16 (its end, with and without zip64), 4.5.3.

use std::collections::BTreeMap;
use std::ops::Range;

use super::shown;
use crate::language;

/// The most entries an archive may have; one per tensor, and a few more.
const MAX_ENTRIES: usize = 1 << 17;

const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR_LEN: usize = 20;
const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;

/// The byte range of every stored entry by its name.
///
/// # Errors
/// The reason as one line, for archives that are truncated, compressed,
/// encrypted, inconsistent or absurdly large.
pub(super) fn stored_entries(bytes: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, String> {
    let directory = Directory::find(bytes)?;
    let mut entries = BTreeMap::new();
    let mut at = directory.start;
    for _ in 0..directory.n_entries {
        let (name, range, next) = central_entry(bytes, at, &directory)?;
        if entries.insert(name, range).is_some() {
            return Err(tr!("has two entries named {}", shown(name)));
        }
        at = next;
    }
    let mut ranges: Vec<&Range<usize>> = entries.values().filter(|r| !r.is_empty()).collect();
    ranges.sort_by_key(|range| range.start);
    if ranges.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return Err(tr!("has entries that overlap; the file is damaged or forged").into());
    }
    Ok(entries)
}

struct Directory {
    start: usize,
    end: usize,
    n_entries: usize,
}

impl Directory {
    fn find(bytes: &[u8]) -> Result<Self, String> {
        const TRUNCATED: &str = mark!(
            "the end of the zip archive is missing, so the file is truncated; download \
             or copy it again"
        );
        // The end record is followed by a comment of at most 65535 bytes.
        let from = bytes.len().saturating_sub(END_LEN + usize::from(u16::MAX));
        let tail = &bytes[from..];
        let end = tail
            .windows(4)
            .rposition(|window| window == b"PK\x05\x06")
            .map(|position| from + position)
            .filter(|end| end + END_LEN <= bytes.len())
            .ok_or_else(|| language::text(TRUNCATED))?;
        let mut n_entries = u64::from(u16_at(bytes, end + 10)?);
        let mut len = u64::from(u32_at(bytes, end + 12)?);
        let mut start = u64::from(u32_at(bytes, end + 16)?);
        let mut limit = end;
        let locator = end.checked_sub(LOCATOR_LEN);
        if let Some(locator) = locator.filter(|at| bytes[*at..].starts_with(b"PK\x06\x07")) {
            let end64 = to_usize(u64_at(bytes, locator + 8)?)?;
            let record = bytes.get(end64..).unwrap_or_default();
            if !record.starts_with(b"PK\x06\x06") || end64 > locator.saturating_sub(END64_LEN) {
                return Err(tr!("the zip64 end record is missing; the file is damaged").into());
            }
            n_entries = u64_at(bytes, end64 + 32)?;
            len = u64_at(bytes, end64 + 40)?;
            start = u64_at(bytes, end64 + 48)?;
            limit = end64;
        }
        let (start, len) = (to_usize(start)?, to_usize(len)?);
        let n_entries = to_usize(n_entries)?;
        if start.checked_add(len).is_none_or(|end| end > limit) {
            return Err(tr!("the zip directory lies outside the file; the file is damaged").into());
        }
        if n_entries > MAX_ENTRIES || n_entries > len / CENTRAL_LEN {
            return Err(tr!(
                "claims {n_entries} zip entries in a directory of {len} bytes; refused",
                n_entries,
                len
            ));
        }
        Ok(Self {
            start,
            end: start + len,
            n_entries,
        })
    }
}

/// The entry whose central header is at `at`: name, byte range, and where the
/// next header is.
fn central_entry<'a>(
    bytes: &'a [u8],
    at: usize,
    directory: &Directory,
) -> Result<(&'a str, Range<usize>, usize), String> {
    const DAMAGED: &str = mark!("the zip directory is damaged");
    let name_at = at + CENTRAL_LEN;
    if name_at > directory.end || !bytes[at..].starts_with(b"PK\x01\x02") {
        return Err(language::text(DAMAGED).into());
    }
    let extra_at = name_at + usize::from(u16_at(bytes, at + 28)?);
    let comment_at = extra_at + usize::from(u16_at(bytes, at + 30)?);
    let next = comment_at + usize::from(u16_at(bytes, at + 32)?);
    if next > directory.end {
        return Err(language::text(DAMAGED).into());
    }
    let name = std::str::from_utf8(&bytes[name_at..extra_at])
        .map_err(|_| tr!("a zip entry's name is not UTF-8").to_owned())?;
    let in_entry = |reason: &str| tr!("the zip entry {} {reason}", shown(name), reason);
    if u16_at(bytes, at + 8)? & 1 != 0 {
        return Err(in_entry(tr!("is encrypted; decrypt the file first")));
    }
    if u16_at(bytes, at + 10)? != 0 {
        return Err(in_entry(tr!(
            "is compressed, which torch.save never does; unpack it or save it again"
        )));
    }
    // In the order in which the zip64 field replaces those that are all ones.
    let mut fields = [
        u64::from(u32_at(bytes, at + 24)?),
        u64::from(u32_at(bytes, at + 20)?),
        u64::from(u32_at(bytes, at + 42)?),
    ];
    widen(&mut fields, &bytes[extra_at..comment_at]).ok_or_else(|| in_entry(tr!("is damaged")))?;
    let [len, stored_len, local_at] = fields;
    if len != stored_len {
        return Err(in_entry(tr!("has two different sizes")));
    }
    let (len, local_at) = (to_usize(len)?, to_usize(local_at)?);
    let range = local_data(bytes, local_at, len)
        .filter(|range| range.end <= directory.start)
        .ok_or_else(|| {
            in_entry(tr!(
                "lies outside the file; the file is truncated or damaged"
            ))
        })?;
    Ok((name, range, next))
}

/// Replaces the 32-bit fields that are all ones by those of the zip64 field.
fn widen(fields: &mut [u64; 3], mut extra: &[u8]) -> Option<()> {
    while fields.contains(&u64::from(u32::MAX)) {
        let id = u16_at(extra, 0).ok()?;
        let len = usize::from(u16_at(extra, 2).ok()?);
        let body = extra.get(4..4 + len)?;
        extra = &extra[4 + len..];
        if id != 1 {
            continue;
        }
        let wide = fields.iter_mut().filter(|f| **f == u64::from(u32::MAX));
        for (index, field) in wide.enumerate() {
            *field = u64_at(body, 8 * index).ok()?;
        }
        break;
    }
    Some(())
}

/// The data behind the local header at `at`, whose own name and padding have
/// other lengths than the central one's.
fn local_data(bytes: &[u8], at: usize, len: usize) -> Option<Range<usize>> {
    if !bytes.get(at..)?.starts_with(b"PK\x03\x04") {
        return None;
    }
    let name_len = usize::from(u16_at(bytes, at + 26).ok()?);
    let extra_len = usize::from(u16_at(bytes, at + 28).ok()?);
    let start = at + LOCAL_LEN + name_len + extra_len;
    let end = start.checked_add(len)?;
    (end <= bytes.len()).then_some(start..end)
}

fn array_at<const LEN: usize>(bytes: &[u8], at: usize) -> Result<[u8; LEN], String> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| tr!("the zip archive ends in the middle; the file is truncated").into())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

fn to_usize(size: u64) -> Result<usize, String> {
    usize::try_from(size).map_err(|_| tr!("a zip size is larger than this machine's memory").into())
}
