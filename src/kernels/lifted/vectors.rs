//! From the lifted vectors of a recurrence that stands beside the model's own
//! to what [`crate::kernels::lifted`] reads.
//!
//! ```text
//! d = norm(u_k)      c = norm(u_kk)
//! r = u_r      k = beta d      removal = c      write = -i c
//! ```
//!
//! u are the lifted receptance, key and kk of every token, i is an in-context
//! learning rate of the head and beta its write gate.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{self, Task, sum, sum2};
use crate::kernels::cpu::tensor::{Flat, for_rows, written};
use crate::kernels::device::is_cpu;

/// Smallest norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// What the vectors are made of.
#[derive(Debug, Clone)]
pub struct LiftedVectors {
    /// u_r of all tokens, then u_k, then u_kk, [H, 3 * B * T, M].
    pub lifted: Tensor<3>,
    /// i, [B, T, H, 1].
    pub rate: Tensor<4>,
    /// beta, `[H]`.
    pub gate: Tensor<1>,
}

/// The vectors of every token, or their gradients, [B, T, H, M] each.
#[derive(Debug, Clone)]
pub struct KeySide {
    /// Receptance.
    pub r: Tensor<4>,
    /// Key.
    pub k: Tensor<4>,
    /// The direction that is read to be removed.
    pub removal: Tensor<4>,
    /// Where the removed value is written.
    pub write: Tensor<4>,
}

impl LiftedVectors {
    /// B, T, H and M.
    fn sizes(&self) -> [usize; 4] {
        let [n_batch, n_tokens, n_head, _] = self.rate.dims();
        [n_batch, n_tokens, n_head, self.lifted.dims()[2]]
    }

    /// The vectors of every token.
    pub fn forward(&self) -> KeySide {
        if !is_cpu(&self.lifted.device()) {
            return self.reference();
        }
        let shape = self.sizes();
        let [n_batch, n_tokens, n_head, m] = shape;
        let inputs = CpuInputs::new(self);
        let n_rows = n_batch * n_tokens * n_head;
        let mut outputs: [_; 4] = std::array::from_fn(|_| Unwritten::new(n_rows * m));
        let rows = outputs.each_mut().map(Unwritten::rows);
        for_rows(n_rows, |range| Forward {
            inputs: inputs.slices(shape),
            outputs: rows.each_ref(),
            range,
        });
        // SAFETY: the tasks above wrote every row.
        let [r, k, removal, write] = outputs.map(|out| unsafe { written(out, shape) });
        KeySide {
            r,
            k,
            removal,
            write,
        }
    }

    /// The gradients of what the vectors are made of, in the shapes of those,
    /// for the gradients `d` of the vectors.
    pub fn backward(&self, d: KeySide) -> Self {
        if !is_cpu(&self.lifted.device()) {
            return self.backward_reference(d);
        }
        let shape = self.sizes();
        let [n_batch, n_tokens, n_head, m] = shape;
        let inputs = CpuInputs::new(self);
        let KeySide {
            r,
            k,
            removal,
            write,
        } = d;
        let upstream = [r, k, removal, write].map(|x| Flat::new(&x));
        let n_rows = n_batch * n_tokens * n_head;
        let mut lifted = Unwritten::new(3 * n_rows * m);
        let (mut rate, mut gate) = (Unwritten::new(n_rows), Unwritten::new(n_rows));
        {
            let (lifted, rate, gate) = (lifted.rows(), rate.rows(), gate.rows());
            for_rows(n_rows, |range| Backward {
                inputs: inputs.slices(shape),
                upstream: upstream.each_ref().map(Flat::slice),
                lifted: &lifted,
                rate: &rate,
                gate: &gate,
                range,
            });
        }
        let of_heads = [n_batch, n_tokens, n_head, 1];
        // SAFETY: the tasks above wrote every row.
        let gate = unsafe { written(gate, of_heads) };
        Self {
            // SAFETY: as above.
            lifted: unsafe { written(lifted, [n_head, 3 * n_batch * n_tokens, m]) },
            // SAFETY: as above.
            rate: unsafe { written(rate, of_heads) },
            gate: gate.sum_dim(1).sum_dim(0).reshape([n_head]),
        }
    }

    /// The same as [`Self::forward`] in plain, differentiable Burn operations.
    pub fn reference(&self) -> KeySide {
        let [u_r, u_k, u_kk] = self.each();
        let (d, _) = unit(&u_k);
        let (c, _) = unit(&u_kk);
        KeySide {
            r: u_r,
            k: d * self.gate.clone().reshape([1, 1, -1, 1]),
            write: -c.clone() * self.rate.clone(),
            removal: c,
        }
    }

    fn backward_reference(&self, g: KeySide) -> Self {
        let [n_batch, n_tokens, n_head, m] = self.sizes();
        let [_, u_k, u_kk] = self.each();
        let (d, d_norm) = unit(&u_k);
        let (c, c_norm) = unit(&u_kk);
        let along = (g.k.clone() * d.clone()).sum_dim(3);
        let gate = along.sum_dim(1).sum_dim(0).reshape([n_head]);
        let dd = g.k * self.gate.clone().reshape([1, 1, -1, 1]);
        let rate = -(c.clone() * g.write.clone()).sum_dim(3);
        let dc = g.removal - g.write * self.rate.clone();
        let all = [
            g.r,
            unit_backward(&d, d_norm, dd),
            unit_backward(&c, c_norm, dc),
        ];
        let all = all.map(|x| {
            let rows = [n_batch * n_tokens, n_head, m];
            x.reshape(rows).swap_dims(0, 1)
        });
        Self {
            lifted: Tensor::cat(all.to_vec(), 1),
            rate,
            gate,
        }
    }

