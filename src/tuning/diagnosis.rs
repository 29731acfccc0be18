//! What is wrong with a run, as data: the failure signatures of the paper and
//! a few of our own, each with the field to change.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::spec::{DecorrelationRule, Lifting, Method};
use super::trainer::{DecorrelationNumbers, StepNumbers};

/// Steps that a judgement is made over.
const WINDOW: usize = 20;
/// A loss that falls by less than this share over a window stands still.
const STANDSTILL: f64 = 0.01;
/// A gradient below this share of the largest seen carries nothing.
const DEAD_SHARE: f64 = 1e-6;
/// Features whose root mean square is below this hardly ever fire.
const DEAD_RMS: f64 = 0.02;
/// Mean |corr| of features above which they say the same.
const SATURATED: f64 = 0.95;
/// Growth of |R| over its start, sqrt(M), above which it acts as a larger rate.
const GROWN_R: f64 = 4.0;
/// Validation losses behind the best after which a run over-fits.
const TURNED: usize = 2;

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What is wrong.
    pub sign: Sign,
    /// The step at which it was seen.
    pub step: usize,
    /// The field of the specification to change, by its path.
    pub field: String,
    /// How to change it, for people.
    pub advice: String,
}

/// A failure signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Sign {
    /// The loss fell, and stands still far from 0.
    Plateau {
        /// Where it stands, nats a token.
        loss: f64,
    },
    /// A step left the finite numbers.
    Diverged {
        /// The rate of that step.
        learning_rate: f64,
    },
    /// No validation beat the untuned model.
    NoImprovement,
    /// No gradient reaches what is trained.
    DeadGradient,
    /// The kernels hardly ever fire.
    DeadFeatures {
        /// Root mean square of the features.
        rms: f64,
    },
    /// All kernels fire alike.
    SaturatedFeatures {
        /// Mean |corr| of two of them.
        off_diagonal: f64,
    },
    /// The validation loss rises while the training loss falls.
    OverFits {
        /// The step of the best validation.
        best_step: usize,
    },
    /// R has grown, which works like a larger rate.
    GrownDecorrelation {
        /// |R| over that of the identity.
        factor: f64,
    },
}

/// What a run has shown of itself so far.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What is trained.
    pub method: &'a Method,
    /// Every step, in order.
    pub steps: &'a [StepNumbers],
    /// Steps and losses of the validations, step 0 first.
    pub validations: &'a [(usize, f64)],
    /// The step at which it diverged, if it did.
    pub diverged_at: Option<usize>,
}

/// Everything that is wrong with a run, the gravest first.
pub fn diagnose(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let signs = [
        divergence(evidence),
        dead_gradient(evidence),
        no_improvement(evidence),
        over_fitting(evidence),
        features(evidence),
        grown_decorrelation(evidence),
        plateau(evidence),
    ];
    signs.into_iter().flatten().collect()
}

fn found(sign: Sign, step: usize, field: &str, advice: impl Into<String>) -> Option<Diagnosis> {
    Some(Diagnosis {
        sign,
        step,
        field: field.to_owned(),
        advice: advice.into(),
    })
}

fn lifted<'a>(evidence: &Evidence<'a>) -> Option<Lifting<'a>> {
    evidence.method.lifting()
}

