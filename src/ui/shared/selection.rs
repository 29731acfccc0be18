//! The selected runs and their colours.

use std::collections::BTreeMap;

use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::ui::shell::theme::{N_DISTINCT_COLOURS, N_RUN_COLOURS};

/// The runs that are looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// In the order of choosing; the last is the one that buttons act on.
    pub selected: Vec<RunId>,
    /// The colour of every run that has been seen.
    pub colours: BTreeMap<RunId, usize>,
    /// The run that the others are compared with.
    pub baseline: Option<RunId>,
    /// The run that was pointed at in the last frame, in any view.
    pointed: Option<RunId>,
    /// The one of this frame.
    points_at: Option<RunId>,
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

    /// The run that the user points at, in a list or in a plot: every view lights it.
    pub fn pointed(&self) -> Option<&RunId> {
        self.pointed.as_ref()
    }

    /// Notes that the user points at a run.
    pub fn point_at(&mut self, run: &RunId) {
        if self.points_at.as_ref() != Some(run) {
            self.points_at = Some(run.clone());
        }
    }

    /// Begins a frame; whether the user points at another run than in the one before.
    pub(crate) fn begin_frame(&mut self) -> bool {
        let now = self.points_at.take();
        let is_other = now != self.pointed;
        self.pointed = now;
        is_other
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
    /// have, and forgets those that are gone from it. No two of those that are looked
    /// at have the same one, as far as there are enough.
    pub fn take_in(&mut self, store: &RunStore) {
        let is_known = |id: &RunId| store.get(id).is_some();
        if self.selected.iter().any(|id| !is_known(id)) {
            self.selected.retain(is_known);
        }
        self.give_colours(store);
        self.tell_apart();
    }

    /// Gives runs that are looked at together different colours: one that was chosen
    /// later gets another than it had.
    fn tell_apart(&mut self) {
        let mut used = [false; N_DISTINCT_COLOURS];
        for run in &self.selected {
            let Some(colour) = self.colours.get_mut(run) else {
                continue;
            };
            if used[*colour % N_DISTINCT_COLOURS]
                && let Some(free) = used.iter().position(|is_used| !is_used)
            {
                *colour = free;
            }
            used[*colour % N_DISTINCT_COLOURS] = true;
        }
    }

    fn give_colours(&mut self, store: &RunStore) {
        let is_known = |id: &RunId| store.get(id).is_some();
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
    fn runs_that_are_looked_at_have_different_colours() {
        let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store = store(&names);
        let mut selection = Selection::default();
        selection.take_in(&store);
        let first = selection.colour(&id("3"));
        // With eight colours every eighth run has the same one.
        let chosen: Vec<RunId> = ["3", "11", "19", "27", "0", "8"].map(id).to_vec();
        selection.selected = chosen.clone();
        selection.take_in(&store);
        let colours: Vec<usize> = chosen.iter().map(|run| selection.colour(run)).collect();
        let different: std::collections::BTreeSet<usize> = colours.iter().copied().collect();
        assert_eq!(different.len(), chosen.len(), "{colours:?}");
        assert_eq!(colours[0], first, "the one chosen first keeps its colour");
        assert!(colours.iter().all(|colour| *colour < N_RUN_COLOURS));
        selection.selected = names.iter().map(|name| id(name)).collect();
        selection.take_in(&store);
        let of = |run: &RunId| selection.colour(run) % N_DISTINCT_COLOURS;
        let different: std::collections::BTreeSet<usize> =
            selection.selected.iter().map(of).collect();
        assert_eq!(different.len(), N_DISTINCT_COLOURS);
    }

    #[test]
    fn a_run_that_is_pointed_at_is_lit_in_the_next_frame_and_no_longer() {
        let mut selection = Selection::default();
        selection.point_at(&id("a"));
        assert_eq!(selection.pointed(), None);
        assert!(selection.begin_frame());
        assert_eq!(selection.pointed(), Some(&id("a")));
        selection.point_at(&id("a"));
        assert!(!selection.begin_frame());
        assert!(selection.begin_frame());
        assert_eq!(selection.pointed(), None);
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
