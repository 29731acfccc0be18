//! What a sweep will take, told before it starts: memory by arithmetic, time
//! from steps that were timed.

use std::path::Path;

use crossbeam_channel::unbounded;

use super::plan::SweepPlan;
use super::process::{END_PATIENCE, MessageBody, Process};
use super::protocol::{Failure, Order, Report};
use crate::error::{Error, Result};
use crate::protocol::run_spec::{DataSource, EvaluationSplit, RunSpec};
use crate::runs::run::Run;
use crate::runs::time_ahead::{Ahead, Measured, TimeRange};
use crate::tuning::plan::cost::token_cost;
use crate::tuning::plan::memory::MemoryEstimate;
use crate::worker::memory::forecast::MemoryForecast;

/// Knows the models and the data of a sweep's runs, and what steps take.
#[derive(Debug)]
pub struct Estimator {
    /// One for each choice of model and data.
    forecasts: Vec<(RunSpec, MemoryForecast)>,
    measured: Measured,
}

/// What a sweep will take.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepEstimate {
    /// Memory of the largest step of each run; none where nothing is trained.
    pub memory: Vec<Option<MemoryEstimate>>,
    /// Time of all runs, one after another; none where that of one is not known.
    pub time: Option<TimeRange>,
    /// Whether the time of the scoring is in it.
    pub has_evaluations: bool,
}

impl Estimator {
    /// Reads the dimensions of the models and the data, but no weights.
    ///
    /// # Errors
    /// What would refuse a run: files that cannot be used, a size that the
    /// model does not allow.
    pub fn new(plan: &SweepPlan) -> Result<Self> {
        let mut estimator = Self {
            forecasts: Vec::new(),
            measured: Measured::default(),
        };
        for spec in plan.runs.iter().map(|run| &run.spec).chain(&plan.untuned) {
            if estimator.forecast(spec).is_none() {
                let forecast = MemoryForecast::read(spec)?;
                estimator.forecasts.push((spec.clone(), forecast));
            }
        }
        for run in &plan.runs {
            if let Some(forecast) = estimator.forecast(&run.spec) {
                forecast.check(&run.spec).map_err(|error| run.at(error))?;
            }
        }
        Ok(estimator)
    }

    fn forecast(&self, spec: &RunSpec) -> Option<&MemoryForecast> {
        let is_same = |(known, _): &&(RunSpec, MemoryForecast)| {
            known.model == spec.model
                && known.data == spec.data
                && known.evaluation.limit == spec.evaluation.limit
                && known.evaluation.split == spec.evaluation.split
                && known.training.validation_limit == spec.training.validation_limit
        };
        self.forecasts
            .iter()
            .find(is_same)
            .map(|(_, forecast)| forecast)
    }

    /// Takes what earlier runs took, of which the last is the newest.
    pub fn learn(&mut self, runs: &[Run]) {
        self.measured = Measured::of(runs.iter());
    }

