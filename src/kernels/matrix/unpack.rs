//! From the words of a storage back to 32-bit floats, on the CPU.

use std::ops::Range;

use super::pack::Packed;
use super::storage::{BLOCK, CODES, Storage, widened_half};
use crate::kernels::cpu::rows::Rows;
use crate::kernels::cpu::simd::{Task, run};

impl Packed {
    /// Writes the numbers of `range` to `out`.
    ///
    /// # Panics
    /// Where the range leaves the matrix or is not as long as `out`.
    pub fn widen(&self, range: Range<usize>, out: &mut [f32]) {
        assert!(range.end <= self.len && range.len() == out.len());
        let start = range.start;
        run(&Widen {
            packed: self,
            start,
            out: &Rows::of(out),
        });
    }
}

/// [`Packed::widen`], compiled for several instruction sets.
struct Widen<'a> {
    packed: &'a Packed,
    start: usize,
    out: &'a Rows<'a>,
}

impl Task for Widen<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        // SAFETY: nobody else writes there, by contract of who made it.
        let out = unsafe { self.out.slice(0, self.out.len()) };
        widen(self.packed, self.start, out);
    }
}

#[inline(always)]
fn widen(packed: &Packed, start: usize, out: &mut [f32]) {
    let words = &packed.words;
    match packed.storage {
        Storage::F32 => {
            for (out, word) in out.iter_mut().zip(&words[start..]) {
                *out = f32::from_bits(*word);
            }
        }
        Storage::F16 => halves(words, start, out, widened_half),
        Storage::BF16 => halves(words, start, out, |bits| {
            f32::from_bits(u32::from(bits) << 16)
        }),
        Storage::Int8 => blocks(packed, start, out, |bytes: &[u8; BLOCK], scale, out| {
            for (out, byte) in out.iter_mut().zip(bytes) {
                *out = (f32::from(*byte) - 128.0) * scale;
            }
        }),
        Storage::NF4 => blocks(packed, start, out, |bytes: &[u8; BLOCK / 2], scale, out| {
            for (out, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                let [low, high] = PAIRS[usize::from(*byte)];
                *out = [low * scale, high * scale];
            }
        }),
    }
}

/// The codes of both halves of every byte, the lower one first.
static PAIRS: [[f32; 2]; 256] = {
    let mut pairs = [[0.0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [CODES[byte % 16], CODES[byte / 16]];
        byte += 1;
    }
    pairs
};

/// The bytes of words, the lowest first.
#[inline(always)]
fn bytes_of(words: &[u32]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "words are read as bytes") }
    bytemuck::cast_slice(words)
}

#[inline(always)]
fn halves(words: &[u32], start: usize, out: &mut [f32], one: impl Fn(u16) -> f32) {
    const { assert!(cfg!(target_endian = "little"), "words are read as halves") }
    let halves: &[u16] = bytemuck::cast_slice(words);
    for (out, bits) in out.iter_mut().zip(&halves[start..]) {
        *out = one(*bits);
    }
}

/// Block after block, of which the first and the last may be cut: what `one` makes of
/// the `N` bytes of a block and of its scale.
#[inline(always)]
fn blocks<const N: usize>(
    packed: &Packed,
    start: usize,
    out: &mut [f32],
    one: impl Fn(&[u8; N], f32, &mut [f32; BLOCK]),
) {
    let bytes = bytes_of(&packed.words);
    let scale = |block: usize| {
        let word = packed.scales[block / 2] >> (16 * (block % 2));
        widened_half(word as u16)
    };
    // A block that is not whole, or not wanted whole.
    let cut = |block: usize, inside: usize, out: &mut [f32]| {
        let mut of_block = [0; N];
        let from = &bytes[block * N..];
        let len = from.len().min(N);
        of_block[..len].copy_from_slice(&from[..len]);
        let mut values = [0.0; BLOCK];
        one(&of_block, scale(block), &mut values);
        out.copy_from_slice(&values[inside..inside + out.len()]);
    };
    let mut block = start / BLOCK;
    let mut rest = out;
    if !start.is_multiple_of(BLOCK) {
        let inside = start % BLOCK;
        let len = rest.len().min(BLOCK - inside);
        let (first, others) = rest.split_at_mut(len);
        cut(block, inside, first);
        block += 1;
        rest = others;
    }
    let (whole, last) = rest.as_chunks_mut::<BLOCK>();
    let n_whole = whole.len();
    let from = bytes.get(block * N..).unwrap_or(&[]).as_chunks::<N>().0;
    for (idx, (out, from)) in whole.iter_mut().zip(from).enumerate() {
        one(from, scale(block + idx), out);
    }
    if !last.is_empty() {
        cut(block + n_whole, 0, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of very different sizes, blocks of zeros among them.
    fn numbers(len: usize) -> Vec<f32> {
        let one = |idx: usize| {
            let size = [1.0, 1e-3, 0.0, 40.0][idx / BLOCK % 4];
            size * (1.3 * idx as f32 + 0.0011 * (idx * idx) as f32).sin()
        };
        (0..len).map(one).collect()
    }

    #[test]
    fn what_is_packed_comes_back_within_the_rounding_of_its_storage() {
        for len in [1, 31, 33, 4096, 4096 + 77] {
            let values = numbers(len);
            for storage in Storage::ALL {
                let packed = Packed::of(storage, &values);
                assert_eq!(packed.words.len(), storage.n_words(len));
                let mut got = vec![f32::NAN; len];
                packed.widen(0..len, &mut got);
                for (idx, (got, want)) in got.iter().zip(&values).enumerate() {
                    let block = &values[idx / BLOCK * BLOCK..len.min((idx / BLOCK + 1) * BLOCK)];
                    let peak = block.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
                    let bound = storage.rounding(*want, peak);
                    let error = (got - want).abs();
                    assert!(error <= bound, "{storage:?} {idx}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn a_part_is_the_same_as_that_part_of_the_whole() {
        let len = 300;
        let values = numbers(len);
        for storage in Storage::ALL {
            let packed = Packed::of(storage, &values);
            let mut whole = vec![0.0; len];
            packed.widen(0..len, &mut whole);
            for range in [0..1, 5..64, 31..33, 64..300, 299..300, 7..7] {
                let mut part = vec![0.0; range.len()];
                packed.widen(range.clone(), &mut part);
                assert_eq!(part, whole[range], "{storage:?}");
            }
        }
    }
}
