//! The rows of the table in their order. They are made anew only after something
//! changed, a part of them in each frame, so that no frame waits for thousands of runs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;
use std::time::{Duration, Instant};

use super::column::Column;
use super::filter::Filter;
use super::settings::{GroupBy, TableSettings};
use super::value::Value;
use crate::language::chosen;
use crate::protocol::event::{EvaluationPhase, RunId};
use crate::protocol::fields::choice::Choice as _;
use crate::report::contender::without_seed;
use crate::runs::RunStore;
use crate::runs::run::{Run, RunStatus};

/// What looking at runs that changed may take of a frame.
const OF_A_FRAME: Duration = Duration::from_millis(2);
/// Runs that change all the time are put in order this often.
const LIVE: Duration = Duration::from_millis(500);
/// Runs whose cells are kept.
const MAX_CELLS: usize = 4000;

/// What a row is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum RowKey {
    /// A group, by its name.
    Group(String),
    /// Runs that differ in their seed alone.
    Seeds(u64),
    /// A run.
    Run(RunId),
}

/// What the window knows of sweeps.
#[derive(Clone, Copy)]
pub(crate) struct Sweeps<'a> {
    /// How many there are; what runs are a part of changes with it.
    pub n_known: usize,
    /// The sweep that a run is a part of, by its name.
    pub of: &'a dyn Fn(&RunId) -> Option<String>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What it is of.
    pub key: RowKey,
    /// The runs of it; of a run itself alone.
    pub runs: Vec<RunId>,
    /// Rows that it lies below.
    pub depth: usize,
}

/// What is known of a run for its place in the table.
#[derive(Debug)]
struct Known {
    run: RunId,
    print: u64,
    is_kept: bool,
    group: String,
    seeds: u64,
    by: Value,
}

/// The rows, and what they were made of.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Runs that are listed.
    pub n_runs: usize,
    /// What the accuracies are of.
    pub caption: String,
    known: Vec<Known>,
    cells: HashMap<RunId, (u64, Vec<Value>)>,
    cells_of: u64,
    closed: HashSet<RowKey>,
    opened: HashSet<RowKey>,
    made_of: Option<(u64, u64)>,
    made_at: Option<Instant>,
}

impl Rows {
    /// Brings the rows up to date, as far as a frame has time for; how long until they
    /// have to be looked at again, if they have.
    pub fn update(
        &mut self,
        store: &RunStore,
        settings: &TableSettings,
        sweeps: Sweeps<'_>,
    ) -> Option<Duration> {
        let wanted = (
            store.revision(),
            hash(&(settings, sweeps.n_known, chosen())),
        );
        if self.made_of == Some(wanted) {
            return None;
        }
        let is_other = self.made_of.is_none_or(|(_, of)| of != wanted.1);
        let n_known = self.known.len();
        if !is_other
            && n_known == store.runs().len()
            && let Some(left) = self.made_at.and_then(|at| LIVE.checked_sub(at.elapsed()))
            && !left.is_zero()
        {
            return Some(left);
        }
        if !self.look(store, settings, wanted.1, sweeps) {
            return Some(Duration::ZERO);
        }
        self.arrange(settings);
        self.caption = caption(store);
        self.made_of = Some(wanted);
        self.made_at = Some(Instant::now());
        None
    }

    /// Looks at the runs that changed; whether all of them were looked at.
    fn look(
        &mut self,
        store: &RunStore,
        settings: &TableSettings,
        of: u64,
        sweeps: Sweeps<'_>,
    ) -> bool {
        let start = Instant::now();
        let filter = Filter::read(&settings.filter);
        let runs = store.runs();
        self.known.truncate(runs.len());
        for (idx, run) in runs.iter().enumerate() {
            let print = print_of(run) ^ of;
            let old = self.known.get(idx);
            if old.is_some_and(|old| old.print == print && old.run == run.id) {
                continue;
            }
            if start.elapsed() > OF_A_FRAME {
                return false;
            }
            let new = known(run, print, settings, &filter, (sweeps.of)(&run.id));
            match self.known.get_mut(idx) {
                Some(old) => *old = new,
                None => self.known.push(new),
            }
        }
        true
    }

