//! The inputs of a run (weights, vocabulary, data): recorded with the run and its
//! state, and compared when a run resumes or starts from a state.

use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::run_data::RunData;
use super::session::LoadedModel;
use crate::atomic::write_atomic;
use crate::data::Role;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::checkpoint::{Checkpoint, is_same_content};
use crate::model::tokenizer::{Tokenizer, WORLD_FINGERPRINT};
use crate::persist::run_folder::RunFolder;
use crate::persist::run_inputs::{Input, RunInputs};
use crate::protocol::run_spec::{CheckpointSource, RunSpec};
use crate::tuning::spec::StartState;
use crate::tuning::states::state_file::{
    Metadata, VOCABULARY_FILE, VocabularyMark, state_as_stored,
};

/// The key of the inputs in a checkpoint.
pub(super) const INPUTS: &str = "inputs";

/// What a run is made from, and what its state says of that.
#[derive(Debug, Clone)]
pub(super) struct MadeFrom {
    pub inputs: RunInputs,
    /// Without the specification and the figures.
    pub metadata: Metadata,
}

impl MadeFrom {
    pub fn new(
        spec: &RunSpec,
        loaded: &LoadedModel,
        tokenizer: &Tokenizer,
        run_data: &RunData,
    ) -> Self {
        let name = spec.model.vocabulary.name(tokenizer);
        let vocabulary = VocabularyMark::new(name, tokenizer);
        let data = data_fingerprint(run_data);
        let metadata = Metadata {
            architecture: loaded.model.config().architecture,
            base_fingerprint: Some(loaded.fingerprint.clone()),
            base_model: Some(loaded.file.clone()),
            vocabulary: Some(vocabulary.clone()),
            template: Some(run_data.prompt_format.clone()),
            leading_token: Some(spec.data.leading_token),
            method: Some(spec.method.name().into()),
            data_fingerprint: Some(data.clone()),
            ..Metadata::default()
        };
        let inputs = RunInputs {
            model: Input {
                name: loaded.file.clone(),
                fingerprint: loaded.fingerprint.clone(),
            },
            vocabulary: Input {
                name: vocabulary.name,
                fingerprint: vocabulary.sha256,
            },
            data: Input {
                name: spec.data_name(),
                fingerprint: data,
            },
            accepted: Vec::new(),
        };
        Self { inputs, metadata }
    }

