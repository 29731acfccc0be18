//! From a job to a run that has begun: load, check, create. What can be refused
//! is refused before anything is written.

use std::path::Path;

use super::active_run::ActiveRun;
use super::best::Validations;
use super::context::{Context, Doing};
use super::control::Job;
use super::distances::measure_distances;
use super::generating::generate;
use super::resume;
use super::run_data::RunData;
use super::scoring::score;
use super::session::{LoadedModel, Session, tokenizer_of};
use super::snapshot_plan::SnapshotPlan;
use super::step_memory::memory_note;
use super::tracer::trace;
use super::tuning_loop::{Tuning, micro_batches};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;
use crate::persist::run_folder::RunFolder;
use crate::persist::run_history::past_run;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Event, RunId};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::batch::DataOrder;
use crate::tuning::rate_finder::{RateFinding, RateRange, find_rate};
use crate::tuning::start::start_state;
use crate::tuning::trainer::Trainer;

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
            context.unwritten = Some(run.clone());
            let finding = match search_rate(&spec, range, session, context) {
                Err(Error::Stopped) => RateFinding::default(),
                other => other?,
            };
            context.report(Event::RateFound { run, finding })
        }
        Job::Generate { run, request } => {
            context.unwritten = Some(run);
            generate(&request, session, context)
        }
        Job::Score { run, request } => {
            context.unwritten = Some(run);
            score(&request, session, context)
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

/// The data of a run in the tokens of its model, before the weights, which take
/// their time.
pub(super) fn load_data(spec: &RunSpec, context: &mut Context<'_>) -> Result<(RunData, Tokenizer)> {
    context.during = Doing::LoadingModel;
    let tokenizer = tokenizer_of(&spec.model)?;
    context.during = Doing::LoadingData;
    let data = RunData::load(spec, &tokenizer)?;
    context.poll(0)?;
    Ok((data, tokenizer))
}

fn prepare<'a>(
    spec: &RunSpec,
    session: &'a mut Session,
    context: &mut Context<'_>,
) -> Result<Prepared<'a>> {
    context.during = Doing::CheckingSpec;
    spec.check()?;
    let (mut data, tokenizer) = load_data(spec, context)?;
    context.during = Doing::LoadingModel;
    let (loaded, _) = context.load(session, spec)?;
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
