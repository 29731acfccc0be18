//! Successive halving (Jamieson and Talwalkar 2016, Hyperband's inner loop):
//! which runs of a part continue past a rung.

/// A run as halving sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Climber {
    /// The validation loss at each rung that it has reached, NaN where there is
    /// none.
    pub losses: Vec<f64>,
    /// Whether nothing more comes of it: it failed, was skipped, or is complete.
    pub is_settled: bool,
}

/// What a run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on to this rung; none is its end.
    Climb(Option<usize>),
    /// Wait for the others at its rung.
    Wait,
    /// Others were better at its last rung.
    Drop,
    /// Nothing.
    Done,
}

/// What each run of a part may do. `n_rungs` lie below the end; at each of
/// them one run of `factor` continues, at least one.
pub(super) fn steps(runs: &[Climber], n_rungs: usize, factor: usize) -> Vec<Step> {
    let mut steps = vec![Step::Wait; runs.len()];
    // Those that may climb to the rung in question.
    let mut field: Vec<usize> = (0..runs.len()).collect();
    for rung in 0..n_rungs {
        let has_reached = |idx: usize| runs[idx].losses.len() > rung;
        let missing = |idx: &&usize| !has_reached(**idx) && !runs[**idx].is_settled;
        if field.iter().any(|idx| missing(&idx)) {
            for &idx in &field {
                steps[idx] = match (has_reached(idx), runs[idx].is_settled) {
                    (true, _) => Step::Wait,
                    (false, true) => Step::Done,
                    (false, false) => Step::Climb(Some(rung)),
                };
            }
            return steps;
        }
        let mut arrived: Vec<usize> = field
            .iter()
            .copied()
            .filter(|idx| has_reached(*idx))
            .collect();
        for &idx in &field {
            if !has_reached(idx) {
                steps[idx] = Step::Done;
            }
        }
        // Losses that are not finite come last; ties go to the earlier run.
        let loss = |idx: usize| {
            let loss = runs[idx].losses[rung];
            if loss.is_finite() {
                loss
            } else {
                f64::INFINITY
            }
        };
        let n_kept = arrived.len().div_ceil(factor).max(1);
        arrived.sort_by(|a, b| loss(*a).total_cmp(&loss(*b)).then(a.cmp(b)));
        for &idx in arrived.iter().skip(n_kept) {
            steps[idx] = if runs[idx].is_settled {
                Step::Done
            } else {
                Step::Drop
            };
        }
        arrived.truncate(n_kept);
        field = arrived;
    }
    for idx in field {
        steps[idx] = if runs[idx].is_settled {
            Step::Done
        } else {
            Step::Climb(None)
        };
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::Step::{Climb, Done, Drop, Wait};
    use super::*;

    fn at(losses: &[f64]) -> Climber {
        Climber {
            losses: losses.to_vec(),
            is_settled: false,
        }
    }

    fn settled(losses: &[f64]) -> Climber {
        Climber {
            is_settled: true,
            ..at(losses)
        }
    }

    #[test]
    fn all_climb_to_the_first_rung_and_wait_there() {
        let runs = [at(&[]), at(&[0.5]), settled(&[])];
        assert_eq!(steps(&runs, 2, 2), [Climb(Some(0)), Wait, Done]);
    }

    #[test]
    fn the_lowest_losses_go_on() {
        let runs = [
            at(&[0.5]),
            at(&[0.1]),
            at(&[f64::NAN]),
            at(&[0.3]),
            settled(&[]),
        ];
        assert_eq!(
            steps(&runs, 2, 2),
            [Drop, Climb(Some(1)), Drop, Climb(Some(1)), Done]
        );
        let runs = [
            at(&[0.5]),
            at(&[0.1, 0.4]),
            at(&[0.9]),
            at(&[0.3, 0.2]),
            settled(&[]),
        ];
        assert_eq!(steps(&runs, 2, 2), [Drop, Drop, Drop, Climb(None), Done]);
        let runs = [
            at(&[0.5]),
            at(&[0.1, 0.4]),
            at(&[0.9]),
            settled(&[0.3, 0.2]),
            settled(&[]),
        ];
        assert_eq!(steps(&runs, 2, 2), [Drop, Drop, Drop, Done, Done]);
    }

    #[test]
    fn one_always_goes_on_and_without_rungs_all_do() {
        assert_eq!(steps(&[at(&[0.5])], 1, 4), [Climb(None)]);
        assert_eq!(steps(&[at(&[]), at(&[])], 0, 4), [Climb(None), Climb(None)]);
        // A run that fails at a rung does not hold the others up.
        assert_eq!(
            steps(&[settled(&[]), at(&[0.1])], 1, 2),
            [Done, Climb(None)]
        );
    }
}
