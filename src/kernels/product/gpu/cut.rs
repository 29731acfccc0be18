//! How a product is cut: the tile that a cube makes, the parts of the terms, and the
//! order of the tiles.

use super::tiling::Tiling;
use super::unit::UnitTiling;

/// How a product is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// For matrix units.
    Planes(PlaneCut),
    /// For the others.
    Units(UnitCut),
}

/// For matrix units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneCut {
    /// The tile.
    pub tiling: Tiling,
    /// Terms of every part of the sums.
    pub part: usize,
    /// Rows of tiles that are made together, column after column.
    pub together: usize,
}

/// For units that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitCut {
    /// The tile.
    pub tiling: UnitTiling,
    /// Terms of every part of the sums.
    pub part: usize,
}

/// Multiprocessors of the larger GPUs, about.
const MULTIPROCESSORS: usize = 132;
/// Cubes of the smaller tiles that keep them busy.
const MANY_CUBES: usize = 192;
/// The least terms of a part of a product that is cut up.
const LEAST_TERMS: usize = 512;
/// Terms of a part are a multiple of it, and so of what every tile takes at once.
const PART_OF_TERMS: usize = 128;

/// The large tile: most multiplications for what is read.
const LARGE: Tiling = Tiling::of_parts([2, 4], [4, 3], 64);
/// Where columns are no multiple of the large one's.
const SQUARE: Tiling = Tiling::of_parts([2, 2], [4, 4], 32);
/// Where there are few tiles.
const SMALL: Tiling = Tiling::of_parts([2, 2], [2, 2], 64);
/// Where there are few tiles of many columns.
const WIDE: Tiling = Tiling::of_parts([2, 2], [2, 3], 64);
/// For few columns and many terms, or few rows.
const LOW: Tiling = Tiling::of_terms(4, [2, 4], 32);

/// All of them.
#[cfg(test)]
pub const TILINGS: [Tiling; 5] = [LARGE, SQUARE, SMALL, WIDE, LOW];

impl Cut {
    /// Terms of every part of the sums.
    pub const fn part(self) -> usize {
        match self {
            Self::Planes(cut) => cut.part,
            Self::Units(cut) => cut.part,
        }
    }
}

/// Cubes that make a product of `[m, n, _]` in tiles of so many rows and columns.
const fn n_cubes([m, n, _]: [usize; 3], [rows, columns]: [usize; 2]) -> usize {
    m.div_ceil(rows) * n.div_ceil(columns)
}

/// Terms of every part of the sums of `k`: all of them where `n_cubes` are enough or
/// sums may not be split.
fn terms_of_a_part(n_cubes: usize, k: usize, may_split: bool) -> usize {
    let wanted = MANY_CUBES.div_ceil(n_cubes);
    let n_parts = match may_split {
        true => wanted.min(k / LEAST_TERMS).max(1),
        false => 1,
    };
    k.div_ceil(n_parts).next_multiple_of(PART_OF_TERMS)
}

impl PlaneCut {
    /// Of `[m, n, k]`.
    pub fn of(sizes: [usize; 3], may_split: bool) -> Self {
        let [m, n, k] = sizes;
        let cubes = |tiling: Tiling| n_cubes(sizes, [tiling.rows(), tiling.columns()]);
        let tiling = if n <= 64 || m <= 32 {
            LOW
        } else if k <= 128 {
            SMALL
        } else if cubes(LARGE) >= MULTIPROCESSORS * 3 / 4 {
            if n.is_multiple_of(LARGE.columns()) || n > 4096 {
                LARGE
            } else {
                SQUARE
            }
        } else if n.is_multiple_of(WIDE.columns()) && cubes(WIDE) >= 2 * MULTIPROCESSORS {
            WIDE
        } else {
            SMALL
        };
        let part = terms_of_a_part(cubes(tiling), k, may_split);
        Self {
            tiling,
            part,
            together: 1,
        }
    }
}

impl UnitCut {
    /// Of `[m, n, k]`.
    pub fn of(sizes: [usize; 3], may_split: bool) -> Self {
        let [_, _, k] = sizes;
        let n_large = n_cubes(sizes, [128, 128]);
        let part = terms_of_a_part(n_large, k, may_split);
        let n_parts = k.div_ceil(part);
        let units = if n_large * n_parts < MANY_CUBES / 2 {
            8
        } else {
            16
        };
        Self {
            tiling: UnitTiling {
                units_m: units,
                units_n: units,
                depth: 16,
            },
            part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::matrix_units::SHARED_BYTES;
    use crate::kernels::matrix::CODES;

    #[test]
    fn every_tile_fits_into_the_memory_that_a_device_must_have() {
        let codes = size_of_val(&CODES);
        for tiling in TILINGS {
            for transposed in [false, true] {
                let n_bytes = 16 * tiling.shared_size(transposed) + codes;
                assert!(n_bytes <= SHARED_BYTES, "{tiling:?}: {n_bytes}");
            }
        }
    }
}
