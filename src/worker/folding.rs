//! The plain S_0 that comes closest to what a lifted run does: it is trained to predict
//! what the lifted model predicts on the run's training texts, from the run's own S_0.
//! Other programs load it, in place of S_0 without its branch.

pub mod report;

use std::path::Path;
use std::time::Instant;

use self::report::{FOLDED, FoldFigures, FoldReport, LIFTED, S0_ALONE};
use super::batching::{batches_by_length, micro_batches};
use super::evaluating::summary;
use super::made_from::data_fingerprint;
use super::run_data::{BenchmarkSet, RunData};
use super::session::{LoadedModel, Session, tokenizer_of};
use crate::bench::{Runner, evaluate};
use crate::data::Example;
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::checkpoint::is_same_content;
use crate::model::tokenizer::Tokenizer;
use crate::persist::spec_file::parse_spec;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::{LiftKind, Method, Schedule, StandardSpec, TrainingSpec};
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::{Metadata, TunedState, locate_state};
use crate::tuning::train::batch::{Batch, DataOrder};
use crate::tuning::train::text_loss::text_loss;
use crate::tuning::train::trainer::Trainer;

/// Checks on the way, after the one of the start.
const N_CHECKS: usize = 10;
/// Examples of a check, where the run holds out more or none.
const CHECK_EXAMPLES: usize = 200;

/// What may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FoldOptions {
    /// Steps; as many as the run took without it.
    pub steps: Option<usize>,
    /// The peak learning rate; that of the run without it.
    pub learning_rate: Option<f64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FoldNews {
    /// Model and data are being read.
    Loading,
    /// Steps done, of how many, and the divergence at the last check.
    Step {
        /// Steps done.
        step: usize,
        /// Steps in all.
        steps: usize,
        /// Nats a counted token.
        divergence: f64,
        /// Estimated seconds to the last step; none before the first.
        secs_left: Option<f64>,
    },
    /// One of the three is scored.
    Scoring {
        /// Which: the lifted model, S_0 alone or the folded state.
        of: &'static str,
        /// Tokens that are read and written, of how many; none before the first.
        tokens: Option<(usize, usize)>,
    },
}

/// What the lines of the result begin with where a window reads them.
pub const RESULT_FRONT: &str = "result: ";

/// A plain state in place of a lifted one.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The state.
    pub state: TunedState,
    /// What it says of itself, the report with it.
    pub metadata: Metadata,
    /// What came of it.
    pub report: FoldReport,
}

/// What a fold reads.
struct Folding<'a> {
    spec: RunSpec,
    loaded: &'a LoadedModel,
    tokenizer: &'a Tokenizer,
    data: &'a RunData,
    tuned: &'a Tuned,
    text_start: TextStart,
    check: Vec<Batch>,
    n_checked: usize,
}

