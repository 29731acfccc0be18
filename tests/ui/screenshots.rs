//! The pictures of `screenshots/`.

use std::path::Path;
use std::sync::Arc;

use eframe::egui::vec2;
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::settings::ResultsView;
use gosling::worker::Worker;

use crate::click_through::wait;
use crate::fixtures;
use crate::pictures::{app, harness, settle, wait_for};

/// Draws a view as large as the window opens. Where `GOSLING_SCREENSHOTS` names
/// a folder of runs, the picture is of those and is kept: no figure that was not
/// measured stands in a picture that the user is shown.
fn screenshot(name: &str, tab: Tab, look: Appearance, label: &str) {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let real = std::env::var_os("GOSLING_SCREENSHOTS");
    let store = match &real {
        Some(runs) => RunStore::from_folder(runs).unwrap(),
        None => fixtures::finished(folder.path()),
    };
    let mut app = app(store, tab, look);
    app.shell.shows_log = tab == Tab::Tune;
    app.shell.shows_form = matches!(tab, Tab::Tune | Tab::Sweep);
    if let (Tab::Sweep, Some(runs)) = (tab, &real) {
        // The newest sweep there is shown.
        app.sweep.list(Path::new(runs));
        app.sweep.look.view = ResultsView::Parallel;
    }
    let answers = tab == Tab::Playground && real.is_some();
    if answers {
        // A prompt is answered by the real model.
        let (saved, store) = (app.saved(), app.workspace.store);
        let worker = Worker::spawn(|| ()).unwrap();
        app = App::new(Some(worker), saved, "runs".into(), Arc::new(|| ()));
        app.workspace.store = store;
    }
    let mut harness = harness(app, vec2(1280.0, 800.0), look);
    wait_for(&mut harness, label);
    if answers {
        let ctx = harness.ctx.clone();
        harness.state_mut().apply(Action::Generate, &ctx);
        wait(&mut harness, "answered", |app| {
            app.workspace.queue.is_idle()
        });
    }
    settle(&mut harness);
    let image = harness.render().unwrap();
    assert_eq!(image.dimensions(), (1280, 800));
    if real.is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        image.save(folder.join(name)).unwrap();
    }
}

#[test]
fn screenshots() {
    let (dark, light) = (Appearance::Dark, Appearance::Light);
    screenshot("tune.png", Tab::Tune, dark, "2000 examples");
    screenshot("tune_light.png", Tab::Tune, light, "2000 examples");
    screenshot("states.png", Tab::States, dark, "Every head");
    screenshot("compare.png", Tab::Compare, dark, "gsm8k-mini");
    screenshot("playground.png", Tab::Playground, dark, "Untuned");
    if std::env::var_os("GOSLING_SCREENSHOTS").is_some() {
        screenshot("items.png", Tab::Items, light, "Fixed");
        screenshot("sweep.png", Tab::Sweep, dark, "Importance");
    }
}
