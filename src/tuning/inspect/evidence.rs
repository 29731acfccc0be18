//! What a run has shown of itself so far: what a diagnosis is made from, in
//! memory that does not grow with the run.

use std::collections::VecDeque;

use super::feature_activity::FeatureActivity;
use crate::tuning::spec::Method;
use crate::tuning::train::trainer::{DecorrelationNumbers, StepNumbers};

/// Steps that a judgement is made over.
pub(super) const WINDOW: usize = 20;
/// A gradient below this share of the largest seen carries nothing.
const DEAD_SHARE: f64 = 1e-6;
/// Steps in a row without a gradient before that says anything.
const DEAD_STEPS: usize = 3;

/// What a run has shown of itself so far.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What is trained.
    pub(crate) method: Method,
    /// What gamma made of the kernels.
    pub(crate) activity: Option<FeatureActivity>,
    /// The loss of the first step, before anything was tuned.
    pub(super) first_loss: Option<f64>,
    /// The largest learning rate so far.
    pub(super) peak_rate: f64,
    /// The largest norm of the gradient so far.
    pub(super) largest_gradient: f64,
    /// Root mean square of the features before R has moved.
    pub(super) first_rms: Option<f64>,
    /// The last step at which R was looked at.
    pub(crate) decorrelation: Option<(usize, DecorrelationNumbers)>,
    /// The last step at which the condition number of R was measured, and the
    /// largest among the heads.
    pub(crate) condition: Option<(usize, f64)>,
    /// The step that was not sound, and its learning rate.
    pub(crate) divergence: Option<(usize, f64)>,
    pub(super) validations: Validated,
    recent: VecDeque<StepNumbers>,
    largest: [f64; Part::ALL.len()],
}

/// Something that is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Part {
    /// The start state.
    S0,
    /// The readout of the branch.
    Z,
    /// The decorrelation, where it is trained with the rest.
    R,
    /// The adapters.
    Lora,
}

/// What the validations have shown so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Validated {
    /// The loss of step 0.
    pub untuned: Option<f64>,
    /// Step and loss of the best validation after step 0.
    pub best: Option<(usize, f64)>,
    /// Step and loss of the last one after step 0.
    pub last: Option<(usize, f64)>,
    /// Validations after step 0.
    pub n_tuned: usize,
    /// Validations since the best one.
    pub n_behind: usize,
}

impl Part {
    /// Everything that may be trained.
    pub const ALL: [Self; 4] = [Self::S0, Self::Z, Self::R, Self::Lora];

    /// The symbol.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::S0 => "S_0",
            Self::Z => "Z",
            Self::R => "R",
            Self::Lora => "A and B",
        }
    }

    /// The norm of its gradient in a step; none where it is not trained.
    fn gradient(self, method: &Method, numbers: &StepNumbers) -> Option<f64> {
        match (self, method) {
            (_, Method::Base) | (Self::S0, Method::PaperLiteral(_)) => None,
            (Self::S0, Method::Standard(_)) => Some(numbers.state_grad_norm),
            (Self::S0, Method::Lifted(spec)) => spec.tune_s0.then_some(numbers.state_grad_norm),
            (Self::S0, Method::Lora(spec)) => spec.tune_s0.then_some(numbers.state_grad_norm),
            (Self::Lora, _) => numbers.lora.map(|lora| lora.grad_norm),
            (Self::Z, _) => numbers.lift.map(|lift| lift.grad_norm),
            (Self::R, _) => numbers.lift.and_then(|lift| lift.r_grad_norm),
        }
    }
}

impl Evidence {
    /// A run of which nothing is known but what it trains.
    pub fn new(method: &Method, activity: Option<FeatureActivity>) -> Self {
        Self {
            method: method.clone(),
            activity,
            first_loss: None,
            peak_rate: 0.0,
            largest_gradient: 0.0,
            first_rms: None,
            decorrelation: None,
            condition: None,
            divergence: None,
            validations: Validated::default(),
            recent: VecDeque::with_capacity(2 * WINDOW),
            largest: [0.0; Part::ALL.len()],
        }
    }

