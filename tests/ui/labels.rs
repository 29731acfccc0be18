//! Everything that can be acted on has a name for those who do not see it.

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::NodeT as _;
use gosling::runs::RunStore;
use gosling::tuning::spec::{DecorrelationSpec, LiftSpec, Method};
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Side;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures;
use crate::pictures::{DIALOGS, app, harness};
use crate::sweep::{shown, under_way};

fn is_acted_on(role: Role) -> bool {
    matches!(
        role,
        Role::Button
            | Role::CheckBox
            | Role::ComboBox
            | Role::Link
            | Role::RadioButton
            | Role::Slider
            | Role::SpinButton
            | Role::TextInput
            | Role::MultilineTextInput
    )
}

/// What has no name in a window, by role and place.
fn unnamed(app: App, prepare: impl FnOnce(&mut egui_kittest::Harness<'_, App>)) -> Vec<String> {
    let mut harness = harness(app, vec2(1280.0, 2400.0), Appearance::Dark);
    harness.run_steps(4);
    prepare(&mut harness);
    harness.run_steps(4);
    let mut found = Vec::new();
    let mut n_seen = 0;
    for node in harness.root().children_recursive() {
        let of = node.accesskit_node();
        if !is_acted_on(of.role()) || of.is_hidden() {
            continue;
        }
        n_seen += 1;
        let name = of.label().unwrap_or_default();
        if name.trim().is_empty() {
            found.push(format!("{:?} at {:?}", of.role(), of.bounding_box()));
        }
    }
    assert!(n_seen > 10, "only {n_seen} controls");
    found
}

#[test]
fn every_control_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let mut lifted = Method::Lifted(LiftSpec {
        decorrelation: Some(DecorrelationSpec::default()),
        ..LiftSpec::default()
    });
    for tab in Tab::ALL {
        let mut app = app(fixtures::finished(folder.path()), tab, Appearance::Dark);
        std::mem::swap(&mut app.workspace.draft.method, &mut lifted);
        let found = unnamed(app, |_| ());
        assert!(found.is_empty(), "{}: {found:#?}", tab.name());
    }
    for store in [
        RunStore::default(),
        fixtures::running(),
        fixtures::diverged(),
        fixtures::failed(),
        fixtures::crowded(),
    ] {
        for tab in Tab::ALL {
            let found = unnamed(app(store.clone(), tab, Appearance::Light), |_| ());
            assert!(found.is_empty(), "{}: {found:#?}", tab.name());
        }
    }
    let runs = tempfile::tempdir().unwrap();
    let mut on = shown(runs.path(), 8);
    let store = under_way(&mut on, &[8, 9]);
    let mut sweep = app(store, Tab::Sweep, Appearance::Dark);
    sweep.sweep.show(on);
    let found = unnamed(sweep, |_| ());
    assert!(found.is_empty(), "a sweep: {found:#?}");
    let mut split = app(
        fixtures::finished(folder.path()),
        Tab::Tune,
        Appearance::Dark,
    );
    split.shell.dock.put(Tab::States, Side::Right);
    split.shell.dock.put(Tab::Compare, Side::Below);
    let found = unnamed(split, |_| ());
    assert!(found.is_empty(), "beside each other: {found:#?}");
    let of_data: fn(&App) -> Action = |_| Action::LookAtData;
    for dialog in DIALOGS.into_iter().chain([of_data]) {
        let app = app(
            fixtures::finished(folder.path()),
            Tab::Tune,
            Appearance::Dark,
        );
        let action = dialog(&app);
        let name = format!("{action:?}");
        let found = unnamed(app, |harness| {
            let ctx = harness.ctx.clone();
            harness.state_mut().apply(action, &ctx);
        });
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}
