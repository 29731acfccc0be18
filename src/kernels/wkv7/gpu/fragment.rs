//! Products of 16 by 16 numbers in 16 bits with 32-bit sums, which a plane of 32
//! units takes together: on the matrix units of a GPU, or in plain arithmetic with
//! the same rounding of the factors, for devices that have none. The plain ones
//! are there so that the kernels can be tested everywhere; they save no time.

use cubecl::prelude::*;
use half::f16;

use crate::kernels::matrix::gpu::widened_half;

/// Four numbers.
pub(super) type Four = Vector<f32, Const<4>>;
/// Eight numbers in 16 bits each, in pairs; or four in 32.
pub(super) type Eight = Vector<u32, Const<4>>;

/// The largest number that 16 bits hold.
const LARGEST: f32 = 65_504.0;

/// How the factors of a product lie in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Factors {
    /// Eights between the rows of the first one, as it is stored.
    pub a_stride: usize,
    /// Whether what is stored is its transpose.
    pub a_is_turned: bool,
    /// As of the first one, of the second.
    pub b_stride: usize,
    /// As of the first one, of the second.
    pub b_is_turned: bool,
}

/// What multiplies.
#[cube]
pub(super) trait Fragments: Send + Sync + 'static {
    /// Sixteen by sixteen sums.
    type Sums: CubeType;

    /// Sums of nothing.
    fn none() -> Self::Sums;

    /// Adds the product of the factors at `a` and `b`.
    fn add_product(
        shared: &Shared<[Eight]>,
        sums: &mut Self::Sums,
        a: usize,
        b: usize,
        #[comptime] factors: Factors,
    );

    /// Puts the sums down in 32 bits at `at`, rows `stride` fours apart.
    fn put(sums: &Self::Sums, shared: &mut Shared<[Eight]>, at: usize, #[comptime] stride: usize);

    /// Eight numbers as they are multiplied, kept in the range of 16 bits.
    fn narrowed(low: Four, high: Four) -> Eight;
}

/// Eight numbers, kept in the range of 16 bits.
#[cube]
fn clamped(x: Four) -> Four {
    clamp(x, Four::new(-LARGEST), Four::new(LARGEST))
}

/// Matrix units.
pub(super) struct MatrixUnits;

#[cube]
impl Fragments for MatrixUnits {
    type Sums = cmma::Matrix<f32>;

    fn none() -> cmma::Matrix<f32> {
        cmma::Matrix::<f32>::from_value(
            cmma::MatrixIdent::Accumulator,
            16usize,
            16usize,
            16usize,
            cmma::MatrixLayout::Undefined,
            0.0f32,
        )
    }

    fn add_product(
        shared: &Shared<[Eight]>,
        sums: &mut cmma::Matrix<f32>,
        a: usize,
        b: usize,
        #[comptime] factors: Factors,
    ) {
        let a_stride = comptime!(factors.a_stride);
        let b_stride = comptime!(factors.b_stride);
        let of_a = loaded(shared, a, cmma::MatrixIdent::A, factors.a_is_turned, a_stride);
        let of_b = loaded(shared, b, cmma::MatrixIdent::B, factors.b_is_turned, b_stride);
        cmma::execute(&of_a, &of_b, &*sums, &*sums);
    }

    fn put(
        sums: &cmma::Matrix<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        cmma::store(
            &mut shared[at..at + comptime!(15 * stride + 4)],
            sums,
            comptime!(4 * stride as u32),
            cmma::MatrixLayout::RowMajor,
        );
    }

    fn narrowed(low: Four, high: Four) -> Eight {
        let low = Vector::<u32, Const<2>>::reinterpret(Vector::<f16, Const<4>>::cast_from(
            clamped(low),
        ));
        let high = Vector::<u32, Const<2>>::reinterpret(Vector::<f16, Const<4>>::cast_from(
            clamped(high),
        ));
        let mut eight = Eight::new(0u32);
        eight.insert(0usize, low.extract(0usize));
        eight.insert(1usize, low.extract(1usize));
        eight.insert(2usize, high.extract(0usize));
        eight.insert(3usize, high.extract(1usize));
        eight
    }
}

/// Sixteen rows of sixteen numbers, `stride` eights apart.
#[cube]
fn loaded(
    shared: &Shared<[Eight]>,
    at: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] is_turned: bool,
    #[comptime] stride: usize,
) -> cmma::Matrix<f16> {
    let layout = comptime!(if is_turned {
        cmma::MatrixLayout::ColMajor
    } else {
        cmma::MatrixLayout::RowMajor
    });
    // SAFETY: it is loaded at once.
    let mut matrix =
        unsafe { cmma::Matrix::<f16>::uninitialized(ident, 16usize, 16usize, 16usize, layout) };
    // Strides count numbers of the vectors' elements.
    cmma::load(
        &mut matrix,
        &shared[at..at + comptime!(15 * stride + 2)],
        comptime!(4 * stride as u32),
    );
    matrix
}

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
        for term in 0..16usize {
            let of_a = number(shared, a, row, term, factors.a_is_turned, a_stride);
            #[unroll]
            for idx in 0..8usize {
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
