//! `gosling mix`: a weighted sum of states, by layers if wanted.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::format::shown;
use crate::tuning::states::mix::{Mix, Term, mix};
use crate::tuning::states::state_file::{ExportFormat, export};

/// Which states, and where the sum goes.
#[derive(Args)]
pub struct MixArguments {
    /// A state file or a run's folder with its weight, and its layers if not all are
    /// added: a.pth=0.5, b.pth=0.5@0-5,8.
    #[arg(required = true, value_name = "STATE[=WEIGHT][@LAYERS]")]
    terms: Vec<Term>,
    /// The format of the sum, as for gosling export.
    #[arg(long, default_value = "safetensors")]
    to: ExportFormat,
    /// The file to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Overwrite a file that is there.
    #[arg(long)]
    force: bool,
}

/// Writes the sum and says what was written, once it has been read back.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &MixArguments) -> Result<()> {
    let MixArguments {
        terms,
        to,
        output,
        force,
    } = arguments;
    let Mix {
        state,
        metadata,
        notes,
    } = mix(terms)?;
    for note in notes {
        eprintln!("gosling: {note}");
    }
    let (report, companion) = export(&state, &metadata, *to, output, *force)?;
    println!(
        "{}",
        tr!(
            "saved {}, {} bytes, read back and equal",
            shown(&report.path),
            report.bytes
        )
    );
    if let Some(companion) = companion {
        println!("{}", tr!("saved {}", companion.words()));
    }
    Ok(())
}
