//! Products on the matrix units of a GPU: 16-bit factors, 32-bit sums. A cube
//! makes a tile of the product; it stages the factors' tiles in shared memory,
//! casting on the way, twice, so that the next tiles are fetched while the
//! present ones are multiplied.

use cubecl::prelude::*;

use super::finish::{Finish, Start, finished, restored, started};

/// Four columns of a row.
type Four = Vector<f32, Const<4>>;

/// How a cube makes its tile of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Planes along the rows of the tile.
    pub planes_m: usize,
    /// Planes along its columns.
    pub planes_n: usize,
    /// Fragments of 16 rows of every plane.
    pub fragments_m: usize,
    /// Fragments of 16 columns of every plane.
    pub fragments_n: usize,
    /// Terms of the sums that are staged at once, a multiple of 16.
    pub depth: usize,
}

impl Tiling {
    /// Rows of the tile.
    pub const fn rows(self) -> usize {
        16 * self.planes_m * self.fragments_m
    }

    /// Columns of the tile.
    pub const fn columns(self) -> usize {
        16 * self.planes_n * self.fragments_n
    }

    /// Units of a cube.
    pub const fn units(self) -> usize {
        32 * self.planes_m * self.planes_n
    }
}

/// Eight numbers between the rows of a staged tile, in fours: rows would
/// otherwise fall on the same banks.
const PADDING: usize = 2;

