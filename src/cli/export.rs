//! `gosling export`: a tuned state for another program.

use std::path::PathBuf;

use clap::Args;

use super::model_arguments::times;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::checkpoint::Checkpoint;
use crate::tuning::states::lift_bundle::{Exportable, ONLY_S0_NOTE, exportable};
use crate::tuning::states::state_file::{
    ExportFormat, Orientation, PthDType, export, left_out, locate_state,
};

/// Which state, and what becomes of it.
#[derive(Args)]
pub struct ExportArguments {
    /// A state file or a run folder.
    state: PathBuf,
    /// Format: pth (RWKV-Runner, the rwkv package), st (Ai00, web-rwkv), bin (rwkv.cpp)
    /// or safetensors (Gosling).
    #[arg(long)]
    to: ExportFormat,
    /// The file to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Write bfloat16: half the size, 8 bits of mantissa; only for pth.
    #[arg(long)]
    bf16: bool,
    /// Multiply the state by this factor.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    alpha: f32,
    /// The order of the last two axes in STATE, value-key or key-value, if the file
    /// does not state it.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
}

/// Writes the file and says what was written, once it has been read back.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let ExportArguments {
        state,
        to,
        output,
        bf16,
        alpha,
        orientation,
        force,
    } = arguments;
    let format = match (to, bf16) {
        (ExportFormat::Pth(_), true) => ExportFormat::Pth(PthDType::BF16),
        (_, false) => *to,
        (ExportFormat::St | ExportFormat::Safetensors | ExportFormat::Raw, true) => {
            let reason = "is for pth; st is always f16, safetensors and bin always f32";
            return Err(Error::spec("--bf16", reason));
        }
    };
    let file = locate_state(state)?;
    if !alpha.is_finite() {
        let reason = format!("must be a number, is {alpha}");
        return Err(Error::spec("--alpha", reason));
    }
    let exportable = exportable(&file, *orientation, *alpha)?;
    if let Some(left_out) = left_out(&Checkpoint::open(&file)?) {
        eprintln!("gosling: {}: {left_out}", file.display());
    }
    if exportable.is_lifted {
        eprintln!("gosling: {ONLY_S0_NOTE}");
    }
    let Exportable {
        state, metadata, ..
    } = exportable;
    let (report, script) = export(&state, &metadata, format, output, *force)?;
    let scale = match times(*alpha).as_str() {
        "" => String::new(),
        times => format!(" (the state{times})"),
    };
    println!(
        "saved {}{scale}, {} bytes, read back and equal",
        shown(&report.path),
        report.bytes
    );
    if report.max_abs_rounding > 0.0 {
        println!(
            "rounding changed values by at most {:.2e}",
            report.max_abs_rounding
        );
    }
    if let Some(script) = script {
        println!(
            "saved {}, which loads it with the rwkv package",
            shown(&script)
        );
    }
    Ok(())
}
