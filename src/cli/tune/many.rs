//! `gosling tune --many`: runs one after the other in one process, which keeps the device,
//! its kernels and the model. A line of JSON asks for a run, and one tells what came of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::TuneArguments;
use crate::cli::follow::{Ending, INTERRUPTED, follow, interrupts};
use crate::cli::many::{Lines, Next};
use crate::cli::progress::Progress;
use crate::cli::spec_arguments::Begin;
use crate::data::{Benchmark, Split};
use crate::error::{Error, Result};
use crate::protocol::command::{Command, ScoreRequest};
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, RunId};
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::news::News;
use crate::runs::run::Run;
use crate::sweep::task::{Facts, TaskState};
use crate::worker::{Worker, WorkerHandle};

/// One of many runs: what is different about it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneOfMany {
    /// A preset to begin with, in place of the command's.
    preset: Option<String>,
    /// A file of a specification to begin with.
    spec: Option<PathBuf>,
    /// Its name.
    name: Option<String>,
    /// Fields, as `--set` takes them, after those of the command.
    #[serde(default)]
    set: Vec<String>,
    /// The folder that holds its folder, in place of the command's.
    runs: Option<PathBuf>,
    /// Mini benchmarks whose test split its state is scored on, whatever it was tuned on;
    /// as many items of it as the run's own evaluation takes.
    #[serde(default)]
    score: Vec<Benchmark>,
}

/// What came of one, on a line.
#[derive(Debug, Default, Serialize)]
struct Answer {
    name: Option<String>,
    folder: Option<PathBuf>,
    /// finished, diverged, interrupted or failed.
    status: &'static str,
    /// Steps done.
    step: usize,
    /// The best validation loss, in nats, and its step.
    validation_loss: Option<f64>,
    best_step: Option<usize>,
    /// The share of right answers after tuning, where the run measured it.
    accuracy: Option<f64>,
    evaluations: Vec<Measured>,
    scored: Vec<Scored>,
    /// Wall time of all of it.
    secs: f64,
    /// Why it could not be done, or not to its end.
    error: Option<String>,
}

/// An evaluation of the run itself.
#[derive(Debug, Serialize)]
struct Measured {
    phase: EvaluationPhase,
    summary: EvaluationSummary,
}

/// An evaluation that the line asked for.
#[derive(Debug, Serialize)]
struct Scored {
    benchmark: Benchmark,
    /// Its items.
    file: PathBuf,
    summary: EvaluationSummary,
}

