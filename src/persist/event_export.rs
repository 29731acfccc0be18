//! Runs as event files for TensorBoard, after the fact.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::event_file::{events_of, file_name, secs};
use super::metrics::read_metrics;
use super::run_folder::{METRICS_FILE, SPEC_FILE, run_id};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};

/// Writes the numbers of a run into the folder `to/RUN`: the file, and how many records
/// have any. The times are those of the run's specification and of its steps. The same
/// run is written over what was written of it before.
///
/// # Errors
/// A folder that is no run's, and [`Error::Io`].
pub fn export_events(run: &Path, to: &Path) -> Result<(PathBuf, usize)> {
    let begin = fs::metadata(run.join(SPEC_FILE)).and_then(|of| of.modified());
    let begin = begin.map_err(|_| Error::input(run, SPEC_FILE, tr!("is not there; name a run")))?;
    let begin = secs(begin);
    let (records, _) = read_metrics(run.join(METRICS_FILE))?;
    let folder = to.join(run_id(run)?.0);
    fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let (bytes, n_written) = events_of(&records, begin);
    let path = folder.join(file_name(begin, "export"));
    write_atomic(&path, |file| file.write_all(&bytes))?;
    Ok((path, n_written))
}

/// The runs of a folder: itself if it is one's, else those in it, by their names.
///
/// # Errors
/// [`Error::Io`]; a folder with none.
pub fn runs_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(SPEC_FILE).is_file() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut runs: Vec<PathBuf> = paths
        .filter(|path| path.join(SPEC_FILE).is_file())
        .collect();
    runs.sort();
    match runs.is_empty() {
        true => Err(Error::input(
            folder,
            tr!("runs"),
            tr!("holds none; name a run or a folder of runs"),
        )),
        false => Ok(runs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::run_folder::RunFolder;
    use crate::protocol::run_spec::RunSpec;

    #[test]
    fn runs_are_found_in_a_folder_and_by_themselves() {
        let runs = tempfile::tempdir().unwrap();
        assert!(runs_in(runs.path()).is_err());
        for _ in 0..2 {
            drop(RunFolder::create(runs.path(), &RunSpec::default()).unwrap());
        }
        let found = runs_in(runs.path()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(runs_in(&found[1]).unwrap(), found[1..]);
        let to = tempfile::tempdir().unwrap();
        let (first, n) = export_events(&found[0], to.path()).unwrap();
        assert_eq!(
            (n, first.parent()),
            (0, Some(to.path().join("standard-0001").as_path()))
        );
        // Written again, and not beside it.
        assert_eq!(export_events(&found[0], to.path()).unwrap().0, first);
        assert!(export_events(runs.path(), to.path()).is_err());
    }
}
