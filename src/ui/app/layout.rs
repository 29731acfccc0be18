//! Where the panels stand in the window, and the views between them.

use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{
    Align, Button, CentralPanel, Color32, FontId, Frame, Id, Layout, Margin, Panel, PointerButton,
    RichText, ScrollArea, Sense, Ui, vec2,
};

use super::App;
use crate::persist::spec_file::fields;
use crate::protocol::event::RunId;
use crate::protocol::fields::field_name;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::adapt::view::adapt_ui;
use crate::ui::compare::view::compare_ui;
use crate::ui::config::form::{FormContext, config_form_ui};
use crate::ui::dialogs::data_preview::view::data_ui;
use crate::ui::dialogs::export::view::export_ui;
use crate::ui::dialogs::get_model::view::get_model_ui;
use crate::ui::dialogs::mix::view::mix_ui;
use crate::ui::dialogs::rate_search::view::rate_ui;
use crate::ui::dialogs::sampling::view::sampling_ui;
use crate::ui::dialogs::scoring::view::score_ui;
use crate::ui::dialogs::state_import::view::import_ui;
use crate::ui::items::view::items_ui;
use crate::ui::playground::saving_view::saving_ui;
use crate::ui::playground::view::playground_ui;
use crate::ui::runs::details::view::details_ui;
use crate::ui::runs::labels::labels_ui;
use crate::ui::runs::panel::{Told, runs_panel_ui};
use crate::ui::runs::table::Sweeps;
use crate::ui::runs::table::view::run_table_ui;
use crate::ui::shared::action::Action;
use crate::ui::shared::tab::Tab;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::areas::Area;
use crate::ui::shell::closing::Closing;
use crate::ui::shell::docking::Dock;
use crate::ui::shell::docking::tabs::{docked_ui, view_menu_ui};
use crate::ui::shell::log_panel::log_panel_ui;
use crate::ui::shell::look::look_ui;
use crate::ui::shell::messages::{closing_ui, notices_ui, shortcuts_ui};
use crate::ui::shell::palette::{PaletteContext, palette_ui};
use crate::ui::shell::state::Shell;
use crate::ui::shell::status_bar::status_bar_ui;
use crate::ui::shell::theme::{MARGIN, palette};
use crate::ui::states::view::states_ui;
use crate::ui::sweep::view::sweep_ui;
use crate::ui::tune::view::tune_ui;
use crate::ui::widgets::controls::from_right;

/// The size of the names of the views.
const TAB_SIZE: f32 = 14.0;

/// The least width that views are made for; in less room they scroll sideways.
const VIEW_WIDTH: f32 = 400.0;

impl App {
    /// Draws everything.
    pub(super) fn draw(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let ending = (self.closing.stage != Closing::No).then(|| self.ending());
        if self.workspace.selection.begin_frame() {
            // What was drawn before the run was pointed at follows.
            ui.ctx().request_repaint();
        }
        self.tune.begin_frame(&self.workspace.selection);
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
        Panel::top("top")
            .frame(bar)
            .resizable(false)
            .show(ui, |ui| actions.extend(top_ui(ui, &mut self.shell)));
        Panel::bottom("status")
            .frame(bar)
            .exact_size(28.0)
            .resizable(false)
            .show(ui, |ui| status_bar_ui(ui, &self.workspace.store));
        self.side_panels_ui(ui, side, actions);
        CentralPanel::default()
            .frame(match self.shell.dock.is_split() {
                // Places of a split have their own margins, with lines between them.
                true => centre.inner_margin(Margin::ZERO),
                false => centre,
            })
            .show(ui, |ui| self.centre_ui(ui, actions));
        if self.tune.cache.has_more() {
            ui.ctx().request_repaint();
        }
        self.dialogs_ui(ui, actions);
        if let Some(ending) = ending {
            let stage = self.closing.stage;
            let goes_on = &mut self.closing.goes_on;
            actions.extend(closing_ui(ui.ctx(), stage, &ending, goes_on));
        }
    }

