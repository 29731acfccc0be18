//! What a sweep will take, told before it starts: memory by arithmetic, time
//! from steps that were timed.

use std::path::Path;

use crossbeam_channel::unbounded;

use super::plan::SweepPlan;
use super::process::{END_PATIENCE, MessageBody, Process};
use super::protocol::{Failure, Order, Report};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::run_spec::RunSpec;
use crate::runs::run::Run;
use crate::tuning::plan::cost::token_cost;
use crate::tuning::plan::memory::{BranchShape, MemoryEstimate};
use crate::worker::memory_forecast::MemoryForecast;

/// Steps of a past run that its time is read from, at least.
const MIN_STEPS: usize = 5;

/// Knows the models and the data of a sweep's runs, and what steps take.
#[derive(Debug)]
pub struct Estimator {
    /// One for each choice of model and data.
    forecasts: Vec<(RunSpec, MemoryForecast)>,
    timings: Vec<Timing>,
    /// Seconds an item of an evaluation takes.
    item_secs: Option<f64>,
}

/// A step that was timed.
#[derive(Debug, Clone, PartialEq)]
struct Timing {
    spec: RunSpec,
    secs: f64,
}

/// What a sweep will take.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepEstimate {
    /// Memory of the largest step of each run; none where nothing is trained.
    pub memory: Vec<Option<MemoryEstimate>>,
    /// Seconds that the steps of all runs take, one run after another.
    pub steps_secs: Option<f64>,
    /// Seconds that all evaluations take.
    pub evaluation_secs: Option<f64>,
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
            timings: Vec::new(),
            item_secs: None,
        };
        for run in &plan.runs {
            if estimator.forecast(&run.spec).is_none() {
                let forecast = MemoryForecast::read(&run.spec)?;
                estimator.forecasts.push((run.spec.clone(), forecast));
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

    /// Takes the times of steps of earlier runs on the same device.
    pub fn learn(&mut self, runs: &[Run]) {
        for run in runs {
            let is_like = |(known, _): &(RunSpec, MemoryForecast)| {
                known.device == run.spec.device
                    && known.model == run.spec.model
                    && known.data.source == run.spec.data.source
            };
            if !self.forecasts.iter().any(is_like) {
                continue;
            }
            let mut secs: Vec<f64> = run
                .series
                .step_secs
                .points()
                .iter()
                .map(|(_, secs)| *secs)
                .collect();
            if secs.len() >= MIN_STEPS {
                secs.sort_by(f64::total_cmp);
                let secs = secs[secs.len() / 2];
                let spec = run.spec.clone();
                self.timings.push(Timing { spec, secs });
            }
            let summary = run.evaluation(EvaluationPhase::After);
            let score = summary.and_then(|summary| summary.scores.first());
            if let (Some(summary), Some(score)) = (summary, score)
                && score.n_items > 0
            {
                self.item_secs = Some(summary.secs / score.n_items as f64);
            }
        }
    }

    /// The cheapest and the costliest run, whose steps are to be timed; none
    /// where enough is known.
    pub fn wants(&self, plan: &SweepPlan) -> Vec<RunSpec> {
        if !self.timings.is_empty() {
            return Vec::new();
        }
        let mut runs: Vec<&RunSpec> = plan.runs.iter().map(|run| &run.spec).collect();
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
        self.timings.push(Timing { spec, secs });
    }

    /// What the sweep will take, as far as it is known.
    pub fn estimate(&self, plan: &SweepPlan) -> SweepEstimate {
        let memory = plan.runs.iter().map(|run| self.memory(&run.spec));
        let steps = plan
            .runs
            .iter()
            .map(|run| Some(run.spec.training.steps as f64 * self.step_secs(&run.spec)?));
        let items = |spec: &RunSpec| {
            let n_items = self.forecast(spec).and_then(|forecast| forecast.n_items);
            n_items.filter(|_| spec.evaluation.after).unwrap_or(0) as f64
        };
        let n_items: f64 = plan.runs.iter().map(|run| items(&run.spec)).sum();
        SweepEstimate {
            memory: memory.collect(),
            steps_secs: steps.sum(),
            evaluation_secs: self.item_secs.map(|secs| secs * n_items),
        }
    }

    /// The memory of the largest step of a run.
    pub fn memory(&self, spec: &RunSpec) -> Option<MemoryEstimate> {
        self.forecast(spec)?.memory(spec)
    }

    /// Seconds a step of a run takes: those of a like run, else on the line
    /// through the steps that were timed.
    fn step_secs(&self, spec: &RunSpec) -> Option<f64> {
        let like = |timing: &&Timing| {
            timing.spec.training.batch == spec.training.batch
                && timing.spec.training.accumulate == spec.training.accumulate
                && BranchShape::of(&timing.spec.method) == BranchShape::of(&spec.method)
        };
        if let Some(timing) = self.timings.iter().rfind(like) {
            return Some(timing.secs);
        }
        let cost = self.cost(spec);
        let mut known: Vec<(f64, f64)> = self
            .timings
            .iter()
            .map(|timing| (self.cost(&timing.spec), timing.secs))
            .collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (first, last) = (*known.first()?, *known.last()?);
        if last.0 <= first.0 {
            return Some(first.1 * cost / first.0);
        }
        let slope = (last.1 - first.1) / (last.0 - first.0);
        Some((first.1 + slope * (cost - first.0)).max(0.0))
    }

    /// Multiplications of a step by arithmetic, to compare runs with.
    fn cost(&self, spec: &RunSpec) -> f64 {
        let config = self
            .forecast(spec)
            .or(self.forecasts.first().map(|(_, of)| of));
        config.map_or(1.0, |forecast| cost(&forecast.model, spec))
    }
}

fn cost(model: &ModelConfig, spec: &RunSpec) -> f64 {
    let n_examples = (spec.training.batch * spec.training.accumulate) as f64;
    n_examples * token_cost(model, &spec.method)
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
                Ok(MessageBody::Report(Report::Over { failure: None })) => {
                    times.push(Err("its first steps fail".into()));
                    break;
                }
                Ok(MessageBody::Report(Report::Over {
                    failure: Some(Failure { message, .. }),
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
        assert_eq!(estimator.estimate(&plan).steps_secs, None);
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
        // 300 steps each; the one between is on the line.
        let between = estimate.steps_secs.unwrap() / 300.0 - 0.5;
        assert!(between > 0.1 && between < 0.25, "{between}");
        assert_eq!(estimate.evaluation_secs, None);
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
            });
        }
        estimator.learn(&[run]);
        assert!(estimator.wants(&plan).is_empty());
        assert_eq!(estimator.estimate(&plan).steps_secs, Some(150.0));
    }
}
