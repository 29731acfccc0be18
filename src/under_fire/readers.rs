//! The readers, with good files of each format and the words that it is made of.

use std::collections::BTreeMap;
use std::path::Path;

use super::engine::{Reader, feed};
use crate::data::{Benchmark, Split, Template, read_items, read_text_set};
use crate::model::ModelConfig;
use crate::model::checkpoint::Checkpoint;
use crate::model::pickle::read_state_dict;
use crate::model::tokenizer::Tokenizer;
use crate::persist::metrics::{MetricRecord, records_in};
use crate::persist::spec_file::{parse_spec, print_spec, set_field};
use crate::tuning::MomentValues;
use crate::tuning::checkpoint_file::{TrainerCheckpoint, checkpoint_in, write_checkpoint};
use crate::tuning::lift_bundle::{bundle_in, write_bundle};
use crate::tuning::snapshot_file::{Snapshot, snapshot_in, write_snapshot};
use crate::tuning::spec::{LiftKind, LiftSpec, Method};
use crate::tuning::state_file::{
    Metadata, Orientation, PthDType, TunedState, raw_in, state_in, write_pth, write_raw,
    write_safetensors, write_st,
};
use crate::tuning::tuned::{LiftValues, Tuned};
use crate::worker::event::{RunOutcome, StepMetrics};
use crate::worker::run_spec::{CheckpointSource, DataSource, RunSpec};

/// Words of `.pth` files: zip records and pickle opcodes with what they name.
const TORCH_WORDS: [&[u8]; 27] = [
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\x01\x00\x10\x00",
    b"\xff\xff\xff\xff",
    b"archive/data.pkl",
    b"archive/byteorder",
    b"archive/data/0",
    b"archive/data/1",
    b"blocks.0.att.time_state",
    b"state_dict",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nBFloat16Storage\n",
    b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n",
    b"X\x07\x00\x00\x00storage",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"q\x00",
    b"h\x00",
    b"(tQ",
    b"\x89)R",
    b"}(u.",
];

const SAFETENSORS_WORDS: [&[u8]; 18] = [
    b"\"gosling-snapshot\"",
    b"{\"__metadata__\":{",
    b"\"format\":",
    b"\"orientation\":",
    b"\"value,key\"",
    b"\"key,value\"",
    b"\"gosling-checkpoint\"",
    b"\"gosling-lifted-state\"",
    b"\"header\":",
    b"\"dtype\":",
    b"\"F32\"",
    b"\"F16\"",
    b"\"shape\":",
    b"\"data_offsets\":",
    b"[0,16]",
    b"blocks.1.att.time_state",
    b"\\\"n_layer\\\":",
    b"\\\"layers\\\":[",
];

const JSON_WORDS: [&[u8]; 28] = [
    b"{\"",
    b"\":",
    b"\",\"",
    b"}\n",
    b"[",
    b"]",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"\\ud800",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"text",
    b"prompt",
    b"completion",
    b"question",
    b"answer",
    b"#### ",
    b"choices",
    b"label",
    b"answerKey",
    b"option1",
    b"sentence",
    b"_",
    b"\"NaN\"",
    b"\"kind\":\"step\"",
];

const RON_WORDS: [&[u8]; 26] = [
    b"(",
    b")",
    b"Some(",
    b"None",
    b"#![enable(implicit_some)]\n",
    b"/*",
    b"*/",
    b"//",
    b"r#\"",
    b"\"#",
    b"'",
    b"training: (",
    b"method: ",
    b"Lifted((",
    b"Standard((",
    b"layers: ",
    b"Only([",
    b"start: ",
    b"File(\"",
    b"schedule: ",
    b"batch: ",
    b"1e999",
    b"-1",
    b"0x",
    b"inf",
    b"NaN",
];

const VOCABULARY_WORDS: [&[u8]; 12] = [
    b"b'",
    b"'",
    b"\"",
    b"\\x",
    b"\\u",
    b"\\U0010ffff",
    b"\\N{",
    b"\\0",
    b"\\\n",
    b" 1\n",
    b"65535 ",
    b"\r\n",
];

/// What a writer makes of a file in a folder of its own.
fn written(name: &str, write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path);
    std::fs::read(path).unwrap()
}

