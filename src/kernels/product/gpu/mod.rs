//! Products of matrices on a GPU, with what is done to them before and after.
//! Reference twin: [`crate::kernels::product`] on the CPU and plain Burn operations.

mod batch;
mod cut;
mod finish;
mod member;
mod plane;
mod tiling;
mod unit;

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::has_matrix_units;
use crate::kernels::halves::words_of_four;
use crate::kernels::joint::lie_together;
use crate::kernels::matrix::Storage;
use crate::kernels::op::{arg, cubes, empty};

use batch::Batch;
pub use cut::N_TILES;
use cut::{Cut, PlaneCut, Sums, UnitCut};
use finish::MOST_MEMBERS;
pub(crate) use finish::finished;
pub use finish::{Finish, Start};
use plane::{InHalves, ProductSpec};

/// Whether a tensor has 16-bit numbers.
fn is_half(x: &CubeTensor) -> bool {
    x.dtype == DType::F16
}

fn rows_and_columns(out: &CubeTensor) -> [usize; 2] {
    let shape = out.meta.shape();
    let n = shape[shape.num_dims() - 1];
    [shape.num_elements() / n, n]
}

/// The second factor, on a GPU.
#[derive(Debug, Clone, Copy)]
pub struct Factor<'a> {
    /// Its words.
    pub words: &'a CubeTensor,
    /// The words of its scales, or others where it has none.
    pub scales: &'a CubeTensor,
    /// How it is stored.
    pub storage: Storage,
    /// Whether it is [n, k] and not [k, n].
    pub transposed: bool,
}

/// A product that is asked for: `a` [.., k] by `b`, finished with `other` [.., n] where
/// `finish` wants one → `out` [.., n].
#[derive(Debug, Clone, Copy)]
pub struct Product<'a> {
    /// The first factor.
    pub a: &'a CubeTensor,
    /// The second one.
    pub b: Factor<'a>,
    /// What is done to the product.
    pub finish: Finish,
    /// With what.
    pub other: Option<&'a CubeTensor>,
    /// Where it goes.
    pub out: &'a CubeTensor,
}

impl<'a> Product<'a> {
    /// m, n and k.
    fn sizes(&self) -> [usize; 3] {
        let [m, n] = rows_and_columns(self.out);
        [m, n, self.a.meta.shape().num_elements() / m]
    }

    /// As far as it matters for its cut: what is done to a sum is not done to its parts.
    fn sums(&self) -> Sums {
        Sums {
            sizes: self.sizes(),
            may_split: self.finish == Finish::Plain && !is_half(self.out),
        }
    }

    /// What it is finished with.
    fn read(&self) -> Option<&'a CubeTensor> {
        self.other.filter(|_| self.finish.reads_other())
    }

    /// Whether it is taken of 16-bit factors on matrix units.
    fn is_on_planes(&self) -> bool {
        self.b.storage != Storage::F32 && has_matrix_units(self.a)
    }

    /// Whether one launch could make both, as far as their tensors say that.
    fn fits(&self, other: &Self) -> bool {
        let is_alike = |b: Factor| (b.storage, b.transposed);
        let is_beside = |of: fn(&Self) -> &CubeTensor| lie_together(of(self), of(other));
        self.sizes()[0] == other.sizes()[0]
            && is_alike(self.b) == is_alike(other.b)
            && is_beside(|x| x.a)
            && is_beside(|x| x.b.words)
            && is_beside(|x| x.b.scales)
            && is_beside(|x| x.out)
    }
}

/// Takes a product whose first factor starts as `start` says. It is taken of 16-bit
/// factors on matrix units where the device has some and the second factor is not in 32
/// bits, and of 32-bit ones otherwise. Matrix units make it by tile number `tile`, or by the
/// one that suits its size.
pub fn product(product: Product, start: Start, tile: Option<usize>) {
    let sums = product.sums();
    let [m, n, k] = sums.sizes;
    let cut = if product.is_on_planes() {
        let by_size = || PlaneCut::of(sums);
        Cut::Planes(tile.map_or_else(by_size, |tile| PlaneCut::by_tile(tile, k)))
    } else {
        Cut::Units(UnitCut::of(sums))
    };
    let n_parts = k.div_ceil(cut.part());
    if n_parts == 1 {
        return launch(&alone(product), start, cut);
    }
    let parts = empty("product", product.a, Shape::from([n_parts, m, n]));
    launch(&alone(product).into_parts(parts.clone()), start, cut);
    let total = m * n / 4;
    // SAFETY: units behind the last four do nothing.
    unsafe {
        finish::add_up::launch_unchecked(
            &parts.client,
            cubes(total.div_ceil(finish::UNITS)),
            CubeDim::new_1d(finish::UNITS as u32),
            arg(&parts),
            arg(product.out),
            total,
            n_parts,
        );
    }
}

