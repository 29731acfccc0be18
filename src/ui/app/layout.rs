//! Where the panels stand in the window, and the views between them.

use std::collections::HashSet;

use eframe::egui::{
    Align, Button, CentralPanel, ComboBox, Frame, Layout, Margin, Panel, PointerButton, RichText,
    ScrollArea, Sense, Ui, vec2,
};

use super::{App, Caches, Closing};
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::spec::Method;
use crate::ui::compare::view::compare_ui;
use crate::ui::config::form::{FormContext, config_form_ui};
use crate::ui::config::kernel_preview::Distances;
use crate::ui::dialogs::data_preview::view::data_ui;
use crate::ui::dialogs::export::view::export_ui;
use crate::ui::dialogs::rate_search::view::rate_ui;
use crate::ui::dialogs::scoring::view::score_ui;
use crate::ui::items::view::items_ui;
use crate::ui::playground::view::playground_ui;
use crate::ui::runs::menu::labels_ui;
use crate::ui::runs::panel::runs_panel_ui;
use crate::ui::runs::queued::Queued;
use crate::ui::shared::action::Action;
use crate::ui::shared::queue::Queue;
use crate::ui::shell::docking::{docked_ui, view_menu_ui};
use crate::ui::shell::log_panel::log_panel_ui;
use crate::ui::shell::messages::{closing_ui, notices_ui, shortcuts_ui};
use crate::ui::shell::palette::palette_ui;
use crate::ui::shell::status_bar::status_bar_ui;
use crate::ui::shell::theme::{Appearance, MARGIN, palette};
use crate::ui::states::view::states_ui;
use crate::ui::sweep::state::SweepState;
use crate::ui::sweep::view::sweep_ui;
use crate::ui::tune::view::tune_ui;
use crate::ui::ui_state::{Tab, UiState};
use crate::ui::widgets::controls::from_right;

/// The least width that views are made for; in less room they scroll sideways.
const VIEW_WIDTH: f32 = 400.0;

