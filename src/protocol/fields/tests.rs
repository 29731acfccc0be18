//! Tests of the table of fields.

use std::collections::BTreeSet;

use super::choice::Choice;
use super::slot::{Number, Slot};
use super::*;
use crate::data::{Benchmark, Template};
use crate::persist::spec_file::{field_value, fields as printed};
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use crate::tuning::spec::{
    EarlyStopping, Gamma, Layers, Method, MethodKind, StandardSpec, StartState, TunedParts,
};

/// Runs that have every field between them.
fn specs() -> Vec<RunSpec> {
    let mut specs = vec![RunSpec::default()];
    let mut add = |change: &dyn Fn(&mut RunSpec)| {
        let mut spec = RunSpec::default();
        change(&mut spec);
        specs.push(spec);
    };
    add(&|spec| {
        spec.model.checkpoint = CheckpointSource::File("a.pth".into());
        spec.model.vocabulary = VocabularySource::File("a.txt".into());
        spec.training.early_stopping = Some(EarlyStopping { patience: 3 });
    });
    for source in DataSource::all() {
        add(&|spec| spec.data.source = source.clone());
    }
    for idx in 0..4 {
        add(&|spec| {
            spec.data.source = DataSource::Jsonl {
                train: "a.jsonl".into(),
                validation: None,
                template: Template::File("a.ron".into()),
            };
            spec.data.held_out.choose(idx);
        });
    }
    for idx in 0..3 {
        add(&|spec| spec.training.schedule.choose(idx));
        add(&|spec| spec.training.optimizer.choose(idx));
        add(&|spec| {
            spec.method = MethodKind::Decorrelated.by_default();
            if let Method::Lifted(lift) = &mut spec.method
                && let Some(decorrelation) = &mut lift.decorrelation
            {
                decorrelation.rule.choose(idx);
                lift.layers = Layers::Only(vec![1]);
                lift.start.choose(idx);
            }
        });
    }
    for kind in MethodKind::ALL {
        add(&|spec| spec.method = kind.by_default());
    }
    add(&|spec| {
        spec.method = Method::Standard(StandardSpec {
            tune: TunedParts::S0AndShift,
            ..StandardSpec::default()
        });
    });
    specs
}

#[test]
fn every_field_of_a_specification_has_a_row() {
    // The first is chosen with the set, the second is all that early stopping has, the
    // third is part of the method's kind.
    let elsewhere = [
        "data.source.benchmark",
        "training.early_stopping.patience",
        "method.decorrelation",
    ];
    for spec in specs() {
        let paths: Vec<String> = printed(&spec).unwrap().into_iter().map(|it| it.0).collect();
        let is_leaf = |path: &str| {
            let below = format!("{path}.");
            !paths.iter().any(|other| other.starts_with(&below))
        };
        for path in paths.iter().filter(|path| is_leaf(path)) {
            let stands = find(path).is_some();
            assert!(stands || elsewhere.contains(&path.as_str()), "{path}");
        }
    }
}

#[test]
fn labels_and_symbols_tell_fields_apart() {
    let (mut labels, mut symbols) = (BTreeSet::new(), BTreeSet::new());
    for field in all() {
        assert!(labels.insert(field.label), "{} twice", field.label);
        let is_new = field.symbol.is_empty() || symbols.insert(field.symbol);
        assert!(is_new, "{} twice", field.symbol);
        assert!(!symbols.contains(field.label), "{}", field.label);
        // What is longer is cut in the form.
        let n_chars = field.name().chars().count();
        assert!(n_chars <= 22, "{} has {n_chars}", field.name());
        assert!(field.hint.ends_with('.'), "{}", field.hint);
        let names: BTreeSet<&str> = [field.label, field.symbol, field.unit].into();
        assert!(names.iter().all(|name| name.trim() == *name));
    }
}

/// Changes what lies there.
fn change(slot: Slot<'_>) {
    match slot {
        Slot::Count(value) => *value += 16,
        Slot::Seed(value) => *value += 1,
        Slot::Real(value) => *value += 0.25,
        Slot::OptionalCount(value) => *value = Some(value.unwrap_or_default() + 1),
        Slot::OptionalReal(value) => *value = Some(value.unwrap_or_default() + 1.0),
        Slot::Patience(value) => *value = Some(EarlyStopping { patience: 77 }),
        Slot::Gamma(value) => *value = Gamma::Value(7.0),
        Slot::Switch(value) => *value = !*value,
        Slot::Choice(value) => value.choose(usize::from(value.chosen() == 0)),
        Slot::Text(value) => value.push('x'),
        Slot::Path(value) => value.push("x"),
        Slot::OptionalPath(value) => *value = Some("x".into()),
        Slot::Layers(value) => value.push(7),
    }
}

