//! Where a run is resumed.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::persist::run_folder::RunFolder;
use crate::runs::run::{Run, RunStatus};
use crate::tuning::states::checkpoint_file::{TrainerCheckpoint, read_checkpoint};

/// Whether anything is left to do of a run.
///
/// # Errors
/// [`Error::Input`] if it is over and would be over again.
pub(super) fn check_resumable(past: &Run) -> Result<()> {
    let refuse = |reason: String| Err(Error::input(&past.folder, tr!("run"), reason));
    match &past.status {
        RunStatus::Finished => refuse(tr!(
            "is finished after {} steps; its state is in state.safetensors",
            past.step
        )),
        RunStatus::StoppedEarly { best_step } => refuse(tr!(
            "is finished, it stopped early; the state of step {best_step} is in state.safetensors",
            best_step
        )),
        RunStatus::Diverged { step, detail } => refuse(tr!(
            "diverged at step {step}, {detail}; a resumed run would diverge again, so start a new one",
            step,
            detail
        )),
        RunStatus::Running { .. }
        | RunStatus::Paused { .. }
        | RunStatus::Evaluating { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Interrupted { .. }
        | RunStatus::Failed(_) => Ok(()),
    }
}

/// The newest checkpoint that is whole and that `restore` takes. Those that are
/// not are named in `notes`.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed.
pub(super) fn newest_whole(
    folder: &RunFolder,
    notes: &mut Vec<String>,
    restore: &mut dyn FnMut(&Path, &TrainerCheckpoint) -> Result<()>,
) -> Result<Option<PathBuf>> {
    for (_, path) in folder.checkpoints()? {
        let restored = read_checkpoint(&path).and_then(|read| restore(&path, &read));
        match restored {
            Ok(()) => return Ok(Some(path)),
            Err(error) => notes.push(tr!("a checkpoint cannot be used, {error}", error)),
        }
    }
    if !notes.is_empty() {
        notes.push(tr!("no checkpoint is complete, so the run starts again from step 0").into());
    }
    Ok(None)
}
