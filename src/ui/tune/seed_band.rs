//! Runs that differ in their seed alone as one line: their mean, and a band from the
//! lowest to the highest of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::along::Along;
use crate::protocol::event::RunId;
use crate::report::contender::without_seed;
use crate::runs::run::Run;
use crate::runs::series::Series;

/// Places that all lines of a group are looked at in, together.
const MAX_LOOKS: usize = 20_000;
/// Places that a mean is taken at.
const MAX_PLACES: usize = 256;

/// The mean of some lines at a place, and what they span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// How far the runs were.
    pub x: f64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// A line of a group.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub series: &'a Series,
    pub along: &'a Along,
}

impl Member<'_> {
    fn end(&self) -> f64 {
        let last = self.series.last().map_or(0, |(step, _)| step);
        self.along.x(last)
    }

    /// Its value at a place that it has come to.
    pub fn at(&self, x: f64) -> Option<f64> {
        let is_within = x <= self.end() * (1.0 + 1e-9);
        let (_, value) = self.series.at(self.along.step(x)).filter(|_| is_within)?;
        value.is_finite().then_some(value)
    }
}

/// The means of lines where the longest of them has values, from step `first` to step
/// `last` of it. A line that ended earlier is left out from there on.
pub(crate) fn spreads(members: &[Member<'_>], (first, last): (usize, usize)) -> Vec<Spread> {
    let longest = members.iter().max_by(|a, b| a.end().total_cmp(&b.end()));
    let Some(longest) = longest else {
        return Vec::new();
    };
    let points = longest.series.points();
    let start = points.partition_point(|&(step, _)| step < first);
    let end = points.partition_point(|&(step, _)| step <= last);
    let part = points.get(start..end).unwrap_or_default();
    let n_places = (MAX_LOOKS / members.len().max(1)).clamp(16, MAX_PLACES);
    let every = part.len().div_ceil(n_places).max(1);
    let chosen = part.iter().step_by(every);
    let newest = part.last().filter(|_| (part.len().max(1) - 1) % every != 0);
    chosen
        .chain(newest)
        .filter_map(|&(step, _)| spread(members, longest.along.x(step)))
        .collect()
}

/// The mean of lines at a place; none where none of them has a value.
pub(crate) fn spread(members: &[Member<'_>], x: f64) -> Option<Spread> {
    let values: Vec<f64> = members.iter().filter_map(|member| member.at(x)).collect();
    if values.is_empty() {
        return None;
    }
    Some(Spread {
        x,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

/// Which runs differ in their seed alone; a specification is looked at once.
#[derive(Debug, Default)]
pub(crate) struct SeedGroups {
    keys: HashMap<RunId, u64>,
}

impl SeedGroups {
    /// The runs in groups, in the order of the last run of each.
    pub fn of<'a>(&mut self, runs: &[&'a Run]) -> Vec<Vec<&'a Run>> {
        let mut groups: Vec<(u64, Vec<&Run>)> = Vec::new();
        for run in runs {
            let key = match self.keys.get(&run.id) {
                Some(key) => *key,
                None => {
                    let key = key(run);
                    self.keys.insert(run.id.clone(), key);
                    key
                }
            };
            let mut members = match groups.iter().position(|(of, _)| *of == key) {
                Some(at) => groups.remove(at).1,
                None => Vec::new(),
            };
            members.push(run);
            groups.push((key, members));
        }
        groups.into_iter().map(|(_, members)| members).collect()
    }

    /// Forgets runs that are not looked at any more.
    pub fn keep(&mut self, is_kept: impl Fn(&RunId) -> bool) {
        self.keys.retain(|run, _| is_kept(run));
    }
}

fn key(run: &Run) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", without_seed(&run.spec)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::along::XAxis;
    use super::*;
    use crate::protocol::run_spec::RunSpec;

    fn run(name: &str, seed: u64, losses: &[f64]) -> Run {
        let mut spec = RunSpec {
            name: name.into(),
            ..RunSpec::default()
        };
        spec.training.seed = seed;
        let mut run = Run::new(RunId(name.into()), spec, name.into());
        for (idx, loss) in losses.iter().enumerate() {
            run.series.loss.push(idx + 1, *loss);
        }
        run
    }

    #[test]
    fn a_mean_is_of_the_runs_that_came_so_far() {
        let (a, b) = (run("a", 0, &[1.0, 3.0, 5.0]), run("b", 1, &[3.0, f64::NAN]));
        let along = Along::of(XAxis::Steps, &a);
        let of_run = |run: &'_ Run| Along::of(XAxis::Steps, run);
        let other = of_run(&b);
        let members = [(&a, &along), (&b, &other)].map(|(run, along)| Member {
            series: &run.series.loss,
            along,
        });
        let of = |x, mean, low, high| Spread { x, mean, low, high };
        assert_eq!(
            spreads(&members, (0, usize::MAX)),
            [
                of(1.0, 2.0, 1.0, 3.0),
                // What is not finite enters no mean.
                of(2.0, 3.0, 3.0, 3.0),
                of(3.0, 5.0, 5.0, 5.0)
            ]
        );
        assert_eq!(spreads(&members, (3, 9)).len(), 1);
        assert!(spreads(&[], (0, 9)).is_empty());
    }

    #[test]
    fn many_steps_have_few_places_the_newest_among_them() {
        let losses: Vec<f64> = (0..10_000).map(f64::from).collect();
        let long = run("a", 0, &losses);
        let along = Along::of(XAxis::Steps, &long);
        let member = Member {
            series: &long.series.loss,
            along: &along,
        };
        let places = spreads(&[member; 3], (0, usize::MAX));
        assert!(
            (200..=MAX_PLACES + 1).contains(&places.len()),
            "{}",
            places.len()
        );
        assert_eq!(places.last().map(|of| of.x), Some(10_000.0));
    }

    #[test]
    fn runs_of_other_settings_are_no_group() {
        let (a, b) = (run("a", 0, &[]), run("b", 1, &[]));
        let mut c = run("c", 0, &[]);
        c.spec.training.learning_rate = 0.123;
        let groups = SeedGroups::default().of(&[&a, &c, &b]);
        let names: Vec<Vec<&str>> = groups
            .iter()
            .map(|group| group.iter().map(|run| run.id.0.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["c"], vec!["a", "b"]]);
    }
}
