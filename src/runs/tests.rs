//! Tests of the reducer.

use proptest::prelude::*;

use super::*;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, JobEvent, Score, StepMetrics};
use crate::protocol::run_spec::RunSpec;

fn id(name: &str) -> RunId {
    RunId(name.into())
}

fn started(name: &str, first_step: usize) -> Event {
    Event::Run(
        id(name),
        RunEvent::Started {
            spec: Box::default(),
            folder: "runs/a".into(),
            first_step,
            notes: vec!["2 examples left out".into()],
        },
    )
}

fn step(name: &str, step: usize, loss: f64) -> Event {
    Event::Run(
        id(name),
        RunEvent::Step(StepMetrics {
            step,
            loss,
            grad_norm: 1.0,
            state_norm: 2.0,
            learning_rate: 0.1,
            tokens: 100,
            secs: 0.5,
            lift: None,
            lora: None,
        }),
    )
}

fn validated(name: &str, step: usize, loss: f64) -> Event {
    Event::Run(
        id(name),
        RunEvent::Validated {
            step,
            loss,
            accuracy: None,
            best: true,
        },
    )
}

fn evaluated(name: &str, phase: EvaluationPhase) -> Event {
    Event::Run(
        id(name),
        RunEvent::EvaluationFinished {
            phase,
            summary: EvaluationSummary {
                benchmark: "arc-mini".into(),
                few_shot: 0,
                scores: vec![Score {
                    name: "strict".into(),
                    n_correct: 3,
                    n_items: 4,
                }],
                n_total: 500,
                written: None,
                left_out: 0,
                secs: 2.0,
            },
        },
    )
}

fn store_of(events: impl IntoIterator<Item = Event>) -> RunStore {
    let mut store = RunStore::default();
    for event in events {
        store.apply(event);
    }
    store
}

fn check_status(events: Vec<Event>, want: &RunStatus) {
    let store = store_of(events);
    assert_eq!(&store.get(&id("a")).unwrap().status, want);
}

fn ended(outcome: RunOutcome) -> Event {
    Event::Run(id("a"), RunEvent::Ended(outcome))
}

fn failed(run: Option<&str>) -> Event {
    let (kind, during) = (FailureKind::Work, "a step".to_owned());
    let message = "device lost".to_owned();
    match run {
        Some(run) => Event::Run(
            id(run),
            RunEvent::Failed {
                kind,
                during,
                message,
            },
        ),
        None => Event::Job(JobEvent::Failed {
            name: None,
            kind,
            during,
            message,
        }),
    }
}

fn paused(step: usize) -> Event {
    Event::Run(id("a"), RunEvent::Paused { step })
}

#[test]
fn statuses() {
    let running = |step| RunStatus::Running { step, total: 300 };
    let after = EvaluationPhase::After;
    let progress = |phase| {
        Event::Run(
            id("a"),
            RunEvent::EvaluationProgress {
                phase,
                done: 1,
                total: 4,
            },
        )
    };
    let cases = [
        (vec![started("a", 0)], running(0)),
        (vec![started("a", 20)], running(20)),
        (
            vec![started("a", 0), step("a", 2, 1.0), step("a", 1, 1.0)],
            running(2),
        ),
        (
            vec![started("a", 0), paused(5), step("a", 4, 1.0)],
            RunStatus::Paused {
                step: 5,
                total: 300,
            },
        ),
        (
            vec![started("a", 0), paused(5), step("a", 6, 1.0)],
            running(6),
        ),
        (
            vec![started("a", 0), progress(after)],
            RunStatus::Evaluating {
                phase: after,
                done: 1,
                total: 4,
            },
        ),
        (
            vec![started("a", 0), progress(after), evaluated("a", after)],
            running(0),
        ),
        (
            vec![
                started("a", 0),
                ended(RunOutcome::Finished),
                step("a", 9, 1.0),
                paused(9),
                progress(after),
            ],
            RunStatus::Finished,
        ),
        (
            vec![
                started("a", 0),
                ended(RunOutcome::Finished),
                failed(Some("a")),
            ],
            RunStatus::Finished,
        ),
        (
            vec![
                started("a", 0),
                failed(Some("a")),
                ended(RunOutcome::Stopped { step: 1 }),
            ],
            RunStatus::Failed("device lost".into()),
        ),
        (
            vec![started("a", 0), failed(Some("a")), started("a", 7)],
            running(7),
        ),
    ];
    for (events, want) in cases {
        check_status(events, &want);
    }
}

#[test]
fn a_resumed_run_forgets_what_came_after_its_checkpoint() {
    let mut events = vec![started("a", 0), evaluated("a", EvaluationPhase::Before)];
    events.extend((1..=9).map(|at| step("a", at, at as f64)));
    events.extend([
        validated("a", 4, 0.5),
        validated("a", 8, 0.1),
        evaluated("a", EvaluationPhase::After),
        started("a", 5),
    ]);
    let store = store_of(events);
    let [run] = store.runs() else {
        panic!("one run, not {}", store.runs().len());
    };
    assert_eq!(run.series.loss.last(), Some((5, 5.0)));
    assert_eq!(run.best_validation(), Some((4, 0.5)));
    assert_eq!(run.evaluations.len(), 1);
    assert_eq!(run.notes, ["2 examples left out"]);
    assert_eq!(run.n_tokens(), 500.0);
}

