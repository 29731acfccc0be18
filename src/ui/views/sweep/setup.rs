//! A sweep before it starts: its parts, their axes, and what all of it takes.

use eframe::egui::{ComboBox, DragValue, RichText, Role, TextEdit, Ui};

use super::super::super::action::Action;
use super::super::super::sweep_panel::{Planned, SweepAction, SweepPanel};
use super::super::super::theme::{GAP, palette};
use super::super::super::widgets::controls::{
    choice, from_right, group_title, primary_button, scrolled, weak_small,
};
use super::axis::{axis_ui, labelled};
use super::spoken;
use crate::kernels::device::mebibytes;
use crate::persist::spec_file::fields;
use crate::protocol::run_spec::RunSpec;
use crate::sweep::conduct::MAX_JOBS;
use crate::sweep::spec::{Axis, ChooseBy, Halving, Search, SweepPart};
use crate::sweep::sweep_file::SWEEPS;
use crate::sweep::values::{FieldValue, Values};
use crate::words::duration;

/// Draws it.
pub(super) fn setup_ui(
    ui: &mut Ui,
    panel: &mut SweepPanel,
    base: &RunSpec,
    actions: &mut Vec<Action>,
) {
    top_ui(ui, panel, actions);
    weak_small(
        ui,
        "Every run is the configuration on the right with these fields changed. Runs are compared on validation data; the best of each part is scored on the test split, once.",
    );
    ui.add_space(4.0);
    let height = ui.available_height() - 96.0;
    ui.allocate_ui(
        eframe::egui::vec2(ui.available_width(), height.max(80.0)),
        |ui| {
            scrolled(ui, |ui| parts_ui(ui, panel, base));
        },
    );
    bottom_ui(ui, panel, actions);
}

fn top_ui(ui: &mut Ui, panel: &mut SweepPanel, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        group_title(ui, "New sweep");
        let name = TextEdit::singleline(&mut panel.draft.name).desired_width(130.0);
        let name = ui
            .add(name)
            .on_hover_text("The start of the names of its runs");
        name.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(
                eframe::egui::Role::TextInput,
                true,
                "Name of the sweep",
            )
        });
        let shipped = ComboBox::from_id_salt("shipped sweep").width(120.0);
        let shipped = shipped.selected_text("Start from…").show_ui(ui, |ui| {
            for (name, _) in SWEEPS {
                if ui.selectable_label(false, *name).clicked() {
                    actions.push(Action::Sweep(SweepAction::UseShipped(name)));
                }
            }
        });
        spoken(
            &shipped.response,
            Role::ComboBox,
            "Start from a sweep that ships with the program",
        );
        from_right(ui, |ui| {
            let known = ComboBox::from_id_salt("known sweep").width(150.0);
            let opened = known.selected_text("Open a sweep").show_ui(ui, |ui| {
                if panel.known.is_empty() {
                    weak_small(ui, "There are none yet.");
                }
                for path in &panel.known {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if ui.selectable_label(false, name).clicked() {
                        actions.push(Action::Sweep(SweepAction::Open(path.clone())));
                    }
                }
            });
            spoken(&opened.response, Role::ComboBox, "Open a sweep");
            if panel.shown.is_some() && ui.button("Back").clicked() {
                panel.is_setting_up = false;
            }
        });
    });
}

fn parts_ui(ui: &mut Ui, panel: &mut SweepPanel, base: &RunSpec) {
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
    let add = ui.button("Add a part");
    if add
        .on_hover_text("A second search, such as another method, whose best run is found apart")
        .clicked()
    {
        panel.draft.parts.push(SweepPart {
            name: format!("part {}", n_parts + 1),
            ..SweepPart::default()
        });
    }
}

