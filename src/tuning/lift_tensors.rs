//! A lifted state on a device, and the branches that it makes of a model's
//! layers.

use burn::tensor::Tensor;

use super::kernel_projector::KernelProjector;
use super::spec::Dynamics;
use crate::model::branch::{Branch, BranchDecay, FeatureMap};

/// Everything that the branch of a lifted run is made of.
#[derive(Debug, Clone)]
pub struct LiftTensors {
    /// The layers that have a branch, ascending.
    pub layers: Vec<usize>,
    /// How the branch changes from token to token.
    pub dynamics: Dynamics,
    /// Support vectors and gamma.
    pub projector: KernelProjector,
    /// Z, [layers, H, N, M].
    pub weights: Tensor<4>,
    /// R, [layers, H or 1, M, M]; the identity without one.
    pub r: Option<Tensor<4>>,
    /// What is taken off the features first, [layers, H, M].
    pub mean: Option<Tensor<3>>,
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
        let (weights, mixing, decay) = match self.dynamics {
            // R is the same for every token, so it joins Z once per step.
            Dynamics::Constant => match r {
                Some(r) => (weights.matmul(r), None, None),
                None => (weights, None, None),
            },
            Dynamics::Decayed => {
                let decay = BranchDecay {
                    averages: self.projector.averages(idx),
                    left: Tensor::ones([1, n_head, m], &weights.device()),
                };
                (weights, r, Some(decay))
            }
        };
        let mean = self.mean.as_ref();
        Branch {
            features: FeatureMap::radial(self.projector.features(idx)),
            mean: mean.map(|mean| mean.clone().narrow(0, idx, 1).squeeze_dim(0)),
            mixing,
            weights,
            decay,
        }
    }
}

fn of_layer(x: &Tensor<4>, idx: usize) -> Tensor<3> {
    x.clone().narrow(0, idx, 1).squeeze_dim(0)
}
