//! `gosling find-rate`: which learning rate to begin with.

use std::process::ExitCode;

use clap::Args;

use super::follow::{Ending, INTERRUPTED, follow, interrupts};
use super::plain_options::{MemoryOptions, StepOptions};
use super::progress::Progress;
use super::spec_arguments::{ChosenSpec, SpecArguments};
use super::table::columns;
use super::tune::print;
use crate::error::{Error, Result};
use crate::language;
use crate::protocol::command::Command;
use crate::protocol::event::{FailureKind, RunId};
use crate::runs::RunStore;
use crate::tuning::train::rate_finder::{RateFinding, RatePoint, RateRange};
use crate::worker::Worker;

/// Rows of the table at most.
const MAX_ROWS: usize = 30;

const RULE: &str = mark!(
    "\
The rate rises by the same factor at every step, and each loss is smoothed over
its neighbours. The state learns fastest where the loss falls most steeply. Where
the loss is lowest the rate is almost too large, so one tenth of it is safe. Both
are first guesses: choose the final rate on the validation split.
"
);

/// What to try rates on.
#[derive(Args)]
pub struct FindRateArguments {
    #[command(flatten)]
    spec: SpecArguments,
    #[command(flatten)]
    memory: MemoryOptions,
    /// The first rate.
    #[arg(long, default_value_t = RateRange::default().first)]
    first: f64,
    /// The last rate.
    #[arg(long, default_value_t = RateRange::default().last)]
    last: f64,
    /// Number of rates to try, one step each.
    #[arg(long, default_value_t = RateRange::default().steps)]
    steps: usize,
    /// Print only the result.
    #[arg(long)]
    quiet: bool,
}

/// Tries rates and prints the losses. Nothing is written.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &FindRateArguments) -> Result<ExitCode> {
    let range = RateRange {
        first: arguments.first,
        last: arguments.last,
        steps: arguments.steps,
    };
    range.check()?;
    arguments.memory.apply();
    if arguments.spec.sources.rate.is_some() {
        let reason = tr!("is what find-rate searches for; set its bounds with --first and --last");
        return Err(Error::spec("--rate", reason));
    }
    let ChosenSpec { spec, origin } = arguments.spec.spec(&StepOptions::default())?;
    let mut progress = Progress::new(arguments.quiet);
    progress.say(&origin);
    let interrupts = interrupts()?;
    let worker = Worker::spawn(|| ())?;
    let name = RunId("find-rate".into());
    let command = Command::FindRate {
        run: name.clone(),
        spec: Box::new(spec),
        range,
    };
    worker
        .commands
        .send(command)
        .map_err(|_| Error::Device(tr!("the worker stopped").into()))?;
    let mut store = RunStore::default();
    let ending = follow(&worker, &interrupts, Some(name), &mut store, &mut progress);
    Ok(match ending {
        Ending::RateFound | Ending::Ended { .. } => {
            print(&report(&store.rate.unwrap_or_default()));
            ExitCode::SUCCESS
        }
        Ending::NotBegun => ExitCode::from(INTERRUPTED),
        Ending::Failed { kind, message } => {
            eprintln!("gosling: {message}");
            match kind {
                FailureKind::Input | FailureKind::Changed => ExitCode::from(2),
                FailureKind::Work => ExitCode::FAILURE,
            }
        }
    })
}

fn report(finding: &RateFinding) -> String {
    let RateFinding {
        points,
        steepest,
        tenth_of_lowest,
        still_falls,
        broke,
    } = finding;
    let mut rows = vec![vec!["rate".into(), "loss".into(), "smoothed".into()]];
    let every = points.len().div_ceil(MAX_ROWS).max(1);
    let is_shown = |idx: usize| idx.is_multiple_of(every) || idx + 1 == points.len();
    for (_, point) in points.iter().enumerate().filter(|(idx, _)| is_shown(*idx)) {
        let RatePoint {
            learning_rate,
            loss,
            smoothed,
        } = point;
        rows.push(vec![
            rate(*learning_rate),
            format!("{loss:.4}"),
            format!("{smoothed:.4}"),
        ]);
    }
    let mut text = columns(&rows);
    if let Some(why) = broke {
        text.push_str(&tr!("ended early, {why}\n", why));
    }
    if *still_falls {
        text.push_str(tr!(
            "the loss is still falling at the last rate; try a larger --last\n"
        ));
    }
    text.push('\n');
    let suggestions = [
        (tr!("steepest fall"), steepest),
        (
            tr!("one tenth of the rate at the lowest loss"),
            tenth_of_lowest,
        ),
    ];
    let mut rows = Vec::new();
    for (name, found) in suggestions {
        rows.push(match found {
            Some(found) => vec![name.to_owned(), format!("--rate {}", rate(*found))],
            None => vec![
                name.to_owned(),
                tr!("not found; try other rates").to_owned(),
            ],
        });
    }
    text + &columns(&rows) + "\n" + language::text(RULE)
}

/// Two digits are more than the search can tell.
fn rate(rate: f64) -> String {
    let digits = (1.0 - rate.log10().floor()).max(0.0) as usize;
    format!("{rate:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_two_digits() {
        for (value, expected) in [
            (0.0001, "0.00010"),
            (0.0123, "0.012"),
            (0.5, "0.50"),
            (10.0, "10"),
            (123.4, "123"),
        ] {
            assert_eq!(rate(value), expected);
        }
    }

    #[test]
    fn the_table_ends_in_suggestions() {
        let point = |learning_rate, loss| RatePoint {
            learning_rate,
            loss,
            smoothed: loss,
        };
        let text = report(&RateFinding {
            points: vec![point(0.01, 3.0), point(0.1, 2.0)],
            steepest: Some(0.05),
            tenth_of_lowest: None,
            still_falls: true,
            broke: Some("stopped".into()),
        });
        let expected = "rate   loss    smoothed
0.010  3.0000  3.0000
0.10   2.0000  2.0000
ended \
early, stopped
the loss is still falling at the last rate; try a larger --last

steepest fall                             --rate 0.050
one tenth of the rate at the lowest loss  not found; try \
other rates

";
        assert_eq!(text, format!("{expected}{RULE}"));
    }
}
