//! The settings of sweeps that are kept over restarts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::settings::ResultsSettings;
use super::state::SweepState;
use crate::sweep::sweep_file::{parse_sweep, print_sweep};

/// What is kept of sweeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedSweep {
    /// The sweep that is set up, as a text, so that one which another version
    /// cannot read takes nothing else along; empty where there is none.
    pub draft: String,
    /// Runs side by side.
    pub n_jobs: usize,
    /// The folder of the sweep that was looked at.
    pub shown: Option<PathBuf>,
    /// Whether the set-up stood before it.
    pub is_setting_up: bool,
    /// How its results were looked at.
    pub look: ResultsSettings,
}

impl Default for SavedSweep {
    fn default() -> Self {
        Self {
            draft: String::new(),
            n_jobs: 1,
            shown: None,
            is_setting_up: false,
            look: ResultsSettings::default(),
        }
    }
}

impl SweepState {
    /// What is to be kept.
    pub fn keep(&self) -> SavedSweep {
        SavedSweep {
            // A path that is not Unicode has no text; such a draft is not kept.
            draft: print_sweep(&self.draft).unwrap_or_default(),
            n_jobs: self.n_jobs,
            shown: self.shown.as_ref().map(|shown| shown.path.clone()),
            is_setting_up: self.is_setting_up && self.shown.is_some(),
            look: self.look.clone(),
        }
    }

    /// Takes up what was kept.
    pub fn restore(&mut self, kept: &SavedSweep) {
        if let Ok(draft) = parse_sweep(&kept.draft, "sweep")
            && !kept.draft.is_empty()
        {
            self.draft = draft;
        }
        self.n_jobs = kept.n_jobs.max(1);
        self.look = kept.look.clone();
        self.reopens = kept.shown.clone();
        self.stays_in_set_up = kept.is_setting_up;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::runs::RunStore;
    use crate::sweep::results::Metric;
    use crate::sweep::store::SweepFolder;
    use crate::ui::sweep::action::SweepAction;
    use crate::ui::sweep::opened::OpenSweep;
    use crate::ui::sweep::settings::{Column, ResultsView};

    const SWEEP: &str = r#"(name: "night", base: Preset("standard"), parts: [
        (name: "first", set: ["training.batch=8"], search: Grid([
            (field: "method.features.gamma", values: List([Median, Value(0.5)])),
            (field: "training.learning_rate", values: Log(from: 0.1, to: 1.6, count: 5)),
        ])),
        (search: Random(axes: [], n_runs: 3, seed: 1), halving: Some((first_steps: 50, factor: 3))),
    ])"#;

    fn panel() -> SweepState {
        SweepState::new(Arc::new(|| ()))
    }

    /// As the toolkit keeps it.
    fn again(panel: &SweepState) -> SweepState {
        let text = ron::to_string(&panel.keep()).unwrap();
        let mut next = super::tests::panel();
        next.restore(&ron::from_str(&text).unwrap());
        next
    }

    #[test]
    fn the_set_up_is_as_it_was_left() {
        let mut panel = panel();
        panel.draft = parse_sweep(SWEEP, "a.ron").unwrap();
        panel.n_jobs = 3;
        let next = again(&panel);
        assert_eq!(next.draft, panel.draft);
        assert_eq!(next.n_jobs, 3);
        // A draft of another version loses itself alone.
        let mut kept = panel.keep();
        kept.draft = "(parst: [])".into();
        let mut other = super::tests::panel();
        let draft = other.draft.clone();
        other.restore(&kept);
        assert_eq!((&other.draft, other.n_jobs), (&draft, 3));
    }

    #[test]
    fn a_sweep_is_looked_at_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"(name: "a", base: Preset("cpu"), parts: [(search: Grid([
            (field: "training.learning_rate", values: List([0.1, 0.2])),
            (field: "training.seed", values: List([0, 1])),
        ]))])"#;
        let plan = parse_sweep(text, "a.ron").unwrap().plan().unwrap();
        let shown = OpenSweep::new(&SweepFolder::create(folder.path(), plan).unwrap()).unwrap();
        let path = shown.path.clone();
        let mut panel = panel();
        panel.show(shown);
        panel.look.view = ResultsView::Scatter;
        panel.look.metric = Metric::Secs;
        panel.look.brushes.insert(1, (0.2, 0.4));
        panel.look.sort = (Column::Field(1), true);
        let look = panel.look.clone();
        panel.apply(SweepAction::New, &Default::default(), folder.path());

        let mut next = again(&panel);
        next.list(folder.path());
        let start = std::time::Instant::now();
        while next.shown.is_none() {
            assert!(start.elapsed() < std::time::Duration::from_secs(60));
            next.take_in(&mut RunStore::default());
        }
        assert_eq!(next.shown.as_ref().unwrap().path, path);
        assert_eq!(next.look, look);
        assert!(next.is_setting_up, "the set-up stood before it");

        // Another sweep is looked at afresh.
        let text = r#"(name: "b", base: Preset("cpu"), parts: [(search: Grid([]))])"#;
        let plan = parse_sweep(text, "b.ron").unwrap().plan().unwrap();
        let other = SweepFolder::create(folder.path(), plan).unwrap();
        next.show(OpenSweep::new(&other).unwrap());
        assert!(next.look.brushes.is_empty());
        assert_eq!(next.look.sort.0, Column::Metric(Metric::ValidationLoss));
        assert!(!next.is_setting_up);
    }
}
