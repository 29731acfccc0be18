//! The end of the window while something is on: where it stands, and what is to continue
//! when the window opens again.

use std::path::PathBuf;

use crate::protocol::event::RunId;
use crate::ui::shared::queue::PersistedRequest;

/// Where the window is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// Nobody wants to close it.
    #[default]
    No,
    /// A run is on, and the user is asked.
    Asking,
    /// The run is being saved.
    Saving,
}

/// What ends with the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The active sweep.
    pub sweep: Option<String>,
    /// Whether the worker of the window has a run.
    pub has_run: bool,
    /// Runs that wait.
    pub n_waiting: usize,
}

/// The end of the window, and what continues after it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosingState {
    /// Where the window is on its way out.
    pub stage: Closing,
    /// Whether what closing the window stops continues when it opens again.
    pub goes_on: bool,
    /// Runs to resume when the window opens.
    pub resumes: Vec<RunId>,
    /// Runs to queue when the window opens, since they waited when it closed.
    pub waits: Vec<PersistedRequest>,
    /// The folder of the sweep to continue with when the window opens.
    pub sweep_resumes: Option<PathBuf>,
    /// Whether what was on when the window closed last time was resumed.
    pub(crate) has_gone_on: bool,
}

impl Default for ClosingState {
    fn default() -> Self {
        Self {
            stage: Closing::No,
            goes_on: true,
            resumes: Vec::new(),
            waits: Vec::new(),
            sweep_resumes: None,
            has_gone_on: false,
        }
    }
}
