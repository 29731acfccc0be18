//! A plain state in place of a lifted run, on the command line.

use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::ExportArguments;
use crate::cli::follow::end_of_input;
use crate::cli::progress::duration;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::tuning::states::state_file::{ExportFormat, export};
use crate::worker::folding::{FoldNews, FoldOptions, RESULT_FRONT, fold};

/// How often a line about the steps of a fold is written; for a window, which shows the
/// last one.
const TOLD: Duration = Duration::from_secs(5);
const SHOWN: Duration = Duration::from_millis(200);

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
    let ends_with_input = arguments.ends_with_input;
    let input = ends_with_input.then(end_of_input);
    let folded = fold(file, options, &mut told(input))?;
    let say = |line: &str| {
        println!("{line}");
        if ends_with_input {
            eprintln!("{RESULT_FRONT}{line}");
        }
    };
    for line in folded.report.lines() {
        say(&line);
    }
    let (report, companion) = export(&folded.state, &folded.metadata, format, output, *force)?;
    say(&tr!(
        "saved {}, {} bytes, read back and equal",
        shown(&report.path),
        report.bytes
    ));
    if let Some(companion) = companion {
        say(&tr!("saved {}", companion.words()));
    }
    Ok(())
}

/// Tells how far a fold is, on the error stream and not too often. Where a window has
/// started it, the end of `input` ends it.
fn told(input: Option<Receiver<()>>) -> impl FnMut(FoldNews) -> Result<()> {
    let mut last: Option<Instant> = None;
    let often = if input.is_some() { SHOWN } else { TOLD };
    move |news| {
        if input.as_ref().is_some_and(|input| input.try_recv().is_ok()) {
            return Err(Error::Stopped);
        }
        let is_soon = last.is_some_and(|last| last.elapsed() < often);
        let line = match news {
            FoldNews::Loading if last.is_none() => tr!("reading the model and the texts").into(),
            FoldNews::Loading => return Ok(()),
            FoldNews::Step {
                step,
                steps,
                divergence,
                secs_left,
            } => {
                if step > 0 && is_soon {
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
            FoldNews::Scoring { of, tokens: None } => tr!("measuring {of}", of),
            FoldNews::Scoring { .. } if is_soon => return Ok(()),
            FoldNews::Scoring {
                of,
                tokens: Some((done, total)),
            } => tr!("measuring {of}, {done} of {total} tokens", of, done, total),
        };
        last = Some(Instant::now());
        eprintln!("{line}");
        Ok(())
    }
}
