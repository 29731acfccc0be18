//! `gosling export` of the adapters of a LoRA run.

use std::path::Path;
use std::str::FromStr;

use crate::cli::model_choice::{file_name, run_spec};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::checkpoint::{Checkpoint, TensorDType, is_same_content};
use crate::model::mini;
use crate::protocol::run_spec::CheckpointSource;
use crate::tuning::method::lora_values::LoraValues;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::lora_export::{ModuleNames, write_merged, write_peft, write_rwkv_peft};
use crate::tuning::states::state_file::{ExportFormat, Metadata};

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

/// What adapters are exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdapterFormat {
    /// A `.pth` of RWKV-PEFT.
    RwkvPeft,
    /// A folder of Hugging Face PEFT.
    Peft(ModuleNames),
    /// The model with the adapters in it.
    Merged,
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

/// How the adapters are written.
pub(super) struct LoraExport<'a> {
    pub format: AdapterFormat,
    pub output: &'a Path,
    /// The model, where it is named.
    pub model: Option<&'a Path>,
    /// Write the merged model in bfloat16.
    pub bf16: bool,
    pub alpha: f32,
    pub force: bool,
}

/// Writes the adapters in `file`, reads them back and says so.
///
/// # Errors
/// What is wrong with the file or the model, and what cannot be written.
pub(super) fn export_lora(file: &Path, asked: &LoraExport<'_>) -> Result<()> {
    let (tuned, metadata) = read_tuned(file, None)?;
    let n_layer = tuned.state.n_layer;
    let has_state = tuned.state.layers.iter().flatten().any(|x| *x != 0.0);
    let Some(lora) = tuned.lora else {
        let reason = tr!("there are none; only a LoRA run has them");
        return Err(Error::input(file, "adapters", reason));
    };
    let lora = lora.scaled(asked.alpha);
    let LoraExport {
        format,
        output,
        model,
        bf16,
        alpha: _,
        force,
    } = *asked;
    let report = match format {
        AdapterFormat::Merged => return merge(file, &lora, &metadata, asked),
        AdapterFormat::RwkvPeft | AdapterFormat::Peft(_) if model.is_some() || bf16 => {
            let reason = tr!("only apply to --to merged");
            return Err(Error::spec(tr!("--model and --bf16"), reason));
        }
        AdapterFormat::RwkvPeft => write_rwkv_peft(&lora, output, force)?,
        AdapterFormat::Peft(names) => {
            let base = metadata.base_model.as_deref();
            write_peft(&lora, output, names, base, n_layer, force)?
        }
    };
    println!(
        "{}",
        tr!(
            "saved {}, {} bytes, read back and equal; rank {}, alpha {}",
            shown(&report.path),
            report.bytes,
            lora.rank,
            lora.alpha
        )
    );
    say_state(has_state);
    Ok(())
}

/// Writes the model with the adapters in it.
fn merge(
    file: &Path,
    lora: &LoraValues,
    metadata: &Metadata,
    asked: &LoraExport<'_>,
) -> Result<()> {
    let source = run_spec(metadata).map(|spec| spec.model.checkpoint);
    let checkpoint = match (asked.model, source) {
        (Some(path), _) => Checkpoint::open(path)?,
        (None, Some(CheckpointSource::File(path))) if !path.exists() => {
            let reason = tr!(
                "the adapters were trained for {}, which is missing; name its file with --model",
                file_name(&path)
            );
            return Err(Error::input(file, tr!("base model"), reason));
        }
        (None, Some(CheckpointSource::File(path))) => Checkpoint::open(path)?,
        (None, Some(CheckpointSource::Mini)) => mini::checkpoint()?,
        (None, None) => {
            let reason = tr!("is not stated in the file; name the model with --model");
            return Err(Error::input(file, tr!("base model"), reason));
        }
    };
    if let Some(known) = &metadata.base_fingerprint
        && !is_same_content(known, &checkpoint.fingerprint())
    {
        eprintln!(
            "{}",
            tr!(
                "gosling: the adapters were trained for other weights than those of {}",
                shown(checkpoint.file())
            )
        );
    }
    let narrow = asked.bf16.then_some(TensorDType::BF16);
    let report = write_merged(&checkpoint, lora, asked.output, narrow, asked.force)?;
    println!(
        "{}",
        tr!(
            "saved {}, the model with the adapters in it, {} tensors with the official names, {} \
         bytes, read back and equal",
            shown(asked.output),
            report.n_tensors,
            report.n_bytes
        )
    );
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
