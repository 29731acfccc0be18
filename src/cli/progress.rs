//! A run on the way, for the user: one live line on a terminal, a plain line
//! every few seconds elsewhere.

use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use super::console::can_clear_errors;
use crate::error::Result;
use crate::format::part_of_bytes;
pub(super) use crate::format::{duration, short};
use crate::model::BytesRead;
use crate::protocol::event::{EvaluationPhase, Event, JobEvent, RunEvent, RunId};
use crate::protocol::log_line::log_line;
use crate::runs::RunStore;
use crate::runs::eta::secs_left;
use crate::runs::run::{Run, RunStatus};

/// How often the live line is drawn.
const LIVE: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const PLAIN: Duration = Duration::from_secs(5);
/// Steps whose time makes the rates that are shown.
const RECENT_STEPS: usize = 16;
const BAR_CELLS: usize = 24;
/// Takes the cursor to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Plain,
    Quiet,
}

/// Shows the progress of a run on the error stream: results go to the output.
pub(super) struct Progress {
    style: Style,
    last: Option<Instant>,
    /// What the last line said; the same is not written twice.
    shown: String,
}

impl Progress {
    pub fn new(is_quiet: bool) -> Self {
        let style = if is_quiet {
            Style::Quiet
        } else if can_clear_errors() {
            Style::Live
        } else {
            Style::Plain
        };
        Self {
            style,
            last: None,
            shown: String::new(),
        }
    }

    /// Writes what an event has to say, if it is worth a line of its own.
    pub fn tell(&mut self, event: &Event) {
        match event {
            // Too many, or said where the command ends.
            Event::Run(
                _,
                RunEvent::Step(_) | RunEvent::CheckpointSaved { .. } | RunEvent::Failed { .. },
            ) => {}
            Event::Job(JobEvent::DataRead { line }) => self.say(line),
            event => {
                if let Some(line) = log_line(event) {
                    self.say(&line);
                }
            }
        }
    }

    /// Writes a line of its own.
    pub fn say(&mut self, line: &str) {
        match self.style {
            Style::Quiet => {}
            Style::Plain => write(&format!("{line}\n")),
            Style::Live => {
                write(&format!("{CLEAR}{line}\n{}", self.shown));
            }
        }
    }

    /// Shows where things stand, if it is time to.
    pub fn show(&mut self, store: &RunStore, run: Option<&RunId>) {
        self.show_line(&mut || status_line(store, run));
    }

    /// Shows a line that says where things stand, if it is time to.
    pub fn show_line(&mut self, status: &mut dyn FnMut() -> Option<String>) {
        let every = match self.style {
            Style::Quiet => return,
            Style::Live => LIVE,
            Style::Plain => PLAIN,
        };
        let last = *self.last.get_or_insert_with(Instant::now);
        if last.elapsed() < every {
            return;
        }
        self.last = Some(Instant::now());
        let line = status().unwrap_or_default();
        if line == self.shown {
            return;
        }
        match self.style {
            Style::Quiet => {}
            Style::Plain => write(&format!("{line}\n")),
            Style::Live => write(&format!("{CLEAR}{line}")),
        }
        self.shown = line;
    }

    /// Takes the live line away.
    pub fn clear(&mut self) {
        if self.style == Style::Live && !self.shown.is_empty() {
            write(CLEAR);
        }
        self.shown.clear();
    }
}

