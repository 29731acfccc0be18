//! How a product on matrix units is cut into tiles, and where the factors' tiles
//! lie in shared memory.

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

    /// Eights between rows of the first factor: one more than a row has, so that
    /// the eight rows that a plane reads at once lie on different banks.
    pub const fn a_stride(self) -> usize {
        self.depth / 8 + 1
    }

    /// Eights of the first factor's tile.
    pub const fn a_size(self) -> usize {
        self.rows() * self.a_stride()
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

    /// Eights of both factors' tiles.
    pub const fn stage_size(self, transposed: bool) -> usize {
        self.a_size() + self.b_rows(transposed) * (self.b_eights(transposed) + 1)
    }

    /// Eights of the first factor's tile that a unit moves.
    pub const fn a_loads(self) -> usize {
        (self.rows() * self.depth / 8).div_ceil(self.units())
    }

    /// Eights of the second factor's tile that a unit moves.
    pub const fn b_loads(self) -> usize {
        (self.columns() * self.depth / 8).div_ceil(self.units())
    }

    /// Fours between rows of what a plane puts down of its sums.
    pub const fn sums_stride(self) -> usize {
        4 * self.fragments_n + 1
    }

    /// Fours, or eights, of shared memory.
    pub const fn shared_size(self, transposed: bool) -> usize {
        let staged = 2 * self.stage_size(transposed);
        let sums = self.planes_m * self.planes_n * 16 * self.sums_stride();
        if staged > sums { staged } else { sums }
    }
}
