//! From a job to a run that has started: load, check, create. What can be refused
//! is refused before anything is written.

use std::path::Path;

use super::active_run::ActiveRun;
use super::batching::{self, micro_batches, padding_note};
use super::best::Validations;
use super::context::{Context, JobPhase};
use super::control::Job;
use super::cross_validation::choose_steps;
use super::distances::measure_distances;
use super::generating::generate;
use super::heads::{ablate, read_lens};
use super::importing::compare_state;
use super::loading::load_data;
use super::made_from::{INPUTS, MadeFrom, check_model_is_there};
use super::memory::step_memory::{memory_note, settle};
use super::memory::step_shape::{Longest, step_memory};
use super::resume;
use super::run_data::RunData;
use super::scoring::score;
use super::session::{LoadedModel, Session};
use super::snapshot_plan::SnapshotPlan;
use super::tracer::trace;
use super::tuning_loop::{Sources, Tuning};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;
use crate::persist::run_folder::RunFolder;
use crate::persist::run_history::past_run;
use crate::persist::run_inputs::has_inputs;
use crate::persist::run_requests::asking::is_watched;
use crate::protocol::command::ResumeChanges;
use crate::protocol::event::{
    EvaluationPhase, EvaluationSummary, Event, JobEvent, RunCosts, RunEvent, RunId,
};
use crate::protocol::run_spec::{CheckpointSource, RunSpec};
use crate::tuning::states::start::start_state;
use crate::tuning::train::rate_finder::{RateFinding, RateRange, find_rate};
use crate::tuning::train::trainer::Trainer;

/// Does a job. What goes wrong before its run has started leaves nothing behind.
///
/// # Errors
/// Why it could not be done; [`Error::Stopped`] where there is nothing to
/// report, since no run had started.
pub(super) fn run_job(job: Job, session: &mut Session, context: &mut Context<'_>) -> Result<()> {
    match job {
        Job::Load(spec) => load(&spec, session, context),
        Job::Start {
            spec,
            runs,
            accept_changes,
        } => {
            let check = StartCheck::New { accept_changes };
            start(&spec.with_absolute_paths(), &runs, check, session, context)
        }
        Job::Resume { folder, changes } => resume_run(&folder, &changes, session, context),
        Job::Trace(request) => trace(request, session, context),
        Job::FindRate { run, spec, range } => {
            context.unwritten = Some(run.clone());
            let finding = match search_rate(&spec, range, session, context) {
                Err(Error::Stopped) => RateFinding::default(),
                other => other?,
            };
            context.report(Event::Job(JobEvent::RateFound { name: run, finding }))
        }
        Job::Generate { run, request } => {
            context.unwritten = Some(run);
            generate(&request, session, context)
        }
        Job::Score { run, request } => {
            context.unwritten = Some(run);
            score(&request, session, context)
        }
        Job::ReadLens { run, request } => {
            context.unwritten = Some(run);
            read_lens(*request, session, context)
        }
        Job::AblateHeads { run, request } => {
            context.unwritten = Some(run);
            ablate(*request, session, context)
        }
        Job::CompareState(request) => compare_state(*request, session, context),
        Job::MeasureDistances(spec) => measure_distances(&spec, session, context),
    }
}

/// Reads the model ahead of the runs that will want it.
fn load(spec: &RunSpec, session: &mut Session, context: &mut Context<'_>) -> Result<()> {
    context.during = JobPhase::LoadingModel;
    context.load(session, spec).map(|_| ())
}

/// Whether the state that a run starts from is held against its model.
#[derive(Clone, Copy)]
enum StartCheck {
    /// Of a run that has not started.
    New { accept_changes: bool },
    /// Not again.
    Done,
}

/// What a run needs before it begins.
struct Prepared<'a> {
    loaded: &'a LoadedModel,
    tokenizer: Tokenizer,
    data: RunData,
    made_from: MadeFrom,
    /// None where nothing is trained.
    trainer: Option<Trainer<'a>>,
}

