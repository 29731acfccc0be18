//! `gosling selftest`: whether a device computes what it should.

mod report;

use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::table::table;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::{DeviceChoice, OpenDevice, open};
use crate::selftest::{Outcome, checks, run as run_check};
use report::SelftestReport;

/// Which device, and how the result is printed.
#[derive(Args)]
pub struct SelftestArguments {
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Run only the checks whose name contains this text; can be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Print JSON with all compared values.
    #[arg(long)]
    json: bool,
    /// Also write a report to send to the authors: adapters, drivers, features, limits
    /// and every check, without names of users or folders.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The whole result, as JSON.
#[derive(Serialize)]
struct Report<'a> {
    gosling_version: &'static str,
    device: &'a str,
    is_software: bool,
    passed: bool,
    checks: &'a [Outcome],
}

/// Runs the checks and prints what came of them; fails if the device does.
///
/// # Errors
/// A device that cannot be opened, and a choice that no check is in.
pub fn run(arguments: &SelftestArguments) -> Result<ExitCode> {
    let mut report = ReportFile::new(arguments);
    report.write()?;
    let device = open(arguments.device).inspect_err(|error| report.failed(error))?;
    report.opened(&device)?;
    let only = &arguments.only;
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|text| name.contains(text));
    let checks = checks(&device.device);
    let chosen: Vec<_> = checks
        .iter()
        .filter(|check| is_chosen(check.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
        let reason = tr!("matches no check; the checks are: {}", names.join("; "));
        return Err(Error::spec("--only", reason));
    }
    let mut outcomes = Vec::new();
    for check in chosen {
        begins(check.name);
        report.begins(check.name)?;
        let start = Instant::now();
        let outcome = run_check(check, &device.device);
        ends(&outcome, start.elapsed());
        report.add(&outcome);
        outcomes.push(outcome);
    }
    report.ends(only.is_empty())?;
    let passed = outcomes.iter().all(|o| o.passed || !o.is_needed);
    if arguments.json {
        let report = Report {
            gosling_version: env!("CARGO_PKG_VERSION"),
            device: &device.description,
            is_software: device.is_software,
            passed,
            checks: &outcomes,
        };
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::Device(tr!("the report cannot be written: {error}", error)))?;
        println!("{text}");
    } else {
        println!("{}", device.description);
        print!("{}", rows(&outcomes));
        println!("{}", verdict(&outcomes, only.is_empty()));
        if let Some(file) = &arguments.report {
            println!("{}", tr!("report written to {}", shown(file)));
        }
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rows(outcomes: &[Outcome]) -> String {
    let row = |outcome: &Outcome| {
        let worst = outcome.worst();
        [
            outcome.name.to_owned(),
            worst.map_or("-".into(), |w| w.what.clone()),
            worst.map_or("-".into(), |w| format!("{:.1e}", w.max_difference)),
            format!("{:.0e}", outcome.bound),
            format!("{:.1}", outcome.first_ms),
            format!("{:.1}", outcome.ms),
            result(outcome),
        ]
    };
    let rows: Vec<_> = outcomes.iter().map(row).collect();
    let heading = [
        tr!("check"),
        tr!("largest error in"),
        tr!("error"),
        tr!("bound"),
        tr!("first ms"),
        "ms",
        tr!("result"),
    ];
    table(heading, &rows, &[2, 3, 4, 5])
}

fn result(outcome: &Outcome) -> String {
    match (&outcome.error, outcome.passed, outcome.is_needed) {
        (None, true, _) => tr!("ok").into(),
        (None, false, true) => tr!("WRONG").into(),
        (None, false, false) => tr!("wrong, but not used").into(),
        (Some(error), _, _) => tr!("FAILED, {error}", error),
    }
}

fn verdict(outcomes: &[Outcome], are_all: bool) -> String {
    let failed = outcomes.iter().filter(|o| !o.passed && o.is_needed);
    match failed.count() {
        0 if are_all => tr!("all checks passed; the device computes what Gosling needs").into(),
        0 => tr!("all selected checks passed; other checks were not run").into(),
        1 => tr!("1 check failed; do not train on this device").into(),
        n => tr!("{n} checks failed; do not train on this device", n),
    }
}

/// The report, where one is asked for. It is written before every check, so that it
/// says which one was running when a driver ends the program.
struct ReportFile<'a>(Option<(&'a Path, SelftestReport)>);

impl<'a> ReportFile<'a> {
    fn new(arguments: &'a SelftestArguments) -> Self {
        let file = arguments.report.as_deref();
        Self(file.map(|file| (file, SelftestReport::new(arguments.device))))
    }

    /// Before anything is tried, for opening a device may end the program.
    fn write(&mut self) -> Result<()> {
        self.change(|_| ())
    }

    fn failed(&mut self, error: &Error) {
        if let Some((file, report)) = &mut self.0 {
            report.failed(error);
            // The error of the device is the one to report.
            let _ = report.write(file);
        }
    }

    fn opened(&mut self, device: &OpenDevice) -> Result<()> {
        self.change(|report| report.opened(device))
    }

    fn begins(&mut self, check: &'static str) -> Result<()> {
        self.change(|report| report.next(Some(check), false))
    }

    fn add(&mut self, outcome: &Outcome) {
        if let Some((_, report)) = &mut self.0 {
            report.add(outcome);
        }
    }

    fn ends(&mut self, are_all: bool) -> Result<()> {
        self.change(|report| report.next(None, are_all))
    }

    fn change(&mut self, change: impl FnOnce(&mut SelftestReport)) -> Result<()> {
        let Some((file, report)) = &mut self.0 else {
            return Ok(());
        };
        change(report);
        report.write(file)
    }
}

/// Says which check runs, before it does: a driver may end the program there, or take
/// long.
fn begins(name: &str) {
    // A line that cannot be shown is no reason to stop.
    let _ = write!(stderr(), "{name} ...").and_then(|()| stderr().flush());
}

/// The rest of the line: how long the check took, and what came of it.
fn ends(outcome: &Outcome, took: Duration) {
    let secs = took.as_secs_f64();
    let _ = writeln!(stderr(), " {secs:.1} s, {}", result(outcome));
}
