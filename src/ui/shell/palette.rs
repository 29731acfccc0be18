//! The command palette.

use eframe::egui::{Align, Context, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use super::docking::Dock;
use super::path_dialogs::PathFor;
use super::pictures::{PictureOf, is_placed};
use super::shortcuts::{ActsOn, listed_shortcuts};
use super::theme::{blend, palette};
use crate::language::{self, Language};
use crate::persist::presets::PRESETS;
use crate::ui::shared::action::{Action, SidePanel};
use crate::ui::shared::tab::{Side, Tab};
use crate::ui::sweep::action::SweepAction;
use crate::ui::widgets::controls::{modal, weak_small};
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::status_mark::status_word;

/// Runs that are listed among the entries.
const MAX_RUNS: usize = 200;
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

/// Something that can be done, or why not just now.
struct Entry {
    text: String,
    keys: String,
    action: Result<Action, &'static str>,
}

/// What the list is of besides what keys act on.
pub(crate) struct PaletteContext<'a> {
    /// Where the views stand.
    pub dock: &'a Dock,
    /// Whether deleted runs can be put back.
    pub can_undelete: bool,
    /// The fields of the configuration: paths, names and values.
    pub fields: &'a [[String; 3]],
    /// The sweep that is looked at: its name, and what keeps it from going on.
    pub sweep: Option<(&'a str, Result<(), &'static str>)>,
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
        Err(reason) => (RichText::new(&entry.text).weak(), *reason),
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

fn entries(ctx: &Context, on: &ActsOn<'_>, listed: &PaletteContext<'_>) -> Vec<Entry> {
    let ActsOn {
        store, selection, ..
    } = on;
    let PaletteContext {
        dock,
        can_undelete,
        fields,
        sweep,
    } = *listed;
    let mut entries: Vec<Entry> = listed_shortcuts(on)
        .map(|(shortcut, action)| Entry {
            text: language::text(shortcut.what).into(),
            keys: ctx.format_shortcut(&shortcut.keys),
            action,
        })
        .collect();
    // What can be done comes first.
    entries.sort_by_key(|entry| entry.action.is_err());
    if let Some((name, can_go_on)) = sweep {
        entries.push(Entry {
            text: tr!("Continue the sweep {name}", name),
            keys: String::new(),
            action: can_go_on.map(|()| Action::Sweep(SweepAction::GoOn { retry: false })),
        });
    }
    let mut add = |text: String, action: Action| {
        entries.push(Entry {
            text,
            keys: String::new(),
            action: Ok(action),
        });
    };
    let panels = [
        (tr!("the list of runs"), SidePanel::Runs),
        (tr!("the configuration"), SidePanel::Form),
        (tr!("the log"), SidePanel::Log),
    ];
    for (name, panel) in panels {
        add(tr!("Show or hide {name}", name), Action::TogglePanel(panel));
    }
    for tab in Tab::ALL {
        for side in Side::ALL {
            let text = tr!("Show {} {}", tab.name(), side.words());
            add(text, Action::Put(tab, side));
        }
        if dock.is_split() && dock.has(tab) {
            let text = tr!("Close the view {}", tab.name());
            add(text, Action::CloseView(tab));
        }
    }
    if dock.is_split() {
        add(tr!("Show only one view").into(), Action::JoinViews);
    }
    add(tr!("Reset the layout").into(), Action::ResetLayout);
    let views = Tab::ALL.into_iter().filter(|tab| dock.shows(*tab));
    let plots = [Metric::Loss].into_iter().chain(Metric::SMALL);
    let parts =
        plots
            .map(PictureOf::Plot)
            .chain([PictureOf::Matrix, PictureOf::Heads, PictureOf::Sweep]);
    let shown = [PictureOf::Window]
        .into_iter()
        .chain(views.map(PictureOf::View))
        .chain(parts.filter(|of| is_placed(ctx, *of)));
    for of in shown {
        let text = tr!("Save a picture of {}", of.words());
        add(text, Action::SavePicture(of));
        if let PictureOf::Plot(metric) = of {
            let text = tr!("Save {} as SVG", of.words());
            add(text, Action::SaveSvg(metric));
        }
    }
    let english = Action::SetLanguage(Some(Language::English));
    add("Use English".into(), english);
    let chinese = Action::SetLanguage(Some(Language::Chinese));
    add(tr!("Use Chinese").into(), chinese);
    for (name, _) in PRESETS {
        add(tr!("Use the preset {name}", name), Action::UsePreset(name));
    }
    add(tr!("Copy the configuration as RON").into(), Action::CopyRon);
    add(tr!("Copy the sweep as RON").into(), Action::CopySweepRon);
    add(
        tr!("Open a sweep as RON").into(),
        Action::Choose(PathFor::OpenSweep),
    );
    add(
        tr!("Save the sweep as RON").into(),
        Action::Choose(PathFor::SaveSweep),
    );
    add(tr!("Preview the training data").into(), Action::LookAtData);
    add(
        tr!("Sample training data from a model").into(),
        Action::OpenSampling,
    );
    add(tr!("Find a learning rate").into(), Action::OpenRateSearch);
    add(tr!("Get a published model").into(), Action::OpenModels);
    add(
        tr!("Choose a model").into(),
        Action::Choose(PathFor::Checkpoint),
    );
    let folder = Action::Choose(PathFor::CheckpointFolder);
    add(tr!("Choose the folder of a model").into(), folder);
    add(
        tr!("Import a state of another program").into(),
        Action::OpenImport,
    );
    add(
        tr!("Save diagnostics").into(),
        Action::SaveDiagnostics(None),
    );
    if !selection.selected.is_empty() {
        add(
            tr!("Save a report of the selected runs").into(),
            Action::SaveReport(selection.selected.clone()),
        );
    }
    if let Some(run) = selection.focused().and_then(|id| store.get(id)) {
        let title = run.title();
        add(
            tr!("Show the details of {title}", title),
            Action::OpenDetails(run.id.clone()),
        );
        add(
            tr!("Edit name, tags and note of {title}", title),
            Action::EditLabels(run.id.clone()),
        );
        add(
            tr!("Run {title} again", title),
            Action::RunAgain(run.id.clone()),
        );
        add(
            tr!("Run {title} again with changes", title),
            Action::UseSpecOf(run.id.clone()),
        );
        add(
            tr!("Pin {title} as the baseline", title),
            Action::Pin(Some(run.id.clone())),
        );
        if run.status.is_over() {
            add(
                tr!("Measure the accuracy of {title}", title),
                Action::OpenScoring(run.id.clone()),
            );
        }
        if !run.exported.is_empty() {
            add(
                tr!("Export the state of {title}", title),
                Action::OpenExport(run.id.clone()),
            );
            add(
                tr!("Start from the state of {title}", title),
                Action::StartFrom(run.id.clone()),
            );
        }
    }
    if can_undelete {
        add(tr!("Restore the deleted runs").into(), Action::Undelete);
    }
    if selection.baseline.is_some() {
        add(tr!("Unpin the baseline").into(), Action::Pin(None));
    }
    for [path, name, value] in fields {
        add(
            tr!(
                "Go to the field {name}, {path} = {value}",
                name,
                path,
                value
            ),
            Action::GoToField(path.clone()),
        );
    }
    for run in store.runs().iter().rev().take(MAX_RUNS) {
        let word = status_word(&run.status).to_lowercase();
        add(
            tr!("Show the run {}, {word}", run.title(), word),
            Action::Select(run.id.clone()),
        );
    }
    entries
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
