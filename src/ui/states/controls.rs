//! The controls of the states view: matrix, layer, head, colours and the state to
//! subtract.

use eframe::egui::{Button, ComboBox, Id, Ui};

use super::context::{StatesContext, is_of_choice, symbol};
use super::settings::{Beside, ColourRange, CompareWith, StatesSettings};
use crate::colormap::{Limits, Scale};
use crate::model::adapter::AdapterTarget;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::trajectory::Place;
use crate::tuning::method::tuned::Tuned;
use crate::ui::shared::action::Action;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::widgets::controls::{choice, with_name, within};

/// Width of a choice with its name, as of what stands beside the matrix.
const BESIDE_WIDTH: f32 = 152.0;
/// The same of what is taken away from it.
const MINUS_WIDTH: f32 = 142.0;
/// From which width on choices stand side by side.
const WIDE: f32 = 560.0;

/// Draws the choices: what is shown, and how.
pub(super) fn controls_ui(
    ui: &mut Ui,
    look: &mut StatesContext<'_>,
    store: &RunStore,
    tuned: &Tuned,
) {
    let is_wide = ui.available_width() >= WIDE;
    // One row that wraps, so that there are as few as the width allows.
    ui.horizontal_wrapped(|ui| {
        matrix_ui(ui, look.settings, tuned);
        // The kind may just have been chosen.
        look.sizes = look.settings.kind.places(tuned);
        let [n_layer, n_across] = look.sizes;
        let settings = &mut *look.settings;
        picker(ui, tr!("Layer"), &mut settings.layer, n_layer);
        place_picker(ui, false, settings.kind, settings.across(), n_across);
        ui.toggle_value(&mut settings.follows_text, tr!("Follow text"))
            .on_hover_text(tr!(
                "Show how the state changes over the tokens of your text"
            ));
        scale_ui(ui, look.settings, is_wide);
        limits_ui(ui, look);
        if !look.settings.follows_text {
            compare_ui(ui, look, store);
            beside_ui(ui, look, store);
        }
        let save = ui.menu_button(tr!("Save"), |ui| save_ui(ui, look));
        save.response.on_hover_text(tr!(
            "Save the matrix or the grid of all heads as a picture, or the values as a table"
        ));
    });
}

/// What the grid leaves the view as: a picture, and a table of norms.
pub(super) fn every_words(kind: MatrixKind) -> [&'static str; 2] {
    match kind.is_of_adapter() {
        true => [
            tr!("Save every adapter as PNG or SVG…"),
            tr!("Save the norms of every adapter…"),
        ],
        false => [
            tr!("Save every head as PNG or SVG…"),
            tr!("Save the norms of every head…"),
        ],
    }
}

/// What of the view leaves it as a file.
pub(super) fn save_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let newest = look.data.shown.newest();
    let is_shown = newest.is_some_and(|(key, _)| is_of_choice(key, look.settings));
    let mut entry = |ui: &mut Ui, text: &str, action: Action| {
        if ui.add_enabled(is_shown, Button::new(text)).clicked() {
            look.asked = Some(action);
            ui.close();
        }
    };
    let (picture, numbers) = (Action::SavePicture, Action::SaveChartNumbers);
    let (matrix, heads) = (PictureOf::Matrix, PictureOf::Heads);
    entry(ui, tr!("Save as PNG or SVG…"), picture(matrix));
    entry(ui, tr!("Save the values…"), numbers(matrix));
    ui.separator();
    let [every, norms] = every_words(look.settings.kind);
    entry(ui, every, picture(heads));
    entry(ui, norms, numbers(heads));
    ui.separator();
    let of = PictureOf::Chart(Chart::Histogram);
    charts::named_entries_ui(ui, of, tr!("The histogram"));
    let of = PictureOf::Chart(Chart::SingularValues);
    charts::named_entries_ui(ui, of, tr!("The singular values"));
}

fn matrix_ui(ui: &mut Ui, settings: &mut StatesSettings, tuned: &Tuned) {
    let over_text = settings.follows_text;
    let (is_lifted, has_adapters) = (tuned.lift.is_some(), tuned.lora.is_some());
    let has = |kind: MatrixKind| match kind {
        MatrixKind::S0 => true,
        MatrixKind::Z | MatrixKind::Lifted => is_lifted,
        MatrixKind::R => is_lifted && !over_text,
        MatrixKind::A | MatrixKind::B | MatrixKind::Product => has_adapters && !over_text,
    };
    if !has(settings.kind) {
        settings.turn_to(MatrixKind::S0);
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for kind in MatrixKind::ALL.into_iter().filter(|kind| has(*kind)) {
            let button = ui.selectable_label(settings.kind == kind, symbol(kind, over_text));
            if button.on_hover_text(meaning(kind)).clicked() {
                settings.turn_to(kind);
            }
        }
    });
}

