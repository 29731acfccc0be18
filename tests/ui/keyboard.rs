//! Every flow of the README by the keyboard alone, in a small window with every panel
//! open, on the real worker: nothing is clicked and nothing is set from outside.

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use gosling::ui::Metric;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::tune::charts::ChartSize;

use crate::click_through::{small_spec, wait, wait_until, window};
use crate::fixtures;
use crate::pictures::{app, harness, wait_for};

/// Stops of the Tab key in a full window, and some more.
const MAX_STOPS: usize = 400;

fn press(harness: &mut Harness<'_, App>, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run_steps(3);
}

fn plain(harness: &mut Harness<'_, App>, key: Key) {
    press(harness, Modifiers::NONE, key);
}

fn command(harness: &mut Harness<'_, App>, key: Key) {
    press(harness, Modifiers::COMMAND, key);
}

fn type_text(harness: &mut Harness<'_, App>, text: &str) {
    harness.event(Event::Text(text.into()));
    harness.run_steps(3);
}

/// The role and the name of what has the focus.
fn focused(harness: &Harness<'_, App>) -> Option<(Role, String)> {
    let mut nodes = harness.root().children_recursive();
    let node = nodes.find(|node| node.accesskit_node().is_focused())?;
    let node = node.accesskit_node();
    let name = node.label().or_else(|| node.value()).unwrap_or_default();
    Some((node.role(), name))
}

/// Goes on by the Tab key until something of that name has the focus.
fn tab_to(harness: &mut Harness<'_, App>, name: &str) {
    tab_to_one(harness, None, name);
}

/// The same of something of a role, where others have the name too.
fn tab_to_one(harness: &mut Harness<'_, App>, role: Option<Role>, name: &str) {
    let mut seen = Vec::new();
    for _ in 0..MAX_STOPS {
        plain(harness, Key::Tab);
        let Some((of, found)) = focused(harness) else {
            continue;
        };
        if found == name && role.is_none_or(|role| role == of) {
            return;
        }
        seen.push(found);
    }
    panic!("{name:?} is not reached by the Tab key, but {seen:?}");
}

/// Takes an entry of the list of everything that can be done.
fn palette(harness: &mut Harness<'_, App>, typed: &str) {
    command(harness, Key::K);
    wait_for(harness, "Search commands");
    type_text(harness, typed);
    plain(harness, Key::Enter);
    assert!(
        harness.state().shell.palette.is_none(),
        "{typed:?} finds nothing"
    );
}

fn small_window<'a>(runs: &std::path::Path) -> Harness<'a, App> {
    let mut spec = small_spec();
    spec.training.steps = 12;
    spec.training.warmup_steps = 1;
    spec.intervals.snapshot = 4;
    let mut harness = window(runs, spec);
    harness.set_size(vec2(1024.0, 700.0));
    harness.run_steps(4);
    let shell = &harness.state().shell;
    assert!(shell.shows_runs && shell.shows_form && shell.shows_log);
    harness
}

/// Starts the run of the configuration and waits for its end.
fn run_to_its_end(harness: &mut Harness<'_, App>) {
    tab_to(harness, "Start");
    plain(harness, Key::Enter);
    wait_until(harness, "finished", |run| run.status.is_over());
    wait(harness, "idle", |app| app.workspace.queue.is_idle());
}

