//! The steps of an adaptation, one after the other, until one of its stops.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::monitor::CollapseGuard;
use super::objective::{Method, QuestionReadings, StepGradient, Target};
use super::question::Question;
use super::spec::{Mode, Objective, StopSpec, UpdateSpec};
use super::states::{StateValues, States, Stop};
use crate::error::Result;
use crate::tuning::train::batch::DataOrder;

pub use super::monitor::Point;

/// Steps over which the rate rises where it is constant afterwards.
const SHORT_WARMUP: usize = 3;
/// The same where it falls afterwards.
const WARMUP: usize = 10;
/// What share of the rate is left at the last step, where it falls.
const LAST_SHARE: f64 = 0.05;

/// An adaptation of some states to some questions.
pub struct Adaptation<'a> {
    /// What moves them, and which way.
    pub method: Method<'a>,
    /// How.
    pub update: &'a UpdateSpec,
    /// Until when.
    pub stops: &'a StopSpec,
    /// What has a state of its own.
    pub mode: Mode,
    /// All questions. In [`Mode::Item`] that of each state.
    pub questions: &'a [Question],
}

/// How far an adaptation has come: with the states all that a later process needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Steps that were taken.
    pub step: usize,
    /// What was spent on each question's account; one account where a state is
    /// shared.
    pub costs: Vec<Cost>,
    /// What was seen.
    pub curve: Vec<Point>,
    /// Steps in a row whose questions told nothing.
    n_silent: usize,
    /// Steps in a row that had nothing left to learn.
    n_learned: usize,
    guard: CollapseGuard,
}

impl Reached {
    /// All tokens so far.
    pub fn cost(&self) -> Cost {
        self.costs
            .iter()
            .fold(Cost::default(), |sum, own| sum + *own)
    }
}

/// What the owner of an adaptation says after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Go,
    /// The states have had enough.
    Stop(Stop),
}

/// A step that was taken, as its owner hears of it.
pub struct AdaptationStep<'s> {
    /// The states after it.
    pub states: &'s States,
    /// All that was reached.
    pub reached: &'s Reached,
    /// What was seen of each question of the step, by its place in the questions.
    pub seen: &'s [(usize, QuestionReadings)],
}

