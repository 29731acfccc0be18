//! Accuracy by the number of steps that the gold answer takes.

use eframe::egui::{CollapsingHeader, Color32, RichText, Ui};

use super::accuracy::phase_of;
use super::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::bench::{Rule, StepAccuracy};
use crate::persist::evaluation_file::EvaluationFile;
use crate::ui::shared::evaluations::EvaluationPair;
use crate::ui::shell::theme::palette;

/// A bar for each number of steps; none where items do not say it.
pub fn bars_of(file: &EvaluationFile, rule: Rule) -> Vec<Bar> {
    let groups = file.evaluation.by_steps(rule).into_iter();
    let bar = |StepAccuracy { n_steps, accuracy }| Bar {
        phase: phase_of(file),
        label: tr!(
            "{n} step, n = {}" | "{n} steps, n = {}" % n_steps,
            accuracy.n_items
        ),
        accuracy,
        n_total: None,
        note: None,
    };
    groups.map(bar).collect()
}

/// Draws the bars of both evaluations of a pair beside each other; nothing where
/// items do not say how many steps they take.
pub fn steps_of_pair_ui(ui: &mut Ui, pair: &EvaluationPair, names: [&str; 2]) {
    let sides = [&pair.first, &pair.second].map(|file| bars_of(file, pair.rule));
    if sides.iter().all(Vec::is_empty) {
        return;
    }
    let colour: Color32 = palette(ui.visuals()).accent;
    let title = RichText::new(tr!("Accuracy by the steps of the gold answer")).small();
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
                    let conditions = &pair.second.evaluation.conditions;
                    let title = format!("{}, {}", conditions.name(), conditions.split);
                    let of = format!("{}, {name}", tr!("{title}, by steps", title));
                    accuracy_bars_ui(ui, &of, &[group]);
                }
            });
        });
}
