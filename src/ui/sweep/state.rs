//! The state of the sweep view: the draft and the open sweep. Plans are made and
//! folders are read on other threads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::opened::{LiveSweep, OpenSweep, Planned, plan};
use super::settings::ResultsSettings;
use crate::error::Result;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::sweep::handle::SweepMessage;
use crate::sweep::scheduler::{SweepEnd, SweepEvent};
use crate::sweep::spec::{BaseRun, SweepPart, SweepSpec};
use crate::sweep::store::{SweepFolder, sweeps_in};
use crate::sweep::task::Task;
use crate::ui::shared::background::WakeUp;
use crate::ui::shared::notice::Notice;
use crate::ui::shared::run_in_sweep::RunInSweep;

/// Runs of the past that times are read from.
const MAX_LEARNED: usize = 24;

/// What came of work beside the window.
pub(crate) enum Answer {
    Planned(Box<SweepSpec>, Result<Box<Planned>>),
    Opened(Result<Box<OpenSweep>>),
    /// A sweep from a file, with its base run.
    Read(Result<Box<(SweepSpec, RunSpec)>>),
    Known(Vec<PathBuf>),
    /// The sweep that is looked at, as the disk has it now.
    ReadAgain(PathBuf, Result<Box<OpenSweep>>),
    /// A sweep to conduct, and whether failed runs are tried again.
    Begun(Result<Box<(OpenSweep, SweepFolder)>>, bool),
}

/// Sweeps in the window.
pub struct SweepState {
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
    pub shown: Option<OpenSweep>,
    /// The active sweep while another one is looked at.
    pub(crate) behind: Option<OpenSweep>,
    /// Folders of the sweeps of the store.
    pub known: Vec<PathBuf>,
    /// How its results are looked at.
    pub look: ResultsSettings,
    /// Messages for the user that are not shown yet.
    pub notices: Vec<Notice>,
    /// The program whose processes do the runs.
    pub program: PathBuf,
    /// Whether a sweep was asked to begin or to go on and does not yet.
    pub(crate) is_beginning: bool,
    /// The folder of one that is to continue, until it does.
    pub(crate) beginning: Option<PathBuf>,
    /// The sweep that was looked at when the window closed.
    pub(crate) reopens: Option<PathBuf>,
    /// Whether the set-up stays before the sweep that is opened first.
    pub(crate) stays_in_set_up: bool,
    /// What the configuration becomes, since a sweep was read that changes it.
    pub(crate) base: Option<Box<RunSpec>>,
    asked: Option<SweepSpec>,
    known_of: Option<SweepSpec>,
    /// Whether the plan that is being made is of files as they were.
    is_plan_old: bool,
    /// Whether sweeps were listed before.
    has_listed: bool,
    /// The sweep that is read again, and whether it changed meanwhile.
    reads_again: Option<(PathBuf, bool)>,
    pub(crate) wake: WakeUp,
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
}

