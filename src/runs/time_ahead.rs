//! How long a run will take that has not started, from steps and scoring that were
//! measured on the same device: one answer for Start, for sweeps and for the command
//! line.

use super::eta::RECENT_STEPS;
use super::run::Run;
use crate::data::Benchmark;
use crate::format::duration_range;
use crate::model::ModelConfig;
use crate::protocol::event::{EvaluationPhase, RunId};
use crate::protocol::run_spec::{DataSource, RunSpec};
use crate::tuning::plan::cost::token_cost;
use crate::tuning::spec::{Method, SelectBy};

/// Runs alike whose times make a range.
const MAX_ALIKE: usize = 5;
/// A machine that does other things too takes so much more or less the next time.
const LEAST_SPREAD: f64 = 1.1;
/// The same where the steps that were timed were other ones.
const SCALED_SPREAD: f64 = 1.25;
/// How much the spread grows with the factor between the two: 16 times the work is
/// told within 1.25 x 1.5.
const SPREAD_POWER: f64 = 0.15;
/// Share of a training step that its forward pass takes: the weights have no gradient,
/// and the backward pass to the activations costs what the forward pass does.
const FORWARD_SHARE: f64 = 0.5;
/// Checks on held-out examples beside the regular ones: before the first step and
/// after the last.
const MORE_CHECKS: usize = 2;

/// What is known of a run before it begins.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    /// The dimensions of its model.
    pub model: &'a ModelConfig,
    /// Tokens of a training example, on the average.
    pub example_tokens: f64,
    /// Held-out examples that the loss is measured on.
    pub n_validation: usize,
    /// Items that each evaluation has.
    pub n_items: usize,
}

/// Seconds: as a rule, at least, at most.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeRange {
    /// As a rule.
    pub secs: f64,
    /// At least, about.
    pub low: f64,
    /// At most, about.
    pub high: f64,
}

impl TimeRange {
    fn times(self, n: f64) -> Self {
        Self {
            secs: n * self.secs,
            low: n * self.low,
            high: n * self.high,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            secs: self.secs + other.secs,
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// As wide as `spread` times up and down at least.
    fn spread(self, spread: f64) -> Self {
        Self {
            secs: self.secs,
            low: self.low.min(self.secs / spread),
            high: self.high.max(self.secs * spread),
        }
    }

    /// As one says it.
    pub fn words(&self) -> String {
        duration_range(self.low, self.high)
    }
}

impl std::iter::Sum for TimeRange {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::plus)
    }
}

/// How long a run will take.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeAhead {
    /// Its steps with the checks between them, and its evaluations where they are
    /// known.
    pub time: TimeRange,
    /// The run or the timed steps that tell it; none where no step is taken.
    pub from: Option<RunId>,
    /// Whether those steps were other ones, so that their time was scaled.
    pub is_scaled: bool,
    /// Whether the time of the evaluations is in it.
    pub has_evaluations: bool,
}

/// What steps and scoring took on this machine.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The newest first.
    runs: Vec<MeasuredRun>,
}

/// What one run took.
#[derive(Debug, Clone)]
struct MeasuredRun {
    id: RunId,
    spec: RunSpec,
    /// Seconds of a step, with the tokens that it had.
    steps: Option<(TimeRange, f64)>,
    /// Seconds of an item in each phase.
    items: Vec<(EvaluationPhase, f64)>,
}

/// Seconds of a step, and how they are known.
struct StepTime {
    time: TimeRange,
    from: RunId,
    is_scaled: bool,
}

