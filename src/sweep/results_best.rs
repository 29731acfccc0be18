//! The best run of each part of a sweep on the test split, as a table.

use super::results::SweepResults;
use super::results_tables::{score_cell, validation_cell, written_cells};
use super::task::TaskState;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary};
use crate::report::{Cell, Table};
use crate::words::duration;

impl SweepResults {
    /// The best run of each part on the test split, and the untuned model.
    pub fn best_table(&self) -> Table {
        let figures = self.figures();
        let mut columns = vec!["what".to_owned(), "run".to_owned()];
        columns.extend(["settings", "validation loss", "validation accuracy"].map(str::to_owned));
        columns.extend(figures.iter().map(|figure| format!("test, {figure}")));
        let has_written = self.measured().any(|summary| summary.written.is_some());
        if has_written {
            columns.extend(["test, ended", "test, extracted"].map(str::to_owned));
        }
        let mut table = Table::new(format!("{}, chosen on validation data", self.name), columns);
        let scores = |summary: Option<&EvaluationSummary>| -> Vec<Cell> {
            let cell = |figure: &String| {
                let score = summary?.scores.iter().find(|score| score.name == *figure)?;
                Some(score_cell(summary?, score))
            };
            let mut cells: Vec<Cell> = figures
                .iter()
                .map(|figure| cell(figure).unwrap_or(Cell::Empty))
                .collect();
            if has_written {
                cells.extend(written_cells(summary.and_then(|summary| summary.written)));
            }
            cells
        };
        let trials = |part: usize| {
            let own = self.rows.iter().filter(|row| row.part == part);
            own.filter(|row| row.facts.state == TaskState::Done).count()
        };
        let most_trials = self.best.iter().map(|best| trials(best.part)).max();
        let mut has_fewer = false;
        for (name, evaluations) in &self.untuned {
            for (phase, summary) in evaluations {
                let what = match phase {
                    EvaluationPhase::FewShot => {
                        format!("untuned, {} examples in front", summary.few_shot)
                    }
                    EvaluationPhase::Before | EvaluationPhase::After => "untuned".to_owned(),
                };
                let mut cells = vec![Cell::text(what), Cell::text(name)];
                cells.extend([Cell::Empty, Cell::Empty, Cell::Empty]);
                cells.extend(scores(Some(summary)));
                table.push(cells);
            }
        }
        for best in &self.best {
            let row = &self.rows[best.idx];
            let n_trials = trials(best.part);
            let fewer = match most_trials.is_some_and(|most| n_trials < most) {
                true => format!(" ({n_trials} runs)"),
                false => String::new(),
            };
            has_fewer |= !fewer.is_empty();
            let mut cells = vec![
                Cell::text(format!("best of {}{fewer}", self.parts[best.part])),
                Cell::text(&row.name),
                Cell::text(self.settings_words(row)),
            ];
            let loss = row.facts.validation_loss();
            cells.push(loss.map_or(Cell::Empty, |loss| Cell::number(loss, 4)));
            cells.push(validation_cell(row));
            cells.extend(scores(best.test.as_ref()));
            table.push(cells);
            if !best.is_settled {
                let part = &self.parts[best.part];
                table
                    .notes
                    .push(format!("{part} is not complete, its best run may change."));
            }
            if let Some(reason) = &best.failure {
                table
                    .notes
                    .push(format!("{} could not be scored, {reason}", row.name));
            }
        }
        table.notes.push(format!(
            "The best run of each part is the one with {}; only it was scored on the test \
             split, once. Picking the best of the test column would be picking by chance.",
            self.choose_by.words()
        ));
        if has_fewer {
            let most = most_trials.unwrap_or_default();
            table.notes.push(format!(
                "The best of few runs is not held against the best of many: a number stands \
                 behind parts with fewer than {most}."
            ));
        }
        if has_written {
            table.notes.extend(self.answers());
        }
        table.notes.extend(self.wall_time());
        table
    }

    /// Where written answers were cut off, and what their shares are of.
    fn answers(&self) -> Option<String> {
        let cap = self.measured().find_map(|summary| summary.written)?;
        Some(format!(
            "Ended: the share of answers that the model ended within {} tokens; extracted: the \
             share that an answer could be read out of.",
            cap.max_new_tokens
        ))
    }

    /// What was measured on the test split.
    fn measured(&self) -> impl Iterator<Item = &EvaluationSummary> {
        let untuned = self.untuned.iter().flat_map(|(_, of)| of);
        let best = self.best.iter().filter_map(|best| best.test.as_ref());
        untuned.map(|(_, summary)| summary).chain(best)
    }

    /// How long the sweep took, by the sessions that ended in good order.
    fn wall_time(&self) -> Option<String> {
        let last = self.sessions.last()?;
        let tenths: u64 = self.sessions.iter().map(|session| session.tenths).sum();
        let sessions = match self.sessions.len() {
            1 => String::new(),
            n => format!(" in {n} sessions"),
        };
        Some(format!(
            "Wall time {}{sessions}, {} at a time, on {}.",
            duration(tenths as f64 / 10.0),
            last.n_jobs,
            last.device
        ))
    }

    /// The figures that were measured on the test split.
    fn figures(&self) -> Vec<String> {
        let first = self.measured().next();
        first.map_or(Vec::new(), |summary| {
            summary
                .scores
                .iter()
                .map(|score| score.name.clone())
                .collect()
        })
    }
}
