//! The scrubber over the steps of a run.

use eframe::egui::{Slider, Ui};

use super::context::StatesContext;
use crate::ui::widgets::controls::weak_small;

/// Draws the scrubber; nothing where there is nothing to go to.
pub(super) fn steps_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let stored = &look.run.snapshots;
    if stored.is_empty() {
        return;
    }
    let is_over = !look.run.is_on_here();
    let is_gone = |step: usize| !stored.contains(&step);
    if look.settings.step.is_some_and(is_gone) {
        look.settings.step = None;
    }
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Step")).on_hover_text(tr!(
            "Stored snapshots of the run; the arrow keys move between them"
        ));
        // The last place is the newest state, stored or not.
        let mut place = look.settings.step.map_or(stored.len(), |step| {
            stored.iter().position(|of| *of == step).unwrap_or(0)
        });
        let last = stored.len();
        let has_moved = look
            .settings
            .steps
            .ui(ui, tr!("the steps"), &mut place, last);
        ui.spacing_mut().slider_width = (ui.available_width() - 190.0).clamp(80.0, 520.0);
        let slider = Slider::new(&mut place, 0..=last).show_value(false);
        let slid = ui.add(slider).labelled_by(label.id).changed();
        if slid {
            look.settings.steps.stop();
        }
        let step = &mut look.settings.step;
        if has_moved || slid {
            *step = stored.get(place).copied();
        }
        let (newest, hint) = match (is_over, look.run.elsewhere) {
            (false, _) => (
                tr!("Live"),
                tr!("The current state, updated several times a second"),
            ),
            (true, Some(_)) => (
                tr!("Newest"),
                tr!("The newest snapshot of a run in another process"),
            ),
            (true, None) => (tr!("Kept"), tr!("The state that the run kept")),
        };
        if ui
            .selectable_label(step.is_none(), newest)
            .on_hover_text(hint)
            .clicked()
        {
            *step = None;
        }
        let kept = look.run.exported.last();
        // A run that was read anew may have kept a state and no steps.
        let last = stored.last().copied().unwrap_or_default();
        let newest = kept
            .filter(|_| is_over)
            .map_or(look.run.step.max(last), |of| of.step);
        let at = step.unwrap_or(newest);
        weak_small(ui, tr!("step {at} of {}", look.run.spec.training.steps, at));
    });
}
