//! Which model, state and device: what several subcommands ask for alike.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::kernels::device::{DeviceChoice, OpenDevice, open};
use crate::model::checkpoint::Checkpoint;
use crate::model::state::Start;
use crate::model::tokenizer::Tokenizer;
use crate::model::{ModelConfig, Rwkv7, mini};
use crate::tuning::lift_bundle::read_tuned;
use crate::tuning::state_file::{Metadata, Orientation, left_out, locate_state};
use crate::tuning::tuned::Tuned;
use crate::words::shown;

/// Which model and device.
#[derive(Args)]
pub(super) struct ModelChoice {
    /// An official x070 checkpoint; without it the mini model.
    #[arg(long)]
    model: Option<PathBuf>,
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

/// A model on its device.
pub(super) struct BareModel {
    pub device: OpenDevice,
    pub model: Rwkv7,
    pub tokenizer: Tokenizer,
    /// [`Checkpoint::fingerprint`] of its weights.
    pub fingerprint: String,
}

impl ModelChoice {
    /// The dimensions of the model, without its weights.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn config(&self) -> Result<ModelConfig> {
        ModelConfig::from_checkpoint(&self.checkpoint()?)
    }

    /// Opens the device and loads the model.
    ///
    /// # Errors
    /// What is wrong with the file; a device that cannot be used.
    pub fn load(&self) -> Result<BareModel> {
        let checkpoint = self.checkpoint()?;
        let config = ModelConfig::from_checkpoint(&checkpoint)?;
        let tokenizer = Tokenizer::for_embedding(config.vocab_size)?;
        let device = open(self.device)?;
        config.check_device(&device)?;
        let model = Rwkv7::load(&checkpoint, &device.device, &mut show_share)?;
        Ok(BareModel {
            fingerprint: checkpoint.fingerprint(),
            device,
            model,
            tokenizer,
        })
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        match &self.model {
            Some(path) => Checkpoint::open(path),
            None => mini::checkpoint(),
        }
    }

    /// The checkpoint's file name.
    fn file_name(&self) -> String {
        match &self.model {
            Some(path) => file_name(path),
            None => mini::FILE_NAME.into(),
        }
    }

    fn name(&self) -> String {
        let name = self.model.as_ref().map(|path| shown(path).to_string());
        name.unwrap_or_else(|| "the mini model".into())
    }
}

/// Which model, state and device.
#[derive(Args)]
pub(super) struct ModelArguments {
    #[command(flatten)]
    choice: ModelChoice,
    /// The tuned state to start from: a state file, a lifted state or a run's folder.
    #[arg(long)]
    state: Option<PathBuf>,
    /// The state is taken times this; 0 is the untuned model.
    #[arg(
        long,
        requires = "state",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    alpha: f32,
    /// The order of a state's last two axes, value-key or key-value, where the file does not say.
    #[arg(long, requires = "state")]
    orientation: Option<Orientation>,
}

/// A model on its device, and the state that it starts from.
pub(super) struct LoadedModel {
    pub device: OpenDevice,
    pub model: Rwkv7,
    pub tokenizer: Tokenizer,
    /// The untuned model without one.
    pub start: Option<Start>,
    /// What the model starts from, for people.
    pub start_name: String,
    /// The checkpoint's file name.
    pub file: String,
    /// [`Checkpoint::fingerprint`].
    pub fingerprint: String,
}

impl ModelArguments {
    /// Opens the device and loads the model; warns on the error stream of a
    /// state that was tuned for other weights.
    ///
    /// # Errors
    /// Bad input: what it is, and where; a device that cannot be used.
    pub fn load(&self) -> Result<LoadedModel> {
        // The small file is looked at before the large one is read.
        let state = self.read_state(&self.choice.config()?)?;
        let BareModel {
            device,
            model,
            tokenizer,
            fingerprint,
        } = self.choice.load()?;
        let (start, start_name) = match state {
            None => (None, "untuned".into()),
            Some((path, tuned, metadata)) => {
                let is_other = |made_for: &String| *made_for != fingerprint;
                if metadata.base_fingerprint.as_ref().is_some_and(is_other) {
                    eprintln!(
                        "gosling: {}: base model: the state was tuned for other weights than {}; it may do harm",
                        shown(&path),
                        self.choice.name()
                    );
                }
                let name = format!("{}{}", shown(&path), times(self.alpha));
                let tuned = tuned.scaled(self.alpha);
                (Some(tuned.start(&device.device)), name)
            }
        };
        Ok(LoadedModel {
            device,
            model,
            tokenizer,
            start,
            start_name,
            file: self.choice.file_name(),
            fingerprint,
        })
    }

    /// The run's folder that the state is taken from, where it is one and the
    /// state is taken as it is.
    pub fn run_folder(&self) -> Option<&Path> {
        let state = self.state.as_deref();
        state.filter(|path| self.alpha == 1.0 && path.is_dir())
    }

    fn read_state(&self, config: &ModelConfig) -> Result<Option<(PathBuf, Tuned, Metadata)>> {
        if !self.alpha.is_finite() {
            let reason = format!("must be a number, is {}", self.alpha);
            return Err(Error::spec("--alpha", reason));
        }
        let Some(path) = &self.state else {
            return Ok(None);
        };
        let path = locate_state(path)?;
        let (tuned, metadata) = read_tuned(&path, self.orientation)?;
        if let Some(left_out) = left_out(&Checkpoint::open(&path)?) {
            eprintln!("gosling: {}: {left_out}", path.display());
        }
        tuned
            .check_fits(config)
            .map_err(|error| error.at_file(&path))?;
        Ok(Some((path, tuned, metadata)))
    }
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// ` times 0.5`; nothing for 1.
pub(super) fn times(alpha: f32) -> String {
    if alpha == 1.0 {
        String::new()
    } else {
        format!(" times {alpha}")
    }
}

/// The share of the model that is read, on one line of a terminal.
fn show_share(done: f32) -> Result<()> {
    if stderr().is_terminal() {
        let end = if done >= 1.0 { "\r\x1b[K" } else { "" };
        eprint!("\rreading the model, {:.0}%{end}", 100.0 * done);
        // A progress line that cannot be shown is no reason to stop.
        let _ = stderr().flush();
    }
    Ok(())
}