/// Reads what a run needs. What `spec` leaves open is settled in it.
fn prepare<'a>(
    spec: &mut RunSpec,
    check: StartCheck,
    session: &'a mut Session,
    context: &mut Context<'_>,
) -> Result<Prepared<'a>> {
    context.during = JobPhase::CheckingSpec;
    spec.check()?;
    let (mut data, tokenizer) = load_data(spec, context)?;
    context.during = JobPhase::LoadingModel;
    let settled = settle(spec, &data)?;
    data.notes.extend(padding_note(&data.train, spec));
    spec.model.precision = settled.precision;
    data.notes.extend(settled.note);
    let (loaded, _) = context.load(session, spec)?;
    context.poll(0)?;
    data.notes.extend(loaded.notes.iter().cloned());
    data.notes.extend(memory_note(spec, loaded, &data)?);
    let snapshots = SnapshotPlan::new(spec, loaded.model.config());
    data.notes.extend(snapshots.map(|plan| plan.note()));
    context.during = JobPhase::Preparing;
    let mut made_from = MadeFrom::new(spec, loaded, &tokenizer, &data);
    if let (StartCheck::New { accept_changes }, Some((_, start))) = (check, spec.method.tuned()) {
        made_from.check_start(start, accept_changes, &mut data.notes)?;
    }
    let LoadedModel { device, model, .. } = loaded;
    let trainer = match spec.method.clone().tuned() {
        None => None,
        Some((_, start)) => {
            let leading = spec.data.leading_token;
            let shifts = spec.method.shift_rate().is_some();
            let start = start_state(start, model, device, &tokenizer, leading.in_use(), shifts)?;
            if let (StartCheck::New { .. }, true) = (check, data.is_small) {
                let chosen = choose_steps(spec, loaded, &data, &start, context)?;
                spec.take_steps(chosen.steps);
                data.notes.push(chosen.note());
                context.during = JobPhase::Preparing;
            }
            let (method, training) = (&spec.method, &spec.training);
            Some(Trainer::with_leading_token(
                model,
                device,
                method,
                training,
                &start,
                &data.train,
                leading,
            )?)
        }
    };
    Ok(Prepared {
        loaded,
        tokenizer,
        data,
        made_from,
        trainer,
    })
}

/// What the run costs; none where nothing is trained.
fn costs(spec: &RunSpec, prepared: &Prepared<'_>) -> Option<RunCosts> {
    let trainer = prepared.trainer.as_ref()?;
    let longest = Longest::of(spec, &prepared.data)?;
    let memory = step_memory(spec, prepared.loaded.model.config(), longest)?;
    Some(RunCosts {
        trained: trainer.n_trained() as u64,
        memory: memory.total(),
    })
}

fn start(
    spec: &RunSpec,
    runs: &Path,
    check: StartCheck,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let spec = &mut spec.clone();
    let mut prepared = prepare(spec, check, session, context)?;
    let spec = &*spec;
    context.poll(0)?;
    context.during = JobPhase::CreatingRun;
    let folder = RunFolder::create(runs, spec)?;
    prepared.made_from.keep(&folder, &prepared.tokenizer)?;
    folder.append_log(&prepared.loaded.lines.join("\n"))?;
    let run = begin(folder, spec, 0, prepared.data.notes.clone(), context)?;
    if let Some(costs) = costs(spec, &prepared) {
        context.report(Event::Run(run.clone(), RunEvent::Costed(costs)))?;
    }
    let Prepared {
        loaded,
        tokenizer,
        data,
        made_from,
        trainer,
    } = &mut { prepared };
    let sources = Sources {
        loaded,
        tokenizer,
        data,
        made_from,
    };
    let tuning = trainer.take().map(|trainer| {
        let validations = Validations::default();
        Tuning::new(run.clone(), spec, sources, trainer, validations)
    });
    let active = ActiveRun {
        run,
        spec,
        sources,
        tuning,
        evaluations: Vec::new(),
        alphas: Vec::new(),
    };
    active.finish(context)
}