/// Folds the lifted state in `path`, a run's folder or a lifted state of one. `tell`
/// hears how far it is; its error ends the work, and nothing is written in any case.
///
/// # Errors
/// A state that is not lifted, inputs that are gone or have changed, what the device
/// or `tell` reports.
pub fn fold(
    path: &Path,
    options: FoldOptions,
    tell: &mut dyn FnMut(FoldNews) -> Result<()>,
) -> Result<Folded> {
    tell(FoldNews::Loading)?;
    let path = locate_state(path)?;
    let (tuned, mut metadata) = read_tuned(&path, None)?;
    if tuned.lora.is_some() {
        let reason =
            tr!("is of a LoRA run, which is merged into the model (--to merged) and not folded");
        return Err(Error::input(&path, tr!("lifted state"), reason));
    }
    let Some(lift) = &tuned.lift else {
        let reason =
            tr!("is a plain state, which other programs load as it is; export it without --fold");
        return Err(Error::input(&path, tr!("lifted state"), reason));
    };
    let has_plain_s0 = lift.kind != LiftKind::PaperLiteral;
    let Some(text) = metadata.spec_ron.clone() else {
        let reason =
            tr!("does not say which run made it, so its model and its texts are not known");
        return Err(Error::input(&path, "spec_ron", reason));
    };
    let mut spec = parse_spec(&text, &path)?;
    spec.training = training_of(&spec, options)?;
    let tokenizer = match metadata.tokenizer(&path)? {
        Some(tokenizer) => tokenizer,
        None => tokenizer_of(&spec.model)?,
    };
    let data = RunData::load(&spec, &tokenizer)?;
    let own = data_fingerprint(&data);
    if metadata
        .data_fingerprint
        .as_ref()
        .is_some_and(|of| *of != own)
    {
        let reason = tr!(
            "have changed since the run; a fold needs those of the run ({})",
            spec.data_name()
        );
        return Err(Error::input(&path, tr!("training texts"), reason));
    }
    let mut session = Session::default();
    let (loaded, _) = session.load(&spec, &mut |_| tell(FoldNews::Loading))?;
    let is_other = |of: &String| !is_same_content(of, &loaded.fingerprint);
    if metadata.base_fingerprint.as_ref().is_some_and(is_other) {
        let reason = tr!("the state was tuned for other weights than {}", loaded.file);
        return Err(Error::input(&path, tr!("base model"), reason));
    }
    let fits = tuned.check_fits(loaded.model.config());
    fits.map_err(|error| error.at_file(&path))?;
    let examples = match data.validation.is_empty() {
        true => &data.train,
        false => &data.validation,
    };
    let examples: &[Example] = &examples[..examples.len().min(CHECK_EXAMPLES)];
    let folding = Folding {
        check: batches_by_length(examples, &spec),
        n_checked: examples.len(),
        text_start: spec.data.leading_token.in_use(),
        spec,
        loaded,
        tokenizer: &tokenizer,
        data: &data,
        tuned: &tuned,
    };
    let (state, report) = folding.go(has_plain_s0, tell)?;
    let beside = metadata.vocabulary.as_ref().and_then(|of| of.beside(&path));
    metadata.vocabulary_file = beside.map(|(file, _)| file);
    metadata.method = Some(format!("{}, folded", folding.spec.method.name()));
    metadata.metrics_json = Some(report.metrics().to_string());
    Ok(Folded {
        state,
        metadata,
        report,
    })
}

/// How the plain state is trained.
fn training_of(spec: &RunSpec, options: FoldOptions) -> Result<TrainingSpec> {
    let mut training = TrainingSpec {
        schedule: Schedule::Cosine { last: 0.0 },
        pull_to_start: 0.0,
        l2wrap: false,
        early_stopping: None,
        ..spec.training.clone()
    };
    training.steps = options.steps.unwrap_or(training.steps);
    training.learning_rate = options.learning_rate.unwrap_or(training.learning_rate);
    training.warmup_steps = training.warmup_steps.min(training.steps / 10);
    if training.steps == 0 {
        return Err(Error::spec("--fold-steps", tr!("must be 1 or more")));
    }
    let rate = training.learning_rate;
    if !rate.is_finite() || rate <= 0.0 {
        let reason = tr!("must be a number above 0, is {rate}", rate);
        return Err(Error::spec("--fold-rate", reason));
    }
    Ok(training)
}

