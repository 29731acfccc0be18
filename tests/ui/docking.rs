//! Views of the centre beside and below each other: by dragging, by the menus of
//! their names, by keys.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, Pos2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Side;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::palette::PaletteState;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::click;
use crate::fixtures;
use crate::pictures::{app, harness, wait_for};

fn window<'a>() -> (Harness<'a, App>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let store = fixtures::finished(folder.path());
    let app = app(store, Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, vec2(1600.0, 900.0), Appearance::Dark);
    harness.run_steps(4);
    (harness, folder)
}

fn shown(harness: &Harness<'_, App>) -> Vec<Tab> {
    let dock = &harness.state().shell.dock;
    let all = Tab::ALL.into_iter();
    all.filter(|tab| dock.shows(*tab)).collect()
}

fn place(harness: &Harness<'_, App>, label: &str) -> Pos2 {
    harness.get_by_label(label).rect().center()
}

/// Moves the pointer with its button down, as a hand does.
fn drag(harness: &mut Harness<'_, App>, from: Pos2, to: Pos2) {
    harness.drag_at(from);
    harness.step();
    for share in [0.1, 0.5, 0.9, 1.0] {
        harness.hover_at(from + share * (to - from));
        harness.step();
    }
    harness.drop_at(to);
    harness.run_steps(4);
}

/// A place within the centre, 0 to 1 both ways.
fn within(harness: &Harness<'_, App>, tab: Tab, x: f32, y: f32) -> Pos2 {
    let rect = harness.state().shell.dock.rect(tab).unwrap();
    rect.min + rect.size() * vec2(x, y)
}

#[test]
fn a_view_is_dragged_to_a_side_moved_resized_and_closed() {
    let (mut harness, _folder) = window();
    let states = place(&harness, "States");
    let right = within(&harness, Tab::Tune, 0.8, 0.5);
    drag(&mut harness, states, right);
    assert_eq!(shown(&harness), [Tab::Tune, Tab::States]);
    wait_for(&mut harness, "Every head");
    assert!(harness.query_all_by_label("Smoothing").next().is_some());
    let dock = |harness: &Harness<'_, App>, tab| harness.state().shell.dock.rect(tab).unwrap();
    let (tune, of_states) = (dock(&harness, Tab::Tune), dock(&harness, Tab::States));
    assert!(tune.right() < of_states.left());

    // The line between them is moved.
    let line = pos2((tune.right() + of_states.left()) / 2.0, tune.center().y);
    drag(&mut harness, line, line - vec2(80.0, 0.0));
    let moved = tune.right() - dock(&harness, Tab::Tune).right();
    assert!((moved - 80.0).abs() < 4.0, "it was moved by {moved}");

    // A tab goes to another place, this time below.
    let items = place(&harness, "Compare, tab");
    let below = within(&harness, Tab::States, 0.5, 0.85);
    drag(&mut harness, items, below);
    assert_eq!(shown(&harness), [Tab::Tune, Tab::States, Tab::Compare]);
    let compare = dock(&harness, Tab::Compare);
    assert!(compare.top() > dock(&harness, Tab::States).bottom());
    assert!(compare.left() > dock(&harness, Tab::Tune).right());

    click(&mut harness, "Close Compare");
    assert_eq!(shown(&harness), [Tab::Tune, Tab::States]);
    assert!(!harness.state().shell.dock.has(Tab::Compare));
    click(&mut harness, "Compare");
    assert_eq!(harness.state().shell.dock.front(), Tab::Compare);
    click(&mut harness, "Items, tab");
    assert_eq!(harness.state().shell.dock.front(), Tab::Items);
}

#[test]
fn what_is_let_go_of_elsewhere_stays() {
    let (mut harness, _folder) = window();
    let states = place(&harness, "States");
    drag(&mut harness, states, states + vec2(300.0, 0.0));
    assert_eq!(shown(&harness), [Tab::Tune]);
    assert!(!harness.state().shell.dock.is_split());
    // So does what is let go of after Escape.
    let centre = within(&harness, Tab::Tune, 0.8, 0.5);
    harness.drag_at(states);
    harness.step();
    harness.hover_at(centre);
    harness.run_steps(2);
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    harness.drop_at(centre);
    harness.run_steps(2);
    assert!(!harness.state().shell.dock.is_split());
}

#[test]
fn keys_and_commands_bring_views_where_they_stand() {
    let (mut harness, _folder) = window();
    harness.state_mut().shell.dock.put(Tab::States, Side::Right);
    harness.state_mut().shell.dock.put(Tab::Items, Side::Right);
    harness.run_steps(4);
    assert_eq!(shown(&harness), [Tab::Tune, Tab::Items]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(4);
    assert_eq!(shown(&harness), [Tab::Tune, Tab::States]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num4);
    harness.run_steps(4);
    assert_eq!(shown(&harness), [Tab::States, Tab::Compare]);

    let command = |harness: &mut Harness<'_, App>, typed: &str| {
        harness.state_mut().shell.palette = Some(PaletteState {
            typed: typed.into(),
            chosen: 0,
        });
        harness.run_steps(2);
        harness.key_press(Key::Enter);
        harness.run_steps(4);
        assert_eq!(harness.state().shell.palette, None);
    };
    command(&mut harness, "Show Playground below");
    assert_eq!(
        shown(&harness),
        [Tab::States, Tab::Compare, Tab::Playground]
    );
    command(&mut harness, "Close the view Playground");
    assert_eq!(shown(&harness), [Tab::States, Tab::Compare]);
    command(&mut harness, "only one view");
    assert_eq!(shown(&harness).len(), 1);
    harness.state_mut().shell.shows_form = false;
    command(&mut harness, "Show Sweep at the right");
    command(&mut harness, "reset the layout");
    assert_eq!(shown(&harness), [Tab::Tune]);
    assert!(harness.state().shell.shows_form);
}

#[test]
fn the_menu_of_a_name_has_the_same() {
    let (mut harness, _folder) = window();
    harness.get_by_label("States").click_secondary();
    harness.run_steps(4);
    click(&mut harness, "Show at the right");
    assert_eq!(shown(&harness), [Tab::Tune, Tab::States]);
    harness.get_by_label("States, tab").click_secondary();
    harness.run_steps(4);
    click(&mut harness, "Close the view");
    assert_eq!(shown(&harness), [Tab::Tune]);
    harness.get_by_label("Tune").click_secondary();
    harness.run_steps(4);
    assert!(harness.query_by_label("Close the view").is_none());
    click(&mut harness, "Reset the layout");
    assert!(harness.state().shell.dock.has(Tab::States));
}

#[test]
fn tabs_are_buttons_that_say_which_is_in_front() {
    let (mut harness, _folder) = window();
    harness.state_mut().shell.dock.put(Tab::States, Side::Right);
    harness.run_steps(4);
    for (label, is_front) in [
        ("Tune, tab", true),
        ("Items, tab", false),
        ("States, tab", true),
    ] {
        let tab = harness.get_by_role_and_label(Role::Button, label);
        let of = egui_kittest::kittest::NodeT::accesskit_node(&tab);
        let is_on = of.toggled() == Some(eframe::egui::accesskit::Toggled::True);
        assert_eq!(is_on, is_front, "{label}");
    }
}
