//! How a product is cut: the tile that a cube makes, and the parts of the terms.

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
}

/// For units that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitCut {
    /// The tile.
    pub tiling: UnitTiling,
    /// Terms of every part of the sums.
    pub part: usize,
}

/// A product as far as it matters for its cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// m, n and k.
    pub sizes: [usize; 3],
    /// Whether the terms may be cut into parts.
    pub may_split: bool,
}

impl Cut {
    /// Terms of every part of the sums.
    pub const fn part(self) -> usize {
        match self {
            Self::Planes(cut) => cut.part,
            Self::Units(cut) => cut.part,
        }
    }
}

/// A tile and what it costs, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Priced {
    tiling: Tiling,
    /// 64 terms of a tile on every multiprocessor.
    terms: f64,
    /// What the tiles cost besides.
    rest: f64,
}

impl Priced {
    const fn new(tiling: Tiling, terms: f64, rest: f64) -> Self {
        Self {
            tiling,
            terms,
            rest,
        }
    }
}

/// The tiles, with prices from an H200 (driver 580.159.04), first factors in 32 bits; rows,
/// terms, columns:
///
/// | tile | measured, us | |
/// |---|---|---|
/// | 128 x 192 | 4096, 768, 768: 22.8 | 4096, 3072, 768: 69.4 |
/// | 128 x 128 | 2048, 1024, 1024: 24.8 | 2048, 4096, 1024: 81.6 |
/// | 64 x 128 | 512, 768, 768: 12.9 | 512, 3072, 768: 39.3 |
/// | 64 x 96 | 512, 768, 768: 11.0 | 512, 3072, 768: 34.6 |
/// | 64 x 64 | 512, 768, 768: 10.0 | 512, 3072, 768: 28.4 |
/// | 32 x 64, terms shared | 512, 768, 768: 13.1 | 512, 3072, 768: 29.1 |
/// | 16 x 64, terms shared | 64, 768, 768: 6.5 | 64, 3072, 768: 14.5 |
///
/// They foretell the other shapes of `benches/gpu/README.md` within a tenth, and the best
/// tile for each of them.
const PRICED: [Priced; 7] = [
    Priced::new(Tiling::of_parts([2, 4], [4, 3], 64), 1.294, 5.3),
    Priced::new(Tiling::of_parts([2, 4], [4, 2], 64), 1.183, 3.9),
    Priced::new(Tiling::of_parts([2, 4], [2, 2], 64), 0.733, 2.1),
    Priced::new(Tiling::of_parts([2, 2], [2, 3], 64), 0.656, 1.1),
    Priced::new(Tiling::of_parts([2, 2], [2, 2], 64), 0.511, 1.9),
    Priced::new(Tiling::of_terms(4, [2, 4], 32), 0.222, 2.9),
    Priced::new(Tiling::of_terms(4, [1, 4], 32), 0.222, 1.8),
];

/// How many tiles there are.
pub const N_TILES: usize = PRICED.len();

/// Multiprocessors of that card; others have their own, but the order of the prices stays.
const MULTIPROCESSORS: usize = 132;
/// Microseconds of a launch, and of adding up parts.
const LAUNCH: f64 = 2.0;
const ADDING_UP: f64 = 10.0;
/// The least terms of a part on matrix units.
const LEAST_TERMS: usize = 4096;
/// Terms of a part are a multiple of it, and so of what every tile takes at once.
const PART_OF_TERMS: usize = 128;

impl Priced {
    /// Microseconds of a product of `[m, n, k]` in so many parts.
    fn cost(self, sizes: [usize; 3], n_parts: usize) -> f64 {
        let n_cubes = self.n_cubes(sizes) * n_parts;
        let rounds = n_cubes.div_ceil(MULTIPROCESSORS) as f64;
        let added = if n_parts > 1 { ADDING_UP } else { 0.0 };
        LAUNCH + rounds * self.cost_of_a_cube(sizes, n_parts) + added
    }

    /// Microseconds of several products in one launch, whose cubes fill the rounds
    /// together.
    fn cost_together(self, products: &[Sums]) -> f64 {
        let n_cubes = |product: &Sums| self.n_cubes(product.sizes);
        let all: usize = products.iter().map(n_cubes).sum();
        let of_cubes =
            |product: &Sums| n_cubes(product) as f64 * self.cost_of_a_cube(product.sizes, 1);
        let mean = products.iter().map(of_cubes).sum::<f64>() / all as f64;
        LAUNCH + all.div_ceil(MULTIPROCESSORS) as f64 * mean
    }

    /// Cubes that make a product of `[m, n, _]`, of all terms.
    fn n_cubes(self, [m, n, _]: [usize; 3]) -> usize {
        n_cubes([m, n], [self.tiling.rows(), self.tiling.columns()])
    }

