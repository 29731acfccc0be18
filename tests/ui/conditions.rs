//! Every view in every condition that a run can be in, light and dark.

use std::path::Path;

use eframe::egui::vec2;
use egui_kittest::{Harness, SnapshotResults};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures;
use crate::measured::measured;
use crate::pictures::{app, harness, picture, settle};

const VIEWS: [Tab; 5] = [
    Tab::Tune,
    Tab::States,
    Tab::Compare,
    Tab::Items,
    Tab::Playground,
];

fn window<'a>(store: RunStore, tab: Tab, look: Appearance) -> Harness<'a, App> {
    let mut app = app(store, tab, look);
    app.shell.shows_form = false;
    app.shell.shows_log = false;
    harness(app, vec2(880.0, 560.0), look)
}

/// Compares every view of `store` with its pictures.
fn check(condition: &str, store: &RunStore) {
    let mut results = SnapshotResults::new();
    for tab in VIEWS {
        for (look, theme) in [(Appearance::Dark, "dark"), (Appearance::Light, "light")] {
            let mut harness = window(store.clone(), tab, look);
            settle(&mut harness);
            let view = tab.name().to_lowercase();
            picture(
                &mut harness,
                &format!("conditions/{view}_{condition}_{theme}"),
            );
            results.extend_harness(&mut harness);
        }
    }
}

#[test]
fn no_runs() {
    check("empty", &RunStore::default());
}

#[test]
fn a_run_under_way() {
    check("running", &fixtures::running());
}

#[test]
fn runs_that_have_finished() {
    let folder = tempfile::tempdir().unwrap();
    let store = measured(folder.path());
    for run in store.runs() {
        fixtures::write_state(&run.folder);
    }
    check("finished", &store);
}

#[test]
fn a_run_that_diverged() {
    check("diverged", &fixtures::diverged());
}

#[test]
fn a_run_that_failed() {
    check("failed", &fixtures::failed());
}

/// A run whose folder was changed by others.
#[test]
fn a_run_whose_files_cannot_be_read() {
    // Where the files lie can be read in the pictures.
    let folder = Path::new("target/broken-runs");
    let store = measured(folder);
    for run in store.runs() {
        let broken = |name: &Path| std::fs::write(run.folder.join(name), "no such format").unwrap();
        broken(Path::new("state.safetensors"));
        broken(Path::new("eval/after.jsonl"));
    }
    check("broken", &store);
}
