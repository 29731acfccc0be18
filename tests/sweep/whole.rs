//! Sweeps from their start to their tables.

use std::fs;
use std::path::Path;

use gosling::persist::run_history::past_run;
use gosling::runs::run::RunStatus;

use crate::program::{FOUR, counts, gosling, refused, runs_of, steps, succeeds, table};

#[test]
fn four_runs_end_in_tables() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = succeeds(folder, &format!("sweep {FOUR} --jobs 2"));
    assert!(
        text.contains("only it was scored on the test split, once"),
        "{text}"
    );
    let runs = table(folder, "four-runs", "runs");
    assert_eq!(runs.len(), 4);
    for run in &runs {
        assert_eq!(
            (&run["status"], &run["steps"]),
            (&"finished".into(), &8.into())
        );
        // A part of the split, and marked as one.
        assert_eq!(run["validation accuracy_n"], 40);
        assert_eq!(run["validation accuracy_n_total"], 200);
        assert!(run["validation loss"].as_f64().unwrap() > 0.0);
    }
    let best = table(folder, "four-runs", "best");
    let what: Vec<&str> = best
        .iter()
        .map(|row| row["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["untuned", "best of standard", "best of lifted"]);
    // The best run has the lowest validation loss of its part.
    let losses: Vec<f64> = runs
        .iter()
        .map(|run| run["validation loss"].as_f64().unwrap())
        .collect();
    let lowest = usize::from(losses[1] < losses[0]);
    assert_eq!(best[1]["run"], format!("four-runs.{lowest:04}"));
    // It is scored on test items: others than those of its own run.
    let items = |run: &str| {
        fs::read_to_string(folder.join(format!("runs/{run}/eval/after.jsonl"))).unwrap()
    };
    let tested = items(&format!("four-runs.best-{lowest:04}"));
    let is_item = |line: &&str| line.contains("\"prompt\":");
    assert_eq!(tested.lines().filter(is_item).count(), 40);
    assert_ne!(tested, items(&format!("four-runs.{lowest:04}")));
    // The untuned model is measured once, the runs do not measure it again.
    for run in runs_of(folder, "four-runs") {
        assert_eq!(counts(&run), (1, 1), "{}", run.display());
        let n_steps = steps(&run).len();
        let is_untuned = run.ends_with("four-runs.untuned");
        assert_eq!(n_steps, if is_untuned { 0 } else { 8 }, "{}", run.display());
    }
    for name in ["runs", "settings", "best", "importance"] {
        for extension in ["csv", "json", "md", "tex"] {
            let path = folder.join(format!("runs/sweeps/four-runs/{name}.{extension}"));
            assert!(fs::metadata(&path).unwrap().len() > 0, "{}", path.display());
        }
    }
    assert!(text.contains("Wall time"), "{text}");
    let report = fs::read_to_string(folder.join("runs/sweeps/four-runs/report.md")).unwrap();
    assert!(report.contains("best of lifted"), "{report}");
    // Nothing is left to do, and nothing is done.
    let before = fs::read(folder.join("runs/four-runs.0000/metrics.jsonl")).unwrap();
    succeeds(folder, &format!("sweep {FOUR} --resume"));
    assert_eq!(
        before,
        fs::read(folder.join("runs/four-runs.0000/metrics.jsonl")).unwrap()
    );
    let line = refused(folder, &format!("sweep {FOUR}"));
    assert!(
        line.contains("a sweep with this name exists already; resume it with --resume"),
        "{line}"
    );
}

/// A sweep of short runs on arc-mini.
fn write_sweep(folder: &Path, name: &str, parts: &str) {
    let text = format!(
        r#"(name: "{name}", base: Preset("cpu"), set: ["data.source=Mini(arc)", "training.steps=8",
            "training.batch=2", "training.warmup_steps=1", "training.validate_every=2",
            "training.validation_limit=6", "evaluation.few_shot=0", "evaluation.limit=8",
            "evaluation.before=false"], parts: {parts}, test: false)"#
    );
    fs::write(folder.join(format!("{name}.ron")), text).unwrap();
}

