//! A run's numbers as TensorBoard reads them: an event file in the run's folder.
//!
//! | part | what it is |
//! |---|---|
//! | record | length as u64, its checksum, the event, its checksum; little-endian |
//! | checksum | CRC-32C, turned by 15 bits, plus 0xa282ead8 |
//! | event | protobuf: time 1, step 2, version 3, summary 5, session 7 |
//! | summary | values 1, each with a tag 1 and a 32-bit float 2 |
//!
//! TensorBoard drops what it knows past the step of a session's start, so that a run
//! that continues from a checkpoint is one curve.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::metrics::MetricRecord;
use super::protobuf::{put_bytes, put_f32, put_f64, put_varint};
use crate::error::{Error, Result};
use crate::protocol::event::{
    DecorrelationMetrics, EvaluationPhase, LiftMetrics, LiteralMetrics, Score, StepMetrics,
};

/// What TensorBoard knows these files by.
const PREFIX: &str = "events.out.tfevents.";
/// The version of the format that counts steps of sessions.
const VERSION: &str = "brain.Event:2";

/// The events of a run, if it is to have any.
#[derive(Debug, Default)]
pub(super) struct RunEvents {
    /// Whether it is.
    pub is_wanted: bool,
    from: usize,
    /// Begun by the first record.
    file: Option<EventFile>,
}

impl RunEvents {
    /// Adds a record to the file in the run's folder.
    pub fn add(&mut self, folder: &Path, record: &MetricRecord) -> Result<()> {
        if !self.is_wanted {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(EventFile::create(folder, self.from)?),
        };
        file.add(record)
    }

    /// What comes after a step takes the place of what was there.
    pub fn continue_from(&mut self, step: usize) {
        (self.from, self.file) = (step, None);
    }
}

/// The event file of a run that is on.
#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
    last_step: usize,
}

impl EventFile {
    /// Begins another file in a run's folder; `from` is the step that the run
    /// continues from.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn create(folder: &Path, from: usize) -> Result<Self> {
        let time = now();
        let path = folder.join(file_name(time, &std::process::id().to_string()));
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path);
        let file = file.map_err(|error| Error::io("write", &path, error))?;
        let mut events = Self {
            path,
            file,
            last_step: from,
        };
        events.write(&head(time, from))?;
        Ok(events)
    }

    /// Adds the numbers of a record, if it has any.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn add(&mut self, record: &MetricRecord) -> Result<()> {
        match values_of(record, &mut self.last_step) {
            Some((step, values)) => self.write(&framed(&event(now(), step, &values))),
            None => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))
    }
}

/// The numbers of records as an event file: its bytes, and how many records have any.
/// They begin at `time`, in seconds since 1970, and take as long as their steps.
pub(super) fn events_of(records: &[MetricRecord], time: f64) -> (Vec<u8>, usize) {
    let (mut bytes, numbers) = (head(time, 0), numbers_of(records, time));
    for of in &numbers {
        bytes.extend(framed(&event(of.time, of.step, &of.values)));
    }
    (bytes, numbers.len())
}

/// The numbers of a record.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The step that they were measured at.
    pub step: usize,
    /// When, in seconds since 1970.
    pub time: f64,
    /// What each is called and how large it is.
    pub values: Vec<(&'static str, f64)>,
}

/// The numbers of the records that have any. They begin at `time`, in seconds since
/// 1970, and take as long as their steps.
pub(super) fn numbers_of(records: &[MetricRecord], mut time: f64) -> Vec<Numbers> {
    let mut last_step = 0;
    let mut of = |record: &MetricRecord| {
        if let MetricRecord::Step(step) = record
            && step.secs.is_finite()
        {
            time += step.secs;
        }
        let (step, values) = values_of(record, &mut last_step)?;
        Some(Numbers { step, time, values })
    };
    records.iter().filter_map(&mut of).collect()
}

/// The name of an event file that begins at a time.
pub(super) fn file_name(time: f64, of: &str) -> String {
    format!("{PREFIX}{:010}.gosling.{of}", time as u64)
}

fn now() -> f64 {
    secs(SystemTime::now())
}

