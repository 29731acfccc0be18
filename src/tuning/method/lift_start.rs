//! What a lifted run starts from.

use burn::tensor::{Device, Tensor};

use super::projector::KernelProjector;
use super::receptance_sample::ReceptanceSample;
use crate::data::Example;
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::model::{LeadingToken, Model};
use crate::tuning::inspect::feature_activity::FeatureActivity;
use crate::tuning::spec::{LiftKind, Lifting, TrainingSpec};

/// What a lifted run starts from, before its first step.
#[derive(Debug, Clone)]
pub struct LiftStart {
    pub(super) projector: KernelProjector,
    /// Mean of the features, [layers, H, M].
    pub(crate) mean: Tensor<3>,
    /// What the kernels make of the receptance vectors that they were made from.
    pub activity: FeatureActivity,
}

impl LiftStart {
    /// Support vectors, gamma and mean features of `layers`, from what `model`
    /// makes of `examples`.
    ///
    /// # Errors
    /// [`Error::Spec`] where M does not fit the model, [`Error::Device`].
    pub fn new(
        model: &Model,
        device: &Device,
        lifting: &Lifting<'_>,
        examples: &[Example],
        leading: LeadingToken,
        training: &TrainingSpec,
    ) -> Result<Self> {
        let seed = training.seed;
        let config = model.config();
        let m = lifting.features.upscaled_size;
        if m < config.head_size {
            let reason = tr!(
                "must be at least the model's head size, {}, is {m}",
                config.head_size,
                m
            );
            return Err(Error::spec("method.features.upscaled_size", reason));
        }
        if examples.is_empty() {
            let reason = tr!("has no training example to take support vectors from");
            return Err(Error::spec("data", reason));
        }
        let layers = lifting.layers.chosen(config.n_layer)?;
        let sample = ReceptanceSample::take(model, device, &layers, examples, leading, training)?;
        let features = &lifting.features;
        let projector = KernelProjector::new(features, &sample, config.n_head, seed, device)?;
        let (mean, square) = projector.feature_means(&sample, device);
        let activity = FeatureActivity::new(&read_f32(mean.clone())?, &read_f32(square)?);
        // The sample is of unit vectors, and the paper's features are not.
        let mean = match lifting.kind {
            LiftKind::Constant | LiftKind::Decayed | LiftKind::Recurrent => mean,
            LiftKind::PaperLiteral => mean.zeros_like(),
        };
        Ok(Self {
            projector,
            mean,
            activity,
        })
    }
}
