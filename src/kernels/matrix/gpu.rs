//! Numbers of a frozen matrix on a GPU: from the words that hold them to 32-bit
//! floats. Reference twin: [`super::Packed::widen`].
// Kernels know no `if` of two kinds of condition.
#![allow(clippy::collapsible_if)]

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::storage::{BLOCK, CODES, Storage};
use crate::kernels::op::{arg, cubes};

/// Four numbers of a row.
pub(crate) type Four = Vector<f32, Const<4>>;

/// Units of a cube of [`rows`].
const UNITS: usize = 256;

impl Storage {
    /// Words that four numbers lie in; four of NF4 lie in half of one.
    pub(crate) const fn words_of_four(self) -> usize {
        if self.bits() < 8 { 1 } else { self.bits() / 8 }
    }

    /// Words that eight numbers lie in.
    pub(crate) const fn words_of_eight(self) -> usize {
        self.bits() / 4
    }
}

/// The number of the 16 lowest bits; the others are zero.
#[cube]
pub(crate) fn widened_half(bits: u32) -> f32 {
    let magnitude = (bits & 0x7fffu32) << 13u32;
    let exponent = magnitude & 0x0f80_0000u32;
    let normal = magnitude + 0x3800_0000u32;
    let endless = magnitude + 0x7000_0000u32;
    // Without a subnormal number, which devices take for zero.
    let small = f32::reinterpret(magnitude + 0x3880_0000u32) - 6.103_515_6e-5f32;
    let mut value = select(exponent == 0x0f80_0000u32, endless, normal);
    value = select(exponent == 0u32, u32::reinterpret(small), value);
    f32::reinterpret(value | ((bits & 0x8000u32) << 16u32))
}

/// The table of NF4 in memory that a cube shares, where the storage has one. All
/// units have to come here.
#[cube]
pub(crate) fn shared_codes(#[comptime] storage: Storage) -> Shared<[f32]> {
    let len = comptime!(if storage == Storage::NF4 {
        CODES.len()
    } else {
        1
    });
    let mut codes = Shared::<[f32]>::new_slice(len);
    if comptime!(storage == Storage::NF4) {
        #[unroll]
        for idx in 0..comptime!(CODES.len()) {
            if UNIT_POS as usize == idx {
                codes[idx] = comptime!(CODES[idx]);
            }
        }
        sync_cube();
    }
    codes
}

/// The scale of the number at `place` from the word that holds it.
#[cube]
pub(crate) fn scale_of(word: u32, place: usize) -> f32 {
    let shift = ((place / BLOCK) % 2) as u32 * 16u32;
    widened_half((word >> shift) & 0xffffu32)
}

/// The word of the scale of the number at `place` of a matrix whose scales begin at word
/// `first`.
#[cube]
pub(crate) fn scale_word(
    scales: &Tensor<u32>,
    first: usize,
    place: usize,
    #[comptime] storage: Storage,
) -> u32 {
    let mut word = 0u32;
    if comptime!(storage.has_scales()) {
        word = scales[first + place / comptime!(2 * BLOCK)];
    }
    word
}

/// Number `idx` of those whose first is in the lowest bits of `word`, without
/// its scale.
#[cube]
fn unscaled(word: u32, idx: u32, codes: &Shared<[f32]>, #[comptime] storage: Storage) -> f32 {
    let mut value = 0.0f32;
    if comptime!(storage == Storage::F32) {
        value = f32::reinterpret(word);
    }
    if comptime!(storage == Storage::F16) {
        value = widened_half((word >> (idx * 16u32)) & 0xffffu32);
    }
    if comptime!(storage == Storage::BF16) {
        value = f32::reinterpret((word >> (idx * 16u32)) << 16u32);
    }
    if comptime!(storage == Storage::Int8) {
        value = f32::cast_from((word >> (idx * 8u32)) & 0xffu32) - 128.0f32;
    }
    if comptime!(storage == Storage::NF4) {
        value = codes[((word >> (idx * 4u32)) & 15u32) as usize];
    }
    value
}

/// Four numbers, the first at `place`, a multiple of four, from the words that
/// hold them and from that of their scale.
#[cube]
pub(crate) fn four<W: Size>(
    words: Vector<u32, W>,
    scale: u32,
    place: usize,
    codes: &Shared<[f32]>,
    #[comptime] storage: Storage,
) -> Four {
    let mut numbers = Four::new(0.0f32);
    if comptime!(storage == Storage::F32) {
        numbers = Four::reinterpret(words);
    } else {
        #[unroll]
        for idx in 0..4usize {
            // Halves lie in two words, the others in one.
            let is_half = comptime!(storage.bits() == 16);
            let inside = comptime!((if is_half { idx % 2 } else { idx }) as u32);
            let mut shift = 0u32;
            if comptime!(storage == Storage::NF4) {
                shift = ((place / 4) % 2) as u32 * 16u32;
            }
            let bits = words.extract(comptime!(if is_half { idx / 2 } else { 0 })) >> shift;
            numbers.insert(idx, unscaled(bits, inside.runtime(), codes, storage));
        }
        if comptime!(storage.has_scales()) {
            numbers *= Four::new(scale_of(scale, place));
        }
    }
    numbers
}

/// As [`four`], number `half` of two fours that lie in these words; `place` is
/// that of the first of the eight.
#[cube]
pub(crate) fn four_of_eight<W: Size>(
    words: Vector<u32, W>,
    scale: u32,
    place: usize,
    codes: &Shared<[f32]>,
    #[comptime] half: usize,
    #[comptime] storage: Storage,
) -> Four {
    let mut numbers = Four::new(0.0f32);
    #[unroll]
    for idx in 0..4usize {
        let at = comptime!((half * 4 + idx) * storage.bits());
        let inside = comptime!((at % 32 / storage.bits()) as u32);
        let bits = words.extract(comptime!(at / 32));
        numbers.insert(idx, unscaled(bits, inside.runtime(), codes, storage));
    }
    if comptime!(storage.has_scales()) {
        numbers *= Four::new(scale_of(scale, place));
    }
    numbers
}

/// The rows `ids` of a matrix, or all in their order → `out` [rows, columns].
pub(super) fn rows(
    words: &CubeTensor,
    scales: &CubeTensor,
    ids: Option<&CubeTensor>,
    storage: Storage,
    out: &CubeTensor,
) {
    let shape = out.meta.shape();
    let total = shape.num_elements();
    let n_columns = shape[shape.num_dims() - 1];
    // SAFETY: units behind the last number do nothing; ids are rows of the matrix.
    unsafe {
        widened_rows::launch_unchecked(
            &out.client,
            cubes(total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(words),
            arg(scales),
            arg(ids.unwrap_or(words)),
            arg(out),
            n_columns,
            total,
            storage,
            ids.is_some(),
        );
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn widened_rows(
    words: &Tensor<u32>,
    scales: &Tensor<u32>,
    ids: &Tensor<i32>,
    out: &mut Tensor<f32>,
    n_columns: usize,
    total: usize,
    #[comptime] storage: Storage,
    #[comptime] has_ids: bool,
) {
    let codes = shared_codes(storage);
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    if place < total {
        let mut from = place;
        if comptime!(has_ids) {
            from = ids[place / n_columns] as usize * n_columns + place % n_columns;
        }
        let in_word = comptime!(32 / storage.bits());
        let idx = (from % in_word) as u32;
        let mut value = unscaled(words[from / in_word], idx, &codes, storage);
        if comptime!(storage.has_scales()) {
            value *= scale_of(scale_word(scales, 0usize, from, storage), from);
        }
        out[place] = value;
    }
}
