//! Controls of the configuration that no other form has.

use eframe::egui::{Response, TextEdit, Ui};

use crate::kernels::device::{AdapterSummary, DeviceChoice};
use crate::protocol::fields::choice::Choice;
use crate::protocol::fields::field::Field;
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::widgets::choices::{combo, pick};

/// One of several; a file is chosen in a dialog, and then is the choice.
pub fn choice_ui(
    ui: &mut Ui,
    field: &Field,
    value: &mut dyn Choice,
    actions: &mut Vec<Action>,
) -> Response {
    let mut names = value.names();
    let shown = value.name();
    // Opens the list of published models, beside those that are here.
    let get_model = tr!("Get a model…");
    if field.path == "model.checkpoint" {
        names.push(get_model.into());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    pick(ui, field.path, &shown, &names, |idx| {
        match file_of(field.path, names[idx]) {
            Some(file) => actions.push(Action::Choose(file)),
            None if names[idx] == get_model => actions.push(Action::OpenModels),
            None => value.choose(idx),
        }
    })
}

/// The dialog that makes a choice.
fn file_of(path: &str, name: &str) -> Option<PathFor> {
    let is_file = name == tr!("File");
    match path {
        "model.checkpoint" if is_file => Some(PathFor::Checkpoint),
        "model.checkpoint" if name == tr!("Folder") => Some(PathFor::CheckpointFolder),
        "model.vocabulary" if is_file => Some(PathFor::Vocabulary),
        "data.source.template" if is_file => Some(PathFor::Template),
        "method.start" if name == tr!("State file") => Some(PathFor::StartState),
        _ => None,
    }
}

/// Where to compute.
pub fn device(
    ui: &mut Ui,
    device: &mut DeviceChoice,
    adapters: Option<&[AdapterSummary]>,
) -> Response {
    let adapters = adapters.unwrap_or_default();
    let mut offered = vec![DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu];
    offered.extend(adapters.iter().map(|of| DeviceChoice::GpuIndex(of.index)));
    if !offered.contains(device) {
        offered.push(*device);
    }
    let name = |choice: DeviceChoice| {
        let known = adapters
            .iter()
            .find(|adapter| choice == DeviceChoice::GpuIndex(adapter.index));
        known.map_or_else(|| choice.name(), |adapter| adapter.name.clone())
    };
    let names: Vec<String> = offered.iter().map(|choice| name(*choice)).collect();
    let choices: Vec<(DeviceChoice, &str)> = offered
        .iter()
        .zip(&names)
        .map(|(choice, name)| (*choice, name.as_str()))
        .collect();
    combo(ui, "device", device, &choices)
}

/// Numbers with commas between them.
pub fn numbers(ui: &mut Ui, chosen: &mut Vec<usize>) -> Response {
    let id = ui.make_persistent_id("layers as text");
    let printed = chosen
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    // What is typed need not be a list yet.
    let mut text = ui
        .data(|data| data.get_temp::<String>(id))
        .unwrap_or(printed);
    let field = ui.add(TextEdit::singleline(&mut text).id(id).desired_width(140.0));
    if field.changed() {
        let parsed: Result<Vec<usize>, _> =
            text.split(',').map(|part| part.trim().parse()).collect();
        *chosen = parsed.unwrap_or_default();
    }
    if field.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, text));
    } else {
        ui.data_mut(|data| data.remove::<String>(id));
    }
    field
}
