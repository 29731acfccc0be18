//! A state of another program: what is asked of the worker before it is imported, and
//! what it finds.

use std::path::PathBuf;

use super::run_spec::{LeadingToken, RunSpec};
use crate::tuning::states::import::Decision;
use crate::tuning::states::import::evidence::Evidence;

/// Which state to compare, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRequest {
    /// The file.
    pub file: PathBuf,
    /// The model, the device and the data are those of this specification.
    pub spec: Box<RunSpec>,
    /// Whether its training data are texts of the kind that the state was tuned on;
    /// else the built-in text is read, which only advises.
    pub on_data: bool,
    /// What training put in front of texts; what the file says if none, and nothing
    /// where it does not say.
    pub leading: Option<LeadingToken>,
}

/// What the state is, both ways round.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportFinding {
    /// The losses.
    pub evidence: Evidence,
    /// Which way round it is, and why.
    pub decision: Decision,
    /// Things the user should know: tensors left out, other weights.
    pub notes: Vec<String>,
    /// The model that it was compared with.
    pub fingerprint: String,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportAnswer {
    /// The request.
    pub request: ImportRequest,
    /// What was found; why not, in one line for the user.
    pub found: std::result::Result<ImportFinding, String>,
}
