//! The rows of the table as they are saved.

use super::column::Column;
use super::order::{RowKey, Rows, Sweeps};
use super::value::Value;
use crate::language::in_english;
use crate::report::{Cell, SavedTable, Table};
use crate::runs::RunStore;

/// Runs that are put into a table which is saved.
const MAX_SAVED: usize = 10_000;

/// The rows for programs, which find the columns by their keys, and for readers, who
/// find the names that the window has.
pub(super) fn saved_rows(
    rows: &Rows,
    columns: &[Column],
    store: &RunStore,
    sweeps: Sweeps<'_>,
) -> SavedTable {
    let table = |is_for_programs| rows_table(rows, columns, store, sweeps, is_for_programs);
    SavedTable::new(in_english(|| table(true)), table(false))
}

/// What the columns show of several runs that differ in their seeds.
pub(super) fn merged(all: &[Vec<Value>], columns: &[Column]) -> Vec<Value> {
    let column = |(idx, column): (usize, &Column)| {
        let values: Vec<&Value> = all.iter().filter_map(|of| of.get(idx)).collect();
        match column {
            Column::Field(_) => Value::of_settings(&values),
            _ => Value::of_seeds(&values),
        }
    };
    columns.iter().enumerate().map(column).collect()
}

/// The rows as a table that is saved, in the language of now: what is shown may have
/// been made in another one. Programs find the columns by their keys.
fn rows_table(
    rows: &Rows,
    columns: &[Column],
    store: &RunStore,
    sweeps: Sweeps<'_>,
    is_for_programs: bool,
) -> Table {
    let name = |column: &Column| match is_for_programs {
        true => column.key().into_owned(),
        false => column.name().into_owned(),
    };
    let mut table = Table::new(tr!("Runs"), columns.iter().map(name));
    let rows = rows.rows.iter().take(MAX_SAVED);
    for row in rows.filter(|row| !matches!(row.key, RowKey::Group(_))) {
        let runs = row.runs.iter().filter_map(|run| store.get(run));
        let all: Vec<Vec<Value>> = runs
            .map(|run| {
                let sweep = (sweeps.of)(&run.id);
                let mut spec = run.spec.clone();
                let value = |column: &Column| column.value(run, sweep.as_deref(), &mut spec);
                columns.iter().map(value).collect()
            })
            .collect();
        let values = match &all[..] {
            [alone] => alone.clone(),
            several => merged(several, columns),
        };
        let mut cells: Vec<Cell> = values.iter().map(Value::cell).collect();
        if let (RowKey::Seeds(_), Some(first)) = (&row.key, cells.first_mut()) {
            *first = Cell::text(tr!("mean of {} seeds", row.runs.len()));
        }
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::RunSpec;
    use crate::report::TableFormat;
    use crate::runs::run::Run;
    use crate::ui::runs::table::settings::TableSettings;

    #[test]
    fn programs_find_keys_and_readers_names() {
        let mut store = RunStore::default();
        for (name, seed) in [("a", 0), ("b", 1)] {
            let mut spec = RunSpec::default();
            spec.training.seed = seed;
            let mut run = Run::new(RunId(name.into()), spec, name.into());
            run.series.validation_loss.push(1, 0.5 + seed as f64);
            store.add(run);
        }
        let settings = TableSettings {
            folds_seeds: true,
            ..TableSettings::default()
        };
        let sweeps = Sweeps {
            n_known: 0,
            of: &|_| None,
        };
        let mut rows = Rows::default();
        while let Some(left) = rows.update(&store, &settings, sweeps) {
            std::thread::sleep(left);
        }
        let columns = [
            Column::Name,
            Column::HeldOutLoss,
            Column::Field("training.learning_rate".into()),
        ];
        let saved = saved_rows(&rows, &columns, &store, sweeps);
        let lines = |format: TableFormat| -> Vec<String> {
            let text = saved.in_format(format).render(format);
            text.lines().map(str::to_owned).collect()
        };
        let csv = lines(TableFormat::Csv);
        assert!(
            csv[0].starts_with("run,validation loss,validation loss_low"),
            "{csv:?}"
        );
        assert!(csv[0].ends_with("training.learning_rate"), "{csv:?}");
        assert!(csv[1].starts_with("mean of 2 seeds,1"), "{csv:?}");
        assert_eq!(csv.len(), 2, "{csv:?}");
        let markdown = lines(TableFormat::Markdown).join("\n");
        for name in ["Run", "Validation loss", "Learning rate"] {
            assert!(markdown.contains(name), "{markdown}");
        }
    }
}
