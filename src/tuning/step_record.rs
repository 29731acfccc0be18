//! The numbers of steps: kept on the device, read back together.

use burn::tensor::Tensor;

use super::trainer::read_f32;
use crate::error::Result;

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepNumbers {
    /// Steps taken, from 1.
    pub step: usize,
    /// Mean nats a counted token, before the step's update.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Norm of S_0 over the tuned layers after the update.
    pub state_norm: f64,
    /// The learning rate used.
    pub learning_rate: f64,
}

/// A step that was not sound, and so changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step, from 1.
    pub step: usize,
    /// Layer, head and numbers, for people.
    pub detail: String,
}

/// Steps whose numbers are still on the device.
#[derive(Debug)]
pub(super) struct Pending {
    layers: Vec<usize>,
    n_head: usize,
    steps: Vec<(usize, f64, Tensor<1>)>,
    divergence: Option<Divergence>,
}

/// Loss [1], norm of the gradient [1], and the sums of squares of gradient and
/// state of every head, [layers, H] each, as one tensor.
pub(super) fn step_tensor(
    loss: Tensor<1>,
    norm: Tensor<1>,
    gradient: Tensor<2>,
    state: Tensor<2>,
) -> Tensor<1> {
    let flat = |x: Tensor<2>| {
        let n = x.dims().iter().product::<usize>();
        x.reshape([n])
    };
    Tensor::cat(vec![loss, norm, flat(gradient), flat(state)], 0)
}

impl Pending {
    pub(super) fn new(layers: Vec<usize>, n_head: usize) -> Self {
        Self {
            layers,
            n_head,
            steps: Vec::new(),
            divergence: None,
        }
    }

    pub(super) fn push(&mut self, step: usize, learning_rate: f64, record: Tensor<1>) {
        self.steps.push((step, learning_rate, record));
    }

    pub(super) fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    pub(super) fn read(&mut self, max_rms: f64, head_size: usize) -> Result<Vec<StepNumbers>> {
        if self.steps.is_empty() {
            return Ok(Vec::new());
        }
        let steps = std::mem::take(&mut self.steps);
        let records = steps.iter().map(|(_, _, record)| record.clone()).collect();
        let values = read_f32(Tensor::cat(records, 0))?;
        let n_heads = self.layers.len() * self.n_head;
        let mut numbers = Vec::with_capacity(steps.len());
        for ((step, learning_rate, _), record) in steps.iter().zip(values.chunks(2 + 2 * n_heads)) {
            let (gradient, state) = record[2..].split_at(n_heads);
            let (loss, grad_norm) = (f64::from(record[0]), f64::from(record[1]));
            let square: f64 = state.iter().map(|x| f64::from(*x)).sum();
            numbers.push(StepNumbers {
                step: *step,
                loss,
                grad_norm,
                state_norm: square.sqrt(),
                learning_rate: *learning_rate,
            });
            if self.divergence.is_none() {
                let detail = self.trouble(loss, gradient, state, max_rms, head_size);
                self.divergence = detail.map(|detail| Divergence {
                    step: *step,
                    detail,
                });
            }
        }
        Ok(numbers)
    }

    /// What is wrong with a step, if anything is.
    fn trouble(
        &self,
        loss: f64,
        gradient: &[f32],
        state: &[f32],
        max_rms: f64,
        head_size: usize,
    ) -> Option<String> {
        let place = |idx: usize| {
            let (layer, head) = (self.layers[idx / self.n_head], idx % self.n_head);
            format!("layer {layer}, head {head}")
        };
        let total: f32 = gradient.iter().sum();
        if !total.is_finite() {
            let worst = gradient.iter().position(|square| !square.is_finite());
            let at = worst.map_or_else(|| "all heads together".to_owned(), place);
            return Some(format!(
                "the gradient of {at} is not finite (loss {loss:.4}); a lower learning rate may help"
            ));
        }
        let limit = max_rms * head_size as f64;
        let roots = state.iter().map(|square| f64::from(*square).sqrt());
        let (worst, norm) = roots
            .enumerate()
            .find(|(_, norm)| !norm.is_finite() || *norm > limit)?;
        Some(format!(
            "the state of {} would have norm {norm:.3e}; a lower learning rate may help",
            place(worst)
        ))
    }
}
