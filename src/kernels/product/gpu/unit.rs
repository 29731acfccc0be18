//! Products in 32-bit numbers, for every GPU: a cube makes a tile of the
//! product from tiles of the factors in shared memory, and a unit eight rows by
//! eight columns of it in registers. The second factor is widened on its way from
//! registers to shared memory.

use cubecl::prelude::*;

use super::finish::{Finishes, Start, finished_by, started};
use super::member::{Member, member_at};
use crate::kernels::matrix::Storage;
use crate::kernels::matrix::gpu::{Four, four, scale_word, shared_codes};

/// How a cube makes its tile of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitTiling {
    /// Units along the rows of the tile, eight rows each.
    pub units_m: usize,
    /// Units along its columns, eight columns each.
    pub units_n: usize,
    /// Terms of the sums that are staged at once, a multiple of 4.
    pub depth: usize,
}

impl UnitTiling {
    /// Rows of the tile.
    pub const fn rows(self) -> usize {
        8 * self.units_m
    }

    /// Columns of the tile.
    pub const fn columns(self) -> usize {
        8 * self.units_n
    }

    /// Units of a cube.
    pub const fn units(self) -> usize {
        self.units_m * self.units_n
    }
}

/// As [`super::plane::product`], but of 32-bit factors; `b` in the words of four
/// numbers, `other` and `out` a number at a time. Columns and terms are multiples of 4,
/// or of 8 where `b` does not have 32 bits.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn product<W: Size>(
    a: &Tensor<Four>,
    b: &Tensor<Vector<u32, W>>,
    scales: &Tensor<u32>,
    other: &Tensor<f32>,
    out: &mut Tensor<f32>,
    m: usize,
    part: usize,
    members: Sequence<Member>,
    #[comptime] tiling: UnitTiling,
    #[comptime] transposed: bool,
    #[comptime] storage: Storage,
    #[comptime] start: Start,
    #[comptime] finishes: Finishes,
) {
    let depth = comptime!(tiling.depth);
    let rows = comptime!(tiling.rows());
    let columns = comptime!(tiling.columns());
    let units = comptime!(tiling.units());
    let units_m = comptime!(tiling.units_m);
    let units_n = comptime!(tiling.units_n);
    let member = member_at(&members, CUBE_POS_X as usize);
    let n = member.n;
    let k = member.k;
    let first_row = CUBE_POS_Y as usize * rows;
    let first_column = (CUBE_POS_X as usize - member.first_tile) * columns;
    let unit = UNIT_POS as usize;
    let unit_m = unit / units_n;
    let unit_n = unit % units_n;

    // One four between the rows of a staged tile keeps them off the same banks.
    let a_stride = comptime!(depth / 4 + 1);
    let b_rows = comptime!(if transposed { columns } else { depth });
    let b_fours = comptime!(if transposed { depth / 4 } else { columns / 4 });
    let b_stride = comptime!(b_fours + 1);
    let mut staged_a = Shared::<[Four]>::new_slice(comptime!(rows * a_stride));
    let mut staged_b = Shared::<[Four]>::new_slice(comptime!(b_rows * b_stride));
    let a_loads = comptime!((rows * depth / 4).div_ceil(units));
    let b_loads = comptime!((b_rows * b_fours).div_ceil(units));
    let mut next_a = Array::<Four>::new(a_loads);
    let mut next_b = Array::<Vector<u32, W>>::new(b_loads);
    let mut next_scales = Array::<u32>::new(b_loads);
    let codes = shared_codes(storage);
    let mut sums = Array::<Four>::new(16usize);
    #[unroll]
    for idx in 0..16usize {
        sums[idx] = Four::new(0.0f32);
    }

    // Each cube along z sums its own part of the terms.
    let first_term = CUBE_POS_Z as usize * part;
    let steps = usize::min(part, k - first_term).div_ceil(depth);
    let first_out = member.out + CUBE_POS_Z as usize * m * n;
    for step in 0..steps + 1 {
        if step < steps {
            // As in the kernel for planes: no load hangs on a branch.
            let from = first_term + step * depth;
            #[unroll]
            for idx in 0..a_loads {
                let at = unit + idx * units;
                let row = usize::min(first_row + at / comptime!(depth / 4), m - 1);
                let column = usize::min(from + (at % comptime!(depth / 4)) * 4, k - 4);
                next_a[idx] = a[member.a + (row * k + column) / 4];
            }
            #[unroll]
            for idx in 0..b_loads {
                let at = unit + idx * units;
                let place = place_in_b(at, first_column, from, n, k, tiling, transposed);
                let together = comptime!(if storage == Storage::NF4 {
                    8usize
                } else {
                    4usize
                });
                next_b[idx] = b[member.b + place / together];
                next_scales[idx] = scale_word(scales, member.scales, place, storage);
            }
        }
        if step > 0 {
            for inner in 0..comptime!(depth / 4) {
                let mut of_a = Array::<Four>::new(8usize);
                #[unroll]
                for i in 0..8usize {
                    of_a[i] = staged_a[(unit_m + i * units_m) * a_stride + inner];
                }
                #[unroll]
                for j in 0..2usize {
                    let mut of_b = Array::<Four>::new(4usize);
                    if comptime!(transposed) {
                        // Columns lie `units_n` apart, so that units read rows side by side.
                        let base = (unit_n + comptime!(j * 4 * units_n)) * b_stride + inner;
                        let c0 = staged_b[base];
                        let c1 = staged_b[base + comptime!(units_n * b_stride)];
                        let c2 = staged_b[base + comptime!(2 * units_n * b_stride)];
                        let c3 = staged_b[base + comptime!(3 * units_n * b_stride)];
                        #[unroll]
                        for term in 0..4usize {
                            let mut four = Four::new(0.0f32);
                            four.insert(0usize, c0.extract(term));
                            four.insert(1usize, c1.extract(term));
                            four.insert(2usize, c2.extract(term));
                            four.insert(3usize, c3.extract(term));
                            of_b[term] = four;
                        }
                    } else {
                        #[unroll]
                        for term in 0..4usize {
                            of_b[term] = staged_b
                                [(inner * 4 + term) * b_stride + unit_n + comptime!(j * units_n)];
                        }
                    }
                    #[unroll]
                    for i in 0..8usize {
                        #[unroll]
                        for term in 0..4usize {
                            sums[comptime!(i * 2 + j)] +=
                                Four::new(of_a[i].extract(term)) * of_b[term];
                        }
                    }
                }
            }
            sync_cube();
        }
        if step < steps {
            #[unroll]
            for idx in 0..a_loads {
                let at = unit + idx * units;
                let row = at / comptime!(depth / 4);
                let place = at % comptime!(depth / 4);
                if at < comptime!(rows * depth / 4) {
                    // Terms behind the last count nothing.
                    let is_term = f32::cast_from(first_term + step * depth + place * 4 < k);
                    staged_a[row * a_stride + place] =
                        started(next_a[idx], start, false) * Four::new(is_term);
                }
            }
            #[unroll]
            for idx in 0..b_loads {
                let at = unit + idx * units;
                if at < comptime!(b_rows * b_fours) {
                    let from = first_term + step * depth;
                    let place = place_in_b(at, first_column, from, n, k, tiling, transposed);
                    let numbers = four(next_b[idx], next_scales[idx], place, &codes, storage);
                    staged_b[(at / b_fours) * b_stride + at % b_fours] = numbers;
                }
            }
        }
        sync_cube();
    }

    #[unroll]
    for i in 0..8usize {
        let row = first_row + unit_m + i * units_m;
        #[unroll]
        for j in 0..2usize {
            let mut beside = Four::new(0.0f32);
            if comptime!(finishes.read_other()) {
                #[unroll]
                for c in 0..4usize {
                    let column = column_of(first_column, unit_n, units_n, j, c, transposed);
                    if row < m && column < n {
                        let at = usize::min(row * n + column, member.last_other);
                        beside.insert(c, other[member.other + at]);
                    }
                }
            }
            let done = finished_by(sums[comptime!(i * 2 + j)], beside, member.number, finishes);
            #[unroll]
            for c in 0..4usize {
                let column = column_of(first_column, unit_n, units_n, j, c, transposed);
                if row < m && column < n {
                    out[first_out + row * n + column] = done.extract(c);
                }
            }
        }
    }
}

