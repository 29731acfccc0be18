use super::*;
use crate::persist::run_folder::RunFolder;
use crate::protocol::run_spec::RunSpec;

#[test]
fn checksums_are_those_of_the_standard() {
    // RFC 3720, appendix B.4.
    let ascending: Vec<u8> = (0..32).collect();
    let descending: Vec<u8> = (0..32).rev().collect();
    for (bytes, crc) in [
        (&[0; 32][..], 0x8a91_36aa),
        (&[0xff; 32], 0x62a8_ab43),
        (&ascending, 0x46dd_794e),
        (&descending, 0x113f_db5c),
        (b"123456789", 0xe306_9283),
    ] {
        assert_eq!(crc32c(bytes), crc, "{bytes:?}");
    }
}

/// An event as it is written in protobuf's documentation: by hand.
#[test]
fn an_event_is_written_as_its_definition_says() {
    let got = event(1.0, 300, &[("a", 0.5)]);
    let want = [
        &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f][..],
        &[0x10, 0xac, 0x02],
        &[0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0x3f],
    ];
    assert_eq!(got, want.concat());
}

fn step(step: usize, loss: f64) -> MetricRecord {
    MetricRecord::Step(StepMetrics {
        step,
        loss,
        grad_norm: 1.0,
        state_norm: 2.0,
        learning_rate: 0.1,
        tokens: 100,
        secs: 0.5,
        lift: None,
        lora: None,
    })
}

/// The events of a file, checked as it is read.
fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_at(8);
        let n = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let (crc, after) = after.split_at(4);
        assert_eq!(crc, masked(crc32c(length)).to_le_bytes());
        let (event, after) = after.split_at(n);
        let (crc, after) = after.split_at(4);
        assert_eq!(crc, masked(crc32c(event)).to_le_bytes());
        events.push(event.to_vec());
        rest = after;
    }
    events
}

fn holds(event: &[u8], text: &str) -> bool {
    event.windows(text.len()).any(|of| of == text.as_bytes())
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.to_string_lossy().contains("events.out.tfevents");
    paths.filter(is_one).collect()
}

#[test]
fn a_run_writes_its_events_where_it_was_asked_to() {
    let runs = tempfile::tempdir().unwrap();
    let mut spec = RunSpec::default();
    let mut plain = RunFolder::create(runs.path(), &spec).unwrap();
    plain.append_metric(&step(1, 0.5)).unwrap();
    assert!(event_files(plain.path()).is_empty());
    spec.intervals.tensorboard = true;
    let mut folder = RunFolder::create(runs.path(), &spec).unwrap();
    let path = folder.path().to_path_buf();
    for record in [
        MetricRecord::Note { text: "x".into() },
        step(1, 0.5),
        step(2, f64::NAN),
        MetricRecord::Validation {
            step: 2,
            loss: 0.25,
            accuracy: None,
            best: true,
        },
    ] {
        folder.append_metric(&record).unwrap();
    }
    drop(folder);
    let [file] = &event_files(&path)[..] else {
        panic!("not one file");
    };
    let events = read(&std::fs::read(file).unwrap());
    assert_eq!(events.len(), 4);
    assert!(holds(&events[0], VERSION));
    assert!(holds(&events[1], "train/loss") && holds(&events[2], "train/loss"));
    assert!(holds(&events[3], "validation/loss"));
    // A run that continues says from where, in the same file or in another one.
    let (mut folder, _) = RunFolder::open(&path).unwrap();
    folder.truncate_after(1).unwrap();
    folder.append_metric(&step(2, 0.4)).unwrap();
    let all: Vec<Vec<u8>> = event_files(&path)
        .iter()
        .flat_map(|file| read(&std::fs::read(file).unwrap()))
        .collect();
    let start = [&[0x10, 2][..], &[0x3a, 2, 8, 1]].concat();
    let n_starts = all.iter().filter(|event| event.ends_with(&start)).count();
    assert_eq!((all.len(), n_starts), (7, 1));
}
