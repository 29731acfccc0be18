//! Choices of a specification that carry fields of their own.

use std::path::{Path, PathBuf};

use eframe::egui::{ComboBox, Response, RichText, Role, TextEdit, Ui};

use super::super::action::Action;
use super::super::dialogs::PathFor;
use super::super::widgets::controls::{cut_label, named};
use crate::data::{Benchmark, Template};
use crate::kernels::device::{AdapterSummary, DeviceChoice};
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::tuning::spec::{Layers, OptimizerSpec, Schedule, SelectBy, StartState};

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

/// A drop-down of names; `chosen` gets the number of the one that was taken.
fn pick(
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
            if ui.selectable_label(*name == shown, *name).clicked() {
                chosen(idx);
            }
        }
    });
    shown_ui.response
}

/// Where to compute.
pub fn device(
    ui: &mut Ui,
    device: &mut DeviceChoice,
    adapters: Option<&[AdapterSummary]>,
) -> Response {
    let mut choices = vec![
        (DeviceChoice::Auto, "Automatic".to_owned()),
        (DeviceChoice::Cpu, "CPU".to_owned()),
        (DeviceChoice::Gpu, "First GPU".to_owned()),
    ];
    for adapter in adapters.unwrap_or_default() {
        choices.push((DeviceChoice::GpuIndex(adapter.index), adapter.name.clone()));
    }
    if !choices.iter().any(|(choice, _)| choice == device) {
        choices.push((*device, device.to_string()));
    }
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
    let shown = match value {
        CheckpointSource::Mini => "Mini, 7 M",
        CheckpointSource::File(_) => "File",
    };
    pick(
        ui,
        "checkpoint",
        shown,
        &["Mini, 7 M", "File"],
        |idx| match idx {
            0 => *value = CheckpointSource::Mini,
            _ => actions.push(Action::Choose(PathFor::Checkpoint)),
        },
    )
}

/// The vocabulary.
pub fn vocabulary(
    ui: &mut Ui,
    value: &mut VocabularySource,
    actions: &mut Vec<Action>,
) -> Response {
    let names = ["By the model", "Mini", "World", "File"];
    let shown = match value {
        VocabularySource::Auto => names[0],
        VocabularySource::Mini => names[1],
        VocabularySource::World => names[2],
        VocabularySource::File(_) => names[3],
    };
    pick(ui, "vocabulary", shown, &names, |idx| match idx {
        0 => *value = VocabularySource::Auto,
        1 => *value = VocabularySource::Mini,
        2 => *value = VocabularySource::World,
        _ => actions.push(Action::Choose(PathFor::Vocabulary)),
    })
}

/// The data set.
pub fn source(ui: &mut Ui, value: &mut DataSource) -> Response {
    let mut names: Vec<String> = Benchmark::ALL
        .iter()
        .map(|of| of.mini_name().to_owned())
        .collect();
    names.extend(
        Benchmark::ALL
            .iter()
            .map(|of| format!("{} (official files)", of.name())),
    );
    names.push("Texts of your own".to_owned());
    let place = |of: &Benchmark| {
        Benchmark::ALL
            .iter()
            .position(|other| other == of)
            .unwrap_or_default()
    };
    let n = Benchmark::ALL.len();
    let at = match value {
        DataSource::Mini(of) => place(of),
        DataSource::Official { benchmark, .. } => n + place(benchmark),
        DataSource::Jsonl { .. } => 2 * n,
    };
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    pick(ui, "source", shown[at], &shown, |idx| {
        *value = if idx < n {
            DataSource::Mini(Benchmark::ALL[idx])
        } else if idx < 2 * n {
            DataSource::Official {
                benchmark: Benchmark::ALL[idx - n],
                folder: PathBuf::new(),
            }
        } else {
            DataSource::Jsonl {
                train: PathBuf::new(),
                validation: None,
                template: Template::default(),
            }
        };
    })
}

/// A path that is chosen in a dialog.
pub fn path(ui: &mut Ui, path: &Path, what: PathFor, actions: &mut Vec<Action>) -> Response {
    let chosen = ui.button("Choose…");
    if chosen.clicked() {
        actions.push(Action::Choose(what));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "nothing chosen".into());
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
    let label = format!("{name}, take it out");
    named(&out, Role::Button, &label);
    let is_taken_out = out.on_hover_text("Go without this file").clicked();
    let response = path(ui, file, what, actions);
    if is_taken_out {
        *chosen = None;
    }
    response
}

/// The layers whose S_0 is trained.
pub fn layers(ui: &mut Ui, value: &mut Layers) -> Response {
    let shown = match value {
        Layers::All => "All",
        Layers::Only(_) => "Only",
    };
    pick(ui, "layers", shown, &["All", "Only"], |idx| {
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
    let names = ["Zero", "A state file", "The state after a text"];
    let shown = match value {
        StartState::Zero => names[0],
        StartState::File(_) => names[1],
        StartState::Text(_) => names[2],
    };
    pick(ui, "start", shown, &names, |idx| match idx {
        0 => *value = StartState::Zero,
        1 => actions.push(Action::Choose(PathFor::StartState)),
        _ => *value = StartState::Text(String::new()),
    })
}

/// The optimiser.
pub fn optimizer(ui: &mut Ui, value: &mut OptimizerSpec) -> Response {
    let names = ["Adam", "AdamW", "SGD"];
    let shown = match value {
        OptimizerSpec::Adam { .. } => names[0],
        OptimizerSpec::AdamW { .. } => names[1],
        OptimizerSpec::Sgd { .. } => names[2],
    };
    let (beta1, beta2, epsilon) = match *value {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        }
        | OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            ..
        } => (beta1, beta2, epsilon),
        OptimizerSpec::Sgd { .. } => (0.9, 0.99, 1e-8),
    };
    pick(ui, "optimizer", shown, &names, |idx| {
        *value = match idx {
            0 => OptimizerSpec::Adam {
                beta1,
                beta2,
                epsilon,
            },
            1 => OptimizerSpec::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay: 0.01,
            },
            _ => OptimizerSpec::Sgd { momentum: 0.9 },
        };
    })
}

/// Which state a run hands over.
pub fn select_by(ui: &mut Ui, value: &mut SelectBy) -> Response {
    let names = ["lowest loss", "most right", "last step"];
    let shown = match *value {
        SelectBy::ValidationLoss => names[0],
        SelectBy::ValidationAccuracy => names[1],
        SelectBy::LastStep => names[2],
    };
    pick(ui, "select_by", shown, &names, |idx| {
        *value = match idx {
            0 => SelectBy::ValidationLoss,
            1 => SelectBy::ValidationAccuracy,
            _ => SelectBy::LastStep,
        };
    })
}

/// How the rate falls.
pub fn schedule(ui: &mut Ui, value: &mut Schedule) -> Response {
    let names = ["Cosine", "Linear", "Constant"];
    let (shown, last) = match *value {
        Schedule::Cosine { last } => (names[0], last),
        Schedule::Linear { last } => (names[1], last),
        Schedule::Constant => (names[2], 0.05),
    };
    pick(ui, "schedule", shown, &names, |idx| {
        *value = match idx {
            0 => Schedule::Cosine { last },
            1 => Schedule::Linear { last },
            _ => Schedule::Constant,
        };
    })
}
