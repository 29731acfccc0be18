//! The best run of each part of a sweep on the test split, as a table.

use super::tables::{score_cell, validation_cell, written_cells};
use super::{Row, SweepResults};
use crate::format::duration;
use crate::language;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary};
use crate::report::{Cell, Table};
use crate::sweep::task::TaskState;

impl SweepResults {
    /// The best run of each part on the test split, and the untuned model.
    pub fn best_table(&self) -> Table {
        let figures = self.figures();
        let columns = [
            tr!("what"),
            tr!("run"),
            tr!("settings"),
            tr!("validation loss"),
            tr!("validation accuracy"),
        ];
        let mut columns: Vec<String> = columns.map(str::to_owned).into();
        columns.extend(figures.iter().map(|figure| tr!("test, {figure}", figure)));
        let has_written = self.measured().any(|summary| summary.written.is_some());
        if has_written {
            columns.extend([tr!("test, ended"), tr!("test, extracted")].map(str::to_owned));
        }
        let mut table = Table::new(tr!("{}, chosen on validation data", self.name), columns);
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
        // Settings that were tried; seeds of one are no trials of their own.
        let settings = self.settings();
        let is_tried = |row: &&Row| match row.facts.state {
            TaskState::Done | TaskState::Dropped { .. } | TaskState::Diverged { .. } => true,
            TaskState::Waiting
            | TaskState::Going
            | TaskState::Held { .. }
            | TaskState::Failed(_)
            | TaskState::Skipped => false,
        };
        let trials = |part: usize| {
            let own = settings.iter().filter(|group| group[0].part == part);
            own.filter(|group| group.iter().any(is_tried)).count()
        };
        let most_trials = self.best.iter().map(|best| trials(best.part)).max();
        let mut has_fewer = false;
        for (name, evaluations) in &self.untuned {
            for (phase, summary) in evaluations {
                let what = match phase {
                    EvaluationPhase::FewShot => {
                        tr!("untuned, {}-shot", summary.few_shot)
                    }
                    EvaluationPhase::Before | EvaluationPhase::After => tr!("untuned").to_owned(),
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
            let fewer = most_trials.filter(|most| n_trials < *most);
            let fewer = fewer.map_or(String::new(), |most| {
                tr!(" ({n_trials} trials, others {most})", n_trials, most)
            });
            has_fewer |= !fewer.is_empty();
            let mut cells = vec![
                Cell::text(tr!("best of {}{fewer}", self.parts[best.part], fewer)),
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
                table.notes.push(tr!(
                    "{part} is not complete, its best run may change.",
                    part
                ));
            }
            if let Some(reason) = &best.failure {
                table
                    .notes
                    .push(tr!("{} could not be scored, {reason}", row.name, reason));
            }
        }
        table.notes.push(tr!(
            "The best run of each part is the one with {}; only it was scored on the test split, once. Choosing the best of the test column would be choosing by chance.",
            language::text(self.choose_by.words())
        ));
        if has_fewer {
            let most = most_trials.unwrap_or_default();
            table.notes.push(tr!(
                "Parts with fewer than {most} trials are marked: the best of few trials is not a fair match for the best of many.",
                most
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
        Some(tr!(
            "Ended: the share of answers that the model ended within {} tokens; extracted: the share from which an answer could be read.",
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
            n => tr!(" in {n} sessions", n),
        };
        Some(tr!(
            "Wall time {}{sessions}, {} at a time, on {}.",
            duration(tenths as f64 / 10.0),
            last.n_jobs,
            last.device,
            sessions
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{Score, WrittenAnswers};
    use crate::sweep::results::Best;
    use crate::sweep::spec::ChooseBy;
    use crate::sweep::task::Facts;
    use crate::sweep::values::FieldValue;

    fn row(idx: usize, part: usize, rate: &str, seed: &str, state: TaskState) -> Row {
        Row {
            idx,
            name: format!("x.{idx:04}"),
            part,
            values: [rate, seed]
                .map(|value| Some(FieldValue(value.into())))
                .to_vec(),
            facts: Facts { state, run: None },
        }
    }

    fn best(part: usize, idx: usize) -> Best {
        let score = Score {
            name: "strict".into(),
            n_correct: 383,
            n_items: 500,
        };
        Best {
            part,
            idx,
            folder: "x".into(),
            test: Some(EvaluationSummary {
                benchmark: "gsm8k-mini".into(),
                few_shot: 0,
                scores: vec![score],
                written: Some(WrittenAnswers {
                    max_new_tokens: 123,
                    n_items: 500,
                    n_ended: 499,
                    n_extracted: 490,
                }),
                n_total: 500,
                left_out: 0,
                secs: 1.0,
            }),
            failure: None,
            is_settled: true,
        }
    }

    /// Two rates with two seeds each against one rate: seeds are no trials, and what
    /// failed is none.
    #[test]
    fn parts_with_fewer_trials_are_marked_and_written_answers_have_their_shares() {
        let done = TaskState::Done;
        let results = SweepResults {
            name: "x".into(),
            parts: vec!["many".into(), "few".into()],
            fields: vec!["training.learning_rate".into(), "training.seed".into()],
            rows: vec![
                row(0, 0, "0.1", "0", done.clone()),
                row(1, 0, "0.1", "1", done.clone()),
                row(2, 0, "0.2", "0", TaskState::Dropped { step: 3 }),
                row(3, 1, "0.1", "0", done.clone()),
                row(4, 1, "0.1", "1", done),
                row(5, 1, "0.2", "0", TaskState::Failed("x".into())),
            ],
            untuned: Vec::new(),
            best: vec![best(0, 1), best(1, 3)],
            choose_by: ChooseBy::ValidationLoss,
            sessions: Vec::new(),
        };
        let table = results.best_table();
        let what = |idx: usize| table.rows[idx][0].clone();
        assert_eq!(what(0), Cell::text("best of many"));
        assert_eq!(what(1), Cell::text("best of few (1 trials, others 2)"));
        let notes = table.notes.join("\n");
        assert!(notes.contains("fewer than 2 trials are marked"), "{notes}");
        assert!(notes.contains("within 123 tokens"), "{notes}");
        let n = table.columns.len();
        assert_eq!(table.columns[n - 2..], ["test, ended", "test, extracted"]);
        let shares = [Cell::number(0.998, 3), Cell::number(0.98, 3)];
        assert_eq!(table.rows[0][n - 2..], shares);
    }
}
