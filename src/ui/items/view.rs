//! The items of two evaluations: fixed and broken ones, with prompts and answers.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{ComboBox, RichText, TextEdit, Ui};

use super::detail::item_detail_ui;
use super::list::item_list_ui;
use super::state::{Items, ItemsSettings};
use crate::bench::{Change, Comparison, Rule};
use crate::format::with_first;
use crate::language::{self, Bilingual};
use crate::persist::evaluation_file::EvaluationFile;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::evaluations::{Compared, EvaluationCache, EvaluationPair, name_of};
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::theme::{GAP, run_colour};
use crate::ui::widgets::controls::{
    choice, cut_label, empty_state, weak_small, within, wrong_text,
};
use crate::ui::widgets::numbers::p_value;
use crate::ui::widgets::steps::steps_of_pair_ui;

/// Width of the list.
const LIST_WIDTH: f32 = 300.0;

/// An evaluation that can be chosen.
struct Offered {
    run: RunId,
    name: String,
    file: Arc<EvaluationFile>,
}

/// Draws the view.
pub fn items_ui(ui: &mut Ui, workspace: &mut Workspace, items: &mut Items) {
    let Items { settings, index } = items;
    let Workspace {
        store,
        selection,
        evaluations: measured,
        ..
    } = workspace;
    let runs: Vec<&Run> = selection
        .selected
        .iter()
        .filter_map(|id| store.get(id))
        .collect();
    let offered = offered(&runs, measured);
    if offered.is_empty() {
        let is_reading = runs
            .iter()
            .any(|run| !run.evaluations.is_empty() && measured.files(&run.id).is_none());
        if let Some(problem) = runs.iter().find_map(|run| measured.problem(&run.id)) {
            empty_state(ui, tr!("The items cannot be read"), problem);
        } else if is_reading {
            reading_ui(ui);
        } else {
            empty_state(
                ui,
                tr!("No items to show"),
                tr!(
                    "Select a run on the left with a measured accuracy. The questions that tuning fixed and broke are listed here, with prompts and answers."
                ),
            );
        }
        return;
    }
    let focused = selection.focused();
    if focused.is_some_and(|run| measured.files(run).is_none()) {
        // The pair is to be of this one.
        reading_ui(ui);
        return;
    }
    if let Some(problem) = runs.iter().find_map(|run| measured.problem(&run.id)) {
        let text = wrong_text(ui, problem);
        cut_label(ui, text).on_hover_text(problem);
    }
    let focused = focused.map(|id| id.0.clone()).unwrap_or_default();
    choose_pair(settings, &offered, &focused);
    heading_ui(ui, settings, &offered);
    header_ends(ui);
    let find = |path: &Option<PathBuf>| {
        let mut all = offered.iter();
        all.find(|offered| Some(&offered.file.path) == path.as_ref())
    };
    let (Some(first), Some(second)) = (find(&settings.pair.first), find(&settings.pair.second))
    else {
        return;
    };
    let rules = Rule::of(&second.file.evaluation.conditions);
    if !rules.contains(&settings.rule) {
        settings.rule = Rule::Headline;
    }
    let pair = EvaluationPair {
        first: Arc::clone(&first.file),
        second: Arc::clone(&second.file),
        rule: settings.rule,
    };
    match measured.compared(&pair) {
        Compared::Pending => empty_state(ui, tr!("Comparing"), tr!("It takes a moment.")),
        Compared::Refused(reason) => {
            empty_state(ui, tr!("These evaluations are not comparable"), &reason)
        }
        Compared::Done(comparison) => {
            filter_ui(ui, settings, &comparison, &rules, &pair);
            let side = |of: &Offered| {
                let name = Bilingual::of(|| offered_name(&of.run, &of.file));
                (name, run_colour(selection.colour(&of.run), ui.visuals()))
            };
            let sides = [side(first), side(second)];
            steps_of_pair_ui(ui, &pair, sides);
            ui.add_space(6.0);
            let listed = index.listed(&pair, &comparison, settings.change, &settings.search);
            if !listed.contains(&settings.chosen) {
                settings.chosen = listed.first().copied().unwrap_or_default();
            }
            ui.horizontal_top(|ui| {
                let height = ui.available_height();
                ui.vertical(|ui| {
                    ui.set_width(LIST_WIDTH.min(ui.available_width() * 0.45));
                    ui.set_height(height);
                    item_list_ui(ui, &pair, &comparison, listed, &mut settings.chosen);
                });
                ui.separator();
                ui.vertical(|ui| {
                    ui.set_height(height);
                    match listed.is_empty() {
                        true => empty_state(
                            ui,
                            tr!("No matching items"),
                            tr!("Choose another filter above, or clear the search."),
                        ),
                        false => {
                            item_detail_ui(ui, &pair, settings.chosen, [&first.name, &second.name])
                        }
                    }
                });
            });
        }
    }
}

fn reading_ui(ui: &mut Ui) {
    let from = tr!("They are read from the runs' folders.");
    empty_state(ui, tr!("Reading the items"), from);
}

/// Of which run an evaluation is, under which conditions.
fn offered_name(run: &RunId, file: &EvaluationFile) -> String {
    let conditions = &file.evaluation.conditions;
    format!(
        "{}, {} ({}, {})",
        run.0,
        name_of(file),
        conditions.name(),
        conditions.split
    )
}

