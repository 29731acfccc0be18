//! Products on the matrix units of a GPU: 16-bit factors, 32-bit sums. A cube
//! makes a tile of the product; it stages the factors' tiles in shared memory.
//! While one step of the terms is multiplied, the next is on its way to registers.
//! Everything moves in 16 bytes, eight factors, to which rows of shared memory are
//! aligned: a driver can read rows of a fragment whole only then.

mod epilogue;
mod fragments;
mod stage;

use cubecl::prelude::*;

use epilogue::{Patch, write_sums};
use fragments::multiply;
use stage::{Place, fetch_a, fetch_b, row_of, share_a, share_b};

use super::finish::{Finishes, Start};
use super::member::{Member, member_at};
use super::tiling::Tiling;
use crate::kernels::halves::Eight;
use crate::kernels::matrix::Storage;
use crate::kernels::matrix::gpu::shared_codes;

/// What is known of products when their kernel is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProductSpec {
    /// Columns of every product and terms of its sums, where a kernel is built for them.
    pub sizes: Option<[usize; 2]>,
    /// Whether no tile is larger than its product and every step has as many terms
    /// as it takes.
    pub is_whole: bool,
    /// Whether the second factor is [n, k].
    pub transposed: bool,
    /// How it is stored: not in 32 bits.
    pub storage: Storage,
    /// What is done to the first factor.
    pub start: Start,
    /// What is done to the products.
    pub finishes: Finishes,
    /// Which of the others have 16 bits.
    pub halves: InHalves,
}

/// Which tensors hold 16-bit numbers, and not 32-bit ones. Gradients are held
/// `GRADIENT_SCALE` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct InHalves {
    /// The first factor.
    pub a: bool,
    /// What the product is finished with.
    pub other: bool,
    /// The product.
    pub out: bool,
}

impl ProductSpec {
    /// Eights of a number of the first factor's row: of 32 bits two are loaded for one.
    const fn a_width(self) -> usize {
        if self.halves.a { 1 } else { 2 }
    }
}

/// Rows of tiles that are made together, column after column, so that what is read of
/// the second factor is read once for all of them.
const TOGETHER: usize = 8;

