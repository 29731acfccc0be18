//! What runs cost and what they reach: points of accuracy against a cost, and those
//! that no other run beats in both.

use super::run::Run;
use crate::protocol::event::EvaluationPhase;

/// What accuracy is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cost {
    /// Numbers that are trained.
    #[default]
    Parameters,
    /// Memory of the largest step, by arithmetic.
    Memory,
    /// Seconds of training.
    Seconds,
}

impl Cost {
    /// Every cost.
    pub const ALL: [Self; 3] = [Self::Parameters, Self::Memory, Self::Seconds];

    /// What the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parameters => tr!("Trained parameters"),
            Self::Memory => tr!("Memory of a step, MiB"),
            Self::Seconds => tr!("Training time, s"),
        }
    }

    /// What a run costs; none where that was not written down, or is nothing.
    pub fn of(self, run: &Run) -> Option<f64> {
        let cost = match self {
            Self::Parameters => run.costs?.trained as f64,
            Self::Memory => run.costs?.memory as f64 / f64::from(1 << 20),
            Self::Seconds => {
                let secs = run.series.step_secs.points().iter();
                secs.map(|(_, secs)| secs).sum()
            }
        };
        (cost > 0.0 && cost.is_finite()).then_some(cost)
    }
}

/// The accuracy of the tuned model, from 0 to 1: the first score that was measured.
pub fn tuned_accuracy(run: &Run) -> Option<f64> {
    let summary = run.evaluation(EvaluationPhase::After)?;
    let score = summary.scores.first()?;
    (score.n_items > 0).then(|| score.n_correct as f64 / score.n_items as f64)
}

/// The places of the points (cost, accuracy) that no other beats: none is as cheap and
/// better, or as good and cheaper. By rising cost.
pub fn pareto_front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    // Of those that cost the same, the best first.
    order.sort_by(|a, b| {
        let ((cost, accuracy), (other_cost, other)) = (points[*a], points[*b]);
        cost.total_cmp(&other_cost).then(other.total_cmp(&accuracy))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|at| {
        let is_better = points[*at].1 > best;
        best = best.max(points[*at].1);
        is_better
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_no_other_beats() {
        let points = [
            (8.0, 0.9),
            (1.0, 0.2),
            (2.0, 0.7),
            (2.0, 0.6),
            (4.0, 0.7),
            (3.0, 0.5),
        ];
        assert_eq!(pareto_front(&points), [1, 2, 0]);
        // Every other point is beaten by one of the front, and none of the front is.
        let beats =
            |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 >= b.1 && (a.0 < b.0 || a.1 > b.1);
        let front = pareto_front(&points);
        for (at, point) in points.iter().enumerate() {
            let is_beaten = points.iter().any(|other| beats(*other, *point));
            assert_eq!(is_beaten, !front.contains(&at), "{point:?}");
        }
        assert_eq!(pareto_front(&[]), [0_usize; 0]);
    }
}
