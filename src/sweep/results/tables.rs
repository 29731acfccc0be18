//! The results of a sweep as tables and as files.

use std::path::{Path, PathBuf};

use super::{Best, Metric, Row, SEED, SweepResults};
use crate::atomic::write_atomic;
use crate::bench::{Accuracy, MeanInterval, mean_interval95, share_interval95};
use crate::error::Result;
use crate::language::{self, in_english};
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Score, WrittenAnswers};
use crate::protocol::fields::short_field_name;
use crate::report::{Cell, Estimate, Table, TableFormat};
use crate::sweep::plan::SweepPlan;
use crate::sweep::task::TaskState;
use crate::sweep::values::FieldValue;

/// Formats that the tables are written in.
const FORMATS: [TableFormat; 4] = [
    TableFormat::Csv,
    TableFormat::Json,
    TableFormat::Markdown,
    TableFormat::Latex,
];

impl SweepResults {
    /// A row for every run. `full` names fields by their paths.
    pub fn runs_table(&self, full: bool) -> Table {
        let mut columns = vec![tr!("run").to_owned(), tr!("part").to_owned()];
        columns.extend(self.columns(full));
        columns.extend(
            [
                tr!("status"),
                tr!("steps"),
                tr!("validation loss"),
                tr!("best step"),
                tr!("validation accuracy"),
                tr!("secs"),
                tr!("tokens/s"),
            ]
            .map(str::to_owned),
        );
        let of_validation = |row: &Row| {
            let summary = row.facts.summary(EvaluationPhase::After)?;
            summary.written
        };
        let has_written = self.rows.iter().any(|row| of_validation(row).is_some());
        if has_written {
            columns.extend([tr!("ended"), tr!("extracted")].map(str::to_owned));
        }
        let mut table = Table::new(tr!("{}, every run", self.name), columns);
        for row in &self.rows {
            let run = row.facts.run.as_ref();
            let best = run.and_then(|run| run.best);
            let mut cells = vec![Cell::text(&row.name), Cell::text(&self.parts[row.part])];
            cells.extend(row.values.iter().map(value_cell));
            cells.push(Cell::text(status(&row.facts.state)));
            cells.push(run.map_or(Cell::Empty, |run| Cell::Count(run.step as u64)));
            cells.push(best.map_or(Cell::Empty, |(_, loss)| Cell::number(loss, 4)));
            cells.push(best.map_or(Cell::Empty, |(step, _)| Cell::Count(step as u64)));
            cells.push(validation_cell(row));
            cells.push(run.map_or(Cell::Empty, |run| Cell::number(run.secs, 1)));
            let speed = run.and_then(|run| run.tokens_per_sec);
            cells.push(speed.map_or(Cell::Empty, |speed| Cell::number(speed, 0)));
            if has_written {
                cells.extend(written_cells(of_validation(row)));
            }
            table.push(cells);
        }
        table.notes.push(
            tr!("Accuracies are of the tuned model on the validation split, with 95% intervals (Wilson).")
                .into(),
        );
        table
    }

    /// How validation loss and accuracy go with each field, part by part.
    pub fn importance_table(&self, plan: &SweepPlan) -> Table {
        let columns = [
            tr!("part"),
            tr!("metric"),
            tr!("field"),
            tr!("rank correlation"),
            tr!("rank ratio"),
            tr!("runs"),
        ];
        let mut table = Table::new(tr!("{}, importance of fields", self.name), columns);
        let digits = |value: Option<f64>| value.map_or(Cell::Empty, |value| Cell::number(value, 2));
        for (part, name) in self.parts.iter().enumerate() {
            for metric in [Metric::Accuracy, Metric::ValidationLoss] {
                for (field, found) in self.importance(plan, part, metric) {
                    table.push([
                        Cell::text(name),
                        Cell::text(language::text(metric.words())),
                        Cell::text(field),
                        digits(found.rank_correlation),
                        digits(found.rank_ratio),
                        Cell::Count(found.n as u64),
                    ]);
                }
            }
        }
        table.notes.push(
            tr!("Rank correlation is Spearman's. The rank ratio is the correlation ratio of the ranks, adjusted for the number of values, 0 to 1; it also sees a best value in the middle. Neither is a fitted importance such as fANOVA's: fields that vary together share the credit.")
                .into(),
        );
        table
    }

