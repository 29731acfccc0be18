//! What tells the contents of one file from those of another.
//!
//! A fingerprint is `CONTENT-ENDS`: the SHA-256 of everything, and that of both ends
//! of every tensor, each as 64 hexadecimal digits. The second costs little; older
//! runs, states and evaluations have it alone.

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{Checkpoint, TensorView};

/// Bytes of a tensor that are hashed at a time, each such piece on a thread.
const PIECE: usize = 4 << 20;
/// Bytes of each end of a tensor that are looked at.
const EDGE: usize = 4096;

impl Checkpoint {
    /// An identity of the contents, `CONTENT-ENDS`. CONTENT is the SHA-256 over the
    /// name, element type and shape of every tensor in order of names, and over the
    /// SHA-256 of every 4 MiB of its elements, so that any changed number shows.
    /// ENDS is [`Self::ends`]. The same weights have the same fingerprint as `.pth`
    /// and as `.safetensors`. It reads every tensor; compare fingerprints by
    /// [`is_same_content`].
    pub fn fingerprint(&self) -> String {
        let pieces = self.tensors().enumerate().flat_map(|(idx, tensor)| {
            let pieces = tensor.stored_bytes().chunks(PIECE);
            pieces.map(move |piece| (idx, piece))
        });
        let pieces: Vec<(usize, &[u8])> = pieces.collect();
        let hashed: Vec<(usize, [u8; 32])> = pieces
            .into_par_iter()
            .map(|(idx, piece)| (idx, Sha256::digest(piece).into()))
            .collect();
        let mut hash = Sha256::new();
        let mut hashed = hashed.iter().peekable();
        for (idx, tensor) in self.tensors().enumerate() {
            add_table(&mut hash, &tensor);
            while let Some((_, digest)) = hashed.next_if(|(of, _)| *of == idx) {
                hash.update(digest);
            }
        }
        format!("{:x}-{}", hash.finalize(), self.ends())
    }

    /// A part of the identity that costs little: the SHA-256 over the name, element
    /// type and shape of every tensor in order of names, and over the first and the
    /// last 4 KiB of its elements (all of them when they are fewer than 8 KiB).
    pub fn ends(&self) -> String {
        let mut hash = Sha256::new();
        for tensor in self.tensors() {
            add_table(&mut hash, &tensor);
            let bytes = tensor.stored_bytes();
            if bytes.len() < 2 * EDGE {
                hash.update(bytes);
            } else {
                hash.update(&bytes[..EDGE]);
                hash.update(&bytes[bytes.len() - EDGE..]);
            }
        }
        format!("{:x}", hash.finalize())
    }
}

/// Name, element type and shape. Lengths come first, so that no two lists of tensors
/// look alike.
fn add_table(hash: &mut Sha256, tensor: &TensorView<'_>) {
    let number = |number: usize| (number as u64).to_le_bytes();
    for text in [tensor.name, tensor.dtype.name()] {
        hash.update(number(text.len()));
        hash.update(text);
    }
    hash.update(number(tensor.shape.len()));
    for size in tensor.shape {
        hash.update(number(*size));
    }
}

/// Whether two fingerprints are of the same contents; where one of them is older and
/// has the ends of tensors only, whether those are the same.
pub fn is_same_content(a: &str, b: &str) -> bool {
    let parts = |text| str::split_once(text, '-');
    match (parts(a), parts(b)) {
        (Some(_), Some(_)) | (None, None) => a == b,
        (Some((_, ends)), None) => ends == b,
        (None, Some((_, ends))) => a == ends,
    }
}

/// The digits of the contents; all of an older fingerprint.
pub fn content_digits(fingerprint: &str) -> &str {
    fingerprint.split('-').next().unwrap_or(fingerprint)
}

/// The first twelve digits, for the user.
pub fn short_fingerprint(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One f32 tensor of `bytes`.
    fn checkpoint(bytes: &[u8]) -> Checkpoint {
        let n = bytes.len();
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{n}]}}}}"#,
            n / 4
        );
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(bytes);
        Checkpoint::from_bytes("a.safetensors", file).unwrap()
    }

    #[test]
    fn a_bit_in_the_middle_of_a_tensor_is_seen() {
        let mut bytes = vec![7; 2 * PIECE + 2 * EDGE];
        let before = checkpoint(&bytes).fingerprint();
        for at in [EDGE + 1, PIECE - 1, PIECE, PIECE + PIECE / 2, 2 * PIECE] {
            bytes[at] ^= 1;
            let changed = checkpoint(&bytes);
            assert!(!is_same_content(&changed.fingerprint(), &before), "{at}");
            // What older versions looked at does not show it.
            assert!(before.ends_with(&changed.ends()));
            bytes[at] ^= 1;
        }
        assert_eq!(checkpoint(&bytes).fingerprint(), before);
        bytes[0] ^= 1;
        assert!(!before.ends_with(&checkpoint(&bytes).ends()));
    }

    /// SHA-256 of the tensor's table and of the digest of its bytes, by hand.
    #[test]
    fn it_is_the_hash_that_is_described() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut table = Vec::new();
        for part in [&1_u64.to_le_bytes()[..], b"a", &3_u64.to_le_bytes(), b"F32"] {
            table.extend_from_slice(part);
        }
        table.extend_from_slice(&1_u64.to_le_bytes());
        table.extend_from_slice(&2_u64.to_le_bytes());
        let digest = Sha256::digest(bytes);
        let content = Sha256::digest([&table[..], &digest[..]].concat());
        let ends = Sha256::digest([&table[..], &bytes[..]].concat());
        let expected = format!("{content:x}-{ends:x}");
        assert_eq!(checkpoint(&bytes).fingerprint(), expected);
        assert_eq!(content_digits(&expected), format!("{content:x}"));
    }

    #[test]
    fn older_fingerprints_are_known_by_the_ends() {
        for (a, b, expected) in [
            ("aa-bb", "aa-bb", true),
            ("aa-bb", "cc-bb", false),
            ("aa-bb", "bb", true),
            ("bb", "aa-bb", true),
            ("aa", "aa-bb", false),
            ("bb", "bb", true),
            ("bb", "cc", false),
        ] {
            assert_eq!(is_same_content(a, b), expected, "{a} {b}");
        }
    }
}
