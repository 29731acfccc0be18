//! What people have chosen to look at: kept over restarts, no run data in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::dialogs::export::ExportDialog;
use super::dialogs::rate_search::RateSearch;
use super::dialogs::scoring::ScoringDialog;
use super::playground::state::PlaygroundSettings;
use super::shared::queue::PersistedRequest;
use super::shell::docking::Dock;
use super::shell::theme::{Appearance, N_RUN_COLOURS};
use super::states::settings::StatesSettings;
use super::sweep::saved::SavedSweep;
use super::tune::plot_settings::PlotSettings;
use crate::bench::{Change, Rule};
use crate::persist::run_labels::RunLabels;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;

/// A view of the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Tab {
    /// The numbers of the steps.
    #[default]
    Tune,
    /// S_0 as pictures.
    States,
    /// Many runs over ranges of fields.
    Sweep,
    /// Accuracy side by side.
    Compare,
    /// The questions that were scored, one by one.
    Items,
    /// A prompt, answered with and without the state.
    Playground,
}

impl Tab {
    /// Every view, in order.
    pub const ALL: [Self; 6] = [
        Self::Tune,
        Self::States,
        Self::Sweep,
        Self::Compare,
        Self::Items,
        Self::Playground,
    ];

    /// The view of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tab| tab.name() == name)
    }

    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tune => "Tune",
            Self::States => "States",
            Self::Sweep => "Sweep",
            Self::Compare => "Compare",
            Self::Items => "Items",
            Self::Playground => "Playground",
        }
    }

    /// What it shows, for a tooltip.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Tune => "The numbers of the steps, live",
            Self::States => "What the state looks like, layer by layer and head by head",
            Self::Sweep => "Many runs over ranges of fields, queued and compared",
            Self::Compare => "Accuracy of several runs side by side, with intervals",
            Self::Items => "The questions that were scored, and which ones tuning fixed or broke",
            Self::Playground => "A prompt of your own, answered with and without the state",
        }
    }
}

/// The order in which runs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RunSort {
    /// Those that began last first.
    #[default]
    Newest,
    /// By their titles.
    Title,
    /// The highest accuracy of the tuned model first.
    Accuracy,
    /// The lowest validation loss first.
    Loss,
}

impl RunSort {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Title, Self::Accuracy, Self::Loss];

    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "Newest",
            Self::Title => "Name",
            Self::Accuracy => "Accuracy",
            Self::Loss => "Held-out loss",
        }
    }
}

/// What people are writing on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelEditor {
    /// The run.
    pub run: RunId,
    /// What it will have.
    pub labels: RunLabels,
    /// Its tags as they are typed.
    pub tags: String,
}

impl LabelEditor {
    /// Of what a run has.
    pub fn new(run: RunId, labels: RunLabels) -> Self {
        let tags = labels.tags_text();
        Self { run, labels, tags }
    }
}

/// The list of everything that can be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaletteState {
    /// What is typed.
    pub typed: String,
    /// The number of the entry that Enter takes.
    pub chosen: usize,
}

/// The files of the two evaluations whose items are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsPair {
    /// The evaluation that is compared with.
    pub first: Option<PathBuf>,
    /// The evaluation that is compared.
    pub second: Option<PathBuf>,
}

/// Which items are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsSettings {
    /// Of which evaluations.
    pub pair: ItemsPair,
    /// What counts as right.
    pub rule: Rule,
    /// What became of those that are listed; all if none.
    pub change: Option<Change>,
    /// A text that they have.
    pub search: String,
    /// The place of the one that is shown.
    pub chosen: usize,
}

/// Everything that is kept over restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UiState {
    /// Light or dark.
    pub appearance: Appearance,
    /// Where the views of the centre stand.
    pub dock: Dock,
    /// Runs that are looked at, in the order of choosing; the last is the one
    /// that buttons act on.
    pub selected: Vec<RunId>,
    /// The colour of every run that has been seen.
    pub colours: BTreeMap<RunId, usize>,
    /// The run that the others are compared with.
    pub baseline: Option<RunId>,
    /// Whether the list of runs is shown.
    pub shows_runs: bool,
    /// Whether the configuration is shown.
    pub shows_form: bool,
    /// Whether the log is shown.
    pub shows_log: bool,
    /// Whether the log is of the selected runs only.
    pub log_of_selected: bool,
    /// Whether the log is of warnings and errors only.
    pub log_of_trouble: bool,
    /// Part of the name, the tags or the status of the runs that are listed.
    pub filter: String,
    /// The order in which they are listed.
    pub sort: RunSort,
    /// Whether what closing the window stops goes on when it opens again.
    pub goes_on: bool,
    /// Runs to take up when the window opens.
    pub resumes: Vec<RunId>,
    /// Runs to queue when the window opens, since they waited when it closed.
    pub waits: Vec<PersistedRequest>,
    /// The folder of the sweep to go on with when the window opens.
    pub sweep_resumes: Option<PathBuf>,
    /// Whether the times of frames are shown.
    pub shows_frame_times: bool,
    /// How plots are drawn.
    pub plots: PlotSettings,
    /// Which part of a state is looked at.
    pub states: StatesSettings,
    /// Which items are looked at.
    pub items: ItemsSettings,
    /// The sweep that is set up, and how one is looked at.
    pub sweep: SavedSweep,
    /// How prompts are answered.
    pub playground: PlaygroundSettings,
    /// The run that Start begins. It is kept apart, as a document.
    #[serde(skip)]
    pub draft: RunSpec,
    /// The run that the list of runs last came to stand at.
    #[serde(skip)]
    pub listed: Option<RunId>,
    /// Whether the list of shortcuts is open.
    #[serde(skip)]
    pub shows_shortcuts: bool,
    /// What is written on a run at the moment.
    #[serde(skip)]
    pub editing: Option<LabelEditor>,
    /// The name of the prompt that was asked last.
    #[serde(skip)]
    pub playing: Option<RunId>,
    /// Whether it is answered with a state too.
    #[serde(skip)]
    pub plays_tuned: bool,
    /// Prompts that were asked.
    #[serde(skip)]
    pub n_played: usize,
    /// What is being exported.
    #[serde(skip)]
    pub exporting: Option<ExportDialog>,
    /// What is being measured of a run that is over, if the question is open.
    #[serde(skip)]
    pub scoring: Option<ScoringDialog>,
    /// The search for a learning rate that was asked for last.
    #[serde(skip)]
    pub rate_search: Option<RateSearch>,
    /// The list of everything that can be done, if it is open.
    #[serde(skip)]
    pub palette: Option<PaletteState>,
}

