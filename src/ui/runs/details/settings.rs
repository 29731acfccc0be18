//! The settings of a run that differ from those of the run whose state it started from,
//! or else from those that its method has by default.

use eframe::egui::{Grid, RichText, Ui};

use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::runs::spec_difference::{Difference, spec_difference};
use crate::tuning::spec::{MethodKind, StartState};
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{cut_label, group_title, weak_small, within};

/// Width of a value, in points.
const VALUE_WIDTH: f32 = 200.0;

/// Draws them.
pub(super) fn settings_ui(ui: &mut Ui, run: &Run, store: &RunStore) {
    let parent = started_from(run, store);
    let (of_other, differences) = match parent {
        Some(parent) => {
            let name = parent.title().to_owned();
            (name, spec_difference(&[&parent.spec, &run.spec]))
        }
        None => (tr!("Default").to_owned(), from_defaults(&run.spec)),
    };
    group_title(ui, tr!("Settings that differ"));
    if parent.is_some() {
        weak_small(
            ui,
            tr!("The run started from the state of “{of_other}”.", of_other),
        );
    }
    if differences.is_empty() {
        weak_small(ui, tr!("None."));
    } else {
        Grid::new("settings that differ")
            .spacing([18.0, 2.0])
            .show(ui, |ui| {
                for title in [tr!("Setting"), &of_other, tr!("This run")] {
                    ui.label(RichText::new(title).small().weak());
                }
                ui.end_row();
                for difference in &differences {
                    ui.label(RichText::new(difference.field.name()).small());
                    for value in &difference.values {
                        within(ui, VALUE_WIDTH, |ui| cut_label(ui, value));
                    }
                    ui.end_row();
                }
            });
    }
    ui.add_space(GAP / 2.0);
}

/// The run in whose folder the state lies that `run` started from.
fn started_from<'a>(run: &Run, store: &'a RunStore) -> Option<&'a Run> {
    let Some((_, StartState::File(path))) = run.spec.method.tuned() else {
        return None;
    };
    let path = std::path::absolute(path).ok()?;
    let is_inside =
        |folder| std::path::absolute(folder).is_ok_and(|folder| path.starts_with(folder));
    let mut others = store.runs().iter().filter(|other| other.id != run.id);
    others.find(|other| is_inside(&other.folder))
}

/// What differs from the defaults of the method of `spec`.
fn from_defaults(spec: &RunSpec) -> Vec<Difference> {
    let default = RunSpec {
        method: MethodKind::of(&spec.method).by_default(),
        ..RunSpec::default()
    };
    spec_difference(&[&default, spec])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;

    fn run(name: &str, spec: RunSpec) -> Run {
        let folder = std::env::temp_dir().join("runs").join(name);
        Run::new(RunId(name.into()), spec, folder)
    }

    #[test]
    fn the_run_that_a_state_comes_from_is_found() {
        let first = run("first", RunSpec::default());
        // Its name begins alike, but it is another folder.
        let alike = run("fir", RunSpec::default());
        let mut spec = RunSpec::default();
        *spec.method.start_mut().unwrap() =
            StartState::File(first.folder.join("state.safetensors"));
        let second = run("second", spec);
        let mut store = RunStore::default();
        for run in [&alike, &first, &second] {
            store.add(run.clone());
        }
        let found = |run| started_from(run, &store).map(|run| run.id.0.as_str());
        assert_eq!(found(&second), Some("first"));
        assert_eq!(found(&first), None);
    }

    #[test]
    fn what_was_changed_is_told() {
        let mut spec = RunSpec::default();
        assert!(from_defaults(&spec).is_empty());
        spec.training.seed = 7;
        let told = from_defaults(&spec);
        let told: Vec<_> = told
            .iter()
            .map(|it| (it.field.name(), &it.values))
            .collect();
        assert_eq!(
            told,
            [("Seed".to_owned(), &vec!["0".to_owned(), "7".to_owned()])]
        );
    }
}
