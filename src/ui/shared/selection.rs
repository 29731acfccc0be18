//! The selected runs and their colours.

use std::collections::BTreeMap;

use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::ui::shell::theme::N_RUN_COLOURS;

/// The runs that are looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// In the order of choosing; the last is the one that buttons act on.
    pub selected: Vec<RunId>,
    /// The colour of every run that has been seen.
    pub colours: BTreeMap<RunId, usize>,
    /// The run that the others are compared with.
    pub baseline: Option<RunId>,
}

impl Selection {
    /// The run that buttons act on.
    pub fn focused(&self) -> Option<&RunId> {
        self.selected.last()
    }

    /// Whether a run is looked at.
    pub fn is_selected(&self, run: &RunId) -> bool {
        self.selected.contains(run)
    }

    /// Looks at this run alone.
    pub fn select_only(&mut self, run: &RunId) {
        self.selected = vec![run.clone()];
    }

    /// Looks at these runs; buttons keep acting on the same one, if it is among
    /// them.
    pub fn select_all(&mut self, mut runs: Vec<RunId>) {
        if let Some(focused) = self.focused()
            && let Some(at) = runs.iter().position(|run| run == focused)
        {
            let focused = runs.remove(at);
            runs.push(focused);
        }
        self.selected = runs;
    }

    /// Adds the run to those that are looked at, or takes it out.
    pub fn toggle(&mut self, run: &RunId) {
        match self.selected.iter().position(|id| id == run) {
            Some(idx) => {
                self.selected.remove(idx);
            }
            None => self.selected.push(run.clone()),
        }
    }

    /// The number of a run's colour.
    pub fn colour(&self, run: &RunId) -> usize {
        self.colours.get(run).copied().unwrap_or_default()
    }

    /// Gives runs that are new a colour, the one that fewest runs of the list
    /// have, and forgets those that are gone from it.
    pub fn take_in(&mut self, store: &RunStore) {
        let is_known = |id: &RunId| store.get(id).is_some();
        if self.selected.iter().any(|id| !is_known(id)) {
            self.selected.retain(is_known);
        }
        if store.runs().len() == self.colours.len() {
            return;
        }
        self.colours.retain(|id, _| is_known(id));
        let mut n_of = [0_usize; N_RUN_COLOURS];
        for idx in self.colours.values() {
            n_of[idx % N_RUN_COLOURS] += 1;
        }
        for run in store.runs() {
            if !self.colours.contains_key(&run.id) {
                let fewest = (0..N_RUN_COLOURS).min_by_key(|idx| n_of[*idx]);
                let idx = fewest.unwrap_or_default();
                n_of[idx] += 1;
                self.colours.insert(run.id.clone(), idx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::run_spec::RunSpec;
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
        let mut selection = Selection::default();
        selection.take_in(&store(&["a", "b"]));
        assert_eq!(
            (selection.colour(&id("a")), selection.colour(&id("b"))),
            (0, 1)
        );
        selection.take_in(&store(&["b", "c"]));
        assert_eq!(
            (selection.colour(&id("b")), selection.colour(&id("c"))),
            (1, 0)
        );
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        selection.take_in(&store(&names));
        for idx in 0..N_RUN_COLOURS {
            let n = selection
                .colours
                .values()
                .filter(|used| **used == idx)
                .count();
            assert!(n >= 2, "{idx} is used {n} times");
        }
    }

    #[test]
    fn runs_that_are_gone_are_not_selected() {
        let mut selection = Selection::default();
        selection.select_only(&id("a"));
        selection.toggle(&id("b"));
        assert_eq!(selection.focused(), Some(&id("b")));
        selection.take_in(&store(&["a"]));
        assert_eq!(selection.selected, [id("a")]);
        selection.toggle(&id("a"));
        assert_eq!(selection.focused(), None);
    }
}
