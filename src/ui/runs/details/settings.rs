//! The runs that a run comes from, and the settings that differ: from those of the run
//! that it was made of, or else of the run whose state it started from, or else from
//! those that its method has by default.

use eframe::egui::{Grid, RichText, Ui};

use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::runs::spec_difference::{Difference, spec_difference};
use crate::tuning::spec::{MethodKind, StartState};
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{cut_label, group_title, weak_small, within};

/// Width of a value, in points.
const VALUE_WIDTH: f32 = 200.0;

/// The runs that a run comes from.
struct Parents<'a> {
    /// The run whose settings it was begun with, if it is still there.
    made_of: Option<&'a Run>,
    /// The name of that run where it is gone.
    gone: Option<&'a RunId>,
    /// The run whose state it started from.
    started_from: Option<&'a Run>,
}

impl<'a> Parents<'a> {
    fn of(run: &'a Run, store: &'a RunStore) -> Self {
        let made_of = run.labels.made_of.as_ref();
        let found = made_of.and_then(|id| store.get(id));
        Self {
            made_of: found,
            gone: made_of.filter(|_| found.is_none()),
            started_from: started_from(run, store),
        }
    }

    /// The one whose settings are compared with.
    fn compared(&self) -> Option<&'a Run> {
        self.made_of.or(self.started_from)
    }
}

/// Draws them.
pub(super) fn settings_ui(ui: &mut Ui, run: &Run, store: &RunStore, actions: &mut Vec<Action>) {
    let parents = Parents::of(run, store);
    let (of_other, differences) = match parents.compared() {
        Some(parent) => {
            let name = parent.title().to_owned();
            (name, spec_difference(&[&parent.spec, &run.spec]))
        }
        None => (tr!("Default").to_owned(), from_defaults(&run.spec)),
    };
    group_title(ui, tr!("Settings that differ"));
    parents_ui(ui, &parents, actions);
    if differences.is_empty() {
        weak_small(ui, tr!("None."));
    } else {
        Grid::new("settings that differ")
            .spacing([18.0, 2.0])
            .show(ui, |ui| {
                ui.label(RichText::new(tr!("Setting")).small().weak());
                for title in [of_other.as_str(), tr!("This run")] {
                    within(ui, VALUE_WIDTH, |ui| {
                        cut_label(ui, RichText::new(title).small().weak())
                    });
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

/// Says which runs it comes from, with a way to each.
fn parents_ui(ui: &mut Ui, parents: &Parents<'_>, actions: &mut Vec<Action>) {
    let mut parent = |text: String, of: &Run| {
        ui.horizontal_wrapped(|ui| {
            weak_small(ui, text);
            let show = ui.small_button(tr!("Show details"));
            if show.on_hover_text(&of.id.0).clicked() {
                actions.push(Action::OpenDetails(of.id.clone()));
            }
        });
    };
    if let Some(of) = parents.made_of {
        let title = of.title();
        parent(
            tr!("The run was begun with the settings of “{title}”.", title),
            of,
        );
    }
    if let Some(of) = parents.started_from {
        let of_other = of.title();
        parent(
            tr!("The run started from the state of “{of_other}”.", of_other),
            of,
        );
    }
    if let Some(id) = parents.gone {
        let text = tr!(
            "The run was begun with the settings of {}, which is not in this folder any more.",
            id.0
        );
        weak_small(ui, text);
    }
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
    fn settings_are_compared_with_those_of_the_run_that_it_was_made_of() {
        let (first, other) = (
            run("first", RunSpec::default()),
            run("other", RunSpec::default()),
        );
        let mut spec = RunSpec::default();
        *spec.method.start_mut().unwrap() =
            StartState::File(other.folder.join("state.safetensors"));
        let mut made = run("made", spec);
        made.labels.made_of = Some(first.id.clone());
        let mut orphan = run("orphan", RunSpec::default());
        orphan.labels.made_of = Some(RunId("gone".into()));
        let mut store = RunStore::default();
        for run in [&first, &other, &made, &orphan] {
            store.add(run.clone());
        }
        let name = |run: Option<&Run>| run.map(|run| run.id.0.clone());
        let parents = Parents::of(&made, &store);
        assert_eq!(name(parents.compared()).as_deref(), Some("first"));
        assert_eq!(name(parents.started_from).as_deref(), Some("other"));
        assert!(parents.gone.is_none());
        let parents = Parents::of(&orphan, &store);
        assert_eq!(parents.gone.map(|id| id.0.as_str()), Some("gone"));
        assert!(parents.compared().is_none());
        assert!(Parents::of(&first, &store).compared().is_none());
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
