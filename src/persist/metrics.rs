//! A run's numbers as lines of JSON: appended while it runs, read back whatever
//! a crash left of them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::protocol::any_float;
use crate::protocol::event::{
    EvaluationPhase, EvaluationSummary, FailureKind, LiftMetrics, LoraMetrics, RunCosts, RunEvent,
    RunOutcome, Score, StepMetrics,
};
use crate::tuning::inspect::diagnosis::Diagnosis;

/// No line that is written comes near this; a longer one is no record.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// One line of `metrics.jsonl`. Numbers that are not finite are kept, as the
/// strings "NaN", "inf" and "-inf".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricRecord {
    /// The numbers of one step.
    Step(#[serde(with = "StepFields")] StepMetrics),
    /// What the run costs.
    Costs {
        /// What was counted.
        #[serde(flatten)]
        costs: RunCosts,
    },
    /// The loss on held-out examples.
    Validation {
        /// The step it was measured after.
        step: usize,
        /// Mean nats a counted token.
        #[serde(with = "any_float")]
        loss: f64,
        /// The held-out items answered right, where the run selects by them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accuracy: Option<Score>,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something about the run is wrong.
    Diagnosis {
        /// What, and which field to change.
        diagnosis: Diagnosis,
    },
    /// What an evaluation measured.
    Evaluation {
        /// Which evaluation.
        phase: EvaluationPhase,
        /// What was measured.
        summary: EvaluationSummary,
    },
    /// Something the user should know.
    Note {
        /// The line.
        text: String,
    },
    /// A state was written and read back.
    Export {
        /// Steps that made it.
        #[serde(default)]
        step: usize,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Something could not be done, and the run with it.
    Failure {
        /// What was being done.
        during: String,
        /// One line for the user.
        message: String,
    },
    /// The run is over.
    End {
        /// How.
        outcome: RunOutcome,
    },
}

impl MetricRecord {
    /// What is to be written down of an event of a run.
    pub fn from_event(event: &RunEvent) -> Vec<Self> {
        match event.clone() {
            RunEvent::Started { notes, .. } => {
                let note = |text| Self::Note { text };
                notes.into_iter().map(note).collect()
            }
            RunEvent::Step(metrics) => vec![Self::Step(metrics)],
            RunEvent::Costed(costs) => vec![Self::Costs { costs }],
            RunEvent::Validated {
                step,
                loss,
                accuracy,
                best,
            } => vec![Self::Validation {
                step,
                loss,
                accuracy,
                best,
            }],
            RunEvent::Diagnosed(diagnosis) => vec![Self::Diagnosis { diagnosis }],
            RunEvent::EvaluationFinished { phase, summary } => {
                vec![Self::Evaluation { phase, summary }]
            }
            RunEvent::StateExported { step, path, bytes } => {
                vec![Self::Export { step, path, bytes }]
            }
            RunEvent::Ended(outcome) => vec![Self::End { outcome }],
            RunEvent::Failed {
                kind: _,
                during,
                message,
            } => vec![Self::Failure { during, message }],
            _ => Vec::new(),
        }
    }

    /// The event that was written down; a note is part of a start and has none.
    pub fn into_event(self) -> Option<RunEvent> {
        Some(match self {
            Self::Step(metrics) => RunEvent::Step(metrics),
            Self::Costs { costs } => RunEvent::Costed(costs),
            Self::Validation {
                step,
                loss,
                accuracy,
                best,
            } => RunEvent::Validated {
                step,
                loss,
                accuracy,
                best,
            },
            Self::Diagnosis { diagnosis } => RunEvent::Diagnosed(diagnosis),
            Self::Evaluation { phase, summary } => RunEvent::EvaluationFinished { phase, summary },
            Self::Note { text: _ } => return None,
            Self::Export { step, path, bytes } => RunEvent::StateExported { step, path, bytes },
            Self::Failure { during, message } => RunEvent::Failed {
                // Bad input has no run whose numbers could say so.
                kind: FailureKind::Work,
                during,
                message,
            },
            Self::End { outcome } => RunEvent::Ended(outcome),
        })
    }

    /// Whether the record still holds when the run continues from `step`.
    fn holds_at(&self, step: usize) -> bool {
        match self {
            Self::Step(metrics) => metrics.step <= step,
            Self::Validation { step: at, .. } => *at <= step,
            Self::Diagnosis { diagnosis } => diagnosis.step <= step,
            Self::Evaluation { phase, .. } => match phase {
                EvaluationPhase::Before | EvaluationPhase::FewShot => true,
                EvaluationPhase::After => false,
            },
            Self::Note { .. } | Self::Costs { .. } | Self::Export { .. } => true,
            Self::Failure { .. } | Self::End { .. } => false,
        }
    }
}

/// Reads every whole record, and counts the damaged lines: the last one
/// of a run that was killed, or those that a failing disk left. A file that is
/// not there has no records.
///
/// # Errors
/// [`Error::Io`] if the file is there but cannot be read.
pub fn read_metrics(path: impl AsRef<Path>) -> Result<(Vec<MetricRecord>, usize)> {
    let mut records = Vec::new();
    let n_torn = for_each_record(path.as_ref(), |_, record| records.push(record))?;
    Ok((records, n_torn))
}

/// The end of a `metrics.jsonl` that is being written.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    /// Opened by the first record, closed while the file is replaced.
    file: Option<File>,
    /// Whether the file may end inside a line.
    torn: bool,
}

impl MetricsFile {
    /// The file at `path`, which is created by the first record.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            torn: false,
        }
    }

    /// Adds a record as one line and hands it to the system at once. A line
    /// that a crash or a full disk cut short before is closed first.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn append(&mut self, record: &MetricRecord) -> Result<()> {
        let fail = |source| Error::io("write", &self.path, source);
        // A file that was removed takes what is written and keeps nothing.
        let is_gone = !self.path.exists();
        let file = match &mut self.file {
            Some(file) if !is_gone => file,
            slot => {
                let (file, torn) = open_end(&self.path).map_err(fail)?;
                self.torn = torn;
                slot.insert(file)
            }
        };
        let mut line = if self.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, record).map_err(|error| fail(error.into()))?;
        line.push(b'\n');
        self.torn = true;
        file.write_all(&line).map_err(fail)?;
        self.torn = false;
        Ok(())
    }

    /// Drops what no longer holds when the run continues from `step`: the steps
    /// and validations past it, the tuned model's evaluation and the end.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read or replaced.
    pub fn truncate_after(&mut self, step: usize) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        let mut kept = Vec::new();
        // Lines are copied as they stand, so that no number is rounded twice.
        for_each_record(&self.path, |line, record| {
            if record.holds_at(step) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        })?;
        self.file = None;
        write_atomic(&self.path, |writer| writer.write_all(&kept))
    }
}

