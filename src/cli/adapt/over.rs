//! `gosling adapt --over`: one adaptation for every combination of values of some
//! fields, and a table of them. With `--choose` the validation split chooses one.

use std::path::Path;

use super::tell::AdaptProgress;
use crate::adapt::folder::Folder;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::spec::AdaptSpec;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::persist::spec_file::set_field;
use crate::report::{Cell, Table};

/// More combinations than this are a mistake.
const MAX_COMBINATIONS: usize = 1000;

/// The folder of what the validation split chose.
pub(super) const CHOSEN: &str = "chosen";

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

/// Does one adaptation in its folder.
pub(super) type One<'o> = &'o mut dyn FnMut(&AdaptSpec, &Folder, &mut AdaptProgress) -> Result<()>;

/// Adapts with every combination, each in a folder of its own in `out`.
///
/// # Errors
/// [`Error::Spec`] for a field or a value that does not fit; what `one` reports.
pub(super) fn over(
    base: &AdaptSpec,
    axes: &[String],
    out: &Path,
    teller: &mut AdaptProgress,
    one: One<'_>,
) -> Result<Table> {
    let axes: Vec<Axis> = axes.iter().map(|text| axis(text)).collect::<Result<_>>()?;
    let mut all = combinations(base, &axes)?;
    for (idx, Combination { spec, .. }) in all.iter_mut().enumerate() {
        // What moves no state is the same for all of them.
        spec.baselines.measure &= idx == 0;
    }
    let mut table = table_of(&axes);
    for (idx, of) in all.iter().enumerate() {
        row_of(idx, of, out, teller, one, &mut table)?;
    }
    Ok(table)
}

/// Adapts with every combination on the validation split, and with the best of them on
/// the split of `base`, which so chooses nothing. The latter's folder is [`CHOSEN`] in
/// `out`.
///
/// # Errors
/// As [`over`]; [`Error::Spec`] where `base` is scored on the validation split itself.
pub(super) fn choose(
    base: &AdaptSpec,
    axes: &[String],
    out: &Path,
    teller: &mut AdaptProgress,
    one: One<'_>,
) -> Result<Table> {
    if base.task.split == Split::Validation {
        let reason = tr!(
            "the validation split chooses, so that another one has to be scored; set \
                      task.split=test"
        );
        return Err(Error::spec("--choose", reason));
    }
    let axes: Vec<Axis> = axes.iter().map(|text| axis(text)).collect::<Result<_>>()?;
    let trials = combinations(&trial_of(base), &axes)?;
    let finals = combinations(base, &axes)?;
    let mut table = table_of(&axes);
    let mut found = Vec::new();
    for (idx, of) in trials.iter().enumerate() {
        let adapted = row_of(idx, of, out, teller, one, &mut table)?;
        found.push(adapted.map(|of| (of.accuracy().n_correct, of.tokens())));
    }
    let Some(best) = best(&found) else {
        return Err(Error::spec("--choose", tr!("no combination has a figure")));
    };
    let Combination { settings, spec } = &finals[best];
    let names = axes.iter().map(|axis| axis.path.as_str());
    let said: Vec<String> = names
        .zip(settings)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let said = said.join(", ");
    teller.say(&tr!("chosen on validation: {said}", said));
    one(spec, &Folder::open(&out.join(CHOSEN), spec)?, teller)?;
    // In English, as all notes of a table, which goes into files.
    table.notes.push(format!(
        "figures are of the validation split; the best, {said}, was then scored on {}, see {CHOSEN}",
        spec.task.split
    ));
    Ok(table)
}

/// The same on the validation split, and compared with nothing.
fn trial_of(base: &AdaptSpec) -> AdaptSpec {
    let mut trial = base.clone();
    trial.task.split = Split::Validation;
    trial.baselines.measure = false;
    trial.baselines.score_every = 0;
    trial.keep_states = 0;
    trial
}

/// The place of the most right answers; of equal ones that of the fewest tokens, then the
/// first.
fn best(found: &[Option<(usize, f64)>]) -> Option<usize> {
    let known = found.iter().enumerate();
    let known = known.filter_map(|(idx, of)| of.map(|(n_right, tokens)| (idx, n_right, tokens)));
    let better = |a: &(usize, usize, f64), b: &(usize, usize, f64)| {
        a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)).then(b.0.cmp(&a.0))
    };
    known.max_by(better).map(|(idx, ..)| idx)
}

fn table_of(axes: &[Axis]) -> Table {
    let names = axes.iter().map(|axis| axis.path.clone());
    let figures = ["base", "adapted", "tokens a question", "folder"].map(String::from);
    Table::new("", names.chain(figures))
}