#[test]
fn a_run_that_cannot_be_done_or_diverges_is_marked_and_the_sweep_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let parts = r#"[(search: List([
        ["method=Standard(start: File(\"gone.pth\"))"],
        ["training.optimizer=Sgd(momentum: 0.9)", "training.learning_rate=100", "training.clip_norm=None",
         "training.start=0"],
        ["training.learning_rate=0.2"],
    ]))]"#;
    write_sweep(folder, "bad", parts);
    let line = refused(folder, "sweep bad.ron");
    assert!(line.contains("training.start: unknown field"), "{line}");
    write_sweep(
        folder,
        "bad",
        &parts.replace(",\n         \"training.start=0\"", ""),
    );
    let text = succeeds(folder, "sweep bad.ron");
    assert!(text.contains("1 failed"), "{text}");
    // The run itself says the same.
    let run = past_run(&folder.join("runs/bad.0000")).unwrap();
    assert!(
        matches!(&run.status, RunStatus::Failed(reason) if reason.contains("gone.pth")),
        "{:?}",
        run.status
    );
    let runs = table(folder, "bad", "runs");
    let status = |idx: usize| runs[idx]["status"].as_str().unwrap().to_owned();
    assert!(status(0).starts_with("failed, "), "{}", status(0));
    assert_eq!(status(2), "finished");
    // What failed is not tried again, unless it is asked for.
    let text = succeeds(folder, "sweep bad.ron --resume");
    assert!(text.contains("1 failed"), "{text}");
}

#[test]
fn what_the_model_does_not_allow_refuses_the_sweep_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let parts = r#"[(search: Grid([(field: "training.seed", values: List([0, 1]))])),
        (search: List([["method=Lifted(features: (upscaled_size: 16, support_vectors: Random))"]]))]"#;
    write_sweep(folder, "small", parts);
    let line = refused(folder, "sweep small.ron");
    assert!(
        line.contains("must be at least the model's head size, 64, is 16"),
        "{line}"
    );
    assert!(!folder.join("runs").exists());
}

#[test]
fn halving_gives_up_the_worse_runs_early() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let parts = r#"[(search: Grid([(field: "training.learning_rate", values: List([0.001, 0.01, 0.2, 0.8]))]),
        halving: (first_steps: 2, factor: 2))]"#;
    write_sweep(folder, "halved", parts);
    succeeds(folder, "sweep halved.ron --jobs 2");
    let runs = table(folder, "halved", "runs");
    let mut n_steps: Vec<u64> = runs
        .iter()
        .map(|run| run["steps"].as_u64().unwrap())
        .collect();
    n_steps.sort_unstable();
    // Rungs at 2 and 4 of 8 steps: 4 runs, then 2, then 1.
    assert_eq!(n_steps, [2, 2, 4, 8], "{runs:?}");
    let finished: Vec<&serde_json::Value> = runs
        .iter()
        .filter(|run| run["status"] == "finished")
        .collect();
    assert_eq!(finished.len(), 1);
    assert!(runs.iter().any(|run| run["status"] == "dropped at step 2"));
}

#[test]
fn bad_sweeps_end_in_one_line_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let grid = |field: &str| format!("[(search: Grid([(field: \"{field}\", values: List([1]))]))]");
    for (field, part) in [
        (
            "training.learning_rte",
            "training.learning_rte: unknown field; did you mean `training.learning_rate`?",
        ),
        (
            "method.decorrelation.rule.lambda",
            "method.decorrelation.rule.lambda: is not used",
        ),
    ] {
        write_sweep(folder, "x", &grid(field));
        let line = refused(folder, "sweep x.ron");
        assert!(line.contains(part), "{line}");
    }
    assert!(refused(folder, "sweep nowhere.ron").contains("nowhere.ron: no such file"));
    assert!(refused(folder, &format!("sweep {FOUR} --resume")).contains("there is no such sweep"));
    assert!(refused(folder, &format!("sweep {FOUR} --gather")).contains("there is no such sweep"));
    assert!(!folder.join("runs").exists());
    let text = succeeds(folder, &format!("sweep {FOUR} --dry-run"));
    assert!(
        text.starts_with("four-runs: 4 runs (2 of standard, 2 of lifted)"),
        "{text}"
    );
    assert!(
        text.contains("of memory") && text.contains("the sweep takes"),
        "{text}"
    );
    assert!(!folder.join("runs").exists());
    assert_eq!(gosling(folder, "sweep").status.code(), Some(2));
}

#[test]
fn plain_command_lines_do_the_same_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let lines = succeeds(
        folder,
        &format!("sweep {FOUR} --emit jobs --set evaluation.limit=4"),
    );
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 5);
    for line in &lines[..3] {
        let arguments = line.split_once(" sweep ").unwrap().1;
        succeeds(folder, &format!("sweep {arguments} --quiet"));
    }
    succeeds(folder, "sweep runs/sweeps/four-runs --gather");
    let status = || -> Vec<String> {
        let runs = table(folder, "four-runs", "runs");
        runs.iter()
            .map(|run| run["status"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(status(), ["finished", "finished", "waiting", "waiting"]);
    // One process does the rest.
    succeeds(folder, "sweep runs/sweeps/four-runs --resume --skip 3");
    assert_eq!(status(), ["finished", "finished", "finished", "skipped"]);
    assert!(refused(folder, "sweep runs/sweeps/four-runs --task 5").contains("must be 0 to 4"));
}
