//! `gosling export`: a tuned state or adapters for another program, a model with the
//! official names, or the numbers of runs for TensorBoard and wandb.

mod fold;
mod lora;
mod numbers;

use std::path::{Path, PathBuf};

use clap::Args;
use fold::export_folded;
use lora::{Destination, export_lora};
use numbers::export_numbers;

use super::model_arguments::times;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::checkpoint::{Checkpoint, TensorDType};
use crate::model::official_file::{OfficialFormat, write_official};
use crate::tuning::states::lift_bundle::{Exportable, exportable};
use crate::tuning::states::state_file::{
    ExportFormat, Orientation, PthDType, SHIFTS_NOTE, export, left_out, locate_state,
};
use crate::worker::adapter_export::{AdapterExport, AdapterFormat};
use crate::worker::folding::FoldOptions;

/// Which state or model, and what becomes of it.
#[derive(Args)]
pub struct ExportArguments {
    /// A state file or a run folder.
    #[arg(required_unless_present = "model")]
    state: Option<PathBuf>,
    /// Instead of a state, a model in any dialect: it is written with the official names,
    /// as pth or safetensors. With `--to merged` the model that the adapters of STATE are
    /// merged into, if it is not where it was.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Format: pth (RWKV-Runner, rwkv_lightning, the rwkv package), st (Ai00, web-rwkv), bin (rwkv.cpp),
    /// rmpack (the RWKV app), vllm (a .pth with its manifest), s0 (a folder as s0-tuning has them)
    /// or safetensors (Gosling). Of a LoRA run: peft or peft-fla (a folder of Hugging Face PEFT,
    /// with the official names of modules or with fla's), rwkv-peft (a .pth) or merged (the
    /// model with the adapters in it, .pth or .safetensors). tensorboard or wandb: the numbers
    /// of a run or of a folder of runs, as event files or as offline runs for `wandb sync`.
    #[arg(long)]
    to: Destination,
    /// The file to write; for tensorboard and wandb the folder that gets one for each run.
    #[arg(short, long)]
    output: PathBuf,
    /// Write bfloat16: half the size, 8 bits of mantissa; for pth, merged, and for models.
    #[arg(long)]
    bf16: bool,
    /// Multiply the state, or what the adapters add, by this factor.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    alpha: f32,
    /// The order of the last two axes in STATE, value-key or key-value, if the file
    /// does not state it.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// Of a lifted run: train the plain S_0 that comes closest to what the lifted model
    /// predicts on the run's training texts, and export that. It takes about as long as the
    /// run, on the run's device.
    #[arg(long, conflicts_with = "model")]
    fold: bool,
    /// Steps of the fold; default: as many as the run took.
    #[arg(long, value_name = "N", requires = "fold")]
    fold_steps: Option<usize>,
    /// Learning rate of the fold; default: that of the run.
    #[arg(long, value_name = "RATE", requires = "fold")]
    fold_rate: Option<f64>,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
    /// Stop a fold where the input ends, as a window does that has started it.
    #[arg(long, hide = true, requires = "fold")]
    ends_with_input: bool,
}

/// Writes the file and says what was written, once it has been read back.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    if let (None, Some(model)) = (&arguments.state, &arguments.model) {
        return export_model(arguments, model);
    }
    match arguments.to {
        Destination::State(to) => export_state(arguments, to),
        Destination::Adapters(to) => export_adapters(arguments, to),
        Destination::Numbers(to) => export_numbers(arguments, to),
    }
}

/// The file of the state that is named.
fn located(arguments: &ExportArguments) -> Result<PathBuf> {
    let Some(state) = &arguments.state else {
        return Err(Error::spec(
            "STATE",
            tr!("is missing; name a state or --model"),
        ));
    };
    if !arguments.alpha.is_finite() {
        let reason = tr!("must be a number, is {}", arguments.alpha);
        return Err(Error::spec("--alpha", reason));
    }
    locate_state(state)
}