/// Seconds since 1970.
pub(super) fn secs(time: SystemTime) -> f64 {
    // A clock before 1970 is wrong in any case.
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// What a file begins with: its version, and where a session that continues starts.
fn head(time: f64, from: usize) -> Vec<u8> {
    let mut version = timed(time);
    put_bytes(&mut version, 3, VERSION.as_bytes());
    let mut bytes = framed(&version);
    if from > 0 {
        let mut start = timed(time);
        put_varint(&mut start, 2, from as u64 + 1);
        let mut session = Vec::new();
        put_varint(&mut session, 1, 1);
        put_bytes(&mut start, 7, &session);
        bytes.extend(framed(&start));
    }
    bytes
}

/// The step and the numbers of a record; none where it has no numbers.
fn values_of(
    record: &MetricRecord,
    last_step: &mut usize,
) -> Option<(usize, Vec<(&'static str, f64)>)> {
    let (step, values) = match record {
        MetricRecord::Step(metrics) => (metrics.step, of_step(metrics)),
        MetricRecord::Validation {
            step,
            loss,
            accuracy,
            best: _,
        } => {
            let mut values = vec![("validation/loss", *loss)];
            let share = accuracy.as_ref().and_then(share);
            values.extend(share.map(|share| ("validation/accuracy", share)));
            (*step, values)
        }
        MetricRecord::Evaluation { phase, summary } => {
            let (step, name) = match phase {
                EvaluationPhase::Before => (0, "accuracy/untuned"),
                EvaluationPhase::FewShot => (0, "accuracy/untuned_few_shot"),
                EvaluationPhase::After => (*last_step, "accuracy/tuned"),
            };
            let share = summary.scores.first().and_then(share)?;
            return Some((step, vec![(name, share)]));
        }
        MetricRecord::Costs { .. }
        | MetricRecord::Diagnosis { .. }
        | MetricRecord::Note { .. }
        | MetricRecord::Export { .. }
        | MetricRecord::Failure { .. }
        | MetricRecord::End { .. } => return None,
    };
    *last_step = step;
    Some((step, values))
}

/// The share of items that were answered right.
fn share(score: &Score) -> Option<f64> {
    (score.n_items > 0).then(|| score.n_correct as f64 / score.n_items as f64)
}

fn of_step(metrics: &StepMetrics) -> Vec<(&'static str, f64)> {
    let StepMetrics {
        step: _,
        loss,
        grad_norm,
        state_norm,
        learning_rate,
        tokens,
        secs,
        lift,
        lora,
    } = metrics;
    let mut values = vec![
        ("train/loss", *loss),
        ("train/gradient_norm", *grad_norm),
        ("train/state_norm", *state_norm),
        ("train/learning_rate", *learning_rate),
        ("speed/step_seconds", *secs),
    ];
    if *secs > 0.0 {
        values.push(("speed/tokens_per_second", *tokens as f64 / secs));
    }
    values.extend(lora.map(|lora| ("lora/norm", lora.norm)));
    let Some(LiftMetrics {
        norm,
        gate,
        literal,
        decorrelation,
    }) = lift
    else {
        return values;
    };
    values.push(("lift/norm", *norm));
    values.extend(gate.map(|gate| ("lift/gate", gate)));
    if let Some(LiteralMetrics { clamped, largest }) = literal {
        values.extend([("lift/clamped", *clamped), ("lift/largest", *largest)]);
    }
    if let Some(DecorrelationMetrics {
        loss,
        off_diagonal,
        rms,
        norm,
        condition,
    }) = decorrelation
    {
        values.extend([
            ("decorrelation/loss", *loss),
            ("decorrelation/off_diagonal", *off_diagonal),
            ("decorrelation/feature_rms", *rms),
            ("decorrelation/norm", *norm),
        ]);
        values.extend(condition.map(|of| ("decorrelation/condition", of)));
    }
    values
}

fn event(time: f64, step: usize, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut of = Vec::new();
        put_bytes(&mut of, 1, tag.as_bytes());
        put_f32(&mut of, 2, *value as f32);
        put_bytes(&mut summary, 1, &of);
    }
    let mut event = timed(time);
    put_varint(&mut event, 2, step as u64);
    put_bytes(&mut event, 5, &summary);
    event
}

/// An event with nothing but its time.
fn timed(time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    put_f64(&mut event, 1, time);
    event
}

/// A record of the file.
fn framed(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(event);
    record.extend(masked(crc32c(event)).to_le_bytes());
    record
}

/// A checksum of data that hold checksums is of no use, so it is stored changed.
const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The CRC with Castagnoli's polynomial.
fn crc32c(bytes: &[u8]) -> u32 {
    let of_byte = |crc: u32, byte: &u8| {
        let bit = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        (0..8).fold(crc ^ u32::from(*byte), bit)
    };
    !bytes.iter().fold(!0, of_byte)
}

#[cfg(test)]
mod tests;
