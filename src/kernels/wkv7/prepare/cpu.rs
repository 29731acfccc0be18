//! [`Prepare`] on the CPU, head by head.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{DECAY_SCALE, MIN_NORM, Prepare, Prepared, Projections};
use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{self, Task, mul_add, sum2, sum3};
use crate::kernels::cpu::tensor::{Flat, for_rows, written};

impl Prepare {
    /// [`Prepare::forward`] on all threads.
    pub(super) fn forward_cpu(&self, projections: &Projections, head_size: usize) -> Prepared {
        let [n_batch, n_tokens, n_embd] = projections.key.dims();
        let inputs = CpuInputs::new(self, projections, head_size);
        let mut outputs: [_; 5] =
            std::array::from_fn(|_| Unwritten::new(n_batch * n_tokens * n_embd));
        let rows = outputs.each_mut().map(Unwritten::rows);
        for_rows(n_batch * n_tokens, |tokens| Forward {
            inputs: inputs.slices(),
            outputs: rows.each_ref(),
            tokens,
        });
        let shape = [n_batch, n_tokens, n_embd / head_size, head_size];
        // SAFETY: the tasks above wrote every row.
        let [w, k, v, removal, write] = outputs.map(|values| unsafe { written(values, shape) });
        Prepared {
            w,
            k,
            v,
            removal,
            write,
        }
    }

    /// [`Prepare::backward`] on all threads: of key, value, decay, iclr and share.
    pub(super) fn backward_cpu(
        &self,
        projections: &Projections,
        upstream: &[Tensor<4>; 5],
        head_size: usize,
    ) -> [Tensor<3>; 5] {
        let shape = projections.key.dims();
        let [n_batch, n_tokens, n_embd] = shape;
        let inputs = CpuInputs::new(self, projections, head_size);
        let upstream = upstream.each_ref().map(Flat::new);
        let mut outputs: [_; 5] =
            std::array::from_fn(|_| Unwritten::new(n_batch * n_tokens * n_embd));
        let rows = outputs.each_mut().map(Unwritten::rows);
        for_rows(n_batch * n_tokens, |tokens| Backward {
            inputs: inputs.slices(),
            upstream: upstream.each_ref().map(Flat::slice),
            outputs: rows.each_ref(),
            tokens,
        });
        // SAFETY: the tasks above wrote every row.
        outputs.map(|values| unsafe { written(values, shape) })
    }
}

/// Parameters and projections on the CPU.
struct CpuInputs {
    /// w0, a0, k_k, k_a.
    parameters: [Flat; 4],
    /// key, value, decay, iclr.
    projections: [Flat; 4],
    /// v0, share, v_first.
    share: Option<[Flat; 3]>,
    head_size: usize,
}

impl CpuInputs {
    fn new(prepare: &Prepare, projections: &Projections, head_size: usize) -> Self {
        let (p, x) = (prepare, projections);
        Self {
            parameters: [&p.decay, &p.iclr, &p.k_k, &p.k_a].map(Flat::new),
            projections: [&x.key, &x.value, &x.decay, &x.iclr].map(Flat::new),
            share: match (&p.share, &x.share) {
                (Some(offset), Some((share, v_first))) => {
                    Some([Flat::new(offset), Flat::new(share), Flat::new(v_first)])
                }
                _ => None,
            },
            head_size,
        }
    }

    fn slices(&self) -> Slices<'_> {
        Slices {
            parameters: self.parameters.each_ref().map(Flat::slice),
            projections: self.projections.each_ref().map(Flat::slice),
            share: self
                .share
                .as_ref()
                .map(|share| share.each_ref().map(Flat::slice)),
            head_size: self.head_size,
        }
    }
}

