//! What the command palette lists.

use eframe::egui::Context;

use crate::language::{self, Language};
use crate::persist::presets::PRESETS;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::ui::shared::action::{Action, SidePanel};
use crate::ui::shared::tab::{Side, Tab};
use crate::ui::shell::charts;
use crate::ui::shell::docking::Dock;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::pictures::{PictureOf, is_placed};
use crate::ui::shell::shortcuts::{ActsOn, listed_shortcuts};
use crate::ui::sweep::action::SweepAction;
use crate::ui::tune::charts::{ChartChange, ChartLayouts};
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::status_mark::status_word;

/// Runs that are listed among the entries.
const MAX_RUNS: usize = 200;
/// Why something cannot be done.
const NO_RUN: &str = mark!("no run is selected");
const ONE_PLACE: &str = mark!("only one view is shown");

/// Something that can be done, or why not just now.
pub(super) struct Entry {
    /// What is searched.
    pub text: String,
    /// The keys that do it too.
    pub keys: String,
    /// What it does, or why not.
    pub action: Result<Action, &'static str>,
}

/// What the list is of besides what keys act on.
pub(crate) struct PaletteContext<'a> {
    /// Where the views stand.
    pub dock: &'a Dock,
    /// Whether deleted runs can be put back.
    pub can_undelete: bool,
    /// Which charts of the steps there are.
    pub charts: &'a ChartLayouts,
    /// The fields of the configuration: paths, names and values.
    pub fields: &'a [[String; 3]],
    /// The sweep that is looked at: its name, and what keeps it from going on.
    pub sweep: Option<(&'a str, Result<(), &'static str>)>,
}

/// Everything that can be done; what cannot be done just now comes last, with the
/// reason.
pub(super) fn entries(ctx: &Context, on: &ActsOn<'_>, listed: &PaletteContext<'_>) -> Vec<Entry> {
    let mut entries = Entries(Vec::new());
    for (shortcut, action) in listed_shortcuts(on) {
        entries.0.push(Entry {
            text: language::text(shortcut.what).into(),
            keys: ctx.format_shortcut(&shortcut.keys),
            action,
        });
    }
    if let Some((name, can_go_on)) = listed.sweep {
        let go_on = Action::Sweep(SweepAction::GoOn { retry: false });
        entries.add_if(tr!("Continue the sweep {name}", name), can_go_on, go_on);
    }
    entries.add_views(listed.dock);
    entries.add_pictures(ctx, listed.dock);
    entries.add_charts(listed.charts);
    entries.add_files(on);
    entries.add_run(on, listed.can_undelete);
    for [path, name, value] in listed.fields {
        entries.add(
            tr!(
                "Go to the field {name}, {path} = {value}",
                name,
                path,
                value
            ),
            Action::GoToField(path.clone()),
        );
    }
    for run in on.store.runs().iter().rev().take(MAX_RUNS) {
        let word = status_word(&run.status).to_lowercase();
        entries.add(
            tr!("Show the run {}, {word}", run.title(), word),
            Action::Select(run.id.clone()),
        );
    }
    entries.0.sort_by_key(|entry| entry.action.is_err());
    entries.0
}

/// The entries so far.
struct Entries(Vec<Entry>);

impl Entries {
    fn add(&mut self, text: impl Into<String>, action: Action) {
        self.add_if(text, Ok(()), action);
    }

    /// Adds one that is only there to say why it cannot be done, unless it can.
    fn add_if(
        &mut self,
        text: impl Into<String>,
        can_be_done: Result<(), &'static str>,
        action: Action,
    ) {
        self.0.push(Entry {
            text: text.into(),
            keys: String::new(),
            action: can_be_done.map(|()| action),
        });
    }

