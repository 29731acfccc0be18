//! Short runs of the program on the mini model, and what they left behind.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gosling::persist::metrics::{MetricRecord, read_metrics};
use gosling::tuning::states::checkpoint_file::read_checkpoint;

/// Longer than any of these runs takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// Writes the specification of a run with a checkpoint after every step, and
/// its few short examples.
pub fn write_run(folder: &Path, steps: usize) -> PathBuf {
    let examples: String = (2..10)
        .map(|n| {
            format!(
                "{{\"prompt\": \"{n} and {n} is\", \"completion\": \" {}\"}}\n",
                n + n
            )
        })
        .collect();
    fs::write(folder.join("train.jsonl"), &examples).unwrap();
    let spec = format!(
        r#"(
    name: "short",
    device: Cpu,
    data: (source: Jsonl(train: "train.jsonl", validation: "train.jsonl", template: Plain)),
    training: (steps: {steps}, batch: 2, warmup_steps: 1, learning_rate: 0.05, validate_every: 5, validation_limit: 2),
    evaluation: (before: false, after: false, few_shot: 0),
    intervals: (checkpoint: 1),
)"#
    );
    fs::write(folder.join("run.ron"), spec).unwrap();
    folder.join("runs/short-0001")
}

/// The program in `folder`, on one thread; `arguments` are split at spaces.
pub fn gosling(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

pub fn start(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its exit code, minus the signal where one ended it, and all that it said.
pub fn ended(child: Child) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
    let said = [stdout, stderr].concat();
    (code, String::from_utf8_lossy(&said).into_owned())
}

pub fn run(folder: &Path, arguments: &str) -> (i32, String) {
    ended(start(gosling(folder, arguments)))
}

/// Waits until `is_so`.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The steps of the checkpoints in a run's folder, ascending. All are whole: a
/// checkpoint appears under its name only when it is.
pub fn checkpoints(run: &Path) -> Vec<usize> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else {
        return Vec::new();
    };
    let mut steps: Vec<usize> = entries
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let is_scratch = path.extension().is_some_and(|ending| ending == "tmp");
            (!is_scratch).then(|| read_checkpoint(&path).unwrap().step)
        })
        .collect();
    steps.sort_unstable();
    steps
}

/// The bits of the loss and the norms of every step, in the order of the file,
/// and how many lines were none.
pub fn steps(run: &Path) -> (Vec<[u64; 4]>, usize) {
    let (records, n_torn) = read_metrics(run.join("metrics.jsonl")).unwrap();
    let steps = records.iter().filter_map(|record| match record {
        MetricRecord::Step(step) => Some([
            step.step as u64,
            step.loss.to_bits(),
            step.grad_norm.to_bits(),
            step.state_norm.to_bits(),
        ]),
        _ => None,
    });
    (steps.collect(), n_torn)
}

pub fn check_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}