impl Default for UiState {
    fn default() -> Self {
        Self {
            appearance: Appearance::default(),
            dock: Dock::default(),
            selected: Vec::new(),
            colours: BTreeMap::new(),
            baseline: None,
            shows_runs: true,
            shows_form: true,
            shows_log: true,
            log_of_selected: false,
            log_of_trouble: false,
            filter: String::new(),
            sort: RunSort::default(),
            goes_on: true,
            resumes: Vec::new(),
            waits: Vec::new(),
            sweep_resumes: None,
            shows_frame_times: false,
            plots: PlotSettings::default(),
            states: StatesSettings::default(),
            items: ItemsSettings::default(),
            sweep: SavedSweep::default(),
            playground: PlaygroundSettings::default(),
            draft: RunSpec::default(),
            listed: None,
            shows_shortcuts: false,
            editing: None,
            playing: None,
            plays_tuned: false,
            n_played: 0,
            exporting: None,
            scoring: None,
            rate_search: None,
            palette: None,
        }
    }
}

impl UiState {
    /// The run that buttons act on.
    pub fn focused(&self) -> Option<&RunId> {
        self.selected.last()
    }

    /// Whether a view is on the screen.
    pub fn shows(&self, tab: Tab) -> bool {
        self.dock.shows(tab)
    }

    /// Whether a run is looked at.
    pub fn is_selected(&self, run: &RunId) -> bool {
        self.selected.contains(run)
    }

    /// Looks at this run alone.
    pub fn select_only(&mut self, run: &RunId) {
        self.selected = vec![run.clone()];
    }

    /// Looks at these runs; buttons go on acting on the same one, if it is among
    /// them.
    pub fn select_all(&mut self, mut runs: Vec<RunId>) {
        if let Some(focused) = self.focused()
            && let Some(at) = runs.iter().position(|run| run == focused)
        {
            let focused = runs.remove(at);
            runs.push(focused);
        }
        self.selected = runs;
    }

    /// Whether a question stands in front of everything.
    pub fn has_dialog(&self) -> bool {
        self.shows_shortcuts
            || self.editing.is_some()
            || self.exporting.is_some()
            || self.scoring.is_some()
            || self
                .rate_search
                .as_ref()
                .is_some_and(|search| search.is_open)
            || self.palette.is_some()
    }

    /// Adds the run to those that are looked at, or takes it out.
    pub fn toggle(&mut self, run: &RunId) {
        match self.selected.iter().position(|id| id == run) {
            Some(idx) => {
                self.selected.remove(idx);
            }
            None => self.selected.push(run.clone()),
        }
    }

    /// The number of a run's colour.
    pub fn colour(&self, run: &RunId) -> usize {
        self.colours.get(run).copied().unwrap_or_default()
    }

    /// Gives runs that are new a colour, the one that fewest runs of the list
    /// have, and forgets those that are gone from it.
    pub fn take_in(&mut self, store: &RunStore) {
        let is_known = |id: &RunId| store.get(id).is_some();
        if self.selected.iter().any(|id| !is_known(id)) {
            self.selected.retain(is_known);
        }
        if store.runs().len() == self.colours.len() {
            return;
        }
        self.colours.retain(|id, _| is_known(id));
        let mut n_of = [0_usize; N_RUN_COLOURS];
        for idx in self.colours.values() {
            n_of[idx % N_RUN_COLOURS] += 1;
        }
        for run in store.runs() {
            if !self.colours.contains_key(&run.id) {
                let fewest = (0..N_RUN_COLOURS).min_by_key(|idx| n_of[*idx]);
                let idx = fewest.unwrap_or_default();
                n_of[idx] += 1;
                self.colours.insert(run.id.clone(), idx);
            }
        }
    }
}

#[cfg(test)]
mod tests;
