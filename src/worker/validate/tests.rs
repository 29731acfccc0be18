//! Tests of the rules.

use super::*;
use crate::data::{Benchmark, Template};
use crate::kernels::device::DeviceChoice;
use crate::model::Precision;
use crate::protocol::run_spec::{CheckpointSource, VocabularySource};
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, EarlyStopping, Gamma, Layers, LiftSpec, Method,
    OptimizerSpec, PaperLiteralSpec, Schedule, StandardSpec, StartState,
};

#[test]
fn the_defaults_can_be_run() {
    RunSpec::default().check().unwrap();
}

fn check_error(change: impl Fn(&mut RunSpec), want: &str) {
    let mut spec = RunSpec::default();
    change(&mut spec);
    assert_eq!(spec.check().unwrap_err().to_string(), want);
}

fn check_fits(change: impl Fn(&mut RunSpec)) {
    let mut spec = RunSpec::default();
    change(&mut spec);
    spec.check().unwrap();
}

#[test]
fn names() {
    for good in ["a", "Rate-0.1_b", "9", "con", &"x".repeat(64)] {
        check_fits(|spec| spec.name = good.into());
    }
    for (bad, want) in [
        ("", "name: must be 1 to 64 characters, is 0"),
        (&*"x".repeat(65), "name: must be 1 to 64 characters, is 65"),
        ("..", "name: must not start with `.`, is \"..\""),
        (
            "a/b",
            "name: must be letters a-z, digits, `-`, `_` and `.`, has '/'",
        ),
        (
            "é",
            "name: must be letters a-z, digits, `-`, `_` and `.`, has 'é'",
        ),
        // Its folder would be `nul.2-0001`.
        (
            "nul.2",
            "name: must not be nul.2, which is a device on Windows",
        ),
    ] {
        check_error(|spec| spec.name = bad.into(), want);
    }
}

#[test]
fn precision() {
    for precision in Precision::ALL {
        for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
            check_fits(|spec| {
                spec.device = device;
                spec.model.precision = precision;
            });
        }
    }
}

#[test]
fn counts() {
    type Change = fn(&mut RunSpec);
    let cases: [(Change, &str); 11] = [
        (
            |s| s.training.steps = 0,
            "training.steps: must be at least 1, is 0",
        ),
        (
            |s| s.training.batch = 0,
            "training.batch: must be at least 1, is 0",
        ),
        (
            |s| s.training.accumulate = usize::MAX,
            "training.accumulate: must be at most 65536, is 18446744073709551615",
        ),
        (
            |s| s.training.warmup_steps = 300,
            "training.warmup_steps: must be below training.steps, 300, is 300",
        ),
        (
            |s| s.data.context_length = 1,
            "data.context_length: must be at least 2, is 1",
        ),
        (
            |s| s.data.context_length = 1_048_577,
            "data.context_length: must be at most 1048576, is 1048577",
        ),
        (
            |s| s.data.train_limit = Some(0),
            "data.train_limit: must be None or at least 1, is 0",
        ),
        (
            |s| s.training.validation_limit = Some(0),
            "training.validation_limit: must be None or at least 1, is 0",
        ),
        (
            |s| s.evaluation.limit = Some(0),
            "evaluation.limit: must be None or at least 1, is 0",
        ),
        (
            |s| s.evaluation.few_shot = 1001,
            "evaluation.few_shot: must be at most 1000, is 1001",
        ),
        (
            |s| s.intervals.checkpoint = 100_000_001,
            "intervals.checkpoint: must be at most 100000000, is 100000001",
        ),
    ];
    for (change, want) in cases {
        check_error(change, want);
    }
    check_fits(|s| s.training.warmup_steps = 0);
    check_fits(|s| s.data.train_limit = Some(1));
}

#[test]
fn rates() {
    for bad in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY] {
        check_error(
            |s| s.training.learning_rate = bad,
            &format!("training.learning_rate: must be above 0 and at most 100, is {bad}"),
        );
    }
    check_error(
        |s| s.training.learning_rate = 1e300,
        "training.learning_rate: must be above 0 and at most 100, is 1e300",
    );
    for bad in [0.0, f64::NAN, f64::INFINITY] {
        check_error(
            |s| s.training.clip_norm = Some(bad),
            &format!("training.clip_norm: must be None or above 0 and finite, is {bad}"),
        );
    }
    check_fits(|s| s.training.clip_norm = None);
    check_error(
        |s| s.training.pull_to_start = -0.5,
        "training.pull_to_start: must be at least 0 and finite, is -0.5",
    );
    check_error(
        |s| s.training.schedule = Schedule::Linear { last: 1.5 },
        "training.schedule.last: must be at most 1, is 1.5",
    );
    check_fits(|s| s.training.schedule = Schedule::Cosine { last: 1.0 });
}