    /// Takes in the numbers of the next step.
    pub fn see_step(&mut self, numbers: &StepNumbers) {
        self.first_loss.get_or_insert(numbers.loss);
        self.peak_rate = self.peak_rate.max(numbers.learning_rate);
        self.largest_gradient = self.largest_gradient.max(numbers.grad_norm);
        for (part, largest) in Part::ALL.into_iter().zip(&mut self.largest) {
            let gradient = part.gradient(&self.method, numbers);
            // What is not a number is larger than nothing.
            *largest = largest.max(gradient.unwrap_or(0.0));
        }
        if let Some(of) = numbers.lift.and_then(|lift| lift.decorrelation) {
            self.first_rms.get_or_insert(of.rms);
            self.decorrelation = Some((numbers.step, of));
        }
        if self.recent.len() == 2 * WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(*numbers);
    }

    /// Takes in a validation loss; that of step 0 is the model's without what is tuned,
    /// its texts beginning as those of the run do.
    pub fn see_validation(&mut self, step: usize, loss: f64) {
        let seen = &mut self.validations;
        if step == 0 {
            seen.untuned = Some(loss);
            return;
        }
        seen.n_tuned += 1;
        seen.last = Some((step, loss));
        if seen.best.is_none_or(|(_, best)| loss < best) {
            seen.best = Some((step, loss));
            seen.n_behind = 0;
        } else {
            seen.n_behind += 1;
        }
    }

    /// Takes in the largest condition number of R among the heads.
    pub fn see_condition(&mut self, step: usize, condition: f64) {
        self.condition = Some((step, condition));
    }

    /// Takes in that a step was not sound.
    pub fn see_divergence(&mut self, step: usize) {
        let mut recent = self.recent.iter();
        let rate = recent.find(|numbers| numbers.step == step);
        let rate = rate.map_or(self.peak_rate, |numbers| numbers.learning_rate);
        self.divergence = Some((step, rate));
    }

    /// The last step.
    pub(crate) fn last(&self) -> Option<&StepNumbers> {
        self.recent.back()
    }

    /// Mean loss of the last `n` steps, once there are so many.
    pub(super) fn recent_loss(&self, n: usize) -> Option<f64> {
        self.mean_loss(self.recent.len().checked_sub(n)?, n)
    }

    /// Mean norm of the gradient of the last `n` steps, once there are so many.
    pub(super) fn recent_gradient(&self, n: usize) -> Option<f64> {
        let newest = self.recent.iter().rev().take(n);
        let has_all = newest.len() == n && n > 0;
        has_all.then(|| newest.map(|numbers| numbers.grad_norm).sum::<f64>() / n as f64)
    }

    /// Mean losses of the last steps and of as many before them, once there are
    /// so many.
    pub(super) fn two_windows(&self) -> Option<(f64, f64)> {
        if self.recent.len() < 2 * WINDOW {
            return None;
        }
        Some((self.mean_loss(0, WINDOW)?, self.mean_loss(WINDOW, WINDOW)?))
    }

    fn mean_loss(&self, start: usize, n: usize) -> Option<f64> {
        let losses = self.recent.iter().skip(start).take(n);
        (n > 0).then(|| losses.map(|numbers| numbers.loss).sum::<f64>() / n as f64)
    }

    /// Whether the gradient reaches a part; none where it is not trained or too
    /// few steps were taken to say.
    pub(super) fn reaches(&self, part: Part) -> Option<bool> {
        let largest = self.largest[Part::ALL.iter().position(|of| *of == part)?];
        let mut newest = self.recent.iter().rev().take(DEAD_STEPS);
        if newest.len() < DEAD_STEPS {
            return None;
        }
        let is_dead = |gradient: f64| gradient.is_finite() && gradient <= DEAD_SHARE * largest;
        let all = newest.try_fold(true, |all, numbers| {
            Some(all && is_dead(part.gradient(&self.method, numbers)?))
        });
        all.map(|is_dead| !is_dead)
    }
}
