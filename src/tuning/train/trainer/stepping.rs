//! One step: gradients of all parameters, one clipping, one judgement.

use burn::tensor::Tensor;

use super::{MAX_STATE_RMS, Trainer};
use crate::error::{Error, Result};
use crate::kernels::device::build_ahead;
use crate::model::branch::BranchGuard;
use crate::tuning::method::decorrelation::SecondMoments;
use crate::tuning::method::lift::{Lift, LiftGradients};
use crate::tuning::method::lora::{LoraGradients, LoraProposal};
use crate::tuning::method::shift::Shifts;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::parameter::head_squares;
use crate::tuning::train::schedule::learning_rate;
use crate::tuning::train::step_gradients::{LiftSums, StepGradients};
use crate::tuning::train::step_record::{
    BranchSquares, LoraSquares, MAX_LITERAL_STATE, ShiftSquares, StepTensors,
};

/// What a step knows of the branch: sums over its batches, moments of the
/// features with A = R E R^T, and the gradients of its parameters.
struct LiftStep {
    sums: LiftSums,
    moments: Option<(SecondMoments, Tensor<4>)>,
    gradients: LiftGradients,
}

/// What a step leads to, on the device.
struct Updated {
    /// Sums of squares of S_0, [layers, H].
    state: Tensor<2>,
    /// The same of Z.
    weights: Option<Tensor<2>>,
    /// The sum of squares of all adapters, `[1]`.
    lora: Option<Tensor<1>>,
    /// The same of the token shifts that are trained.
    shifts: Option<Tensor<1>>,
    /// The numbers of the decorrelation.
    decorrelation: Option<Tensor<1>>,
}

/// What a step is judged by beside the gradient and S_0.
struct StepReadings<'a> {
    /// Sums of squares of Z, [layers, H].
    lift: Option<&'a Tensor<2>>,
    /// What watches over a recurrence.
    guard: Option<&'a BranchGuard>,
    /// The sum of squares of all adapters, `[1]`.
    lora: Option<&'a Tensor<1>>,
    /// The same of the token shifts.
    shifts: Option<&'a Tensor<1>>,
}

/// The gradients of a step beside those of a branch, clipped.
struct Clipped {
    state: Tensor<4>,
    shifts: Option<Tensor<4>>,
    lora: Option<LoraGradients>,
}

impl LiftStep {
    /// Sums of squares of the gradients: of every head in Z, [layers, H], and
    /// of R, `[1]`, where it is trained.
    fn gradient_squares(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        let LiftGradients {
            weights,
            gate: _,
            r,
        } = &self.gradients;
        let r = r.as_ref().map(|r| r.clone().powi_scalar(2).sum());
        (head_squares(weights), r)
    }
}

