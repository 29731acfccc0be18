use std::path::Path;

use super::*;

fn start(name: &str) -> QueueRequest {
    QueueRequest::Start(Box::new(RunSpec {
        name: name.into(),
        ..RunSpec::default()
    }))
}

fn names(queue: &Queue) -> Vec<&str> {
    queue
        .waiting()
        .map(|waiting| waiting.asked.name())
        .collect()
}

#[test]
fn the_worker_gets_one_run_at_a_time() {
    let mut queue = Queue::default();
    queue.sent_other(None);
    queue.push(start("a"));
    queue.push(start("b"));
    let runs = Path::new("runs");
    assert!(
        matches!(queue.next(runs, false), Some(Command::StartRun { spec, .. }) if spec.name == "a")
    );
    assert_eq!(queue.starting(), Some("a"));
    assert_eq!(queue.next(runs, false), None);
    // The model was read.
    queue.job_done();
    assert!(!queue.began());
    assert_eq!(queue.starting(), None);
    assert_eq!(queue.next(runs, false), None);
    queue.job_done();
    assert!(queue.next(runs, false).is_some());
    queue.job_done();
    assert!(queue.is_empty() && queue.is_idle());
}

#[test]
fn a_run_waits_for_a_sweep_unless_it_is_to_begin_beside_it() {
    let mut queue = Queue::default();
    queue.push(start("a"));
    queue.push(start("b"));
    let runs = Path::new("runs");
    assert_eq!(queue.next(runs, true), None);
    let b = queue.waiting().nth(1).unwrap().key;
    queue.begin_beside(b);
    assert_eq!(names(&queue), ["b", "a"]);
    assert!(queue.next(runs, true).is_some());
    assert_eq!(queue.starting(), Some("b"));
    queue.job_done();
    assert_eq!(queue.next(runs, true), None);
    assert!(queue.next(runs, false).is_some());
    assert_eq!(queue.starting(), Some("a"));
}

#[test]
fn a_named_job_is_there_until_it_is_done_or_called_off() {
    let mut queue = Queue::default();
    let (prompt, other) = (RunId("prompt 1".into()), RunId("prompt 2".into()));
    queue.sent_other(Some(prompt.clone()));
    queue.sent_other(Some(other.clone()));
    assert!(queue.has_job(&prompt) && queue.has_job(&other));
    queue.called_off(&other);
    assert!(queue.has_job(&prompt) && !queue.has_job(&other));
    queue.job_done();
    assert!(!queue.has_job(&prompt) && !queue.is_idle());
    queue.job_done();
    assert!(queue.is_idle());
}

#[test]
fn a_job_that_was_called_off_is_done_before_those_that_were_asked_first() {
    let mut queue = Queue::default();
    let (score, prompt) = (RunId("evaluation 1".into()), RunId("prompt 1".into()));
    queue.sent_other(Some(score.clone()));
    queue.push(start("a"));
    assert!(queue.next(Path::new("runs"), false).is_some());
    queue.sent_other(Some(prompt.clone()));
    queue.called_off(&prompt);
    // The worker ends the evaluation, and the prompt with it.
    queue.job_done();
    queue.job_done();
    assert!(!queue.has_job(&score) && !queue.has_job(&prompt));
    assert!(queue.starting().is_some(), "the run is still to come");
}

#[test]
fn runs_that_wait_change_places_and_are_taken_back() {
    let mut queue = Queue::default();
    for name in ["a", "b", "c"] {
        queue.push(start(name));
    }
    let key = |queue: &Queue, name: &str| {
        let mut waiting = queue.waiting();
        waiting
            .find(|waiting| waiting.asked.name() == name)
            .unwrap()
            .key
    };
    let c = key(&queue, "c");
    queue.advance(c);
    assert_eq!(names(&queue), ["a", "c", "b"]);
    let a = key(&queue, "a");
    queue.advance(a);
    queue.withdraw(c);
    assert_eq!(names(&queue), ["a", "b"]);
}

#[test]
fn a_run_that_began_although_it_was_given_up_is_to_be_stopped() {
    let mut queue = Queue::default();
    queue.push(start("a"));
    queue.next(Path::new("runs"), false);
    queue.give_up();
    assert!(queue.began());
    queue.job_done();
    queue.push(start("b"));
    queue.next(Path::new("runs"), false);
    assert!(!queue.began());
}

#[test]
fn what_is_accepted_is_accepted_once() {
    let mut queue = Queue::default();
    let asked = QueueRequest::ResumeFromDisk {
        run: RunId("a".into()),
        folder: "runs/a".into(),
    };
    queue.push(asked.clone());
    let runs = Path::new("runs");
    let accepts = |command| match command {
        Some(Command::ResumeRun { changes, .. }) => changes.accept,
        Some(Command::StartRun { accept_changes, .. }) => accept_changes,
        other => panic!("{other:?}"),
    };
    assert!(!accepts(queue.next(runs, false)));
    assert_eq!(queue.prepared(), Some(&asked));
    queue.job_done();
    queue.push_accepting(asked);
    queue.push_accepting(start("b"));
    assert!(accepts(queue.next(runs, false)));
    queue.job_done();
    assert!(accepts(queue.next(runs, false)));
    queue.job_done();
    queue.push(start("c"));
    assert!(!accepts(queue.next(runs, false)));
}
