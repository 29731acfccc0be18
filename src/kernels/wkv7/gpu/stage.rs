//! What the units of a cube fetch together, for the tokens of a stage, before
//! they walk over them.

use cubecl::prelude::*;

/// Four columns of a row.
pub(super) type Four = Vector<f32, Const<4>>;

/// What a cube works on: `rows` rows of a state of `n` columns, `split` units a
/// row, and the vectors of `tokens` tokens in shared memory at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stage {
    /// N.
    pub n: usize,
    /// Rows of the state that one cube carries.
    pub rows: usize,
    /// Units of a row.
    pub split: usize,
    /// Tokens of a stage.
    pub tokens: usize,
}

impl Stage {
    /// For heads of `n`.
    pub fn new(n: usize, rows: usize, split: usize) -> Self {
        Self {
            n,
            rows,
            split,
            tokens: if n > 64 { 8 } else { 16 },
        }
    }

    /// Units of a cube.
    pub const fn units(self) -> usize {
        self.rows * self.split
    }

    /// Fours of a stage's vectors on the key side.
    pub const fn fours(self) -> usize {
        self.tokens * self.n / 4
    }

    /// Those that one unit fetches.
    pub const fn fours_of_unit(self) -> usize {
        self.fours().div_ceil(self.units())
    }

    /// Numbers of a stage's vectors on the value side, of a cube's rows.
    pub const fn values(self) -> usize {
        self.tokens * self.rows
    }

    /// Those that one unit fetches.
    pub const fn values_of_unit(self) -> usize {
        self.values().div_ceil(self.units())
    }
}

/// This unit's share of the vectors of a stage, those of the tokens `token` to
/// `token + len` of one head; behind the last one it is repeated.
#[cube]
pub(super) fn fetch(
    x: &Tensor<Four>,
    held: &mut Array<Four>,
    token: usize,
    n_head: usize,
    len: usize,
    #[comptime] stage: Stage,
) {
    let n_vectors = comptime!(stage.n / 4);
    #[unroll]
    for idx in 0..comptime!(stage.fours_of_unit()) {
        let at = UNIT_POS_X as usize + idx * comptime!(stage.units());
        let l = usize::min(at / n_vectors, len - 1);
        held[idx] = x[(token + l * n_head) * n_vectors + at % n_vectors];
    }
}

/// Puts what [`fetch`] got where all units see it.
#[cube]
pub(super) fn share(held: &Array<Four>, shared: &mut Shared<[Four]>, #[comptime] stage: Stage) {
    #[unroll]
    for idx in 0..comptime!(stage.fours_of_unit()) {
        shared[UNIT_POS_X as usize + idx * comptime!(stage.units())] = held[idx];
    }
}

/// As [`fetch`], one number a row for the rows of this cube from `first_row` on.
#[cube]
pub(super) fn fetch_rows(
    x: &Tensor<f32>,
    held: &mut Array<f32>,
    token: usize,
    n_head: usize,
    len: usize,
    first_row: usize,
    #[comptime] stage: Stage,
) {
    let n = comptime!(stage.n);
    let rows = comptime!(stage.rows);
    #[unroll]
    for idx in 0..comptime!(stage.values_of_unit()) {
        let place = UNIT_POS_X as usize + idx * comptime!(stage.units());
        let l = usize::min(place / rows, len - 1);
        held[idx] = x[token * n + first_row + l * n_head * n + place % rows];
    }
}

/// As [`share`], of what [`fetch_rows`] got.
#[cube]
pub(super) fn share_rows(held: &Array<f32>, shared: &mut Shared<[f32]>, #[comptime] stage: Stage) {
    #[unroll]
    for idx in 0..comptime!(stage.values_of_unit()) {
        shared[UNIT_POS_X as usize + idx * comptime!(stage.units())] = held[idx];
    }
}