struct Slices<'a> {
    parameters: [&'a [f32]; 4],
    projections: [&'a [f32]; 4],
    share: Option<[&'a [f32]; 3]>,
    head_size: usize,
}

/// One head of one token.
struct HeadSlices<'a> {
    w0: &'a [f32],
    a0: &'a [f32],
    k_k: &'a [f32],
    k_a: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    decay: &'a [f32],
    iclr: &'a [f32],
    /// v0, share, v_first.
    share: Option<[&'a [f32]; 3]>,
}

impl<'a> Slices<'a> {
    /// The head of a token at `start` in [B, T, C].
    #[inline(always)]
    fn head(&self, start: usize) -> HeadSlices<'a> {
        let n = self.head_size;
        let channel = start % self.parameters[0].len();
        let [w0, a0, k_k, k_a] = self.parameters.map(|p| &p[channel..][..n]);
        let [key, value, decay, iclr] = self.projections.map(|x| &x[start..][..n]);
        let share = self.share.map(|[offset, share, v_first]| {
            [
                &offset[channel..][..n],
                &share[start..][..n],
                &v_first[start..][..n],
            ]
        });
        HeadSlices {
            w0,
            a0,
            k_k,
            k_a,
            key,
            value,
            decay,
            iclr,
            share,
        }
    }

    /// Where the heads of these tokens start in [B, T, C].
    #[inline(always)]
    fn starts(&self, tokens: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let c = self.parameters[0].len();
        (tokens.start * c..tokens.end * c).step_by(self.head_size)
    }
}

impl HeadSlices<'_> {
    /// |key * k_k|, and what it is divided by.
    #[inline(always)]
    fn norm(&self) -> (f32, f32) {
        let norm = sum2(self.key, self.k_k, |key, k_k| (key * k_k) * (key * k_k)).sqrt();
        (norm, norm.max(MIN_NORM))
    }
}

struct Forward<'a> {
    inputs: Slices<'a>,
    /// w, k, v, removal, write.
    outputs: [&'a Rows<'a>; 5],
    tokens: Range<usize>,
}

impl Task for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let n = self.inputs.head_size;
        for start in self.inputs.starts(&self.tokens) {
            // SAFETY: every task writes the rows of its own tokens.
            let [w, k, v, removal, write] =
                self.outputs.map(|rows| unsafe { rows.slice(start, n) });
            let x = self.inputs.head(start);
            decay::<FMA>(&x, w);
            keys::<FMA>(&x, k, removal, write);
            value::<FMA>(&x, v);
        }
    }
}

#[inline(always)]
fn decay<const FMA: bool>(x: &HeadSlices, w: &mut [f32]) {
    for ((w, low), offset) in w.iter_mut().zip(x.decay).zip(x.w0) {
        *w = simd::exp::<FMA>(-DECAY_SCALE * simd::sigmoid::<FMA>(low + offset));
    }
}

#[inline(always)]
fn keys<const FMA: bool>(x: &HeadSlices, k: &mut [f32], removal: &mut [f32], write: &mut [f32]) {
    let scale = 1.0 / x.norm().1;
    for ((iclr, low), offset) in write.iter_mut().zip(x.iclr).zip(x.a0) {
        *iclr = simd::sigmoid::<FMA>(low + offset);
    }
    let keys = x.key.iter().zip(x.k_a);
    for ((k, (key, k_a)), iclr) in k.iter_mut().zip(keys).zip(&*write) {
        *k = key * mul_add::<FMA>(iclr - 1.0, *k_a, 1.0);
    }
    let keys = x.key.iter().zip(x.k_k);
    for ((removal, write), (key, k_k)) in removal.iter_mut().zip(write).zip(keys) {
        let kk = key * k_k * scale;
        *removal = -kk;
        *write *= kk;
    }
}

#[inline(always)]
fn value<const FMA: bool>(x: &HeadSlices, v: &mut [f32]) {
    let Some([offset, share, v_first]) = x.share else {
        return v.copy_from_slice(x.value);
    };
    let values = x.value.iter().zip(v_first);
    for ((v, (value, first)), (share, offset)) in
        v.iter_mut().zip(values).zip(share.iter().zip(offset))
    {
        let share = simd::sigmoid::<FMA>(share + offset);
        *v = mul_add::<FMA>(first - value, share, *value);
    }
}

struct Backward<'a> {
    inputs: Slices<'a>,
    /// Of w, k, v, removal, write.
    upstream: [&'a [f32]; 5],
    /// Of key, value, decay, iclr, share.
    outputs: [&'a Rows<'a>; 5],
    tokens: Range<usize>,
}

