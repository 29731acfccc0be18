//! From 32-bit floats, or from a file's own bytes, to the words of a storage.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::storage::{BLOCK, CODES, Storage, scale_bits, widened_half};
use crate::kernels::cpu::rows::Rows;
use crate::kernels::cpu::simd::{Task, run};

/// Numbers that are packed at a time; a multiple of two blocks.
const PIECE: usize = 4096;

/// Shares of the largest magnitude that a scale of NF4 may be: a shorter one cuts
/// the largest number off and serves the others better. Of either sign, for the
/// codes are not symmetric. Measured on the matrices of the mini model: the error
/// falls from 8.7 to 8.0 percent of the weights, and to 7.7 with twice as many.
const SHARES: [f32; 3] = [1.0, 0.91, 0.82];

/// The numbers of a matrix, row-major, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// How they lie in the words.
    pub storage: Storage,
    /// How many there are.
    pub len: usize,
    /// [`Storage::n_words`] of them.
    pub words: Vec<u32>,
    /// The 16-bit scales of all blocks, two in a word.
    pub scales: Vec<u32>,
}

impl Packed {
    /// Packs a matrix of which `read` writes any range of rows into the memory it is
    /// given, on all threads. Besides the words every thread takes a few rows.
    pub fn new(
        storage: Storage,
        [n_rows, n_columns]: [usize; 2],
        read: impl Fn(Range<usize>, &mut [f32]) + Sync,
    ) -> Self {
        let len = n_rows * n_columns;
        let mut words = vec![0_u32; storage.n_words(len)];
        let mut scales = vec![0_u32; storage.n_scale_words(len)];
        // Rows that together fill words of scales.
        let aligned = (1..=2 * BLOCK).find(|rows| (rows * n_columns).is_multiple_of(2 * BLOCK));
        let aligned = aligned.unwrap_or(2 * BLOCK);
        let rows = PIECE.div_ceil(n_columns.max(1)).next_multiple_of(aligned);
        let piece = (rows * n_columns).max(2 * BLOCK);
        let of_words = words
            .par_chunks_mut(piece * storage.bits() / 32)
            .enumerate();
        let one = |values: &mut Vec<f32>, idx: usize, words: &mut [u32], scales: &mut [u32]| {
            let range = idx * rows..n_rows.min((idx + 1) * rows);
            values.resize(range.len() * n_columns, 0.0);
            read(range, values);
            pack_pieces(storage, values, words, scales);
        };
        if storage.has_scales() {
            of_words
                .zip(scales.par_chunks_mut(piece / (2 * BLOCK)))
                .for_each_init(Vec::new, |values, ((idx, words), scales)| {
                    one(values, idx, words, scales);
                });
        } else {
            of_words.for_each_init(Vec::new, |values, (idx, words)| {
                one(values, idx, words, &mut []);
            });
        }
        Self {
            storage,
            len,
            words,
            scales,
        }
    }

    /// Of numbers that are in memory.
    pub fn of(storage: Storage, values: &[f32]) -> Self {
        Self::new(storage, [values.len(), 1], |range, out| {
            out.copy_from_slice(&values[range]);
        })
    }

    /// Of 16-bit floats that a file holds in this storage already, little-endian.
    ///
    /// # Panics
    /// Where the storage has other numbers, or the bytes are not whole numbers.
    pub fn of_halves(storage: Storage, bytes: &[u8]) -> Self {
        assert!(storage.bits() == 16 && bytes.len().is_multiple_of(2));
        let len = bytes.len() / 2;
        let mut words = vec![0_u32; storage.n_words(len)];
        if cfg!(target_endian = "little") {
            bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        } else {
            for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
                let mut whole = [0; 4];
                whole[..bytes.len()].copy_from_slice(bytes);
                *word = u32::from_le_bytes(whole);
            }
        }
        Self {
            storage,
            len,
            words,
            scales: Vec::new(),
        }
    }

    /// Bytes that it takes.
    pub fn n_bytes(&self) -> usize {
        self.storage.n_bytes(self.len)
    }
}

