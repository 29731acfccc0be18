//! Products of matrices on a GPU, with what is done to them before and after.
//! Reference twin: [`super::matmul`] on the CPU and plain Burn operations.

mod finish;
mod plane;
mod unit;

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

use super::gpu_op::shaped;

pub use finish::{Finish, Start};
pub use plane::Tiling;
pub use unit::UnitTiling;

/// Whether the device multiplies 16-bit matrices with 32-bit sums in planes of
/// 32 units.
pub fn has_matrix_units(like: &CubeTensor) -> bool {
    let properties = like.client.properties();
    let (half, single) = (
        ElemType::Float(FloatKind::F16),
        ElemType::Float(FloatKind::F32),
    );
    let fits = properties.features.matmul.cmma.iter().any(|config| {
        (config.a_type, config.b_type, config.cd_type) == (half, half, single)
            && (config.m, config.n, config.k) == (16, 16, 16)
    });
    let hardware = &properties.hardware;
    fits && (hardware.plane_size_min, hardware.plane_size_max) == (32, 32)
}

/// The tile for a product of `m` rows and `n` columns.
fn plane_tiling(m: usize, n: usize) -> Tiling {
    let tiling = |planes_m, planes_n, fragments_m, fragments_n| Tiling {
        planes_m,
        planes_n,
        fragments_m,
        fragments_n,
        depth: 32,
    };
    if n <= 32 {
        tiling(4, 1, 1, 2)
    } else if n <= 64 || m.div_ceil(128) * n.div_ceil(128) < 96 {
        tiling(2, 2, 2, 2)
    } else {
        tiling(4, 2, 2, 4)
    }
}

fn unit_tiling(m: usize, n: usize) -> UnitTiling {
    let tiling = |units_m, units_n| UnitTiling {
        units_m,
        units_n,
        depth: 16,
    };
    if m.div_ceil(128) * n.div_ceil(128) < 96 {
        tiling(8, 8)
    } else {
        tiling(16, 16)
    }
}

fn rows_and_columns(out: &CubeTensor) -> [usize; 2] {
    let shape = out.meta.shape();
    let n = shape[shape.num_dims() - 1];
    [shape.num_elements() / n, n]
}

/// `a` [.., k] by `b`, [k, n] or, `transposed`, [n, k], finished with `other`
/// [.., n] where `finish` wants one → `out` [.., n]. The product is taken in 16
/// bits where `b` has them, which needs [`has_matrix_units`], and in 32 otherwise.
pub fn product(
    a: &CubeTensor,
    b: &CubeTensor,
    transposed: bool,
    start: Start,
    finish: Finish,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
) {
    let [m, n] = rows_and_columns(out);
    let tiling = match b.dtype {
        DType::F32 => None,
        _ => Some(plane_tiling(m, n)),
    };
    let in_units = unit_tiling(m, n);
    launch(a, b, transposed, start, finish, other, out, tiling, in_units);
}

/// [`product`] with chosen tiles, into `out`.
#[allow(clippy::too_many_arguments)]
pub fn launch(
    a: &CubeTensor,
    b: &CubeTensor,
    transposed: bool,
    start: Start,
    finish: Finish,
    other: Option<&CubeTensor>,
    out: &CubeTensor,
    plane_tiling: Option<Tiling>,
    unit_tiling: UnitTiling,
) {
    let [m, n] = rows_and_columns(out);
    let k = a.meta.shape().num_elements() / m;
    let rows = shaped(a, Shape::from([m, k]));
    let other = other.unwrap_or(a).clone();
    let cubes = |rows: usize, columns: usize| {
        CubeCount::Static(n.div_ceil(columns) as u32, m.div_ceil(rows) as u32, 1)
    };
    if let Some(tiling) = plane_tiling {
        // SAFETY: the kernel stays inside [m, n], [m, k] and [k, n].
        unsafe {
            plane::product::launch_unchecked(
                &a.client,
                cubes(tiling.rows(), tiling.columns()),
                CubeDim::new_2d(32, (tiling.planes_m * tiling.planes_n) as u32),
                rows.into_tensor_arg(),
                b.clone().into_tensor_arg(),
                other.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                n,
                k,
                tiling,
                transposed,
                start,
                finish,
                dtype_to_storage_type(b.dtype),
            );
        }
    } else {
        // SAFETY: as above.
        unsafe {
            unit::product::launch_unchecked(
                &a.client,
                cubes(unit_tiling.rows(), unit_tiling.columns()),
                CubeDim::new_1d(unit_tiling.units() as u32),
                rows.into_tensor_arg(),
                b.clone().into_tensor_arg(),
                other.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                n,
                k,
                unit_tiling,
                transposed,
                start,
                finish,
            );
        }
    }
}
