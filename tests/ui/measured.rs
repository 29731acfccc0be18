//! Compare and Items: accuracies side by side and question by question, as
//! pictures and by the names of the controls.

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::bench::{Answer, Change, Conditions, Evaluation, FewShotOrder, ItemRecord, n_steps};
use gosling::data::{Benchmark, Item, Protocol, Split, Task, mini};
use gosling::persist::evaluation_file::{Scored, write_evaluation};
use gosling::protocol::event::{EvaluationPhase, RunId, RunOutcome};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures::{self, Told};
use crate::pictures::{app, check_view, check_view_in, harness, wait_for};

/// A record of the item; every `one_in`-th is right, counted from `shift`.
fn record(protocol: Protocol, item: &Item, idx: usize, is_right: bool) -> ItemRecord {
    let answer = match &item.task {
        Task::Generate { answer, .. } => {
            let gold = answer.rsplit("#### ").next().unwrap_or("").to_owned();
            let number = if is_right {
                gold.clone()
            } else {
                (idx % 90).to_string()
            };
            let correct_flexible = is_right || idx.is_multiple_of(11);
            Answer::Written {
                output: format!(" First we count what there is.\n#### {number}\n\n"),
                extracted: number.clone(),
                extracted_flexible: if correct_flexible {
                    gold.clone()
                } else {
                    number
                },
                gold,
                correct_flexible,
                // The last few of these short answers go on and on.
                ended: Some(is_right || !idx.is_multiple_of(17)),
            }
        }
        Task::Choose { options, gold, .. } => {
            let chosen = if is_right {
                *gold
            } else {
                (gold + 1) % options.len()
            };
            let likelihood = |option: usize| match option == chosen {
                true => -3.25,
                false => -4.0 - 0.75 * option as f64,
            };
            Answer::Chosen {
                options: options.clone(),
                log_likelihoods: (0..options.len()).map(likelihood).collect(),
                gold: *gold,
                chosen: Some(chosen),
                chosen_norm: Some(chosen),
                correct_norm: Some(is_right),
            }
        }
        Task::ChooseLetter { .. } | Task::FillIn { .. } => panic!("not in these fixtures"),
    };
    ItemRecord {
        id: item.id.clone(),
        subject: None,
        prompt: protocol.question(item),
        n_steps: match &item.task {
            Task::Generate { answer, .. } => Some(n_steps(answer)),
            Task::Choose { .. } | Task::ChooseLetter { .. } | Task::FillIn { .. } => None,
        },
        answer,
        correct: is_right,
    }
}

/// Writes an evaluation of the first 200 items into a run's folder.
pub fn write(
    folder: &Path,
    name: &str,
    benchmark: Benchmark,
    few_shot: usize,
    is_tuned: bool,
    is_right: impl Fn(usize) -> bool,
) -> usize {
    let items = mini(benchmark, Split::Test).unwrap();
    let protocol = Protocol::Mini;
    let records: Vec<ItemRecord> = items[..200]
        .iter()
        .enumerate()
        .map(|(idx, item)| record(protocol, item, idx, is_right(idx)))
        .collect();
    let n_correct = records.iter().filter(|record| record.correct).count();
    let evaluation = Evaluation {
        conditions: Conditions {
            benchmark,
            protocol,
            split: Split::Test,
            few_shot,
            few_shot_order: (few_shot > 0).then_some(FewShotOrder::First),
            leading_token: None,
            max_new_tokens: (benchmark == Benchmark::Gsm8k).then_some(140),
            n_total: items.len(),
            left_out: Vec::new(),
        },
        records,
    };
    let scored = Scored {
        model: "rwkv7-mini-7m-f16.pth".into(),
        fingerprint: "0".into(),
        start: "untuned".into(),
        is_tuned,
        secs: 8.0,
    };
    let folder = folder.join("eval");
    std::fs::create_dir_all(&folder).unwrap();
    write_evaluation(&folder.join(name), &evaluation, &scored).unwrap();
    n_correct
}

/// Draws until something is called this.
fn wait_for_any(harness: &mut Harness<'_, App>, label: &str) {
    let start = Instant::now();
    while harness.query_all_by_label(label).next().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {label}");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
}

/// Three finished runs with the items of their evaluations in `folder`; two
/// differ in their seed alone.
pub fn measured(folder: &Path) -> RunStore {
    measured_as(folder, ["seed-0-0001", "seed-1-0002", "rate-2-0003"])
}

/// The same under other names, the third one's beginning with rate.
fn measured_as(folder: &Path, names: [&str; 3]) -> RunStore {
    let mut store = RunStore::default();
    for (seed, (name, good)) in names.into_iter().zip([5, 7, 3]).enumerate() {
        let folder = folder.join(name);
        let mut told = Told::begin(&mut store, name, &folder);
        told.change_spec(|spec| {
            spec.training.seed = seed as u64;
            spec.evaluation.limit = Some(200);
            if name.starts_with("rate") {
                spec.training.learning_rate = 2.0;
            }
        });
        told.steps(200);
        let right = move |idx: usize| idx % 10 < good && !(idx + seed).is_multiple_of(7);
        let before = write(&folder, "before.jsonl", Benchmark::Gsm8k, 0, false, |idx| {
            idx % 40 == 0
        });
        let examples = write(
            &folder,
            "few_shot.jsonl",
            Benchmark::Gsm8k,
            5,
            false,
            |idx| idx % 25 == 0,
        );
        let after = write(&folder, "after.jsonl", Benchmark::Gsm8k, 0, true, right);
        if seed == 0 {
            let arc = Benchmark::Arc;
            write(&folder, "arc-mini-test.jsonl", arc, 0, true, |idx| {
                idx % 5 < 3
            });
            write(&folder, "arc-mini-untuned.jsonl", arc, 0, false, |idx| {
                idx % 2 == 0
            });
        }
        told.score_part(EvaluationPhase::Before, before);
        told.score_part(EvaluationPhase::FewShot, examples);
        told.score_part(EvaluationPhase::After, after);
        told.export(200);
        told.end(RunOutcome::Finished);
    }
    store
}

