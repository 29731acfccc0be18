//! How far a run was at a step, in what the plots run over: steps, tokens or seconds.

use serde::{Deserialize, Serialize};

use crate::format::{duration, short};
use crate::runs::run::Run;
use crate::runs::series::Series;

/// What the plots run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum XAxis {
    /// Steps of the optimiser.
    #[default]
    Steps,
    /// Tokens that the steps computed.
    Tokens,
    /// Seconds that the steps took.
    Seconds,
}

impl XAxis {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Steps, Self::Tokens, Self::Seconds];

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => tr!("Over steps"),
            Self::Tokens => tr!("Over tokens"),
            Self::Seconds => tr!("Over time"),
        }
    }

    /// What stands at the axis of a picture.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Steps => tr!("step"),
            Self::Tokens => tr!("tokens"),
            Self::Seconds => tr!("seconds"),
        }
    }

    /// A place as it is read beside the pointer.
    pub fn words(self, x: f64) -> String {
        match self {
            Self::Steps => tr!("Step {}", format_args!("{:.0}", x.round().max(0.0))),
            Self::Tokens => tr!("{} tokens", thousands(x)),
            Self::Seconds => duration(x),
        }
    }

    /// The same at the axis, where there is little room.
    pub fn tick(self, x: f64) -> String {
        match self {
            Self::Steps => format!("{x:.0}"),
            Self::Tokens => thousands(x),
            Self::Seconds if x < 600.0 => format!("{x:.0} s"),
            Self::Seconds if x < 36_000.0 => tr!("{} min", format_args!("{:.0}", x / 60.0)),
            Self::Seconds => format!("{:.1} h", x / 3600.0),
        }
    }

    /// The numbers that add up to it; none where steps are counted.
    fn series(self, run: &Run) -> Option<&Series> {
        match self {
            Self::Steps => None,
            Self::Tokens => Some(&run.series.tokens),
            Self::Seconds => Some(&run.series.step_secs),
        }
    }
}

fn thousands(x: f64) -> String {
    match x {
        x if x >= 1e6 => format!("{}M", short(x / 1e6)),
        x if x >= 1000.0 => format!("{}k", short(x / 1000.0)),
        x => format!("{:.0}", x.max(0.0)),
    }
}

/// How far a run was at each of its steps.
#[derive(Debug, Default)]
pub(crate) struct Along {
    axis: XAxis,
    n_rewrites: usize,
    steps: Vec<usize>,
    sums: Vec<f64>,
}

impl Along {
    /// Of a run.
    pub fn of(axis: XAxis, run: &Run) -> Self {
        let mut along = Self::default();
        along.follow(axis, run);
        along
    }

    /// Takes in the steps that are new.
    pub fn follow(&mut self, axis: XAxis, run: &Run) {
        let Some(series) = axis.series(run) else {
            if self.axis != axis {
                *self = Self::default();
            }
            return;
        };
        let is_rewritten = series.n_rewrites() != self.n_rewrites;
        if self.axis != axis || is_rewritten || series.len() < self.sums.len() {
            *self = Self {
                axis,
                n_rewrites: series.n_rewrites(),
                ..Self::default()
            };
        }
        let mut sum = self.sums.last().copied().unwrap_or_default();
        for &(step, value) in &series.points()[self.sums.len()..] {
            if value.is_finite() && value > 0.0 {
                sum += value;
            }
            self.steps.push(step);
            self.sums.push(sum);
        }
    }

    /// How far the run was after a step.
    pub fn x(&self, step: usize) -> f64 {
        if self.axis == XAxis::Steps {
            return step as f64;
        }
        let n_until = self.steps.partition_point(|at| *at <= step);
        match n_until.checked_sub(1) {
            Some(last) => self.sums[last],
            None => 0.0,
        }
    }

    /// The last step that was done there.
    pub fn step(&self, x: f64) -> usize {
        if self.axis == XAxis::Steps {
            return x.max(0.0) as usize;
        }
        let n_until = self.sums.partition_point(|sum| *sum <= x);
        match n_until.checked_sub(1) {
            Some(last) => self.steps[last],
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn steps_are_found_by_tokens_and_back() {
        let mut run = Run::new(RunId("a".into()), RunSpec::default(), "a".into());
        for (step, tokens) in [(1, 100.0), (2, 300.0), (4, 50.0)] {
            run.series.tokens.push(step, tokens);
        }
        let mut along = Along::of(XAxis::Tokens, &run);
        let xs = [0, 1, 2, 3, 4, 9].map(|step| along.x(step));
        assert_eq!(xs, [0.0, 100.0, 400.0, 400.0, 450.0, 450.0]);
        let steps = [0.0, 99.0, 100.0, 449.0, 450.0, 1e9].map(|x| along.step(x));
        assert_eq!(steps, [0, 0, 1, 2, 4, 4]);
        run.series.tokens.push(5, 50.0);
        along.follow(XAxis::Tokens, &run);
        assert_eq!(along.x(5), 500.0);
        // A run that goes back and another axis are taken in anew.
        run.series.tokens.truncate_after(1);
        run.series.tokens.push(2, 7.0);
        along.follow(XAxis::Tokens, &run);
        assert_eq!(along.x(9), 107.0);
        along.follow(XAxis::Steps, &run);
        assert_eq!((along.x(9), along.step(9.9)), (9.0, 9));
    }

    #[test]
    fn places_are_read_in_their_units() {
        assert_eq!(XAxis::Steps.words(12.4), "Step 12");
        assert_eq!(XAxis::Tokens.words(1_500_000.0), "1.50M tokens");
        assert_eq!(XAxis::Seconds.words(75.0), "1 min 15 s");
        assert_eq!(XAxis::Seconds.tick(1200.0), "20 min");
    }
}
