//! From lifted vectors to what the lifted operator reads, and back.

use burn::tensor::Tensor;

use super::{BranchInputGradients, BranchInputs, heads_first, tokens_first};
use crate::kernels::lifted::vectors::{KeySide, LiftedVectors};
use crate::kernels::wkv7::{Wkv7Gradients, Wkv7Inputs};

/// Smallest norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// Vectors of every token, [B, T, H, N] or lifted [B, T, H, M]: the receptance,
/// the key and kk first, then what else the rule lifts. Stacked they are
/// [H, n * B * T, N or M], one kind behind the other.
pub(super) type Vectors = Vec<Tensor<4>>;

/// What a recurrence does with lifted vectors.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one a layer")]
pub enum LiftedRule {
    /// Beside the model's own recurrence, whose rates it follows:
    ///
    /// ```text
    /// Z_t = Z_{t-1} diag(P w_t) - i_t (Z_{t-1} c_t) c_t^T + beta v_t d_t^T
    /// c = norm(R phi(kk))      d = norm(R phi(k))      y_t = Z_t R phi(r_t)
    /// ```
    ///
    /// i is the mean in-context learning rate of the head, weighted by kk^2.
    Recurrent {
        /// P, rows sum to 1, [H, M, N].
        averages: Tensor<3>,
        /// beta, `[H]`.
        gate: Tensor<1>,
    },
    /// The paper's, in place of the model's own:
    ///
    /// ```text
    /// Z_t = Z_{t-1} (diag(R phi(w)) - R phi(kk) (R phi(a) * R phi(kk))^T) + Q R phi(v) (R phi(k))^T
    /// y_t = Z_t R phi(r_t)
    /// ```
    ///
    /// a is the in-context learning rate; the decay is clamped to 0 to 1.
    Literal {
        /// Q, [N, M].
        projection: Tensor<2>,
    },
}

/// Gradients on the way back from the operator.
pub(super) struct RuleGradients {
    /// Of the lifted vectors, stacked.
    pub lifted: Tensor<3>,
    /// Of the write gate, `[H]`, where there is one.
    pub gate: Option<Tensor<1>>,
    /// Of what the rule reads without lifting it.
    pub direct: DirectGradients,
}

/// Gradients of what a rule reads without lifting it, [B, T, H, N].
#[derive(Default)]
pub(super) struct DirectGradients {
    w: Option<Tensor<4>>,
    v: Option<Tensor<4>>,
    removal: Option<Tensor<4>>,
    write: Option<Tensor<4>>,
}

impl LiftedRule {
    /// Whether it stands in place of the model's own recurrence.
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Recurrent { .. } => false,
            Self::Literal { .. } => true,
        }
    }

    /// What it lifts of every token.
    pub(super) fn vectors(&self, inputs: &BranchInputs<'_>) -> Vectors {
        let wkv = inputs.wkv;
        let mut all = vec![wkv.r.clone(), wkv.k.clone(), -wkv.removal.clone()];
        if self.is_literal() {
            let Some(iclr) = &inputs.iclr else {
                unreachable!("a branch that reads it is given it")
            };
            all.extend([wkv.w.clone(), iclr.clone(), wkv.v.clone()]);
        }
        all
    }

    /// What the operator reads for the `lifted` vectors, stacked. A literal
    /// recurrence neither decays nor takes anything up where `real` is 0.
    pub(super) fn inputs(
        &self,
        lifted: &Tensor<3>,
        inputs: &BranchInputs<'_>,
        real: Option<&Tensor<4>>,
    ) -> Wkv7Inputs {
        let wkv = inputs.wkv;
        match self {
            Self::Recurrent { averages, gate } => {
                let KeySide {
                    r,
                    k,
                    removal,
                    write,
                } = residual_vectors(lifted, gate, inputs).forward();
                Wkv7Inputs {
                    r,
                    w: per_head(wkv.w.clone(), averages.clone().swap_dims(1, 2)),
                    k,
                    v: wkv.v.clone(),
                    removal,
                    write,
                }
            }
            Self::Literal { projection } => {
                let [r, k, kk, w, iclr, v] = six(lifted, inputs);
                let w = w.clamp(0.0, 1.0);
                Wkv7Inputs {
                    r,
                    w: match real {
                        Some(real) => w * real.clone() - real.clone() + 1.0,
                        None => w,
                    },
                    k: where_real(k, real),
                    v: v.matmul(projection.clone().transpose().unsqueeze::<4>()),
                    removal: where_real(-kk.clone(), real),
                    write: iclr * kk,
                }
            }
        }
    }

    /// Share of the decays that are clamped, `[1]`, where they are.
    pub(super) fn clamped(
        &self,
        lifted: &Tensor<3>,
        inputs: &BranchInputs<'_>,
        real: Option<&Tensor<4>>,
    ) -> Option<Tensor<1>> {
        self.is_literal().then(|| {
            let [_, _, _, w, ..] = six(lifted, inputs);
            let below = w.clone().lower_elem(0.0);
            let clamped = below.bool_or(w.greater_elem(1.0)).float();
            match real {
                Some(real) => where_real(clamped, Some(real)).mean() / real.clone().mean(),
                None => clamped.mean(),
            }
        })
    }

    /// From the gradients of the operator's inputs to those of the `lifted`
    /// vectors, stacked.
    pub(super) fn backward(
        &self,
        lifted: &Tensor<3>,
        inputs: &BranchInputs<'_>,
        real: Option<&Tensor<4>>,
        g: Wkv7Gradients,
    ) -> RuleGradients {
        match self {
            Self::Recurrent { averages, gate } => {
                let vectors = residual_vectors(lifted, gate, inputs);
                let rate = vectors.rate.clone();
                let back = vectors.backward(KeySide {
                    r: g.r,
                    k: g.k,
                    removal: g.removal,
                    write: g.write,
                });
                let (removal, write) = (&inputs.wkv.removal, &inputs.wkv.write);
                let (dremoval, dwrite) = mean_rate_backward(removal, write, &rate, back.rate);
                RuleGradients {
                    lifted: back.lifted,
                    gate: Some(back.gate),
                    direct: DirectGradients {
                        w: Some(per_head(g.w, averages.clone())),
                        v: Some(g.v),
                        removal: Some(dremoval),
                        write: Some(dwrite),
                    },
                }
            }
            Self::Literal { projection } => {
                let [_, _, kk, w, iclr, _] = six(lifted, inputs);
                let kept = w.clone().equal(w.clamp(0.0, 1.0)).float();
                let all = vec![
                    g.r,
                    where_real(g.k, real),
                    g.write.clone() * iclr - where_real(g.removal, real),
                    where_real(g.w * kept, real),
                    g.write * kk,
                    g.v.matmul(projection.clone().unsqueeze::<4>()),
                ];
                RuleGradients {
                    lifted: stacked(&all),
                    gate: None,
                    direct: DirectGradients::default(),
                }
            }
        }
    }

    /// The gradients of what the branch reads, from those of the vectors before
    /// they were lifted and of the rest.
    pub(super) fn input_gradients(
        &self,
        dx: Vectors,
        direct: DirectGradients,
    ) -> BranchInputGradients {
        let [r, k, removal] = [&dx[0], &dx[1], &dx[2]].map(Clone::clone);
        let removal = -removal;
        let mut rest = dx.into_iter().skip(3);
        let (w, iclr, v) = (rest.next(), rest.next(), rest.next());
        BranchInputGradients {
            r,
            w: w.or(direct.w),
            k: Some(k),
            v: v.or(direct.v),
            removal: Some(match direct.removal {
                Some(direct) => removal + direct,
                None => removal,
            }),
            write: direct.write,
            iclr,
        }
    }
}

