//! How a product on matrix units is cut into tiles, and where the factors' tiles
//! lie in shared memory.

/// How a cube makes its tile of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Planes along the rows of the tile.
    pub planes_m: usize,
    /// Planes along its columns.
    pub planes_n: usize,
    /// Planes that take the steps of the terms in turn, each with a stage of its own;
    /// where there are several, each makes the whole tile.
    pub planes_k: usize,
    /// Fragments of 16 rows of every plane.
    pub fragments_m: usize,
    /// Fragments of 16 columns of every plane.
    pub fragments_n: usize,
    /// Terms of the sums that are staged at once, a multiple of 16.
    pub depth: usize,
}

impl Tiling {
    /// Planes that each make a part of the tile.
    pub const fn of_parts(
        [planes_m, planes_n]: [usize; 2],
        [fragments_m, fragments_n]: [usize; 2],
        depth: usize,
    ) -> Self {
        Self {
            planes_m,
            planes_n,
            planes_k: 1,
            fragments_m,
            fragments_n,
            depth,
        }
    }

    /// Planes that each make the whole tile, of their part of the terms.
    pub const fn of_terms(
        planes_k: usize,
        [fragments_m, fragments_n]: [usize; 2],
        depth: usize,
    ) -> Self {
        Self {
            planes_m: 1,
            planes_n: 1,
            planes_k,
            fragments_m,
            fragments_n,
            depth,
        }
    }

    /// Rows of the tile.
    pub const fn rows(self) -> usize {
        16 * self.planes_m * self.fragments_m
    }

    /// Columns of the tile.
    pub const fn columns(self) -> usize {
        16 * self.planes_n * self.fragments_n
    }

    /// Planes of a cube.
    pub const fn planes(self) -> usize {
        self.planes_m * self.planes_n * self.planes_k
    }

    /// Whether planes share the terms.
    pub const fn shares_terms(self) -> bool {
        self.planes_k > 1
    }

    /// Terms that a cube takes at once.
    pub const fn step(self) -> usize {
        self.depth * self.planes_k
    }

    /// Whether a product of `[m, n, k]` has no tile that is larger than itself, and no step
    /// that is not full, in parts of `part` terms.
    pub const fn fits(self, [m, n, k]: [usize; 3], part: usize) -> bool {
        let is_full = k.is_multiple_of(self.step()) && part.is_multiple_of(self.step());
        m >= self.rows() && n >= self.columns() && is_full
    }

    /// Units that fill a stage together: those of a plane where each has its own.
    pub const fn stagers(self) -> usize {
        32 * self.planes_m * self.planes_n
    }

    /// Eights in a row of the first factor's tile.
    pub const fn a_eights(self) -> usize {
        self.depth / 8
    }

    /// Eights between rows of the first factor: an odd number, so that the eight rows
    /// that a plane reads at once lie on different banks.
    pub const fn a_stride(self) -> usize {
        self.a_eights() + 1
    }

    /// Eights of the first factor's tile.
    pub const fn a_size(self) -> usize {
        self.rows() * self.a_stride()
    }

    /// Rows of the first factor's tile that the stagers fill at once.
    pub const fn a_rows_at_once(self) -> usize {
        self.stagers() / self.a_eights()
    }

    /// How many rows below the first eight that a unit moves its `idx`-th one lies.
    pub const fn a_down(self, idx: usize) -> usize {
        idx * self.a_rows_at_once()
    }

    /// Eights of the first factor's tile that a unit moves.
    pub const fn a_loads(self) -> usize {
        self.rows() / self.a_rows_at_once()
    }

    /// Eights in a row of the second factor's tile.
    pub const fn b_eights(self, transposed: bool) -> usize {
        if transposed {
            self.depth / 8
        } else {
            self.columns() / 8
        }
    }

    /// Rows of the second factor's tile.
    pub const fn b_rows(self, transposed: bool) -> usize {
        if transposed {
            self.columns()
        } else {
            self.depth
        }
    }

    /// Eights between rows of the second factor.
    pub const fn b_stride(self, transposed: bool) -> usize {
        self.b_eights(transposed) + 1
    }

    /// Units side by side in a row of the second factor's tile.
    pub const fn b_lanes(self, transposed: bool) -> usize {
        let eights = self.b_eights(transposed);
        if transposed {
            eights
        } else if eights.is_multiple_of(8) {
            8
        } else {
            4
        }
    }

    /// Rows of the second factor's tile that the stagers fill at once.
    pub const fn b_rows_at_once(self, transposed: bool) -> usize {
        self.stagers() / self.b_lanes(transposed)
    }

    /// How often they do so for all rows.
    pub const fn b_passes(self, transposed: bool) -> usize {
        self.b_rows(transposed) / self.b_rows_at_once(transposed)
    }

    /// Eights of the second factor's tile that a unit moves.
    pub const fn b_loads(self, transposed: bool) -> usize {
        self.b_passes(transposed) * self.b_eights(transposed) / self.b_lanes(transposed)
    }

    /// How many rows below the first eight that a unit moves its `idx`-th one lies.
    pub const fn b_down(self, idx: usize, transposed: bool) -> usize {
        idx % self.b_passes(transposed) * self.b_rows_at_once(transposed)
    }

    /// How many eights beside the first one that a unit moves its `idx`-th one lies.
    pub const fn b_beside(self, idx: usize, transposed: bool) -> usize {
        idx / self.b_passes(transposed) * self.b_lanes(transposed)
    }

    /// Eights of both factors' tiles.
    pub const fn stage_size(self, transposed: bool) -> usize {
        self.a_size() + self.b_rows(transposed) * self.b_stride(transposed)
    }

    /// Fours between rows of what a plane puts down of its sums.
    pub const fn sums_stride(self) -> usize {
        4 * self.fragments_n + 1
    }

    /// Fours of sixteen rows of its sums.
    pub const fn sums_size(self) -> usize {
        16 * self.sums_stride()
    }

    /// Units that write sixteen rows of sums together: those of a plane, or all of the
    /// cube where planes share the terms.
    pub const fn writers(self) -> usize {
        32 * self.planes_k
    }

    /// Fours of them that a unit writes.
    pub const fn fours_to_write(self) -> usize {
        16 * 4 * self.fragments_n / self.writers()
    }

    /// Fours, or eights, of shared memory.
    pub const fn shared_size(self, transposed: bool) -> usize {
        let staged = self.planes_k * self.stage_size(transposed);
        let sums = self.planes() * self.sums_size();
        if staged > sums { staged } else { sums }
    }
}