/// Draws everything.
pub(crate) fn layout_ui(ui: &mut Ui, app: &mut App, actions: &mut Vec<Action>) {
    let reads_past_runs = app.reads_past_runs();
    let ending = (app.closing != Closing::No).then(|| app.ending());
    let App {
        store,
        state,
        closing,
        sweep,
        caches,
        notices,
        queue,
        measures,
        history,
        data_look,
        deleted,
        ..
    } = app;
    let drawn: HashSet<&RunId> = state.selected.iter().chain(&state.baseline).collect();
    caches.plots.keep(|run| drawn.contains(run));
    caches.plots.begin_frame();
    let colours = palette(ui.visuals());
    let bar = Frame::new()
        .fill(colours.panel)
        .inner_margin(Margin::symmetric(MARGIN, 6));
    let side = Frame::new()
        .fill(colours.panel)
        .inner_margin(Margin::same(MARGIN));
    let centre = Frame::new()
        .fill(colours.surface)
        .inner_margin(Margin::same(MARGIN + 4));
    // Places of a split have their own margins, with lines between them.
    let split_centre = centre.inner_margin(Margin::ZERO);
    Panel::top("top")
        .frame(bar)
        .resizable(false)
        .show(ui, |ui| actions.extend(top_ui(ui, state)));
    Panel::bottom("status")
        .frame(bar)
        .exact_size(28.0)
        .resizable(false)
        .show(ui, |ui| status_bar_ui(ui, store));
    if state.shows_runs {
        Panel::left("runs")
            .frame(side)
            .default_size(236.0)
            .size_range(180.0..=460.0)
            .show(ui, |ui| {
                let queued = Queued {
                    queue,
                    sweep: sweep.on().map(|on| on.plan.sweep.name.as_str()),
                };
                actions.extend(runs_panel_ui(ui, store, state, reads_past_runs, &queued));
            });
    }
    let known = FormContext {
        runs: store.runs(),
        distances: distances(store, &state.draft, *measures),
        history,
        searches: state.rate_search.as_ref().is_some_and(|of| of.is_on),
    };
    if state.shows_form {
        Panel::right("configuration")
            .frame(side)
            .default_size(318.0)
            .size_range(280.0..=520.0)
            .show(ui, |ui| {
                actions.extend(config_form_ui(
                    ui,
                    &mut state.draft,
                    caches,
                    &known,
                    queue.has_run() || sweep.is_on() || is_on(store),
                ));
            });
    }
    if state.shows_log {
        Panel::bottom("log")
            .frame(side)
            .resizable(true)
            .default_size(116.0)
            .size_range(60.0..=420.0)
            .show(ui, |ui| {
                actions.extend(log_panel_ui(ui, store, state));
            });
    }
    // The worker of the window, which answers prompts, is free while a sweep is on.
    let is_on = |run: &Run| !run.status.is_over() && sweep.under_way(&run.id).is_none();
    let is_run_on = store.runs().iter().any(is_on);
    let mut views = Views {
        store,
        sweep,
        caches,
        queue,
        is_run_on,
    };
    let is_split = state.dock.is_split();
    let centre = if is_split { split_centre } else { centre };
    CentralPanel::default().frame(centre).show(ui, |ui| {
        if is_split && !notices.is_empty() {
            let around = Frame::new().inner_margin(Margin {
                bottom: 0,
                ..Margin::same(MARGIN)
            });
            around.show(ui, |ui| actions.extend(notices_ui(ui, notices)));
        } else {
            actions.extend(notices_ui(ui, notices));
        }
        // Views look at what else is kept, and not at where they stand.
        let mut dock = std::mem::take(&mut state.dock);
        let mut asked = Vec::new();
        let handled = docked_ui(ui, &mut dock, |ui, tab| {
            views.show(ui, tab, state, &mut asked);
        });
        state.dock = dock;
        actions.extend(asked.into_iter().chain(handled));
    });
    if caches.plots.has_more() {
        ui.ctx().request_repaint();
    }
    if state.shows_shortcuts {
        actions.extend(shortcuts_ui(ui.ctx()));
    }
    actions.extend(labels_ui(ui.ctx(), &mut state.editing));
    actions.extend(export_ui(ui.ctx(), &mut state.exporting));
    let scored = state.scoring.as_ref().and_then(|asked| asked.name.as_ref());
    let is_scoring = scored.is_some_and(|name| queue.has_job(name));
    let known = store.scoring.as_ref();
    actions.extend(score_ui(ui.ctx(), &mut state.scoring, known, is_scoring));
    data_ui(ui.ctx(), data_look);
    let progress = store.rate_search;
    actions.extend(rate_ui(
        ui.ctx(),
        &mut state.rate_search,
        &state.draft,
        progress,
    ));
    actions.extend(palette_ui(ui.ctx(), store, state, !deleted.is_empty()));
    if let Some(ending) = ending {
        actions.extend(closing_ui(ui.ctx(), *closing, &ending, &mut state.goes_on));
    }
}

fn is_on(store: &RunStore) -> bool {
    store.runs().iter().any(|run| !run.status.is_over())
}

/// What the views are drawn from.
struct Views<'a> {
    store: &'a RunStore,
    sweep: &'a mut SweepState,
    caches: &'a mut Caches,
    queue: &'a Queue,
    /// Whether the worker of the window has a run.
    is_run_on: bool,
}

