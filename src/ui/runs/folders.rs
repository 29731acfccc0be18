//! What people do with runs as folders: write on them, delete them and put them
//! back, and drop files on the window.

use std::path::{Path, PathBuf};

use eframe::egui::Context;

use crate::error::{Error, Result};
use crate::persist::run_labels::RunLabels;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::tuning::spec::{Method, StandardSpec, StartState};
use crate::ui::app::{App, Notice, Remedy};
use crate::ui::shared::background::{Dropped, Moved};
use crate::ui::ui_state::Tab;

/// The folder, beside the runs, that deleted ones are moved to.
pub const DELETED: &str = ".deleted";

impl App {
    /// Writes on a run, in its folder too.
    pub(crate) fn label(&mut self, run: &RunId, labels: RunLabels) {
        let Some(folder) = self.store.get(run).map(|run| run.folder.clone()) else {
            return;
        };
        self.store.label(run, labels.clone());
        self.background
            .start_quietly(move || labels.write(&folder).map(|()| None));
    }

    /// Moves the folders of runs that are over out of the way.
    pub(crate) fn delete(&mut self, runs: &[RunId]) {
        self.deleted.clear();
        for id in runs {
            let Some(run) = self.store.get(id) else {
                continue;
            };
            if !run.status.is_over() {
                let text = format!("{} is on; stop it before it is deleted", run.title());
                self.notify(Notice::error(text));
                continue;
            }
            if let Some(run) = self.store.take(id) {
                let to = self.runs_dir.join(DELETED).join(&run.id.0);
                self.background.move_run(run, to, false);
            }
        }
    }

    /// Puts the runs back that were deleted last.
    pub(crate) fn undelete(&mut self) {
        for (run, from) in std::mem::take(&mut self.deleted) {
            self.background.move_run(run, from, true);
        }
    }

    pub(crate) fn take_moved(&mut self, moved: Moved) {
        let Moved {
            mut run,
            from,
            to,
            is_back,
            problem,
        } = moved;
        if let Some(error) = problem {
            if !is_back {
                self.store.add(run);
            }
            self.notify(Notice::error(error.to_string()));
            return;
        }
        run.folder = to;
        if is_back {
            self.state.select_only(&run.id.clone());
            self.store.add(run);
            return;
        }
        self.deleted.push((run, from));
        let text = match &self.deleted[..] {
            [(run, _)] => format!("{} was moved to {DELETED}", run.title()),
            all => format!("{} runs were moved to {DELETED}", all.len()),
        };
        self.notify(Notice::info(text).with(Remedy::Undelete));
    }

    /// Begins to look at files that were dropped on the window.
    pub(crate) fn take_drops(&mut self, ctx: &Context) {
        let paths: Vec<PathBuf> = ctx.input(|input| {
            let files = input.raw.dropped_files.iter();
            files.map(|file| file.path().to_path_buf()).collect()
        });
        for path in paths {
            self.background.look_at_dropped(path);
        }
    }

    pub(crate) fn take_dropped(&mut self, dropped: Dropped) {
        let draft = &mut self.state.draft;
        let what = match dropped {
            Dropped::Run(run) => {
                let id = run.id.clone();
                self.store.add(*run);
                self.state.select_only(&id);
                return;
            }
            Dropped::Sweep(path) => {
                self.sweep.read(path);
                self.state.dock.open(Tab::Sweep);
                return;
            }
            Dropped::SweepFolder(path) => {
                self.sweep.open(path);
                self.state.dock.open(Tab::Sweep);
                return;
            }
            Dropped::Spec(spec) => {
                *draft = *spec;
                "The configuration is that of the file"
            }
            Dropped::Model(path) => {
                draft.model.checkpoint = CheckpointSource::File(path);
                "The model of the configuration is that file"
            }
            Dropped::Vocabulary(path) => {
                draft.model.vocabulary = VocabularySource::File(path);
                "The vocabulary of the configuration is that file"
            }
            Dropped::State(path) => {
                start_from(&mut draft.method, path);
                "The configuration starts from that state"
            }
            Dropped::Texts(path) => {
                let (validation, template) = match &draft.data.source {
                    DataSource::Jsonl {
                        validation,
                        template,
                        ..
                    } => (validation.clone(), *template),
                    DataSource::Mini(_) | DataSource::Official { .. } => Default::default(),
                };
                draft.data.source = DataSource::Jsonl {
                    train: path,
                    validation,
                    template,
                };
                "The configuration trains on that file"
            }
        };
        self.state.shows_form = true;
        self.notify(Notice::info(what.into()));
    }
}

fn start_from(method: &mut Method, path: PathBuf) {
    let file = StartState::File(path);
    match method {
        Method::Standard(standard) => standard.start = file,
        Method::Lifted(lift) => lift.start = file,
        Method::Base | Method::PaperLiteral(_) => {
            *method = Method::Standard(StandardSpec {
                start: file,
                ..StandardSpec::default()
            });
        }
    }
}

/// Moves a run's folder, which stays whole: either it is moved or it is not.
pub(crate) fn move_folder(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
    }
    if to.exists() {
        let reason = "is there already; move it out of the way";
        return Err(Error::input(to, "folder", reason));
    }
    std::fs::rename(from, to).map_err(|error| Error::io("move", from, error))
}

/// Shows a folder in the system's own program.
pub(crate) fn reveal(folder: &Path) -> Result<()> {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let started = std::process::Command::new(program).arg(folder).spawn();
    // Nobody waits for the program, so a thread of its own takes its end.
    let mut child = started.map_err(|error| Error::io("open", folder, error))?;
    let _ = child.wait();
    Ok(())
}
