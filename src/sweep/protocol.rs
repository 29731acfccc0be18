//! What a sweep and a process that does its runs say to each other: one JSON
//! object a line, down its input and up its output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::BytesRead;
use crate::persist::metrics::MetricRecord;
use crate::protocol::event::{EvaluationPhase, Event, FailureKind, RunId};
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
        let run = match event.clone() {
            Event::DeviceReady { device } => return Some(Self::DeviceReady { device }),
            Event::Loading { read } => return Some(Self::Loading { read }),
            Event::ModelLoaded { model, bytes, secs } => {
                return Some(Self::ModelLoaded { model, bytes, secs });
            }
            Event::RunStarted {
                run,
                spec,
                folder,
                first_step,
                notes,
            } => {
                return Some(Self::Started {
                    run,
                    spec,
                    folder,
                    first_step,
                    notes,
                });
            }
            Event::CheckpointSaved { run, step, path } => {
                return Some(Self::Saved { run, step, path });
            }
            Event::EvaluationProgress {
                run,
                phase,
                done,
                total,
            } => {
                return Some(Self::Scoring {
                    run,
                    phase,
                    done,
                    total,
                });
            }
            Event::Paused { run, step } => return Some(Self::Paused { run, step }),
            Event::SnapshotReady { .. }
            | Event::RateProgress { .. }
            | Event::RateFound { .. }
            | Event::TraceReady
            | Event::Generated { .. }
            | Event::GenerationEnded { .. }
            | Event::ScoreProgress { .. }
            | Event::ScoreEnded { .. }
            | Event::DistancesMeasured { .. }
            | Event::JobDone
            | Event::Failed { run: None, .. } => return None,
            Event::Step { run, .. }
            | Event::Validated { run, .. }
            | Event::Diagnosed { run, .. }
            | Event::EvaluationFinished { run, .. }
            | Event::StateExported { run, .. }
            | Event::RunEnded { run, .. }
            | Event::Failed { run: Some(run), .. } => run,
        };
        // Numbers that are not finite stand in lines as they do in files.
        let record = MetricRecord::from_event(event).into_iter().next()?;
        Some(Self::Record { run, record })
    }

    /// The event again.
    pub fn into_event(self) -> Option<Event> {
        Some(match self {
            Self::DeviceReady { device } => Event::DeviceReady { device },
            Self::Loading { read } => Event::Loading { read },
            Self::ModelLoaded { model, bytes, secs } => Event::ModelLoaded { model, bytes, secs },
            Self::Started {
                run,
                spec,
                folder,
                first_step,
                notes,
            } => Event::RunStarted {
                run,
                spec,
                folder,
                first_step,
                notes,
            },
            Self::Record { run, record } => return record.into_event(run),
            Self::Saved { run, step, path } => Event::CheckpointSaved { run, step, path },
            Self::Scoring {
                run,
                phase,
                done,
                total,
            } => Event::EvaluationProgress {
                run,
                phase,
                done,
                total,
            },
            Self::Paused { run, step } => Event::Paused { run, step },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::StepMetrics;

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
        };
        for event in [
            Event::Step {
                run: run.clone(),
                metrics,
            },
            Event::RunStarted {
                run: run.clone(),
                spec: Box::default(),
                folder: "runs/a".into(),
                first_step: 2,
                notes: vec!["x\ny".into()],
            },
            Event::Paused { run, step: 4 },
        ] {
            let report = Report::Event(Box::new(WireEvent::of(&event).unwrap()));
            let line = serde_json::to_string(&report).unwrap();
            assert!(!line.contains('\n'));
            let Report::Event(again) = serde_json::from_str(&line).unwrap() else {
                panic!("{line}");
            };
            assert_eq!(again.into_event(), Some(event));
        }
        let unseen = Event::SnapshotReady {
            run: RunId("a".into()),
            step: 1,
            is_stored: false,
        };
        assert_eq!(WireEvent::of(&unseen), None);
    }
}
