//! How long a run will take that has not started, from runs that were done.

use super::eta::{RECENT_STEPS, median_step_secs};
use super::run::Run;
use crate::data::Benchmark;
use crate::model::ModelConfig;
use crate::protocol::event::{EvaluationPhase, RunId};
use crate::protocol::run_spec::{DataSource, RunSpec};
use crate::tuning::plan::cost::token_cost;
use crate::tuning::spec::Method;

/// What is known of a run before it begins.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    /// The dimensions of its model.
    pub model: &'a ModelConfig,
    /// Tokens of a training example, on the average.
    pub example_tokens: f64,
    /// Items that each evaluation has.
    pub n_items: usize,
}

/// How long a run will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeAhead<'a> {
    /// Seconds of its steps, and of its evaluations where they are known.
    pub secs: f64,
    /// The run whose steps tell it.
    pub from: &'a RunId,
    /// Whether those steps were other ones, so that their time was scaled.
    pub is_scaled: bool,
    /// Whether the time of the evaluations is in it.
    pub has_evaluations: bool,
}

/// The time of a run by `spec`: by the newest run that took like steps, of the
/// same model, data, device, method and batch; else by the run of the same model
/// on the same device whose steps cost most nearly the same, its time in
/// proportion to the tokens of a step and to what each costs by arithmetic. None
/// where no such run is known.
pub fn time_ahead<'a>(runs: &'a [Run], spec: &RunSpec, ahead: Ahead<'_>) -> Option<TimeAhead<'a>> {
    let of_same = |run: &&Run| run.spec.model == spec.model && run.spec.device == spec.device;
    let known: Vec<&Run> = runs.iter().rev().filter(of_same).collect();
    let evaluations = evaluation_secs(&known, spec, ahead.n_items);
    let (step_secs, from, is_scaled) = match known.iter().find_map(|run| like_steps(run, spec)) {
        Some((secs, run)) => (secs, run, false),
        None => {
            let (secs, run) = scaled_steps(&known, spec, ahead)?;
            (secs, run, true)
        }
    };
    Some(TimeAhead {
        secs: spec.training.steps as f64 * step_secs + evaluations.unwrap_or(0.0),
        from: &from.id,
        is_scaled,
        has_evaluations: evaluations.is_some(),
    })
}

/// Seconds of a step of a run that takes the steps of `spec`.
fn like_steps<'a>(run: &&'a Run, spec: &RunSpec) -> Option<(f64, &'a Run)> {
    let (a, b) = (&run.spec, spec);
    let is_alike = a.data == b.data
        && a.method == b.method
        && a.training.batch == b.training.batch
        && a.training.accumulate == b.training.accumulate
        && a.training.activation_checkpointing == b.training.activation_checkpointing;
    is_alike.then_some(())?;
    Some((median_step_secs(run)?, run))
}

/// Seconds of a step by that of the run whose steps cost most nearly the same.
fn scaled_steps<'a>(known: &[&'a Run], spec: &RunSpec, ahead: Ahead<'_>) -> Option<(f64, &'a Run)> {
    if spec.method == Method::Base {
        return None;
    }
    let training = &spec.training;
    let n_tokens = (training.batch * training.accumulate) as f64 * ahead.example_tokens;
    let cost = n_tokens * token_cost(ahead.model, &spec.method);
    let scaled = known.iter().filter_map(|run| {
        // Computing activations twice takes its own time.
        let is_recomputed = run.spec.training.activation_checkpointing;
        if is_recomputed != training.activation_checkpointing {
            return None;
        }
        let of_run = median_tokens(run)? * token_cost(ahead.model, &run.spec.method);
        let factor = cost / of_run;
        let secs = median_step_secs(run)? * factor;
        (factor.is_finite() && factor > 0.0).then_some((factor.ln().abs(), secs, *run))
    });
    // Of equals the first, which is the newest.
    let nearest = scaled.min_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map(|(_, secs, run)| (secs, run))
}

fn median_tokens(run: &Run) -> Option<f64> {
    let recent = run.series.tokens.recent(RECENT_STEPS);
    let mut tokens: Vec<f64> = recent.filter(|n| n.is_finite() && *n > 0.0).collect();
    tokens.sort_unstable_by(f64::total_cmp);
    tokens.get(tokens.len() / 2).copied()
}

