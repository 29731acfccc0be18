//! The fields of the configuration, as the table of fields has them.

use std::path::Path;

use eframe::egui::{Align2, Response, TextEdit, Ui};

use super::choices::{choice_ui, device, numbers};
use super::kernel_preview::{Distances, kernel_preview_ui};
use super::method::method_ui;
use crate::kernels::device::AdapterSummary;
use crate::language;
use crate::model::checkpoint::has_ending_of_weights;
use crate::protocol::fields::Group;
use crate::protocol::fields::field::{Control, Field};
use crate::protocol::fields::slot::Slot;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::{EarlyStopping, Gamma};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::widgets::choices;
use crate::ui::widgets::field_row::{
    FieldContext, count, log_slider, optional, real, row, seed, set_check, slider, whole_slider,
    within,
};

/// What every group is drawn with.
pub struct Form<'a> {
    /// What is known of the fields besides their values.
    pub beside: FieldContext<'a>,
    /// The GPUs, once they are known.
    pub adapters: Option<&'a [AdapterSummary]>,
    /// How far receptance vectors and support vectors lie apart.
    pub distances: Distances<'a>,
    /// Whether a learning rate is being looked for.
    pub searches: bool,
    /// What the user asks for.
    pub actions: Vec<Action>,
}

impl Form<'_> {
    /// Draws the fields of a group that the configuration uses.
    pub fn group_ui(&mut self, ui: &mut Ui, group: &Group, spec: &mut RunSpec) {
        let mut above = "";
        for field in group.fields {
            if field.is_used(spec) {
                // What is wrong with both is said of the first.
                let beside = match field.path == above {
                    true => self.beside.within(),
                    false => self.beside,
                };
                self.field_ui(ui, field, spec, beside);
            }
            self.below_ui(ui, field.path, spec);
            above = field.path;
        }
    }

    fn field_ui(
        &mut self,
        ui: &mut Ui,
        field: &Field,
        spec: &mut RunSpec,
        beside: FieldContext<'_>,
    ) {
        match field.path {
            "method" => method_ui(ui, field, &mut spec.method, beside),
            "device" => row(ui, field, beside, |ui, _| {
                device(ui, &mut spec.device, self.adapters)
            }),
            _ => {
                let Some(slot) = field.slot(spec) else { return };
                row(ui, field, beside, |ui, field| {
                    slot_ui(ui, field, slot, &mut self.actions)
                });
            }
        }
    }

    /// Draws what stands below a field, be that used or not.
    fn below_ui(&mut self, ui: &mut Ui, path: &str, spec: &RunSpec) {
        match path {
            "data.append_end" => within(ui, |ui| {
                let hint = tr!(
                    "Reads the training data and shows it as the model sees it: lengths, the first examples in tokens, and what is left out"
                );
                if ui
                    .button(tr!("Preview data…"))
                    .on_hover_text(hint)
                    .clicked()
                {
                    self.actions.push(Action::LookAtData);
                }
            }),
            "training.learning_rate" => within(ui, |ui| {
                let text = match self.searches {
                    true => tr!("Finding learning rate…"),
                    false => tr!("Find learning rate…"),
                };
                let hint = tr!(
                    "Tries increasing rates on this configuration when the worker is free and plots the loss; nothing is written"
                );
                if ui.button(text).on_hover_text(hint).clicked() {
                    self.actions.push(Action::OpenRateSearch);
                }
            }),
            "method.features.gamma" => {
                if let Some(lifting) = spec.method.lifting() {
                    let asked = kernel_preview_ui(ui, &lifting.features, self.distances);
                    self.actions.extend(asked);
                }
            }
            _ => {}
        }
    }
}

/// Draws the control of a value.
fn slot_ui(ui: &mut Ui, field: &Field, slot: Slot<'_>, actions: &mut Vec<Action>) -> Response {
    match slot {
        Slot::Count(value) => match field.control {
            Control::LogSlider(first, last) => {
                whole_slider(ui, field, value, first as usize..=last as usize)
            }
            Control::Typed | Control::Slider => count(ui, field, value),
        },
        Slot::Seed(value) => seed(ui, field, value),
        Slot::Real(value) => real_ui(ui, field, value),
        Slot::OptionalCount(value) => optional(ui, field, value, field.first as usize, count),
        Slot::OptionalReal(value) => optional(ui, field, value, field.first, real_ui),
        Slot::Patience(value) => {
            let mut patience = value.map(|stopping| stopping.patience);
            let response = optional(ui, field, &mut patience, field.first as usize, count);
            *value = patience.map(|patience| EarlyStopping { patience });
            response
        }
        Slot::Gamma(value) => gamma_ui(ui, field, value),
        Slot::Switch(value) => ui.checkbox(value, tr!("on")),
        Slot::Choice(value) => choice_ui(ui, field, value, actions),
        Slot::Text(value) => {
            let text = match field.path {
                "name" => TextEdit::singleline(value).align(Align2::LEFT_CENTER),
                _ => TextEdit::multiline(value).desired_rows(2),
            };
            ui.add(text.desired_width(f32::INFINITY))
        }
        Slot::Path(path) => choices::path(ui, path, path_for(field.path, path), actions),
        Slot::OptionalPath(path) => {
            let what = path_for(field.path, path.as_deref().unwrap_or(Path::new("")));
            choices::optional_path(ui, language::text(field.label), path, what, actions)
        }
        Slot::Layers(layers) => numbers(ui, layers),
    }
}

fn real_ui(ui: &mut Ui, field: &Field, value: &mut f64) -> Response {
    match field.control {
        Control::Typed => real(ui, field, value),
        Control::Slider => slider(ui, field, value),
        Control::LogSlider(first, last) => log_slider(ui, field, value, first..=last),
    }
}

fn gamma_ui(ui: &mut Ui, field: &Field, gamma: &mut Gamma) -> Response {
    let mut is_number = matches!(gamma, Gamma::Value(_));
    let check = set_check(ui, field, &mut is_number);
    match (is_number, &gamma) {
        (true, Gamma::Median) => *gamma = Gamma::Value(field.first),
        (false, Gamma::Value(_)) => *gamma = Gamma::Median,
        (true, Gamma::Value(_)) | (false, Gamma::Median) => {}
    }
    match gamma {
        Gamma::Value(value) => real_ui(ui, field, value) | check,
        Gamma::Median => ui.label(field.absent) | check,
    }
}

/// The dialog in which the path of a field is chosen.
fn path_for(field: &str, path: &Path) -> PathFor {
    match field {
        "model.checkpoint" if !has_ending_of_weights(path) => PathFor::CheckpointFolder,
        "model.vocabulary" => PathFor::Vocabulary,
        "data.source.folder" => PathFor::BenchmarkFolder,
        "data.source.train" => PathFor::Train,
        "data.source.validation" => PathFor::Validation,
        "data.source.template" => PathFor::Template,
        "method.start" => PathFor::StartState,
        _ => PathFor::Checkpoint,
    }
}
