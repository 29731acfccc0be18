//! One token, there and back, for a few rows of the state.

#![allow(
    clippy::needless_range_loop,
    reason = "an index names a place of several vectors at once, and fixed bounds vectorise"
)]

use super::ROWS;
use super::chunk::{Lanes, Token, VECTORS, by_row};
use crate::kernels::cpu::simd::{LANES, mul_add, sum_lanes};

/// The numbers of one token on the value side, of some rows.
pub(super) struct TokenValues {
    pub(super) value: [f32; ROWS],
    pub(super) removed: [f32; ROWS],
    pub(super) dy: [f32; ROWS],
}

#[inline(always)]
pub(super) fn sums(lanes: &[Lanes; ROWS]) -> [f32; ROWS] {
    std::array::from_fn(|row| sum_lanes(lanes[row]))
}

/// One element of Z_t.
#[inline(always)]
pub(super) fn next<const FMA: bool>(
    z: f32,
    removed: f32,
    value: f32,
    w: f32,
    write: f32,
    k: f32,
) -> f32 {
    mul_add::<FMA>(value, k, mul_add::<FMA>(removed, write, z * w))
}

/// `Z_{t-1} removal` of some rows.
#[inline(always)]
pub(super) fn removed<const FMA: bool>(
    rows: &[&mut [Lanes]; ROWS],
    removal: &[Lanes],
) -> [f32; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for (i, removal) in removal.iter().enumerate() {
        for (total, z) in total.iter_mut().zip(rows) {
            for l in 0..LANES {
                total[l] = mul_add::<FMA>(z[i][l], removal[l], total[l]);
            }
        }
    }
    sums(&total)
}

/// Moves some rows over one token and gives their y.
#[inline(always)]
pub(super) fn advance<const FMA: bool>(
    rows: &mut [&mut [Lanes]; ROWS],
    [r, w, k, _, write]: Token<'_>,
    value: &[f32; ROWS],
    removed: &[f32; ROWS],
) -> [f32; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for i in 0..r.len() {
        let (r, w, k, write) = (&r[i], &w[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let z = &mut rows[row][i];
            for l in 0..LANES {
                z[l] = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
                total[row][l] = mul_add::<FMA>(z[l], r[l], total[row][l]);
            }
        }
    }
    sums(&total)
}

/// Some rows of Z_t, in front of `after`, from those of Z_{t-1}.
#[inline(always)]
pub(super) fn recompute<const FMA: bool>(
    before: &mut [f32],
    after: &mut [f32],
    [_, w, k, _, write]: Token<'_>,
    TokenValues { value, removed, .. }: &TokenValues,
) {
    let len = before.len();
    let (before, after) = (by_row(before), by_row(&mut after[..len]));
    for i in 0..w.len() {
        let (w, k, write) = (&w[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let (z, to) = (&before[row][i], &mut after[row][i]);
            for l in 0..LANES {
                to[l] = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
            }
        }
    }
}

/// Takes the gradient of some rows of Z_t, `ds`, to that of Z_{t-1}, given
/// Z_{t-1} in `before`. Adds to the gradients of the token's vectors and gives
/// that of its values.
#[inline(always)]
pub(super) fn token_backward<const FMA: bool>(
    ds: [&mut [Lanes]; ROWS],
    before: [&mut [Lanes]; ROWS],
    [r, w, k, removal, write]: Token<'_>,
    [own_r, own_w, own_k, own_removal, own_write]: [&mut [Lanes]; VECTORS],
    values: &TokenValues,
) -> [f32; ROWS] {
    let TokenValues { value, removed, dy } = values;
    let (mut dv, mut dremoved) = ([[0.0; LANES]; ROWS], [[0.0; LANES]; ROWS]);
    for i in 0..r.len() {
        let (r, k, write) = (&r[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let d = &mut ds[row][i];
            for l in 0..LANES {
                d[l] = mul_add::<FMA>(dy[row], r[l], d[l]);
                dv[row][l] = mul_add::<FMA>(d[l], k[l], dv[row][l]);
                dremoved[row][l] = mul_add::<FMA>(d[l], write[l], dremoved[row][l]);
            }
        }
    }
    let (dv, dremoved) = (sums(&dv), sums(&dremoved));
    for i in 0..r.len() {
        let (w, k, removal, write) = (&w[i], &k[i], &removal[i], &write[i]);
        let (mut dr, mut dw, mut dk) = (own_r[i], own_w[i], own_k[i]);
        let (mut dremoval, mut dwrite) = (own_removal[i], own_write[i]);
        for row in 0..ROWS {
            let (z, d) = (&before[row][i], &mut ds[row][i]);
            for l in 0..LANES {
                let after = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
                dr[l] = mul_add::<FMA>(dy[row], after, dr[l]);
                dw[l] = mul_add::<FMA>(d[l], z[l], dw[l]);
                dk[l] = mul_add::<FMA>(d[l], value[row], dk[l]);
                dwrite[l] = mul_add::<FMA>(d[l], removed[row], dwrite[l]);
                dremoval[l] = mul_add::<FMA>(dremoved[row], z[l], dremoval[l]);
                d[l] = mul_add::<FMA>(d[l], w[l], dremoved[row] * removal[l]);
            }
        }
        (own_r[i], own_w[i], own_k[i]) = (dr, dw, dk);
        (own_removal[i], own_write[i]) = (dremoval, dwrite);
    }
    dv
}
