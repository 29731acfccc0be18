//! The adapters of a LoRA run for other programs: what is chosen, and the work that
//! writes them on a thread beside the window.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{ExportDialog, ExportNews};
use crate::error::{Error, Result};
use crate::format::{duration, part_of_bytes, shown};
use crate::model::official_file::{WritingProgress, WritingStage};
use crate::tuning::spec::{LoraSpec, Method};
use crate::tuning::states::lora_export::ModuleNames;
use crate::tuning::states::state_file::locate_state;
use crate::ui::shared::background::Background;
use crate::worker::adapter_export::{AdapterExport, AdapterFormat, AdapterReport, export_adapters};

/// How often it is said how far the writing is.
const TOLD: Duration = Duration::from_millis(200);
/// From which share on what is left can be told from what is done.
const FORESEEN_FROM: f64 = 0.02;

/// What adapters become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterFile {
    /// A `.pth` of RWKV-PEFT.
    RwkvPeft,
    /// A folder of Hugging Face PEFT.
    Peft(ModuleNames),
    /// The model with the adapters in it, as `.pth`.
    MergedPth,
    /// The same as `.safetensors`.
    MergedSafetensors,
}

impl AdapterFile {
    /// The formats in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::RwkvPeft,
        Self::Peft(ModuleNames::Official),
        Self::Peft(ModuleNames::Fla),
        Self::MergedPth,
        Self::MergedSafetensors,
    ];

    /// Whether a whole model is written.
    pub fn is_merged(self) -> bool {
        match self {
            Self::RwkvPeft | Self::Peft(_) => false,
            Self::MergedPth | Self::MergedSafetensors => true,
        }
    }

    /// The ending of its name; none for a folder.
    pub fn ending(self) -> Option<&'static str> {
        match self {
            Self::RwkvPeft | Self::MergedPth => Some("pth"),
            Self::Peft(_) => None,
            Self::MergedSafetensors => Some("safetensors"),
        }
    }

    /// Its name, who reads it, and what it does not carry.
    pub fn words(self) -> [&'static str; 3] {
        match self {
            Self::RwkvPeft => [
                tr!("RWKV-PEFT, 32 bits (.pth)"),
                tr!("The merge of RWKV-PEFT and RWKV-Runner"),
                tr!("Holds A and B alone; alpha is an argument of the merge and is not in it."),
            ],
            Self::Peft(ModuleNames::Official) => [
                tr!("PEFT folder, official names"),
                tr!("Hugging Face PEFT with models that have the names of RWKV-LM"),
                tr!("Holds A and B, with rank and alpha, as adapter_model.safetensors."),
            ],
            Self::Peft(ModuleNames::Fla) => [
                tr!("PEFT folder, names of fla"),
                tr!("Hugging Face PEFT with the models of fla"),
                tr!("Holds A and B, with rank and alpha, as adapter_model.safetensors."),
            ],
            Self::MergedPth => [
                tr!("Merged model (.pth)"),
                tr!("Every program that loads RWKV-7 with the official names"),
                tr!(
                    "W + (alpha / rank) B A, rounded to the types of the model. As large as the model."
                ),
            ],
            Self::MergedSafetensors => [
                tr!("Merged model (.safetensors)"),
                tr!("Programs that load RWKV-7 with the official names from safetensors"),
                tr!(
                    "W + (alpha / rank) B A, rounded to the types of the model. As large as the model."
                ),
            ],
        }
    }
}

/// What of the adapters of a run is exported.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterChoice {
    /// Whether they are, and not S_0.
    pub is_on: bool,
    /// As what.
    pub file: AdapterFile,
    /// Whether a merged model is written in bfloat16.
    pub bf16: bool,
    /// The model that they are merged into, as it is typed; that of the run if empty.
    pub model: String,
}

impl AdapterChoice {
    /// Of a run; none where it trained no adapters.
    pub fn of(method: &Method) -> Option<Self> {
        let LoraSpec { tune_s0, .. } = method.lora()?;
        Some(Self {
            is_on: !tune_s0,
            file: AdapterFile::ALL[0],
            bf16: false,
            model: String::new(),
        })
    }

    /// What is asked of the work.
    pub(super) fn request(&self, asked: &ExportDialog) -> AdapterExport {
        let is_merged = self.file.is_merged();
        let model = self.model.trim();
        AdapterExport {
            format: match self.file {
                AdapterFile::RwkvPeft => AdapterFormat::RwkvPeft,
                AdapterFile::Peft(names) => AdapterFormat::Peft(names),
                AdapterFile::MergedPth | AdapterFile::MergedSafetensors => AdapterFormat::Merged,
            },
            output: PathBuf::from(asked.path.trim()),
            model: (is_merged && !model.is_empty()).then(|| model.into()),
            bf16: is_merged && self.bf16,
            alpha: asked.alpha as f32,
            overwrites: asked.overwrites,
        }
    }
}

/// Adapters that are being written.
pub(super) struct Writing {
    is_stopped: Arc<AtomicBool>,
}

impl Writing {
    /// Begins with it; what comes of it is an answer of `background`.
    pub fn start(
        folder: &Path,
        request: AdapterExport,
        background: &Background<ExportNews>,
    ) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (folder, teller) = (folder.to_path_buf(), background.clone());
        let seen = is_stopped.clone();
        background.start(move || {
            let mut told = Told::new();
            let mut tell = |progress: WritingProgress| {
                if seen.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                if let Some(words) = told.of(progress) {
                    teller.send(ExportNews::Told(words));
                }
                Ok(())
            };
            let written = locate_state(&folder)
                .and_then(|source| export_adapters(&source, &request, &mut tell));
            Some(ExportNews::Done(
                written.map(|report| written_words(&report)),
            ))
        });
        Self { is_stopped }
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}

