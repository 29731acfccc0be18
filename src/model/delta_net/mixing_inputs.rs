//! From the normalised stream to what the recurrence reads, and back.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use crate::kernels::matrix::Matrix;
use crate::kernels::rectangular::{repeat_heads, sum_heads};
use crate::kernels::rms_norm::{l2_norm, l2_norm_backward};
use crate::kernels::short_conv::ShortConv;
use crate::kernels::silu::softplus;
use crate::kernels::wkv7::{Wkv7Gradients, Wkv7Inputs};
use crate::model::linear::{linear, linear_backward, n_values};

/// Keeps the length of q and k away from zero (fla `l2norm`).
const L2_EPSILON: f64 = 1e-6;

/// The frozen parameters.
#[derive(Debug, Clone)]
pub(in crate::model) struct Inputs {
    /// Heads of keys. Those of values that stand beside each other share one.
    pub n_key_head: usize,
    /// [H' K, C], H' the heads of keys.
    pub query: Matrix,
    /// [H' K, C].
    pub key: Matrix,
    /// [H V, C].
    pub value: Matrix,
    /// Of q, k and v behind each other, D = 2 H' K + H V channels.
    pub conv: ShortConv,
    /// Of the decay, [H, C].
    pub a: Matrix,
    /// Of the rate, [H, C].
    pub b: Matrix,
    /// `exp(A_log)`, `[H]`.
    pub speed: Tensor<1>,
    /// `[H]`.
    pub dt_bias: Tensor<1>,
    /// The largest rate beta: 1, or 2 where eigenvalues may be negative.
    pub largest_rate: f32,
}

/// What is made of the stream.
pub(super) struct Made {
    pub wkv: Wkv7Inputs,
    /// The last inputs of the convolutions, [B, 3 D].
    pub last: Tensor<2>,
    pub tape: InputsTape,
}

/// What the backward pass reads beside what the recurrence does.
#[derive(Debug, Clone)]
pub(super) struct InputsTape {
    /// In front of the convolutions, [B, T, D].
    projected: Tensor<3>,
    /// The same of the tokens before, [B, 3, D].
    before: Tensor<3>,
    /// Behind the convolutions, in front of the norms, [B, T, D].
    convolved: Tensor<3>,
    /// `a x + dt_bias`, [B, T, H].
    step: Tensor<3>,
    /// `sigmoid(b x)`, [B, T, H].
    rate: Tensor<3>,
}

impl InputsTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let Self {
            projected,
            before,
            convolved,
            step,
            rate,
        } = self;
        let all = [projected, before, convolved, step, rate];
        all.map(n_values).iter().sum()
    }
}

impl Inputs {
    fn n_head(&self) -> usize {
        self.speed.dims()[0]
    }

    /// `x`: the normalised stream, [B, T, C]; `before`: what the convolutions read of
    /// the tokens before, [B, 3 D].
    pub(super) fn forward(&self, x: Tensor<3>, before: Tensor<2>) -> Made {
        let projections = [&self.query, &self.key, &self.value];
        let projected = projections.map(|matrix| linear(x.clone(), matrix));
        let projected = Tensor::cat(projected.into(), 2);
        let [n_batch, _, n_channels] = projected.dims();
        let n_before = self.conv.n_before();
        let before = before.reshape([n_batch, n_before, n_channels]);
        let (convolved, last) = self.conv.forward(projected.clone(), before.clone());
        let [q, k, v] = self.parts(&convolved);
        let (times, key_size) = (self.times(), q.dims()[3]);
        let k = repeat_heads(l2_norm(k, L2_EPSILON), times);
        let q = repeat_heads(l2_norm(q, L2_EPSILON) * query_scale(key_size), times);
        let step = linear(x.clone(), &self.a) + self.dt_bias.clone().unsqueeze::<3>();
        let rate = sigmoid(linear(x, &self.b));
        let beta = self.beta(&rate);
        let decay = self.decay(&step);
        let wkv = Wkv7Inputs {
            r: q,
            w: decay.clone().expand(k.dims()),
            removal: k.clone() * (beta.clone() * decay).neg(),
            write: k.clone(),
            v: v * beta,
            k,
        };
        Made {
            wkv,
            last: last.reshape([n_batch, n_before * n_channels]),
            tape: InputsTape {
                projected,
                before,
                convolved,
                step,
                rate,
            },
        }
    }