    /// The runs, the configuration and the log.
    fn side_panels_ui(&mut self, ui: &mut Ui, side: Frame, actions: &mut Vec<Action>) {
        let Self {
            workspace,
            shell,
            sweep,
            runs,
            config,
            rate_search,
            ..
        } = self;
        (shell.areas.runs, shell.areas.form) = (None, None);
        if shell.shows_runs {
            let told = Told {
                is_reading: self.reads_past_runs,
                shows_form: shell.shows_form,
                sweep: sweep.on().map(|on| on.plan.sweep.name.as_str()),
            };
            let panel = Panel::left("runs")
                .frame(side)
                .default_size(236.0)
                .size_range(180.0..=460.0)
                .show(ui, |ui| {
                    actions.extend(runs_panel_ui(ui, workspace, runs, &told));
                });
            shell.areas.runs = Some(panel.response.rect);
        }
        if shell.shows_form {
            let is_busy = workspace.queue.has_run() || sweep.is_on() || is_on(&workspace.store);
            let Workspace { store, draft, .. } = workspace;
            let known = FormContext {
                distances: config.distances(store, draft),
                searches: rate_search.is_on(),
            };
            let panel = Panel::right("configuration")
                .frame(side)
                .default_size(318.0)
                .size_range(280.0..=520.0)
                .show(ui, |ui| {
                    actions.extend(config_form_ui(ui, draft, config, &known, is_busy));
                });
            shell.areas.form = Some(panel.response.rect);
            config.goes_to = None;
        }
        if shell.shows_log {
            let Workspace {
                store, selection, ..
            } = workspace;
            Panel::bottom("log")
                .frame(side)
                .resizable(true)
                .default_size(116.0)
                .size_range(60.0..=420.0)
                .show(ui, |ui| {
                    actions.extend(log_panel_ui(ui, store, selection, &mut shell.log));
                });
        }
    }

    /// Messages, and the views where they stand.
    fn centre_ui(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        // Over the views, which stay where they are when a message comes.
        actions.extend(notices_ui(ui, &self.workspace.notices));
        // Views look at what else is kept, and not at where they stand.
        let mut dock = std::mem::take(&mut self.shell.dock);
        let mut asked = Vec::new();
        let handled = docked_ui(ui, &mut dock, |ui, tab| {
            self.view_ui(ui, tab, &mut asked);
        });
        self.shell.dock = dock;
        actions.extend(asked.into_iter().chain(handled));
    }