    /// Writes every table in every format and the data of parallel coordinates
    /// below `folder`, in English, whatever language the process speaks that happens to
    /// run the sweep; the files.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if a file cannot be written.
    pub fn write(&self, plan: &SweepPlan, folder: &Path) -> Result<Vec<PathBuf>> {
        in_english(|| self.write_tables(plan, folder))
    }

    fn write_tables(&self, plan: &SweepPlan, folder: &Path) -> Result<Vec<PathBuf>> {
        let tables = [
            ("runs", self.runs_table(true)),
            ("settings", self.settings_table()),
            ("best", self.best_table()),
            ("importance", self.importance_table(plan)),
        ];
        let mut files = Vec::new();
        for (name, table) in tables {
            for format in FORMATS {
                let path = folder.join(format!("{name}.{}", format.extension()));
                table.write(&path)?;
                files.push(path);
            }
        }
        let report = folder.join("report.md");
        let tables = [
            self.best_table(),
            self.settings_table(),
            self.importance_table(plan),
        ];
        let text: Vec<String> = tables
            .iter()
            .map(|table| table.render(TableFormat::Markdown))
            .collect();
        let text = text.join("\n");
        write_atomic(&report, |writer| {
            std::io::Write::write_all(writer, text.as_bytes())
        })?;
        files.push(report);
        let path = folder.join("parallel.json");
        let text = serde_json::to_string_pretty(&self.parallel_coordinates()).unwrap_or_default();
        write_atomic(&path, |writer| {
            std::io::Write::write_all(writer, text.as_bytes())
        })?;
        files.push(path);
        Ok(files)
    }