/// Does all that the lines ask for; what is wrong with one keeps no other from being done.
///
/// # Errors
/// A file that cannot be read, and a worker that cannot be started.
pub(super) fn many(arguments: &TuneArguments, path: &Path) -> Result<ExitCode> {
    let mut lines: Lines<OneOfMany> =
        Lines::open(path, tr!("lists no run; write one JSON object per line"))?;
    let interrupts = interrupts()?;
    let mut tuner = Tuner {
        arguments,
        interrupts: &interrupts,
        is_interrupted: false,
        worker: Worker::spawn(|| ())?,
        progress: Progress::new(arguments.quiet),
    };
    loop {
        let answer = match lines.next(&interrupts) {
            Next::End => return Ok(ExitCode::SUCCESS),
            Next::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
            Next::Wrong(error) => Answer::failed(error.to_string()),
            Next::One(one) => match one.spec(arguments) {
                Err(error) => Answer::failed(error.to_string()),
                Ok(spec) => match tuner.tune(&one, spec) {
                    Some(answer) => answer,
                    None => return Ok(ExitCode::from(INTERRUPTED)),
                },
            },
        };
        let line = serde_json::to_string(&answer);
        println!("{}", line.unwrap_or_default());
        if tuner.is_interrupted {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
}

/// The status of a run that was stopped, as sweeps call it.
const INTERRUPTED_RUN: &str = "interrupted";

impl OneOfMany {
    fn spec(&self, arguments: &TuneArguments) -> Result<RunSpec> {
        let begin = match (&self.spec, &self.preset) {
            (Some(_), Some(_)) => {
                let reason = tr!("cannot stand beside preset; leave one of them out");
                return Err(Error::spec("spec", reason));
            }
            (Some(path), None) => Some(Begin::File(path)),
            (None, Some(name)) => Some(Begin::Preset(name)),
            (None, None) => None,
        };
        let name = self.name.as_deref();
        let chosen = arguments
            .spec
            .spec_of(&arguments.steps, begin, name, &self.set)?;
        Ok(chosen.spec)
    }
}

struct Tuner<'a> {
    arguments: &'a TuneArguments,
    interrupts: &'a crossbeam_channel::Receiver<()>,
    /// Whether the user interrupted what is under way.
    is_interrupted: bool,
    worker: WorkerHandle,
    progress: Progress,
}

impl Tuner<'_> {
    /// Does a run; none where it was interrupted before it had started.
    fn tune(&mut self, one: &OneOfMany, spec: RunSpec) -> Option<Answer> {
        let start = Instant::now();
        let runs = one.runs.as_ref().unwrap_or(&self.arguments.runs).clone();
        // Of this run alone, so that hundreds take no more memory than one.
        let mut store = RunStore::default();
        let command = Command::StartRun {
            spec: Box::new(spec),
            runs,
            accept_changes: self.arguments.accept_changes,
        };
        let mut answer = match self.follow(command, None, &mut store)? {
            None => store.runs().last().map(Answer::of).unwrap_or_default(),
            Some(message) => Answer {
                status: TaskState::Failed(String::new()).word(),
                error: Some(message),
                ..store.runs().last().map(Answer::of).unwrap_or_default()
            },
        };
        if matches!(
            store.runs().last().map(|run| TaskState::from(&run.status)),
            Some(TaskState::Done)
        ) {
            for benchmark in &one.score {
                self.score(*benchmark, &mut store, &mut answer);
            }
        }
        if answer.status == INTERRUPTED_RUN && !self.is_interrupted {
            // Nothing is wrong with the runs that follow.
            answer.error = Some(tr!("was stopped by another process").into());
        }
        answer.secs = start.elapsed().as_secs_f64();
        Some(answer)
    }

    /// Scores the run of an answer, and adds what came of it.
    fn score(&mut self, benchmark: Benchmark, store: &mut RunStore, answer: &mut Answer) {
        let Some(run) = store.runs().last() else {
            return;
        };
        let name = RunId(format!("score-{benchmark:?}"));
        let request = ScoreRequest {
            of: run.id.clone(),
            folder: run.folder.clone(),
            is_tuned: true,
            benchmark,
            official: None,
            split: Split::Test,
            limit: run.spec.evaluation.limit,
            few_shot: 0,
        };
        let command = Command::Score {
            run: name.clone(),
            request: Box::new(request),
        };
        store.scoring = None;
        match self.follow(command, Some(name), store) {
            Some(Some(message)) => answer.error = Some(message),
            Some(None) | None => match store.scoring.take().and_then(|scoring| scoring.scored) {
                Some((summary, file)) => answer.scored.push(Scored {
                    benchmark,
                    file,
                    summary,
                }),
                None => {
                    answer.status = INTERRUPTED_RUN;
                    self.is_interrupted = true;
                }
            },
        }
    }

    /// Follows a job until the worker is done with it. Gives why it failed, if it did;
    /// none where nothing came of it, for an interrupt.
    fn follow(
        &mut self,
        command: Command,
        named: Option<RunId>,
        store: &mut RunStore,
    ) -> Option<Option<String>> {
        // A worker that is gone has closed its events, which ends the job.
        let _ = self.worker.commands.send(command);
        let ending = follow(
            &self.worker,
            self.interrupts,
            named,
            store,
            &mut self.progress,
        );
        let failure = match ending {
            // It is done already: a score, or a run that was interrupted before it began.
            Ending::NotBegun => return None,
            Ending::Failed { message, .. } => Some(message),
            Ending::Ended { is_interrupted, .. } => {
                self.is_interrupted |= is_interrupted;
                None
            }
            Ending::RateFound => None,
        };
        // Else its end would be taken for that of the next one.
        for event in &self.worker.events {
            if store.take_in(event) == Some(News::JobDone) {
                break;
            }
        }
        Some(failure)
    }
}

impl Answer {
    fn failed(error: String) -> Self {
        Self {
            status: TaskState::Failed(String::new()).word(),
            error: Some(error),
            ..Self::default()
        }
    }

    fn of(run: &Run) -> Self {
        let facts = Facts::of(Some(run));
        let best = run.best_validation();
        let evaluations = run.evaluations.iter();
        Self {
            name: Some(run.id.0.clone()),
            folder: Some(run.folder.clone()),
            status: facts.state.word(),
            step: run.step,
            validation_loss: best.map(|(_, loss)| loss),
            best_step: best.map(|(step, _)| step),
            accuracy: facts
                .accuracy()
                .map(|of| of.n_correct as f64 / of.n_items as f64),
            evaluations: evaluations
                .map(|(phase, summary)| Measured {
                    phase: *phase,
                    summary: summary.clone(),
                })
                .collect(),
            error: match facts.state {
                TaskState::Diverged { step, detail } => Some(format!("step {step}: {detail}")),
                TaskState::Failed(reason) => Some(reason),
                _ => None,
            },
            ..Self::default()
        }
    }
}
