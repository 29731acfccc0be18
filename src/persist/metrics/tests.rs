//! Tests of the metrics file.

use proptest::prelude::*;

use super::*;
use crate::protocol::event::{DecorrelationMetrics, LiteralMetrics, Score};

fn step(step: usize, loss: f64) -> MetricRecord {
    MetricRecord::Step(StepMetrics {
        step,
        loss,
        grad_norm: f64::INFINITY,
        state_norm: f64::NEG_INFINITY,
        learning_rate: 1e-300,
        tokens: 12,
        secs: 0.25,
        lift: (step > 1).then_some(LiftMetrics {
            norm: f64::INFINITY,
            gate: Some(0.5),
            literal: Some(LiteralMetrics {
                clamped: 0.25,
                largest: f64::INFINITY,
            }),
            decorrelation: Some(DecorrelationMetrics {
                loss: 0.5,
                off_diagonal: f64::NEG_INFINITY,
                rms: 1e-300,
                norm: 3.0,
                condition: Some(2.0),
            }),
        }),
        lora: (step > 2).then_some(LoraMetrics {
            norm: f64::INFINITY,
        }),
    })
}

fn validation(step: usize) -> MetricRecord {
    MetricRecord::Validation {
        step,
        loss: 0.5,
        accuracy: (step > 0).then(|| Score {
            name: "strict".into(),
            n_correct: 1,
            n_items: 2,
        }),
        best: true,
    }
}

fn evaluation(phase: EvaluationPhase) -> MetricRecord {
    let summary = EvaluationSummary {
        benchmark: "arc-mini".into(),
        few_shot: 0,
        scores: vec![Score {
            name: "strict".into(),
            n_correct: 1,
            n_items: 2,
        }],
        n_total: 500,
        written: None,
        left_out: 0,
        secs: 1.5,
    };
    MetricRecord::Evaluation { phase, summary }
}

fn one_of_each() -> Vec<MetricRecord> {
    let note = "a \"note\"\nof two lines: é";
    vec![
        MetricRecord::Note { text: note.into() },
        MetricRecord::Costs {
            costs: RunCosts {
                trained: 98_304,
                memory: u64::MAX,
            },
        },
        evaluation(EvaluationPhase::Before),
        step(1, 0.75),
        validation(1),
        step(2, -0.0),
        MetricRecord::Export {
            step: 7,
            path: "state.safetensors".into(),
            bytes: u64::MAX,
        },
        evaluation(EvaluationPhase::After),
        MetricRecord::Failure {
            during: "a step".into(),
            message: "device lost".into(),
        },
        MetricRecord::End {
            outcome: RunOutcome::Finished,
        },
        MetricRecord::End {
            outcome: RunOutcome::Diverged {
                step: 2,
                detail: "layer 0".into(),
            },
        },
    ]
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("metrics.jsonl")
    }

    fn with(records: &[MetricRecord]) -> Self {
        let folder = Self::new();
        let mut file = MetricsFile::new(folder.path());
        for record in records {
            file.append(record).unwrap();
        }
        folder
    }
}

