//! The status of a run as a word, a shape and a colour.

use eframe::egui::{Color32, Painter, Pos2, Shape, Stroke, Visuals, vec2};

use crate::format::duration;
use crate::protocol::event::EvaluationPhase;
use crate::runs::eta::secs_left;
use crate::runs::run::{Run, RunStatus};
use crate::ui::shell::theme::palette;

/// The word for a status.
pub fn status_word(status: &RunStatus) -> &'static str {
    match status {
        RunStatus::Running { step: 0, .. } => tr!("Starting"),
        RunStatus::Running { .. } => tr!("Tuning"),
        RunStatus::Paused { .. } => tr!("Paused"),
        RunStatus::Evaluating { phase, .. } => match phase {
            EvaluationPhase::Before => tr!("Scoring untuned"),
            EvaluationPhase::FewShot => tr!("Scoring few-shot"),
            EvaluationPhase::After => tr!("Scoring tuned"),
        },
        RunStatus::Finished => tr!("Finished"),
        RunStatus::StoppedEarly { .. } => tr!("Stopped early"),
        RunStatus::Stopped { .. } => tr!("Stopped"),
        RunStatus::Diverged { .. } => tr!("Diverged"),
        RunStatus::Interrupted { .. } => tr!("Interrupted"),
        RunStatus::Failed(_) => tr!("Failed"),
    }
}

/// The colour that goes with the word.
pub fn status_colour(status: &RunStatus, visuals: &Visuals) -> Color32 {
    let palette = palette(visuals);
    match status {
        RunStatus::Running { .. } | RunStatus::Evaluating { .. } => palette.accent,
        RunStatus::Finished | RunStatus::StoppedEarly { .. } => palette.good,
        RunStatus::Paused { .. } | RunStatus::Interrupted { .. } => palette.warning,
        RunStatus::Stopped { .. } => palette.weak,
        RunStatus::Diverged { .. } | RunStatus::Failed(_) => palette.bad,
    }
}

/// The share that is done, of a run that is on.
pub fn status_share(status: &RunStatus) -> Option<f32> {
    let share = |done: usize, total: usize| Some(done as f32 / total.max(1) as f32);
    match *status {
        RunStatus::Running { step, total } | RunStatus::Paused { step, total } => {
            share(step, total)
        }
        RunStatus::Evaluating { done, total, .. } => share(done, total),
        RunStatus::Finished
        | RunStatus::StoppedEarly { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Diverged { .. }
        | RunStatus::Interrupted { .. }
        | RunStatus::Failed(_) => None,
    }
}

/// Draws the shape that goes with the word, 8 points wide.
pub fn paint_status_mark(painter: &Painter, centre: Pos2, status: &RunStatus, colour: Color32) {
    let stroke = Stroke::new(1.6, colour);
    let line = |from: (f32, f32), to: (f32, f32)| {
        let points = [centre + vec2(from.0, from.1), centre + vec2(to.0, to.1)];
        painter.line_segment(points, stroke);
    };
    match status {
        RunStatus::Running { .. } | RunStatus::Evaluating { .. } => {
            let points = vec![
                centre + vec2(-3.0, -4.5),
                centre + vec2(4.5, 0.0),
                centre + vec2(-3.0, 4.5),
            ];
            painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
        }
        RunStatus::Paused { .. } => {
            line((-2.0, -4.0), (-2.0, 4.0));
            line((2.0, -4.0), (2.0, 4.0));
        }
        RunStatus::Finished | RunStatus::StoppedEarly { .. } => {
            line((-4.0, 0.5), (-1.0, 3.5));
            line((-1.0, 3.5), (4.5, -3.5));
        }
        RunStatus::Stopped { .. } => {
            let square = eframe::egui::Rect::from_center_size(centre, vec2(7.0, 7.0));
            painter.rect_filled(square, 1.0, colour);
        }
        RunStatus::Interrupted { .. } => {
            painter.circle_stroke(centre, 4.0, stroke);
            line((0.0, -2.0), (0.0, 1.0));
        }
        RunStatus::Diverged { .. } => {
            line((-4.5, 3.5), (-1.0, 1.5));
            line((-1.0, 1.5), (3.0, -5.0));
            line((0.0, -3.5), (3.0, -5.0));
            line((3.0, -5.0), (4.0, -1.5));
        }
        RunStatus::Failed(_) => {
            line((-3.5, -3.5), (3.5, 3.5));
            line((-3.5, 3.5), (3.5, -3.5));
        }
    }
}

/// What a run does, in a sentence.
pub fn status_sentence(run: &Run) -> String {
    let left = secs_left(run).map_or(String::new(), |secs| tr!(", {} left", duration(secs)));
    let word = status_word(&run.status);
    let left = match run.elsewhere {
        None => left,
        Some(_) if run.is_watched => tr!("{left}; running on another machine", left),
        Some(0) => tr!("{left}; running in another process", left),
        Some(pid) => tr!(
            "{left}; running in another process, number {pid}",
            left,
            pid
        ),
    };
    match &run.status {
        RunStatus::Running { step: 0, .. } => format!("{word}{left}"),
        RunStatus::Running { step, total } => tr!(
            "{word}, step {step} of {total}{left}",
            word,
            step,
            total,
            left
        ),
        RunStatus::Paused { step, total } => tr!(
            "{word} after step {step} of {total}{left}",
            word,
            step,
            total,
            left
        ),
        RunStatus::Evaluating { done, total, .. } => {
            let share = 100.0 * *done as f64 / (*total).max(1) as f64;
            format!("{word}, {share:.0}%{left}")
        }
        RunStatus::Finished => tr!("{word} after {} steps", run.step, word),
        RunStatus::StoppedEarly { best_step } => {
            tr!(
                "{word} after step {}, the state of step {best_step} is kept",
                run.step,
                word,
                best_step
            )
        }
        RunStatus::Stopped { step } => tr!("{word} after step {step}", word, step),
        RunStatus::Diverged { step, detail } => {
            tr!("{word} at step {step}, {detail}", word, step, detail)
        }
        RunStatus::Interrupted { step } => {
            tr!("{word} after step {step}, and can be resumed", word, step)
        }
        RunStatus::Failed(reason) => format!("{word}, {reason}"),
    }
}