/// What makes one product or several in one launch.
pub struct Planned<'a>(Plan<'a>);

enum Plan<'a> {
    Alone(Product<'a>),
    Together(Box<Batch>, Cut),
}

impl Planned<'_> {
    /// Makes them, of first factors that start as `start` says.
    pub fn launch(&self, start: Start) {
        match &self.0 {
            Plan::Alone(one) => product(*one, start, None),
            Plan::Together(batch, cut) => launch(batch, start, *cut),
        }
    }
}

/// How to take several products: those in one launch whose tensors lie together, where
/// that is foretold to be cheaper, and the others in one each.
pub fn planned<'a>(products: &[Product<'a>]) -> Vec<Planned<'a>> {
    let mut left = products.to_vec();
    let mut plans = Vec::with_capacity(left.len());
    while let Some(first) = left.first().copied() {
        let (alike, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|other| first.fits(other));
        for group in alike.chunks(MOST_MEMBERS) {
            match together(group) {
                Some((batch, cut)) => plans.push(Planned(Plan::Together(Box::new(batch), cut))),
                None => plans.extend(group.iter().map(|one| Planned(Plan::Alone(*one)))),
            }
        }
        left = others;
    }
    plans
}

/// How products that fit are made in one launch, if they are.
fn together(group: &[Product]) -> Option<(Batch, Cut)> {
    let [first, _, ..] = group else {
        return None;
    };
    let sums: Vec<_> = group.iter().map(Product::sums).collect();
    let cut = if first.is_on_planes() {
        Cut::Planes(PlaneCut::of_group(&sums)?)
    } else {
        Cut::Units(UnitCut::of_group(&sums)?)
    };
    Some((Batch::of(group)?, cut))
}

/// A product in a launch of its own.
fn alone(product: Product) -> Batch {
    let Some(batch) = Batch::of(&[product]) else {
        unreachable!("what is queued is not too large to be bound")
    };
    batch
}

/// Makes products, cut as it is said, into [.., m, n] each, which has one product for
/// every part of the terms.
fn launch(batch: &Batch, start: Start, cut: Cut) {
    let most_terms = batch.sizes().map(|[_, _, k]| k).max().unwrap_or_default();
    let n_parts = most_terms.div_ceil(cut.part()) as u32;
    let tiles = |rows: usize, columns: usize| {
        let across = batch.tiles_across(columns) as u32;
        CubeCount::Static(across, batch.m.div_ceil(rows) as u32, n_parts)
    };
    let client = &batch.a.client;
    match cut {
        Cut::Planes(PlaneCut { tiling, part }) => {
            let halves = InHalves {
                a: is_half(&batch.a),
                other: batch.finishes.read_other() && is_half(&batch.other),
                out: is_half(&batch.out),
            };
            // Constants between loads pay where these are few.
            let has_few_loads = halves.a && tiling.columns() == 192;
            let spec = ProductSpec {
                sizes: batch.common_sizes().filter(|_| has_few_loads),
                is_whole: batch.sizes().all(|sizes| tiling.fits(sizes, part)),
                transposed: batch.transposed,
                storage: batch.storage,
                start,
                finishes: batch.finishes,
                halves,
            };
            // SAFETY: the kernel stays inside [m, n], [m, k] and [k, n] of every member.
            unsafe {
                plane::product::launch_unchecked(
                    client,
                    tiles(tiling.rows(), tiling.columns()),
                    CubeDim::new_2d(32, tiling.planes() as u32),
                    batch.storage.words_of_eight(),
                    words_of_four(halves.other),
                    words_of_four(halves.out),
                    arg(&batch.a),
                    arg(&batch.words),
                    arg(&batch.scales),
                    arg(&batch.other),
                    arg(&batch.out),
                    batch.m,
                    part,
                    batch.members(tiling.columns(), batch.fours()),
                    tiling,
                    spec,
                );
            }
        }
        Cut::Units(UnitCut { tiling, part }) => {
            // SAFETY: as above.
            unsafe {
                unit::product::launch_unchecked(
                    client,
                    tiles(tiling.rows(), tiling.columns()),
                    CubeDim::new_1d(tiling.units() as u32),
                    batch.storage.words_of_four(),
                    arg(&batch.a),
                    arg(&batch.words),
                    arg(&batch.scales),
                    arg(&batch.other),
                    arg(&batch.out),
                    batch.m,
                    part,
                    batch.members(tiling.columns(), batch.single_numbers()),
                    tiling,
                    batch.transposed,
                    batch.storage,
                    start,
                    batch.finishes,
                );
            }
        }
    }
}
