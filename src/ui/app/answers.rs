//! What came of work beside the window: files that were read and paths that
//! were chosen.

use std::path::{Path, PathBuf};

use super::App;
use crate::data::{Template, fitting_template};
use crate::error::Result;
use crate::format::shown;
use crate::persist::spec_file::print_commented_spec;
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::runs::RunStore;
use crate::sweep::sweep_file::print_sweep;
use crate::tuning::spec::StartState;
use crate::ui::dialogs::state_import::ImportDialog;
use crate::ui::shared::notice::Notice;
use crate::ui::shared::workspace::write_text;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::tune::report::report;
use crate::ui::widgets::metric::Metric;

impl App {
    /// Takes in what came of work beside the window.
    pub(super) fn take_answers(&mut self) {
        for past in self.past_runs.answers() {
            self.reads_past_runs = false;
            match past {
                Ok(past) => self.add_past(*past),
                Err(error) => self.workspace.complain(&error),
            }
        }
        for (what, path) in self.workspace.take_answers() {
            self.use_path(what, path);
        }
        self.workspace.evaluations.take_answers();
        if self.config.take_answers(&mut self.workspace) {
            self.shell.shows_form = true;
        }
        self.data_preview.take_answers();
        self.take_in_asked();
        self.export.take_answers();
        self.mix.take_answers();
        match self.models.take_answers() {
            Some(Ok(path)) => {
                let text = tr!("{} is here, and the configuration uses it", shown(&path));
                self.workspace.notify(Notice::info(text));
                self.use_path(PathFor::Checkpoint, path);
            }
            // The dialog says it too, if it is open.
            Some(Err(reason)) if !self.models.is_open => {
                self.workspace.notify(Notice::error(reason));
            }
            Some(Err(_)) | None => {}
        }
        self.runs.folders.take_answers(&mut self.workspace);
        self.runs.details.take_answers();
        for dropped in self.drops.answers() {
            match dropped {
                Ok(dropped) => self.take_dropped(dropped),
                Err(error) => self.workspace.complain(&error),
            }
        }
        self.states.take_answers();
        if self.import.take_answers(&mut self.workspace) {
            self.shell.shows_form = true;
        }
    }

    /// Takes in what sweeps have come to.
    pub(super) fn take_in_sweep(&mut self) {
        self.sweep.take_in(&mut self.workspace.store);
        for notice in std::mem::take(&mut self.sweep.notices) {
            self.workspace.notify(notice);
        }
        if let Some(base) = self.sweep.base.take() {
            self.config.origin = None;
            self.workspace.draft = *base;
            let text = tr!("The sweep is loaded, and the configuration is its base run");
            self.workspace.notify(Notice::info(text.into()));
        }
    }

    /// Runs that began while the others were read stay as they are.
    fn add_past(&mut self, past: RunStore) {
        for run in past.runs() {
            if self.workspace.store.get(&run.id).is_none() {
                self.workspace.store.add(run.clone());
            }
        }
        self.workspace.store.broken = past.broken;
        self.go_on_from_last_time();
        if let (None, Some(run)) = (
            self.workspace.selection.focused(),
            self.workspace.store.runs().last(),
        ) {
            let newest = run.id.clone();
            self.workspace.selection.select_only(&newest);
        }
    }

    /// Uses a path that was chosen.
    pub fn use_path(&mut self, what: PathFor, path: PathBuf) {
        let draft = &mut self.workspace.draft;
        match what {
            PathFor::Checkpoint | PathFor::CheckpointFolder => {
                draft.model.checkpoint = CheckpointSource::File(path);
            }
            PathFor::Vocabulary => draft.model.vocabulary = VocabularySource::File(path),
            PathFor::BenchmarkFolder => {
                if let DataSource::Official { folder, .. } = &mut draft.data.source {
                    *folder = path;
                }
            }
            PathFor::Train => {
                if let DataSource::Jsonl {
                    train, template, ..
                } = &mut draft.data.source
                {
                    *template = fitting_template(&path, template.clone());
                    *train = path;
                }
            }
            PathFor::Template => {
                if let DataSource::Jsonl { template, .. } = &mut draft.data.source {
                    *template = Template::File(path);
                }
            }
            PathFor::Validation => {
                if let DataSource::Jsonl { validation, .. } = &mut draft.data.source {
                    *validation = Some(path);
                }
            }
            PathFor::StartState => {
                if let Some(start) = draft.method.start_mut() {
                    *start = StartState::File(path);
                }
            }
            PathFor::ImportedState => {
                let open = &mut self.import.open;
                open.get_or_insert_with(|| ImportDialog::new(None))
                    .choose(&path);
            }
            PathFor::ScoredFolder => self.scoring.files_in(path),
            PathFor::OpenSpec => self.config.read_spec(path),
            // As if it had been dropped on the window.
            PathFor::OpenFolder => self.look_at_dropped(path),
            PathFor::SaveSpec => {
                let text = print_commented_spec(&self.workspace.draft);
                self.save_text(&path, text);
            }
            PathFor::OpenSweep => self.sweep.read(path),
            PathFor::SaveSweep => {
                let text = print_sweep(&self.sweep.spec(&self.workspace.draft));
                self.save_text(&path, text);
            }
            PathFor::Picture => self.shell.pictures.save_asked(path, &self.workspace),
            PathFor::Export => self.export.export_to(&path),
            PathFor::Chat => self.playground.saving.save_to(path),
            PathFor::Numbers => self.export.write_numbers(path, &self.workspace),
            PathFor::Diagnostics => self.export.write_diagnostics(path, &self.workspace),
            PathFor::Report => {
                let runs = self.export.take_runs(&self.workspace.store);
                let svg = |metric| self.tune.svg(metric, &runs, &self.workspace);
                let charts: Vec<Metric> = self.tune.layouts.now.metrics().collect();
                let page = report(&runs, &charts, svg);
                let saved = tr!("Saved {}", shown(&path));
                self.workspace
                    .start_quietly(move || page.write(&path).map(|()| Some(saved)));
            }
            PathFor::Svg(metric) => {
                let runs = self.export.take_runs(&self.workspace.store);
                let svg = self.tune.svg(metric, &runs, &self.workspace);
                let saved = tr!("Saved {}", shown(&path));
                self.workspace
                    .start_quietly(move || write_text(&path, &svg).map(|()| Some(saved)));
            }
        }
    }

    fn save_text(&mut self, path: &Path, text: Result<String>) {
        let saved = text.and_then(|text| write_text(path, &text));
        match saved {
            Ok(()) => self
                .workspace
                .notify(Notice::info(tr!("Saved {}", shown(path)))),
            Err(error) => self.workspace.notify(Notice::error(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tuning::spec::{LiftSpec, Method, StandardSpec};
    use crate::ui::app::saved::SavedState;

    #[test]
    fn every_method_that_has_a_start_takes_a_state_file() {
        let methods = [
            Method::Standard(StandardSpec::default()),
            Method::Lifted(LiftSpec::default()),
        ];
        for method in methods {
            let mut state = SavedState::default();
            state.draft.method = method;
            let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
            app.use_path(PathFor::StartState, "state.pth".into());
            let (_, start) = app.workspace.draft.method.tuned().unwrap();
            assert_eq!(*start, StartState::File("state.pth".into()));
        }
    }
}
