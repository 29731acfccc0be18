//! How the actions on sweeps are carried out.

use std::path::{Path, PathBuf};

use super::action::SweepAction;
use super::opened::{LiveSweep, OpenSweep};
use super::state::{Answer, SweepState};
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;
use crate::sweep::estimate::Estimator;
use crate::sweep::handle::SweepHandle;
use crate::sweep::scheduler::{Options, STOP_PATIENCE, SweepCommand};
use crate::sweep::spec::SweepSpec;
use crate::sweep::store::SweepFolder;
use crate::sweep::sweep_file::read_sweep;
use crate::ui::shared::notice::Notice;

impl SweepState {
    /// Does what was asked for.
    pub fn apply(&mut self, action: SweepAction, base: &RunSpec, runs_dir: &Path) {
        match action {
            SweepAction::Start => {
                let (spec, runs_dir) = (self.spec(base), runs_dir.to_path_buf());
                self.begin_beside(false, move || {
                    let plan = spec.plan()?;
                    // What would refuse a run refuses the sweep before it is written.
                    Estimator::new(&plan)?;
                    SweepFolder::create(&runs_dir, plan)
                });
            }
            SweepAction::GoOn { retry } => {
                if let Some(path) = self.shown.as_ref().map(|shown| shown.path.clone()) {
                    self.go_on(path, retry);
                }
            }
            SweepAction::Tell(command) => self.tell(command),
            SweepAction::Open(path) => {
                self.stays_in_set_up = false;
                if !self.bring_forward(&path) {
                    self.open(path);
                }
            }
            SweepAction::New => {
                self.is_setting_up = true;
                self.draft.name = self.free_name();
            }
            SweepAction::UseShipped(name) => self.read(name.into()),
        }
    }

    /// Reads a sweep and sets it up: a file, or one that ships by its name.
    pub fn read(&self, path: PathBuf) {
        self.beside(move || {
            let read = read_sweep(path).and_then(|sweep| {
                let base = sweep.base_run()?;
                Ok(Box::new((sweep, base)))
            });
            Answer::Read(read)
        });
    }

    /// Sets up a sweep. Its base run becomes the configuration, with the changes
    /// that hold for every run, so that what runs is what is seen.
    pub(crate) fn set_up(&mut self, sweep: SweepSpec, base: RunSpec) {
        let is_taken = self.is_taken(&sweep.name);
        self.texts.clear();
        self.draft = SweepSpec {
            name: if is_taken {
                self.free_name()
            } else {
                sweep.name
            },
            base: SweepSpec::default().base,
            set: Vec::new(),
            ..sweep
        };
        self.is_setting_up = true;
        self.base = Some(Box::new(base));
    }

    /// Goes on with the sweep in `path`.
    pub fn go_on(&mut self, path: PathBuf, retry: bool) {
        if !self.is_on() {
            self.beginning = Some(path.clone());
        }
        self.begin_beside(retry, move || SweepFolder::open(&path));
    }

    /// Has a sweep begin once its folder is there, unless one is on.
    fn begin_beside(
        &mut self,
        retry: bool,
        folder: impl FnOnce() -> Result<SweepFolder> + Send + 'static,
    ) {
        if self.is_on() {
            let text = tr!("a sweep is running; start another one when it has ended");
            self.notices.push(Notice::error(text.into()));
            return;
        }
        self.is_beginning = true;
        self.beside(move || {
            let begun =
                folder().and_then(|folder| Ok(Box::new((OpenSweep::new(&folder)?, folder))));
            Answer::Begun(begun, retry)
        });
    }

    /// Conducts a sweep whose folder is there, unless it was stopped meanwhile.
    pub(crate) fn take_begun(&mut self, begun: Result<Box<(OpenSweep, SweepFolder)>>, retry: bool) {
        self.beginning = None;
        let is_wanted = std::mem::take(&mut self.is_beginning);
        let (shown, folder) = match begun {
            Ok(begun) => *begun,
            Err(error) => return self.notices.push(Notice::error(error.to_string())),
        };
        if !self.known.contains(&shown.path) {
            self.known.push(shown.path.clone());
        }
        self.show(shown);
        if !is_wanted {
            return;
        }
        let options = Options {
            program: self.program.clone(),
            n_jobs: self.n_jobs,
            retry,
            patience: STOP_PATIENCE,
        };
        let wake = self.wake.clone();
        match SweepHandle::start(folder, options, move || wake()) {
            Ok(handle) => {
                if let Some(shown) = &mut self.shown {
                    shown.live = Some(LiveSweep::new(Some(handle), shown));
                }
            }
            Err(error) => self.notices.push(Notice::error(error.to_string())),
        }
    }

    /// Looks at the sweep in `path`.
    pub fn open(&self, path: PathBuf) {
        self.beside(move || Answer::Opened(OpenSweep::read(&path).map(Box::new)));
    }

    /// Looks at the sweep in `path` if it is the active one; whether it is.
    pub(crate) fn bring_forward(&mut self, path: &Path) -> bool {
        if self.on().is_none_or(|on| on.path != path) {
            return false;
        }
        if let Some(behind) = self.behind.take() {
            self.show(behind);
        }
        self.is_setting_up = false;
        true
    }

    fn tell(&mut self, command: SweepCommand) {
        if command == SweepCommand::Stop {
            self.is_beginning = false;
        }
        let Some(live) = self.on_mut().and_then(|sweep| sweep.live.as_mut()) else {
            return;
        };
        match command {
            SweepCommand::Pause => live.is_held = true,
            SweepCommand::Resume => live.is_held = false,
            SweepCommand::Stop => {
                live.is_stopping = true;
                live.is_held = false;
            }
            SweepCommand::Skip(_) | SweepCommand::Unskip(_) | SweepCommand::Order(_) => {}
        }
        // A sweep that has ended says so itself.
        if let Some(handle) = &live.handle {
            let _ = handle.commands.send(command);
        }
    }

    /// A name that no sweep of the store has.
    pub(crate) fn free_name(&self) -> String {
        let mut names = (1..).map(|n| format!("sweep-{n}"));
        let free = names.find(|name| !self.is_taken(name));
        free.unwrap_or_default()
    }

    fn is_taken(&self, name: &str) -> bool {
        let is_of = |path: &PathBuf| path.file_name().is_some_and(|of| of == name);
        self.known.iter().any(is_of)
    }
}