    /// Writes the inputs into the run's folder, and the vocabulary unless it is
    /// World's, which every program has.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&mut self, folder: &RunFolder, tokenizer: &Tokenizer) -> Result<()> {
        self.inputs.write(folder.path())?;
        let path = folder.path().join(VOCABULARY_FILE);
        if self.inputs.vocabulary.fingerprint == WORLD_FINGERPRINT {
            return Ok(());
        }
        let text = tokenizer.to_text();
        write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
        self.metadata.vocabulary_file = Some(path);
        Ok(())
    }

    /// Compares with what the run was made from when it was interrupted; what is to
    /// be noted. `of_checkpoint` is what its checkpoint says.
    ///
    /// # Errors
    /// [`Error::Changed`] with what has changed, unless that is accepted;
    /// [`Error::Input`] for a file that cannot be read.
    pub fn check_unchanged(
        &mut self,
        folder: &Path,
        of_checkpoint: Option<&str>,
        is_accepted: bool,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let of_folder = RunInputs::read(folder)?;
        let of_checkpoint = match of_checkpoint {
            Some(text) => Some(
                RunInputs::from_json(text)
                    .map_err(|reason| Error::input(folder, tr!("checkpoint, inputs"), reason))?,
            ),
            None => None,
        };
        self.inputs.accepted = of_folder
            .as_ref()
            .map(|of| of.accepted.clone())
            .unwrap_or_default();
        let Some(then) = of_checkpoint.or(of_folder) else {
            notes.push(
                tr!(
                    "the run does not record its weights, vocabulary and data; it continues with \
                     the current ones"
                )
                .into(),
            );
            return Ok(());
        };
        let changes = then.changes(&self.inputs);
        if changes.is_empty() {
            return Ok(());
        }
        let changes = changes.join("; ");
        if !is_accepted {
            let reason = tr!(
                "{changes}; restore the original files, or accept the change",
                changes
            );
            return Err(Error::changed(folder, tr!("inputs"), reason));
        }
        notes.push(tr!("continued although {changes}", changes));
        self.inputs.accepted.push(changes);
        Ok(())
    }

    /// Compares with what the state that the run starts from was made from; what is
    /// to be noted.
    ///
    /// # Errors
    /// [`Error::Changed`] for a state of other weights, unless that is accepted;
    /// [`Error::Input`] for a file that cannot be read.
    pub fn check_start(
        &mut self,
        start: &StartState,
        is_accepted: bool,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let path = match start {
            StartState::Zero | StartState::Text(_) => return Ok(()),
            StartState::File(path) => path,
        };
        // What way round its numbers are is not asked here.
        let (_, of_start) = state_as_stored(&Checkpoint::open(path)?)?;
        let shown = shown(path);
        match &of_start.base_fingerprint {
            None => notes.push(tr!(
                "{shown} does not record which weights it was tuned for",
                shown
            )),
            Some(then) if !is_same_content(then, &self.inputs.model.fingerprint) => {
                let then = Input {
                    name: of_start
                        .base_model
                        .unwrap_or_else(|| tr!("other weights").into()),
                    fingerprint: then.clone(),
                };
                let changes = tr!(
                    "{shown} was tuned for {then}, the model is {}",
                    self.inputs.model,
                    shown,
                    then
                );
                if !is_accepted {
                    let reason = tr!(
                        "was tuned for {then}, the model is {}; choose a state of this model, or \
                         accept the change",
                        self.inputs.model,
                        then
                    );
                    return Err(Error::changed(path, tr!("base model"), reason));
                }
                notes.push(tr!("continued although {changes}", changes));
                self.inputs.accepted.push(changes);
            }
            Some(_) => {}
        }
        let own = &self.metadata;
        if let (Some(then), Some(now)) = (&of_start.vocabulary, &own.vocabulary)
            && then.sha256 != now.sha256
        {
            notes.push(tr!(
                "{shown} was tuned with {then}, this run has {now}",
                shown,
                then,
                now
            ));
        }
        if let (Some(then), Some(now)) = (of_start.leading_token, own.leading_token)
            && then != now
        {
            notes.push(tr!(
                "{shown} was tuned with data.leading_token {}, this run has {}",
                then.name(),
                now.name(),
                shown
            ));
        }
        Ok(())
    }
}

/// The hash of everything that a run learns from and keeps its state by. What it is
/// scored on is not in it: the best run of a sweep is scored on another split.
pub(super) fn data_fingerprint(data: &RunData) -> String {
    let mut hash = Sha256::new();
    let RunData {
        train,
        validation,
        benchmark: _,
        held_out: _,
        prompt_format: _,
        is_small: _,
        notes: _,
        of_length: _,
    } = data;
    for examples in [train, validation] {
        hash.update((examples.len() as u64).to_le_bytes());
        for example in examples {
            // A text is one that follows nothing.
            if matches!(example.turns.as_slice(), [turn] if turn.role != Role::Given) {
                add_tokens(&mut hash, &[]);
            }
            for (turn, place) in example.places() {
                add_tokens(&mut hash, &example.tokens[place]);
                if let Some(mark) = turn.mark {
                    hash.update([2, u8::from(mark)]);
                }
            }
        }
    }
    format!("{:x}", hash.finalize())
}

fn add_tokens(hash: &mut Sha256, tokens: &[u32]) {
    hash.update((tokens.len() as u64).to_le_bytes());
    hash.update(bytemuck::cast_slice::<u32, u8>(tokens));
}

/// Where the weights of a run are now, for one that was moved.
///
/// # Errors
/// [`Error::Input`] where they are not there and nobody said where they are.
pub(super) fn check_model_is_there(folder: &Path, spec: &RunSpec) -> Result<()> {
    let missing = match &spec.model.checkpoint {
        CheckpointSource::Mini => None,
        CheckpointSource::File(path) => Some(path).filter(|path| !path.exists()),
    };
    match missing {
        None => Ok(()),
        Some(path) => {
            let reason = tr!(
                "{} is missing; name its new path with gosling tune --resume {} --model FILE",
                path.display(),
                folder.display()
            );
            Err(Error::input(folder, "model.checkpoint", reason))
        }
    }
}
