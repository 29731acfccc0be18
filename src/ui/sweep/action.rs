//! The actions on sweeps.

use std::path::PathBuf;

use crate::sweep::scheduler::SweepCommand;

/// Something that the user asked of sweeps.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepAction {
    /// Begin the one that is set up.
    Start,
    /// Go on with the one that is looked at.
    GoOn {
        /// Try failed runs again.
        retry: bool,
    },
    /// Tell the active one something.
    Tell(SweepCommand),
    /// Look at the one in this folder.
    Open(PathBuf),
    /// Set up a new one.
    New,
    /// Set up one that ships with the program.
    UseShipped(&'static str),
}