impl Measured {
    /// What these runs took, of which the last is the newest.
    pub fn of<'a>(runs: impl DoubleEndedIterator<Item = &'a Run>) -> Self {
        Self {
            runs: runs.rev().map(MeasuredRun::of).collect(),
        }
    }

    /// Adds steps of `spec` that were timed by themselves: seconds and tokens of each.
    pub fn add_steps(&mut self, spec: RunSpec, secs: f64, tokens: f64) {
        let time = TimeRange {
            secs,
            low: secs,
            high: secs,
        };
        let timed = MeasuredRun {
            id: RunId("steps that were timed".into()),
            steps: Some((time, tokens)),
            items: Vec::new(),
            spec,
        };
        self.runs.insert(0, timed);
    }

    /// The time of a run by `spec`: by the newest runs that took like steps, of the
    /// same model, data, device and batch and with a method of the same cost; else on
    /// the line through the runs of the same model on the same device whose steps cost
    /// a little less and a little more, or in proportion to the nearest one. None
    /// where no such run is known.
    pub fn ahead(&self, spec: &RunSpec, ahead: Ahead<'_>) -> Option<TimeAhead> {
        let of_same =
            |run: &&MeasuredRun| run.spec.model == spec.model && run.spec.device == spec.device;
        let known: Vec<&MeasuredRun> = self.runs.iter().filter(of_same).collect();
        let evaluations = evaluations(&known, spec, ahead.n_items);
        if spec.method == Method::Base {
            return Some(TimeAhead {
                time: evaluations?,
                from: None,
                is_scaled: false,
                has_evaluations: true,
            });
        }
        let step = like_steps(&known, spec, ahead).or_else(|| other_steps(&known, spec, ahead))?;
        let training = &spec.training;
        let checks = match training.validate_every {
            0 => TimeRange::default(),
            every => {
                let n_checks = (training.steps / every + MORE_CHECKS) * ahead.n_validation;
                let of_step = (training.batch * training.accumulate).max(1) as f64;
                let share = FORWARD_SHARE * n_checks as f64 / of_step;
                let scored = match training.select_by {
                    SelectBy::ValidationAccuracy => {
                        let secs = item_secs(&known, spec, &[EvaluationPhase::After], None);
                        secs.unwrap_or(0.0) * n_checks as f64
                    }
                    SelectBy::ValidationLoss | SelectBy::LastStep => 0.0,
                };
                step.time.times(share).plus(exactly(scored))
            }
        };
        let steps = step.time.times(training.steps as f64).plus(checks);
        Some(TimeAhead {
            time: steps.plus(evaluations.unwrap_or_default()),
            from: Some(step.from),
            is_scaled: step.is_scaled,
            has_evaluations: evaluations.is_some(),
        })
    }
}

