//! How long a run still takes, from what it has measured of itself.

use super::run::{Run, RunStatus};
use crate::protocol::event::EvaluationPhase;
use crate::tuning::spec::Method;

/// Share of something below which its pace is not known yet.
const LEAST_SHARE: f64 = 0.02;

/// Seconds that are left of what has come to `share` in `secs`, at the same pace; none
/// before there is a pace.
pub fn secs_at_pace(share: f64, secs: f64) -> Option<f64> {
    (LEAST_SHARE..=1.0)
        .contains(&share)
        .then(|| secs * (1.0 - share) / share)
}

/// Steps whose median stands for those to come: enough to pass over a step
/// that wrote a checkpoint, few enough to follow a machine that slows down.
pub(super) const RECENT_STEPS: usize = 32;

/// Seconds until the run ends: the steps left, each the median of the recent
/// ones, and the evaluation of the tuned model, taken to last as long as that
/// of the untuned one. `None` while nothing is measured and when it is over.
pub fn secs_left(run: &Run) -> Option<f64> {
    let steps_left = || steps_secs(run);
    match run.status {
        RunStatus::Running { .. } | RunStatus::Paused { .. } => {
            Some(steps_left()? + evaluation_secs(run))
        }
        RunStatus::Evaluating { done, total, .. } => scoring_secs_left(run, done, total),
        RunStatus::Finished
        | RunStatus::StoppedEarly { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Diverged { .. }
        | RunStatus::Interrupted { .. }
        | RunStatus::Failed(_) => None,
    }
}

/// Seconds until what is scored just now is scored; the steps before or behind it are
/// not in it. By its own pace, else by that of the untuned model.
pub fn scoring_secs_left(run: &Run, done: usize, total: usize) -> Option<f64> {
    let share = done as f64 / total.max(1) as f64;
    let own = run
        .scoring
        .and_then(|(_, since)| secs_at_pace(share, since.secs()));
    own.or_else(|| {
        let before = run.evaluation(EvaluationPhase::Before)?;
        Some(before.secs * (1.0 - share).max(0.0))
    })
}

/// Seconds of a step, the median of the recent ones.
fn median_step_secs(run: &Run) -> Option<f64> {
    let recent = run.series.step_secs.recent(RECENT_STEPS);
    let mut secs: Vec<f64> = recent.filter(|s| s.is_finite() && *s >= 0.0).collect();
    secs.sort_unstable_by(f64::total_cmp);
    secs.get(secs.len() / 2).copied()
}

fn steps_secs(run: &Run) -> Option<f64> {
    match run.spec.method {
        Method::Base => return Some(0.0),
        Method::Standard(_) | Method::Lifted(_) | Method::PaperLiteral(_) | Method::Lora(_) => {}
    }
    let n_left = run.spec.training.steps.saturating_sub(run.step);
    if n_left == 0 {
        return Some(0.0);
    }
    Some(n_left as f64 * median_step_secs(run)?)
}

fn evaluation_secs(run: &Run) -> f64 {
    let is_due = run.spec.evaluation.after && run.evaluation(EvaluationPhase::After).is_none();
    match run.evaluation(EvaluationPhase::Before) {
        Some(before) if is_due => before.secs,
        Some(_) | None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{EvaluationSummary, RunId, StepMetrics};
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn what_is_left_follows_the_pace() {
        assert_eq!(secs_at_pace(0.25, 10.0), Some(30.0));
        assert_eq!(secs_at_pace(1.0, 10.0), Some(0.0));
        assert_eq!(secs_at_pace(0.001, 10.0), None);
        assert_eq!(secs_at_pace(f64::NAN, 10.0), None);
    }

    fn run(steps: usize, secs: &[f64], before_secs: Option<f64>) -> Run {
        let mut spec = RunSpec::default();
        spec.training.steps = steps;
        let mut run = Run::new(RunId("a".into()), spec, "runs/a".into());
        if let Some(secs) = before_secs {
            run.add_evaluation(
                EvaluationPhase::Before,
                EvaluationSummary {
                    benchmark: "arc".into(),
                    few_shot: 0,
                    scores: Vec::new(),
                    n_total: 500,
                    written: None,
                    left_out: 0,
                    secs,
                },
            );
        }
        for (step, &secs) in secs.iter().enumerate() {
            run.add_step(&StepMetrics {
                step: step + 1,
                loss: 1.0,
                grad_norm: 1.0,
                state_norm: 1.0,
                learning_rate: 0.1,
                tokens: 10,
                secs,
                lift: None,
                lora: None,
            });
        }
        run
    }

    #[test]
    fn nothing_measured_is_nothing_known() {
        assert_eq!(secs_left(&run(10, &[], Some(5.0))), None);
        assert_eq!(secs_left(&run(10, &[f64::NAN], None)), None);
    }

    #[test]
    fn one_slow_step_does_not_count() {
        let run = run(10, &[2.0, 60.0, 2.0], Some(5.0));
        assert_eq!(secs_left(&run), Some(7.0 * 2.0 + 5.0));
    }

    #[test]
    fn the_last_evaluation_runs_down() {
        let mut run = run(1, &[2.0], Some(8.0));
        assert_eq!(secs_left(&run), Some(8.0));
        let (phase, total) = (EvaluationPhase::After, 4);
        for (done, want) in [(0, 8.0), (3, 2.0), (9, 0.0)] {
            run.go_on(RunStatus::Evaluating { phase, done, total });
            assert_eq!(secs_left(&run), Some(want));
        }
        run.end(RunStatus::Finished);
        assert_eq!(secs_left(&run), None);
    }

    #[test]
    fn a_step_past_the_end_leaves_nothing() {
        assert_eq!(secs_left(&run(1, &[1.0, 1.0], None)), Some(0.0));
    }
}
