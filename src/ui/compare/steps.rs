//! Accuracy by the number of steps that the gold answer takes.

use eframe::egui::{CollapsingHeader, Color32, RichText, Ui};

use super::accuracy::phase_of;
use super::paired_rows::RunEvaluation;
use crate::bench::{Rule, StepAccuracy};
use crate::persist::evaluation_file::EvaluationFile;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::ui::shared::evaluations::{EvaluationPair, name_of};
use crate::ui::shell::theme::{GAP, palette, run_colour};
use crate::ui::ui_state::UiState;
use crate::ui::widgets::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::ui::widgets::controls::{group_title, weak_small};

/// The bars of one evaluation: whose it is, what it is called, a bar for each number
/// of steps.
pub type StepBars = (RunId, String, Vec<Bar>);

/// The bars of the tuned models; nothing where items do not say how many steps they
/// take.
pub(crate) fn step_bars(shown: &[RunEvaluation<'_>]) -> Vec<StepBars> {
    let tuned = shown.iter().filter(|shown| shown.file.scored.is_tuned);
    let bars = tuned.map(|RunEvaluation { run, file }| {
        let bars = bars_of(file, Rule::Headline);
        (run.id.clone(), name_of(file), bars)
    });
    bars.filter(|(.., bars)| !bars.is_empty()).collect()
}

fn bars_of(file: &EvaluationFile, rule: Rule) -> Vec<Bar> {
    let groups = file.evaluation.by_steps(rule).into_iter();
    let bar = |StepAccuracy { n_steps, accuracy }| Bar {
        phase: phase_of(file),
        label: format!(
            "{n_steps} step{}, n = {}",
            if n_steps == 1 { "" } else { "s" },
            accuracy.n_items
        ),
        accuracy,
        n_total: None,
        note: None,
    };
    groups.map(bar).collect()
}

/// Draws the bars of the selected runs; nothing where there are none.
pub fn compared_steps_ui(
    ui: &mut Ui,
    title: &str,
    steps: &[StepBars],
    store: &RunStore,
    state: &UiState,
) {
    if steps.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        group_title(ui, &format!("{title}, by steps"));
        weak_small(
            ui,
            "accuracy by the steps of the gold answer, tuned, with 95% intervals",
        );
    });
    let groups: Vec<BarGroup> = steps
        .iter()
        .map(|(id, evaluation, bars)| {
            let run = store.get(id).map_or(id.0.as_str(), |run| run.title());
            BarGroup {
                colour: run_colour(state.colour(id), ui.visuals()),
                title: Some(format!("{run}, {evaluation}")),
                bars: bars.clone(),
            }
        })
        .collect();
    accuracy_bars_ui(ui, &groups);
    ui.add_space(GAP);
}

/// Draws the bars of both evaluations of a pair beside each other; nothing where
/// items do not say how many steps they take.
pub fn steps_of_pair_ui(ui: &mut Ui, pair: &EvaluationPair, names: [&str; 2]) {
    let sides = [&pair.first, &pair.second].map(|file| bars_of(file, pair.rule));
    if sides.iter().all(Vec::is_empty) {
        return;
    }
    let colour: Color32 = palette(ui.visuals()).accent;
    let title = RichText::new("Accuracy by the steps of the gold answer").small();
    CollapsingHeader::new(title)
        .id_salt("accuracy by steps")
        .default_open(true)
        .show_unindented(ui, |ui| {
            ui.columns(2, |columns| {
                for ((ui, bars), name) in columns.iter_mut().zip(sides).zip(names) {
                    let group = BarGroup {
                        colour,
                        title: Some(name.to_owned()),
                        bars,
                    };
                    accuracy_bars_ui(ui, &[group]);
                }
            });
        });
}
