use crossbeam_channel::{Sender, unbounded};

use super::*;

fn control() -> (Sender<Command>, Control) {
    let (sender, receiver) = unbounded();
    (sender, Control::new(receiver))
}

fn id(name: &str) -> RunId {
    RunId(name.into())
}

fn resumed(folder: PathBuf) -> Job {
    let changes = ResumeChanges::default();
    Job::Resume { folder, changes }
}

fn resume_run(name: &str) -> Command {
    Command::ResumeRun {
        folder: name.into(),
        changes: ResumeChanges::default(),
    }
}

/// What polling run `a` gives, and how many pauses were told.
fn check(commands: &[Command], stopped: bool, n_pauses: usize) {
    let (sender, mut control) = control();
    for command in commands {
        sender.send(command.clone()).unwrap();
    }
    let mut n_told = 0;
    let outcome = control.poll(Some(&id("a")), &mut || {
        n_told += 1;
        Ok(())
    });
    assert_eq!(outcome.is_err(), stopped, "{commands:?}");
    assert_eq!(n_told, n_pauses, "{commands:?}");
}

#[test]
fn a_run_is_paused_resumed_and_stopped() {
    use Command::{Pause, Resume, Shutdown, Stop};
    check(&[], false, 0);
    check(&[Stop(id("a"))], true, 0);
    check(&[Stop(id("b")), Resume(id("a"))], false, 0);
    check(&[Pause(id("a")), Resume(id("a"))], false, 1);
    check(&[Pause(id("a")), Pause(id("a")), Resume(id("a"))], false, 1);
    check(&[Pause(id("a")), Resume(id("b")), Stop(id("a"))], true, 1);
    check(&[Pause(id("a")), Shutdown], true, 1);
    check(&[Pause(id("b"))], false, 0);
}

#[test]
fn a_client_that_is_gone_ends_the_run() {
    let (sender, mut control) = control();
    sender.send(Command::Pause(id("a"))).unwrap();
    drop(sender);
    assert!(control.poll(Some(&id("a")), &mut || Ok(())).is_err());
    assert_eq!(control.next_job(), None);
}

#[test]
fn jobs_wait_for_their_turn() {
    let (sender, mut control) = control();
    sender.send(resume_run("a")).unwrap();
    sender.send(resume_run("b")).unwrap();
    control.poll(None, &mut || Ok(())).unwrap();
    sender.send(Command::Stop(id("c"))).unwrap();
    sender.send(resume_run("c")).unwrap();
    for name in ["a", "b", "c"] {
        let folder = name.into();
        assert_eq!(control.next_job(), Some(resumed(folder)));
    }
}

#[test]
fn a_job_that_waits_is_called_off_by_its_name() {
    let (sender, mut control) = control();
    let search = |name| Command::FindRate {
        run: id(name),
        spec: Box::default(),
        range: RateRange::default(),
    };
    for command in [search("b"), search("c"), Command::Stop(id("b"))] {
        sender.send(command).unwrap();
    }
    assert!(control.poll(Some(&id("a")), &mut || Ok(())).is_ok());
    assert_eq!(control.take_abandoned(), 1);
    let next = control.next_job();
    assert!(matches!(&next, Some(Job::FindRate { run, .. }) if *run == id("c")));
}

#[test]
fn a_pause_is_left_for_a_text_and_held_again_after_it() {
    use crate::protocol::trace::TraceFrom;
    use crate::tuning::inspect::trajectory::Place;
    let (sender, mut control) = control();
    let run = id("a");
    let request = TraceRequest {
        spec: Box::default(),
        from: TraceFrom::Untuned,
        text: "a".into(),
        place: Place { layer: 0, head: 0 },
    };
    sender.send(Command::Pause(run.clone())).unwrap();
    sender.send(Command::Trace(request.clone())).unwrap();
    let mut n_told = 0;
    let mut poll = |control: &mut Control, attention| {
        control.attention = attention;
        let mut paused = || {
            n_told += 1;
            Ok(())
        };
        let polled = control.poll(Some(&run), &mut paused).is_ok();
        (polled, n_told)
    };
    assert_eq!(poll(&mut control, Attention::WorkOrText), (true, 1));
    assert_eq!(control.take_trace(), Some(request));
    assert_eq!(
        poll(&mut control, Attention::Text),
        (true, 1),
        "never holds"
    );
    // It would hold here; the stop ends that, and no pause is told again.
    sender.send(Command::Stop(run.clone())).unwrap();
    assert_eq!(poll(&mut control, Attention::WorkOrText), (false, 1));
}