/// Seconds of all evaluations by those of runs on the same benchmark; none where
/// one of them was never made.
fn evaluation_secs(known: &[&Run], spec: &RunSpec, n_items: usize) -> Option<f64> {
    use EvaluationPhase::{After, Before, FewShot};
    let benchmark = |spec: &RunSpec| -> Option<(Benchmark, bool)> {
        match &spec.data.source {
            DataSource::Mini(benchmark) => Some((*benchmark, false)),
            DataSource::Official { benchmark, .. } => Some((*benchmark, true)),
            DataSource::Jsonl { .. } => None,
        }
    };
    let of = benchmark(spec);
    if of.is_none() {
        return Some(0.0);
    }
    let evaluation = &spec.evaluation;
    let like = |run: &&&Run| benchmark(&run.spec) == of;
    let item_secs = |phases: &[EvaluationPhase], few_shot: Option<usize>| {
        known.iter().filter(like).find_map(|run| {
            if few_shot.is_some_and(|n| n != run.spec.evaluation.few_shot) {
                return None;
            }
            let measured = phases.iter().find_map(|phase| run.evaluation(*phase))?;
            let n_scored = measured.scores.first()?.n_items;
            (n_scored > 0).then(|| measured.secs / n_scored as f64)
        })
    };
    let mut secs = 0.0;
    if evaluation.before {
        secs += n_items as f64 * item_secs(&[Before, After], None)?;
    }
    if evaluation.after {
        secs += n_items as f64 * item_secs(&[After, Before], None)?;
    }
    if evaluation.few_shot > 0 {
        secs += n_items as f64 * item_secs(&[FewShot], Some(evaluation.few_shot))?;
    }
    Some(secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::DeviceChoice;
    use crate::model::random::SHAPE_0_1B;
    use crate::protocol::event::{EvaluationSummary, Score, StepMetrics};
    use crate::tuning::spec::LiftSpec;

    const AHEAD: Ahead<'_> = Ahead {
        model: &SHAPE_0_1B,
        example_tokens: 60.0,
        n_items: 100,
    };

    /// A run of `batch` examples of 60 tokens, whose steps took `secs`.
    fn run(name: &str, batch: usize, secs: f64) -> Run {
        let mut spec = RunSpec::default();
        spec.training.batch = batch;
        let mut run = Run::new(RunId(name.into()), spec, name.into());
        for step in 1..=9 {
            run.add_step(&StepMetrics {
                step,
                loss: 1.0,
                grad_norm: 1.0,
                state_norm: 1.0,
                learning_rate: 0.1,
                tokens: 60 * batch,
                secs,
                lift: None,
            });
        }
        run
    }

    fn measure(run: &mut Run, phase: EvaluationPhase, secs: f64) {
        let summary = EvaluationSummary {
            benchmark: "gsm8k-mini".into(),
            few_shot: 0,
            scores: vec![Score {
                name: "strict".into(),
                n_correct: 1,
                n_items: 50,
            }],
            n_total: 500,
            written: None,
            left_out: 0,
            secs,
        };
        run.add_evaluation(phase, summary);
    }

    #[test]
    fn a_like_run_tells_the_time_of_the_next() {
        let mut done = run("a", 32, 2.0);
        measure(&mut done, EvaluationPhase::Before, 5.0);
        let mut spec = done.spec.clone();
        spec.training.steps = 10;
        spec.evaluation.few_shot = 0;
        let runs = [done];
        let told = time_ahead(&runs, &spec, AHEAD).unwrap();
        // 10 steps of 2 s, and twice 100 items of 0.1 s.
        assert_eq!(told.secs, 40.0);
        assert_eq!(told.from, &runs[0].id);
        assert!(!told.is_scaled && told.has_evaluations);
    }

    #[test]
    fn the_nearest_run_is_scaled_by_the_tokens_of_a_step() {
        let runs = [run("small", 4, 0.5), run("large", 64, 4.0)];
        let mut spec = RunSpec::default();
        spec.training.steps = 10;
        let told = |spec: &RunSpec| {
            let told = time_ahead(&runs, spec, AHEAD).unwrap();
            assert!(told.is_scaled && !told.has_evaluations);
            (told.secs, told.from.0.as_str())
        };
        spec.training.batch = 32;
        assert_eq!(told(&spec), (20.0, "large"));
        spec.training.batch = 8;
        assert_eq!(told(&spec), (10.0, "small"));
        spec.training.accumulate = 4;
        assert_eq!(told(&spec), (20.0, "large"));
        // A branch takes more than none.
        spec.method = Method::Lifted(LiftSpec::default());
        assert!(told(&spec).0 > 20.0);
    }

    #[test]
    fn nothing_is_told_where_nothing_is_known() {
        let runs = [run("a", 32, 2.0)];
        let refused = |change: &dyn Fn(&mut RunSpec)| {
            let mut spec = RunSpec::default();
            spec.training.batch = 8;
            change(&mut spec);
            time_ahead(&runs, &spec, AHEAD).is_none()
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|spec| spec.device = DeviceChoice::Cpu));
        assert!(refused(&|spec| {
            spec.model.checkpoint = crate::protocol::run_spec::CheckpointSource::File("m".into());
        }));
        assert!(refused(
            &|spec| spec.training.activation_checkpointing = true
        ));
        assert!(refused(&|spec| spec.method = Method::Base));
        assert!(time_ahead(&[], &RunSpec::default(), AHEAD).is_none());
    }
}
