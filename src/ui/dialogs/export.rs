//! Files that the window exports: states for other programs, metrics, pictures and
//! diagnostics.

mod adapters;
mod fold;
pub(crate) mod view;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::adapters::{AdapterChoice, AdapterFile};
use self::adapters::{Writing, outcome_words};
pub use self::fold::FoldChoice;
use self::fold::Folding;

use crate::error::Result;
use crate::format::shown;
use crate::persist::diagnostics::write_diagnostics;
use crate::persist::run_numbers::write_numbers;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::spec::{LoraSpec, Method};
use crate::tuning::states::alpha_scan::{AlphaLoss, best_alpha, scanned_alphas};
use crate::tuning::states::lift_bundle::{
    Exportable, NO_S0_NOTE, NO_S0_OF_LORA_NOTE, ONLY_S0_NOTE, S0_OF_LORA_NOTE, exportable,
};
use crate::tuning::states::state_file::{ExportFormat, PthDType, export, locate_state};
use crate::ui::shared::background::{Background, Threads};
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::path_dialogs::PathFor;

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// The formats in the order in which they are offered.
pub const FORMATS: [ExportFormat; 8] = [
    ExportFormat::Pth(PthDType::F32),
    ExportFormat::Pth(PthDType::BF16),
    ExportFormat::St,
    ExportFormat::Raw,
    ExportFormat::Rmpack,
    ExportFormat::Vllm,
    ExportFormat::S0Folder,
    ExportFormat::Safetensors,
];

/// What of a run works in this program only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotExported {
    /// All of it is S_0, which other programs load.
    Nothing,
    /// The branch beside S_0.
    Lift,
    /// All of it: there is no S_0.
    Everything,
    /// The adapters beside S_0.
    Adapters,
    /// Adapters, which are all that there is.
    AdaptersAlone,
}

impl NotExported {
    /// What the user should know before exporting.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Lift => Some(ONLY_S0_NOTE),
            Self::Everything => Some(NO_S0_NOTE),
            Self::Adapters => Some(S0_OF_LORA_NOTE),
            Self::AdaptersAlone => Some(NO_S0_OF_LORA_NOTE),
        }
    }

    /// Whether there is an S_0 to export.
    pub fn has_state(self) -> bool {
        match self {
            Self::Nothing | Self::Lift | Self::Adapters => true,
            Self::Everything | Self::AdaptersAlone => false,
        }
    }
}

/// What the user is exporting.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportDialog {
    /// The run.
    pub run: RunId,
    /// Its folder, which holds the state.
    pub folder: PathBuf,
    /// What of what was trained cannot leave this program.
    pub stays: NotExported,
    /// A plain state that is fitted to all of it, where it is lifted.
    pub fold: Option<FoldChoice>,
    /// The adapters, where it trained some.
    pub adapters: Option<AdapterChoice>,
    /// What the state becomes.
    pub format: ExportFormat,
    /// The state, or what the adapters add, is written times this.
    pub alpha: f64,
    /// The factor with the lowest loss on held-out examples, where it was measured.
    pub best: Option<AlphaLoss>,
    /// The file, as it is typed.
    pub path: String,
    /// Whether a file that is there may be replaced.
    pub overwrites: bool,
    /// Whether it is being written.
    pub is_busy: bool,
    /// How far the fitting of a plain state or the writing of a model is.
    pub told: Option<String>,
    /// What came of it: what was written, or why not.
    pub outcome: Option<Result<String, String>>,
}

impl ExportDialog {
    /// Of a run, in the folder of the run until the user says otherwise.
    pub fn new(run: &Run) -> Self {
        let mut exporting = Self {
            run: run.id.clone(),
            folder: run.folder.clone(),
            stays: match run.spec.method {
                Method::Base | Method::Standard(_) => NotExported::Nothing,
                Method::Lifted(_) => NotExported::Lift,
                Method::PaperLiteral(_) => NotExported::Everything,
                Method::Lora(LoraSpec { tune_s0: true, .. }) => NotExported::Adapters,
                Method::Lora(_) => NotExported::AdaptersAlone,
            },
            fold: FoldChoice::of(&run.spec),
            adapters: AdapterChoice::of(&run.spec.method),
            format: FORMATS[0],
            alpha: 1.0,
            best: best_alpha(&scanned_alphas(&run.folder)),
            path: String::new(),
            overwrites: false,
            is_busy: false,
            told: None,
            outcome: None,
        };
        exporting.turn_to_adapters(exporting.exports_adapters());
        exporting
    }

