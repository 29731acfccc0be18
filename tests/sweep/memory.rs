//! Memory that the system refuses to a run of a sweep.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::addresses::{limit_addresses, long_at_the_third_step};
use crate::killed::{start_with, until, wait};
use crate::program::{counts, runs_of, steps, table};

/// Makes mimalloc fetch memory when it is asked for it. Else the addresses of the
/// largest step are set aside before the first one, and no limit is ever met.
const FETCHED_WHEN_ASKED: (&str, &str) = ("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");

fn write_sweep(folder: &Path, set: &[String], field: &str, values: &str) {
    let set: String = set.iter().map(|set| format!("{set:?}, ")).collect();
    let text = format!(
        r#"(
    name: "tight",
    base: Preset("cpu"),
    set: ["training.steps=4", "training.warmup_steps=1", "training.validate_every=0",
          "evaluation.few_shot=0", "evaluation.limit=4", "intervals.checkpoint=1", {set}],
    parts: [(name: "all", search: Grid([(field: "{field}", values: List([{values}]))]))],
    choose_by: ValidationLoss,
    test: false,
)"#
    );
    fs::write(folder.join("tight.ron"), text).unwrap();
}

#[test]
fn a_process_that_gets_no_more_memory_takes_no_other_run_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (lines, seed) = long_at_the_third_step(4000);
    let train = folder.join("train.jsonl");
    fs::write(&train, lines).unwrap();
    let set = [
        format!("data.source=Jsonl(train: {train:?}, template: Plain)"),
        "data.context_length=5000".to_owned(),
        "training.batch=1".to_owned(),
        format!("training.seed={seed}"),
    ];
    write_sweep(folder, &set, "training.learning_rate", "0.1, 0.2");
    let child = start_with(
        folder,
        "sweep tight.ron --device cpu",
        &[FETCHED_WHEN_ASKED],
    );
    let run = folder.join("runs/tight.0000");
    until(|| run.join("metrics.jsonl").is_file() && steps(&run).len() == 1);
    let pid = fs::read_to_string(run.join("lock.pid")).unwrap();
    limit_addresses(pid.trim().parse().unwrap(), Some(8 << 20));
    wait(child, folder);
    let journal = fs::read_to_string(folder.join("runs/sweeps/tight/journal.txt")).unwrap();
    assert!(
        journal.contains("its process ran out of memory (memory allocation of "),
        "{journal}"
    );
    for run in runs_of(folder, "tight") {
        assert_eq!(
            (steps(&run).len(), counts(&run).1),
            (4, 1),
            "{}",
            run.display()
        );
    }
}

#[test]
fn a_run_that_would_not_get_its_memory_is_marked_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let set = ["data.source=Mini(arc)".to_owned()];
    write_sweep(folder, &set, "training.batch", "1, 256, 2");
    // Kilobytes: enough for a small step beside what an allocator sets aside.
    let status = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 3000000 && exec \"$0\" sweep tight.ron --device cpu",
        ])
        .arg(env!("CARGO_BIN_EXE_gosling"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    let runs = table(folder, "tight", "runs");
    let words: Vec<&str> = runs
        .iter()
        .map(|run| run["status"].as_str().unwrap())
        .collect();
    assert_eq!((words[0], words[2]), ("finished", "finished"), "{words:?}");
    assert!(
        words[1].starts_with("failed, training.batch: needs about "),
        "{words:?}"
    );
    assert!(words[1].contains("choose a smaller one"), "{words:?}");
}
