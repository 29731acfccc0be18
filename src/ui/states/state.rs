//! The state of the states view: its settings and the data that was read.

use super::data::{GridKey, MatrixImageKey, StateKey, StatesData};
use super::head_grid::HeadGrid;
use super::head_jobs::HeadJobs;
use super::images::MatrixImage;
use super::settings::StatesSettings;
use crate::error::Result;
use crate::tuning::method::tuned::Tuned;
use crate::ui::shared::background::{Background, Threads};

/// What came of work beside the window.
pub(super) enum Answer {
    State(StateKey, Result<Tuned>),
    Matrix(MatrixImageKey, Result<Option<MatrixImage>>),
    Beside(MatrixImageKey, Result<Option<MatrixImage>>),
    Grid(GridKey, Result<Option<HeadGrid>>),
}

/// The view of states.
pub struct States {
    /// Which part of a state is looked at.
    pub settings: StatesSettings,
    pub(crate) data: StatesData,
    /// The cell that is pointed at, in either of two matrices.
    pub(super) cursor: Option<[usize; 2]>,
    /// What was asked about heads.
    pub(crate) heads: HeadJobs,
    pub(super) background: Background<Answer>,
}

impl States {
    /// Nothing is read yet.
    pub(crate) fn new(settings: StatesSettings, threads: &Threads) -> Self {
        Self {
            settings,
            data: StatesData::default(),
            cursor: None,
            heads: HeadJobs::default(),
            background: Background::new(threads),
        }
    }

    /// Takes in what was read and computed.
    pub(crate) fn take_answers(&mut self) {
        for answer in self.background.answers() {
            match answer {
                Answer::State(key, state) => self.data.take_state(key, state),
                Answer::Matrix(key, image) => self.data.shown.take(key, image),
                Answer::Beside(key, image) => self.data.beside.take(key, image),
                Answer::Grid(key, grid) => self.data.grid.take(key, grid),
            }
        }
    }
}
