//! Drop-downs, and paths that are chosen in a dialog.

use std::path::{Path, PathBuf};

use eframe::egui::{ComboBox, Response, RichText, Role, Ui};

use super::controls::{cut_label, named};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;

/// A drop-down of values that are either equal or not.
pub fn combo<T: PartialEq + Clone>(
    ui: &mut Ui,
    id: &str,
    value: &mut T,
    choices: &[(T, &str)],
) -> Response {
    let shown = choices
        .iter()
        .find(|(choice, _)| choice == value)
        .map_or("", |(_, name)| name);
    pick(
        ui,
        id,
        shown,
        &choices.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
        |idx| {
            *value = choices[idx].0.clone();
        },
    )
}

/// A drop-down of names; `chosen` gets the number of another that was taken.
pub fn pick(
    ui: &mut Ui,
    id: &str,
    shown: &str,
    names: &[&str],
    mut chosen: impl FnMut(usize),
) -> Response {
    let width = ui.available_width().max(80.0);
    let combo = ComboBox::from_id_salt(id)
        .width(width)
        .truncate()
        .selected_text(shown);
    let shown_ui = combo.show_ui(ui, |ui| {
        for (idx, name) in names.iter().enumerate() {
            let is_shown = *name == shown;
            // The one that stands there keeps what was put into it.
            if ui.selectable_label(is_shown, *name).clicked() && !is_shown {
                chosen(idx);
            }
        }
    });
    shown_ui.response
}

/// A path that is chosen in a dialog.
pub fn path(ui: &mut Ui, path: &Path, what: PathFor, actions: &mut Vec<Action>) -> Response {
    let chosen = ui.button(tr!("Choose…"));
    if chosen.clicked() {
        actions.push(Action::Choose(what));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| tr!("no file chosen").into());
    cut_label(ui, RichText::new(name).weak()).on_hover_text(path.display().to_string());
    chosen
}

/// A path that can be left out; once chosen it can be taken out again.
pub fn optional_path(
    ui: &mut Ui,
    name: &str,
    chosen: &mut Option<PathBuf>,
    what: PathFor,
    actions: &mut Vec<Action>,
) -> Response {
    let Some(file) = chosen else {
        return path(ui, Path::new(""), what, actions);
    };
    let out = ui.small_button("×");
    let label = tr!("Remove {name}", name);
    named(&out, Role::Button, &label);
    let is_taken_out = out.on_hover_text(tr!("Remove this file")).clicked();
    let response = path(ui, file, what, actions);
    if is_taken_out {
        *chosen = None;
    }
    response
}
