//! Marks in plots: divergence, the best step, checkpoints.

use eframe::egui::{Align2, Color32, FontId, Rect, Ui, Visuals, pos2};
use egui_plot::PlotTransform;

use crate::runs::run::{Run, RunStatus};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::numbers::number;

/// A step that means something.
pub(crate) struct Mark {
    pub step: usize,
    /// Where it stands on the axis of the plot; at its step at first.
    pub place: f64,
    pub text: String,
    /// Whether the numbers ended there.
    pub is_trouble: bool,
    /// How many texts stand above it.
    row: usize,
    shows_text: bool,
}

/// The best step, the newest checkpoint and where the numbers ended.
pub(crate) fn marks(metric: Metric, run: &Run) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut mark = |step: usize, text: String, is_trouble: bool| {
        let row = marks.len();
        let shows_text = metric == Metric::Loss;
        marks.push(Mark {
            step,
            place: step as f64,
            text,
            is_trouble,
            row,
            shows_text,
        });
    };
    let trouble = match &run.status {
        RunStatus::Diverged { step, detail } => Some((
            *step,
            tr!("diverged at step {step}, {detail}", step, detail),
        )),
        RunStatus::Running { .. }
        | RunStatus::Paused { .. }
        | RunStatus::Evaluating { .. }
        | RunStatus::Finished
        | RunStatus::StoppedEarly { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Interrupted { .. }
        | RunStatus::Failed(_) => run
            .first_non_finite()
            .map(|step| (step, tr!("not finite from step {step}", step))),
    };
    if let Some((step, text)) = trouble {
        mark(step, text, true);
    }
    if metric == Metric::Loss {
        if let Some((step, loss)) = run.best_validation() {
            mark(step, tr!("best, {}", number(loss)), false);
        }
        if let Some((step, _)) = run.checkpoint {
            mark(step, tr!("checkpoint").into(), false);
        }
    }
    marks
}

impl Mark {
    /// The colour of its line.
    pub fn colour(&self, visuals: &Visuals) -> Color32 {
        let palette = palette(visuals);
        if self.is_trouble {
            palette.bad
        } else {
            palette.weak
        }
    }

    /// Writes beside the line, on the side where there is room.
    pub fn write(&self, ui: &Ui, rect: Rect, transform: &PlotTransform) {
        let x = transform.position_from_point_x(self.place);
        if !self.shows_text || !rect.x_range().contains(x) {
            return;
        }
        let is_right = x > rect.center().x;
        let (align, shift) = if is_right {
            (Align2::RIGHT_TOP, -4.0)
        } else {
            (Align2::LEFT_TOP, 4.0)
        };
        let room = if is_right {
            x - rect.left()
        } else {
            rect.right() - x
        } - 8.0;
        let y = rect.top() + 4.0 + 14.0 * self.row as f32;
        let font = FontId::proportional(11.0);
        let mut text = self.text.clone();
        let width = |text: &str| {
            ui.painter()
                .layout_no_wrap(text.to_owned(), font.clone(), Color32::WHITE)
                .size()
                .x
        };
        while width(&text) > room && text.chars().count() > 4 {
            text = text
                .chars()
                .take(text.chars().count() - 4)
                .collect::<String>()
                + "…";
        }
        let painter = ui.painter().with_clip_rect(rect);
        painter.text(
            pos2(x + shift, y),
            align,
            text,
            font,
            self.colour(ui.visuals()),
        );
    }
}
