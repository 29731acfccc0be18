//! What is told of every field of the configuration.

use super::*;
use crate::data::Benchmark;
use crate::persist::spec_file::set_field;
use crate::protocol::fields::choice::Choice as _;
use crate::protocol::run_spec::DataSource;
use crate::tuning::spec::{
    DecorrelationSpec, EarlyStopping, LiftSpec, LoraSpec, Method, OptimizerSpec, PaperLiteralSpec,
    Schedule, StandardSpec, TunedParts,
};

/// Runs that have every field between them.
fn drafts() -> Vec<RunSpec> {
    let mut drafts = vec![RunSpec::default()];
    let mut add = |change: &dyn Fn(&mut RunSpec)| {
        let mut draft = RunSpec::default();
        change(&mut draft);
        drafts.push(draft);
    };
    add(&|draft| draft.data.source = DataSource::all().pop().unwrap());
    add(&|draft| {
        draft.data.source = DataSource::Official {
            benchmark: Benchmark::Mmlu,
            folder: "files".into(),
        };
    });
    for idx in 0..3 {
        add(&|draft| draft.training.schedule.choose(idx));
        add(&|draft| draft.training.optimizer.choose(idx));
        add(&|draft| {
            let mut decorrelation = DecorrelationSpec::default();
            decorrelation.rule.choose(idx);
            draft.method = Method::Lifted(LiftSpec {
                decorrelation: Some(decorrelation),
                ..LiftSpec::default()
            });
        });
    }
    add(&|draft| draft.method = Method::PaperLiteral(PaperLiteralSpec::default()));
    add(&|draft| draft.method = Method::Lora(LoraSpec::default()));
    add(&|draft| {
        draft.method = Method::Standard(StandardSpec {
            tune: TunedParts::S0AndShift,
            ..StandardSpec::default()
        });
    });
    add(&|draft| draft.method = Method::Base);
    drafts
}

/// A run that has a field, with its defaults.
fn having(path: &str) -> (RunSpec, Defaults) {
    let field = fields::find(path).unwrap();
    let has_slot = |draft: &RunSpec| field.slot(&mut draft.clone()).is_some();
    let mut drafts = drafts();
    // Some fields have a place in a run that does not read them.
    drafts.sort_by_key(|draft| !has_slot(draft));
    let draft = drafts
        .into_iter()
        .find(|draft| field_value(draft, path).is_ok());
    let draft = draft.unwrap_or_else(|| panic!("no run has {path}"));
    let defaults = Defaults::of(&draft);
    (draft, defaults)
}

#[test]
fn every_field_tells_its_default() {
    for field in fields::all() {
        let (mut draft, defaults) = having(field.path);
        let told = defaults.told(field);
        let words = defaults.words(field);
        let Some(slot) = field.slot(&mut draft) else {
            assert_eq!(told, "No default.", "{}", field.label);
            continue;
        };
        match (&slot, slot.number()) {
            (Slot::Path(_) | Slot::Layers(_), _) => assert_eq!(told, "No default."),
            (_, Number::No) => {
                assert!(!words.is_empty(), "{}", field.path);
                assert_eq!(told, format!("Default {words}."));
            }
            (_, Number::Absent | Number::Is(_)) => {
                assert!(!words.is_empty(), "{}", field.path);
                let start = format!("Default {words}, ");
                assert!(told.starts_with(&start), "{told}");
                assert!(told.contains(&field.range.words()), "{told}");
            }
        }
    }
}

/// A number as a control shows it, or the word that stands in its place.
fn shown<T: Into<f64>>(value: Option<T>, absent: &str) -> String {
    let printed = |value: T| crate::ui::widgets::numbers::plain(value.into());
    value.map_or(absent.to_owned(), printed)
}

