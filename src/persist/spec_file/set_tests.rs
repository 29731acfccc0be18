//! Tests of single fields that are set by their paths.

use super::*;
use crate::data::Benchmark;

fn check_set(assignments: &[&str], field: &str, want: &str) {
    let mut spec = RunSpec::default();
    for assignment in assignments {
        set_field(&mut spec, assignment).unwrap();
    }
    let printed = options().to_string(&spec).unwrap();
    let range = locate(&printed, field).unwrap();
    assert_eq!(&printed[range], want, "{assignments:?}");
}

#[test]
fn fields_are_set_by_path() {
    let arc = ron::to_string(&Benchmark::Arc).unwrap();
    let mini = format!("Mini({arc})");
    for (assignments, field, want) in [
        (&["training.batch=8"][..], "training.batch", "8"),
        (&[" training.batch = 8 "], "training.batch", "8"),
        (
            &["training.learning_rate=1"],
            "training.learning_rate",
            "1.0",
        ),
        (
            &["training.seed=18446744073709551615"],
            "training.seed",
            "18446744073709551615",
        ),
        (&["training.l2wrap=true"], "training.l2wrap", "true"),
        (&["training.clip_norm=None"], "training.clip_norm", "None"),
        (&["training.clip_norm=2.5"], "training.clip_norm", "2.5"),
        (
            &["training.clip_norm=Some(2.5)"],
            "training.clip_norm",
            "2.5",
        ),
        (
            &["training.optimizer=Sgd(momentum:0.9)"],
            "training.optimizer",
            "Sgd(momentum:0.9)",
        ),
        (
            &["training.optimizer.beta1=0.5"],
            "training.optimizer.beta1",
            "0.5",
        ),
        (
            &[
                "training.optimizer=Sgd(momentum:0.9)",
                "training.optimizer.momentum=0",
            ],
            "training.optimizer.momentum",
            "0.0",
        ),
        (
            &["training.schedule=Constant"],
            "training.schedule",
            "Constant",
        ),
        (
            &["training.schedule.last=0"],
            "training.schedule.last",
            "0.0",
        ),
        (
            &[
                "training.early_stopping=(patience: 4)",
                "training.early_stopping.patience=5",
            ],
            "training.early_stopping.patience",
            "5",
        ),
        (&["training=(batch: 3)"], "training.batch", "3"),
        (&[&format!("data.source={mini}")], "data.source", &mini),
        (
            &[
                "data.source=Jsonl(train:\"a.jsonl\",validation:None,template:Plain)",
                "data.source.validation=b=c/d, (e).jsonl",
            ],
            "data.source.validation",
            "\"b=c/d, (e).jsonl\"",
        ),
        (
            &["model.checkpoint=File(\"a:b.pth\")"],
            "model.checkpoint",
            "File(\"a:b.pth\")",
        ),
        (
            &["method.layers=Only([1,2])"],
            "method.layers",
            "Only([1,2])",
        ),
        (
            &["method=Standard((layers: Only([3])))"],
            "method.layers",
            "Only([3])",
        ),
        (&["method=Base"], "method", "Base"),
        (
            &[r"model.checkpoint=File('C:\Users\new\a b.pth')"],
            "model.checkpoint",
            r#"File("C:\\Users\\new\\a b.pth")"#,
        ),
        (&["name='a'"], "name", "\"a\""),
        (
            &[
                "data.source=Jsonl(train:'it.jsonl',validation:None,template:Plain)",
                r"data.source.validation=C:\it's.jsonl",
            ],
            "data.source.validation",
            r#""C:\\it\'s.jsonl""#,
        ),
        (&["device=GpuIndex(1)"], "device", "GpuIndex(1)"),
        (&["name=rate-0.1"], "name", "\"rate-0.1\""),
        (&["name=\"quoted\""], "name", "\"quoted\""),
        (&["intervals.log=0"], "intervals.log", "0"),
    ] {
        check_set(assignments, field, want);
    }
}

#[test]
fn every_default_field_can_be_set_to_itself() {
    let spec = RunSpec::default();
    let printed = options().to_string(&spec).unwrap();
    let fields = printed_fields(&printed);
    assert!(fields.len() > 40, "{fields:?}");
    for (path, value) in fields {
        let mut set = spec.clone();
        set_field(&mut set, &format!("{path}={}", &printed[value])).unwrap();
        assert_eq!(set, spec, "{path}");
    }
}

#[test]
fn wrong_assignments_name_what_would_be_right() {
    for (assignment, want) in [
        (
            "training.bach=8",
            "training.bach: unknown field; did you mean `training.batch`?",
        ),
        (
            "training.optimizer.beta3=8",
            "training.optimizer.beta3: unknown field; did you mean `training.optimizer.beta2`?",
        ),
        (
            "batch=8",
            "batch: unknown field; did you mean `training.batch`?",
        ),
        (
            "training.lr=8",
            "training.lr: unknown field; did you mean `training.learning_rate`?",
        ),
        (
            "lr=8",
            "lr: unknown field; did you mean `training.learning_rate`?",
        ),
        (
            "zzz=8",
            "zzz: unknown field; a path is like `training.batch`",
        ),
        (
            "training.batch",
            "training.batch: is not an assignment; use path=value, as in training.batch=8",
        ),
        (
            "training.batch=x",
            "training.batch: `x`: expected a whole number",
        ),
        (
            "training.optimizer=Adm(beta1: 0.9)",
            "training.optimizer: `Adm(beta1: 0.9)`: unknown choice `Adm`; did you mean `Adam`?",
        ),
        (
            "training.early_stopping.patience=3",
            "training.early_stopping.patience: `training.early_stopping` is `None`, \
             which has no fields; set it whole",
        ),
        (
            "training.optimizer.momentum=3",
            "training.optimizer.momentum: unknown field; there are `training.optimizer.beta1`, \
             `training.optimizer.beta2`, `training.optimizer.epsilon`",
        ),
    ] {
        let mut spec = RunSpec::default();
        let error = set_field(&mut spec, assignment).unwrap_err().to_string();
        assert_eq!(error, want);
        assert_eq!(spec, RunSpec::default());
    }
}

#[test]
fn a_value_cannot_set_a_second_field() {
    for value in ["8, steps: 9", "8) (", "8), data: (", "", "8 // note"] {
        let mut spec = RunSpec::default();
        assert!(set_field(&mut spec, &format!("training.batch={value}")).is_err());
        assert_eq!(spec, RunSpec::default());
    }
}