/// Opens the file for appending; says whether it ends inside a line.
fn open_end(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).read(true).append(true).open(path)?;
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok((file, false));
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok((file, last != *b"\n"))
}

/// Calls `take` with every whole record and its line; the number of others.
fn for_each_record(path: &Path, take: impl FnMut(&[u8], MetricRecord)) -> Result<usize> {
    let fail = |source| Error::io("read", path, source);
    match File::open(path) {
        Ok(file) => records_in(BufReader::new(file), take).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(fail(error)),
    }
}

/// As [`for_each_record`], of what is open.
pub(crate) fn records_in(
    mut reader: impl BufRead,
    mut take: impl FnMut(&[u8], MetricRecord),
) -> io::Result<usize> {
    let mut n_torn = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut start = reader.by_ref().take(MAX_LINE_BYTES);
        if start.read_until(b'\n', &mut line)? == 0 {
            return Ok(n_torn);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == MAX_LINE_BYTES {
            reader.skip_until(b'\n')?;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => take(&line, record),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => n_torn += 1,
        }
    }
}

/// How [`StepMetrics`] stands in a line.
#[derive(Serialize, Deserialize)]
#[serde(remote = "StepMetrics")]
struct StepFields {
    step: usize,
    #[serde(with = "any_float")]
    loss: f64,
    #[serde(with = "any_float")]
    grad_norm: f64,
    #[serde(with = "any_float")]
    state_norm: f64,
    #[serde(with = "any_float")]
    learning_rate: f64,
    tokens: usize,
    #[serde(with = "any_float")]
    secs: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lift: Option<LiftMetrics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lora: Option<LoraMetrics>,
}

#[cfg(test)]
mod tests;
