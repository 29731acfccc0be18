//! What is wrong with a run, as data: the failure signatures of the paper and
//! a few of our own, each with the field to change.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Part, WINDOW};
use crate::tuning::spec::Lifting;

mod features;

/// A loss that falls by less than this share over a window stands still.
const STANDSTILL: f64 = 0.01;
/// A loss below this has nowhere to fall.
const NEARLY_NOTHING: f64 = 0.05;
/// Growth of the loss over that of the first step that is no noise.
const WORSE: f64 = 1.5;
/// Steps whose loss is compared with that of the first one.
const WORSE_STEPS: usize = 5;
/// Share of the largest gradient below which a state cannot be steered any more.
const LOST_GRADIENT: f64 = 0.03;
/// Steps that are looked at for that.
const LOST_STEPS: usize = 10;
/// Share of the first loss above which a run has not got far.
const NOT_FAR: f64 = 0.5;
/// Share of the untuned validation loss that an improvement is at least.
const IMPROVEMENT: f64 = 1e-3;
/// Validations of a tuned state before that says anything.
const MIN_VALIDATIONS: usize = 2;
/// Validations behind the best after which a run over-fits.
const TURNED: usize = 2;
/// Rise of the validation loss over its best that is no noise.
const RISE: f64 = 1.02;

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What is wrong.
    pub sign: Sign,
    /// The step at which it was seen; 0 is before the first.
    pub step: usize,
    /// The field of the specification to change, by its path.
    pub field: String,
    /// What it is and how to change it, for the user.
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
    /// The loss is far above where it started.
    Worsens {
        /// Mean nats a token of the last steps.
        loss: f64,
        /// The same of the first step.
        first: f64,
    },
    /// The state has grown so large that no step changes much.
    Overshoots {
        /// The norm of S_0, and of Z of a lifted run.
        norm: f64,
        /// The gradient as a share of the largest.
        gradient: f64,
    },
    /// No validation beat that of step 0.
    NoImprovement {
        /// The best validation loss of a tuned state.
        best: f64,
        /// The loss of step 0, before anything is tuned; texts begin there as everywhere
        /// in the run.
        untuned: f64,
    },
    /// No gradient reaches something that is trained.
    DeadGradient(Part),
    /// Most kernels hardly ever fire.
    DeadFeatures {
        /// Their share.
        share: f64,
    },
    /// Most kernels fire alike at every position.
    SaturatedFeatures {
        /// Their share.
        share: f64,
    },
    /// The validation loss rises while the training loss falls.
    OverFits {
        /// The step of the best validation.
        best_step: usize,
    },
    /// R makes the features larger, which works like a larger rate.
    GrownDecorrelation {
        /// How much larger, as a root mean square.
        factor: f64,
    },
    /// R has all but lost a direction of the features.
    IllConditioned {
        /// The largest condition number of R among the heads.
        condition: f64,
    },
}

impl Sign {
    /// Whether both say the same, though perhaps in other numbers.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::DeadGradient(part), Self::DeadGradient(of)) => part == of,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// Everything that is wrong with a run, the gravest first.
pub fn diagnose(evidence: &Evidence) -> Vec<Diagnosis> {
    let mut found: Vec<Diagnosis> = divergence(evidence).into_iter().collect();
    let dead = Part::ALL.map(|part| dead_gradient(evidence, part));
    found.extend(dead.into_iter().flatten());
    let others = [
        worsening(evidence),
        overshooting(evidence),
        no_improvement(evidence),
        over_fitting(evidence),
        features::features(evidence),
        features::ill_conditioned(evidence),
        features::grown_decorrelation(evidence),
        plateau(evidence),
    ];
    found.extend(others.into_iter().flatten());
    found
}

fn found(sign: Sign, step: usize, field: &str, advice: impl Into<String>) -> Option<Diagnosis> {
    Some(Diagnosis {
        sign,
        step,
        field: field.to_owned(),
        advice: advice.into(),
    })
}

fn lifted(evidence: &Evidence) -> Option<Lifting<'_>> {
    evidence.method.lifting()
}