    /// Panels, and where views stand.
    fn add_views(&mut self, dock: &Dock) {
        let panels = [
            (tr!("the list of runs"), SidePanel::Runs),
            (tr!("the configuration"), SidePanel::Form),
            (tr!("the log"), SidePanel::Log),
        ];
        for (name, panel) in panels {
            self.add(tr!("Show or hide {name}", name), Action::TogglePanel(panel));
        }
        let is_split = dock.is_split();
        for tab in Tab::ALL {
            for side in Side::ALL {
                let text = tr!("Show {} {}", tab.name(), side.words());
                self.add(text, Action::Put(tab, side));
            }
            let can_close = match (is_split, dock.has(tab)) {
                (_, false) => Err(tr!("it is closed")),
                (false, true) => Err(ONE_PLACE),
                (true, true) => Ok(()),
            };
            let text = tr!("Close the view {}", tab.name());
            self.add_if(text, can_close, Action::CloseView(tab));
        }
        let can_join = if is_split { Ok(()) } else { Err(ONE_PLACE) };
        self.add_if(tr!("Show only one view"), can_join, Action::JoinViews);
        self.add(tr!("Reset the layout"), Action::ResetLayout);
    }

    /// What leaves the window as a picture or as numbers.
    fn add_pictures(&mut self, ctx: &Context, dock: &Dock) {
        let shown = charts::shown(ctx);
        let can = |is_there: bool| match is_there {
            true => Ok(()),
            false => Err(tr!("it is not on the screen")),
        };
        let seen = |of: PictureOf| can(is_placed(ctx, of));
        self.add(
            tr!("Save a picture of the window"),
            Action::SavePicture(PictureOf::Window),
        );
        for tab in Tab::ALL {
            let of = PictureOf::View(tab);
            let text = tr!("Save a picture of {}", of.words());
            self.add_if(text, can(dock.shows(tab)), Action::SavePicture(of));
        }
        let plots = Metric::ALL.map(PictureOf::Plot);
        let parts = [PictureOf::Matrix, PictureOf::Heads, PictureOf::Sweep];
        let known = plots.into_iter().chain(parts);
        let is_known = |of: &PictureOf| known.clone().any(|known| known == *of);
        let others = shown.iter().copied().filter(|of| !is_known(of));
        for of in known.clone().chain(others) {
            let words = of.words();
            let picture = Action::SavePicture(of);
            self.add_if(tr!("Save a picture of {words}", words), seen(of), picture);
            if let PictureOf::Plot(metric) = of {
                let text = tr!("Save {words} as SVG", words);
                self.add_if(text, seen(of), Action::SaveSvg(metric));
            }
            let numbers = Action::SaveChartNumbers(of);
            let text = tr!("Save the numbers of {words}", words);
            self.add_if(text, can(shown.contains(&of)), numbers);
        }
    }

    /// Which charts of the steps there are.
    fn add_charts(&mut self, layouts: &ChartLayouts) {
        for metric in Metric::ALL {
            let title = metric.title();
            let text = match layouts.now.find(metric) {
                Some(_) => tr!("Remove the chart {title}", title),
                None => tr!("Add the chart {title}", title),
            };
            self.add(text, Action::Arrange(ChartChange::Toggle(metric)));
        }
        let current = layouts.current();
        let can_use = |name: &str| match current == Some(name) {
            true => Err(tr!("the charts are arranged so")),
            false => Ok(()),
        };
        let reset = Action::Arrange(ChartChange::Use(None));
        self.add_if(
            tr!("Use the default layout of the charts"),
            can_use(""),
            reset,
        );
        for name in layouts.saved.keys() {
            let text = tr!("Use the layout {name} of the charts", name);
            let change = ChartChange::Use(Some(name.clone()));
            self.add_if(text, can_use(name), Action::Arrange(change));
        }
    }

