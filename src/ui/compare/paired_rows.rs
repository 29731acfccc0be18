//! Evaluations of the selected runs against the baseline, as rows that are drawn
//! and saved alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::later::{LaterBars, RunEvaluation, later_bars};
use super::steps::{StepBars, step_bars};
use crate::bench::{Accuracy, Change, Rule, share_interval95};
use crate::language::{Language, chosen};
use crate::persist::evaluation_file::{EvaluationFile, written_answers};
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::report::contender::without_seed;
use crate::report::{Cell, Estimate, Table};
use crate::runs::run::Run;
use crate::ui::shared::evaluations::{Compared, EvaluationCache, EvaluationPair, name_of};

/// One figure of one evaluation.
pub struct PairedRow {
    /// The run; none where the row is of several.
    pub run: Option<RunId>,
    /// The run's name, or what the row is the mean of.
    pub name: String,
    /// What was evaluated.
    pub evaluation: String,
    /// The figure's name.
    pub figure: &'static str,
    /// The figure.
    pub accuracy: Estimate,
    /// The shares of written answers that ended and that have an answer.
    pub written: Option<(f64, f64)>,
    /// What it is compared with.
    pub against: Against,
    /// Both evaluations, to look at their items.
    pub(crate) pair: Option<EvaluationPair>,
}

/// What a row is compared with.
pub enum Against {
    /// Nothing.
    Nothing,
    /// It is the baseline.
    IsBaseline,
    /// The baseline.
    Baseline(Compared),
}

/// The runs of a comparison, its baseline, what is known of the evaluations, and the
/// language of its words.
type Key = (Vec<RunId>, Option<RunId>, u64, Language);

/// Everything of a comparison that is worked out from the evaluations, until they
/// or the choice of runs change.
#[derive(Default)]
pub struct Comparisons {
    of: Option<Key>,
    /// The bars of what was measured after the runs, by benchmark.
    pub later: Vec<(String, Vec<LaterBars>)>,
    /// The bars by steps, by benchmark.
    pub(crate) steps: Vec<(String, Vec<StepBars>)>,
    /// The rows of each benchmark.
    pub rows: Vec<(String, Vec<PairedRow>)>,
}

impl Comparisons {
    /// Works them out where something has changed, and asks for what is not known.
    pub(crate) fn update(
        &mut self,
        runs: &[&Run],
        baseline: Option<&Run>,
        measured: &mut EvaluationCache,
    ) {
        let language = chosen();
        let ids = runs.iter().map(|run| &run.id);
        let baseline_id = baseline.map(|run| &run.id);
        let is_same = self
            .of
            .as_ref()
            .is_some_and(|(of, with, revision, spoken)| {
                ids.clone().eq(of)
                    && baseline_id == with.as_ref()
                    && (*revision, *spoken) == (measured.revision, language)
            });
        if is_same {
            return;
        }
        let shown = by_benchmark(runs, measured);
        self.later.clear();
        self.steps.clear();
        self.rows.clear();
        for (title, shown) in &shown {
            self.later.push((title.clone(), later_bars(shown)));
            self.steps.push((title.clone(), step_bars(shown)));
            let rows = paired_rows(shown, baseline, measured);
            self.rows.push((title.clone(), rows));
        }
        let of = (ids.cloned().collect(), baseline_id.cloned());
        self.of = Some((of.0, of.1, measured.revision, language));
    }
}

/// The rows of each benchmark in the language of now, for a table that is saved.
pub(super) fn all_rows(
    runs: &[&Run],
    baseline: Option<&Run>,
    measured: &mut EvaluationCache,
) -> Vec<(String, Vec<PairedRow>)> {
    let shown = by_benchmark(runs, measured).into_iter();
    let rows = shown.map(|(title, shown)| (title, paired_rows(&shown, baseline, measured)));
    rows.collect()
}

