//! A run from its specification to its state: load, measure, tune, measure,
//! hand over. What can be refused is refused before anything is written.

use std::path::Path;

use super::best::{Best, Validations};
use super::context::{Context, Doing};
use super::control::Job;
use super::distances::measure_distances;
use super::evaluating::Measurement;
use super::event::{EvaluationPhase, EvaluationSummary, Event, RunId, RunOutcome};
use super::generating::generate;
use super::resume;
use super::run_data::RunData;
use super::run_export::{Figures, Handover};
use super::run_spec::RunSpec;
use super::session::{LoadedModel, Session};
use super::snapshot_plan::SnapshotPlan;
use super::step_memory::memory_note;
use super::trace::trace;
use super::tuning_loop::{Tuning, TuningEnd, micro_batches};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;
use crate::persist::run_folder::RunFolder;
use crate::persist::run_history::past_run;
use crate::tuning::batch::DataOrder;
use crate::tuning::rate_finder::{RateFinding, RateRange, find_rate};
use crate::tuning::spec::SelectBy;
use crate::tuning::start::start_state;
use crate::tuning::trainer::Trainer;
use crate::tuning::tuned::Tuned;

/// Does a job. What goes wrong before its run has begun leaves nothing behind.
///
/// # Errors
/// Why it could not be done; [`Error::Stopped`] where there is nothing to
/// report, since no run had begun.
pub(super) fn run_job(job: Job, session: &mut Session, context: &mut Context<'_>) -> Result<()> {
    match job {
        Job::Load(spec) => load(&spec, session, context),
        Job::Start { spec, runs } => start(&spec.with_absolute_paths(), &runs, session, context),
        Job::Resume { folder } => take_up(&folder, session, context),
        Job::Trace(request) => trace(request, session, context),
        Job::FindRate { run, spec, range } => {
            context.unwritten = Some(run);
            let finding = match search_rate(&spec, range, session, context) {
                Err(Error::Stopped) => RateFinding::default(),
                other => other?,
            };
            context.report(Event::RateFound { finding })
        }
        Job::Generate { run, request } => {
            context.unwritten = Some(run);
            generate(&request, session, context)
        }
        Job::MeasureDistances(spec) => measure_distances(&spec, session, context),
    }
}

/// Reads the model ahead of the runs that will want it.
fn load(spec: &RunSpec, session: &mut Session, context: &mut Context<'_>) -> Result<()> {
    context.during = Doing::LoadingModel;
    context.load(session, spec).map(|_| ())
}

/// What a run needs before it begins.
struct Prepared<'a> {
    loaded: &'a LoadedModel,
    tokenizer: Tokenizer,
    data: RunData,
    /// None where nothing is trained.
    trainer: Option<Trainer<'a>>,
}

fn prepare<'a>(
    spec: &RunSpec,
    session: &'a mut Session,
    context: &mut Context<'_>,
) -> Result<Prepared<'a>> {
    context.during = Doing::CheckingSpec;
    spec.check()?;
    context.during = Doing::LoadingModel;
    let (loaded, tokenizer) = context.load(session, spec)?;
    context.poll(0)?;
    context.during = Doing::LoadingData;
    let mut data = RunData::load(spec, &tokenizer)?;
    context.poll(0)?;
    data.notes.extend(loaded.notes.iter().cloned());
    data.notes.extend(memory_note(spec, loaded, &data)?);
    let snapshots = SnapshotPlan::new(spec, loaded.model.config());
    data.notes.extend(snapshots.map(|plan| plan.note()));
    context.during = Doing::Preparing;
    let LoadedModel { device, model, .. } = loaded;
    let trainer = match spec.method.tuned() {
        None => None,
        Some((_, start)) => {
            let start = start_state(start, model, device, &tokenizer)?;
            let (method, training) = (&spec.method, &spec.training);
            let trainer = Trainer::new(model, device, method, training, &start, &data.train)?;
            Some(trainer)
        }
    };
    Ok(Prepared {
        loaded,
        tokenizer,
        data,
        trainer,
    })
}

