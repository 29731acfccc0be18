//! From the output of the WKV-7 operator to the input of the last projection:
//! a norm per head, the bonus of the present token, and the gate
//! (`RWKV-LM/RWKV-v7`, `RWKV_Tmix_x070`).
//!
//! ```text
//! out = (GroupNorm(y) + (sum_j r_j k_j r_k,j) v) * gate
//! ```

mod gpu;

use std::ops::Range;

use burn::tensor::{Shape, Tensor};

use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{Task, mul_add, sum2, sum3};
use crate::kernels::cpu::tensor::{Flat, for_rows, written};
use crate::kernels::device::is_cpu;
use crate::kernels::norm::gpu::GpuNorm;
use crate::kernels::norm::{LayerNorm, Norm, normalize};
use crate::kernels::op::{GpuTensor, from_gpu, on_gpu, queue};

/// The frozen parameters.
#[derive(Debug, Clone)]
pub struct Readout {
    /// Weight and bias `[C]` of the norm, which takes every head for itself.
    pub norm: LayerNorm,
    /// Weight of the present token, [H, N].
    pub r_k: Tensor<2>,
}

/// What is read, [B, T, H, N] each but the gate.
#[derive(Debug, Clone)]
pub struct ReadoutInputs {
    /// Output of the WKV-7 operator.
    pub y: Tensor<4>,
    /// Receptance.
    pub r: Tensor<4>,
    /// Key.
    pub k: Tensor<4>,
    /// Value.
    pub v: Tensor<4>,
    /// [B, T, C].
    pub gate: Tensor<3>,
}

impl Readout {
    /// [B, T, C].
    pub fn forward(&self, inputs: &ReadoutInputs) -> Tensor<3> {
        if !is_cpu(&inputs.y.device()) {
            return self.forward_gpu(inputs);
        }
        let [n_batch, n_tokens, n_embd] = inputs.gate.dims();
        let mut out = Unwritten::new(n_batch * n_tokens * n_embd);
        let cpu = CpuInputs::new(self, inputs);
        let rows = out.rows();
        for_rows(n_batch * n_tokens, |tokens| Forward {
            inputs: cpu.slices(),
            out: &rows,
            tokens,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(out, [n_batch, n_tokens, n_embd]) }
    }

    /// The gradients of the inputs for `dout`, [B, T, C].
    pub fn backward(&self, inputs: &ReadoutInputs, dout: Tensor<3>) -> ReadoutInputs {
        let shape = inputs.gate.dims();
        let heads = inputs.y.dims();
        let gradients = if is_cpu(&dout.device()) {
            self.backward_cpu(inputs, &dout)
        } else {
            self.backward_gpu(inputs, dout)
        };
        let [y, r, k, v, gate] = gradients;
        ReadoutInputs {
            y,
            r,
            k,
            v,
            gate: {
                debug_assert_eq!(heads[2] * heads[3], shape[2]);
                gate.reshape(shape)
            },
        }
    }

    fn backward_cpu(&self, inputs: &ReadoutInputs, dout: &Tensor<3>) -> [Tensor<4>; 5] {
        let heads = inputs.y.dims();
        let [n_batch, n_tokens, n_head, head_size] = heads;
        let len = n_batch * n_tokens * n_head * head_size;
        let cpu = CpuInputs::new(self, inputs);
        let dout = Flat::new(dout);
        let mut outputs: [_; 5] = std::array::from_fn(|_| Unwritten::new(len));
        let rows = outputs.each_mut().map(Unwritten::rows);
        for_rows(n_batch * n_tokens, |tokens| Backward {
            inputs: cpu.slices(),
            dout: dout.slice(),
            outputs: rows.each_ref(),
            tokens,
        });
        // SAFETY: the tasks above wrote every row.
        outputs.map(|values| unsafe { written(values, heads) })
    }

    /// What is read, then the parameters.
    fn inputs(&self, inputs: &ReadoutInputs) -> Vec<GpuTensor> {
        let ReadoutInputs { y, r, k, v, gate } = inputs;
        let mut all: Vec<_> = [y, r, k, v].map(|x| on_gpu(x.clone())).into();
        all.push(on_gpu(gate.clone()));
        all.extend([&self.norm.weight, &self.norm.bias].map(|x| on_gpu(x.clone())));
        all.push(on_gpu(self.r_k.clone()));
        all
    }

    fn forward_gpu(&self, inputs: &ReadoutInputs) -> Tensor<3> {
        let shape = Shape::from(inputs.gate.dims());
        let head_size = inputs.y.dims()[3];
        let epsilon = self.norm.epsilon as f32;
        let inputs = self.inputs(inputs);
        let [out] = queue("wkv7_readout", inputs, [shape], move |x, out| {
            let inputs = std::array::from_fn(|i| &x[i]);
            let norm = GpuNorm::new(&x[5..], epsilon);
            gpu::readout(inputs, norm, &x[7], head_size, &out[0]);
        });
        from_gpu(out)
    }

    fn backward_gpu(&self, inputs: &ReadoutInputs, dout: Tensor<3>) -> [Tensor<4>; 5] {
        let heads = inputs.y.dims();
        let epsilon = self.norm.epsilon as f32;
        let shapes = std::array::from_fn(|_| Shape::from(heads));
        let mut inputs = self.inputs(inputs);
        inputs.push(on_gpu(dout));
        let outputs = queue("wkv7_readout_backward", inputs, shapes, move |x, out| {
            let inputs = std::array::from_fn(|i| &x[i]);
            let norm = GpuNorm::new(&x[5..], epsilon);
            let out = out.each_ref();
            gpu::readout_backward(inputs, norm, &x[7], heads[3], &x[8], out);
        });
        outputs.map(from_gpu)
    }

    /// The same in plain, differentiable Burn operations.
    pub fn reference(&self, inputs: &ReadoutInputs) -> Tensor<3> {
        let ReadoutInputs { y, r, k, v, gate } = inputs.clone();
        let shape = gate.dims();
        let normed = normalize(y, self.norm.epsilon).reshape(shape)
            * self.norm.weight.clone().unsqueeze()
            + self.norm.bias.clone().unsqueeze();
        let bonus = (r * k * self.r_k.clone().unsqueeze()).sum_dim(3) * v;
        (normed + bonus.reshape(shape)) * gate
    }
}

/// Parameters and inputs on the CPU.
struct CpuInputs {
    weight: Flat,
    bias: Flat,
    epsilon: f64,
    r_k: Flat,
    /// y, r, k, v, gate.
    inputs: [Flat; 5],
    head_size: usize,
}

impl CpuInputs {
    fn new(readout: &Readout, inputs: &ReadoutInputs) -> Self {
        let ReadoutInputs { y, r, k, v, gate } = inputs;
        Self {
            weight: Flat::new(&readout.norm.weight),
            bias: Flat::new(&readout.norm.bias),
            epsilon: readout.norm.epsilon,
            r_k: Flat::new(&readout.r_k),
            inputs: [
                Flat::new(y),
                Flat::new(r),
                Flat::new(k),
                Flat::new(v),
                Flat::new(gate),
            ],
            head_size: y.dims()[3],
        }
    }

