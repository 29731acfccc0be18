//! The runs of earlier sessions, read back from their folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder_lock::holder_of;
use super::metrics::{MetricRecord, read_metrics};
use super::run_folder::{METRICS_FILE, SPEC_FILE, read_run_spec, run_id, snapshot_steps};
use super::run_labels::RunLabels;
use super::run_requests::asking::is_watched;
use super::run_requests::pause_of;
use crate::error::{Error, Result};
use crate::protocol::event::{Event, RunEvent};
use crate::runs::run::{Run, RunStatus};
use crate::runs::{BrokenFolder, RunStore};

impl RunStore {
    /// Every run below `runs_dir`, oldest first; those that another process works on
    /// as far as they are. Folders that hold a broken run
    /// are listed in [`RunStore::broken`]; folders without a specification are
    /// no runs, and a `runs_dir` that is not there has none.
    ///
    /// # Errors
    /// [`Error::Io`] if `runs_dir` is there but cannot be listed.
    pub fn from_folder(runs_dir: impl AsRef<Path>) -> Result<Self> {
        let mut store = Self::default();
        for folder in run_folders(runs_dir.as_ref())? {
            match observed_run(&folder) {
                Ok(run) => store.add(run),
                Err(error) => store.broken.push(BrokenFolder {
                    folder,
                    reason: error.to_string(),
                }),
            }
        }
        Ok(store)
    }
}

/// Every run below `runs_dir` that can be read, oldest first.
///
/// # Errors
/// [`Error::Io`] if `runs_dir` is there but cannot be listed.
pub fn past_runs(runs_dir: &Path) -> Result<Vec<Run>> {
    Ok(RunStore::from_folder(runs_dir)?.runs().to_vec())
}

/// Reads one run back from its folder; nobody works on it.
///
/// # Errors
/// [`Error::Input`] or [`Error::Io`] if its specification or its numbers
/// cannot be read.
pub fn past_run(folder: &Path) -> Result<Run> {
    let mut run = read_run(folder)?;
    if !run.status.is_over() {
        run.status = RunStatus::Interrupted { step: run.step };
    }
    Ok(run)
}

/// Reads one run from its folder as it stands just now, where another process may
/// work on it: [`Run::elsewhere`] says which one.
///
/// # Errors
/// As [`past_run`].
pub fn observed_run(folder: &Path) -> Result<Run> {
    // Before the numbers are read: a run that ends meanwhile has its end among them.
    let holder = holder_of(folder);
    let mut run = read_run(folder)?;
    match (run.status.is_over(), holder) {
        (false, Some(pid)) => {
            run.elsewhere = Some(pid);
            if pause_of(folder).is_some() {
                let total = run.spec.training.steps;
                let step = run.step;
                run.status = RunStatus::Paused { step, total };
            }
        }
        (false, None) => run.status = RunStatus::Interrupted { step: run.step },
        (true, _) => {}
    }
    Ok(run)
}

fn read_run(folder: &Path) -> Result<Run> {
    let spec = read_run_spec(folder)?;
    let id = run_id(folder)?;
    let (records, n_torn) = read_metrics(folder.join(METRICS_FILE))?;
    let mut notes = Vec::new();
    if n_torn > 0 {
        notes.push(tr!(
            "damaged lines of {METRICS_FILE} left out, {n_torn}",
            METRICS_FILE,
            n_torn
        ));
    }
    let mut events = Vec::new();
    for record in records {
        match record {
            MetricRecord::Note { text } => notes.push(text),
            // The folder may have been moved or copied since.
            MetricRecord::Export { step, path, bytes } => {
                let path = match path.file_name() {
                    Some(name) => folder.join(name),
                    None => path,
                };
                let here = MetricRecord::Export { step, path, bytes };
                events.extend(here.into_event());
            }
            record => events.extend(record.into_event()),
        }
    }
    let mut store = RunStore::default();
    store.apply(Event::Run(
        id.clone(),
        RunEvent::Started {
            spec: Box::new(spec),
            folder: folder.to_path_buf(),
            first_step: 0,
            notes,
        },
    ));
    for event in events {
        store.apply(Event::Run(id.clone(), event));
    }
    let mut run = store.take(&id).ok_or_else(|| {
        Error::input(folder, METRICS_FILE, tr!("holds no run; remove the folder"))
    })?;
    run.snapshots = snapshot_steps(folder)?;
    run.is_watched = is_watched(folder);
    match RunLabels::read(folder) {
        Ok(labels) => run.labels = labels,
        // The run is whole without them.
        Err(error) => run.notes.push(error.to_string()),
    }
    Ok(run)
}