/// What the dialog says of what came of it.
pub(super) fn outcome_words(outcome: Result<String>) -> Result<String, String> {
    outcome.map_err(|error| match error {
        Error::Stopped => tr!("stopped; nothing was written").into(),
        other => other.to_string(),
    })
}

/// What was written.
fn written_words(report: &AdapterReport) -> String {
    let AdapterReport {
        path,
        n_bytes,
        rank,
        alpha,
        merged,
        other_weights,
        has_state,
    } = report;
    let mut words = match merged {
        Some(merged) => tr!(
            "Saved {}, the model with the adapters in it, {} tensors, {} bytes, read back and compared.",
            shown(path),
            merged.n_tensors,
            n_bytes
        ),
        None => tr!(
            "Saved {}, {} bytes, rank {rank}, alpha {alpha}, read back and compared.",
            shown(path),
            n_bytes,
            rank,
            alpha
        ),
    };
    if let Some(model) = other_weights {
        words.push('\n');
        words.push_str(&tr!(
            "The adapters were trained for other weights than those of {}.",
            shown(model)
        ));
    }
    if *has_state {
        words.push('\n');
        words.push_str(tr!(
            "The run trained S₀ too, which these adapters belong to; export it beside them."
        ));
    }
    words
}

/// How far the writing is, in words and not too often.
struct Told {
    since: Instant,
    last: Option<Instant>,
}

impl Told {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            last: None,
        }
    }

    fn of(&mut self, progress: WritingProgress) -> Option<String> {
        if self.last.is_some_and(|last| last.elapsed() < TOLD) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(progress_words(progress, self.since.elapsed().as_secs_f64()))
    }
}

/// The stage, how much of it is done, and how long all of it will take.
fn progress_words(progress: WritingProgress, secs: f64) -> String {
    let WritingProgress { stage, done, total } = progress;
    let stage = match stage {
        WritingStage::Checking => tr!("checking the numbers"),
        WritingStage::Writing => tr!("writing the model"),
        WritingStage::Comparing => tr!("reading it back"),
    };
    let share = progress.share();
    let left = match share >= FORESEEN_FROM {
        true => tr!(", {} left", duration(secs / share * (1.0 - share))),
        false => String::new(),
    };
    tr!(
        "{stage}, {bytes}{left}",
        bytes = part_of_bytes(done, total),
        stage,
        left
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::run::Run;
    use crate::tuning::spec::MethodKind;

    fn dialog(method: Method) -> ExportDialog {
        let spec = RunSpec {
            method,
            ..RunSpec::default()
        };
        ExportDialog::new(&Run::new(RunId("a.b".into()), spec, "runs/a.b".into()))
    }

    fn lora(tune_s0: bool) -> Method {
        Method::Lora(LoraSpec {
            tune_s0,
            ..LoraSpec::default()
        })
    }

    #[test]
    fn only_runs_with_adapters_offer_them() {
        for kind in [MethodKind::Base, MethodKind::Standard, MethodKind::Lifted] {
            assert_eq!(dialog(kind.by_default()).adapters, None);
        }
        // Alone they are all that there is to export.
        assert!(dialog(lora(false)).exports_adapters());
        assert!(!dialog(lora(true)).exports_adapters());
        assert!(dialog(lora(true)).adapters.is_some());
    }

    #[test]
    fn what_is_chosen_is_what_is_asked_for() {
        let mut asked = dialog(lora(false));
        assert!(asked.path.ends_with("a.b-export.pth"), "{}", asked.path);
        let request = |asked: &ExportDialog| asked.adapters.as_ref().unwrap().request(asked);
        let own = asked.adapters.as_mut().unwrap();
        // What is for a merged model is for nothing else.
        (own.bf16, own.model) = (true, " other.pth ".into());
        asked.alpha = 0.5;
        let of = request(&asked);
        assert_eq!((of.format, of.bf16), (AdapterFormat::RwkvPeft, false));
        assert_eq!((of.model, of.alpha, of.overwrites), (None, 0.5, false));
        asked.choose_adapters(AdapterFile::MergedSafetensors);
        assert!(asked.path.ends_with("a.b-export.safetensors"));
        asked.overwrites = true;
        let of = request(&asked);
        assert_eq!((of.format, of.bf16), (AdapterFormat::Merged, true));
        assert_eq!(of.model, Some("other.pth".into()));
        assert!(of.overwrites);
        asked.choose_adapters(AdapterFile::Peft(ModuleNames::Fla));
        assert!(asked.path.ends_with("a.b-export"), "{}", asked.path);
        assert_eq!(
            request(&asked).format,
            AdapterFormat::Peft(ModuleNames::Fla)
        );
        // Back to the state its own ending comes back.
        let mut both = dialog(lora(true));
        both.choose_adapters(AdapterFile::Peft(ModuleNames::Official));
        both.turn_to_adapters(false);
        assert!(both.path.ends_with("a.b-export.pth"), "{}", both.path);
    }

    #[test]
    fn progress_names_the_stage_and_what_is_left() {
        let at = |stage, done| WritingProgress {
            stage,
            done,
            total: 64 << 20,
        };
        let words = |progress| progress_words(progress, 10.0);
        assert_eq!(
            words(at(WritingStage::Checking, 0)),
            "checking the numbers, 0.00 of 64.0 MiB"
        );
        // Half of the second of three stages: as long again as it took.
        assert_eq!(
            words(at(WritingStage::Writing, 32 << 20)),
            "writing the model, 32.0 of 64.0 MiB, 10 s left"
        );
        assert_eq!(
            words(at(WritingStage::Comparing, 64 << 20)),
            "reading it back, 64.0 of 64.0 MiB, 0 s left"
        );
    }
}
