//! The model, the base and the questions of an adaptation.

use std::path::Path;

use crate::adapt::exam::Exam;
use crate::adapt::prompts::Prompts;
use crate::adapt::question::Question;
use crate::adapt::spec::TaskSpec;
use crate::bench::{FewShot, ItemSet, ScoreOptions, gold_answers};
use crate::cli::eval::official;
use crate::cli::progress::show_read;
use crate::data::{Benchmark, Item, Protocol, Split, few_shot, mini};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::{DeviceChoice, OpenDevice, open};
use crate::model::checkpoint::Checkpoint;
use crate::model::tokenizer::Tokenizer;
use crate::model::{LeadingToken, Model, ModelConfig, TextStart, mini as mini_model};
use crate::protocol::run_spec::{CheckpointSource, ModelSpec};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned_for;
use crate::tuning::states::state_file::{Metadata, TunedState, VocabularyMark, locate_state};
use crate::worker::session::fitting_tokenizer;

/// A model and the state that it starts from.
pub(super) struct Loaded {
    pub device: OpenDevice,
    pub model: Model,
    pub tokenizer: Tokenizer,
    pub base: Tuned,
    /// What texts begin with behind the base.
    pub text_start: TextStart,
    /// The checkpoint's file name.
    pub file: String,
    fingerprint: String,
    vocabulary: String,
}

/// Loads a model onto a device that is open, or opens one. The state is untuned
/// without a file.
///
/// # Errors
/// What is wrong with a file; a device that cannot be used.
pub(super) fn load_model(
    spec: &ModelSpec,
    device: DeviceChoice,
    state: Option<&Path>,
    opened: Option<&OpenDevice>,
) -> Result<Loaded> {
    let (checkpoint, file) = match &spec.checkpoint {
        CheckpointSource::Mini => (mini_model::checkpoint()?, mini_model::FILE_NAME.to_owned()),
        CheckpointSource::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            (Checkpoint::open(path)?, name.to_string_lossy().into_owned())
        }
    };
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let tokenizer = fitting_tokenizer(spec, Path::new(&file), config.vocab_size)?;
    // The small file is looked at before the large one is read.
    let (base, metadata) = match state {
        None => (Tuned::from(TunedState::zero(&config)), None),
        Some(path) => {
            let path = locate_state(path)?;
            let (tuned, metadata) = read_tuned_for(&path, None, &config)?;
            tuned
                .check_fits(&config)
                .map_err(|error| error.at_file(&path))?;
            let fingerprint = checkpoint.fingerprint();
            let is_other = |of: &String| *of != fingerprint;
            if metadata.base_fingerprint.as_ref().is_some_and(is_other) {
                eprintln!(
                    "{}",
                    tr!(
                        "gosling: {}: base model: the state was tuned for other weights than {file}; results may be worse",
                        shown(&path),
                        file
                    )
                );
            }
            (tuned, Some(metadata))
        }
    };
    let device = match opened {
        Some(device) => device.clone(),
        None => open(device)?,
    };
    spec.precision.check_device(&config, &device)?;
    let model = Model::load_stored(&checkpoint, &device.device, spec.precision, &mut show_read)?;
    Ok(Loaded {
        fingerprint: checkpoint.fingerprint(),
        vocabulary: spec.vocabulary.name(tokenizer.vocab_size()),
        model,
        text_start: metadata
            .as_ref()
            .map_or(TextStart::Zero, Metadata::text_start),
        tokenizer,
        device,
        base,
        file,
    })
}

impl Loaded {
    /// What a state that comes of it says of itself.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            architecture: self.model.config().architecture,
            base_fingerprint: Some(self.fingerprint.clone()),
            base_model: Some(self.file.clone()),
            vocabulary: Some(VocabularyMark {
                name: self.vocabulary.clone(),
                sha256: self.tokenizer.fingerprint(),
            }),
            leading_token: Some(match self.text_start {
                TextStart::Zero => LeadingToken::Zero,
                TextStart::None => LeadingToken::None,
            }),
            ..Metadata::default()
        }
    }
}

/// The questions of an adaptation, with their labels.
pub(super) struct Task {
    set: ItemSet,
    options: ScoreOptions,
    pub protocol: Protocol,
    /// Items of the pool.
    pub pool: Vec<Item>,
    /// Solved training questions.
    pub solved: Vec<Item>,
    /// Those in front of questions, for baselines.
    pub few_shot: FewShot,
}

impl Task {
    /// Reads them.
    ///
    /// # Errors
    /// Files that cannot be read, and too few solved questions.
    pub fn load(spec: &TaskSpec, tokenizer: &Tokenizer, examples: usize) -> Result<Self> {
        let folder = spec.data.as_deref();
        let protocol = match folder {
            None => Protocol::Mini,
            Some(_) => Protocol::LmEval { mmlu: spec.mmlu },
        };
        let benchmark = spec.benchmark;
        let scored = match folder {
            None => spec.split,
            Some(_) => benchmark.scored_split(spec.split),
        };
        let items = items(benchmark, folder, scored)?;
        let set = ItemSet::new(benchmark, scored, items, spec.limit);
        if set.items.is_empty() {
            return Err(Error::spec(
                "task.limit",
                tr!("there is no question to answer"),
            ));
        }
        // Not every benchmark has a split to take a pool from; who needs one says so.
        let mut pool = items_or_none(benchmark, folder, spec.pool);
        pool.truncate(spec.pool_limit.unwrap_or(usize::MAX));
        let mut options = ScoreOptions::new(protocol);
        let gold = match spec.max_new_tokens {
            Some(_) => Vec::new(),
            None => gold_answers(benchmark, folder)?,
        };
        options.cut_answers(spec.max_new_tokens, &gold, tokenizer);
        let solved = match folder {
            None => mini(benchmark, Split::Train)?,
            Some(folder) => few_shot(benchmark, folder, usize::MAX)?,
        };
        let few_shot = match folder {
            None => FewShot::mini(benchmark, examples, None)?,
            Some(folder) => FewShot::official(benchmark, folder, examples, None)?,
        };
        Ok(Self {
            set,
            options,
            protocol,
            pool,
            solved,
            few_shot,
        })
    }

    /// What is scored.
    pub fn exam<'t>(&self, tokenizer: &'t Tokenizer) -> Exam<'t> {
        Exam::new(self.set.clone(), self.options.clone(), tokenizer)
    }

    /// How questions become tokens.
    pub fn prompts<'t>(&self, tokenizer: &'t Tokenizer, text_start: TextStart) -> Prompts<'t> {
        Prompts {
            tokenizer,
            protocol: self.protocol,
            text_start,
            stops: self.options.stops(),
            max_new_tokens: self.options.max_new_tokens,
        }
    }

    /// The questions of the pool.
    pub fn pool(&self) -> Vec<Question> {
        self.pool.iter().map(Question::of).collect()
    }
}

fn items(benchmark: Benchmark, folder: Option<&Path>, split: Split) -> Result<Vec<Item>> {
    match folder {
        None => mini(benchmark, split),
        Some(folder) => official(benchmark, folder, split),
    }
}

fn items_or_none(benchmark: Benchmark, folder: Option<&Path>, split: Split) -> Vec<Item> {
    items(benchmark, folder, split).unwrap_or_default()
}