    /// Whether adapters are exported, and not a state.
    pub fn exports_adapters(&self) -> bool {
        self.adapters.as_ref().is_some_and(|of| of.is_on)
    }

    /// Exports the adapters, or else the state, where there are both.
    pub fn turn_to_adapters(&mut self, is_on: bool) {
        match &mut self.adapters {
            Some(adapters) if is_on => {
                adapters.is_on = true;
                let file = adapters.file;
                self.choose_adapters(file);
            }
            adapters => {
                if let Some(adapters) = adapters {
                    adapters.is_on = false;
                }
                self.choose(self.format);
            }
        }
    }

    /// Takes another format of adapters, with the ending that goes with it.
    pub fn choose_adapters(&mut self, file: AdapterFile) {
        if let Some(adapters) = &mut self.adapters {
            (adapters.is_on, adapters.file) = (true, file);
        }
        self.end_with(file.ending());
    }

    /// Whether a plain state is fitted.
    pub fn folds(&self) -> bool {
        self.fold.is_some_and(|fold| fold.is_on)
    }

    /// Takes another format, with the ending that goes with it.
    pub fn choose(&mut self, format: ExportFormat) {
        self.format = format;
        self.end_with(usual_ending(format));
    }

    /// Gives the file another ending.
    fn end_with(&mut self, ending: Option<&str>) {
        self.outcome = None;
        let path = if self.path.is_empty() {
            self.folder.join(format!("{}-export", self.run.0))
        } else {
            PathBuf::from(&self.path)
        };
        // The ending is put behind a name with points in it.
        let known = ["pth", "pt", "st", "state", "bin", "rmpack", "safetensors"];
        let last = path.extension().and_then(|last| last.to_str());
        let stem = match last {
            Some(last) if known.contains(&last) => path.with_extension(""),
            Some(_) | None => path,
        };
        let mut name = stem.into_os_string();
        if let Some(ending) = ending {
            name.push(".");
            name.push(ending);
        }
        self.path = name.to_string_lossy().into_owned();
    }
}

/// The ending by which programs know a format; none for a folder.
pub fn usual_ending(format: ExportFormat) -> Option<&'static str> {
    match format {
        ExportFormat::Pth(_) | ExportFormat::Vllm => Some("pth"),
        ExportFormat::St => Some("st"),
        ExportFormat::Raw => Some("bin"),
        ExportFormat::Rmpack => Some("rmpack"),
        ExportFormat::Safetensors => Some("safetensors"),
        ExportFormat::S0Folder => None,
    }
}

/// A format's name, who reads it, and what it does not carry.
pub fn format_words(format: ExportFormat) -> [&'static str; 3] {
    match format {
        ExportFormat::Pth(PthDType::F32) => [
            tr!("PyTorch, 32 bits (.pth)"),
            tr!(
                "RWKV-Runner and the rwkv Python package; a script that loads it is saved next to it"
            ),
            tr!("Holds S₀ exactly, without the settings that made it."),
        ],
        ExportFormat::Pth(PthDType::BF16) => [
            tr!("PyTorch, bfloat16 (.pth)"),
            tr!("RWKV-Runner and the rwkv Python package, in the precision that RWKV-PEFT saves"),
            tr!(
                "Half the size; values keep 8 bits of mantissa. Without the settings that made it."
            ),
        ],
        ExportFormat::St => [
            tr!("Safetensors for web-rwkv, 16 bits (.st)"),
            tr!("Ai00 and web-rwkv"),
            tr!(
                "Transposed as these programs expect; values keep 11 bits of mantissa and may not exceed 65504. Without the settings that made it."
            ),
        ],
        ExportFormat::Raw => [
            tr!("Raw, 32 bits (.bin)"),
            "rwkv.cpp",
            tr!(
                "Raw values, exact. The file holds neither sizes nor a model name, so it fits one model only."
            ),
        ],
        ExportFormat::Rmpack => [
            tr!("RWKV app, 16 bits (.rmpack)"),
            tr!("rwkv-mobile and the RWKV app, also with GGUF models"),
            tr!("Numbers keep 11 bits and may not exceed 65504."),
        ],
        ExportFormat::Vllm => [
            tr!("vLLM, bfloat16 (.pth with a manifest)"),
            tr!("vLLM with RWKV-7 state profiles"),
            tr!(
                "The manifest names the model and the SHA-256 of the state; its own SHA-256 is shown after writing."
            ),
        ],
        ExportFormat::S0Folder => [
            tr!("Folder, 32 bits (as s0-tuning)"),
            tr!("Programs that read the folders of s0-tuning"),
            tr!(
                "Carries S₀ exactly. Axes: head, value, key for RWKV-7; head, key, value for Gated DeltaNet."
            ),
        ],
        ExportFormat::Safetensors => [
            tr!("Gosling, 32 bits (.safetensors)"),
            tr!("This program: to continue tuning, compare and inspect"),
            tr!(
                "Holds S₀ exactly, with the settings and results of the run. Other programs cannot read it."
            ),
        ],
    }
}

