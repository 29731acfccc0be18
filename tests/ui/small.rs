//! Every view in a small window with every panel open: nothing covers what can be
//! done, and all of it can be reached.

use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Rect, Vec2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, SnapshotResults};
use gosling::protocol::event::EvaluationPhase;
use gosling::runs::RunStore;
use gosling::sweep::spec::{Axis, Search};
use gosling::sweep::values::{FieldValue, Values};
use gosling::ui::app::App;
use gosling::ui::shared::notice::Notice;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::opened::LiveSweep;

use crate::fixtures::{self, Told};
use crate::pictures::{app, harness, picture, scaled_harness, settle, wait_for};
use crate::sweep::{shown, under_way};

const SMALL: Vec2 = vec2(1024.0, 700.0);

/// The buttons that can be pressed without scrolling, with their names.
pub fn buttons(harness: &Harness<'_, App>, tab: Tab) -> Vec<(String, Rect)> {
    buttons_in(harness, harness.state().shell.dock.rect(tab).unwrap())
}

fn buttons_in(harness: &Harness<'_, App>, view: Rect) -> Vec<(String, Rect)> {
    let roles = [Role::Button, Role::ComboBox, Role::TextInput];
    let all = roles
        .into_iter()
        .flat_map(|role| harness.query_all_by_role(role));
    let named = all.map(|node| {
        let name = node.accesskit_node().label().unwrap_or_default();
        (name, node.rect())
    });
    // What is scrolled away has a place too, beside what is in sight.
    named
        .filter(|(_, rect)| view.contains_rect(rect.shrink(1.0)))
        .collect()
}

/// No two of the buttons lie over each other.
fn check_apart(harness: &Harness<'_, App>, tab: Tab, wanted: &[&str]) {
    let buttons = buttons(harness, tab);
    for name in wanted {
        let found = buttons.iter().any(|(of, _)| of == name);
        let names: Vec<&str> = buttons.iter().map(|(name, _)| name.as_str()).collect();
        assert!(found, "no {name:?} within the view, but {names:?}");
    }
    check_apart_in(&buttons);
}

pub fn check_apart_in(buttons: &[(String, Rect)]) {
    for (idx, (first, a)) in buttons.iter().enumerate() {
        for (second, b) in &buttons[idx + 1..] {
            let over = a.shrink(1.5).intersects(b.shrink(1.5));
            let is_within = a.contains_rect(*b) || b.contains_rect(*a);
            assert!(
                !over || is_within,
                "{first:?} at {a:?} lies over {second:?} at {b:?}"
            );
        }
    }
}

fn small<'a>(app: App, label: &str) -> Harness<'a, App> {
    let mut harness = harness(app, SMALL, Appearance::Dark);
    wait_for(&mut harness, label);
    settle(&mut harness);
    harness
}

fn check(results: &mut SnapshotResults, name: &str, mut harness: Harness<'_, App>) {
    picture(&mut harness, name);
    results.extend_harness(&mut harness);
}

/// The configuration ends at one edge.
fn check_form(harness: &Harness<'_, App>) {
    let start = harness.get_by_label("Start").rect();
    assert!(start.right() <= SMALL.x && start.bottom() <= SMALL.y);
    // That of the configuration is the rightmost one.
    let more = harness.query_all_by_label("More");
    let right = more.map(|node| node.rect().right()).fold(0.0, f32::max);
    assert!((right - start.right()).abs() < 1.5, "{right} and {start:?}");
}

#[test]
fn runs_and_their_results_fit() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    for (tab, name, label, wanted) in [
        (
            Tab::Tune,
            "small_tune",
            "Finished after 200",
            &["Export…"][..],
        ),
        (Tab::States, "small_states", "Every head", &["Save"]),
        (Tab::Compare, "small_compare", "gsm8k-mini", &[]),
    ] {
        let harness = small(
            app(fixtures::finished(folder.path()), tab, Appearance::Dark),
            label,
        );
        check_apart(&harness, tab, wanted);
        check_form(&harness);
        check(&mut results, name, harness);
    }
    let mut store = fixtures::finished(folder.path());
    let prompt = fixtures::answers(&mut store);
    let mut answered = app(store, Tab::Playground, Appearance::Dark);
    answered.playground.playing = Some(prompt);
    answered.playground.plays_tuned = true;
    let harness = small(answered, "the model ended it");
    check_apart(&harness, Tab::Playground, &[]);
    check(&mut results, "small_playground", harness);
}

