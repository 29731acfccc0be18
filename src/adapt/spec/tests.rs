//! What can be asked for, and what cannot.

use super::*;
use crate::persist::spec_file::{parse_ron, print_ron, set_field};

fn with(changes: &[&str]) -> AdaptSpec {
    let mut spec = AdaptSpec::default();
    for change in changes {
        set_field(&mut spec, change).unwrap();
    }
    spec
}

#[test]
fn every_preset_can_be_run() {
    for (name, _) in PRESETS {
        let spec = preset(name).unwrap();
        spec.check().unwrap();
        assert_eq!(spec.name, *name);
        let printed = print_ron(&spec).unwrap();
        let again: AdaptSpec = parse_ron(&printed, "printed").unwrap();
        assert_eq!(again, spec);
    }
    assert!(preset("nothing").is_err());
}

#[test]
fn what_cannot_be_run_names_its_field() {
    let check = |changes: &[&str], want: &str| {
        let error = with(changes).check().unwrap_err().to_string();
        assert!(error.contains(want), "{changes:?}: {error}");
    };
    check(
        &["update.learning_rate=0.0"],
        "update.learning_rate: must be above 0",
    );
    check(&["update.batch=0"], "update.batch: must be at least 1");
    check(&["mode=Item"], "Information compares questions");
    check(
        &["task.benchmark=gsm8k"],
        "chooses among options, but gsm8k has none",
    );
    check(
        &["objective=Majority"],
        "needs written answers, but mmlu has options",
    );
    check(
        &["task.benchmark=arc", "objective=Views(orders: 4)"],
        "arc has none",
    );
    check(&["objective=Views(orders: 5)"], "needs 2 to 4 orders");
    check(
        &["mode=Pool", "task.pool=test"],
        "task.pool: is the split that is scored",
    );
    check(
        &["objective=Answer", "task.benchmark=gsm8k"],
        "guide: is None, but the objective needs a guide",
    );
    check(
        &["guide=Some(Recorded(path: \"x\"))"],
        "guide: is not used by the objective",
    );
    for benchmark in ["gsm8k", "arc"] {
        let soft = [
            "objective=Soft(top: None)",
            "guide=Some(Http(()))",
            &format!("task.benchmark={benchmark}"),
        ];
        check(&soft, "needs probabilities in the model's own tokens");
    }
    // Letters are told by their text.
    let letters = ["objective=Soft(top: None)", "guide=Some(Http(()))"];
    with(&letters).check().unwrap();
    check(
        &["objective=Soft(top: Some(2))", "guide=Some(Local())"],
        "Soft counts all options",
    );
    let far = "objective=SingleStep(exponent: Is(1.5), estimator: Exact)";
    check(
        &[far, "guide=Some(Local())"],
        "the exponent must be from 0 to 1",
    );
    let sampled = "objective=SingleStep(exponent: Is(0.5), estimator: Sampled(samples: 4))";
    check(
        &[sampled, "guide=Some(Local())"],
        "Sampled needs the exponent",
    );
    check(
        &["stops.budget_tokens=Some(0.0)"],
        "stops.budget_tokens: must be above 0, or None",
    );
    check(
        &["stops.max_drift=Some(-1.0)"],
        "stops.max_drift: must be above 0, or None",
    );
    check(
        &[
            "objective=Answer",
            "task.benchmark=gsm8k",
            "guide=Some(Local())",
            "stops.guide_calls=Some(0)",
        ],
        "stops.guide_calls: must be at least 1",
    );
    let sentence = [
        "task.benchmark=winogrande",
        "objective=SingleStep(exponent: Auto, estimator: Exact)",
        "guide=Some(Local())",
    ];
    check(&sentence, "winogrande scores the rest of a sentence");
    let group = [
        "objective=Majority",
        "task.benchmark=gsm8k",
        "update.group=1",
    ];
    check(&group, "update.group: must be at least 2");
}

/// What a guide says of the model's own answers needs no text of it.
#[test]
fn only_some_objectives_need_texts() {
    let needs = |objective: &str| {
        with(&[&format!("objective={objective}")])
            .objective
            .needs_texts()
    };
    assert!(needs("SingleStep(exponent: Auto, estimator: Exact)"));
    assert!(needs("Soft(top: None)") && needs("Answer") && needs("Agreement(discount: 0.9)"));
    assert!(!needs("ReverseKlExact") && !needs("ReverseKl(discount: 0.0)"));
    assert!(!needs("Majority") && !needs("Information"));
}

#[test]
fn the_temperature_follows_the_objective() {
    let of = |objective: &str| with(&[&format!("objective={objective}")]).temperature();
    assert_eq!(of("Majority"), 0.6);
    assert_eq!(of("Answer"), 0.6);
    assert_eq!(of("ReverseKlExact"), 1.0);
    let mut spec = with(&["objective=Majority"]);
    spec.update.temperature = Some(0.9);
    assert_eq!(spec.temperature(), 0.9);
}
