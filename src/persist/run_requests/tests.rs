use std::fs;
use std::path::Path;
use std::time::Duration;

use super::asking::{WATCHED_FILE, ask};
use super::desk::{Desk, Taken};
use super::*;
use crate::persist::folder_lock::FolderLock;

/// Longer than a test waits for another thread.
const PATIENCE: Duration = Duration::from_secs(60);
/// Enough where nothing comes.
const SHORT: Duration = Duration::from_millis(300);

fn put(folder: &Path, text: &str) {
    fs::write(folder.join(REQUEST_FILE), text).unwrap();
}

/// The session that may be asked just now, as its file has it.
fn session(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join(SESSION_FILE)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["session"].as_str().unwrap().to_owned()
}

fn request_for(session: &str, request: &str) -> String {
    format!(r#"{{"version":1,"session":"{session}","id":"one","request":"{request}"}}"#)
}

/// Asks in this thread while another one takes the request and does `then`.
fn ask_while(
    folder: &Path,
    request: RunRequest,
    desk: &mut Desk,
    then: impl FnOnce(&mut Desk, String) + Send,
) -> RequestOutcome {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let start = std::time::Instant::now();
            while start.elapsed() < PATIENCE {
                if let Taken::Asked(id, taken) = desk.take() {
                    assert_eq!(taken, request);
                    return then(desk, id);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("nothing was asked");
        });
        ask(folder, request, PATIENCE, &mut |_| true).unwrap()
    })
}

#[test]
fn a_request_is_taken_once_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let _lock = FolderLock::take(path, "run").unwrap();
    let mut desk = Desk::open(path).unwrap();
    assert_eq!(desk.take(), Taken::Nothing);
    let outcome = ask_while(path, RunRequest::Pause, &mut desk, |desk, _| {
        desk.stand(true, 12).unwrap();
    });
    assert_eq!(outcome, RequestOutcome::Done { step: 12 });
    assert_eq!(pause_of(path), Some(12));
    assert_eq!(desk.take(), Taken::Nothing);
    let outcome = ask_while(path, RunRequest::SaveState, &mut desk, |desk, _| {
        // A pause that stays answers nobody who wants the state.
        desk.stand(true, 12).unwrap();
        assert!(desk.has_open());
        desk.state_saved(&RequestOutcome::failed("no disk"))
            .unwrap();
    });
    assert_eq!(outcome, RequestOutcome::failed("no disk"));
    let outcome = ask_while(path, RunRequest::Resume, &mut desk, |desk, _| {
        desk.stand(false, 12).unwrap();
    });
    assert_eq!(outcome, RequestOutcome::Done { step: 12 });
    assert_eq!(pause_of(path), None);
}

#[test]
fn a_run_that_ends_has_ended_for_those_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let lock = FolderLock::take(path, "run").unwrap();
    let mut desk = Desk::open(path).unwrap();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            while desk.take() == Taken::Nothing {
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(desk);
            drop(lock);
        });
        ask(path, RunRequest::Stop, PATIENCE, &mut |_| true).unwrap()
    });
    assert_eq!(outcome, RequestOutcome::Ended);
    assert!(outcome.is_done(RunRequest::Stop));
    assert!(!outcome.is_done(RunRequest::Pause));
    let names: Vec<_> = fs::read_dir(path).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "the lock's file alone: {names:?}");
}

#[test]
fn a_run_without_a_process_or_a_desk_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ask = |patience| ask(path, RunRequest::Stop, patience, &mut |_| true).unwrap();
    assert_eq!(ask(SHORT), RequestOutcome::NotRunning);
    // What a process left that was killed.
    std::mem::forget(Desk::open(path).unwrap());
    assert_eq!(ask(SHORT), RequestOutcome::NotRunning);
    assert!(!path.join(REQUEST_FILE).exists());
    // One that is older than requests.
    fs::remove_file(path.join(SESSION_FILE)).unwrap();
    let _lock = FolderLock::take(path, "run").unwrap();
    assert_eq!(ask(SHORT), RequestOutcome::NotListening);
    // One that does not look any more: nothing is left that it could find later.
    let desk = Desk::open(path).unwrap();
    assert_eq!(ask(SHORT), RequestOutcome::NotListening);
    assert!(!path.join(REQUEST_FILE).exists());
    drop(desk);
}

#[test]
fn requests_for_an_earlier_process_are_not_done_by_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let earlier = Desk::open(path).unwrap();
    let old = request_for(&session(path), "stop");
    drop(earlier);
    put(path, &old);
    // What lies there at the begin is thrown away,
    let mut later = Desk::open(path).unwrap();
    assert_eq!(later.take(), Taken::Nothing);
    // and what comes too late is not done.
    put(path, &old);
    let Taken::Ignored(reason) = later.take() else {
        panic!("it was done");
    };
    assert!(reason.contains("earlier process"), "{reason}");
    put(path, &request_for(&session(path), "stop"));
    let asked = Taken::Asked("one".into(), RunRequest::Stop);
    assert_eq!(later.take(), asked);
}

