//! What is wrong with a run is seen while it runs: every sign is provoked by a
//! short run of the mini model.

use std::fs;

use gosling::persist::run_history::past_run;
use gosling::protocol::event::{Event, RunEvent};
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::run::Run;
use gosling::tuning::inspect::diagnosis::Sign;
use gosling::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, FeatureSpec, Gamma, LiftSpec, Method, Schedule,
    SupportVectors,
};

use crate::client::*;

/// A few steps, nothing scored.
fn short(steps: usize) -> RunSpec {
    let mut spec = tiny();
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    spec.training.steps = steps;
    spec.training.schedule = Schedule::Constant;
    spec.intervals.checkpoint = 0;
    spec
}

fn lifted(steps: usize, gamma: f64, decorrelation: Option<DecorrelationSpec>) -> RunSpec {
    let mut spec = short(steps);
    spec.method = Method::Lifted(LiftSpec {
        features: FeatureSpec {
            upscaled_size: 64,
            support_vectors: SupportVectors::Random,
            gamma: Gamma::Value(gamma),
        },
        decorrelation,
        ..LiftSpec::default()
    });
    spec
}

/// Runs it; gives the run and the fields of the sign that is wanted, told once.
fn provoke(spec: &RunSpec, wanted: impl Fn(&Sign) -> bool) -> (Run, String) {
    let mut client = Client::new();
    client.start(spec);
    let (_, run) = client.until_ended();
    let n_told = client.count(|event| match event {
        Event::Run(_, RunEvent::Diagnosed(diagnosis)) => wanted(&diagnosis.sign),
        _ => false,
    });
    assert_eq!(n_told, 1, "{:?}", run.diagnoses);
    let found = run.diagnoses.iter().find(|found| wanted(&found.sign));
    let found = found.unwrap().clone();
    // It stays with the run, in numbers and in words.
    let past = past_run(&run.folder).unwrap();
    assert_eq!(past.diagnoses.len(), run.diagnoses.len());
    let log = fs::read_to_string(run.folder.join("log.txt")).unwrap();
    assert!(log.contains(&found.advice), "{log}");
    (run, found.field)
}

#[test]
fn a_gamma_too_large_leaves_kernels_dead_and_z_without_a_gradient() {
    let spec = lifted(6, 1e4, None);
    let (run, field) = provoke(&spec, |sign| matches!(sign, Sign::DeadFeatures { .. }));
    assert_eq!(field, "method.features.gamma");
    assert_eq!(run.diagnoses[0].step, 0, "known before the first step");
    let is_dead_z = |sign: &Sign| matches!(sign, Sign::DeadGradient(part) if part.symbol() == "Z");
    assert!(
        run.diagnoses.iter().any(|found| is_dead_z(&found.sign)),
        "{:?}",
        run.diagnoses
    );
}

#[test]
fn a_gamma_too_small_saturates_the_kernels() {
    let spec = lifted(2, 1e-4, None);
    let (_, field) = provoke(&spec, |sign| matches!(sign, Sign::SaturatedFeatures { .. }));
    assert_eq!(field, "method.features.gamma");
}

#[test]
fn a_rate_of_50_loses_the_state() {
    let mut spec = short(30);
    spec.training.learning_rate = 50.0;
    let (_, field) = provoke(&spec, |sign| matches!(sign, Sign::Overshoots { .. }));
    assert_eq!(field, "training.learning_rate");
}

#[test]
fn a_rate_of_a_billionth_improves_nothing() {
    let mut spec = short(6);
    spec.training.learning_rate = 1e-9;
    let (run, field) = provoke(&spec, |sign| matches!(sign, Sign::NoImprovement { .. }));
    assert_eq!(field, "training.learning_rate");
    let advice = &run.diagnoses[0].advice;
    assert!(advice.contains("at the rate 1e-9"), "{advice}");
    assert!(advice.contains("the gradient reaches S_0"), "{advice}");
    assert!(advice.contains("try ten times as much"), "{advice}");
}

#[test]
fn a_small_training_set_is_learnt_by_heart() {
    let mut spec = short(60);
    spec.data.train_limit = Some(4);
    spec.training.learning_rate = 0.3;
    spec.training.validate_every = 6;
    spec.training.validation_limit = Some(12);
    let (_, field) = provoke(&spec, |sign| matches!(sign, Sign::OverFits { .. }));
    assert_eq!(field, "training.early_stopping");
}

#[test]
fn a_large_eta_makes_r_grow() {
    let rule = DecorrelationRule::LocalRule {
        eta: 0.5,
        kappa: 1.0,
    };
    let decorrelation = DecorrelationSpec {
        rule,
        ..DecorrelationSpec::default()
    };
    let spec = lifted(12, 1.0, Some(decorrelation));
    let (_, field) = provoke(&spec, |sign| {
        matches!(sign, Sign::GrownDecorrelation { .. })
    });
    assert_eq!(field, "method.decorrelation.rule.eta");
}

#[test]
fn an_eta_of_1_leaves_r_ill_conditioned() {
    let rule = DecorrelationRule::LocalRule {
        eta: 1.0,
        kappa: 0.5,
    };
    let mut spec = short(16);
    spec.method = Method::Lifted(LiftSpec {
        features: FeatureSpec {
            upscaled_size: 64,
            ..FeatureSpec::default()
        },
        decorrelation: Some(DecorrelationSpec {
            rule,
            ..DecorrelationSpec::default()
        }),
        ..LiftSpec::default()
    });
    let (_, field) = provoke(&spec, |sign| matches!(sign, Sign::IllConditioned { .. }));
    assert_eq!(field, "method.decorrelation.rule.eta");
}
