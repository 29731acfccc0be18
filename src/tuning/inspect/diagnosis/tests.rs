//! Every sign is shown by numbers that have it, and by none that have not.
//! `tests/worker_protocol/diagnoses.rs` provokes them in real runs.

use super::*;
use crate::tuning::inspect::feature_activity::FeatureActivity;
use crate::tuning::spec::{DecorrelationSpec, LiftSpec, Method, StandardSpec};
use crate::tuning::train::trainer::{DecorrelationNumbers, LiftNumbers, StepNumbers};

const GOOD: [(usize, f64); 3] = [(0, 3.0), (20, 1.0), (40, 0.5)];
const LIVELY: FeatureActivity = FeatureActivity {
    mean: 0.4,
    dead: 0.1,
    saturated: 0.0,
};

fn standard() -> Method {
    Method::Standard(StandardSpec::default())
}

fn lifted_spec() -> LiftSpec {
    LiftSpec {
        decorrelation: Some(DecorrelationSpec::default()),
        ..LiftSpec::default()
    }
}

fn step(idx: usize, loss: f64) -> StepNumbers {
    StepNumbers {
        step: idx + 1,
        loss,
        grad_norm: 0.5,
        state_grad_norm: 0.4,
        state_norm: 1.0,
        learning_rate: 0.1,
        lift: None,
        lora: None,
    }
}

fn falling() -> Vec<StepNumbers> {
    (0..60)
        .map(|idx| step(idx, 3.0 * 0.95_f64.powi(idx as i32)))
        .collect()
}

fn with_branch(last_rms: f64) -> Vec<StepNumbers> {
    let mut steps = falling();
    for (idx, numbers) in steps.iter_mut().enumerate() {
        numbers.lift = Some(LiftNumbers {
            norm: 1.0,
            grad_norm: 0.3,
            r_grad_norm: None,
            gate: None,
            literal: None,
            decorrelation: Some(DecorrelationNumbers {
                loss: 0.1,
                off_diagonal: 0.4,
                rms: if idx == 0 { 0.2 } else { last_rms },
                norm: 16.0,
            }),
        });
    }
    steps
}

fn evidence(
    method: &Method,
    steps: &[StepNumbers],
    validations: &[(usize, f64)],
    activity: Option<FeatureActivity>,
) -> Evidence {
    let mut evidence = Evidence::new(method, activity);
    for numbers in steps {
        evidence.see_step(numbers);
    }
    for (step, loss) in validations {
        evidence.see_validation(*step, *loss);
    }
    evidence
}