fn write(text: &str) {
    let mut stderr = stderr().lock();
    // Progress that cannot be shown is no reason to stop.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// What is happening, on one line.
fn status_line(store: &RunStore, run: Option<&RunId>) -> Option<String> {
    if let Some(read) = store.loading {
        return Some(loading_line(read));
    }
    if let Some((done, total)) = store.rate_search {
        let share = done as f32 / total.max(1) as f32;
        return Some(tr!(
            "trying rates {} {done} of {total}",
            bar(share),
            done,
            total
        ));
    }
    if let Some(scoring) = store.scoring.as_ref().filter(|scoring| scoring.is_on) {
        return Some(scoring_line(tr!("tuned"), scoring.share(), ""));
    }
    run_line(store.get(run?)?)
}

fn scoring_line(what: &str, share: f64, left: &str) -> String {
    let bar = bar(share as f32);
    tr!(
        "scoring, {what} {bar} {}%{left}",
        format_args!("{:.0}", 100.0 * share),
        what,
        bar,
        left
    )
}

fn run_line(run: &Run) -> Option<String> {
    let left = secs_left(run).map_or(String::new(), |secs| tr!(", {} left", duration(secs)));
    match run.status {
        RunStatus::Running { step, total } => {
            let share = step as f32 / total.max(1) as f32;
            let numbers = step_numbers(run);
            Some(tr!(
                "step {step} of {total} {}{numbers}{left}",
                bar(share),
                step,
                total,
                numbers,
                left
            ))
        }
        RunStatus::Paused { step, .. } => Some(tr!("paused after step {step}", step)),
        RunStatus::Evaluating { phase, done, total } => {
            let what = match phase {
                EvaluationPhase::Before => tr!("untuned"),
                EvaluationPhase::FewShot => tr!("untuned, few-shot"),
                EvaluationPhase::After => tr!("tuned"),
            };
            let share = done as f64 / total.max(1) as f64;
            Some(scoring_line(what, share, &left))
        }
        RunStatus::Finished
        | RunStatus::StoppedEarly { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Diverged { .. }
        | RunStatus::Interrupted { .. }
        | RunStatus::Failed(_) => None,
    }
}

/// Loss and speed of the last steps.
fn step_numbers(run: &Run) -> String {
    let series = &run.series;
    let Some((_, loss)) = series.loss.last() else {
        return String::new();
    };
    let secs: f64 = series.step_secs.recent(RECENT_STEPS).sum();
    let n_steps = series.step_secs.recent(RECENT_STEPS).count() as f64;
    let tokens: f64 = series.tokens.recent(RECENT_STEPS).sum();
    tr!(
        " loss {loss}, {} steps/s, {} tokens/s",
        short(n_steps / secs),
        short(tokens / secs),
        loss = format_args!("{loss:.4}")
    )
}

/// A bar of which a share is done.
pub(super) fn bar(share: f32) -> String {
    let share = if share.is_nan() { 0.0 } else { share };
    let n_full = (share.clamp(0.0, 1.0) * BAR_CELLS as f32).round() as usize;
    format!("[{}{}]", "=".repeat(n_full), " ".repeat(BAR_CELLS - n_full))
}

fn loading_line(read: BytesRead) -> String {
    let bytes = part_of_bytes(read.done, read.total);
    tr!("reading the model {} {bytes}", bar(read.share()), bytes)
}

/// How much of the model is read, on one line of a terminal.
pub(super) fn show_read(read: BytesRead) -> Result<()> {
    if can_clear_errors() {
        let end = if read.done >= read.total { CLEAR } else { "" };
        eprint!("\r{}{end}", loading_line(read));
        // A progress line that cannot be shown is no reason to stop.
        let _ = stderr().flush();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{DeviceEvent, StepMetrics};
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn the_status_says_what_goes_on() {
        let mut store = RunStore::default();
        let run = RunId("a-0001".into());
        assert_eq!(status_line(&store, Some(&run)), None);
        let read = BytesRead {
            done: 7_400_000,
            total: 14_800_000,
        };
        store.apply(Event::Device(DeviceEvent::Loading { read }));
        let line = "reading the model [============            ] 7.06 of 14.1 MiB";
        assert_eq!(status_line(&store, None).as_deref(), Some(line));
        store.apply(Event::Run(
            run.clone(),
            RunEvent::Started {
                spec: Box::new(RunSpec::default()),
                folder: "runs/a-0001".into(),
                first_step: 0,
                notes: Vec::new(),
            },
        ));
        for step in 1..=150 {
            store.apply(Event::Run(
                run.clone(),
                RunEvent::Step(StepMetrics {
                    step,
                    loss: 1.5,
                    grad_norm: 1.0,
                    state_norm: 1.0,
                    learning_rate: 0.1,
                    tokens: 1000,
                    secs: 0.5,
                    lift: None,
                    lora: None,
                }),
            ));
        }
        let line = "step 150 of 300 [============            ] loss 1.5000, 2.00 steps/s, \
                    2000 tokens/s, 1 min 15 s left";
        assert_eq!(status_line(&store, Some(&run)).as_deref(), Some(line));
    }
}