impl Folding<'_> {
    /// Trains, and measures what came of it.
    fn go(
        &self,
        has_plain_s0: bool,
        tell: &mut dyn FnMut(FoldNews) -> Result<()>,
    ) -> Result<(TunedState, FoldReport)> {
        let LoadedModel { model, device, .. } = self.loaded;
        let RunSpec { training, data, .. } = &self.spec;
        let method = Method::Standard(StandardSpec::default());
        let (start, leading) = (&self.tuned.state, data.leading_token);
        let mut trainer =
            Trainer::with_leading_token(model, device, &method, training, start, &[], leading)?;
        trainer.imitate(self.tuned.start(device));
        let train = &self.data.train;
        let order = DataOrder::new(train.len(), training.batch, training.seed);
        let interval = training.steps.div_ceil(N_CHECKS).max(1);
        let since = Instant::now();
        let before = self.divergence(&trainer)?;
        let (mut best, mut best_step, mut state) = (before, 0, self.tuned.state.clone());
        let mut last = before;
        for step in 0..training.steps {
            let secs = since.elapsed().as_secs_f64();
            let of_one = (step > 0).then(|| secs / step as f64);
            tell(FoldNews::Step {
                step,
                steps: training.steps,
                divergence: last,
                secs_left: of_one.map(|secs| secs * (training.steps - step) as f64),
            })?;
            trainer.step(&micro_batches(&order, train, &self.spec, step))?;
            let done = step + 1;
            if done.is_multiple_of(interval) || done == training.steps {
                trainer.read_steps()?;
                if trainer.divergence().is_some() {
                    break;
                }
                last = self.divergence(&trainer)?;
                if last < best {
                    (best, best_step, state) = (last, done, trainer.state()?);
                }
            }
        }
        let steps = trainer.steps_taken();
        drop(trainer);
        let folded = Tuned::from(state.clone());
        let alone = Tuned::from(self.tuned.state.clone());
        let mut of = vec![(LIFTED, self.tuned)];
        // In place of the model's own recurrence there is no S_0 of it.
        of.extend(has_plain_s0.then_some((S0_ALONE, &alone)));
        of.push((FOLDED, &folded));
        let mut figures = Vec::new();
        for (name, tuned) in of {
            tell(FoldNews::Scoring {
                of: name,
                tokens: None,
            })?;
            figures.push(self.figures(name, tuned, tell)?);
        }
        let report = FoldReport {
            steps,
            best_step,
            learning_rate: training.learning_rate,
            divergence_before: before,
            divergence_after: best,
            checked_on: match self.data.validation.is_empty() {
                true => mark!("training examples"),
                false => mark!("held-out examples"),
            },
            n_checked: self.n_checked,
            figures,
        };
        Ok((state, report))
    }

    /// Mean nats a counted token of the checks.
    fn divergence(&self, trainer: &Trainer<'_>) -> Result<f64> {
        self.mean(&mut |batch| trainer.divergence_from_teacher(batch))
    }

    fn mean(&self, of: &mut dyn FnMut(&Batch) -> Result<(f64, usize)>) -> Result<f64> {
        let (mut nats, mut n_tokens) = (0.0, 0);
        for batch in &self.check {
            let (of_batch, n) = of(batch)?;
            nats += of_batch;
            n_tokens += n;
        }
        Ok(nats / n_tokens.max(1) as f64)
    }

    fn figures(
        &self,
        name: &'static str,
        tuned: &Tuned,
        tell: &mut dyn FnMut(FoldNews) -> Result<()>,
    ) -> Result<FoldFigures> {
        let LoadedModel { model, device, .. } = self.loaded;
        let start = tuned.start(device);
        let window = self.spec.training.window;
        let loss = self.mean(&mut |batch| text_loss(model, device, &start, batch, window))?;
        let mut of_set = |set: &BenchmarkSet| {
            let since = Instant::now();
            let evaluation = evaluate(
                &mut Runner::with_start(model, device, start.clone(), self.text_start),
                self.tokenizer,
                &set.items,
                &set.options(EvaluationPhase::After),
                &mut |done, total| {
                    tell(FoldNews::Scoring {
                        of: name,
                        tokens: Some((done, total)),
                    })
                },
            )?;
            Ok(summary(&evaluation, since.elapsed().as_secs_f64()))
        };
        let evaluation = self.data.benchmark.as_ref().map(&mut of_set).transpose()?;
        Ok(FoldFigures {
            of: name,
            loss,
            evaluation,
        })
    }
}

#[cfg(test)]
mod tests;
