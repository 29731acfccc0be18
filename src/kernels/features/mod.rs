//! The kernel features of a lifted state: how near a direction is to each of M
//! support vectors of unit length (arXiv 2504.05097, section 3.2).
//!
//! ```text
//! phi_m(x) = exp(-gamma |n - u_m|^2) = exp(2 gamma (n . u_m - 1)),   n = x / |x|
//! ```
//!
//! The second form is a matrix product: the differences `n - u_m`, M times the
//! size of the features' input, are never formed. The paper has x itself in the
//! place of n, `exp(-gamma (|x|^2 + 1 - 2 x . u_m))`.

use std::ops::Range;

use burn::tensor::Tensor;

use super::cpu::rows::{Rows, Unwritten};
use super::cpu::simd::{self, Task, sum, sum2};
use super::cpu::tensor::{Flat, for_rows, written};
use super::device::is_cpu;

/// Smallest norm that a vector is divided by (`torch.nn.functional.normalize`).
const MIN_NORM: f32 = 1e-12;

/// Support vectors and widths of a group of heads.
#[derive(Debug, Clone)]
pub struct RadialFeatures {
    /// Unit vectors u, [H, M, N].
    pub support_vectors: Tensor<3>,
    /// Inverse squared widths, `[H]`.
    pub gamma: Tensor<1>,
    /// Whether x is made a unit vector first; the paper does not.
    pub normalizes: bool,
}

impl RadialFeatures {
    /// `x`: [H, rows, N] → [H, rows, M].
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        if !self.normalizes || !is_cpu(&x.device()) {
            return self.reference(x);
        }
        let products = self.products(x.clone());
        let [n_head, n_rows, n_features] = products.dims();
        let head_size = x.dims()[2];
        let (x, products, gamma) = (Flat::new(&x), Flat::new(&products), Flat::new(&self.gamma));
        let mut out = Unwritten::new(n_head * n_rows * n_features);
        let rows = out.rows();
        for_rows(n_head * n_rows, |range| Forward {
            x: x.slice(),
            products: products.slice(),
            gamma: gamma.slice(),
            out: &rows,
            sizes: [n_rows, head_size, n_features],
            range,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(out, [n_head, n_rows, n_features]) }
    }

    /// The gradient of `x` [H, rows, N] for `dfeatures`, that of the
    /// `features` [H, rows, M] which [`Self::forward`] gave.
    pub fn backward(&self, x: Tensor<3>, features: Tensor<3>, dfeatures: Tensor<3>) -> Tensor<3> {
        let is_cpu = is_cpu(&x.device());
        let through = if is_cpu {
            self.through_exponential(&features, &dfeatures)
        } else {
            features * dfeatures * (self.gamma.clone() * 2.0).reshape([-1, 1, 1])
        };
        let dunit = through.clone().matmul(self.support_vectors.clone());
        if !self.normalizes {
            return dunit - x * through.sum_dim(2);
        }
        if is_cpu {
            return off_radial(&x, &dunit);
        }
        let norm = norm(x.clone());
        let unit = x / norm.clone();
        let along = (unit.clone() * dunit.clone()).sum_dim(2);
        (dunit - unit * along) / norm
    }

    /// The same as [`Self::forward`] in plain, differentiable Burn operations.
    pub fn reference(&self, x: Tensor<3>) -> Tensor<3> {
        let gamma = self.gamma.clone().reshape([-1, 1, 1]);
        if self.normalizes {
            let norm = norm(x.clone());
            return ((self.products(x) / norm - 1.0) * (gamma * 2.0)).exp();
        }
        let square = x.clone().powi_scalar(2).sum_dim(2);
        ((self.products(x) * 2.0 - square - 1.0) * gamma).exp()
    }

    fn products(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(self.support_vectors.clone().swap_dims(1, 2))
    }

