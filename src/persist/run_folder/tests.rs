//! Tests of a run's folder.

use super::*;
use crate::persist::metrics::read_metrics;
use crate::protocol::event::RunOutcome;

fn spec(name: &str) -> RunSpec {
    RunSpec {
        name: name.into(),
        ..RunSpec::default()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_created_and_opened() {
    let runs = tempfile::tempdir().unwrap();
    let below = runs.path().join("a/b");
    let folder = RunFolder::create(&below, &spec("rate-0.1")).unwrap();
    assert_eq!(folder.path(), below.join("rate-0.1-0001"));
    assert_eq!(folder.id(), &RunId("rate-0.1-0001".into()));
    let path = folder.path().to_path_buf();
    let while_held = [
        "checkpoints",
        "eval",
        "lock",
        "lock.pid",
        "snapshots",
        "spec.ron",
    ];
    assert_eq!(names(&path), while_held);
    drop(folder);
    assert!(!path.join("lock.pid").exists());
    let (folder, read) = RunFolder::open(&path).unwrap();
    assert_eq!(read, spec("rate-0.1"));
    assert_eq!(folder.id(), &RunId("rate-0.1-0001".into()));
}

#[test]
fn numbers_go_on_after_the_highest_of_the_name() {
    let runs = tempfile::tempdir().unwrap();
    for taken in [
        "a-0007",
        "a-b-0099",
        "a-12x",
        "a-",
        "ab-0050",
        "a-+80",
        "a-99999999999999999999",
    ] {
        fs::create_dir(runs.path().join(taken)).unwrap();
    }
    let id = |name| RunFolder::create(runs.path(), &spec(name)).unwrap().id.0;
    assert_eq!(id("a"), "a-0008");
    assert_eq!(id("a"), "a-0009");
    assert_eq!(id("a-b"), "a-b-0100");
    assert_eq!(id("c"), "c-0001");
    fs::create_dir(runs.path().join("c-12345")).unwrap();
    assert_eq!(id("c"), "c-12346");
}

#[test]
fn many_at_once_get_a_folder_each() {
    let runs = tempfile::tempdir().unwrap();
    let create = || RunFolder::create(runs.path(), &spec("a")).unwrap().id.0;
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    ids.sort();
    let want: Vec<String> = (1..=8).map(|n| format!("a-{n:04}")).collect();
    assert_eq!(ids, want);
}

#[test]
fn what_cannot_be_run_leaves_nothing() {
    let runs = tempfile::tempdir().unwrap();
    for name in ["../a", "", ".a", "a b"] {
        let error = RunFolder::create(runs.path(), &spec(name)).unwrap_err();
        assert!(error.to_string().starts_with("name: "), "{error}");
    }
    assert!(names(runs.path()).is_empty());
    let file = runs.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunFolder::create(&file, &spec("a")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_folder_is_held_once() {
    let runs = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(runs.path(), &spec("a")).unwrap();
    let path = folder.path().to_path_buf();
    let error = RunFolder::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "a-0001: lock: the run is open in this process already; stop it there first"
        ),
        "{error}"
    );
    fs::write(path.join("lock.pid"), "4294967295").unwrap();
    let error = RunFolder::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("process 4294967295 uses this run; stop it first"),
        "{error}"
    );
    fs::write(path.join("lock.pid"), "?").unwrap();
    let error = RunFolder::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("another process uses this run; stop it first"),
        "{error}"
    );
    drop(folder);
    RunFolder::open(&path).unwrap();
}

#[test]
fn a_lock_file_left_by_a_crash_holds_nothing() {
    let runs = tempfile::tempdir().unwrap();
    let path = RunFolder::create(runs.path(), &spec("a")).unwrap().path;
    fs::write(path.join("lock.pid"), "1").unwrap();
    RunFolder::open(&path).unwrap();
}

#[test]
fn folders_that_are_no_runs_are_left_alone() {
    let runs = tempfile::tempdir().unwrap();
    let error = RunFolder::open(runs.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("spec.ron: is not there; a run's folder has one"),
        "{error}"
    );
    assert!(names(runs.path()).is_empty());
    fs::write(runs.path().join(SPEC_FILE), "(training: (batch: 0))").unwrap();
    let error = RunFolder::open(runs.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("spec.ron: training.batch: must be at least 1, is 0"),
        "{error}"
    );
    fs::write(runs.path().join(SPEC_FILE), "()").unwrap();
    RunFolder::open(runs.path()).unwrap();
    assert!(runs.path().join("checkpoints").is_dir());
}

#[test]
fn checkpoints_are_listed_and_pruned() {
    let runs = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(runs.path(), &spec("a")).unwrap();
    let steps = || -> Vec<usize> {
        let checkpoints = folder.checkpoints().unwrap();
        checkpoints.into_iter().map(|(step, _)| step).collect()
    };
    assert!(steps().is_empty());
    for step in [50, 1_000_000, 100, 150, 0, 200] {
        fs::write(folder.checkpoint_path(step), "").unwrap();
    }
    for other in [
        "step-7.safetensors",
        "step-000070.safetensors.tmp",
        "best.safetensors",
    ] {
        fs::write(folder.path().join("checkpoints").join(other), "").unwrap();
    }
    assert_eq!(steps(), [1_000_000, 200, 150, 100, 50, 0]);
    assert_eq!(
        folder.checkpoints().unwrap()[4].1,
        folder.path().join("checkpoints/step-000050.safetensors")
    );
    assert_eq!(folder.prune(3, Some(50)).unwrap(), 2);
    assert_eq!(steps(), [1_000_000, 200, 150, 50]);
    assert_eq!(folder.prune(3, Some(200)).unwrap(), 1);
    assert_eq!(folder.prune(0, None).unwrap(), 2);
    assert_eq!(steps(), [1_000_000]);
    assert!(folder.snapshots().unwrap().is_empty());
}

#[test]
fn numbers_survive_a_second_opening() {
    let runs = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(runs.path(), &spec("a")).unwrap();
    let note = MetricRecord::Note { text: "x".into() };
    let end = MetricRecord::End {
        outcome: RunOutcome::Stopped { step: 3 },
    };
    folder.append_metric(&note).unwrap();
    folder.append_metric(&end).unwrap();
    let path = folder.path().to_path_buf();
    drop(folder);
    let (mut folder, _) = RunFolder::open(&path).unwrap();
    folder.truncate_after(3).unwrap();
    folder.append_metric(&note).unwrap();
    let records = read_metrics(folder.metrics_path()).unwrap();
    assert_eq!(records, (vec![note.clone(), note], 0));
}

#[test]
fn log_lines_carry_the_time() {
    let runs = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(runs.path(), &spec("a")).unwrap();
    folder.append_log("one\ntwo").unwrap();
    folder.append_log("three").unwrap();
    let log = fs::read_to_string(folder.log_path()).unwrap();
    let texts: Vec<_> = log.lines().map(|line| line.split_at(21)).collect();
    assert!(texts.iter().all(|(time, _)| time.ends_with("Z ")), "{log}");
    let texts: Vec<_> = texts.iter().map(|(_, text)| *text).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}
