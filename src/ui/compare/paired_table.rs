//! The rows of a comparison, drawn.

use eframe::egui::text::LayoutJob;
use eframe::egui::{Align, FontId, FontSelection, Rect, RichText, ScrollArea, Ui, vec2};

use super::paired_rows::{Against, PairedRow, difference};
use crate::bench::Change;
use crate::language;
use crate::report::Estimate;
use crate::ui::shared::action::Action;
use crate::ui::shared::evaluations::{Compared, ItemsPair};
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{palette, run_colour};
use crate::ui::widgets::columns::{Cells, Columns};
use crate::ui::widgets::controls::{cut_label, cut_middle};
use crate::ui::widgets::numbers::p_value;

const HEADING_HEIGHT: f32 = 20.0;
/// A figure, and its interval below it.
const ROW_HEIGHT: f32 = 38.0;
/// Of more rows than this only those in sight are laid out.
const WHOLE_UP_TO: usize = 100;
/// Their names, what they say, where their texts stand, and the least widths
/// in which those fit.
const COLUMNS: [(&str, &str, Align, f32); 8] = [
    (
        mark!("Run"),
        mark!("The run, what was evaluated, and the rule for correct answers"),
        Align::Min,
        104.0,
    ),
    (
        mark!("Accuracy"),
        mark!(
            "With its 95% interval (Wilson) and the number of items; for means of runs, Student's t on the logit scale over runs"
        ),
        Align::Min,
        142.0,
    ),
    (
        mark!("Ended"),
        mark!(
            "The share of written answers that the model ended itself (the others were cut off); below it, the share from which an answer could be read"
        ),
        Align::Min,
        46.0,
    ),
    (
        mark!("Difference"),
        mark!("Difference to the baseline, with its 95% bootstrap interval over items"),
        Align::Min,
        112.0,
    ),
    (
        mark!("Fixed"),
        mark!("Items that the baseline answers wrongly and this one correctly"),
        Align::Max,
        38.0,
    ),
    (
        mark!("Broken"),
        mark!("Items that the baseline answers correctly and this one wrongly"),
        Align::Max,
        42.0,
    ),
    (
        "p",
        mark!(
            "McNemar's exact test, two-sided: the probability of a split at least this uneven by chance"
        ),
        Align::Max,
        42.0,
    ),
    ("", "", Align::Max, 54.0),
];

/// Draws one benchmark's rows; asks for the items of a pair.
pub fn paired_table_ui(
    ui: &mut Ui,
    benchmark: &str,
    rows: &[PairedRow],
    selection: &Selection,
) -> Option<Action> {
    let mut action = None;
    let widths = COLUMNS.iter().map(|(.., width)| *width).collect();
    let columns = Columns::within(ui.available_width(), widths);
    let area = ScrollArea::horizontal().id_salt(("paired rows", benchmark));
    area.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        columns.row_ui(ui, HEADING_HEIGHT, false, |cells| {
            for (title, what, align, _) in COLUMNS.iter().filter(|(title, ..)| !title.is_empty()) {
                cells.cell(*align, |ui| {
                    let title = RichText::new(language::text(title)).small().weak();
                    cut_label(ui, title).on_hover_text(language::text(what));
                });
            }
        });
        for (idx, row) in rows.iter().enumerate() {
            let size = vec2(columns.width(), ROW_HEIGHT);
            let place = Rect::from_min_size(ui.cursor().min, size);
            if rows.len() > WHOLE_UP_TO && !ui.is_rect_visible(place) {
                ui.allocate_space(size);
                continue;
            }
            let asked = columns.row_ui(ui, ROW_HEIGHT, idx % 2 == 0, |cells| {
                row_ui(cells, row, selection)
            });
            action = asked.or(action.take());
        }
    });
    action
}

fn row_ui(cells: &mut Cells<'_>, row: &PairedRow, selection: &Selection) -> Option<Action> {
    cells.cell(Align::Min, |ui| name_ui(ui, row, selection));
    cells.cell(Align::Min, |ui| accuracy_ui(ui, &row.accuracy));
    cells.cell(Align::Min, |ui| {
        if let Some((ended, extracted)) = row.written {
            ui.monospace(format!("{ended:.3}"));
            interval_ui(ui, format!("{extracted:.3}"));
        }
    });
    let comparison = match &row.against {
        Against::Baseline(Compared::Done(comparison)) => comparison,
        Against::Baseline(Compared::Refused(reason)) => {
            cells.cell(Align::Min, |ui| {
                ui.label(RichText::new(tr!("not comparable")).weak())
                    .on_hover_text(reason);
            });
            return None;
        }
        Against::Baseline(Compared::Pending) => {
            cells.cell(Align::Min, |ui| ui.label(RichText::new("…").weak()));
            return None;
        }
        Against::IsBaseline => {
            cells.cell(Align::Min, |ui| {
                ui.label(RichText::new(tr!("the baseline")).weak());
            });
            return None;
        }
        Against::Nothing => {
            cells.cell(Align::Min, |ui| ui.label(RichText::new("–").weak()));
            return None;
        }
    };
    cells.cell(Align::Min, |ui| {
        if let Some(of) = difference(row) {
            ui.monospace(format!("{:+.3}", of.value));
            interval_ui(ui, format!("[{:+.3}, {:+.3}]", of.low, of.high));
        }
    });
    for text in [
        comparison.count(Change::Fixed).to_string(),
        comparison.count(Change::Broken).to_string(),
        p_value(comparison.p_value),
    ] {
        cells.cell(Align::Max, |ui| ui.monospace(text));
    }
    let pair = row.pair.as_ref()?;
    let button = cells.cell(Align::Max, |ui| ui.small_button(tr!("Items")));
    let button = button.on_hover_text(tr!("Show the items that were fixed and broken"));
    button.clicked().then(|| {
        Action::LookAtItems(ItemsPair {
            first: Some(pair.first.path.clone()),
            second: Some(pair.second.path.clone()),
        })
    })
}

/// The run, and below it what was evaluated.
fn name_ui(ui: &mut Ui, row: &PairedRow, selection: &Selection) {
    let font = FontId::proportional(13.0);
    let name = cut_middle(ui, &row.name, &font, ui.available_width());
    let colour = match &row.run {
        Some(run) => run_colour(selection.colour(run), ui.visuals()),
        None => palette(ui.visuals()).text,
    };
    ui.label(RichText::new(name).color(colour))
        .on_hover_text(&row.name);
    let what = format!("{}, {}", row.evaluation, row.figure);
    cut_label(ui, RichText::new(what).small().weak());
}

/// The share with its number of items, and below it the interval.
fn accuracy_ui(ui: &mut Ui, of: &Estimate) {
    if of.n == 0 {
        ui.label(RichText::new(tr!("no items")).weak());
        return;
    }
    let n = match of.n_total > of.n {
        true => tr!("  n = {} of {}", of.n, of.n_total),
        false => format!("  n = {}", of.n),
    };
    // One text, so that both stand on one line with what is in the next cells.
    let mut line = LayoutJob::default();
    let value = RichText::new(format!("{:.3}", of.value)).monospace();
    for part in [value, RichText::new(n).small().weak()] {
        part.append_to(&mut line, ui.style(), FontSelection::Default, Align::BOTTOM);
    }
    cut_label(ui, line);
    interval_ui(ui, format!("[{:.3}, {:.3}]", of.low, of.high));
}

fn interval_ui(ui: &mut Ui, text: String) {
    ui.label(RichText::new(text).monospace().size(11.0).weak());
}