    /// u_r, u_k and u_kk, [B, T, H, M] each.
    fn each(&self) -> [Tensor<4>; 3] {
        let shape = self.sizes();
        let n_rows = shape[0] * shape[1];
        std::array::from_fn(|idx| {
            let own = self.lifted.clone().narrow(1, idx * n_rows, n_rows);
            own.swap_dims(0, 1).reshape(shape)
        })
    }
}

/// Of length 1 along the last axis, and the length.
fn unit(x: &Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let norm = x.clone().powi_scalar(2).sum_dim(3).sqrt();
    let norm = norm.clamp_min(MIN_NORM);
    (x.clone() / norm.clone(), norm)
}

fn unit_backward(unit: &Tensor<4>, norm: Tensor<4>, dunit: Tensor<4>) -> Tensor<4> {
    let along = (unit.clone() * dunit.clone()).sum_dim(3);
    (dunit - unit.clone() * along) / norm
}

#[inline(always)]
fn inverse_norm(x: &[f32]) -> f32 {
    1.0 / sum(x, |x| x * x).sqrt().max(MIN_NORM)
}

struct CpuInputs([Flat; 3]);

impl CpuInputs {
    fn new(vectors: &LiftedVectors) -> Self {
        Self([
            Flat::new(&vectors.lifted),
            Flat::new(&vectors.rate),
            Flat::new(&vectors.gate),
        ])
    }

    fn slices(&self, shape: [usize; 4]) -> Slices<'_> {
        let [lifted, rate, gate] = self.0.each_ref().map(Flat::slice);
        Slices {
            lifted,
            rate,
            gate,
            shape,
        }
    }
}

#[derive(Clone, Copy)]
struct Slices<'a> {
    lifted: &'a [f32],
    rate: &'a [f32],
    gate: &'a [f32],
    /// B, T, H, M.
    shape: [usize; 4],
}

impl<'a> Slices<'a> {
    /// Where u_r, u_k and u_kk of a row `(b, t, h)` start.
    #[inline(always)]
    fn starts(&self, row: usize) -> [usize; 3] {
        let [n_batch, n_tokens, n_head, m] = self.shape;
        let n_rows = n_batch * n_tokens;
        let (token, head) = (row / n_head, row % n_head);
        [0, 1, 2].map(|idx| ((head * 3 + idx) * n_rows + token) * m)
    }

    #[inline(always)]
    fn each(&self, row: usize) -> [&'a [f32]; 3] {
        self.starts(row)
            .map(|start| &self.lifted[start..start + self.shape[3]])
    }
}

struct Forward<'a> {
    inputs: Slices<'a>,
    /// r, k, removal, write.
    outputs: [&'a Rows<'a>; 4],
    range: Range<usize>,
}

impl Task for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let [_, _, n_head, m] = self.inputs.shape;
        for row in self.range.clone() {
            let [u_r, u_k, u_kk] = self.inputs.each(row);
            // SAFETY: every task writes its own rows.
            let out = self.outputs.map(|out| unsafe { out.slice(row * m, m) });
            let [r, k, removal, write] = out;
            let k_scale = self.inputs.gate[row % n_head] * inverse_norm(u_k);
            let (c_scale, rate) = (inverse_norm(u_kk), self.inputs.rate[row]);
            r.copy_from_slice(u_r);
            for (k, u) in k.iter_mut().zip(u_k) {
                *k = k_scale * u;
            }
            for ((removal, write), u) in removal.iter_mut().zip(write).zip(u_kk) {
                *removal = c_scale * u;
                *write = -rate * *removal;
            }
        }
    }
}

struct Backward<'a> {
    inputs: Slices<'a>,
    /// Of r, k, removal and write.
    upstream: [&'a [f32]; 4],
    lifted: &'a Rows<'a>,
    rate: &'a Rows<'a>,
    gate: &'a Rows<'a>,
    range: Range<usize>,
}

impl Task for Backward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let [_, _, n_head, m] = self.inputs.shape;
        for row in self.range.clone() {
            let [_, u_k, u_kk] = self.inputs.each(row);
            let [g_r, g_k, g_removal, g_write] = self.upstream.map(|g| &g[row * m..][..m]);
            let starts = self.inputs.starts(row);
            // SAFETY: every task writes its own rows.
            let own = starts.map(|start| unsafe { self.lifted.slice(start, m) });
            let [to_r, to_k, to_kk] = own;
            to_r.copy_from_slice(g_r);

            let scale = inverse_norm(u_k);
            let along = scale * sum2(u_k, g_k, |u, g| u * g);
            let (outer, inner) = (self.inputs.gate[row % n_head] * scale, along * scale);
            for ((to, u), g) in to_k.iter_mut().zip(u_k).zip(g_k) {
                *to = outer * simd::mul_add::<FMA>(-inner, *u, *g);
            }

            let (scale, rate) = (inverse_norm(u_kk), self.inputs.rate[row]);
            let of_write = sum2(u_kk, g_write, |u, g| u * g);
            let of_removal = sum2(u_kk, g_removal, |u, g| u * g);
            let inner = scale * scale * (of_removal - rate * of_write);
            let gradients = g_removal.iter().zip(g_write);
            for ((to, u), (g_removal, g_write)) in to_kk.iter_mut().zip(u_kk).zip(gradients) {
                let dc = simd::mul_add::<FMA>(-rate, *g_write, *g_removal);
                *to = scale * simd::mul_add::<FMA>(-inner, *u, dc);
            }
            // SAFETY: as above.
            let (to_rate, to_gate) = unsafe { (self.rate.slice(row, 1), self.gate.slice(row, 1)) };
            (to_rate[0], to_gate[0]) = (-scale * of_write, along);
        }
    }
}
