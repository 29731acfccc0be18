//! The sums on their way out.

use cubecl::prelude::*;

use super::ProductSpec;
use super::fragments::put_down;
use crate::kernels::halves::{Eight, GRADIENT_SCALE, loaded, stored};
use crate::kernels::matrix::gpu::Four;
use crate::kernels::product::gpu::finish::{Start, finished_by, restored};
use crate::kernels::product::gpu::tiling::Tiling;

/// What a plane has of the product.
#[derive(CubeType)]
pub(super) struct Patch {
    /// Its first row and column.
    pub first_row: usize,
    pub first_column: usize,
    /// The first row and column that this cube writes.
    pub own_row: usize,
    pub own_column: usize,
    /// Rows and columns of the product.
    pub m: usize,
    pub n: usize,
    /// The first four of the part of the sums.
    pub first_out: usize,
    /// The first four of what the product is finished with, and how many come behind it.
    pub other: usize,
    pub last_other: usize,
    /// Which member it is of.
    pub member: usize,
    /// Which plane of the cube it is.
    pub plane: usize,
}

/// The row and the column of a unit's four number `idx` of the sixteen rows `i`, and
/// where it lies among them.
#[cube]
fn place_of(
    patch: &Patch,
    #[comptime] i: usize,
    #[comptime] idx: usize,
    #[comptime] tiling: Tiling,
) -> (usize, usize, usize) {
    let width = comptime!(4 * tiling.fragments_n);
    let mut at = UNIT_POS_X as usize + comptime!(idx * tiling.writers());
    if comptime!(tiling.shares_terms()) {
        at += patch.plane * 32;
    }
    let row = patch.first_row + comptime!(16 * i) + at / width;
    let column = patch.first_column + at % width * 4;
    let inside = at / width * comptime!(tiling.sums_stride()) + at % width;
    (row, column, inside)
}

/// This unit's fours of what the sixteen rows `i` are finished with, on their way while
/// others are written; outside there is any of them.
#[cube]
fn fetch_other<O: Size>(
    other: &Tensor<Vector<u32, O>>,
    held: &mut Array<Vector<u32, O>>,
    patch: &Patch,
    #[comptime] i: usize,
    #[comptime] tiling: Tiling,
) {
    let n_fours = comptime!(tiling.fours_to_write());
    #[unroll]
    for idx in 0..n_fours {
        let (row, column, _) = place_of(patch, i, idx, tiling);
        let at = usize::min((row * patch.n + column) / 4, patch.last_other);
        held[comptime!(i % 2 * n_fours + idx)] = other[patch.other + at];
    }
}

/// Finishes the sums of a plane, or of all planes where they share the terms, and writes
/// them. A plane puts down sixteen rows at a time, to take them up as rows.
#[cube]
pub(super) fn write_sums<O: Size, P: Size>(
    sums: &Sequence<cmma::Matrix<f32>>,
    shared: &mut Shared<[Eight]>,
    patch: &Patch,
    other: &Tensor<Vector<u32, O>>,
    out: &mut Tensor<Vector<u32, P>>,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    let reads_other = comptime!(spec.finishes.read_other());
    let n_fours = comptime!(tiling.fours_to_write());
    let mine = patch.plane * comptime!(tiling.sums_size());
    let mut held = Array::<Vector<u32, O>>::new(comptime!(2 * n_fours));
    if comptime!(reads_other) {
        // Two blocks are on their way while one is written.
        fetch_other(other, &mut held, patch, 0usize, tiling);
        if comptime!(tiling.fragments_m > 1) {
            fetch_other(other, &mut held, patch, 1usize, tiling);
        }
    }
    sync_cube();
    #[unroll]
    for i in 0..comptime!(tiling.fragments_m) {
        put_down(sums, shared, mine, i, tiling);
        sync_sharers(tiling);
        #[unroll]
        for idx in 0..n_fours {
            let (row, column, inside) = place_of(patch, i, idx, tiling);
            let mut x = Four::new(0.0f32);
            if comptime!(tiling.shares_terms()) {
                #[unroll]
                for of_plane in 0..comptime!(tiling.planes_k) {
                    let at = inside + comptime!(of_plane * tiling.sums_size());
                    x += Four::reinterpret(shared[at]);
                }
            } else {
                x = Four::reinterpret(shared[mine + inside]);
            }
            let is_own = row >= patch.own_row && column >= patch.own_column;
            if is_own && row < patch.m && column < patch.n {
                let mut beside = Four::new(0.0f32);
                if comptime!(reads_other) {
                    let with = held[comptime!(i % 2 * n_fours + idx)];
                    beside = loaded(with, comptime!(spec.halves.other));
                }
                let at = patch.first_out + (row * patch.n + column) / 4;
                write(x, beside, at, patch.member, out, spec);
            }
        }
        if comptime!(reads_other && i + 2 < tiling.fragments_m) {
            fetch_other(other, &mut held, patch, comptime!(i + 2), tiling);
        }
        sync_sharers(tiling);
    }
}

/// Waits for all that put down and take up the same sums.
#[cube]
fn sync_sharers(#[comptime] tiling: Tiling) {
    if comptime!(tiling.shares_terms()) {
        sync_cube();
    } else {
        sync_plane();
    }
}

/// Finishes four numbers of a member's product with those `beside` them, and writes them.
#[cube]
fn write<P: Size>(
    x: Four,
    beside: Four,
    at: usize,
    member: usize,
    out: &mut Tensor<Vector<u32, P>>,
    #[comptime] spec: ProductSpec,
) {
    let x = restored(x, comptime!(spec.start));
    let mut value = finished_by(x, beside, member, comptime!(spec.finishes));
    if comptime!(spec.halves.out && spec.start == Start::Gradient) {
        value *= Four::new(GRADIENT_SCALE);
    }
    out[at] = stored(value, comptime!(spec.halves.out));
}
