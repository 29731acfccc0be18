//! Products of matrices on a GPU, with what is done to them before and after.
//! Reference twin: [`crate::kernels::product`] on the CPU and plain Burn operations.

mod finish;
mod plane;
mod tiling;
mod unit;

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::has_matrix_units;
use crate::kernels::matrix::Storage;
use crate::kernels::op::{cubes, empty, shaped};

pub use finish::{Finish, Start};
use plane::Factors;
use tiling::Tiling;
use unit::UnitTiling;

/// Cubes that keep the larger GPUs busy.
const MANY_CUBES: usize = 192;
/// Multiprocessors of those GPUs, about.
const ONE_FOR_EACH: usize = 128;
/// Terms of sums that are over before a large tile pays.
const SHORT_SUMS: usize = 128;
/// The least terms of a part of a product that is cut up.
const LEAST_TERMS: usize = 512;

/// Cubes with tiles of `size` by `size`.
fn n_tiles(m: usize, n: usize, size: usize) -> usize {
    m.div_ceil(size) * n.div_ceil(size)
}

/// The tile for a product of `m` rows and `n` columns of `k` terms in `n_parts`.
/// Chosen by measurement, `benches/gpu/README.md`.
fn plane_tiling(m: usize, n: usize, k: usize, n_parts: usize) -> Tiling {
    let tiling = |planes_m, planes_n, fragments_m, fragments_n| Tiling {
        planes_m,
        planes_n,
        fragments_m,
        fragments_n,
        depth: 32,
    };
    let n_large = n_tiles(m, n, 128) * n_parts;
    if n <= 32 {
        tiling(2, 2, 1, 1)
    } else if n <= 64 {
        tiling(2, 2, 1, 2)
    } else if n_large < MANY_CUBES / 2 {
        tiling(2, 2, 2, 2)
    } else if n.is_multiple_of(192) && (n_large <= 2 * ONE_FOR_EACH || k <= SHORT_SUMS) {
        tiling(2, 4, 2, 3)
    } else {
        tiling(2, 4, 4, 2)
    }
}

fn unit_tiling(m: usize, n: usize, n_parts: usize) -> UnitTiling {
    let tiling = |units_m, units_n| UnitTiling {
        units_m,
        units_n,
        depth: 16,
    };
    if n_tiles(m, n, 128) * n_parts < MANY_CUBES / 2 {
        tiling(8, 8)
    } else {
        tiling(16, 16)
    }
}

/// Terms of every part of the sums: all of them where there are tiles enough.
fn terms_of_a_part(m: usize, n: usize, k: usize) -> usize {
    let wanted = MANY_CUBES.div_ceil(n_tiles(m, n, 128));
    let n_parts = wanted.min(k / LEAST_TERMS).max(1);
    k.div_ceil(n_parts).next_multiple_of(64)
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
/// the device has some and `b` is not in 32 bits, and of 32-bit ones otherwise.
pub fn product(
    a: &CubeTensor,
    b: Factor,
    start: Start,
    finish: Finish,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
) {
    let [m, n] = rows_and_columns(out);
    let k = a.meta.shape().num_elements() / m;
    let part = match finish {
        Finish::Plain => terms_of_a_part(m, n, k),
        // What is done to a sum is not done to its parts.
        Finish::Add
        | Finish::Tanh
        | Finish::Sigmoid
        | Finish::ThroughTanh
        | Finish::ThroughSigmoid
        | Finish::ThroughSquaredRelu => k.next_multiple_of(64),
    };
    let n_parts = k.div_ceil(part);
    let in_planes = b.storage != Storage::F32 && has_matrix_units(a);
    let tiling = in_planes.then(|| plane_tiling(m, n, k, n_parts));
    let in_units = unit_tiling(m, n, n_parts);
    let call = Call {
        sizes: [m, n, k],
        start,
        finish,
        part,
    };
    if n_parts == 1 {
        return launch(a, b, call, other, out, tiling, in_units);
    }
    let parts = empty("product", a, Shape::from([n_parts, m, n]));
    launch(a, b, call, other, &parts, tiling, in_units);
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
    /// Terms of every part of the sums.
    part: usize,
}

/// [`product`] with chosen tiles, into `out` [.., m, n], which has one product
/// for every part.
fn launch(
    a: &CubeTensor,
    b: Factor,
    call: Call,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
    plane_tiling: Option<Tiling>,
    unit_tiling: UnitTiling,
) {
    let Call {
        sizes: [m, n, k],
        start,
        finish,
        part,
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
        let n_parts = k.div_ceil(part) as u32;
        CubeCount::Static(n.div_ceil(columns) as u32, m.div_ceil(rows) as u32, n_parts)
    };
    if let Some(tiling) = plane_tiling {
        let factors = Factors {
            transposed,
            storage,
            start,
            is_whole: k.is_multiple_of(tiling.depth),
        };
        // SAFETY: the kernel stays inside [m, n], [m, k] and [k, n].
        unsafe {
            plane::product::launch_unchecked(
                &a.client,
                tiles(tiling.rows(), tiling.columns()),
                CubeDim::new_2d(32, (tiling.planes_m * tiling.planes_n) as u32),
                storage.words_of_eight(),
                rows.into_tensor_arg(),
                words.clone().into_tensor_arg(),
                scales.clone().into_tensor_arg(),
                other.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                n,
                k,
                part,
                tiling,
                factors,
                finish,
            );
        }
    } else {
        // SAFETY: as above.
        unsafe {
            unit::product::launch_unchecked(
                &a.client,
                tiles(unit_tiling.rows(), unit_tiling.columns()),
                CubeDim::new_1d(unit_tiling.units() as u32),
                storage.words_of_four(),
                rows.into_tensor_arg(),
                words.clone().into_tensor_arg(),
                scales.clone().into_tensor_arg(),
                other.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                n,
                k,
                part,
                unit_tiling,
                transposed,
                storage,
                start,
                finish,
            );
        }
    }
}