/// On one screen, from plain to twice as large, where the window has its least size.
#[test]
fn views_fit_at_every_scaling() {
    let pixels = vec2(1640.0, 1040.0);
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    for scale in [1.0, 1.25, 1.5, 2.0] {
        for tab in Tab::ALL {
            let app = app(fixtures::finished(folder.path()), tab, Appearance::Dark);
            let size = (pixels / scale).round();
            let mut harness = scaled_harness(app, size, Appearance::Dark, scale);
            settle(&mut harness);
            check_apart(&harness, tab, &[]);
            let screen = Rect::from_min_size(Default::default(), size);
            let start = harness.get_by_label("Start").rect();
            assert!(screen.contains_rect(start), "{} at {scale}", tab.name());
            let bar = Rect::from_min_size(Default::default(), vec2(size.x, 40.0));
            check_apart_in(&buttons_in(&harness, bar));
            // Drawn in the pixels of the screen, and not stretched.
            let image = harness.render().unwrap();
            let drawn = vec2(image.width() as f32, image.height() as f32);
            assert!((drawn - pixels).abs().max_elem() <= scale, "{drawn}");
        }
    }
}

/// The bar names the view that is looked at where its views have no room beside each
/// other.
#[test]
fn a_view_in_the_menu_is_named() {
    let size = vec2(880.0, 620.0);
    let app = app(RunStore::default(), Tab::Adapt, Appearance::Dark);
    let mut harness = harness(app, size, Appearance::Dark);
    settle(&mut harness);
    let bar = Rect::from_min_size(Default::default(), vec2(size.x, 40.0));
    let buttons = buttons_in(&harness, bar);
    let has = |wanted: &str| buttons.iter().any(|(name, _)| name == wanted);
    assert!(has("Adapt") && !has("Views"), "{buttons:?}");
    check_apart_in(&buttons);
}

#[test]
fn a_run_that_is_scored_can_skip_it() {
    let mut store = RunStore::default();
    let mut told = Told::begin(&mut store, "standard-0001", Path::new("runs/standard-0001"));
    told.steps(20);
    told.scores(EvaluationPhase::After, 300, 1000);
    let harness = small(
        app(store, Tab::Tune, Appearance::Dark),
        "Scoring tuned, 30%",
    );
    check_apart(
        &harness,
        Tab::Tune,
        &["Skip scoring", "Pause", "Stop", "More"],
    );
}

#[test]
fn a_sweep_is_set_up() {
    let mut results = SnapshotResults::new();
    let mut app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    let axis = |field: &str, values| Axis {
        field: field.into(),
        values,
    };
    let list = |values: &[&str]| {
        let values = values.iter().map(|value| FieldValue((*value).into()));
        Values::List(values.collect())
    };
    app.sweep.draft.parts[0].search = Search::Grid(vec![
        axis(
            "training.learning_rate",
            Values::Log {
                from: 0.1,
                to: 1.6,
                count: 5,
            },
        ),
        axis("training.seed", list(&["0", "1", "2"])),
        // Of a method that is not the one of the configuration.
        axis("method.features.upscaled_size", list(&["64", "128"])),
    ]);
    let mut harness = small(app, "has no such field");
    check_apart(
        &harness,
        Tab::Sweep,
        &["Start sweep", "Open a sweep", "Remove"],
    );
    assert!(!harness.state().sweep.can_begin());
    let parts = &mut harness.state_mut().sweep.draft.parts;
    if let Search::Grid(axes) = &mut parts[0].search {
        axes.pop();
    }
    harness.state_mut().sweep.texts.clear();
    wait_for(&mut harness, "15 runs");
    assert!(harness.state().sweep.can_begin());
    check_apart(&harness, Tab::Sweep, &["Start sweep", "Remove"]);
    check_form(&harness);
    check(&mut results, "small_sweep_setup", harness);
}

#[test]
fn a_sweep_with_one_run_does_not_start() {
    let app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    let harness = small(app, "Nothing differs between the runs yet");
    assert!(!harness.state().sweep.can_begin());
}

