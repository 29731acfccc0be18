//! Adapters for other programs, and merged into the model that they are for.
//!
//! | file | tensors | read by |
//! |---|---|---|
//! | `.pth` | `blocks.{i}.att.key.lora_A` [rank, in], `.lora_B` [out, rank] | RWKV-PEFT's `merge.py`, RWKV-Runner's merge |
//! | a folder | `base_model.model.{module}.lora_A.weight`, `.lora_B.weight`, and `adapter_config.json` | Hugging Face PEFT |
//! | a checkpoint | the official names, `W + (alpha / rank) B A` | every program that loads the model |
//!
//! RWKV-PEFT's file says neither rank nor alpha: the rank follows from the shapes, and
//! alpha is an argument of its merge.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::state_file::ExportReport;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::adapter::AdapterTarget;
use crate::model::checkpoint::torch_writer::{PthTensor, write_archive};
use crate::model::checkpoint::{Checkpoint, TensorDType};
use crate::model::official_file::{OfficialFormat, OfficialReport, Tell, write_changed};
use crate::tuning::method::lora_values::{LoraFactors, LoraValues};

/// The tensors of PEFT's folder.
pub const PEFT_TENSORS: &str = "adapter_model.safetensors";
/// What PEFT's folder says of them.
pub const PEFT_CONFIG: &str = "adapter_config.json";
/// What PEFT puts in front of the names of modules.
const PEFT_PREFIX: &str = "base_model.model.";

/// What the modules of a model are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleNames {
    /// As in RWKV-LM and RWKV-PEFT: `blocks.0.att.receptance`.
    Official,
    /// As in fla and its Hugging Face models: `model.layers.0.attn.r_proj`.
    Fla,
}

impl ModuleNames {
    fn layers(self) -> &'static str {
        match self {
            Self::Official => "blocks.",
            Self::Fla => "model.layers.",
        }
    }

    fn module(self, target: AdapterTarget) -> &'static str {
        match (self, target) {
            (Self::Official, _) => target.module(),
            (Self::Fla, AdapterTarget::Receptance) => "attn.r_proj",
            (Self::Fla, AdapterTarget::Key) => "attn.k_proj",
            (Self::Fla, AdapterTarget::Value) => "attn.v_proj",
            (Self::Fla, AdapterTarget::Output) => "attn.o_proj",
            (Self::Fla, AdapterTarget::FfnKey | AdapterTarget::FfnValue) => target.module(),
        }
    }

    fn name(self, layer: usize, target: AdapterTarget) -> String {
        format!("{}{layer}.{}", self.layers(), self.module(target))
    }

    /// The layer and the matrix that a name stands for.
    fn place(self, name: &str) -> Option<(usize, AdapterTarget)> {
        let (layer, module) = name.strip_prefix(self.layers())?.split_once('.')?;
        let mut all = AdapterTarget::ALL.into_iter();
        let target = all.find(|target| self.module(*target) == module)?;
        Some((layer.parse().ok()?, target))
    }
}

/// `adapter_config.json`, as far as it matters.
#[derive(Debug, Serialize, Deserialize)]
struct PeftConfig {
    peft_type: String,
    task_type: Option<String>,
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    target_modules: Vec<String>,
    #[serde(default)]
    bias: String,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    inference_mode: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
}

/// A tensor to be written: name, shape, numbers.
type Named<'a> = (String, [usize; 2], &'a [f32]);

/// Every A and B, named by `ends` behind their module.
fn tensors<'a>(
    lora: &'a LoraValues,
    names: ModuleNames,
    prefix: &str,
    ends: [&str; 2],
) -> Vec<Named<'a>> {
    let mut all = Vec::new();
    for (idx, layer) in lora.layers.iter().enumerate() {
        for of in &lora.factors {
            let Some([a, b]) = lora.factors_of(idx, of.target) else {
                continue;
            };
            let name = names.name(*layer, of.target);
            let shapes = [[lora.rank, of.n_in], [of.n_out, lora.rank]];
            for ((values, shape), end) in [a, b].into_iter().zip(shapes).zip(ends) {
                all.push((format!("{prefix}{name}{end}"), shape, values));
            }
        }
    }
    all
}

/// Writes the adapters as RWKV-PEFT saves them, reads them back and compares.
///
/// # Errors
/// [`Error::Input`] for a file that is there unless `overwrite` is set, and for one
/// that reads back otherwise; [`Error::Io`] if it cannot be written.
pub fn write_rwkv_peft(lora: &LoraValues, path: &Path, overwrite: bool) -> Result<ExportReport> {
    check_free(path, overwrite)?;
    let tensors = tensors(lora, ModuleNames::Official, "", [".lora_A", ".lora_B"]);
    let table = tensors.iter().map(|(name, shape, _)| PthTensor {
        name,
        dtype: TensorDType::F32,
        shape,
    });
    let table: Vec<_> = table.collect();
    write_atomic(path, |file| {
        write_archive(file, &table, |at, out| {
            out.write_all(bytemuck::cast_slice(tensors[at].2))
        })
    })?;
    compare(lora, read_rwkv_peft(path, lora.alpha)?, path)?;
    report(path, &[path.to_path_buf()])
}

