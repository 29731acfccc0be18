use super::*;
use crate::runs::run::Run;

fn id(name: &str) -> RunId {
    RunId(name.into())
}

fn store(names: &[&str]) -> RunStore {
    let mut store = RunStore::default();
    for name in names {
        store.add(Run::new(id(name), RunSpec::default(), name.into()));
    }
    store
}

#[test]
fn colours_stay_and_are_spread() {
    let mut state = UiState::default();
    state.take_in(&store(&["a", "b"]));
    assert_eq!((state.colour(&id("a")), state.colour(&id("b"))), (0, 1));
    state.take_in(&store(&["b", "c"]));
    assert_eq!((state.colour(&id("b")), state.colour(&id("c"))), (1, 0));
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    state.take_in(&store(&names));
    for idx in 0..N_RUN_COLOURS {
        let n = state.colours.values().filter(|used| **used == idx).count();
        assert!(n >= 2, "{idx} is used {n} times");
    }
}

#[test]
fn runs_that_are_gone_are_not_selected() {
    let mut state = UiState::default();
    state.select_only(&id("a"));
    state.toggle(&id("b"));
    assert_eq!(state.focused(), Some(&id("b")));
    state.take_in(&store(&["a"]));
    assert_eq!(state.selected, [id("a")]);
    state.toggle(&id("a"));
    assert_eq!(state.focused(), None);
}
