//! A run that is over, scored on any benchmark: every item is written into its
//! folder, as `gosling eval` does.

use std::fs::create_dir_all;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::command::ScoreRequest;
use super::context::{Context, Doing, Throttle};
use super::evaluating::{PROGRESS_SECS, summary};
use super::event::{EvaluationSummary, Event, RunId};
use super::session::{LoadedModel, Session};
use crate::bench::{FewShot, ItemSet, Runner, ScoreOptions, evaluate};
use crate::data::{Benchmark, MmluTemplate, Protocol, Split, few_shot, load, mini, mini_few_shot};
use crate::error::{Error, Result};
use crate::persist::evaluation_file::{Scored, later_name, write_evaluation};
use crate::persist::run_folder::SPEC_FILE;
use crate::persist::spec_file::read_spec;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::lift_bundle::read_tuned;
use crate::tuning::state_file::locate_state;
use crate::tuning::tuned::Tuned;

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
    context.report(Event::ScoreEnded {
        run,
        of: request.of.clone(),
        scored,
    })
}

fn take(
    request: &ScoreRequest,
    run: &RunId,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<(EvaluationSummary, PathBuf)> {
    context.during = Doing::OpeningRun;
    let spec = read_spec(request.folder.join(SPEC_FILE))?;
    let tuned = match request.is_tuned {
        true => Some(locate_state(&request.folder).and_then(|path| read_state(&path))?),
        false => None,
    };
    context.during = Doing::LoadingData;
    let (set, options) = items(request, &spec)?;
    context.during = Doing::LoadingModel;
    let (loaded, tokenizer) = context.load(session, &spec)?;
    let LoadedModel { model, device, .. } = loaded;
    context.during = Doing::Scoring;
    let mut runner = match &tuned {
        None => Runner::new(model, device),
        Some(tuned) => {
            let fits = tuned.check_fits(model.config());
            fits.map_err(|error| error.at_file(&request.folder))?;
            Runner::with_start(model, device, tuned.start(device))
        }
    };
    let (start, held_before) = (Instant::now(), context.held_secs);
    let mut throttle = Throttle::new(PROGRESS_SECS);
    let mut progress = |done, total| {
        context.poll(0)?;
        // The first and the last are always seen.
        if done == 0 || done == total || throttle.is_due() {
            let run = run.clone();
            context.report(Event::ScoreProgress { run, done, total })?;
        }
        Ok(())
    };
    let evaluation = evaluate(&mut runner, &tokenizer, &set, &options, &mut progress)?;
    let held_secs = context.held_secs - held_before;
    let summary = summary(&evaluation, start.elapsed().as_secs_f64() - held_secs);
    let scored = Scored {
        model: loaded.file.clone(),
        fingerprint: loaded.fingerprint.clone(),
        start: match request.is_tuned {
            true => request.of.0.clone(),
            false => "untuned".into(),
        },
        is_tuned: request.is_tuned,
        secs: summary.secs,
    };
    let folder = request.folder.join("eval");
    create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let path = folder.join(later_name(&evaluation, request.is_tuned, request.limit));
    write_evaluation(&path, &evaluation, &scored)?;
    Ok((summary, path))
}

fn read_state(path: &Path) -> Result<Tuned> {
    read_tuned(path, None).map(|(tuned, _)| tuned)
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
            // The answers to WinoGrande's test split are not public.
            let split = match (benchmark, split) {
                (Benchmark::WinoGrande, Split::Test) => Split::Validation,
                (_, split) => split,
            };
            let mmlu: MmluTemplate = spec.evaluation.mmlu;
            let loaded = load(benchmark, folder, split)?;
            (loaded.items, Protocol::LmEval { mmlu }, split)
        }
    };
    let mut options = ScoreOptions::new(protocol);
    options.context_length = spec.evaluation.context_length;
    let n = request.few_shot;
    if n > 0 {
        options.few_shot = match &request.official {
            None => FewShot::Same(mini_few_shot(benchmark, n)?),
            Some(folder) => FewShot::Same(few_shot(benchmark, folder, n)?),
        };
    }
    Ok((ItemSet::new(benchmark, split, items, limit), options))
}
