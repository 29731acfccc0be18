//! Every sign is provoked by a run that shows it, and by none that does not.

use super::*;
use crate::tuning::spec::{DecorrelationSpec, LiftSpec, StandardSpec};
use crate::tuning::trainer::LiftNumbers;

fn standard() -> Method {
    Method::Standard(StandardSpec::default())
}

fn lifted_method() -> Method {
    Method::Lifted(LiftSpec {
        decorrelation: Some(DecorrelationSpec::default()),
        ..LiftSpec::default()
    })
}

fn step(idx: usize, loss: f64) -> StepNumbers {
    StepNumbers {
        step: idx + 1,
        loss,
        grad_norm: 0.5,
        state_norm: 1.0,
        learning_rate: 0.1,
        lift: None,
    }
}

fn falling() -> Vec<StepNumbers> {
    (0..60)
        .map(|idx| step(idx, 3.0 * 0.95_f64.powi(idx as i32)))
        .collect()
}

fn with_features(rms: f64, off_diagonal: f64, norm: f64) -> Vec<StepNumbers> {
    let mut steps = falling();
    for numbers in &mut steps {
        numbers.lift = Some(LiftNumbers {
            norm: 1.0,
            gate: None,
            literal: None,
            decorrelation: Some(DecorrelationNumbers {
                loss: 0.1,
                off_diagonal,
                rms,
                norm,
            }),
        });
    }
    steps
}

fn check(
    method: &Method,
    steps: &[StepNumbers],
    validations: &[(usize, f64)],
    expected: &[(&str, Sign)],
) {
    let evidence = Evidence {
        method,
        steps,
        validations,
        diverged_at: None,
    };
    let got = diagnose(&evidence);
    let got: Vec<(&str, Sign)> = got
        .iter()
        .map(|one| (one.field.as_str(), one.sign.clone()))
        .collect();
    assert_eq!(got, expected);
}

const GOOD: [(usize, f64); 3] = [(0, 3.0), (20, 1.0), (40, 0.5)];

#[test]
fn a_run_that_goes_well_has_nothing_wrong() {
    check(&standard(), &falling(), &GOOD, &[]);
    check(&lifted_method(), &with_features(0.3, 0.4, 20.0), &GOOD, &[]);
    check(&standard(), &[], &[], &[]);
}

#[test]
fn a_loss_that_stands_still_early_is_a_plateau() {
    let steps: Vec<_> = (0..60).map(|idx| step(idx, 2.0)).collect();
    let sign = || Sign::Plateau { loss: 2.0 };
    check(
        &standard(),
        &steps,
        &GOOD,
        &[("training.learning_rate", sign())],
    );
    check(
        &lifted_method(),
        &steps,
        &GOOD,
        &[("method.features.gamma", sign())],
    );
    let mut late = steps;
    late[59].learning_rate = 0.01;
    check(&standard(), &late, &GOOD, &[]);
}

#[test]
fn a_divergence_names_the_rate_that_caused_it() {
    let mut steps = falling();
    steps[30].learning_rate = 0.75;
    let method = standard();
    let evidence = Evidence {
        method: &method,
        steps: &steps,
        validations: &GOOD,
        diverged_at: Some(31),
    };
    let first = diagnose(&evidence).remove(0);
    assert_eq!(
        first.sign,
        Sign::Diverged {
            learning_rate: 0.75
        }
    );
    assert_eq!(
        first.to_string(),
        "at step 31, the step at the rate 0.75 was too large; try a third of it \
         (training.learning_rate)"
    );
}

#[test]
fn validations_show_what_does_not_help_and_what_over_fits() {
    let worse = [(0, 1.0), (20, 1.2), (40, 1.1)];
    let field = "training.learning_rate";
    check(
        &standard(),
        &falling(),
        &worse,
        &[(field, Sign::NoImprovement)],
    );
    let turned = [(0, 3.0), (10, 1.0), (20, 1.2), (30, 1.4)];
    let sign = Sign::OverFits { best_step: 10 };
    let field = "training.early_stopping";
    check(&standard(), &falling(), &turned, &[(field, sign)]);
}

#[test]
fn a_gradient_that_vanishes_is_seen() {
    let mut steps = falling();
    steps[59].grad_norm = 0.0;
    let dead = |field| [(field, Sign::DeadGradient)];
    check(&standard(), &steps, &GOOD, &dead("data.loss_on"));
    let alone = Method::Lifted(LiftSpec {
        tune_s0: false,
        ..LiftSpec::default()
    });
    check(&alone, &steps, &GOOD, &dead("method.features.gamma"));
}

#[test]
fn features_that_are_dead_or_saturated_ask_for_another_gamma() {
    let method = lifted_method();
    let field = "method.features.gamma";
    let dead = Sign::DeadFeatures { rms: 0.001 };
    check(
        &method,
        &with_features(0.001, 0.1, 16.0),
        &GOOD,
        &[(field, dead)],
    );
    let saturated = Sign::SaturatedFeatures { off_diagonal: 0.99 };
    let steps = with_features(0.9, 0.99, 16.0);
    check(&method, &steps, &GOOD, &[(field, saturated)]);
}

#[test]
fn an_r_that_has_grown_is_a_larger_rate() {
    let steps = with_features(0.9, 0.2, 80.0);
    let sign = Sign::GrownDecorrelation { factor: 5.0 };
    let field = "method.decorrelation.rule.eta";
    check(&lifted_method(), &steps, &GOOD, &[(field, sign)]);
}
