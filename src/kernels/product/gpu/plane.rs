//! Products on the matrix units of a GPU: 16-bit factors, 32-bit sums. A cube
//! makes a tile of the product; it stages the factors' tiles in shared memory,
//! twice, so that the next tiles are fetched while the present ones are
//! multiplied. Everything moves in 16 bytes, eight factors, to which rows of
//! shared memory are aligned: a driver can read rows of a fragment whole
//! only then.

use cubecl::prelude::*;
use half::f16;

use super::finish::{Finish, Start, finished, restored, started};
use super::tiling::Tiling;
use crate::kernels::matrix::Storage;
use crate::kernels::matrix::gpu::{Four, four_of_eight, scale_word, shared_codes};

/// Eight columns of a row in 16 bits each, in pairs; or four in 32.
type Eight = Vector<u32, Const<4>>;

/// Four numbers in 16 bits each, in pairs.
#[cube]
fn halves(x: Four) -> Vector<u32, Const<2>> {
    Vector::<u32, Const<2>>::reinterpret(Vector::<f16, Const<4>>::cast_from(x))
}

/// Eight numbers of a factor, as they are multiplied.
#[cube]
fn narrowed(low: Four, high: Four, #[comptime] start: Start) -> Eight {
    let low = halves(started(low, start, true));
    let high = halves(started(high, start, true));
    let mut eight = Eight::new(0u32);
    eight.insert(0usize, low.extract(0usize));
    eight.insert(1usize, low.extract(1usize));
    eight.insert(2usize, high.extract(0usize));
    eight.insert(3usize, high.extract(1usize));
    eight
}

/// What is known of the factors when a kernel is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Factors {
    /// Whether the second one is [n, k].
    pub transposed: bool,
    /// How it is stored: not in 32 bits.
    pub storage: Storage,
    /// What is done to the first.
    pub start: Start,
    /// Whether every step has as many terms as the tile is deep.
    pub is_whole: bool,
}

/// This unit's part of the first factor's tile whose terms start at `from`. No
/// load hangs on a branch, so that all are on their way before one is waited
/// for; what lies outside is cleared when it is shared.
#[cube]
fn fetch_a(
    a: &Tensor<Eight>,
    held: &mut Array<Eight>,
    first_row: usize,
    from: usize,
    m: usize,
    k: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
) {
    let width = comptime!(tiling.depth / 8);
    #[unroll]
    for idx in 0..comptime!(tiling.a_loads()) {
        let at = place_of(idx, comptime!(tiling.rows() * tiling.depth / 8), tiling);
        let row = usize::min(first_row + at / width, m - 1);
        let mut column = from + (at % width) * 8;
        if comptime!(!factors.is_whole) {
            column = usize::min(column, k - 8);
        }
        let place = row * k + column;
        held[comptime!(2 * idx)] = a[place / 4];
        held[comptime!(2 * idx + 1)] = a[place / 4 + 1];
    }
}

/// As [`fetch_a`], of the second factor and its scales.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch_b<W: Size>(
    b: &Tensor<Vector<u32, W>>,
    scales: &Tensor<u32>,
    held: &mut Array<Vector<u32, W>>,
    held_scales: &mut Array<u32>,
    first_column: usize,
    from: usize,
    n: usize,
    k: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
) {
    #[unroll]
    for idx in 0..comptime!(tiling.b_loads()) {
        let place = place_in_b(idx, first_column, from, n, k, tiling, factors);
        held[idx] = b[place / 8];
        held_scales[idx] = scale_word(scales, place, comptime!(factors.storage));
    }
}

/// The place in the second factor of this unit's eight number `idx`.
#[cube]
fn place_in_b(
    #[comptime] idx: usize,
    first_column: usize,
    from: usize,
    n: usize,
    k: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
) -> usize {
    let width = comptime!(tiling.b_eights(factors.transposed));
    let at = place_of(idx, comptime!(tiling.columns() * tiling.depth / 8), tiling);
    if comptime!(factors.transposed) {
        let row = usize::min(first_column + at / width, n - 1);
        let mut column = from + (at % width) * 8;
        if comptime!(!factors.is_whole) {
            column = usize::min(column, k - 8);
        }
        row * k + column
    } else {
        let mut row = from + at / width;
        if comptime!(!factors.is_whole) {
            row = usize::min(row, k - 1);
        }
        row * n + usize::min(first_column + (at % width) * 8, n - 8)
    }
}

/// The place in a tile of this unit's eight number `idx`. Where the tile is not
/// a multiple of the units, the last one is moved by several.
#[cube]
fn place_of(#[comptime] idx: usize, #[comptime] total: usize, #[comptime] tiling: Tiling) -> usize {
    let mut at = UNIT_POS as usize + comptime!(idx * tiling.units());
    if comptime!((idx + 1) * tiling.units() > total) {
        at = usize::min(at, comptime!(total - 1));
    }
    at
}