impl Adaptation<'_> {
    /// Takes the steps that are left. `each` hears of every step and may stop the
    /// states; its error ends the work, as that of `progress`, which is asked more
    /// often.
    ///
    /// # Errors
    /// What the device, `each` or `progress` reports.
    pub fn run(
        &self,
        states: &mut States,
        reached: &mut Reached,
        each: &mut dyn FnMut(AdaptationStep<'_>) -> Result<Next>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        reached.costs.resize(states.len(), Cost::default());
        let mut best: Option<(f64, StateValues)> = None;
        while reached.step < self.update.steps && !states.are_all_stopped() {
            let chosen = self.chosen(states, reached.step);
            let targets: Vec<Target<'_>> = chosen
                .iter()
                .map(|idx| Target {
                    state: self.state_of(*idx),
                    question: &self.questions[*idx],
                })
                .collect();
            let StepGradient { gradient, seen } =
                self.method
                    .gradient(states, &targets, reached.step, progress)?;
            for (target, seen) in targets.iter().zip(&seen) {
                reached.costs[target.state] += seen.cost;
            }
            let mut point = Point::of(reached.step, &seen);
            if let Some(quality) = point.quality()
                && self.is_guarded()
                && best.as_ref().is_none_or(|(most, _)| quality > *most)
            {
                best = Some((quality, states.values()?));
            }
            let told = self.told(states, reached, &targets, &seen);
            let rates: Vec<f64> = (0..states.len())
                .map(|idx| self.rate(states.steps(idx)))
                .collect();
            point.learning_rate = rates.iter().copied().fold(0.0, f64::max);
            if let Some(gradient) = gradient {
                states.step(
                    gradient,
                    &told,
                    &rates,
                    self.update.clip_norm,
                    self.stops.max_drift,
                )?;
            }
            let n_states = states.len();
            let drift = (0..n_states)
                .map(|idx| f64::from(states.drift(idx)))
                .sum::<f64>();
            point.drift = drift / n_states as f64;
            point.n_moving = (0..n_states)
                .filter(|idx| states.stopped(*idx).is_none())
                .count();
            point.cost = reached.cost();
            reached.step += 1;
            if self.is_guarded() && reached.guard.sees(&point) {
                if let Some((_, values)) = best.take() {
                    states.restore(values)?;
                }
                states.stop(0, Stop::Collapsed);
            }
            reached.curve.push(point);
            self.stop_spent(states, reached);
            let seen: Vec<(usize, QuestionReadings)> = chosen.into_iter().zip(seen).collect();
            let taken = AdaptationStep {
                states,
                reached,
                seen: &seen,
            };
            if let Next::Stop(why) = each(taken)? {
                (0..states.len()).for_each(|idx| states.stop(idx, why));
            }
        }
        Ok(())
    }

    fn state_of(&self, question: usize) -> usize {
        match self.mode {
            Mode::Item => question,
            Mode::Shared | Mode::Pool => 0,
        }
    }

    /// The questions of a step.
    fn chosen(&self, states: &States, step: usize) -> Vec<usize> {
        match self.mode {
            Mode::Item => {
                let all = 0..self.questions.len();
                all.filter(|idx| states.stopped(*idx).is_none()).collect()
            }
            Mode::Shared | Mode::Pool => {
                let n = self.questions.len();
                let order = DataOrder::new(n, self.update.batch.min(n), self.method.seed);
                order.batch(step)
            }
        }
    }

    /// Steps in which every question comes once.
    fn steps_of_a_pass(&self) -> usize {
        match self.mode {
            Mode::Item => 1,
            Mode::Shared | Mode::Pool => self.questions.len().div_ceil(self.update.batch),
        }
    }

    /// Which states the step moves; stops those that have nothing left to learn.
    fn told(
        &self,
        states: &mut States,
        reached: &mut Reached,
        targets: &[Target<'_>],
        seen: &[QuestionReadings],
    ) -> Vec<bool> {
        let mut told = vec![false; states.len()];
        for (target, seen) in targets.iter().zip(seen) {
            told[target.state] |= seen.has_gradient;
        }
        let is_taught = matches!(
            self.method.objective,
            Objective::SingleStep { .. } | Objective::Soft { .. }
        );
        let has_learned = |seen: &QuestionReadings| {
            let agrees = seen.agreement == Some(1.0);
            agrees || seen.loss.is_some_and(|loss| loss < self.stops.loss_below)
        };
        match self.mode {
            Mode::Item => {
                for (target, seen) in targets.iter().zip(seen) {
                    if is_taught && has_learned(seen) {
                        states.stop(target.state, Stop::Learned);
                        told[target.state] = false;
                    } else if !seen.has_gradient {
                        states.stop(target.state, Stop::Converged);
                    }
                }
            }
            Mode::Shared | Mode::Pool => {
                let mut taught = seen.iter().filter(|seen| seen.has_gradient).peekable();
                let is_silent = taught.peek().is_none();
                let is_done = is_taught && !is_silent && taught.all(has_learned);
                reached.n_silent = if is_silent { reached.n_silent + 1 } else { 0 };
                reached.n_learned = if is_done { reached.n_learned + 1 } else { 0 };
                if reached.n_silent >= self.steps_of_a_pass() {
                    states.stop(0, Stop::Converged);
                }
                if reached.n_learned >= self.steps_of_a_pass() {
                    states.stop(0, Stop::Learned);
                    told[0] = false;
                }
            }
        }
        told
    }

    fn stop_spent(&self, states: &mut States, reached: &Reached) {
        let Some(budget) = self.stops.budget_tokens else {
            return;
        };
        let n_questions = match self.mode {
            Mode::Item => 1.0,
            Mode::Shared | Mode::Pool => self.questions.len() as f64,
        };
        for (idx, cost) in reached.costs.iter().enumerate() {
            if cost.total() >= budget * n_questions {
                states.stop(idx, Stop::Budget);
            }
        }
    }

    /// Whether answers are watched: of one state, and where no guide says what is
    /// wanted.
    fn is_guarded(&self) -> bool {
        let objective = self.method.objective;
        let is_free = objective.is_on_policy() && !objective.is_guided();
        self.stops.collapse_guard && is_free && self.mode != Mode::Item
    }

    /// The rate of a state's step.
    fn rate(&self, step: usize) -> f64 {
        let UpdateSpec {
            learning_rate,
            steps,
            ..
        } = *self.update;
        let is_short = self.mode == Mode::Item || self.method.objective.is_on_policy();
        let (warmup, share) = if is_short {
            (SHORT_WARMUP, 1.0)
        } else {
            let done = step as f64 / steps.max(1) as f64;
            let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            (WARMUP, LAST_SHARE + (1.0 - LAST_SHARE) * cosine)
        };
        let risen = ((step + 1) as f64 / warmup as f64).min(1.0);
        learning_rate * share * risen
    }
}

#[cfg(test)]
mod tests;
