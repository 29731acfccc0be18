//! LayerNorm over the channels of a token, with frozen weight and bias.
//!
//! ```text
//! y = (x - mean x) / sqrt(var x + epsilon) * weight + bias
//! ```

pub(crate) mod gpu;

use burn::tensor::{DType, Shape, Tensor};

use super::cpu::rows::{Rows, Unwritten};
use super::cpu::simd::{Task, mul_add, sum, sum2, sum3};
use super::cpu::tensor::{Flat, for_rows, written};
use super::device::is_cpu;
use super::op::{from_gpu, on_gpu, queue, queue_as};
use gpu::GpuNorm;

/// Weight and bias, `[C]` each, and what keeps the root away from zero.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// `[C]`.
    pub weight: Tensor<1>,
    /// `[C]`.
    pub bias: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// `x`: [rows, C] → [rows, C].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if !is_cpu(&x.device()) {
            return self.forward_gpu(x, DType::F32);
        }
        let shape = x.dims();
        let (x, weight, bias) = (
            Flat::new(&x),
            Flat::new(&self.weight),
            Flat::new(&self.bias),
        );
        let mut y = Unwritten::new(shape[0] * shape[1]);
        let rows = y.rows();
        for_rows(shape[0], |range| Forward {
            norm: Norm::new(&weight, &bias, self.epsilon),
            x: x.slice(),
            y: &rows,
            rows: range,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(y, shape) }
    }

    /// As [`Self::forward`], on a GPU, in 16 bits, for products alone to read
    /// (`product::reads_halves`).
    pub fn forward_in_halves(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_gpu(x, DType::F16)
    }

    /// The gradient of x for `dy`, [rows, C] each.
    pub fn backward(&self, x: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        if !is_cpu(&x.device()) {
            return self.backward_gpu(x, dy);
        }
        let shape = x.dims();
        let (x, dy) = (Flat::new(&x), Flat::new(&dy));
        let (weight, bias) = (Flat::new(&self.weight), Flat::new(&self.bias));
        let mut dx = Unwritten::new(shape[0] * shape[1]);
        let rows = dx.rows();
        for_rows(shape[0], |range| Backward {
            norm: Norm::new(&weight, &bias, self.epsilon),
            x: x.slice(),
            dy: dy.slice(),
            dx: &rows,
            rows: range,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(dx, shape) }
    }

    fn forward_gpu(&self, x: Tensor<2>, dtype: DType) -> Tensor<2> {
        let shape = Shape::from(x.dims());
        let epsilon = self.epsilon as f32;
        let inputs = vec![
            on_gpu(x),
            on_gpu(self.weight.clone()),
            on_gpu(self.bias.clone()),
        ];
        let [y] = queue_as("layer_norm", inputs, [shape], dtype, move |x, out| {
            gpu::layer_norm(&x[0], GpuNorm::new(&x[1..], epsilon), &out[0]);
        });
        from_gpu(y)
    }

    fn backward_gpu(&self, x: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        let shape = Shape::from(x.dims());
        let epsilon = self.epsilon as f32;
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let inputs = vec![on_gpu(x), on_gpu(weight), on_gpu(bias), on_gpu(dy)];
        let [dx] = queue("layer_norm_backward", inputs, [shape], move |x, out| {
            let norm = GpuNorm::new(&x[1..], epsilon);
            gpu::layer_norm_backward(&x[0], norm, &x[3], &out[0]);
        });
        from_gpu(dx)
    }

    /// The same in plain, differentiable Burn operations.
    pub fn reference<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        normalize(x, self.epsilon) * self.weight.clone().unsqueeze() + self.bias.clone().unsqueeze()
    }
}

/// Mean 0 and variance 1 over the last dimension.
pub(super) fn normalize<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().powi_scalar(2).mean_dim(D - 1);
    centred / (variance + epsilon).sqrt()
}

/// The parameters as slices, `[C]` each.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
}

impl<'a> Norm<'a> {
    pub(super) fn new(weight: &'a Flat, bias: &'a Flat, epsilon: f64) -> Self {
        Self {
            weight: weight.slice(),
            bias: bias.slice(),
            epsilon: epsilon as f32,
        }
    }

    /// The part of the parameters for these channels: group norm has one norm a head.
    #[inline(always)]
    pub(super) fn group(&self, start: usize, len: usize) -> Self {
        Self {
            weight: &self.weight[start..start + len],
            bias: &self.bias[start..start + len],
            epsilon: self.epsilon,
        }
    }

    /// Channels of one norm.
    #[inline(always)]
    pub(super) fn n_channels(&self) -> usize {
        self.weight.len()
    }

    /// Mean of a row and one over its deviation.
    #[inline(always)]
    fn statistics(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len() as f32;
        let mean = sum(x, |x| x) / n;
        let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }

    /// One row of [`LayerNorm::forward`].
    #[inline(always)]
    pub(super) fn row<const FMA: bool>(&self, x: &[f32], y: &mut [f32]) {
        let (mean, scale) = self.statistics(x);
        let parameters = self.weight.iter().zip(self.bias);
        for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(parameters) {
            *y = mul_add::<FMA>((x - mean) * scale, *weight, *bias);
        }
    }

    /// One row of [`LayerNorm::backward`].
    #[inline(always)]
    pub(super) fn row_backward<const FMA: bool>(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (mean, scale) = self.statistics(x);
        let n = x.len() as f32;
        // Of dy * weight: the mean, and the mean of its product with the normalised row.
        let along_one = sum2(dy, self.weight, |dy, w| dy * w) / n;
        let along_x = sum3(dy, self.weight, x, |dy, w, x| dy * w * (x - mean)) * scale / n;
        let upstream = dy.iter().zip(self.weight);
        for ((dx, x), (dy, weight)) in dx.iter_mut().zip(x).zip(upstream) {
            *dx = scale * (dy * weight - along_one - (x - mean) * scale * along_x);
        }
    }
}

struct Forward<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    y: &'a Rows<'a>,
    rows: std::ops::Range<usize>,
}

impl Task for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let c = self.norm.n_channels();
        for row in self.rows.clone() {
            // SAFETY: every task writes the rows of its own range.
            let y = unsafe { self.y.slice(row * c, c) };
            self.norm.row::<FMA>(&self.x[row * c..][..c], y);
        }
    }
}

struct Backward<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a Rows<'a>,
    rows: std::ops::Range<usize>,
}

impl Task for Backward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let c = self.norm.n_channels();
        for row in self.rows.clone() {
            // SAFETY: every task writes the rows of its own range.
            let dx = unsafe { self.dx.slice(row * c, c) };
            let (x, dy) = (&self.x[row * c..][..c], &self.dy[row * c..][..c]);
            self.norm.row_backward::<FMA>(x, dy, dx);
        }
    }
}