/// What leaves the window as a file.
pub struct Exports {
    /// What is being exported, if the question is open.
    pub open: Option<ExportDialog>,
    /// The program that fits plain states: this one.
    pub program: PathBuf,
    /// The plain state that is being fitted.
    folding: Option<Folding>,
    /// The adapters that are being written.
    writing: Option<Writing>,
    /// Runs of which something is to be written where the user chooses.
    to_write: Vec<RunId>,
    background: Background<ExportNews>,
}

/// What work beside the window says.
enum ExportNews {
    /// How far it is.
    Told(String),
    /// What came of it.
    Done(Result<String>),
}

impl Exports {
    /// Nothing is exported yet.
    pub(crate) fn new(threads: &Threads) -> Self {
        Self {
            open: None,
            program: std::env::current_exe().unwrap_or_default(),
            folding: None,
            writing: None,
            to_write: Vec::new(),
            background: Background::new(threads),
        }
    }

    /// Writes the state or the adapters as was asked for, on a thread of its own.
    pub(crate) fn export(&mut self) {
        let Some(exporting) = &mut self.open else {
            return;
        };
        (exporting.is_busy, exporting.outcome) = (true, None);
        if let Some(choice) = exporting.fold.filter(|fold| fold.is_on) {
            match Folding::start(&self.program, exporting, choice) {
                Ok(folding) => self.folding = Some(folding),
                Err(error) => {
                    exporting.is_busy = false;
                    exporting.outcome = Some(Err(error.to_string()));
                }
            }
            return;
        }
        if let Some(adapters) = exporting.adapters.as_ref().filter(|of| of.is_on) {
            let request = adapters.request(exporting);
            let writing = Writing::start(&exporting.folder, request, &self.background);
            self.writing = Some(writing);
            return;
        }
        let exporting = exporting.clone();
        let work = move || Some(ExportNews::Done(write(&exporting)));
        self.background.start(work);
    }

    /// Takes in what came of it.
    pub(crate) fn take_answers(&mut self) {
        for news in self.background.answers() {
            let is_stopping = self.writing.as_ref().is_some_and(Writing::is_stopping);
            if let ExportNews::Done(_) = news {
                self.writing = None;
            }
            let Some(exporting) = &mut self.open else {
                continue;
            };
            match news {
                ExportNews::Told(_) if is_stopping => exporting.told = Some(tr!("stopping").into()),
                ExportNews::Told(words) => exporting.told = Some(words),
                ExportNews::Done(outcome) => {
                    (exporting.is_busy, exporting.told) = (false, None);
                    exporting.outcome = Some(outcome_words(outcome));
                }
            }
        }
    }

    /// Ends the fitting of a plain state or the writing of adapters; nothing is written.
    pub(crate) fn stop(&mut self) {
        if let Some(folding) = &mut self.folding {
            folding.stop();
        }
        if let Some(writing) = &self.writing {
            writing.stop();
        }
    }

    /// Whether there is work that can be stopped, and is seen to its end.
    pub fn is_working(&self) -> bool {
        self.folding.is_some() || self.writing.is_some()
    }

    /// Whether a plain state is being fitted.
    pub fn is_folding(&self) -> bool {
        self.folding.is_some()
    }

