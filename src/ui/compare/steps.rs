//! Accuracy of the selected runs by the number of steps that the gold answer takes.

use eframe::egui::Ui;

use super::later::RunEvaluation;
use crate::bench::Rule;
use crate::language::Bilingual;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::ui::shared::evaluations::name_of;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{GAP, run_colour};
use crate::ui::widgets::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::ui::widgets::controls::{group_title, weak_small};
use crate::ui::widgets::steps::bars_of;

/// The bars of one evaluation: whose it is, what it is called, a bar for each number
/// of steps.
pub type StepBars = (RunId, Bilingual, Vec<Bar>);

/// The bars of the tuned models; nothing where items do not say how many steps they
/// take.
pub(super) fn step_bars(shown: &[RunEvaluation<'_>]) -> Vec<StepBars> {
    let tuned = shown.iter().filter(|shown| shown.file.scored.is_tuned);
    let bars = tuned.map(|RunEvaluation { run, file }| {
        let bars = bars_of(file, Rule::Headline);
        (run.id.clone(), Bilingual::of(|| name_of(file)), bars)
    });
    bars.filter(|(.., bars)| !bars.is_empty()).collect()
}

/// Draws the bars of the selected runs; nothing where there are none.
pub fn compared_steps_ui(
    ui: &mut Ui,
    title: &str,
    steps: &[StepBars],
    store: &RunStore,
    selection: &Selection,
) {
    if steps.is_empty() {
        return;
    }
    let title = tr!("{title}, by steps", title);
    ui.horizontal_wrapped(|ui| {
        group_title(ui, &title);
        weak_small(
            ui,
            tr!("tuned accuracy by the steps of the gold answer, with 95% intervals"),
        );
    });
    let groups: Vec<BarGroup> = steps
        .iter()
        .map(|(id, evaluation, bars)| {
            let run = store.get(id).map_or(id.0.as_str(), |run| run.title());
            BarGroup {
                colour: run_colour(selection.colour(id), ui.visuals()),
                title: Some(evaluation.within(|evaluation| format!("{run}, {evaluation}"))),
                bars: bars.clone(),
            }
        })
        .collect();
    accuracy_bars_ui(ui, &title, &groups);
    ui.add_space(GAP);
}
