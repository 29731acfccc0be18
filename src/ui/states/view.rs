//! States as pictures: every head at once, one of them large with its numbers,
//! over the steps of a run and over the tokens of a text.
//!
//! | file | what |
//! |---|---|
//! | `controls.rs` | which matrix, which head, which colours, less what |
//! | `steps.rs` | the scrubber over the steps |
//! | `tokens.rs` | the text, its tokens, and the scrubber over them |
//! | `grid.rs`, `head_grid.rs` | every head or adapter, and what is drawn of them |
//! | `worth.rs` | what each head is worth, over the grid |
//! | `large.rs`, `pane.rs` | one head or two beside each other, with zoom and profiles |
//! | `numbers.rs` | statistics, histogram and singular values |
//! | `lens.rs` | the value directions of a head in tokens |
//! | `head_jobs.rs`, `head_questions.rs` | what was asked about heads; what the worker is asked |

use eframe::egui::{RichText, Ui};

use super::context::{StatesContext, symbol};
use super::data::StateKey;
use super::settings::CompareWith;
use super::state::States;
use crate::runs::run::Run;
use crate::tuning::spec::Method;
use crate::ui::shared::action::Action;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{cut_label, empty_state, scrolled, weak_small};
use crate::ui::widgets::numbers::number;

/// From which width on the two pictures stand side by side.
const SIDE_BY_SIDE_FROM: f32 = 560.0;
/// From which width on the numbers stand beside them.
const ALL_SIDE_BY_SIDE_FROM: f32 = 1080.0;
const NUMBERS_WIDTH: f32 = 270.0;

/// Draws the view.
pub(crate) fn states_ui(ui: &mut Ui, workspace: &Workspace, states: &mut States) -> Option<Action> {
    let States {
        settings,
        data,
        cursor,
        heads,
        ..
    } = states;
    let Some(run) = workspace.focused_run() else {
        empty_state(
            ui,
            tr!("No state selected"),
            tr!("Start a run or select one on the left. Its S₀ appears here during training."),
        );
        return None;
    };
    let Some(key) = data.key(run, settings.step) else {
        nothing_ui(ui, run);
        return None;
    };
    if let Some(problem) = data.problem(&key) {
        empty_state(ui, tr!("The state cannot be read"), problem);
        return None;
    }
    let Some(tuned) = data.state(&key) else {
        empty_state(
            ui,
            tr!("Reading the state"),
            tr!("It is read from the run's folder."),
        );
        return None;
    };
    let sizes = settings.kind.places(&tuned);
    settings.layer = settings.layer.min(sizes[0].saturating_sub(1));
    let across = settings.across();
    *across = sizes[1].saturating_sub(1).min(*across);
    let known = heads.known(run, settings, &key, workspace);
    let mut look = StatesContext {
        run,
        settings,
        data,
        sizes,
        cursor,
        heads: known,
        asked: None,
    };
    heading_ui(ui, &look, &key);
    super::controls::controls_ui(ui, &mut look, &workspace.store, &tuned);
    super::steps::steps_ui(ui, &mut look);
    header_ends(ui);
    ui.add_space(4.0);
    scrolled(ui, |ui| {
        if look.settings.follows_text {
            super::tokens::words_ui(ui, &mut look);
            ui.add_space(4.0);
        }
        pictures_ui(ui, &mut look);
        ui.add_space(GAP);
        super::lens::lens_ui(ui, &mut look);
        ui.add_space(GAP);
    });
    look.asked
}

fn nothing_ui(ui: &mut Ui, run: &Run) {
    if run.spec.method == Method::Base {
        empty_state(
            ui,
            tr!("This run has no state"),
            tr!("Base trains nothing, so there is no tuned state."),
        );
    } else if run.status.is_over() {
        empty_state(
            ui,
            tr!("This run has no state"),
            tr!("No state was saved. Select another run on the left."),
        );
    } else {
        empty_state(
            ui,
            tr!("No state yet"),
            tr!("S₀ appears after the first step; the untuned model is measured before it."),
        );
    }
}

fn heading_ui(ui: &mut Ui, look: &StatesContext<'_>, key: &StateKey) {
    cut_label(ui, RichText::new(&look.run.id.0).heading()).on_hover_text(&look.run.id.0);
    let settings = &*look.settings;
    let grid = look.data.grid.newest();
    // While a run is on the grid comes a little after the state that it is of.
    let is_live = settings.step.is_none() && look.run.is_on_here();
    let shown = grid.filter(|(of, _)| {
        let is_it = of.of == *key || (is_live && of.of.run == key.run);
        is_it && of.kind == settings.kind && of.token.is_none()
    });
    let norm = shown.map_or(String::new(), |(of, grid)| {
        let norm = number(grid.norm);
        match of.kind.is_of_adapter() {
            true => tr!(", norm {norm} over all adapters", norm),
            false => tr!(", norm {} over all heads", norm),
        }
    });
    let less = match &settings.compare {
        CompareWith::Nothing => String::new(),
        CompareWith::Step(step) => tr!(", minus that after step {step}", step),
        CompareWith::Run(run) => tr!(", minus that of {}", run.0),
    };
    let step = shown.map_or(key.step, |(of, _)| of.of.step);
    let what = match (settings.follows_text, settings.from_untuned) {
        (true, true) => tr!("S over a text, from the untuned model").to_owned(),
        (true, false) => tr!("S over a text, from the state after step {step}", step),
        (false, _) => {
            let kind = symbol(settings.kind, false);
            tr!(
                "{kind} after step {step}{less}{norm}",
                kind,
                step,
                less,
                norm
            )
        }
    };
    weak_small(ui, what);
    ui.add_space(2.0);
}

/// The grid, the large picture and the numbers, side by side where there is
/// room.
fn pictures_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let width = ui.available_width();
    if width < SIDE_BY_SIDE_FROM {
        super::grid::grid_ui(ui, look);
        ui.add_space(GAP);
        super::large::large_ui(ui, look);
        ui.add_space(GAP);
        super::numbers::numbers_ui(ui, look, 1);
        return;
    }
    let is_wide = width >= ALL_SIDE_BY_SIDE_FROM;
    let numbers_width = if is_wide { NUMBERS_WIDTH } else { 0.0 };
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            ui.set_width((width * 0.34).floor().min(360.0));
            super::grid::grid_ui(ui, look);
        });
        ui.add_space(GAP);
        ui.vertical(|ui| {
            ui.set_width(ui.available_width() - numbers_width);
            super::large::large_ui(ui, look);
        });
        if is_wide {
            ui.vertical(|ui| {
                ui.set_width(numbers_width - GAP);
                super::numbers::numbers_ui(ui, look, 1);
            });
        }
    });
    if !is_wide {
        ui.add_space(GAP);
        super::numbers::numbers_ui(ui, look, 3);
    }
}
