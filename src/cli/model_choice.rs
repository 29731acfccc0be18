//! Which model and device, as several subcommands ask for them.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use clap::Args;

use super::progress::show_read;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::{DeviceChoice, OpenDevice, open, room_of};
use crate::model::checkpoint::Checkpoint;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, ModelConfig, Precision, mini};
use crate::persist::known_weights;
use crate::persist::spec_file::parse_spec;
use crate::protocol::run_spec::{CheckpointSource, ModelSpec, RunSpec, VocabularySource};
use crate::tuning::states::state_file::Metadata;
use crate::worker::session::{check_vocabulary, fitting_tokenizer};

/// Which model and device.
#[derive(Args, Clone)]
pub(super) struct ModelChoice {
    /// An RWKV-7 (x070) model, a file (.pth, .safetensors, .st, .gguf, .bin) or a Hugging
    /// Face folder, or the folder of a Gated DeltaNet of fla; default: the one that the state
    /// was tuned for, else the mini model.
    #[arg(long)]
    model: Option<PathBuf>,
    /// auto, mini, world, or a vocabulary file: in the official text format, or a
    /// tokenizer.json; default: the one that the state was tuned with.
    #[arg(long, value_name = "VOCABULARY", value_parser = vocabulary_source)]
    vocabulary: Option<VocabularySource>,
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

fn vocabulary_source(text: &str) -> Result<VocabularySource, Infallible> {
    Ok(match text {
        "auto" => VocabularySource::Auto,
        "mini" => VocabularySource::Mini,
        "world" => VocabularySource::World,
        file => VocabularySource::File(file.into()),
    })
}

/// A model on its device.
pub(super) struct BareModel {
    pub device: OpenDevice,
    pub model: Model,
    pub tokenizer: Tokenizer,
    /// [`Checkpoint::fingerprint`] of its weights.
    pub fingerprint: String,
}

/// A state file, and what it says of itself.
type StateSays<'a> = (&'a Path, &'a Metadata);

impl ModelChoice {
    /// The vocabulary that was asked for by its option.
    pub fn asked_vocabulary(&self) -> Option<&VocabularySource> {
        self.vocabulary.as_ref()
    }

    /// The dimensions of the model, without its weights.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn config(&self) -> Result<ModelConfig> {
        ModelConfig::from_checkpoint(&self.checkpoint()?)
    }

    /// The same with the weights that a state was tuned for, where none were asked
    /// for.
    ///
    /// # Errors
    /// [`Error::Input`] where they are not where they were.
    pub fn for_state(&self, state: StateSays<'_>) -> Result<Self> {
        let mut choice = self.clone();
        let spec = run_spec(state.1);
        if let (None, Some(CheckpointSource::File(path))) =
            (&self.model, spec.map(|spec| spec.model.checkpoint))
        {
            if !path.exists() {
                let reason = tr!(
                    "the state was tuned for {}, which is missing; name its file with --model",
                    path.display()
                );
                return Err(Error::input(state.0, tr!("base model"), reason));
            }
            choice.model = Some(path);
        }
        Ok(choice)
    }

    /// Opens the device and loads the model, untuned.
    ///
    /// # Errors
    /// As [`Self::load_for`].
    pub fn load(&self) -> Result<BareModel> {
        self.load_for(None, None)
    }

    /// Opens the device and loads the model as a state was tuned with it: with its
    /// vocabulary and its precision, unless others are asked for.
    ///
    /// # Errors
    /// What is wrong with the file; a device that cannot be used.
    pub fn load_for(
        &self,
        state: Option<StateSays<'_>>,
        precision: Option<Precision>,
    ) -> Result<BareModel> {
        let checkpoint = self.checkpoint()?;
        let config = ModelConfig::from_checkpoint(&checkpoint)?;
        let tokenizer = self.tokenizer(&config, state)?;
        let device = open(self.device)?;
        let as_tuned = state.and_then(|(_, metadata)| run_spec(metadata));
        let as_tuned = as_tuned.map_or(Precision::F32, |spec| spec.model.precision);
        let precision = match precision.unwrap_or(as_tuned) {
            Precision::Auto => {
                let (halves, room) = (Precision::halves_of(&checkpoint), room_of(self.device));
                let widest = Precision::widest(&config, halves, room.usable());
                eprintln!(
                    "{}",
                    tr!("gosling: weights are stored in {}", widest.name())
                );
                widest
            }
            asked => asked,
        };
        precision.check_device(&config, &device)?;
        let model = Model::load_stored(&checkpoint, &device.device, precision, &mut show_read)?;
        Ok(BareModel {
            fingerprint: known_weights::fingerprint(&checkpoint),
            device,
            model,
            tokenizer,
        })
    }

    /// The vocabulary that was asked for, else that of the state, else the built-in
    /// one of the model's size.
    fn tokenizer(&self, config: &ModelConfig, state: Option<StateSays<'_>>) -> Result<Tokenizer> {
        let Some(asked) = &self.vocabulary else {
            let of_state = match state {
                Some((path, metadata)) => metadata.tokenizer(path)?,
                None => None,
            };
            return match of_state {
                Some(tokenizer) => {
                    let name = tr!("the vocabulary of the state");
                    let model = self.name();
                    check_vocabulary(&tokenizer, name, Path::new(&model), config.vocab_size)?;
                    Ok(tokenizer.with_end(config.end_of_document))
                }
                None => fitting_tokenizer(&self.spec(VocabularySource::Auto), config),
            };
        };
        let tokenizer = fitting_tokenizer(&self.spec(asked.clone()), config)?;
        if let Some((path, metadata)) = state
            && let Some(mark) = &metadata.vocabulary
            && mark.sha256 != tokenizer.fingerprint()
        {
            eprintln!(
                "{}",
                tr!(
                    "gosling: {}: vocabulary: the state was tuned with {mark}, not with {}; results may be worse",
                    path.display(),
                    asked.name(&tokenizer),
                    mark
                )
            );
        }
        Ok(tokenizer)
    }

    /// The model with a vocabulary.
    fn spec(&self, vocabulary: VocabularySource) -> ModelSpec {
        let file = self.model.clone().map(CheckpointSource::File);
        ModelSpec {
            checkpoint: file.unwrap_or(CheckpointSource::Mini),
            vocabulary,
            ..ModelSpec::default()
        }
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        match &self.model {
            Some(path) => Checkpoint::open(path),
            None => mini::checkpoint(),
        }
    }

    /// The checkpoint's file name.
    pub fn file_name(&self) -> String {
        match &self.model {
            Some(path) => file_name(path),
            None => mini::FILE_NAME.into(),
        }
    }

    /// The checkpoint's path, for the user.
    pub fn name(&self) -> String {
        let name = self.model.as_ref().map(|path| shown(path).to_string());
        name.unwrap_or_else(|| tr!("the mini model").into())
    }
}

/// What the run was that made a state, as far as the state says and this version
/// knows.
pub(super) fn run_spec(metadata: &Metadata) -> Option<RunSpec> {
    let text = metadata.spec_ron.as_deref()?;
    parse_spec(text, "spec_ron").ok()
}

/// The last part of a path, for the user.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
