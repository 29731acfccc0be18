//! Many runs over ranges of fields: set up, queued, compared.
//!
//! | file | what |
//! |---|---|
//! | `setup.rs`, `fields.rs`, `axis.rs` | a sweep before it starts, its fields and their ranges |
//! | `cost.rs` | what it takes, and its start |
//! | `header.rs` | the sweep that is looked at, how far it is, what can be done |
//! | `queue.rs`, `table.rs` | its runs, one row each |
//! | `parallel.rs`, `heatmap.rs`, `scatter.rs`, `importance.rs` | its results |
//! | `scale.rs` | values on an axis |

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{ComboBox, PopupCloseBehavior, Rect, Role, Ui};

use super::opened::OpenSweep;
use super::parts::spoken;
use super::settings::ResultsView;
use super::state::SweepState;
use crate::language;
use crate::report::{SavedTable, Table};
use crate::runs::RunStore;
use crate::sweep::results::Metric;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::PictureOf;
use crate::ui::widgets::controls::{choice, weak_small, within};

/// Width of the choice of a metric, with its name.
const METRIC_WIDTH: f32 = 180.0;

/// Draws the view.
pub fn sweep_ui(ui: &mut Ui, panel: &mut SweepState, workspace: &mut Workspace) -> Vec<Action> {
    let Workspace {
        store,
        selection,
        draft,
        ..
    } = workspace;
    let mut actions = Vec::new();
    if panel.is_setting_up || panel.shown.is_none() {
        super::setup::setup_ui(ui, panel, draft, store, &mut actions);
    } else {
        super::header::header_ui(ui, panel, store, &mut actions);
        results_ui(ui, panel, store, selection, &mut actions);
    }
    actions
}

fn results_ui(
    ui: &mut Ui,
    panel: &mut SweepState,
    store: &RunStore,
    selection: &mut Selection,
    actions: &mut Vec<Action>,
) {
    let SweepState { shown, look, .. } = panel;
    let Some(shown) = shown else { return };
    ui.horizontal_wrapped(|ui| {
        choice(
            ui,
            &mut look.view,
            &ResultsView::ALL.map(|(view, name)| (view, language::text(name))),
        );
        match look.view {
            ResultsView::Queue | ResultsView::Table => {}
            ResultsView::Parallel
            | ResultsView::Heatmap
            | ResultsView::Scatter
            | ResultsView::Importance => metric_ui(ui, &mut look.metric),
        }
        match look.view {
            ResultsView::Table => {
                let toggled = numbers_ui(ui, tr!("Columns"), &look.columns);
                toggled.into_iter().for_each(|of| look.toggle_column(of));
            }
            ResultsView::Parallel => {
                let toggled = numbers_ui(ui, tr!("Axes"), &look.axes);
                toggled.into_iter().for_each(|of| look.toggle_axis(of));
            }
            ResultsView::Queue
            | ResultsView::Heatmap
            | ResultsView::Scatter
            | ResultsView::Importance => {}
        }
        ui.menu_button(tr!("Save"), |ui| actions.extend(save_ui(ui, shown)));
    });
    ui.add_space(4.0);
    let corner = ui.cursor().min;
    let results = &shown.results;
    let shows_metric = !matches!(look.view, ResultsView::Queue | ResultsView::Table);
    if shows_metric {
        let words = super::tables::of_words(shown, look.metric);
        if !words.is_empty() {
            weak_small(ui, words);
        }
    }
    match look.view {
        ResultsView::Queue => super::queue::queue_ui(ui, shown, store, selection, actions),
        ResultsView::Table => super::table::table_ui(ui, results, look, selection),
        ResultsView::Parallel => super::parallel::parallel_ui(ui, results, look, selection),
        ResultsView::Heatmap => super::heatmap::heatmap_ui(ui, results, look, selection),
        ResultsView::Scatter => super::scatter::scatter_ui(ui, results, look, selection),
        ResultsView::Importance => {
            super::importance::importance_ui(ui, &shown.plan, results, look.metric)
        }
    }
    let whole = Rect::from_min_max(corner, ui.min_rect().max);
    charts::leaves(ui, PictureOf::Sweep, whole, || {
        super::tables::view_table(shown, look)
    });
}

/// Which numbers of runs are shown; those that the user switched.
fn numbers_ui(ui: &mut Ui, name: &str, chosen: &[Metric]) -> Vec<Metric> {
    let mut toggled = Vec::new();
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    MenuButton::new(name).config(config).ui(ui, |ui| {
        for metric in Metric::ALL {
            let mut is_shown = chosen.contains(&metric);
            if ui
                .checkbox(&mut is_shown, language::text(metric.words()))
                .changed()
            {
                toggled.push(metric);
            }
        }
    });
    toggled
}

/// What of the results leaves the view as a file.
fn save_ui(ui: &mut Ui, shown: &OpenSweep) -> Option<Action> {
    let mut asked = None;
    let mut entry = |ui: &mut Ui, text: &str, hint: &str, action: &dyn Fn() -> Action| {
        if ui.button(text).on_hover_text(hint).clicked() {
            asked = Some(action());
            ui.close();
        }
    };
    let results = &shown.results;
    let table = |table: &dyn Fn() -> Table, name: &str| {
        Action::SaveTable(Box::new(SavedTable::of(table)), name.into())
    };
    entry(
        ui,
        tr!("This view as PNG or SVG…"),
        tr!("As it is on the screen"),
        &|| Action::SavePicture(PictureOf::Sweep),
    );
    entry(
        ui,
        tr!("The numbers of this view…"),
        tr!("What it is drawn of, as a table"),
        &|| Action::SaveChartNumbers(PictureOf::Sweep),
    );
    entry(
        ui,
        tr!("Every run as a table…"),
        tr!("A row for each run"),
        &|| table(&|| results.runs_table(true), "runs"),
    );
    let hint = tr!("A row for each setting, with means over its seeds and 95% intervals");
    entry(ui, tr!("Every setting as a table…"), hint, &|| {
        table(&|| results.settings_table(), "settings")
    });
    let hint = tr!("The best run of each part on the test split, and the untuned model");
    entry(ui, tr!("The best runs as a table…"), hint, &|| {
        table(&|| results.best_table(), "best")
    });
    ui.separator();
    let folder = shown.path.clone();
    let hint = folder.display().to_string();
    entry(ui, tr!("Open its folder"), &hint, &|| {
        Action::Reveal(folder.clone())
    });
    asked
}

/// Which number colours and heights stand for.
fn metric_ui(ui: &mut Ui, metric: &mut Metric) {
    // Both stay on one line.
    within(ui, METRIC_WIDTH, |ui| {
        weak_small(ui, tr!("of"));
        let width = 150.0;
        let list = ComboBox::from_id_salt("sweep metric")
            .width(width)
            .selected_text(language::text(metric.words()));
        let shown = within(ui, width, |ui| {
            list.show_ui(ui, |ui| {
                for other in Metric::ALL {
                    ui.selectable_value(metric, other, language::text(other.words()));
                }
            })
        });
        spoken(&shown.response, Role::ComboBox, tr!("Metric"));
    });
}
