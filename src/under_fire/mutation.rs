//! How one input is made from another: the havoc of AFL and libFuzzer.

use crate::random::SplitMix64;

/// The longest input. Readers meet their limits of size in their own tests.
const MAX_BYTES: usize = 1 << 13;

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff8,
    u64::MAX,
];

/// Changes `bytes` in a few places; `other` is another good input, `words` the
/// words of the format.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]], random: &mut SplitMix64) {
    for _ in 0..1 << random.below(4) {
        change(bytes, other, words, random);
    }
    bytes.truncate(MAX_BYTES);
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]], random: &mut SplitMix64) {
    let at = random.below(bytes.len() + 1);
    let room = bytes.len() - at;
    match random.below(11) {
        0 if room > 0 => bytes[at] ^= 1 << random.below(8),
        1 if room > 0 => bytes[at] = random.next() as u8,
        2 if room > 0 => {
            bytes[at] = bytes[at]
                .wrapping_add(random.below(71) as u8)
                .wrapping_sub(35)
        }
        3 => {
            let len = 1 + random.below(room.min(64) + 1);
            bytes.drain(at..at + len.min(room));
        }
        4 => {
            let len = 1 + random.below(16);
            let byte = random.next() as u8;
            bytes.splice(at..at, std::iter::repeat_n(byte, len));
        }
        5 => {
            // A piece of itself, once more or in place of another.
            let len = random.below(room.min(256) + 1);
            let piece = bytes[at..at + len].to_vec();
            put(bytes, &piece, random);
        }
        6 if !other.is_empty() => {
            let from = random.below(other.len());
            let len = random.below((other.len() - from).min(256) + 1);
            put(bytes, &other[from..from + len], random);
        }
        7 | 8 if !words.is_empty() => put(bytes, words[random.below(words.len())], random),
        9 => {
            let number = EDGES[random.below(EDGES.len())].to_le_bytes();
            let len = (1 << random.below(4)).min(room);
            bytes[at..at + len].copy_from_slice(&number[..len]);
        }
        10 => {
            let number = EDGES[random.below(EDGES.len())].to_string();
            put(bytes, number.as_bytes(), random);
        }
        _ => bytes.truncate(at),
    }
}

/// Puts `piece` somewhere, in between or over what is there.
fn put(bytes: &mut Vec<u8>, piece: &[u8], random: &mut SplitMix64) {
    let at = random.below(bytes.len() + 1);
    let end = match random.below(2) {
        0 => at,
        _ => (at + piece.len()).min(bytes.len()),
    };
    bytes.splice(at..end, piece.iter().copied());
}
