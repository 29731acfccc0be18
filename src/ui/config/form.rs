//! The configuration of the run that Start begins.

use eframe::egui::text::LayoutJob;
use eframe::egui::{
    Align, Button, CollapsingHeader, Layout, Panel, RichText, TextStyle, Ui, UiBuilder,
};

use super::fields::Form;
use super::fit::fit_ui;
use super::history::DraftHistory;
use super::kernel_preview::Distances;
use super::state::Config;
use crate::error::Error;
use crate::format::byte_size;
use crate::language;
use crate::persist::presets::{PRESETS, about};
use crate::protocol::fields::{GROUPS, field_name, with_names};
use crate::protocol::run_spec::RunSpec;
use crate::runs::time_ahead::{Ahead, TimeAhead};
use crate::tuning::spec::Method;
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::shortcuts::{REDO, UNDO};
use crate::ui::shell::theme::{GAP, MARGIN, palette};
use crate::ui::widgets::controls::{
    cut_label, from_right, group_title, primary_button, reserved, scrolled, small_lines,
};
use crate::ui::widgets::field_row::{FieldContext, Problem};

/// Lines above Start: the data, the memory and the time, or what is wrong.
const N_LINES: usize = 3;

/// What is known that the form shows.
pub(crate) struct FormContext<'a> {
    /// How far receptance vectors and support vectors lie apart.
    pub distances: Distances<'a>,
    /// Whether a learning rate is being looked for.
    pub searches: bool,
}

/// What stands between the form and a run.
struct StartContext<'a> {
    problem: Option<&'a Problem>,
    is_busy: bool,
}

/// Draws the form; `is_busy` says that a run is on, behind which another waits.
pub(crate) fn config_form_ui(
    ui: &mut Ui,
    draft: &mut RunSpec,
    config: &Config,
    known: &FormContext<'_>,
    is_busy: bool,
) -> Vec<Action> {
    let wrong = draft.check().err().map(problem);
    let unusable = || config.forecast.problem(draft);
    let problem = wrong.or_else(unusable);
    let mut actions = heading_ui(ui, &config.history);
    let start = Panel::bottom("start")
        .frame(eframe::egui::Frame::new())
        .resizable(false);
    start.show(ui, |ui| {
        let asked = StartContext {
            problem: problem.as_ref(),
            is_busy,
        };
        actions.extend(start_ui(ui, draft, config, &asked));
    });
    let mut form = Form {
        beside: FieldContext {
            problem: problem.as_ref(),
            defaults: Some(&config.defaults),
            goes_to: config.goes_to.as_deref(),
        },
        adapters: config.adapters.as_deref(),
        distances: known.distances,
        searches: known.searches,
        actions,
    };
    // The scroll bar lies in the margin of the panel, so that the fields end where
    // everything else does.
    let mut room = ui.available_rect_before_wrap();
    room.max.x += f32::from(MARGIN);
    let mut room = ui.new_child(UiBuilder::new().max_rect(room));
    let opens = config.goes_to.is_some();
    scrolled(&mut room, |ui| {
        for of in &GROUPS {
            match of.title {
                "" => form.group_ui(ui, of, draft),
                title => group(ui, language::text(title), of.is_common, opens, |ui| {
                    form.group_ui(ui, of, draft);
                }),
            }
        }
        ui.add_space(GAP);
    });
    let asked = config.defaults.take_asked();
    form.actions.extend(asked.map(Action::ResetField));
    form.actions
}

/// A group of fields; `opens` where one of them is to be seen, whichever it is.
fn group(ui: &mut Ui, title: &str, is_open: bool, opens: bool, content: impl FnOnce(&mut Ui)) {
    ui.add_space(6.0);
    CollapsingHeader::new(RichText::new(title).size(13.5).strong())
        .default_open(is_open)
        .open(opens.then_some(true))
        .show_unindented(ui, content);
}

/// The field that an error is about.
fn problem(error: Error) -> Problem {
    match error {
        Error::Spec { field, reason } => Problem { field, reason },
        Error::Input { .. }
        | Error::Changed { .. }
        | Error::Io { .. }
        | Error::Device(_)
        | Error::Stopped => Problem {
            field: String::new(),
            reason: error.to_string(),
        },
    }
}

