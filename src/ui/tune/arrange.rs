//! The menu in which charts are added, removed, moved and sized, and layouts of them
//! are saved under names.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{
    Align, Button, Layout, PopupCloseBehavior, Role, ScrollArea, TextEdit, Ui, vec2,
};

use super::charts::{ChartChange, ChartLayouts, ChartPlace, ChartSize, MAX_NAME};
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{
    cut_label, focus_first, from_right, group_title, named, weak_small,
};
use crate::ui::widgets::metric::Metric;

/// Width of the menu.
const WIDTH: f32 = 400.0;
/// Height of the list of charts at most, and of what stands below it.
const LIST_HEIGHT: f32 = 330.0;
const BELOW: f32 = 300.0;

/// What is typed into the menu, and what it asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arranging {
    /// The name that a layout is saved under.
    pub typed: String,
    asked: Option<Question>,
}

/// What a saved layout would be lost by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Replace(String),
    Delete(String),
}

/// Draws the button and its menu. `has_values` tells which charts the selected runs
/// have numbers for.
pub(super) fn arrange_ui(
    ui: &mut Ui,
    layouts: &ChartLayouts,
    arranging: &mut Arranging,
    has_values: &dyn Fn(Metric) -> bool,
    actions: &mut Vec<Action>,
) {
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (button, _) = MenuButton::new(tr!("Charts")).config(config).ui(ui, |ui| {
        ui.set_width(WIDTH);
        let mut changes = Vec::new();
        charts_ui(ui, layouts, has_values, &mut changes);
        ui.add_space(GAP / 2.0);
        ui.separator();
        layouts_ui(ui, layouts, arranging, &mut changes);
        actions.extend(changes.into_iter().map(Action::Arrange));
    });
    button.on_hover_text(tr!(
        "Which charts there are, their order and size, and saved layouts"
    ));
}

fn charts_ui(
    ui: &mut Ui,
    layouts: &ChartLayouts,
    has_values: &dyn Fn(Metric) -> bool,
    changes: &mut Vec<ChartChange>,
) {
    let height = LIST_HEIGHT.min(ui.ctx().content_rect().height() - BELOW);
    ScrollArea::vertical()
        .max_height(height)
        .min_scrolled_height(height)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            let places = layouts.now.places();
            for (idx, place) in places.iter().enumerate() {
                let is_last = idx + 1 == places.len();
                let has_values = has_values(place.metric);
                chart_ui(ui, *place, idx, is_last, has_values, changes);
            }
            for metric in layouts.now.others() {
                let title = metric.title();
                let add = ui.checkbox(&mut false, title);
                named(&add, Role::CheckBox, &tr!("Add the chart {title}", title));
                if add.clicked() {
                    changes.push(ChartChange::Toggle(metric));
                }
            }
        });
}

/// A chart that there is: whether it stays, its size and its place.
fn chart_ui(
    ui: &mut Ui,
    place: ChartPlace,
    idx: usize,
    is_last: bool,
    has_values: bool,
    changes: &mut Vec<ChartChange>,
) {
    let ChartPlace { metric, size } = place;
    let title = metric.title();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        from_right(ui, |ui| {
            let mut button = |ui: &mut Ui, text: &str, name: String, is_on: bool, to: usize| {
                let button = Button::new(text).small().min_size(vec2(24.0, 20.0));
                let button = ui.add_enabled(is_on, button);
                named(&button, Role::Button, &name);
                if button.on_hover_text(name).clicked() {
                    changes.push(ChartChange::Move(metric, to));
                }
            };
            let name = tr!("Move the chart {title} down", title);
            button(ui, tr!("Down"), name, !is_last, idx + 1);
            let name = tr!("Move the chart {title} up", title);
            button(ui, tr!("Up"), name, idx > 0, idx.saturating_sub(1));
            ui.add_space(6.0);
            for other in ChartSize::ALL.into_iter().rev() {
                let choice = ui.selectable_label(size == other, other.name());
                let name = tr!("{}, size of the chart {title}", other.name(), title);
                named(&choice, Role::Button, &name);
                if choice.clicked() {
                    changes.push(ChartChange::Resize(metric, other));
                }
            }
            ui.add_space(6.0);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let shown = ui.checkbox(&mut true, "");
                named(
                    &shown,
                    Role::CheckBox,
                    &tr!("Remove the chart {title}", title),
                );
                if shown.clicked() {
                    changes.push(ChartChange::Toggle(metric));
                }
                ui.add_space(2.0);
                match has_values {
                    true => cut_label(ui, title),
                    false => cut_label(ui, eframe::egui::RichText::new(title).weak())
                        .on_hover_text(tr!("The selected runs have no such number")),
                };
            });
        });
    });
}

