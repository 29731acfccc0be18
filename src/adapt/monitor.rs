//! What is seen of an adaptation step by step, and when it is going wrong. Nothing
//! here knows which answer is right.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::objective::QuestionReadings;

/// What is seen of a step, the mean over its questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps before this one.
    pub step: usize,
    /// Tokens so far, of all questions.
    pub cost: Cost,
    /// The mean loss, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The mean reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// The share of the guide's tokens that are the likeliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// The mean entropy of tokens or options, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// The mean share of the most frequent answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<f64>,
    /// The mean number of different answers of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_different: Option<f64>,
    /// The mean length of answers, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<f64>,
    /// The share of answers that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<f64>,
    /// How far states are from the base after the step, as
    /// [`super::states::StateChange::drift`].
    pub drift: f64,
    /// States that still move.
    pub n_moving: usize,
    /// The rate of the step.
    pub learning_rate: f64,
}

impl Point {
    /// The means of what was seen; numbers of the states are set by the caller.
    pub(super) fn of(step: usize, seen: &[QuestionReadings]) -> Self {
        let mean = |of: fn(&QuestionReadings) -> Option<f64>| {
            let values: Vec<f64> = seen.iter().filter_map(of).collect();
            let n = values.len();
            (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
        };
        Self {
            step,
            cost: Cost::default(),
            loss: mean(|seen| seen.loss),
            reward: mean(|seen| seen.reward),
            agreement: mean(|seen| seen.agreement),
            entropy: mean(|seen| seen.entropy),
            majority: mean(|seen| seen.majority),
            n_different: mean(|seen| seen.n_different),
            length: mean(|seen| seen.length),
            valid: mean(|seen| seen.valid),
            drift: 0.0,
            n_moving: 0,
            learning_rate: 0.0,
        }
    }

    /// What a state is chosen by where nothing is known to be right: the share of the
    /// majority times that of readable answers.
    pub(super) fn quality(&self) -> Option<f64> {
        Some(self.majority? * self.valid?)
    }
}

/// Points that are averaged before they are judged.
const WINDOW: usize = 3;
/// How far the share of readable answers may fall.
const VALID_FALL: f64 = 0.2;
/// What share of their first length answers keep.
const LENGTH_LEFT: f64 = 0.5;
/// Different answers of a group, below which it has nothing to say.
const FEW_DIFFERENT: f64 = 1.05;

/// Watches for answers that become fewer, shorter or all alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CollapseGuard {
    first: Vec<Point>,
    last: Vec<Point>,
}

impl CollapseGuard {
    /// Takes in a point; whether the adaptation has collapsed.
    pub fn sees(&mut self, point: &Point) -> bool {
        if self.first.len() < WINDOW {
            self.first.push(point.clone());
        }
        self.last.push(point.clone());
        if self.last.len() > WINDOW {
            self.last.remove(0);
        }
        // The first window has nothing to be compared with.
        if point.step < self.first[0].step + WINDOW {
            return false;
        }
        let change = |of: fn(&Point) -> Option<f64>| {
            let mean = |points: &[Point]| {
                let values: Option<Vec<f64>> = points.iter().map(of).collect();
                values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
            };
            mean(&self.first).zip(mean(&self.last))
        };
        let falls = change(|of| of.valid).is_some_and(|(was, is)| is < was - VALID_FALL);
        let shrinks = change(|of| of.length).is_some_and(|(was, is)| is < was * LENGTH_LEFT);
        let rises = change(|of| of.reward).is_some_and(|(was, is)| is > was);
        let alike = change(|of| of.n_different)
            .is_some_and(|(was, is)| is < FEW_DIFFERENT && was >= FEW_DIFFERENT);
        falls || shrinks || (alike && rises)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: usize, valid: f64, length: f64, n_different: f64, reward: f64) -> Point {
        let seen = QuestionReadings {
            valid: Some(valid),
            length: Some(length),
            n_different: Some(n_different),
            reward: Some(reward),
            ..QuestionReadings::default()
        };
        Point::of(step, &[seen])
    }

    /// The step at which the guard speaks.
    fn step_of(of: impl Fn(usize) -> Point) -> Option<usize> {
        let mut guard = CollapseGuard::default();
        (0..20).find(|step| guard.sees(&of(*step)))
    }

    #[test]
    fn fewer_shorter_and_alike_answers_are_a_collapse() {
        let late = |step: usize| step >= 10;
        assert_eq!(step_of(|step| point(step, 0.9, 40.0, 3.0, 0.5)), None);
        assert!(
            step_of(|step| point(step, if late(step) { 0.5 } else { 0.9 }, 40.0, 3.0, 0.5))
                .is_some()
        );
        assert!(
            step_of(|step| point(step, 0.9, if late(step) { 10.0 } else { 40.0 }, 3.0, 0.5))
                .is_some()
        );
        let alike = |step| if late(step) { 1.0 } else { 3.0 };
        assert!(step_of(|step| point(step, 0.9, 40.0, alike(step), 0.1 * step as f64)).is_some());
        // All alike while the reward does not rise is agreement.
        assert_eq!(
            step_of(|step| point(step, 0.9, 40.0, alike(step), 0.5)),
            None
        );
        // Alike from the start, as a sure model is.
        assert_eq!(
            step_of(|step| point(step, 0.9, 40.0, 1.0, 0.1 * step as f64)),
            None
        );
    }
}
