//! The log, line by line.

use eframe::egui::{FontId, RichText, ScrollArea, TextStyle, Ui};

use super::theme::{palette, run_colour};
use crate::runs::{LogLevel, LogLine, RunStore};
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::widgets::controls::{cut_middle, from_right, group_title, weak_small};

/// Width of the names of runs.
const NAME_WIDTH: f32 = 150.0;
/// In less room the choices of lines are a menu.
const FILTERS_WIDTH: f32 = 300.0;

/// Which lines are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSettings {
    /// Those of the selected runs only.
    pub of_selected: bool,
    /// Warnings and errors only.
    pub of_trouble: bool,
}

/// Draws the log; the newest line is at the bottom and in sight.
pub fn log_panel_ui(
    ui: &mut Ui,
    store: &RunStore,
    selection: &Selection,
    settings: &mut LogSettings,
) -> Option<Action> {
    let mut action = None;
    ui.horizontal(|ui| {
        group_title(ui, tr!("Log"));
        from_right(ui, |ui| {
            let copy = ui.small_button(tr!("Copy"));
            if copy
                .on_hover_text(tr!("Copy the listed lines as text"))
                .clicked()
            {
                let lines: Vec<String> = shown(store, selection, *settings).map(written).collect();
                action = Some(Action::CopyText(lines.join("\n")));
            }
            match ui.available_width() < FILTERS_WIDTH {
                true => {
                    ui.menu_button(tr!("Filter"), |ui| filters_ui(ui, settings));
                }
                false => filters_ui(ui, settings),
            }
        });
    });
    let lines: Vec<&LogLine> = shown(store, selection, *settings).collect();
    if lines.is_empty() {
        let text = match store.log().len() {
            0 => tr!("Events are listed here."),
            _ => tr!("No matching lines."),
        };
        weak_small(ui, text);
        return action;
    }
    let height = ui.text_style_height(&TextStyle::Body);
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.spacing_mut().interact_size.y = height;
    ScrollArea::both()
        .auto_shrink([false, false])
        .stick_to_bottom(true)
        .show_rows(ui, height, lines.len(), |ui, rows| {
            for line in lines.get(rows).unwrap_or_default() {
                line_ui(ui, line, selection);
            }
        });
    action
}

/// Which lines are listed; in a row from the right the first one stands last.
fn filters_ui(ui: &mut Ui, settings: &mut LogSettings) {
    ui.checkbox(&mut settings.of_selected, tr!("Selected runs only"));
    ui.checkbox(&mut settings.of_trouble, tr!("Warnings and errors only"));
}

/// The lines that are listed, oldest first.
fn shown<'a>(
    store: &'a RunStore,
    selection: &'a Selection,
    settings: LogSettings,
) -> impl Iterator<Item = &'a LogLine> {
    store.log().filter(move |line| {
        let is_of_choice = match &line.run {
            Some(run) if settings.of_selected => selection.is_selected(run),
            Some(_) | None => true,
        };
        is_of_choice && (!settings.of_trouble || line.level >= LogLevel::Warning)
    })
}

/// What stands in front of a line of this kind.
fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "",
        LogLevel::Note => tr!("note  "),
        LogLevel::Warning => tr!("warning  "),
        LogLevel::Error => tr!("error  "),
    }
}

fn written(line: &LogLine) -> String {
    let run = line.run.as_ref().map_or("", |run| &run.0);
    format!("{run}\t{}{}", level_word(line.level), line.text)
}

fn line_ui(ui: &mut Ui, line: &LogLine, selection: &Selection) {
    let palette = palette(ui.visuals());
    let word = level_word(line.level);
    let colour = match line.level {
        LogLevel::Info => palette.text,
        LogLevel::Note => palette.weak,
        LogLevel::Warning => palette.warning,
        LogLevel::Error => palette.bad,
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        if let Some(run) = &line.run {
            let colour = run_colour(selection.colour(run), ui.visuals());
            let name = cut_middle(ui, &run.0, &FontId::proportional(13.0), NAME_WIDTH);
            ui.label(RichText::new(name).color(colour));
        }
        ui.label(RichText::new(format!("{word}{}", line.text)).color(colour));
    });
}
