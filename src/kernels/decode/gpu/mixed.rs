//! What reads the norm of the present token, mixed with that of the one before: a layer's
//! first products, and the first of channel mixing. Every cube forms the norm for itself:
//! that takes less than a launch.
// Kernels know no `if` of two kinds of condition.
#![allow(clippy::collapsible_if)]

use cubecl::prelude::*;

use super::weights::{
    COLUMNS, LANES, Lying, ROWS, Reading, SCRATCH, UNITS, add_columns, add_row, column_sums,
    row_sums,
};
use crate::kernels::halves::Eight;
use crate::kernels::matrix::gpu::{Four, shared_codes};
use crate::kernels::product::{Finish, finished};

/// A sum over the units of each of so many texts, given to all of them.
#[cube]
fn text_sum(
    value: f32,
    scratch: &mut Shared<[f32]>,
    parts: &mut Shared<[f32]>,
    #[comptime] texts: usize,
) -> f32 {
    let unit = UNIT_POS_X as usize;
    let of_part = comptime!(16usize);
    let of_text = comptime!(UNITS / texts / of_part);
    scratch[unit] = value;
    sync_cube();
    if unit < comptime!(UNITS / of_part) {
        let mut part = 0.0f32;
        #[unroll]
        for idx in 0..of_part {
            part += scratch[unit * of_part + idx];
        }
        parts[unit] = part;
    }
    sync_cube();
    let first = unit / comptime!(UNITS / texts) * of_text;
    let mut sum = 0.0f32;
    #[unroll]
    for idx in 0..of_text {
        sum += parts[first + idx];
    }
    sum
}

/// Of the cube's texts, from `first` on: LayerNorm of `x` [n, C], mixed by `share` with `last`
/// [n, C], to `staged`, where it lies apart. `vectors` has weight and bias of the norm, then
/// the shares, [C] each. The first cubes write the norm to `new_last`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn stage(
    x: &Tensor<Four>,
    last: &Tensor<Four>,
    vectors: &Tensor<Four>,
    new_last: &mut Tensor<Four>,
    staged: &mut Shared<[Four]>,
    share: usize,
    first: usize,
    n_texts: usize,
    epsilon: f32,
    #[comptime] texts: usize,
    #[comptime] eights: usize,
) {
    let fours = comptime!(2 * eights);
    let n = comptime!((4 * fours) as f32);
    let units = comptime!(UNITS / texts);
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut parts = Shared::<[f32]>::new_slice(16usize);
    let unit = UNIT_POS_X as usize;
    let place = unit / units;
    let lane = unit % units;
    // Behind the last text comes that one again.
    let base = usize::min(first + place, n_texts - 1) * fours;
    let mut sum = Four::new(0.0f32);
    for idx in range_stepped(lane, fours.runtime(), units) {
        sum += x[base + idx];
    }
    let mean = text_sum(sum.vector_sum(), &mut scratch, &mut parts, texts) / n;
    let mut squares = Four::new(0.0f32);
    for idx in range_stepped(lane, fours.runtime(), units) {
        let off = x[base + idx] - Four::new(mean);
        squares += off * off;
    }
    let squares = text_sum(squares.vector_sum(), &mut scratch, &mut parts, texts);
    let scale = Four::new(1.0f32 / (squares / n + epsilon).sqrt());
    for idx in range_stepped(lane, fours.runtime(), units) {
        let off = x[base + idx] - Four::new(mean);
        let now = off * scale * vectors[idx] + vectors[fours + idx];
        let shift = last[base + idx] - now;
        staged[place * fours + (idx % 2) * eights + idx / 2] =
            now + shift * vectors[(2 + share) * fours + idx];
        if CUBE_POS_X == 0 {
            if first + place < n_texts {
                new_last[base + idx] = now;
            }
        }
    }
    sync_cube();
}

/// Sizes of the first products of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Projecting {
    /// Texts of a cube: 1, 2, 4 or 8.
    pub texts: usize,
    /// C.
    pub channels: usize,
    /// Ranks of decay, in-context learning rate, share of the first value (0 in the first
    /// layer) and gate.
    pub ranks: [usize; 4],
    /// How r, k and v are read.
    pub wide: Reading,
    /// How the low-rank factors are read.
    pub low: Reading,
}

impl Projecting {
    /// Numbers of what is made of a text: r, k and v, then what lies between the factors of
    /// the low-rank maps.
    pub const fn width(self) -> usize {
        self.low_at(4)
    }

