//! The training curves, live.

use eframe::egui::{ComboBox, RichText, Slider, Ui, Vec2};

use super::along::XAxis;
use super::arrange::arrange_ui;
use super::charts::{ChartLayout, ChartPlace, ChartRow, ChartSize, rows};
use super::header::run_header_ui;
use super::legend::legend_ui;
use super::plot::{Handled, Plotted, metric_plot_ui};
use super::plot_cache::PlotCache;
use super::plot_menu::Placed;
use super::plot_settings::PlotSettings;
use super::report::accuracy_table;
use super::state::Tune;
use crate::protocol::event::RunId;
use crate::report::{SavedTable, Table};
use crate::runs::run::{Run, RunStatus};
use crate::ui::shared::action::Action;
use crate::ui::shared::run_in_sweep::RunInSweep;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::pictures::PictureOf;
use crate::ui::shell::shortcuts::START;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::accuracy::accuracy_ui;
use crate::ui::widgets::controls::{empty_state, group_title, scrolled, weak_small, within};
use crate::ui::widgets::metric::Metric;

/// Widths of the choices of what the charts run over and of how much of it they show:
/// with the rest they are two rows in the smallest window.
const AXIS_WIDTH: f32 = 92.0;
const TAIL_WIDTH: f32 = 92.0;
/// Width of the menus of the charts.
const MENUS_WIDTH: f32 = 116.0;
/// Last steps that plots can follow.
const TAILS: [usize; 4] = [50, 200, 1000, 10_000];

/// Draws the view. `role_of` tells what sweeps have to do with the run that buttons
/// act on.
pub fn tune_ui<'a>(
    ui: &mut Ui,
    workspace: &Workspace,
    tune: &mut Tune,
    role_of: impl FnOnce(&RunId) -> RunInSweep<'a>,
    shows_form: bool,
) -> Vec<Action> {
    let Tune {
        settings,
        cache,
        layouts,
        arranging,
    } = tune;
    let Workspace {
        store, selection, ..
    } = workspace;
    let runs: Vec<&Run> = selection
        .selected
        .iter()
        .filter_map(|id| store.get(id))
        .collect();
    let Some(focused) = runs.last() else {
        if store.runs().is_empty() {
            let keys = ui.ctx().format_shortcut(&START);
            let advice = match shows_form {
                true => tr!("The mini model and gsm8k-mini are selected on the right. Press Start and watch the loss fall here; accuracy is measured before and after.").to_owned(),
                false => tr!("Press {keys} or open the configuration above. The loss is plotted here; accuracy is measured before and after.", keys),
            };
            empty_state(ui, tr!("Tune a model's initial state"), &advice);
        } else {
            empty_state(
                ui,
                tr!("No run selected"),
                tr!("Select a run on the left or start a new one."),
            );
        }
        return Vec::new();
    };
    let mut actions = run_header_ui(ui, focused, selection, &role_of(&focused.id));
    header_ends(ui);
    ui.add_space(4.0);
    let height = ui.available_height();
    scrolled(ui, |ui| {
        if !focused.evaluations.is_empty() {
            accuracy_ui(ui, focused, selection);
            ui.add_space(GAP);
        }
        let accuracies = || accuracy_table(&runs);
        let baseline = selection.baseline.as_ref().and_then(|id| store.get(id));
        let has_values = |metric: Metric| {
            let mut runs = runs.iter().copied().chain(baseline);
            metric.is_of_every_run() || runs.any(|run| !metric.series(run).is_empty())
        };
        ui.horizontal_wrapped(|ui| {
            settings_ui(ui, settings, &selection.selected);
            // Both on one line.
            within(ui, MENUS_WIDTH, |ui| {
                let selected = &selection.selected;
                arrange_ui(ui, layouts, arranging, &has_values, &mut actions);
                save_ui(ui, selected, &layouts.now, &accuracies, &mut actions);
            });
        });
        ui.allocate_space(Vec2::new(0.0, 2.0));
        let is_measured = matches!(focused.status, RunStatus::Evaluating { .. });
        if is_measured && focused.step == 0 {
            weak_small(
                ui,
                tr!("The untuned model is measured before the first step."),
            );
        }
        let plotted = Plotted {
            runs: &runs,
            baseline,
            selection,
            groups: match settings.folds_seeds {
                true => cache.groups(&runs),
                false => Vec::new(),
            },
            settings: *settings,
            highlighted: selection.pointed(),
        };
        let named = legend_ui(ui, &plotted);
        let Handled {
            is_moved,
            asked,
            pointed,
        } = plots_ui(ui, &plotted, cache, &layouts.now, &has_values, height);
        cache.pointed = named.or(pointed);
        actions.extend(asked);
        cache.was_following = settings.tail.is_some();
        if is_moved {
            settings.tail = None;
            // Where the user moved to is where it stays.
            cache.was_following = false;
        }
        diagnoses_ui(ui, focused);
        notes_ui(ui, focused);
    });
    actions
}