/// Puts what was fetched of the first factor at `base` of the shared memory.
/// Terms behind the last count nothing; rows outside are never written.
#[cube]
fn share_a(
    held: &Array<Eight>,
    shared: &mut Shared<[Eight]>,
    base: usize,
    from: usize,
    k: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
) {
    let width = comptime!(tiling.depth / 8);
    #[unroll]
    for idx in 0..comptime!(tiling.a_loads()) {
        let at = place_of(idx, comptime!(tiling.rows() * tiling.depth / 8), tiling);
        let place = at % width;
        let low = Four::reinterpret(held[comptime!(2 * idx)]);
        let high = Four::reinterpret(held[comptime!(2 * idx + 1)]);
        let mut eight = narrowed(low, high, comptime!(factors.start));
        if comptime!(!factors.is_whole) {
            eight *= Eight::new(u32::cast_from(from + place * 8 < k));
        }
        shared[base + at / width * comptime!(tiling.a_stride()) + place] = eight;
    }
}

/// As [`share_a`], of the second factor, whose numbers come to 16 bits here.
#[cube]
#[allow(clippy::too_many_arguments)]
fn share_b<W: Size>(
    held: &Array<Vector<u32, W>>,
    held_scales: &Array<u32>,
    shared: &mut Shared<[Eight]>,
    codes: &Shared<[f32]>,
    base: usize,
    first_column: usize,
    from: usize,
    n: usize,
    k: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
) {
    let storage = comptime!(factors.storage);
    let width = comptime!(tiling.b_eights(factors.transposed));
    #[unroll]
    for idx in 0..comptime!(tiling.b_loads()) {
        let at = place_of(idx, comptime!(tiling.columns() * tiling.depth / 8), tiling);
        let row = comptime!(tiling.a_size()) + at / width * comptime!(width + 1);
        if comptime!(storage == Storage::F16) {
            shared[base + row + at % width] = Eight::reinterpret(held[idx]);
        } else {
            let place = place_in_b(idx, first_column, from, n, k, tiling, factors);
            let (words, scale) = (held[idx], held_scales[idx]);
            let low = four_of_eight(words, scale, place, codes, 0usize, storage);
            let high = four_of_eight(words, scale, place, codes, 1usize, storage);
            shared[base + row + at % width] = narrowed(low, high, Start::Plain);
        }
    }
}

/// Adds the products of the tiles at `base` of the shared memory to the sums of
/// this plane.
#[cube]
fn multiply(
    shared: &Shared<[Eight]>,
    sums: &Sequence<cmma::Matrix<f32>>,
    base: usize,
    plane_m: usize,
    plane_n: usize,
    #[comptime] tiling: Tiling,
    #[comptime] transposed: bool,
) {
    let a_stride = comptime!(tiling.a_stride());
    let b_stride = comptime!(tiling.b_eights(transposed) + 1);
    let of_plane = base + plane_m * comptime!(16 * tiling.fragments_m * a_stride);
    let first_column = plane_n * comptime!(16 * tiling.fragments_n);
    let b_base = base + comptime!(tiling.a_size());
    #[unroll]
    for inner in 0..comptime!(tiling.depth / 16) {
        let mut of_b = Sequence::<cmma::Matrix<f16>>::new();
        #[unroll]
        for j in 0..comptime!(tiling.fragments_n) {
            let column = first_column + j * 16;
            let (at, layout) = if comptime!(transposed) {
                let at = b_base + column * b_stride + comptime!(inner * 2);
                (at, comptime!(cmma::MatrixLayout::ColMajor))
            } else {
                let at = b_base + comptime!(inner * 16 * b_stride) + column / 8;
                (at, comptime!(cmma::MatrixLayout::RowMajor))
            };
            of_b.push(fragment(shared, at, cmma::MatrixIdent::B, layout, b_stride));
        }
        #[unroll]
        for i in 0..comptime!(tiling.fragments_m) {
            let of_a = fragment(
                shared,
                of_plane + comptime!(i * 16 * a_stride + inner * 2),
                cmma::MatrixIdent::A,
                cmma::MatrixLayout::RowMajor,
                a_stride,
            );
            #[unroll]
            for j in 0..comptime!(tiling.fragments_n) {
                let sum = sums.index(comptime!(i * tiling.fragments_n + j));
                cmma::execute(&of_a, of_b.index(j), sum, sum);
            }
        }
    }
}

/// Sixteen rows of sixteen numbers, `stride` eights apart.
#[cube]
fn fragment(
    shared: &Shared<[Eight]>,
    at: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] layout: cmma::MatrixLayout,
    #[comptime] stride: usize,
) -> cmma::Matrix<f16> {
    // SAFETY: it is loaded at once.
    let mut fragment =
        unsafe { cmma::Matrix::<f16>::uninitialized(ident, 16usize, 16usize, 16usize, layout) };
    // Strides count numbers of the vectors' elements.
    cmma::load(
        &mut fragment,
        &shared[at..at + comptime!(15 * stride + 2)],
        comptime!(4 * stride as u32),
    );
    fragment
}