fn offered(runs: &[&Run], measured: &EvaluationCache) -> Vec<Offered> {
    let of_run = |run: &&Run| {
        let files = measured.files(&run.id).unwrap_or_default().iter();
        let offered = files.map(|file| Offered {
            run: run.id.clone(),
            name: offered_name(&run.id, file),
            file: Arc::clone(file),
        });
        offered.collect::<Vec<_>>()
    };
    runs.iter().flat_map(of_run).collect()
}

/// Keeps what the user chose as long as it is there; else the untuned and the
/// tuned model of the run that buttons act on.
fn choose_pair(settings: &mut ItemsSettings, offered: &[Offered], focused: &str) {
    let is_there = |path: &Option<PathBuf>| {
        offered
            .iter()
            .any(|offered| Some(&offered.file.path) == path.as_ref())
    };
    if is_there(&settings.pair.first) && is_there(&settings.pair.second) {
        return;
    }
    let own: Vec<&Offered> = {
        let start = format!("{focused}, ");
        let own = offered
            .iter()
            .filter(|offered| offered.name.starts_with(&start));
        own.collect()
    };
    let plain = |is_tuned: bool, like: Option<&Offered>| {
        let mut own = own.iter().copied();
        own.find(|offered| {
            let EvaluationFile {
                scored, evaluation, ..
            } = &*offered.file;
            let conditions = &evaluation.conditions;
            let is_alike = like.is_none_or(|other| {
                let other = &other.file.evaluation.conditions;
                (other.benchmark, other.split) == (conditions.benchmark, conditions.split)
            });
            scored.is_tuned == is_tuned && conditions.few_shot == 0 && is_alike
        })
    };
    let any = own.first().copied().or(offered.first());
    let second = plain(true, None).or(plain(false, None)).or(any);
    let first = plain(false, second).or(second);
    settings.pair.first = first.map(|offered| offered.file.path.clone());
    settings.pair.second = second.map(|offered| offered.file.path.clone());
}

/// Which two evaluations.
fn heading_ui(ui: &mut Ui, settings: &mut ItemsSettings, offered: &[Offered]) {
    ui.horizontal(|ui| {
        let width = ((ui.available_width() - 90.0) / 2.0).clamp(120.0, 420.0);
        let label = ui.label(tr!("From"));
        evaluation_ui(ui, "from", width, &mut settings.pair.first, offered).labelled_by(label.id);
        let label = ui.label(tr!("to"));
        evaluation_ui(ui, "to", width, &mut settings.pair.second, offered).labelled_by(label.id);
    });
}

fn evaluation_ui(
    ui: &mut Ui,
    id: &str,
    width: f32,
    chosen: &mut Option<PathBuf>,
    offered: &[Offered],
) -> eframe::egui::Response {
    let shown = offered
        .iter()
        .find(|offered| Some(&offered.file.path) == chosen.as_ref());
    let shown = shown.map_or("", |offered| offered.name.as_str());
    let combo = ComboBox::from_id_salt(("evaluation", id))
        .width(width)
        .truncate();
    let combo = within(ui, width, |ui| {
        combo.selected_text(shown).show_ui(ui, |ui| {
            for Offered { name, file, .. } in offered {
                let is_chosen = chosen.as_ref() == Some(&file.path);
                if ui.selectable_label(is_chosen, name).clicked() {
                    *chosen = Some(file.path.clone());
                }
            }
        })
    });
    combo.response.on_hover_text(shown)
}

/// Which of the items, and by which rule.
fn filter_ui(
    ui: &mut Ui,
    settings: &mut ItemsSettings,
    comparison: &Comparison,
    rules: &[Rule],
    pair: &EvaluationPair,
) {
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        let n_all = comparison.changes.len();
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.selectable_value(&mut settings.change, None, tr!("All {n_all}", n_all));
        for change in Change::ALL {
            let (name, n) = (language::text(change.name()), comparison.count(change));
            let text = format!("{} {n}", with_first(name, char::to_uppercase));
            ui.selectable_value(&mut settings.change, Some(change), text);
        }
        if rules.len() > 1 {
            ui.separator();
            let conditions = &pair.second.evaluation.conditions;
            let choices: Vec<(Rule, &str)> = rules
                .iter()
                .filter_map(|rule| Some((*rule, rule.figure(conditions)?)))
                .collect();
            choice(ui, &mut settings.rule, &choices);
        }
    });
    ui.horizontal(|ui| {
        let width = (LIST_WIDTH - GAP).min(ui.available_width() - GAP);
        let hint = RichText::new(tr!("Search ids, prompts and answers")).weak();
        let edit = TextEdit::singleline(&mut settings.search)
            .hint_text(hint)
            .desired_width(width);
        ui.add(edit)
            .on_hover_text(tr!("Search ids, prompts and answers"));
    });
    // On lines of its own: no number of it may be cut.
    let (low, high) = comparison.interval95;
    let text = tr!(
        "{} {} to {}, {} [{low}, {high}], p {}",
        comparison.figure,
        short(comparison.before.value()),
        comparison.after,
        format_args!("{:+.3}", comparison.difference()),
        p_value(comparison.p_value),
        low = format_args!("{low:+.3}"),
        high = format_args!("{high:+.3}")
    );
    weak_small(ui, text).on_hover_text(
        tr!("Accuracy of both with the 95% interval (Wilson) of the second, their difference with its bootstrap interval over items, McNemar's exact test"),
    );
}

fn short(value: f64) -> String {
    format!("{value:.3}")
}