#[test]
fn a_run_is_started_looked_at_exported_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = small_window(folder.path());
    run_to_its_end(&mut harness);

    // States: another layer by its list, the heads and the steps by the arrow keys.
    command(&mut harness, Key::Num2);
    wait_for(&mut harness, "Every head");
    tab_to(&mut harness, "Layer");
    plain(&mut harness, Key::Enter);
    plain(&mut harness, Key::ArrowDown);
    plain(&mut harness, Key::ArrowDown);
    plain(&mut harness, Key::Enter);
    assert!(
        harness.state().states.settings.layer > 0,
        "another layer is shown"
    );
    tab_to(&mut harness, "Grid of every head");
    let before = harness.state().states.settings.place();
    plain(&mut harness, Key::ArrowRight);
    let after = harness.state().states.settings.place();
    assert_eq!((after.layer, after.head), (before.layer, before.head + 1));
    tab_to(&mut harness, "Step");
    plain(&mut harness, Key::ArrowLeft);
    assert!(
        harness.state().states.settings.step.is_some(),
        "an earlier step is shown"
    );
    tab_to(&mut harness, "Show tokens");
    plain(&mut harness, Key::Enter);
    wait(&mut harness, "read in tokens", |app| {
        app.workspace.store.lens.is_some()
    });
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());

    // Export, by the list of everything.
    palette(&mut harness, "export the state");
    wait_for(&mut harness, "Export the state");
    tab_to(&mut harness, "Export state");
    plain(&mut harness, Key::Enter);
    wait_for(&mut harness, "read back and compared");
    plain(&mut harness, Key::Escape);
    assert!(harness.state().export.open.is_none());
    let run = harness.state().workspace.store.runs()[0].folder.clone();
    assert!(run.join("click-0001-export.pth").is_file());

    // The playground.
    command(&mut harness, Key::Num6);
    tab_to_one(&mut harness, Some(Role::MultilineTextInput), "Prompt");
    type_text(&mut harness, "Question: 2 + 3?");
    command(&mut harness, Key::Enter);
    wait(&mut harness, "answered", |app| {
        let texts = app.workspace.store.generated.as_ref();
        texts.is_some_and(|texts| texts.untuned.end.is_some() && texts.tuned.end.is_some())
    });
    assert!(
        harness
            .state()
            .playground
            .settings
            .prompt
            .contains("2 + 3?")
    );
}

#[test]
fn runs_are_compared_and_found_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = small_window(folder.path());
    run_to_its_end(&mut harness);
    // A second one with another seed, which the list of everything leads to.
    palette(&mut harness, "go to the field seed");
    let (role, name) = focused(&harness).unwrap_or((Role::Unknown, String::new()));
    assert!(
        name.contains("Seed") || role == Role::SpinButton,
        "{role:?} {name:?}"
    );
    tab_to(&mut harness, "Start");
    plain(&mut harness, Key::Enter);
    wait(&mut harness, "both finished", |app| {
        let runs = app.workspace.store.runs();
        runs.len() == 2 && runs.iter().all(|run| run.status.is_over())
    });
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());

    command(&mut harness, Key::Num8);
    wait_for(&mut harness, "2 runs");
    tab_to(&mut harness, "Row of click-0002");
    plain(&mut harness, Key::Enter);
    plain(&mut harness, Key::ArrowDown);
    press(&mut harness, Modifiers::SHIFT, Key::Enter);
    assert_eq!(harness.state().workspace.selection.selected.len(), 2);

    command(&mut harness, Key::Num4);
    wait_for(&mut harness, "gsm8k-mini, test");
    tab_to(&mut harness, "Baseline");
    plain(&mut harness, Key::Enter);
    plain(&mut harness, Key::ArrowDown);
    plain(&mut harness, Key::ArrowDown);
    plain(&mut harness, Key::Enter);
    assert!(
        harness.state().workspace.selection.baseline.is_some(),
        "a baseline is chosen"
    );

    command(&mut harness, Key::Num5);
    wait_for(&mut harness, "All ");
    assert_eq!(harness.state().shell.dock.front(), Tab::Items);
}

#[test]
fn a_sweep_is_set_up_and_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = small_window(folder.path());
    command(&mut harness, Key::Num3);
    wait_for(&mut harness, "Nothing differs between the runs yet");
    tab_to(&mut harness, "Add a field");
    plain(&mut harness, Key::Enter);
    type_text(&mut harness, "seed");
    plain(&mut harness, Key::Tab);
    plain(&mut harness, Key::Enter);
    wait_for(&mut harness, "Seed");
    let n_parts = harness.state().sweep.draft.parts.len();
    assert_eq!(n_parts, 1);
    tab_to(&mut harness, "Values of Seed");
    command(&mut harness, Key::A);
    type_text(&mut harness, "0, 1");
    wait_for(&mut harness, "2 runs");
    assert!(harness.state().sweep.can_begin());
    // Its runs are processes of the program, which a test is not: it is begun elsewhere.
    tab_to(&mut harness, "Start sweep");
}

#[test]
fn a_look_at_the_data_and_the_theme_need_no_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = small_window(folder.path());
    tab_to(&mut harness, "Preview data…");
    plain(&mut harness, Key::Enter);
    wait_for(&mut harness, "Training data");
    plain(&mut harness, Key::Escape);
    command(&mut harness, Key::T);
    assert_ne!(harness.state().shell.appearance, Appearance::System);
    plain(&mut harness, Key::F1);
    wait_for(&mut harness, "Keyboard shortcuts");
    plain(&mut harness, Key::Escape);
    assert!(!harness.state().shell.shows_shortcuts);
}

