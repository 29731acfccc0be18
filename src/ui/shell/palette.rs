//! The command palette.

mod entries;

use eframe::egui::{Align, Context, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};

pub(crate) use self::entries::PaletteContext;
use self::entries::{Entry, entries};
use super::shortcuts::ActsOn;
use super::theme::{blend, palette};
use crate::language;
use crate::ui::shared::action::Action;
use crate::ui::widgets::controls::{modal, weak_small};

/// Height of the entries.
const LIST_HEIGHT: f32 = 320.0;

/// The list of everything that can be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaletteState {
    /// What is typed.
    pub typed: String,
    /// The number of the entry that Enter takes.
    pub chosen: usize,
}

/// Draws the list.
pub(crate) fn palette_ui(
    ctx: &Context,
    palette: &mut Option<PaletteState>,
    on: &ActsOn<'_>,
    listed: &PaletteContext<'_>,
) -> Vec<Action> {
    let Some(mut typed) = palette.clone() else {
        return Vec::new();
    };
    let entries = entries(ctx, on, listed);
    let mut taken = None;
    let shown = modal(ctx, "palette").show(ctx, |ui| {
        ui.set_width(460.0);
        let up = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowUp));
        let down = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowDown));
        let enter = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        let field = TextEdit::singleline(&mut typed.typed)
            .hint_text(tr!("Search commands"))
            .desired_width(f32::INFINITY);
        let field = ui.add(field);
        crate::ui::widgets::controls::named(
            &field,
            eframe::egui::Role::TextInput,
            tr!("Search commands"),
        );
        field.request_focus();
        if field.changed() {
            typed.chosen = 0;
        }
        let found: Vec<&Entry> = entries
            .iter()
            .filter(|entry| matches(&entry.text, &typed.typed))
            .collect();
        let last = found.len().saturating_sub(1);
        if down {
            typed.chosen = (typed.chosen + 1).min(last);
        }
        if up {
            typed.chosen = typed.chosen.saturating_sub(1);
        }
        ui.add_space(4.0);
        if found.is_empty() {
            weak_small(ui, tr!("No matching commands."));
        }
        // Of one height, so that what is typed into stays where it is.
        let height = LIST_HEIGHT.min(ctx.content_rect().height() - 160.0);
        ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                for (idx, entry) in found.iter().enumerate() {
                    let is_chosen = idx == typed.chosen;
                    let is_taken = row_ui(ui, entry, is_chosen, up || down);
                    if is_taken || (enter && is_chosen) {
                        taken = entry.action.clone().ok().or(taken.take());
                    }
                }
            });
    });
    let is_over = taken.is_some() || shown.should_close();
    *palette = (!is_over).then_some(typed);
    taken.into_iter().collect()
}

/// Draws an entry; whether it was taken.
fn row_ui(ui: &mut Ui, entry: &Entry, is_chosen: bool, scrolls: bool) -> bool {
    let colours = palette(ui.visuals());
    let fill = if is_chosen {
        blend(colours.accent, colours.panel, 0.2)
    } else {
        eframe::egui::Color32::TRANSPARENT
    };
    let (text, beside) = match &entry.action {
        Ok(_) => (RichText::new(&entry.text), entry.keys.as_str()),
        Err(reason) => (RichText::new(&entry.text).weak(), language::text(reason)),
    };
    let button = eframe::egui::Button::new(text)
        .right_text(RichText::new(beside).small().weak())
        .fill(fill)
        .stroke(eframe::egui::Stroke::NONE)
        .truncate()
        .min_size(eframe::egui::vec2(ui.available_width(), 24.0));
    let row = ui.add(button);
    if is_chosen && scrolls {
        row.scroll_to_me(Some(Align::Center));
    }
    row.clicked()
}

/// Whether every typed word is in the text.
fn matches(text: &str, typed: &str) -> bool {
    let text = text.to_lowercase();
    typed
        .to_lowercase()
        .split_whitespace()
        .all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_order() {
        assert!(matches("Export the state of a", "state exp"));
        assert!(!matches("Export the state of a", "state import"));
        assert!(matches("anything", ""));
    }
}
