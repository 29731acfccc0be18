//! What keys do, and what they leave to those who type.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use gosling::protocol::event::RunId;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures;
use crate::pictures::{app, harness};

fn window<'a>(tab: Tab) -> Harness<'a, App> {
    let app = app(fixtures::crowded(), tab, Appearance::Dark);
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    harness.run_steps(2);
    harness
}

fn press(harness: &mut Harness<'_, App>, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run_steps(2);
}

fn selected(harness: &Harness<'_, App>) -> Vec<RunId> {
    harness.state().workspace.selection.selected.clone()
}

#[test]
fn runs_are_walked_through_and_all_selected_by_keys() {
    let mut harness = window(Tab::Tune);
    let newest_first: Vec<RunId> = {
        let runs = harness.state().workspace.store.runs();
        runs.iter().rev().map(|run| run.id.clone()).collect()
    };
    harness
        .state_mut()
        .workspace
        .selection
        .select_only(&newest_first[0]);
    harness.run_steps(2);
    press(&mut harness, Modifiers::ALT, Key::ArrowDown);
    press(&mut harness, Modifiers::ALT, Key::ArrowDown);
    assert_eq!(selected(&harness), [newest_first[2].clone()]);
    press(&mut harness, Modifiers::ALT, Key::ArrowUp);
    assert_eq!(selected(&harness), [newest_first[1].clone()]);
    press(&mut harness, Modifiers::COMMAND, Key::A);
    assert_eq!(selected(&harness).len(), newest_first.len());
    assert_eq!(selected(&harness).last(), Some(&newest_first[1]));
    press(&mut harness, Modifiers::NONE, Key::F2);
    let editing = harness.state().runs.editing.clone().unwrap();
    assert_eq!(editing.run, newest_first[1]);
}

#[test]
fn keys_that_are_typed_do_nothing_to_runs() {
    let mut harness = window(Tab::Tune);
    let n_runs = harness.state().workspace.store.runs().len();
    let before = selected(&harness);
    harness
        .get_by_label("Filter runs by name, tag or status")
        .focus();
    harness.run_steps(2);
    press(&mut harness, Modifiers::COMMAND, Key::Delete);
    press(&mut harness, Modifiers::COMMAND, Key::A);
    assert_eq!(selected(&harness), before);
    // Moving a run away would take it out of the list at once.
    assert_eq!(harness.state().workspace.store.runs().len(), n_runs);
    // What no field has a use for still works.
    press(&mut harness, Modifiers::COMMAND, Key::Num2);
    assert!(harness.state().shell.dock.shows(Tab::States));
}

#[test]
fn a_button_that_has_the_focus_selects_no_runs() {
    let mut harness = window(Tab::Tune);
    let before = selected(&harness);
    harness
        .get_by_role_and_label(Role::Button, "Presets")
        .focus();
    harness.run_steps(2);
    press(&mut harness, Modifiers::COMMAND, Key::A);
    assert_eq!(selected(&harness), before);
}

#[test]
fn a_dialog_keeps_the_keys_of_what_is_behind_it() {
    let mut harness = window(Tab::Tune);
    let n_runs = harness.state().workspace.store.runs().len();
    press(&mut harness, Modifiers::NONE, Key::F1);
    press(&mut harness, Modifiers::COMMAND, Key::Delete);
    press(&mut harness, Modifiers::COMMAND, Key::Num2);
    assert!(harness.state().shell.dock.shows(Tab::Tune));
    assert_eq!(harness.state().workspace.store.runs().len(), n_runs);
    press(&mut harness, Modifiers::NONE, Key::F1);
    press(&mut harness, Modifiers::COMMAND, Key::Num2);
    assert!(harness.state().shell.dock.shows(Tab::States));
}

#[test]
fn a_prompt_is_answered_from_where_it_is_typed() {
    let mut harness = window(Tab::Playground);
    press(&mut harness, Modifiers::COMMAND, Key::Enter);
    assert_eq!(harness.state().playground.n_played, 0);
    assert_eq!(harness.state().workspace.queue.waiting().len(), 1, "a run");
    let prompt = harness.get_by_role_and_label(Role::MultilineTextInput, "Prompt");
    prompt.focus();
    harness.run_steps(2);
    press(&mut harness, Modifiers::COMMAND, Key::Enter);
    assert_eq!(harness.state().playground.n_played, 1);
    assert_eq!(
        harness.state().workspace.queue.waiting().len(),
        1,
        "no other run"
    );
}

/// The name and the place of what the keyboard acts on.
fn focused(harness: &Harness<'_, App>) -> Option<(String, Rect)> {
    let mut nodes = harness.root().children_recursive();
    let node = nodes.find(|node| node.accesskit_node().is_focused())?;
    let name = node.accesskit_node().label().unwrap_or_default();
    Some((name, node.rect()))
}

#[test]
fn tab_goes_through_the_window_from_top_to_bottom_and_comes_back() {
    let mut harness = window(Tab::Tune);
    let mut order = Vec::new();
    for _ in 0..300 {
        press(&mut harness, Modifiers::NONE, Key::Tab);
        let Some(of) = focused(&harness) else {
            continue;
        };
        if order.first() == Some(&of) {
            break;
        }
        assert!(!order.contains(&of), "{of:?} comes twice");
        order.push(of);
    }
    let place = |name: &str| {
        let exact = order.iter().position(|(of, _)| of == name);
        let at = exact.or(order.iter().position(|(of, _)| of.starts_with(name)));
        at.unwrap_or_else(|| panic!("{name} is not reached: {order:?}"))
    };
    // The views, the runs, the configuration with Start before its many rows, what
    // happens, and the view itself.
    let stops = [
        "Tune",
        "States",
        "Playground",
        "Configuration",
        "Filter runs",
        "Run ",
        "Presets",
        "Start",
        "Name",
        "Batch size",
        "Evaluation split",
        "Selected runs only",
        "Smoothing",
    ];
    let places: Vec<usize> = stops.map(place).to_vec();
    assert!(places.is_sorted(), "{places:?} of {order:?}");
    // Within the configuration downwards.
    let form = &order[place("Name")..place("Evaluation split")];
    let rows = form.iter();
    let tops: Vec<f32> = rows.map(|(_, rect)| rect.center().y).collect();
    assert!(tops.len() > 10, "{form:?}");
    assert!(
        tops.windows(2).all(|pair| pair[1] > pair[0] - 12.0),
        "{tops:?}"
    );
}
