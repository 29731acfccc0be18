//! What the user asks for. Views return it, and `app/actions.rs` does it.

use std::path::PathBuf;

use super::evaluations::ItemsPair;
use super::queue::QueueRequest;
use super::tab::{Side, Tab};
use crate::language::Language;
use crate::persist::run_labels::RunLabels;
use crate::protocol::event::{Answer, RunId};
use crate::protocol::run_spec::DataSource;
use crate::report::SavedTable;
use crate::tuning::plan::fit::Fit;
use crate::ui::playground::blind_action::BlindAction;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::pictures::PictureOf;
use crate::ui::shell::theme::Appearance;
use crate::ui::sweep::action::SweepAction;
use crate::ui::tune::charts::ChartChange;
use crate::ui::widgets::metric::Metric;

/// Something that the user asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tune by the draft.
    Start,
    /// Hold a run; one that a sweep does is held with the sweep.
    Pause(RunId),
    /// Go on with a run that is held.
    Resume(RunId),
    /// End a run and save it; a sweep that does it leaves it out.
    Stop(RunId),
    /// Go on with a run without the accuracy that is measured just now.
    SkipScoring(RunId),
    /// Take a run back that waits, by its key.
    Withdraw(u64),
    /// Put a run that waits before the one before it.
    Advance(u64),
    /// Begin a run that waits for a sweep beside it, by its key.
    BeginBeside(u64),
    /// Look at the training data in tokens.
    LookAtData,
    /// Ask which learning rate to begin with.
    OpenRateSearch,
    /// Try rates.
    FindRate,
    /// End the search for a rate.
    StopFinding,
    /// Make this the learning rate of the configuration.
    UseRate(f64),
    /// Give up the run that is being prepared.
    GiveUp,
    /// Begin a run like this one.
    RunAgain(RunId),
    /// Compare the others with this run, or with none.
    Pin(Option<RunId>),
    /// Look at a run by itself.
    OpenDetails(RunId),
    /// Write on a run.
    EditLabels(RunId),
    /// Take what was written on a run.
    Label(RunId, RunLabels),
    /// Move the folders of runs away.
    Delete(Vec<RunId>),
    /// Put the runs back that were deleted last.
    Undelete,
    /// Start another worker in place of the one that is gone.
    RestartWorker,
    /// Put a run on the clipboard, as a command line.
    CopyCommandLineOf(RunId),
    /// Show a folder in the system's own program.
    Reveal(PathBuf),
    /// Show a run alone.
    Select(RunId),
    /// Show these runs; buttons keep acting on the same one, if it is among them.
    SelectAll(Vec<RunId>),
    /// Ask what to export the state of a run as.
    OpenExport(RunId),
    /// Write the state or the adapters as was asked for.
    Export,
    /// End the fitting of a plain state, or the writing of adapters.
    StopExport,
    /// Ask which states are mixed, this run's among them.
    OpenMix(RunId),
    /// Write the mix as was asked for.
    Mix,
    /// Write every number of runs as a table.
    SaveNumbers(Vec<RunId>),
    /// Write a report of runs.
    SaveReport(Vec<RunId>),
    /// Write the numbers that a chart is drawn of.
    SaveChartNumbers(PictureOf),
    /// Add, remove, move or size charts of the steps, or use another layout of them.
    Arrange(ChartChange),
    /// Write a plot as a picture that scales.
    SaveSvg(Metric),
    /// Write a picture of what the window shows.
    SavePicture(PictureOf),
    /// Write what helps to find a fault, of a run too.
    SaveDiagnostics(Option<RunId>),
    /// Ask which state of another program to import.
    OpenImport,
    /// Compare it both ways round.
    CompareState,
    /// Write it the way round that was chosen, and start from it.
    WriteImport,
    /// Ask what to measure the accuracy of a run on.
    OpenScoring(RunId),
    /// Measure it.
    Score,
    /// End what is being measured.
    StopScoring,
    /// Ask no more.
    CloseScoring,
    /// Read the value directions of the chosen head in tokens.
    ReadLens,
    /// Measure what each head of the state is worth.
    AblateHeads,
    /// End that with what is known.
    StopAblation,
    /// Answer the prompt.
    Generate,
    /// Do something with a blind test.
    Blind(BlindAction),
    /// End the answers.
    StopGenerating,
    /// Ask where to save the conversation of one side.
    SaveChat(Answer),
    /// Save it there.
    WriteChat {
        /// Whether a file that is there is replaced.
        overwrite: bool,
    },
    /// Measure what the kernels of the configuration would see.
    MeasureDistances,
    /// Open or close the list of everything that can be done.
    TogglePalette,
    /// Show or hide how long frames take.
    ToggleFrameTimes,
    /// Show or hide a panel.
    TogglePanel(SidePanel),
    /// Have the state of a run of another machine no longer brought here.
    CallOff(RunId),
    /// Take up a run of which the program was interrupted.
    ResumeFromDisk(RunId),
    /// Ask for a run once more and accept what is not what it was made from.
    AcceptChanges(QueueRequest),
    /// Make the configuration that of a run.
    UseSpecOf(RunId),
    /// The same with its state as the start state.
    StartFrom(RunId),
    /// Make the configuration that of a preset.
    UsePreset(&'static str),
    /// Make the configuration what it was before it was changed last.
    UndoDraft,
    /// Change it again.
    RedoDraft,
    /// Take settings that fit into the memory of the device.
    TakeFit(Fit),
    /// Put a field of the configuration back as it is by default, by its dotted path.
    ResetField(&'static str),
    /// Show a field of the configuration, by its dotted path.
    GoToField(String),
    /// Ask which questions the model answers for training data.
    OpenSampling,
    /// Have them answered.
    Sample,
    /// End the answers and save them.
    StopSampling,
    /// Make this the training data of the configuration.
    UseData(DataSource),
    /// List the published models.
    OpenModels,
    /// Download one by its name.
    GetModel(&'static str),
    /// End the download, and keep what has come.
    CancelModel,
    /// Make a file the model of the configuration.
    UseModel(PathBuf),
    /// Ask for a path.
    Choose(PathFor),
    /// Put the draft on the clipboard, as a command line.
    CopyCommandLine,
    /// Put the draft on the clipboard, as RON.
    CopyRon,
    /// Put the sweep that is set up on the clipboard, as RON.
    CopySweepRon,
    /// Put a text on the clipboard.
    CopyText(String),
    /// Show a view.
    Open(Tab),
    /// Show a view at a side of the others.
    Put(Tab, Side),
    /// Take a view off the centre.
    CloseView(Tab),
    /// Show one view alone, the others behind it.
    JoinViews,
    /// Every view and panel as at first.
    ResetLayout,
    /// Look at the items of two evaluations.
    LookAtItems(ItemsPair),
    /// Ask where to save a table, and save it; what its file is called at first.
    SaveTable(Box<SavedTable>, String),
    /// Light or dark.
    SetAppearance(Appearance),
    /// The language of texts; none: that of the system.
    SetLanguage(Option<Language>),
    /// Show or hide the list of shortcuts.
    ToggleShortcuts,
    /// Take a message away.
    Dismiss(usize),
    /// Do something with a sweep.
    Sweep(SweepAction),
    /// Close the window, after asking where a run is on.
    Close,
    /// Stop the run, save it and close.
    StopAndClose,
    /// Do not close after all.
    KeepOpen,
}

/// A panel that can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidePanel {
    /// The list of runs.
    Runs,
    /// The configuration.
    Form,
    /// The log.
    Log,
}