/// Does one combination and adds its row; gives the figure of its states.
fn row_of(
    idx: usize,
    Combination { settings, spec }: &Combination,
    out: &Path,
    teller: &mut AdaptProgress,
    one: One<'_>,
    table: &mut Table,
) -> Result<Option<Outcome>> {
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
    Ok(adapted.cloned())
}

/// `update.steps=4,8`; commas within parentheses or quotes part nothing.
fn axis(text: &str) -> Result<Axis> {
    let Some((path, values)) = text.split_once('=') else {
        return Err(Error::spec(
            "--over",
            tr!("`{text}` is not a field with values; write path=a,b", text),
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
        let reason = tr!(
            "makes {n} combinations; at most {MAX_COMBINATIONS} are allowed",
            n,
            MAX_COMBINATIONS
        );
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
    for Combination { spec, .. } in &all {
        spec.check()?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::cost::Cost;

    #[test]
    fn every_combination_comes_once() {
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
        assert!(axis("steps").is_err());
        let wrong = axis("update.stps=1").unwrap();
        assert!(combinations(&AdaptSpec::default(), &[wrong]).is_err());
    }

    /// Rate, group, exponent and discount, as a user would write them.
    #[test]
    fn fields_of_an_objective_are_swept_as_others_are() {
        let count = |base: &[&str], text: &str| {
            let mut spec = AdaptSpec::default();
            for change in base {
                set_field(&mut spec, change).unwrap();
            }
            let axes = [axis(text).unwrap()];
            combinations(&spec, &axes).map(|all| all.len())
        };
        let gsm8k = "task.benchmark=gsm8k";
        let guide = "guide=Some(Recorded(path: \"x\"))";
        let single = "objective=SingleStep(exponent: Auto, estimator: Exact)";
        let exponents = "objective.exponent=Auto,Is(0),Is(0.5),Is(1)";
        assert_eq!(count(&[gsm8k, single, guide], exponents).unwrap(), 4);
        let agreement = "objective=Agreement(discount: 0.9)";
        let discounts = "objective.discount=0,0.5,1";
        assert_eq!(count(&[gsm8k, agreement, guide], discounts).unwrap(), 3);
        let majority = "objective=Majority";
        assert_eq!(count(&[gsm8k, majority], "update.group=2,4,8").unwrap(), 3);
        assert_eq!(count(&[], "update.learning_rate=0.01,0.1").unwrap(), 2);
        // One answer has nothing to be compared with.
        assert!(count(&[gsm8k, majority], "update.group=1,4").is_err());
    }

    /// The folders of trials are played: the second and the third rate answer equally
    /// many questions, the third with fewer tokens.
    #[test]
    fn the_validation_split_chooses_and_the_other_one_is_scored_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut done = Vec::new();
        let mut one = |spec: &AdaptSpec, folder: &Folder, _: &mut AdaptProgress| {
            let rate = spec.update.learning_rate;
            let (n_right, tokens) = if rate < 0.15 {
                (1, 10)
            } else if rate < 0.25 {
                (3, 90)
            } else {
                (3, 50)
            };
            folder.add_outcome(&played(n_right, tokens))?;
            done.push((rate, spec.task.split, spec.baselines.measure));
            Ok(())
        };
        let axes = ["update.learning_rate=0.1,0.2,0.3".to_owned()];
        let mut teller = AdaptProgress::new(true, true, crossbeam_channel::never());
        let spec = AdaptSpec::default();
        let table = choose(&spec, &axes, folder.path(), &mut teller, &mut one).unwrap();
        let (trials, last) = done.split_at(3);
        assert_eq!(last, [(0.3, Split::Test, true)]);
        for (trial, rate) in trials.iter().zip([0.1, 0.2, 0.3]) {
            assert_eq!(*trial, (rate, Split::Validation, false));
        }
        assert_eq!(table.rows.len(), 3);
        assert!(
            table.notes[0].contains("update.learning_rate=0.3"),
            "{:?}",
            table.notes
        );
        let of = Folder::at(&folder.path().join(CHOSEN)).spec().unwrap();
        assert_eq!((of.task.split, of.update.learning_rate), (Split::Test, 0.3));
        let mut validation = spec;
        validation.task.split = Split::Validation;
        let mut nothing = |_: &AdaptSpec, _: &Folder, _: &mut AdaptProgress| panic!("was begun");
        let refused = choose(&validation, &axes, folder.path(), &mut teller, &mut nothing);
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("the validation split chooses"), "{error}");
    }

    fn played(n_right: usize, tokens: usize) -> Outcome {
        Outcome {
            name: "played".into(),
            kind: Kind::Adapted,
            right: (0..4).map(|idx| idx < n_right).collect(),
            valid: 1.0,
            cost: Cost::forward(4 * tokens),
            secs: 0.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }
}