/// A rate in as few digits as say it.
fn rate(rate: f64) -> String {
    if rate < 1e-3 {
        format!("{rate:e}")
    } else {
        format!("{rate}")
    }
}

/// The field of the rate that matters: that of the branch or of the adapters where
/// they alone are trained.
fn rate_field(evidence: &Evidence) -> &'static str {
    let lora = evidence.method.lora();
    match (lifted(evidence), lora) {
        (Some(spec), _) if !spec.tune_s0 => "method.learning_rate_lift",
        (_, Some(spec)) if !spec.tune_s0 => "method.learning_rate_lora",
        (Some(_) | None, _) => "training.learning_rate",
    }
}

fn divergence(evidence: &Evidence) -> Option<Diagnosis> {
    let (step, learning_rate) = evidence.divergence?;
    let advice = tr!(
        "the step at the rate {} was too large; try a third of it",
        rate(learning_rate)
    );
    let sign = Sign::Diverged { learning_rate };
    found(sign, step, rate_field(evidence), advice)
}

fn worsening(evidence: &Evidence) -> Option<Diagnosis> {
    let first = evidence.first_loss?;
    let loss = evidence.recent_loss(WORSE_STEPS)?;
    let last = evidence.last()?;
    if loss <= WORSE * first || evidence.divergence.is_some() {
        return None;
    }
    let advice = tr!(
        "the loss is {loss} where it began with {first}; the rate {} is too large, try a tenth of it",
        rate(evidence.peak_rate),
        loss = format_args!("{loss:.3}"),
        first = format_args!("{first:.3}")
    );
    let sign = Sign::Worsens { loss, first };
    found(sign, last.step, rate_field(evidence), advice)
}

fn overshooting(evidence: &Evidence) -> Option<Diagnosis> {
    let first = evidence.first_loss?;
    let loss = evidence.recent_loss(LOST_STEPS)?;
    let gradient = evidence.recent_gradient(LOST_STEPS)? / evidence.largest_gradient;
    let last = evidence.last()?;
    let is_lost = gradient > 0.0 && gradient < LOST_GRADIENT && loss > NOT_FAR * first;
    if !is_lost || evidence.divergence.is_some() {
        return None;
    }
    let norm = last
        .state_norm
        .hypot(last.lift.map_or(0.0, |lift| lift.norm))
        .hypot(last.lora.map_or(0.0, |lora| lora.norm));
    let advice = tr!(
        "the state has grown to the norm {norm} and the gradient has shrunk to {}% of its largest, while the loss is still {loss}; the rate {} is too large, try a tenth of it",
        format_args!("{:.1}", 100.0 * gradient),
        rate(evidence.peak_rate),
        norm = format_args!("{norm:.3e}"),
        loss = format_args!("{loss:.3}")
    );
    let sign = Sign::Overshoots { norm, gradient };
    found(sign, last.step, rate_field(evidence), advice)
}

fn dead_gradient(evidence: &Evidence, part: Part) -> Option<Diagnosis> {
    if evidence.reaches(part)? {
        return None;
    }
    let (field, advice) = match part {
        Part::S0 => (
            "data.loss_on",
            tr!("no gradient reaches S_0; check that the loss counts the right tokens"),
        ),
        Part::Z => (
            "method.features.gamma",
            tr!(
                "no gradient reaches Z; a smaller gamma makes the kernels wider, so that they fire more often"
            ),
        ),
        Part::R => (
            "method.decorrelation.rule.lambda",
            tr!("no gradient reaches R; a larger lambda weighs the decorrelation more"),
        ),
        Part::Lora => (
            "data.loss_on",
            tr!("no gradient reaches the adapters; check that the loss counts the right tokens"),
        ),
    };
    let step = evidence.last()?.step;
    found(Sign::DeadGradient(part), step, field, advice)
}