impl Task for Backward<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let n = self.inputs.head_size;
        for start in self.inputs.starts(&self.tokens) {
            let [dw, dk, dv, dremoval, dwrite] = self.upstream.map(|d| &d[start..][..n]);
            // SAFETY: every task writes the rows of its own tokens.
            let [dkey, dvalue, ddecay, diclr, dshare] =
                self.outputs.map(|rows| unsafe { rows.slice(start, n) });
            let x = self.inputs.head(start);
            decay_backward::<FMA>(&x, dw, ddecay);
            keys_backward::<FMA>(&x, [dk, dremoval, dwrite], dkey, diclr);
            value_backward::<FMA>(&x, dv, dvalue, dshare);
        }
    }
}

#[inline(always)]
fn decay_backward<const FMA: bool>(x: &HeadSlices, dw: &[f32], ddecay: &mut [f32]) {
    let inputs = x.decay.iter().zip(x.w0).zip(dw);
    for (ddecay, ((low, offset), dw)) in ddecay.iter_mut().zip(inputs) {
        let decay = simd::sigmoid::<FMA>(low + offset);
        let w = simd::exp::<FMA>(-DECAY_SCALE * decay);
        *ddecay = dw * w * -DECAY_SCALE * decay * (1.0 - decay);
    }
}

#[inline(always)]
fn keys_backward<const FMA: bool>(
    x: &HeadSlices,
    [dk, dremoval, dwrite]: [&[f32]; 3],
    dkey: &mut [f32],
    diclr: &mut [f32],
) {
    let (norm, divisor) = x.norm();
    let scale = 1.0 / divisor;
    for ((iclr, low), offset) in diclr.iter_mut().zip(x.iclr).zip(x.a0) {
        *iclr = simd::sigmoid::<FMA>(low + offset);
    }
    // Here the gradient of kk; its part along kk goes below.
    let upstream = dremoval.iter().zip(dwrite);
    for ((dkk, (dremoval, dwrite)), iclr) in dkey.iter_mut().zip(upstream).zip(&*diclr) {
        *dkk = mul_add::<FMA>(*dwrite, *iclr, -dremoval);
    }
    // A vector shorter than the smallest norm is scaled, not normalised.
    let along = if norm > MIN_NORM {
        sum3(dkey, x.key, x.k_k, |d, key, k_k| d * key * k_k) * scale
    } else {
        0.0
    };
    let keys = x.key.iter().zip(x.k_k).zip(x.k_a);
    let upstream = dk.iter().zip(dwrite);
    let outputs = dkey.iter_mut().zip(diclr);
    for ((((key, k_k), k_a), (dk, dwrite)), (dkey, iclr)) in keys.zip(upstream).zip(outputs) {
        let kk = key * k_k * scale;
        let of_iclr = mul_add::<FMA>(dk * key, *k_a, dwrite * kk);
        let through_k = dk * mul_add::<FMA>(*iclr - 1.0, *k_a, 1.0);
        *dkey = mul_add::<FMA>((*dkey - kk * along) * scale, *k_k, through_k);
        *iclr = of_iclr * *iclr * (1.0 - *iclr);
    }
}

#[inline(always)]
fn value_backward<const FMA: bool>(
    x: &HeadSlices,
    dv: &[f32],
    dvalue: &mut [f32],
    dshare: &mut [f32],
) {
    let Some([offset, share, v_first]) = x.share else {
        dshare.fill(0.0);
        return dvalue.copy_from_slice(dv);
    };
    let inputs = x.value.iter().zip(v_first).zip(share.iter().zip(offset));
    let outputs = dvalue.iter_mut().zip(dshare);
    for ((((value, first), (share, offset)), dv), (dvalue, dshare)) in inputs.zip(dv).zip(outputs) {
        let share = simd::sigmoid::<FMA>(share + offset);
        *dvalue = dv * (1.0 - share);
        *dshare = dv * (first - value) * share * (1.0 - share);
    }
}