#[test]
fn nan_is_kept_and_found() {
    let store = store_of([
        started("a", 0),
        step("a", 1, 1.0),
        step("a", 2, f64::NAN),
        validated("a", 2, f64::NAN),
    ]);
    let run = store.get(&id("a")).unwrap();
    assert_eq!(run.first_non_finite(), Some(2));
    assert_eq!(run.best_validation(), None);
}

#[test]
fn events_of_unknown_runs_are_counted() {
    let store = store_of([step("b", 1, 1.0), validated("b", 1, 1.0), failed(Some("b"))]);
    assert_eq!(store.n_unknown, 3);
    assert!(store.runs().is_empty());
}

#[test]
fn the_log_says_what_happened_and_has_an_end() {
    let mut store = store_of([started("a", 0), evaluated("a", EvaluationPhase::After)]);
    let lines: Vec<&str> = store.log().map(|line| line.text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "started",
            "2 examples left out",
            "arc-mini, tuned, strict 3 of 4"
        ]
    );
    for _ in 0..MAX_LOG_LINES + 5 {
        store.apply(failed(None));
    }
    assert_eq!(store.log().len(), MAX_LOG_LINES);
}

#[test]
fn loading_ends_with_the_model_or_a_failure() {
    let read = BytesRead { done: 1, total: 2 };
    let loading = || Event::Device(DeviceEvent::Loading { read });
    assert_eq!(store_of([loading()]).loading, Some(read));
    assert_eq!(store_of([loading(), failed(None)]).loading, None);
    let loaded = Event::Device(DeviceEvent::ModelLoaded {
        model: "mini".into(),
        bytes: 1,
        secs: 0.1,
    });
    assert_eq!(store_of([loading(), loaded]).loading, None);
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn any_phase() -> impl Strategy<Value = EvaluationPhase> {
    prop::sample::select(vec![
        EvaluationPhase::Before,
        EvaluationPhase::FewShot,
        EvaluationPhase::After,
    ])
}

fn any_outcome() -> impl Strategy<Value = RunOutcome> {
    prop_oneof![
        Just(RunOutcome::Finished),
        any::<usize>().prop_map(|best_step| RunOutcome::StoppedEarly { best_step }),
        any::<usize>().prop_map(|step| RunOutcome::Stopped { step }),
        any::<usize>().prop_map(|step| RunOutcome::Diverged {
            step,
            detail: "layer 0".into()
        }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![any::<f64>(), Just(f64::NAN)];
    let at = prop_oneof![0..20_usize, any::<usize>()];
    (any_name(), at, number, any_phase(), any_outcome(), 0..14_u8).prop_map(
        |(name, at, number, phase, outcome, kind)| match kind {
            0 => started(name, at),
            1 => validated(name, at, number),
            2 => evaluated(name, phase),
            3 => Event::Run(id(name), RunEvent::Paused { step: at }),
            4 => Event::Run(id(name), RunEvent::Ended(outcome)),
            5 => failed(Some(name)),
            6 => failed(None),
            7 => Event::Run(
                id(name),
                RunEvent::EvaluationProgress {
                    phase,
                    done: at,
                    total: 3,
                },
            ),
            8 => Event::Run(
                id(name),
                RunEvent::SnapshotReady {
                    step: at,
                    is_stored: at % 2 == 0,
                },
            ),
            9 => Event::Run(
                id(name),
                RunEvent::CheckpointSaved {
                    step: at,
                    path: "c".into(),
                },
            ),
            10 => Event::Run(
                id(name),
                RunEvent::StateExported {
                    step: 7,
                    path: "s".into(),
                    bytes: 1,
                },
            ),
            11 => Event::Device(DeviceEvent::Loading {
                read: BytesRead::default(),
            }),
            _ => step(name, at, number),
        },
    )
}

proptest! {
    #[test]
    fn any_order_of_events_is_taken(events in prop::collection::vec(any_event(), 0..120)) {
        let mut store = RunStore::default();
        for event in events {
            store.apply(event);
            for run in store.runs() {
                let _ = eta::secs_left(run);
                let _ = run.best_validation();
                let points = run.series.loss.points();
                prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
            }
        }
        prop_assert!(store.runs().len() <= 3);
    }

    #[test]
    fn repeated_events_change_nothing(mut events in prop::collection::vec(any_event(), 0..40)) {
        let metrics = |event: &Event| matches!(event, Event::Run(_, RunEvent::Step(_)) | Event::Run(_, RunEvent::Validated { .. }));
        events.retain(metrics);
        events.insert(0, started("a", 0));
        let once = store_of(events.clone());
        let last = events.pop();
        let twice = store_of(events.into_iter().chain(last.clone()).chain(last.filter(metrics)));
        let text = |store: &RunStore| format!("{:?}", store.runs());
        prop_assert_eq!(text(&once), text(&twice));
    }
}

#[test]
fn runs_in_other_processes_outlive_the_worker() {
    let mut store = store_of(["a", "b"].map(|name| started(name, 0)));
    store.apply(step("a", 1, 1.0));
    store.worker_gone("gone", |run| run.0 == "b");
    let status = |name: &str| store.get(&id(name)).unwrap().status.clone();
    assert_eq!(status("a"), RunStatus::Failed("gone".into()));
    assert!(!status("b").is_over());
}

#[test]
fn an_added_run_takes_the_place_of_its_namesake() {
    let mut store = store_of([started("a", 0)]);
    let mut run = Run::new(id("a"), RunSpec::default(), "runs/b".into());
    run.status = RunStatus::Interrupted { step: 3 };
    store.add(run.clone());
    assert_eq!(store.runs(), [run]);
}
