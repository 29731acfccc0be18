//! What is wrong with the features phi and with R, which decorrelates them.

use super::{Diagnosis, Sign, found, lifted};
use crate::tuning::inspect::evidence::Evidence;
use crate::tuning::inspect::feature_activity::FeatureActivity;
use crate::tuning::spec::DecorrelationRule;

/// Share of dead or saturated kernels from which on gamma is wrong.
const MOST: f64 = 0.5;
/// Growth of the features by R above which it acts as a larger rate.
const GROWN_R: f64 = 4.0;
/// Condition number of R above which it is as good as singular: a direction of the
/// features counts for less than a ten-thousandth of another.
const ILL_CONDITIONED: f64 = 1e4;

/// Kernels that are dead or saturated.
pub(super) fn features(evidence: &Evidence) -> Option<Diagnosis> {
    let FeatureActivity {
        mean,
        dead,
        saturated,
    } = evidence.activity?;
    let field = "method.features.gamma";
    let percent = |share: f64| tr!("{}% of the kernels", format_args!("{:.0}", 100.0 * share));
    if dead > MOST {
        let advice = tr!(
            "{} hardly ever fire (mean activation {mean}); a smaller gamma, or Median, widens them",
            percent(dead),
            mean = format_args!("{mean:.2e}")
        );
        return found(Sign::DeadFeatures { share: dead }, 0, field, advice);
    }
    if saturated > MOST {
        let advice = tr!(
            "{} are the same at every position (mean activation {mean}); a larger gamma, or Median, sets them apart",
            percent(saturated),
            mean = format_args!("{mean:.4}")
        );
        return found(
            Sign::SaturatedFeatures { share: saturated },
            0,
            field,
            advice,
        );
    }
    None
}

/// R that acts as a larger rate.
pub(super) fn grown_decorrelation(evidence: &Evidence) -> Option<Diagnosis> {
    let spec = lifted(evidence)?;
    let (step, numbers) = evidence.decorrelation?;
    let factor = numbers.rms / evidence.first_rms?;
    if factor < GROWN_R || !factor.is_finite() {
        return None;
    }
    let (field, smaller) = r_field(spec.decorrelation?.rule);
    let advice = tr!(
        "R makes the features {factor} times larger, which works like a larger rate; {smaller}",
        factor = format_args!("{factor:.1}"),
        smaller
    );
    found(Sign::GrownDecorrelation { factor }, step, field, advice)
}

/// R that is as good as singular.
pub(super) fn ill_conditioned(evidence: &Evidence) -> Option<Diagnosis> {
    let spec = lifted(evidence)?;
    let (step, condition) = evidence.condition?;
    // Not a number is R itself not being one, which divergence tells.
    if condition.is_nan() || condition <= ILL_CONDITIONED {
        return None;
    }
    let (field, smaller) = r_field(spec.decorrelation?.rule);
    let advice = tr!(
        "R is ill-conditioned (condition number {condition}): it has almost lost a direction of the features and amplifies others; {smaller}",
        condition = format_args!("{condition:.1e}"),
        smaller
    );
    found(Sign::IllConditioned { condition }, step, field, advice)
}

/// The field that says how fast R moves, and how to slow it.
fn r_field(rule: DecorrelationRule) -> (&'static str, &'static str) {
    match rule {
        DecorrelationRule::LocalRule { .. } | DecorrelationRule::ScalarRms { .. } => (
            "method.decorrelation.rule.eta",
            tr!("a smaller eta slows it"),
        ),
        DecorrelationRule::Joint { .. } => (
            "method.decorrelation.rule.learning_rate",
            tr!("a smaller rate of R slows it"),
        ),
    }
}