/// The charts in their rows; what the user did to them. Those that no run has numbers
/// for take no room.
fn plots_ui(
    ui: &mut Ui,
    plotted: &Plotted<'_>,
    cache: &mut PlotCache,
    layout: &ChartLayout,
    has_values: &dyn Fn(Metric) -> bool,
    height: f32,
) -> Handled {
    let mut handled = Handled::default();
    let shown: Vec<(usize, ChartPlace)> = layout
        .places()
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, place)| has_values(place.metric))
        .collect();
    if shown.is_empty() {
        weak_small(ui, tr!("No charts. Add some with Charts above."));
        return handled;
    }
    let placed = |place: ChartPlace| {
        let at = shown
            .iter()
            .position(|(_, of)| *of == place)
            .unwrap_or_default();
        let other = |at: Option<usize>| Some(shown.get(at?)?.0);
        Placed {
            place,
            before: other(at.checked_sub(1)),
            after: other(Some(at + 1)),
        }
    };
    let low = (height * 0.2).clamp(100.0, 200.0);
    let tall = (height * 0.36).clamp(150.0, 340.0);
    let places: Vec<ChartPlace> = shown.iter().map(|(_, place)| *place).collect();
    for row in rows(&places) {
        match row {
            ChartRow::One(place) => {
                let height = if place.size == ChartSize::Tall {
                    tall
                } else {
                    low
                };
                handled.add(metric_plot_ui(ui, &placed(place), plotted, cache, height));
            }
            ChartRow::Halves(left, right) => {
                let pair = [Some(left), right].into_iter().flatten();
                let spacing = ui.spacing().item_spacing.x;
                ui.spacing_mut().item_spacing.x = 24.0;
                ui.columns(2, |columns| {
                    for (ui, place) in columns.iter_mut().zip(pair) {
                        ui.spacing_mut().item_spacing.x = spacing;
                        handled.add(metric_plot_ui(ui, &placed(place), plotted, cache, low));
                    }
                });
                ui.spacing_mut().item_spacing.x = spacing;
            }
        }
        ui.add_space(GAP);
    }
    handled
}

fn settings_ui(ui: &mut Ui, settings: &mut PlotSettings, selected: &[RunId]) {
    ui.spacing_mut().slider_width = 70.0;
    let label = ui.label(tr!("Smoothing")).id;
    let slider = Slider::new(&mut settings.smoothing, 0.0..=0.99).fixed_decimals(2);
    ui.add(slider)
        .labelled_by(label)
        .on_hover_text(tr!("Weight of the previous average in each point (exponential moving average with bias correction)"));
    ui.checkbox(&mut settings.shows_raw, tr!("Raw"))
        .on_hover_text(tr!(
            "Show the raw values, faint, behind the smoothed curves"
        ));
    ui.checkbox(&mut settings.is_log, tr!("Log values"))
        .on_hover_text(tr!("Losses, norms and rates on a logarithmic axis"));
    ui.checkbox(&mut settings.is_log_x, tr!("Log steps"))
        .on_hover_text(tr!(
            "Steps, tokens or time on a logarithmic axis, which gives the start more room"
        ));
    let axis = ComboBox::from_id_salt("axis of the plots")
        .width(AXIS_WIDTH)
        .selected_text(settings.x.name());
    let axis = axis.show_ui(ui, |ui| {
        for axis in XAxis::ALL {
            ui.selectable_value(&mut settings.x, axis, axis.name());
        }
    });
    axis.response.on_hover_text(tr!(
        "What the plots run over: steps, the tokens that they computed, or the time that they took"
    ));
    if selected.len() > 1 {
        ui.checkbox(&mut settings.folds_seeds, tr!("Seed means"))
            .on_hover_text(tr!("Runs that differ in their seed alone as one line: their mean, and a band from the lowest to the highest"));
    }
    let shown = tail_in_short(settings.tail);
    let tail = ComboBox::from_id_salt("visible steps")
        .width(TAIL_WIDTH)
        .selected_text(shown)
        .show_ui(ui, |ui| {
            let all = [None].into_iter();
            for tail in all.chain(TAILS.map(Some)) {
                ui.selectable_value(&mut settings.tail, tail, tail_words(tail));
            }
        });
    tail.response.on_hover_text(tr!("Range of visible steps; it moves with the run. In a plot, drag to move, Ctrl + wheel to zoom, double-click to see all"));
}