    /// Microseconds of one of them, of one part of the terms.
    fn cost_of_a_cube(self, [_, _, k]: [usize; 3], n_parts: usize) -> f64 {
        k as f64 / n_parts as f64 / 64.0 * self.terms + self.rest
    }
}

/// Cubes that make a product of `[m, n]` in tiles of so many rows and columns.
const fn n_cubes([m, n]: [usize; 2], [rows, columns]: [usize; 2]) -> usize {
    m.div_ceil(rows) * n.div_ceil(columns)
}

/// Terms of every part of `k`.
const fn terms_of_a_part(k: usize, n_parts: usize) -> usize {
    k.div_ceil(n_parts).next_multiple_of(PART_OF_TERMS)
}

/// The most terms of any of them.
fn most_terms(products: &[Sums]) -> usize {
    let terms = products.iter().map(
        |Sums {
             sizes: [_, _, k], ..
         }| *k,
    );
    terms.max().unwrap_or_default()
}

/// The cost of a product, its tile and the parts of its terms.
fn cheapest(Sums { sizes, may_split }: Sums) -> (f64, Priced, usize) {
    let [_, _, k] = sizes;
    let most_parts = match may_split {
        true => (k / LEAST_TERMS).max(1),
        false => 1,
    };
    let mut best = (f64::INFINITY, PRICED[0], 1);
    for n_parts in 1..=most_parts {
        for priced in PRICED {
            let cost = priced.cost(sizes, n_parts);
            if cost < best.0 {
                best = (cost, priced, n_parts);
            }
        }
    }
    best
}

impl PlaneCut {
    /// The cheapest for a product.
    pub fn of(product: Sums) -> Self {
        let [_, _, k] = product.sizes;
        let (_, priced, n_parts) = cheapest(product);
        Self {
            tiling: priced.tiling,
            part: terms_of_a_part(k, n_parts),
        }
    }

    /// For products of the same rows in one launch, by the tile that suits the dearest of
    /// them; none where launches of their own are as cheap, or cut the terms into parts.
    /// A small tile is priced as the only one on its multiprocessor, so that many of them
    /// cost less than is foretold here.
    pub fn of_group(products: &[Sums]) -> Option<Self> {
        let alone: Vec<_> = products.iter().map(|product| cheapest(*product)).collect();
        let (_, priced, _) = *alone.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
        let apart: f64 = alone.iter().map(|(cost, ..)| cost).sum();
        let is_whole = alone.iter().all(|(_, _, n_parts)| *n_parts == 1);
        let pays = is_whole && priced.cost_together(products) < apart;
        pays.then_some(Self {
            tiling: priced.tiling,
            part: terms_of_a_part(most_terms(products), 1),
        })
    }

    /// By tile number `tile`, for sums of `k` terms.
    pub fn by_tile(tile: usize, k: usize) -> Self {
        Self {
            tiling: PRICED[tile].tiling,
            part: terms_of_a_part(k, 1),
        }
    }
}

/// Cubes of 128 by 128 that keep the larger GPUs busy.
const MANY_CUBES: usize = 192;
/// The least terms of a part in 32 bits.
const LEAST_SINGLE_TERMS: usize = 512;

impl UnitCut {
    /// For a product, as [`PlaneCut::of`].
    pub fn of(product: Sums) -> Self {
        let Sums {
            sizes: [m, n, k],
            may_split,
        } = product;
        let n_large = n_cubes([m, n], [128, 128]);
        let wanted = MANY_CUBES.div_ceil(n_large);
        let n_parts = match may_split {
            true => wanted.min(k / LEAST_SINGLE_TERMS).max(1),
            false => 1,
        };
        let part = terms_of_a_part(k, n_parts);
        Self::by_cubes(n_large * k.div_ceil(part), part)
    }

    /// For products of the same rows in one launch; none where alone their terms would be
    /// cut into parts.
    pub fn of_group(products: &[Sums]) -> Option<Self> {
        let is_whole = |product: &Sums| Self::of(*product).part >= product.sizes[2];
        let n_large = |Sums {
                           sizes: [m, n, _], ..
                       }: &Sums| n_cubes([*m, *n], [128, 128]);
        let part = terms_of_a_part(most_terms(products), 1);
        let cut = || Self::by_cubes(products.iter().map(n_large).sum(), part);
        products.iter().all(is_whole).then(cut)
    }