/// Evaluations by benchmark and split, as far as they have been read.
fn by_benchmark<'a>(
    runs: &[&'a Run],
    measured: &EvaluationCache,
) -> BTreeMap<String, Vec<RunEvaluation<'a>>> {
    let mut groups: BTreeMap<String, Vec<RunEvaluation<'a>>> = BTreeMap::new();
    for run in runs {
        for file in measured.files(&run.id).unwrap_or_default() {
            let conditions = &file.evaluation.conditions;
            let mut title = format!("{}, {}", conditions.name(), conditions.split);
            if let Some(cap) = conditions.max_new_tokens {
                title += &tr!(", answers of at most {cap} tokens", cap);
            }
            groups.entry(title).or_default().push(RunEvaluation {
                run,
                file: Arc::clone(file),
            });
        }
    }
    groups
}

/// The rows of one benchmark: every figure of every evaluation, and the means of
/// runs that differ in their seed alone.
fn paired_rows(
    shown: &[RunEvaluation<'_>],
    baseline: Option<&Run>,
    measured: &mut EvaluationCache,
) -> Vec<PairedRow> {
    let Some(first) = shown.first() else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for rule in Rule::of(&first.file.evaluation.conditions) {
        let Some(figure) = rule.figure(&first.file.evaluation.conditions) else {
            continue;
        };
        for RunEvaluation { run, file } in shown {
            let of = baseline_of(shown, run, file, baseline, measured);
            let (against, pair) = match of {
                Some(first) if Arc::ptr_eq(&first, file) => (Against::IsBaseline, None),
                Some(first) => {
                    let pair = EvaluationPair {
                        first,
                        second: Arc::clone(file),
                        rule,
                    };
                    (Against::Baseline(measured.compared(&pair)), Some(pair))
                }
                None => (Against::Nothing, None),
            };
            rows.push(PairedRow {
                run: Some(run.id.clone()),
                name: run.id.0.clone(),
                evaluation: name_of(file),
                figure,
                accuracy: accuracy(file, rule),
                written: written(file),
                against,
                pair,
            });
        }
        rows.extend(seed_rows(shown, rule, figure));
    }
    rows
}

fn accuracy(file: &EvaluationFile, rule: Rule) -> Estimate {
    let records = &file.evaluation.records;
    let accuracy = Accuracy::of(records.iter().map(|record| rule.is_right(record)));
    Estimate {
        n_total: file.evaluation.conditions.n_total.max(records.len()),
        ..accuracy.into()
    }
}

fn written(file: &EvaluationFile) -> Option<(f64, f64)> {
    let of = written_answers(&file.evaluation)?;
    Some((of.ended(), of.extracted()))
}

/// The evaluation that `file` of `run` is compared with.
fn baseline_of(
    shown: &[RunEvaluation<'_>],
    run: &Run,
    file: &EvaluationFile,
    baseline: Option<&Run>,
    measured: &EvaluationCache,
) -> Option<Arc<EvaluationFile>> {
    let is_alike = |other: &EvaluationFile| {
        let (a, b) = (&file.evaluation.conditions, &other.evaluation.conditions);
        (a.benchmark, a.protocol, a.split) == (b.benchmark, b.protocol, b.split)
            && a.max_new_tokens == b.max_new_tokens
            && !a.has_other_examples(b)
    };
    match baseline {
        None => {
            let mut own = shown.iter().filter(|other| other.run.id == run.id);
            let untuned = own.find(|other| !other.file.scored.is_tuned && is_alike(&other.file));
            untuned
                .map(|other| Arc::clone(&other.file))
                .filter(|_| file.scored.is_tuned)
        }
        Some(baseline) => {
            let mut files = measured.files(&baseline.id)?.iter();
            let tuned = files.find(|other| other.scored.is_tuned && is_alike(other));
            tuned.cloned()
        }
    }
}

fn seed_rows(shown: &[RunEvaluation<'_>], rule: Rule, figure: &'static str) -> Vec<PairedRow> {
    let mut groups: Vec<(RunSpec, String, Vec<f64>, String)> = Vec::new();
    for RunEvaluation { run, file } in shown.iter().filter(|shown| shown.file.scored.is_tuned) {
        let (spec, evaluation) = (without_seed(&run.spec), name_of(file));
        let share = accuracy(file, rule).value;
        let mut known = groups.iter_mut();
        match known.find(|(of, name, ..)| *of == spec && *name == evaluation) {
            Some((_, _, shares, _)) => shares.push(share),
            None => groups.push((spec, evaluation, vec![share], run.id.0.clone())),
        }
    }
    let several = groups
        .into_iter()
        .filter(|(_, _, shares, _)| shares.len() > 1);
    several
        .filter_map(|(_, evaluation, shares, first)| {
            let mean = share_interval95(&shares)?;
            Some(PairedRow {
                run: None,
                name: tr!("mean of {} runs like {first}", mean.n, first),
                evaluation,
                figure,
                written: None,
                accuracy: Estimate {
                    value: mean.mean,
                    low: mean.low,
                    high: mean.high,
                    n: mean.n,
                    n_total: mean.n,
                    is_difference: false,
                },
                against: Against::Nothing,
                pair: None,
            })
        })
        .collect()
}

/// The difference to the baseline of a row, where it is known.
pub fn difference(row: &PairedRow) -> Option<Estimate> {
    let Against::Baseline(Compared::Done(comparison)) = &row.against else {
        return None;
    };
    let (low, high) = comparison.interval95;
    Some(Estimate {
        value: comparison.difference(),
        low,
        high,
        n: comparison.after.n_items,
        n_total: row.accuracy.n_total,
        is_difference: true,
    })
}

/// The rows of every benchmark as one table, to be saved.
pub fn table(groups: &[(String, Vec<PairedRow>)], baseline: &str) -> Table {
    let columns = [
        tr!("benchmark"),
        tr!("run"),
        tr!("evaluation"),
        tr!("figure"),
        tr!("accuracy"),
        tr!("ended"),
        tr!("extracted"),
        tr!("difference"),
        tr!("fixed"),
        tr!("broken"),
        "p",
    ];
    let share = |of: Option<f64>| of.map_or(Cell::Empty, |of| Cell::number(of, 3));
    let mut table = Table::new(tr!("Accuracy against {baseline}", baseline), columns);
    for (benchmark, rows) in groups {
        for row in rows {
            let counts = match &row.against {
                Against::Baseline(Compared::Done(comparison)) => [
                    Cell::Count(comparison.count(Change::Fixed) as u64),
                    Cell::Count(comparison.count(Change::Broken) as u64),
                    Cell::Scientific(comparison.p_value),
                ],
                Against::Baseline(Compared::Pending | Compared::Refused(_))
                | Against::Nothing
                | Against::IsBaseline => [Cell::Empty, Cell::Empty, Cell::Empty],
            };
            let first = [
                Cell::text(benchmark),
                Cell::text(&row.name),
                Cell::text(&row.evaluation),
                Cell::text(row.figure),
                row.accuracy.into(),
                share(row.written.map(|(ended, _)| ended)),
                share(row.written.map(|(_, extracted)| extracted)),
                difference(row).map_or(Cell::Empty, Cell::from),
            ];
            table.push(first.into_iter().chain(counts));
        }
    }
    table.notes = vec![
        tr!(
            "accuracy with its 95% interval (Wilson; for a mean of runs, Student's t on the logit scale over its n runs)"
        )
        .into(),
        tr!(
            "difference with its 95% bootstrap interval over items; p of McNemar's exact test, two-sided"
        )
        .into(),
        tr!(
            "ended: the share of written answers that the model ended itself, the others were cut off; extracted: the share from which an answer could be read"
        )
        .into(),
    ];
    table
}
