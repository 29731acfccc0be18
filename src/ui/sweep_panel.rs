//! What the window knows of sweeps: the one that is being set up, and the one
//! that is looked at. Plans are made and folders are read on threads of their
//! own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::app::Notice;
use super::background::WakeUp;
use super::sweep_look::SweepLook;
use super::sweep_shown::plan;
pub use super::sweep_shown::{Live, Planned, Shown};
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::sweep::conduct::{Options, SweepCommand, SweepEnd, SweepEvent};
use crate::sweep::handle::{SweepHandle, SweepMessage};
use crate::sweep::spec::{BaseRun, SweepPart, SweepSpec};
use crate::sweep::store::{SweepFolder, sweeps_in};
use crate::sweep::sweep_file::read_sweep;

/// Runs of the past that times are read from.
const MAX_LEARNED: usize = 24;

/// Something that people asked of sweeps.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepAction {
    /// Begin the one that is set up.
    Start,
    /// Go on with the one that is looked at.
    GoOn {
        /// Try failed runs again.
        retry: bool,
    },
    /// Tell the one that goes on something.
    Tell(SweepCommand),
    /// Look at the one in this folder.
    Open(PathBuf),
    /// Set up a new one.
    New,
    /// Take the parts of one that ships with the program.
    UseShipped(&'static str),
}

/// What came of work beside the window.
enum Answer {
    Planned(Box<SweepSpec>, Result<Box<Planned>>),
    Opened(Result<Box<Shown>>),
    Known(Vec<PathBuf>),
    Begun(Result<Box<(Shown, SweepFolder)>>),
}

/// Sweeps in the window.
pub struct SweepPanel {
    /// The sweep that is being set up; its base run is the configuration.
    pub draft: SweepSpec,
    /// Runs side by side.
    pub n_jobs: usize,
    /// Whether it is shown; else the one that is looked at.
    pub is_setting_up: bool,
    /// Texts of lists of values that are being edited, by part and axis.
    pub texts: BTreeMap<(usize, usize), String>,
    /// Its plan, or why there is none.
    pub planned: Option<std::result::Result<Box<Planned>, String>>,
    /// The sweep that is looked at.
    pub shown: Option<Shown>,
    /// Folders of the sweeps of the store.
    pub known: Vec<PathBuf>,
    /// How its results are looked at.
    pub look: SweepLook,
    /// Messages for people that are not shown yet.
    pub notices: Vec<Notice>,
    /// The program whose processes do the runs.
    pub program: PathBuf,
    asked: Option<SweepSpec>,
    known_of: Option<SweepSpec>,
    wake: WakeUp,
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
}

impl SweepPanel {
    /// Nothing is known yet.
    pub fn new(wake: WakeUp) -> Self {
        let (sender, answers) = unbounded();
        let mut draft = SweepSpec {
            name: "sweep-1".into(),
            ..SweepSpec::default()
        };
        draft.parts.push(SweepPart::default());
        Self {
            draft,
            n_jobs: 1,
            is_setting_up: true,
            texts: BTreeMap::new(),
            planned: None,
            shown: None,
            known: Vec::new(),
            look: SweepLook::default(),
            notices: Vec::new(),
            program: std::env::current_exe().unwrap_or_default(),
            asked: None,
            known_of: None,
            wake,
            sender,
            answers,
        }
    }

    /// Whether a sweep goes on.
    pub fn is_on(&self) -> bool {
        self.shown
            .as_ref()
            .is_some_and(|shown| shown.live.is_some())
    }

    /// The sweep that is set up, of `base`.
    pub fn spec(&self, base: &RunSpec) -> SweepSpec {
        SweepSpec {
            base: BaseRun::Run(Box::new(base.clone())),
            ..self.draft.clone()
        }
    }

    /// Looks for the sweeps of the store.
    pub fn list(&self, runs_dir: &Path) {
        let runs_dir = runs_dir.to_path_buf();
        // A store that cannot be listed is told of by the list of runs.
        self.beside(move || Answer::Known(sweeps_in(&runs_dir).unwrap_or_default()));
    }

    /// Has the draft planned, if it or the configuration changed, with the
    /// memory of the device if that is wanted.
    pub fn look_ahead(&mut self, base: &RunSpec, store: &RunStore, wants_memory: bool) {
        if self.asked.is_some() || !self.is_setting_up {
            return;
        }
        let spec = self.spec(base);
        if self.known_of.as_ref() == Some(&spec) {
            return;
        }
        self.asked = Some(spec.clone());
        let like = |run: &&Run| run.spec.device == base.device && run.spec.model == base.model;
        let past: Vec<Run> = store
            .runs()
            .iter()
            .rev()
            .filter(like)
            .take(MAX_LEARNED)
            .cloned()
            .collect();
        self.beside(move || {
            let planned = plan(&spec, &past, wants_memory).map(Box::new);
            Answer::Planned(Box::new(spec), planned)
        });
    }

