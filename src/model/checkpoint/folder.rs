//! Models of several files: a folder as Hugging Face has it, with an index that
//! says which tensor is in which file, or with one file of weights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use super::shown;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::Architecture;

/// The longest index and configuration that is read, in bytes.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// The most files that an index may name.
const MAX_FILES: usize = 1024;

/// Names by which weights go, the first that is there.
const USUAL: [&str; 4] = [
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
];

/// Endings of files with weights.
const ENDINGS: [&str; 6] = ["pth", "pt", "safetensors", "st", "gguf", "bin"];

/// What a folder's weights are, in words of its maker.
const CONFIG: &str = "config.json";

/// What stands before a list of files.
const INDEX_ENDING: &str = ".index.json";

/// Where the weights of a model are.
pub(super) enum Weights {
    /// All in one file.
    File(PathBuf),
    /// In several, by an index.
    Shards(Shards),
}

/// An index and the files that it names.
pub(super) struct Shards {
    /// The index.
    pub index: PathBuf,
    /// The file of every tensor, by its place in `files`.
    pub file_of: BTreeMap<String, usize>,
    /// The files in order of their names.
    pub files: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether a folder is that of a model rather than of something else, by the
/// names of its files.
pub fn is_model_folder(folder: &Path) -> bool {
    let has_usual = USUAL.iter().any(|name| folder.join(name).is_file());
    has_usual || folder.is_dir() && weights_in(folder).is_ok()
}

/// The files with the weights that `path` stands for.
///
/// # Errors
/// As [`super::Checkpoint::open`], where it looks for the files.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(match weights_at(path)? {
        Weights::File(file) => vec![file],
        Weights::Shards(shards) => shards.files,
    })
}

/// When the newest of a model's files was changed, and how many bytes they are:
/// what tells that one was replaced.
///
/// # Errors
/// As [`super::Checkpoint::open`], where it looks for the files.
pub fn stamp(path: &Path) -> Result<(Option<SystemTime>, u64)> {
    let files = files(path)?;
    let (mut newest, mut n_bytes) = (None, 0);
    for file in files {
        let metadata = fs::metadata(&file);
        let metadata = metadata.map_err(|source| Error::io("open", &file, source))?;
        newest = newest.max(metadata.modified().ok());
        n_bytes += metadata.len();
    }
    Ok((newest, n_bytes))
}

/// Where the weights are that `path` stands for: a folder, an index, one file of
/// an index, or a file of its own.
///
/// # Errors
/// A folder without weights, or with those of several models; an index that
/// cannot be used, and a file that an index names and that is not there.
pub(super) fn weights_at(path: &Path) -> Result<Weights> {
    if path.is_dir() {
        return weights_in(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(INDEX_ENDING) {
        return Shards::read(path).map(Weights::Shards);
    }
    let Some(index) = index_beside(&name) else {
        return Ok(Weights::File(path.to_path_buf()));
    };
    let index = path.with_file_name(index);
    if index.is_file() {
        return Shards::read(&index).map(Weights::Shards);
    }
    let reason = tr!(
        "is one part of a model, but its index {} is not in the folder; download the \
         index too",
        shown(&index.file_name().unwrap_or_default().to_string_lossy())
    );
    Err(Error::input(path, tr!("path"), reason))
}

/// The name of the index of a file such as `model-00001-of-00003.safetensors`.
fn index_beside(name: &str) -> Option<String> {
    let (front, rest) = name.split_once("-of-")?;
    let (model, number) = front.rsplit_once('-')?;
    let (total, ending) = rest.split_once('.')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_shard = is_number(number) && is_number(total) && ending != "gguf";
    is_shard.then(|| format!("{model}.{ending}{INDEX_ENDING}"))
}

fn weights_in(folder: &Path) -> Result<Weights> {
    for name in USUAL {
        let path = folder.join(name);
        if path.is_file() {
            return match name.ends_with(INDEX_ENDING) {
                true => Shards::read(&path).map(Weights::Shards),
                false => Ok(Weights::File(path)),
            };
        }
    }
    let refuse = |reason: String| Err(Error::input(folder, tr!("path"), reason));
    let entries = fs::read_dir(folder).map_err(|source| Error::io("open", folder, source))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_weights(path))
        .collect();
    found.sort();
    match found.as_slice() {
        [] => refuse(
            tr!(
                "is a folder without a model (no model.safetensors, .pth or .gguf); choose \
                 the folder or the file with the weights"
            )
            .into(),
        ),
        [file] => weights_at(file),
        several => {
            let names = several.iter().take(3).filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| shown(&name.to_string_lossy())).collect();
            refuse(tr!(
                "is a folder with {} files of weights ({}, …); choose one of them",
                several.len(),
                names.join(", ")
            ))
        }
    }
}