fn pack_pieces(storage: Storage, values: &[f32], words: &mut [u32], scales: &mut [u32]) {
    for (idx, part) in values.chunks(PIECE).enumerate() {
        // Behind the last number the rest of its block counts as zeros.
        let mut piece = [0.0; PIECE];
        piece[..part.len()].copy_from_slice(part);
        let first = idx * PIECE * storage.bits() / 32;
        let words = &mut words[first..][..storage.n_words(part.len())];
        let n_scales = storage.n_scale_words(part.len());
        let scales = match n_scales {
            0 => &mut [][..],
            n => &mut scales[idx * PIECE / (2 * BLOCK)..][..n],
        };
        pack_piece(storage, &piece, words, scales);
    }
}

fn pack_piece(storage: Storage, values: &[f32; PIECE], words: &mut [u32], scales: &mut [u32]) {
    match storage {
        Storage::F32 => {
            for (word, value) in words.iter_mut().zip(values) {
                *word = value.to_bits();
            }
        }
        Storage::F16 => {
            let most = f16::MAX.to_f32();
            let mut halves = [f16::ZERO; PIECE];
            halves.convert_from_f32_slice(&values.map(|value| value.clamp(-most, most)));
            for (word, pair) in words.iter_mut().zip(halves.as_chunks::<2>().0) {
                *word = u32::from(pair[0].to_bits()) | u32::from(pair[1].to_bits()) << 16;
            }
        }
        Storage::BF16 => {
            for (word, pair) in words.iter_mut().zip(values.as_chunks::<2>().0) {
                *word = rounded_to_upper(pair[0]) >> 16 | rounded_to_upper(pair[1]) & 0xffff_0000;
            }
        }
        Storage::Int8 | Storage::NF4 => {
            let mut codes = [0.0; PIECE];
            let n_blocks = scales.len() * 2;
            let mut halves = [0.0; PIECE / BLOCK];
            {
                let codes = &mut codes;
                let halves = &mut halves[..n_blocks];
                run(&Quantise {
                    storage,
                    values: &values[..n_blocks * BLOCK],
                    codes: &Rows::of(codes),
                    scales: &Rows::of(halves),
                });
            }
            for (word, pair) in scales.iter_mut().zip(halves.as_chunks::<2>().0) {
                *word = pair[0] as u32 | (pair[1] as u32) << 16;
            }
            match storage.bits() {
                4 => join::<8>(&codes, words),
                _ => join::<4>(&codes, words),
            }
        }
    }
}

/// Puts `N` codes, whole numbers, into each word.
fn join<const N: usize>(codes: &[f32; PIECE], words: &mut [u32]) {
    /// Whole numbers added to it are the lowest bits of the sum.
    const WHOLE: f32 = 8_388_608.0;
    for (word, codes) in words.iter_mut().zip(codes.as_chunks::<N>().0) {
        let mut joined = 0;
        for (idx, code) in codes.iter().enumerate() {
            let code = (code + WHOLE).to_bits() & 0xff;
            joined |= code << (idx * 32 / N);
        }
        *word = joined;
    }
}

/// Bits of a number whose upper half is the nearest, ties to even.
#[inline(always)]
fn rounded_to_upper(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        return bits | 0x40_0000;
    }
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // What would round to infinity stays the largest number.
    if value.is_finite() && rounded & 0x7f80_0000 == 0x7f80_0000 {
        return bits & 0xffff_0000;
    }
    rounded
}

/// Blocks to their codes, as floats, and the bits of their scales, as floats:
/// numbers of one type keep the loops in vectors.
struct Quantise<'a> {
    storage: Storage,
    values: &'a [f32],
    codes: &'a Rows<'a>,
    scales: &'a Rows<'a>,
}

impl Task for Quantise<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        for (idx, block) in self.values.as_chunks::<BLOCK>().0.iter().enumerate() {
            // SAFETY: one thread writes block after block.
            let codes = unsafe { self.codes.slice(idx * BLOCK, BLOCK) };
            // SAFETY: as above.
            let scale = unsafe { self.scales.slice(idx, 1) };
            let peak = block.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
            scale[0] = f32::from(match self.storage {
                Storage::NF4 => normal_floats(block, peak, codes),
                Storage::F32 | Storage::F16 | Storage::BF16 | Storage::Int8 => {
                    whole_numbers(block, peak, codes)
                }
            });
        }
    }
}

/// One over a scale; zero where there is none.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

