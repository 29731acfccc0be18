//! The program, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gosling::persist::metrics::{MetricRecord, read_metrics};
use serde_json::Value;

/// Eight steps of two short examples on arc-mini, in four runs.
pub const FOUR: &str = "four-runs --device cpu";

/// The program with `arguments`, which are split at spaces, in `folder`.
pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

pub fn gosling(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Its output, after it has succeeded.
pub fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = gosling(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says in its one line after it has refused.
pub fn refused(folder: &Path, arguments: &str) -> String {
    let output = gosling(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    let line = errors.lines().find(|line| line.starts_with("gosling: "));
    line.unwrap_or_else(|| panic!("{errors}")).to_owned()
}

/// A table that the sweep wrote.
pub fn table(folder: &Path, sweep: &str, name: &str) -> Vec<Value> {
    let path = folder.join(format!("runs/sweeps/{sweep}/{name}.json"));
    let text = fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The folders of runs whose names begin with `sweep` and a dot.
pub fn runs_of(folder: &Path, sweep: &str) -> Vec<PathBuf> {
    let prefix = format!("{sweep}.");
    let entries = fs::read_dir(folder.join("runs")).unwrap();
    let mut runs: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(&prefix)
        })
        .filter(|path| path.join("spec.ron").is_file())
        .collect();
    runs.sort();
    runs
}

/// The records of a run.
pub fn records(run: &Path) -> Vec<MetricRecord> {
    read_metrics(run.join("metrics.jsonl")).unwrap().0
}

pub fn is_finished(run: &Path) -> bool {
    let is_end = |record: &MetricRecord| matches!(record, MetricRecord::End { .. });
    records(run).iter().any(is_end)
}

/// The steps that a run's numbers hold, in their order.
pub fn steps(run: &Path) -> Vec<usize> {
    let step = |record: MetricRecord| match record {
        MetricRecord::Step(metrics) => Some(metrics.step),
        _ => None,
    };
    records(run).into_iter().filter_map(step).collect()
}

/// How many evaluations and how many ends a run's numbers hold.
pub fn counts(run: &Path) -> (usize, usize) {
    let records = records(run);
    let is_evaluation = |record: &&MetricRecord| matches!(record, MetricRecord::Evaluation { .. });
    let is_end = |record: &&MetricRecord| matches!(record, MetricRecord::End { .. });
    (
        records.iter().filter(is_evaluation).count(),
        records.iter().filter(is_end).count(),
    )
}
