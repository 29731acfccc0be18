//! The tiles of both factors on their way from memory to registers and from there to
//! shared memory.

use cubecl::prelude::*;

use super::ProductSpec;
use crate::kernels::halves::{Eight, half_of, halves, joined, squared_halves};
use crate::kernels::matrix::Storage;
use crate::kernels::matrix::gpu::{Four, four_of_eight, scale_word};
use crate::kernels::product::gpu::finish::{Start, started};
use crate::kernels::product::gpu::tiling::Tiling;

/// Where this unit works.
#[derive(CubeType)]
pub(super) struct Place {
    /// The first row of the tile.
    pub first_row: usize,
    /// Its first column.
    pub first_column: usize,
    /// Rows of the product.
    pub m: usize,
    /// Eights of its columns.
    pub n: usize,
    /// Eights of the terms of its sums.
    pub k: usize,
    /// Eights of terms behind the last one.
    pub end: usize,
    /// The row of the first factor's tile that the unit fills first, and the eight in it.
    pub a_row: usize,
    pub a_eight: usize,
    /// As these, of the second factor.
    pub b_row: usize,
    pub b_eight: usize,
    /// Where the stage lies in shared memory.
    pub stage: usize,
    /// Where the factors and the scales begin in what holds them.
    pub a: usize,
    pub b: usize,
    pub scales: usize,
}

/// The row of a tile that a unit fills which comes `place`-th, where `lanes` units lie
/// side by side: with four of them, eight units write two rows at once, and rows next to
/// each other would meet in a bank; rows four apart do not.
#[cube]
pub(super) fn row_of(place: usize, #[comptime] lanes: usize) -> usize {
    let mut row = place / lanes;
    if comptime!(lanes == 4) {
        row = row / 8 * 8 + row % 2 * 4 + row / 2 % 4;
    }
    row
}

/// This unit's part of the first factor's tile whose terms start at the eight
/// `from`. No load hangs on a branch, so that all are on their way before one is
/// waited for; what lies outside is cleared when it is shared.
#[cube]
pub(super) fn fetch_a(
    a: &Tensor<Eight>,
    held: &mut Array<Eight>,
    place: &Place,
    from: usize,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    let width = comptime!(spec.a_width());
    let row_width = place.k * width;
    let first_row = place.first_row + place.a_row;
    let eight = from + place.a_eight;
    let first = place.a + first_row * row_width + eight * width;
    #[unroll]
    for idx in 0..comptime!(tiling.a_loads()) {
        let gap = comptime!(tiling.a_down(idx));
        let mut at = first + gap * row_width;
        if comptime!(!spec.is_whole) {
            let row = usize::min(first_row + gap, place.m - 1);
            at = place.a + row * row_width + usize::min(eight, place.k - 1) * width;
        }
        #[unroll]
        for part in 0..width {
            held[comptime!(width * idx + part)] = a[at + part];
        }
    }
}

/// The eight of the second factor that this unit fetches `idx`-th, of the tile whose
/// terms start at the eight `from`.
#[cube]
fn eight_in_b(
    place: &Place,
    from: usize,
    #[comptime] idx: usize,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) -> usize {
    let transposed = comptime!(spec.transposed);
    let gap = comptime!(tiling.b_down(idx, transposed));
    let beside = comptime!(tiling.b_beside(idx, transposed));
    let mut row = place.b_row;
    let mut eight = place.b_eight;
    let mut row_width = place.n;
    let mut rows = place.k * 8;
    if comptime!(transposed) {
        row += place.first_column;
        eight += from;
        row_width = place.k;
        rows = place.n * 8;
    } else {
        row += from * 8;
        eight += place.first_column / 8;
    }
    let mut at = row * row_width + eight + (gap * row_width + beside);
    if comptime!(!spec.is_whole) {
        let row = usize::min(row + gap, rows - 1);
        at = row * row_width + usize::min(eight + beside, row_width - 1);
    }
    at
}

/// As [`fetch_a`], of the second factor and its scales.
#[cube]
pub(super) fn fetch_b<W: Size>(
    b: &Tensor<Vector<u32, W>>,
    scales: &Tensor<u32>,
    held: &mut Array<Vector<u32, W>>,
    held_scales: &mut Array<u32>,
    place: &Place,
    from: usize,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    #[unroll]
    for idx in 0..comptime!(tiling.b_loads(spec.transposed)) {
        let at = eight_in_b(place, from, idx, tiling, spec);
        held[idx] = b[place.b + at];
        let storage = comptime!(spec.storage);
        held_scales[idx] = scale_word(scales, place.scales, at * 8, storage);
    }
}

/// Eight numbers of a factor, as they are multiplied.
#[cube]
fn narrowed(low: Four, high: Four, #[comptime] start: Start) -> Eight {
    joined(
        halves(started(low, start, true)),
        halves(started(high, start, true)),
    )
}

