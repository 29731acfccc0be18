//! Runs that are paused, resumed, stopped and fetched from elsewhere: the program on both
//! sides, a run of its own process, and a stand-in for ssh.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gosling::persist::run_history::observed_run;
use gosling::persist::run_requests::asking::ask;
use gosling::persist::run_requests::{RequestOutcome, RunRequest};
use gosling::runs::run::RunStatus;
use gosling::tuning::states::state_file::read_state;

use super::texts;
use super::watching::KilledOnDrop;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// More steps than are taken before the run is stopped.
const LONG: &str = "tune --preset cpu --device cpu --quiet --data arc --steps 100000 --batch 2 \
    --set training.validate_every=0 --set evaluation.before=false \
    --set evaluation.few_shot=0 --set intervals.checkpoint=0";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
    command
}

/// A stand-in for ssh that says something of its own first, as logins do, and runs what it
/// is told to on this machine.
fn put_ssh(folder: &Path) {
    let ssh = folder.join("ssh");
    let script =
        "#!/bin/sh\n[ \"$1 $2\" = \"-T me@there\" ] || exit 9\necho Welcome\nexec sh -c \"$3\"\n";
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
}

fn watch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(["watch", "me@there:its runs", "--program"])
        .arg(env!("CARGO_BIN_EXE_gosling"))
        .args(arguments)
        .env("GOSLING_SSH", folder.join("ssh"))
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn begin_long_run(folder: &Path) -> KilledOnDrop {
    let child = program()
        .args(LONG.split_whitespace())
        .args(["--runs", "its runs"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    KilledOnDrop(child.unwrap())
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// Steps that the run has written down.
fn n_steps(run: &Path) -> usize {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let is_step = |line: &&str| line.contains("\"kind\":\"step\"");
    text.lines().filter(is_step).count()
}

fn succeeds(output: &Output) -> String {
    let (text, errors) = texts(output);
    assert!(output.status.success(), "{errors}");
    text
}

fn fails(output: &Output, part: &str) {
    let errors = texts(output).1;
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains(part), "{errors}");
}

fn end_of(child: &mut Child) -> (Option<i32>, String) {
    let mut status = None;
    until("the end of the run", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let mut errors = String::new();
    let mut stream = child.stderr.take().unwrap();
    stream.read_to_string(&mut errors).unwrap();
    (status.unwrap().code(), errors)
}

#[test]
fn a_run_of_another_machine_is_paused_fetched_resumed_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("its runs")).unwrap();
    put_ssh(folder);
    let asked = |arguments: &[&str]| watch(folder, arguments).output().unwrap();
    fails(&asked(&["--pause", "cpu-0001"]), "there is no such run");
    fails(
        &asked(&["--pause", "../cpu-0001"]),
        "is not the name of a run",
    );

    let mut watching = watch(folder, &[]);
    let watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut watching = KilledOnDrop(watching);
    let output = watching.0.stdout.take().unwrap();
    let (said, seen) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = said.send(line);
        }
    });
    let mut tune = begin_long_run(folder);
    let run = folder.join("its runs/cpu-0001");
    until("the first steps", || n_steps(&run) >= 2);

    let said = succeeds(&asked(&["--pause", "cpu-0001"]));
    assert!(said.contains("cpu-0001 is paused after step "), "{said}");
    let n_held = n_steps(&run);
    until("the one that follows hears of the pause", || {
        let mut lines = seen.try_iter();
        lines.any(|line| line.contains("cpu-0001 is paused after step "))
    });

    // The state as it stands in the pause, which goes on.
    let said = succeeds(&asked(&["--fetch", "cpu-0001", "-o", "state"]));
    assert!(said.contains("cpu-0001: the state of step "), "{said}");
    let [there, here] = [&run, &folder.join("state")].map(|of| of.join("state.safetensors"));
    assert_eq!(fs::read(&there).unwrap(), fs::read(&here).unwrap());
    let (state, _) = read_state(&here, None).unwrap();
    assert!(state.layers.iter().flatten().any(|value| *value != 0.0));
    let files = fs::read_dir(folder.join("state")).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside the state");
    let again = asked(&["--fetch", "cpu-0001", "-o", "state"]);
    fails(&again, "exists already");
    assert_eq!(n_steps(&run), n_held, "it is still paused");

    let said = succeeds(&asked(&["--resume", "cpu-0001"]));
    assert!(said.contains("cpu-0001 is resumed after step "), "{said}");
    until("steps after the pause", || n_steps(&run) > n_held + 1);

    let said = succeeds(&asked(&["--stop", "cpu-0001"]));
    assert!(said.contains("cpu-0001 is saved and stopped"), "{said}");
    let (code, errors) = end_of(&mut tune.0);
    assert_eq!(code, Some(130), "{errors}");
    assert!(errors.contains("stopped after step"), "{errors}");
    for file in ["session.json", "request.json"] {
        assert!(!run.join(file).exists(), "{file} is left");
    }
    // Now nobody can do what is asked, and the state is there all the same.
    fails(&asked(&["--pause", "cpu-0001"]), "cpu-0001 is not running");
    let fetched = asked(&["--fetch", "cpu-0001", "-o", "state", "--force"]);
    succeeds(&fetched);
    assert_eq!(fs::read(&there).unwrap(), fs::read(&here).unwrap());
}

/// What a window asks of a run that `watch --into` keeps goes to the other machine.
#[test]
fn what_is_asked_of_a_watched_run_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("its runs")).unwrap();
    put_ssh(folder);
    let mut watching = watch(folder, &["--into", "seen"]);
    let mut watching = KilledOnDrop(watching.stdout(Stdio::null()).spawn().unwrap());
    let mut tune = begin_long_run(folder);
    let [there, here] = ["its runs", "seen"].map(|of| folder.join(of).join("cpu-0001"));
    until("the first steps here", || n_steps(&here) >= 2);
    let asked = |request| ask(&here, request, PATIENCE, &mut |_| true).unwrap();

    let paused = asked(RunRequest::Pause);
    let RequestOutcome::Done { step } = paused else {
        panic!("{paused:?}");
    };
    assert!(step >= 2);
    until("the pause here", || {
        let seen = observed_run(&here).unwrap();
        seen.is_watched && matches!(seen.status, RunStatus::Paused { .. })
    });
    assert_eq!(asked(RunRequest::SaveState), RequestOutcome::Done { step });
    let state = |of: &Path| fs::read(of.join("state.safetensors")).unwrap();
    assert_eq!(state(&here), state(&there));
    let resumed = asked(RunRequest::Resume);
    assert!(
        matches!(resumed, RequestOutcome::Done { .. }),
        "{resumed:?}"
    );
    assert_eq!(asked(RunRequest::Stop), RequestOutcome::Ended);
    assert_eq!(end_of(&mut tune.0).0, Some(130));
    until("the end here", || {
        let seen = observed_run(&here).unwrap();
        matches!(seen.status, RunStatus::Stopped { .. })
    });
    // Of a run that is over too.
    let saved = asked(RunRequest::SaveState);
    assert!(matches!(saved, RequestOutcome::Done { .. }), "{saved:?}");
    assert_eq!(state(&here), state(&there));
    watching.0.kill().unwrap();
    watching.0.wait().unwrap();
    assert_eq!(asked(RunRequest::SaveState), RequestOutcome::NotWatched);
}
