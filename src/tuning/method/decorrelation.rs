//! R: the matrix that decorrelates the features, and the two ways in which it
//! follows them (arXiv 2504.05097, section 3.3; artcogsys/decorbp's rule in its
//! V R form).
//!
//! ```text
//! z = R (phi - mean)      A = mean z z^T      C = offdiag(A)      v = diag(A) - 1
//! L_decor = (1-kappa) sum_{i!=j} C_ij^2 / M^2 + kappa sum_i v_i^2 / M
//! ```

use burn::tensor::{Device, Tensor};

use crate::model::branch::FeatureMoments;
use crate::tuning::spec::{DecorrelationRule, DecorrelationSpec};

/// Share of the running mean that one update keeps.
const MEAN_DECAY: f32 = 0.99;
/// Added to variances that correlations are divided by.
const EPSILON: f32 = 1e-12;

/// R of the chosen layers, from the identity on.
#[derive(Debug, Clone)]
pub struct DecorrelationMatrix {
    /// How it follows the features.
    pub spec: DecorrelationSpec,
    /// R, [layers, H, M, M]; [layers, 1, M, M] where heads share it.
    pub r: Tensor<4>,
    /// The running mean of the features, [layers, H, M], where it is taken off.
    pub mean: Option<Tensor<3>>,
}

/// Second moments of the features over a step, [layers, H, M, M]; [layers, 1,
/// M, M], their mean, where heads share R.
#[derive(Debug, Clone)]
pub struct SecondMoments(pub Tensor<4>);

impl DecorrelationMatrix {
    /// R = I for layers and heads of these numbers; `mean` is what the running
    /// mean starts from, [layers, H, M].
    pub fn identity(spec: DecorrelationSpec, mean: Tensor<3>, device: &Device) -> Self {
        let [n_layer, n_head, m] = mean.dims();
        let n_matrices = if spec.shared { 1 } else { n_head };
        let eye = Tensor::<2>::eye(m, device).unsqueeze::<4>();
        Self {
            spec,
            r: eye.repeat(&[n_layer, n_matrices, 1, 1]),
            mean: spec.center.then_some(mean),
        }
    }

    /// Weight of unit variance against decorrelation; a scalar R follows the
    /// variance alone.
    pub fn kappa(&self) -> f64 {
        match self.spec.rule {
            DecorrelationRule::ScalarRms { .. } => 1.0,
            DecorrelationRule::LocalRule { kappa, .. } | DecorrelationRule::Joint { kappa, .. } => {
                kappa
            }
        }
    }

    /// R for every head, [layers, H, M, M].
    pub fn per_head(&self, n_head: usize) -> Tensor<4> {
        let [n_layer, _, m, _] = self.r.dims();
        self.r.clone().expand([n_layer, n_head, m, m])
    }

    /// The sum of a gradient of [`Self::per_head`] over the heads that share R.
    pub fn gather(&self, per_head: Tensor<4>) -> Tensor<4> {
        if self.spec.shared {
            per_head.sum_dim(1)
        } else {
            per_head
        }
    }

    /// Moments of the features of every layer, centred where the mean is taken
    /// off.
    pub fn second_moments(&self, layers: &[FeatureMoments]) -> SecondMoments {
        let of_layer = |(idx, moments): (usize, &FeatureMoments)| {
            let mut second = moments.second.clone();
            if let Some(mean) = &self.mean {
                let mean = mean.clone().narrow(0, idx, 1).squeeze_dim::<2>(0);
                let off =
                    |a: Tensor<2>, b: Tensor<2>| a.unsqueeze_dim::<3>(2) * b.unsqueeze_dim::<3>(1);
                second = second
                    - off(moments.first.clone(), mean.clone())
                    - off(mean.clone(), moments.first.clone())
                    + off(mean.clone(), mean);
            }
            second.unsqueeze_dim(0)
        };
        let all = Tensor::cat(layers.iter().enumerate().map(of_layer).collect(), 0);
        SecondMoments(if self.spec.shared {
            all.mean_dim(1)
        } else {
            all
        })
    }

    /// Moves the running mean towards that of a step.
    pub fn followed_mean(&self, layers: &[FeatureMoments]) -> Option<Tensor<3>> {
        let mean = self.mean.clone()?;
        let now = layers.iter().map(|l| l.first.clone().unsqueeze_dim(0));
        let now = Tensor::cat(now.collect(), 0);
        Some(mean * MEAN_DECAY + now * (1.0 - MEAN_DECAY))
    }