fn meaning(kind: MatrixKind) -> &'static str {
    match kind {
        MatrixKind::S0 => tr!("The state: rows are value channels, columns are key channels"),
        MatrixKind::Z => {
            tr!("The trained readout of the branch: rows are value channels, columns are features")
        }
        MatrixKind::Lifted => tr!("The lifted state L, M x M. Its rank is at most N"),
        MatrixKind::R => tr!("The decorrelation matrix of the features; starts as the identity"),
        MatrixKind::A => {
            tr!(
                "A of the adapter: rows are its directions, columns are inputs of the frozen matrix"
            )
        }
        MatrixKind::B => {
            tr!("B of the adapter: rows are outputs of the frozen matrix, columns its directions")
        }
        MatrixKind::Product => {
            tr!("What the adapter adds to the frozen matrix, (alpha / rank) B A")
        }
    }
}

fn scale_ui(ui: &mut Ui, settings: &mut StatesSettings, is_wide: bool) {
    let scales = [
        (Scale::Symmetric, tr!("Symmetric")),
        (Scale::Sequential, tr!("Sequential")),
    ];
    let name = match settings.scale {
        Scale::Symmetric => tr!("Symmetric"),
        Scale::Sequential => tr!("Sequential"),
    };
    let before = settings.scale;
    let label_ui = |ui: &mut Ui| {
        ui.label(tr!("Colours")).on_hover_text(
            tr!("Symmetric: diverging colours, zero is neutral. Sequential: from the smallest value to the largest"),
        )
    };
    if is_wide {
        label_ui(ui);
        choice(ui, &mut settings.scale, &scales);
    } else {
        // The name and its list stay on one line.
        within(ui, BESIDE_WIDTH, |ui| {
            let label = label_ui(ui);
            scale_list_ui(ui, settings, &scales, name, label.id);
        });
    }
    if before != settings.scale && matches!(settings.range, ColourRange::Locked(_)) {
        // They were those of the other scale.
        settings.range = ColourRange::Shared;
    }
}

fn scale_list_ui(
    ui: &mut Ui,
    settings: &mut StatesSettings,
    scales: &[(Scale, &str)],
    name: &str,
    label: Id,
) {
    let width = 86.0;
    let list = ComboBox::from_id_salt("colours")
        .width(width)
        .selected_text(name);
    let shown = within(ui, width, |ui| {
        list.show_ui(ui, |ui| {
            for (scale, name) in scales {
                ui.selectable_value(&mut settings.scale, *scale, *name);
            }
        })
    });
    shown.response.labelled_by(label);
}

fn limits_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let shown = look.data.shown.newest().map(|(_, shown)| shown.clone());
    let settings = &mut *look.settings;
    let [all, each] = match settings.kind.is_of_adapter() {
        true => [tr!("All adapters"), tr!("Each adapter")],
        false => [tr!("All heads"), tr!("Each head")],
    };
    let name = match settings.range {
        ColourRange::Shared => all,
        ColourRange::PerHead => each,
        ColourRange::Locked(_) => tr!("Locked"),
    };
    let width = 78.0;
    with_name(ui, tr!("Limits"), width, |ui| {
        let label = ui
            .label(tr!("Limits"))
            .on_hover_text(tr!("Range of the colours: the values of all heads or adapters, the values of each, or locked at the current range"));
        let list = ComboBox::from_id_salt("limits")
            .width(width)
            .selected_text(name);
        let list = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                ui.selectable_value(&mut settings.range, ColourRange::Shared, all);
                ui.selectable_value(&mut settings.range, ColourRange::PerHead, each);
                let now = match (settings.range, shown) {
                    (ColourRange::Locked(limits), _) => limits,
                    (_, Some(shown)) => shown.limits(settings.scale),
                    (_, None) => Limits::symmetric(1.0),
                };
                ui.selectable_value(&mut settings.range, ColourRange::Locked(now), tr!("Locked"));
            })
        });
        list.response.labelled_by(label.id);
    });
}

