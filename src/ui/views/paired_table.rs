//! The rows of a comparison, drawn.

use eframe::egui::{FontId, Grid, RichText, ScrollArea, Ui};

use super::super::action::Action;
use super::super::measured::Compared;
use super::super::theme::{palette, run_colour};
use super::super::ui_state::{ItemsPair, UiState};
use super::super::widgets::controls::cut_middle;
use super::paired_rows::{Against, PairedRow, difference};
use crate::bench::Change;

const NAME_WIDTH: f32 = 168.0;

/// Draws one benchmark's rows; asks for the items of a pair.
pub fn paired_table_ui(
    ui: &mut Ui,
    benchmark: &str,
    rows: &[PairedRow],
    state: &UiState,
) -> Option<Action> {
    let mut action = None;
    let area = ScrollArea::horizontal().id_salt(("paired rows", benchmark));
    area.show(ui, |ui| {
        let grid = Grid::new(("paired table", benchmark)).striped(true).spacing([16.0, 5.0]);
        grid.show(ui, |ui| {
            for (title, what) in [
                ("Run", ""),
                ("Evaluation", ""),
                ("Rule", "What counts as right"),
                ("Accuracy", "With its 95% interval (Wilson) and the number of items; for means of runs Student's t over runs"),
                ("Difference", "To the baseline, with its 95% bootstrap interval over items"),
                ("Fixed", "Items that the baseline has wrong and this one right"),
                ("Broken", "Items that the baseline has right and this one wrong"),
                ("p", "McNemar's exact test, two-sided: how likely so uneven a split is by chance"),
                ("", ""),
            ] {
                let label = ui.label(RichText::new(title).small().weak());
                if !what.is_empty() {
                    label.on_hover_text(what);
                }
            }
            ui.end_row();
            for row in rows {
                action = row_ui(ui, row, state).or(action.take());
                ui.end_row();
            }
        });
    });
    action
}

fn row_ui(ui: &mut Ui, row: &PairedRow, state: &UiState) -> Option<Action> {
    let font = FontId::proportional(13.0);
    let name = cut_middle(ui, &row.name, &font, NAME_WIDTH);
    let colour = match &row.run {
        Some(run) => run_colour(state.colour(run), ui.visuals()),
        None => palette(ui.visuals()).text,
    };
    ui.label(RichText::new(name).color(colour))
        .on_hover_text(&row.name);
    ui.label(&row.evaluation);
    ui.label(row.figure);
    ui.monospace(row.accuracy.to_string());
    let comparison = match &row.against {
        Against::Baseline(Compared::Done(comparison)) => comparison,
        Against::Baseline(Compared::Refused(reason)) => {
            ui.label(RichText::new("does not compare").weak())
                .on_hover_text(reason);
            return None;
        }
        Against::Baseline(Compared::Waiting) => {
            ui.label(RichText::new("…").weak());
            return None;
        }
        Against::IsBaseline => {
            ui.label(RichText::new("the baseline").weak());
            return None;
        }
        Against::Nothing => {
            ui.label(RichText::new("–").weak());
            return None;
        }
    };
    if let Some(of) = difference(row) {
        let text = format!("{:+.3} [{:+.3}, {:+.3}]", of.value, of.low, of.high);
        ui.monospace(text);
    }
    ui.monospace(comparison.count(Change::Fixed).to_string());
    ui.monospace(comparison.count(Change::Broken).to_string());
    ui.monospace(p_value(comparison.p_value));
    let pair = row.pair.as_ref()?;
    let button = ui.small_button("Items");
    let button = button.on_hover_text("Look at the items that were fixed and broken");
    button.clicked().then(|| {
        Action::LookAtItems(ItemsPair {
            first: Some(pair.first.path.clone()),
            second: Some(pair.second.path.clone()),
        })
    })
}

/// `0.031`, and `1.2e-9` below a thousandth.
pub fn p_value(p: f64) -> String {
    match p < 0.001 {
        true => format!("{p:.0e}"),
        false => format!("{p:.3}"),
    }
}
