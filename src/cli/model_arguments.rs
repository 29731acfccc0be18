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
use crate::tuning::state_file::{Metadata, Orientation, locate_state};
use crate::tuning::tuned::Tuned;

/// Which model, state and device.
#[derive(Args)]
pub(super) struct ModelArguments {
    /// An official x070 checkpoint; without it the mini model.
    #[arg(long)]
    model: Option<PathBuf>,
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
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
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
}

impl ModelArguments {
    /// Opens the device and loads the model; warns on the error stream of a
    /// state that was tuned for other weights.
    ///
    /// # Errors
    /// Bad input: what it is, and where; a device that cannot be used.
    pub fn load(&self) -> Result<LoadedModel> {
        let checkpoint = match &self.model {
            Some(path) => Checkpoint::open(path)?,
            None => mini::checkpoint()?,
        };
        let config = ModelConfig::from_checkpoint(&checkpoint)?;
        let tokenizer = Tokenizer::for_embedding(config.vocab_size)?;
        // The small file is looked at before the large one is read.
        let state = self.read_state(&config)?;
        let device = open(self.device)?;
        config.check_device(&device)?;
        let model = Rwkv7::load(&checkpoint, &device.device, &mut show_share)?;
        let (start, start_name) = match state {
            None => (None, "untuned".into()),
            Some((path, tuned, metadata)) => {
                warn_of_other_model(&path, &metadata, &checkpoint);
                let name = format!("{}{}", path.display(), times(self.alpha));
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
        })
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
        tuned
            .check_fits(config)
            .map_err(|error| at_file(error, &path))?;
        Ok(Some((path, tuned, metadata)))
    }
}

/// An error of a value that came from `file`, which its message then names.
pub(super) fn at_file(error: Error, file: &Path) -> Error {
    match error {
        Error::Spec { field, reason } => Error::input(file, field, reason),
        other @ (Error::Input { .. } | Error::Io { .. } | Error::Device(_) | Error::Stopped) => {
            other
        }
    }
}

/// ` times 0.5`; nothing for 1.
pub(super) fn times(alpha: f32) -> String {
    if alpha == 1.0 {
        String::new()
    } else {
        format!(" times {alpha}")
    }
}

fn warn_of_other_model(path: &Path, metadata: &Metadata, checkpoint: &Checkpoint) {
    let is_other = |made_for: &String| *made_for != checkpoint.fingerprint();
    if metadata.base_fingerprint.as_ref().is_some_and(is_other) {
        eprintln!(
            "gosling: {}: base model: the state was tuned for other weights than {}; it may do harm",
            path.display(),
            checkpoint.file().display()
        );
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
