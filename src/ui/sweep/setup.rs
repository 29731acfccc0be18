//! The set-up of a sweep: its parts, their axes and the cost.

use eframe::egui::{ComboBox, DragValue, Frame, Panel, Role, TextEdit, Ui};

use super::action::SweepAction;
use super::axis::{axis_ui, labelled};
use super::cost::bottom_ui;
use super::fields::{add_axis_ui, first_ui};
use super::parts::spoken;
use super::state::SweepState;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::sweep::spec::{Halving, Search, SweepPart};
use crate::sweep::sweep_file::SWEEPS;
use crate::sweep::values::Values;
use crate::ui::shared::action::Action;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{choice, group_title, scrolled, weak_small, within};

/// Width of the lists of sweeps.
const LIST_WIDTH: f32 = 124.0;

/// Draws it.
pub(super) fn setup_ui(
    ui: &mut Ui,
    panel: &mut SweepState,
    base: &RunSpec,
    store: &RunStore,
    actions: &mut Vec<Action>,
) {
    top_ui(ui, panel, actions);
    header_ends(ui);
    // What it takes and its start stay in sight, however many lines they need.
    Panel::bottom("start sweep")
        .frame(Frame::new())
        .resizable(false)
        .show_separator_line(false)
        .show(ui, |ui| bottom_ui(ui, panel, store, actions));
    scrolled(ui, |ui| {
        weak_small(
            ui,
            tr!(
                "Every run is the configuration on the right with these fields changed. Runs are compared on validation data; the best of each part is scored on the test split, once."
            ),
        );
        ui.add_space(4.0);
        parts_ui(ui, panel, base);
        if is_empty(&panel.draft.parts) {
            first_ui(ui, actions);
        }
    });
}

fn top_ui(ui: &mut Ui, panel: &mut SweepState, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        group_title(ui, tr!("New sweep"));
        let name = TextEdit::singleline(&mut panel.draft.name).desired_width(130.0);
        let name = ui
            .add(name)
            .on_hover_text(tr!("Prefix of the names of its runs"));
        name.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(
                eframe::egui::Role::TextInput,
                true,
                tr!("Name of the sweep"),
            )
        });
        let shipped = ComboBox::from_id_salt("shipped sweep").width(LIST_WIDTH);
        let shipped = shipped.selected_text(tr!("Start from…"));
        let shipped = within(ui, LIST_WIDTH, |ui| {
            shipped.show_ui(ui, |ui| {
                for (name, _) in SWEEPS {
                    if ui.selectable_label(false, *name).clicked() {
                        actions.push(Action::Sweep(SweepAction::UseShipped(name)));
                    }
                }
            })
        });
        spoken(
            &shipped.response,
            Role::ComboBox,
            tr!("Start from a sweep that ships with the program"),
        );
        ui.menu_button(tr!("File"), |ui| actions.extend(file_ui(ui)));
        let known = ComboBox::from_id_salt("known sweep").width(LIST_WIDTH);
        let known = known.selected_text(tr!("Open a sweep"));
        let opened = within(ui, LIST_WIDTH, |ui| {
            known.show_ui(ui, |ui| {
                if panel.known.is_empty() {
                    weak_small(ui, tr!("No sweeps yet."));
                }
                for path in &panel.known {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if ui.selectable_label(false, name).clicked() {
                        actions.push(Action::Sweep(SweepAction::Open(path.clone())));
                    }
                }
            })
        });
        spoken(&opened.response, Role::ComboBox, tr!("Open a sweep"));
        if panel.shown.is_some() && ui.button(tr!("Back")).clicked() {
            panel.is_setting_up = false;
        }
    });
}

/// The sweep as a file.
fn file_ui(ui: &mut Ui) -> Option<Action> {
    let mut asked = None;
    let entries = [
        (
            tr!("Open…"),
            tr!("Open a sweep (RON); its base run becomes the configuration"),
            Action::Choose(PathFor::OpenSweep),
        ),
        (
            tr!("Save…"),
            tr!("Save the configuration and these fields as RON for gosling sweep"),
            Action::Choose(PathFor::SaveSweep),
        ),
        (
            tr!("Copy as RON"),
            tr!("Copy the sweep as RON to the clipboard"),
            Action::CopySweepRon,
        ),
    ];
    for (text, hint, action) in entries {
        if ui.button(text).on_hover_text(hint).clicked() {
            asked = Some(action);
            ui.close();
        }
    }
    asked
}

/// Whether no field was chosen yet.
fn is_empty(parts: &[SweepPart]) -> bool {
    parts.iter().all(|part| match &part.search {
        Search::Grid(axes) | Search::Random { axes, .. } => axes.is_empty(),
        Search::List(_) => false,
    })
}

