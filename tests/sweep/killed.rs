//! Processes of a sweep that are killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{FOUR, command, counts, is_finished, refused, runs_of, steps, succeeds};

/// Longer than a sweep of four short runs takes beside other work.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the finished runs have written.
fn finished(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    if !folder.join("runs").is_dir() {
        return BTreeMap::new();
    }
    let runs = runs_of(folder, "four-runs").into_iter();
    runs.filter(|run| is_finished(run))
        .map(|run| {
            let numbers = fs::read(run.join("metrics.jsonl")).unwrap();
            (run, numbers)
        })
        .collect()
}

fn start(folder: &Path, arguments: &str) -> Child {
    start_with(folder, arguments, &[])
}

pub fn start_with(folder: &Path, arguments: &str, variables: &[(&str, &str)]) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log.txt"))
        .unwrap();
    let mut command = command(folder, arguments);
    command.stdout(log.try_clone().unwrap()).stderr(log);
    command.envs(variables.iter().copied());
    command.spawn().unwrap()
}

pub fn wait(mut child: Child, folder: &Path) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let log = fs::read_to_string(folder.join("log.txt")).unwrap();
            assert!(status.success(), "{log}");
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the sweep hangs");
        sleep(Duration::from_millis(50));
    }
}

/// Waits until something is as wanted.
pub fn until(mut wanted: impl FnMut() -> bool) {
    let start = Instant::now();
    while !wanted() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        sleep(Duration::from_millis(5));
    }
}

/// Every run is whole, and equal bit for bit to that of a sweep that nobody
/// killed.
fn check_whole(folder: &Path, straight: &Path) {
    let (runs, expected) = (runs_of(folder, "four-runs"), runs_of(straight, "four-runs"));
    assert_eq!(runs.len(), expected.len());
    for (run, expected) in runs.iter().zip(&expected) {
        assert_eq!(run.file_name(), expected.file_name());
        assert_eq!(steps(run), steps(expected), "{}", run.display());
        assert_eq!(counts(run), (1, 1), "{}", run.display());
        let state = |run: &Path| {
            gosling::tuning::states::state_file::read_state(run.join("state.safetensors"), None)
        };
        if let Ok((expected, _)) = state(expected) {
            assert_eq!(state(run).unwrap().0, expected, "{}", run.display());
        }
    }
}

#[test]
fn a_sweep_that_is_killed_at_any_moment_goes_on_with_nothing_twice_or_lost() {
    let straight = tempfile::tempdir().unwrap();
    succeeds(straight.path(), &format!("sweep {FOUR}"));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Moments in the life of the sweep, seconds after its start; the clock of
    // a busy machine makes them others every time.
    let mut done: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let mut n_killed = 0;
    for millis in [150, 900, 1_700, 2_600, 3_300, 4_100, 5_300, 6_100] {
        let has_begun = folder.join("runs/sweeps/four-runs/sweep.ron").is_file();
        let resume = if has_begun { " --resume" } else { "" };
        let mut child = start(folder, &format!("sweep {FOUR}{resume}"));
        sleep(Duration::from_millis(millis));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        n_killed += 1;
        // What was finished before has not been touched.
        let now = finished(folder);
        for (run, numbers) in &done {
            assert_eq!(now.get(run), Some(numbers), "{}", run.display());
        }
        done = now;
    }
    assert!(n_killed >= 3, "killed {n_killed} times only");
    let has_begun = folder.join("runs/sweeps/four-runs/sweep.ron").is_file();
    let resume = if has_begun { " --resume" } else { "" };
    wait(start(folder, &format!("sweep {FOUR}{resume}")), folder);
    check_whole(folder, straight.path());
    for (run, numbers) in &done {
        assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), *numbers);
    }
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_takes_no_other_run_with_it_and_one_sweep_has_one_scheduler() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let child = start(folder, &format!("sweep {FOUR}"));
    let run = folder.join("runs/four-runs.0000");
    until(|| run.join("metrics.jsonl").is_file() && !steps(&run).is_empty());
    let line = refused(folder, "sweep runs/sweeps/four-runs --resume");
    let held = format!(
        "lock: process {} uses this sweep; stop it first",
        child.id()
    );
    assert!(line.contains(&held), "{line}");
    // The process of the run, not that of the sweep.
    let pid = fs::read_to_string(run.join("lock.pid")).unwrap();
    assert_ne!(pid, child.id().to_string());
    let killed = std::process::Command::new("kill")
        .args(["-9", pid.trim()])
        .status();
    assert!(killed.unwrap().success());
    wait(child, folder);
    for run in runs_of(folder, "four-runs") {
        assert_eq!(counts(&run), (1, 1), "{}", run.display());
    }
    let journal = fs::read_to_string(folder.join("runs/sweeps/four-runs/journal.txt")).unwrap();
    assert!(journal.contains("killed by signal 9"), "{journal}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut child = start(folder, &format!("sweep {FOUR}"));
    let run = folder.join("runs/four-runs.0000");
    until(|| run.join("metrics.jsonl").is_file() && !steps(&run).is_empty());
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    let status = child.wait().unwrap();
    let log = fs::read_to_string(folder.join("log.txt")).unwrap();
    assert_eq!(status.code(), Some(130), "{log}");
    let path = folder.join("runs/sweeps/four-runs").canonicalize().unwrap();
    let line = format!(
        "stopped and saved; resume with gosling sweep {} --resume",
        path.display()
    );
    assert!(log.contains(&line), "{log}");
    wait(
        start(folder, "sweep runs/sweeps/four-runs --resume"),
        folder,
    );
    for run in runs_of(folder, "four-runs") {
        assert_eq!(counts(&run), (1, 1), "{}", run.display());
    }
}

/// A process that hangs, as in a driver, is ended a while after the sweep was
/// stopped, and its run waits again.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_hangs_does_not_keep_a_sweep_that_stops() {
    use std::os::unix::fs::PermissionsExt as _;

    use crossbeam_channel::unbounded;
    use gosling::sweep::scheduler::{Options, SweepCommand, SweepEnd, SweepEvent, run_sweep};
    use gosling::sweep::store::SweepFolder;
    use gosling::sweep::sweep_file::read_sweep;

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hangs");
    fs::write(
        &program,
        "#!/bin/sh\necho $$ >\"$0.pid\"\nexec sleep 1000\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let plan = read_sweep("four-runs").unwrap().plan().unwrap();
    let sweep = SweepFolder::create(&folder.path().join("runs"), plan).unwrap();
    let options = Options {
        program: program.clone(),
        n_jobs: 1,
        retry: false,
        patience: Duration::from_millis(300),
    };
    let pid_file = program.with_extension("pid");
    let (commands, taken) = unbounded();
    let stopper = std::thread::spawn(move || {
        until(|| fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')));
        commands.send(SweepCommand::Stop).unwrap();
        (commands, fs::read_to_string(pid_file).unwrap())
    });
    let mut notes = Vec::new();
    let start = Instant::now();
    let end = run_sweep(&sweep, &options, &taken, &mut |event| {
        if let SweepEvent::Note(note) = event {
            notes.push(note);
        }
    });
    assert_eq!(end.unwrap(), SweepEnd::Stopped);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    let (_commands, pid) = stopper.join().unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} lives");
    let [note] = notes.as_slice() else {
        panic!("{notes:?}")
    };
    assert!(note.contains("did not stop within"), "{note}");
}