    /// The cheapest and the costliest run, whose steps are to be timed; none
    /// where enough is known.
    pub fn wants(&self, plan: &SweepPlan) -> Vec<RunSpec> {
        let mut runs: Vec<&RunSpec> = plan.runs.iter().map(|run| &run.spec).collect();
        let is_known = |spec: &&RunSpec| self.time(spec).is_some();
        if runs.iter().all(is_known) {
            return Vec::new();
        }
        runs.sort_by(|a, b| self.cost(a).total_cmp(&self.cost(b)));
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return Vec::new();
        };
        match self.cost(first) == self.cost(last) {
            true => vec![(*first).clone()],
            false => vec![(*first).clone(), (*last).clone()],
        }
    }

    /// Takes the time of a step.
    pub fn add_timing(&mut self, spec: RunSpec, secs: f64) {
        let tokens = self.step_tokens(&spec);
        self.measured.add_steps(spec, secs, tokens);
    }

    /// What the sweep will take, as far as it is known: its runs, the untuned models,
    /// and the best run of each part on the test split.
    pub fn estimate(&self, plan: &SweepPlan) -> SweepEstimate {
        let memory = plan.runs.iter().map(|run| self.memory(&run.spec));
        let mut has_evaluations = true;
        let mut time_of = |spec: &RunSpec| {
            let (time, is_whole) = self.time(spec)?;
            has_evaluations &= is_whole;
            Some(time)
        };
        let runs: Option<TimeRange> = plan.runs.iter().map(|run| time_of(&run.spec)).sum();
        let scored: Vec<RunSpec> = plan
            .untuned
            .iter()
            .cloned()
            .chain(self.best(plan))
            .collect();
        let scoring: Option<TimeRange> = scored.iter().map(time_of).sum();
        SweepEstimate {
            memory: memory.collect(),
            time: runs.map(|runs| [runs, scoring.unwrap_or_default()].into_iter().sum()),
            has_evaluations: has_evaluations && scoring.is_some(),
        }
    }

    /// What scores the best run of each part, which takes no step.
    fn best(&self, plan: &SweepPlan) -> Vec<RunSpec> {
        let parts = 0..plan.sweep.parts.len();
        let first = |part: usize| plan.runs.iter().find(|run| run.part == part);
        let best = parts.filter(|_| plan.sweep.test).filter_map(first);
        let best = best.filter(|run| !matches!(run.spec.data.source, DataSource::Jsonl { .. }));
        let scored = best.map(|run| {
            let mut spec = run.spec.clone();
            spec.method = crate::tuning::spec::Method::Base;
            spec.evaluation.split = EvaluationSplit::Test;
            spec.evaluation.after = true;
            spec
        });
        scored.collect()
    }

    /// The memory of the largest step of a run.
    pub fn memory(&self, spec: &RunSpec) -> Option<MemoryEstimate> {
        self.forecast(spec)?.memory(spec)
    }

    /// The time of a run, and whether that of its scoring is in it.
    fn time(&self, spec: &RunSpec) -> Option<(TimeRange, bool)> {
        // The test split has about as many items as the other, where it was not read.
        let forecast = self.forecast(spec).or_else(|| {
            let mut other = spec.clone();
            other.evaluation.split = EvaluationSplit::Validation;
            self.forecast(&other)
        })?;
        let ahead = Ahead {
            model: &forecast.model,
            example_tokens: forecast.example_tokens,
            n_validation: forecast.n_validation,
            n_items: forecast.n_items.unwrap_or_default(),
        };
        let told = self.measured.ahead(spec, ahead)?;
        Some((told.time, told.has_evaluations))
    }

    /// Tokens of a step, on the average.
    fn step_tokens(&self, spec: &RunSpec) -> f64 {
        let n_examples = (spec.training.batch * spec.training.accumulate) as f64;
        let forecast = self.forecast(spec);
        n_examples * forecast.map_or(1.0, |forecast| forecast.example_tokens)
    }

    /// Multiplications of a step by arithmetic, to compare runs with.
    fn cost(&self, spec: &RunSpec) -> f64 {
        let of_token = self
            .forecast(spec)
            .map_or(1.0, |forecast| token_cost(&forecast.model, &spec.method));
        self.step_tokens(spec) * of_token
    }
}