fn start(
    spec: &RunSpec,
    runs: &Path,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let prepared = prepare(spec, session, context)?;
    context.poll(0)?;
    context.during = Doing::CreatingRun;
    let folder = RunFolder::create(runs, spec)?;
    folder.append_log(&prepared.loaded.lines.join("\n"))?;
    let run = begin(folder, spec, 0, prepared.data.notes.clone(), context)?;
    let Prepared {
        loaded,
        tokenizer,
        data,
        trainer,
    } = &mut { prepared };
    let tuning = trainer.take().map(|trainer| {
        let validations = Validations::default();
        Tuning::new(
            run.clone(),
            spec,
            loaded,
            tokenizer,
            data,
            trainer,
            validations,
        )
    });
    let active = ActiveRun {
        run,
        spec,
        loaded,
        tokenizer,
        data,
        tuning,
        evaluations: Vec::new(),
    };
    active.finish(context)
}

fn take_up(path: &Path, session: &mut Session, context: &mut Context<'_>) -> Result<()> {
    context.during = Doing::OpeningRun;
    let (mut folder, spec) = RunFolder::open(path)?;
    let past = past_run(path)?;
    resume::check_resumable(&past)?;
    let Prepared {
        loaded,
        tokenizer,
        data,
        trainer,
    } = &mut prepare(&spec, session, context)?;
    context.during = Doing::OpeningRun;
    let mut validations = Validations::default();
    let mut notes = Vec::new();
    if let Some(trainer) = trainer {
        resume::newest_whole(&folder, &mut notes, &mut |file, checkpoint| {
            validations = Validations::restore(checkpoint, file)?;
            trainer.restore(checkpoint)
        })?;
    }
    let first_step = trainer.as_ref().map_or(0, Trainer::steps_taken);
    folder.truncate_after(first_step)?;
    folder.drop_snapshots_after(first_step)?;
    folder.append_log(&loaded.lines.join("\n"))?;
    let run = begin(folder, &spec, first_step, notes, context)?;
    let tuning = trainer.take().map(|trainer| {
        let mut tuning = Tuning::new(
            run.clone(),
            &spec,
            loaded,
            tokenizer,
            data,
            trainer,
            validations,
        );
        tuning.remember(&past);
        tuning
    });
    let is_kept = |(phase, _): &(EvaluationPhase, EvaluationSummary)| match phase {
        EvaluationPhase::Before | EvaluationPhase::FewShot => true,
        EvaluationPhase::After => false,
    };
    let active = ActiveRun {
        run,
        spec: &spec,
        loaded,
        tokenizer,
        data,
        tuning,
        evaluations: past.evaluations.into_iter().filter(is_kept).collect(),
    };
    active.finish(context)
}

fn begin(
    folder: RunFolder,
    spec: &RunSpec,
    first_step: usize,
    notes: Vec<String>,
    context: &mut Context<'_>,
) -> Result<RunId> {
    let run = folder.id().clone();
    let path = folder.path().to_path_buf();
    context.folder = Some(folder);
    context.report(Event::RunStarted {
        run: run.clone(),
        spec: Box::new(spec.clone()),
        folder: path,
        first_step,
        notes,
    })?;
    Ok(run)
}

fn search_rate(
    spec: &RunSpec,
    range: RateRange,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<RateFinding> {
    range.check()?;
    let prepared = prepare(spec, session, context)?;
    let Some(mut trainer) = prepared.trainer else {
        let reason = "is Base, which trains nothing; choose Standard";
        return Err(Error::spec("method", reason));
    };
    context.during = Doing::FindingRate;
    let (data, training) = (&prepared.data, &spec.training);
    let order = DataOrder::new(data.train.len(), training.batch, training.seed);
    find_rate(
        &mut trainer,
        range,
        &mut |step| micro_batches(&order, data, spec, step),
        &mut |done, total| {
            context.poll(done)?;
            context.report(Event::RateProgress { done, total })
        },
    )
}

/// A run that has begun.
struct ActiveRun<'a> {
    run: RunId,
    spec: &'a RunSpec,
    loaded: &'a LoadedModel,
    tokenizer: &'a Tokenizer,
    data: &'a RunData,
    tuning: Option<Tuning<'a>>,
    evaluations: Vec<(EvaluationPhase, EvaluationSummary)>,
}

/// The state that a run hands over.
struct Outcome {
    tuned: Tuned,
    step: usize,
    validation_loss: Option<f64>,
}