/// Whether a path ends as files of weights do, be it there or not.
pub fn has_ending_of_weights(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

fn is_weights(path: &Path) -> bool {
    // What a run made is no model.
    const OF_RUNS: [&str; 3] = [
        "state.safetensors",
        "lifted.safetensors",
        "lora.safetensors",
    ];
    let name = path.file_name();
    let is_state = name.is_some_and(|name| OF_RUNS.iter().any(|of| name == *of));
    has_ending_of_weights(path) && !is_state && path.is_file()
}

impl Shards {
    fn read(index: &Path) -> Result<Self> {
        let bytes = read_json(index)?;
        let refuse = |reason: String| Error::input(index, "weight_map", reason);
        let (file_of, names) = files_of(&bytes).map_err(refuse)?;
        let files: Vec<_> = names
            .iter()
            .map(|name| index.with_file_name(name))
            .collect();
        let absent: Vec<_> = names
            .iter()
            .zip(&files)
            .filter(|(_, file)| !file.exists())
            .map(|(name, _)| shown(name))
            .collect();
        if !absent.is_empty() {
            return Err(refuse(tr!(
                "lists files that are not in the folder, {} of {} ({}); download them into \
                 the folder",
                absent.len(),
                names.len(),
                absent[..absent.len().min(3)].join(", ")
            )));
        }
        Ok(Self {
            index: index.to_path_buf(),
            file_of,
            files,
        })
    }
}

/// Where every tensor is: the place of its file among the names.
type Places = (BTreeMap<String, usize>, Vec<String>);

/// The files that an index names.
///
/// # Errors
/// The reason as one line: what is no index, and names that lead elsewhere.
pub(crate) fn files_of(bytes: &[u8]) -> Result<Places, String> {
    let index: Index = serde_json::from_slice(bytes).map_err(|error| {
        tr!(
            "is not that of an index ({}); download it again",
            shown(&json_words(&error))
        )
    })?;
    let names: BTreeSet<String> = index.weight_map.values().cloned().collect();
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() || names.len() > MAX_FILES {
        return Err(tr!(
            "lists {} files; a model has 1 to {MAX_FILES}",
            names.len(),
            MAX_FILES
        ));
    }
    let leads_away = |name: &&String| {
        let is_name = Path::new(name)
            .file_name()
            .is_some_and(|it| it == name.as_str());
        !is_name || name.contains(['/', '\\', ':'])
    };
    if let Some(name) = names.iter().find(leads_away) {
        return Err(tr!(
            "lists the file {}, which is not in the folder itself; refused",
            shown(name)
        ));
    }
    let place = |name: &String| names.binary_search(name).ok();
    let file_of = index
        .weight_map
        .iter()
        .filter_map(|(tensor, name)| Some((tensor.clone(), place(name)?)))
        .collect();
    Ok((file_of, names))
}

fn read_json(path: &Path) -> Result<Vec<u8>> {
    let fail = |source| Error::io("open", path, source);
    let n_bytes = fs::metadata(path).map_err(fail)?.len();
    if n_bytes > MAX_JSON_BYTES {
        let reason = tr!(
            "is {n_bytes} bytes long; such a list takes less than {MAX_JSON_BYTES}",
            n_bytes,
            MAX_JSON_BYTES
        );
        return Err(Error::input(path, tr!("content"), reason));
    }
    fs::read(path).map_err(fail)
}

/// As [`config_in`], refusing another model than the tensors may look like. Shapes are
/// never taken from it.
///
/// # Errors
/// What it says, and that it cannot be run.
pub(super) fn checked_config(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Ok(None);
    }
    let config: Value = match serde_json::from_slice(&read_json(&path)?) {
        Ok(config) => config,
        // The weights say all that is needed.
        Err(_) => return Ok(None),
    };
    match refusal_of(&config) {
        Some((key, reason)) => Err(Error::input(path, key, reason)),
        None => Ok(Some(config)),
    }
}

/// What the `config.json` of a folder says; none where there is none that can be read.
pub(super) fn config_in(folder: &Path) -> Option<Value> {
    let path = folder.join(CONFIG);
    let bytes = path.is_file().then(|| read_json(&path).ok()).flatten()?;
    serde_json::from_slice(&bytes).ok()
}

/// The key of a configuration that speaks against the model, and why.
fn refusal_of(config: &Value) -> Option<(&'static str, String)> {
    // Its reader checks the rest.
    if Architecture::GatedDeltaNet.is_named_in(config) {
        return None;
    }
    let is_set = |key: &str| match config.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(items)) => !items.is_empty(),
        Some(Value::Bool(true) | Value::Number(_) | Value::String(_)) => true,
    };
    if let Some(Value::Array(names)) = config.get("architectures")
        && let Some(Value::String(name)) = names.first()
    {
        let lower = name.to_ascii_lowercase();
        if lower.contains("hybrid") {
            let reason = tr!(
                "is {}, a hybrid with attention layers; Gosling runs plain RWKV-7 (x070)",
                shown(name)
            );
            return Some(("architectures", reason));
        }
        if !lower.contains("rwkv") {
            let reason = tr!(
                "is {}, another architecture; Gosling runs RWKV-7 (x070) and Gated DeltaNet \
                 of fla",
                shown(name)
            );
            return Some(("architectures", reason));
        }
    }
    if is_set("attn") {
        let reason = tr!(
            "lists attention layers, so the model is a hybrid; Gosling runs plain RWKV-7 \
             (x070)"
        );
        return Some(("attn", reason.into()));
    }
    if is_set("tie_word_embeddings") {
        let reason = tr!(
            "is true: the head is tied to the embedding; save the model with its own \
             head.weight"
        );
        return Some(("tie_word_embeddings", reason.into()));
    }
    None
}

#[cfg(test)]
mod tests;