fn no_improvement(evidence: &Evidence) -> Option<Diagnosis> {
    let seen = &evidence.validations;
    let (untuned, (_, best), (step, _)) = (seen.untuned?, seen.best?, seen.last?);
    if seen.n_tuned < MIN_VALIDATIONS || best < untuned * (1.0 - IMPROVEMENT) {
        return None;
    }
    let rate = rate(evidence.peak_rate);
    let cause = if best > untuned * (1.0 + IMPROVEMENT) {
        tr!("the rate {rate} may be too large, try a third of it", rate)
    } else {
        tr!(
            "the state hardly moves at the rate {rate}, try ten times as much",
            rate
        )
    };
    let advice = tr!(
        "no validation beat that of step 0, {best} against {untuned}; {}{cause}, or let gosling find-rate suggest one",
        reach(evidence),
        best = format_args!("{best:.4}"),
        untuned = format_args!("{untuned:.4}"),
        cause
    );
    let sign = Sign::NoImprovement { best, untuned };
    found(sign, step, rate_field(evidence), advice)
}

/// What the gradient reaches, as the beginning of a sentence.
fn reach(evidence: &Evidence) -> String {
    let known = Part::ALL.map(|part| (part.symbol(), evidence.reaches(part)));
    let that = |wanted: bool| {
        let parts = known.iter().filter(|(_, reached)| *reached == Some(wanted));
        let parts: Vec<&str> = parts.map(|(symbol, _)| *symbol).collect();
        parts.join(" and ")
    };
    match (that(true).as_str(), that(false).as_str()) {
        ("", _) => String::new(),
        (reached, "") => tr!("the gradient reaches {reached}, so ", reached),
        (reached, not) => tr!(
            "the gradient reaches {reached} but not {not}; ",
            reached,
            not
        ),
    }
}

fn over_fitting(evidence: &Evidence) -> Option<Diagnosis> {
    let seen = &evidence.validations;
    let ((best_step, best), (step, last)) = (seen.best?, seen.last?);
    let has_improved = best < seen.untuned?;
    let trained = evidence.recent_loss(WORSE_STEPS)?;
    if !has_improved || trained >= best || seen.n_behind < TURNED || last < RISE * best {
        return None;
    }
    let advice = tr!(
        "the validation loss has risen since step {best_step}, from {best} to {last}; stop early, or use a lower rate or fewer layers",
        best_step,
        best = format_args!("{best:.4}"),
        last = format_args!("{last:.4}")
    );
    let sign = Sign::OverFits { best_step };
    found(sign, step, "training.early_stopping", advice)
}

fn plateau(evidence: &Evidence) -> Option<Diagnosis> {
    let (before, now) = evidence.two_windows()?;
    let is_still = (before - now).abs() < STANDSTILL * before;
    // Near its end a schedule stands still by itself.
    let last = evidence.last()?;
    let is_early = last.learning_rate > 0.5 * evidence.peak_rate;
    if !is_still || !is_early || now < NEARLY_NOTHING {
        return None;
    }
    let stands = tr!(
        "the loss has been stuck at {now} for {WINDOW} steps",
        now = format_args!("{now:.3}"),
        WINDOW
    );
    let (field, advice) = match (lifted(evidence), evidence.activity) {
        (Some(_), Some(activity)) => (
            "method.features.gamma",
            tr!(
                "{stands}; {}% of the kernels are dead and {}% saturated, another gamma changes which ones fire",
                format_args!("{:.0}", 100.0 * activity.dead),
                format_args!("{:.0}", 100.0 * activity.saturated),
                stands
            ),
        ),
        _ => (
            "training.learning_rate",
            tr!("{stands}; a larger rate may help", stands),
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
        match step {
            0 => write!(f, "{}", tr!("{advice} (change {field})", advice, field)),
            step => write!(
                f,
                "{}",
                tr!(
                    "at step {step}, {advice} (change {field})",
                    step,
                    advice,
                    field
                )
            ),
        }
    }
}

#[cfg(test)]
mod tests;