#[test]
fn optimisers() {
    let adam_w = |beta1, beta2, epsilon, weight_decay| OptimizerSpec::AdamW {
        beta1,
        beta2,
        epsilon,
        weight_decay,
    };
    for (optimizer, want) in [
        (
            adam_w(1.0, 0.9, 1e-8, 0.0),
            "beta1: must be at least 0 and below 1, is 1",
        ),
        (
            adam_w(0.9, f64::NAN, 1e-8, 0.0),
            "beta2: must be at least 0 and below 1, is NaN",
        ),
        (
            adam_w(0.9, 0.9, 0.0, 0.0),
            "epsilon: must be above 0 and at most 1, is 0",
        ),
        (
            adam_w(0.9, 0.9, 1e-8, -1.0),
            "weight_decay: must be at least 0 and finite, is -1",
        ),
        (
            OptimizerSpec::Sgd { momentum: 1.0 },
            "momentum: must be at least 0 and below 1, is 1",
        ),
    ] {
        check_error(
            |s| s.training.optimizer = optimizer,
            &format!("training.optimizer.{want}"),
        );
    }
    check_fits(|s| s.training.optimizer = adam_w(0.0, 0.0, 1.0, 0.01));
}

#[test]
fn early_stopping_needs_checks() {
    check_error(
        |s| {
            s.training.early_stopping = Some(EarlyStopping { patience: 3 });
            s.training.validate_every = 0;
        },
        "training.validate_every: must be at least 1 with training.early_stopping, is 0",
    );
    check_error(
        |s| s.training.early_stopping = Some(EarlyStopping { patience: 0 }),
        "training.early_stopping: must be None or at least 1, is 0",
    );
    check_fits(|s| s.training.validate_every = 0);
}

#[test]
fn what_the_state_is_selected_by_is_measured() {
    let texts = || DataSource::Jsonl {
        train: "train.jsonl".into(),
        validation: None,
        template: Template::Plain,
    };
    check_error(
        |s| {
            s.training.select_by = SelectBy::ValidationAccuracy;
            s.data.source = texts();
        },
        "training.select_by: is ValidationAccuracy, but texts have no correct answer; choose \
         ValidationLoss",
    );
    check_error(
        |s| {
            s.training.select_by = SelectBy::ValidationAccuracy;
            s.training.validate_every = 0;
        },
        "training.select_by: is ValidationAccuracy, but training.validate_every is 0; raise that",
    );
    check_error(
        |s| {
            s.training.select_by = SelectBy::LastStep;
            s.training.early_stopping = Some(EarlyStopping { patience: 3 });
        },
        "training.select_by: is LastStep, but training.early_stopping ends a run at the best \
         one; choose ValidationLoss or ValidationAccuracy",
    );
    check_fits(|s| s.training.select_by = SelectBy::LastStep);
    check_fits(|s| s.training.select_by = SelectBy::ValidationAccuracy);
}

#[test]
fn methods() {
    let standard = |layers, start| {
        Method::Standard(StandardSpec {
            layers,
            start,
            ..StandardSpec::default()
        })
    };
    for (method, want) in [
        (
            standard(Layers::Only(vec![]), StartState::Zero),
            "method.layers: must name at least 1 layer or be All, is Only([])",
        ),
        (
            standard(Layers::Only(vec![3, 1, 3]), StartState::Zero),
            "method.layers: must name every layer once, has 3 twice",
        ),
        (
            standard(Layers::All, StartState::File("".into())),
            "method.start: must be a path, is empty",
        ),
        (
            standard(Layers::All, StartState::Text(String::new())),
            "method.start: must be text of at least 1 character, is empty",
        ),
    ] {
        check_error(|s| s.method = method.clone(), want);
    }
    check_fits(|s| s.method = Method::Base);
}

