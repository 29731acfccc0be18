//! The loss of a batch, without a gradient.

use burn::tensor::{Device, Tensor, TensorData};

use super::batch::Batch;
use super::trainer::read_f32;
use crate::error::Result;
use crate::model::state::Start;
use crate::model::{LossOptions, Rwkv7, TapeOptions};

/// Summed nats and number of the counted tokens of a batch whose texts begin
/// from `start`. `model` lives on `device`.
///
/// # Errors
/// [`crate::error::Error::Device`] if the loss cannot be read.
pub(super) fn text_loss(
    model: &Rwkv7,
    device: &Device,
    start: &Start,
    batch: &Batch,
) -> Result<(f64, usize)> {
    if batch.n_counted() == 0 {
        return Ok((0.0, 0));
    }
    let nothing = TapeOptions {
        first_layer: model.config().n_layer,
        recompute: false,
    };
    let state = start.state(model.config(), batch.n_batch, device);
    let tokens = TensorData::new(batch.tokens.clone(), batch.shape());
    let tokens = Tensor::from_data(tokens, device);
    let (x, _) = model.forward_taped(tokens, state, nothing);
    let options = LossOptions {
        gradient_scale: None,
        l2wrap: false,
    };
    let loss = model.loss(x, &batch.at, &batch.targets, options);
    Ok((f64::from(read_f32(loss.sum)?[0]), batch.n_counted()))
}