    fn slices(&self) -> Slices<'_> {
        Slices {
            norm: Norm::new(&self.weight, &self.bias, self.epsilon),
            r_k: self.r_k.slice(),
            inputs: self.inputs.each_ref().map(Flat::slice),
            head_size: self.head_size,
        }
    }
}

struct Slices<'a> {
    norm: Norm<'a>,
    r_k: &'a [f32],
    inputs: [&'a [f32]; 5],
    head_size: usize,
}

/// One head of one token.
struct HeadSlices<'a> {
    norm: Norm<'a>,
    r_k: &'a [f32],
    y: &'a [f32],
    r: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    gate: &'a [f32],
}

impl<'a> Slices<'a> {
    /// The head of a token at `start` in [B, T, C].
    #[inline(always)]
    fn head(&self, start: usize) -> HeadSlices<'a> {
        let n = self.head_size;
        let channel = start % self.norm.n_channels();
        let [y, r, k, v, gate] = self.inputs.map(|x| &x[start..][..n]);
        HeadSlices {
            norm: self.norm.group(channel, n),
            r_k: &self.r_k[channel..][..n],
            y,
            r,
            k,
            v,
            gate,
        }
    }

    /// Where the heads of these tokens start in [B, T, C].
    #[inline(always)]
    fn starts(&self, tokens: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let c = self.norm.n_channels();
        (tokens.start * c..tokens.end * c).step_by(self.head_size)
    }
}

impl HeadSlices<'_> {
    /// `sum_j r_j k_j r_k,j`.
    #[inline(always)]
    fn bonus(&self) -> f32 {
        sum3(self.r, self.k, self.r_k, |r, k, r_k| r * k * r_k)
    }
}

struct Forward<'a> {
    inputs: Slices<'a>,
    out: &'a Rows<'a>,
    tokens: Range<usize>,
}

impl Task for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        for start in self.inputs.starts(&self.tokens) {
            // SAFETY: every task writes the rows of its own tokens.
            let out = unsafe { self.out.slice(start, self.inputs.head_size) };
            let x = self.inputs.head(start);
            x.norm.row::<FMA>(x.y, out);
            let bonus = x.bonus();
            for ((out, v), gate) in out.iter_mut().zip(x.v).zip(x.gate) {
                *out = mul_add::<FMA>(bonus, *v, *out) * gate;
            }
        }
    }
}

struct Backward<'a> {
    inputs: Slices<'a>,
    dout: &'a [f32],
    /// Of y, r, k, v, gate.
    outputs: [&'a Rows<'a>; 5],
    tokens: Range<usize>,
}

impl Task for Backward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let n = self.inputs.head_size;
        let mut upstream = vec![0.0; n];
        for start in self.inputs.starts(&self.tokens) {
            // SAFETY: every task writes the rows of its own tokens.
            let [dy, dr, dk, dv, dgate] = self.outputs.map(|rows| unsafe { rows.slice(start, n) });
            let x = self.inputs.head(start);
            let dout = &self.dout[start..][..n];
            for ((d, dout), gate) in upstream.iter_mut().zip(dout).zip(x.gate) {
                *d = dout * gate;
            }
            let bonus = x.bonus();
            let dbonus = sum2(&upstream, x.v, |d, v| d * v);
            x.norm.row::<FMA>(x.y, dgate);
            for ((dgate, v), dout) in dgate.iter_mut().zip(x.v).zip(dout) {
                *dgate = mul_add::<FMA>(bonus, *v, *dgate) * dout;
            }
            scale(dv, &upstream, bonus);
            bonus_backward(dr, x.k, x.r_k, dbonus);
            bonus_backward(dk, x.r, x.r_k, dbonus);
            x.norm.row_backward::<FMA>(x.y, &upstream, dy);
        }
    }
}

#[inline(always)]
fn scale(out: &mut [f32], x: &[f32], by: f32) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = x * by;
    }
}

#[inline(always)]
fn bonus_backward(out: &mut [f32], other: &[f32], r_k: &[f32], dbonus: f32) {
    for ((out, other), r_k) in out.iter_mut().zip(other).zip(r_k) {
        *out = dbonus * other * r_k;
    }
}