impl ActiveRun<'_> {
    /// Does what is left of the run, and saves it when it is stopped.
    fn finish(mut self, context: &mut Context<'_>) -> Result<()> {
        let outcome = match self.go(context) {
            Err(Error::Stopped) => self.stop(context)?,
            other => other?,
        };
        let run = self.run;
        context.report(Event::RunEnded { run, outcome })
    }

    fn go(&mut self, context: &mut Context<'_>) -> Result<RunOutcome> {
        let plan = &self.spec.evaluation;
        if plan.before {
            self.measure(EvaluationPhase::Before, None, context)?;
        }
        if plan.few_shot > 0 {
            self.measure(EvaluationPhase::FewShot, None, context)?;
        }
        let Some(tuning) = &mut self.tuning else {
            return Ok(RunOutcome::Finished);
        };
        let outcome = match tuning.go(context)? {
            TuningEnd::Finished => RunOutcome::Finished,
            TuningEnd::StoppedEarly { best_step } => RunOutcome::StoppedEarly { best_step },
            TuningEnd::Diverged { step, detail } => {
                self.hand_over(true, context)?;
                return Ok(RunOutcome::Diverged { step, detail });
            }
        };
        // Before the evaluation, so that stopping there loses nothing.
        tuning.save(context)?;
        tuning.store(context)?;
        if plan.after {
            let tuned = self.outcome(false)?.tuned;
            self.measure(EvaluationPhase::After, Some(&tuned), context)?;
        }
        self.hand_over(false, context)?;
        Ok(outcome)
    }

    /// Saves what there is of a run that is to end.
    fn stop(&mut self, context: &mut Context<'_>) -> Result<RunOutcome> {
        let Some(tuning) = &mut self.tuning else {
            return Ok(RunOutcome::Stopped { step: 0 });
        };
        let outcome = match tuning.read_back(context)? {
            Some(divergence) => RunOutcome::Diverged {
                step: divergence.step,
                detail: divergence.detail,
            },
            None => {
                tuning.save(context)?;
                tuning.store(context)?;
                RunOutcome::Stopped {
                    step: tuning.trainer.steps_taken(),
                }
            }
        };
        self.hand_over(true, context)?;
        Ok(outcome)
    }

    /// Measures a phase, unless there is nothing to measure or it is known.
    fn measure(
        &mut self,
        phase: EvaluationPhase,
        tuned: Option<&Tuned>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let is_known = self.evaluations.iter().any(|(known, _)| *known == phase);
        let Some(set) = self.data.benchmark.as_ref().filter(|_| !is_known) else {
            return Ok(());
        };
        let measurement = Measurement {
            run: &self.run,
            phase,
            loaded: self.loaded,
            tokenizer: self.tokenizer,
            set,
            tuned,
            step: self.n_steps(),
        };
        self.evaluations.push((phase, measurement.take(context)?));
        Ok(())
    }

    fn n_steps(&self) -> usize {
        let tuning = self.tuning.as_ref();
        tuning.map_or(0, |tuning| tuning.trainer.steps_taken())
    }

    /// The best state where the held-out examples say which, else the last one.
    /// A run that is cut short before its first tuned state was measured has
    /// only the start to compare with, so `is_cut` takes the last one then.
    fn outcome(&self, is_cut: bool) -> Result<Outcome> {
        let Some(tuning) = &self.tuning else {
            return Err(Error::Device("nothing was trained".into()));
        };
        let keeps_last = self.spec.training.select_by == SelectBy::LastStep;
        let best = tuning.validations.best.as_ref();
        let is_known = |best: &&Best| !keeps_last && (!is_cut || best.step > 0);
        Ok(match best.filter(is_known) {
            Some(best) => Outcome {
                tuned: best.tuned.clone(),
                step: best.step,
                validation_loss: Some(best.check.loss),
            },
            None => Outcome {
                tuned: tuning.trainer.tuned()?,
                // After a divergence the state is that of the step before.
                step: match tuning.trainer.divergence() {
                    Some(divergence) => divergence.step - 1,
                    None => tuning.trainer.steps_taken(),
                },
                validation_loss: None,
            },
        })
    }

    /// Writes the state, if any step was taken.
    fn hand_over(&self, is_cut: bool, context: &mut Context<'_>) -> Result<()> {
        if self.n_steps() == 0 {
            return Ok(());
        }
        let Outcome {
            tuned,
            step,
            validation_loss,
        } = self.outcome(is_cut)?;
        let handover = Handover {
            run: &self.run,
            spec: self.spec,
            fingerprint: &self.loaded.fingerprint,
            tuned: &tuned,
            figures: Figures {
                step,
                validation_loss,
                evaluations: &self.evaluations,
            },
        };
        handover.write(context)
    }
}
