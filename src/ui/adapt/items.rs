//! The questions of an adaptation: what was answered, by whom, and the votes.

use std::collections::BTreeMap;

use eframe::egui::{Label, RichText, ScrollArea, Ui};

use super::reading::ShownAdaptation;
use super::state::AdaptSettings;
use crate::adapt::folder::ItemSeen;
use crate::bench::written_answer;
use crate::data::Benchmark;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::weak_small;

const LIST_WIDTH: f32 = 190.0;
const HEIGHT: f32 = 260.0;

/// Draws them.
pub(super) fn items_ui(ui: &mut Ui, shown: &ShownAdaptation, settings: &mut AdaptSettings) {
    if shown.items.is_empty() {
        weak_small(
            ui,
            tr!("Questions appear here when their answers are scored."),
        );
        return;
    }
    ui.checkbox(&mut settings.changed_only, tr!("Changed answers only"));
    let listed: Vec<usize> = (0..shown.items.len())
        .filter(|idx| {
            let item = &shown.items[*idx];
            !settings.changed_only || item.answer != item.before
        })
        .collect();
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            ui.set_width(LIST_WIDTH);
            let height = ui.text_style_height(&eframe::egui::TextStyle::Button) + 4.0;
            ScrollArea::vertical()
                .id_salt("adapted questions")
                .max_height(HEIGHT)
                .auto_shrink([false, false])
                .show_rows(ui, height, listed.len(), |ui, range| {
                    for idx in &listed[range] {
                        line_ui(ui, *idx, &shown.items[*idx], settings);
                    }
                });
        });
        ui.vertical(|ui| {
            ScrollArea::vertical()
                .id_salt("an adapted question")
                .max_height(HEIGHT)
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    if let Some(item) = shown.items.get(settings.item) {
                        item_ui(ui, item, shown.spec.task.benchmark);
                    }
                });
        });
    });
}

fn line_ui(ui: &mut Ui, idx: usize, item: &ItemSeen, settings: &mut AdaptSettings) {
    let colours = palette(ui.visuals());
    let mark = if item.right { "+" } else { "×" };
    let colour = if item.right {
        colours.good
    } else {
        colours.bad
    };
    let text = RichText::new(format!("{mark} {}", item.id)).color(colour);
    if ui.selectable_label(settings.item == idx, text).clicked() {
        settings.item = idx;
    }
}

/// An answer as the question has it: options by their letters.
fn answer_words(answer: Option<&str>, benchmark: Benchmark) -> String {
    let Some(answer) = answer else {
        return tr!("none").into();
    };
    let option = match benchmark {
        Benchmark::Gsm8k => None,
        Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => answer.parse::<u8>().ok(),
    };
    match option {
        Some(idx @ 0..26) => char::from(b'A' + idx).to_string(),
        Some(_) | None => answer.to_owned(),
    }
}

fn item_ui(ui: &mut Ui, item: &ItemSeen, benchmark: Benchmark) {
    let answer = |of: &Option<String>| answer_words(of.as_deref(), benchmark);
    let right = if item.right {
        tr!("correct")
    } else {
        tr!("wrong")
    };
    ui.label(tr!(
        "Answer {}, {right}; the base's {}",
        answer(&item.answer),
        answer(&item.before),
        right
    ));
    let mut about = tr!(
        "{} steps, drift {}",
        item.steps,
        format_args!("{:.4}", item.drift)
    );
    if let Some(stop) = item.stop {
        about += &tr!(", stopped: {stop}", stop = format_args!("{stop:?}"));
    }
    weak_small(ui, about);
    ui.add(Label::new(&item.prompt).wrap().selectable(true));
    if let Some(wrote) = &item.guide_wrote {
        weak_small(ui, tr!("What the guide wrote"));
        ui.add(Label::new(wrote).wrap().selectable(true));
    }
    if let Some(guide) = &item.guide {
        let taken = tr!(
            "Taken from the guide, answer {}",
            answer(&item.guide_answer)
        );
        weak_small(ui, taken);
        ui.add(Label::new(guide).wrap().selectable(true));
    }
    if !item.answers.is_empty() {
        weak_small(ui, tr!("Votes of its last step: {}", votes(&item.answers)));
        for text in &item.answers {
            ui.add(
                Label::new(RichText::new(text).small())
                    .wrap()
                    .selectable(true),
            );
            ui.separator();
        }
    }
}

/// How many answers say what, the most frequent first.
fn votes(answers: &[String]) -> String {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for text in answers {
        let answer = written_answer(text).unwrap_or_else(|| tr!("none").into());
        *tally.entry(answer).or_default() += 1;
    }
    let mut tally: Vec<(String, usize)> = tally.into_iter().collect();
    tally.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let words: Vec<String> = tally
        .iter()
        .map(|(answer, n)| format!("{n} × {answer}"))
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_letters_and_written_answers_are_as_they_are() {
        let words = |answer, benchmark| answer_words(answer, benchmark);
        assert_eq!(words(Some("1"), Benchmark::Mmlu), "B");
        assert_eq!(words(Some("1"), Benchmark::Gsm8k), "1");
        assert_eq!(words(Some("99"), Benchmark::Arc), "99");
        assert_eq!(words(None, Benchmark::Mmlu), "none");
    }

    #[test]
    fn votes_are_told_with_the_most_frequent_first() {
        let answers = ["#### 7", "#### 8", "#### 8.", "no"].map(String::from);
        assert_eq!(votes(&answers), "2 × 8, 1 × 7, 1 × none");
    }
}
