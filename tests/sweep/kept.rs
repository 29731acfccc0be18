//! A process of a sweep that is kept and handed run after run, and what is lost with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gosling::persist::metrics::MetricRecord;

use crate::killed::{start_with, until, wait};
use crate::program::{FOUR, counts, is_finished, records, runs_of, steps, succeeds};

/// What a run has left behind, but for its lock.
fn contents(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(run).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let is_lock = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("lock")
    };
    files.retain(|path| path.is_file() && !is_lock(path));
    files.push(run.join("eval/after.jsonl"));
    files.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

/// How many processes a sweep has started: each has a log.
fn n_processes(sweep: &Path) -> usize {
    let entries = fs::read_dir(sweep).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("process-")).count()
}

/// The losses of the steps, as they stand in the run's file.
fn losses(run: &Path) -> Vec<f64> {
    let loss = |record: MetricRecord| match record {
        MetricRecord::Step(metrics) => Some(metrics.loss),
        _ => None,
    };
    records(run).into_iter().filter_map(loss).collect()
}

#[test]
fn a_process_does_run_after_run_and_a_new_one_follows_where_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sweep = folder.join("runs/sweeps/four-runs");
    let run = |idx: usize| folder.join(format!("runs/four-runs.{idx:04}"));
    let child = start_with(folder, &format!("sweep {FOUR} --untimed"), &[]);
    until(|| run(1).join("metrics.jsonl").is_file() && !steps(&run(1)).is_empty());
    let pid = fs::read_to_string(run(1).join("lock.pid")).unwrap();
    // The untuned model, the first run and this one.
    assert_eq!(n_processes(&sweep), 1);
    assert!(is_finished(&run(0)));
    let before = contents(&run(0));
    let killed = Command::new("kill").args(["-9", pid.trim()]).status();
    assert!(killed.unwrap().success());
    wait(child, folder);
    // The run before is as it was, and the one that was on went on where it had been saved.
    assert!(
        contents(&run(0)) == before,
        "a run that was over has changed"
    );
    assert_eq!(steps(&run(1)), (1..=8).collect::<Vec<usize>>());
    for run in runs_of(folder, "four-runs") {
        assert_eq!(counts(&run), (1, 1), "{}", run.display());
    }
    // One more process did all the rest.
    assert_eq!(n_processes(&sweep), 2);
    let journal = fs::read_to_string(sweep.join("journal.txt")).unwrap();
    assert_eq!(journal.matches("Died").count(), 1, "{journal}");
    assert!(journal.contains(r#"{"Died":[{"Run":1}"#), "{journal}");

    // What a process has done before changes nothing: in a process of its own, as a job of
    // a cluster, a run comes to the same numbers.
    let alone = tempfile::tempdir().unwrap();
    let alone = alone.path();
    succeeds(alone, &format!("sweep {FOUR} --emit jobs"));
    for idx in [1, 3] {
        // The untuned model is the first task.
        let task = format!("sweep runs/sweeps/four-runs --task {} --quiet", idx + 1);
        succeeds(alone, &task);
        let by_itself = losses(&alone.join(format!("runs/four-runs.{idx:04}")));
        assert_eq!(by_itself.len(), 8);
        assert_eq!(losses(&run(idx)), by_itself, "run {idx}");
    }
}