/// `a` [m, k] by `b`, [k, n] or, `transposed`, [n, k], finished with `other`
/// [m, n] → `out` [m, n]. `n` and `k` are multiples of 4. One cube for every
/// tile, columns first; planes have 32 units. Along z the sums are cut into parts
/// of `part` terms, a multiple of the depth, and `out` is [parts, m, n].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn product<S: Float>(
    a: &Tensor<Four>,
    b: &Tensor<Vector<S, Const<4>>>,
    other: &Tensor<Four>,
    out: &mut Tensor<Four>,
    n: usize,
    k: usize,
    part: usize,
    #[comptime] tiling: Tiling,
    #[comptime] transposed: bool,
    #[comptime] start: Start,
    #[comptime] finish: Finish,
    #[define(S)] _staged: ElemType,
) {
    let depth = comptime!(tiling.depth);
    let rows = comptime!(tiling.rows());
    let columns = comptime!(tiling.columns());
    let units = comptime!(tiling.units());
    let m = a.shape(0);
    let first_row = CUBE_POS_Y as usize * rows;
    let first_column = CUBE_POS_X as usize * columns;
    let unit = UNIT_POS as usize;
    let plane = UNIT_POS_Y as usize;
    let plane_m = plane / comptime!(tiling.planes_n);
    let plane_n = plane % comptime!(tiling.planes_n);

    // Widths of the staged tiles in fours.
    let a_stride = comptime!(depth / 4 + PADDING);
    let b_rows = comptime!(if transposed { columns } else { depth });
    let b_fours = comptime!(if transposed { depth / 4 } else { columns / 4 });
    let b_stride = comptime!(b_fours + PADDING);
    let a_size = comptime!(rows * a_stride);
    let b_size = comptime!(b_rows * b_stride);
    let mut staged_a = Shared::<[Vector<S, Const<4>>]>::new_slice(comptime!(2 * a_size));
    let mut staged_b = Shared::<[Vector<S, Const<4>>]>::new_slice(comptime!(2 * b_size));
    let mut scratch = Shared::<[Four]>::new_slice(comptime!(2 * units));

    let a_loads = comptime!(rows * depth / 4 / units);
    let b_loads = comptime!(b_rows * b_fours / units);
    let mut next_a = Array::<Four>::new(a_loads);
    let mut next_b = Array::<Vector<S, Const<4>>>::new(b_loads);

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
    let first_out = CUBE_POS_Z as usize * m * n;
    for step in 0..steps + 1 {
        if step < steps {
            // Every load is on its way before the first is waited for: none hangs
            // on a branch, and what lies outside is cleared when it is staged.
            let from = first_term + step * depth;
            #[unroll]
            for idx in 0..a_loads {
                let at = unit + idx * units;
                let row = usize::min(first_row + at / comptime!(depth / 4), m - 1);
                let column = usize::min(from + (at % comptime!(depth / 4)) * 4, k - 4);
                next_a[idx] = a[(row * k + column) / 4];
            }
            #[unroll]
            for idx in 0..b_loads {
                let at = unit + idx * units;
                if comptime!(transposed) {
                    let row = usize::min(first_column + at / b_fours, n - 1);
                    let column = usize::min(from + (at % b_fours) * 4, k - 4);
                    next_b[idx] = b[(row * k + column) / 4];
                } else {
                    let row = usize::min(from + at / b_fours, k - 1);
                    let column = usize::min(first_column + (at % b_fours) * 4, n - 4);
                    next_b[idx] = b[(row * n + column) / 4];
                }
            }
        }
        if step > 0 {
            let a_base =
                ((step + 1) % 2) * a_size + plane_m * comptime!(16 * tiling.fragments_m) * a_stride;
            let b_base = ((step + 1) % 2) * b_size;
            let b_column = plane_n * comptime!(16 * tiling.fragments_n);
            #[unroll]
            for inner in 0..comptime!(depth / 16) {
                let mut of_b = Sequence::<cmma::Matrix<Vector<S, Const<4>>>>::new();
                #[unroll]
                for j in 0..comptime!(tiling.fragments_n) {
                    if comptime!(transposed) {
                        let at = b_base + (b_column + j * 16) * b_stride + comptime!(inner * 4);
                        of_b.push(cmma::Matrix::<Vector<S, Const<4>>>::from_slice(
                            cmma::MatrixIdent::B,
                            16usize,
                            16usize,
                            16usize,
                            cmma::MatrixLayout::ColMajor,
                            &staged_b[at..at + 15 * b_stride + 4],
                            comptime!(4 * b_stride as u32),
                        ));
                    } else {
                        let at =
                            b_base + comptime!(inner * 16 * b_stride) + (b_column + j * 16) / 4;
                        of_b.push(cmma::Matrix::<Vector<S, Const<4>>>::from_slice(
                            cmma::MatrixIdent::B,
                            16usize,
                            16usize,
                            16usize,
                            cmma::MatrixLayout::RowMajor,
                            &staged_b[at..at + 15 * b_stride + 4],
                            comptime!(4 * b_stride as u32),
                        ));
                    }
                }
                #[unroll]
                for i in 0..comptime!(tiling.fragments_m) {
                    let at = a_base + comptime!(i * 16 * a_stride + inner * 4);
                    let of_a = cmma::Matrix::<Vector<S, Const<4>>>::from_slice(
                        cmma::MatrixIdent::A,
                        16usize,
                        16usize,
                        16usize,
                        cmma::MatrixLayout::RowMajor,
                        &staged_a[at..at + 15 * a_stride + 4],
                        comptime!(4 * a_stride as u32),
                    );
                    #[unroll]
                    for j in 0..comptime!(tiling.fragments_n) {
                        let sum = sums.index(comptime!(i * tiling.fragments_n + j));
                        cmma::execute(&of_a, of_b.index(j), sum, sum);
                    }
                }
            }
        }
        if step < steps {
            let from = first_term + step * depth;
            let a_base = (step % 2) * a_size;
            let b_base = (step % 2) * b_size;
            // Terms behind the last count nothing; rows and columns outside are
            // never written.
            #[unroll]
            for idx in 0..a_loads {
                let at = unit + idx * units;
                let row = at / comptime!(depth / 4);
                let place = at % comptime!(depth / 4);
                let is_term = f32::cast_from(from + place * 4 < k);
                let value = started(next_a[idx], start, true) * Four::new(is_term);
                staged_a[a_base + row * a_stride + place] = Vector::cast_from(value);
            }
            #[unroll]
            for idx in 0..b_loads {
                let at = unit + idx * units;
                staged_b[b_base + (at / b_fours) * b_stride + at % b_fours] = next_b[idx];
            }
        }
        sync_cube();
    }

    let mine = plane * 64;
    let lane = UNIT_POS_X as usize;
    #[unroll]
    for i in 0..comptime!(tiling.fragments_m) {
        #[unroll]
        for j in 0..comptime!(tiling.fragments_n) {
            cmma::store(
                &mut scratch[mine..mine + 64],
                sums.index(comptime!(i * tiling.fragments_n + j)),
                16,
                cmma::MatrixLayout::RowMajor,
            );
            sync_cube();
            #[unroll]
            for half in 0..2usize {
                let at = lane + half * 32;
                let row = first_row + (plane_m * comptime!(tiling.fragments_m) + i) * 16 + at / 4;
                let column = first_column
                    + (plane_n * comptime!(tiling.fragments_n) + j) * 16
                    + (at % 4) * 4;
                if row < m && column < n {
                    let p = (row * n + column) / 4;
                    let mut beside = Four::new(0.0f32);
                    if comptime!(finish.reads_other()) {
                        beside = other[p];
                    }
                    let x = restored(scratch[mine + at], start);
                    out[first_out / 4 + p] = finished(x, beside, finish);
                }
            }
            sync_cube();
        }
    }
}
