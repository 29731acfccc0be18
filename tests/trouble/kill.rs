//! Ends that nobody announced: kill -9 at any moment, and SIGTERM.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use gosling::tuning::states::state_file::read_state;

use crate::program::*;

const N_KILLS: usize = 200;
/// Runs side by side.
const N_CHAINS: usize = 2;
const N_STEPS: usize = 40;
/// The longest that a program is left alive.
const MAX_ALIVE_MS: u64 = 700;

/// Moments from a fixed series, so that a failure can be repeated as far as the
/// scheduler lets it (Steele, Lea and Flood 2014).
fn moment(n: usize) -> Duration {
    let mut z = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Duration::from_millis((z ^ (z >> 31)) % MAX_ALIVE_MS)
}

/// What a run without trouble comes to.
struct Straight {
    steps: Vec<[u64; 4]>,
    state: Vec<Vec<f32>>,
}

/// What was on the disk at the last look, which may only grow.
#[derive(Default)]
struct DiskState {
    checkpoint: usize,
    is_run: bool,
}

impl DiskState {
    fn look(&mut self, run: &Path, straight: &Straight) {
        let is_run = run.join("spec.ron").exists();
        assert!(is_run || !self.is_run, "the specification is gone");
        self.is_run = is_run;
        let newest = checkpoints(run).last().copied().unwrap_or(0);
        assert!(
            newest >= self.checkpoint,
            "step {newest} after {}",
            self.checkpoint
        );
        self.checkpoint = newest;
        let (steps, n_torn) = steps(run);
        assert!(n_torn <= 1, "{n_torn} torn lines");
        // Every step up to the checkpoint is there once, and is the right one.
        assert!(steps.len() >= newest, "{} of {newest} steps", steps.len());
        assert_eq!(steps, straight.steps[..steps.len()]);
        if run.join("state.safetensors").exists() {
            read_state(run.join("state.safetensors"), None).unwrap();
        }
    }
}

/// Kills a run again and again until it ends all the same; the kills that hit.
fn chain(n: &AtomicUsize, straight: &Straight) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(folder.path(), N_STEPS);
    let mut disk = DiskState::default();
    let mut n_hits = 0;
    loop {
        let idx = n.fetch_add(1, Ordering::Relaxed);
        let arguments = match disk.is_run {
            true => "tune --quiet --resume runs/short-0001",
            false => {
                // A folder without a specification is not a run, and the next one
                // would have the next number.
                let _ = fs::remove_dir_all(folder.path().join("runs"));
                "tune --quiet run.ron"
            }
        };
        let mut child = start(gosling(folder.path(), arguments));
        if idx < N_KILLS {
            let end = Instant::now() + moment(idx);
            while Instant::now() < end && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
        }
        let (code, said) = ended(child);
        disk.look(&run, straight);
        match code {
            -9 => n_hits += 1,
            0 => break,
            // The last kill came when all was written but the farewell.
            2 if said.contains("is finished after") => break,
            other => panic!("exit code {other} after {n_hits} kills: {said}"),
        }
    }
    let (steps, n_torn) = steps(&run);
    assert_eq!((steps.len(), n_torn), (N_STEPS, 0));
    let (state, _) = read_state(run.join("state.safetensors"), None).unwrap();
    assert_eq!(state.layers, straight.state);
    n_hits
}

#[test]
fn nothing_before_the_last_checkpoint_is_lost_at_200_kills() {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(folder.path(), N_STEPS);
    let (code, said) = crate::program::run(folder.path(), "tune --quiet run.ron");
    assert_eq!(code, 0, "{said}");
    let (state, _) = read_state(run.join("state.safetensors"), None).unwrap();
    let straight = Straight {
        steps: steps(&run).0,
        state: state.layers,
    };
    assert_eq!(straight.steps.len(), N_STEPS);
    let (n, n_hits, n_runs) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    thread::scope(|scope| {
        for _ in 0..N_CHAINS {
            scope.spawn(|| {
                while n.load(Ordering::Relaxed) < N_KILLS {
                    n_hits.fetch_add(chain(&n, &straight), Ordering::Relaxed);
                    n_runs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (n_hits, n_runs) = (n_hits.into_inner(), n_runs.into_inner());
    println!("{n_hits} kills hit {n_runs} runs");
    // The others came after the end of a run.
    assert!(n_hits > N_KILLS / 2, "{n_hits}");
}

#[test]
fn a_terminated_run_is_saved_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(folder.path(), 2000);
    let child = start(gosling(folder.path(), "tune run.ron"));
    wait_until("the first checkpoint", || !checkpoints(&run).is_empty());
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success());
    let (code, said) = ended(child);
    assert_eq!(code, 130, "{said}");
    check_says(
        &said,
        &["stopping and saving", "stopped after step", "tune --resume"],
    );
    // What it stopped at is what is saved.
    let last = steps(&run).0.len();
    assert_eq!(checkpoints(&run).last(), Some(&last));
    read_state(run.join("state.safetensors"), None).unwrap();
}
