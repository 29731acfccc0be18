//! The published models, and a download of one beside the window.

pub(crate) mod view;

use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::format::shown;
use crate::hub::{Got, Hub, HubFile, PUBLISHED, Pace, Stage, download, models_folder};
use crate::language;
use crate::ui::shared::background::{Background, Threads};

/// How often a download says how far it is.
const TELLS: Duration = Duration::from_millis(100);

/// What came of the work beside the window.
enum Answer {
    Stage(Stage),
    Over(Result<Got>),
}

/// A download that is on.
pub struct UnderWay {
    /// The model's name.
    pub name: String,
    /// How far it is.
    pub stage: Stage,
    pace: Pace,
    is_cancelled: Arc<AtomicBool>,
}

/// The dialog, and the download behind it, which goes on when the dialog is closed.
pub struct ModelDownloads {
    /// Whether the list is open.
    pub is_open: bool,
    /// Where models go, as it is typed.
    pub folder: String,
    /// The server, if it is not the one that the environment names.
    pub endpoint: Option<String>,
    /// What is coming.
    pub under_way: Option<UnderWay>,
    /// What came of the last download.
    pub outcome: Option<Result<String, String>>,
    /// Where the published models are looked for, and which are there.
    seen: (String, Vec<bool>),
    background: Background<Answer>,
}

impl UnderWay {
    /// One that has just begun.
    pub fn new(name: &str, stage: Stage) -> Self {
        Self {
            name: name.to_owned(),
            stage,
            pace: Pace::default(),
            is_cancelled: Arc::default(),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

impl ModelDownloads {
    /// Nothing is downloaded yet.
    pub(crate) fn new(threads: &Threads) -> Self {
        Self {
            is_open: false,
            folder: models_folder().to_string_lossy().into_owned(),
            endpoint: None,
            under_way: None,
            outcome: None,
            seen: Default::default(),
            background: Background::new(threads),
        }
    }

    /// Opens the list.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
        self.seen = Default::default();
        if self.under_way.is_none() {
            self.outcome = None;
        }
    }

    /// Begins a download of a published model; one at a time.
    pub(crate) fn begin(&mut self, name: &str) {
        if self.under_way.is_some() {
            return;
        }
        self.outcome = None;
        let hub = match &self.endpoint {
            Some(endpoint) => Hub::at(endpoint),
            None => Hub::from_environment(),
        };
        let (hub, wanted) = match (hub, HubFile::named(name)) {
            (Ok(hub), Ok(wanted)) => (hub, wanted),
            (Err(error), _) | (_, Err(error)) => {
                self.outcome = Some(Err(error.to_string()));
                return;
            }
        };
        let under_way = UnderWay::new(name, Stage::Asking);
        let is_cancelled = under_way.is_cancelled.clone();
        self.under_way = Some(under_way);
        let folder = PathBuf::from(self.folder.trim());
        let (work, mut told) = (self.background.clone(), None);
        self.background.start(move || {
            let mut tell = |stage| {
                if is_cancelled.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                let kind = discriminant(&stage);
                let is_told = |(at, of): (Instant, _)| at.elapsed() < TELLS && of == kind;
                if !told.is_some_and(is_told) {
                    told = Some((Instant::now(), kind));
                    work.send(Answer::Stage(stage));
                }
                Ok(())
            };
            Some(Answer::Over(download(&hub, &wanted, &folder, &mut tell)))
        });
    }

    /// Ends the download that is on; what has come is kept.
    pub(crate) fn cancel(&self) {
        if let Some(under_way) = &self.under_way {
            under_way.is_cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Takes in how far it is; the model that has come, if one has.
    pub(crate) fn take_answers(&mut self) -> Option<Result<PathBuf, String>> {
        let mut came = None;
        for answer in self.background.answers() {
            match answer {
                Answer::Stage(stage) => {
                    if let Some(under_way) = &mut self.under_way {
                        if let Stage::Coming(read) = &stage {
                            under_way.pace.add(Instant::now(), read.done);
                        }
                        under_way.stage = stage;
                    }
                }
                Answer::Over(outcome) => {
                    self.under_way = None;
                    self.seen = Default::default();
                    self.outcome = Some(told(&outcome));
                    came = match outcome {
                        Ok(got) => Some(Ok(got.path)),
                        Err(Error::Stopped) => None,
                        Err(error) => Some(Err(error.to_string())),
                    };
                }
            }
        }
        came
    }

    /// Where a published model lies, if it does; `idx` is its number.
    fn here(&mut self, idx: usize) -> Option<PathBuf> {
        let Self { folder, seen, .. } = self;
        let place = Path::new(folder.trim());
        if seen.0 != *folder || seen.1.len() != PUBLISHED.len() {
            let is_here = PUBLISHED.each_ref().map(|of| place.join(of.file).is_file());
            *seen = (folder.clone(), is_here.to_vec());
        }
        seen.1[idx].then(|| place.join(PUBLISHED[idx].file))
    }
}

/// What came of a download, in words.
fn told(outcome: &Result<Got>) -> Result<String, String> {
    match outcome {
        Ok(Got {
            path,
            checked,
            was_here,
            ..
        }) => {
            let was = if *was_here {
                tr!("is here already")
            } else {
                tr!("saved")
            };
            Ok(format!(
                "{} {was}; {}",
                shown(path),
                language::text(checked.words())
            ))
        }
        Err(Error::Stopped) => Ok(tr!("Cancelled; the next download continues it").into()),
        Err(error) => Err(error.to_string()),
    }
}