    /// Puts the runs that are known in order.
    fn arrange(&mut self, settings: &TableSettings) {
        let Self {
            rows,
            known,
            closed,
            opened,
            ..
        } = self;
        rows.clear();
        // The newest first.
        let kept: Vec<&Known> = known.iter().rev().filter(|of| of.is_kept).collect();
        self.n_runs = kept.len();
        if settings.group_by == GroupBy::Nothing {
            add_rows(rows, kept, settings, opened, 0);
            return;
        }
        let mut groups: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
        for of in kept {
            groups.entry(&of.group).or_default().push(of);
        }
        for (name, members) in groups {
            let key = RowKey::Group(name.to_owned());
            let is_open = !closed.contains(&key);
            rows.push(Row {
                key,
                runs: members.iter().map(|of| of.run.clone()).collect(),
                depth: 0,
            });
            if is_open {
                add_rows(rows, members, settings, opened, 1);
            }
        }
    }

    /// Whether the rows below a row are shown.
    pub fn is_open(&self, key: &RowKey) -> bool {
        match key {
            RowKey::Group(_) => !self.closed.contains(key),
            RowKey::Seeds(_) => self.opened.contains(key),
            RowKey::Run(_) => false,
        }
    }

    /// Shows or hides the rows below a row.
    pub fn toggle(&mut self, key: &RowKey, settings: &TableSettings) {
        let set = match key {
            RowKey::Group(_) => &mut self.closed,
            RowKey::Seeds(_) => &mut self.opened,
            RowKey::Run(_) => return,
        };
        if !set.remove(key) {
            set.insert(key.clone());
        }
        self.arrange(settings);
    }

    /// What the columns show of a run.
    pub fn cells(&mut self, run: &Run, sweep: Option<String>, columns: &[Column]) -> &[Value] {
        let of = hash(&(columns, chosen()));
        if self.cells_of != of || self.cells.len() > MAX_CELLS {
            self.cells_of = of;
            self.cells.clear();
        }
        let print = print_of(run);
        let cells = self.cells.entry(run.id.clone()).or_default();
        if cells.0 != print || cells.1.len() != columns.len() {
            let mut spec = run.spec.clone();
            let value = |column: &Column| column.value(run, sweep.as_deref(), &mut spec);
            *cells = (print, columns.iter().map(value).collect());
        }
        &cells.1
    }
}

fn known(
    run: &Run,
    print: u64,
    settings: &TableSettings,
    filter: &Filter,
    sweep: Option<String>,
) -> Known {
    let mut spec = run.spec.clone();
    let mut value = |column: &Column| column.value(run, sweep.as_deref(), &mut spec);
    let group = match settings.group_by {
        GroupBy::Nothing => String::new(),
        GroupBy::Sweep => value(&Column::Sweep).text,
        GroupBy::Method => value(&Column::Method).text,
        GroupBy::Data => value(&Column::Data).text,
    };
    let by = match &settings.sort {
        Some((column, _)) => value(column),
        None => Value::default(),
    };
    Known {
        run: run.id.clone(),
        print,
        is_kept: filter.keeps(run, sweep.as_deref()),
        group,
        seeds: match settings.folds_seeds {
            true => seeds_key(run),
            false => 0,
        },
        by,
    }
}