fn compare_ui(ui: &mut Ui, look: &mut StatesContext<'_>, store: &RunStore) {
    let run = look.run;
    let settings = &mut *look.settings;
    let name = match &settings.compare {
        CompareWith::Nothing => tr!("nothing").to_owned(),
        CompareWith::Step(step) => tr!("step {step}", step),
        CompareWith::Run(run) => run.0.clone(),
    };
    // The name and its list stay on one line.
    within(ui, MINUS_WIDTH, |ui| {
        let label = ui
            .label(tr!("Minus"))
            .on_hover_text(tr!("Show the difference from another step or another run"));
        let width = 96.0;
        let list = ComboBox::from_id_salt("less")
            .width(width)
            .truncate()
            .selected_text(&name);
        let shown = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                let compare = &mut settings.compare;
                ui.selectable_value(compare, CompareWith::Nothing, tr!("nothing"));
                for step in &run.snapshots {
                    ui.selectable_value(
                        compare,
                        CompareWith::Step(*step),
                        tr!("step {step}", step),
                    );
                }
                for other in alike(run, store) {
                    let with = CompareWith::Run(other.id.clone());
                    ui.selectable_value(compare, with, &other.id.0);
                }
            })
        });
        shown.response.labelled_by(label.id).on_hover_text(&name);
    });
}

/// What stands beside the chosen matrix.
fn beside_ui(ui: &mut Ui, look: &mut StatesContext<'_>, store: &RunStore) {
    let run = look.run;
    let [n_layer, n_across] = look.sizes;
    let settings = &mut *look.settings;
    let (place, kind) = (settings.place(), settings.kind);
    let another = match kind.is_of_adapter() {
        true => tr!("another adapter"),
        false => tr!("another head"),
    };
    let name = match &settings.beside {
        Beside::Nothing => tr!("nothing").to_owned(),
        Beside::Head(_) => another.to_owned(),
        Beside::Step(step) => tr!("step {step}", step),
        Beside::Run(run) => run.0.clone(),
    };
    // The name and its list stay on one line.
    within(ui, BESIDE_WIDTH, |ui| {
        let label = ui.label(tr!("Beside")).on_hover_text(tr!(
            "A second matrix at its side: another head or adapter, another step or another run"
        ));
        let width = 104.0;
        let list = ComboBox::from_id_salt("beside")
            .width(width)
            .truncate()
            .selected_text(&name);
        let shown = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                let beside = &mut settings.beside;
                ui.selectable_value(beside, Beside::Nothing, tr!("nothing"));
                let is_head = matches!(beside, Beside::Head(_));
                if ui.selectable_label(is_head, another).clicked() && !is_head {
                    // The next one, so that there is something to compare at once.
                    let head = (place.head + 1) % n_across.max(1);
                    *beside = Beside::Head(Place { head, ..place });
                }
                for step in &run.snapshots {
                    ui.selectable_value(beside, Beside::Step(*step), tr!("step {step}", step));
                }
                for other in alike(run, store) {
                    ui.selectable_value(beside, Beside::Run(other.id.clone()), &other.id.0);
                }
            })
        });
        shown.response.labelled_by(label.id).on_hover_text(name);
    });
    if let Beside::Head(place) = &mut settings.beside {
        place.layer = place.layer.min(n_layer.saturating_sub(1));
        place.head = place.head.min(n_across.saturating_sub(1));
        picker(ui, tr!("its layer"), &mut place.layer, n_layer);
        place_picker(ui, true, kind, &mut place.head, n_across);
    }
}

/// The head, or the frozen matrix of an adapter; of the matrix `beside` the other one.
fn place_picker(ui: &mut Ui, beside: bool, kind: MatrixKind, value: &mut usize, n: usize) {
    if !kind.is_of_adapter() {
        let name = if beside { tr!("its head") } else { tr!("Head") };
        picker(ui, name, value, n);
        return;
    }
    let name = match beside {
        true => tr!("its frozen matrix"),
        false => tr!("Frozen matrix"),
    };
    let module = |idx: usize| AdapterTarget::ALL.get(idx).map_or("", |of| of.module());
    let width = 110.0;
    with_name(ui, name, width, |ui| {
        let label = ui.label(name).id;
        let list = ComboBox::from_id_salt(name)
            .width(width)
            .selected_text(module(*value));
        let shown = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                for idx in 0..n {
                    ui.selectable_value(value, idx, module(idx));
                }
            })
        });
        shown.response.labelled_by(label);
    });
}

/// Runs of the same model, whose matrices have the same shape.
fn alike<'a>(run: &'a Run, store: &'a RunStore) -> impl Iterator<Item = &'a Run> {
    let is_alike = |other: &&Run| {
        other.id != run.id && other.spec.model.checkpoint == run.spec.model.checkpoint
    };
    store.runs().iter().rev().filter(is_alike).take(30)
}

fn picker(ui: &mut Ui, name: &str, value: &mut usize, n: usize) {
    let width = 46.0;
    with_name(ui, name, width, |ui| {
        let label = ui.label(name).id;
        let list = ComboBox::from_id_salt(name)
            .width(width)
            .selected_text(value.to_string());
        let shown = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                for idx in 0..n {
                    ui.selectable_value(value, idx, idx.to_string());
                }
            })
        });
        shown.response.labelled_by(label);
    });
}