#[test]
fn the_defaults_are_those_of_the_specification() {
    let whole = |value: usize| shown(Some(value as f64), "");
    let real = |value: f64| shown(Some(value), "");
    let switch = |is_on: bool| if is_on { "on" } else { "off" }.to_owned();
    let RunSpec {
        name,
        training,
        evaluation,
        intervals,
        data,
        ..
    } = RunSpec::default();
    let lift = LiftSpec::default();
    let decorrelation = DecorrelationSpec::default();
    let limit = |limit: Option<usize>| shown(limit.map(|n| n as f64), "all");
    let expected = [
        ("name", name),
        ("device", "Automatic".into()),
        ("model.precision", "32-bit floats".into()),
        ("data.source", "gsm8k-mini".into()),
        ("data.source.validation", "none".into()),
        ("data.train_limit", limit(data.train_limit)),
        ("data.context_length", whole(data.context_length)),
        ("method", "Standard".into()),
        ("method.start", "Zero".into()),
        ("training.steps", whole(training.steps)),
        ("training.batch", whole(training.batch)),
        ("training.accumulate", whole(training.accumulate)),
        ("training.learning_rate", real(training.learning_rate)),
        ("training.schedule", "Cosine".into()),
        ("training.schedule.last", "0.05".into()),
        ("training.warmup_steps", whole(training.warmup_steps)),
        ("training.seed", shown(Some(training.seed as f64), "")),
        ("training.optimizer", "Adam".into()),
        ("training.optimizer.beta2", "0.99".into()),
        ("training.optimizer.epsilon", real(1e-8)),
        ("training.clip_norm", shown(training.clip_norm, "off")),
        ("training.pull_to_start", real(training.pull_to_start)),
        ("training.early_stopping", "off".into()),
        ("training.validate_every", whole(training.validate_every)),
        (
            "training.validation_limit",
            limit(training.validation_limit),
        ),
        ("training.l2wrap", switch(training.l2wrap)),
        ("training.select_by", "Best loss".into()),
        ("evaluation.before", switch(evaluation.before)),
        ("evaluation.few_shot", whole(evaluation.few_shot)),
        ("evaluation.context_length", "unlimited".into()),
        ("evaluation.max_new_tokens", "auto".into()),
        ("intervals.checkpoint", whole(intervals.checkpoint)),
        ("intervals.snapshot_mib", whole(intervals.snapshot_mib)),
        ("method.tune_s0", switch(lift.tune_s0)),
        (
            "method.features.upscaled_size",
            whole(lift.features.upscaled_size),
        ),
        ("method.features.gamma", "1".into()),
        ("method.learning_rate_lift", real(lift.learning_rate_lift)),
        ("method.decorrelation.rule", "Local rule".into()),
        ("method.decorrelation.rule.eta", "0.05".into()),
        ("method.decorrelation.rule.kappa", "0.5".into()),
        (
            "method.decorrelation.interval",
            whole(decorrelation.interval),
        ),
        ("method.decorrelation.sample", real(decorrelation.sample)),
    ];
    for (path, expected) in expected {
        let field = fields::find(path).unwrap();
        let (_, defaults) = having(path);
        assert_eq!(defaults.words(field), expected, "{path}");
    }
}

/// What a control takes can be run, as far as this field goes, at both ends, and
/// what it does not take cannot.
#[test]
fn ranges_end_where_the_rules_of_a_run_do() {
    let mut n_ends = 0;
    for field in fields::all() {
        let range = field.range;
        let is_refused = |value: f64| {
            let (mut draft, _) = having(field.path);
            if field.path == "training.warmup_steps" {
                draft.training.steps = fields::MAX_STEPS;
            }
            let value = match field.path {
                "training.early_stopping" => format!("(patience: {value})"),
                "data.held_out" if field.label == "Held-out share" => format!("Share({value})"),
                "data.held_out" => format!("Count({value})"),
                _ => format!("{value}"),
            };
            set_field(&mut draft, &format!("{}={value}", field.path)).unwrap();
            let error = draft.check().err().map(|error| error.to_string());
            error.is_some_and(|error| error.starts_with(field.path))
        };
        let (first, last) = (*range.span().start(), *range.span().end());
        for end in [first, last].into_iter().filter(|end| end.is_finite()) {
            assert_eq!(is_refused(end), !range.admits(end), "{} {end}", field.path);
            n_ends += 1;
        }
        if last.is_finite() {
            assert!(is_refused(last * 2.0), "{}", field.path);
        }
    }
    assert!(n_ends > 50, "{n_ends}");
}

#[test]
fn what_differs_is_marked_and_goes_back() {
    let mut draft = RunSpec::default();
    draft.training.steps = 7;
    draft.training.optimizer = OptimizerSpec::Sgd { momentum: 0.5 };
    draft.training.schedule = Schedule::Cosine { last: 0.5 };
    draft.data.source = DataSource::Mini(Benchmark::Arc);
    draft.training.early_stopping = Some(EarlyStopping { patience: 2 });
    let marked = |draft: &RunSpec| -> Vec<&'static str> {
        let defaults = Defaults::of(draft);
        let is_other = fields::all().filter(|field| defaults.is_other(field));
        is_other.map(|field| field.path).collect()
    };
    let expected = [
        "data.source",
        "training.steps",
        "training.schedule.last",
        "training.optimizer",
        "training.optimizer.momentum",
        "training.early_stopping",
    ];
    assert_eq!(marked(&draft), expected);
    while let Some(path) = marked(&draft).first().copied() {
        let value = Defaults::of(&draft).value(path).unwrap();
        set_field(&mut draft, &format!("{path}={value}")).unwrap();
        assert!(!marked(&draft).contains(&path), "{path}");
    }
    assert_eq!(draft, RunSpec::default());
}