fn parts_ui(ui: &mut Ui, panel: &mut SweepState, base: &RunSpec) {
    let n_parts = panel.draft.parts.len();
    let mut removed = None;
    for idx in 0..n_parts {
        if part_ui(ui, panel, idx, base) {
            removed = Some(idx);
        }
        ui.add_space(GAP);
    }
    if let Some(idx) = removed {
        panel.draft.parts.remove(idx);
        panel.texts.clear();
    }
    let add = ui.button(tr!("Add a part"));
    if add
        .on_hover_text(tr!(
            "Add a second search, such as another method, with a best run of its own"
        ))
        .clicked()
    {
        panel.draft.parts.push(SweepPart {
            name: format!("part {}", n_parts + 1),
            ..SweepPart::default()
        });
    }
}

/// Draws a part; whether it is to go.
fn part_ui(ui: &mut Ui, panel: &mut SweepState, idx: usize, base: &RunSpec) -> bool {
    let n_parts = panel.draft.parts.len();
    let SweepState { draft, texts, .. } = panel;
    let part = &mut draft.parts[idx];
    let mut is_removed = false;
    if n_parts > 1 || !part.name.is_empty() || !part.set.is_empty() {
        ui.horizontal_wrapped(|ui| {
            let hint = format!("part {}", idx + 1);
            let name = TextEdit::singleline(&mut part.name)
                .hint_text(hint)
                .desired_width(150.0);
            spoken(&ui.add(name), Role::TextInput, tr!("Name of the part"));
            is_removed = n_parts > 1 && ui.button(tr!("Remove part")).clicked();
        });
        set_ui(ui, part);
    }
    ui.horizontal_wrapped(|ui| kind_ui(ui, part));
    let is_random = matches!(part.search, Search::Random { .. });
    match &mut part.search {
        Search::Grid(axes) | Search::Random { axes, .. } => {
            let mut gone = None;
            for (at, axis) in axes.iter_mut().enumerate() {
                let text = texts
                    .entry((idx, at))
                    .or_insert_with(|| list_text(&axis.values));
                // A part with changes of its own may be of another method.
                let base = part.set.is_empty().then_some(base);
                if axis_ui(ui, (idx, at), axis, text, is_random, base) {
                    gone = Some(at);
                }
            }
            if let Some(at) = gone {
                axes.remove(at);
                texts.retain(|(part, _), _| *part != idx);
            }
            add_axis_ui(ui, idx, axes, base);
        }
        Search::List(runs) => {
            weak_small(
                ui,
                tr!(
                    "{} runs from a list; edit them in the sweep's RON file.",
                    runs.len()
                ),
            );
        }
    }
    is_removed
}

/// Changes that hold for the whole part.
fn set_ui(ui: &mut Ui, part: &mut SweepPart) {
    let mut text = part.set.join("; ");
    let field = TextEdit::singleline(&mut text)
        .hint_text(tr!("changes in this part, such as training.batch=8; …"))
        .desired_width(ui.available_width());
    let field = ui.add(field);
    spoken(&field, Role::TextInput, tr!("Changes of the part"));
    if field.changed() {
        part.set = match text.is_empty() {
            true => Vec::new(),
            false => text.split("; ").map(str::to_owned).collect(),
        };
    }
}

fn kind_ui(ui: &mut Ui, part: &mut SweepPart) {
    let is_grid = matches!(part.search, Search::Grid(_));
    let mut grid = is_grid;
    if !matches!(part.search, Search::List(_)) {
        choice(
            ui,
            &mut grid,
            &[(true, tr!("Grid")), (false, tr!("Random"))],
        );
    }
    if grid != is_grid {
        let axes = match &mut part.search {
            Search::Grid(axes) | Search::Random { axes, .. } => std::mem::take(axes),
            Search::List(_) => Vec::new(),
        };
        part.search = match grid {
            true => Search::Grid(axes),
            false => Search::Random {
                axes,
                n_runs: 20,
                seed: 0,
            },
        };
    }
    if let Search::Random { n_runs, seed, .. } = &mut part.search {
        labelled(ui, "runs", DragValue::new(n_runs).range(1..=10_000));
        labelled(ui, "seed", DragValue::new(seed));
    }
    let mut halves = part.halving.is_some();
    let hint = tr!(
        "Successive halving: all runs train for a few steps; those with the lowest validation loss continue"
    );
    if ui
        .checkbox(&mut halves, tr!("Stop poor runs early"))
        .on_hover_text(hint)
        .changed()
    {
        part.halving = halves.then_some(Halving {
            first_steps: 50,
            factor: 2,
        });
    }
    if let Some(halving) = &mut part.halving {
        let first = DragValue::new(&mut halving.first_steps)
            .range(1..=1_000_000)
            .suffix(tr!(" steps"));
        labelled(ui, tr!("first check after"), first);
        let factor = DragValue::new(&mut halving.factor).range(2..=16);
        labelled(ui, tr!("keep 1 of"), factor);
    }
}

/// A list of values as it is edited.
fn list_text(values: &Values) -> String {
    match values {
        Values::List(values) => {
            let values: Vec<&str> = values.iter().map(|value| value.0.as_str()).collect();
            values.join(", ")
        }
        Values::Linear { .. } | Values::Log { .. } => String::new(),
    }
}