/// Adds the rows of runs; those that differ in their seed alone as one, where that is
/// wanted.
fn add_rows(
    rows: &mut Vec<Row>,
    members: Vec<&Known>,
    settings: &TableSettings,
    opened: &HashSet<RowKey>,
    depth: usize,
) {
    let mut entries: Vec<(Value, Vec<&Known>)> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    for of in members {
        let place = match settings.folds_seeds {
            true => *places.entry(of.seeds).or_insert(entries.len()),
            false => entries.len(),
        };
        match entries.get_mut(place) {
            Some((_, runs)) => runs.push(of),
            None => entries.push((Value::default(), vec![of])),
        }
    }
    if let Some((_, is_falling)) = &settings.sort {
        for (by, runs) in &mut entries {
            let values: Vec<&Value> = runs.iter().map(|of| &of.by).collect();
            *by = match values[..] {
                [alone] => alone.clone(),
                _ => Value::of_seeds(&values),
            };
        }
        entries.sort_by(|a, b| compare(&a.0, &b.0, *is_falling));
    }
    for (_, runs) in entries {
        let ids = || runs.iter().map(|of| of.run.clone()).collect::<Vec<_>>();
        let row = |run: RunId, depth| Row {
            key: RowKey::Run(run.clone()),
            runs: vec![run],
            depth,
        };
        match &runs[..] {
            [alone] => rows.push(row(alone.run.clone(), depth)),
            several => {
                let key = RowKey::Seeds(several[0].seeds);
                let is_open = opened.contains(&key);
                let runs = ids();
                rows.push(Row {
                    key,
                    runs: runs.clone(),
                    depth,
                });
                if is_open {
                    rows.extend(runs.into_iter().map(|run| row(run, depth + 1)));
                }
            }
        }
    }
}

/// Those without a value come last, whichever way the table is sorted.
fn compare(a: &Value, b: &Value, is_falling: bool) -> Ordering {
    let is_missing = |of: &Value| of.number.is_none() && of.text.is_empty();
    let order = match (is_missing(a), is_missing(b)) {
        (false, false) => match (a.number, b.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a_number, b_number) => {
                let of_kind = a_number.is_none().cmp(&b_number.is_none());
                of_kind.then_with(|| a.text.to_lowercase().cmp(&b.text.to_lowercase()))
            }
        },
        (a, b) => return a.cmp(&b),
    };
    match is_falling {
        true => order.reverse(),
        false => order,
    }
}

/// What the accuracies of the table are of: benchmarks, splits and numbers of items.
fn caption(store: &RunStore) -> String {
    let mut of: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for run in store.runs() {
        let Some(summary) = run.evaluation(EvaluationPhase::After) else {
            continue;
        };
        let n_items = summary.scores.first().map_or(0, |score| score.n_items);
        let split = run.spec.evaluation.split.name().to_lowercase();
        let range = of
            .entry((summary.benchmark.clone(), split))
            .or_insert((n_items, n_items));
        *range = (range.0.min(n_items), range.1.max(n_items));
    }
    let words = of.iter().map(|((benchmark, split), (least, most))| {
        let n = match least == most {
            true => format!("n = {least}"),
            false => tr!("n = {least} to {most}", least, most),
        };
        tr!("{benchmark}, {split} split, {n}", benchmark, split, n)
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Changes with everything of a run that the table shows.
fn print_of(run: &Run) -> u64 {
    let mut hasher = DefaultHasher::new();
    (run.step, discriminant(&run.status)).hash(&mut hasher);
    if let RunStatus::Evaluating { done, total, .. } = run.status {
        // Whole percents, as they are read.
        (100 * done / total.max(1)).hash(&mut hasher);
    }
    for (_, summary) in &run.evaluations {
        summary.secs.to_bits().hash(&mut hasher);
    }
    let series = &run.series;
    (series.validation_loss.len(), series.loss.n_rewrites()).hash(&mut hasher);
    (&run.labels.title, &run.labels.tags).hash(&mut hasher);
    hasher.finish()
}

/// The same for runs that differ in their seed alone.
fn seeds_key(run: &Run) -> u64 {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{:?}", without_seed(&run.spec));
    hash(&text)
}

fn hash(of: &(impl std::hash::Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
