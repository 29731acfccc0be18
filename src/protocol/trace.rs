//! The state of a head over the tokens of a text, asked for by someone who
//! watches.

use std::path::PathBuf;

use super::run_id::RunId;
use super::run_spec::RunSpec;
use crate::model::tokenizer::TokenText;
use crate::tuning::inspect::trajectory::{Place, Trajectory};

/// What is to be followed.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceRequest {
    /// The model, the vocabulary and the device are those of this run.
    pub spec: Box<RunSpec>,
    /// What the text starts from.
    pub from: TraceFrom,
    /// The text.
    pub text: String,
    /// The head.
    pub place: Place,
}

/// What a text starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceFrom {
    /// The untuned model.
    Untuned,
    /// What a run is just now, or what it kept.
    Newest {
        /// The run.
        run: RunId,
        /// Its folder.
        folder: PathBuf,
    },
    /// A snapshot of a run.
    Snapshot {
        /// The run's folder.
        folder: PathBuf,
        /// Steps done.
        step: usize,
    },
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceAnswer {
    /// The request.
    pub request: TraceRequest,
    /// The states and the text of every token; why not, in one line for the user.
    pub traced: std::result::Result<Traced, String>,
}

/// States over a text, and its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// The states.
    pub trajectory: Trajectory,
    /// The text of every token; that of token 0 is empty.
    pub words: Vec<TokenText>,
}
