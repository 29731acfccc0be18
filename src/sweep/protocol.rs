//! What a sweep and a process that does its runs say to each other: one JSON
//! object a line, down its input and up its output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::BytesRead;
use crate::persist::metrics::MetricRecord;
use crate::protocol::event::{DeviceEvent, EvaluationPhase, Event, FailureKind, RunEvent, RunId};
use crate::protocol::run_spec::RunSpec;

/// To the process. It does one thing at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Do the run whose folder is here, from where it is.
    Run {
        folder: PathBuf,
        /// Stop and save after this many steps.
        until: Option<usize>,
    },
    /// Time a few steps of this run; nothing is written.
    Time(Box<RunSpec>),
    /// Hold the run under way.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Save the run under way and end it.
    Stop,
}

/// From the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Report {
    /// Something happened.
    Event(Box<WireEvent>),
    /// What was ordered is over. What came of a run is in its folder, unless
    /// it could not begin.
    Over {
        /// Why it could not be done.
        failure: Option<Failure>,
        /// Whether someone other than the sweep asked for its end.
        #[serde(default)]
        by_others: bool,
    },
    /// Seconds a step takes.
    Timed { secs: f64 },
}

/// Why a run could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub kind: FailureKind,
    pub message: String,
}

/// An [`Event`] on a line. Snapshots stay in their process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum WireEvent {
    DeviceReady {
        device: String,
    },
    Loading {
        read: BytesRead,
    },
    ModelLoaded {
        model: String,
        bytes: u64,
        secs: f64,
    },
    Started {
        run: RunId,
        spec: Box<RunSpec>,
        folder: PathBuf,
        first_step: usize,
        notes: Vec<String>,
    },
    Record {
        run: RunId,
        record: MetricRecord,
    },
    Saved {
        run: RunId,
        step: usize,
        path: PathBuf,
    },
    Scoring {
        run: RunId,
        phase: EvaluationPhase,
        done: usize,
        total: usize,
    },
    Paused {
        run: RunId,
        step: usize,
    },
}

impl WireEvent {
    /// The event as it is told; none of those that only its process can use.
    pub fn of(event: &Event) -> Option<Self> {
        let (run, event) = match event.clone() {
            Event::Device(DeviceEvent::Ready { device }) => {
                return Some(Self::DeviceReady { device });
            }
            Event::Device(DeviceEvent::Loading { read }) => return Some(Self::Loading { read }),
            Event::Device(DeviceEvent::ModelLoaded { model, bytes, secs }) => {
                return Some(Self::ModelLoaded { model, bytes, secs });
            }
            Event::Job(_) => return None,
            Event::Run(run, event) => (run, event),
        };
        Some(match event {
            RunEvent::Started {
                spec,
                folder,
                first_step,
                notes,
            } => Self::Started {
                run,
                spec,
                folder,
                first_step,
                notes,
            },
            RunEvent::CheckpointSaved { step, path } => Self::Saved { run, step, path },
            RunEvent::EvaluationProgress { phase, done, total } => Self::Scoring {
                run,
                phase,
                done,
                total,
            },
            RunEvent::Paused { step } => Self::Paused { run, step },
            // Numbers that are not finite stand in lines as they do in files.
            event => Self::Record {
                run,
                record: MetricRecord::from_event(&event).into_iter().next()?,
            },
        })
    }

    /// The event again.
    pub fn into_event(self) -> Option<Event> {
        let device = |event| Some(Event::Device(event));
        let (run, event) = match self {
            Self::DeviceReady { device: name } => {
                return device(DeviceEvent::Ready { device: name });
            }
            Self::Loading { read } => return device(DeviceEvent::Loading { read }),
            Self::ModelLoaded { model, bytes, secs } => {
                return device(DeviceEvent::ModelLoaded { model, bytes, secs });
            }
            Self::Started {
                run,
                spec,
                folder,
                first_step,
                notes,
            } => {
                let event = RunEvent::Started {
                    spec,
                    folder,
                    first_step,
                    notes,
                };
                (run, event)
            }
            Self::Record { run, record } => (run, record.into_event()?),
            Self::Saved { run, step, path } => (run, RunEvent::CheckpointSaved { step, path }),
            Self::Scoring {
                run,
                phase,
                done,
                total,
            } => (run, RunEvent::EvaluationProgress { phase, done, total }),
            Self::Paused { run, step } => (run, RunEvent::Paused { step }),
        };
        Some(Event::Run(run, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{RunOutcome, StepMetrics};

    #[test]
    fn events_pass_through_a_line_with_numbers_that_are_not_finite() {
        let run = RunId("a".into());
        let metrics = StepMetrics {
            step: 3,
            loss: f64::INFINITY,
            grad_norm: 0.1,
            state_norm: 1.0,
            learning_rate: 0.1,
            tokens: 7,
            secs: 0.5,
            lift: None,
            lora: None,
        };
        for event in [
            Event::Run(run.clone(), RunEvent::Step(metrics)),
            Event::Run(
                run.clone(),
                RunEvent::Started {
                    spec: Box::default(),
                    folder: "runs/a".into(),
                    first_step: 2,
                    notes: vec!["x\ny".into()],
                },
            ),
            Event::Run(run, RunEvent::Paused { step: 4 }),
        ] {
            let report = Report::Event(Box::new(WireEvent::of(&event).unwrap()));
            let line = serde_json::to_string(&report).unwrap();
            assert!(!line.contains('\n'));
            let Report::Event(again) = serde_json::from_str(&line).unwrap() else {
                panic!("{line}");
            };
            assert_eq!(again.into_event(), Some(event));
        }
        let unseen = Event::Run(
            RunId("a".into()),
            RunEvent::SnapshotReady {
                step: 1,
                is_stored: false,
            },
        );
        assert_eq!(WireEvent::of(&unseen), None);
    }

    #[test]
    fn lines_of_an_earlier_process_are_read() {
        let run = || RunId("a".into());
        let read = |line: &str| match serde_json::from_str(line).unwrap() {
            Report::Event(event) => event.into_event().unwrap(),
            other => panic!("{other:?}"),
        };
        for (line, event) in [
            (
                r#"{"Event":{"DeviceReady":{"device":"A processor"}}}"#,
                Event::Device(DeviceEvent::Ready {
                    device: "A processor".into(),
                }),
            ),
            (
                r#"{"Event":{"Saved":{"run":"a","step":50,"path":"runs/a/checkpoints/50"}}}"#,
                Event::Run(
                    run(),
                    RunEvent::CheckpointSaved {
                        step: 50,
                        path: "runs/a/checkpoints/50".into(),
                    },
                ),
            ),
            (
                r#"{"Event":{"Record":{"run":"a","record":{"kind":"validation","step":50,"loss":"NaN","best":false}}}}"#,
                Event::Run(
                    run(),
                    RunEvent::Validated {
                        step: 50,
                        loss: f64::NAN,
                        accuracy: None,
                        best: false,
                    },
                ),
            ),
            (
                r#"{"Event":{"Record":{"run":"a","record":{"kind":"end","outcome":"Finished"}}}}"#,
                Event::Run(run(), RunEvent::Ended(RunOutcome::Finished)),
            ),
        ] {
            // Numbers that are none are not equal to themselves.
            assert_eq!(format!("{:?}", read(line)), format!("{event:?}"));
        }
    }
}
