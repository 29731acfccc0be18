//! A preview of the training data, read on a thread of its own.

pub(crate) mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Preview;
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;
use crate::ui::shared::background::{Background, Threads};
use crate::worker::data_look::look_at_data;

/// Examples that are shown token by token.
const N_SHOWN: usize = 20;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct DataPreview {
    /// The number of the look, by which an answer is known.
    pub key: usize,
    /// Where the data come from.
    pub source: String,
    /// The number of the example that is shown.
    pub shown: usize,
    /// What was read, or why it could not be.
    pub outcome: Option<Result<Box<Preview>>>,
    /// Whether nobody wants it any more.
    is_unwanted: Arc<AtomicBool>,
}

impl Drop for DataPreview {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
    }
}

/// Looks at the training data.
pub(crate) struct DataPreviews {
    /// The one that is open.
    pub open: Option<DataPreview>,
    /// Looks that were asked for.
    n_asked: usize,
    background: Background<(usize, Result<Box<Preview>>)>,
}

impl DataPreviews {
    /// None is open yet.
    pub fn new(threads: &Threads) -> Self {
        Self {
            open: None,
            n_asked: 0,
            background: Background::new(threads),
        }
    }

    /// Has the training data of the draft read, to look at them. `source` is the name of
    /// where they come from.
    pub fn open(&mut self, draft: &RunSpec, source: String) {
        self.n_asked += 1;
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let (key, spec, gives_up) = (self.n_asked, draft.clone(), is_unwanted.clone());
        self.background.start(move || {
            let looked = look_at_data(&spec, N_SHOWN, &gives_up).map(Box::new);
            Some((key, looked))
        });
        self.open = Some(DataPreview {
            key: self.n_asked,
            source,
            shown: 0,
            outcome: None,
            is_unwanted,
        });
    }

    /// Takes in what was read, unless it was for an earlier look.
    pub fn take_answers(&mut self) {
        for (key, looked) in self.background.answers() {
            let look = self.open.as_mut().filter(|look| look.key == key);
            if let Some(look) = look {
                look.outcome = Some(looked);
            }
        }
    }
}