/// The field of the rate that matters: that of the branch where it alone is
/// trained.
fn rate_field(evidence: &Evidence<'_>) -> &'static str {
    match lifted(evidence) {
        Some(spec) if !spec.tune_s0 => "method.learning_rate_lift",
        Some(_) | None => "training.learning_rate",
    }
}

fn divergence(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let step = evidence.diverged_at?;
    let at = evidence.steps.iter().find(|numbers| numbers.step == step);
    let learning_rate = at.map_or(f64::NAN, |numbers| numbers.learning_rate);
    let advice = format!("the step at the rate {learning_rate} was too large; try a third of it");
    let sign = Sign::Diverged { learning_rate };
    found(sign, step, rate_field(evidence), advice)
}

fn dead_gradient(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let largest = evidence.steps.iter().map(|numbers| numbers.grad_norm);
    let largest = largest.fold(0.0, f64::max);
    let last = evidence.steps.last()?;
    if !last.grad_norm.is_finite() || last.grad_norm > DEAD_SHARE * largest {
        return None;
    }
    let (field, advice) = match lifted(evidence) {
        Some(spec) if !spec.tune_s0 => (
            "method.features.gamma",
            "no gradient reaches Z; wider kernels, a smaller gamma, fire more often",
        ),
        Some(_) | None => (
            "data.loss_on",
            "no gradient reaches S_0; look whether the loss counts the right tokens",
        ),
    };
    found(Sign::DeadGradient, last.step, field, advice)
}

fn no_improvement(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let ((_, untuned), rest) = evidence.validations.split_first()?;
    let (last, _) = rest.last()?;
    if rest.iter().any(|(_, loss)| loss < untuned) {
        return None;
    }
    let advice = "no validation beat the untuned model; find a rate with gosling find-rate";
    found(Sign::NoImprovement, *last, rate_field(evidence), advice)
}

fn over_fitting(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let by_loss = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
    let (best_step, best) = evidence.validations.iter().min_by(by_loss)?;
    let behind: Vec<_> = evidence
        .validations
        .iter()
        .filter(|(step, loss)| step > best_step && loss > best)
        .collect();
    if *best_step == 0 || behind.len() < TURNED {
        return None;
    }
    let (last, _) = behind.last()?;
    let sign = Sign::OverFits {
        best_step: *best_step,
    };
    let advice = "the validation loss turned; stop early, or use a lower rate or fewer layers";
    found(sign, *last, "training.early_stopping", advice)
}

/// The numbers of the last step that looked at the features.
fn last_features(evidence: &Evidence<'_>) -> Option<(usize, DecorrelationNumbers)> {
    let of = |numbers: &StepNumbers| Some((numbers.step, numbers.lift?.decorrelation?));
    evidence.steps.iter().rev().find_map(of)
}

fn features(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let (step, numbers) = last_features(evidence)?;
    let field = "method.features.gamma";
    if numbers.rms < DEAD_RMS {
        let sign = Sign::DeadFeatures { rms: numbers.rms };
        let advice = "the kernels hardly ever fire; a smaller gamma, or Median, widens them";
        return found(sign, step, field, advice);
    }
    if numbers.off_diagonal > SATURATED {
        let sign = Sign::SaturatedFeatures {
            off_diagonal: numbers.off_diagonal,
        };
        let advice = "all kernels fire alike; a larger gamma sets them apart";
        return found(sign, step, field, advice);
    }
    None
}

fn grown_decorrelation(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let spec = lifted(evidence)?;
    let (step, numbers) = last_features(evidence)?;
    let factor = numbers.norm / (spec.features.upscaled_size as f64).sqrt();
    if factor < GROWN_R {
        return None;
    }
    let (field, advice) = match spec.decorrelation?.rule {
        DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => (
            "method.decorrelation.rule.eta",
            "R has grown and works like a larger rate; a smaller eta slows it",
        ),
        DecorrelationRule::Joint { .. } => (
            "method.decorrelation.rule.learning_rate",
            "R has grown and works like a larger rate; a smaller rate slows it",
        ),
    };
    found(Sign::GrownDecorrelation { factor }, step, field, advice)
}

fn plateau(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let steps = evidence.steps;
    if steps.len() < 2 * WINDOW {
        return None;
    }
    let mean = |part: &[StepNumbers]| {
        let sum: f64 = part.iter().map(|numbers| numbers.loss).sum();
        sum / part.len() as f64
    };
    let (before, now) = steps[steps.len() - 2 * WINDOW..].split_at(WINDOW);
    let (before, now) = (mean(before), mean(now));
    let still = (before - now).abs() < STANDSTILL * before;
    // Near its end a schedule stands still by itself.
    let last = steps.last()?;
    let peak = steps.iter().map(|numbers| numbers.learning_rate);
    let is_early = last.learning_rate > 0.5 * peak.fold(0.0, f64::max);
    // A loss that is nearly nothing has nowhere to fall.
    if !still || !is_early || now < 0.05 {
        return None;
    }
    let (field, advice) = match lifted(evidence) {
        Some(_) => (
            "method.features.gamma",
            "the loss stands still early; another gamma changes which features fire",
        ),
        None => (
            "training.learning_rate",
            "the loss stands still early; a larger rate may get it going",
        ),
    };
    found(Sign::Plateau { loss: now }, last.step, field, advice)
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sign: _,
            step,
            field,
            advice,
        } = self;
        write!(f, "at step {step}, {advice} ({field})")
    }
}

#[cfg(test)]
mod tests;
