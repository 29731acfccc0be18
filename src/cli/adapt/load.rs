//! The model, the base and the questions of an adaptation.

use std::path::Path;
use std::time::SystemTime;

use burn::tensor::Device;

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
use crate::model::checkpoint::{Checkpoint, stamp};
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

/// Models on a device at most: the one that is adapted and its guide.
const MAX_KEPT: usize = 2;

/// Models that stay on the device from one adaptation to the next, the last used last.
#[derive(Default)]
pub(super) struct KeptModels(Vec<(KeptKey, KeptModel)>);

/// What a model that is kept was made from.
#[derive(PartialEq)]
struct KeptKey {
    spec: ModelSpec,
    device: Device,
    /// Age and size of the checkpoint's files, which may be replaced.
    stamp: Option<(Option<SystemTime>, u64)>,
}

#[derive(Clone)]
struct KeptModel {
    model: Model,
    fingerprint: String,
}

impl KeptModels {
    /// Lets go of all of them.
    pub fn let_go(&mut self) {
        self.0.clear();
    }

    /// The model of a checkpoint, read if it is not kept. The one that was not used for
    /// the longest time makes room for it.
    fn get(
        &mut self,
        spec: &ModelSpec,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<KeptModel> {
        let key = KeptKey {
            spec: spec.clone(),
            device: device.clone(),
            stamp: match &spec.checkpoint {
                CheckpointSource::Mini => None,
                CheckpointSource::File(path) => Some(stamp(path)?),
            },
        };
        if let Some(idx) = self.0.iter().position(|(known, _)| *known == key) {
            let kept = self.0.remove(idx);
            let model = kept.1.clone();
            self.0.push(kept);
            return Ok(model);
        }
        if self.0.len() >= MAX_KEPT {
            self.0.remove(0);
            device.memory_cleanup();
        }
        let kept = KeptModel {
            model: Model::load_stored(checkpoint, device, spec.precision, &mut show_read)?,
            fingerprint: checkpoint.fingerprint(),
        };
        self.0.push((key, kept.clone()));
        Ok(kept)
    }
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
    kept: &mut KeptModels,
) -> Result<Loaded> {
    let (checkpoint, file) = match &spec.checkpoint {
        CheckpointSource::Mini => (mini_model::checkpoint()?, mini_model::FILE_NAME.to_owned()),
        CheckpointSource::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            (Checkpoint::open(path)?, name.to_string_lossy().into_owned())
        }
    };
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let tokenizer = fitting_tokenizer(spec, &config)?;
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
    let KeptModel { model, fingerprint } = kept.get(spec, &checkpoint, &device.device)?;
    Ok(Loaded {
        fingerprint,
        vocabulary: spec.vocabulary.name(&tokenizer),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_once_and_the_one_that_waited_longest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.pth");
        for name in ["a.pth", "b.pth", "c.pth"] {
            std::fs::copy(&golden, folder.path().join(name)).unwrap();
        }
        let device = open(DeviceChoice::Cpu).unwrap().device;
        let mut kept = KeptModels::default();
        // The names of those that are kept after another one was asked for.
        let mut after = |name: &str| -> Vec<String> {
            let path = folder.path().join(name);
            let spec = ModelSpec {
                checkpoint: CheckpointSource::File(path.clone()),
                ..ModelSpec::default()
            };
            let checkpoint = Checkpoint::open(&path).unwrap();
            kept.get(&spec, &checkpoint, &device).unwrap();
            let name = |(key, _): &(KeptKey, KeptModel)| {
                let CheckpointSource::File(path) = &key.spec.checkpoint else {
                    panic!("another source");
                };
                path.file_name().unwrap().to_string_lossy().into_owned()
            };
            kept.0.iter().map(name).collect()
        };
        assert_eq!(after("a.pth"), ["a.pth"]);
        assert_eq!(after("b.pth"), ["a.pth", "b.pth"]);
        // Reading it again would take the room of the other one.
        assert_eq!(after("b.pth"), ["a.pth", "b.pth"]);
        assert_eq!(after("a.pth"), ["b.pth", "a.pth"]);
        assert_eq!(after("c.pth"), ["a.pth", "c.pth"]);
        // Another file of the same name is another model.
        let path = folder.path().join("c.pth");
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(after("c.pth"), ["c.pth", "c.pth"]);
    }
}