    /// Takes in how far the fitting of a plain state is; how soon to look again, where one
    /// is on.
    pub(crate) fn take_in_folding(&mut self) -> Option<Duration> {
        let folding = self.folding.as_mut()?;
        let Some(outcome) = folding.ended() else {
            if let Some(exporting) = &mut self.open {
                exporting.told = folding.said().or(exporting.told.take());
            }
            return Some(LOOK);
        };
        self.folding = None;
        if let Some(exporting) = &mut self.open {
            (exporting.is_busy, exporting.told) = (false, None);
            exporting.outcome = Some(outcome);
        }
        None
    }

    /// Asks where something of these runs is to be written.
    pub(crate) fn ask_where(&mut self, what: PathFor, runs: Vec<RunId>, workspace: &Workspace) {
        let name = runs
            .last()
            .map_or("gosling".to_owned(), |run| run.0.clone());
        self.to_write = runs;
        workspace.choose(what, &name);
    }

    /// The runs of which something is to be written, once.
    pub(crate) fn take_runs(&mut self, store: &RunStore) -> Vec<Run> {
        let ids = std::mem::take(&mut self.to_write);
        ids.iter().filter_map(|id| store.get(id).cloned()).collect()
    }

    /// Writes the numbers of the runs that were asked for.
    pub(crate) fn write_numbers(&mut self, path: PathBuf, workspace: &Workspace) {
        let runs = self.take_runs(&workspace.store);
        let saved = tr!("Saved {}", shown(&path));
        workspace.start_quietly(move || write_numbers(&path, &runs).map(|()| Some(saved)));
    }

    /// Writes what helps to find a fault, of the run that was asked for too.
    pub(crate) fn write_diagnostics(&mut self, path: PathBuf, workspace: &Workspace) {
        let runs = self.take_runs(&workspace.store);
        let saved = tr!("Saved {}", shown(&path));
        let lines: Vec<String> = workspace
            .store
            .log()
            .map(|line| {
                let run = line.run.as_ref().map_or("", |run| run.0.as_str());
                format!("{run}\t{:?}\t{}", line.level, line.text)
            })
            .collect();
        let folder = runs.first().map(|run| run.folder.clone());
        let draft = workspace.draft.clone();
        workspace.start_quietly(move || {
            write_diagnostics(&path, &lines.join("\n"), &draft, folder.as_deref())
                .map(|()| Some(saved))
        });
    }

    /// Takes the file that was chosen for the state.
    pub(crate) fn export_to(&mut self, path: &Path) {
        if let Some(exporting) = &mut self.open {
            exporting.path = path.display().to_string();
            // The dialog of the system has asked already.
            exporting.overwrites = true;
            exporting.outcome = None;
        }
    }
}

/// Writes the file, which is read back and compared, and says so.
fn write(exporting: &ExportDialog) -> Result<String> {
    let source = locate_state(&exporting.folder)?;
    let Exportable {
        state, metadata, ..
    } = exportable(source, None, exporting.alpha as f32)?;
    let path = Path::new(&exporting.path);
    let (report, companion) = export(
        &state,
        &metadata,
        exporting.format,
        path,
        exporting.overwrites,
    )?;
    let rounding = if report.max_abs_rounding > 0.0 {
        tr!(
            "rounding changed values by at most {}",
            format_args!("{:.1e}", report.max_abs_rounding)
        )
    } else {
        tr!("all values are exact").into()
    };
    let companion = companion.map_or(String::new(), |it| format!("; {}", it.words()));
    Ok(tr!(
        "Saved {}, {} bytes, read back and compared; {rounding}{companion}",
        shown(&report.path),
        report.bytes,
        rounding,
        companion
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn the_ending_follows_the_format() {
        let run = Run::new(RunId("v1.5".into()), RunSpec::default(), "runs/v1.5".into());
        let mut exporting = ExportDialog::new(&run);
        assert!(
            exporting.path.ends_with("v1.5-export.pth"),
            "{}",
            exporting.path
        );
        for format in FORMATS {
            exporting.choose(format);
            let ending = usual_ending(format).map(|ending| format!(".{ending}"));
            let name = format!("v1.5-export{}", ending.unwrap_or_default());
            assert!(exporting.path.ends_with(&name), "{}", exporting.path);
        }
        exporting.path = "elsewhere/a.b".into();
        exporting.choose(ExportFormat::St);
        assert_eq!(exporting.path, "elsewhere/a.b.st");
    }
}
