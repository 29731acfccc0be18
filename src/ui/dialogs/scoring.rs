//! The dialog that measures a finished run on a benchmark.

pub(crate) mod view;

use std::path::{Path, PathBuf};

use crate::data::{Benchmark, Split};
use crate::protocol::command::{Command, ScoreRequest};
use crate::protocol::event::RunId;
use crate::protocol::run_spec::{DataSource, EvaluationSplit};
use crate::runs::run::Run;
use crate::ui::shared::workspace::Workspace;

/// Items that are scored until the user says otherwise: enough for an interval of
/// a few points, in a minute on two cores.
const USUAL_LIMIT: usize = 200;

/// What the user is measuring.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoringDialog {
    /// What is scored, and on what.
    pub request: ScoreRequest,
    /// Whether the run has a state that can be scored.
    pub has_state: bool,
    /// Whether official files are read; the folder is in the request.
    pub is_official: bool,
    /// The name of the evaluation, once it was started.
    pub name: Option<RunId>,
}

impl ScoringDialog {
    /// Of a run, on what it was tuned for until the user says otherwise.
    pub fn new(run: &Run) -> Self {
        let (benchmark, official) = match &run.spec.data.source {
            DataSource::Mini(benchmark) => (*benchmark, None),
            DataSource::Official { benchmark, folder } => (*benchmark, Some(folder.clone())),
            DataSource::Jsonl { .. } => (Benchmark::Gsm8k, None),
        };
        let has_state = !run.exported.is_empty();
        Self {
            is_official: official.is_some(),
            request: ScoreRequest {
                of: run.id.clone(),
                folder: run.folder.clone(),
                is_tuned: has_state,
                benchmark,
                official,
                split: match run.spec.evaluation.split {
                    EvaluationSplit::Validation => Split::Validation,
                    EvaluationSplit::Test => Split::Test,
                },
                limit: Some(USUAL_LIMIT),
                few_shot: 0,
            },
            has_state,
            name: None,
        }
    }

    /// The folder of the official files, if they are read.
    pub fn folder(&self) -> Option<&Path> {
        let folder = self.request.official.as_deref();
        folder.filter(|_| self.is_official)
    }

    /// Why it cannot begin.
    pub fn problem(&self) -> Option<&'static str> {
        if self.is_official && self.folder().is_none() {
            return Some(tr!("Choose the folder of the official files"));
        }
        if self.request.limit == Some(0) {
            return Some(tr!("No items would be scored; raise the number"));
        }
        None
    }
}

/// The accuracy of runs that are over.
#[derive(Debug, Default)]
pub struct Scoring {
    /// What is being measured, if the question is open.
    pub open: Option<ScoringDialog>,
    /// Evaluations that were asked for.
    n_asked: usize,
}

impl Scoring {
    /// Has the worker measure what was asked for.
    pub(crate) fn score(&mut self, workspace: &mut Workspace) {
        let Some(asked) = &mut self.open else {
            return;
        };
        self.n_asked += 1;
        let name = RunId(format!("evaluation {}", self.n_asked));
        asked.name = Some(name.clone());
        let mut request = asked.request.clone();
        if !asked.is_official {
            request.official = None;
        }
        workspace.send_other(Command::Score {
            run: name,
            request: Box::new(request),
        });
    }

    /// Ends the current evaluation.
    pub(crate) fn stop(&self, workspace: &mut Workspace) {
        let asked = self.open.as_ref();
        if let Some(name) = asked.and_then(|asked| asked.name.clone()) {
            let scoring = workspace.store.scoring.as_ref();
            let has_begun = scoring.is_some_and(|scoring| scoring.name == name);
            workspace.stop_job(&name, has_begun);
        }
    }

    /// Takes the folder of official files that was chosen.
    pub(crate) fn files_in(&mut self, folder: PathBuf) {
        if let Some(asked) = &mut self.open {
            asked.request.official = Some(folder);
        }
    }
}
