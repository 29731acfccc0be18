use super::*;
use crate::sweep::sweep_file::parse_sweep;

fn plan(text: &str) -> Result<SweepPlan> {
    parse_sweep(text, "a.ron").unwrap().plan()
}

/// The settings of every run, as `field=value` with the last names only.
fn settings(plan: &SweepPlan) -> Vec<String> {
    let setting = |(field, value): &(String, FieldValue)| {
        format!("{}={}", field.rsplit('.').next().unwrap(), value.0)
    };
    let run = |run: &PlannedRun| {
        run.settings
            .iter()
            .map(setting)
            .collect::<Vec<_>>()
            .join(" ")
    };
    plan.runs.iter().map(run).collect()
}

fn refused(text: &str, expected: &str) {
    let message = plan(text).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_grid_takes_every_combination_in_order() {
    let plan = plan(
        r#"(name: "g", base: Preset("lifted"), parts: [(search: Grid([
            (field: "method.features.upscaled_size", values: Log(from: 64, to: 256, count: 3)),
            (field: "method.features.gamma", values: List([0.5, Median])),
        ]))])"#,
    )
    .unwrap();
    assert_eq!(
        settings(&plan),
        [
            "upscaled_size=64 gamma=0.5",
            "upscaled_size=64 gamma=Median",
            "upscaled_size=128 gamma=0.5",
            "upscaled_size=128 gamma=Median",
            "upscaled_size=256 gamma=0.5",
            "upscaled_size=256 gamma=Median",
        ]
    );
    let names: Vec<&str> = plan.runs.iter().map(|run| run.spec.name.as_str()).collect();
    assert_eq!((names[0], names[5]), ("g.0000", "g.0005"));
    let Method::Lifted(lifted) = &plan.runs[2].spec.method else {
        panic!("{:?}", plan.runs[2].spec.method);
    };
    assert_eq!(
        lifted.features.gamma,
        crate::tuning::spec::Gamma::Value(0.5)
    );
}

#[test]
fn runs_are_measured_on_the_validation_split_and_the_untuned_model_once() {
    let plan = plan(
        r#"(name: "g", set: ["training.steps=50"], parts: [
            (name: "a", search: Grid([(field: "training.seed", values: List([0, 1, 2]))])),
            (name: "b", set: ["method=Lifted()"], search: Grid([])),
        ])"#,
    )
    .unwrap();
    assert_eq!(plan.runs.len(), 4);
    for run in &plan.runs {
        assert_eq!(run.spec.training.steps, 50);
        assert_eq!(run.spec.evaluation.split, EvaluationSplit::Validation);
        assert!(!run.spec.evaluation.before && run.spec.evaluation.few_shot == 0);
    }
    let [untuned] = &plan.untuned[..] else {
        panic!("{:?}", plan.untuned);
    };
    assert_eq!(untuned.name, "g.untuned");
    assert_eq!(
        (&untuned.method, untuned.evaluation.few_shot),
        (&Method::Base, 5)
    );
    assert_eq!(untuned.evaluation.split, EvaluationSplit::Test);
    untuned.check().unwrap();
    assert_eq!(plan.fields(), ["training.seed"]);
    assert_eq!(plan.runs[3].value("training.seed").unwrap().0, "0");
}

#[test]
fn random_runs_are_fixed_by_their_seed_and_differ() {
    let text = |seed| {
        format!(
            r#"(name: "r", parts: [(search: Random(axes: [
                (field: "training.learning_rate", values: Log(from: 0.01, to: 1)),
                (field: "training.batch", values: List([8, 16])),
            ], n_runs: 20, seed: {seed}))])"#
        )
    };
    let drawn = settings(&plan(&text(1)).unwrap());
    assert_eq!(drawn.len(), 20);
    assert_eq!(drawn, settings(&plan(&text(1)).unwrap()));
    assert_ne!(drawn, settings(&plan(&text(2)).unwrap()));
    refused(
        r#"(name: "r", parts: [(search: Random(axes: [
            (field: "training.batch", values: List([8, 16]))], n_runs: 3, seed: 0))])"#,
        "only about 2 combinations",
    );
}

#[test]
fn listed_runs_are_taken_as_they_are_and_the_same_run_once() {
    let plan = plan(
        r#"(name: "l", parts: [(search: List([
            ["training.learning_rate=0.2", "training.batch=8"],
            ["training.learning_rate=0.2", "training.batch=8"],
            ["method=Lifted()"],
        ]))])"#,
    )
    .unwrap();
    assert_eq!(
        settings(&plan),
        ["learning_rate=0.2 batch=8", "method=Lifted()"]
    );
    assert_eq!(plan.notes, ["part 1: 1 duplicate runs are left out"]);
}

#[test]
fn the_weight_that_is_not_in_use_is_refused_with_the_others_name() {
    let sweep = |base: &str, field: &str| {
        format!(
            r#"(base: Preset("{base}"), parts: [(search: Grid([
                (field: "method.decorrelation.rule.{field}", values: List([0.1, 0.2]))]))])"#
        )
    };
    plan(&sweep("lifted-decorrelation", "eta")).unwrap();
    refused(
        &sweep("lifted-decorrelation", "lambda"),
        "method.decorrelation.rule.lambda: is not used, since the decorrelation rule is \
         LocalRule; change method.decorrelation.rule.eta",
    );
    refused(
        r#"(base: Preset("lifted-decorrelation"), set: ["method.decorrelation.rule=Joint(lambda: 1.0, kappa: 0.5, learning_rate: 0.01)"],
            parts: [(search: List([["method.decorrelation.rule.eta=0.1"]]))])"#,
        "LocalRule",
    );
    refused(&sweep("lifted", "eta"), "these runs do not decorrelate");
}

#[test]
fn bad_sweeps_are_refused_with_the_place() {
    let grid = |field: &str, values: &str| {
        format!(r#"(parts: [(search: Grid([(field: "{field}", values: {values})]))])"#)
    };
    refused(
        &grid("training.learning_rat", "List([1])"),
        "did you mean `training.learning_rate`?",
    );
    refused(
        &grid("training.batch", "List([0])"),
        "must be at least 1, is 0 (in the run with training.batch=0)",
    );
    refused(
        &grid("training.batch", "List([\"many\"])"),
        "training.batch: `\"many\"`",
    );
    refused(
        &grid("training.seed", "Linear(from: 0, to: 99999, count: 10001)"),
        "count must be",
    );
    refused("(parts: [])", "parts: is empty");
    refused(
        r#"(name: "a/b", parts: [(search: Grid([]))])"#,
        "name: must be letters",
    );
    for name in ["nul", "CON", "Lpt1"] {
        refused(
            &format!(r#"(name: "{name}", parts: [(search: Grid([]))])"#),
            "which is a device on Windows",
        );
    }
    refused(
        r#"(parts: [(search: Grid([]), halving: (first_steps: 30, factor: 2))])"#,
        "must be a multiple of training.validate_every, 50, is 30",
    );
    refused(
        r#"(parts: [(search: Grid([
            (field: "training.seed", values: Linear(from: 0, to: 999, count: 1000)),
            (field: "training.batch", values: Linear(from: 1, to: 1000, count: 1000))]))])"#,
        "training.batch: makes more than 10000 runs",
    );
}

#[test]
fn rungs_multiply_up_to_the_last_step() {
    let plan =
        plan(r#"(parts: [(search: Grid([]), halving: (first_steps: 50, factor: 2))])"#).unwrap();
    assert_eq!(plan.runs[0].rungs, [50, 100, 200]);
}