impl SweepState {
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
            behind: None,
            known: Vec::new(),
            look: ResultsSettings::default(),
            notices: Vec::new(),
            program: std::env::current_exe().unwrap_or_default(),
            is_beginning: false,
            beginning: None,
            base: None,
            reopens: None,
            stays_in_set_up: false,
            asked: None,
            known_of: None,
            is_plan_old: false,
            has_listed: false,
            reads_again: None,
            wake,
            sender,
            answers,
        }
    }

    /// The active sweep, whether it is looked at or not.
    pub fn on(&self) -> Option<&OpenSweep> {
        let mut sweeps = self.shown.iter().chain(&self.behind);
        sweeps.find(|sweep| sweep.live.is_some())
    }

    pub(crate) fn on_mut(&mut self) -> Option<&mut OpenSweep> {
        let mut sweeps = self.shown.iter_mut().chain(&mut self.behind);
        sweeps.find(|sweep| sweep.live.is_some())
    }

    /// Whether a sweep is active or about to start.
    pub fn is_on(&self) -> bool {
        self.is_beginning || self.on().is_some()
    }

    /// The task of the active sweep whose run it is, if a process of the
    /// sweep works on it. The worker of the window does not know such a run.
    pub fn under_way(&self, run: &RunId) -> Option<Task> {
        self.on()?.under_way(run)
    }

    /// The folder of the sweep that a run is a part of, by its name.
    pub fn sweep_of(&self, run: &RunId) -> Option<&Path> {
        let (sweep, _) = run.0.rsplit_once('.')?;
        let is_of = |path: &&PathBuf| path.file_name().is_some_and(|name| name == sweep);
        self.known.iter().find(is_of).map(PathBuf::as_path)
    }

    /// The place of a run in a sweep.
    pub fn role_of(&self, run: &RunId) -> RunInSweep<'_> {
        RunInSweep {
            folder: self.sweep_of(run),
            task: self.on().and_then(|on| on.tell_of(run)),
        }
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
        let newest = store.runs().iter().rev().filter(like);
        let mut past: Vec<Run> = newest.take(MAX_LEARNED).cloned().collect();
        past.reverse();
        self.beside(move || {
            let planned = plan(&spec, &past, wants_memory).map(Box::new);
            Answer::Planned(Box::new(spec), planned)
        });
    }

    pub(crate) fn beside(&self, work: impl FnOnce() -> Answer + Send + 'static) {
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
        let mut sweeps = self.shown.iter_mut().chain(&mut self.behind);
        let Some(shown) = sweeps.find(|sweep| sweep.live.is_some()) else {
            return;
        };
        let messages: Vec<SweepMessage> = match &shown.live {
            Some(LiveSweep {
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
            if let Some(ended) = self.behind.take() {
                let name = &ended.plan.sweep.name;
                let done = ended.queue.done_words(&ended.plan);
                let text = match &ended.failure {
                    Some(reason) => tr!(
                        "The sweep {name} could not continue, {reason}",
                        name,
                        reason
                    ),
                    None => tr!("The sweep {name} has ended, {done}", name, done),
                };
                self.notices.push(match ended.failure {
                    Some(_) => Notice::error(text),
                    None => Notice::info(text),
                });
            }
        }
    }

    /// Has the plan made again, since files that it is of changed.
    pub(crate) fn plan_again(&mut self) {
        self.known_of = None;
        self.is_plan_old = self.asked.is_some();
    }

    /// Reads the sweep that is looked at again, unless its events come by themselves.
    pub(crate) fn read_again(&mut self) {
        let Some(shown) = self.shown.as_ref().filter(|shown| shown.live.is_none()) else {
            return;
        };
        let path = shown.path.clone();
        if let Some((_, is_old)) = &mut self.reads_again {
            *is_old = true;
            return;
        }
        self.reads_again = Some((path.clone(), false));
        self.beside(move || {
            let read = OpenSweep::read(&path).map(Box::new);
            Answer::ReadAgain(path, read)
        });
    }

    fn take_read_again(&mut self, path: &Path, read: Result<Box<OpenSweep>>) {
        let is_old = self.reads_again.take().is_some_and(|(_, is_old)| is_old);
        if let Some(shown) = &mut self.shown
            && shown.path == path
            && shown.live.is_none()
            // One that is half written is whole the next time.
            && let Ok(read) = read
        {
            let failure = shown.failure.take();
            *shown = OpenSweep { failure, ..*read };
        }
        if is_old {
            self.read_again();
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Planned(spec, planned) => {
                self.asked = None;
                let is_old = std::mem::take(&mut self.is_plan_old);
                self.known_of = (!is_old).then_some(*spec);
                self.planned = Some(planned.map_err(|error| error.to_string()));
            }
            Answer::Opened(Ok(shown)) => {
                let stays = std::mem::take(&mut self.stays_in_set_up);
                if !self.bring_forward(&shown.path) {
                    self.show(*shown);
                }
                self.is_setting_up = stays;
            }
            Answer::Opened(Err(error)) => self.notices.push(Notice::error(error.to_string())),
            Answer::Read(Ok(read)) => {
                let (sweep, base) = *read;
                self.set_up(sweep, base);
            }
            Answer::Read(Err(error)) => self.notices.push(Notice::error(error.to_string())),
            Answer::Known(known) => {
                // The one that was looked at is what the user returns to, else
                // the newest one.
                let reopened = self.reopens.take().filter(|path| known.contains(path));
                let last = reopened.or_else(|| known.last().cloned());
                let is_first = !std::mem::replace(&mut self.has_listed, true);
                if let (None, Some(last), true) = (&self.shown, last, is_first)
                    && !self.is_beginning
                {
                    self.open(last);
                }
                self.known = known;
            }
            Answer::ReadAgain(path, read) => self.take_read_again(&path, read),
            Answer::Begun(begun, retry) => self.take_begun(begun, retry),
        }
    }

    /// Looks at a sweep; an active one continues behind it.
    pub fn show(&mut self, shown: OpenSweep) {
        self.look.fit(&shown.path, &shown.results);
        let before = self.shown.replace(shown);
        if let Some(before) = before.filter(|before| before.live.is_some()) {
            self.behind = Some(before);
        }
        self.is_setting_up = false;
    }
}
