//! Products of matrices on a GPU, with what is done to them before and after.
//! Reference twin: [`crate::kernels::product`] on the CPU and plain Burn operations.

mod cut;
mod finish;
mod plane;
mod tiling;
mod unit;

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::has_matrix_units;
use crate::kernels::halves::words_of_four;
use crate::kernels::matrix::Storage;
use crate::kernels::op::{cubes, empty, shaped};

pub use cut::N_TILES;
use cut::{Cut, PlaneCut, UnitCut};
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

/// `a` [.., k] by `b`, finished with `other` [.., n] where `finish` wants one →
/// `out` [.., n]. The product is taken of 16-bit factors on matrix units where
/// the device has some and `b` is not in 32 bits, and of 32-bit ones otherwise. Matrix
/// units make it by tile number `tile`, or by the one that suits its size.
pub fn product(
    a: &CubeTensor,
    b: Factor,
    start: Start,
    finish: Finish,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
    tile: Option<usize>,
) {
    let [m, n] = rows_and_columns(out);
    let k = a.meta.shape().num_elements() / m;
    let sizes = [m, n, k];
    // What is done to a sum is not done to its parts.
    let may_split = finish == Finish::Plain && !is_half(out);
    let cut = if b.storage != Storage::F32 && has_matrix_units(a) {
        let by_size = || PlaneCut::of(sizes, may_split);
        Cut::Planes(tile.map_or_else(by_size, |tile| PlaneCut::by_tile(tile, k)))
    } else {
        Cut::Units(UnitCut::of(sizes, may_split))
    };
    let call = Call {
        sizes,
        start,
        finish,
    };
    let n_parts = k.div_ceil(cut.part());
    if n_parts == 1 {
        return launch(a, b, call, other, out, cut);
    }
    let parts = empty("product", a, Shape::from([n_parts, m, n]));
    launch(a, b, call, other, &parts, cut);
    let total = m * n / 4;
    // SAFETY: units behind the last four do nothing.
    unsafe {
        finish::add_up::launch_unchecked(
            &a.client,
            cubes(total.div_ceil(finish::UNITS)),
            CubeDim::new_1d(finish::UNITS as u32),
            parts.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            total,
            n_parts,
        );
    }
}

/// What a product is asked for besides its factors.
#[derive(Debug, Clone, Copy)]
struct Call {
    /// m, n and k.
    sizes: [usize; 3],
    start: Start,
    finish: Finish,
}

/// [`product`], cut as it is said, into `out` [.., m, n], which has one product
/// for every part.
fn launch(
    a: &CubeTensor,
    b: Factor,
    call: Call,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
    cut: Cut,
) {
    let Call {
        sizes: [m, n, k],
        start,
        finish,
    } = call;
    let Factor {
        words,
        scales,
        storage,
        transposed,
    } = b;
    let rows = shaped(a, Shape::from([m, k]));
    let other = other.unwrap_or(a).clone();
    let tiles = |rows: usize, columns: usize| {
        let n_parts = k.div_ceil(cut.part()) as u32;
        CubeCount::Static(n.div_ceil(columns) as u32, m.div_ceil(rows) as u32, n_parts)
    };
    match cut {
        Cut::Planes(PlaneCut { tiling, part }) => {
            let halves = InHalves {
                a: is_half(a),
                other: finish.reads_other() && is_half(&other),
                out: is_half(out),
            };
            let spec = ProductSpec {
                // Constants between loads pay where these are few.
                sizes: (halves.a && tiling.columns() == 192).then_some([n, k]),
                is_whole: tiling.fits([m, n, k], part),
                transposed,
                storage,
                start,
                finish,
                halves,
            };
            // SAFETY: the kernel stays inside [m, n], [m, k] and [k, n].
            unsafe {
                plane::product::launch_unchecked(
                    &a.client,
                    tiles(tiling.rows(), tiling.columns()),
                    CubeDim::new_2d(32, tiling.planes() as u32),
                    storage.words_of_eight(),
                    words_of_four(halves.other),
                    words_of_four(halves.out),
                    rows.into_tensor_arg(),
                    words.clone().into_tensor_arg(),
                    scales.clone().into_tensor_arg(),
                    other.into_tensor_arg(),
                    out.clone().into_tensor_arg(),
                    m,
                    n,
                    k,
                    part,
                    tiling,
                    spec,
                );
            }
        }
        Cut::Units(UnitCut { tiling, part }) => {
            // SAFETY: as above.
            unsafe {
                unit::product::launch_unchecked(
                    &a.client,
                    tiles(tiling.rows(), tiling.columns()),
                    CubeDim::new_1d(tiling.units() as u32),
                    storage.words_of_four(),
                    rows.into_tensor_arg(),
                    words.clone().into_tensor_arg(),
                    scales.clone().into_tensor_arg(),
                    other.into_tensor_arg(),
                    out.clone().into_tensor_arg(),
                    n,
                    k,
                    part,
                    tiling,
                    transposed,
                    storage,
                    start,
                    finish,
                );
            }
        }
    }
}
