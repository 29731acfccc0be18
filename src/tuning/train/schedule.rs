//! The learning rate of every step.

use crate::tuning::spec::{Schedule, TrainingSpec};

/// The learning rate of step `step_idx`, counted from 0: the warm-up rises in
/// equal parts to the peak, and the schedule falls from the first step on.
pub fn learning_rate(training: &TrainingSpec, step_idx: usize) -> f64 {
    let done = (step_idx as f64 / training.steps.max(1) as f64).min(1.0);
    let share = match training.schedule {
        Schedule::Cosine { last } => {
            last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
        Schedule::Linear { last } => 1.0 - (1.0 - last) * done,
        Schedule::Constant => 1.0,
    };
    let warmup = if step_idx < training.warmup_steps {
        (step_idx + 1) as f64 / training.warmup_steps as f64
    } else {
        1.0
    };
    training.learning_rate * share * warmup
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: Schedule, warmup_steps: usize, step_idx: usize, want: f64) {
        let training = TrainingSpec {
            steps: 100,
            learning_rate: 0.2,
            schedule,
            warmup_steps,
            ..TrainingSpec::default()
        };
        let got = learning_rate(&training, step_idx);
        assert!((got - want).abs() < 1e-12, "step {step_idx}: {got}");
    }

    #[test]
    fn rates_rise_and_fall() {
        let cosine = Schedule::Cosine { last: 0.05 };
        check(cosine, 0, 0, 0.2);
        check(cosine, 0, 50, 0.2 * 0.525);
        check(cosine, 0, 100, 0.2 * 0.05);
        check(cosine, 10, 0, 0.02);
        check(Schedule::Linear { last: 0.5 }, 0, 50, 0.15);
        check(Schedule::Linear { last: 0.0 }, 0, 100, 0.0);
        check(Schedule::Constant, 4, 1, 0.1);
        check(Schedule::Constant, 4, 4, 0.2);
    }
}