fn check(evidence: &Evidence, expected: &[(&str, Sign)]) {
    let got = diagnose(evidence);
    let got: Vec<(&str, Sign)> = got
        .iter()
        .map(|one| (one.field.as_str(), one.sign.clone()))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn a_run_that_goes_well_has_nothing_wrong() {
    check(&evidence(&standard(), &falling(), &GOOD, None), &[]);
    let lifted = Method::Lifted(lifted_spec());
    check(
        &evidence(&lifted, &with_branch(0.4), &GOOD, Some(LIVELY)),
        &[],
    );
    check(&evidence(&standard(), &[], &[], None), &[]);
    check(&evidence(&Method::Base, &[], &GOOD[..1], None), &[]);
}

#[test]
fn a_loss_that_stands_still_early_is_a_plateau() {
    let mut steps: Vec<_> = (0..60).map(|idx| step(idx, 2.0)).collect();
    let sign = || Sign::Plateau { loss: 2.0 };
    let field = "training.learning_rate";
    check(
        &evidence(&standard(), &steps, &GOOD, None),
        &[(field, sign())],
    );
    let lifted = Method::Lifted(LiftSpec::default());
    let of_lifted = evidence(&lifted, &steps, &GOOD, Some(LIVELY));
    check(&of_lifted, &[("method.features.gamma", sign())]);
    let advice = &diagnose(&of_lifted)[0].advice;
    assert!(advice.contains("10% of the kernels are dead"), "{advice}");
    steps[59].learning_rate = 0.01;
    check(&evidence(&standard(), &steps, &GOOD, None), &[]);
}

#[test]
fn a_divergence_names_the_rate_that_caused_it() {
    let mut steps = falling();
    steps[50].learning_rate = 0.75;
    let mut seen = evidence(&standard(), &steps, &GOOD, None);
    seen.see_divergence(51);
    let first = diagnose(&seen).remove(0);
    assert_eq!(
        first.to_string(),
        "at step 51, the step at the rate 0.75 was too large; try a third of it \
         (change training.learning_rate)"
    );
}

#[test]
fn a_loss_that_explodes_is_a_rate_too_large() {
    let steps: Vec<_> = (0..8).map(|idx| step(idx, 2.0 + idx as f64)).collect();
    let sign = Sign::Worsens {
        loss: 7.0,
        first: 2.0,
    };
    let field = "training.learning_rate";
    check(
        &evidence(&standard(), &steps, &[], None),
        &[(field, sign.clone())],
    );
    let alone = Method::Lifted(LiftSpec {
        tune_s0: false,
        ..LiftSpec::default()
    });
    let field = "method.learning_rate_lift";
    check(
        &evidence(&alone, &steps, &[], Some(LIVELY)),
        &[(field, sign)],
    );
}

#[test]
fn a_state_that_cannot_be_steered_any_more_is_a_rate_too_large() {
    let mut steps: Vec<_> = (0..20).map(|idx| step(idx, 2.0)).collect();
    for numbers in &mut steps[1..] {
        numbers.grad_norm = 0.5 / 64.0;
        numbers.state_norm = 3e4;
    }
    let sign = Sign::Overshoots {
        norm: 3e4,
        gradient: 1.0 / 64.0,
    };
    let field = "training.learning_rate";
    check(&evidence(&standard(), &steps, &[], None), &[(field, sign)]);
    // A run that has learnt has a small gradient too.
    for numbers in &mut steps[1..] {
        numbers.loss = 0.1;
    }
    check(&evidence(&standard(), &steps, &[], None), &[]);
}

#[test]
fn validations_show_what_does_not_help_and_what_over_fits() {
    let field = "training.learning_rate";
    for (validations, best, advice) in [
        ([(0, 1.0), (20, 1.2), (40, 1.1)], 1.1, "a third of it"),
        (
            [(0, 1.0), (20, 1.0), (40, 0.9999)],
            0.9999,
            "ten times as much",
        ),
    ] {
        let seen = evidence(&standard(), &falling(), &validations, None);
        let sign = Sign::NoImprovement { best, untuned: 1.0 };
        check(&seen, &[(field, sign)]);
        let got = &diagnose(&seen)[0].advice;
        assert!(got.contains(advice), "{got}");
        assert!(got.contains("the gradient reaches S_0, so"), "{got}");
    }
    let turned = [(0, 3.0), (10, 1.0), (20, 1.2), (30, 1.4)];
    let sign = Sign::OverFits { best_step: 10 };
    let field = "training.early_stopping";
    check(
        &evidence(&standard(), &falling(), &turned, None),
        &[(field, sign)],
    );
    let noisy = [(0, 3.0), (10, 1.0), (20, 1.004), (30, 1.002)];
    check(&evidence(&standard(), &falling(), &noisy, None), &[]);
}

#[test]
fn a_gradient_that_vanishes_is_seen_for_every_part() {
    let mut steps = with_branch(0.4);
    for numbers in &mut steps[50..] {
        numbers.state_grad_norm = 0.0;
        if let Some(lift) = &mut numbers.lift {
            lift.grad_norm = 1e-9;
            lift.r_grad_norm = Some(0.0);
        }
    }
    let dead = |part, field| (field, Sign::DeadGradient(part));
    let s0 = dead(Part::S0, "data.loss_on");
    let z = dead(Part::Z, "method.features.gamma");
    let r = dead(Part::R, "method.decorrelation.rule.lambda");
    let of = |spec| evidence(&Method::Lifted(spec), &steps, &GOOD, Some(LIVELY));
    check(&of(lifted_spec()), &[s0.clone(), z.clone(), r.clone()]);
    let alone = LiftSpec {
        tune_s0: false,
        ..lifted_spec()
    };
    check(&of(alone), &[z, r]);
    let mut plain = falling();
    plain.iter_mut().for_each(|of| of.state_grad_norm = 0.0);
    check(&evidence(&standard(), &plain, &GOOD, None), &[s0]);
}

#[test]
fn features_that_are_dead_or_saturated_ask_for_another_gamma() {
    let method = Method::Lifted(lifted_spec());
    let field = "method.features.gamma";
    for (activity, sign) in [
        (
            FeatureActivity {
                dead: 0.9,
                ..LIVELY
            },
            Sign::DeadFeatures { share: 0.9 },
        ),
        (
            FeatureActivity {
                saturated: 1.0,
                ..LIVELY
            },
            Sign::SaturatedFeatures { share: 1.0 },
        ),
    ] {
        // Before the first step.
        let seen = evidence(&method, &[], &[], Some(activity));
        check(&seen, &[(field, sign)]);
    }
}

#[test]
fn an_r_that_has_grown_is_a_larger_rate() {
    let sign = Sign::GrownDecorrelation { factor: 5.0 };
    let field = "method.decorrelation.rule.eta";
    let method = Method::Lifted(lifted_spec());
    let seen = evidence(&method, &with_branch(1.0), &GOOD, Some(LIVELY));
    check(&seen, &[(field, sign)]);
}

#[test]
fn an_r_as_good_as_singular_is_ill_conditioned() {
    let field = "method.decorrelation.rule.eta";
    let method = Method::Lifted(lifted_spec());
    let mut seen = evidence(&method, &with_branch(0.2), &GOOD, Some(LIVELY));
    for good in [1.0, 9e3, f64::NAN] {
        seen.see_condition(50, good);
        check(&seen, &[]);
    }
    for bad in [2e4, f64::INFINITY] {
        seen.see_condition(60, bad);
        check(&seen, &[(field, Sign::IllConditioned { condition: bad })]);
    }
}

#[test]
fn memory_does_not_grow_with_the_run() {
    let mut seen = Evidence::new(&standard(), None);
    for idx in 0..10_000 {
        seen.see_step(&step(idx, 1.0));
    }
    assert_eq!(seen.recent_loss(2 * WINDOW), Some(1.0));
    assert_eq!(seen.recent_loss(2 * WINDOW + 1), None);
}
