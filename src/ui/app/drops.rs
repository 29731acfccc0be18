//! Files and folders that are dropped on the window.

use std::path::PathBuf;

use eframe::egui::Context;

use super::App;
use super::dropped::Dropped;
use crate::data::fitting_template;
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::tuning::spec::{Method, StandardSpec, StartState};
use crate::ui::shared::notice::Notice;
use crate::ui::shared::tab::Tab;

impl App {
    /// Looks at what was dropped on the window, beside it.
    pub(super) fn look_at_dropped(&self, path: PathBuf) {
        self.drops.start(move || Some(Dropped::of(path)));
    }

    /// Begins to look at files that were dropped on the window.
    pub(super) fn take_drops(&mut self, ctx: &Context) {
        let paths: Vec<PathBuf> = ctx.input(|input| {
            let files = input.raw.dropped_files.iter();
            files.map(|file| file.path().to_path_buf()).collect()
        });
        for path in paths {
            self.look_at_dropped(path);
        }
    }

    pub(super) fn take_dropped(&mut self, dropped: Dropped) {
        let draft = &mut self.workspace.draft;
        let what = match dropped {
            Dropped::Run(run) => {
                let id = run.id.clone();
                self.workspace.store.add(*run);
                self.workspace.selection.select_only(&id);
                return;
            }
            Dropped::Sweep(path) => {
                self.sweep.read(path);
                self.shell.dock.open(Tab::Sweep);
                return;
            }
            Dropped::SweepFolder(path) => {
                self.sweep.open(path);
                self.shell.dock.open(Tab::Sweep);
                return;
            }
            Dropped::Spec(spec) => {
                self.config.origin = None;
                *draft = *spec;
                tr!("The configuration is loaded from the file")
            }
            Dropped::Model(path) => {
                draft.model.checkpoint = CheckpointSource::File(path);
                tr!("The configuration uses this model file")
            }
            Dropped::Vocabulary(path) => {
                draft.model.vocabulary = VocabularySource::File(path);
                tr!("The configuration uses this vocabulary file")
            }
            Dropped::State(path) => {
                start_from(&mut draft.method, path);
                tr!("The configuration starts from this state")
            }
            Dropped::Texts(path) => {
                let (validation, template) = match &draft.data.source {
                    DataSource::Jsonl {
                        validation,
                        template,
                        ..
                    } => (validation.clone(), template.clone()),
                    DataSource::Mini(_) | DataSource::Official { .. } => Default::default(),
                };
                let template = fitting_template(&path, template);
                draft.data.source = DataSource::Jsonl {
                    train: path,
                    validation,
                    template,
                };
                tr!("The configuration trains on this file")
            }
        };
        self.shell.shows_form = true;
        self.workspace.notify(Notice::info(what.into()));
    }
}

fn start_from(method: &mut Method, path: PathBuf) {
    let file = StartState::File(path);
    match method {
        Method::Standard(standard) => standard.start = file,
        Method::Lifted(lift) => lift.start = file,
        Method::Lora(lora) => lora.start = file,
        Method::Base | Method::PaperLiteral(_) => {
            *method = Method::Standard(StandardSpec {
                start: file,
                ..StandardSpec::default()
            });
        }
    }
}
