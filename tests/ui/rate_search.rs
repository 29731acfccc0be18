//! The search for a learning rate, on the real worker and as a picture.

use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::data::Template;
use gosling::protocol::run_spec::{DataSource, RunSpec};
use gosling::runs::RunStore;
use gosling::tuning::train::rate_finder::{RateFinding, RatePoint, RateRange};
use gosling::ui::app::App;
use gosling::ui::dialogs::rate_search::RateSearch;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::pictures::{app, harness, picture, wait_for};

fn search<'a>(harness: &'a Harness<'_, App>) -> &'a RateSearch {
    harness.state().rate_search.search.as_ref().unwrap()
}

/// Opens the dialog, with few rates to try.
fn open(harness: &mut Harness<'_, App>) {
    // It may be scrolled out of sight.
    harness
        .get_by_label("Find learning rate…")
        .click_accesskit();
    harness.run_steps(2);
    wait_for(harness, "Find a learning rate");
    let search = harness.state_mut().rate_search.search.as_mut().unwrap();
    search.range.steps = 24;
    harness.run_steps(2);
}

#[test]
fn a_rate_is_found_and_taken() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    open(&mut harness);
    let close = harness.get_by_label("Close").rect();
    click(&mut harness, "Try rates");
    assert!(search(&harness).is_on);
    assert_eq!(harness.get_by_label("Close").rect(), close);
    wait(&mut harness, "found", |app| {
        let search = app.rate_search.search.as_ref();
        search.is_some_and(|search| !search.is_on && search.outcome.is_some())
    });
    let Some(Ok(found)) = search(&harness).outcome.clone() else {
        panic!("{:?}", search(&harness).outcome);
    };
    assert!(found.points.len() > 5);
    assert!(
        harness
            .query_by_label("Loss against learning rate")
            .is_some()
    );
    assert_eq!(harness.get_by_label("Close").rect(), close);
    let expected = found.tenth_of_lowest.unwrap();
    let before = harness.state().workspace.draft.clone();
    let button = "a tenth of the rate at the lowest loss";
    let all: Vec<_> = harness.query_all_by_label_contains(button).collect();
    all[0].click();
    harness.run_steps(4);
    let rate = harness.state().workspace.draft.training.learning_rate;
    assert!((rate / expected - 1.0).abs() < 0.06, "{rate}, {expected}");
    assert!(!search(&harness).is_open);
    // It is a change like any other.
    let mut expected = before;
    expected.training.learning_rate = rate;
    assert_eq!(harness.state().workspace.draft, expected);
    // What was found is still there for this configuration.
    open(&mut harness);
    assert!(search(&harness).outcome.is_some());
}

#[test]
fn a_search_waits_for_a_run_and_is_cancelled_there() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    open(&mut harness);
    click(&mut harness, "Try rates");
    wait_for(&mut harness, "Waiting for the worker");
    click(&mut harness, "Cancel");
    wait_for(&mut harness, "Cancelled");
    assert!(!search(&harness).is_on);
    click(&mut harness, "Close");
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| run.status.is_over());
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());
    assert_eq!(search(&harness).outcome, None);
    assert_eq!(harness.state().workspace.store.rate, None);
}

#[test]
fn a_search_that_is_under_way_is_cancelled_and_keeps_what_it_found() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    open(&mut harness);
    let asked = harness.state_mut().rate_search.search.as_mut().unwrap();
    asked.range = RateRange {
        last: 1e-3,
        steps: 1000,
        ..RateRange::default()
    };
    click(&mut harness, "Try rates");
    wait_for(&mut harness, "of 1000 steps");
    wait(&mut harness, "under way", |app| {
        app.workspace
            .store
            .rate_search
            .is_some_and(|(done, _)| done > 10)
    });
    click(&mut harness, "Cancel");
    wait_for(&mut harness, "The trial ended early: stopped.");
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());
    let outcome = search(&harness).outcome.as_ref().unwrap();
    let n_points = outcome.as_ref().unwrap().points.len();
    assert!((5..1000).contains(&n_points), "{n_points}");
}

#[test]
fn a_search_that_fails_says_why_and_waits_no_more() {
    let runs = tempfile::tempdir().unwrap();
    let spec = RunSpec {
        data: gosling::protocol::run_spec::DataSpec {
            source: DataSource::Jsonl {
                train: runs.path().join("none.jsonl"),
                validation: None,
                template: Template::default(),
            },
            ..small_spec().data
        },
        ..small_spec()
    };
    let mut harness = window(runs.path(), spec);
    open(&mut harness);
    click(&mut harness, "Try rates");
    wait(&mut harness, "failed", |app| {
        let search = app.rate_search.search.as_ref();
        search.is_some_and(|search| !search.is_on)
    });
    assert!(matches!(&search(&harness).outcome, Some(Err(_))));
    assert!(
        harness
            .query_all_by_label_contains("none.jsonl")
            .next()
            .is_some()
    );
    assert!(harness.query_by_label("Try rates").is_some());
}

/// Losses that fall, are lowest at a rate of 0.5 and break.
fn found() -> RateFinding {
    let mut noise = crate::fixtures::Noise::new(5);
    let range = RateRange::default();
    let point = |idx: usize| {
        let rate = range.rate(idx);
        let fall = 1.0 / (1.0 + (rate / 0.05).powf(1.4));
        let smoothed = 0.9 + 3.2 * fall + 0.4 * (rate / 1.2).powi(2);
        RatePoint {
            learning_rate: rate,
            loss: smoothed + 0.15 * noise.next(),
            smoothed,
        }
    };
    let points: Vec<RatePoint> = (0..52).map(point).collect();
    RateFinding {
        points,
        steepest: Some(0.0421),
        tenth_of_lowest: Some(0.0517),
        still_falls: false,
        broke: Some("the loss rose to 3 times its lowest".into()),
    }
}

#[test]
fn what_was_found_is_drawn() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "rates_dark"),
        (Appearance::Light, "rates_light"),
    ] {
        let mut app = app(RunStore::default(), Tab::Tune, look);
        let mut search = RateSearch::new(app.workspace.draft.clone());
        search.outcome = Some(Ok(found()));
        app.rate_search.search = Some(search);
        let mut harness = harness(app, vec2(1000.0, 620.0), look);
        wait_for(&mut harness, "2000 examples");
        wait_for(&mut harness, "The trial ended early");
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}
