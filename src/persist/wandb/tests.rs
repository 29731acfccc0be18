use super::*;
use crate::persist::run_folder::RunFolder;
use crate::protocol::event::StepMetrics;

fn step(step: usize, loss: f64, secs: f64) -> MetricRecord {
    MetricRecord::Step(StepMetrics {
        step,
        loss,
        grad_norm: 1.0,
        state_norm: 2.0,
        learning_rate: 0.1,
        tokens: 100,
        secs,
        lift: None,
        lora: None,
    })
}

fn validation(step: usize, loss: f64) -> MetricRecord {
    MetricRecord::Validation {
        step,
        loss,
        accuracy: None,
        best: true,
    }
}

/// The file in an exported folder.
fn log_in(folder: &Path) -> (String, Vec<u8>) {
    let entries = fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else {
        panic!("not one file: {files:?}");
    };
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    (name, fs::read(file).unwrap())
}

fn count(bytes: &[u8], text: &str) -> usize {
    let is_it = |of: &&[u8]| *of == text.as_bytes();
    bytes.windows(text.len()).filter(is_it).count()
}

#[test]
fn a_run_is_one_folder_however_often_it_is_exported() {
    let runs = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let write = |secs: f64| {
        let mut folder = RunFolder::create(runs.path(), &RunSpec::default()).unwrap();
        for record in [
            validation(0, 4.5),
            step(1, 3.5, secs),
            step(2, 2.5, 0.5),
            validation(2, 2.25),
        ] {
            folder.append_metric(&record).unwrap();
        }
        folder.path().to_path_buf()
    };
    let (first, second) = (write(0.5), write(0.25));
    let (folder, n_steps) = export_wandb(&first, to.path()).unwrap();
    // What was measured after step 2 is in its row.
    assert_eq!(n_steps, 3);
    assert_eq!(export_wandb(&first, to.path()).unwrap().0, folder);
    let (name, bytes) = log_in(&folder);
    let id = folder.to_str().unwrap().rsplit('-').next().unwrap();
    assert_eq!(name, format!("run-{id}.wandb"));
    assert_eq!(id.len(), 8);
    // In a row and in the summary.
    assert_eq!(count(&bytes, "train/loss"), 3);
    assert_eq!(count(&bytes, "validation/loss"), 3);
    for text in ["standard-0001", "learning_rate", "2.25"] {
        assert!(count(&bytes, text) > 0, "{text}");
    }
    // What was uploaded is uploaded again where there is more.
    let mark = folder.join(format!("{name}.synced"));
    fs::write(&mark, "").unwrap();
    export_wandb(&first, to.path()).unwrap();
    assert!(mark.exists());
    let (mut more, _) = RunFolder::open(&first).unwrap();
    more.append_metric(&step(3, 1.5, 0.5)).unwrap();
    assert_eq!(
        export_wandb(&first, to.path()).unwrap(),
        (folder.clone(), 4)
    );
    assert!(!mark.exists());
    // The same settings, and yet another run.
    let (other, _) = export_wandb(&second, to.path()).unwrap();
    assert_ne!(other, folder);
    assert!(export_wandb(runs.path(), to.path()).is_err());
}

#[test]
fn a_run_that_failed_is_told_from_one_that_ended() {
    let failure = MetricRecord::Failure {
        during: "training".into(),
        message: "no memory".into(),
    };
    let end = MetricRecord::End {
        outcome: RunOutcome::Finished,
    };
    let head = RunHead {
        id: "a",
        project: "b",
        name: "c",
        config: &[],
        begin: 0.0,
    };
    let bytes = |records: &[MetricRecord]| log_of(&head, records).0;
    let open = bytes(&[step(1, 1.0, 0.5)]);
    // Number 5 of the log, and field 18: empty, or with the code 1.
    for (last, tail) in [
        (end, &[8, 5, 0x92, 1, 0][..]),
        (failure, &[8, 5, 0x92, 1, 2, 8, 1]),
    ] {
        let closed = bytes(&[step(1, 1.0, 0.5), last]);
        assert!(closed.starts_with(&open));
        assert!(closed.ends_with(tail), "{closed:?}");
    }
}

#[test]
fn times_are_digits() {
    // date -u -d @1796068994
    assert_eq!(digits(1_796_068_994.25), "20261130_200314");
}
