//! The place of a run in a sweep.

use std::path::Path;

use crate::sweep::task::{Task, TaskState};

/// The place of a run in a sweep.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunInSweep<'a> {
    /// The folder of the sweep that it is a part of.
    pub folder: Option<&'a Path>,
    /// How it stands in the active sweep, if it is a part of that.
    pub task: Option<SweepTask<'a>>,
}

/// A task of the active sweep.
#[derive(Debug, Clone, Copy)]
pub struct SweepTask<'a> {
    /// The task.
    pub task: Task,
    /// How it stands.
    pub state: &'a TaskState,
    /// Whether the sweep is held.
    pub is_held: bool,
    /// Whether the sweep is ending.
    pub is_stopping: bool,
}