    /// A = R E R^T for the second moments E of the features.
    pub fn decorrelated(&self, moments: &SecondMoments) -> Tensor<4> {
        let rotated = self.r.clone().matmul(moments.0.clone());
        rotated.matmul(self.r.clone().swap_dims(2, 3))
    }

    /// R after one step of its rule on A,
    /// `R - eta G R / (1 + |G|_F / sqrt(M))`, where it has one of its own:
    /// `G = (1-kappa) C + kappa diag(v)` of the local rule, `G = mean(v) I` of
    /// the scalar one.
    pub fn after_own_rule(&self, a: &Tensor<4>) -> Option<Tensor<4>> {
        let m = a.dims()[2] as f64;
        let (g, eta) = match self.spec.rule {
            DecorrelationRule::LocalRule { eta, kappa } => {
                let g = off_diagonal(a) * (1.0 - kappa) + variance_error(a) * kappa;
                (g, eta)
            }
            DecorrelationRule::ScalarRms { eta } => {
                let mean = variance_error(a).sum_dim(3).sum_dim(2) / m;
                (eye(a) * mean, eta)
            }
            DecorrelationRule::Joint { .. } => return None,
        };
        let norm = frobenius(&g);
        let bounded = g / (norm / m.sqrt() + 1.0);
        Some(self.r.clone() - bounded.matmul(self.r.clone()) * eta)
    }

    /// The gradient of the mean L_decor, which is the one that is reported:
    /// 4 [(1-kappa) C / M^2 + kappa diag(v) / M] R E over the number of matrices,
    /// so that a weight of L_decor means the same for any number of them.
    pub fn loss_gradient(&self, a: &Tensor<4>, moments: &SecondMoments) -> Tensor<4> {
        let [n_layer, n_matrices, m, _] = a.dims();
        let (kappa, m) = (self.kappa(), m as f64);
        let inner = off_diagonal(a) * ((1.0 - kappa) / (m * m)) + variance_error(a) * (kappa / m);
        let share = 4.0 / (n_layer * n_matrices) as f64;
        inner.matmul(self.r.clone()).matmul(moments.0.clone()) * share
    }

    /// L_decor of every matrix, [layers, H or 1].
    pub fn loss(&self, a: &Tensor<4>) -> Tensor<2> {
        let m = a.dims()[2] as f64;
        let kappa = self.kappa();
        sum(off_diagonal(a).powi_scalar(2)) * ((1.0 - kappa) / (m * m))
            + sum(variance_error(a).powi_scalar(2)) * (kappa / m)
    }

    /// Four numbers, each the mean over layers and heads: L_decor, the mean
    /// |corr_ij| of two features, the root mean square of z, and |R|.
    pub fn numbers(&self, a: &Tensor<4>) -> Tensor<1> {
        let m = a.dims()[2] as f64;
        let variance = diagonal(a).sum_dim(3);
        let deviation = (variance.clone() + EPSILON).sqrt();
        let both = deviation.clone() * deviation.swap_dims(2, 3);
        let correlation = sum((off_diagonal(a) / both).abs()) / (m * (m - 1.0));
        let rms = (sum(variance) / m).sqrt();
        let norm = frobenius(&self.r).squeeze_dim::<3>(3).squeeze_dim::<2>(2);
        Tensor::cat(
            vec![
                self.loss(a).mean(),
                correlation.mean(),
                rms.mean(),
                norm.mean(),
            ],
            0,
        )
    }
}

fn eye(a: &Tensor<4>) -> Tensor<4> {
    Tensor::<2>::eye(a.dims()[2], &a.device()).unsqueeze()
}

fn diagonal(a: &Tensor<4>) -> Tensor<4> {
    a.clone() * eye(a)
}

fn off_diagonal(a: &Tensor<4>) -> Tensor<4> {
    a.clone() - diagonal(a)
}

/// diag(v), v = diag(A) - 1.
fn variance_error(a: &Tensor<4>) -> Tensor<4> {
    diagonal(a) - eye(a)
}

/// Of every matrix, [layers, H, 1, 1].
fn frobenius(a: &Tensor<4>) -> Tensor<4> {
    a.clone().powi_scalar(2).sum_dim(3).sum_dim(2).sqrt()
}

/// Over the last two axes, [layers, H].
fn sum(a: Tensor<4>) -> Tensor<2> {
    a.sum_dim(3).sum_dim(2).squeeze_dim::<3>(3).squeeze_dim(2)
}

#[cfg(test)]
mod tests;
