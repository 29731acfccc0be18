use super::*;
use crate::protocol::run_spec::RunSpec;

fn run(name: &str, rate: f64, seed: u64, loss: Option<f64>) -> Run {
    let mut spec = RunSpec {
        name: name.into(),
        ..RunSpec::default()
    };
    spec.training.learning_rate = rate;
    spec.training.seed = seed;
    let mut run = Run::new(RunId(name.into()), spec, name.into());
    if let Some(loss) = loss {
        run.series.validation_loss.push(1, loss);
    }
    run
}

fn store() -> RunStore {
    let mut store = RunStore::default();
    for run in [
        run("a", 0.1, 0, Some(0.5)),
        run("b", 0.1, 1, Some(0.9)),
        run("night.1", 0.8, 0, None),
        run("c", 0.4, 0, Some(0.6)),
    ] {
        store.add(run);
    }
    store
}

/// A run is a part of the sweep before the dot in its name.
const SWEEPS: Sweeps<'static> = Sweeps {
    n_known: 1,
    of: &|run| run.0.split_once('.').map(|(sweep, _)| sweep.to_owned()),
};

/// The rows as text, with a dash for every row that they lie below.
fn rows(rows: &mut Rows, store: &RunStore, settings: &TableSettings) -> Vec<String> {
    while let Some(left) = rows.update(store, settings, SWEEPS) {
        std::thread::sleep(left);
    }
    let name = |row: &Row| {
        let ids: Vec<&str> = row.runs.iter().map(|run| run.0.as_str()).collect();
        let name = match &row.key {
            RowKey::Group(name) => format!("{name}: {}", ids.join(" ")),
            RowKey::Seeds(_) | RowKey::Run(_) => ids.join(" "),
        };
        "-".repeat(row.depth) + &name
    };
    rows.rows.iter().map(name).collect()
}

#[test]
fn runs_are_sorted_and_those_without_a_value_come_last_either_way() {
    let store = store();
    let mut table = Rows::default();
    let mut settings = TableSettings::default();
    assert_eq!(
        rows(&mut table, &store, &settings),
        ["c", "night.1", "b", "a"]
    );
    settings.sort_by(&Column::HeldOutLoss);
    assert_eq!(
        rows(&mut table, &store, &settings),
        ["a", "c", "b", "night.1"]
    );
    settings.sort_by(&Column::HeldOutLoss);
    assert_eq!(
        rows(&mut table, &store, &settings),
        ["b", "c", "a", "night.1"]
    );
}

#[test]
fn seeds_are_folded_and_sorted_by_their_mean() {
    let store = store();
    let mut table = Rows::default();
    let mut settings = TableSettings {
        folds_seeds: true,
        ..TableSettings::default()
    };
    settings.sort_by(&Column::HeldOutLoss);
    // 0.7 is the mean of 0.5 and 0.9.
    assert_eq!(rows(&mut table, &store, &settings), ["c", "b a", "night.1"]);
    let key = table.rows[1].key.clone();
    table.toggle(&key, &settings);
    let open = rows(&mut table, &store, &settings);
    assert_eq!(open, ["c", "b a", "-b", "-a", "night.1"]);
}

#[test]
fn groups_are_closed_and_runs_come_and_go() {
    let mut store = store();
    let mut table = Rows::default();
    let settings = TableSettings {
        group_by: GroupBy::Sweep,
        filter: "learning_rate<0.5".into(),
        ..TableSettings::default()
    };
    assert_eq!(
        rows(&mut table, &store, &settings),
        [": c b a", "-c", "-b", "-a"]
    );
    let settings = TableSettings {
        filter: String::new(),
        ..settings
    };
    let all = rows(&mut table, &store, &settings);
    assert_eq!(all[4..], ["night: night.1", "-night.1"]);
    let key = table.rows[0].key.clone();
    table.toggle(&key, &settings);
    assert_eq!(table.rows.len(), 3);
    store.take(&RunId("b".into()));
    let left = rows(&mut table, &store, &settings);
    assert_eq!(left, [": c a", "night: night.1", "-night.1"]);
    assert_eq!(table.n_runs, 3);
}

#[test]
fn nothing_is_done_while_nothing_changes() {
    let mut store = store();
    let mut table = Rows::default();
    let settings = TableSettings::default();
    rows(&mut table, &store, &settings);
    let known: Vec<*const u8> = table
        .rows
        .iter()
        .map(|row| row.runs[0].0.as_ptr())
        .collect();
    let untouched = Sweeps {
        of: &|_| panic!("looked at"),
        ..SWEEPS
    };
    assert_eq!(table.update(&store, &settings, untouched), None);
    let same = table.rows.iter().map(|row| row.runs[0].0.as_ptr());
    assert!(same.eq(known), "the rows are those of before");
    // A run that goes on is put in its place now and then, and not at once.
    let changed = run("c", 0.4, 0, Some(0.1));
    store.add(changed);
    let left = table.update(&store, &settings, SWEEPS);
    assert!(left.is_some_and(|left| left > Duration::ZERO), "{left:?}");
}

#[test]
fn the_caption_names_benchmark_split_and_number_of_items() {
    use crate::protocol::event::{EvaluationSummary, Score};
    let mut store = store();
    assert_eq!(caption(&store), "");
    for (name, n_items) in [("a", 500), ("b", 200)] {
        let mut run = store.get(&RunId(name.into())).unwrap().clone();
        let score = Score {
            name: "strict".into(),
            n_correct: 3,
            n_items,
        };
        let summary = EvaluationSummary {
            benchmark: "gsm8k-mini".into(),
            few_shot: 0,
            scores: vec![score],
            written: None,
            n_total: 500,
            left_out: 0,
            secs: 1.0,
        };
        run.evaluations = vec![(EvaluationPhase::After, summary)];
        store.add(run);
    }
    assert_eq!(caption(&store), "gsm8k-mini, test split, n = 200 to 500");
}
