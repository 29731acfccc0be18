//! What the log of a run says of an event, as plain sentences for the user.

use std::path::Path;

use super::event::{
    DeviceEvent, EvaluationPhase, EvaluationSummary, Event, LiftMetrics, LiteralMetrics, RunEvent,
    RunOutcome, StepMetrics,
};
use crate::format::shown;
use crate::language;
use crate::tuning::inspect::diagnosis::Diagnosis;

/// The line of an event; none of those that come many times a second, and none
/// of jobs, whose clients show what comes of them.
pub fn log_line(event: &Event) -> Option<String> {
    match event {
        Event::Device(DeviceEvent::Ready { device }) => Some(tr!("device {device}", device)),
        Event::Device(DeviceEvent::ModelLoaded { model, secs, .. }) => Some(tr!(
            "{model}, loaded in {secs} s",
            model,
            secs = format_args!("{secs:.1}")
        )),
        Event::Run(_, event) => run_line(event),
        Event::Device(DeviceEvent::Loading { .. }) | Event::Job(_) => None,
    }
}

fn run_line(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::Started {
            first_step, notes, ..
        } => {
            let mut lines = vec![start_line(*first_step)];
            lines.extend(notes.iter().map(|note| tr!("note: {note}", note)));
            lines.join("\n")
        }
        RunEvent::Step(metrics) => step_line(metrics),
        RunEvent::Validated {
            step,
            loss,
            accuracy,
            best,
        } => {
            let best = match (best, accuracy) {
                (false, _) => "",
                (true, None) => tr!(", the lowest so far"),
                (true, Some(_)) => tr!(", the best so far"),
            };
            let right = accuracy.as_ref().map_or(String::new(), |score| {
                tr!(", {} of {} correct", score.n_correct, score.n_items)
            });
            tr!(
                "validation loss {loss}{right} after step {step}{best}",
                loss = format_args!("{loss:.4}"),
                right,
                step,
                best
            )
        }
        RunEvent::Diagnosed(diagnosis) => diagnosis_line(diagnosis),
        RunEvent::CheckpointSaved { step, path } => {
            tr!("checkpoint after step {step} in {}", shown(path), step)
        }
        RunEvent::EvaluationFinished { phase, summary } => evaluation_line(*phase, summary),
        RunEvent::StateExported { step, path, .. } => export_line(*step, path),
        RunEvent::Paused { step } => pause_line(*step),
        RunEvent::Failed {
            during, message, ..
        } => failure_line(during, message),
        RunEvent::Ended(outcome) => outcome_line(outcome),
        _ => return None,
    })
}

/// What is said of a run that begins or continues.
pub fn start_line(first_step: usize) -> String {
    match first_step {
        0 => tr!("started").to_owned(),
        step => tr!("resumed after step {step}", step),
    }
}

/// What is said of a state that was written.
pub fn export_line(step: usize, path: &Path) -> String {
    tr!("state of step {step} written to {}", shown(path), step)
}

/// What is said of a pause.
pub fn pause_line(step: usize) -> String {
    tr!("paused after step {step}", step)
}

/// What is said of something that is wrong with a run.
pub fn diagnosis_line(diagnosis: &Diagnosis) -> String {
    tr!("diagnosis: {diagnosis}", diagnosis)
}

/// What is said of a failure.
pub fn failure_line(during: &str, message: &str) -> String {
    tr!(
        "{during} failed: {message}",
        during = language::text(during),
        message
    )
}

/// What is said of an evaluation.
pub fn evaluation_line(phase: EvaluationPhase, summary: &EvaluationSummary) -> String {
    let figures = figures(summary);
    format!("{}, {}, {figures}", summary.benchmark, phase.words())
}

/// What is said of an evaluation of a run that was over.
pub fn score_line(summary: &EvaluationSummary) -> String {
    tr!("{}, scored, {}", summary.benchmark, figures(summary))
}

fn figures(summary: &EvaluationSummary) -> String {
    let scores = summary
        .scores
        .iter()
        .map(|score| tr!("{} {} of {}", score.name, score.n_correct, score.n_items));
    let scores: Vec<String> = scores.collect();
    let left_out = match summary.left_out {
        0 => String::new(),
        1 => tr!(", 1 item exceeds the context and is left out").into(),
        n => tr!(", {n} items exceed the context and are left out", n),
    };
    let written = summary.written.as_ref();
    let written = written.map_or(String::new(), |of| format!("; {}", of.words()));
    format!("{}{left_out}{written}", scores.join(", "))
}

/// What is said of a run's end.
pub fn outcome_line(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Finished => tr!("finished").into(),
        RunOutcome::StoppedEarly { best_step } => {
            tr!("stopped early, best after step {best_step}", best_step)
        }
        RunOutcome::Stopped { step } => tr!("stopped after step {step}", step),
        RunOutcome::Diverged { step, detail } => {
            tr!("diverged at step {step}, {detail}", step, detail)
        }
    }
}

fn step_line(metrics: &StepMetrics) -> String {
    let StepMetrics {
        step,
        loss,
        grad_norm,
        state_norm,
        learning_rate,
        tokens,
        secs,
        lift,
        lora,
    } = metrics;
    let lift = lift.as_ref().map(lift_words).unwrap_or_default();
    let lora = lora.map_or(String::new(), |of| {
        tr!(", adapters {}", format_args!("{:.3}", of.norm))
    });
    tr!(
        "step {step}, loss {loss}, gradient {grad_norm}, state {state_norm}, rate {learning_rate}, {tokens} tokens in {secs} s{lift}{lora}",
        step,
        loss = format_args!("{loss:.4}"),
        grad_norm = format_args!("{grad_norm:.4}"),
        state_norm = format_args!("{state_norm:.3}"),
        learning_rate = format_args!("{learning_rate:.5}"),
        tokens,
        secs = format_args!("{secs:.3}"),
        lift,
        lora
    )
}

fn lift_words(lift: &LiftMetrics) -> String {
    let LiftMetrics {
        norm,
        gate,
        literal,
        decorrelation,
    } = lift;
    let mut words = format!(", Z {norm:.3}");
    if let Some(gate) = gate {
        words.push_str(&tr!(
            ", write gates {gate}",
            gate = format_args!("{gate:.4}")
        ));
    }
    if let Some(LiteralMetrics { clamped, largest }) = literal {
        let percent = 100.0 * clamped;
        words.push_str(&tr!(
            ", {percent}% of the decays clamped, largest state {largest}",
            percent = format_args!("{percent:.1}"),
            largest = format_args!("{largest:.3e}")
        ));
    }
    if let Some(of) = decorrelation {
        words.push_str(&tr!(
            ", features correlate by {}, L_decor {}, rms z {}, R {}",
            format_args!("{:.4}", of.off_diagonal),
            format_args!("{:.4}", of.loss),
            format_args!("{:.3}", of.rms),
            format_args!("{:.2}", of.norm)
        ));
        if let Some(condition) = of.condition {
            words.push_str(&tr!(
                " of condition {condition}",
                condition = format_args!("{condition:.3}")
            ));
        }
    }
    words
}

impl EvaluationPhase {
    /// The phase in words, as in "the untuned model".
    pub fn words(self) -> &'static str {
        match self {
            Self::Before => tr!("untuned"),
            Self::FewShot => tr!("untuned, few-shot"),
            Self::After => tr!("tuned"),
        }
    }
}