    /// Where low-rank map number `which` begins in it.
    pub const fn low_at(self, which: usize) -> usize {
        let (mut at, mut idx) = (3 * self.channels, 0);
        while idx < which {
            at += self.ranks[idx];
            idx += 1;
        }
        at
    }

    /// Cubes of one of r, k and v.
    const fn row_tiles(self) -> usize {
        self.channels / ROWS
    }

    /// Cubes in front of those of low-rank map number `which`.
    pub const fn tile_at(self, which: usize) -> usize {
        let (mut at, mut idx) = (3 * self.row_tiles(), 0);
        while idx < which {
            at += self.ranks[idx].div_ceil(COLUMNS);
            idx += 1;
        }
        at
    }

    /// What `of` gives for every map.
    fn each_map(self, of: fn(Self, usize) -> usize) -> [usize; 4] {
        std::array::from_fn(|which| of(self, which))
    }
}

/// That of the low-rank map which a cube works on.
#[cube]
#[allow(clippy::needless_range_loop)] // An unrolled one.
fn of_map(tile: usize, #[comptime] values: [usize; 4], #[comptime] sizes: Projecting) -> usize {
    let mut value = comptime!(values[0]).runtime();
    #[unroll]
    for which in 1..4usize {
        if tile >= comptime!(sizes.tile_at(which)) {
            value = comptime!(values[which]).runtime();
        }
    }
    value
}

/// From the residual stream `x` [n, C] and the last normalised token [n, C] to what
/// [`Projecting::width`] says, [n, width], and the new last one. Cubes as
/// [`Projecting::tile_at`] counts them, in as many rows as the texts take.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn project(
    x: &Tensor<Four>,
    last: &Tensor<Four>,
    vectors: &Tensor<Four>,
    receptance: &Tensor<Eight>,
    key: &Tensor<Eight>,
    value: &Tensor<Eight>,
    decay: &Tensor<Eight>,
    iclr: &Tensor<Eight>,
    share: &Tensor<Eight>,
    gate: &Tensor<Eight>,
    new_last: &mut Tensor<Four>,
    made: &mut Tensor<f32>,
    n_texts: usize,
    epsilon: f32,
    #[comptime] sizes: Projecting,
) {
    let texts = comptime!(sizes.texts);
    let eights = comptime!(sizes.channels / 8);
    let row_tiles = comptime!(sizes.row_tiles());
    let width = comptime!(sizes.width());
    let wide = comptime!(sizes.wide);
    let low = comptime!(sizes.low);
    let unit = UNIT_POS_X as usize;
    let tile = CUBE_POS_X as usize;
    let first = CUBE_POS_Y as usize * texts;
    // The interpolations stand in the order r, w, k, v, a, g.
    let mut which = of_map(tile, comptime!([1, 4, 3, 5]), sizes);
    if tile < row_tiles {
        which = 0usize.runtime();
    } else if tile < comptime!(2 * row_tiles) {
        which = 2usize.runtime();
    } else if tile < comptime!(3 * row_tiles) {
        which = 3usize.runtime();
    }
    let mut staged = Shared::<[Four]>::new_slice(comptime!(2 * texts * eights));
    let mut scratch = Shared::<[Four]>::new_slice(SCRATCH);
    stage(
        x,
        last,
        vectors,
        new_last,
        &mut staged,
        which,
        first,
        n_texts,
        epsilon,
        texts,
        eights,
    );
    let mut sums = Array::<Four>::new(comptime!(2 * texts));
    #[unroll]
    for idx in 0..comptime!(2 * texts) {
        sums[idx] = Four::new(0.0f32);
    }
    if tile < comptime!(3 * row_tiles) {
        let row = (tile % row_tiles) * ROWS + unit / LANES;
        let lying = comptime!(Lying::apart(eights));
        let behind = comptime!(texts - 1).runtime();
        let codes = shared_codes(wide.storage);
        if tile < row_tiles {
            add_row(
                &staged, receptance, row, 0usize, behind, &mut sums, &codes, texts, eights, lying,
                wide,
            );
        } else if tile < comptime!(2 * row_tiles) {
            add_row(
                &staged, key, row, 0usize, behind, &mut sums, &codes, texts, eights, lying, wide,
            );
        } else {
            add_row(
                &staged, value, row, 0usize, behind, &mut sums, &codes, texts, eights, lying, wide,
            );
        }
        let total = row_sums(&sums, &mut scratch, texts);
        let column = (tile / row_tiles) * comptime!(sizes.channels)
            + (tile % row_tiles) * ROWS
            + unit % ROWS;
        #[unroll]
        for idx in 0..4usize {
            let text = unit / ROWS * 4 + idx;
            if text < texts {
                if first + text < n_texts {
                    made[(first + text) * width + column] = total.extract(idx);
                }
            }
        }
    } else {
        let codes = shared_codes(low.storage);
        let map_at = of_map(tile, comptime!(sizes.each_map(Projecting::low_at)), sizes);
        let map_tile = of_map(tile, comptime!(sizes.each_map(Projecting::tile_at)), sizes);
        let rank = of_map(tile, comptime!(sizes.ranks), sizes);
        let from = (tile - map_tile) * COLUMNS;
        if tile < comptime!(sizes.tile_at(1)) {
            let columns = comptime!(sizes.ranks[0]);
            add_columns(
                &staged, decay, from, &mut sums, &codes, texts, eights, columns, low,
            );
        } else if tile < comptime!(sizes.tile_at(2)) {
            let columns = comptime!(sizes.ranks[1]);
            add_columns(
                &staged, iclr, from, &mut sums, &codes, texts, eights, columns, low,
            );
        } else if tile < comptime!(sizes.tile_at(3)) {
            if comptime!(sizes.ranks[2] > 0) {
                let columns = comptime!(sizes.ranks[2]);
                add_columns(
                    &staged, share, from, &mut sums, &codes, texts, eights, columns, low,
                );
            }
        } else {
            let columns = comptime!(sizes.ranks[3]);
            add_columns(
                &staged, gate, from, &mut sums, &codes, texts, eights, columns, low,
            );
        }
        #[unroll]
        for text in 0..texts {
            let sum = column_sums(
                sums[comptime!(2 * text)],
                sums[comptime!(2 * text + 1)],
                &mut scratch,
            );
            let mut total = sum;
            if tile < comptime!(sizes.tile_at(1)) {
                total = finished(sum, sum, Finish::Tanh);
            }
            if tile >= comptime!(sizes.tile_at(3)) {
                total = finished(sum, sum, Finish::Sigmoid);
            }
            if unit < comptime!(COLUMNS / 4) {
                if first + text < n_texts {
                    if from + unit * 4 < rank {
                        let at = (first + text) * width + map_at + from + unit * 4;
                        #[unroll]
                        for idx in 0..4usize {
                            made[at + idx] = total.extract(idx);
                        }
                    }
                }
            }
        }
    }
}

