//! A state of another program: compared both ways round with the model of the
//! configuration, imported the way round that the user chooses, and started from.

pub(crate) mod view;

use std::path::PathBuf;

use crate::error::Result;
use crate::format::shown;
use crate::protocol::command::Command;
use crate::protocol::fields::choice::Choice as _;
use crate::protocol::run_spec::{DataSource, LeadingToken, RunSpec};
use crate::protocol::state_import::{ImportFinding, ImportRequest};
use crate::tuning::spec::StartState;
use crate::tuning::states::import::Decision;
use crate::tuning::states::state_file::Orientation;
use crate::ui::shared::background::{Background, Threads};
use crate::ui::shared::notice::Notice;
use crate::ui::shared::workspace::Workspace;
use crate::worker::importing::write_import;

/// What is asked before a state is imported.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportDialog {
    /// The file, as it is typed.
    pub file: String,
    /// Whether the texts are the training data of the configuration.
    pub on_data: bool,
    /// What training put in front of texts; none is what the file says.
    pub leading: Option<LeadingToken>,
    /// What is being compared.
    pub asked: Option<ImportRequest>,
    /// What was found last, and of what.
    pub found: Option<(ImportRequest, std::result::Result<ImportFinding, String>)>,
    /// The way round that was chosen.
    pub orientation: Option<Orientation>,
    /// Where it is written, as it is typed.
    pub output: String,
    /// Whether it is being written.
    pub is_writing: bool,
    /// Why it could not be written.
    pub problem: Option<String>,
}

impl ImportDialog {
    /// Of a file, or of none yet.
    pub fn new(file: Option<PathBuf>) -> Self {
        let mut dialog = Self {
            file: String::new(),
            on_data: false,
            leading: None,
            asked: None,
            found: None,
            orientation: None,
            output: String::new(),
            is_writing: false,
            problem: None,
        };
        if let Some(file) = file {
            dialog.choose(&file);
        }
        dialog
    }

    /// Takes another file.
    pub fn choose(&mut self, file: &std::path::Path) {
        self.file = file.display().to_string();
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let output = file.with_file_name(format!("{name}-imported.safetensors"));
        self.output = output.display().to_string();
        self.forget();
    }

    /// Forgets what was found, since the file or the texts are others.
    pub fn forget(&mut self) {
        (self.found, self.orientation, self.problem) = (None, None, None);
    }

    fn request(&self, draft: &RunSpec) -> ImportRequest {
        ImportRequest {
            file: PathBuf::from(self.file.trim()),
            spec: Box::new(draft.clone()),
            on_data: self.on_data,
            leading: self.leading,
        }
    }

    /// Takes in what was found. The way round is chosen where the file, its format or
    /// the texts tell; else the user has to.
    fn take(&mut self, found: std::result::Result<ImportFinding, String>) {
        let Some(request) = self.asked.take() else {
            return;
        };
        self.orientation = match &found {
            Err(_) => None,
            Ok(finding) => match finding.decision {
                Decision::Declared(orientation) | Decision::ByTexts(orientation) => {
                    Some(orientation)
                }
                Decision::ByConvention(convention) => Some(convention.orientation),
                Decision::Contradicted { .. } | Decision::Unknown => None,
            },
        };
        self.found = Some((request, found));
    }
}

/// Imports states of other programs.
pub struct StateImports {
    /// The dialog that is open.
    pub open: Option<ImportDialog>,
    written: Background<Result<PathBuf>>,
}

impl StateImports {
    /// None is open.
    pub(crate) fn new(threads: &Threads) -> Self {
        Self {
            open: None,
            written: Background::new(threads),
        }
    }

    /// Has the worker compare the state.
    pub(crate) fn compare(&mut self, workspace: &mut Workspace) {
        let Some(open) = &mut self.open else { return };
        let request = open.request(&workspace.draft);
        open.forget();
        open.asked = Some(request.clone());
        workspace.send_other(Command::CompareState(Box::new(request)));
    }

