//! Whether SPIR-V kernels compute right on an adapter: a few checks of
//! `gosling selftest` in a process of their own, since a driver that crashes takes
//! its process along. What came of it is kept for each driver and version.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::atomic::write_atomic;
use crate::format::shown;
use crate::kernels::device::{AdapterSummary, BACKEND, LanguageChoice};
use crate::shell::without_console;

/// Building kernels and computing takes 2 to 5 s on the cards that were tried.
const PATIENCE: Duration = Duration::from_secs(90);

/// The checks that are done: sums, products with and without matrix units, and the
/// recurrence with its gradients.
const CHECKS: [&str; 3] = ["sums", "products", "3 heads of 64"];

/// What stands for a driver that computes right.
const RIGHT: &str = "right";

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trial {
    Right,
    /// The driver's fault, which stays until there is another driver.
    Wrong(String),
    /// There was no trial, or a busy machine; the next start tries again.
    None(String),
}

/// Tries SPIR-V on an adapter, or says what came of it the last time.
///
/// # Errors
/// In words, what went wrong.
pub fn check_spirv(adapter: &AdapterSummary) -> Result<(), String> {
    let file = kept();
    check_by(adapter, file.as_deref(), || try_spirv(adapter.index))
}

/// The same with a file of results and a trial.
fn check_by(
    adapter: &AdapterSummary,
    file: Option<&Path>,
    trial: impl FnOnce() -> Trial,
) -> Result<(), String> {
    let (name, driver) = (one_cell(&adapter.name), one_cell(&adapter.driver));
    let line = format!("{}\t{name}\t{driver}", env!("CARGO_PKG_VERSION"));
    let text = file.and_then(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let known = text.lines().find_map(|known| {
        let (of, result) = known.rsplit_once('\t')?;
        (of == line).then_some(result)
    });
    let kept_at = |file: &Path| tr!("; delete {} to try again", shown(file));
    let place = file.map(kept_at).unwrap_or_default();
    let (word, result) = match (known, known.is_none().then(trial)) {
        (Some(RIGHT), _) => return Ok(()),
        (Some(reason), _) => return Err(format!("{reason}{place}")),
        (None, Some(Trial::None(reason))) => return Err(reason),
        (None, Some(Trial::Wrong(reason))) => {
            let told = format!("{reason}{place}");
            (one_cell(&reason), Err(told))
        }
        (None, Some(Trial::Right) | None) => (RIGHT.to_owned(), Ok(())),
    };
    if let Some(file) = file {
        // Without it the next start tries again.
        let _ = file.parent().map(fs::create_dir_all);
        let _ = write_atomic(file, |out| {
            // Results of other versions are of no use any more.
            let version = concat!(env!("CARGO_PKG_VERSION"), "\t");
            for known in text.lines().filter(|known| known.starts_with(version)) {
                writeln!(out, "{known}")?;
            }
            writeln!(out, "{line}\t{word}")
        });
    }
    result
}

/// Text of a driver as a cell of a line.
fn one_cell(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// The file of results, in the user's folder for what can be made anew.
fn kept() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("gosling").join("adapters.txt"))
}

fn try_spirv(index: usize) -> Trial {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            return Trial::None(tr!(
                "the path of this program cannot be found, {error}",
                error
            ));
        }
    };
    let mut command = Command::new(program);
    command.args(["selftest", "--device", &format!("gpu:{index}")]);
    for check in CHECKS {
        command.args(["--only", check]);
    }
    let child = without_console(&mut command)
        .env(BACKEND, LanguageChoice::SpirV.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Trial::None(tr!("the check cannot be started, {error}", error)),
    };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Trial::Right,
            Ok(Some(status)) => return Trial::Wrong(tr!("the check ended with {status}", status)),
            Ok(None) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Trial::None(tr!("the check took more than {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Trial::None(tr!("the check gave no answer, {error}", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::device::AdapterKind;

    fn adapter(driver: &str) -> AdapterSummary {
        AdapterSummary {
            index: 0,
            name: "a\tcard".into(),
            backend: "Vulkan".into(),
            driver: driver.into(),
            kind: AdapterKind::Discrete,
            max_storage_bytes: 1 << 30,
            max_buffer_bytes: 1 << 30,
            has_f16: true,
        }
    }

    #[test]
    fn a_driver_is_tried_once_and_a_busy_machine_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join("adapters.txt");
        let check = |driver: &str, trial: Option<Trial>| {
            let trial = || trial.expect("it was tried already");
            check_by(&adapter(driver), Some(&file), trial)
        };
        let busy = || Some(Trial::None("it took over 90 s".into()));
        assert_eq!(check("1.0", busy()), Err("it took over 90 s".into()));
        assert!(!file.exists());
        assert_eq!(check("1.0", Some(Trial::Right)), Ok(()));
        assert_eq!(check("1.0", None), Ok(()));
        let crashed = Trial::Wrong("it ended with\nsignal 11".into());
        let said = check("1.1", Some(crashed)).unwrap_err();
        assert!(
            said.contains("signal 11; delete ") && said.contains("adapters.txt"),
            "{said}"
        );
        let again = check("1.1", None).unwrap_err();
        assert!(
            again.starts_with("it ended with signal 11; delete "),
            "{again}"
        );
        assert_eq!(check("1.0", None), Ok(()));
        // Another version of the program has other kernels.
        let text = fs::read_to_string(&file).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let old = text.replace(&format!("{version}\t"), "0.0.1\t");
        fs::write(&file, old).unwrap();
        assert_eq!(check("1.1", Some(Trial::Right)), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    }

    #[test]
    fn the_checks_are_ones_that_there_are() {
        let all = crate::selftest::checks(&burn::tensor::Device::flex());
        for check in CHECKS {
            assert!(all.iter().any(|of| of.name.contains(check)), "{check}");
        }
    }
}