fn layouts_ui(
    ui: &mut Ui,
    layouts: &ChartLayouts,
    arranging: &mut Arranging,
    changes: &mut Vec<ChartChange>,
) {
    group_title(ui, tr!("Layouts"));
    let current = layouts.current();
    let default = ui.selectable_label(current == Some(""), tr!("Default layout"));
    if default
        .on_hover_text(tr!("Every chart, the loss on top"))
        .clicked()
    {
        changes.push(ChartChange::Use(None));
    }
    ScrollArea::vertical()
        .id_salt("saved layouts")
        .max_height(90.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            for name in layouts.saved.keys() {
                ui.horizontal(|ui| {
                    from_right(ui, |ui| {
                        let delete = ui.small_button(tr!("Delete"));
                        named(
                            &delete,
                            Role::Button,
                            &tr!("Delete the layout {name}", name),
                        );
                        if delete.clicked() {
                            arranging.asked = Some(Question::Delete(name.clone()));
                        }
                        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                            let is_it = current == Some(name.as_str());
                            let button = Button::selectable(is_it, name).truncate();
                            if ui.add(button).clicked() {
                                changes.push(ChartChange::Use(Some(name.clone())));
                            }
                        });
                    });
                });
            }
        });
    // A layout that went meanwhile is not asked about.
    let is_there = |question: &Question| match question {
        Question::Replace(name) | Question::Delete(name) => layouts.saved.contains_key(name),
    };
    match arranging.asked.clone().filter(is_there) {
        Some(question) => question_ui(ui, question, arranging, changes),
        None => save_ui(ui, layouts, arranging, changes),
    }
}

/// Saves the charts as they are under a name.
fn save_ui(
    ui: &mut Ui,
    layouts: &ChartLayouts,
    arranging: &mut Arranging,
    changes: &mut Vec<ChartChange>,
) {
    ui.horizontal(|ui| {
        let width = ui.available_width() - 116.0;
        let field = TextEdit::singleline(&mut arranging.typed)
            .hint_text(tr!("Name of the layout"))
            .char_limit(MAX_NAME)
            .desired_width(width);
        ui.add(field).accessible_name(tr!("Name of the layout"));
        let name = arranging.typed.trim().to_owned();
        let save = ui.add_enabled(!name.is_empty(), Button::new(tr!("Save layout")));
        if !save
            .on_hover_text(tr!("Save the charts as they are now"))
            .clicked()
        {
            return;
        }
        match layouts.saved.get(&name) {
            Some(old) if *old != layouts.now => {
                arranging.asked = Some(Question::Replace(name));
            }
            Some(_) | None => {
                changes.push(ChartChange::Save(name));
                arranging.typed.clear();
            }
        }
    });
}

/// Asks before a layout is lost.
fn question_ui(
    ui: &mut Ui,
    question: Question,
    arranging: &mut Arranging,
    changes: &mut Vec<ChartChange>,
) {
    let (text, yes, change) = match question {
        Question::Replace(name) => (
            tr!("Replace the layout “{name}”?", name),
            tr!("Replace"),
            ChartChange::Save(name),
        ),
        Question::Delete(name) => (
            tr!("Delete the layout “{name}”?", name),
            tr!("Delete layout"),
            ChartChange::Delete(name),
        ),
    };
    weak_small(ui, text);
    ui.horizontal(|ui| {
        let keep = ui.button(tr!("Keep it"));
        focus_first(ui, &keep);
        let is_done = ui.button(yes).clicked();
        if is_done {
            changes.push(change);
            arranging.typed.clear();
        }
        if is_done || keep.clicked() {
            arranging.asked = None;
        }
    });
}
