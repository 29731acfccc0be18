//! What a file or a folder is that was dropped on the window.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, is_model_folder};
use crate::model::tokenizer::TOKENIZER_JSON;
use crate::persist::run_history::past_run;
use crate::persist::spec_file::read_spec;
use crate::protocol::run_spec::RunSpec;
use crate::runs::run::Run;
use crate::sweep::store::SWEEP_FILE;
use crate::text_file::read_text;

/// What was dropped on the window.
#[derive(Debug)]
pub(super) enum Dropped {
    Run(Box<Run>),
    Spec(Box<RunSpec>),
    /// The file of a sweep.
    Sweep(PathBuf),
    /// The folder of a sweep.
    SweepFolder(PathBuf),
    Model(PathBuf),
    Vocabulary(PathBuf),
    State(PathBuf),
    Texts(PathBuf),
}

impl Dropped {
    /// Looks at what a path is: a folder by what is in it, a file by its ending
    /// and, where that says too little, by its tensors.
    pub fn of(path: PathBuf) -> Result<Self> {
        if path.join(SWEEP_FILE).is_file() {
            return Ok(Self::SweepFolder(path));
        }
        // A run has a state, and no file of its own that is a model.
        if is_model_folder(&path) && !path.join("spec.ron").is_file() {
            return Ok(Self::Model(path));
        }
        if path.is_dir() {
            return past_run(&path).map(|run| Self::Run(Box::new(run)));
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        match ending.to_ascii_lowercase().as_str() {
            "ron" => match read_spec(&path) {
                Ok(spec) => Ok(Self::Spec(Box::new(spec))),
                // No file is both: each refuses fields that it does not know.
                Err(_) if looks_like_sweep(&path) => Ok(Self::Sweep(path)),
                Err(error) => Err(error),
            },
            "txt" => Ok(Self::Vocabulary(path)),
            "json" if path.file_name().is_some_and(|name| name == TOKENIZER_JSON) => {
                Ok(Self::Vocabulary(path))
            }
            "jsonl" | "json" | "csv" | "tsv" | "gz" | "parquet" | "idx" => Ok(Self::Texts(path)),
            "state" => Ok(Self::State(path)),
            "pth" | "pt" | "safetensors" | "st" | "gguf" | "bin" => {
                let checkpoint = Checkpoint::open(&path)?;
                // A model has an embedding; a state has none.
                let is_model = checkpoint.tensor("emb.weight").is_some();
                Ok(if is_model {
                    Self::Model(path)
                } else {
                    Self::State(path)
                })
            }
            _ => {
                let reason = tr!(
                    "is not a supported file; drop a model (.pth, .safetensors, .st, .gguf, .bin or its folder), a state, a vocabulary (.txt, tokenizer.json), a data set (.jsonl, .json, .csv), a specification (.ron) or a run's folder"
                );
                Err(Error::input(path, "kind", reason))
            }
        }
    }
}

/// Whether a file is meant as a sweep, be it right or not.
fn looks_like_sweep(path: &Path) -> bool {
    let text = read_text(path, 1 << 20, tr!("a sweep is a short RON file")).unwrap_or_default();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words.any(|word| word == "parts:" || word.starts_with("parts:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_in_every_form() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let kind = |path: &str| match Dropped::of(golden.join(path)).unwrap() {
            Dropped::Model(_) => "model",
            Dropped::State(_) => "state",
            Dropped::Run(_)
            | Dropped::Spec(_)
            | Dropped::Sweep(_)
            | Dropped::SweepFolder(_)
            | Dropped::Vocabulary(_)
            | Dropped::Texts(_) => "something else",
        };
        for model in ["tiny.pth", "dialects/rwkv7-hf", "dialects/f16.gguf"] {
            assert_eq!(kind(model), "model", "{model}");
        }
        for state in ["states/arc-0.3.st", "torch/list.pth"] {
            assert_eq!(kind(state), "state", "{state}");
        }
        // The folder of a run has files with tensors too.
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("spec.ron"), "()").unwrap();
        std::fs::write(run.path().join("state.pth"), "").unwrap();
        assert!(!matches!(
            Dropped::of(run.path().to_path_buf()),
            Ok(Dropped::Model(_))
        ));
    }
}