fn heading_ui(ui: &mut Ui, history: &DraftHistory) -> Vec<Action> {
    let mut actions = Vec::new();
    ui.horizontal(|ui| {
        group_title(ui, tr!("Configuration"));
        from_right(ui, |ui| {
            ui.menu_button(tr!("More"), |ui| {
                let steps = [
                    (tr!("Undo"), UNDO, history.can_undo(), Action::UndoDraft),
                    (tr!("Redo"), REDO, history.can_redo(), Action::RedoDraft),
                ];
                for (text, keys, is_possible, action) in steps {
                    let keys = ui.ctx().format_shortcut(&keys);
                    let button = Button::new(text).shortcut_text(keys);
                    if ui.add_enabled(is_possible, button).clicked() {
                        actions.push(action);
                    }
                }
                ui.separator();
                let hint = tr!("Compare both orientations of a state, and start from it");
                if ui
                    .button(tr!("Import a state…"))
                    .on_hover_text(hint)
                    .clicked()
                {
                    actions.push(Action::OpenImport);
                    ui.close();
                }
                let hint = tr!("Right answers of the model to questions that can be checked");
                let sample = ui.button(tr!("Sample training data…"));
                if sample.on_hover_text(hint).clicked() {
                    actions.push(Action::OpenSampling);
                    ui.close();
                }
                let items = [
                    (tr!("Open…"), Action::Choose(PathFor::OpenSpec)),
                    (tr!("Save as…"), Action::Choose(PathFor::SaveSpec)),
                    (tr!("Copy as command line"), Action::CopyCommandLine),
                    (tr!("Copy as RON"), Action::CopyRon),
                ];
                for (text, action) in items {
                    if ui.button(text).clicked() {
                        actions.push(action);
                        ui.close();
                    }
                }
            });
            let presets = ui.menu_button(tr!("Presets"), |ui| {
                for (name, text) in PRESETS {
                    let about = about(text);
                    let button = ui.button(*name).on_hover_text(language::text(&about));
                    if button.clicked() {
                        actions.push(Action::UsePreset(name));
                        ui.close();
                    }
                }
            });
            presets
                .response
                .on_hover_text(tr!("Presets that ship with the program"));
        });
    });
    actions
}

/// What the run takes, and the button that begins it.
fn start_ui(
    ui: &mut Ui,
    draft: &RunSpec,
    config: &Config,
    asked: &StartContext<'_>,
) -> Vec<Action> {
    let StartContext { problem, is_busy } = *asked;
    ui.add_space(6.0);
    // Start stays where it is while these come and go.
    let height = small_lines(ui, N_LINES);
    let mut actions = Vec::new();
    reserved(ui, height, |ui| match problem {
        Some(problem) => problem_ui(ui, problem),
        None => actions.extend(estimate_ui(ui, draft, config)),
    });
    let text = if is_busy {
        tr!("Start after the current run")
    } else {
        tr!("Start")
    };
    let width = ui.available_width();
    let button = primary_button(ui, text, problem.is_none(), width);
    let hint = tr!("Tune in a new folder; measure before and after");
    if button.on_hover_text(hint).clicked() {
        actions.push(Action::Start);
    }
    actions
}

/// What is wrong, in as many lines as there are; the whole is in the tooltip.
fn problem_ui(ui: &mut Ui, Problem { field, reason }: &Problem) {
    let text = if field.is_empty() {
        format!("× {}", with_names(reason))
    } else {
        format!("× {} {}", field_name(field), with_names(reason))
    };
    let font = TextStyle::Small.resolve(ui.style());
    let bad = palette(ui.visuals()).bad;
    let mut job = LayoutJob::simple(text, font, bad, ui.available_width());
    job.wrap.max_rows = N_LINES;
    ui.label(job);
}

fn line_ui(ui: &mut Ui, text: impl Into<String>) -> eframe::egui::Response {
    cut_label(ui, RichText::new(text).small().weak())
}

