//! `gosling export`: a tuned state for another program, a model with the official
//! names, or the numbers of runs for TensorBoard.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::model_arguments::times;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::checkpoint::{Checkpoint, TensorDType};
use crate::model::official_file::{OfficialFormat, write_official};
use crate::persist::event_export::{export_events, runs_in};
use crate::tuning::states::lift_bundle::{Exportable, ONLY_S0_NOTE, exportable};
use crate::tuning::states::state_file::{
    ExportFormat, Orientation, PthDType, export, left_out, locate_state,
};

/// Which state or model, and what becomes of it.
#[derive(Args)]
pub struct ExportArguments {
    /// A state file or a run folder.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    state: Option<PathBuf>,
    /// Instead of a state, a model in any dialect: it is written with the official names,
    /// as pth or safetensors.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Format: pth (RWKV-Runner, rwkv_lightning, the rwkv package), st (Ai00, web-rwkv), bin (rwkv.cpp),
    /// rmpack (the RWKV app), vllm (a .pth with its manifest), s0 (a folder as s0-tuning has them)
    /// or safetensors (Gosling); or tensorboard, the numbers of a run or of a folder of runs.
    #[arg(long)]
    to: Target,
    /// The file to write; the folder of event files for tensorboard.
    #[arg(short, long)]
    output: PathBuf,
    /// Write bfloat16: half the size, 8 bits of mantissa; for pth, and for models.
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

/// What is written.
#[derive(Clone, Copy)]
enum Target {
    State(ExportFormat),
    TensorBoard,
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "tensorboard" => Ok(Self::TensorBoard),
            format => format.parse().map(Self::State),
        }
    }
}

/// Writes the file and says what was written, once it has been read back.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let to = match arguments.to {
        Target::State(format) => format,
        Target::TensorBoard => return export_numbers(arguments),
    };
    if let Some(model) = &arguments.model {
        return export_model(arguments, model, to);
    }
    let ExportArguments {
        state,
        model: _,
        to: _,
        output,
        bf16,
        alpha,
        orientation,
        force,
    } = arguments;
    let format = match (to, bf16) {
        (ExportFormat::Pth(_), true) => ExportFormat::Pth(PthDType::BF16),
        (_, false) => to,
        (ExportFormat::Vllm, true) => to,
        (
            ExportFormat::St
            | ExportFormat::Safetensors
            | ExportFormat::Raw
            | ExportFormat::Rmpack
            | ExportFormat::S0Folder,
            true,
        ) => {
            let reason = "is for pth; st and rmpack are always f16, the others always f32";
            return Err(Error::spec("--bf16", reason));
        }
    };
    let Some(state) = state else {
        return Err(Error::spec("STATE", "is missing; name a state or --model"));
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
    let (report, companion) = export(&state, &metadata, format, output, *force)?;
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
    if let Some(companion) = companion {
        println!("saved {}", companion.words());
    }
    Ok(())
}

/// Writes the numbers of runs for TensorBoard.
fn export_numbers(arguments: &ExportArguments) -> Result<()> {
    let ExportArguments { state, output, .. } = arguments;
    let Some(runs) = state else {
        let reason = "is missing; name a run or a folder of runs";
        return Err(Error::spec("STATE", reason));
    };
    if arguments.alpha != 1.0 || arguments.orientation.is_some() || arguments.bf16 {
        let reason = "only apply to states";
        return Err(Error::spec("--alpha, --orientation and --bf16", reason));
    }
    for run in runs_in(runs)? {
        let (path, n_written) = export_events(&run, output)?;
        println!("saved {}, {n_written} events", shown(&path));
    }
    println!("tensorboard --logdir {}", super::quoted(output));
    Ok(())
}

/// Writes a model with the official names.
fn export_model(arguments: &ExportArguments, model: &Path, to: ExportFormat) -> Result<()> {
    let format = match to {
        ExportFormat::Pth(_) => OfficialFormat::Pth,
        ExportFormat::Safetensors => OfficialFormat::Safetensors,
        ExportFormat::St
        | ExportFormat::Raw
        | ExportFormat::Rmpack
        | ExportFormat::Vllm
        | ExportFormat::S0Folder => {
            let reason = "a model is written as pth or safetensors; st and bin are for states";
            return Err(Error::spec("--to", reason));
        }
    };
    if arguments.alpha != 1.0 || arguments.orientation.is_some() {
        let reason = "only apply to states";
        return Err(Error::spec("--alpha and --orientation", reason));
    }
    let output = &arguments.output;
    if output.exists() && !arguments.force {
        let reason = "exists already; choose another name or overwrite it (--force)";
        return Err(Error::input(output, "path", reason));
    }
    let checkpoint = Checkpoint::open(model)?;
    let narrow = arguments.bf16.then_some(TensorDType::BF16);
    let report = write_official(&checkpoint, output, format, narrow)?;
    println!(
        "saved {}, {} tensors with the official names, {} bytes, read back and equal",
        shown(output),
        report.n_tensors,
        report.n_bytes
    );
    if report.n_widened > 0 {
        let as_what = narrow.map_or("F16", TensorDType::name);
        println!(
            "{} quantised tensors are now {as_what}; this does not make them more exact",
            report.n_widened
        );
    }
    Ok(())
}