/// What a row changes is what stands at its path, and nothing else.
#[test]
fn every_row_leads_to_its_path() {
    for field in all() {
        let mut specs = specs().into_iter();
        let spec = specs.find(|spec| field.slot(&mut spec.clone()).is_some());
        let before = spec.unwrap_or_else(|| panic!("no run has {}", field.label));
        let mut after = before.clone();
        change(field.slot(&mut after).unwrap());
        let value = |spec: &RunSpec| field_value(spec, field.path).unwrap();
        assert_ne!(value(&before), value(&after), "{}", field.label);
        let is_apart = |path: &str| {
            let (a, b) = (format!("{path}."), format!("{}.", field.path));
            !a.starts_with(&b) && !b.starts_with(&a)
        };
        for (path, value) in printed(&before).unwrap() {
            if is_apart(&path) {
                let other = field_value(&after, &path).ok();
                assert_eq!(Some(value), other, "{} changes {path}", field.label);
            }
        }
    }
}

#[test]
fn defaults_are_within_their_ranges() {
    let mut n_numbers = 0;
    for spec in &mut specs() {
        for field in all() {
            assert_eq!(field.broken_rule(spec), None, "{}", field.path);
            let number = field.slot(spec).map(|slot| slot.number());
            n_numbers += usize::from(matches!(number, Some(Number::Is(_))));
            if !field.absent.is_empty() && field.range != range::Range::ALL {
                assert!(field.range.admits(field.first), "{}", field.path);
            }
        }
    }
    assert!(n_numbers > 100);
}

#[test]
fn every_choice_can_be_chosen_and_has_a_name_of_its_own() {
    for field in all() {
        for spec in &mut specs() {
            let Some(Slot::Choice(choice)) = field.slot(spec) else {
                continue;
            };
            let names = choice.names();
            let different: BTreeSet<&String> = names.iter().collect();
            assert_eq!(different.len(), names.len(), "{names:?}");
            for (idx, name) in names.iter().enumerate() {
                choice.choose(idx);
                assert_eq!((choice.chosen(), &choice.name()), (idx, name));
            }
        }
    }
}

#[test]
fn fields_are_named_by_their_paths() {
    assert_eq!(field_name("training.learning_rate"), "Learning rate η");
    assert_eq!(short_field_name("training.learning_rate"), "η");
    assert_eq!(field_name("training.seed"), "Seed");
    let patience = "training.early_stopping.patience";
    assert_eq!(field_name(patience), "Early stopping, patience");
    assert_eq!(field_name("no.such.field"), "no.such.field");
    let mut spec = RunSpec::default();
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.training.clip_norm = None;
    let words = |path: &str, spec: &mut RunSpec| find(path).unwrap().words(spec);
    assert_eq!(words("data.source", &mut spec).unwrap(), "arc-mini");
    assert_eq!(words("training.clip_norm", &mut spec).unwrap(), "off");
    assert_eq!(words("method.features.gamma", &mut spec), None);
    let lifted = MethodKind::Lifted.by_default();
    spec.method = lifted;
    assert_eq!(words("method.features.gamma", &mut spec).unwrap(), "1");
    assert_eq!(words("method.start", &mut spec).unwrap(), "Zero");
    assert!(matches!(spec.method.tuned(), Some((_, StartState::Zero))));
}

#[test]
fn paths_in_sentences_become_names() {
    for (text, expected) in [
        (
            "must be below training.steps, 200, is 500",
            "must be below Steps, 200, is 500",
        ),
        ("set training.seed.", "set Seed."),
        // No fields: a file, the end of a sentence, a field without a path.
        (
            "cannot read data.json. name it",
            "cannot read data.json. name it",
        ),
        ("1.5 of 3.1 GB", "1.5 of 3.1 GB"),
        ("é training.steps", "é Steps"),
        ("", ""),
    ] {
        assert_eq!(with_names(text), expected);
    }
}