/// Draws a part; whether it is to go.
fn part_ui(ui: &mut Ui, panel: &mut SweepPanel, idx: usize, base: &RunSpec) -> bool {
    let n_parts = panel.draft.parts.len();
    let SweepPanel { draft, texts, .. } = panel;
    let part = &mut draft.parts[idx];
    let mut is_removed = false;
    if n_parts > 1 || !part.name.is_empty() || !part.set.is_empty() {
        ui.horizontal(|ui| {
            let hint = format!("part {}", idx + 1);
            let name = TextEdit::singleline(&mut part.name)
                .hint_text(hint)
                .desired_width(150.0);
            spoken(&ui.add(name), Role::TextInput, "Name of the part");
            set_ui(ui, part);
            is_removed = n_parts > 1 && ui.button("Remove part").clicked();
        });
    }
    ui.horizontal(|ui| kind_ui(ui, part));
    let is_random = matches!(part.search, Search::Random { .. });
    match &mut part.search {
        Search::Grid(axes) | Search::Random { axes, .. } => {
            let mut gone = None;
            for (at, axis) in axes.iter_mut().enumerate() {
                let text = texts
                    .entry((idx, at))
                    .or_insert_with(|| list_text(&axis.values));
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
                format!(
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
        .hint_text("changes of this part, as training.batch=8; …")
        .desired_width(ui.available_width() - 110.0);
    let field = ui.add(field);
    spoken(&field, Role::TextInput, "Changes of the part");
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
        choice(ui, &mut grid, &[(true, "Grid"), (false, "Random")]);
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
    let hint = "Successive halving: all runs take a few steps, those with the lowest validation loss go on";
    if ui
        .checkbox(&mut halves, "Drop the worse early")
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
            .suffix(" steps");
        labelled(ui, "first after", first);
        let factor = DragValue::new(&mut halving.factor).range(2..=16);
        labelled(ui, "keep 1 of", factor);
    }
}

fn add_axis_ui(ui: &mut Ui, part: usize, axes: &mut Vec<Axis>, base: &RunSpec) {
    let add = ComboBox::from_id_salt(("add field", part))
        .width(150.0)
        .selected_text("Add a field");
    let add = add.show_ui(ui, |ui| {
        for (field, value) in fields(base).unwrap_or_default() {
            if !is_searchable(&field, &value) || axes.iter().any(|axis| axis.field == field) {
                continue;
            }
            if ui
                .selectable_label(false, format!("{field}   {value}"))
                .clicked()
            {
                axes.push(Axis {
                    values: first_values(&field, &value),
                    field,
                });
            }
        }
    });
    spoken(&add.response, Role::ComboBox, "Add a field");
}

/// Numbers and choices of how the state is trained, and not of where files are.
fn is_searchable(field: &str, value: &str) -> bool {
    let is_about = ["training.", "method.", "data.train_limit", "data.loss_on"]
        .iter()
        .any(|start| field.starts_with(start));
    is_about && value.len() < 24 && !value.starts_with(['"', '[']) && !value.contains(['"', ':'])
}

/// A range around the present value.
fn first_values(field: &str, value: &str) -> Values {
    let number = FieldValue(value.to_owned()).number();
    match (field, number) {
        ("training.seed", Some(_)) => {
            Values::List(["0", "1", "2"].map(|seed| FieldValue(seed.into())).to_vec())
        }
        ("method.features.upscaled_size", Some(_)) => Values::Log {
            from: 64.0,
            to: 512.0,
            count: 4,
        },
        (_, Some(number)) if number > 0.0 => Values::Log {
            from: number / 4.0,
            to: number * 4.0,
            count: 5,
        },
        _ => Values::List(vec![FieldValue(value.to_owned())]),
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

/// What the sweep takes, and Start.
fn bottom_ui(ui: &mut Ui, panel: &mut SweepPanel, actions: &mut Vec<Action>) {
    ui.separator();
    let is_ready = matches!(panel.planned, Some(Ok(_)));
    ui.horizontal(|ui| {
        let jobs = DragValue::new(&mut panel.n_jobs).range(1..=MAX_JOBS);
        let jobs = labelled(ui, "Side by side", jobs);
        jobs.on_hover_text("Runs at a time, each in a process of its own. On a GPU several are often faster than one after another; on the CPU they share its cores.");
        weak_small(ui, "Choose by");
        let chosen = &mut panel.draft.choose_by;
        choice(
            ui,
            chosen,
            &[
                (ChooseBy::ValidationLoss, "validation loss"),
                (ChooseBy::ValidationAccuracy, "validation accuracy"),
            ],
        );
        from_right(ui, |ui| {
            if primary_button(ui, "Start sweep", is_ready && !panel.is_on(), 120.0).clicked() {
                actions.push(Action::Sweep(SweepAction::Start));
            }
        });
    });
    match &panel.planned {
        None => {
            weak_small(ui, "Counting the runs…");
        }
        Some(Err(reason)) => {
            ui.colored_label(palette(ui.visuals()).bad, reason);
        }
        Some(Ok(planned)) => cost_ui(ui, planned, panel.n_jobs),
    }
}

fn cost_ui(ui: &mut Ui, planned: &Planned, n_jobs: usize) {
    let n_runs = planned.plan.runs.len();
    let mut words = vec![match n_runs {
        1 => "1 run".to_owned(),
        n => format!("{n} runs"),
    }];
    let colours = palette(ui.visuals());
    match &planned.estimate {
        Err(reason) => {
            ui.colored_label(colours.bad, reason);
            return;
        }
        Ok(estimate) => {
            let largest = estimate
                .memory
                .iter()
                .flatten()
                .map(|memory| memory.total())
                .max();
            if let Some(largest) = largest {
                let device = match planned.memory {
                    Some(has) => format!(" of {}", mebibytes(has)),
                    None => String::new(),
                };
                words.push(format!("up to {}{device} each", mebibytes(largest)));
            }
            let secs = estimate
                .steps_secs
                .map(|secs| secs + estimate.evaluation_secs.unwrap_or(0.0));
            words.push(match secs {
                None => "time known after the first steps".to_owned(),
                Some(secs) => format!("about {} one after another", duration(secs)),
            });
            ui.label(RichText::new(words.join(", ")).strong());
            let total = largest.unwrap_or(0).saturating_mul(n_jobs as u64);
            if planned.memory.is_some_and(|has| total > has) {
                let text =
                    format!("{n_jobs} side by side may not fit into the memory of the device");
                ui.colored_label(colours.warning, text);
            }
        }
    }
    for note in &planned.plan.notes {
        weak_small(ui, note.as_str());
    }
}
