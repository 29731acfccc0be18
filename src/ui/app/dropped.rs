//! What a file or a folder is that was dropped on the window.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
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
            "jsonl" | "json" | "csv" | "tsv" | "gz" => Ok(Self::Texts(path)),
            "st" | "state" => Ok(Self::State(path)),
            "pth" | "pt" | "safetensors" => {
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
                let reason = "is not a supported file; drop a model (.pth, .safetensors), a state, a vocabulary (.txt), a data set (.jsonl, .json, .csv), a specification (.ron) or a run's folder";
                Err(Error::input(path, "kind", reason))
            }
        }
    }
}

/// Whether a file is meant as a sweep, be it right or not.
fn looks_like_sweep(path: &Path) -> bool {
    let text = read_text(path, 1 << 20, "a sweep is a short RON file").unwrap_or_default();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words.any(|word| word == "parts:" || word.starts_with("parts:"))
}
