//! The settings in which the selected runs differ.

use eframe::egui::{Align, FontId, RichText, ScrollArea, Ui};

use crate::runs::run::Run;
use crate::runs::spec_difference::spec_difference;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::run_colour;
use crate::ui::widgets::columns::{BETWEEN, Columns};
use crate::ui::widgets::controls::{cut_label, cut_middle, group_title, weak_small};

/// The most runs whose settings stand side by side.
const MAX_RUNS: usize = 6;
/// The least width of the names of settings.
const SETTING_WIDTH: f32 = 170.0;
/// Values of more characters than this may not fit their cells.
const MAX_CHARS: usize = 16;
/// Characters that are shown of what long values have in common before they differ.
const COMMON_CHARS: usize = 4;
const ROW_HEIGHT: f32 = 22.0;

/// Draws the table; nothing for fewer than two runs.
pub fn spec_differences_ui(ui: &mut Ui, runs: &[&Run], selection: &Selection) {
    if runs.len() < 2 {
        return;
    }
    let shown = &runs[runs.len().saturating_sub(MAX_RUNS)..];
    let specs: Vec<_> = shown.iter().map(|run| &run.spec).collect();
    let differences = spec_difference(&specs);
    ui.horizontal(|ui| {
        group_title(ui, tr!("Settings that differ"));
        if shown.len() < runs.len() {
            weak_small(
                ui,
                tr!("of the last {} of {} runs", shown.len(), runs.len()),
            );
        }
    });
    if differences.is_empty() {
        weak_small(ui, tr!("None. These runs have the same specification."));
        return;
    }
    let room = ui.available_width();
    let share = (room - SETTING_WIDTH) / shown.len() as f32 - BETWEEN;
    let mut widths = vec![SETTING_WIDTH];
    widths.extend(shown.iter().map(|_| share.clamp(90.0, 200.0)));
    let columns = Columns::within(room, widths);
    let area = ScrollArea::horizontal().id_salt("settings that differ");
    area.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        columns.row_ui(ui, ROW_HEIGHT, false, |cells| {
            cells.cell(Align::Min, |ui| {
                ui.label(RichText::new(tr!("Setting")).small().weak());
            });
            for run in shown {
                cells.cell(Align::Min, |ui| {
                    let font = FontId::proportional(11.5);
                    let name = cut_middle(ui, &run.id.0, &font, ui.available_width());
                    let colour = run_colour(selection.colour(&run.id), ui.visuals());
                    ui.label(RichText::new(name).small().color(colour))
                        .on_hover_text(&run.id.0);
                });
            }
        });
        for (idx, difference) in differences.into_iter().enumerate() {
            columns.row_ui(ui, ROW_HEIGHT, idx % 2 == 0, |cells| {
                let (name, path) = (difference.field.name(), difference.field.path);
                cells.cell(Align::Min, |ui| cut_label(ui, name).on_hover_text(path));
                for (value, text) in difference.values.iter().zip(told_apart(&difference.values)) {
                    cells.cell(Align::Min, |ui| cut_label(ui, text).on_hover_text(value));
                }
            });
        }
    });
}

/// Values as they are shown, whose ends may be cut: long ones from where they begin
/// to differ from the one that is most like them.
fn told_apart(values: &[String]) -> Vec<String> {
    let n_common = |a: &str, b: &str| {
        let both = a.chars().zip(b.chars());
        both.take_while(|(a, b)| a == b).count()
    };
    let shown = |value: &String| {
        let others = values.iter().filter(|other| *other != value);
        let n_alike = others.map(|other| n_common(value, other)).max();
        let n_left_out = n_alike.unwrap_or_default().saturating_sub(COMMON_CHARS);
        match value.chars().count() > MAX_CHARS && n_left_out > 0 {
            true => format!("…{}", value.chars().skip(n_left_out).collect::<String>()),
            false => value.clone(),
        }
    };
    values.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_begin_where_they_differ() {
        let check = |values: &[&str], expected: &[&str]| {
            let values: Vec<String> = values.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(told_apart(&values), expected);
        };
        check(&["0.1", "0.2", "–"], &["0.1", "0.2", "–"]);
        check(
            &[
                "/home/a/data/chats-cleaned-a.jsonl",
                "/home/a/data/chats-cleaned-b.jsonl",
                "/home/a/data/gsm.jsonl",
            ],
            &["…ned-a.jsonl", "…ned-b.jsonl", "…ata/gsm.jsonl"],
        );
    }
}
