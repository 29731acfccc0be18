//! The loss of a batch, and of each of its tokens, without a gradient.

use burn::tensor::{Device, Tensor, TensorData};

use super::batch::Batch;
use super::window::{Window, windows};
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::state::Start;
use crate::model::{LossOptions, Model};

/// Summed nats and number of the counted tokens of a batch whose texts begin
/// from `start`, read in windows of this length if there is one. `model` lives on
/// `device`.
///
/// # Errors
/// [`crate::error::Error::Device`] if the loss cannot be read.
pub(crate) fn text_loss(
    model: &Model,
    device: &Device,
    start: &Start,
    batch: &Batch,
    window: Option<usize>,
) -> Result<(f64, usize)> {
    if batch.n_counted() == 0 {
        return Ok((0.0, 0));
    }
    let options = LossOptions {
        gradient_scale: None,
        l2wrap: false,
    };
    let mut sums = Vec::new();
    each_stream(model, device, start, (batch, window), |x, window| {
        let Batch { at, targets, .. } = &window.part;
        sums.push(model.loss(x, at, targets, options).sum);
    });
    let nats = read_f32(Tensor::cat(sums, 0))?;
    let nats = nats.into_iter().map(f64::from).sum();
    Ok((nats, batch.n_counted()))
}

/// Nats of every counted token of a batch, in the order of its texts. The rest is
/// as in [`text_loss`].
///
/// # Errors
/// As [`text_loss`].
pub(crate) fn token_losses(
    model: &Model,
    device: &Device,
    start: &Start,
    batch: &Batch,
    window: Option<usize>,
) -> Result<Vec<f32>> {
    let mut all = vec![0.0; batch.n_counted()];
    let mut losses = Vec::new();
    each_stream(model, device, start, (batch, window), |x, window| {
        let Batch { at, targets, .. } = &window.part;
        let of_window = model.token_losses(x, at, targets);
        losses.push((window.counted.clone(), of_window));
    });
    for (places, of_window) in losses {
        for (place, loss) in places.into_iter().zip(read_f32(of_window)?) {
            all[place] = loss;
        }
    }
    Ok(all)
}

/// Hands the residual stream behind the last layer, [B, T, C], of every window that
/// counts a token to `take`, from the first one on.
pub(super) fn each_stream(
    model: &Model,
    device: &Device,
    start: &Start,
    (batch, window): (&Batch, Option<usize>),
    mut take: impl FnMut(Tensor<3>, &Window),
) {
    let all = windows(batch, window);
    let n_read = all.iter().rposition(|window| window.part.n_counted() > 0);
    let mut state = start.state(model.config(), batch.n_batch, device);
    for window in &all[..n_read.map_or(0, |last| last + 1)] {
        let tokens = TensorData::new(window.part.tokens.clone(), window.part.shape());
        let (x, after) = model.stream(Tensor::from_data(tokens, device), state);
        state = after;
        if window.part.n_counted() > 0 {
            take(x, window);
        }
    }
}