#[test]
fn charts_are_arranged_and_layouts_saved_without_a_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let store = fixtures::finished(folder.path());
    let app = app(store, Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, vec2(1024.0, 700.0), Appearance::Dark);
    wait_for(&mut harness, "Finished after 200");
    let layouts = |harness: &Harness<'_, App>| harness.state().tune.layouts.clone();
    tab_to(&mut harness, "Charts");
    plain(&mut harness, Key::Enter);
    tab_to(&mut harness, "Tall, size of the chart Gradient norm");
    plain(&mut harness, Key::Enter);
    tab_to(&mut harness, "Remove the chart State norm");
    plain(&mut harness, Key::Space);
    let now = layouts(&harness).now;
    let place = now.places()[now.find(Metric::GradNorm).unwrap()];
    assert_eq!(place.size, ChartSize::Tall);
    assert_eq!(now.find(Metric::StateNorm), None);
    let shown = |harness: &Harness<'_, App>, name: &str| {
        let mut nodes = harness.query_all_by_role(Role::Image);
        nodes.any(|node| node.accesskit_node().label().as_deref() == Some(name))
    };
    // All charts are in sight of a higher window.
    harness.set_size(vec2(1024.0, 1700.0));
    harness.run_steps(4);
    assert!(shown(&harness, "Gradient norm") && !shown(&harness, "State norm"));
    harness.set_size(vec2(1024.0, 700.0));
    harness.run_steps(4);

    // Saved, left for that of the program, and used again.
    tab_to(&mut harness, "Name of the layout");
    type_text(&mut harness, "norms");
    tab_to(&mut harness, "Save layout");
    plain(&mut harness, Key::Enter);
    assert_eq!(layouts(&harness).saved.get("norms"), Some(&now));
    tab_to(&mut harness, "Default layout");
    plain(&mut harness, Key::Enter);
    assert_eq!(layouts(&harness).current(), Some(""));

    // Another layout of that name is asked about, and kept unless it is wanted.
    tab_to(&mut harness, "Name of the layout");
    type_text(&mut harness, "norms");
    tab_to(&mut harness, "Save layout");
    plain(&mut harness, Key::Enter);
    wait_for(&mut harness, "Replace the layout “norms”?");
    plain(&mut harness, Key::Enter);
    assert_eq!(
        layouts(&harness).saved.get("norms"),
        Some(&now),
        "it is kept"
    );
    tab_to(&mut harness, "Delete the layout norms");
    plain(&mut harness, Key::Enter);
    wait_for(&mut harness, "Delete the layout “norms”?");
    assert!(!layouts(&harness).saved.is_empty());
    tab_to(&mut harness, "Delete layout");
    plain(&mut harness, Key::Enter);
    assert!(layouts(&harness).saved.is_empty());
    plain(&mut harness, Key::Escape);

    // Without the menu, by the list of everything; kept over restarts.
    palette(&mut harness, "remove the chart speed");
    let saved = harness.state().saved();
    assert_eq!(saved.charts.now.find(Metric::TokensPerSec), None);
    palette(&mut harness, "use the default layout");
    assert_eq!(layouts(&harness).current(), Some(""));
}

#[test]
fn the_numbers_of_a_chart_are_asked_for_without_a_pointer() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let store = fixtures::finished(folder.path());
    let app = app(store, Tab::States, Appearance::Dark);
    let mut harness = harness(app, vec2(1024.0, 700.0), Appearance::Dark);
    wait_for(&mut harness, "Singular values");
    for (typed, entry) in [
        ("numbers matrix", "Save the numbers of the matrix"),
        ("numbers histogram", "Save the numbers of the histogram"),
        ("numbers every head", "Save the numbers of every head"),
        ("picture singular", "Save a picture of the singular values"),
    ] {
        command(&mut harness, Key::K);
        type_text(&mut harness, typed);
        let mut found = harness.query_all_by_label_contains(entry);
        assert!(found.next().is_some(), "{entry}");
        drop(found);
        plain(&mut harness, Key::Escape);
    }
}
