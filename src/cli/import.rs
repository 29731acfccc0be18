//! `gosling import`: the state of another program, the right way round.

use std::path::PathBuf;

use clap::Args;

use super::model_arguments::{BareModel, ModelChoice};
use super::table::table;
use super::tune::quoted;
use crate::error::{Error, Result};
use crate::text_file::read_text;
use crate::tuning::state_file::{ExportFormat, Metadata, Orientation, export};
use crate::tuning::state_import::{StartLosses, StoredState, TEXT};

/// The longest text that tells.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Which state, and what tells which way round it is.
#[derive(Args)]
pub struct ImportArguments {
    /// A state: .pth (RWKV-PEFT, RWKV-Runner, OpenMOSE), .st or .state (Ai00,
    /// web-rwkv), .safetensors, or .bin (the raw f32 of rwkv.cpp).
    state: PathBuf,
    #[command(flatten)]
    model: ModelChoice,
    /// The text whose loss tells; best one of the kind that the state was tuned on.
    #[arg(long)]
    text: Option<String>,
    /// A file with that text.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    text_file: Option<PathBuf>,
    /// The order of the last two axes, value-key or key-value, instead of the loss's verdict.
    #[arg(long)]
    orientation: Option<Orientation>,
    /// The .safetensors to write, to go on from; without it the losses are only shown.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite a file that is there.
    #[arg(long)]
    force: bool,
}

/// Shows the loss from zero, from the state as it is and transposed, and writes
/// the state the right way round.
///
/// # Errors
/// Bad input: what it is, and where; [`Error::Input`] where the losses do not
/// tell and nobody said.
pub fn run(arguments: &ImportArguments) -> Result<()> {
    let text = arguments.text()?;
    let config = arguments.model.config()?;
    // The small file is looked at before the large one is read.
    let stored = StoredState::read(&arguments.state, arguments.orientation, &config)?;
    let BareModel {
        device,
        model,
        tokenizer,
        fingerprint,
    } = arguments.model.load()?;
    let losses = stored.losses(&model, &device.device, &tokenizer.encode(&text))?;
    print!("{}", shown(&losses));
    if stored.has_shifts {
        println!("the token shifts in the file are left out; a tuned state has none");
    }
    let orientation = verdict(arguments, &stored, &losses)?;
    let Some(output) = &arguments.output else {
        println!("name a file with -o to write it the right way round");
        return Ok(());
    };
    let metadata = Metadata {
        base_fingerprint: Some(fingerprint),
        ..stored.metadata.clone()
    };
    let state = stored.oriented(orientation);
    let format = ExportFormat::Safetensors;
    let (report, _) = export(&state, &metadata, format, output, arguments.force)?;
    let path = quoted(&report.path);
    println!("saved {path}, {} bytes, read back and equal", report.bytes);
    println!("tune from it: gosling tune --start {path}");
    Ok(())
}

/// The three losses as a table.
fn shown(losses: &StartLosses) -> String {
    let row = |name: &str, loss: f64| [name.to_owned(), format!("{loss:.4}")];
    let rows = [
        row("zero, the untuned model", losses.zero),
        row("the state as it is, value-key", losses.value_key),
        row("the state transposed, key-value", losses.key_value),
    ];
    let loss = format!("loss on {} tokens", losses.n_tokens);
    table(["start", &loss], &rows, &[1])
}

/// Which way round it is, and why.
fn verdict(
    arguments: &ImportArguments,
    stored: &StoredState,
    losses: &StartLosses,
) -> Result<Orientation> {
    let found = losses.orientation();
    let refuse = |reason: &str| Err(Error::input(&arguments.state, "orientation", reason));
    let orientation = match (stored.declared, found) {
        (Some(declared), Some(found)) if declared != found => {
            eprintln!(
                "gosling: it is taken as {} as it says, though the loss is lower as {}",
                declared.name(),
                found.name()
            );
            declared
        }
        (Some(declared), _) => declared,
        (None, Some(found)) => found,
        (None, None) => {
            return refuse(
                "neither way round is clearly better than the other and than the untuned model on this text; give one of the kind that the state was tuned on (--text-file), or say --orientation value-key or key-value",
            );
        }
    };
    println!("the last two axes are {}", orientation.name());
    if losses.of(orientation).is_nan() || losses.of(orientation) > losses.zero {
        eprintln!(
            "gosling: the untuned model does better on this text; is it of the kind that the state was tuned on, and is this its model?"
        );
    }
    Ok(orientation)
}

impl ImportArguments {
    fn text(&self) -> Result<String> {
        match (&self.text, &self.text_file) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => read_text(path, MAX_TEXT_BYTES, "a page of text is enough"),
            (None, None) => Ok(TEXT.to_owned()),
        }
    }
}
