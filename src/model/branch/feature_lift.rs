//! From rows of N numbers to M features, and what R makes of them.

use burn::tensor::Tensor;

use super::super::linear::n_values;
use crate::kernels::features::RadialFeatures;

/// `mixing (features(x) - mean)`, where `mean` and `mixing` are optional.
#[derive(Debug, Clone)]
pub struct FeatureLift {
    /// What is made of a vector.
    pub features: FeatureMap,
    /// Taken off the features first, [H, M].
    pub mean: Option<Tensor<2>>,
    /// Mixes the features, [H, M, M]; the identity without one.
    pub mixing: Option<Tensor<3>>,
    /// Whether the gradient of `mixing` is wanted.
    pub trains_mixing: bool,
}

/// From a vector of N numbers to M features.
#[derive(Debug, Clone)]
pub enum FeatureMap {
    /// The nearness to M support vectors.
    Radial(Box<RadialFeatures>),
    /// The vector itself, M = N: what tests compare with.
    Identity,
}

/// What [`FeatureLift::forward`] makes of rows, [H, rows, M] each.
#[derive(Debug, Clone)]
pub(super) struct LiftedRows {
    pub features: Tensor<3>,
    /// After `mean` and `mixing`, where there is one of them.
    mixed: Option<Tensor<3>>,
}

impl LiftedRows {
    /// The result, [H, rows, M].
    pub fn out(&self) -> &Tensor<3> {
        self.mixed.as_ref().unwrap_or(&self.features)
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        n_values(&self.features) + self.mixed.as_ref().map_or(0, n_values)
    }
}

impl FeatureMap {
    /// The nearness to support vectors.
    pub fn radial(features: RadialFeatures) -> Self {
        Self::Radial(Box::new(features))
    }

    /// `x`: [H, rows, N] → [H, rows, M].
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Radial(radial) => radial.forward(x),
            Self::Identity => x,
        }
    }

    fn backward(&self, x: Tensor<3>, features: Tensor<3>, dfeatures: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Radial(radial) => radial.backward(x, features, dfeatures),
            Self::Identity => dfeatures,
        }
    }
}

impl FeatureLift {
    /// `x`: [H, rows, N].
    pub(super) fn forward(&self, x: Tensor<3>) -> LiftedRows {
        let features = self.features.forward(x);
        let mixed = self.mix(&features);
        LiftedRows { features, mixed }
    }

    fn mix(&self, features: &Tensor<3>) -> Option<Tensor<3>> {
        if self.mean.is_none() && self.mixing.is_none() {
            return None;
        }
        let centred = self.centred(features);
        Some(match &self.mixing {
            Some(mixing) => centred.matmul(mixing.clone().swap_dims(1, 2)),
            None => centred,
        })
    }

    fn centred(&self, features: &Tensor<3>) -> Tensor<3> {
        match &self.mean {
            Some(mean) => features.clone() - mean.clone().unsqueeze_dim(1),
            None => features.clone(),
        }
    }

    /// Whether [`Self::mixing_gradient`] gives one.
    pub(super) fn wants_mixing_gradient(&self) -> bool {
        self.trains_mixing && self.mixing.is_some()
    }

    /// The gradient of `mixing` for `dout`, that of the rows, where it is wanted.
    pub(super) fn mixing_gradient(&self, rows: &LiftedRows, dout: &Tensor<3>) -> Option<Tensor<3>> {
        self.wants_mixing_gradient().then(|| {
            let centred = self.centred(&rows.features);
            dout.clone().swap_dims(1, 2).matmul(centred)
        })
    }

    /// The gradient of `x` [H, rows, N] for `dout`, that of the rows.
    pub(super) fn input_gradient(
        &self,
        x: Tensor<3>,
        rows: &LiftedRows,
        dout: Tensor<3>,
    ) -> Tensor<3> {
        let dfeatures = match &self.mixing {
            Some(mixing) => dout.matmul(mixing.clone()),
            None => dout,
        };
        self.features.backward(x, rows.features.clone(), dfeatures)
    }
}