/// `a` [m, k] by `b`, in the words of eight numbers, [k, n] or, transposed, [n, k],
/// finished with `other` [m, n] → `out` [m, n]. `n` and `k` are multiples of 8. One cube for
/// every tile, columns first; planes have 32 units. Along z the sums are cut
/// into parts of `part` terms, a multiple of the depth, and `out` is
/// [parts, m, n].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn product<W: Size>(
    a: &Tensor<Eight>,
    b: &Tensor<Vector<u32, W>>,
    scales: &Tensor<u32>,
    other: &Tensor<Four>,
    out: &mut Tensor<Four>,
    n: usize,
    k: usize,
    part: usize,
    #[comptime] tiling: Tiling,
    #[comptime] factors: Factors,
    #[comptime] finish: Finish,
) {
    let depth = comptime!(tiling.depth);
    let transposed = comptime!(factors.transposed);
    let m = a.shape(0);
    let first_row = CUBE_POS_Y as usize * comptime!(tiling.rows());
    let first_column = CUBE_POS_X as usize * comptime!(tiling.columns());
    let plane = UNIT_POS_Y as usize;
    let plane_m = plane / comptime!(tiling.planes_n);
    let plane_n = plane % comptime!(tiling.planes_n);

    let stage = comptime!(tiling.stage_size(transposed));
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(tiling.shared_size(transposed)));
    let mut held_a = Array::<Eight>::new(comptime!(2 * tiling.a_loads()));
    let mut held_b = Array::<Vector<u32, W>>::new(comptime!(tiling.b_loads()));
    let mut held_scales = Array::<u32>::new(comptime!(tiling.b_loads()));
    let codes = shared_codes(comptime!(factors.storage));
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(tiling.fragments_m * tiling.fragments_n) {
        sums.push(cmma::Matrix::<f32>::from_value(
            cmma::MatrixIdent::Accumulator,
            16usize,
            16usize,
            16usize,
            cmma::MatrixLayout::Undefined,
            0.0f32,
        ));
    }

    // Each cube along z sums its own part of the terms.
    let first_term = CUBE_POS_Z as usize * part;
    let steps = usize::min(part, k - first_term).div_ceil(depth);
    fetch_a(a, &mut held_a, first_row, first_term, m, k, tiling, factors);
    fetch_b(
        b,
        scales,
        &mut held_b,
        &mut held_scales,
        first_column,
        first_term,
        n,
        k,
        tiling,
        factors,
    );
    share_a(&held_a, &mut shared, 0usize, first_term, k, tiling, factors);
    share_b(
        &held_b,
        &held_scales,
        &mut shared,
        &codes,
        0usize,
        first_column,
        first_term,
        n,
        k,
        tiling,
        factors,
    );
    sync_cube();
    for step in 0..steps {
        // Behind the last step the last terms are fetched again, and not used.
        let mut from = first_term + (step + 1) * depth;
        if comptime!(factors.is_whole) {
            from = usize::min(from, k - depth);
        }
        fetch_a(a, &mut held_a, first_row, from, m, k, tiling, factors);
        fetch_b(
            b,
            scales,
            &mut held_b,
            &mut held_scales,
            first_column,
            from,
            n,
            k,
            tiling,
            factors,
        );
        let base = (step % 2) * stage;
        multiply(&shared, &sums, base, plane_m, plane_n, tiling, transposed);
        let next = ((step + 1) % 2) * stage;
        share_a(&held_a, &mut shared, next, from, k, tiling, factors);
        share_b(
            &held_b,
            &held_scales,
            &mut shared,
            &codes,
            next,
            first_column,
            from,
            n,
            k,
            tiling,
            factors,
        );
        sync_cube();
    }

    // Every plane puts down sixteen rows at a time, to take them up as rows.
    let first_out = CUBE_POS_Z as usize * m * n / 4;
    let stride = comptime!(tiling.sums_stride());
    let mine = plane * comptime!(16 * stride);
    let width = comptime!(4 * tiling.fragments_n);
    #[unroll]
    for i in 0..comptime!(tiling.fragments_m) {
        #[unroll]
        for j in 0..comptime!(tiling.fragments_n) {
            let at = mine + j * 4;
            cmma::store(
                &mut shared[at..at + comptime!(15 * stride + 4)],
                sums.index(comptime!(i * tiling.fragments_n + j)),
                comptime!(4 * stride as u32),
                cmma::MatrixLayout::RowMajor,
            );
        }
        sync_cube();
        #[unroll]
        for idx in 0..comptime!(width / 2) {
            let at = UNIT_POS_X as usize + idx * 32;
            let row = first_row + (plane_m * comptime!(tiling.fragments_m) + i) * 16 + at / width;
            let column =
                first_column + plane_n * comptime!(16 * tiling.fragments_n) + (at % width) * 4;
            if row < m && column < n {
                let place = (row * n + column) / 4;
                let mut beside = Four::new(0.0f32);
                if comptime!(finish.reads_other()) {
                    beside = other[place];
                }
                let x = Four::reinterpret(shared[mine + at / width * stride + at % width]);
                out[first_out + place] =
                    finished(restored(x, comptime!(factors.start)), beside, finish);
            }
        }
        sync_cube();
    }
}