    fn beside(&self, work: impl FnOnce() -> Answer + Send + 'static) {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let work = move || {
            // A window that is gone does not wait for it.
            let _ = sender.send(work());
            wake();
        };
        // Without a thread there is no answer, and the window says nothing of it.
        let _ = Builder::new().name("sweep plan".into()).spawn(work);
    }

    /// Takes in what has happened since the last frame. Events of workers go
    /// to `store`.
    pub fn take_in(&mut self, store: &mut RunStore) {
        let answers: Vec<Answer> = self.answers.try_iter().collect();
        for answer in answers {
            self.take_answer(answer);
        }
        let Some(shown) = &mut self.shown else { return };
        let messages: Vec<SweepMessage> = match &shown.live {
            Some(Live {
                handle: Some(handle),
                ..
            }) => handle.messages.try_iter().collect(),
            Some(_) | None => return,
        };
        let (mut is_changed, mut is_over) = (false, false);
        for message in messages {
            match message {
                SweepMessage::Event(SweepEvent::Worker(event)) => store.apply(*event),
                SweepMessage::Event(SweepEvent::Task { task, facts }) => {
                    shown.queue.facts.insert(task, *facts);
                    is_changed = true;
                }
                SweepMessage::Event(SweepEvent::Order(order)) => shown.queue.order = order,
                SweepMessage::Event(SweepEvent::Note(note)) => {
                    self.notices.push(Notice::info(note))
                }
                SweepMessage::Ended(end) => {
                    shown.live = None;
                    is_changed = true;
                    match end {
                        Ok(SweepEnd::Complete | SweepEnd::Stopped) => {}
                        Err(error) => shown.failure = Some(error.to_string()),
                    }
                    is_over = true;
                }
            }
        }
        if is_changed {
            shown.refresh();
        }
        if is_over {
            shown.close(store, &mut self.notices);
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Planned(spec, planned) => {
                self.asked = None;
                self.known_of = Some(*spec);
                self.planned = Some(planned.map_err(|error| error.to_string()));
            }
            Answer::Opened(Ok(shown)) => {
                self.show(*shown);
            }
            Answer::Opened(Err(error)) => self.notices.push(Notice::error(error.to_string())),
            Answer::Known(known) => {
                // The newest one of the last time is what people come back to.
                if let (None, Some(last), true) = (&self.shown, known.last(), self.known.is_empty())
                {
                    self.open(last.clone());
                }
                self.known = known;
            }
            Answer::Begun(Ok(begun)) => {
                let (shown, folder) = *begun;
                if !self.known.contains(&shown.path) {
                    self.known.push(shown.path.clone());
                }
                self.show(shown);
                self.begin(folder, false);
            }
            Answer::Begun(Err(error)) => self.notices.push(Notice::error(error.to_string())),
        }
    }

    /// Looks at a sweep.
    pub fn show(&mut self, shown: Shown) {
        self.look.fit(&shown.results);
        self.shown = Some(shown);
        self.is_setting_up = false;
    }

    /// Looks at the sweep in `path`.
    pub fn open(&self, path: PathBuf) {
        self.beside(move || Answer::Opened(Shown::read(&path).map(Box::new)));
    }

    fn begin(&mut self, folder: SweepFolder, retry: bool) {
        let options = Options {
            program: self.program.clone(),
            n_jobs: self.n_jobs,
            retry,
        };
        let wake = self.wake.clone();
        match SweepHandle::start(folder, options, move || wake()) {
            Ok(handle) => {
                if let Some(shown) = &mut self.shown {
                    shown.failure = None;
                    shown.live = Some(Live::new(Some(handle), shown));
                }
            }
            Err(error) => self.notices.push(Notice::error(error.to_string())),
        }
    }

    /// Does what was asked for.
    pub fn apply(&mut self, action: SweepAction, base: &RunSpec, runs_dir: &Path) {
        match action {
            SweepAction::Start => {
                let (spec, runs_dir) = (self.spec(base), runs_dir.to_path_buf());
                self.beside(move || {
                    let begun = spec
                        .plan()
                        .and_then(|plan| SweepFolder::create(&runs_dir, plan));
                    let begun =
                        begun.and_then(|folder| Ok(Box::new((Shown::new(&folder)?, folder))));
                    Answer::Begun(begun)
                });
            }
            SweepAction::GoOn { retry } => {
                let Some(shown) = self.shown.as_ref().filter(|shown| shown.live.is_none()) else {
                    return;
                };
                match SweepFolder::open(&shown.path) {
                    Ok(folder) => self.begin(folder, retry),
                    Err(error) => self.notices.push(Notice::error(error.to_string())),
                }
            }
            SweepAction::Tell(command) => self.tell(command),
            SweepAction::Open(path) => {
                if self.is_on() {
                    let text = "a sweep goes on; stop it before another is looked at";
                    self.notices.push(Notice::error(text.into()));
                } else {
                    self.open(path);
                }
            }
            SweepAction::New => {
                self.is_setting_up = true;
                self.draft.name = self.free_name();
            }
            SweepAction::UseShipped(name) => match read_sweep(name) {
                Ok(sweep) => {
                    self.texts.clear();
                    self.draft = SweepSpec {
                        name: self.free_name(),
                        ..sweep
                    };
                }
                Err(error) => self.notices.push(Notice::error(error.to_string())),
            },
        }
    }

    fn tell(&mut self, command: SweepCommand) {
        let Some(live) = self.shown.as_mut().and_then(|shown| shown.live.as_mut()) else {
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
    fn free_name(&self) -> String {
        let taken = |name: &String| {
            let is_of = |path: &PathBuf| path.file_name().is_some_and(|of| of == name.as_str());
            self.known.iter().any(is_of)
        };
        let mut names = (1..).map(|n| format!("sweep-{n}"));
        names.find(|name| !taken(name)).unwrap_or_default()
    }
}
