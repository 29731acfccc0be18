//! Measuring accuracy inside a run: commands are taken between batches, every
//! item is written down, and the figures are reported.

use std::time::Instant;

use super::context::{Context, JobPhase, Throttle};
use super::run_data::BenchmarkSet;
use super::session::LoadedModel;
use super::untuned_scores::known_score;
use crate::bench::{Evaluation, ItemSet, Runner, ScoreOptions, evaluate};
use crate::error::{Error, Result};
use crate::language::in_english;
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;
use crate::persist::evaluation_file::{EvaluationFile, Scored, written_answers};
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Event, RunEvent, RunId, Score};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::method::tuned::Tuned;

/// Seconds between two reports of progress.
const PROGRESS_SECS: f64 = 0.1;

/// What is scored from what.
pub(super) struct Work<'a> {
    pub loaded: &'a LoadedModel,
    pub tokenizer: &'a Tokenizer,
    pub items: &'a ItemSet,
    pub options: &'a ScoreOptions,
    /// What the model starts from, and what its texts begin with; the untuned
    /// model, which reads token 0 first, if none.
    pub tuned: Option<(&'a Tuned, TextStart)>,
    /// Steps done, for a pause.
    pub step: usize,
}

impl Work<'_> {
    /// Scores the items and reports as what is `told` of tokens done and in all. None
    /// where the user skips it.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`] when it is to end; what the device or the
    /// disk reports.
    pub fn take(
        &self,
        told: &dyn Fn(usize, usize) -> Event,
        context: &mut Context<'_>,
    ) -> Result<Option<(Evaluation, EvaluationSummary)>> {
        let (start, held_before) = (Instant::now(), context.held_secs);
        let mut throttle = Throttle::new(PROGRESS_SECS);
        // One that came too late for what was scored before is not meant here.
        context.control.take_skip();
        let mut is_skipped = false;
        let mut progress = |done, total| {
            context.poll(self.step)?;
            is_skipped = context.control.take_skip();
            if is_skipped {
                return Err(Error::Stopped);
            }
            // The first and the last are always seen.
            if done == 0 || done == total || throttle.is_due() {
                context.report(told(done, total))?;
            }
            Ok(())
        };
        let LoadedModel { model, device, .. } = self.loaded;
        let mut runner = match self.tuned {
            None => Runner::new(model, device),
            Some((tuned, start)) => Runner::with_start(model, device, tuned.start(device), start),
        };
        let evaluation = evaluate(
            &mut runner,
            self.tokenizer,
            self.items,
            self.options,
            &mut progress,
        );
        let evaluation = match evaluation {
            Err(Error::Stopped) if is_skipped => return Ok(None),
            evaluation => evaluation?,
        };
        let held_secs = context.held_secs - held_before;
        let summary = summary(&evaluation, start.elapsed().as_secs_f64() - held_secs);
        Ok(Some((evaluation, summary)))
    }

    /// What was scored, if the state is that of `run`.
    pub fn scored(&self, run: &RunId, secs: f64) -> Scored {
        Scored {
            model: self.loaded.file.clone(),
            fingerprint: self.loaded.fingerprint.clone(),
            start: match self.tuned {
                Some(_) => run.0.clone(),
                None => "untuned".into(),
            },
            is_tuned: self.tuned.is_some(),
            secs,
        }
    }
}

/// One evaluation of a run.
pub(super) struct Measurement<'a> {
    pub run: &'a RunId,
    pub spec: &'a RunSpec,
    pub phase: EvaluationPhase,
    pub loaded: &'a LoadedModel,
    pub tokenizer: &'a Tokenizer,
    pub set: &'a BenchmarkSet,
    /// What the model starts from, and what its texts begin with; the untuned
    /// model if none.
    pub tuned: Option<(&'a Tuned, TextStart)>,
    /// Steps done, for a pause.
    pub step: usize,
}

impl Measurement<'_> {
    /// Scores the items, writes one line for each and reports the figures; none where
    /// the user skips it.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`] when the run is to end; what the device
    /// or the disk reports.
    pub fn take(&self, context: &mut Context<'_>) -> Result<Option<EvaluationSummary>> {
        context.during = JobPhase::Evaluating(self.phase);
        let told = |done, total| {
            Event::Run(
                self.run.clone(),
                RunEvent::EvaluationProgress {
                    phase: self.phase,
                    done,
                    total,
                },
            )
        };
        let work = Work {
            loaded: self.loaded,
            tokenizer: self.tokenizer,
            items: &self.set.items,
            options: &self.set.options(self.phase),
            tuned: self.tuned,
            step: self.step,
        };
        let measured = match self.known(context)? {
            Some(EvaluationFile {
                scored, evaluation, ..
            }) => {
                let n_items = evaluation.records.len();
                context.report(told(n_items, n_items))?;
                let summary = summary(&evaluation, scored.secs);
                Some((evaluation, summary))
            }
            None => work.take(&told, context)?,
        };
        let Some((evaluation, summary)) = measured else {
            let phase = in_english(|| self.phase.words());
            let line = format!("{phase}: skipped, without figures");
            context.folder()?.append_log(&line)?;
            return Ok(None);
        };
        let folder = context.folder()?;
        let scored = work.scored(folder.id(), summary.secs);
        folder.write_evaluation(self.phase, &evaluation, &scored)?;
        context.report(Event::Run(
            self.run.clone(),
            RunEvent::EvaluationFinished {
                phase: self.phase,
                summary: summary.clone(),
            },
        ))?;
        Ok(Some(summary))
    }

    /// What an earlier run beside this one has measured already.
    fn known(&self, context: &mut Context<'_>) -> Result<Option<EvaluationFile>> {
        if self.tuned.is_some() {
            return Ok(None);
        }
        let folder = context.folder()?.path();
        let Some(runs) = folder.parent() else {
            return Ok(None);
        };
        let fingerprint = &self.loaded.fingerprint;
        Ok(known_score(
            runs,
            self.spec,
            self.phase,
            fingerprint,
            self.set,
        ))
    }
}

/// The headline figure of the held-out items from a state on the way, and what its
/// texts begin with.
///
/// # Errors
/// [`crate::error::Error::Stopped`] when the run is to end; what the device
/// reports.
pub(super) fn held_out_score(
    loaded: &LoadedModel,
    tokenizer: &Tokenizer,
    set: &BenchmarkSet,
    (tuned, start): (&Tuned, TextStart),
    step: usize,
    context: &mut Context<'_>,
) -> Result<Option<Score>> {
    let LoadedModel { model, device, .. } = loaded;
    let evaluation = evaluate(
        &mut Runner::with_start(model, device, tuned.start(device), start),
        tokenizer,
        &set.items,
        &set.options(EvaluationPhase::After),
        &mut |_, _| context.poll(step),
    )?;
    Ok(summary(&evaluation, 0.0).scores.into_iter().next())
}

/// What is reported of an evaluation.
pub(super) fn summary(evaluation: &Evaluation, secs: f64) -> EvaluationSummary {
    let figures = evaluation.figures().into_iter();
    let scores = figures.map(|figure| Score {
        name: figure.name,
        n_correct: figure.accuracy.n_correct,
        n_items: figure.accuracy.n_items,
    });
    EvaluationSummary {
        benchmark: evaluation.name().to_owned(),
        few_shot: evaluation.conditions.few_shot,
        scores: scores.collect(),
        written: written_answers(evaluation),
        n_total: evaluation.conditions.n_total,
        left_out: evaluation.conditions.left_out.len(),
        secs,
    }
}