/// What of the view leaves it as a file.
fn save_ui(
    ui: &mut Ui,
    selected: &[RunId],
    layout: &ChartLayout,
    accuracies: &dyn Fn() -> Option<Table>,
    actions: &mut Vec<Action>,
) {
    let menu = ui.menu_button(tr!("Save"), |ui| {
        let mut entry = |ui: &mut Ui, text: &str, action: Action| {
            if ui.button(text).clicked() {
                actions.push(action);
                ui.close();
            }
        };
        if layout.find(Metric::Loss).is_some() {
            let of = PictureOf::Plot(Metric::Loss);
            entry(ui, tr!("The loss as SVG…"), Action::SaveSvg(Metric::Loss));
            entry(ui, tr!("The loss as PNG…"), Action::SavePicture(of));
        }
        let report = Action::SaveReport(selected.to_vec());
        entry(ui, tr!("A report as HTML or Markdown…"), report);
        let button = eframe::egui::Button::new(tr!("The accuracies as a table…"));
        if ui.add_enabled(accuracies().is_some(), button).clicked() {
            let table = SavedTable::of(|| accuracies().unwrap_or_default());
            actions.push(Action::SaveTable(Box::new(table), "accuracies".into()));
            ui.close();
        }
        if ui.button(tr!("All metrics as a table…")).clicked() {
            actions.push(Action::SaveNumbers(selected.to_vec()));
            ui.close();
        }
    });
    let hint = tr!(
        "Save a picture or a CSV of the selected runs. Right-click a plot to save that plot only"
    );
    menu.response.on_hover_text(hint);
}

fn tail_words(tail: Option<usize>) -> String {
    match tail {
        None => tr!("All steps").into(),
        Some(n_steps) => tr!("Last {n_steps} steps", n_steps),
    }
}

/// The same in a row of controls, where the list and the axis say what is counted.
fn tail_in_short(tail: Option<usize>) -> String {
    match tail {
        None => tail_words(tail),
        Some(n_steps) if n_steps % 1000 == 0 => {
            let n_steps = format!("{}k", n_steps / 1000);
            tr!("Last {n_steps}", n_steps)
        }
        Some(n_steps) => tr!("Last {n_steps}", n_steps),
    }
}

fn notes_ui(ui: &mut Ui, run: &Run) {
    if run.notes.is_empty() {
        return;
    }
    group_title(ui, tr!("Notes"));
    for note in &run.notes {
        ui.label(note);
    }
}

/// What is wrong with a run, and which field to change: one line each, nothing where
/// all is well.
fn diagnoses_ui(ui: &mut Ui, run: &Run) {
    if run.diagnoses.is_empty() {
        return;
    }
    group_title(ui, tr!("Diagnosis"));
    let warning = palette(ui.visuals()).warning;
    for diagnosis in &run.diagnoses {
        ui.horizontal_wrapped(|ui| {
            let when = match diagnosis.step {
                0 => tr!("before step 1").to_owned(),
                step => tr!("step {step}", step),
            };
            ui.label(RichText::new(when).strong().color(warning));
            ui.label(&diagnosis.advice);
            weak_small(ui, tr!("change {}", diagnosis.field));
        });
    }
}
