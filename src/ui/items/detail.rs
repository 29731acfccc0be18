//! One item: the prompt and the answers of both models.

use eframe::egui::{
    Align2, FontId, Frame, Label, Margin, Rect, RichText, Role, ScrollArea, Sense, Ui, pos2, vec2,
};

use crate::bench::{Answer, ItemRecord};
use crate::ui::shared::evaluations::EvaluationPair;
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::{cut_label, named, weak_small};

/// Draws an item of the pair; `names` are those of the two evaluations.
pub fn item_detail_ui(ui: &mut Ui, pair: &EvaluationPair, idx: usize, names: [&str; 2]) {
    let records = [&pair.first, &pair.second].map(|file| file.evaluation.records.get(idx));
    let [Some(before), Some(after)] = records else {
        return;
    };
    let area = ScrollArea::vertical()
        .auto_shrink([false, false])
        .id_salt("item");
    area.show(ui, |ui| {
        ui.set_max_width(ui.available_width() - 12.0);
        ui.horizontal(|ui| {
            ui.label(RichText::new(&after.id).strong());
            if let Some(subject) = &after.subject {
                weak_small(ui, subject);
            }
        });
        ui.add_space(4.0);
        text_ui(ui, tr!("Prompt"), &after.prompt);
        let is_same = std::sync::Arc::ptr_eq(&pair.first, &pair.second);
        let shown = if is_same {
            &[(after, names[1])][..]
        } else {
            &[(before, names[0]), (after, names[1])]
        };
        for (record, name) in shown {
            ui.add_space(10.0);
            ui.horizontal(|ui| {
                let palette = palette(ui.visuals());
                let (word, colour) = match pair.rule.is_right(record) {
                    true => (tr!("correct"), palette.good),
                    false => (tr!("wrong"), palette.bad),
                };
                ui.label(RichText::new(word).color(colour).strong());
                cut_label(ui, RichText::new(*name).strong()).on_hover_text(*name);
            });
            answer_ui(ui, record);
        }
    });
}

fn answer_ui(ui: &mut Ui, record: &ItemRecord) {
    match &record.answer {
        Answer::Written {
            output,
            extracted,
            extracted_flexible,
            gold,
            ..
        } => {
            text_ui(ui, tr!("Output"), output);
            weak_small(
                ui,
                tr!(
                    "strict {extracted}, flexible {extracted_flexible}, correct answer {gold}",
                    extracted,
                    extracted_flexible,
                    gold
                ),
            );
        }
        Answer::Chosen {
            options,
            log_likelihoods,
            gold,
            chosen,
            chosen_norm,
            ..
        } => {
            // Shares among the options: how sure the model is of each.
            let largest = log_likelihoods
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = log_likelihoods
                .iter()
                .map(|ll| (ll - largest).exp())
                .collect();
            let sum: f64 = weights.iter().filter(|weight| weight.is_finite()).sum();
            weak_small(
                ui,
                tr!("Options, each with its share and its log-likelihood in nats"),
            );
            for (idx, option) in options.iter().enumerate() {
                let mut marks = Vec::new();
                if *gold == idx {
                    marks.push(tr!("correct answer"));
                }
                if *chosen == Some(idx) {
                    marks.push(tr!("chosen"));
                }
                if chosen_norm.is_some() && *chosen_norm == Some(idx) && chosen_norm != chosen {
                    marks.push(tr!("chosen by length"));
                }
                let likelihood = log_likelihoods.get(idx).copied().unwrap_or(f64::NAN);
                let share = weights.get(idx).map_or(f64::NAN, |weight| weight / sum);
                option_ui(ui, option, &marks.join(", "), likelihood, share);
            }
        }
    }
}

/// A text as it is, in its own box.
fn text_ui(ui: &mut Ui, what: &str, text: &str) {
    weak_small(ui, what);
    let frame = Frame::new()
        .fill(palette(ui.visuals()).sunken)
        .corner_radius(4.0)
        .inner_margin(Margin::same(8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let shown = if text.is_empty() {
            tr!("(nothing)")
        } else {
            text
        };
        ui.add(
            Label::new(RichText::new(shown).monospace())
                .wrap()
                .selectable(true),
        );
    });
}

/// An option with a bar for its share of the likelihood.
fn option_ui(ui: &mut Ui, option: &str, marks: &str, likelihood: f64, share: f64) {
    const BAR_WIDTH: f32 = 90.0;
    let font = FontId::proportional(13.0);
    let width = ui.available_width();
    let palette = palette(ui.visuals());
    let text_width = (width - BAR_WIDTH - 200.0).max(80.0);
    let galley = ui
        .painter()
        .layout(option.to_owned(), font, palette.text, text_width);
    let height = galley.size().y.max(16.0) + 4.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let spoken = tr!(
        "{option}, {likelihood} nats, {marks}",
        option,
        likelihood = format_args!("{likelihood:.2}"),
        marks
    );
    named(&response, Role::Label, &spoken);
    response.on_hover_text(tr!(
        "log-likelihood {likelihood} nats, {}% among the options",
        format_args!("{:.1}", 100.0 * share),
        likelihood = format_args!("{likelihood:.3}")
    ));
    let bar = Rect::from_min_size(
        pos2(rect.left(), rect.center().y - 5.0),
        vec2(BAR_WIDTH, 10.0),
    );
    ui.painter().rect_filled(bar, 2.0, palette.sunken);
    if share.is_finite() {
        let filled = Rect::from_min_size(bar.min, vec2(BAR_WIDTH * share as f32, 10.0));
        ui.painter()
            .rect_filled(filled, 2.0, blend(palette.accent, palette.surface, 0.8));
    }
    let at = pos2(bar.right() + 10.0, rect.center().y);
    let nats = format!("{likelihood:7.2}");
    ui.painter().text(
        at,
        Align2::LEFT_CENTER,
        nats,
        FontId::monospace(11.0),
        palette.weak,
    );
    let at = pos2(bar.right() + 72.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, palette.text);
    let at = pos2(rect.right(), rect.center().y);
    ui.painter().text(
        at,
        Align2::RIGHT_CENTER,
        marks,
        FontId::proportional(11.0),
        palette.accent,
    );
}
