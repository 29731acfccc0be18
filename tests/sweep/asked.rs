//! A run of a sweep that someone outside of it pauses and stops.

use std::fs;
use std::process::Command;
use std::time::Duration;

use gosling::persist::run_requests::asking::ask;
use gosling::persist::run_requests::{RequestOutcome, RunRequest};

use crate::killed::{start_with, until};
use crate::program::{FOUR, counts, steps};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_run_that_is_stopped_from_outside_is_skipped_and_the_next_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // More steps than are taken before it is stopped.
    let long = format!("sweep {FOUR} --untimed --set training.steps=100000");
    let mut child = start_with(folder, &long, &[]);
    let [first, second] = ["0000", "0001"].map(|n| folder.join(format!("runs/four-runs.{n}")));
    let has_steps =
        |run: &std::path::Path| run.join("metrics.jsonl").is_file() && !steps(run).is_empty();
    until(|| has_steps(&first));
    let asked = |request| ask(&first, request, PATIENCE, &mut |_| true).unwrap();
    let paused = asked(RunRequest::Pause);
    assert!(matches!(paused, RequestOutcome::Done { .. }), "{paused:?}");
    let n_held = steps(&first).len();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(steps(&first).len(), n_held);
    assert_eq!(asked(RunRequest::Stop), RequestOutcome::Ended);
    until(|| has_steps(&second));
    assert_eq!(counts(&first).1, 1, "it has ended once");
    assert_eq!(steps(&first).len(), n_held, "nothing takes it up again");
    let journal = fs::read_to_string(folder.join("runs/sweeps/four-runs/journal.txt")).unwrap();
    assert!(journal.contains("Skipped"), "{journal}");
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let status = child.wait().unwrap();
    let log = fs::read_to_string(folder.join("log.txt")).unwrap();
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(log.contains("was stopped from outside the sweep"), "{log}");
}
