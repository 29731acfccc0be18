//! The list of items, one per line; only visible lines are drawn.

use eframe::egui::{
    Align2, Color32, FontId, Key, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2,
};

use crate::bench::{Change, Comparison, ItemRecord};
use crate::ui::shared::evaluations::EvaluationPair;
use crate::ui::shell::theme::{Palette, palette};
use crate::ui::widgets::controls::elided;

const ROW: f32 = 36.0;

/// Draws the list and lets one be chosen.
pub fn item_list_ui(
    ui: &mut Ui,
    pair: &EvaluationPair,
    comparison: &Comparison,
    listed: &[usize],
    chosen: &mut usize,
) {
    let moved = moved_by_keys(ui, listed, chosen);
    let area = ScrollArea::vertical()
        .auto_shrink([false, false])
        .id_salt("items");
    area.show_rows(ui, ROW, listed.len(), |ui, rows| {
        for row in rows {
            let Some(idx) = listed.get(row).copied() else {
                break;
            };
            let record = &pair.second.evaluation.records[idx];
            let change = comparison.changes[idx];
            let response = row_ui(ui, record, change, idx == *chosen);
            if response.clicked() {
                *chosen = idx;
                response.request_focus();
            }
            if moved && idx == *chosen {
                response.scroll_to_me(None);
            }
        }
    });
}

/// The arrow keys go up and down, where nothing is being typed.
fn moved_by_keys(ui: &Ui, listed: &[usize], chosen: &mut usize) -> bool {
    if ui.ctx().egui_wants_keyboard_input() {
        return false;
    }
    let step = ui.input(|input| {
        i64::from(input.key_pressed(Key::ArrowDown)) - i64::from(input.key_pressed(Key::ArrowUp))
    });
    let at = listed.iter().position(|idx| idx == chosen);
    let next = at.and_then(|at| at.checked_add_signed(step as isize));
    match next.and_then(|next| listed.get(next)) {
        Some(next) if step != 0 => {
            *chosen = *next;
            true
        }
        Some(_) | None => false,
    }
}

/// A word and a colour for what became of an item.
pub fn change_mark(change: Change, palette: &Palette) -> (&'static str, Color32) {
    match change {
        Change::Fixed => (tr!("fixed"), palette.good),
        Change::Broken => (tr!("broken"), palette.bad),
        Change::BothRight => (tr!("correct"), palette.weak),
        Change::BothWrong => (tr!("wrong"), palette.weak),
    }
}

fn row_ui(
    ui: &mut Ui,
    record: &ItemRecord,
    change: Change,
    is_chosen: bool,
) -> eframe::egui::Response {
    let width = ui.available_width() - 10.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW - 4.0), Sense::click());
    let palette = palette(ui.visuals());
    let (word, colour) = change_mark(change, palette);
    let question = question_line(record);
    response.widget_info(|| {
        WidgetInfo::selected(
            Role::ListItem,
            true,
            is_chosen,
            format!("{word} {} {question}", record.id),
        )
    });
    if !ui.is_rect_visible(rect) {
        return response;
    }
    if is_chosen || response.hovered() {
        let fill = if is_chosen {
            palette.raised
        } else {
            palette.panel
        };
        ui.painter().rect_filled(rect, 4.0, fill);
    }
    let bar = Rect::from_min_size(
        rect.left_top() + vec2(2.0, 4.0),
        vec2(3.0, rect.height() - 8.0),
    );
    ui.painter().rect_filled(bar, 1.0, colour);
    let left = rect.left() + 12.0;
    let small = FontId::proportional(11.0);
    let at = pos2(left, rect.top() + 9.0);
    let painter = ui.painter();
    let mark = painter.text(at, Align2::LEFT_CENTER, word, small.clone(), colour);
    let mut is_cut = false;
    let font = FontId::proportional(12.5);
    for (x, y, text, font, colour) in [
        (
            mark.right() + 8.0,
            at.y,
            record.id.as_str(),
            small,
            palette.weak,
        ),
        (
            left,
            rect.bottom() - 9.0,
            question.as_str(),
            font,
            palette.text,
        ),
    ] {
        let shown = elided(ui, text, font, colour, rect.right() - 6.0 - x);
        is_cut |= shown.elided;
        painter.galley(pos2(x, y - shown.size().y / 2.0), shown, colour);
    }
    match is_cut {
        true => response.on_hover_text(format!("{}\n\n{question}", record.id)),
        false => response,
    }
}

/// The question on one line, without what comes before it.
pub fn question_line(record: &ItemRecord) -> String {
    let prompt = &record.prompt;
    let last = prompt.trim_end().rsplit("\n\n").next().unwrap_or(prompt);
    let last = last.strip_prefix("Question: ").unwrap_or(last);
    let line = last
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    line.chars().take(200).collect()
}