    /// What is different about a run, as `M=64, η=0.1`.
    pub fn settings_words(&self, row: &Row) -> String {
        let words = self.fields.iter().zip(&row.values);
        let words = words.filter_map(|(field, value)| {
            Some(format!("{}={}", english_name(field), value.as_ref()?.0))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn columns(&self, full: bool) -> Vec<String> {
        let column = |field: &String| match full {
            true => field.clone(),
            false => english_name(field),
        };
        self.fields.iter().map(column).collect()
    }
}

/// The shortest name of a field, which files have in English.
pub(super) fn english_name(field: &str) -> String {
    in_english(|| short_field_name(field).into_owned())
}

/// A sentence for the best run of each part.
pub fn headline(results: &SweepResults) -> Vec<String> {
    let line = |best: &Best| {
        let row = &results.rows[best.idx];
        let so_far = if best.is_settled { "" } else { tr!(" so far") };
        let settings = results.settings_words(row);
        let mut line = match &results.parts[..] {
            [_] => tr!("Best{so_far}: {settings}", so_far, settings),
            parts => {
                let part = &parts[best.part];
                tr!("Best of {part}{so_far}: {settings}", part, so_far, settings)
            }
        };
        if let Some(loss) = row.facts.validation_loss() {
            line += &tr!(", validation loss {loss}", loss = format_args!("{loss:.4}"));
        }
        if let Some(summary) = &best.test
            && let Some(score) = summary.scores.first()
        {
            line += &tr!(", on the test split {}", score_cell(summary, score));
        }
        line
    };
    results.best.iter().map(line).collect()
}

pub(super) fn value_cell(value: &Option<FieldValue>) -> Cell {
    match value {
        None => Cell::Empty,
        Some(value) => match value.0.parse::<f64>() {
            Ok(number) => {
                let digits = value
                    .0
                    .split_once('.')
                    .map_or(0, |(_, digits)| digits.len());
                Cell::number(number, digits)
            }
            Err(_) => Cell::text(&value.0),
        },
    }
}

/// The tuned model's headline figure on the validation split.
pub(super) fn validation_cell(row: &Row) -> Cell {
    let cell = |summary: &EvaluationSummary| Some(score_cell(summary, summary.scores.first()?));
    let summary = row.facts.summary(EvaluationPhase::After);
    summary.and_then(cell).unwrap_or(Cell::Empty)
}

/// The shares of answers that ended and that have an answer.
pub(super) fn written_cells(written: Option<WrittenAnswers>) -> [Cell; 2] {
    written.map_or([Cell::Empty, Cell::Empty], |of| {
        [of.ended(), of.extracted()].map(|share| Cell::number(share, 3))
    })
}

/// A figure of an evaluation; where it is that of a part of the split, this says so.
pub(super) fn score_cell(summary: &EvaluationSummary, score: &Score) -> Cell {
    if score.n_items == 0 {
        return Cell::Empty;
    }
    let estimate = Estimate::from(Accuracy {
        n_correct: score.n_correct,
        n_items: score.n_items,
    });
    Cell::from(Estimate {
        n_total: summary.n_total.max(score.n_items),
        ..estimate
    })
}

fn status(state: &TaskState) -> String {
    match state {
        TaskState::Diverged { step, .. } => tr!("diverged at step {step}", step),
        TaskState::Dropped { step } => tr!("dropped at step {step}", step),
        TaskState::Failed(reason) => tr!("failed, {reason}", reason),
        other => language::text(other.word()).to_owned(),
    }
}

impl SweepResults {
    /// A row for every setting: means over its seeds with 95% intervals.
    pub fn settings_table(&self) -> Table {
        let fields: Vec<usize> = (0..self.fields.len())
            .filter(|idx| self.fields[*idx] != SEED)
            .collect();
        let columns = self.columns(true);
        let mut names = vec![tr!("part").to_owned()];
        names.extend(fields.iter().map(|idx| columns[*idx].clone()));
        let means = [
            tr!("runs"),
            tr!("validation loss"),
            tr!("validation accuracy"),
        ];
        names.extend(means.map(str::to_owned));
        let mut table = Table::new(tr!("{}, means over seeds", self.name), names);
        for group in self.settings() {
            let finished = |metric: Metric| -> Vec<f64> {
                let done = group
                    .iter()
                    .filter(|row| row.facts.state == TaskState::Done);
                done.filter_map(|row| metric.of(&row.facts)).collect()
            };
            let first = group[0];
            let mut cells = vec![Cell::text(&self.parts[first.part])];
            cells.extend(fields.iter().map(|idx| value_cell(&first.values[*idx])));
            let losses = finished(Metric::ValidationLoss);
            cells.push(Cell::Count(losses.len() as u64));
            cells.push(mean_cell(mean_interval95(&losses), group.len()));
            let accuracies = finished(Metric::Accuracy);
            cells.push(mean_cell(share_interval95(&accuracies), group.len()));
            table.push(cells);
        }
        table.notes.push(
            tr!("Intervals are those of the mean over seeds (Student's t, of accuracies on the logit scale): they hold the spread between seeds and not that of the items.")
                .into(),
        );
        table
    }
}

/// The mean over the seeds that are done, of so many.
fn mean_cell(mean: Option<MeanInterval>, n_total: usize) -> Cell {
    match mean {
        None => Cell::Empty,
        // One value says nothing of the spread.
        Some(MeanInterval { mean, n: 1, .. }) => Cell::number(mean, 4),
        Some(MeanInterval {
            mean, low, high, n, ..
        }) => Cell::from(Estimate {
            value: mean,
            low,
            high,
            n,
            n_total,
            is_difference: false,
        }),
    }
}