impl Trainer<'_> {
    /// Takes one optimiser step on the mean loss of all counted tokens of these
    /// batches, at the rate of the schedule. Nothing is read back.
    ///
    /// # Errors
    /// [`Error::Spec`] if no token is counted.
    pub fn step(&mut self, micro_batches: &[Batch]) -> Result<()> {
        self.step_at(
            micro_batches,
            learning_rate(&self.training, self.steps_taken),
        )
    }

    /// As [`Self::step`], at a rate of its own; that of a branch keeps its
    /// share of it.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_at(&mut self, micro_batches: &[Batch], learning_rate: f64) -> Result<()> {
        let n_counted: usize = micro_batches.iter().map(Batch::n_counted).sum();
        if n_counted == 0 {
            let reason = tr!("no token of the batch is counted; answers are empty");
            return Err(Error::spec("data.loss_on", reason));
        }
        let scale = 1.0 / n_counted as f32;
        if !self.has_kernels {
            self.has_kernels = true;
            build_ahead(self.device, || drop(self.gradient(micro_batches, scale)));
        }
        let StepGradients {
            loss,
            state,
            shifts,
            lift,
            lora,
        } = self.gradient(micro_batches, scale);
        let state = self.pulled(state);
        let shifts = shifts.map(|shifts| self.pulled_shifts(shifts));
        let mut lift_step = self.lift_step(lift);
        let heads = self.state_gradient_squares(&state);
        let lift_squares = lift_step.as_ref().map(LiftStep::gradient_squares);
        let mut square = heads.clone().sum();
        if let Some(LiftStep { gradients, .. }) = &lift_step
            && let Some(gate) = &gradients.gate
        {
            square = square + gate.clone().powi_scalar(2).sum();
        }
        if let Some((weights, r)) = &lift_squares {
            square = square + weights.clone().sum();
            if let Some(r) = r {
                square = square + r.clone();
            }
        }
        let of_shifts = shifts.as_ref().map(Shifts::square);
        if let Some(of_shifts) = &of_shifts {
            square = square + of_shifts.clone();
        }
        let of_lora = lora.as_ref().map(LoraGradients::square);
        if let Some(of_lora) = &of_lora {
            square = square + of_lora.clone();
        }
        let norm = square.sqrt();
        let clipped = Clipped {
            state: self.clipped(state, &norm),
            shifts: shifts.map(|shifts| self.clipped(shifts, &norm)),
            lora: lora.map(|lora| lora.map(|gradient| self.clipped(gradient, &norm))),
        };
        if let Some(LiftStep { gradients, .. }) = &mut lift_step {
            gradients.weights = self.clipped(gradients.weights.clone(), &norm);
            for gradient in [&mut gradients.gate, &mut gradients.r] {
                let own = gradient.take();
                *gradient = own.map(|own| self.clipped(own, &norm));
            }
        }
        let guard = lift_step.as_ref().and_then(|step| step.sums.guard());
        let Updated {
            state: of_state,
            weights,
            lora: to_lora,
            shifts: to_shifts,
            decorrelation,
        } = self.update(clipped, lift_step, &norm, learning_rate);
        self.steps_taken += 1;
        let record = StepTensors {
            loss: loss * scale,
            norm,
            gradient: heads,
            state: of_state,
            lift: weights
                .zip(lift_squares)
                .map(|(weights, (gradient, r))| BranchSquares {
                    gradient,
                    weights,
                    r_gradient: r,
                }),
            lora: of_lora
                .zip(to_lora)
                .map(|(gradient, weights)| LoraSquares { gradient, weights }),
            shifts: of_shifts
                .zip(to_shifts)
                .map(|(gradient, values)| ShiftSquares { gradient, values }),
            gate: self.lift.as_ref().and_then(Lift::mean_gate),
            guard,
            decorrelation,
        };
        self.pending.push(self.steps_taken, learning_rate, record);
        Ok(())
    }

    fn lift_step(&self, sums: Option<LiftSums>) -> Option<LiftStep> {
        let (lift, sums) = (self.lift.as_ref()?, sums?);
        let moments = lift.moments(&sums);
        let gradients = lift.gradients(&sums, moments.as_ref());
        Some(LiftStep {
            sums,
            moments,
            gradients,
        })
    }

    /// The sum of squares of the gradient of every head in S_0, [layers, H].
    fn state_gradient_squares(&self, state: &Tensor<4>) -> Tensor<2> {
        let of_state = head_squares(state);
        match self.tunes_state {
            true => of_state,
            false => of_state.zeros_like(),
        }
    }

    /// Takes the step if it is sound.
    fn update(
        &mut self,
        gradients: Clipped,
        lift: Option<LiftStep>,
        norm: &Tensor<1>,
        learning_rate: f64,
    ) -> Updated {
        let Clipped {
            state,
            shifts,
            lora,
        } = gradients;
        let step_idx = self.steps_taken;
        let trained = self.tunes_state;
        let proposal = trained.then(|| self.state.propose(state, learning_rate, step_idx));
        let after = proposal.as_ref().map_or(&self.state.value, |p| &p.value);
        let of_state = head_squares(after);
        let of_lift = match (&self.lift, lift) {
            (Some(own), Some(step)) => {
                let proposal = own.propose(step.gradients, learning_rate, step_idx);
                Some((proposal, step.sums, step.moments))
            }
            _ => None,
        };
        let squares = of_lift
            .as_ref()
            .map(|(p, ..)| head_squares(&p.weights.value));
        let guard = of_lift.as_ref().and_then(|(_, sums, _)| sums.guard());
        let of_lora = match (&self.lora, lora) {
            (Some(own), Some(gradients)) => Some(own.propose(gradients, learning_rate, step_idx)),
            _ => None,
        };
        let of_adapters = of_lora.as_ref().map(LoraProposal::square);
        let to_shifts = match (&self.shifts, shifts) {
            (Some(own), Some(gradient)) => Some(own.propose(gradient, learning_rate, step_idx)),
            _ => None,
        };
        let of_shifts = to_shifts.as_ref().map(|to| Shifts::square(&to.value));
        let seen = StepReadings {
            lift: squares.as_ref(),
            guard: guard.as_ref(),
            lora: of_adapters.as_ref(),
            shifts: of_shifts.as_ref(),
        };
        self.judge(norm, &of_state, seen);
        if let Some(proposal) = proposal {
            self.state.accept(proposal, &self.sound);
        }
        let numbers = match (&mut self.lift, of_lift) {
            (Some(own), Some((proposal, sums, moments))) => {
                own.accept(proposal, &sums, moments.as_ref(), &self.sound)
            }
            _ => None,
        };
        if let (Some(own), Some(proposal)) = (&mut self.lora, of_lora) {
            own.accept(proposal, &self.sound);
        }
        if let (Some(own), Some(proposal)) = (&mut self.shifts, to_shifts) {
            own.accept(proposal, &self.sound);
        }
        Updated {
            state: of_state,
            weights: squares,
            lora: of_adapters,
            shifts: of_shifts,
            decorrelation: numbers,
        }
    }

    /// With the gradient of the pull to the start.
    fn pulled(&self, gradient: Tensor<4>) -> Tensor<4> {
        if self.training.pull_to_start > 0.0 {
            let gap = self.state.value.clone() - self.start_of_tuned();
            gradient + gap * self.training.pull_to_start
        } else {
            gradient
        }
    }

    /// The same of the token shifts, [layers, 2, 1, C].
    fn pulled_shifts(&self, gradient: Tensor<4>) -> Tensor<4> {
        match &self.shifts {
            Some(shifts) if self.training.pull_to_start > 0.0 => {
                let start = self.layers.iter();
                let start = start.map(|layer| self.start_shifts[*layer].clone());
                gradient + shifts.gap(start.collect()) * self.training.pull_to_start
            }
            Some(_) | None => gradient,
        }
    }

    /// Scaled down where the global `norm` [1] is too large.
    fn clipped(&self, gradient: Tensor<4>, norm: &Tensor<1>) -> Tensor<4> {
        match self.training.clip_norm {
            Some(limit) => {
                let scale = (norm.clone() + 1e-6).recip() * limit;
                gradient * scale.clamp_max(1.0).unsqueeze()
            }
            None => gradient,
        }
    }

    /// Whether a step to these sums of squares, [layers, H], is sound, and all
    /// steps before it were.
    fn judge(&mut self, norm: &Tensor<1>, state: &Tensor<2>, seen: StepReadings<'_>) {
        let StepReadings {
            lift,
            guard,
            lora,
            shifts,
        } = seen;
        let config = self.model.config();
        let (n, k) = (config.head_size, config.key_size());
        // Comparisons are false for what is not a number.
        let mut now = norm.clone().lower_equal_elem(f32::MAX);
        let limit = |n_values: usize| (MAX_STATE_RMS * MAX_STATE_RMS * n_values as f64) as f32;
        now = now.bool_and(state.clone().max().lower_equal_elem(limit(n * k)));
        if let (Some(squares), Some(lift)) = (lift, &self.lift) {
            let [_, _, _, m] = lift.weights().dims();
            now = now.bool_and(squares.clone().max().lower_equal_elem(limit(n * m)));
        }
        if let Some(square) = lora {
            let most = limit(self.n_of_adapters());
            now = now.bool_and(square.clone().lower_equal_elem(most));
        }
        if let Some(square) = shifts {
            let most = limit(self.n_of_shifts());
            now = now.bool_and(square.clone().lower_equal_elem(most));
        }
        if let Some(guard) = guard {
            let largest = guard.largest.clone();
            now = now.bool_and(largest.lower_equal_elem(MAX_LITERAL_STATE as f32));
        }
        self.sound = self.sound.clone().bool_and(now.reshape([1, 1, 1, 1]));
    }

    /// The loss and its gradients in what is tuned, summed over the batches;
    /// each batch's gradient is taken times `scale`.
    pub(super) fn gradient(&self, micro_batches: &[Batch], scale: f32) -> StepGradients {
        let mut total: Option<StepGradients> = None;
        let mut start = self.start();
        let mut first_text = 0;
        for (idx, batch) in micro_batches.iter().enumerate() {
            let own_first = first_text;
            first_text += batch.n_batch;
            if batch.n_counted() == 0 {
                continue;
            }
            if let Some(lora) = self.lora.as_ref().filter(|lora| lora.drops()) {
                let n_layer = self.model.config().n_layer;
                start.adapters = lora.thinned_adapters(n_layer, self.steps_taken, own_first);
            }
            let lift = self.lift.as_ref();
            let at = lift.and_then(|lift| lift.positions(batch, self.steps_taken, idx));
            let part = self.batch_gradient(batch, at.as_deref(), &start, scale);
            total = Some(match total {
                None => part,
                Some(total) => total.add(part),
            });
        }
        total.unwrap_or_else(|| unreachable!("some batch has a counted token"))
    }
}