fn state() -> TunedState {
    let layer = |layer: usize| (0..8).map(|i| (layer * 8 + i) as f32 * 0.25).collect();
    TunedState {
        n_layer: 2,
        n_head: 2,
        head_size: 2,
        layers: (0..2).map(layer).collect(),
    }
}

fn lift() -> LiftValues {
    LiftValues {
        layers: vec![1],
        n_head: 2,
        head_size: 2,
        upscaled_size: 3,
        kind: LiftKind::Recurrent,
        gate: Some(vec![0.5; 2]),
        projection_seed: 9,
        weights: vec![0.5; 12],
        support_vectors: vec![0.25; 12],
        gamma: vec![1.0; 2],
        decorrelation: Some(vec![1.0; 18]),
        mean: Some(vec![0.0; 6]),
    }
}

fn tuned(lift: Option<LiftValues>) -> Tuned {
    Tuned {
        state: state(),
        lift,
    }
}

fn metadata() -> Metadata {
    Metadata {
        base_fingerprint: Some("ab".into()),
        spec_ron: Some("()".into()),
        metrics_json: Some("{}".into()),
        gosling_version: None,
    }
}

fn torch_seeds() -> Vec<Vec<u8>> {
    let pth = |dtype| {
        written("a.pth", |path| {
            write_pth(&state(), path, dtype).unwrap();
        })
    };
    vec![pth(PthDType::F32), pth(PthDType::BF16)]
}

fn state_seeds() -> Vec<Vec<u8>> {
    let own = written("a.safetensors", |path| {
        write_safetensors(&state(), path, &metadata()).unwrap();
    });
    let other = written("a.st", |path| {
        write_st(&state(), path).unwrap();
    });
    vec![own, other]
}

fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let seed = |lift: Option<LiftValues>| {
        let n_parameters = 1 + usize::from(lift.is_some());
        let moments = MomentValues {
            first: vec![0.1; 8],
            second: vec![0.2; 8],
        };
        let checkpoint = TrainerCheckpoint {
            step: 3,
            best: lift.is_some().then(|| tuned(lift.clone())),
            tuned: tuned(lift),
            layers: vec![0, 1],
            moments: vec![moments; n_parameters],
            extra: BTreeMap::from([("best_step".to_owned(), "2".to_owned())]),
        };
        written("step-000003.safetensors", |path| {
            write_checkpoint(path, &checkpoint).unwrap();
        })
    };
    vec![seed(None), seed(Some(lift()))]
}

/// One token for every byte, and a few more.
fn vocabulary() -> Vec<u8> {
    let bytes = (0..256).map(|byte| format!("{} b'\\x{byte:02x}' 1\n", byte + 1));
    let more = "257 'ab' 2\n258 \"\\u00e9'\" 3\n259 b'\\xff\\n' 2\n260 '\\U0001f600' 4\n";
    bytes
        .chain([more.to_owned()])
        .collect::<String>()
        .into_bytes()
}

fn check(name: &'static str, seeds: Vec<Vec<u8>>, words: &[&[u8]], read: &dyn Fn(&[u8]) -> bool) {
    feed(&Reader {
        name,
        seeds,
        words,
        read,
        extra_bytes: 0,
    });
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn pth() {
    check("pth", torch_seeds(), &TORCH_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.pth", bytes.to_vec()) else {
            return false;
        };
        for tensor in file.tensors() {
            assert_eq!(tensor.to_f32().len(), tensor.n_elements());
        }
        // Models are read from the same bytes; these are none.
        let _ = ModelConfig::from_checkpoint(&file);
        let _ = file.fingerprint();
        state_in(&file, None).is_ok()
    });
}

#[test]
fn pickle() {
    let seeds = torch_seeds().into_iter().map(|archive| {
        let start = archive
            .windows(2)
            .position(|two| two == b"\x80\x02")
            .unwrap();
        let end = archive[start..]
            .windows(4)
            .position(|four| four == b"PK\x03\x04")
            .unwrap();
        archive[start..start + end].to_vec()
    });
    check("pickle", seeds.collect(), &TORCH_WORDS, &|bytes| {
        read_state_dict(bytes).is_ok_and(|tensors| !tensors.is_empty())
    });
}

#[test]
fn safetensors() {
    check("safetensors", state_seeds(), &SAFETENSORS_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.safetensors", bytes.to_vec()) else {
            return false;
        };
        for tensor in file.tensors() {
            assert_eq!(tensor.to_f32().len(), tensor.n_elements());
        }
        let _ = ModelConfig::from_checkpoint(&file);
        true
    });
}

