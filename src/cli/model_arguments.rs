//! Arguments for model, state and device, which several subcommands share.

use std::path::{Path, PathBuf};

use clap::Args;

use super::leading_token::FedBehind;
use super::model_choice::{BareModel, ModelChoice, run_spec};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::OpenDevice;
use crate::model::checkpoint::{Checkpoint, is_same_content};
use crate::model::state::Start;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, Precision, TextStart};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::import::{StoredState, is_raw};
use crate::tuning::states::lift_bundle::{read_tuned, read_tuned_for};
use crate::tuning::states::state_file::sidecar::read_sidecar;
use crate::tuning::states::state_file::{
    Convention, Metadata, Orientation, declared_orientation, left_out, locate_state,
};

/// Which model, state and device.
#[derive(Args)]
pub(super) struct ModelArguments {
    #[command(flatten)]
    choice: ModelChoice,
    /// The tuned state to start from: a state file, a lifted state or a run folder.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Multiply the state by this factor; 0 is the untuned model.
    #[arg(
        long,
        requires = "state",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    alpha: f32,
    /// The order of a state's last two axes, value-key or key-value, if the file does
    /// not state it.
    #[arg(long, requires = "state")]
    orientation: Option<Orientation>,
    /// First token of every text after the state. The untuned model always reads token
    /// 0 first.
    #[arg(long, value_enum, requires = "state", default_value = "as-trained")]
    leading_token: FedBehind,
    /// Storage of the weights: f32, bf16, f16, int8, nf4, or auto for the widest that
    /// fits; default: as the state was tuned.
    #[arg(long, value_parser = precision)]
    precision: Option<Precision>,
}

fn precision(text: &str) -> Result<Precision, String> {
    let is_it = |precision: &Precision| precision.name().eq_ignore_ascii_case(text);
    let mut all = std::iter::once(Precision::Auto).chain(Precision::ALL);
    let found = all.find(is_it);
    found.ok_or_else(|| tr!("choose auto, f32, bf16, f16, int8 or nf4").into())
}

/// A model on its device, and the state that it starts from.
pub(super) struct LoadedModel {
    pub device: OpenDevice,
    pub model: Model,
    pub tokenizer: Tokenizer,
    /// The untuned model without one.
    pub start: Option<Start>,
    /// The numbers that it is made of.
    pub tuned: Option<Tuned>,
    /// What texts begin with.
    pub text_start: TextStart,
    /// What the model starts from, for the user.
    pub start_name: String,
    /// The checkpoint's file name.
    pub file: String,
    /// [`Checkpoint::fingerprint`].
    pub fingerprint: String,
}

/// A state that was read.
struct ReadState {
    path: PathBuf,
    tuned: Tuned,
    metadata: Metadata,
}

impl ModelArguments {
    /// Opens the device and loads the model; warns on the error stream of a
    /// state that was tuned for other weights.
    ///
    /// # Errors
    /// Bad input: what it is, and where; a device that cannot be used.
    pub fn load(&self) -> Result<LoadedModel> {
        // The small file is looked at before the large one is read.
        let state = self.read_state()?;
        let says = state.as_ref().map(|of| (of.path.as_path(), &of.metadata));
        let choice = match says {
            Some(says) => self.choice.for_state(says)?,
            None => self.choice.clone(),
        };
        if let Some(ReadState { path, tuned, .. }) = &state {
            let fits = tuned.check_fits(&choice.config()?);
            fits.map_err(|error| error.at_file(path))?;
        }
        let BareModel {
            device,
            model,
            tokenizer,
            fingerprint,
        } = choice.load_for(says, self.precision)?;
        let text_start = self.leading_token.text_start(says);
        let (tuned, start_name) = match state {
            None => (None, "untuned".into()),
            Some(ReadState {
                path,
                tuned,
                metadata,
            }) => {
                let is_other = |made_for: &String| !is_same_content(made_for, &fingerprint);
                if metadata.base_fingerprint.as_ref().is_some_and(is_other) {
                    eprintln!(
                        "{}",
                        tr!(
                            "gosling: {}: base model: the state was tuned for other weights than {}; results may be worse",
                            shown(&path),
                            choice.name()
                        )
                    );
                }
                let name = format!("{}{}", shown(&path), times(self.alpha));
                let tuned = tuned.scaled(self.alpha);
                (Some(tuned), name)
            }
        };
        Ok(LoadedModel {
            start: tuned.as_ref().map(|of| of.start(&device.device)),
            device,
            model,
            tokenizer,
            tuned,
            text_start,
            start_name,
            file: choice.file_name(),
            fingerprint,
        })
    }

    /// The run's folder that the state is taken from, where it is one and the
    /// state is taken as it is.
    pub fn run_folder(&self) -> Option<&Path> {
        let state = self.state.as_deref();
        state.filter(|path| self.alpha == 1.0 && path.is_dir())
    }

    /// What the state says of itself; none without a state.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn metadata(&self) -> Result<Option<Metadata>> {
        Ok(self.read_state()?.map(|state| state.metadata))
    }

    /// What the run was that made the state, as far as that is known.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn run_spec(&self) -> Result<Option<RunSpec>> {
        Ok(self.metadata()?.as_ref().and_then(run_spec))
    }

    fn read_state(&self) -> Result<Option<ReadState>> {
        if !self.alpha.is_finite() {
            let reason = tr!("must be a number, is {}", self.alpha);
            return Err(Error::spec("--alpha", reason));
        }
        let Some(path) = &self.state else {
            return Ok(None);
        };
        let path = locate_state(path)?;
        if is_raw(&path)? {
            return self.read_raw_state(path).map(Some);
        }
        let file = Checkpoint::open(&path)?;
        // A file that does not say its order has that of its model's kind.
        let config = match declared_orientation(&file, self.orientation)? {
            Some(_) => None,
            None => self.choice.config().ok(),
        };
        let (tuned, metadata) = match config {
            Some(config) => read_tuned_for(&path, self.orientation, &config)?,
            None => read_tuned(&path, self.orientation)?,
        };
        if let Some(left_out) = left_out(&file) {
            eprintln!("gosling: {}: {left_out}", shown(&path));
        }
        Ok(Some(ReadState {
            path,
            tuned,
            metadata,
        }))
    }

    /// The state of rwkv.cpp. Its file has no dimensions, so those of the model hold.
    fn read_raw_state(&self, path: PathBuf) -> Result<ReadState> {
        let beside = read_sidecar(&path)?.map(|(metadata, _)| metadata);
        let choice = match &beside {
            Some(metadata) => self.choice.for_state((&path, metadata))?,
            None => self.choice.clone(),
        };
        let stored = StoredState::read(&path, self.orientation, &choice.config()?)?;
        let declared = stored.declared.unwrap_or(Convention::RAW.orientation);
        Ok(ReadState {
            tuned: stored.oriented(declared).into(),
            metadata: stored.metadata,
            path,
        })
    }
}

/// ` times 0.5`; nothing for 1.
pub(super) fn times(alpha: f32) -> String {
    if alpha == 1.0 {
        String::new()
    } else {
        tr!(" times {alpha}", alpha)
    }
}