    fn through_exponential(&self, features: &Tensor<3>, dfeatures: &Tensor<3>) -> Tensor<3> {
        let shape = features.dims();
        let [n_head, n_rows, n_features] = shape;
        let [features, dfeatures] = [features, dfeatures].map(Flat::new);
        let gamma = Flat::new(&self.gamma);
        let mut out = Unwritten::new(n_head * n_rows * n_features);
        let rows = out.rows();
        for_rows(n_head * n_rows, |range| ThroughExponential {
            features: features.slice(),
            dfeatures: dfeatures.slice(),
            gamma: gamma.slice(),
            out: &rows,
            sizes: [n_rows, n_features],
            range,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(out, shape) }
    }
}

/// |x| of every row, [H, rows, 1].
fn norm(x: Tensor<3>) -> Tensor<3> {
    x.powi_scalar(2).sum_dim(2).sqrt().clamp_min(MIN_NORM)
}

/// The gradient of x for that of its direction, [H, rows, N] each.
fn off_radial(x: &Tensor<3>, dunit: &Tensor<3>) -> Tensor<3> {
    let shape = x.dims();
    let [n_head, n_rows, head_size] = shape;
    let [x, dunit] = [x, dunit].map(Flat::new);
    let mut out = Unwritten::new(n_head * n_rows * head_size);
    let rows = out.rows();
    for_rows(n_head * n_rows, |range| OffRadial {
        x: x.slice(),
        dunit: dunit.slice(),
        out: &rows,
        head_size,
        range,
    });
    // SAFETY: the tasks above wrote every row.
    unsafe { written(out, shape) }
}

#[inline(always)]
fn inverse_norm(x: &[f32]) -> f32 {
    1.0 / sum(x, |x| x * x).sqrt().max(MIN_NORM)
}

struct Forward<'a> {
    x: &'a [f32],
    products: &'a [f32],
    gamma: &'a [f32],
    out: &'a Rows<'a>,
    /// Rows a head, N, M.
    sizes: [usize; 3],
    range: Range<usize>,
}

impl Task for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let [n_rows, head_size, n_features] = self.sizes;
        for row in self.range.clone() {
            // SAFETY: every task writes its own rows.
            let out = unsafe { self.out.slice(row * n_features, n_features) };
            let scale = 2.0 * self.gamma[row / n_rows];
            let by_norm = scale * inverse_norm(&self.x[row * head_size..][..head_size]);
            let products = &self.products[row * n_features..][..n_features];
            for (out, product) in out.iter_mut().zip(products) {
                *out = simd::exp::<FMA>(simd::mul_add::<FMA>(by_norm, *product, -scale));
            }
        }
    }
}

struct ThroughExponential<'a> {
    features: &'a [f32],
    dfeatures: &'a [f32],
    gamma: &'a [f32],
    out: &'a Rows<'a>,
    /// Rows a head, M.
    sizes: [usize; 2],
    range: Range<usize>,
}

impl Task for ThroughExponential<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let [n_rows, n_features] = self.sizes;
        for row in self.range.clone() {
            // SAFETY: every task writes its own rows.
            let out = unsafe { self.out.slice(row * n_features, n_features) };
            let scale = 2.0 * self.gamma[row / n_rows];
            let features = &self.features[row * n_features..][..n_features];
            let dfeatures = &self.dfeatures[row * n_features..][..n_features];
            for (out, (feature, d)) in out.iter_mut().zip(features.iter().zip(dfeatures)) {
                *out = scale * feature * d;
            }
        }
    }
}

struct OffRadial<'a> {
    x: &'a [f32],
    dunit: &'a [f32],
    out: &'a Rows<'a>,
    head_size: usize,
    range: Range<usize>,
}

impl Task for OffRadial<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let n = self.head_size;
        for row in self.range.clone() {
            // SAFETY: every task writes its own rows.
            let out = unsafe { self.out.slice(row * n, n) };
            let (x, dunit) = (&self.x[row * n..][..n], &self.dunit[row * n..][..n]);
            let scale = inverse_norm(x);
            let along = sum2(x, dunit, |x, d| x * d) * scale * scale;
            for (out, (x, d)) in out.iter_mut().zip(x.iter().zip(dunit)) {
                *out = scale * simd::mul_add::<FMA>(-along, *x, *d);
            }
        }
    }
}