    /// Languages, presets, files and models.
    fn add_files(&mut self, on: &ActsOn<'_>) {
        let english = Action::SetLanguage(Some(Language::English));
        self.add("Use English", english);
        let chinese = Action::SetLanguage(Some(Language::Chinese));
        self.add(tr!("Use Chinese"), chinese);
        for (name, _) in PRESETS {
            self.add(tr!("Use the preset {name}", name), Action::UsePreset(name));
        }
        let plain = [
            (tr!("Copy the configuration as RON"), Action::CopyRon),
            (tr!("Copy the sweep as RON"), Action::CopySweepRon),
            (
                tr!("Open a sweep as RON"),
                Action::Choose(PathFor::OpenSweep),
            ),
            (
                tr!("Save the sweep as RON"),
                Action::Choose(PathFor::SaveSweep),
            ),
            (tr!("Preview the training data"), Action::LookAtData),
            (
                tr!("Sample training data from a model"),
                Action::OpenSampling,
            ),
            (tr!("Find a learning rate"), Action::OpenRateSearch),
            (tr!("Get a published model"), Action::OpenModels),
            (tr!("Choose a model"), Action::Choose(PathFor::Checkpoint)),
            (
                tr!("Choose the folder of a model"),
                Action::Choose(PathFor::CheckpointFolder),
            ),
            (tr!("Import a state of another program"), Action::OpenImport),
            (tr!("Save diagnostics"), Action::SaveDiagnostics(None)),
        ];
        for (text, action) in plain {
            self.add(text, action);
        }
        let selected = &on.selection.selected;
        let has_some = if selected.is_empty() {
            Err(NO_RUN)
        } else {
            Ok(())
        };
        let report = Action::SaveReport(selected.clone());
        self.add_if(tr!("Save a report of the selected runs"), has_some, report);
        let numbers = Action::SaveNumbers(selected.clone());
        self.add_if(
            tr!("Save all metrics of the selected runs"),
            has_some,
            numbers,
        );
    }

    /// What can be done with the run that buttons act on.
    fn add_run(&mut self, on: &ActsOn<'_>, can_undelete: bool) {
        let run = on.selection.focused().and_then(|id| on.store.get(id));
        // Where no run is selected, the texts speak of the one that would be.
        let title = run.map_or(tr!("the selected run"), Run::title);
        let id = || run.map_or_else(|| RunId(String::new()), |run| run.id.clone());
        let is_there = run.map(|_| ()).ok_or(NO_RUN);
        let is_over = match run {
            Some(run) if !run.status.is_over() => Err(tr!("the run is not over")),
            _ => is_there,
        };
        let has_state = match run {
            Some(run) if run.exported.is_empty() => Err(tr!("the run has no saved state yet")),
            _ => is_there,
        };
        let entries = [
            (
                tr!("Show the details of {title}", title),
                is_there,
                Action::OpenDetails(id()),
            ),
            (
                tr!("Edit name, tags and note of {title}", title),
                is_there,
                Action::EditLabels(id()),
            ),
            (
                tr!("Run again: {title}", title),
                is_there,
                Action::RunAgain(id()),
            ),
            (
                tr!("Run again with changes: {title}", title),
                is_there,
                Action::UseSpecOf(id()),
            ),
            (
                tr!("Pin as the baseline: {title}", title),
                is_there,
                Action::Pin(Some(id())),
            ),
            (
                tr!("Measure the accuracy of {title}", title),
                is_over,
                Action::OpenScoring(id()),
            ),
            (
                tr!("Export the state of {title}", title),
                has_state,
                Action::OpenExport(id()),
            ),
            (
                tr!("Start from the state of {title}", title),
                has_state,
                Action::StartFrom(id()),
            ),
            (
                tr!("Mix the state of {title}", title),
                has_state,
                Action::OpenMix(id()),
            ),
            (
                tr!("Copy as a command line: {title}", title),
                is_there,
                Action::CopyCommandLineOf(id()),
            ),
        ];
        for (text, can_be_done, action) in entries {
            self.add_if(text, can_be_done, action);
        }
        let deleted = match can_undelete {
            true => Ok(()),
            false => Err(tr!("no run was deleted")),
        };
        self.add_if(tr!("Restore the deleted runs"), deleted, Action::Undelete);
        let pinned = match on.selection.baseline {
            Some(_) => Ok(()),
            None => Err(tr!("no run is pinned")),
        };
        self.add_if(tr!("Unpin the baseline"), pinned, Action::Pin(None));
    }
}