/// Puts what was fetched of the first factor into the stage. Terms behind the last
/// count nothing; rows outside are never written.
#[cube]
pub(super) fn share_a(
    held: &Array<Eight>,
    shared: &mut Shared<[Eight]>,
    place: &Place,
    from: usize,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    let start = comptime!(spec.start);
    let stride = comptime!(tiling.a_stride());
    let first = place.stage + place.a_row * stride + place.a_eight;
    #[unroll]
    for idx in 0..comptime!(tiling.a_loads()) {
        let mut eight = held[comptime!(spec.a_width() * idx)];
        if comptime!(!spec.halves.a) {
            let low = Four::reinterpret(eight);
            let high = Four::reinterpret(held[comptime!(2 * idx + 1)]);
            eight = narrowed(low, high, start);
        } else if comptime!(start == Start::SquaredRelu) {
            eight = joined(
                squared_halves(half_of(eight, 0usize)),
                squared_halves(half_of(eight, 1usize)),
            );
        }
        if comptime!(!spec.is_whole) {
            eight *= Eight::new(u32::cast_from(from + place.a_eight < place.end));
        }
        shared[first + comptime!(tiling.a_down(idx) * stride)] = eight;
    }
}

/// As [`share_a`], of the second factor, whose numbers come to 16 bits here.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn share_b<W: Size>(
    held: &Array<Vector<u32, W>>,
    held_scales: &Array<u32>,
    shared: &mut Shared<[Eight]>,
    codes: &Shared<[f32]>,
    place: &Place,
    from: usize,
    #[comptime] tiling: Tiling,
    #[comptime] spec: ProductSpec,
) {
    let storage = comptime!(spec.storage);
    let transposed = comptime!(spec.transposed);
    let stride = comptime!(tiling.b_stride(transposed));
    let first = place.stage + comptime!(tiling.a_size()) + place.b_row * stride + place.b_eight;
    #[unroll]
    for idx in 0..comptime!(tiling.b_loads(transposed)) {
        let gap = comptime!(tiling.b_down(idx, transposed));
        let at = first + comptime!(gap * stride + tiling.b_beside(idx, transposed));
        if comptime!(storage == Storage::F16) {
            shared[at] = Eight::reinterpret(held[idx]);
        } else {
            let number = eight_in_b(place, from, idx, tiling, spec) * 8;
            let (words, scale) = (held[idx], held_scales[idx]);
            let low = four_of_eight(words, scale, number, codes, 0usize, storage);
            let high = four_of_eight(words, scale, number, codes, 1usize, storage);
            shared[at] = narrowed(low, high, Start::Plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernels::product::gpu::cut::TILINGS;

    /// Rows and eights of a factor's tile, units side by side, and where the first units'
    /// eights lie below and beside each other.
    struct Filled {
        size: [usize; 2],
        lanes: usize,
        moved: Vec<[usize; 2]>,
    }

    fn filled(tiling: Tiling, transposed: bool) -> [Filled; 2] {
        let a = Filled {
            size: [tiling.rows(), tiling.a_eights()],
            lanes: tiling.a_eights(),
            moved: (0..tiling.a_loads())
                .map(|idx| [tiling.a_down(idx), 0])
                .collect(),
        };
        let b = Filled {
            size: [tiling.b_rows(transposed), tiling.b_eights(transposed)],
            lanes: tiling.b_lanes(transposed),
            moved: (0..tiling.b_loads(transposed))
                .map(|idx| {
                    [
                        tiling.b_down(idx, transposed),
                        tiling.b_beside(idx, transposed),
                    ]
                })
                .collect(),
        };
        [a, b]
    }

    #[test]
    fn units_fill_every_place_of_a_stage_once_and_meet_in_no_bank() {
        for (tiling, transposed) in TILINGS.into_iter().flat_map(|x| [(x, true), (x, false)]) {
            for Filled { size, lanes, moved } in filled(tiling, transposed) {
                let [rows, eights] = size;
                let mut seen = BTreeSet::new();
                for [down, beside] in moved {
                    let place = |unit| [row_of(unit, lanes) + down, unit % lanes + beside];
                    let places: Vec<[usize; 2]> = (0..tiling.stagers()).map(place).collect();
                    // Sixteen bytes of eight units are written at once, to 32 banks of four.
                    for at_once in places.chunks(8) {
                        let bank = |[row, eight]: &[usize; 2]| (row * (eights + 1) + eight) % 8;
                        let banks: BTreeSet<usize> = at_once.iter().map(bank).collect();
                        assert_eq!(banks.len(), 8, "{tiling:?} {transposed}");
                    }
                    for place @ [row, eight] in places {
                        assert!(row < rows && eight < eights, "{tiling:?} {transposed}");
                        assert!(seen.insert(place), "{tiling:?} {transposed}");
                    }
                }
                assert_eq!(seen.len(), rows * eights, "{tiling:?} {transposed}");
            }
        }
    }
}