/// Seconds a step of each run takes; in place of them why a run cannot begin or
/// that its steps break.
///
/// # Errors
/// [`Error::Device`] where the process is lost.
pub fn time_steps(
    program: &Path,
    n_threads: usize,
    specs: &[RunSpec],
    log: &Path,
) -> Result<Vec<Result<f64, String>>> {
    let (sender, messages) = unbounded();
    let mut process = Process::start(program, 0, n_threads, log, sender)?;
    let mut times = Vec::new();
    for spec in specs {
        process.tell(&Order::Time(Box::new(spec.clone())));
        loop {
            let message = messages.recv().map(|message| message.body);
            match message {
                Ok(MessageBody::Report(Report::Event(_))) => {}
                Ok(MessageBody::Report(Report::Timed { secs })) => {
                    times.push(Ok(secs));
                    break;
                }
                Ok(MessageBody::Report(Report::Over { failure: None, .. })) => {
                    times.push(Err(tr!("its first steps fail").into()));
                    break;
                }
                Ok(MessageBody::Report(Report::Over {
                    failure: Some(Failure { message, .. }),
                    ..
                })) => {
                    times.push(Err(message));
                    break;
                }
                Ok(MessageBody::Ended) | Err(_) => {
                    return Err(Error::Device(process.wait(END_PATIENCE)));
                }
            }
        }
    }
    process.wait(END_PATIENCE);
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::sweep_file::parse_sweep;

    fn plan(text: &str) -> SweepPlan {
        parse_sweep(text, "a.ron").unwrap().plan().unwrap()
    }

    #[test]
    fn memory_and_time_follow_the_runs() {
        let plan = plan(
            r#"(base: Preset("lifted"), parts: [(search: Grid([
                (field: "method.features.upscaled_size", values: List([64, 256, 1024])),
            ]))])"#,
        );
        let mut estimator = Estimator::new(&plan).unwrap();
        let wants = estimator.wants(&plan);
        assert_eq!(
            wants,
            [plan.runs[0].spec.clone(), plan.runs[2].spec.clone()]
        );
        assert_eq!(estimator.estimate(&plan).time, None);
        for (spec, secs) in wants.into_iter().zip([0.1, 0.4]) {
            estimator.add_timing(spec, secs);
        }
        let estimate = estimator.estimate(&plan);
        let memory: Vec<u64> = estimate
            .memory
            .iter()
            .map(|it| it.unwrap().total())
            .collect();
        assert!(memory[0] < memory[1] && memory[1] < memory[2]);
        // 300 steps each and some checks; the one between is on the line.
        let time = estimate.time.unwrap();
        let between = time.secs / 300.0 - 0.5;
        assert!(between > 0.1 && between < 0.3, "{between}");
        assert!(time.low < time.secs && time.secs < time.high);
        assert!(!estimate.has_evaluations);
    }

    /// A sweep of one run takes what the run takes, however it is asked.
    #[test]
    fn a_sweep_takes_as_long_as_its_runs() {
        let plan = plan(
            r#"(base: Preset("cpu"), test: false, parts: [(search: Grid([
                (field: "training.learning_rate", values: List([0.1, 0.2, 0.4])),
            ]))])"#,
        );
        let mut estimator = Estimator::new(&plan).unwrap();
        let spec = &plan.runs[0].spec;
        estimator.add_timing(spec.clone(), 2.0);
        let (of_one, _) = estimator.time(spec).unwrap();
        let steps = spec.training.steps as f64;
        assert!(of_one.secs >= 2.0 * steps && of_one.secs < 3.0 * steps);
        let of_all = estimator.estimate(&plan).time.unwrap();
        assert!((of_all.secs - 3.0 * of_one.secs).abs() < 1e-6 * of_all.secs);
    }

    #[test]
    fn every_combination_is_checked_against_the_model() {
        let plan = plan(
            r#"(base: Preset("lifted"), parts: [(search: Grid([
                (field: "method.features.upscaled_size", values: List([64, 16])),
                (field: "training.batch", values: List([4, 8])),
            ]))])"#,
        );
        let error = Estimator::new(&plan).unwrap_err().to_string();
        assert_eq!(
            error,
            "method.features.upscaled_size: must be at least the model's head size, 64, is 16 \
             (in the run with method.features.upscaled_size=16, training.batch=4)"
        );
    }

    #[test]
    fn past_runs_on_the_same_device_are_learned_from() {
        use crate::protocol::event::{RunId, StepMetrics};
        use crate::runs::run::Run;
        let plan = plan(r#"(base: Preset("cpu"), parts: [(search: Grid([]))])"#);
        let mut estimator = Estimator::new(&plan).unwrap();
        let mut run = Run::new(RunId("a".into()), plan.runs[0].spec.clone(), "a".into());
        for step in 1..=9 {
            run.add_step(&StepMetrics {
                step,
                loss: 1.0,
                grad_norm: 1.0,
                state_norm: 1.0,
                learning_rate: 0.1,
                tokens: 10,
                secs: 0.5,
                lift: None,
                lora: None,
            });
        }
        estimator.learn(&[run]);
        assert!(estimator.wants(&plan).is_empty());
        let time = estimator.estimate(&plan).time.unwrap();
        let steps = plan.runs[0].spec.training.steps as f64;
        assert!(
            time.secs >= 0.5 * steps && time.secs < 0.75 * steps,
            "{time:?}"
        );
    }
}