    /// Draws a view within the room there is, and nothing of it outside.
    fn view_ui(&mut self, ui: &mut Ui, tab: Tab, actions: &mut Vec<Action>) {
        ui.shrink_clip_rect(ui.max_rect());
        if ui.available_width() >= VIEW_WIDTH {
            return self.whole_view_ui(ui, tab, actions);
        }
        let area = ScrollArea::horizontal()
            .id_salt(("narrow", tab.name()))
            .auto_shrink([false, false]);
        area.show(ui, |ui| {
            let size = vec2(VIEW_WIDTH, ui.available_height());
            ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                self.whole_view_ui(ui, tab, actions);
            });
        });
    }

    fn whole_view_ui(&mut self, ui: &mut Ui, tab: Tab, actions: &mut Vec<Action>) {
        let Self {
            workspace, sweep, ..
        } = self;
        match tab {
            Tab::Tune => {
                let role_of = |run: &_| sweep.role_of(run);
                let shows_form = self.shell.shows_form;
                let tune = &mut self.tune;
                actions.extend(tune_ui(ui, workspace, tune, role_of, shows_form));
                if let Some(run) = &tune.cache.pointed {
                    workspace.selection.point_at(run);
                }
            }
            Tab::States => actions.extend(states_ui(ui, workspace, &mut self.states)),
            Tab::Sweep => actions.extend(sweep_ui(ui, sweep, workspace)),
            Tab::Compare => actions.extend(compare_ui(ui, workspace, &mut self.compare)),
            Tab::Items => items_ui(ui, workspace, &mut self.items),
            Tab::Adapt => adapt_ui(ui, workspace, &mut self.adapt),
            Tab::Table => {
                let sweep_of = |run: &RunId| {
                    let folder = sweep.role_of(run).folder?;
                    Some(folder.file_name()?.to_string_lossy().into_owned())
                };
                let sweeps = Sweeps {
                    n_known: sweep.known.len(),
                    of: &sweep_of,
                };
                let table = &mut self.runs.table;
                actions.extend(run_table_ui(ui, workspace, table, sweeps));
            }
            Tab::Playground => {
                // The worker of the window, which answers prompts, is free while a
                // sweep is on.
                let is_own = |run: &Run| run.is_on_here() && sweep.under_way(&run.id).is_none();
                let is_run_on = workspace.store.runs().iter().any(is_own);
                let playground = &mut self.playground;
                actions.extend(playground_ui(ui, workspace, playground, is_run_on));
            }
        }
    }

    /// Whether a question stands in front of everything.
    pub(super) fn has_dialog(&self) -> bool {
        self.shell.shows_shortcuts
            || self.runs.editing.is_some()
            || self.runs.details.open.is_some()
            || self.export.open.is_some()
            || self.playground.saving.open.is_some()
            || self.import.open.is_some()
            || self.mix.open.is_some()
            || self.sampling.open.is_some()
            || self.models.is_open
            || self.scoring.open.is_some()
            || self.rate_search.is_open()
            || self.shell.palette.is_some()
            || self.data_preview.open.is_some()
            || self.closing.stage != Closing::No
    }

    /// Questions in front of everything.
    fn dialogs_ui(&mut self, ui: &Ui, actions: &mut Vec<Action>) {
        let ctx = ui.ctx();
        if self.shell.shows_shortcuts {
            actions.extend(shortcuts_ui(ctx));
        }
        actions.extend(labels_ui(ctx, &mut self.runs.editing));
        let details = &mut self.runs.details.open;
        actions.extend(details_ui(ctx, details, &self.workspace.store));
        actions.extend(export_ui(ctx, &mut self.export));
        actions.extend(saving_ui(ctx, &mut self.playground.saving.open));
        actions.extend(mix_ui(ctx, &mut self.mix.open));
        actions.extend(sampling_ui(ctx, &mut self.sampling));
        let room = self.config.forecast.room(&self.workspace.draft);
        actions.extend(get_model_ui(ctx, &mut self.models, room));
        let Workspace {
            store,
            queue,
            draft,
            ..
        } = &self.workspace;
        let scoring = &mut self.scoring.open;
        let scored = scoring.as_ref().and_then(|asked| asked.name.as_ref());
        let is_scoring = scored.is_some_and(|name| queue.has_job(name));
        actions.extend(score_ui(ctx, scoring, store.scoring.as_ref(), is_scoring));
        actions.extend(import_ui(ctx, &mut self.import.open, draft));
        data_ui(ctx, &mut self.data_preview.open);
        let search = &mut self.rate_search.search;
        actions.extend(rate_ui(ctx, search, draft, store.rate_search));
        let mut palette = self.shell.palette.take();
        let can_undelete = self.runs.folders.can_undelete();
        let listed = || self.listed();
        // From the list everything can be chosen, wherever the user was.
        if palette.is_some() {
            let on = self.acts_on(Area::Nowhere, &listed);
            // A path that is not Unicode has no text, and then no field is listed.
            let fields = fields(&self.workspace.draft).unwrap_or_default();
            let named = fields.into_iter().map(|(path, value)| {
                let name = field_name(&path).into_owned();
                [path, name, value]
            });
            let listed = PaletteContext {
                dock: &self.shell.dock,
                can_undelete,
                charts: &self.tune.layouts,
                fields: &named.collect::<Vec<_>>(),
                sweep: self.sweep.can_go_on(),
            };
            actions.extend(palette_ui(ctx, &mut palette, &on, &listed));
        }
        self.shell.palette = palette;
    }
}

fn is_on(store: &RunStore) -> bool {
    store.runs().iter().any(Run::is_on_here)
}

