//! The combinations of values that a search takes.

use super::spec::{Axis, Search};
use super::values::{FieldValue, Rounding, Values};
use crate::error::{Error, Result};
use crate::persist::spec_file::{field_value, set_field};
use crate::protocol::run_spec::RunSpec;
use crate::random::SplitMix64;

/// Draws for one combination that was not drawn before.
const MAX_DRAWS: usize = 100;

pub(super) type Settings = Vec<(String, FieldValue)>;

pub(super) fn combinations(search: &Search, base: &RunSpec) -> Result<Vec<Settings>> {
    match search {
        Search::Grid(axes) => grid(axes, base),
        Search::Random { axes, n_runs, seed } => random(axes, *n_runs, *seed, base),
        Search::List(runs) => runs.iter().map(|run| listed(run)).collect(),
    }
}

fn listed(assignments: &[String]) -> Result<Settings> {
    let split = |assignment: &String| {
        let (field, value) = assignment.split_once('=').ok_or_else(|| {
            let reason = tr!(
                "`{assignment}` is not an assignment; use path=value",
                assignment
            );
            Error::spec("parts.search", reason)
        })?;
        Ok((field.trim().to_owned(), FieldValue(value.trim().to_owned())))
    };
    assignments.iter().map(split).collect()
}

/// How the numbers of an axis are rounded; refuses a field that is not there.
/// A field that another axis makes is known only with that axis's value.
fn rounding(axis: &Axis, axes: &[Axis], base: &RunSpec) -> Result<Rounding> {
    let mut spec = base.clone();
    let above = axes.iter().filter(|other| {
        let below = axis.field.strip_prefix(&other.field);
        below.is_some_and(|rest| rest.starts_with('.'))
    });
    for other in above {
        if let Values::List(values) = &other.values
            && let Some(first) = values.first()
        {
            set(&mut spec, &other.field, &first.0)?;
        }
    }
    let present = field_value(&spec, &axis.field).map_err(|error| match error {
        Error::Spec { field, reason } => {
            let reason = in_use(&spec, &axis.field).unwrap_or(reason);
            Error::Spec { field, reason }
        }
        other => other,
    })?;
    Ok(Rounding::of(&axis.field, &present))
}

fn check_axes(axes: &[Axis]) -> Result<()> {
    for (idx, axis) in axes.iter().enumerate() {
        if axes[..idx].iter().any(|other| other.field == axis.field) {
            return Err(Error::spec(
                &axis.field,
                tr!("is on two axes; give all its values to one"),
            ));
        }
    }
    Ok(())
}

fn grid(axes: &[Axis], base: &RunSpec) -> Result<Vec<Settings>> {
    check_axes(axes)?;
    let mut combinations = vec![Settings::new()];
    for axis in axes {
        let values = axis.values.all(&axis.field, rounding(axis, axes, base)?)?;
        if combinations.len().saturating_mul(values.len()) > MAX_RUNS {
            let reason = tr!(
                "makes more than {MAX_RUNS} runs; use fewer values",
                MAX_RUNS
            );
            return Err(Error::spec(&axis.field, reason));
        }
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut settings = before.clone();
                    settings.push((axis.field.clone(), value.clone()));
                    settings
                })
            })
            .collect();
    }
    Ok(combinations)
}

fn random(axes: &[Axis], n_runs: usize, seed: u64, base: &RunSpec) -> Result<Vec<Settings>> {
    check_axes(axes)?;
    if !(1..=MAX_RUNS).contains(&n_runs) {
        let reason = tr!("must be 1 to {MAX_RUNS}, is {n_runs}", MAX_RUNS, n_runs);
        return Err(Error::spec("parts.search.n_runs", reason));
    }
    let mut random = SplitMix64::new(seed);
    let mut combinations: Vec<Settings> = Vec::new();
    let mut n_draws = 0;
    while combinations.len() < n_runs {
        let mut settings = Settings::new();
        for axis in axes {
            let value = axis
                .values
                .draw(&axis.field, rounding(axis, axes, base)?, &mut random)?;
            settings.push((axis.field.clone(), value));
        }
        n_draws += 1;
        if !combinations.contains(&settings) {
            combinations.push(settings);
            n_draws = 0;
        } else if n_draws >= MAX_DRAWS {
            let reason = tr!(
                "is {n_runs}, but there are only about {} combinations",
                combinations.len(),
                n_runs
            );
            return Err(Error::spec("parts.search.n_runs", reason));
        }
    }
    Ok(combinations)
}

/// Runs of a sweep at most.
pub(super) const MAX_RUNS: usize = 10_000;

/// Sets a field; of the two weights of decorrelation only the one in use.
pub(super) fn set(spec: &mut RunSpec, field: &str, value: &str) -> Result<()> {
    set_field(spec, &format!("{field}={value}")).map_err(|error| match error {
        Error::Spec { field: at, reason } => {
            let reason = in_use(spec, field).unwrap_or(reason);
            Error::Spec { field: at, reason }
        }
        other => other,
    })
}

/// What to change in place of a weight of the rule that is not in use.
pub(super) fn in_use(spec: &RunSpec, field: &str) -> Option<String> {
    let (parent, last) = field.rsplit_once('.')?;
    let (other, rule) = match last {
        "lambda" => ("eta", "Joint"),
        "eta" => ("lambda", "LocalRule"),
        _ => return None,
    };
    let present = field_value(spec, parent).ok();
    Some(match present {
        Some(present) if !present.starts_with(rule) => tr!(
            "is not used, since the decorrelation rule is {}; change {parent}.{other}, or set \
             {parent} to {rule}",
            present.split('(').next().unwrap_or_default(),
            parent,
            other,
            rule
        ),
        Some(_) => return None,
        None => tr!(
            "is not used, since these runs do not decorrelate; set method.decorrelation \
                 first, as in method.decorrelation=(rule: LocalRule(eta: 0.05, kappa: 0.5))"
        )
        .to_owned(),
    })
}