/// Reads adapters as RWKV-PEFT saves them; `alpha` is not in the file.
///
/// # Errors
/// [`Error::Input`] if there are none, or they do not belong together.
pub fn read_rwkv_peft(path: &Path, alpha: f64) -> Result<LoraValues> {
    let file = Checkpoint::open(path)?;
    collect(&file, alpha, |name| {
        let a = name.strip_suffix(".lora_A").map(|name| (name, false));
        let (name, is_b) = a.or_else(|| Some((name.strip_suffix(".lora_B")?, true)))?;
        Some((ModuleNames::Official.place(name)?, is_b))
    })
}

/// Writes the adapters into `folder` as Hugging Face PEFT saves them, reads them back
/// and compares. `base` is the name of the model that they are for.
///
/// # Errors
/// As [`write_rwkv_peft`].
pub fn write_peft(
    lora: &LoraValues,
    folder: &Path,
    names: ModuleNames,
    base: Option<&str>,
    n_layer: usize,
    overwrite: bool,
) -> Result<ExportReport> {
    let [file, config_file] = [PEFT_TENSORS, PEFT_CONFIG].map(|name| folder.join(name));
    check_free(&file, overwrite)?;
    check_free(&config_file, overwrite)?;
    std::fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
    let modules = lora.factors.iter().map(|of| of.target);
    // PEFT takes a name for every module that ends in it.
    let target_modules = match lora.layers.len() == n_layer {
        true => modules.map(|of| names.module(of).to_owned()).collect(),
        false => modules
            .flat_map(|of| lora.layers.iter().map(move |layer| names.name(*layer, of)))
            .collect(),
    };
    let config = PeftConfig {
        peft_type: "LORA".into(),
        task_type: Some("CAUSAL_LM".into()),
        base_model_name_or_path: base.map(str::to_owned),
        r: lora.rank,
        lora_alpha: lora.alpha,
        lora_dropout: 0.0,
        target_modules,
        bias: "none".into(),
        fan_in_fan_out: false,
        inference_mode: true,
        use_rslora: false,
        use_dora: false,
    };
    let refuse = |reason: String| Error::input(folder, tr!("adapters"), reason);
    let tensors = tensors(
        lora,
        names,
        PEFT_PREFIX,
        [".lora_A.weight", ".lora_B.weight"],
    );
    let views = tensors.iter().map(|(name, shape, values)| {
        let bytes = bytemuck::cast_slice(values);
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (name, view))
    });
    let views = views
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let says = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes =
        safetensors::serialize(views, Some(says)).map_err(|error| refuse(error.to_string()))?;
    write_atomic(&file, |out| out.write_all(&bytes))?;
    let text = serde_json::to_string_pretty(&config).map_err(|error| refuse(error.to_string()))?;
    write_atomic(&config_file, |out| writeln!(out, "{text}"))?;
    compare(lora, read_peft(folder)?, folder)?;
    report(folder, &[file, config_file])
}

/// Reads a folder of Hugging Face PEFT, whichever of the two names it has for modules.
///
/// # Errors
/// [`Error::Input`] for another method than plain LoRA, and as [`read_rwkv_peft`].
pub fn read_peft(folder: &Path) -> Result<LoraValues> {
    let config_file = folder.join(PEFT_CONFIG);
    let text = std::fs::read_to_string(&config_file)
        .map_err(|source| Error::io("read", &config_file, source))?;
    let config: PeftConfig = serde_json::from_str(&text)
        .map_err(|error| Error::input(&config_file, "json", json_words(&error)))?;
    if config.peft_type != "LORA" || config.use_rslora || config.use_dora || config.fan_in_fan_out {
        let reason = tr!("is not plain LoRA; only that can be read");
        return Err(Error::input(&config_file, "peft_type", reason));
    }
    let file = Checkpoint::open(folder.join(PEFT_TENSORS))?;
    let lora = collect(&file, config.lora_alpha, |name| {
        let name = name.strip_prefix(PEFT_PREFIX)?;
        let a = name
            .strip_suffix(".lora_A.weight")
            .map(|name| (name, false));
        let (name, is_b) = a.or_else(|| Some((name.strip_suffix(".lora_B.weight")?, true)))?;
        let place = ModuleNames::Official.place(name);
        Some((place.or_else(|| ModuleNames::Fla.place(name))?, is_b))
    })?;
    if lora.rank != config.r {
        let reason = tr!("is {}, the tensors have {}", config.r, lora.rank);
        return Err(Error::input(&config_file, "r", reason));
    }
    Ok(lora)
}

