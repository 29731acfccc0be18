//! Runs as offline runs of wandb, which `wandb sync` uploads. Nothing is sent from here.

mod log;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::log::{Log, RunHead};
use super::event_file::{Numbers, numbers_of, secs};
use super::metrics::{MetricRecord, read_metrics};
use super::privacy::without_names;
use super::run_folder::{METRICS_FILE, SPEC_FILE, read_run_spec, run_id};
use super::utc::utc;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::protocol::event::RunOutcome;
use crate::protocol::run_spec::RunSpec;

/// The project that runs are shown in, unless `wandb sync --project` names another.
const PROJECT: &str = "gosling";

/// Writes a run into the folder `to` as an offline run of wandb: its folder there, and
/// how many steps have numbers. The times are those of the run's specification and of
/// its steps. The same run has the same name and is written over what was written of it
/// before. Names of users are taken out of the paths in its settings.
///
/// # Errors
/// A folder that is no run's, and [`Error::Io`].
pub fn export_wandb(run: &Path, to: &Path) -> Result<(PathBuf, usize)> {
    let spec_file = run.join(SPEC_FILE);
    let begin = fs::metadata(&spec_file).and_then(|of| of.modified());
    let begin = begin.map_err(|_| Error::input(run, SPEC_FILE, tr!("is not there; name a run")))?;
    let begin = secs(begin);
    let spec = read_run_spec(run)?;
    let (records, _) = read_metrics(run.join(METRICS_FILE))?;
    let name = run_id(run)?.0;
    let id = id_of(&spec, &records)?;
    let config = config_of(&spec)?;
    let head = RunHead {
        id: &id,
        project: PROJECT,
        name: &name,
        config: &config,
        begin,
    };
    let (bytes, n_steps) = log_of(&head, &records);
    let folder = to.join(format!("offline-run-{}-{id}", digits(begin)));
    fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let path = folder.join(format!("run-{id}.wandb"));
    if fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok((folder, n_steps));
    }
    write_atomic(&path, |file| file.write_all(&bytes))?;
    // What wandb leaves beside a log that it has uploaded, and skips it by. There is more now.
    for mark in ["synced", "syncstate"] {
        let path = path.with_extension(format!("wandb.{mark}"));
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove", &path, error)),
        }
    }
    Ok((folder, n_steps))
}

/// The log of a run, and how many steps have numbers. What was measured at the same
/// step is one row, since a row of wandb is a step.
fn log_of(head: &RunHead<'_>, records: &[MetricRecord]) -> (Vec<u8>, usize) {
    let mut rows: BTreeMap<usize, Numbers> = BTreeMap::new();
    for of in numbers_of(records, head.begin) {
        match rows.get_mut(&of.step) {
            Some(row) => {
                row.time = of.time;
                row.values.extend(of.values);
            }
            None => {
                rows.insert(of.step, of);
            }
        }
    }
    let producer = concat!("gosling ", env!("CARGO_PKG_VERSION"));
    let mut log = Log::new(producer, head);
    let mut last: BTreeMap<&str, f64> = BTreeMap::new();
    for Numbers { step, time, values } in rows.values_mut() {
        values.extend([("_timestamp", *time), ("_runtime", *time - head.begin)]);
        log.add_row(*step, values);
        last.extend(values.iter().copied());
    }
    let mut last: Vec<(&str, f64)> = last.into_iter().collect();
    if let Some(step) = rows.keys().last() {
        last.push(("_step", *step as f64));
    }
    log.add_summary(&last);
    let exit = records.iter().rev().find_map(|record| match record {
        MetricRecord::Failure { .. }
        | MetricRecord::End {
            outcome: RunOutcome::Diverged { .. },
        } => Some(1),
        MetricRecord::End { .. } => Some(0),
        _ => None,
    });
    if let Some(code) = exit {
        log.add_exit(code);
    }
    (log.into_bytes(), rows.len())
}

/// The settings of a run: the parts of its specification, as JSON.
fn config_of(spec: &RunSpec) -> Result<Vec<(String, String)>> {
    let parts = match serde_json::to_value(spec) {
        Ok(Value::Object(parts)) => parts,
        Ok(_) => return Ok(Vec::new()),
        Err(error) => return Err(Error::spec("specification", error.to_string())),
    };
    let pair = |(name, value): (String, Value)| (name, without_names(&value.to_string()));
    Ok(parts.into_iter().map(pair).collect())
}

/// The same for the same run wherever its folder lies, and another for a run with the
/// same settings, since that took other times.
fn id_of(spec: &RunSpec, records: &[MetricRecord]) -> Result<String> {
    let wrong = |error: serde_json::Error| Error::spec("specification", error.to_string());
    let mut hash = Sha256::new();
    hash.update(serde_json::to_string(spec).map_err(wrong)?);
    let first = records
        .iter()
        .find(|record| matches!(record, MetricRecord::Step(_)));
    if let Some(first) = first {
        hash.update(serde_json::to_string(first).map_err(wrong)?);
    }
    let hash = hash.finalize();
    Ok(hash[..4].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A time in UTC as `20260228_235959`.
fn digits(time: f64) -> String {
    let text = utc(time as u64);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len() - 6);
    format!("{date}_{time}")
}

#[cfg(test)]
mod tests;
