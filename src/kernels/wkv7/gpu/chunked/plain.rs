//! The products of [`super::fragment`] in plain arithmetic. Every product rounds its
//! factors as matrix units have them; so what is tested by it is everything but
//! those units.

use cubecl::prelude::*;

use super::fragment::{Eight, Factors, Four, Fragments, clamped};
use crate::kernels::matrix::gpu::widened_half;

/// Plain arithmetic: a unit of the 32 has half a row of the sums.
pub(super) struct Plain;

#[cube]
impl Fragments for Plain {
    type Sums = Array<f32>;

    fn none() -> Array<f32> {
        let mut sums = Array::<f32>::new(8usize);
        #[unroll]
        for idx in 0..8usize {
            sums[idx] = 0.0f32;
        }
        sums
    }

    fn add_product(
        shared: &Shared<[Eight]>,
        sums: &mut Array<f32>,
        a: usize,
        b: usize,
        #[comptime] factors: Factors,
    ) {
        let row = UNIT_POS_X as usize / 2;
        let first = UNIT_POS_X as usize % 2 * 8;
        let a_stride = comptime!(factors.a_stride);
        let b_stride = comptime!(factors.b_stride);
        // As a compiler does not know: it would write all of it out, for minutes.
        let more = CUBE_COUNT_X as usize >> 30;
        for term in 0..16 + more {
            let of_a = number(shared, a, row, term, factors.a_is_turned, a_stride);
            for idx in 0..8 + more {
                let column = first + idx;
                sums[idx] += of_a * number(shared, b, term, column, factors.b_is_turned, b_stride);
            }
        }
    }

    fn put(sums: &Array<f32>, shared: &mut Shared<[Eight]>, at: usize, #[comptime] stride: usize) {
        let place = at + UNIT_POS_X as usize / 2 * stride + UNIT_POS_X as usize % 2 * 2;
        #[unroll]
        for half in 0..2usize {
            let mut four = Four::new(0.0f32);
            #[unroll]
            for idx in 0..4usize {
                four.insert(idx, sums[comptime!(half * 4 + idx)]);
            }
            shared[place + half] = Eight::reinterpret(four);
        }
    }

    fn put_turned(
        sums: &Array<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        // Its numbers lie in as many rows, one in each, with those of three other units.
        let row = UNIT_POS_X as usize / 2;
        let first = UNIT_POS_X as usize % 2 * 8;
        #[unroll]
        for part in 0..4usize {
            if row % 4 == part {
                #[unroll]
                for idx in 0..8usize {
                    let place = at + (first + idx) * stride + row / 4;
                    let mut eight = shared[place];
                    eight.insert(part, u32::reinterpret(sums[idx]));
                    shared[place] = eight;
                }
            }
            sync_cube();
        }
    }

    fn put_narrowed(
        sums: &Array<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        let mut low = Four::new(0.0f32);
        let mut high = Four::new(0.0f32);
        #[unroll]
        for idx in 0..4usize {
            low.insert(idx, sums[idx]);
            high.insert(idx, sums[comptime!(idx + 4)]);
        }
        let place = at + UNIT_POS_X as usize / 2 * stride + UNIT_POS_X as usize % 2;
        shared[place] = Self::narrowed(low, high);
    }

    fn widened(eight: Eight) -> Array<Four> {
        let mut numbers = Array::<Four>::new(2usize);
        #[unroll]
        for half in 0..2usize {
            let mut four = Four::new(0.0f32);
            #[unroll]
            for idx in 0..4usize {
                let word = eight.extract(comptime!(2 * half + idx / 2));
                let bits = word >> comptime!(16 * (idx % 2) as u32);
                four.insert(idx, widened_half(bits & 0xffffu32));
            }
            numbers[half] = four;
        }
        numbers
    }

    fn sync() {
        sync_cube();
    }

    fn narrowed(low: Four, high: Four) -> Eight {
        let mut eight = Eight::new(0u32);
        let low = clamped(low);
        let high = clamped(high);
        #[unroll]
        for pair in 0..2usize {
            let one = comptime!(2 * pair);
            let two = comptime!(2 * pair + 1);
            let of_low = half_bits(low.extract(one)) | (half_bits(low.extract(two)) << 16u32);
            let of_high = half_bits(high.extract(one)) | (half_bits(high.extract(two)) << 16u32);
            eight.insert(pair, of_low);
            eight.insert(comptime!(pair + 2), of_high);
        }
        eight
    }
}

/// The number at `row` and `column` of a matrix at `at`.
#[cube]
fn number(
    shared: &Shared<[Eight]>,
    at: usize,
    row: usize,
    column: usize,
    #[comptime] is_turned: bool,
    #[comptime] stride: usize,
) -> f32 {
    let mut stored_row = row;
    let mut stored_column = column;
    if comptime!(is_turned) {
        stored_row = column;
        stored_column = row;
    }
    let eight = shared[at + stored_row * stride + stored_column / 8];
    let pair = stored_column % 8 / 2;
    let low = select(pair == 0, eight.extract(0usize), eight.extract(1usize));
    let high = select(pair == 2, eight.extract(2usize), eight.extract(3usize));
    let word = select(pair < 2, low, high);
    widened_half((word >> ((stored_column % 2) as u32 * 16u32)) & 0xffffu32)
}

/// The bits of the nearest number of 16 bits, to even where two are as near; `x` is
/// in their range.
#[cube]
fn half_bits(x: f32) -> u32 {
    let bits = u32::reinterpret(x);
    let magnitude = bits & 0x7fff_ffffu32;
    let rounded = magnitude + 0x0fffu32 + ((magnitude >> 13u32) & 1u32);
    // Wraps around where the number is small, and is not taken then.
    let normal = (rounded >> 13u32) - 0x1_c000u32;
    // The steps of 0.5 in 32 bits are those of small numbers in 16.
    let small = u32::reinterpret(f32::reinterpret(magnitude) + 0.5f32) - 0x3f00_0000u32;
    let half = select(magnitude < 0x3880_0000u32, small, normal);
    half | ((bits >> 16u32) & 0x8000u32)
}