#[inline(always)]
fn whole_numbers(block: &[f32; BLOCK], peak: f32, codes: &mut [f32]) -> u16 {
    let bits = scale_bits(peak / 127.0);
    let inverse = inverse(widened_half(bits));
    for (code, x) in codes.iter_mut().zip(block) {
        *code = (x * inverse).round_ties_even().clamp(-127.0, 127.0) + 128.0;
    }
    bits
}

#[inline(always)]
fn normal_floats(block: &[f32; BLOCK], peak: f32, codes: &mut [f32]) -> u16 {
    let (mut least, mut best) = (f32::INFINITY, 0);
    for share in SHARES {
        for scale in [share * peak, -share * peak] {
            let bits = scale_bits(scale);
            let scale = widened_half(bits);
            let inverse = inverse(scale);
            let mut errors = [0.0; BLOCK];
            for (error, x) in errors.iter_mut().zip(block) {
                let (_, value) = nearest(x * inverse);
                *error = (value * scale - x) * (value * scale - x);
            }
            let error = errors.iter().sum::<f32>();
            if error < least {
                (least, best) = (error, bits);
            }
        }
    }
    let inverse = inverse(widened_half(best));
    for (code, x) in codes.iter_mut().zip(block) {
        (*code, _) = nearest(x * inverse);
    }
    best
}

/// The place of the code that is nearest to `x`, and the code.
#[inline(always)]
fn nearest(x: f32) -> (f32, f32) {
    let (mut place, mut value) = (0.0, CODES[0]);
    for idx in 1..CODES.len() {
        let is_above = x > (CODES[idx - 1] + CODES[idx]) / 2.0;
        place = if is_above { idx as f32 } else { place };
        value = if is_above { CODES[idx] } else { value };
    }
    (place, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_in_words_as_they_are_documented() {
        let packed = Packed::of;
        let halves = packed(Storage::F16, &[1.0, -2.0, 1e9]);
        assert_eq!(halves.words, [0xc000_3c00, 0x7bff]);
        let upper = packed(Storage::BF16, &[1.0, -2.0, f32::MAX]);
        assert_eq!(upper.words, [0xc000_3f80, 0x7f7f]);
        // Half of the last bit that is kept: to the even one.
        let ties = packed(
            Storage::BF16,
            &[f32::from_bits(0x3f80_8000), f32::from_bits(0x3f81_8000)],
        );
        assert_eq!(ties.words, [0x3f82_3f80]);
        let mut values = [0.0; BLOCK + 1];
        (values[0], values[1], values[BLOCK]) = (-127.0, 63.0, 254.0);
        let bytes = packed(Storage::Int8, &values);
        assert_eq!(bytes.words[0], 0x8080_bf01);
        assert_eq!(bytes.words[8] & 0xff, 255);
        assert_eq!(bytes.scales, [0x4000_3c00]);
        (values[0], values[1], values[2]) = (-1.0, 1.0, 0.0796);
        let codes = packed(Storage::NF4, &values);
        // Seven is the place of zero.
        assert_eq!(codes.words[0], 0x7777_78f0);
        assert_eq!(codes.scales[0] & 0xffff, 0x3c00);
        assert_eq!(packed(Storage::NF4, &[0.0; 3]).scales, [0]);
    }

    #[test]
    fn rows_of_any_width_are_packed_as_one_after_the_other() {
        let value = |idx: usize| (idx as f32 * 0.7).sin();
        for shape in [
            [1, 1],
            [3, 5],
            [70, 130],
            [1, 9000],
            [5, 5000],
            [300, 64],
            [8192, 3],
        ] {
            let [n_rows, n_columns] = shape;
            let values: Vec<f32> = (0..n_rows * n_columns).map(value).collect();
            for storage in Storage::ALL {
                let packed = Packed::new(storage, shape, |rows, out| {
                    out.copy_from_slice(&values[rows.start * n_columns..rows.end * n_columns]);
                });
                assert_eq!(
                    packed,
                    Packed::of(storage, &values),
                    "{storage:?} {shape:?}"
                );
            }
        }
    }

    #[test]
    fn halves_of_a_file_stay_as_they_are() {
        let bytes = [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00];
        let packed = Packed::of_halves(Storage::F16, &bytes);
        assert_eq!((packed.words, packed.len), (vec![0xc000_3c00, 1], 3));
    }
}
