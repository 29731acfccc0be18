//! Tests of the specification file of a lifted run.

use super::tests::check_round_trip;
use super::*;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Dynamics, Gamma, LiftSpec, Method, PaperLiteralSpec,
};

#[test]
fn lifted_runs_round_trip() {
    let mut spec = RunSpec::default();
    for rule in [
        DecorrelationRule::LocalRule {
            eta: 0.1,
            kappa: 0.0,
        },
        DecorrelationRule::ScalarRms { eta: 0.2 },
        DecorrelationRule::Joint {
            lambda: 1e-3,
            kappa: 1.0,
            learning_rate: 0.01,
        },
    ] {
        spec.method = Method::Lifted(LiftSpec {
            dynamics: Dynamics::Recurrent,
            decorrelation: Some(DecorrelationSpec {
                rule,
                ..DecorrelationSpec::default()
            }),
            ..LiftSpec::default()
        });
        check_round_trip(&spec);
    }
}

#[test]
fn literal_runs_round_trip() {
    let mut spec = RunSpec {
        method: Method::PaperLiteral(PaperLiteralSpec::default()),
        ..RunSpec::default()
    };
    check_round_trip(&spec);
    set_field(&mut spec, "method.features.gamma=Value(0.2)").unwrap();
    let Method::PaperLiteral(literal) = &spec.method else {
        unreachable!("made so")
    };
    assert_eq!(literal.features.gamma, Gamma::Value(0.2));
}

/// The rates of the two rules have names of their own, so that neither is
/// taken for the other.
#[test]
fn fields_of_a_lifted_run_are_set_by_their_paths() {
    let mut spec = RunSpec {
        method: Method::Lifted(LiftSpec {
            decorrelation: Some(DecorrelationSpec::default()),
            ..LiftSpec::default()
        }),
        ..RunSpec::default()
    };
    set_field(&mut spec, "method.features.upscaled_size=128").unwrap();
    set_field(&mut spec, "method.features.gamma=Median").unwrap();
    set_field(&mut spec, "method.decorrelation.rule.eta=0.2").unwrap();
    let error = set_field(&mut spec, "method.decorrelation.rule.lambda=0.2").unwrap_err();
    assert!(error.to_string().contains("eta"), "{error}");
    let Method::Lifted(lifted) = &spec.method else {
        unreachable!("made so")
    };
    assert_eq!(lifted.features.upscaled_size, 128);
    assert_eq!(lifted.features.gamma, Gamma::Median);
    let rule = lifted.decorrelation.unwrap().rule;
    let want = DecorrelationRule::LocalRule {
        eta: 0.2,
        kappa: 0.5,
    };
    assert_eq!(rule, want);
    set_field(&mut spec, "method.decorrelation=None").unwrap();
}
