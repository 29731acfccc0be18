//! The menu that makes a run fit into the memory of its device.

use eframe::egui::{RichText, Ui};

use super::state::Config;
use crate::format::byte_size;
use crate::protocol::fields::choice::Choice;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::plan::fit::Fit;
use crate::ui::shared::action::Action;
use crate::worker::memory::fitting::apply;

/// A menu that shows the settings nearest to those of the draft that fit, and takes
/// them when that is asked for; nothing where they are not known.
pub(super) fn fit_ui(ui: &mut Ui, draft: &RunSpec, config: &Config) -> Option<Action> {
    let seen = config.forecast.of(draft)?.ok()?;
    let room = config.forecast.room(draft)?;
    seen.memory(draft)?;
    let mut action = None;
    let menu = ui.menu_button(RichText::new(tr!("Fit")).small(), |ui| {
        let Some(fit) = seen.fit(draft, room) else {
            ui.label(tr!(
                "No setting fits. Choose a smaller model or a shorter context."
            ));
            return;
        };
        let mut fitting = draft.clone();
        apply(&fit, &mut fitting);
        if fitting == *draft {
            ui.label(tr!("These settings fit."));
            return;
        }
        for line in lines(draft, &fit) {
            ui.label(line);
        }
        if let Some(memory) = seen.memory(&fitting) {
            let total = byte_size(memory.total());
            ui.label(RichText::new(tr!("Largest step about {}", total)).weak());
        }
        if ui.button(tr!("Use these settings")).clicked() {
            action = Some(Action::TakeFit(fit));
            ui.close();
        }
    });
    let hint = tr!(
        "Choose batch, accumulation, recomputation, windows and precision by the memory of the device"
    );
    menu.response.on_hover_text(hint);
    action
}

/// What changes, one line each.
fn lines(draft: &RunSpec, fit: &Fit) -> Vec<String> {
    let Fit {
        precision,
        batch,
        accumulate,
        recompute,
        window,
    } = *fit;
    let training = &draft.training;
    let tokens = |window: Option<usize>| window.map_or(tr!("off").to_owned(), |n| n.to_string());
    let yes = |is_so: bool| if is_so { tr!("yes") } else { tr!("no") };
    let all = [
        (
            tr!("Weight precision"),
            Choice::name(&draft.model.precision),
            Choice::name(&precision),
        ),
        (tr!("Batch"), training.batch.to_string(), batch.to_string()),
        (
            tr!("Accumulate"),
            training.accumulate.to_string(),
            accumulate.to_string(),
        ),
        (
            tr!("Recompute activations"),
            yes(training.activation_checkpointing).to_owned(),
            yes(recompute).to_owned(),
        ),
        (
            tr!("Window length"),
            tokens(training.window),
            tokens(window),
        ),
    ];
    let changed = all.into_iter().filter(|(_, before, after)| before != after);
    changed
        .map(|(what, before, after)| format!("{what}: {before} → {after}"))
        .collect()
}
