//! Steps of runs, timed by a process of their own before a sweep starts.

use std::path::Path;

use crossbeam_channel::unbounded;

use super::process::{END_PATIENCE, Process, What};
use super::protocol::{Failure, Order, Report};
use crate::error::{Error, Result};
use crate::protocol::run_spec::RunSpec;

/// Seconds a step of each run takes; in place of them why a run cannot begin or
/// that its steps break.
///
/// # Errors
/// [`Error::Device`] where the process is lost.
pub fn time_steps(
    program: &Path,
    n_threads: usize,
    specs: &[RunSpec],
    log: &Path,
) -> Result<Vec<Result<f64, String>>> {
    let (said_to, said) = unbounded();
    let mut process = Process::start(program, 0, n_threads, log, said_to)?;
    let mut times = Vec::new();
    for spec in specs {
        process.tell(&Order::Time(Box::new(spec.clone())));
        loop {
            let message = said.recv().map(|said| said.what);
            match message {
                Ok(What::Report(Report::Event(_))) => {}
                Ok(What::Report(Report::Timed { secs })) => {
                    times.push(Ok(secs));
                    break;
                }
                Ok(What::Report(Report::Over { failure: None })) => {
                    times.push(Err("its first steps break".into()));
                    break;
                }
                Ok(What::Report(Report::Over {
                    failure: Some(Failure { message, .. }),
                })) => {
                    times.push(Err(message));
                    break;
                }
                Ok(What::Gone) | Err(_) => return Err(Error::Device(process.wait(END_PATIENCE))),
            }
        }
    }
    process.wait(END_PATIENCE);
    Ok(times)
}