fn selected(store: &RunStore) -> Vec<RunId> {
    store.runs().iter().map(|run| run.id.clone()).collect()
}

#[test]
fn accuracies_side_by_side() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    for (look, name) in [
        (Appearance::Dark, "compare_paired_dark"),
        (Appearance::Light, "compare_paired_light"),
    ] {
        let store = measured(folder.path());
        let ids = selected(&store);
        let mut app = app(store, Tab::Compare, look);
        app.workspace.selection.baseline = Some(ids[0].clone());
        app.workspace.selection.selected = ids;
        check_view(&mut results, name, app, look, "mean of 2 runs");
    }
}

/// All of a comparison: shares of written answers, the table, accuracy by steps.
#[test]
fn a_comparison_from_its_top_to_its_end() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let store = measured(folder.path());
    let ids = selected(&store);
    let mut app = app(store, Tab::Compare, Appearance::Dark);
    app.workspace.selection.baseline = Some(ids[0].clone());
    app.workspace.selection.selected = ids;
    let (name, size) = ("compare_whole_dark", vec2(1000.0, 1900.0));
    check_view_in(&mut results, name, app, size, "mean of 2 runs");
}

#[test]
fn items_one_by_one() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let look = Appearance::Dark;
    let items = |look| {
        let mut app = app(measured(folder.path()), Tab::Items, look);
        app.workspace
            .selection
            .select_only(&RunId("seed-0-0001".into()));
        app
    };
    check_view(&mut results, "items_dark", items(look), look, "Fixed");
    let light = Appearance::Light;
    let mut options = items(light);
    let file = |name: &str| Some(folder.path().join("seed-0-0001/eval").join(name));
    options.items.settings.pair.first = file("arc-mini-untuned.jsonl");
    options.items.settings.pair.second = file("arc-mini-test.jsonl");
    options.items.settings.change = Some(Change::Broken);
    check_view(
        &mut results,
        "items_options_light",
        options,
        light,
        "Broken",
    );
    let mut refused = items(look);
    refused.items.settings.pair.first = file("few_shot.jsonl");
    refused.items.settings.pair.second = file("after.jsonl");
    check_view(
        &mut results,
        "items_refused_dark",
        refused,
        look,
        "Different prompts",
    );
    let empty = app(fixtures::running(), Tab::Items, look);
    check_view(
        &mut results,
        "items_none_dark",
        empty,
        look,
        "No items to show",
    );
}

#[test]
fn from_a_comparison_to_its_items() {
    let folder = tempfile::tempdir().unwrap();
    let look = Appearance::Dark;
    let mut app = app(measured(folder.path()), Tab::Compare, look);
    app.workspace
        .selection
        .select_only(&RunId("seed-0-0001".into()));
    let mut harness = harness(app, vec2(1600.0, 1000.0), look);
    // The tab itself, then each figure against the run's own untuned model.
    let n_buttons = |harness: &Harness<'_, App>| {
        harness
            .query_all_by_role_and_label(Role::Button, "Items")
            .count()
    };
    let start = Instant::now();
    while n_buttons(&harness) < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "no comparison");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    // All figures are there, and stand where they will.
    harness.run_steps(10);
    let first = harness
        .query_all_by_role_and_label(Role::Button, "Items")
        .last();
    // It may lie below what the window shows.
    first.unwrap().click_accesskit();
    harness.run_steps(2);
    assert_eq!(harness.state().shell.dock.front(), Tab::Items);
    assert_eq!(harness.state().items.settings.change, Some(Change::Fixed));
    wait_for(&mut harness, "correct answer");
    harness.get_by_label_contains("Wrong in both").click();
    harness.run_steps(2);
    assert_eq!(
        harness.state().items.settings.change,
        Some(Change::BothWrong)
    );
}

/// Cells keep to their columns, and those to the view, whatever runs are called.
#[test]
fn a_comparison_fits_its_view() {
    let folder = tempfile::tempdir().unwrap();
    let long = "an-absurdly-long-name-that-goes-on-and-on-and-then-some".repeat(3);
    let names = [1, 2].map(|n| format!("{long}-{n}"));
    let store = measured_as(folder.path(), [&names[0], &names[1], "rate-2-0003"]);
    let ids = selected(&store);
    let mut app = app(store, Tab::Compare, Appearance::Dark);
    app.workspace.selection.baseline = Some(ids[2].clone());
    app.workspace.selection.selected = ids;
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_for_any(&mut harness, "Difference");
    harness.run_steps(4);
    let right_of_view = harness
        .get_by_role_and_label(Role::Button, "Presets")
        .rect()
        .left();
    let difference = harness.query_all_by_label("Difference").next();
    let top = difference.unwrap().rect().top();
    let mut right = 0.0;
    for title in ["Run", "Accuracy", "Difference", "Fixed", "Broken", "p"] {
        let mut cells = harness.query_all_by_label(title).map(|cell| cell.rect());
        let cell = cells.find(|cell| cell.top() == top).unwrap();
        assert!(cell.left() > right, "{title} at {cell:?} is over {right}");
        right = cell.right();
    }
    let buttons = harness.query_all_by_role_and_label(Role::Button, "Items");
    let last = buttons.map(|button| button.rect().right()).reduce(f32::max);
    assert!(last.unwrap() > right && last.unwrap() < right_of_view);
}
