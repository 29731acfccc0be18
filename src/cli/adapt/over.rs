//! `gosling adapt --over`: one adaptation for every combination of values of some
//! fields, and a table of them.

use std::path::Path;

use super::tell::AdaptProgress;
use crate::adapt::folder::Folder;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::spec::AdaptSpec;
use crate::error::{Error, Result};
use crate::persist::spec_file::set_field;
use crate::report::{Cell, Table};

/// More combinations than this are a mistake.
const MAX_COMBINATIONS: usize = 1000;

/// A field and its values.
struct Axis {
    path: String,
    values: Vec<String>,
}

/// One combination: its settings, and what they make of the specification.
struct Combination {
    settings: Vec<String>,
    spec: AdaptSpec,
}

/// Adapts with every combination, each in a folder of its own in `out`. `one` does an
/// adaptation.
///
/// # Errors
/// [`Error::Spec`] for a field or a value that does not fit; what `one` reports.
pub(super) fn over(
    base: &AdaptSpec,
    axes: &[String],
    out: &Path,
    teller: &mut AdaptProgress,
    one: &mut dyn FnMut(&AdaptSpec, &Folder, &mut AdaptProgress) -> Result<()>,
) -> Result<Table> {
    let axes: Vec<Axis> = axes.iter().map(|text| axis(text)).collect::<Result<_>>()?;
    let all = combinations(base, &axes)?;
    let names = axes.iter().map(|axis| axis.path.clone());
    let figures = ["base", "adapted", "tokens a question", "folder"].map(String::from);
    let mut table = Table::new("", names.chain(figures));
    for (idx, Combination { settings, spec }) in all.iter().enumerate() {
        let name = format!("{:03}", idx + 1);
        teller.say(&format!("{name}: {}", settings.join(", ")));
        let folder = Folder::open(&out.join(&name), spec)?;
        one(spec, &folder, teller)?;
        let outcomes = folder.outcomes()?;
        let of = |kind: Kind| outcomes.iter().find(|of| of.kind == kind);
        let figure = |of: Option<&Outcome>| match of {
            Some(of) => Cell::Estimate(of.accuracy().into()),
            None => Cell::Empty,
        };
        let adapted = of(Kind::Adapted);
        let tokens = adapted.map_or(Cell::Empty, |of| Cell::number(of.tokens(), 0));
        let cells = settings.iter().map(Cell::text);
        let cells = cells.chain([
            figure(of(Kind::Base)),
            figure(adapted),
            tokens,
            Cell::text(name),
        ]);
        table.push(cells.collect::<Vec<_>>());
    }
    Ok(table)
}

/// `update.steps=4,8`; commas within parentheses or quotes part nothing.
fn axis(text: &str) -> Result<Axis> {
    let Some((path, values)) = text.split_once('=') else {
        return Err(Error::spec(
            "--over",
            format!("`{text}` is not a field with values; write path=a,b"),
        ));
    };
    let (mut depth, mut is_quoted) = (0, false);
    let values = values.split(|c: char| {
        match c {
            '"' => is_quoted = !is_quoted,
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0 && !is_quoted
    });
    Ok(Axis {
        path: path.trim().to_owned(),
        values: values.map(|value| value.trim().to_owned()).collect(),
    })
}

fn combinations(base: &AdaptSpec, axes: &[Axis]) -> Result<Vec<Combination>> {
    let n: usize = axes.iter().map(|axis| axis.values.len()).product();
    if n > MAX_COMBINATIONS {
        let reason = format!("makes {n} combinations; at most {MAX_COMBINATIONS} are allowed");
        return Err(Error::spec("--over", reason));
    }
    let mut all = vec![Combination {
        settings: Vec::new(),
        spec: base.clone(),
    }];
    for axis in axes {
        let mut next = Vec::new();
        for Combination { settings, spec } in &all {
            for value in &axis.values {
                let mut spec = spec.clone();
                set_field(&mut spec, &format!("{}={value}", axis.path))?;
                next.push(Combination {
                    settings: [settings.as_slice(), std::slice::from_ref(value)].concat(),
                    spec,
                });
            }
        }
        all = next;
    }
    for (idx, Combination { spec, .. }) in all.iter_mut().enumerate() {
        // What moves no state is the same for all of them.
        spec.baselines.measure &= idx == 0;
        spec.check()?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once_and_the_first_has_the_baselines() {
        let texts = ["update.steps=4,8", "objective=Views(orders: 2),Information"];
        let axes: Vec<Axis> = texts.iter().map(|text| axis(text).unwrap()).collect();
        let all = combinations(&AdaptSpec::default(), &axes).unwrap();
        let settings: Vec<String> = all.iter().map(|of| of.settings.join("/")).collect();
        let want = [
            "4/Views(orders: 2)",
            "4/Information",
            "8/Views(orders: 2)",
            "8/Information",
        ];
        assert_eq!(settings, want);
        assert_eq!(all[2].spec.update.steps, 8);
        let measured: Vec<bool> = all.iter().map(|of| of.spec.baselines.measure).collect();
        assert_eq!(measured, [true, false, false, false]);
        assert!(axis("steps").is_err());
        let wrong = axis("update.stps=1").unwrap();
        assert!(combinations(&AdaptSpec::default(), &[wrong]).is_err());
    }
}