/// [B, T, H, any] each → [H, n * B * T, any].
pub(super) fn stacked(vectors: &Vectors) -> Tensor<3> {
    let heads = vectors.iter().map(|x| heads_first(x.clone()));
    Tensor::cat(heads.collect(), 1)
}

/// The reverse.
pub(super) fn unstacked(rows: &Tensor<3>, inputs: &BranchInputs<'_>) -> Vectors {
    let [n_batch, n_tokens, n_head, _] = inputs.wkv.r.dims();
    let n_rows = n_batch * n_tokens;
    let [_, n_all, size] = rows.dims();
    let shape = [n_batch, n_tokens, n_head, size];
    (0..n_all / n_rows)
        .map(|idx| tokens_first(rows.clone().narrow(1, idx * n_rows, n_rows), shape))
        .collect()
}

/// `x` where there is a token, 0 where there is padding.
fn where_real(x: Tensor<4>, real: Option<&Tensor<4>>) -> Tensor<4> {
    match real {
        Some(real) => x * real.clone(),
        None => x,
    }
}

fn six(lifted: &Tensor<3>, inputs: &BranchInputs<'_>) -> [Tensor<4>; 6] {
    let vectors = unstacked(lifted, inputs);
    std::array::from_fn(|idx| vectors[idx].clone())
}

fn residual_vectors(
    lifted: &Tensor<3>,
    gate: &Tensor<1>,
    inputs: &BranchInputs<'_>,
) -> LiftedVectors {
    LiftedVectors {
        lifted: lifted.clone(),
        rate: mean_rate(&inputs.wkv.removal, &inputs.wkv.write),
        gate: gate.clone(),
    }
}

/// [B, T, H, any] times a matrix of every head, [H, any, other].
fn per_head(x: Tensor<4>, matrices: Tensor<3>) -> Tensor<4> {
    let [n_batch, n_tokens, n_head, _] = x.dims();
    let other = matrices.dims()[2];
    let shape = [n_batch, n_tokens, n_head, other];
    tokens_first(heads_first(x).matmul(matrices), shape)
}

/// The mean in-context learning rate of a head, weighted by kk^2, where
/// `removal` is -kk and `write` kk times the rate, [B, T, H, 1].
fn mean_rate(removal: &Tensor<4>, write: &Tensor<4>) -> Tensor<4> {
    let products = (removal.clone() * write.clone()).sum_dim(3);
    -products / square(removal)
}

fn square(x: &Tensor<4>) -> Tensor<4> {
    x.clone().powi_scalar(2).sum_dim(3).clamp_min(MIN_NORM)
}

fn mean_rate_backward(
    removal: &Tensor<4>,
    write: &Tensor<4>,
    rate: &Tensor<4>,
    drate: Tensor<4>,
) -> (Tensor<4>, Tensor<4>) {
    let drate = drate / square(removal);
    let dremoval = (write.clone() + removal.clone() * rate.clone() * 2.0) * -drate.clone();
    (dremoval, -removal.clone() * drate)
}
