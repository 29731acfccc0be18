//! Scores a finished run on a benchmark: every item is written into its folder, as
//! `gosling eval` does.

use std::fs::create_dir_all;
use std::path::PathBuf;

use super::context::{Context, JobPhase};
use super::evaluating::Work;
use super::session::Session;
use crate::bench::{FewShot, ItemSet, ScoreOptions, gold_answers};
use crate::data::{Protocol, load, mini};
use crate::error::{Error, Result};
use crate::persist::evaluation_file::{later_name, write_evaluation};
use crate::persist::run_folder::read_run_spec;
use crate::protocol::command::ScoreRequest;
use crate::protocol::event::{EvaluationSummary, Event, JobEvent, RunId};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::locate_state;

/// Scores, writes and reports; a stop is reported as an end without figures.
///
/// # Errors
/// Bad input, and what the device or the disk reports.
pub(super) fn score(
    request: &ScoreRequest,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<()> {
    let run = context.run().unwrap_or(RunId(String::new()));
    let scored = match take(request, &run, session, context) {
        Err(Error::Stopped) => None,
        other => Some(other?),
    };
    context.report(Event::Job(JobEvent::ScoreEnded {
        name: run,
        of: request.of.clone(),
        scored,
    }))
}

fn take(
    request: &ScoreRequest,
    run: &RunId,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<(EvaluationSummary, PathBuf)> {
    context.during = JobPhase::OpeningRun;
    let spec = read_run_spec(&request.folder)?;
    let (tuned, own_vocabulary) = match request.is_tuned {
        true => {
            let path = locate_state(&request.folder)?;
            let (tuned, metadata) = read_tuned(&path, None)?;
            let vocabulary = metadata.tokenizer(&path)?;
            (Some((tuned, metadata.text_start())), vocabulary)
        }
        false => (None, None),
    };
    context.during = JobPhase::LoadingData;
    let (set, mut options) = items(request, &spec)?;
    let gold = gold_answers(request.benchmark, request.official.as_deref())?;
    context.during = JobPhase::LoadingModel;
    let (loaded, tokenizer) = context.load(session, &spec)?;
    let end = loaded.model.config().end_of_document;
    let tokenizer = own_vocabulary.map_or(tokenizer, |own| own.with_end(end));
    options.cut_answers(spec.evaluation.max_new_tokens, &gold, &tokenizer);
    context.during = JobPhase::Scoring;
    if let Some((tuned, _)) = &tuned {
        let fits = tuned.check_fits(loaded.model.config());
        fits.map_err(|error| error.at_file(&request.folder))?;
    }
    let told = |done, total| {
        let run = run.clone();
        Event::Job(JobEvent::ScoreProgress {
            name: run,
            done,
            total,
        })
    };
    let work = Work {
        loaded,
        tokenizer: &tokenizer,
        items: &set,
        options: &options,
        tuned: tuned.as_ref().map(|(tuned, start)| (tuned, *start)),
        step: 0,
    };
    // It is stopped by its name, and not skipped.
    let (evaluation, summary) = work.take(&told, context)?.ok_or(Error::Stopped)?;
    let scored = work.scored(&request.of, summary.secs);
    let folder = request.folder.join("eval");
    create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let path = folder.join(later_name(&evaluation, request.is_tuned, request.limit));
    write_evaluation(&path, &evaluation, &scored)?;
    Ok((summary, path))
}

/// The items, and how they are scored: worded and cut as the run's own were.
fn items(request: &ScoreRequest, spec: &RunSpec) -> Result<(ItemSet, ScoreOptions)> {
    let ScoreRequest {
        benchmark,
        split,
        limit,
        ..
    } = *request;
    let (items, protocol, split) = match &request.official {
        None => (mini(benchmark, split)?, Protocol::Mini, split),
        Some(folder) => {
            let split = benchmark.scored_split(split);
            let loaded = load(benchmark, folder, split)?;
            let mmlu = spec.evaluation.mmlu;
            (loaded.items, Protocol::LmEval { mmlu }, split)
        }
    };
    let mut options = ScoreOptions::new(protocol);
    options.context_length = spec.evaluation.context_length;
    let n = request.few_shot;
    options.few_shot = match &request.official {
        None => FewShot::mini(benchmark, n, None)?,
        Some(folder) => FewShot::official(benchmark, folder, n, None)?,
    };
    Ok((ItemSet::new(benchmark, split, items, limit), options))
}