/// The place in the second factor of four number `at` of the tile whose columns
/// start at `first_column` and whose terms start at `from`.
#[cube]
fn place_in_b(
    at: usize,
    first_column: usize,
    from: usize,
    n: usize,
    k: usize,
    #[comptime] tiling: UnitTiling,
    #[comptime] transposed: bool,
) -> usize {
    if comptime!(transposed) {
        let fours = comptime!(tiling.depth / 4);
        let row = usize::min(first_column + at / fours, n - 1);
        row * k + usize::min(from + (at % fours) * 4, k - 4)
    } else {
        let fours = comptime!(tiling.columns() / 4);
        let row = usize::min(from + at / fours, k - 1);
        row * n + usize::min(first_column + (at % fours) * 4, n - 4)
    }
}

/// The column of the product that component `c` of a unit's `j`-th four holds.
#[cube]
fn column_of(
    first_column: usize,
    unit_n: usize,
    #[comptime] units_n: usize,
    #[comptime] j: usize,
    #[comptime] c: usize,
    #[comptime] transposed: bool,
) -> usize {
    if comptime!(transposed) {
        first_column + unit_n + comptime!((j * 4 + c) * units_n)
    } else {
        first_column + (unit_n + comptime!(j * units_n)) * 4 + c
    }
}