#[test]
fn sweeps_fit() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let mut on = shown(folder.path(), 8);
    let store = under_way(&mut on, &[8, 9]);
    on.live = Some(LiveSweep::new(None, &on));
    let mut running = app(store, Tab::Sweep, Appearance::Dark);
    running.sweep.show(on);
    let harness = small(running, "8 of 24 done");
    check_apart(
        &harness,
        Tab::Sweep,
        &["Stop", "Pause", "New sweep", "Skip", "Save"],
    );
    check(&mut results, "small_sweep_running", harness);

    let folder = tempfile::tempdir().unwrap();
    let mut other = shown(folder.path(), 8);
    let store = under_way(&mut other, &[8]);
    other.elsewhere = Some(4321);
    let mut watched = app(store, Tab::Sweep, Appearance::Light);
    watched.sweep.show(other);
    let harness = small(watched, "running in process 4321");
    // The long line makes nothing wider than the view.
    check_apart(&harness, Tab::Sweep, &["New sweep", "Save"]);
    for name in ["Continue", "Stop", "Pause"] {
        assert!(harness.query_by_label(name).is_none(), "{name}");
    }
    check(&mut results, "small_sweep_elsewhere", harness);
}

#[test]
fn a_run_of_another_process_has_its_buttons_and_holds_nothing_up() {
    let mut store = fixtures::running();
    let mut run = store.runs()[0].clone();
    run.elsewhere = Some(4321);
    store.add(run);
    let harness = small(
        app(store, Tab::Tune, Appearance::Dark),
        "running in another process",
    );
    check_apart(&harness, Tab::Tune, &["Stop", "Pause", "More"]);
    assert!(harness.query_by_label("Skip scoring").is_none());
    assert!(!harness.state().is_busy());
    assert!(
        harness.query_by_label("Start").is_some(),
        "nothing is waited for"
    );
}

/// Messages lie over the views, which stay where they are.
#[test]
fn messages_push_nothing_away() {
    let mut harness = small(
        app(fixtures::running(), Tab::Tune, Appearance::Dark),
        "Tuning, step 120",
    );
    let place = |harness: &Harness<'_, App>| {
        let titles = harness.query_all_by_label("Loss");
        titles.map(|node| node.rect()).collect::<Vec<_>>()
    };
    let before = place(&harness);
    assert!(!before.is_empty());
    for idx in 0..3 {
        let text = format!("something could not be done, number {idx}; try it again");
        harness.state_mut().notify(Notice::error(text));
    }
    wait_for(&mut harness, "number 2");
    assert_eq!(place(&harness), before);
    assert_eq!(harness.query_all_by_label("Dismiss").count(), 3);
}

/// What can be done with a run stays in reach under any number of messages.
#[test]
fn messages_leave_the_header_of_a_run_free() {
    let mut harness = small(
        app(fixtures::running(), Tab::Tune, Appearance::Dark),
        "Tuning, step 120",
    );
    for idx in 0..4 {
        let text = format!(
            "number {idx}: {}",
            "something could not be done. ".repeat(20)
        );
        harness.state_mut().notify(Notice::error(text));
    }
    wait_for(&mut harness, "number 3");
    settle(&mut harness);
    let messages = harness.query_all_by_label("Error");
    let top = messages
        .map(|node| node.rect().top())
        .fold(f32::MAX, f32::min);
    for name in ["Stop", "Pause", "More"] {
        let buttons = harness.query_all_by_label(name);
        // Another one is in the configuration.
        let button = buttons
            .map(|node| node.rect())
            .min_by(|a, b| a.left().total_cmp(&b.left()));
        let button = button.unwrap();
        assert!(button.bottom() < top, "{name} at {button:?}, below {top}");
    }
    assert!(top < 0.5 * SMALL.y, "they begin below the header: {top}");
    harness.get_by_label("Stop").click();
    harness.run_steps(2);
}

/// The controls of the charts take two rows, those of several seeds too.
#[test]
fn charts_have_two_rows_of_controls() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    for tail in [None, Some(10_000)] {
        let mut app = app(
            fixtures::finished(folder.path()),
            Tab::Tune,
            Appearance::Dark,
        );
        app.tune.settings.tail = tail;
        let harness = small(app, "Finished after 200");
        let first = harness.get_by_label("Raw").rect();
        for name in ["Log values", "Log steps"] {
            let node = harness.get_by_label(name).rect();
            assert!((node.center().y - first.center().y).abs() < 4.0, "{name}");
        }
        let second = harness.get_by_label("Seed means").rect();
        assert!(second.top() > first.bottom() && second.top() < first.bottom() + 20.0);
        let view = harness.state().shell.dock.rect(Tab::Tune).unwrap();
        for name in ["Charts", "Save"] {
            let node = harness.get_by_label(name).rect();
            assert!((node.center().y - second.center().y).abs() < 4.0, "{name}");
            assert!(node.right() <= view.right(), "{name}");
        }
    }
}
