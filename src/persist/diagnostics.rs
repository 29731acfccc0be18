//! What helps to find a fault, in one file: the log, the machine, the configuration
//! and a run's settings. No training examples, no weights and no state.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::privacy::without_names;
use super::run_folder::{METRICS_FILE, SPEC_FILE};
use super::spec_file::print_spec;
use crate::atomic::write_atomic;
use crate::error::Result;
use crate::kernels::device::list_adapters;
use crate::protocol::run_spec::RunSpec;

/// The largest part of a file of a run that is taken; its end.
const MAX_BYTES: usize = 4 << 20;
/// The files of a run that are taken.
const RUN_FILES: [&str; 3] = [SPEC_FILE, METRICS_FILE, "log.txt"];

/// Writes a zip archive with `log`, what the machine is, the configuration and, of
/// a run, its specification, numbers and log. The folders of users appear as `~`.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn write_diagnostics(
    path: &Path,
    log: &str,
    configuration: &RunSpec,
    run: Option<&Path>,
) -> Result<()> {
    // A path that is not Unicode has no text, which is no reason to write nothing.
    let configuration = print_spec(configuration).unwrap_or_else(|error| error.to_string());
    let mut files = vec![
        ("machine.txt".to_owned(), machine()),
        ("window-log.txt".to_owned(), log.to_owned()),
        ("configuration.ron".to_owned(), configuration),
    ];
    for name in RUN_FILES {
        if let Some(Ok(bytes)) = run.map(|run| fs::read(run.join(name))) {
            let end = &bytes[bytes.len().saturating_sub(MAX_BYTES)..];
            let text = String::from_utf8_lossy(end).into_owned();
            files.push((format!("run/{name}"), text));
        }
    }
    write_atomic(path, |file| {
        let mut zip = ZipWriter::new(file);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, text) in files {
            zip.start_file(name, options).map_err(io::Error::other)?;
            zip.write_all(without_names(&text).as_bytes())?;
        }
        zip.finish().map_err(io::Error::other)?;
        Ok(())
    })
}

fn machine() -> String {
    let mut lines = vec![
        format!("gosling {}", env!("CARGO_PKG_VERSION")),
        format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        format!(
            "{} processors",
            std::thread::available_parallelism().map_or(0, usize::from)
        ),
    ];
    for adapter in list_adapters() {
        lines.push(format!("{adapter:?}"));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_the_log_and_the_run_without_the_persons_name() {
        let folder = tempfile::tempdir().unwrap();
        let home = std::env::home_dir().unwrap().display().to_string();
        fs::write(folder.path().join(SPEC_FILE), format!("({home}/model.pth)")).unwrap();
        let path = folder.path().join("diagnostics.zip");
        let draft = RunSpec {
            name: "drafted".into(),
            ..RunSpec::default()
        };
        write_diagnostics(&path, "a line", &draft, Some(folder.path())).unwrap();
        let mut zip = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
        let mut text = |name: &str| {
            let mut text = String::new();
            io::Read::read_to_string(&mut zip.by_name(name).unwrap(), &mut text).unwrap();
            text
        };
        assert_eq!(text("window-log.txt"), "a line");
        assert_eq!(text("run/spec.ron"), "(~/model.pth)");
        assert!(text("configuration.ron").contains("\"drafted\""));
        assert!(text("machine.txt").starts_with("gosling "));
    }
}
