//! What is said of runs, as lines for the user.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::{Duration, Instant};

use super::protocol::Message;
use crate::persist::metrics::{MetricRecord, records_in};
use crate::persist::spec_file::parse_spec;
use crate::protocol::event::{Event, RunEvent, RunId, StepMetrics};
use crate::protocol::log_line::log_line;

/// How often the steps of a run are told.
const EVERY: Duration = Duration::from_secs(5);

/// What is known of a run.
#[derive(Debug, Default)]
struct RunProgress {
    n_steps: usize,
    last: Option<StepMetrics>,
    told: Option<Instant>,
    is_held: bool,
    is_paused: bool,
}

/// Lines about runs.
#[derive(Debug, Default)]
pub(super) struct Lines {
    runs: BTreeMap<String, RunProgress>,
    /// Whether what was there at first has been said.
    is_caught: bool,
}

impl Lines {
    /// Whether there are runs, and all of them are over.
    pub fn are_over(&self) -> bool {
        let mut runs = self.runs.values();
        self.is_caught && !self.runs.is_empty() && runs.all(|run| !run.is_held)
    }

    /// What a message says. Of what happened before this began, only how each run
    /// stands.
    pub fn take(&mut self, message: &Message) -> Vec<String> {
        match message {
            Message::Hello { .. } => Vec::new(),
            Message::Caught => {
                self.is_caught = true;
                self.runs
                    .iter_mut()
                    .map(|(name, run)| run.stands(name))
                    .collect()
            }
            Message::Spec { run, text } => {
                let known = self.runs.entry(run.clone()).or_default();
                let spec = parse_spec(text, run).ok();
                known.n_steps = spec.map_or(0, |spec| spec.training.steps);
                Vec::new()
            }
            Message::Metrics { run, text, .. } => {
                let known = self.runs.entry(run.clone()).or_default();
                let mut lines = Vec::new();
                let take = |_: &[u8], record| {
                    lines.extend(known.record(run, record, self.is_caught));
                };
                // It is read from memory.
                let _ = records_in(Cursor::new(text.as_bytes()), take);
                lines
            }
            Message::Held { run, is_held } => {
                let known = self.runs.entry(run.clone()).or_default();
                known.is_held = *is_held;
                match (self.is_caught, is_held) {
                    (true, true) => vec![tr!("{run}: a process is running it", run)],
                    (true, false) => vec![known.stands(run)],
                    (false, _) => Vec::new(),
                }
            }
            Message::Paused { run, step } => {
                let known = self.runs.entry(run.clone()).or_default();
                let was_paused = std::mem::replace(&mut known.is_paused, step.is_some());
                match (self.is_caught, was_paused, step) {
                    (true, _, Some(step)) => {
                        vec![tr!("{run} is paused after step {step}", run, step)]
                    }
                    (true, true, None) if known.is_held => vec![tr!("{run}: goes on", run)],
                    (true, _, None) | (false, _, _) => Vec::new(),
                }
            }
            // They are taken by those who gave the orders.
            Message::Answer { .. }
            | Message::File { .. }
            | Message::Part { .. }
            | Message::FileEnd { .. } => Vec::new(),
            Message::Removed { run } => match self.runs.remove(run) {
                Some(_) if self.is_caught => vec![tr!("{run}: its folder was removed", run)],
                Some(_) | None => Vec::new(),
            },
        }
    }
}

impl RunProgress {
    fn record(&mut self, run: &str, record: MetricRecord, tells: bool) -> Option<String> {
        let event = record.into_event()?;
        if let RunEvent::Step(metrics) = event {
            self.last = Some(metrics);
            let is_time = self.told.is_none_or(|told| told.elapsed() >= EVERY);
            if !tells || !is_time {
                return None;
            }
            self.told = Some(Instant::now());
            return Some(self.stands(run));
        }
        if !tells {
            return None;
        }
        let line = log_line(&Event::Run(RunId(run.to_owned()), event))?;
        Some(format!("{run}: {line}"))
    }

    /// How far the run is.
    fn stands(&mut self, run: &str) -> String {
        let Some(StepMetrics {
            step, loss, secs, ..
        }) = self.last
        else {
            return tr!("{run}: no step yet", run);
        };
        let of = match self.n_steps {
            0 => String::new(),
            n => tr!(" of {n}", n),
        };
        let (speed, end) = match self.is_held {
            true if self.is_paused => (String::new(), tr!(", paused")),
            true if secs > 0.0 => (tr!(", {} steps/s", format_args!("{:.2}", 1.0 / secs)), ""),
            true => (String::new(), ""),
            false => (String::new(), tr!(", not running now")),
        };
        tr!(
            "{run}: step {step}{of}, loss {loss}{speed}{end}",
            run,
            step,
            of,
            loss = format_args!("{loss:.4}"),
            speed,
            end
        )
    }
}
