//! The lifted recurrences as inputs of one operator with a state of N x M
//! (`kernels/lifted/mod.rs`), in plain, differentiable operations: the truth
//! that [`super::LiftedBranch`] is compared with.
//!
//! Every recurrence acts on the columns of the lifted state L [M, M] and Q on
//! its rows alone, so Z = Q L [N, M] obeys the same recurrence, with the same
//! outputs and dZ = Q dL, for N / M of the memory and the work.

use burn::tensor::Tensor;

use crate::kernels::wkv7::Wkv7Inputs;

/// Smallest norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// What the model makes of every token, [B, T, H, N] each.
#[derive(Debug, Clone)]
pub struct TokenVectors {
    /// Receptance.
    pub r: Tensor<4>,
    /// Decay.
    pub w: Tensor<4>,
    /// Key.
    pub k: Tensor<4>,
    /// Value.
    pub v: Tensor<4>,
    /// The normalised removal key.
    pub kk: Tensor<4>,
    /// In-context learning rate.
    pub iclr: Tensor<4>,
}

/// Features and their decorrelation, of every head.
#[derive(Debug, Clone)]
pub struct HeadFeatures {
    /// What is made of a vector.
    pub map: LiteralMap,
    /// Taken off what is made of it, [H, M].
    pub mean: Option<Tensor<2>>,
    /// R, [H, M, M].
    pub r: Tensor<3>,
}

/// From N numbers to M.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a layer, and the other is for tests"
)]
pub enum LiteralMap {
    /// `exp(-gamma |x - u|^2)`.
    Radial {
        /// u, [H, M, N].
        support_vectors: Tensor<3>,
        /// `[H]`.
        gamma: Tensor<1>,
        /// Whether x is made a unit vector first, as the residual formulation
        /// does and the paper does not.
        normalizes: bool,
    },
    /// The vector itself, M = N: what tests compare with.
    Identity,
}

impl HeadFeatures {
    /// `R phi(x)`: [B, T, H, N] → [B, T, H, M].
    pub fn lift(&self, x: Tensor<4>) -> Tensor<4> {
        let [n_batch, n_tokens, n_head, n] = x.dims();
        let x = x.reshape([n_batch * n_tokens, n_head, n]).swap_dims(0, 1);
        let features = self.map.forward(x);
        let features = match &self.mean {
            Some(mean) => features - mean.clone().unsqueeze_dim(1),
            None => features,
        };
        let m = self.r.dims()[1];
        features
            .matmul(self.r.clone().swap_dims(1, 2))
            .swap_dims(0, 1)
            .reshape([n_batch, n_tokens, n_head, m])
    }
}

impl LiteralMap {
    /// [H, rows, N] → [H, rows, M].
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Identity => x,
            Self::Radial {
                support_vectors,
                gamma,
                normalizes,
            } => {
                let square = |x: &Tensor<3>| x.clone().powi_scalar(2).sum_dim(2);
                let x = if *normalizes {
                    x.clone() / square(&x).sqrt().clamp_min(MIN_NORM)
                } else {
                    x
                };
                let products = x.clone().matmul(support_vectors.clone().swap_dims(1, 2));
                let of_vectors = square(support_vectors).swap_dims(1, 2);
                let distance = square(&x) + of_vectors - products * 2.0;
                (distance * gamma.clone().neg().reshape([-1, 1, 1])).exp()
            }
        }
    }
}

/// `L_t = L_{t-1} diag(w~_t) - i_t (L_{t-1} c_t) c_t^T + beta (Q^T v_t) d_t^T`
/// on Z = Q L, where Q Q^T = I leaves v as it is: c = norm(R phi(kk)),
/// d = norm(R phi(k)), i the kk^2-weighted mean in-context rate, w~ = P w.
/// `averages` is P, [H, M, N]; `beta` the write gate, `[H]`.
pub fn recurrent(
    tokens: &TokenVectors,
    features: &HeadFeatures,
    averages: Tensor<3>,
    beta: Tensor<1>,
) -> Wkv7Inputs {
    let average = HeadFeatures {
        map: LiteralMap::Identity,
        mean: None,
        r: averages,
    };
    let TokenVectors {
        r,
        w,
        k,
        v,
        kk,
        iclr,
    } = tokens.clone();
    let square = kk.clone().powi_scalar(2);
    let rate = (square.clone() * iclr).sum_dim(3) / square.sum_dim(3).clamp_min(MIN_NORM);
    let c = unit(features.lift(kk));
    Wkv7Inputs {
        r: features.lift(r),
        w: average.lift(w),
        k: unit(features.lift(k)) * beta.reshape([1, 1, -1, 1]),
        v,
        write: -c.clone() * rate,
        removal: c,
    }
}

/// The paper's recurrence as it is printed, on Z = Q S:
///
/// ```text
/// S_t = S_{t-1} (diag(R phi(w)) - R phi(kk) (R phi(a) * R phi(kk))^T) + R phi(v) (R phi(k))^T
/// y_t = Q S_t R phi(r)
/// ```
///
/// The key axis is contracted, and the decay is clamped to 0 to 1; gives the share that was, `[1]`, too.
/// `projection` is Q, [N, M]; the identity [M, M] gives the state before the
/// rows are compressed.
pub fn paper_literal(
    tokens: &TokenVectors,
    features: &HeadFeatures,
    projection: Tensor<2>,
) -> (Wkv7Inputs, Tensor<1>) {
    let TokenVectors {
        r,
        w,
        k,
        v,
        kk,
        iclr,
    } = tokens.clone();
    let decay = features.lift(w);
    let clamped = decay.clone().clamp(0.0, 1.0);
    let changed = decay.not_equal(clamped.clone()).float().mean();
    let kk = features.lift(kk);
    let inputs = Wkv7Inputs {
        r: features.lift(r),
        w: clamped,
        k: features.lift(k),
        v: features
            .lift(v)
            .matmul(projection.transpose().unsqueeze::<4>()),
        removal: -kk.clone(),
        write: features.lift(iclr) * kk,
    };
    (inputs, changed)
}

/// Of length 1 along the last axis.
fn unit(x: Tensor<4>) -> Tensor<4> {
    let norm = x.clone().powi_scalar(2).sum_dim(3).sqrt();
    x / norm.clamp_min(MIN_NORM)
}