#[test]
fn states() {
    check("state", state_seeds(), &SAFETENSORS_WORDS, &|bytes| {
        let Ok(file) = Checkpoint::from_bytes("a.st", bytes.to_vec()) else {
            return false;
        };
        let all = [
            None,
            Some(Orientation::ValueKey),
            Some(Orientation::KeyValue),
        ];
        all.into_iter().any(|told| match state_in(&file, told) {
            Ok((state, _)) => {
                assert_eq!(state.layers.len(), state.n_layer);
                assert!(state.layers.iter().all(|x| x.len() == state.n_per_layer()));
                true
            }
            Err(_) => false,
        })
    });
}

#[test]
fn raw_states() {
    let model = ModelConfig {
        n_layer: 2,
        n_embd: 4,
        n_head: 2,
        head_size: 2,
        vocab_size: 10,
        n_ffn: 16,
        decay_rank: 1,
        iclr_rank: 1,
        value_rank: 1,
        gate_rank: 1,
    };
    let seed = written("a.bin", |path| {
        write_raw(&state(), path).unwrap();
    });
    check("raw", vec![seed], &[], &|bytes| {
        raw_in(Path::new("a.bin"), bytes, &model).is_ok()
    });
}

#[test]
fn checkpoints() {
    check(
        "checkpoint",
        checkpoint_seeds(),
        &SAFETENSORS_WORDS,
        &|bytes| {
            let file = Checkpoint::from_bytes("step-000003.safetensors", bytes.to_vec());
            file.is_ok_and(|file| checkpoint_in(&file).is_ok())
        },
    );
}

#[test]
fn bundles() {
    let seed = written("lifted.safetensors", |path| {
        write_bundle(&tuned(Some(lift())), path, &metadata()).unwrap();
    });
    check("bundle", vec![seed], &SAFETENSORS_WORDS, &|bytes| {
        let file = Checkpoint::from_bytes("lifted.safetensors", bytes.to_vec());
        file.is_ok_and(|file| bundle_in(&file).is_ok())
    });
}

#[test]
fn snapshots() {
    let seeds = [None, Some(lift())].map(|lift| {
        written("step-000003.safetensors", |path| {
            let snapshot = Snapshot {
                step: 3,
                tuned: tuned(lift),
            };
            write_snapshot(path, &snapshot).unwrap();
        })
    });
    check("snapshot", seeds.to_vec(), &SAFETENSORS_WORDS, &|bytes| {
        let file = Checkpoint::from_bytes("step-000003.safetensors", bytes.to_vec());
        file.is_ok_and(|file| snapshot_in(&file).is_ok())
    });
}

#[test]
fn vocabularies() {
    let reader = |bytes: &[u8]| match Tokenizer::from_bytes("vocab.txt", bytes) {
        Ok(tokenizer) => {
            let ids = tokenizer.encode_bytes(b"ab\xff\nabc");
            assert_eq!(tokenizer.decode_bytes(&ids), b"ab\xff\nabc");
            true
        }
        Err(_) => false,
    };
    feed(&Reader {
        name: "vocabulary",
        seeds: vec![vocabulary()],
        words: &VOCABULARY_WORDS,
        read: &reader,
        // The lines of all 65536 ids, and the first two levels of the trie.
        extra_bytes: 4 << 20,
    });
}

#[test]
fn text_sets() {
    let tokenizer = Tokenizer::mini().unwrap();
    let seeds = texts(&[
        "{\"text\":\"a b\"}\n{\"text\":\"\\u00e9\\n\"}\n",
        "{\"prompt\":\"a\\n\\nb\",\"completion\":\"c\"}\n\n{\"prompt\":\"\",\"completion\":\"d\"}",
    ]);
    check("jsonl", seeds, &JSON_WORDS, &|bytes| {
        let all = [Template::Plain, Template::UserAssistant];
        all.into_iter().all(|template| {
            let read = read_text_set("a.jsonl", bytes, template, &tokenizer);
            read.is_ok_and(|set| !set.items.is_empty())
        })
    });
}

