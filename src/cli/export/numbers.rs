//! The numbers of runs for TensorBoard, on the command line.

use super::ExportArguments;
use crate::cli::quoted;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::persist::event_export::{export_events, runs_in};

/// Writes the numbers of runs for TensorBoard.
pub(super) fn export_numbers(arguments: &ExportArguments) -> Result<()> {
    let ExportArguments { state, output, .. } = arguments;
    let Some(runs) = state else {
        let reason = tr!("is missing; name a run or a folder of runs");
        return Err(Error::spec("STATE", reason));
    };
    if arguments.alpha != 1.0 || arguments.orientation.is_some() || arguments.bf16 {
        let reason = tr!("only apply to states");
        return Err(Error::spec(
            tr!("--alpha, --orientation and --bf16"),
            reason,
        ));
    }
    for run in runs_in(runs)? {
        let (path, n_written) = export_events(&run, output)?;
        println!(
            "{}",
            tr!("saved {}, {n_written} events", shown(&path), n_written)
        );
    }
    println!("tensorboard --logdir {}", quoted(output));
    Ok(())
}
