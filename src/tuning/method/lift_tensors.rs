//! A lifted state on a device, and the branches that it makes of a model's
//! layers.

use burn::tensor::{Device, Tensor, TensorData};

use super::projection_matrix::ProjectionMatrix;
use super::projector::KernelProjector;
use crate::kernels::features::RadialFeatures;
use crate::model::branch::{
    Branch, BranchDecay, FeatureLift, FeatureMap, LiftedBranch, LiftedRule, ReadoutBranch,
};
use crate::tuning::spec::LiftKind;

/// Everything that the branch of a lifted run is made of.
#[derive(Debug, Clone)]
pub struct LiftTensors {
    /// The layers that have a branch, ascending.
    pub layers: Vec<usize>,
    /// What happens from token to token.
    pub kind: LiftKind,
    /// Support vectors and gamma.
    pub projector: KernelProjector,
    /// Z, [layers, H, N, M].
    pub weights: Tensor<4>,
    /// beta, the write gates, [layers, H], of [`LiftKind::Recurrent`].
    pub gate: Option<Tensor<2>>,
    /// Q, [N, M], of [`LiftKind::PaperLiteral`].
    pub projection: Option<Tensor<2>>,
    /// R, [layers, H or 1, M, M]; the identity without one.
    pub r: Option<Tensor<4>>,
    /// What is taken off the features first, [layers, H, M].
    pub mean: Option<Tensor<3>>,
    /// Whether R follows a gradient, which a backward pass then forms.
    pub trains_r: bool,
}

/// Q on a device, where a recurrence needs it; none where M is below N, for
/// which there is none.
pub(super) fn projection(
    kind: LiftKind,
    [n, m]: [usize; 2],
    seed: u64,
    device: &Device,
) -> Option<Tensor<2>> {
    match kind {
        LiftKind::Constant | LiftKind::Decayed | LiftKind::Recurrent => None,
        LiftKind::PaperLiteral => {
            let q = ProjectionMatrix::new(n, m, seed).ok()?;
            Some(Tensor::from_data(TensorData::new(q.values, [n, m]), device))
        }
    }
}

impl LiftTensors {
    /// The branch of every layer of a model of `n_layer`.
    pub fn branches(&self, n_layer: usize) -> Vec<Option<Branch>> {
        let mut branches = vec![None; n_layer];
        for (idx, layer) in self.layers.iter().enumerate() {
            branches[*layer] = Some(self.branch(idx));
        }
        branches
    }

    /// The branch of a layer, by index into [`Self::layers`].
    fn branch(&self, idx: usize) -> Branch {
        let weights = of_layer(&self.weights, idx);
        let [n_head, _, m] = weights.dims();
        let r = self.r.as_ref().map(|r| of_layer(r, idx));
        let r = r.map(|r| r.expand([n_head, m, m]));
        match self.kind {
            // R is the same for every token, so it joins Z once per step.
            LiftKind::Constant => Branch::Readout(ReadoutBranch {
                lift: self.feature_lift(idx, None),
                weights: match r {
                    Some(r) => weights.matmul(r),
                    None => weights,
                },
                decay: None,
            }),
            LiftKind::Decayed => Branch::Readout(ReadoutBranch {
                lift: self.feature_lift(idx, r),
                decay: Some(BranchDecay {
                    averages: self.projector.averages(idx),
                    left: Tensor::ones([1, n_head, m], &weights.device()),
                }),
                weights,
            }),
            LiftKind::Recurrent | LiftKind::PaperLiteral => Branch::Lifted(LiftedBranch {
                lift: self.feature_lift(idx, r),
                rule: self.rule(idx),
                state: weights.unsqueeze_dim(0),
                real: None,
            }),
        }
    }

    fn rule(&self, idx: usize) -> LiftedRule {
        match (&self.gate, &self.projection) {
            (Some(gate), None) => LiftedRule::Recurrent {
                averages: self.projector.averages(idx),
                gate: gate.clone().narrow(0, idx, 1).squeeze_dim(0),
            },
            (None, Some(projection)) => LiftedRule::Literal {
                projection: projection.clone(),
            },
            (None, None) | (Some(_), Some(_)) => {
                unreachable!("a recurrence has either gates or Q")
            }
        }
    }

    fn feature_lift(&self, idx: usize, mixing: Option<Tensor<3>>) -> FeatureLift {
        let mean = self.mean.as_ref();
        FeatureLift {
            features: FeatureMap::radial(RadialFeatures {
                normalizes: self.kind != LiftKind::PaperLiteral,
                ..self.projector.features(idx)
            }),
            mean: mean.map(|mean| mean.clone().narrow(0, idx, 1).squeeze_dim(0)),
            mixing,
            trains_mixing: self.trains_r,
        }
    }
}

fn of_layer(x: &Tensor<4>, idx: usize) -> Tensor<3> {
    x.clone().narrow(0, idx, 1).squeeze_dim(0)
}