#[test]
fn paths() {
    check_error(
        |s| s.model.checkpoint = CheckpointSource::File("".into()),
        "model.checkpoint: must be a path, is empty",
    );
    check_error(
        |s| s.model.vocabulary = VocabularySource::File("".into()),
        "model.vocabulary: must be a path, is empty",
    );
    check_error(
        |s| {
            s.data.source = DataSource::Official {
                benchmark: Benchmark::Arc,
                folder: "".into(),
            };
        },
        "data.source.folder: must be a path, is empty",
    );
    check_error(
        |s| {
            s.data.source = DataSource::Jsonl {
                train: "a".into(),
                validation: Some("".into()),
                template: Template::Plain,
            };
        },
        "data.source.validation: must be a path, is empty",
    );
    check_error(
        |s| s.model.checkpoint = CheckpointSource::File("D:\new\train\rwkv7.pth".into()),
        r#"model.checkpoint: has control characters, is D:\u{a}ew\u{9}rain\u{d}wkv7.pth; in quotes a backslash begins an escape; write a path with /, or as r"C:\models\rwkv7.pth""#,
    );
    check_fits(|s| s.model.checkpoint = CheckpointSource::File(r"D:\new\train\rwkv7.pth".into()));
}

#[test]
fn lifted_states() {
    let check_lifted = |change: fn(&mut LiftSpec), want: &str| {
        let mut lifted = LiftSpec::default();
        change(&mut lifted);
        check_error(|s| s.method = Method::Lifted(lifted.clone()), want);
    };
    check_fits(|s| s.method = Method::Lifted(LiftSpec::default()));
    check_lifted(
        |l| l.features.upscaled_size = 8,
        "method.features.upscaled_size: must be at least 16, is 8",
    );
    check_lifted(
        |l| l.features.upscaled_size = 1040,
        "method.features.upscaled_size: must be at most 1024, is 1040",
    );
    check_lifted(
        |l| l.features.upscaled_size = 100,
        "method.features.upscaled_size: must be a multiple of 16, is 100",
    );
    check_lifted(
        |l| l.features.gamma = Gamma::Value(0.0),
        "method.features.gamma: must be above 0 and at most 10000, is 0",
    );
    check_lifted(
        |l| l.learning_rate_lift = -1.0,
        "method.learning_rate_lift: must be above 0 and at most 100, is -1",
    );
    let rule = |eta, kappa| DecorrelationRule::LocalRule { eta, kappa };
    let joint = |lambda, learning_rate| DecorrelationRule::Joint {
        lambda,
        kappa: 0.5,
        learning_rate,
    };
    for (rule, want) in [
        (rule(0.0, 0.5), "eta: must be above 0 and at most 1, is 0"),
        (rule(0.1, 1.5), "kappa: must be at most 1, is 1.5"),
        (
            DecorrelationRule::ScalarRms { eta: 2.0 },
            "eta: must be above 0 and at most 1, is 2",
        ),
        (
            joint(-1.0, 0.1),
            "lambda: must be at least 0 and finite, is -1",
        ),
        (
            joint(1.0, 0.0),
            "learning_rate: must be above 0 and at most 100, is 0",
        ),
    ] {
        let spec = DecorrelationSpec {
            rule,
            ..DecorrelationSpec::default()
        };
        let lifted = LiftSpec {
            decorrelation: Some(spec),
            ..LiftSpec::default()
        };
        let want = format!("method.decorrelation.rule.{want}");
        check_error(|s| s.method = Method::Lifted(lifted.clone()), &want);
    }
    for (interval, sample, want) in [
        (0, 1.0, "interval: must be at least 1, is 0"),
        (1, 0.0, "sample: must be above 0 and at most 1, is 0"),
    ] {
        let spec = DecorrelationSpec {
            interval,
            sample,
            ..DecorrelationSpec::default()
        };
        let lifted = LiftSpec {
            decorrelation: Some(spec),
            ..LiftSpec::default()
        };
        let want = format!("method.decorrelation.{want}");
        check_error(|s| s.method = Method::Lifted(lifted.clone()), &want);
    }
}

#[test]
fn the_literal_paper() {
    let check_literal = |change: fn(&mut PaperLiteralSpec), want: &str| {
        let mut literal = PaperLiteralSpec::default();
        change(&mut literal);
        check_error(|s| s.method = Method::PaperLiteral(literal.clone()), want);
    };
    check_fits(|s| s.method = Method::PaperLiteral(PaperLiteralSpec::default()));
    check_literal(
        |l| l.features.upscaled_size = 40,
        "method.features.upscaled_size: must be a multiple of 16, is 40",
    );
    check_literal(
        |l| l.layers = Layers::Only(Vec::new()),
        "method.layers: must name at least 1 layer or be All, is Only([])",
    );
    check_literal(
        |l| l.learning_rate_lift = 0.0,
        "method.learning_rate_lift: must be above 0 and at most 100, is 0",
    );
}
