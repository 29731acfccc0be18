//! The numbers of runs for TensorBoard and wandb, on the command line.

use std::path::PathBuf;

use super::ExportArguments;
use super::lora::NumbersFormat;
use crate::cli::quoted;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::persist::event_export::{export_events, runs_in};
use crate::persist::wandb::export_wandb;

/// Writes the numbers of runs, and says which command shows or uploads them.
pub(super) fn export_numbers(arguments: &ExportArguments, to: NumbersFormat) -> Result<()> {
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
    let runs = runs_in(runs)?;
    match to {
        NumbersFormat::TensorBoard => {
            for run in runs {
                let (path, n_written) = export_events(&run, output)?;
                let path = shown(&path);
                println!("{}", tr!("saved {}, {n_written} events", path, n_written));
            }
            println!("tensorboard --logdir {}", quoted(output));
        }
        NumbersFormat::Wandb => {
            let mut folders: Vec<PathBuf> = Vec::new();
            for run in runs {
                let (folder, n_steps) = export_wandb(&run, output)?;
                println!(
                    "{}",
                    tr!("saved {}, {n_steps} steps", shown(&folder), n_steps)
                );
                folders.push(folder);
            }
            // Older versions of wandb take the folder of one run only.
            match &folders[..] {
                [one] => println!("wandb sync {}", quoted(one)),
                _ => println!("wandb sync {}", quoted(output)),
            }
        }
    }
    Ok(())
}
