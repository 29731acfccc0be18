//! A look at the training data of the configuration, read beside the window.

pub(crate) mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Preview;
use crate::error::Result;
use crate::protocol::run_spec::{DataSource, RunSpec};
use crate::tuning::spec::LossOn;
use crate::ui::app::App;
use crate::ui::shared::background::{Answer, Background};
use crate::worker::data_look::look_at_data;

/// Examples that are shown token by token.
const N_SHOWN: usize = 20;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct DataPreview {
    /// The number of the look, by which an answer is known.
    pub key: usize,
    /// Where the data come from.
    pub source: DataSource,
    /// Which tokens count.
    pub loss_on: LossOn,
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

impl Background {
    fn look_at_data(&self, key: usize, spec: RunSpec, is_unwanted: Arc<AtomicBool>) {
        self.start(move || {
            let looked = look_at_data(&spec, N_SHOWN, &is_unwanted).map(Box::new);
            Some(Answer::DataPreview(key, looked))
        });
    }
}

impl App {
    /// Has the training data of the draft read, to look at them.
    pub(crate) fn look_at_data(&mut self) {
        self.n_looked += 1;
        let draft = &self.state.draft;
        let is_unwanted = Arc::new(AtomicBool::new(false));
        self.background
            .look_at_data(self.n_looked, draft.clone(), is_unwanted.clone());
        self.data_look = Some(DataPreview {
            key: self.n_looked,
            source: draft.data.source.clone(),
            loss_on: draft.data.loss_on,
            shown: 0,
            outcome: None,
            is_unwanted,
        });
    }

    /// Takes in what was read, unless it was for an earlier look.
    pub(crate) fn take_data_look(&mut self, key: usize, looked: Result<Box<Preview>>) {
        let look = self.data_look.as_mut().filter(|look| look.key == key);
        if let Some(look) = look {
            look.outcome = Some(looked);
        }
    }
}