impl MeasuredRun {
    fn of(run: &Run) -> Self {
        let recent = |series: &super::series::Series, least: f64| {
            let recent = series.recent(RECENT_STEPS);
            let mut values: Vec<f64> = recent.filter(|x| x.is_finite() && *x >= least).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let (secs, tokens) = (
            recent(&run.series.step_secs, 0.0),
            recent(&run.series.tokens, 1.0),
        );
        let at = |values: &[f64], share: f64| {
            let last = values.len().checked_sub(1)?;
            values.get((share * last as f64).round() as usize).copied()
        };
        let time = || {
            let time = TimeRange {
                secs: at(&secs, 0.5)?,
                low: at(&secs, 0.25)?,
                high: at(&secs, 0.75)?,
            };
            Some((time, at(&tokens, 0.5)?))
        };
        let items = run.evaluations.iter().filter_map(|(phase, summary)| {
            let n_items = summary.scores.first()?.n_items;
            (n_items > 0).then(|| (*phase, summary.secs / n_items as f64))
        });
        Self {
            id: run.id.clone(),
            spec: run.spec.clone(),
            steps: time(),
            items: items.collect(),
        }
    }
}

fn exactly(secs: f64) -> TimeRange {
    TimeRange {
        secs,
        low: secs,
        high: secs,
    }
}

/// Seconds of a step of the runs that take the steps of `spec`.
fn like_steps(known: &[&MeasuredRun], spec: &RunSpec, ahead: Ahead<'_>) -> Option<StepTime> {
    let cost = |spec: &RunSpec| token_cost(ahead.model, &spec.method);
    let is_alike = |run: &&&MeasuredRun| {
        let (a, b) = (&run.spec, spec);
        a.data == b.data
            && (cost(a) - cost(b)).abs() <= 1e-9 * cost(b)
            && a.training.batch == b.training.batch
            && a.training.accumulate == b.training.accumulate
            && a.training.activation_checkpointing == b.training.activation_checkpointing
    };
    let mut alike = known
        .iter()
        .filter(is_alike)
        .filter_map(|run| Some((run.steps?.0, &run.id)))
        .take(MAX_ALIKE);
    let (newest, from) = alike.next()?;
    let time = alike.fold(newest, |time, (other, _)| TimeRange {
        secs: time.secs,
        low: time.low.min(other.low),
        high: time.high.max(other.high),
    });
    Some(StepTime {
        time: time.spread(LEAST_SPREAD),
        from: from.clone(),
        is_scaled: false,
    })
}

/// Seconds of a step by those of runs that took other ones.
fn other_steps(known: &[&MeasuredRun], spec: &RunSpec, ahead: Ahead<'_>) -> Option<StepTime> {
    let training = &spec.training;
    let n_tokens = (training.batch * training.accumulate) as f64 * ahead.example_tokens;
    let cost = n_tokens * token_cost(ahead.model, &spec.method);
    let costs = known.iter().filter_map(|run| {
        // Computing activations twice takes its own time.
        let is_recomputed = run.spec.training.activation_checkpointing;
        if is_recomputed != training.activation_checkpointing {
            return None;
        }
        let (time, tokens) = run.steps?;
        let of_run = tokens * token_cost(ahead.model, &run.spec.method);
        let factor = cost / of_run;
        (factor.is_finite() && factor > 0.0).then_some((of_run, time, &run.id))
    });
    let costs: Vec<(f64, TimeRange, &RunId)> = costs.collect();
    let distance = |of: f64| (cost / of).ln().abs();
    // Of equals the first, which is the newest.
    let nearest = |is_meant: &dyn Fn(f64) -> bool| {
        let meant = costs.iter().filter(|(of, ..)| is_meant(*of));
        meant.min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))
    };
    let (of, time, from) = nearest(&|_| true)?;
    let spread = SCALED_SPREAD * (cost / of).max(of / cost).powf(SPREAD_POWER);
    let time = match (nearest(&|of| of <= cost), nearest(&|of| of > cost)) {
        (Some((low, below, _)), Some((high, above, _))) => {
            let share = (cost - low) / (high - low);
            below.times(1.0 - share).plus(above.times(share))
        }
        (Some(_), None) | (None, Some(_)) | (None, None) => time.times(cost / of),
    };
    Some(StepTime {
        time: time.spread(spread),
        from: (*from).clone(),
        is_scaled: true,
    })
}

/// The benchmark of a run, and whether it is the official one.
fn benchmark(spec: &RunSpec) -> Option<(Benchmark, bool)> {
    match &spec.data.source {
        DataSource::Mini(benchmark) => Some((*benchmark, false)),
        DataSource::Official { benchmark, .. } => Some((*benchmark, true)),
        DataSource::Jsonl { .. } => None,
    }
}

/// Seconds of an item in one of `phases`, by the newest run that was measured on the
/// same benchmark.
fn item_secs(
    known: &[&MeasuredRun],
    spec: &RunSpec,
    phases: &[EvaluationPhase],
    few_shot: Option<usize>,
) -> Option<f64> {
    let of = benchmark(spec);
    let like = |run: &&&MeasuredRun| {
        benchmark(&run.spec) == of && few_shot.is_none_or(|n| n == run.spec.evaluation.few_shot)
    };
    known.iter().filter(like).find_map(|run| {
        let of_phase = |phase| run.items.iter().find(|(of, _)| of == phase);
        phases.iter().find_map(of_phase).map(|(_, secs)| *secs)
    })
}

/// Seconds of all evaluations by those of runs on the same benchmark; none where
/// one of them was never made.
fn evaluations(known: &[&MeasuredRun], spec: &RunSpec, n_items: usize) -> Option<TimeRange> {
    use EvaluationPhase::{After, Before, FewShot};
    if benchmark(spec).is_none() {
        return Some(TimeRange::default());
    }
    let evaluation = &spec.evaluation;
    let mut secs = 0.0;
    if evaluation.before {
        secs += item_secs(known, spec, &[Before, After], None)?;
    }
    if evaluation.after {
        secs += item_secs(known, spec, &[After, Before], None)?;
    }
    if evaluation.few_shot > 0 {
        secs += item_secs(known, spec, &[FewShot], Some(evaluation.few_shot))?;
    }
    let time = exactly(n_items as f64 * secs);
    Some(time.spread(LEAST_SPREAD))
}

#[cfg(test)]
mod tests;
