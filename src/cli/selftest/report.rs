//! The report of a self-test: what someone with another GPU can send, as one JSON
//! file. It holds what the machine is and what its devices computed; names of
//! users, folders and machines are not in it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sysinfo::System;

use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::kernels::device::matrix_units::multiplies_in_half;
use crate::kernels::device::{
    AdapterDetails, DeviceChoice, OpenDevice, adapter_details, machine_memory, processor,
};
use crate::persist::privacy::without_names;
use crate::protocol::any_float;
use crate::selftest::Outcome;

/// Says what the file is, and by which version of its form.
const FORMAT: &str = "gosling-selftest-1";
/// Characters of an error that are kept: the first lines of a driver's message.
const MAX_ERROR_CHARS: usize = 4000;

/// The whole report.
#[derive(Serialize)]
pub(super) struct SelftestReport {
    format: &'static str,
    versions: BTreeMap<&'static str, String>,
    machine: BTreeMap<&'static str, String>,
    /// As `--device` named it.
    asked_for: String,
    device: Option<DeviceReport>,
    /// Why no device could be opened.
    error: Option<String>,
    adapters: Vec<AdapterDetails>,
    /// The check that was running when the file was written: where the program
    /// breaks down, the one that broke it.
    running: Option<&'static str>,
    /// Whether every check has run; false where only some were chosen.
    is_complete: bool,
    /// Whether every check so far that Gosling relies on is right.
    passed: bool,
    checks: Vec<CheckReport>,
}

#[derive(Serialize)]
struct DeviceReport {
    description: String,
    is_software: bool,
    max_tensor_bytes: Option<u64>,
    has_matrix_units: bool,
}

#[derive(Serialize)]
struct CheckReport {
    name: &'static str,
    passed: bool,
    is_needed: bool,
    bound: f64,
    #[serde(with = "any_float")]
    expected_ms: f64,
    #[serde(with = "any_float")]
    first_ms: f64,
    #[serde(with = "any_float")]
    ms: f64,
    differences: Vec<DifferenceReport>,
    error: Option<String>,
}

#[derive(Serialize)]
struct DifferenceReport {
    what: String,
    n_values: usize,
    #[serde(with = "any_float")]
    max_difference: f64,
}

impl SelftestReport {
    /// The report before anything was tried.
    pub(super) fn new(asked_for: DeviceChoice) -> Self {
        Self {
            format: FORMAT,
            versions: versions(),
            machine: machine(),
            asked_for: asked_for.to_string(),
            device: None,
            error: None,
            adapters: adapter_details(),
            running: None,
            is_complete: false,
            passed: false,
            checks: Vec::new(),
        }
    }

    /// Adds the device that was opened.
    pub(super) fn opened(&mut self, device: &OpenDevice) {
        self.device = Some(DeviceReport {
            description: without_names(&device.description),
            is_software: device.is_software,
            max_tensor_bytes: device.limits.map(|limits| limits.max_tensor_bytes),
            has_matrix_units: multiplies_in_half(&device.device),
        });
        self.passed = true;
    }

    /// Adds why no device was opened.
    pub(super) fn failed(&mut self, error: &Error) {
        self.error = Some(shortened(&error.to_string()));
    }

    /// The check that runs next; none after the last one, with whether those were
    /// all that there are.
    pub(super) fn next(&mut self, check: Option<&'static str>, are_all: bool) {
        self.running = check;
        self.is_complete = check.is_none() && are_all;
    }

    /// Adds what came of a check.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        let Outcome {
            name,
            passed,
            is_needed,
            bound,
            expected_ms,
            first_ms,
            ms,
            differences,
            error,
        } = outcome;
        self.passed &= *passed || !is_needed;
        let differences = differences.iter().map(|difference| DifferenceReport {
            what: difference.what.clone(),
            n_values: difference.n_values,
            max_difference: difference.max_difference,
        });
        self.checks.push(CheckReport {
            name,
            passed: *passed,
            is_needed: *is_needed,
            bound: *bound,
            expected_ms: *expected_ms,
            first_ms: *first_ms,
            ms: *ms,
            differences: differences.collect(),
            error: error.as_deref().map(shortened),
        });
    }

    /// Writes the file whole.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            std::io::Write::write_all(file, b"\n")
        })
    }
}

/// The first characters of an error, without names.
fn shortened(error: &str) -> String {
    without_names(error).chars().take(MAX_ERROR_CHARS).collect()
}

fn versions() -> BTreeMap<&'static str, String> {
    let features = [
        ("gui", cfg!(feature = "gui")),
        ("parquet", cfg!(feature = "parquet")),
    ];
    let features: Vec<&str> = features
        .into_iter()
        .filter_map(|(name, is_on)| is_on.then_some(name))
        .collect();
    BTreeMap::from([
        ("gosling", env!("CARGO_PKG_VERSION").to_owned()),
        ("features", features.join(", ")),
    ])
}

/// The system and the processor; not the name of the machine.
fn machine() -> BTreeMap<&'static str, String> {
    let unknown = || "unknown".to_owned();
    BTreeMap::from([
        ("system", System::long_os_version().unwrap_or_else(unknown)),
        ("kernel", System::kernel_version().unwrap_or_else(unknown)),
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("processor", processor().to_string()),
        ("memory_bytes", machine_memory().all.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::Difference;

    #[test]
    fn a_report_holds_every_figure_and_no_name() {
        let mut report = SelftestReport::new(DeviceChoice::Cpu);
        report.passed = true;
        report.next(Some("a check"), true);
        report.add(&Outcome {
            name: "a check",
            passed: false,
            is_needed: true,
            bound: 1e-4,
            expected_ms: f64::NAN,
            first_ms: f64::NAN,
            ms: 2.5,
            differences: vec![Difference {
                what: "dw".into(),
                n_values: 3,
                max_difference: f64::INFINITY,
            }],
            error: Some("device: /home/zebedee/.cache/shader.spv is damaged".into()),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        report.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("zebedee"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["format"], FORMAT);
        assert_eq!(json["running"], "a check");
        assert_eq!(json["passed"], false);
        assert_eq!(json["is_complete"], false);
        assert_eq!(json["versions"]["gosling"], env!("CARGO_PKG_VERSION"));
        let check = &json["checks"][0];
        assert_eq!(check["ms"], 2.5);
        assert_eq!(check["first_ms"], "NaN");
        assert_eq!(check["differences"][0]["max_difference"], "inf");
        assert_eq!(check["differences"][0]["n_values"], 3);
        assert_eq!(check["error"], "device: ~/.cache/shader.spv is damaged");
    }
}