/// The name of the program, the views, and what is shown of the panels.
fn top_ui(ui: &mut Ui, shell: &mut Shell) -> Vec<Action> {
    let mut actions = Vec::new();
    ui.horizontal(|ui| {
        ui.label(RichText::new("Gosling").heading().strong());
        ui.add_space(14.0);
        let (in_row, in_menu) = Tab::ALL.split_at(n_in_row(ui, &shell.dock));
        for &tab in in_row {
            let text = RichText::new(tab.name()).size(TAB_SIZE);
            let button = Button::selectable(shell.dock.shows(tab), text);
            let label = ui.add(button.sense(Sense::click_and_drag()));
            label.context_menu(|ui| actions.extend(view_menu_ui(ui, tab, &shell.dock)));
            if label.drag_started_by(PointerButton::Primary) {
                shell.dock.drag(tab, ui.ctx());
            }
            let hint = tr!("{}. Drag it into the centre to see two views side by side, or right-click for a menu", tab.purpose());
            if label.on_hover_text(hint).clicked() {
                actions.push(Action::Open(tab));
            }
        }
        if !in_menu.is_empty() {
            // The view that is looked at is named, also where there is no room for it.
            let shown = in_menu.iter().find(|tab| shell.dock.shows(**tab));
            let text = shown.map_or(tr!("Views"), |tab| tab.name());
            let button = Button::new(RichText::new(text).size(TAB_SIZE)).selected(shown.is_some());
            MenuButton::from_button(button).ui(ui, |ui| {
                for &tab in in_menu {
                    let is_shown = shell.dock.shows(tab);
                    let label = ui.selectable_label(is_shown, tab.name());
                    if label.on_hover_text(tab.purpose()).clicked() {
                        actions.push(Action::Open(tab));
                        ui.close();
                    }
                }
            });
        }
        let right = from_right(ui, |ui| {
            if ui.button("?").on_hover_text(tr!("Keyboard shortcuts")).clicked() {
                actions.push(Action::ToggleShortcuts);
            }
            actions.extend(look_ui(ui, shell));
            ui.separator();
            ui.toggle_value(&mut shell.shows_form, tr!("Configuration"));
            ui.toggle_value(&mut shell.shows_log, tr!("Log"));
            ui.toggle_value(&mut shell.shows_runs, tr!("Runs"));
            ui.min_rect().width()
        });
        ui.data_mut(|data| data.insert_temp(right_id(), right));
    });
    actions
}

/// Where the width of what stands right of the views is kept from frame to frame.
fn right_id() -> Id {
    Id::unique("right of the views")
}

/// How many views have a name of their own beside what stands at the right; the others
/// are in a menu.
fn n_in_row(ui: &Ui, dock: &Dock) -> usize {
    let right: f32 = ui.data(|data| data.get_temp(right_id())).unwrap_or(340.0);
    let spacing = ui.spacing();
    let around = 2.0 * spacing.button_padding.x + spacing.item_spacing.x;
    let width = |text: &str| {
        let font = FontId::proportional(TAB_SIZE);
        let galley = ui
            .painter()
            .layout_no_wrap(text.to_owned(), font, Color32::WHITE);
        galley.size().x + around
    };
    let room = ui.available_width() - right;
    let all: f32 = Tab::ALL.into_iter().map(|tab| width(tab.name())).sum();
    // Nothing follows the last one, and the room at the right is counted with the space
    // in front of it.
    if all - 2.0 * spacing.item_spacing.x <= room {
        return Tab::ALL.len();
    }
    let fitting = |menu: &str| {
        let mut room = room - width(menu);
        let fits = |tab: &Tab| {
            room -= width(tab.name());
            room >= 0.0
        };
        Tab::ALL.into_iter().take_while(fits).count()
    };
    let n = fitting(tr!("Views"));
    // The menu has the name of a view in it that is shown.
    let shown = Tab::ALL[n..].iter().find(|tab| dock.shows(**tab));
    shown.map_or(n, |tab| n.min(fitting(tab.name())))
}
