//! The gradient of a batch, in windows where its texts are long: forward from window
//! to window with nothing kept but the states between them, then back, every window
//! computed again from the state that it began at.

use burn::tensor::Tensor;

use super::Trainer;
use crate::model::state::Start;
use crate::model::{CarriedGradients, LossOptions, TapeOptions};
use crate::tuning::method::lift::Lift;
use crate::tuning::method::shift::stacked;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::distillation::divergence;
use crate::tuning::train::step_gradients::StepGradients;
use crate::tuning::train::text_loss::each_stream;
use crate::tuning::train::window::{Window, windows};

/// A window, and the positions in it whose features R follows.
struct Stretch {
    window: Window,
    moments_at: Option<Vec<u32>>,
}

impl Stretch {
    /// Whether anything of it is read: what it predicts, or its features.
    fn is_read(&self) -> bool {
        let has_moments = self.moments_at.as_ref().is_some_and(|at| !at.is_empty());
        self.window.part.n_counted() > 0 || has_moments
    }
}

impl Trainer<'_> {
    /// The loss of a batch and its gradients in what is tuned, taken times `scale`.
    /// R follows the features at the positions `moments_at`.
    pub(super) fn batch_gradient(
        &self,
        batch: &Batch,
        moments_at: Option<&[u32]>,
        start: &Start,
        scale: f32,
    ) -> StepGradients {
        let all = windows(batch, self.training.window);
        let mut stretches: Vec<Stretch> = all
            .into_iter()
            .map(|window| Stretch {
                moments_at: moments_at.map(|at| window.positions(at).1),
                window,
            })
            .collect();
        // Nothing reaches back from behind the last window that is read.
        let n_read = 1 + stretches.iter().rposition(Stretch::is_read).unwrap_or(0);
        stretches.truncate(n_read);
        let state = start.state(self.model.config(), batch.n_batch, self.device);
        let mut states = vec![state];
        for Stretch { window, .. } in &stretches[..n_read - 1] {
            let before = states[states.len() - 1].clone();
            let before = before.with_padding(self.real(&window.part));
            states.push(self.model.advance(self.tokens(&window.part), before));
        }
        let n_real = batch.n_real_tokens() as f32;
        let mut taught = self.taught(batch);
        let mut behind: Option<CarriedGradients> = None;
        let mut total: Option<StepGradients> = None;
        for (idx, (stretch, state)) in stretches.iter().zip(states).enumerate().rev() {
            let part = &stretch.window.part;
            let state = state.with_padding(self.real(part));
            let tape = TapeOptions {
                first_layer: self.layers[0],
                recompute: self.training.activation_checkpointing,
                token_shifts: self.shifts.is_some(),
            };
            let (x, tape) = self.model.forward_taped(self.tokens(part), state, tape);
            let taught = (part.n_counted() > 0).then(|| taught.pop()).flatten();
            let (loss, dx) = self.loss_gradient(x, part, taught, scale);
            let at = stretch.moments_at.as_ref().filter(|at| !at.is_empty());
            let n_positions = at.map_or(0, Vec::len);
            let at = at.map(|at| Lift::indices(at, self.device));
            let gradients = if n_read == 1 && self.shifts.is_none() {
                self.model.backward(tape, dx, at.as_ref())
            } else {
                let back = behind.take();
                let back = self.model.backward_of_window(tape, dx, back, at.as_ref());
                behind = Some(back.1);
                back.0
            };
            let first = self.layers[0];
            let chosen = self.layers.iter().map(|layer| {
                let gradients = gradients[layer - first].clone();
                match idx {
                    0 => gradients,
                    _ => gradients.without_start(),
                }
            });
            let weight = part.n_real_tokens() as f32 / n_real;
            let own = StepGradients::new(loss, chosen.collect(), n_positions, weight);
            total = Some(match total {
                None => own,
                Some(total) => total.add(own),
            });
        }
        let Some(mut total) = total else {
            unreachable!("a batch has a window")
        };
        // The state in front of the first window is what the text starts from.
        if let (Some(_), Some(front)) = (&self.shifts, behind) {
            let all = front.token_shifts();
            let first = self.layers[0];
            let chosen = self.layers.iter().map(|layer| all[layer - first].clone());
            total.shifts = Some(stacked(chosen.collect()));
        }
        total
    }

    /// The teacher's stream of every window that counts a token; none without one.
    fn taught(&self, batch: &Batch) -> Vec<Tensor<3>> {
        let mut taught = Vec::new();
        if let Some(teacher) = &self.teacher {
            let windows = (batch, self.training.window);
            each_stream(self.model, self.device, teacher, windows, |x, _| {
                taught.push(x);
            });
        }
        taught
    }

    /// The summed loss of a window, `[1]`, and the gradient of its stream `x`: against
    /// the targets, or against the teacher's stream `taught`.
    fn loss_gradient(
        &self,
        x: Tensor<3>,
        part: &Batch,
        taught: Option<Tensor<3>>,
        scale: f32,
    ) -> (Tensor<1>, Tensor<3>) {
        if part.n_counted() == 0 {
            return (Tensor::zeros([1], self.device), x.zeros_like());
        }
        if let Some(taught) = taught {
            let found = divergence(self.model, x, &taught, &part.at, Some(scale));
            let Some(dx) = found.dx else {
                unreachable!("a gradient was asked for")
            };
            return (found.sum, dx);
        }
        let options = LossOptions {
            gradient_scale: Some(scale),
            l2wrap: self.training.l2wrap,
        };
        let loss = self.model.loss(x, &part.at, &part.targets, options);
        let Some(dx) = loss.dx else {
            unreachable!("a gradient was asked for")
        };
        (loss.sum, dx)
    }
}
