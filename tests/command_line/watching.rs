//! Runs that are watched from elsewhere: the program on both sides, and a stand-in for
//! ssh between them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gosling::persist::run_requests::asking::ask;
use gosling::persist::run_requests::{RequestOutcome, RunRequest, SESSION_FILE};
use gosling::tuning::states::state_file::STATE_FILE;

use super::{check_refused, gosling, texts};

const SHORT: &str = "tune --preset cpu --device cpu --quiet --data arc --steps 4 --batch 2 \
    --set evaluation.limit=4 --set evaluation.few_shot=0 --set training.validate_every=2";

fn short_run(folder: &Path) {
    let output = gosling(folder, SHORT);
    assert!(output.status.success(), "{}", texts(&output).1);
}

/// A process that is gone when the test is.
pub struct KilledOnDrop(pub Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn runs_of_a_folder_are_watched_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    short_run(folder.path());
    let output = gosling(folder.path(), "watch runs --into seen --until-over");
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    assert!(text.contains("cpu-0001: step 4 of 4, loss "), "{text}");
    let [there, here] = ["runs", "seen"].map(|of| folder.path().join(of).join("cpu-0001"));
    for file in ["spec.ron", "metrics.jsonl"] {
        let read = |folder: &Path| fs::read(folder.join(file)).unwrap();
        assert_eq!(read(&there), read(&here), "{file}");
    }
    // It has no checkpoint here, and would begin from nothing.
    let before = fs::read(here.join("metrics.jsonl")).unwrap();
    let part = "is a copy of a run of another machine";
    check_refused(folder.path(), "tune --resume seen/cpu-0001", 2, part);
    assert_eq!(fs::read(here.join("metrics.jsonl")).unwrap(), before);
    // Again into the same folder, and never over a run of this machine.
    let again = gosling(folder.path(), "watch runs --into seen --until-over");
    assert!(again.status.success(), "{}", texts(&again).1);
    let output = gosling(folder.path(), "watch seen --into runs --until-over");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        texts(&output)
            .1
            .contains("is a run of this machine already")
    );
}

/// A state on its way is called off; what has come of it goes, and it can be brought again.
#[test]
fn a_state_that_is_brought_here_is_called_off_and_brought_again() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    short_run(folder);
    let [there, here] = ["runs", "seen"].map(|of| folder.join(of).join("cpu-0001"));
    let state = fs::read(there.join(STATE_FILE)).unwrap();
    // So large that it takes a while; the disk holds nothing of it.
    let large = 2_u64 << 30;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(there.join(STATE_FILE))
        .unwrap();
    file.set_len(large).unwrap();
    drop(file);
    let watching = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args(["watch", "runs", "--into", "seen"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _watching = KilledOnDrop(watching);
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("it is not kept", &|| here.join(SESSION_FILE).is_file());
    let mut seen = Vec::new();
    let mut told = |progress: Option<[u64; 2]>| {
        seen.extend(progress);
        progress.is_none_or(|[done, _]| done == 0)
    };
    let outcome = ask(&here, RunRequest::SaveState, PATIENCE, &mut told).unwrap();
    assert_eq!(outcome, RequestOutcome::CalledOff, "{seen:?}");
    assert!(seen.iter().all(|[_, total]| *total == large), "{seen:?}");
    let has_state = || {
        let entries = fs::read_dir(&here).unwrap().flatten();
        let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        let mut names = names.iter().map(|name| name.to_string_lossy());
        names.any(|name| name.contains(STATE_FILE))
    };
    until("a part of it stays", &|| !has_state());
    std::thread::sleep(Duration::from_secs(1));
    assert!(!has_state(), "more of it came");
    fs::write(there.join(STATE_FILE), &state).unwrap();
    let outcome = ask(&here, RunRequest::SaveState, PATIENCE, &mut |_| true).unwrap();
    assert_eq!(outcome, RequestOutcome::Done { step: 4 });
    assert_eq!(fs::read(here.join(STATE_FILE)).unwrap(), state);
}

#[test]
fn places_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    // clap takes it for an option, and ssh would.
    check_refused(
        folder.path(),
        "watch -- -oProxyCommand=x:runs",
        2,
        "names no host",
    );
    check_refused(folder.path(), "watch :runs", 2, "names no host");
}

/// A run on another machine, from before its first step to its end.
#[cfg(unix)]
#[test]
fn a_run_is_followed_while_it_is_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("its runs")).unwrap();
    // It says something of its own first, as logins do, and runs what it is told to.
    let ssh = folder.path().join("ssh");
    let script =
        "#!/bin/sh\n[ \"$1 $2\" = \"-T me@there\" ] || exit 9\necho Welcome\nexec sh -c \"$3\"\n";
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let watching = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args(["watch", "me@there:its runs", "--program"])
        .arg(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_SSH", &ssh)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut watching = KilledOnDrop(watching);
    let lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    let mut tune = Command::new(env!("CARGO_BIN_EXE_gosling"));
    tune.env("GOSLING_LANGUAGE", "en");
    tune.args(SHORT.split_whitespace())
        .args(["--runs", "its runs"])
        .current_dir(folder.path());
    assert!(tune.status().unwrap().success());
    let (start, mut seen) = (Instant::now(), Vec::new());
    for line in lines {
        seen.push(line.unwrap());
        assert!(start.elapsed() < Duration::from_secs(60), "{seen:#?}");
        if seen.last().unwrap().contains("not running now") {
            break;
        }
    }
    let has = |part: &str| seen.iter().any(|line| line.contains(part));
    assert!(has("cpu-0001: a process is running it"), "{seen:#?}");
    assert!(has("cpu-0001: validation loss "), "{seen:#?}");
    assert!(has("cpu-0001: step 4 of 4"), "{seen:#?}");
}

/// A machine that is not there, or has no such program.
#[cfg(unix)]
#[test]
fn a_machine_without_the_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args(["watch", "there:runs"])
        .env("GOSLING_SSH", "false")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (_, errors) = texts(&output);
    assert!(
        errors.contains("there:runs: watch: it did not answer"),
        "{errors}"
    );
}