#[test]
fn records_are_read_back() {
    let folder = Folder::with(&one_of_each());
    assert_eq!(read_metrics(folder.path()).unwrap(), (one_of_each(), 0));
    let text = std::fs::read_to_string(folder.path()).unwrap();
    assert_eq!(text.lines().count(), one_of_each().len());
    let fourth = text.lines().nth(3).unwrap();
    assert!(fourth.starts_with(r#"{"kind":"step","step":1,"loss":0.75,"grad_norm":"inf""#));
}

#[test]
fn nan_is_read_back() {
    let folder = Folder::with(&[step(1, f64::NAN)]);
    let (records, n_torn) = read_metrics(folder.path()).unwrap();
    let MetricRecord::Step(metrics) = &records[0] else {
        panic!("{records:?}");
    };
    assert!(metrics.loss.is_nan());
    assert_eq!((metrics.grad_norm, n_torn), (f64::INFINITY, 0));
}

#[test]
fn no_file_has_no_records() {
    let folder = Folder::new();
    assert_eq!(read_metrics(folder.path()).unwrap(), (Vec::new(), 0));
    MetricsFile::new(folder.path()).truncate_after(3).unwrap();
    assert!(!folder.path().exists());
    assert!(matches!(
        read_metrics(folder.0.path()),
        Err(Error::Io { .. })
    ));
}

#[test]
fn lines_that_are_no_records_are_counted() {
    let good = serde_json::to_string(&step(1, 1.0)).unwrap();
    let long = "x".repeat(3 << 20);
    for (text, want) in [
        (format!("{good}\n{good}\n"), (2, 0)),
        (format!("{good}\r\n\n  \n{good}\n"), (2, 0)),
        (format!("{good}\n{{\"kind\":\"step\"}}\n{good}\n"), (2, 1)),
        (format!("{good}\n{good}{good}\n{good}"), (2, 1)),
        (
            format!("{good}\n{{\"kind\":\"dream\"}}\n[]\nnull\n"),
            (1, 3),
        ),
        (format!("{good}\n{long}\n{good}\n{long}"), (2, 2)),
        (format!("\0\0\0\0\n{good}\n"), (1, 1)),
        (good.replace("1.0", "\"infinite\""), (0, 1)),
        (good.replace("1.0", "null"), (0, 1)),
    ] {
        let folder = Folder::new();
        std::fs::write(folder.path(), text).unwrap();
        let (records, n_torn) = read_metrics(folder.path()).unwrap();
        assert_eq!((records.len(), n_torn), want);
    }
    let folder = Folder::new();
    std::fs::write(folder.path(), b"\xff\xfe\n").unwrap();
    assert_eq!(read_metrics(folder.path()).unwrap().1, 1);
}

#[test]
fn nothing_is_glued_to_a_torn_line() {
    let folder = Folder::with(&[step(1, 1.0)]);
    let mut text = std::fs::read(folder.path()).unwrap();
    text.extend_from_slice(b"{\"kind\":\"st");
    std::fs::write(folder.path(), text).unwrap();
    let mut file = MetricsFile::new(folder.path());
    file.append(&step(2, 2.0)).unwrap();
    file.append(&step(3, 3.0)).unwrap();
    let (records, n_torn) = read_metrics(folder.path()).unwrap();
    assert_eq!(records, [step(1, 1.0), step(2, 2.0), step(3, 3.0)]);
    assert_eq!(n_torn, 1);
}

#[test]
fn truncation_keeps_what_still_holds() {
    let folder = Folder::with(&one_of_each());
    let mut file = MetricsFile::new(folder.path());
    file.append(&step(3, 1.0)).unwrap();
    file.truncate_after(1).unwrap();
    file.append(&step(2, 9.0)).unwrap();
    let all = one_of_each();
    let mut want = all[..5].to_vec();
    want.extend([all[6].clone(), step(2, 9.0)]);
    assert_eq!(read_metrics(folder.path()).unwrap(), (want, 0));
}

#[test]
fn lines_keep_their_form() {
    for line in [
        r#"{"kind":"step","step":3,"loss":0.75,"grad_norm":"inf","state_norm":1.5,"learning_rate":0.8,"tokens":12,"secs":0.25}"#,
        r#"{"kind":"costs","trained":98304,"memory":1048576}"#,
        r#"{"kind":"validation","step":50,"loss":"NaN","best":false}"#,
        r#"{"kind":"validation","step":50,"loss":0.5,"accuracy":{"name":"strict","n_correct":1,"n_items":2},"best":true}"#,
        r#"{"kind":"export","step":7,"path":"state.safetensors","bytes":393216}"#,
        r#"{"kind":"failure","during":"tuning","message":"the GPU was lost"}"#,
        r#"{"kind":"end","outcome":"Finished"}"#,
        r#"{"kind":"end","outcome":{"Stopped":{"step":4}}}"#,
    ] {
        let record: MetricRecord = serde_json::from_str(line).unwrap();
        let event = record.into_event().unwrap();
        let [again] = &MetricRecord::from_event(&event)[..] else {
            panic!("{event:?}");
        };
        assert_eq!(serde_json::to_string(again).unwrap(), line);
    }
}

#[test]
fn events_are_written_and_read() {
    for record in one_of_each() {
        match record.clone().into_event() {
            Some(event) => assert_eq!(MetricRecord::from_event(&event), [record]),
            None => assert!(matches!(record, MetricRecord::Note { .. })),
        }
    }
    let started = RunEvent::Started {
        spec: Box::default(),
        folder: "a".into(),
        first_step: 0,
        notes: vec!["x".into(), "y".into()],
    };
    assert_eq!(MetricRecord::from_event(&started).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_file_cut_anywhere_reads_back_a_prefix(cut in 0.0..=1.0_f64) {
        let all = one_of_each();
        let folder = Folder::with(&all);
        let text = std::fs::read(folder.path()).unwrap();
        let n_bytes = (text.len() as f64 * cut) as usize;
        std::fs::write(folder.path(), &text[..n_bytes]).unwrap();
        let (records, n_torn) = read_metrics(folder.path()).unwrap();
        prop_assert!(all.starts_with(&records));
        prop_assert!(n_torn <= 1);
        let n_lines = text[..n_bytes].iter().filter(|&&byte| byte == b'\n').count();
        prop_assert!(records.len() >= n_lines);
        // And it can be resumed.
        MetricsFile::new(folder.path()).append(&step(7, 7.0)).unwrap();
        let (longer, _) = read_metrics(folder.path()).unwrap();
        prop_assert_eq!(longer.len(), records.len() + 1);
        prop_assert_eq!(longer.last(), Some(&step(7, 7.0)));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = Folder::new();
        std::fs::write(folder.path(), bytes).unwrap();
        prop_assert!(read_metrics(folder.path()).is_ok());
    }
}
