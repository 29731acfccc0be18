//! Whether SPIR-V kernels compute right on an adapter: a few checks of
//! `gosling selftest` in a process of their own, since a driver that crashes takes
//! its process along. What came of it is kept for each driver and version.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::atomic::write_atomic;
use crate::kernels::device::{AdapterSummary, BACKEND, LanguageChoice};

/// Building kernels and computing takes 2 to 5 s on the cards that were tried.
const PATIENCE: Duration = Duration::from_secs(90);

/// The checks that are done: sums, products with and without matrix units, and the
/// recurrence with its gradients.
const CHECKS: [&str; 3] = ["sums", "products", "3 heads of 64"];

/// Tries SPIR-V on an adapter, or says what came of it the last time.
///
/// # Errors
/// In words, what went wrong.
pub fn check_spirv(adapter: &AdapterSummary) -> Result<(), String> {
    let line = format!(
        "{}\t{}\t{}",
        env!("CARGO_PKG_VERSION"),
        adapter.name,
        adapter.driver
    );
    let file = kept();
    let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let known = text.lines().find_map(|known| {
        let (of, result) = known.rsplit_once('\t')?;
        (of == line).then(|| result.to_owned())
    });
    if let Some(result) = known {
        return if result == "right" {
            Ok(())
        } else {
            Err(result)
        };
    }
    let result = try_spirv(adapter.index);
    if let Some(file) = file {
        let word = result.as_ref().map_or_else(String::as_str, |()| "right");
        let word = word.replace(['\t', '\n', '\r'], " ");
        // Without it the next start tries again.
        let _ = file.parent().map(fs::create_dir_all);
        let _ = write_atomic(&file, |out| writeln!(out, "{text}{line}\t{word}"));
    }
    result
}

/// The file of results, in the user's folder for what can be made anew.
fn kept() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("gosling").join("adapters.txt"))
}

fn try_spirv(index: usize) -> Result<(), String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("this program cannot find itself, {error}"))?;
    let mut command = Command::new(program);
    command.args(["selftest", "--device", &format!("gpu:{index}")]);
    for check in CHECKS {
        command.args(["--only", check]);
    }
    let mut child = command
        .env(BACKEND, LanguageChoice::SpirV.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the check cannot be started, {error}"))?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("the check ended with {status}")),
            Ok(None) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the check took over {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("the check is lost, {error}")),
        }
    }
}