fn estimate_ui(ui: &mut Ui, draft: &RunSpec, config: &Config) -> Option<Action> {
    // The Fit button is no higher than a line of text, so that all fits into the lines
    // that are reserved.
    let line_height = ui.text_style_height(&TextStyle::Small);
    let spacing = ui.spacing_mut();
    spacing.interact_size.y = line_height;
    spacing.button_padding.y = 0.0;
    let mut action = None;
    let Some(Ok(seen)) = config.forecast.of(draft) else {
        line_ui(ui, tr!("Reading the model's dimensions and the data"));
        return action;
    };
    let items = seen
        .n_items
        .map_or(String::new(), |n| tr!(", {n} items", n));
    let line = tr!(
        "{} examples, {} held out{items}",
        seen.n_train,
        seen.n_validation,
        items
    );
    let line = line_ui(ui, line);
    if !seen.notes.is_empty() {
        line.on_hover_text(seen.notes.join("\n"));
    }
    if let Some(memory) = config.forecast.memory(draft) {
        let total = memory.total();
        let device = config.forecast.device_memory(draft);
        let of_device = device.map_or(String::new(), |bytes| tr!(" of {}", byte_size(bytes)));
        let is_too_large = device.is_some_and(|bytes| total > bytes);
        let text = tr!(
            "Largest step about {}{of_device}",
            byte_size(total),
            of_device
        );
        let hint = tr!(
            "{memory}\n\nEstimated from the model's dimensions and the longest example. It has no weight gradients, since none are computed.",
            memory
        );
        if is_too_large {
            let warning = palette(ui.visuals()).warning;
            from_right_of(
                ui,
                |ui| action = fit_ui(ui, draft, config),
                |ui| {
                    let text = RichText::new(format!("! {text}")).small();
                    cut_label(ui, text.color(warning)).on_hover_text(&hint);
                },
            );
            let remedy = tr!("Choose a smaller batch or recompute activations, or use Fit");
            cut_label(ui, RichText::new(remedy).small().color(warning)).on_hover_text(&hint);
            return action;
        }
        from_right_of(
            ui,
            |ui| action = fit_ui(ui, draft, config),
            |ui| {
                line_ui(ui, text).on_hover_text(hint);
            },
        );
    }
    let ahead = Ahead {
        model: &seen.model,
        example_tokens: seen.example_tokens,
        n_validation: seen.n_validation,
        n_items: seen.n_items.unwrap_or_default(),
    };
    match config.measured.ahead(draft, ahead) {
        Some(told) => {
            let (text, hint) = time_words(&told);
            line_ui(ui, text).on_hover_text(hint);
        }
        None => {
            let text = match draft.method {
                Method::Base => tr!("No training steps"),
                Method::Standard(_)
                | Method::Lifted(_)
                | Method::PaperLiteral(_)
                | Method::Lora(_) => tr!("Time is known after a similar run"),
            };
            line_ui(ui, text);
        }
    }
    action
}

/// One line with something at its right end.
fn from_right_of(ui: &mut Ui, right: impl FnOnce(&mut Ui), left: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        from_right(ui, |ui| {
            right(ui);
            ui.with_layout(Layout::left_to_right(Align::Center), left);
        });
    });
}

/// How long it takes, and what that is known from.
fn time_words(told: &TimeAhead) -> (String, String) {
    let TimeAhead {
        time,
        from,
        is_scaled,
        has_evaluations,
    } = told;
    let part = match has_evaluations {
        true => "",
        false => tr!(" for the steps"),
    };
    let text = tr!("About {}{part}", time.words(), part);
    let mut hint = match (from, is_scaled) {
        (None, _) => tr!("From the scoring of earlier runs.").to_owned(),
        (Some(from), false) => tr!(
            "Measured on {} and on other runs with the same model, data, device and batch. The validation checks are included.",
            from.0
        ),
        (Some(from), true) => tr!(
            "Scaled from {} and other runs with the same model and device, by the tokens of a step and the computed cost of a token.",
            from.0
        ),
    };
    if !has_evaluations {
        hint.push_str(tr!(" The time to measure accuracy is not known yet."));
    }
    (text, hint)
}
