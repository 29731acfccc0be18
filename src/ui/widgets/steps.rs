//! Accuracy by the number of steps that the gold answer takes.

use eframe::egui::{CollapsingHeader, Color32, RichText, Ui};

use super::accuracy::phase_of;
use super::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::bench::{Rule, StepAccuracy};
use crate::language::Bilingual;
use crate::persist::evaluation_file::EvaluationFile;
use crate::ui::shared::evaluations::EvaluationPair;

/// A bar for each number of steps; none where items do not say it.
pub fn bars_of(file: &EvaluationFile, rule: Rule) -> Vec<Bar> {
    let groups = file.evaluation.by_steps(rule).into_iter();
    let bar = |StepAccuracy { n_steps, accuracy }| Bar {
        phase: phase_of(file),
        label: Bilingual::of(|| {
            tr!(
                "{n} step, n = {}" | "{n} steps, n = {}" % n_steps,
                accuracy.n_items
            )
        }),
        accuracy,
        n_total: None,
        note: None,
    };
    groups.map(bar).collect()
}

/// Draws the bars of both evaluations of a pair beside each other, each with its name
/// and the colour of its run; nothing where items do not say how many steps they take.
pub fn steps_of_pair_ui(ui: &mut Ui, pair: &EvaluationPair, sides: [(Bilingual, Color32); 2]) {
    let bars = [&pair.first, &pair.second].map(|file| bars_of(file, pair.rule));
    if bars.iter().all(Vec::is_empty) {
        return;
    }
    let title = RichText::new(tr!("Accuracy by the steps of the gold answer")).small();
    CollapsingHeader::new(title)
        .id_salt("accuracy by steps")
        .default_open(true)
        .show_unindented(ui, |ui| {
            ui.columns(2, |columns| {
                for ((ui, bars), (name, colour)) in columns.iter_mut().zip(bars).zip(sides) {
                    let conditions = &pair.second.evaluation.conditions;
                    let of = tr!(
                        "{}, {}, by steps, {name}",
                        conditions.name(),
                        conditions.split,
                        name = name.text()
                    );
                    let group = BarGroup {
                        colour,
                        title: Some(name),
                        bars,
                    };
                    accuracy_bars_ui(ui, &of, &[group]);
                }
            });
        });
}
