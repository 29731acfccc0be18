//! What came of work beside the window: files that were read and paths that
//! were chosen.

use std::path::{Path, PathBuf};

use super::{App, Notice};
use crate::atomic::write_atomic;
use crate::error::Result;
use crate::persist::spec_file::print_spec;
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::runs::RunStore;
use crate::sweep::sweep_file::print_sweep;
use crate::tuning::spec::StartState;
use crate::ui::shared::background::Answer;
use crate::ui::shell::path_dialogs::PathFor;
use crate::words::shown;

impl App {
    pub(crate) fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::PastRuns(past) => {
                self.reads_past_runs = false;
                match past {
                    Ok(past) => self.add_past(*past),
                    Err(error) => self.notify(Notice::error(error.to_string())),
                }
            }
            Answer::Adapters(adapters) => self.caches.adapters = Some(adapters),
            Answer::Chosen(what, path) => self.use_path(what, path),
            Answer::Spec(Ok(spec)) => {
                self.state.draft = *spec;
                self.state.shows_form = true;
            }
            Answer::Spec(Err(error)) => self.notify(Notice::error(error.to_string())),
            Answer::Done(Ok(text)) => self.notify(Notice::info(text)),
            Answer::Done(Err(error)) => self.notify(Notice::error(error.to_string())),
            Answer::Memory(device, bytes) => self.caches.foreseen.take_memory(device, bytes),
            Answer::DataPreview(key, looked) => self.take_data_look(key, looked),
            Answer::Exported(outcome) => self.take_exported(outcome),
            Answer::Moved(moved) => self.take_moved(*moved),
            Answer::Dropped(Ok(dropped)) => self.take_dropped(dropped),
            Answer::Dropped(Err(error)) => self.notify(Notice::error(error.to_string())),
            Answer::Foreseen(spec, seen) => self.caches.foreseen.take(*spec, seen),
            Answer::State(key, state) => self.caches.states.take_state(key, state),
            Answer::Shown(key, shown) => self.caches.states.shown.take(key, shown),
            Answer::Evaluations(run, stamp, files) => {
                self.caches.measured.take(&run, &stamp, files);
                self.caches.measured.keep_current();
            }
            Answer::Compared(pair, comparison) => {
                self.caches.measured.take_pair(&pair, comparison);
            }
            Answer::Grid(key, grid) => self.caches.states.grid.take(key, grid),
        }
    }

    /// Takes in what sweeps have come to.
    pub(crate) fn take_in_sweep(&mut self) {
        self.sweep.take_in(&mut self.store);
        for notice in std::mem::take(&mut self.sweep.notices) {
            self.notify(notice);
        }
        if let Some(base) = self.sweep.base.take() {
            self.state.draft = *base;
            let text = "The sweep is set up, and the configuration is its base run";
            self.notify(Notice::info(text.into()));
        }
    }

    /// Has read the evaluations of the runs that are looked at and of the
    /// baseline, and has compared what the views asked for.
    pub(crate) fn read_evaluations(&mut self) {
        for id in self.state.selected.iter().chain(&self.state.baseline) {
            let Some(run) = self.store.get(id) else {
                continue;
            };
            if let Some((stamp, folder)) = self.caches.measured.wants(run) {
                self.background.read_evaluations(id.clone(), stamp, folder);
            }
        }
        for pair in self.caches.measured.asked_pairs() {
            self.background.compare(pair);
        }
    }

    /// Runs that began while the others were read stay as they are.
    fn add_past(&mut self, past: RunStore) {
        for run in past.runs() {
            if self.store.get(&run.id).is_none() {
                self.store.add(run.clone());
            }
        }
        self.store.broken = past.broken;
        self.go_on_from_last_time();
        if let (None, Some(run)) = (self.state.focused(), self.store.runs().last()) {
            let newest = run.id.clone();
            self.state.select_only(&newest);
        }
    }

    /// Uses a path that was chosen.
    pub fn use_path(&mut self, what: PathFor, path: PathBuf) {
        let draft = &mut self.state.draft;
        match what {
            PathFor::Checkpoint => draft.model.checkpoint = CheckpointSource::File(path),
            PathFor::Vocabulary => draft.model.vocabulary = VocabularySource::File(path),
            PathFor::BenchmarkFolder => {
                if let DataSource::Official { folder, .. } = &mut draft.data.source {
                    *folder = path;
                }
            }
            PathFor::Train => {
                if let DataSource::Jsonl { train, .. } = &mut draft.data.source {
                    *train = path;
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
            PathFor::ScoredFolder => self.score_files_in(path),
            PathFor::OpenSpec => self.background.read_spec(path),
            // As if it had been dropped on the window.
            PathFor::OpenFolder => self.background.look_at_dropped(path),
            PathFor::SaveSpec => {
                let text = print_spec(&self.state.draft);
                self.save_text(&path, text);
            }
            PathFor::OpenSweep => self.sweep.read(path),
            PathFor::SaveSweep => {
                let text = print_sweep(&self.sweep.spec(&self.state.draft));
                self.save_text(&path, text);
            }
            PathFor::Picture => self.picture_to(path),
            PathFor::Export | PathFor::Numbers | PathFor::Svg(_) | PathFor::Diagnostics => {
                self.write_to(what, path)
            }
        }
    }

    fn save_text(&mut self, path: &Path, text: Result<String>) {
        let saved = text.and_then(|text| {
            write_atomic(path, |file| {
                std::io::Write::write_all(file, text.as_bytes())
            })
        });
        match saved {
            Ok(()) => self.notify(Notice::info(format!("Saved {}", shown(path)))),
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tuning::spec::{LiftSpec, Method, StandardSpec};
    use crate::ui::ui_state::UiState;

    #[test]
    fn every_method_that_has_a_start_takes_a_state_file() {
        let methods = [
            Method::Standard(StandardSpec::default()),
            Method::Lifted(LiftSpec::default()),
        ];
        for method in methods {
            let mut state = UiState::default();
            state.draft.method = method;
            let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
            app.use_path(PathFor::StartState, "state.pth".into());
            let (_, start) = app.state.draft.method.tuned().unwrap();
            assert_eq!(*start, StartState::File("state.pth".into()));
        }
    }
}