fn export_adapters(arguments: &ExportArguments, format: AdapterFormat) -> Result<()> {
    if arguments.fold {
        let reason = tr!("fits a plain S_0; choose a format of states");
        return Err(Error::spec("--fold", reason));
    }
    let asked = AdapterExport {
        format,
        output: arguments.output.clone(),
        model: arguments.model.clone(),
        bf16: arguments.bf16,
        alpha: arguments.alpha,
        overwrites: arguments.force,
    };
    export_lora(&located(arguments)?, &asked)
}

fn export_state(arguments: &ExportArguments, to: ExportFormat) -> Result<()> {
    let ExportArguments {
        output,
        bf16,
        alpha,
        orientation,
        fold: is_folded,
        fold_steps,
        fold_rate,
        force,
        ..
    } = arguments;
    let file = located(arguments)?;
    if arguments.model.is_some() {
        let reason = tr!("can be given together with a state only for --to merged");
        return Err(Error::spec("--model", reason));
    }
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
            let reason = tr!("is for pth; st and rmpack are always f16, the others always f32");
            return Err(Error::spec("--bf16", reason));
        }
    };
    if *is_folded {
        let options = FoldOptions {
            steps: *fold_steps,
            learning_rate: *fold_rate,
        };
        return export_folded(arguments, &file, options, format);
    }
    let exportable = exportable(&file, *orientation, *alpha)?;
    if let Some(left_out) = left_out(&Checkpoint::open(&file)?) {
        eprintln!("gosling: {}: {left_out}", file.display());
    }
    if let Some(note) = exportable.left_behind {
        eprintln!("gosling: {note}");
    }
    let Exportable {
        state, metadata, ..
    } = exportable;
    if state.has_shifts() {
        eprintln!("gosling: {}", crate::language::text(SHIFTS_NOTE));
    }
    let (report, companion) = export(&state, &metadata, format, output, *force)?;
    let scale = match times(*alpha).as_str() {
        "" => String::new(),
        times => tr!(" (the state{times})", times),
    };
    println!(
        "{}",
        tr!(
            "saved {}{scale}, {} bytes, read back and equal",
            shown(&report.path),
            report.bytes,
            scale
        )
    );
    if report.max_abs_rounding > 0.0 {
        println!(
            "{}",
            tr!(
                "rounding changed values by at most {}",
                format_args!("{:.2e}", report.max_abs_rounding)
            )
        );
    }
    if let Some(companion) = companion {
        println!("{}", tr!("saved {}", companion.words()));
    }
    Ok(())
}

/// Writes a model with the official names.
fn export_model(arguments: &ExportArguments, model: &Path) -> Result<()> {
    let format = match arguments.to {
        Destination::State(ExportFormat::Pth(_)) => OfficialFormat::Pth,
        Destination::State(ExportFormat::Safetensors) => OfficialFormat::Safetensors,
        Destination::State(
            ExportFormat::St
            | ExportFormat::Raw
            | ExportFormat::Rmpack
            | ExportFormat::Vllm
            | ExportFormat::S0Folder,
        )
        | Destination::Adapters(_)
        | Destination::Numbers(_) => {
            let reason = tr!("a model is written as pth or safetensors; st and bin are for states");
            return Err(Error::spec("--to", reason));
        }
    };
    if arguments.alpha != 1.0 || arguments.orientation.is_some() {
        let reason = tr!("only apply to states");
        return Err(Error::spec(tr!("--alpha and --orientation"), reason));
    }
    let output = &arguments.output;
    if output.exists() && !arguments.force {
        let reason = tr!("exists already; choose another name or overwrite it (--force)");
        return Err(Error::input(output, tr!("path"), reason));
    }
    let checkpoint = Checkpoint::open(model)?;
    let narrow = arguments.bf16.then_some(TensorDType::BF16);
    let report = write_official(&checkpoint, output, format, narrow)?;
    println!(
        "{}",
        tr!(
            "saved {}, {} tensors with the official names, {} bytes, read back and equal",
            shown(output),
            report.n_tensors,
            report.n_bytes
        )
    );
    if report.n_widened > 0 {
        let as_what = narrow.map_or("F16", TensorDType::name);
        println!(
            "{}",
            tr!(
                "{} quantised tensors are now {as_what}; this does not make them more exact",
                report.n_widened,
                as_what
            )
        );
    }
    Ok(())
}