/// Writes the model of `checkpoint` with the adapters merged into it, in the official
/// names, and reads it back. `narrow` is the type of all elements; else every tensor
/// keeps its own, to which the sums are rounded. `tell` hears how far it is.
///
/// # Errors
/// [`Error::Spec`] for adapters of another model, and as
/// [`write_changed`].
pub fn write_merged(
    checkpoint: &Checkpoint,
    lora: &LoraValues,
    path: &Path,
    narrow: Option<TensorDType>,
    overwrite: bool,
    tell: &mut Tell<'_>,
) -> Result<OfficialReport> {
    check_free(path, overwrite)?;
    lora.check_fits(&crate::model::ModelConfig::from_checkpoint(checkpoint)?)?;
    let format = match path.extension().and_then(|ending| ending.to_str()) {
        Some("pth" | "pt") => OfficialFormat::Pth,
        Some("safetensors") => OfficialFormat::Safetensors,
        _ => {
            let reason = tr!("must end in .pth or .safetensors, the formats of a model");
            return Err(Error::input(path, tr!("path"), reason));
        }
    };
    let added = |name: &str| {
        let (layer, target) = ModuleNames::Official.place(name.strip_suffix(".weight")?)?;
        let idx = lora.layers.iter().position(|of| *of == layer)?;
        lora.product(idx, target)
    };
    write_changed(checkpoint, path, format, narrow, &added, tell)
}

/// The adapters in a file; `place` says which layer and matrix a name stands for, and
/// whether it is B.
fn collect(
    file: &Checkpoint,
    alpha: f64,
    place: impl Fn(&str) -> Option<((usize, AdapterTarget), bool)>,
) -> Result<LoraValues> {
    let path = file.file();
    let mut found = BTreeMap::new();
    for tensor in file.tensors() {
        let Some(((layer, target), is_b)) = place(tensor.name) else {
            continue;
        };
        let [rows, columns] = tensor.shape[..] else {
            return Err(Error::input(path, tensor.name, tr!("is not a matrix")));
        };
        let rank = if is_b { columns } else { rows };
        found.insert((target as usize, layer, is_b), (tensor, rank));
    }
    let refuse = |reason: &str| Error::input(path, tr!("adapters"), reason);
    let Some((_, first)) = found.values().next() else {
        return Err(refuse(tr!(
            "there are none; names end in lora_A and lora_B"
        )));
    };
    let rank = *first;
    let mut layers: Vec<usize> = found.keys().map(|(_, layer, _)| *layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut factors = Vec::new();
    for target in AdapterTarget::ALL {
        let of = |layer: usize, is_b: bool| found.get(&(target as usize, layer, is_b));
        let Some((first, _)) = layers.iter().find_map(|layer| of(*layer, false)) else {
            continue;
        };
        let n_in = first.shape[1];
        let (mut a, mut b, mut n_out) = (Vec::new(), Vec::new(), 0);
        for layer in &layers {
            let (Some((of_a, rank_a)), Some((of_b, rank_b))) =
                (of(*layer, false), of(*layer, true))
            else {
                return Err(refuse(tr!(
                    "not every layer has both factors of every matrix"
                )));
            };
            if *rank_a != rank || *rank_b != rank {
                return Err(refuse(tr!("ranks differ, which is not supported")));
            }
            a.extend(of_a.to_f32());
            b.extend(of_b.to_f32());
            n_out = of_b.shape[0];
        }
        factors.push(LoraFactors {
            target,
            n_out,
            n_in,
            a,
            b,
        });
    }
    let lora = LoraValues {
        layers,
        rank,
        alpha,
        factors,
    };
    match lora.has_right_sizes() && alpha.is_finite() {
        true => Ok(lora),
        false => Err(refuse(tr!(
            "factors of one matrix differ in size between layers"
        ))),
    }
}

fn compare(written: &LoraValues, read: LoraValues, path: &Path) -> Result<()> {
    match *written == read {
        true => Ok(()),
        false => {
            let reason =
                tr!("differ from what was written when they are read back; write them again");
            Err(Error::input(path, tr!("adapters"), reason))
        }
    }
}

fn check_free(path: &Path, overwrite: bool) -> Result<()> {
    if path.exists() && !overwrite {
        let reason = tr!("exists already; choose another name or overwrite it (--force)");
        return Err(Error::input(path, tr!("path"), reason));
    }
    Ok(())
}

fn report(path: &Path, files: &[PathBuf]) -> Result<ExportReport> {
    let size = |file: &PathBuf| {
        let of = std::fs::metadata(file).map_err(|source| Error::io("open", file, source));
        of.map(|of| of.len())
    };
    let sizes: Vec<u64> = files.iter().map(size).collect::<Result<_>>()?;
    Ok(ExportReport {
        path: path.to_path_buf(),
        bytes: sizes.iter().sum(),
        max_abs_rounding: 0.0,
    })
}
