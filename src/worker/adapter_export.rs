//! The adapters of a LoRA run for other programs, and the model with them in it: what
//! the command line and the window both do.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, TensorDType, is_same_content};
use crate::model::mini;
use crate::model::official_file::{OfficialReport, Tell};
use crate::persist::spec_file::parse_spec;
use crate::protocol::run_spec::CheckpointSource;
use crate::tuning::method::lora_values::LoraValues;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::lora_export::{ModuleNames, write_merged, write_peft, write_rwkv_peft};
use crate::tuning::states::state_file::Metadata;

/// What adapters are exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterFormat {
    /// A `.pth` of RWKV-PEFT.
    RwkvPeft,
    /// A folder of Hugging Face PEFT.
    Peft(ModuleNames),
    /// The model with the adapters in it.
    Merged,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterExport {
    /// The format.
    pub format: AdapterFormat,
    /// The file, or the folder of PEFT.
    pub output: PathBuf,
    /// The model that the adapters are merged into; none for the one that they were
    /// trained for, where that one is still there.
    pub model: Option<PathBuf>,
    /// Write the merged model in bfloat16.
    pub bf16: bool,
    /// What the adapters add is taken times this.
    pub alpha: f32,
    /// Whether a file that is there may be replaced.
    pub overwrites: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterReport {
    /// The file or the folder.
    pub path: PathBuf,
    /// Bytes of all that was written.
    pub n_bytes: u64,
    /// Rank of the adapters.
    pub rank: usize,
    /// Their alpha, which the product is taken times over the rank.
    pub alpha: f64,
    /// What is said of a merged model.
    pub merged: Option<OfficialReport>,
    /// The model that they were merged into, where its weights are others than those
    /// that they were trained for.
    pub other_weights: Option<PathBuf>,
    /// Whether the run trained S_0 too, which the adapters belong to.
    pub has_state: bool,
}

/// Writes the adapters in `file`, reads them back and compares. `tell` hears how far
/// the writing of a merged model is; its error ends it, and nothing is written.
///
/// # Errors
/// What is wrong with the file or the model, what cannot be written, and what `tell`
/// returns.
pub fn export_adapters(
    file: &Path,
    asked: &AdapterExport,
    tell: &mut Tell<'_>,
) -> Result<AdapterReport> {
    if !asked.alpha.is_finite() {
        let reason = tr!("must be a number, is {}", asked.alpha);
        return Err(Error::spec("--alpha", reason));
    }
    let (tuned, metadata) = read_tuned(file, None)?;
    let n_layer = tuned.state.n_layer;
    let has_state = tuned.state.layers.iter().flatten().any(|x| *x != 0.0);
    let Some(lora) = tuned.lora else {
        let reason = tr!("there are none; only a LoRA run has them");
        return Err(Error::input(file, tr!("adapters"), reason));
    };
    let lora = lora.scaled(asked.alpha);
    let AdapterExport {
        format,
        output,
        model,
        bf16,
        alpha: _,
        overwrites,
    } = asked;
    let of = |path: &Path, n_bytes: u64| AdapterReport {
        path: path.to_path_buf(),
        n_bytes,
        rank: lora.rank,
        alpha: lora.alpha,
        merged: None,
        other_weights: None,
        has_state,
    };
    let report = match format {
        AdapterFormat::Merged => {
            let (merged, other_weights) = merge(file, &lora, &metadata, asked, tell)?;
            return Ok(AdapterReport {
                merged: Some(merged),
                other_weights,
                ..of(output, merged.n_bytes)
            });
        }
        AdapterFormat::RwkvPeft | AdapterFormat::Peft(_) if model.is_some() || *bf16 => {
            let reason = tr!("only apply to --to merged");
            return Err(Error::spec(tr!("--model and --bf16"), reason));
        }
        AdapterFormat::RwkvPeft => write_rwkv_peft(&lora, output, *overwrites)?,
        AdapterFormat::Peft(names) => {
            let base = metadata.base_model.as_deref();
            write_peft(&lora, output, *names, base, n_layer, *overwrites)?
        }
    };
    Ok(of(&report.path, report.bytes))
}

/// Writes the model with the adapters in it; with the model, where it is another one
/// than they were trained for.
fn merge(
    file: &Path,
    lora: &LoraValues,
    metadata: &Metadata,
    asked: &AdapterExport,
    tell: &mut Tell<'_>,
) -> Result<(OfficialReport, Option<PathBuf>)> {
    let checkpoint = base_of(file, metadata, asked.model.as_deref())?;
    let known = metadata.base_fingerprint.as_ref();
    let is_other = known.is_some_and(|known| !is_same_content(known, &checkpoint.fingerprint()));
    let other_weights = is_other.then(|| checkpoint.file().to_path_buf());
    let narrow = asked.bf16.then_some(TensorDType::BF16);
    let (output, overwrites) = (&asked.output, asked.overwrites);
    let report = write_merged(&checkpoint, lora, output, narrow, overwrites, tell)?;
    Ok((report, other_weights))
}

/// The model that is named, else that of the run.
fn base_of(file: &Path, metadata: &Metadata, named: Option<&Path>) -> Result<Checkpoint> {
    let spec = metadata.spec_ron.as_deref();
    let spec = spec.and_then(|text| parse_spec(text, "spec_ron").ok());
    match (named, spec.map(|spec| spec.model.checkpoint)) {
        (Some(path), _) => Checkpoint::open(path),
        (None, Some(CheckpointSource::File(path))) if !path.exists() => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let reason = tr!(
                "the adapters were trained for {}, which is missing; name its file with --model",
                name.to_string_lossy()
            );
            Err(Error::input(file, tr!("base model"), reason))
        }
        (None, Some(CheckpointSource::File(path))) => Checkpoint::open(path),
        (None, Some(CheckpointSource::Mini)) => mini::checkpoint(),
        (None, None) => {
            let reason = tr!("is not stated in the file; name the model with --model");
            Err(Error::input(file, tr!("base model"), reason))
        }
    }
}
