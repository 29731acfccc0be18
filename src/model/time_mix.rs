//! Time mixing: from the tokens to receptance, decay, key, value, in-context
//! learning rate and gate, through the WKV-7 recurrence, and back.

use burn::tensor::{Tensor, activation::sigmoid};

use super::normalization::normalize;
use crate::kernels::wkv7::{Wkv7Inputs, wkv7};

/// exp(-0.5): the decay lies between exp(-this) and 1 (RWKV-LM x070).
const DECAY_SCALE: f64 = 0.606_530_659_712_633_4;
/// The group norm's epsilon (RWKV-LM x070).
const GROUP_NORM_EPSILON: f64 = 64e-5;
/// Smallest norm that kk is divided by (`torch.nn.functional.normalize`).
const MIN_NORM: f64 = 1e-12;

/// A low-rank map with an offset: `offset + f(x down) up`.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    /// [C].
    pub offset: Tensor<1>,
    /// [C, rank].
    pub down: Tensor<2>,
    /// [rank, C].
    pub up: Tensor<2>,
}

/// The frozen parameters of one layer's time mixing.
#[derive(Debug, Clone)]
pub(super) struct TimeMix {
    /// How much of the previous token r, w, k, v, a and g see, [C] each.
    pub mix: [Tensor<1>; 6],
    pub decay: LowRank,
    pub iclr: LowRank,
    /// Share of the first layer's value; absent in the first layer.
    pub value_residual: Option<LowRank>,
    /// [C, rank] and [rank, C].
    pub gate: (Tensor<2>, Tensor<2>),
    /// [C].
    pub k_k: Tensor<1>,
    /// [C].
    pub k_a: Tensor<1>,
    /// [H, N].
    pub r_k: Tensor<2>,
    /// [C, C], out by in.
    pub receptance: Tensor<2>,
    /// [C, C].
    pub key: Tensor<2>,
    /// [C, C].
    pub value: Tensor<2>,
    /// [C, C].
    pub output: Tensor<2>,
    /// Group norm weight and bias, [C] each.
    pub ln_x: (Tensor<1>, Tensor<1>),
}

/// `x` [B, T, in] by a weight stored as [out, in] → [B, T, out].
pub(super) fn linear(x: Tensor<3>, weight: &Tensor<2>) -> Tensor<3> {
    matmul(x, weight.clone().transpose())
}

/// `x` [B, T, in] by `weight` [in, out], as one product over all tokens.
fn matmul(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    let [n_batch, n_tokens, n_in] = x.dims();
    let n_out = weight.dims()[1];
    x.reshape([n_batch * n_tokens, n_in])
        .matmul(weight)
        .reshape([n_batch, n_tokens, n_out])
}

/// Every token's predecessor: `x` moved by one, `last` [B, C] in front.
pub(super) fn shifted(x: &Tensor<3>, last: Tensor<2>) -> Tensor<3> {
    let [_, n_tokens, _] = x.dims();
    let first = last.unsqueeze_dim(1);
    if n_tokens == 1 {
        return first;
    }
    Tensor::cat(vec![first, x.clone().narrow(1, 0, n_tokens - 1)], 1)
}

/// What time mixing gives.
pub(super) struct TimeMixOutput {
    /// [B, T, C].
    pub x: Tensor<3>,
    /// The value of the first layer, [B, T, C].
    pub v_first: Tensor<3>,
    /// The state after the last token, [B, H, N, N].
    pub wkv: Tensor<4>,
}

impl TimeMix {
    /// `x`: [B, T, C], the normalised input; `last`: [B, C], the one before it;
    /// `state`: [B or 1, H, N, N]; `v_first`: the first layer's value, absent in
    /// the first layer.
    pub fn forward(
        &self,
        x: Tensor<3>,
        last: Tensor<2>,
        state: Tensor<4>,
        v_first: Option<Tensor<3>>,
    ) -> TimeMixOutput {
        let [n_batch, n_tokens, n_embd] = x.dims();
        let [n_head, head_size] = self.r_k.dims();
        let heads = |x: Tensor<3>| x.reshape([n_batch, n_tokens, n_head, head_size]);
        let shift = shifted(&x, last) - x.clone();
        let [xr, xw, xk, xv, xa, xg] = self
            .mix
            .each_ref()
            .map(|mix| x.clone() + shift.clone() * mix.clone().unsqueeze());

        let r = heads(linear(xr, &self.receptance));
        let k = linear(xk, &self.key);
        let v = linear(xv.clone(), &self.value);
        let (v, v_first) = match (&self.value_residual, v_first) {
            (Some(residual), Some(v_first)) => {
                let share = sigmoid(residual.forward(xv, |x| x));
                (v.clone() + (v_first.clone() - v) * share, v_first)
            }
            _ => (v.clone(), v),
        };
        let w = (sigmoid(self.decay.forward(xw, Tensor::tanh)) * -DECAY_SCALE).exp();
        let iclr = sigmoid(self.iclr.forward(xa, |x| x));
        let gate = matmul(
            sigmoid(matmul(xg, self.gate.0.clone())),
            self.gate.1.clone(),
        );
        let kk = unit_length(heads(k.clone() * self.k_k.clone().unsqueeze()));
        let k = heads(k * ((iclr.clone() - 1.0) * self.k_a.clone().unsqueeze() + 1.0));
        let v = heads(v);

        let inputs = Wkv7Inputs {
            r: r.clone(),
            w: heads(w),
            k: k.clone(),
            v: v.clone(),
            removal: -kk.clone(),
            write: kk * heads(iclr),
        };
        let wkv = wkv7(&inputs, state, false);
        let normed = normalize(wkv.y, GROUP_NORM_EPSILON).reshape([n_batch, n_tokens, n_embd])
            * self.ln_x.0.clone().unsqueeze()
            + self.ln_x.1.clone().unsqueeze();
        let bonus = (r * k * self.r_k.clone().unsqueeze()).sum_dim(3) * v;
        let out = (normed + bonus.reshape([n_batch, n_tokens, n_embd])) * gate;
        TimeMixOutput {
            x: linear(out, &self.output),
            v_first,
            wkv: wkv.last_state,
        }
    }
}

impl LowRank {
    /// `x`: [B, T, C] → [B, T, C].
    fn forward(&self, x: Tensor<3>, f: impl Fn(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        let low = f(matmul(x, self.down.clone()));
        matmul(low, self.up.clone()) + self.offset.clone().unsqueeze()
    }
}

/// Every vector of the last dimension divided by its length.
fn unit_length(x: Tensor<4>) -> Tensor<4> {
    let norm = x.clone().powi_scalar(2).sum_dim(3).sqrt();
    x / norm.clamp_min(MIN_NORM)
}
