//! A plain state in place of a lifted run, on the command line.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ExportArguments;
use crate::cli::progress::duration;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::tuning::states::state_file::{ExportFormat, export};
use crate::worker::folding::{FoldNews, FoldOptions, fold};

/// How often a line about the steps of a fold is written.
const TOLD: Duration = Duration::from_secs(5);

/// Writes the plain state that comes closest to a lifted one.
pub(super) fn export_folded(
    arguments: &ExportArguments,
    file: &Path,
    options: FoldOptions,
    format: ExportFormat,
) -> Result<()> {
    let ExportArguments {
        output,
        alpha,
        orientation,
        force,
        ..
    } = arguments;
    if *alpha != 1.0 || orientation.is_some() {
        let reason =
            tr!("fits a state to the lifted run as it is; leave --alpha and --orientation out");
        return Err(Error::spec("--fold", reason));
    }
    // Before the time is spent.
    if output.exists() && !force {
        return Err(Error::input(
            output,
            "--output",
            tr!("exists already; choose another name, or add --force"),
        ));
    }
    let folded = fold(file, options, &mut told())?;
    for line in folded.report.lines() {
        println!("{line}");
    }
    let (report, companion) = export(&folded.state, &folded.metadata, format, output, *force)?;
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

/// Tells how far a fold is, on the error stream and not too often.
fn told() -> impl FnMut(FoldNews) -> Result<()> {
    let mut last: Option<Instant> = None;
    move |news| {
        let line = match news {
            FoldNews::Loading if last.is_none() => tr!("reading the model and the texts").into(),
            FoldNews::Loading => return Ok(()),
            FoldNews::Step {
                step,
                steps,
                divergence,
                secs_left,
            } => {
                if step > 0 && last.is_some_and(|last| last.elapsed() < TOLD) {
                    return Ok(());
                }
                let left = secs_left.map_or(String::new(), |secs| tr!(", {} left", duration(secs)));
                tr!(
                    "step {step} of {steps}, divergence {divergence}{left}",
                    step,
                    steps,
                    divergence = format_args!("{divergence:.4}"),
                    left
                )
            }
            FoldNews::Scoring(what) => tr!("measuring {what}", what),
        };
        last = Some(Instant::now());
        eprintln!("{line}");
        Ok(())
    }
}