/// Of every member `a` [m, k] by `b`, in the words of eight numbers, [k, n] or,
/// transposed, [n, k], finished with `other` [m, n] → `out` [m, n]; each lies in the tensors
/// where the member says. `n` and `k` are multiples of 8. One cube for every tile, along x
/// as many as a row of tiles of all members has; planes have 32 units. Along z the sums are
/// cut into parts of `part` terms, a multiple of 8, and `out` is [parts, m, n].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn product<W: Size, O: Size, P: Size>(
    a: &Tensor<Eight>,
    b: &Tensor<Vector<u32, W>>,
    scales: &Tensor<u32>,
    other: &Tensor<Vector<u32, O>>,
    out: &mut Tensor<Vector<u32, P>>,
    m: usize,
    part: usize,
    members: Sequence<Member>,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    let transposed = comptime!(spec.transposed);
    let rows = comptime!(tiling.rows());
    let columns = comptime!(tiling.columns());

    // Which tile: of so many rows of tiles together, column after column.
    let across = CUBE_COUNT_X as usize;
    let id = CUBE_POS_Y as usize * across + CUBE_POS_X as usize;
    let of_group = TOGETHER * across;
    let first = id / of_group * TOGETHER;
    let high = usize::min(CUBE_COUNT_Y as usize - first, TOGETHER);
    let tile_m = first + id % of_group % high;
    let tile_n = id % of_group / high;
    let member = member_at(&members, tile_n);
    let mut n = member.n;
    let mut k = member.k;
    if comptime!(spec.sizes.is_some()) {
        n = comptime!(spec.sizes.unwrap_or_default()[0]).runtime();
        k = comptime!(spec.sizes.unwrap_or_default()[1]).runtime();
    }
    // The last tiles lie over those before them, and write only what those leave.
    let own_row = tile_m * rows;
    let own_column = (tile_n - member.first_tile) * columns;
    let mut first_row = own_row;
    let mut first_column = own_column;
    if comptime!(spec.is_whole) {
        first_row = usize::min(own_row, m - rows);
        first_column = usize::min(own_column, n - columns);
    }

    let lane = UNIT_POS_X as usize;
    let plane = UNIT_POS_Y as usize;
    let mut stager = lane;
    let mut stage = 0usize.runtime();
    let mut of_terms = 0usize.runtime();
    let mut plane_m = 0usize.runtime();
    let mut plane_n = 0usize.runtime();
    if comptime!(tiling.shares_terms()) {
        stage = plane * comptime!(tiling.stage_size(transposed));
        of_terms = plane;
    } else {
        stager = UNIT_POS as usize;
        plane_m = plane / comptime!(tiling.planes_n);
        plane_n = plane % comptime!(tiling.planes_n);
    }
    // Each cube along z sums its own part of the terms.
    let first_term = CUBE_POS_Z as usize * part;
    let n_terms = usize::min(part, k - first_term);
    let a_eights = comptime!(tiling.a_eights());
    let b_lanes = comptime!(tiling.b_lanes(transposed));
    let place = Place {
        first_row,
        first_column,
        m,
        n: n / 8,
        k: k / 8,
        end: (first_term + n_terms) / 8,
        a_row: row_of(stager, a_eights),
        a_eight: stager % a_eights,
        b_row: row_of(stager, b_lanes),
        b_eight: stager % b_lanes,
        stage,
        a: member.a,
        b: member.b,
        scales: member.scales,
    };

    let mut shared = Shared::<[Eight]>::new_slice(comptime!(tiling.shared_size(transposed)));
    let n_held = comptime!(spec.a_width() * tiling.a_loads());
    let mut held_a = Array::<Eight>::new(n_held);
    let mut held_b = Array::<Vector<u32, W>>::new(comptime!(tiling.b_loads(transposed)));
    let mut held_scales = Array::<u32>::new(comptime!(tiling.b_loads(transposed)));
    let codes = shared_codes(comptime!(spec.storage));
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

    let steps = n_terms.div_ceil(comptime!(tiling.step()));
    let step_eights = comptime!(tiling.step() / 8);
    let mut from = first_term / 8 + of_terms * comptime!(tiling.depth / 8);
    let last = from + (steps - 1) * step_eights;
    fetch_a(a, &mut held_a, &place, from, tiling, spec);
    fetch_b(
        b,
        scales,
        &mut held_b,
        &mut held_scales,
        &place,
        from,
        tiling,
        spec,
    );
    for _ in 0..steps {
        // All have read the stage.
        if comptime!(tiling.shares_terms()) {
            sync_plane();
        } else {
            sync_cube();
        }
        share_a(&held_a, &mut shared, &place, from, tiling, spec);
        share_b(
            &held_b,
            &held_scales,
            &mut shared,
            &codes,
            &place,
            from,
            tiling,
            spec,
        );
        if comptime!(tiling.shares_terms()) {
            sync_plane();
        } else {
            sync_cube();
        }
        // Behind the last step its terms are fetched again, and not used.
        from = usize::min(from + step_eights, last);
        fetch_a(a, &mut held_a, &place, from, tiling, spec);
        fetch_b(
            b,
            scales,
            &mut held_b,
            &mut held_scales,
            &place,
            from,
            tiling,
            spec,
        );
        multiply(&shared, &sums, stage, plane_m, plane_n, tiling, transposed);
    }

    let patch = Patch {
        first_row: first_row + plane_m * comptime!(16 * tiling.fragments_m),
        first_column: first_column + plane_n * comptime!(16 * tiling.fragments_n),
        own_row,
        own_column,
        m,
        n,
        first_out: member.out + CUBE_POS_Z as usize * m * (n / 4),
        other: member.other,
        last_other: member.last_other,
        member: member.number,
        plane,
    };
    write_sums(&sums, &mut shared, &patch, other, out, tiling, spec);
}
