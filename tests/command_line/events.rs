//! Numbers of runs in TensorBoard and wandb.

use std::path::{Path, PathBuf};
use std::process::Command;

use gosling::persist::metrics::MetricRecord;
use gosling::persist::run_folder::RunFolder;
use gosling::protocol::event::StepMetrics;
use gosling::protocol::run_spec::RunSpec;
use serde_json::Value;

use super::{check_output, gosling, root, texts};

const SHORT: &str = "tune --preset cpu --device cpu --quiet --data arc --steps 6 --batch 2 \
    --set evaluation.limit=4 --set evaluation.few_shot=0 --set training.validate_every=3 \
    --set intervals.checkpoint=3 --set intervals.tensorboard=true";

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.to_string_lossy().contains("events.out.tfevents.");
    paths.filter(is_one).collect()
}

/// A folder with a run that wrote its events, and the same exported into `events`.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = gosling(folder.path(), SHORT);
    assert!(output.status.success(), "{}", texts(&output).1);
    check_output(
        folder.path(),
        "export runs --to tensorboard -o events",
        &["tensorboard --logdir events", " events\n"],
    );
    folder
}

#[test]
fn a_run_has_an_event_file_and_is_exported_as_one() {
    let folder = written();
    for place in ["runs/cpu-0001", "events/cpu-0001"] {
        assert_eq!(event_files(&folder.path().join(place)).len(), 1, "{place}");
    }
    let wrong = gosling(folder.path(), "export events --to tensorboard -o more");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(texts(&wrong).1.contains("holds none"));
    // Steps 1 to 6, and 0 of the untuned model.
    let saved = [" 7 steps\n", "wandb sync offline/offline-run-"];
    check_output(folder.path(), "export runs --to wandb -o offline", &saved);
    let wrong = gosling(folder.path(), "export events --to wandb -o more");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(texts(&wrong).1.contains("holds none"));
}

/// What TensorBoard's own reader makes of the files in a folder.
fn read(folder: &Path) -> Value {
    said_by("events.py", folder)
}

/// What a script here says of a folder.
fn said_by(script: &str, folder: &Path) -> Value {
    let python = std::env::var_os("GOSLING_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python)
        .arg(root("tests/command_line").join(script))
        .arg(folder)
        .output()
        .unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    serde_json::from_str(&text).unwrap()
}

#[test]
#[ignore = "needs GOSLING_PYTHON, a Python with the tensorboard package"]
fn tensorboard_reads_what_was_measured() {
    let folder = written();
    let metrics = folder.path().join("runs/cpu-0001/metrics.jsonl");
    let check = |place: &str, n_steps: usize| {
        let text = std::fs::read_to_string(&metrics).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let all: Vec<Value> = lines.collect();
        let of = |kind: &str| -> Vec<Value> {
            let is_it = |line: &&Value| line["kind"] == kind;
            let pair = |line: &Value| serde_json::json!([line["step"], line["loss"]]);
            all.iter().filter(is_it).map(pair).collect()
        };
        let seen = &read(&folder.path().join(place))["cpu-0001"];
        for (tag, want) in [
            ("train/loss", of("step")),
            ("validation/loss", of("validation")),
        ] {
            let got = seen[tag].as_array().unwrap();
            assert_eq!(got.len(), want.len(), "{place} {tag}: {got:?}");
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got[0], want[0], "{place} {tag}");
                let (a, b) = (got[1].as_f64().unwrap(), want[1].as_f64().unwrap());
                assert!(
                    (a - b).abs() <= 1e-6 * b.abs(),
                    "{place} {tag}: {a} and {b}"
                );
            }
        }
        assert_eq!(seen["train/loss"].as_array().unwrap().len(), n_steps);
        assert_eq!(seen["accuracy/tuned"][0][0], n_steps, "{seen}");
        assert_eq!(seen["accuracy/untuned"][0][0], 0);
    };
    check("runs", 6);
    check("events", 6);
}

fn step(step: usize, loss: f64) -> MetricRecord {
    MetricRecord::Step(StepMetrics {
        step,
        loss,
        grad_norm: 1.0,
        state_norm: 1.0,
        learning_rate: 0.1,
        tokens: 10,
        secs: 0.1,
        lift: None,
        lora: None,
    })
}

#[test]
#[ignore = "needs GOSLING_PYTHON, a Python with the wandb package"]
fn wandb_uploads_what_was_measured() {
    let folder = written();
    check_output(folder.path(), "export runs --to wandb -o offline", &[]);
    let seen = said_by("wandb.py", &folder.path().join("offline"));
    let text = std::fs::read_to_string(folder.path().join("runs/cpu-0001/metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let steps: Vec<Value> = lines
        .filter(|line: &Value| line["kind"] == "step")
        .collect();
    let rows = seen["history"].as_array().unwrap();
    assert_eq!((steps.len(), rows.len()), (6, 7), "{rows:?}");
    for (step, row) in steps.iter().zip(&rows[1..]) {
        assert_eq!(row["_step"], step["step"]);
        assert_eq!(row["train/loss"].as_f64(), step["loss"].as_f64());
    }
    assert!(rows[0]["accuracy/untuned"].is_number(), "{}", rows[0]);
    assert_eq!(seen["name"], "cpu-0001");
    assert_eq!(seen["project"], "gosling");
    assert_eq!(seen["config"]["training"]["value"]["steps"], 6);
    assert_eq!(seen["summary"]["train/loss"], rows[6]["train/loss"]);
    assert_eq!(seen["exit"], 0);
}

#[test]
#[ignore = "needs GOSLING_PYTHON, a Python with the tensorboard package"]
fn a_run_that_continues_is_one_curve() {
    let runs = tempfile::tempdir().unwrap();
    let mut spec = RunSpec::default();
    spec.intervals.tensorboard = true;
    let mut folder = RunFolder::create(runs.path(), &spec).unwrap();
    let path = folder.path().to_path_buf();
    for idx in 1..=6 {
        folder.append_metric(&step(idx, 1.0)).unwrap();
    }
    drop(folder);
    let (mut folder, _) = RunFolder::open(&path).unwrap();
    folder.truncate_after(3).unwrap();
    for idx in 4..=5 {
        folder.append_metric(&step(idx, 0.5)).unwrap();
    }
    drop(folder);
    let seen = read(runs.path());
    let want = serde_json::json!([[1, 1.0], [2, 1.0], [3, 1.0], [4, 0.5], [5, 0.5]]);
    assert_eq!(seen["standard-0001"]["train/loss"], want);
}
