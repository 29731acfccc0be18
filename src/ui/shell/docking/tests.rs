use egui_tiles::{Container, TileId};

use super::Dock;
use crate::ui::app::saved::SavedState;
use crate::ui::shared::tab::{Side, Tab};
use crate::ui::shell::theme::Appearance;

fn shown(dock: &Dock) -> Vec<Tab> {
    let all = Tab::ALL.into_iter();
    all.filter(|tab| dock.shows(*tab)).collect()
}

fn again(dock: &Dock) -> Dock {
    Dock::from_text(&dock.text().unwrap())
}

#[test]
fn one_view_is_in_front_at_first() {
    for tab in Tab::ALL {
        let mut dock = Dock::default();
        assert!(!dock.is_split());
        dock.open(tab);
        assert_eq!((shown(&dock), dock.front()), (vec![tab], tab));
    }
}

#[test]
fn views_are_put_beside_and_below_and_joined_again() {
    let mut dock = Dock::at(Tab::Tune);
    dock.put(Tab::States, Side::Right);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::States]);
    // One more at the right is a tab there.
    dock.put(Tab::Compare, Side::Right);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::Compare]);
    dock.put(Tab::Sweep, Side::Below);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::Sweep, Tab::Compare]);
    assert_eq!(dock.front(), Tab::Sweep);
    // A view comes forward where it stands.
    dock.open(Tab::States);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::States, Tab::Sweep]);
    assert_eq!(dock.front(), Tab::States);
    dock.join();
    assert_eq!(shown(&dock), [Tab::States]);
    assert!(!dock.is_split() && Tab::ALL.into_iter().all(|tab| dock.has(tab)));
}

#[test]
fn a_view_alone_at_its_side_goes_to_the_other() {
    let mut dock = Dock::at(Tab::Tune);
    for tab in Tab::ALL.into_iter().skip(2) {
        dock.close(tab);
    }
    dock.put(Tab::States, Side::Right);
    dock.put(Tab::Tune, Side::Right);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::States]);
    assert!(dock.is_split());
}

#[test]
fn a_view_that_was_closed_comes_back_and_the_last_stays() {
    let mut dock = Dock::at(Tab::Tune);
    dock.put(Tab::States, Side::Right);
    dock.close(Tab::States);
    assert!(!dock.has(Tab::States) && !dock.is_split());
    assert!(!again(&dock).has(Tab::States));
    dock.open(Tab::States);
    assert_eq!(shown(&dock), [Tab::States]);
    for tab in Tab::ALL {
        dock.close(tab);
    }
    assert_eq!(shown(&dock).len(), 1);
    assert!(!dock.can_close());
    // Put where nothing else is, a view stays where it is.
    dock.put(dock.front(), Side::Below);
    assert_eq!(shown(&dock).len(), 1);
}

#[test]
fn a_layout_is_kept() {
    let mut state = SavedState {
        appearance: Appearance::Light,
        ..SavedState::default()
    };
    state.dock.put(Tab::States, Side::Right);
    state.dock.put(Tab::Items, Side::Below);
    state.dock.open(Tab::Compare);
    let text = ron::to_string(&state).unwrap();
    let read: SavedState = ron::from_str(&text).unwrap();
    assert_eq!(read.appearance, Appearance::Light);
    assert_eq!(read.dock.text().unwrap(), state.dock.text().unwrap());
    assert_eq!(shown(&read.dock), [Tab::States, Tab::Compare, Tab::Items]);
    assert_eq!(read.dock.front(), Tab::Compare);
}

#[test]
fn shares_are_kept_within_reason() {
    let kept = |share: &str| {
        let text = format!(
            r#"{{"root":{{"parts":[{{"share":{share},"views":["Tune"]}},{{"views":["Items"]}}]}}}}"#
        );
        let dock = Dock::from_text(&text);
        let root = dock
            .tree
            .root
            .and_then(|root| dock.tree.tiles.get_container(root));
        let Some(Container::Linear(line)) = root else {
            panic!("{share}: {dock:?}");
        };
        line.shares[line.children[0]]
    };
    assert_eq!(kept("1.5"), 1.5);
    assert_eq!(kept("-1"), 1.0);
    assert_eq!(kept("1e30"), 20.0);
    assert_eq!(kept("1e-30"), 0.05);
}

#[test]
fn layouts_of_other_versions_lose_no_view() {
    // Views and parts that this version does not know, a view twice, one that is
    // missing, one that was closed.
    let newer = r#"{"last":"Constellation","closed":["Sweep"],"zoom":2,"root":{"is_column":true,
        "parts":[{"share":0.7,"views":["Constellation","States","Tune"],"front":"Constellation","tint":"red"},
        {"views":["Constellation"]},{"share":2,"views":["Tune","Items"],"front":"Items"}]}}"#;
    let dock = Dock::from_text(newer);
    assert_eq!(shown(&dock), [Tab::States, Tab::Items]);
    for tab in Tab::ALL {
        assert_eq!(dock.has(tab), tab != Tab::Sweep, "{tab:?}");
    }
    assert_eq!(again(&dock).text().unwrap(), dock.text().unwrap());
    // What cannot be read at all is as at first.
    for text in ["", "{", "[]", r#"{"root":7}"#, r#"{"root":{"views":[]}}"#] {
        assert_eq!(shown(&Dock::from_text(text)), [Tab::Tune], "{text}");
    }
    let before_docking = "(appearance:Dark,tab:States,beside:Some(Tune),filter:\"a\")";
    let read: SavedState = ron::from_str(before_docking).unwrap();
    assert_eq!(
        (shown(&read.dock), read.filter),
        (vec![Tab::Tune], "a".into())
    );
}

#[test]
fn a_split_that_was_dropped_within_tabs_splits_their_place() {
    let mut dock = Dock::at(Tab::Tune);
    dock.close(Tab::Items);
    let root = dock.tree.root.unwrap();
    let tile = |dock: &Dock, tab: Tab| dock.tile(tab).unwrap();
    // As it is after States was dropped on the right half of Tune.
    let (tune, states) = (tile(&dock, Tab::Tune), tile(&dock, Tab::States));
    let line = egui_tiles::Linear::new(egui_tiles::LinearDir::Horizontal, vec![tune, states]);
    let line: TileId = dock.tree.tiles.insert_container(line);
    let Some(egui_tiles::Tile::Container(Container::Tabs(tabs))) = dock.tree.tiles.get_mut(root)
    else {
        panic!("the views stand in one place");
    };
    tabs.children.retain(|of| *of != tune && *of != states);
    tabs.children.push(line);
    tabs.set_active(line);
    let part = dock.part(Some(root), &[Tab::States]);
    let dock = Dock::from_part(&part, &dock.closed(), Tab::States);
    assert_eq!(shown(&dock), [Tab::Tune, Tab::States]);
    assert_eq!(dock.places().count(), 2);
    let of_tune = dock.tree.tiles.parent_of(tile(&dock, Tab::Tune)).unwrap();
    // All but Items, which is closed, and States, which is beside them.
    assert_eq!(dock.views_of(of_tune).len(), Tab::ALL.len() - 2);
    assert!(!dock.has(Tab::Items));
}
