//! Choices of a specification that carry fields of their own.

use std::path::PathBuf;

use eframe::egui::{Response, TextEdit, Ui};

use super::defaults::{optimizers, rules, schedules, texts};
use super::names;
use crate::data::Benchmark;
use crate::kernels::device::{AdapterSummary, DeviceChoice};
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::tuning::spec::{DecorrelationRule, Layers, OptimizerSpec, Schedule, StartState};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::widgets::choices::{combo, pick};

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
    let choices: Vec<(DeviceChoice, String)> = offered
        .into_iter()
        .map(|choice| (choice, names::device(choice, adapters)))
        .collect();
    let choices: Vec<(DeviceChoice, &str)> = choices
        .iter()
        .map(|(choice, name)| (*choice, name.as_str()))
        .collect();
    combo(ui, "device", device, &choices)
}

/// The weights.
pub fn checkpoint(
    ui: &mut Ui,
    value: &mut CheckpointSource,
    actions: &mut Vec<Action>,
) -> Response {
    let names = names::CHECKPOINTS;
    let shown = names[names::checkpoint(value)];
    pick(ui, "checkpoint", shown, &names, |idx| match idx {
        0 => *value = CheckpointSource::Mini,
        2 => actions.push(Action::Choose(PathFor::CheckpointFolder)),
        _ => actions.push(Action::Choose(PathFor::Checkpoint)),
    })
}

/// The vocabulary.
pub fn vocabulary(
    ui: &mut Ui,
    value: &mut VocabularySource,
    actions: &mut Vec<Action>,
) -> Response {
    let names = names::VOCABULARIES;
    let shown = names[names::vocabulary(value)];
    pick(ui, "vocabulary", shown, &names, |idx| match idx {
        0 => *value = VocabularySource::Auto,
        1 => *value = VocabularySource::Mini,
        2 => *value = VocabularySource::World,
        _ => actions.push(Action::Choose(PathFor::Vocabulary)),
    })
}

/// The data set.
pub fn source(ui: &mut Ui, value: &mut DataSource) -> Response {
    let mini = Benchmark::ALL.map(DataSource::Mini);
    let official = Benchmark::ALL.map(|benchmark| DataSource::Official {
        benchmark,
        folder: PathBuf::new(),
    });
    let offered: Vec<DataSource> = mini.into_iter().chain(official).chain([texts()]).collect();
    let names: Vec<String> = offered.iter().map(names::source).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = names::source(value);
    pick(ui, "source", &shown, &names, |idx| {
        *value = offered[idx].clone();
    })
}

/// The layers whose S_0 is trained.
pub fn layers(ui: &mut Ui, value: &mut Layers) -> Response {
    let names = names::LAYERS;
    pick(ui, "layers", names[names::layers(value)], &names, |idx| {
        *value = if idx == 0 {
            Layers::All
        } else {
            Layers::Only(vec![0])
        };
    })
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

/// What S_0 starts from.
pub fn start(ui: &mut Ui, value: &mut StartState, actions: &mut Vec<Action>) -> Response {
    let names = names::STARTS;
    pick(
        ui,
        "start",
        names[names::start(value)],
        &names,
        |idx| match idx {
            0 => *value = StartState::Zero,
            1 => actions.push(Action::Choose(PathFor::StartState)),
            _ => *value = StartState::Text(String::new()),
        },
    )
}

/// The optimiser.
pub fn optimizer(ui: &mut Ui, value: &mut OptimizerSpec) -> Response {
    let names = names::OPTIMIZERS;
    let shown = names[names::optimizer(value)];
    let all = optimizers(*value);
    pick(ui, "optimizer", shown, &names, |idx| *value = all[idx])
}

/// How the rate falls.
pub fn schedule(ui: &mut Ui, value: &mut Schedule) -> Response {
    let names = names::SCHEDULES;
    let all = schedules(*value);
    let shown = names[names::schedule(value)];
    pick(ui, "schedule", shown, &names, |idx| *value = all[idx])
}

/// How R follows the features.
pub fn rule(ui: &mut Ui, value: &mut DecorrelationRule) -> Response {
    let names = names::RULES;
    let all = rules(*value);
    let shown = names[names::rule(value)];
    pick(ui, "rule of R", shown, &names, |idx| *value = all[idx])
}