/// Sizes of the first product of channel mixing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Expanding {
    /// Texts of a cube: 1, 2, 4 or 8.
    pub texts: usize,
    /// C.
    pub channels: usize,
    /// How the matrix is read.
    pub reading: Reading,
}

/// From the residual stream `x` [n, C] and the last normalised token [n, C] to the squared
/// ReLU of the key [n, `width`], and the new last one. A cube for every [`ROWS`] columns, in
/// as many rows as the texts take.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn expand(
    x: &Tensor<Four>,
    last: &Tensor<Four>,
    vectors: &Tensor<Four>,
    key: &Tensor<Eight>,
    new_last: &mut Tensor<Four>,
    made: &mut Tensor<f32>,
    width: usize,
    n_texts: usize,
    epsilon: f32,
    #[comptime] sizes: Expanding,
) {
    let texts = comptime!(sizes.texts);
    let eights = comptime!(sizes.channels / 8);
    let unit = UNIT_POS_X as usize;
    let first = CUBE_POS_Y as usize * texts;
    let mut staged = Shared::<[Four]>::new_slice(comptime!(2 * texts * eights));
    let mut scratch = Shared::<[Four]>::new_slice(SCRATCH);
    stage(
        x,
        last,
        vectors,
        new_last,
        &mut staged,
        0usize,
        first,
        n_texts,
        epsilon,
        texts,
        eights,
    );
    let mut sums = Array::<Four>::new(texts);
    #[unroll]
    for idx in 0..texts {
        sums[idx] = Four::new(0.0f32);
    }
    let codes = shared_codes(sizes.reading.storage);
    let first_row = CUBE_POS_X as usize * ROWS;
    add_row(
        &staged,
        key,
        first_row + unit / LANES,
        0usize,
        comptime!(texts - 1).runtime(),
        &mut sums,
        &codes,
        texts,
        eights,
        comptime!(Lying::apart(eights)),
        sizes.reading,
    );
    let total = max(row_sums(&sums, &mut scratch, texts), Four::new(0.0f32));
    let total = total * total;
    #[unroll]
    for idx in 0..4usize {
        let text = unit / ROWS * 4 + idx;
        if text < texts {
            if first + text < n_texts {
                made[(first + text) * width + first_row + unit % ROWS] = total.extract(idx);
            }
        }
    }
}
