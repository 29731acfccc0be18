//! How far an adaptation is, and how long its steps still take.

use std::time::Instant;

use eframe::egui::{ProgressBar, RichText, Ui};

use super::reading::ShownAdaptation;
use crate::adapt::outcome::Kind;
use crate::adapt::spec::Mode;
use crate::format::duration;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::cut_label;

/// The least share that tells how fast it goes.
const LEAST: f64 = 0.01;

/// How fast a process is.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// When its first step was seen, and the share that was done then.
    first: Option<(Instant, f64)>,
    /// What it said last.
    pub said: Option<String>,
}

impl Pace {
    /// Takes in how far it is.
    pub fn see(&mut self, share: Option<f64>) {
        if let Some(share) = share {
            self.first.get_or_insert((Instant::now(), share));
        }
    }

    /// Seconds until the last step, at the pace since the first one that was seen.
    fn left(&self, share: f64) -> Option<f64> {
        let (since, first) = self.first?;
        seconds_left(since.elapsed().as_secs_f64(), share - first, 1.0 - share)
    }
}

/// Seconds for `left` where `done` took `secs`.
fn seconds_left(secs: f64, done: f64, left: f64) -> Option<f64> {
    (done >= LEAST).then(|| secs / done * left)
}

/// The share of all steps that is done, 0 to 1. None before the first one, and once the
/// states are adapted.
pub(super) fn share_done(shown: &ShownAdaptation) -> Option<f64> {
    let outcomes = &shown.outcomes;
    if outcomes.iter().any(|of| of.kind == Kind::Adapted) {
        return None;
    }
    let n_steps = shown.spec.update.steps.max(1) as f64;
    let of_part = (shown.points.last()?.step + 1) as f64 / n_steps;
    match shown.spec.mode {
        Mode::Shared | Mode::Pool => Some(of_part),
        Mode::Item => {
            let base = outcomes.iter().find(|of| of.kind == Kind::Base)?;
            let n = base.right.len();
            let size = shown.spec.update.items.min(n.saturating_sub(shown.part));
            let done = shown.part as f64 + size as f64 * of_part;
            Some(done / n.max(1) as f64)
        }
    }
}

/// Draws it, and what the process said last.
pub(super) fn progress_ui(ui: &mut Ui, shown: Option<&ShownAdaptation>, pace: &Pace) {
    let share = shown.and_then(share_done);
    if let Some(share) = share {
        let bar = ProgressBar::new(share.clamp(0.0, 1.0) as f32)
            .fill(palette(ui.visuals()).accent)
            .desired_height(6.0);
        ui.add(bar);
    }
    let mut text = match share {
        Some(share) => tr!("{} % of the steps", format_args!("{:.0}", 100.0 * share)),
        None => String::new(),
    };
    if let Some(secs) = share.and_then(|share| pace.left(share)) {
        text += &tr!(", about {} left at most", duration(secs));
    }
    if !text.is_empty() {
        cut_label(ui, RichText::new(text).small().weak());
    }
    if let Some(said) = &pace.said {
        cut_label(ui, RichText::new(said).small().weak()).on_hover_text(said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::cost::Cost;
    use crate::adapt::folder::{CurveLine, Folder};
    use crate::adapt::outcome::Outcome;
    use crate::adapt::spec::{AdaptSpec, Objective};

    fn outcome(kind: Kind) -> Outcome {
        Outcome {
            name: format!("{kind:?}"),
            kind,
            right: vec![true; 8],
            valid: 1.0,
            cost: Cost::default(),
            secs: 1.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }

    /// Eight questions, four at once, ten steps each: five steps of the second four are
    /// three quarters.
    #[test]
    fn the_share_is_that_of_all_parts() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a");
        let mut spec = AdaptSpec {
            mode: Mode::Item,
            objective: Objective::OptionEntropy,
            ..AdaptSpec::default()
        };
        (spec.update.items, spec.update.steps) = (4, 10);
        let folder = Folder::open(&path, &spec).unwrap();
        let share = || share_done(&ShownAdaptation::read(&path).unwrap());
        assert_eq!(share(), None);
        folder.add_outcome(&outcome(Kind::Base)).unwrap();
        let point = r#"{"step": 4, "cost": {"forward": 0, "trained": 9}, "drift": 0.0,
            "n_moving": 4, "learning_rate": 0.1}"#;
        let line = CurveLine {
            part: 4,
            point: serde_json::from_str(point).unwrap(),
            score: None,
        };
        folder.add_to_curve(&line).unwrap();
        assert_eq!(share(), Some(0.75));
        folder.add_outcome(&outcome(Kind::Adapted)).unwrap();
        assert_eq!(share(), None);
    }

    #[test]
    fn the_time_left_follows_the_pace() {
        // A quarter in 10 seconds: half of it in 20.
        assert_eq!(seconds_left(10.0, 0.25, 0.5), Some(20.0));
        assert_eq!(seconds_left(10.0, 0.0, 0.5), None);
    }
}
