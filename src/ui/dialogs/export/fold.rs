//! A plain state that is fitted to all of a lifted run before it is exported: what is
//! chosen, and this program as the process that does it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::ExportDialog;
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::states::state_file::{ExportFormat, PthDType};
use crate::ui::shared::process::{Ended, Process};
use crate::worker::folding::RESULT_FRONT;

/// Whether and how a plain state is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldChoice {
    /// Whether it is.
    pub is_on: bool,
    /// Steps of the fitting: first as many as the run's.
    pub steps: usize,
    /// Its peak learning rate: first that of the run.
    pub rate: f64,
}

impl FoldChoice {
    /// Of a run; none where it is not lifted, so that there is nothing to fit.
    pub fn of(spec: &RunSpec) -> Option<Self> {
        spec.method.lifting()?;
        Some(Self {
            is_on: false,
            steps: spec.training.steps,
            rate: spec.training.learning_rate,
        })
    }
}

/// As `gosling export --to` takes a format.
fn format_name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Pth(_) => "pth",
        ExportFormat::St => "st",
        ExportFormat::Raw => "bin",
        ExportFormat::Rmpack => "rmpack",
        ExportFormat::Vllm => "vllm",
        ExportFormat::S0Folder => "s0",
        ExportFormat::Safetensors => "safetensors",
    }
}

/// What `gosling` is asked.
fn arguments(asked: &ExportDialog, choice: FoldChoice) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "export".into(),
        asked.folder.clone().into(),
        "--fold".into(),
        "--ends-with-input".into(),
        "--to".into(),
        format_name(asked.format).into(),
        "--output".into(),
        asked.path.trim().into(),
        "--fold-steps".into(),
        choice.steps.to_string().into(),
        "--fold-rate".into(),
        choice.rate.to_string().into(),
    ];
    if asked.format == ExportFormat::Pth(PthDType::BF16) {
        arguments.push("--bf16".into());
    }
    if asked.overwrites {
        arguments.push("--force".into());
    }
    arguments
}

/// A plain state that is being fitted.
pub(super) struct Folding {
    process: Process,
    log: PathBuf,
}

impl Folding {
    /// Begins with it.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if the program cannot be started.
    pub fn start(program: &Path, asked: &ExportDialog, choice: FoldChoice) -> Result<Self> {
        let log = format!("gosling-fold-{}.log", std::process::id());
        let log = std::env::temp_dir().join(log);
        let process = Process::start(program, arguments(asked, choice), log.clone())?;
        Ok(Self { process, log })
    }

    /// Asks it to end.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// How far it is, as it said last.
    pub fn said(&mut self) -> Option<String> {
        match self.process.is_stopping() {
            true => Some(tr!("stopping").into()),
            false => self.process.said(),
        }
    }

    /// What came of it, once it has ended.
    pub fn ended(&mut self) -> Option<Result<String, String>> {
        Some(match self.process.ended()? {
            Ended::Done => Ok(results(&self.log)),
            Ended::Stopped => Err(tr!("stopped; nothing was written").into()),
            Ended::Failed(reason) => Err(reason),
        })
    }
}

/// The lines of the result in what the program said.
fn results(log: &Path) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let lines = said
        .lines()
        .filter_map(|line| line.strip_prefix(RESULT_FRONT));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::runs::run::Run;
    use crate::tuning::spec::MethodKind;

    #[test]
    fn only_lifted_runs_are_fitted_and_as_the_command_takes_it() {
        let of = |kind: MethodKind| {
            let mut spec = RunSpec {
                method: kind.by_default(),
                ..RunSpec::default()
            };
            (spec.training.steps, spec.training.learning_rate) = (40, 0.25);
            ExportDialog::new(&Run::new(RunId("a".into()), spec, "runs/a".into()))
        };
        for kind in [MethodKind::Base, MethodKind::Standard, MethodKind::Lora] {
            assert_eq!(of(kind).fold, None);
        }
        assert!(of(MethodKind::PaperLiteral).fold.is_some());
        let mut asked = of(MethodKind::Lifted);
        assert!(!asked.folds());
        asked.choose(ExportFormat::Pth(PthDType::BF16));
        asked.path = " a.pth ".into();
        let mut choice = asked.fold.unwrap();
        choice.steps = 12;
        let words = |asked: &ExportDialog| -> String {
            let words = arguments(asked, choice).into_iter();
            let words: Vec<String> = words.map(|of| of.into_string().unwrap()).collect();
            words.join(" ")
        };
        assert_eq!(
            words(&asked),
            "export runs/a --fold --ends-with-input --to pth --output a.pth --fold-steps 12 \
             --fold-rate 0.25 --bf16"
        );
        asked.format = ExportFormat::Raw;
        asked.overwrites = true;
        let said = words(&asked);
        assert!(
            said.contains("--to bin") && said.ends_with("--fold-rate 0.25 --force"),
            "{said}"
        );
        // What the names stand for is what the command makes of them.
        for format in super::super::FORMATS {
            let named: ExportFormat = format_name(format).parse().unwrap();
            let is_same = std::mem::discriminant(&named) == std::mem::discriminant(&format);
            assert!(is_same, "{format:?}");
        }
    }

    #[test]
    fn the_result_is_told_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.txt");
        let said = format!("step 1 of 2\n{RESULT_FRONT}one\nmeasuring\n{RESULT_FRONT}two\n");
        std::fs::write(&log, said).unwrap();
        assert_eq!(results(&log), "one\ntwo");
    }
}