/// The folders with a specification, by its age: it is written once.
pub(crate) fn run_folders(runs_dir: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| Error::io("read", runs_dir, source);
    let entries = match fs::read_dir(runs_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.map_err(fail)?.path();
        if let Ok(metadata) = fs::metadata(folder.join(SPEC_FILE)) {
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            folders.push((written, folder));
        }
    }
    folders.sort();
    Ok(folders.into_iter().map(|(_, folder)| folder).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::run_folder::RunFolder;
    use crate::persist::spec_file::print_spec;
    use crate::protocol::event::{RunId, RunOutcome, StepMetrics};
    use crate::protocol::run_spec::{LeadingToken, RunSpec, VocabularySource};
    use crate::tuning::states::state_file::VOCABULARY_FILE;

    fn step(step: usize, loss: f64) -> MetricRecord {
        MetricRecord::Step(StepMetrics {
            step,
            loss,
            grad_norm: 1.0,
            state_norm: 1.0,
            learning_rate: 0.1,
            tokens: 10,
            secs: 0.5,
            lift: None,
            lora: None,
        })
    }

    fn note(text: &str) -> MetricRecord {
        MetricRecord::Note { text: text.into() }
    }

    fn write_run(runs_dir: &Path, records: &[MetricRecord]) -> PathBuf {
        let mut folder = RunFolder::create(runs_dir, &RunSpec::default()).unwrap();
        for record in records {
            folder.append_metric(record).unwrap();
        }
        folder.path().to_path_buf()
    }

    #[test]
    fn past_runs_are_read_back() {
        let runs = tempfile::tempdir().unwrap();
        let end = MetricRecord::End {
            outcome: RunOutcome::Finished,
        };
        write_run(runs.path(), &[note("x"), step(1, 0.5), end]);
        write_run(runs.path(), &[step(1, 0.5), step(2, f64::NAN)]);
        let failure = MetricRecord::Failure {
            during: "a step".into(),
            message: "device lost".into(),
        };
        write_run(runs.path(), &[failure]);
        let store = RunStore::from_folder(runs.path()).unwrap();
        let statuses: Vec<_> = store.runs().iter().map(|run| run.status.clone()).collect();
        assert_eq!(
            statuses,
            [
                RunStatus::Finished,
                RunStatus::Interrupted { step: 2 },
                RunStatus::Failed("device lost".into()),
            ]
        );
        let first = store.get(&RunId("standard-0001".into())).unwrap();
        assert_eq!(first.notes, ["x"]);
        assert_eq!(first.series.loss.points(), &[(1, 0.5)]);
        assert_eq!(store.runs()[1].first_non_finite(), Some(2));
        assert_eq!(store.log().len(), 0);
    }

    #[test]
    fn a_run_that_another_process_works_on_is_on() {
        let runs = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(runs.path(), &RunSpec::default()).unwrap();
        folder.append_metric(&step(7, 0.5)).unwrap();
        let path = folder.path().to_path_buf();
        let seen = observed_run(&path).unwrap();
        let total = RunSpec::default().training.steps;
        assert_eq!(seen.status, RunStatus::Running { step: 7, total });
        assert_eq!(seen.elsewhere, Some(std::process::id()));
        assert!(!seen.is_on_here());
        drop(folder);
        let seen = observed_run(&path).unwrap();
        assert_eq!(seen.status, RunStatus::Interrupted { step: 7 });
        assert_eq!(seen.elsewhere, None);
    }

    #[test]
    fn a_folder_that_was_moved_speaks_of_where_it_is() {
        let runs = tempfile::tempdir().unwrap();
        let export = MetricRecord::Export {
            step: 1,
            path: "elsewhere/standard-0001/state.pth".into(),
            bytes: 3,
        };
        let old = write_run(runs.path(), &[step(1, 0.5), export]);
        let mut spec = RunSpec::default();
        spec.model.vocabulary = VocabularySource::File(runs.path().join("gone.txt"));
        fs::write(old.join(SPEC_FILE), print_spec(&spec).unwrap()).unwrap();
        fs::write(old.join(VOCABULARY_FILE), "").unwrap();
        let new = runs.path().join("moved");
        fs::rename(&old, &new).unwrap();
        let run = past_run(&new).unwrap();
        assert_eq!(run.exported[0].path, new.join("state.pth"));
        let own = VocabularySource::File(new.join(VOCABULARY_FILE));
        assert_eq!(run.spec.model.vocabulary, own);
        // A version that did not know the field put token 0 in front.
        let text = print_spec(&spec).unwrap();
        let older: String = text
            .lines()
            .filter(|line| !line.contains("leading_token"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(older, text);
        fs::write(new.join(SPEC_FILE), older).unwrap();
        let leading = past_run(&new).unwrap().spec.data.leading_token;
        assert_eq!(leading, LeadingToken::Zero);
    }

    #[test]
    fn broken_folders_are_listed_with_the_reason() {
        let runs = tempfile::tempdir().unwrap();
        let good = write_run(runs.path(), &[]);
        let bad = write_run(runs.path(), &[]);
        fs::write(bad.join(SPEC_FILE), "(nme: \"a\")").unwrap();
        fs::create_dir(runs.path().join("notes")).unwrap();
        fs::write(runs.path().join("file"), "").unwrap();
        let metrics = bad.join(METRICS_FILE);
        fs::write(metrics, "not a record\n").unwrap();
        fs::write(good.join(METRICS_FILE), "not a record\n").unwrap();
        let store = RunStore::from_folder(runs.path()).unwrap();
        assert_eq!(store.runs().len(), 1);
        assert_eq!(
            store.runs()[0].notes,
            ["damaged lines of metrics.jsonl left out, 1"]
        );
        let [broken] = &store.broken[..] else {
            panic!("{:?}", store.broken);
        };
        assert_eq!(broken.folder, bad);
        assert!(
            broken
                .reason
                .ends_with("line 1, column 2: unknown field `nme`; did you mean `name`?"),
            "{}",
            broken.reason
        );
    }

    #[test]
    fn no_folder_has_no_runs() {
        let runs = tempfile::tempdir().unwrap();
        let missing = RunStore::from_folder(runs.path().join("none")).unwrap();
        assert_eq!(missing, RunStore::default());
        let file = runs.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(RunStore::from_folder(&file).is_err());
    }
}
