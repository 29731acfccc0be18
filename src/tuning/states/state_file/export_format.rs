//! One door to the writers: a format by name, its file names, and a file
//! that is there already.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sidecar::write_sidecar;
use super::{
    ExportReport, Metadata, Orientation, PthDType, TunedState, write_pth, write_python_snippet,
    write_raw, write_safetensors, write_st,
};
use crate::error::{Error, Result};

/// What a state is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// For RWKV-Runner and the `rwkv` package.
    Pth(PthDType),
    /// For Ai00 and web-rwkv.
    St,
    /// Gosling's own.
    Safetensors,
    /// For rwkv.cpp.
    Raw,
}

impl ExportFormat {
    /// The endings by which programs know the format, the usual one first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Pth(_) => &["pth", "pt"],
            Self::St => &["st", "state"],
            Self::Safetensors => &["safetensors"],
            Self::Raw => &["bin"],
        }
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pth" => Ok(Self::Pth(PthDType::F32)),
            "st" => Ok(Self::St),
            "safetensors" => Ok(Self::Safetensors),
            "bin" => Ok(Self::Raw),
            other => {
                let reason = format!("`{other}` is unknown; choose pth, st, bin or safetensors");
                Err(Error::spec("format", reason))
            }
        }
    }
}

/// Writes `state` in one of the formats, reads it back and compares. Formats without
/// room for `metadata` get a `.json` with it beside them, and a `.pth` its Python
/// script, whose path is given too. A file that is there stays unless `overwrite`
/// is set.
///
/// # Errors
/// As the writers, and [`Error::Input`] for a file that exists or whose ending
/// other programs take for another format.
pub fn export(
    state: &TunedState,
    metadata: &Metadata,
    format: ExportFormat,
    path: impl AsRef<Path>,
    overwrite: bool,
) -> Result<(ExportReport, Option<PathBuf>)> {
    let path = path.as_ref();
    check_ending(path, format)?;
    if path.exists() && !overwrite {
        let reason = "exists already; choose another name or overwrite it (--force)";
        return Err(Error::input(path, "file", reason));
    }
    match format {
        ExportFormat::Pth(dtype) => {
            let report = write_pth(state, path, dtype)?;
            Ok((report, Some(write_companions(path, metadata)?)))
        }
        ExportFormat::St => {
            let report = write_st(state, path)?;
            write_sidecar(path, metadata, Orientation::KeyValue)?;
            Ok((report, None))
        }
        ExportFormat::Safetensors => Ok((write_safetensors(state, path, metadata)?, None)),
        ExportFormat::Raw => {
            let report = write_raw(state, path)?;
            write_sidecar(path, metadata, Orientation::ValueKey)?;
            Ok((report, None))
        }
    }
}

/// Writes what belongs beside a `.pth`: its description, and the script that loads
/// it with the vocabulary that the script reads. The script's path.
///
/// # Errors
/// [`Error::Io`] where one of them cannot be written, [`Error::Input`] for a path
/// without a file name.
pub fn write_companions(pth: impl AsRef<Path>, metadata: &Metadata) -> Result<PathBuf> {
    let pth = pth.as_ref();
    write_sidecar(pth, metadata, Orientation::ValueKey)?;
    write_python_snippet(pth, metadata)
}

fn check_ending(path: &Path, format: ExportFormat) -> Result<()> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let ending = ending.to_ascii_lowercase();
    if format.endings().contains(&ending.as_str()) {
        return Ok(());
    }
    let usual = format.endings()[0];
    let reason = format!("must end in .{usual}, by which programs know how to read it");
    Err(Error::input(path, "name", reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::states::state_file::read_state;

    fn state() -> TunedState {
        TunedState {
            n_layer: 2,
            n_head: 1,
            head_size: 2,
            layers: vec![vec![0.5, -1.0, 2.0, 0.25], vec![0.0, 3.0, -4.0, 1.0]],
        }
    }

    fn check(format: &str, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let format: ExportFormat = format.parse().unwrap();
        let metadata = Metadata::default();
        let (report, script) = export(&state(), &metadata, format, &path, false).unwrap();
        assert_eq!(report.path, path);
        assert_eq!(script.is_some(), matches!(format, ExportFormat::Pth(_)));
        assert_eq!(read_state(&path, None).unwrap().0, state(), "{name}");
        let message = export(&state(), &metadata, format, &path, false)
            .unwrap_err()
            .to_string();
        assert!(message.contains(": file: exists already"), "{message}");
        export(&state(), &metadata, format, &path, true).unwrap();
    }

    #[test]
    fn every_format_reads_back_and_is_not_overwritten() {
        check("pth", "a.pth");
        check("st", "a.st");
        check("st", "a.state");
        check("safetensors", "a.safetensors");
    }

    #[test]
    fn a_name_that_lies_is_refused() {
        for (format, name) in [("pth", "a.st"), ("st", "a.safetensors"), ("st", "a")] {
            let format: ExportFormat = format.parse().unwrap();
            let metadata = Metadata::default();
            let message = export(&state(), &metadata, format, name, false)
                .unwrap_err()
                .to_string();
            assert!(message.contains(": name: must end in ."), "{message}");
        }
        let message = "gguf".parse::<ExportFormat>().unwrap_err().to_string();
        assert_eq!(
            message,
            "format: `gguf` is unknown; choose pth, st, bin or safetensors"
        );
    }
}
