//! `gosling export` of the adapters of a LoRA run.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::format::shown;
use crate::tuning::states::lora_export::ModuleNames;
use crate::tuning::states::state_file::ExportFormat;
use crate::worker::adapter_export::{AdapterExport, AdapterFormat, export_adapters};

/// What `--to` names: a format of states, one of adapters, or the numbers of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// Of a state, or of a model.
    State(ExportFormat),
    /// Of adapters.
    Adapters(AdapterFormat),
    /// The numbers of runs.
    Numbers(NumbersFormat),
}

/// What reads the numbers of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumbersFormat {
    /// TensorBoard: event files.
    TensorBoard,
    /// `wandb sync`: offline runs.
    Wandb,
}

impl FromStr for Destination {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        let adapters = match text {
            "rwkv-peft" => AdapterFormat::RwkvPeft,
            "peft" => AdapterFormat::Peft(ModuleNames::Official),
            "peft-fla" => AdapterFormat::Peft(ModuleNames::Fla),
            "merged" => AdapterFormat::Merged,
            "tensorboard" => return Ok(Self::Numbers(NumbersFormat::TensorBoard)),
            "wandb" => return Ok(Self::Numbers(NumbersFormat::Wandb)),
            other => return other.parse().map(Self::State),
        };
        Ok(Self::Adapters(adapters))
    }
}

/// Writes the adapters in `file`, reads them back and says so.
///
/// # Errors
/// What is wrong with the file or the model, and what cannot be written.
pub(super) fn export_lora(file: &Path, asked: &AdapterExport) -> Result<()> {
    let report = export_adapters(file, asked, &mut |_| Ok(()))?;
    if let Some(model) = &report.other_weights {
        eprintln!(
            "{}",
            tr!(
                "gosling: the adapters were trained for other weights than those of {}",
                shown(model)
            )
        );
    }
    if let Some(merged) = report.merged {
        println!(
            "{}",
            tr!(
                "saved {}, the model with the adapters in it, {} tensors with the official names, {} \
             bytes, read back and equal",
                shown(&report.path),
                merged.n_tensors,
                merged.n_bytes
            )
        );
        return Ok(());
    }
    println!(
        "{}",
        tr!(
            "saved {}, {} bytes, read back and equal; rank {}, alpha {}",
            shown(&report.path),
            report.n_bytes,
            report.rank,
            report.alpha
        )
    );
    say_state(report.has_state);
    Ok(())
}

fn say_state(has_state: bool) {
    if has_state {
        eprintln!(
            "{}",
            tr!(
                "gosling: the run trained S_0 too, which these adapters belong to; export it beside \
             them, for example with --to pth"
            )
        );
    }
}
