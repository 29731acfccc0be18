//! Figures, curves and questions of an adaptation.

use eframe::egui::{Align, Grid, Layout, RichText, ScrollArea, Ui};

use super::chart::{chart_ui, legend_ui};
use super::curves::curves_ui;
use super::items::items_ui;
use super::kept::KeptState;
use super::maps::maps_ui;
use super::reading::ShownAdaptation;
use super::state::AdaptSettings;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::spec::GuideSpec;
use crate::format::with_first;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{cut_label, from_right, group_title, weak_small, within};
use crate::ui::widgets::numbers::p_value;

/// Width of the numbers of a figure.
const NUMBERS_WIDTH: f32 = 264.0;
/// The least width of one.
const NUMBER_WIDTH: f32 = 34.0;

/// Draws them.
pub(super) fn results_ui(
    ui: &mut Ui,
    shown: &ShownAdaptation,
    settings: &mut AdaptSettings,
    kept: &mut KeptState,
) {
    ScrollArea::vertical()
        .id_salt("results of an adaptation")
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            title_ui(ui, shown);
            chart_ui(ui, shown, 210.0);
            legend_ui(ui, shown);
            said_ui(ui, shown);
            ui.add_space(GAP);
            group_title(ui, tr!("Figures"));
            figures_ui(ui, shown);
            ui.add_space(GAP);
            group_title(ui, tr!("Steps"));
            curves_ui(ui, shown);
            ui.add_space(GAP);
            group_title(ui, tr!("Questions"));
            items_ui(ui, shown, settings);
            ui.add_space(GAP);
            group_title(ui, tr!("State against the base"));
            maps_ui(ui, shown, settings.item, kept);
            ui.add_space(GAP);
        });
}

fn title_ui(ui: &mut Ui, shown: &ShownAdaptation) {
    let spec = &shown.spec;
    let mut title = format!(
        "{}, {}, {}",
        spec.objective.name(),
        spec.task.benchmark.mini_name(),
        spec.mode.name()
    );
    if let Some(guide) = &spec.guide {
        title += &tr!(", {}, {} texts", guide.name(), shown.n_guide_texts);
    }
    ui.horizontal(|ui| {
        from_right(ui, |ui| {
            let menu = ui.menu_button(tr!("Save"), |ui| {
                let of = PictureOf::Chart(Chart::Adaptation);
                charts::named_entries_ui(ui, of, tr!("The accuracy by cost"));
                if !shown.points.is_empty() {
                    let of = PictureOf::Chart(Chart::AdaptationSteps);
                    charts::named_entries_ui(ui, of, tr!("The steps"));
                }
            });
            menu.response.on_hover_text(tr!(
                "Save a chart as a picture, or the numbers that it is drawn of"
            ));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                cut_label(ui, RichText::new(title).strong());
            });
        });
    });
}

/// The sentence, and what a reader has to know.
fn said_ui(ui: &mut Ui, shown: &ShownAdaptation) {
    if let Some(verdict) = &shown.verdict {
        let colours = palette(ui.visuals());
        let colour = if verdict.gains {
            colours.good
        } else {
            colours.text
        };
        let sentence = with_first(&verdict.sentence, char::to_uppercase);
        ui.label(RichText::new(sentence).color(colour));
    }
    if let Some(GuideSpec::Simulated { .. }) = shown.spec.guide {
        let warning = palette(ui.visuals()).warning;
        let text = tr!("Simulated guide: it reads the labels. This is no evidence of anything.");
        ui.label(RichText::new(text).color(warning));
    }
    for note in shown.outcomes.iter().flat_map(|of| &of.notes) {
        weak_small(ui, note);
    }
}

fn figures_ui(ui: &mut Ui, shown: &ShownAdaptation) {
    let base = shown.outcomes.iter().find(|of| of.kind == Kind::Base);
    let room = (ui.available_width() - NUMBERS_WIDTH).clamp(90.0, 320.0);
    Grid::new("figures of an adaptation")
        .num_columns(6)
        .striped(true)
        .min_col_width(NUMBER_WIDTH)
        .spacing([10.0, 3.0])
        .show(ui, |ui| {
            for heading in [
                "",
                tr!("Accuracy"),
                tr!("Tokens"),
                tr!("Fixed"),
                tr!("Broken"),
                "p",
            ] {
                weak_small(ui, heading);
            }
            ui.end_row();
            let mut outcomes: Vec<&Outcome> = shown.outcomes.iter().collect();
            outcomes.sort_by(|a, b| b.accuracy().value().total_cmp(&a.accuracy().value()));
            for outcome in outcomes {
                row_ui(ui, outcome, base, room);
            }
        });
}

/// What was spent, per question.
fn spent(outcome: &Outcome) -> String {
    let n = outcome.right.len().max(1) as f64;
    let of = |tokens: u64| format!("{:.0}", tokens as f64 / n);
    tr!(
        "Tokens per question: {} read or written, {} trained, which count three; {} of the guide, which are not counted. {} s in all",
        of(outcome.cost.forward),
        of(outcome.cost.trained),
        of(outcome.cost.guide),
        format_args!("{:.1}", outcome.secs)
    )
}

/// Draws a figure, its name within `room`.
fn row_ui(ui: &mut Ui, outcome: &Outcome, base: Option<&Outcome>, room: f32) {
    let name = RichText::new(&outcome.name);
    let name = match outcome.kind {
        Kind::Adapted => name.strong(),
        Kind::Ceiling => name.weak(),
        Kind::Base | Kind::Baseline | Kind::Guide => name,
    };
    within(ui, room, |ui| cut_label(ui, name)).on_hover_text(&outcome.name);
    ui.label(format!("{:.3}", outcome.accuracy().value()))
        .on_hover_text(outcome.accuracy().to_string());
    ui.label(format!("{:.0}", outcome.tokens()))
        .on_hover_text(spent(outcome));
    match base.filter(|_| outcome.kind != Kind::Base) {
        Some(base) => {
            let (fixed, broken, p) = outcome.against(base);
            ui.label(fixed.to_string());
            ui.label(broken.to_string());
            ui.label(p_value(p));
        }
        None => {
            for _ in 0..3 {
                ui.label("");
            }
        }
    }
    ui.end_row();
    for (name, accuracy) in &outcome.parts {
        let name = RichText::new(format!("    {name}")).small().weak();
        within(ui, room, |ui| cut_label(ui, name));
        weak_small(ui, format!("{:.3}", accuracy.value())).on_hover_text(accuracy.to_string());
        ui.end_row();
    }
}