#[test]
fn benchmarks_of_json_lines() {
    let seeds = texts(&[
        "{\"question\":\"2+3?\",\"answer\":\"5\\n#### 5\"}\n",
        "{\"id\":\"a\",\"question\":{\"stem\":\"s\",\"choices\":[{\"text\":\"x\",\"label\":\"A\"},{\"text\":\"y\",\"label\":\"B\"},{\"text\":\"z\",\"label\":\"C\"}]},\"answerKey\":\"B\"}\n",
        "{\"qID\":\"q-1\",\"sentence\":\"The _ fell.\",\"option1\":\"cup\",\"option2\":\"cat\",\"answer\":\"1\"}\n",
    ]);
    check("benchmark", seeds, &JSON_WORDS, &|bytes| {
        let all = [Benchmark::Gsm8k, Benchmark::Arc, Benchmark::WinoGrande];
        // A name without a stem has no list of labels on the disk beside it.
        let read = |benchmark| read_items(benchmark, "..", bytes, Split::Test).is_ok();
        all.into_iter().filter(|benchmark| read(*benchmark)).count() > 0
    });
}

#[test]
fn tables() {
    let seeds = texts(&[
        "Q?,a,b,c,d,A\n\"Long, \"\"quoted\"\"\nquestion\",1,2,3,4,D\n",
        "\u{feff}Q,a,b,c,d,B\r\n\r\nR,e,f,g,h,C\r\n",
    ]);
    let words: [&[u8]; 8] = [
        b",", b"\"", b"\"\"", b"\r\n", b"\n", b",A\n", b"\xff", b"\r",
    ];
    check("csv", seeds, &words, &|bytes| {
        read_items(Benchmark::Mmlu, "biology_test.csv", bytes, Split::Test).is_ok()
    });
}

#[test]
fn specifications() {
    let lifted = RunSpec {
        method: Method::Lifted(LiftSpec {
            decorrelation: Some(Default::default()),
            ..LiftSpec::default()
        }),
        ..RunSpec::default()
    };
    let mut files = RunSpec::default();
    files.model.checkpoint = CheckpointSource::File("a b.pth".into());
    files.data.source = DataSource::Jsonl {
        train: "t.jsonl".into(),
        validation: Some("v.jsonl".into()),
        template: Template::UserAssistant,
    };
    let mut seeds: Vec<_> = [RunSpec::default(), lifted, files]
        .iter()
        .map(|spec| print_spec(spec).unwrap().into_bytes())
        .collect();
    seeds.extend(texts(&["(name: \"a\", training: (batch: 8))", "()"]));
    check("ron", seeds, &RON_WORDS, &|bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return false;
        };
        match parse_spec(text, "a.ron") {
            Ok(spec) => {
                let _ = spec.check();
                let printed = print_spec(&spec).unwrap();
                let again = parse_spec(&printed, "b.ron").unwrap();
                assert_eq!(printed, print_spec(&again).unwrap());
                true
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                false
            }
        }
    });
}

#[test]
fn assignments() {
    let seeds = texts(&[
        "training.batch=8",
        "method=Lifted(features: (upscaled_size: 64))",
        "model.checkpoint=File(\"a.pth\")",
        "training.optimizer.beta1=0.5",
    ]);
    check("assignment", seeds, &RON_WORDS, &|bytes| {
        let mut spec = RunSpec::default();
        let text = std::str::from_utf8(bytes);
        text.is_ok_and(|text| set_field(&mut spec, text).is_ok())
    });
}

#[test]
fn metrics() {
    let step = MetricRecord::Step(StepMetrics {
        step: 3,
        loss: f64::NAN,
        grad_norm: 0.5,
        state_norm: 1.0,
        learning_rate: 0.1,
        tokens: 7,
        secs: 0.25,
        lift: None,
    });
    let end = MetricRecord::End {
        outcome: RunOutcome::Diverged {
            step: 3,
            detail: "layer 0".into(),
        },
    };
    let line = |record: &MetricRecord| serde_json::to_string(record).unwrap() + "\n";
    let seeds = vec![[line(&step), line(&end)].concat().into_bytes()];
    check("metrics", seeds, &JSON_WORDS, &|bytes| {
        let mut n_records = 0;
        records_in(bytes, |line, record| {
            n_records += 1;
            // What was read can be written and read again.
            let again = serde_json::to_vec(&record).unwrap();
            assert!(serde_json::from_slice::<MetricRecord>(&again).is_ok());
            assert!(!line.is_empty());
        })
        .unwrap();
        n_records > 0
    });
}
