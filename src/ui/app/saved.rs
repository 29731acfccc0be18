//! What is kept of the window from one to the next; no run data in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::language::Language;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::ui::adapt::state::AdaptSettings;
use crate::ui::items::state::ItemsSettings;
use crate::ui::playground::state::PlaygroundSettings;
use crate::ui::runs::state::RunSort;
use crate::ui::runs::table::settings::TableSettings;
use crate::ui::shared::queue::PersistedRequest;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::closing::ClosingState;
use crate::ui::shell::docking::Dock;
use crate::ui::shell::log_panel::LogSettings;
use crate::ui::shell::state::Shell;
use crate::ui::shell::theme::Appearance;
use crate::ui::states::settings::StatesSettings;
use crate::ui::sweep::saved::SavedSweep;
use crate::ui::tune::charts::ChartLayouts;
use crate::ui::tune::plot_settings::PlotSettings;

/// Everything that is kept over restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedState {
    /// Light or dark.
    pub appearance: Appearance,
    /// The language that was chosen in the window; none: that of the system.
    pub language: Option<Language>,
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
    /// What the table of runs shows.
    pub table: TableSettings,
    /// Whether what closing the window stops continues when it opens again.
    pub goes_on: bool,
    /// Runs to resume when the window opens.
    pub resumes: Vec<RunId>,
    /// Runs to queue when the window opens, since they waited when it closed.
    pub waits: Vec<PersistedRequest>,
    /// The folder of the sweep to continue with when the window opens.
    pub sweep_resumes: Option<PathBuf>,
    /// Whether the times of frames are shown.
    pub shows_frame_times: bool,
    /// How plots are drawn.
    pub plots: PlotSettings,
    /// Which plots there are, and layouts of them.
    pub charts: ChartLayouts,
    /// Which part of a state is looked at.
    pub states: StatesSettings,
    /// The selected comparison, filter and item.
    pub items: ItemsSettings,
    /// The sweep that is set up, and how one is looked at.
    pub sweep: SavedSweep,
    /// How prompts are answered.
    pub playground: PlaygroundSettings,
    /// The adaptation that is set up, and the one that is looked at.
    pub adapt: AdaptSettings,
    /// The run that the configuration is a changed copy of.
    pub draft_of: Option<RunId>,
    /// The run that Start begins. It is kept apart, as a document.
    #[serde(skip)]
    pub draft: RunSpec,
}

impl Default for SavedState {
    fn default() -> Self {
        Self {
            appearance: Appearance::default(),
            language: None,
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
            table: TableSettings::default(),
            goes_on: true,
            resumes: Vec::new(),
            waits: Vec::new(),
            sweep_resumes: None,
            shows_frame_times: false,
            plots: PlotSettings::default(),
            charts: ChartLayouts::default(),
            states: StatesSettings::default(),
            items: ItemsSettings::default(),
            sweep: SavedSweep::default(),
            playground: PlaygroundSettings::default(),
            adapt: AdaptSettings::default(),
            draft_of: None,
            draft: RunSpec::default(),
        }
    }
}

impl SavedState {
    /// The runs that were looked at.
    pub(super) fn selection(&self) -> Selection {
        let mut selection = Selection::default();
        selection.selected.clone_from(&self.selected);
        selection.colours.clone_from(&self.colours);
        selection.baseline.clone_from(&self.baseline);
        selection
    }

    /// The window around the features as it was.
    pub(super) fn shell(&self) -> Shell {
        Shell {
            appearance: self.appearance,
            language: self.language,
            dock: self.dock.clone(),
            shows_runs: self.shows_runs,
            shows_form: self.shows_form,
            shows_log: self.shows_log,
            log: LogSettings {
                of_selected: self.log_of_selected,
                of_trouble: self.log_of_trouble,
            },
            shows_frame_times: self.shows_frame_times,
            ..Shell::default()
        }
    }

    /// What is to continue.
    pub(super) fn closing(&self) -> ClosingState {
        ClosingState {
            goes_on: self.goes_on,
            resumes: self.resumes.clone(),
            waits: self.waits.clone(),
            sweep_resumes: self.sweep_resumes.clone(),
            ..ClosingState::default()
        }
    }
}
