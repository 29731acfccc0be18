//! What is set up, what is on, and what is shown.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::kept::KeptState;
use super::process::start;
use super::progress::{Pace, share_done};
use super::reading::ShownAdaptation;
use crate::adapt::folder::fingerprint;
use crate::adapt::spec::{AdaptSpec, PRESETS, preset};
use crate::error::Result;
use crate::persist::spec_file::{parse_ron, print_ron};
use crate::ui::shared::background::{Background, Threads};
use crate::ui::shared::process::{Ended, Process};

/// How often the folder of a process is read.
const LOOK: Duration = Duration::from_millis(700);

/// What is kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdaptSettings {
    /// The adaptation that is set up, as RON; the first that ships with the program
    /// where this cannot be read.
    pub draft: String,
    /// The folder that is looked at.
    pub folder: Option<PathBuf>,
    /// The question that is looked at.
    pub item: usize,
    /// Whether only questions are listed whose answer has changed.
    pub changed_only: bool,
}

/// Adaptation in the window.
pub struct AdaptView {
    /// What is kept over restarts.
    pub settings: AdaptSettings,
    /// What is set up.
    pub draft: AdaptSpec,
    /// The program that adapts: this one.
    pub program: PathBuf,
    /// What is shown.
    pub shown: Option<ShownAdaptation>,
    /// Whether results are looked at where there is no room for them beside the set-up.
    pub shows_results: bool,
    /// What the user should know.
    pub message: Option<String>,
    pub(super) kept: KeptState,
    pub(super) pace: Pace,
    running: Option<Process>,
    answers: Background<Result<ShownAdaptation>>,
    is_reading: bool,
    looked: Option<Instant>,
}

impl AdaptView {
    pub(crate) fn new(settings: AdaptSettings, threads: &Threads) -> Self {
        let draft = parse_ron(&settings.draft, "draft").ok();
        let draft = draft
            .or_else(|| preset(PRESETS[0].0).ok())
            .unwrap_or_default();
        let has_shown = settings.folder.is_some();
        let mut view = Self {
            settings,
            draft,
            program: std::env::current_exe().unwrap_or_default(),
            shown: None,
            shows_results: has_shown,
            message: None,
            kept: KeptState::new(threads),
            pace: Pace::default(),
            running: None,
            answers: Background::new(threads),
            is_reading: false,
            looked: None,
        };
        view.read();
        view
    }

    /// What is kept for the next window.
    pub fn kept(&self) -> AdaptSettings {
        AdaptSettings {
            draft: print_ron(&self.draft).unwrap_or_default(),
            ..self.settings.clone()
        }
    }

    /// Looks at what is in a folder.
    pub fn look_at(&mut self, folder: PathBuf) {
        self.settings.folder = Some(folder);
        self.shown = None;
        self.shows_results = true;
        self.read();
    }

    /// Whether a process adapts.
    pub fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.running.as_ref().is_some_and(Process::is_stopping)
    }

    /// Starts what is set up, or goes on with it, in a folder beside that of the runs.
    pub fn start(&mut self, runs_dir: &Path) {
        self.message = None;
        let started = self.draft.check().and_then(|()| {
            let hash = fingerprint(&self.draft)?;
            let name = format!("{}-{}", self.draft.name, &hash[..8]);
            let folder = runs_dir.with_file_name("adaptations").join(name);
            let running = start(&self.program, &self.draft, &folder)?;
            Ok((running, folder))
        });
        match started {
            Ok((running, folder)) => {
                self.running = Some(running);
                self.pace = Pace::default();
                self.shows_results = true;
                if self.settings.folder.as_ref() != Some(&folder) {
                    self.shown = None;
                }
                self.settings.folder = Some(folder);
                self.looked = None;
            }
            Err(error) => self.message = Some(error.to_string()),
        }
    }

    /// Asks the process to save and stop.
    pub fn stop(&mut self) {
        if let Some(running) = &mut self.running {
            running.stop();
        }
    }

    /// Takes in what has happened; gives how soon to look again, where something is
    /// on.
    pub fn take_in(&mut self) -> Option<Duration> {
        for answer in self.answers.answers() {
            self.is_reading = false;
            match answer {
                Ok(shown) => {
                    if self.running.is_some() {
                        self.pace.see(share_done(&shown));
                    }
                    self.shown = Some(shown);
                }
                // A folder is empty until its process has begun.
                Err(error) if self.running.is_none() => self.message = Some(error.to_string()),
                Err(_) => {}
            }
        }
        let ended = self.running.as_mut().and_then(Process::ended);
        if let Some(ended) = ended {
            self.running = None;
            self.message = match ended {
                Ended::Done => None,
                Ended::Stopped => {
                    Some(tr!("Stopped and saved; adapting again goes on from here").into())
                }
                Ended::Failed(reason) => Some(reason),
            };
            self.read();
        }
        if self.running.is_some() {
            if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
                self.pace.said = self.running.as_mut().and_then(Process::said);
                self.read();
            }
            return Some(LOOK);
        }
        None
    }

    /// Reads the folder on a thread of its own.
    fn read(&mut self) {
        let Some(folder) = self.settings.folder.clone() else {
            return;
        };
        if self.is_reading || !folder.join("spec.ron").is_file() {
            return;
        }
        self.looked = Some(Instant::now());
        self.is_reading = true;
        self.answers
            .start(move || Some(ShownAdaptation::read(&folder)));
    }
}