    /// The gradients of the normalised stream, [B, T, C], and of `before`, for
    /// `through`, those of `wkv`, and for `dlast`, that of the last inputs of the
    /// convolutions, where something reads them.
    pub(super) fn backward(
        &self,
        tape: &InputsTape,
        wkv: &Wkv7Inputs,
        through: Wkv7Gradients,
        dlast: Option<Tensor<2>>,
    ) -> (Tensor<3>, Tensor<2>) {
        let [q, k, v] = self.parts(&tape.convolved);
        let (times, key_size) = (self.times(), q.dims()[3]);
        let [n_batch, n_tokens, n_head, _] = v.dims();
        let beta = self.beta(&tape.rate);
        let decay = self.decay(&tape.step);
        // removal = -beta decay k.
        let along = (through.removal.clone() * wkv.k.clone()).sum_dim(3);
        let dunit =
            through.k + through.write + through.removal * (beta.clone() * decay.clone()).neg();
        let ddecay = through.w.sum_dim(3) - beta.clone() * along.clone();
        let dbeta = (through.v.clone() * v).sum_dim(3) - decay.clone() * along;
        let dread = sum_heads(through.r, times) * query_scale(key_size);
        let dq = l2_norm_backward(q, dread, L2_EPSILON);
        let dk = l2_norm_backward(k, sum_heads(dunit, times), L2_EPSILON);
        let dv = through.v * beta;
        let flat = |d: Tensor<4>| {
            let [_, _, n_head, size] = d.dims();
            d.reshape([n_batch, n_tokens, n_head * size])
        };
        let dconvolved = Tensor::cat([dq, dk, dv].map(flat).into(), 2);
        let before = tape.before.clone();
        let dlast = dlast.map(|dlast| dlast.reshape(before.dims()));
        let projected = tape.projected.clone();
        let (dprojected, dbefore) = self.conv.backward(projected, before, dconvolved, dlast);
        let [dq, dk, dv] = self.split(&dprojected);
        let dx = linear_backward(dq, &self.query)
            + linear_backward(dk, &self.key)
            + linear_backward(dv, &self.value);
        let per_head = [n_batch, n_tokens, n_head];
        // The decay is exp(-speed softplus(step)).
        let slope = sigmoid(tape.step.clone()) * self.speed.clone().neg().unsqueeze::<3>();
        let dstep = (ddecay * decay).reshape(per_head) * slope;
        let rate = tape.rate.clone();
        let drate = dbeta.reshape(per_head) * self.largest_rate;
        let drate = drate * rate.clone() * (-rate + 1.0);
        let beside = linear_backward(dstep, &self.a) + linear_backward(drate, &self.b);
        let [_, n_before, n_channels] = dbefore.dims();
        (
            dx + beside,
            dbefore.reshape([n_batch, n_before * n_channels]),
        )
    }

    /// q, k and v of [B, T, D]: [B, T, H', K] twice and [B, T, H, V].
    fn parts(&self, all: &Tensor<3>) -> [Tensor<4>; 3] {
        let [n_batch, n_tokens, _] = all.dims();
        let [q, k, v] = self.split(all);
        let heads = |x: Tensor<3>, n_head: usize| {
            let [_, _, n_channels] = x.dims();
            x.reshape([n_batch, n_tokens, n_head, n_channels / n_head])
        };
        let n_key_head = self.n_key_head;
        [
            heads(q, n_key_head),
            heads(k, n_key_head),
            heads(v, self.n_head()),
        ]
    }

    /// The channels of q, of k and of v among [B, T, D].
    fn split(&self, all: &Tensor<3>) -> [Tensor<3>; 3] {
        let [_, _, n_channels] = all.dims();
        let [n_keys, _] = self.key.dims();
        let part = |start: usize, len: usize| all.clone().narrow(2, start, len);
        [
            part(0, n_keys),
            part(n_keys, n_keys),
            part(2 * n_keys, n_channels - 2 * n_keys),
        ]
    }

    /// Heads of values that share a head of keys.
    fn times(&self) -> usize {
        self.n_head() / self.n_key_head
    }

    /// `sigmoid(b x)` as it weighs what is written, [B, T, H, 1].
    fn beta(&self, rate: &Tensor<3>) -> Tensor<4> {
        rate.clone().unsqueeze_dim::<4>(3) * self.largest_rate
    }

    /// The decay itself, [B, T, H, 1].
    fn decay(&self, step: &Tensor<3>) -> Tensor<4> {
        let speed = self.speed.clone().neg().unsqueeze::<3>();
        (softplus(step.clone()) * speed).exp().unsqueeze_dim(3)
    }
}

/// What scores are scaled by.
fn query_scale(key_size: usize) -> f32 {
    1.0 / (key_size as f32).sqrt()
}