    /// Has the state written, the way round that was chosen.
    pub(crate) fn write(&mut self) {
        let Some(open) = &mut self.open else { return };
        let (Some((request, Ok(finding))), Some(orientation)) = (&open.found, open.orientation)
        else {
            return;
        };
        let (request, finding) = (request.clone(), finding.clone());
        let output = PathBuf::from(open.output.trim());
        (open.is_writing, open.problem) = (true, None);
        self.written
            .start(move || Some(write_import(&request, &finding, orientation, &output)));
    }

    /// Takes in what was compared and written; whether the configuration starts from
    /// an imported state now.
    pub(crate) fn take_answers(&mut self, workspace: &mut Workspace) -> bool {
        let answer = workspace
            .worker
            .as_ref()
            .and_then(|worker| worker.imports.take());
        if let (Some(answer), Some(open)) = (answer, &mut self.open)
            && open.asked.as_ref() == Some(&answer.request)
        {
            open.take(answer.found);
        }
        let mut is_started_from = false;
        for written in self.written.answers() {
            match written {
                Ok(path) => {
                    self.open = None;
                    is_started_from = true;
                    start_from(path, workspace);
                }
                Err(error) => match &mut self.open {
                    Some(open) => {
                        (open.is_writing, open.problem) = (false, Some(error.to_string()));
                    }
                    None => workspace.complain(&error),
                },
            }
        }
        is_started_from
    }

    /// Notes that the worker has no job any more: what was asked has failed or was
    /// given up.
    pub(crate) fn none_is_on(&mut self) {
        if let Some(open) = &mut self.open
            && open.asked.is_some()
        {
            open.take(Err(
                tr!("The comparison was cancelled. Compare again.").into()
            ));
        }
    }
}

/// Makes a state the start of the configuration, and says so.
fn start_from(path: PathBuf, workspace: &mut Workspace) {
    let text = match workspace.draft.method.start_mut() {
        Some(start) => {
            *start = StartState::File(path.clone());
            tr!(
                "Imported as {}, which the configuration starts from",
                shown(&path)
            )
        }
        None => tr!("Imported as {}", shown(&path)),
    };
    workspace.notify(Notice::info(text));
}

/// The name of the training data of the configuration.
pub(crate) fn data_name(draft: &RunSpec) -> String {
    match &draft.data.source {
        DataSource::Jsonl { train, .. } => {
            let name = train.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
        source @ (DataSource::Mini(_) | DataSource::Official { .. }) => source.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::states::import::evidence::{Difference, Evidence};
    use crate::tuning::states::state_file::Convention;

    fn finding(decision: Decision) -> ImportFinding {
        let none = Difference {
            mean: 0.0,
            half: 1.0,
        };
        ImportFinding {
            evidence: Evidence {
                n_texts: 1,
                n_tokens: 9,
                is_built_in: true,
                zero: 2.0,
                value_key: 1.0,
                key_value: 3.0,
                value_key_gain: none,
                key_value_gain: none,
                value_key_lead: none,
            },
            decision,
            notes: Vec::new(),
            fingerprint: "0".into(),
        }
    }

    #[test]
    fn the_way_round_is_chosen_only_where_something_tells() {
        let convention = Convention::RAW;
        let found = Orientation::KeyValue;
        for (decision, chosen) in [
            (Decision::Declared(found), Some(found)),
            (Decision::ByTexts(found), Some(found)),
            (
                Decision::ByConvention(convention),
                Some(convention.orientation),
            ),
            (Decision::Contradicted { convention, found }, None),
            (Decision::Unknown, None),
        ] {
            let mut dialog = ImportDialog::new(Some("a/theirs.pth".into()));
            assert!(dialog.output.ends_with("theirs-imported.safetensors"));
            dialog.asked = Some(dialog.request(&RunSpec::default()));
            dialog.take(Ok(finding(decision)));
            assert_eq!(dialog.orientation, chosen, "{decision:?}");
            dialog.choose("b.st".as_ref());
            assert!(dialog.found.is_none() && dialog.orientation.is_none());
        }
    }
}