    /// Of so many cubes of 128 by 128.
    const fn by_cubes(n_large: usize, part: usize) -> Self {
        let units = if n_large < MANY_CUBES / 2 { 8 } else { 16 };
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

/// The tiles for matrix units.
#[cfg(test)]
pub const TILINGS: [Tiling; N_TILES] = {
    let mut all = [PRICED[0].tiling; N_TILES];
    let mut idx = 0;
    while idx < all.len() {
        all[idx] = PRICED[idx].tiling;
        idx += 1;
    }
    all
};

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

    #[test]
    fn every_unit_writes_whole_fours_of_sixteen_rows() {
        for tiling in TILINGS {
            let of_all = tiling.fours_to_write() * tiling.writers();
            assert_eq!(of_all, 16 * 4 * tiling.fragments_n, "{tiling:?}");
            assert_eq!(PART_OF_TERMS % tiling.step(), 0, "{tiling:?}");
        }
    }

    /// The fastest of the tiles that were measured: rows, columns and terms, and the
    /// tile's rows and columns.
    #[test]
    fn the_tile_is_the_one_that_was_fastest() {
        for (sizes, want) in [
            ([4096, 768, 768], [128, 192]),
            ([4096, 3072, 768], [128, 192]),
            ([4096, 768, 3072], [128, 192]),
            ([512, 65_536, 768], [128, 192]),
            ([512, 768, 65_536], [128, 192]),
            ([4096, 768, 64], [128, 192]),
            ([4096, 768, 128], [128, 192]),
            ([4096, 64, 768], [32, 64]),
            ([4096, 32, 768], [32, 64]),
            ([4096, 128, 768], [64, 64]),
            ([512, 768, 768], [64, 64]),
            ([512, 3072, 768], [64, 96]),
            ([512, 768, 3072], [64, 64]),
            ([2048, 1024, 1024], [128, 128]),
            ([2048, 1024, 4096], [128, 128]),
            ([4096, 256, 256], [64, 128]),
            ([4096, 1024, 256], [128, 128]),
            ([4096, 256, 1024], [64, 128]),
            ([64, 768, 768], [16, 64]),
            ([64, 768, 3072], [16, 64]),
            ([1, 65_536, 768], [16, 64]),
        ] {
            let may_split = true;
            let PlaneCut { tiling, .. } = PlaneCut::of(Sums { sizes, may_split });
            assert_eq!([tiling.rows(), tiling.columns()], want, "{sizes:?}");
        }
    }

    #[test]
    fn only_sums_that_may_be_split_are_split_and_long_ones() {
        let parts = |sizes: [usize; 3], may_split| {
            sizes[2].div_ceil(PlaneCut::of(Sums { sizes, may_split }).part)
        };
        assert_eq!(parts([512, 768, 65_536], true), 8);
        assert_eq!(parts([512, 768, 65_536], false), 1);
        assert_eq!(parts([512, 768, 3072], true), 1);
        assert_eq!(parts([16, 32, 1104], true), 1);
    }

    /// Rows and, of every product, columns and terms.
    fn products(m: usize, each: &[[usize; 2]]) -> Vec<Sums> {
        let of = |[n, k]: &[usize; 2]| Sums {
            sizes: [m, *n, *k],
            may_split: true,
        };
        each.iter().map(of).collect()
    }

    #[test]
    fn products_go_together_by_the_tile_of_the_dearest() {
        let (down, up) = (
            [[64, 768], [64, 768], [32, 768], [128, 768]],
            [[768, 64], [768, 64], [768, 32], [768, 128]],
        );
        for (m, each, want) in [
            (4096, &[[768, 768]; 3][..], [128, 192]),
            (4096, &down, [64, 64]),
            (4096, &up, [128, 192]),
            (512, &[[768, 768]; 3], [64, 64]),
            (512, &down, [16, 64]),
        ] {
            let Some(PlaneCut { tiling, part }) = PlaneCut::of_group(&products(m, each)) else {
                panic!("{m}, {each:?} apart");
            };
            assert_eq!([tiling.rows(), tiling.columns()], want, "{m}, {each:?}");
            assert!(each.iter().all(|[_, k]| part >= *k), "{m}, {each:?}");
        }
    }

    #[test]
    fn products_stay_apart_where_that_is_foretold_to_be_cheaper_or_terms_are_cut() {
        // The tile of the large one would leave most of the small ones' columns idle.
        let unlike = [[768, 3072], [16, 768], [16, 768]];
        assert_eq!(PlaneCut::of_group(&products(4096, &unlike)), None);
        assert_eq!(
            PlaneCut::of_group(&products(512, &[[768, 65_536]; 2])),
            None
        );
        assert_eq!(UnitCut::of_group(&products(64, &[[64, 4096]; 2])), None);
        assert!(UnitCut::of_group(&products(64, &[[64, 256]; 2])).is_some());
    }
}
