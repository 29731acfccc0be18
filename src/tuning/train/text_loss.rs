//! The loss of a batch, and of each of its tokens, without a gradient.

use burn::tensor::{Device, Tensor, TensorData};

use super::batch::Batch;
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::state::Start;
use crate::model::{LossOptions, Rwkv7, TapeOptions};

/// Summed nats and number of the counted tokens of a batch whose texts begin
/// from `start`. `model` lives on `device`.
///
/// # Errors
/// [`crate::error::Error::Device`] if the loss cannot be read.
pub(crate) fn text_loss(
    model: &Rwkv7,
    device: &Device,
    start: &Start,
    batch: &Batch,
) -> Result<(f64, usize)> {
    if batch.n_counted() == 0 {
        return Ok((0.0, 0));
    }
    let x = stream(model, device, start, batch);
    let options = LossOptions {
        gradient_scale: None,
        l2wrap: false,
    };
    let loss = model.loss(x, &batch.at, &batch.targets, options);
    Ok((f64::from(read_f32(loss.sum)?[0]), batch.n_counted()))
}

/// Nats of every counted token of a batch, in the order of its texts. The rest is
/// as in [`text_loss`].
///
/// # Errors
/// As [`text_loss`].
pub(crate) fn token_losses(
    model: &Rwkv7,
    device: &Device,
    start: &Start,
    batch: &Batch,
) -> Result<Vec<f32>> {
    if batch.n_counted() == 0 {
        return Ok(Vec::new());
    }
    let x = stream(model, device, start, batch);
    read_f32(model.token_losses(x, &batch.at, &batch.targets))
}

/// The residual stream behind the last layer, [B, T, C].
pub(super) fn stream(model: &Rwkv7, device: &Device, start: &Start, batch: &Batch) -> Tensor<3> {
    let nothing = TapeOptions {
        first_layer: model.config().n_layer,
        recompute: false,
    };
    let state = start.state(model.config(), batch.n_batch, device);
    let tokens = TensorData::new(batch.tokens.clone(), batch.shape());
    let tokens = Tensor::from_data(tokens, device);
    model.forward_taped(tokens, state, nothing).0
}