impl Views<'_> {
    /// Draws a view within the room there is, and nothing of it outside.
    fn show(&mut self, ui: &mut Ui, tab: Tab, state: &mut UiState, actions: &mut Vec<Action>) {
        ui.shrink_clip_rect(ui.max_rect());
        if ui.available_width() >= VIEW_WIDTH {
            return self.view(ui, tab, state, actions);
        }
        let area = ScrollArea::horizontal()
            .id_salt(("narrow", tab.name()))
            .auto_shrink([false, false]);
        area.show(ui, |ui| {
            let size = vec2(VIEW_WIDTH, ui.available_height());
            ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                self.view(ui, tab, state, actions);
            });
        });
    }

    fn view(&mut self, ui: &mut Ui, tab: Tab, state: &mut UiState, actions: &mut Vec<Action>) {
        let Self {
            store,
            sweep,
            caches,
            queue,
            is_run_on,
        } = self;
        let Caches {
            plots,
            states,
            measured,
            comparisons,
            items,
            ..
        } = caches;
        match tab {
            Tab::Tune => actions.extend(tune_ui(ui, store, state, sweep, plots)),
            Tab::States => actions.extend(states_ui(ui, store, state, states)),
            Tab::Sweep => actions.extend(sweep_ui(ui, sweep, store, state)),
            Tab::Compare => actions.extend(compare_ui(ui, store, state, measured, comparisons)),
            Tab::Items => items_ui(ui, store, state, measured, items),
            Tab::Playground => {
                let playing = state.playing.as_ref();
                let is_answering = playing.is_some_and(|name| queue.has_job(name));
                actions.extend(playground_ui(ui, store, state, *is_run_on, is_answering));
            }
        }
    }
}

/// What is known of the distances of the draft's kernels.
fn distances<'a>(store: &'a RunStore, draft: &RunSpec, measures: bool) -> Distances<'a> {
    let is_same = |of: &RunSpec| {
        let (Method::Lifted(known), Method::Lifted(wanted)) = (&of.method, &draft.method) else {
            return false;
        };
        let (a, b) = (&known.features, &wanted.features);
        a.upscaled_size == b.upscaled_size
            && a.support_vectors == b.support_vectors
            && known.layers == wanted.layers
            && of.model == draft.model
            && of.data == draft.data
    };
    match &store.distances {
        Some((of, known)) if is_same(of) => Distances::Known(known),
        Some(_) | None if measures => Distances::Measuring,
        Some(_) | None => Distances::Unknown,
    }
}

/// The name of the program, the views, and what is shown of the panels.
fn top_ui(ui: &mut Ui, state: &mut UiState) -> Vec<Action> {
    let mut actions = Vec::new();
    ui.horizontal(|ui| {
        ui.label(RichText::new("Gosling").heading().strong());
        ui.add_space(14.0);
        for tab in Tab::ALL {
            let text = RichText::new(tab.name()).size(14.0);
            let button = Button::selectable(state.dock.shows(tab), text);
            let label = ui.add(button.sense(Sense::click_and_drag()));
            label.context_menu(|ui| actions.extend(view_menu_ui(ui, tab, &state.dock)));
            if label.drag_started_by(PointerButton::Primary) {
                state.dock.drag(tab, ui.ctx());
            }
            let hint = format!(
                "{}. Drag it into the centre to see it beside another; a right click has ways without dragging",
                tab.purpose()
            );
            if label.on_hover_text(hint).clicked() {
                actions.push(Action::Open(tab));
            }
        }
        from_right(ui, |ui| {
            if ui.button("?").on_hover_text("Keyboard shortcuts").clicked() {
                actions.push(Action::ToggleShortcuts);
            }
            let look = ComboBox::from_id_salt("look")
                .width(76.0)
                .selected_text(state.appearance.name());
            let look = look.show_ui(ui, |ui| {
                for appearance in Appearance::ALL {
                    let is_chosen = state.appearance == appearance;
                    if ui.selectable_label(is_chosen, appearance.name()).clicked() {
                        actions.push(Action::SetAppearance(appearance));
                    }
                }
            });
            look.response.on_hover_text("Light or dark");
            ui.separator();
            ui.toggle_value(&mut state.shows_form, "Configuration");
            ui.toggle_value(&mut state.shows_log, "Log");
            ui.toggle_value(&mut state.shows_runs, "Runs");
        });
    });
    actions
}