#[test]
fn garbage_is_ignored_with_a_reason_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut desk = Desk::open(path).unwrap();
    let good = request_for(&session(path), "pause");
    let long = format!("{good}{}", " ".repeat(5000));
    let garbage = [
        String::new(),
        "pause".into(),
        good.replace("\"pause\"", "\"erase\""),
        good.replace("\"version\":1", "\"version\":9"),
        good.replace("\"one\"", "\"../one\""),
        good.replace("\"id\"", "\"more\":1,\"id\""),
        long,
    ];
    for text in garbage {
        put(path, &text);
        let taken = desk.take();
        assert!(matches!(taken, Taken::Ignored(_)), "{text}: {taken:?}");
        assert_eq!(desk.take(), Taken::Nothing, "{text}");
    }
    fs::create_dir(path.join(REQUEST_FILE)).unwrap();
    assert!(matches!(desk.take(), Taken::Ignored(_)));
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("file");
        fs::write(&file, &good).unwrap();
        std::os::unix::fs::symlink(&file, path.join(REQUEST_FILE)).unwrap();
        assert!(matches!(desk.take(), Taken::Ignored(_)), "a link");
        assert!(file.is_file());
    }
    put(path, &good);
    assert!(matches!(desk.take(), Taken::Asked(..)));
}

#[test]
fn a_session_of_garbage_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let _lock = FolderLock::take(path, "run").unwrap();
    for text in ["", "{}", "[1]", r#"{"version":1,"session":7}"#] {
        fs::write(path.join(SESSION_FILE), text).unwrap();
        assert_eq!(pause_of(path), None, "{text}");
    }
    let outcome = ask(path, RunRequest::Pause, SHORT, &mut |_| true).unwrap();
    assert_eq!(outcome, RequestOutcome::NotListening);
}

#[test]
fn a_run_of_another_machine_is_asked_while_it_is_watched() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a-0001");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(WATCHED_FILE), "").unwrap();
    let mut desk = Desk::open(&folder).unwrap();
    let outcome = ask(&folder, RunRequest::SaveState, SHORT, &mut |_| true).unwrap();
    assert_eq!(outcome, RequestOutcome::NotWatched);
    // It need not be on.
    let _lock = FolderLock::take(root.path(), "folder").unwrap();
    let mut seen = None;
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                if let Taken::Asked(id, _) = desk.take() {
                    desk.bring(3, 7).unwrap();
                    std::thread::sleep(Duration::from_millis(500));
                    return desk.answer(&id, RequestOutcome::Done { step: 4 }).unwrap();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut told = |progress: Option<[u64; 2]>| {
            seen = progress.or(seen);
            true
        };
        ask(&folder, RunRequest::SaveState, PATIENCE, &mut told).unwrap()
    });
    assert_eq!(outcome, RequestOutcome::Done { step: 4 });
    assert_eq!(seen, Some([3, 7]));
}

/// Whoever asked does not wait any more.
#[test]
fn a_request_that_is_not_wanted_any_more_is_called_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let _lock = FolderLock::take(path, "run").unwrap();
    let mut desk = Desk::open(path).unwrap();
    // Before anyone took it nothing is left of it.
    let outcome = ask(path, RunRequest::SaveState, PATIENCE, &mut |_| false).unwrap();
    assert_eq!(outcome, RequestOutcome::CalledOff);
    assert_eq!(desk.take(), Taken::Nothing);
    // After that whoever took it hears of it, once, and the others are done.
    put(
        path,
        &request_for(&session(path), "pause").replace("one", "other"),
    );
    let other = Taken::Asked("other".into(), RunRequest::Pause);
    assert_eq!(desk.take(), other);
    let (taken, called_off) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut told = |progress: Option<[u64; 2]>| progress.is_none();
            ask(path, RunRequest::SaveState, PATIENCE, &mut told).unwrap()
        });
        let mut seen = Vec::new();
        let start = std::time::Instant::now();
        while seen.len() < 2 {
            assert!(start.elapsed() < PATIENCE, "{seen:?}");
            match desk.take() {
                Taken::Nothing => std::thread::sleep(Duration::from_millis(10)),
                taken => {
                    seen.push(taken);
                    desk.bring(3, 7).unwrap();
                }
            }
        }
        assert_eq!(asking.join().unwrap(), RequestOutcome::CalledOff);
        (seen.remove(0), seen.remove(0))
    });
    let Taken::Asked(id, RunRequest::SaveState) = taken else {
        panic!("{taken:?}");
    };
    assert_eq!(called_off, Taken::CalledOff(id.clone()));
    assert!(desk.has_open(), "the pause is still to be done");
    // What is answered cannot be called off.
    let late = request_for(&session(path), "save_state").replace("one", &id);
    put(path, &late.replace("}", ",\"is_called_off\":true}"));
    assert_eq!(desk.take(), Taken::Nothing);
    assert!(!path.join(REQUEST_FILE).exists());
}

#[test]
fn answers_stay_few_and_reasons_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut desk = Desk::open(path).unwrap();
    for n in 0..40 {
        let request = request_for(&session(path), "pause").replace("one", &format!("n{n}"));
        put(path, &request);
        assert!(matches!(desk.take(), Taken::Asked(..)));
        let reason = "x".repeat(10_000);
        desk.answer(&format!("n{n}"), RequestOutcome::failed(&reason))
            .unwrap();
    }
    let record = session_of(path).expect("it is still read");
    assert_eq!(record.answers.len(), MAX_ANSWERS);
    assert_eq!(record.answers.last().unwrap().id, "n39");
}