fn resume_run(
    path: &Path,
    changes: &ResumeChanges,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    context.during = JobPhase::OpeningRun;
    if is_watched(path) {
        let reason = tr!(
            "is a copy of a run of another machine, without its checkpoints; resume it there with gosling tune --resume"
        );
        return Err(Error::input(path, tr!("run"), reason));
    }
    let (mut folder, mut spec) = RunFolder::open(path)?;
    if let Some(model) = &changes.model {
        spec.model.checkpoint = CheckpointSource::File(model.clone());
        spec = spec.with_absolute_paths();
    }
    check_model_is_there(path, &spec)?;
    let past = past_run(path)?;
    resume::check_resumable(&past)?;
    let check = match has_inputs(path) || past.step > 0 {
        true => StartCheck::Done,
        // A run of a sweep, whose folder was made beforehand.
        false => StartCheck::New {
            accept_changes: changes.accept,
        },
    };
    let training = spec.training.clone();
    let Prepared {
        loaded,
        tokenizer,
        data,
        made_from,
        trainer,
    } = &mut prepare(&mut spec, check, session, context)?;
    let has_chosen_steps = spec.training != training;
    context.during = JobPhase::OpeningRun;
    let mut validations = Validations::default();
    let mut notes = Vec::new();
    let mut inputs = None;
    if let Some(trainer) = trainer {
        resume::newest_whole(&folder, &mut notes, &mut |file, checkpoint| {
            validations = Validations::restore(checkpoint, file)?;
            inputs = checkpoint.extra.get(INPUTS).cloned();
            trainer.restore(checkpoint)
        })?;
    }
    match check {
        StartCheck::Done => {
            made_from.check_unchanged(path, inputs.as_deref(), changes.accept, &mut notes)?;
        }
        StartCheck::New { .. } => notes.append(&mut data.notes),
    }
    if changes.model.is_some() || has_chosen_steps {
        folder.replace_spec(&spec)?;
    }
    made_from.keep(&folder, tokenizer)?;
    let first_step = trainer.as_ref().map_or(0, Trainer::steps_taken);
    folder.truncate_after(first_step)?;
    folder.drop_snapshots_after(first_step)?;
    folder.append_log(&loaded.lines.join("\n"))?;
    let run = begin(folder, &spec, first_step, notes, context)?;
    let sources = Sources {
        loaded,
        tokenizer,
        data,
        made_from,
    };
    let tuning = trainer.take().map(|trainer| {
        let mut tuning = Tuning::new(run.clone(), &spec, sources, trainer, validations);
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
        sources,
        tuning,
        evaluations: past.evaluations.into_iter().filter(is_kept).collect(),
        alphas: Vec::new(),
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
    context.hear_others()?;
    context.report(Event::Run(
        run.clone(),
        RunEvent::Started {
            spec: Box::new(spec.clone()),
            folder: path,
            first_step,
            notes,
        },
    ))?;
    Ok(run)
}

fn search_rate(
    spec: &RunSpec,
    range: RateRange,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<RateFinding> {
    range.check()?;
    // Nothing is written of a search.
    let spec = &mut spec.clone();
    let prepared = prepare(spec, StartCheck::Done, session, context)?;
    let Some(mut trainer) = prepared.trainer else {
        let reason = tr!("is Base, which trains nothing; choose Standard");
        return Err(Error::spec("method", reason));
    };
    context.during = JobPhase::FindingRate;
    let data = &prepared.data;
    let order = batching::order(&data.train, spec);
    find_rate(
        &mut trainer,
        range,
        &mut |step| micro_batches(&order, &data.train, spec, step),
        &mut |done, total| {
            context.poll(done)?;
            context.report(Event::Job(JobEvent::RateProgress { done, total }))
        },
    )
}
