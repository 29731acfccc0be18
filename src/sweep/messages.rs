//! What is asked of an active sweep, and what it tells.

use super::task::{Facts, Task};
use crate::protocol::event::Event;

/// A request to an active sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepCommand {
    /// Hold the runs under way, and begin no other.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Save the runs under way and end; the sweep can be resumed.
    Stop,
    /// Leave a task out. One that is under way is saved.
    Skip(Task),
    /// Do it after all.
    Unskip(Task),
    /// The order in which the tasks are to be done from now on.
    Order(Vec<Task>),
}

/// What happens in a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepEvent {
    /// A task stands otherwise than before.
    Task {
        /// The task.
        task: Task,
        /// What is known of it now.
        facts: Box<Facts>,
    },
    /// The tasks are done in this order.
    Order(Vec<Task>),
    /// What a worker reports.
    Worker(Box<Event>),
    /// Something the user should know.
    Note(String),
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepEnd {
    /// Nothing more is to be done.
    Complete,
    /// Someone asked for it; it can be resumed.
    Stopped,
}