#[test]
fn what_has_not_begun_is_given_up_and_a_run_goes_on() {
    let (sender, mut control) = control();
    for command in [resume_run("a"), resume_run("b"), Command::Abandon] {
        sender.send(command).unwrap();
    }
    assert!(control.poll(Some(&id("run")), &mut || Ok(())).is_ok());
    assert_eq!(control.take_abandoned(), 2);
    assert_eq!(control.take_abandoned(), 0);
    sender.send(Command::Abandon).unwrap();
    assert!(control.poll(None, &mut || Ok(())).is_err());
    sender.send(Command::Abandon).unwrap();
    sender.send(resume_run("c")).unwrap();
    let folder = "c".into();
    assert_eq!(control.next_job(), Some(resumed(folder)));
}

#[test]
fn nothing_is_begun_after_a_shutdown() {
    let (sender, mut control) = control();
    sender.send(resume_run("a")).unwrap();
    sender.send(Command::Shutdown).unwrap();
    assert!(control.poll(None, &mut || Ok(())).is_err());
    assert_eq!(control.next_job(), None);
}

#[test]
fn what_is_skipped_is_told_once_and_of_the_run_that_is_meant() {
    let (sender, mut control) = control();
    for name in ["b", "a"] {
        sender.send(Command::SkipScoring(id(name))).unwrap();
        control.poll(Some(&id("a")), &mut || Ok(())).unwrap();
        assert_eq!(control.take_skip(), name == "a");
        assert!(!control.take_skip());
    }
}

#[test]
fn what_others_ask_reaches_the_run_that_polls() {
    use RunRequest::{Pause, Resume, SaveState, Stop};
    let run = id("a");
    let poll = |requests: &[RunRequest]| {
        let (_commands, mut control) = control();
        let (sender, receiver) = unbounded();
        control.requests = receiver;
        for request in requests {
            sender.send(*request).unwrap();
        }
        let mut n_pauses = 0;
        let polled = control.poll(Some(&run), &mut || {
            n_pauses += 1;
            Ok(())
        });
        let saves = control.take_state_request();
        (polled.is_err(), n_pauses, saves)
    };
    assert_eq!(poll(&[]), (false, 0, false));
    assert_eq!(poll(&[Pause, Resume]), (false, 1, false));
    assert_eq!(poll(&[Pause, SaveState, Stop]), (true, 1, true));
    assert_eq!(poll(&[SaveState]), (false, 0, true));
    assert_eq!(poll(&[Resume]), (false, 0, false));
}

#[test]
fn a_held_run_writes_its_state_and_stays_held() {
    let (_commands, mut control) = control();
    let (sender, receiver) = unbounded();
    control.requests = receiver;
    control.attention = Attention::WorkOrText;
    for request in [RunRequest::Pause, RunRequest::SaveState] {
        sender.send(request).unwrap();
    }
    control.poll(Some(&id("a")), &mut || Ok(())).unwrap();
    assert!(control.holds());
    assert!(control.take_state_request());
    sender.send(RunRequest::Resume).unwrap();
    let mut told_again = false;
    let polled = control.poll(Some(&id("a")), &mut || {
        told_again = true;
        Ok(())
    });
    assert!(polled.is_ok() && !told_again && !control.holds());
}

#[test]
fn a_pause_holds_when_nobody_else_can_ask_any_more() {
    let (commands, mut control) = control();
    let (sender, receiver) = unbounded();
    control.requests = receiver;
    sender.send(RunRequest::Pause).unwrap();
    drop(sender);
    let mut n_pauses = 0;
    let polled = control.poll(Some(&id("a")), &mut || {
        n_pauses += 1;
        commands.send(Command::Resume(id("a"))).unwrap();
        Ok(())
    });
    assert!(polled.is_ok());
    assert_eq!(n_pauses, 1);
}
